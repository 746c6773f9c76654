"""Colour difference as the eye sees it: CIEDE2000.

Equation numbers are those of Sharma, Wu and Dalal, "The CIEDE2000 color-difference formula" (2005).
"""

from __future__ import annotations

from functools import cache
from math import pi, radians

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..color.lab import transfer_curve, xyz_to_lab
from .pictures import check_same_shape

__all__ = ["ciede2000", "ciede2000_of_lab", "delta_e_2000", "lab_pixels", "picture_lab"]

_RGB_TO_XYZ = (
    (0.412453, 0.357580, 0.180423),
    (0.212671, 0.715160, 0.072169),
    (0.019334, 0.119193, 0.950227),
)
_WHITE = (0.95047, 1.0, 1.08883)
"""sRGB's matrix and D65 rounded as scikit-image and most published figures have them. The exact ones of
``color.lab`` give greys no chroma at all, and so mean differences that are about 0.001 lower."""

_CHUNK = 1 << 16
"""Pixels taken at once: few enough for the processor's cache, enough to be worth a call."""


def ciede2000(result: npt.NDArray[np.uint8], truth: npt.NDArray[np.uint8]) -> float:
    """Mean CIEDE2000 difference of two sRGB pictures ``(H, W, 3)`` uint8; 0 when equal, 1 just visible.

    The truth is the reference, though the formula is symmetric.
    """
    check_same_shape(result, truth)
    a, b = result.reshape(-1, 3), truth.reshape(-1, 3)
    parts = (slice(start, start + _CHUNK) for start in range(0, len(a), _CHUNK))
    return sum(_total(_lab(b[part]), _lab(a[part])) for part in parts) / len(a)


def ciede2000_of_lab(result: Tensor, truth: Tensor) -> float:
    """The same of pictures that are Lab already: ``(3, 1, N)`` each, see :func:`lab_pixels`."""
    parts = result.split(_CHUNK, -1), truth.split(_CHUNK, -1)
    return sum(_total(b, a) for a, b in zip(*parts, strict=True)) / result.shape[-1]


def lab_pixels(rgb: npt.NDArray[np.uint8]) -> Tensor:
    """Lab of an sRGB picture, ``(H, W, 3)`` uint8, pixel after pixel: ``(3, 1, H·W)`` float32."""
    return _lab(rgb.reshape(-1, 3))


def _total(reference: Tensor, sample: Tensor) -> float:
    return float(delta_e_2000(reference, sample).sum(dtype=torch.float64))


def picture_lab(rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Lab of an sRGB picture, ``(H, W, 3)`` uint8 to ``(H, W, 3)`` float32: L in [0, 100], D65."""
    planes = lab_pixels(rgb).reshape(3, *rgb.shape[:2])
    lab: npt.NDArray[np.float32] = planes.permute(1, 2, 0).contiguous().numpy()
    return lab


@cache
def _linear_table() -> npt.NDArray[np.float32]:
    """``(256,)``: the light of each sRGB code."""
    signal = torch.arange(256, dtype=torch.float64) / 255
    table: npt.NDArray[np.float32] = transfer_curve("iec61966-2-1").to_linear(signal).float().numpy()
    return table


@cache
def _matrix() -> Tensor:
    """``(3, 3)`` float32: linear RGB to XYZ relative to white."""
    exact = (
        torch.tensor(_RGB_TO_XYZ, dtype=torch.float64) / torch.tensor(_WHITE, dtype=torch.float64)[:, None]
    )
    return exact.float()


def _lab(rgb: npt.NDArray[np.uint8]) -> Tensor:
    """Lab of pixels: ``(N, 3)`` uint8 to ``(3, 1, N)`` float32."""
    linear = torch.from_numpy(cv2.LUT(rgb, _linear_table()))
    return xyz_to_lab((_matrix() @ linear.T)[:, None])


def delta_e_2000(reference: Tensor, sample: Tensor) -> Tensor:
    """CIEDE2000 of two Lab tensors ``(..., 3, H, W)``, pixel by pixel: ``(..., H, W)``, kL = kC = kH = 1."""
    light1, a1, b1 = reference.unbind(-3)
    light2, a2, b2 = sample.unbind(-3)
    stretch = 1.5 - 0.5 * _chroma_weight((torch.hypot(a1, b1) + torch.hypot(a2, b2)) / 2)  # eqs. 2-4
    a1, a2 = a1 * stretch, a2 * stretch  # eq. 5
    chroma1, chroma2 = torch.hypot(a1, b1), torch.hypot(a2, b2)  # eq. 6
    hue_difference, hue = _hues(a1, b1, a2, b2)

    chroma = (chroma1 + chroma2) / 2  # eq. 13
    middle = ((light1 + light2) / 2 - 50).square()  # of eq. 12
    light_step = (light2 - light1) / (1 + 0.015 * middle / (20 + middle).sqrt())  # eqs. 8, 18
    chroma_step = (chroma2 - chroma1) / (1 + 0.045 * chroma)  # eqs. 9, 19
    hue_step = 2 * (chroma1 * chroma2).sqrt() * torch.sin(hue_difference / 2)  # eq. 11
    hue_step = hue_step / (1 + 0.015 * chroma * _hue_weight(hue))  # eq. 20
    # Eq. 16 in units of 30°. Far from 275° it is nothing, and numbers near underflow are slow.
    turn = (((hue - radians(275)) / radians(25)).square().clamp_max(50)).neg().exp()
    rotation = -2 * _chroma_weight(chroma) * torch.sin(radians(60) * turn)  # eqs. 17, 21
    squares = light_step.square() + chroma_step.square() + hue_step.square()
    return (squares + rotation * chroma_step * hue_step).clamp_min(0).sqrt()  # eq. 22


def _chroma_weight(chroma: Tensor) -> Tensor:
    """sqrt(C⁷ / (C⁷ + 25⁷)), of eqs. 4 and 17."""
    seventh = (chroma / 25).square()
    seventh = seventh * seventh * seventh * (chroma / 25)
    return (seventh / (seventh + 1)).sqrt()


def _hues(a1: Tensor, b1: Tensor, a2: Tensor, b2: Tensor) -> tuple[Tensor, Tensor]:
    """Difference h2 - h1 in [-π, π] and mean in [0, 2π] of two hue angles: eqs. 7, 10 and 14.

    The equations say what a grey's hue is; it is left out here, since the hue term of eq. 22 is then 0.
    """
    hue1, hue2 = torch.atan2(b1, a1), torch.atan2(b2, a2)
    difference, mean = hue2 - hue1, (hue1 + hue2) / 2
    # Where the short way leads through ±π. Opposite hues are a tie, which eqs. 10 and 14 break as if
    # angles went from 0 to 2π; rounding must not break it.
    wraps = (difference.abs() > pi - 4 * torch.finfo(difference.dtype).eps).to(difference)
    difference = difference - 2 * pi * wraps * difference.sign()
    mean = mean + pi * wraps
    return difference, mean + 2 * pi * (mean < 0).to(mean)


def _hue_weight(hue: Tensor) -> Tensor:
    """T of eq. 15."""
    return (
        1
        - 0.17 * torch.cos(hue - radians(30))
        + 0.24 * torch.cos(2 * hue)
        + 0.32 * torch.cos(3 * hue + radians(6))
        - 0.20 * torch.cos(4 * hue - radians(63))
    )
