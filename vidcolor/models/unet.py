"""Our own network: a U-Net that sees a small picture whole and speaks in half its size.

Chroma varies slowly and is brought to the film's size along luma's edges afterwards, so the decoder
stops at half the input's resolution: that is where a plain U-Net spends most of its time.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidcolor.errors import UsageError
from vidcolor.models.base import ColorModel
from vidcolor.models.spaces import AB_SCALE

__all__ = ["UNet"]

_LEAST_LEFT = 1 / 3
"""Share of colour left by the shade below which what it is told fades, too: a network that is told more than
it has ever seen says anything."""

_LEAST_CONFIDENCE = 1e-6
"""What is divided by at least where there are no hints."""


class Block(nn.Sequential):
    """Convolution, batch normalisation, ReLU."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )


class Residual(nn.Module):
    """Two blocks around an identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(Block(width, width), nn.Conv2d(width, width, 3, 1, 1, bias=False))
        self.norm = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.norm(self.body(x)))


class Scene(nn.Module):
    """Adds to every place what the whole picture says: the mean of its features.

    Convolutions see a window; whether grey is grass or carpet is often decided outside it. The
    summary is normalised: without that it grew during training until it drowned every place's own
    features.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mix = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, width), nn.ReLU(inplace=True), nn.Linear(width, width)
        )
        for parameter in self.mix[-1].parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.mix(x.mean((2, 3)))[:, :, None, None]
        return out


