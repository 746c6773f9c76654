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

from vidcolor.color.lab import lab_to_rgb, rgb_to_lab
from vidcolor.color.planes import MATRICES

__all__ = ["AB_SCALE", "Space", "decode", "encode"]

Space: TypeAlias = Literal["ab", "cbcr", "rgb", "bins"]

AB_SCALE = 110.0
"""ab of the most saturated sRGB colours, about: brings ab to the order of 1 inside networks."""

_KR, _KB = MATRICES["smpte170m"]
"""BT.601's shares of R and B in luma."""
_KG = 1 - _KR - _KB
_LUMA_STEPS = 4


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

    Their luma is not that of the neutral: it is found by a few steps that take off what lightness is over.
    """
    wanted = luma = _luma_of(lightness)
    for _ in range(_LUMA_STEPS):
        lab = rgb_to_lab(_rgb_of(luma, cbcr))
        luma = luma + wanted - _luma_of(lab[:, :1])
    return rgb_to_lab(_rgb_of(luma, cbcr))[:, 1:]


def _luma_of(lightness: Tensor) -> Tensor:
    """sRGB signal value ``(B, h, w)`` of the neutral with that lightness ``(B, 1, h, w)``."""
    zero = torch.zeros_like(lightness)
    return lab_to_rgb(torch.cat((lightness, zero, zero), 1))[:, 0]


def _rgb_of(luma: Tensor, cbcr: Tensor) -> Tensor:
    cb, cr = cbcr.unbind(1)
    red, blue = luma + (1 - _KR) * cr, luma + (1 - _KB) * cb
    green = (luma - _KR * red - _KB * blue) / _KG
    return torch.stack((red, green, blue), 1).clamp(0, 1)
