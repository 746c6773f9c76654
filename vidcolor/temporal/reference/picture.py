"""A picture in colour, as it is wanted here: lightness and colour at the size of a film's small pictures."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import torch

from vidcolor.color.lab import rgb_to_lab
from vidcolor.color.planes import ColorSpace, chroma_to_ab, fit_gamut

from .structure import Plane

__all__ = ["LabPicture", "Reading"]


class LabPicture(NamedTuple):
    """A picture in Lab (D65), and as luma and chroma."""

    lightness: Plane
    """``(h, w)`` in [0, 100]."""
    ab: Plane
    """``(h, w, 2)``."""
    luma: Plane
    """Y' ``(h, w)`` in [0, 1], BT.709's."""
    chroma: Plane
    """Cb and Cr ``(h, w, 2)`` in [-0.5, 0.5], likewise."""


class Reading:
    """How pictures and frames are read: what their R'G'B' and their lightness mean."""

    def __init__(self, transfer: str | None, primaries: str | None) -> None:
        """In FFmpeg's names."""
        self.space = ColorSpace("bt709", True, 8, transfer, primaries)

    def picture(self, rgb: npt.NDArray[np.uint8], shape: tuple[int, int]) -> LabPicture:
        """``rgb`` ``(H, W, 3)``, stretched to ``shape`` (height, width)."""
        larger = shape[0] > rgb.shape[0] or shape[1] > rgb.shape[1]
        small = cv2.resize(rgb, shape[::-1], interpolation=cv2.INTER_LINEAR if larger else cv2.INTER_AREA)
        signal = small.astype(np.float32) / np.float32(255)
        planes = torch.from_numpy(signal).permute(2, 0, 1)
        lab = rgb_to_lab(planes, transfer=self.space.transfer, primaries=self.space.primaries).numpy()
        k = self.space.coefficients
        luma: Plane = signal @ np.array([k.kr, k.kg, k.kb], np.float32)
        blue, red = signal[..., 2] - luma, signal[..., 0] - luma
        chroma = cv2.merge((blue / np.float32(k.b), red / np.float32(k.r)))
        return LabPicture(np.ascontiguousarray(lab[0]), np.dstack((lab[1], lab[2])), luma, chroma)

    def luma_of(self, lightness: Plane) -> Plane:
        """Y' in [0, 1] of the neutral with each L."""
        table = self._lightnesses
        return np.interp(lightness, table, np.linspace(0, 1, len(table), dtype=np.float32)).astype(np.float32)

    @cached_property
    def _lightnesses(self) -> npt.NDArray[np.float32]:
        return self.space.lightness_table

    def ab_of(self, luma: Plane, chroma: Plane) -> Plane:
        """``(h, w, 2)`` of Y' ``(h, w)`` and Cb, Cr ``(h, w, 2)``, brought into gamut."""
        y, cb, cr = (torch.from_numpy(np.ascontiguousarray(p)) for p in (luma, *cv2.split(chroma)))
        cb, cr = fit_gamut(y, y, cb, cr, self.space)
        return np.dstack([plane.numpy() for plane in chroma_to_ab(y, cb, cr, self.space)])