class UNet(ColorModel):
    """Lightness (and hints) to ab.

    Args:
        widths: channels at 1/2, 1/4, 1/8, … of the input's size.
        bottom_blocks: residual blocks at the smallest size.
        labels: what a picture can be said to be of (A7).
        metadata: whether it can be told when and where a picture was taken (D4).
        gain: factor on the ab it gives; the losses see what it was before. A network that minimises an
            error gives a mean of what is possible, and a mean is calmer than each of them.
        shade: lightness L below which the ab it gives fades, in proportion to it, to none at black; 0:
            nowhere. In the dark little can be known of colour, and much is said.
        looks: 2: it looks at the picture once more, from half as far again, and the ab it gives is the mean
            of both (Chen et al. 2016, Attention to Scale: their average pooling); 1: it looks once.
            The losses see what it says at the first look.

    What is known beside the picture is added to every place at the smallest size. Its weights, like the
    hints' share of the first layer, start at zero: an untrained network ignores it rather than being thrown
    by it, and weights learnt without it can be gone on from.
    """

    grain = 2
    takes_hints = True
    readings = ("looks",)

    def __init__(
        self,
        widths: Sequence[int] = (32, 64, 128, 224, 320),
        bottom_blocks: int = 1,
        labels: Sequence[str] = (),
        metadata: bool = False,
        gain: float = 1.0,
        shade: float = 0.0,
        looks: int = 1,
    ) -> None:
        super().__init__()
        if isinstance(gain, bool) or not isinstance(gain, int | float) or not 0 < gain <= 3:
            raise UsageError(f"gain must be a number above 0 and at most 3, not {gain!r}.")
        if isinstance(shade, bool) or not isinstance(shade, int | float) or not 0 <= shade <= 100:
            raise UsageError(f"shade must be a lightness from 0 to 100, not {shade!r}.")
        if isinstance(looks, bool) or looks not in (1, 2):
            raise UsageError(f"looks must be 1 or 2, not {looks!r}.")
        self.gain, self.shade, self.looks = gain, float(shade), looks
        self.labels, self.takes_metadata = tuple(labels), metadata
        self.multiple = 2 ** len(widths)
        self.stem = nn.Conv2d(4, widths[0], 4, 2, 1)
        nn.init.zeros_(self.stem.weight[:, 1:])
        self.first = Block(widths[0], widths[0])
        pairs = list(pairwise(widths))
        self.down = nn.ModuleList(
            nn.Sequential(Block(inner, outer, 2), Residual(outer)) for inner, outer in pairs
        )
        self.bottom = nn.Sequential(Scene(widths[-1]), *(Residual(widths[-1]) for _ in range(bottom_blocks)))
        pairs.reverse()
        self.lift = nn.ModuleList(nn.Conv2d(outer, inner, 1, bias=False) for inner, outer in pairs)
        # One block is enough where the picture is largest: what matters there are edges.
        self.up = nn.ModuleList(
            nn.Sequential(Block(2 * inner, inner), *([Block(inner, inner)] if inner != widths[0] else []))
            for inner, _ in pairs
        )
        self.head = nn.Conv2d(widths[0], 2, 3, padding=1)
        for parameter in self.head.parameters():
            nn.init.zeros_(parameter)
        if self.condition_width:
            self.known = nn.Linear(self.condition_width, widths[-1], bias=False)
            nn.init.zeros_(self.known.weight)

    def raw(self, lightness: Tensor, hints: Tensor | None = None, condition: Tensor | None = None) -> Tensor:
        x = self.first(F.relu(self.stem(self._picture(lightness, hints))))
        skips = [x]
        for stage in self.down:
            x = stage(x)
            skips.append(x)
        x = skips.pop()
        if condition is not None:
            x = x + self.known(condition.to(x.dtype))[:, :, None, None]
        x = self.bottom(x)
        for lift, stage in zip(self.lift, self.up, strict=True):
            x = F.interpolate(lift(x), scale_factor=2, mode="nearest")
            x = stage(torch.cat((x, skips.pop()), 1))
        out: Tensor = self.head(x)
        return out

    def to_ab(self, raw: Tensor, lightness: Tensor) -> Tensor:
        ab = super().to_ab(raw, lightness)
        return self.gain * self._left_at(lightness) * ab

    def _left_at(self, lightness: Tensor) -> Tensor:
        """The share of colour that the shade leaves."""
        return (lightness / self.shade).clamp(0, 1) if self.shade else torch.ones_like(lightness)

    def ab_at_grain(self, lightness: Tensor, hints: Tensor | None, condition: Tensor | None) -> Tensor:
        if hints is not None and (self.gain != 1 or self.shade):
            # As it would say them itself: what it is told comes out as it was told, but in the very dark.
            told = hints[:, :2] / (self.gain * self._left_at(lightness).clamp_min(_LEAST_LEFT))
            hints = torch.cat((told, hints[:, 2:]), 1)
        near = super().ab_at_grain(lightness, hints, condition)
        if self.looks == 1:
            return near
        far = super().ab_at_grain(*self._from_afar(lightness, hints), condition)
        return (near + F.interpolate(far, near.shape[-2:], mode="bilinear")) / 2

    def _from_afar(self, lightness: Tensor, hints: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Both at about two thirds of their size."""
        step = self.multiple
        height, width = ((2 * side // 3 + step // 2) // step * step for side in lightness.shape[-2:])

        def smaller(planes: Tensor) -> Tensor:
            return F.interpolate(planes, (height, width), mode="bilinear")

        if hints is None:
            return smaller(lightness), None
        # Wider by a pixel around, so that none is lost between two.
        confidence = hints[:, 2:]
        near = smaller(F.avg_pool2d(torch.cat((hints[:, :2] * confidence, confidence), 1), 3, 1, 1))
        colors = near[:, :2] / near[:, 2:].clamp_min(_LEAST_CONFIDENCE)
        return smaller(lightness), torch.cat((colors, smaller(F.max_pool2d(confidence, 3, 1, 1))), 1)

    @staticmethod
    def _picture(lightness: Tensor, hints: Tensor | None) -> Tensor:
        if hints is None:
            hints = lightness.new_zeros((lightness.shape[0], 3, *lightness.shape[-2:]))
        confidence = hints[:, 2:]
        return torch.cat((lightness / 50 - 1, hints[:, :2] / AB_SCALE * confidence, confidence), 1)
