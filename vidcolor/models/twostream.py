"""The two-stream network of paper D: what the whole picture shows, told to every place of it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidcolor.errors import UsageError
from vidcolor.models.base import ColorModel
from vidcolor.models.layers import ConvBlock, convolutions, he_uniform, upsample

__all__ = ["TwoStream"]

_LOW = ((64, 2), (128, 1), (128, 2), (256, 1), (256, 2), (512, 1))
"""Channels and stride of the shared low-level layers (fig. 2 a)."""
_GLOBAL = ((512, 2), (512, 1), (512, 2), (512, 1))
"""Channels and stride of the convolutions of the global stream (fig. 2 b)."""
_CONNECTED = (1024, 512, 256)
"""Widths of its fully connected layers."""
_ACTIVATIONS = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid}


class TwoStream(ColorModel):
    """Lightness to colour through a global and a mid-level stream (paper D, §III, after Iizuka et al. 2016).

    Args:
        space: "ab" for CIE Lab (§IV-B), "rgb" for three output streams, one for each of red, green and
            blue (§IV-A).
        activation: of the output: "relu" (the paper, §III-E) or "sigmoid" (the original).
        global_size: side of the square copy of the picture that the global stream sees, in pixels.
        batch_norm: normalise after each convolution (the original does, the paper does not say).

    How the text is read where it is unclear:

    - the global stream's input is 112×112 (§III-B); the original's is 224×224;
    - the output, from 0 up, is spread over the space's range: 2y - 1. With the ReLU half of all outputs
      would start dead at the range's lower end, so the last bias starts in the middle, at 0.5;
    - "three streams for red, green and blue" are three colorization networks after one fusion layer;
    - the last enlargement, "so its size matches the original image", repeats each value 2×2: the model has
      a ``grain`` of 2 and does not do it;
    - starting values are not named: He's.
    """

    multiple = 8
    grain = 2

    def __init__(
        self,
        space: str = "ab",
        activation: str = "relu",
        global_size: int = 112,
        batch_norm: bool = False,
    ) -> None:
        super().__init__()
        if space not in ("ab", "rgb"):
            raise UsageError(f"space must be ab or rgb for this model, not {space!r}.")
        if activation not in _ACTIVATIONS:
            raise UsageError(f"activation must be one of {', '.join(_ACTIVATIONS)}, not {activation!r}.")
        if type(global_size) is not int or global_size < 32 or global_size % 8:
            raise UsageError(f"global_size must be a multiple of 8 from 32 on, not {global_size!r}.")
        self.space = "ab" if space == "ab" else "rgb"
        self.global_size = global_size
        self.low = convolutions(1, _LOW, batch_norm)
        self.whole = nn.Sequential(
            convolutions(512, _GLOBAL, batch_norm), nn.Flatten(), *_connected(512 * _side(global_size) ** 2)
        )
        self.middle = convolutions(512, ((512, 1), (256, 1)), batch_norm)
        self.fuse = ConvBlock(512, 256, kernel=1, batch_norm=batch_norm)
        he_uniform(self)
        streams = [2] if space == "ab" else [1, 1, 1]
        self.colour = nn.ModuleList(_colorization(n, activation, batch_norm) for n in streams)

    def raw(self, lightness: Tensor, hints: Tensor | None = None, condition: Tensor | None = None) -> Tensor:
        picture = lightness / 50 - 1
        square = (self.global_size, self.global_size)
        # The two ways through the low-level layers share their weights (§III-A).
        whole = self.whole(self.low(F.interpolate(picture, square, mode="bilinear", antialias=True)))
        local = self.middle(self.low(picture))
        everywhere = whole[:, :, None, None].expand(-1, -1, *local.shape[-2:])
        fused = self.fuse(torch.cat((everywhere, local), 1))
        return 2 * torch.cat([stream(fused) for stream in self.colour], 1) - 1

    def to_ab(self, raw: Tensor, lightness: Tensor) -> Tensor:
        # A ReLU has no upper end; the space has.
        return super().to_ab(raw.clamp(-1, 1), lightness)


def _side(global_size: int) -> int:
    """Height and width of the global stream's last convolution: five strides of 2, rounded up."""
    return -(-global_size // 32)


def _connected(inputs: int) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for outputs in _CONNECTED:
        layers += [nn.Linear(inputs, outputs), nn.ReLU(inplace=True)]
        inputs = outputs
    return layers


def _colorization(outputs: int, activation: str, batch_norm: bool) -> nn.Sequential:
    """Fig. 2 d, up to its last enlargement."""
    body = nn.Sequential(
        ConvBlock(256, 128, batch_norm=batch_norm),
        upsample(),
        ConvBlock(128, 64, batch_norm=batch_norm),
        ConvBlock(64, 64, batch_norm=batch_norm),
        upsample(),
        ConvBlock(64, 32, batch_norm=batch_norm),
    )
    he_uniform(body)
    output = nn.Conv2d(32, outputs, 3, padding=1)
    nn.init.xavier_uniform_(output.weight, gain=0.1)
    if output.bias is not None:  # it is there; mypy cannot know
        nn.init.constant_(output.bias, 0.5 if activation == "relu" else 0.0)
    return nn.Sequential(body, output, _ACTIVATIONS[activation]())
