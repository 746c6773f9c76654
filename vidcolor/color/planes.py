"""Between a film's planes and Lab: codes, matrices, lightness of luma, and the exact chroma.

``Y′CbCr`` values here are normalised: Y′ in [0, 1], Cb and Cr in [-0.5, 0.5] (H.273, §8.3), as torch
tensors of any float dtype; a :class:`ColorSpace` says how a file's codes map to them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vidcolor.color.lab import (
    lab_to_rgb,
    lightness_of_luminance,
    rgb_to_lab,
    transfer_curve,
)
from vidcolor.frames import ColorTags

__all__ = [
    "MATRICES",
    "ColorSpace",
    "ab_in_gamut",
    "ab_to_chroma",
    "chroma_to_ab",
    "chroma_to_rgb",
    "fit_gamut",
    "lab_to_ycc",
    "luma_shares",
]

MATRICES: dict[str, tuple[float, float]] = {
    # (Kr, Kb) of H.273 table 4.
    "bt709": (0.2126, 0.0722),
    "bt470bg": (0.299, 0.114),
    "smpte170m": (0.299, 0.114),
    "fcc": (0.30, 0.11),
    "smpte240m": (0.212, 0.087),
    "bt2020nc": (0.2627, 0.0593),
}

_HD_WIDTH, _HD_HEIGHT = 1280, 577
"""From these sizes on an untagged film is BT.709, below it BT.601: what players assume."""


def luma_shares(matrix: str) -> tuple[float, float, float]:
    """Shares of R′, G′ and B′ in a matrix's luma, to the four decimals that the standards print.

    >>> luma_shares("smpte170m")
    (0.299, 0.587, 0.114)
    """
    kr, kb = MATRICES[matrix]
    return kr, round(1 - kr - kb, 4), kb


@dataclass(frozen=True, slots=True)
class _Coefficients:
    """Colour differences of one matrix: ``R′-Y′ = r·Cr``, ``B′-Y′ = b·Cb``, ``G′-Y′ = -gb·Cb - gr·Cr``."""

    kr: float
    kb: float

    @property
    def kg(self) -> float:
        return 1 - self.kr - self.kb

    @property
    def r(self) -> float:
        return 2 * (1 - self.kr)

    @property
    def b(self) -> float:
        return 2 * (1 - self.kb)

    @property
    def gr(self) -> float:
        return self.r * self.kr / self.kg

    @property
    def gb(self) -> float:
        return self.b * self.kb / self.kg


@dataclass(frozen=True)
class ColorSpace:
    """How codes of a file stand for colour."""

    matrix: str
    full_range: bool
    bit_depth: int
    transfer: str | None = None
    primaries: str | None = None

    @classmethod
    def of(cls, tags: ColorTags, *, height: int, width: int, bit_depth: int) -> ColorSpace:
        """The space a file's tags describe; where they are silent, what players assume.

        Untagged range is limited, untagged matrix BT.709 for HD and BT.601 below, untagged transfer
        BT.1886, untagged primaries BT.709.
        """
        assumed = "bt709" if width >= _HD_WIDTH or height >= _HD_HEIGHT else "smpte170m"
        matrix = tags.matrix if tags.matrix in MATRICES else assumed
        return cls(matrix, tags.range == "full", bit_depth, tags.transfer, tags.primaries)

    @cached_property
    def coefficients(self) -> _Coefficients:
        return _Coefficients(*MATRICES[self.matrix])

    @property
    def luma_scale(self) -> tuple[float, float]:
        """``(scale, offset)``: code = Y′·scale + offset (H.273 eq. 20, 26)."""
        unit = 2 ** (self.bit_depth - 8)
        return (2.0**self.bit_depth - 1, 0.0) if self.full_range else (219.0 * unit, 16.0 * unit)

    @property
    def chroma_scale(self) -> tuple[float, float]:
        """``(scale, offset)``: code = C·scale + offset (H.273 eq. 21, 27)."""
        unit = 2 ** (self.bit_depth - 8)
        return (2.0**self.bit_depth - 1 if self.full_range else 224.0 * unit), 128.0 * unit

    @cached_property
    def lightness_table(self) -> npt.NDArray[np.float32]:
        """L in [0, 100] of the neutral with each luma code: ``(2**bit_depth,)`` float32."""
        scale, offset = self.luma_scale
        signal = (torch.arange(2**self.bit_depth, dtype=torch.float64) - offset) / scale
        light = transfer_curve(self.transfer).to_linear(signal.clamp(0, 1))
        table: npt.NDArray[np.float32] = lightness_of_luminance(light).clamp(0, 100).float().numpy()
        return table


def chroma_to_rgb(luma: Tensor, cb: Tensor, cr: Tensor, space: ColorSpace) -> Tensor:
    """R′G′B′ signal values stacked along dimension -3 of Y′, Cb, Cr planes ``(..., H, W)``."""
    k = space.coefficients
    return torch.stack((luma + k.r * cr, luma - k.gb * cb - k.gr * cr, luma + k.b * cb), -3)


def chroma_to_ab(luma: Tensor, cb: Tensor, cr: Tensor, space: ColorSpace) -> tuple[Tensor, Tensor]:
    """a and b (Lab units) of Y′CbCr; all planes ``(..., H, W)``."""
    rgb = chroma_to_rgb(luma, cb, cr, space)
    _, a, b = rgb_to_lab(rgb, transfer=space.transfer, primaries=space.primaries).unbind(-3)
    return a, b


_BRACKET = (-200.0, 400.0)
"""Where L′ is looked for: a saturated dark colour's lies far from its neutral's, and out of gamut it
has no bound of its own."""
_HALVINGS = 60
"""Of that bracket: what float64 can tell apart."""
_SHARE_HALVINGS = 12
_SAME_COLOR = 0.01
"""Lab units that nothing was changed by."""


def ab_to_chroma(luma: Tensor, a: Tensor, b: Tensor, space: ColorSpace) -> tuple[Tensor, Tensor]:
    """Cb and Cr of the colour (a, b) that has exactly the luma Y′, in gamut.

    Finds the L′ for which Lab(L′, a, b) has luma Y′ in the file's matrix, and gives that colour's Cb
    and Cr; where R′G′B′ would leave [0, 1], chroma is scaled towards neutral at the same Y′ until it
    does not. All planes ``(..., H, W)``; Y′ in [0, 1]. Exact in float64. This is the reference; films
    go through :class:`vidcolor.color.chroma.ChromaTable`.
    """
    low, high = (torch.full_like(a, end) for end in _BRACKET)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        # Luma rises with L′ at fixed a and b, so halving always closes in on the one root.
        below = lab_to_ycc(middle, a, b, space)[0] < luma
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    _, cb, cr = lab_to_ycc((low + high) / 2, a, b, space)
    return fit_gamut(luma, luma, cb, cr, space)


def ab_in_gamut(luma: Tensor, a: Tensor, b: Tensor, space: ColorSpace) -> tuple[Tensor, Tensor]:
    """a and b scaled towards neutral until the colour with luma Y′ is in gamut: its hue stays.

    Chroma that is scaled instead, as by :func:`fit_gamut`, changes its hue in Lab where a channel is nearly
    black. All planes ``(..., H, W)``; Y′ in [0, 1]. Slow: for a few colours.
    """
    low, high = torch.zeros_like(a), torch.ones_like(a)
    for _ in range(_SHARE_HALVINGS):
        share = (low + high) / 2
        wanted = share * a, share * b
        found = chroma_to_ab(luma, *ab_to_chroma(luma, *wanted, space), space)
        off = torch.hypot(found[0] - wanted[0], found[1] - wanted[1])
        inside = off < _SAME_COLOR
        low, high = torch.where(inside, share, low), torch.where(inside, high, share)
    return low * a, low * b


def lab_to_ycc(lightness: Tensor, a: Tensor, b: Tensor, space: ColorSpace) -> tuple[Tensor, Tensor, Tensor]:
    """Y′, Cb and Cr of Lab, not limited to any gamut; all planes ``(..., H, W)``."""
    k = space.coefficients
    lab = torch.stack((lightness, a, b), -3)
    red, green, blue = lab_to_rgb(lab, transfer=space.transfer, primaries=space.primaries).unbind(-3)
    luma = k.kr * red + k.kg * green + k.kb * blue
    return luma, (blue - luma) / k.b, (red - luma) / k.r


def fit_gamut(
    darkest: Tensor, brightest: Tensor, cb: Tensor, cr: Tensor, space: ColorSpace
) -> tuple[Tensor, Tensor]:
    """Cb and Cr scaled towards neutral until R′G′B′ is in [0, 1] for every Y′ from darkest to brightest."""
    offsets = chroma_to_rgb(torch.zeros_like(cb), cb, cr, space)
    over, under = offsets.amax(-3), -offsets.amin(-3)
    room_above, room_below = (1 - brightest).clamp_min(0), darkest.clamp_min(0)
    tiny = 1e-12
    share = torch.minimum(room_above / over.clamp_min(tiny), room_below / under.clamp_min(tiny)).clamp(max=1)
    return cb * share, cr * share
