"""Muon: matrices step by orthogonal matrices (Jordan et al. 2024), everything else as Adam does.

The step of a matrix is its momentum with all singular values brought near 1, so that what is rare in the
gradients is learnt as fast as what is common. The sizes of steps are matched to Adam's, so that one rate
serves both (Liu et al. 2025, "Muon is scalable for LLM training", eq. 4).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["Muon", "orthogonal"]

_A, _B, _C = 3.4445, -4.7750, 2.0315
"""Of Jordan's quintic: five steps bring singular values from 0.003 to 1 into 0.7 to 1.2."""
_STEPS = 5
_LEAST_SIDE = 16
"""Inputs and outputs of the smallest layer that counts as a matrix: first and last layers of networks, whose
few channels mean something each, do not."""
_SIZE = 0.2
"""Root mean square of a step: Adam's, about."""
_EPSILON = 1e-8


class Muon(torch.optim.Optimizer):
    """An optimizer.

    Args:
        parameters: what it changes; those of two and more dimensions, with enough inputs and outputs, as
            matrices ``(outputs, everything else)``.
        rate: of all of them.
        momentum: of the matrices (Nesterov's).
        betas: of Adam, for the rest.
        weight_decay: of the matrices and of nothing else, decoupled.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        rate: float,
        *,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.95),
        weight_decay: float = 0.0,
    ) -> None:
        given = list(parameters)
        matrices = [p for p in given if is_matrix(p)]
        others = [p for p in given if not is_matrix(p)]
        groups: list[dict[str, Any]] = [
            {"params": chosen, "matrices": flag}
            for chosen, flag in ((matrices, True), (others, False))
            if chosen
        ]
        known = {"lr": rate, "momentum": momentum, "betas": betas, "weight_decay": weight_decay}
        super().__init__(groups, known)

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Changes the parameters by their gradients."""
        assert closure is None
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                if group["matrices"]:
                    self._turn(parameter, group)
                else:
                    self._adapt(parameter, group)

    def _turn(self, parameter: Tensor, group: dict[str, Any]) -> None:
        state, gradient = self.state[parameter], parameter.grad
        assert gradient is not None
        if not state:
            state["mean"] = torch.zeros_like(parameter)
        state["mean"].lerp_(gradient, 1 - group["momentum"])
        matrix = gradient.lerp(state["mean"], group["momentum"]).flatten(1)
        change = orthogonal(matrix.float()).to(matrix) * (_SIZE * max(matrix.shape) ** 0.5)
        parameter.mul_(1 - group["lr"] * group["weight_decay"])
        parameter.add_(change.view(parameter.shape), alpha=-group["lr"])

    def _adapt(self, parameter: Tensor, group: dict[str, Any]) -> None:
        """Adam (Kingma and Ba 2015, algorithm 1)."""
        state, gradient = self.state[parameter], parameter.grad
        assert gradient is not None
        if not state:
            state["mean"], state["square"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
            state["step"] = 0
        state["step"] += 1
        slow, slower = group["betas"]
        state["mean"].lerp_(gradient, 1 - slow)
        state["square"].mul_(slower).addcmul_(gradient, gradient, value=1 - slower)
        mean = state["mean"] / (1 - slow ** state["step"])
        size = (state["square"] / (1 - slower ** state["step"])).sqrt().add_(_EPSILON)
        parameter.addcdiv_(mean, size, value=-group["lr"])


def is_matrix(parameter: Tensor) -> bool:
    """Whether a parameter is stepped as a matrix."""
    return parameter.ndim >= 2 and min(parameter.shape[:2]) >= _LEAST_SIDE


def orthogonal(matrix: Tensor) -> Tensor:
    """The matrix with its singular values brought near 1.

    Jordan's iteration X ← (aI + bXXᵀ + c(XXᵀ)²)X is carried out on the smaller square XXᵀ alone: its factors
    are polynomials of the first one, which commute, so X itself is needed only at the end. For the layers of
    a U-Net that takes a quarter of the time.

    Args:
        matrix: ``(M, N)`` float32.
    """
    x = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    square = x @ x.T
    norm = square.trace().clamp_min(1e-30)
    square = square / norm
    product: Tensor | None = None
    for step in range(_STEPS):
        factor = _B * square + _C * (square @ square)
        factor.diagonal().add_(_A)
        product = factor if product is None else factor @ product
        if step < _STEPS - 1:
            square = factor @ square @ factor
    assert product is not None
    found = (product / norm.sqrt()) @ x
    return found.T if matrix.shape[0] > matrix.shape[1] else found
