"""Layers and starting values that several of the papers' networks share."""

from __future__ import annotations

from typing import Literal

from torch import nn

__all__ = ["ConvBlock", "glorot_uniform", "he_uniform", "upsample"]


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


def glorot_uniform(network: nn.Module) -> None:
    """Starting values of Glorot and Bengio 2010, eq. 16; biases 0."""
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
