"""Muon against what it is defined by."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from vidcolor.training.muon import Muon, orthogonal


@pytest.mark.parametrize("shape", [(20, 90), (90, 20), (40, 40)])
def test_singular_values_come_near_one(shape: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(1)
    matrix = torch.randn(shape, generator=generator)
    found = orthogonal(matrix)
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    assert torch.linalg.svdvals(found).min() > 0.4
    assert torch.linalg.svdvals(found).max() < 1.3
    turned = left.T @ found @ right.T
    assert (turned - torch.diag(turned.diagonal())).abs().max() < 1e-3, "it keeps the directions"
    big = values > 0.1 * values[0]
    assert turned.diagonal()[big].min() > 0.65


def test_it_is_jordan_s_iteration() -> None:
    matrix = torch.randn((24, 60), generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    x = matrix / matrix.norm()
    for _ in range(5):
        square = x @ x.T
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    assert (orthogonal(matrix) - x).abs().max() < 1e-9


def test_a_gradient_of_zero_changes_nothing() -> None:
    assert orthogonal(torch.zeros(16, 20)).abs().max() == 0


def test_matrices_turn_and_the_rest_adapts() -> None:
    matrix = nn.Parameter(torch.zeros(20, 16, 3, 3))
    first = nn.Parameter(torch.zeros(20, 4, 3, 3))
    bias = nn.Parameter(torch.zeros(20))
    optimizer = Muon([matrix, first, bias], 0.1, weight_decay=0.5)
    generator = torch.Generator().manual_seed(3)
    for parameter in (matrix, first, bias):
        noise = torch.randn(parameter.shape, generator=generator)
        parameter.grad = noise.sign() * (1 + noise.abs())
    gradients = [p.grad.clone() for p in (matrix, first, bias) if p.grad is not None]
    optimizer.step()
    assert torch.allclose(bias, -0.1 * gradients[2].sign(), atol=1e-4), "Adam's first step is the sign"
    assert torch.allclose(first, -0.1 * gradients[1].sign(), atol=1e-4)
    expected = -0.1 * 0.2 * 144**0.5 * orthogonal(gradients[0].flatten(1)).view(matrix.shape)
    assert torch.allclose(matrix, expected, atol=1e-5), "the size of the gradient does not matter"


def test_it_finds_a_minimum_and_goes_on_from_a_checkpoint() -> None:
    torch.manual_seed(4)
    network = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 16))
    inputs, truth = torch.randn(64, 16), torch.randn(64, 16)
    optimizer = Muon(network.parameters(), 0.02)

    def step() -> float:
        optimizer.zero_grad()
        loss = (network(inputs) - truth).square().mean()
        loss.backward()
        optimizer.step()
        return float(loss.item())

    first = step()
    for _ in range(150):
        last = step()
    assert last < 0.3 * first
    weights = {name: value.clone() for name, value in network.state_dict().items()}
    stored = copy.deepcopy(optimizer.state_dict())
    expected = [step() for _ in range(3)]
    network.load_state_dict(weights)
    optimizer.load_state_dict(stored)
    assert [step() for _ in range(3)] == expected
