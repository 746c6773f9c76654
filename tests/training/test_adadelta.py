"""ADADELTA with Nesterov's momentum against what it is defined by."""

from __future__ import annotations

import pytest
import torch

from vidcolor.training.options import OptimizerOptions
from vidcolor.training.state import make_optimizer


def test_it_is_zeiler_s_rule_and_nesterov_s() -> None:
    layer = torch.nn.Linear(1, 1, bias=False)
    optimizer = make_optimizer(layer, OptimizerOptions(name="adadelta-nesterov", rate=1.0, momentum=0.8))
    weight = layer.weight.item()
    squares = changes = velocity = 0.0
    for gradient in (2.0, -1.0, 0.5, 0.5):
        layer.weight.grad = torch.tensor([[gradient]])
        optimizer.step()
        squares = 0.9 * squares + 0.1 * gradient**2  # Zeiler 2012, algorithm 1
        change = -(((changes + 1e-6) / (squares + 1e-6)) ** 0.5) * gradient
        changes = 0.9 * changes + 0.1 * change**2
        velocity = 0.8 * velocity + change
        weight += 0.8 * velocity + change
        assert layer.weight.item() == pytest.approx(weight, abs=1e-6)
