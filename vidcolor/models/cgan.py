"""Paper A's conditional GAN (§2.3; A3): a generator of RGB and the discriminator it is trained against.

The text gives no widths and its drawing (fig. 7) is not in the copy we have. Kernels of 3×3, the widths and
the leaky ReLU's slope are those of the program that the author published with the paper; its discriminator
has a convolution of 512 more before the score, of which the text says nothing.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidcolor.errors import UsageError
from vidcolor.models.base import ColorModel
from vidcolor.models.layers import check_counts
from vidcolor.models.smoothing import guided_smooth

__all__ = ["Discriminator", "Generator"]

_WIDTHS = (64, 128, 256, 512, 512)
_SLOPE = 0.1


def _down(inputs: int, outputs: int, slope: float) -> nn.Sequential:
    """Half the height and width: convolution of stride 2, batch normalisation, leaky ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.LeakyReLU(slope, inplace=True),
    )


def _up(inputs: int, outputs: int, slope: float) -> nn.Sequential:
    """Twice the height and width: transposed convolution of stride 2, batch normalisation, leaky ReLU."""
    return nn.Sequential(
        nn.ConvTranspose2d(inputs, outputs, 3, 2, 1, output_padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.LeakyReLU(slope, inplace=True),
    )


def _check(widths: Sequence[int], slope: float, image: int) -> tuple[int, ...]:
    """The widths.

    Raises:
        UsageError: an option is impossible.
    """
    widths = check_counts("widths", widths)
    if not (isinstance(slope, (int, float)) and math.isfinite(slope)):
        raise UsageError(f"slope must be a number, not {slope!r}.")
    multiple = 2 ** len(widths)
    if type(image) is not int or image < multiple or image % multiple:
        raise UsageError(f"image must be a multiple of {multiple} with {len(widths)} widths, not {image!r}.")
    return widths


class Generator(ColorModel):
    """A U-Net from lightness in [-1, 1] to RGB in [-1, 1], its skips ADDED, not put beside.

    Each decoder block but the last has batch normalisation and a leaky ReLU and then gets what the encoder
    had at its size added. The last is a transposed convolution and tanh.

    The 224 and 480 variants have the same generator; what differs is its opponent's last layer.

    Args:
        widths: channels behind each encoder block.
        slope: of the leaky ReLUs below 0.
        image: side of the pictures it is trained on, in pixels: 224 or 480 in the paper, any multiple of
            2 to the number of widths. It colours any size.
        smoothing: radius, in pixels, of what takes the checkerboard out of flat regions (A6) once RGB has
            become ab; 0 leaves it. The losses see RGB as it was.
    """

    space = "rgb"
    readings = ("smoothing",)

    def __init__(
        self, widths: Sequence[int] = _WIDTHS, slope: float = _SLOPE, image: int = 224, smoothing: int = 4
    ) -> None:
        super().__init__()
        widths = _check(widths, slope, image)
        if type(smoothing) is not int or smoothing < 0:
            raise UsageError(f"smoothing must be a radius in whole pixels, 0 or more, not {smoothing!r}.")
        self.smoothing = smoothing
        self.widths, self.slope, self.image = widths, slope, image
        self.multiple = 2 ** len(widths)
        self.down = nn.ModuleList(_down(inner, outer, slope) for inner, outer in pairwise((1, *widths)))
        self.up = nn.ModuleList(_up(outer, inner, slope) for outer, inner in pairwise(widths[::-1]))
        self.head = nn.ConvTranspose2d(widths[0], 3, 3, 2, 1, output_padding=1)

    def raw(self, lightness: Tensor, hints: Tensor | None = None, condition: Tensor | None = None) -> Tensor:
        x = lightness / 50 - 1
        skips = []
        for block in self.down:
            x = block(x)
            skips.append(x)
        skips.pop()
        for block in self.up:
            x = block(x) + skips.pop()
        out: Tensor = torch.tanh(self.head(x))
        return out

    def to_ab(self, raw: Tensor, lightness: Tensor) -> Tensor:
        return guided_smooth(super().to_ab(raw, lightness), lightness, self.smoothing)

    def opponent(self, **options: Any) -> Discriminator:
        """A new discriminator for its pictures: its widths, slope and image, where ``options`` say no other.

        Raises:
            UsageError: the discriminator has no such option, or cannot take that value.
        """
        known = inspect.signature(Discriminator).parameters
        for name in options:
            if name not in known:
                raise UsageError(
                    f"The discriminator has no option {name!r}; its options: {', '.join(known)}."
                )
        own = {"widths": self.widths, "slope": self.slope, "image": self.image}
        return Discriminator(**{**own, **options})


class Discriminator(nn.Module):
    """The encoder path and one score a picture: is it real?

    What is given back is the logit. The paper's sigmoid on it is in the loss, where its logarithm can be
    taken without running out of digits.

    The paper's D sees only the coloured picture (eqs. 3 and 4 write D(y) and D(G(x))); a conditional one,
    as in the work it cites (Mirza and Osindero 2014), sees the grey beside it.

    Args:
        widths, slope: as the generator's.
        image: side of the pictures it sees, in pixels: its last layer weighs every place of 1/32 of that.
            Other sizes are brought to it there by averaging.
        conditional: whether it sees the lightness too.
    """

    def __init__(
        self,
        widths: Sequence[int] = _WIDTHS,
        slope: float = _SLOPE,
        image: int = 224,
        conditional: bool = False,
    ) -> None:
        super().__init__()
        widths = _check(widths, slope, image)
        if type(conditional) is not bool:
            raise UsageError(f"conditional must be true or false, not {conditional!r}.")
        self.conditional = conditional
        channels = (4 if conditional else 3, *widths)
        self.down = nn.Sequential(*(_down(inner, outer, slope) for inner, outer in pairwise(channels)))
        self.side = image // 2 ** len(widths)
        self.score = nn.Conv2d(widths[-1], 1, self.side)

    def forward(self, rgb: Tensor, lightness: Tensor | None = None) -> Tensor:
        """The logit of "this is a real picture".

        Args:
            rgb: ``(B, 3, H, W)`` sRGB signal values in [-1, 1]; any size of at least 16.
            lightness: ``(B, 1, H, W)`` in [-1, 1] (L / 50 - 1); needed when conditional, else not
                looked at.

        Returns:
            ``(B, 1)``: above 0 for real.
        """
        if self.conditional:
            if lightness is None:
                raise ValueError("a conditional discriminator must be given the lightness beside rgb")
            rgb = torch.cat((rgb, lightness), 1)
        features = self.down(rgb)
        if features.shape[-2:] != (self.side, self.side):
            features = F.adaptive_avg_pool2d(features, self.side)
        out: Tensor = self.score(features).flatten(1)
        return out
