"""Layers, starting values and checks of options that several of the papers' networks share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from torch import nn

from vidcolor.errors import UsageError

__all__ = [
    "ConvBlock",
    "check_counts",
    "convolutions",
    "glorot_uniform",
    "he_uniform",
    "he_uniform_transposed",
    "upsample",
]


class ConvBlock(nn.Sequential):
    """Convolution, batch normalisation where it is asked for, ReLU. Keeps the size but for the stride.

    Args:
        inputs, outputs: channels.
        kernel: side of the kernel, odd.
        stride, dilation: of the convolution.
        batch_norm: whether to normalise; the convolution then has no bias.
        padding: what stands beyond the picture's border: "zeros", or "replicate" for its last values.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        kernel: int = 3,
        stride: int = 1,
        dilation: int = 1,
        batch_norm: bool = False,
        padding: Literal["zeros", "replicate"] = "zeros",
    ) -> None:
        convolution = nn.Conv2d(
            inputs,
            outputs,
            kernel,
            stride,
            dilation * (kernel // 2),
            dilation,
            bias=not batch_norm,
            padding_mode=padding,
        )
        norm = [nn.BatchNorm2d(outputs)] if batch_norm else []
        super().__init__(convolution, *norm, nn.ReLU(inplace=True))


def convolutions(inputs: int, layers: Sequence[tuple[int, int]], batch_norm: bool) -> nn.Sequential:
    """3×3 blocks one behind the other, as a paper's table lists them: channels and stride of each."""
    blocks = []
    for outputs, stride in layers:
        blocks.append(ConvBlock(inputs, outputs, stride=stride, batch_norm=batch_norm))
        inputs = outputs
    return nn.Sequential(*blocks)


def upsample() -> nn.Upsample:
    """Twice the height and width by repeating."""
    return nn.Upsample(scale_factor=2, mode="nearest")


def he_uniform(network: nn.Module) -> None:
    """Starting values that keep a signal's size through ReLUs (He et al. 2015).

    PyTorch's own shrink it by √3 a layer: after fifteen layers without batch normalisation nothing of the
    picture is left, and the network only learns a mean.
    """
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_uniform_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def he_uniform_transposed(network: nn.Module) -> None:
    """Starting values of transposed convolutions that keep a signal's size through ReLUs (He et al. 2015).

    Each value of the output is a sum over ``inputs · kernel² / stride²`` values of the input.
    """
    for module in network.modules():
        if isinstance(module, nn.ConvTranspose2d):
            inputs = module.in_channels * math.prod(module.kernel_size) / math.prod(module.stride)
            bound = math.sqrt(6 / inputs)
            nn.init.uniform_(module.weight, -bound, bound)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def glorot_uniform(network: nn.Module) -> None:
    """Starting values of Glorot and Bengio 2010, eq. 16; biases 0."""
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def check_counts(name: str, values: Sequence[int], length: int = 0) -> tuple[int, ...]:
    """An option that lists whole numbers from 1: widths, dilations.

    Args:
        name: the option's.
        values: what was given.
        length: how many there must be; 0: one or more.

    Raises:
        UsageError: it is not such a list.
    """
    fits = isinstance(values, Sequence) and all(type(value) is int and value > 0 for value in values)
    if not fits or len(values) != (length or max(len(values), 1)):
        many = f"{length}" if length else "one or more"
        raise UsageError(f"{name} must be a list of {many} whole numbers from 1, not {values!r}.")
    return tuple(values)
