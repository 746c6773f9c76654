"""Weights in eight bits each: of every output of a layer the whole multiples of a step, and the step.

It is how they are stored, not how they are computed with: read again they are float32.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

__all__ = ["is_step", "pack", "unpack"]

_STEP = ":step"
_MOST = 127


def is_step(name: str) -> bool:
    """Whether a tensor of that name holds the steps of another."""
    return name.endswith(_STEP)


def pack(name: str, tensor: Tensor) -> dict[str, Tensor]:
    """The tensors that stand for one: weights of layers as int8 beside their steps, anything else as it is.

    Args:
        name: of the tensor.
        tensor: of a state dict; finite.
    """
    if tensor.dtype != torch.float32 or tensor.ndim < 2:
        return {name: tensor}
    step = tensor.abs().flatten(1).amax(1) / _MOST
    least = torch.finfo(step.dtype).tiny
    whole = (tensor / _along(step.clamp_min(least), tensor)).round().clamp(-_MOST, _MOST)
    return {name: whole.to(torch.int8), name + _STEP: step}


def unpack(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors that these stand for.

    Raises:
        ValueError: steps do not fit what they are of.
    """
    state = {name: tensor for name, tensor in tensors.items() if not is_step(name)}
    for name, step in tensors.items():
        if not is_step(name):
            continue
        own = name.removesuffix(_STEP)
        whole = state.get(own)
        if whole is None or whole.dtype != torch.int8 or step.shape != whole.shape[:1]:
            raise ValueError(f"the steps of tensor {own!r} do not fit it")
        state[own] = whole * _along(step, whole)
    return state


def _along(step: Tensor, tensor: Tensor) -> Tensor:
    """Steps as they go with the outputs of a layer."""
    return step.view(-1, *[1] * (tensor.ndim - 1))
