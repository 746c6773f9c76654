"""A picture in colour, as it is wanted here: lightness and colour at the size of a film's small pictures.

Lightness is that of a grey film of the picture: L of the neutral that has its luma. A saturated red's own L
is far above that of the grey a film shows it as.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import torch

from vidcolor.color.lab import rgb_to_lab, transfer_curve
from vidcolor.color.planes import ColorSpace, chroma_to_ab, fit_gamut

from .structure import Plane

__all__ = ["LabPicture", "Reading"]


class LabPicture(NamedTuple):
    """A picture as a grey film shows it, in Lab (D65), and as luma and chroma."""

    lightness: Plane
    """``(h, w)`` in [0, 100], of its luma."""
    ab: Plane
    """``(h, w, 2)``."""
    luma: Plane
    """Y' ``(h, w)`` in [0, 1]."""
    chroma: Plane
    """Cb and Cr ``(h, w, 2)`` in [-0.5, 0.5]."""


class Reading:
    """How pictures and frames are read: what their R'G'B' and their lightness mean."""

    def __init__(self, space: ColorSpace) -> None:
        """``space``: whose matrix, transfer and primaries they have."""
        self.space = replace(space, full_range=True, bit_depth=8)

    def picture(self, rgb: npt.NDArray[np.uint8], shape: tuple[int, int]) -> LabPicture:
        """``rgb`` ``(H, W, 3)``, stretched to ``shape`` (height, width)."""
        larger = shape[0] > rgb.shape[0] or shape[1] > rgb.shape[1]
        small = cv2.resize(rgb, shape[::-1], interpolation=cv2.INTER_LINEAR if larger else cv2.INTER_AREA)
        signal = small.astype(np.float32) / np.float32(255)
        planes = torch.from_numpy(signal).permute(2, 0, 1)
        _, a, b = rgb_to_lab(planes, transfer=self.space.transfer, primaries=self.space.primaries).numpy()
        k = self.space.coefficients
        luma: Plane = signal @ np.array([k.kr, k.kg, k.kb], np.float32)
        blue, red = signal[..., 2] - luma, signal[..., 0] - luma
        chroma = cv2.merge((blue / np.float32(k.b), red / np.float32(k.r)))
        return LabPicture(self.lightness_of(luma), np.dstack((a, b)), luma, chroma)

    def lightness_of(self, luma: Plane) -> Plane:
        """L in [0, 100] of the neutral with each Y' in [0, 1]."""
        signals, lightnesses = self._neutrals
        return np.interp(luma, signals, lightnesses).astype(np.float32)

    def luma_of(self, lightness: Plane) -> Plane:
        """Y' in [0, 1] of the neutral with each L; of those that all have L 100, as in HDR, the least."""
        signals, lightnesses = self._neutrals
        return np.interp(lightness, lightnesses, signals).astype(np.float32)

    def growth_of(self, luma: Plane) -> Plane:
        """What Cb and Cr of a surface are proportional to as it is lit more or less, for its Y' in [0, 1].

        With light f(Y') and k times as much, small differences in signal grow by k·f'(before) / f'(after),
        so it is f / f': Y' itself where the curve is a power, Y' + 0.055 for most of sRGB. 1 at white.
        """
        signals, growths = self._growths
        return np.interp(luma, signals, growths).astype(np.float32)

    @cached_property
    def _growths(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Y' of neutrals, and :meth:`growth_of` each."""
        signals = np.linspace(0, 1, 1025)
        light = transfer_curve(self.space.transfer).to_linear(torch.from_numpy(signals)).numpy()
        growths = light / np.maximum(np.gradient(light, signals), 1e-9)
        return signals, growths / growths[-1]

    @cached_property
    def _neutrals(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Y' and L of neutrals, both rising."""
        lightnesses, codes = np.unique(self.space.lightness_table, return_index=True)
        return codes.astype(np.float32) / np.float32(255), lightnesses

    def ab_of(self, luma: Plane, chroma: Plane) -> Plane:
        """``(h, w, 2)`` of Y' ``(h, w)`` and Cb, Cr ``(h, w, 2)``, brought into gamut."""
        y, cb, cr = (torch.from_numpy(np.ascontiguousarray(p)) for p in (luma, *cv2.split(chroma)))
        cb, cr = fit_gamut(y, y, cb, cr, self.space)
        return np.dstack([plane.numpy() for plane in chroma_to_ab(y, cb, cr, self.space)])
