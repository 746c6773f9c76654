"""What networks speak in, and how the truth is put into it and ab read from it.

==========  ===================================================================================
``ab``      2 channels: a and b over :data:`AB_SCALE`, about [-1, 1]
``cbcr``    2 channels: full-range BT.601 Cb and Cr of sRGB signal values, [-1, 1]
``rgb``     3 channels: sRGB signal values, [-1, 1]
``bins``    313 channels: logits over the bins of :mod:`vidcolor.color.bins`; the model decodes them
==========  ===================================================================================
"""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import torch
from torch import Tensor

from vidcolor.color.lab import (
    lab_to_rgb,
    luminance_of_lightness,
    rgb_to_lab,
    rgb_to_xyz_matrix,
    transfer_curve,
)
from vidcolor.color.planes import MATRICES

__all__ = ["AB_SCALE", "Space", "decode", "encode"]

Space: TypeAlias = Literal["ab", "cbcr", "rgb", "bins"]

AB_SCALE = 110.0
"""ab of the most saturated sRGB colours, about: brings ab to the order of 1 inside networks."""

_KR, _KB = MATRICES["smpte170m"]
"""BT.601's shares of R and B in luma."""
_KG = 1 - _KR - _KB
_HALVES = 12
"""Of a range of luma of at most about 3: what is left is less than 0.05 of ab in sRGB's gamut."""


def encode(space: Space, lab: Tensor) -> Tensor:
    """The truth as a network of that space should say it.

    Args:
        space: the network's.
        lab: ``(B, 3, h, w)`` Lab of sRGB pictures.

    Returns:
        ``(B, C, h, w)`` as in the table above; for ``bins`` ab in Lab units, ``(B, 2, h, w)``: whether
        they become one bin or several is the loss's choice.
    """
    match space:
        case "ab":
            return lab[:, 1:] / AB_SCALE
        case "bins":
            return lab[:, 1:]
        case "rgb":
            return 2 * lab_to_rgb(lab).clamp(0, 1) - 1
        case "cbcr":
            red, green, blue = lab_to_rgb(lab).clamp(0, 1).unbind(1)
            luma = _KR * red + _KG * green + _KB * blue
            return torch.stack(((blue - luma) / (1 - _KB), (red - luma) / (1 - _KR)), 1)
    raise ValueError(f"space must be one of {', '.join(get_args(Space))}, not {space!r}")


def decode(space: Space, raw: Tensor, lightness: Tensor) -> Tensor:
    """ab in Lab units, ``(B, 2, h, w)``, of what a network of that space said.

    Args:
        space: the network's; not ``bins``.
        raw: ``(B, C, h, w)`` as in the table above.
        lightness: ``(B, 1, h, w)``, the picture's own, in [0, 100].
    """
    match space:
        case "ab":
            return raw * AB_SCALE
        case "rgb":
            return rgb_to_lab((raw.clamp(-1, 1) + 1) / 2)[:, 1:]
        case "cbcr":
            return _ab_of_cbcr(raw, lightness)
    raise ValueError(f"what speaks in {space!r} decodes itself")


def _ab_of_cbcr(cbcr: Tensor, lightness: Tensor) -> Tensor:
    """ab of the colours with that Cb and Cr whose lightness is the picture's.

    Their luma is not that of the neutral: it is looked for, by halves, between where all of R, G and B are
    cut off at 0 and where all are at 1.
    """
    cb, cr = cbcr.unbind(1)
    red, blue = (1 - _KR) * cr, (1 - _KB) * cb
    over_luma = torch.stack((red, -(_KR * red + _KB * blue) / _KG, blue), 1)
    wanted = luminance_of_lightness(lightness)[:, 0]
    shares, curve = rgb_to_xyz_matrix()[1].to(over_luma), transfer_curve("iec61966-2-1")
    low, high = -over_luma.amax(1), 1 - over_luma.amin(1)
    for _ in range(_HALVES):
        luma = (low + high) / 2
        darker = curve.to_linear(_at_luma(luma, over_luma)).movedim(1, -1) @ shares < wanted
        low, high = torch.where(darker, luma, low), torch.where(darker, high, luma)
    return rgb_to_lab(_at_luma((low + high) / 2, over_luma))[:, 1:]


def _at_luma(luma: Tensor, over_luma: Tensor) -> Tensor:
    """R′G′B′ of luma ``(B, h, w)`` and what each is over it, ``(B, 3, h, w)``."""
    return (luma[:, None] + over_luma).clamp(0, 1)
