"""Ways to turn colour into grey.

Paper D (§IV-A) gives its network "8 different methods for the colour conversion into black and white", for
"different camera specifics and image degradation over time", and does not name them. These are the eight
in common use: three that weigh the colours as eyes do, two that treat them alike, and single channels, which
is what an emulsion or a filter that knows one colour sees.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from vidcolor.color.lab import lightness_of_luminance, rgb_to_xyz_matrix, transfer_curve
from vidcolor.color.planes import luma_shares
from vidcolor.errors import UsageError

__all__ = ["GREYS", "lightness_of_grey", "to_grey"]

_SRGB = "iec61966-2-1"


def _lightness(rgb: Tensor) -> Tensor:
    """The neutral of the same CIE lightness: weighed as light, not as signal values."""
    curve = transfer_curve(_SRGB)
    return curve.to_signal(_weighed(curve.to_linear(rgb), rgb_to_xyz_matrix()[1].tolist()))


def _luma(matrix: str) -> Callable[[Tensor], Tensor]:
    shares = luma_shares(matrix)
    return lambda rgb: _weighed(rgb, shares)


def _weighed(rgb: Tensor, weights: list[float] | tuple[float, ...]) -> Tensor:
    return torch.einsum("c,bchw->bhw", rgb.new_tensor(weights), rgb)[:, None]


GREYS: dict[str, Callable[[Tensor], Tensor]] = {
    "lightness": _lightness,
    "luma601": _luma("smpte170m"),
    "luma709": _luma("bt709"),
    "mean": lambda rgb: rgb.mean(1, keepdim=True),
    "middle": lambda rgb: (rgb.amax(1, keepdim=True) + rgb.amin(1, keepdim=True)) / 2,  # HSL's lightness
    "red": lambda rgb: rgb[:, 0:1],
    "green": lambda rgb: rgb[:, 1:2],
    "blue": lambda rgb: rgb[:, 2:3],  # the first plates and films: blind to all else
}
"""Name -> what makes a grey signal ``(B, 1, H, W)`` of R′G′B′ ``(B, 3, H, W)``; both sRGB, in [0, 1]."""


def to_grey(rgb: Tensor, how: str) -> Tensor:
    """The picture in grey.

    Args:
        rgb: ``(B, 3, H, W)`` float, sRGB signal values in [0, 1].
        how: a name of :data:`GREYS`.

    Returns:
        ``(B, 1, H, W)``: the signal value of R′ = G′ = B′, in [0, 1].

    Raises:
        UsageError: there is no such way.

    >>> to_grey(torch.tensor([1.0, 0.5, 0.0])[None, :, None, None], "mean").item()
    0.5
    """
    if how not in GREYS:
        raise UsageError(f"There is no grey {how!r}; there are: {', '.join(GREYS)}.")
    return GREYS[how](rgb).clamp(0, 1)


def lightness_of_grey(signal: Tensor) -> Tensor:
    """L in [0, 100] of a neutral's sRGB signal value in [0, 1], any shape: what networks are given."""
    return lightness_of_luminance(transfer_curve(_SRGB).to_linear(signal))
