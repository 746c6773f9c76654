"""ADADELTA (Zeiler 2012) with Nesterov's momentum on top, as paper E trains (§III-C, table II)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

__all__ = ["NesterovAdadelta"]


class NesterovAdadelta(torch.optim.Adadelta):
    """An optimizer: what ADADELTA would change is added up, and the next step is taken ahead.

    With d the change and v the sum of those before, v ← μ·v + d and the parameters move by μ·v + d
    (Sutskever et al. 2013, §2, the gradient taken where the step leads to). ρ and ε are PyTorch's, 0.9 and
    1e-6, as without the momentum.

    Args:
        parameters: what it changes.
        rate: factor on ADADELTA's change; 1 in the paper.
        momentum: μ.
        weight_decay: added to the gradients.
    """

    def __init__(
        self, parameters: Iterable[nn.Parameter], rate: float, *, momentum: float, weight_decay: float = 0.0
    ) -> None:
        super().__init__(parameters, rate, weight_decay=weight_decay)
        self._momentum = momentum

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Changes the parameters by their gradients."""
        assert closure is None
        moved = [p for group in self.param_groups for p in group["params"] if p.grad is not None]
        before = [p.clone() for p in moved]
        super().step()
        for parameter, old in zip(moved, before, strict=True):
            change = parameter - old
            state = self.state[parameter]
            velocity = state.get("velocity")
            state["velocity"] = change if velocity is None else velocity.mul_(self._momentum).add_(change)
            parameter.add_(state["velocity"], alpha=self._momentum)
