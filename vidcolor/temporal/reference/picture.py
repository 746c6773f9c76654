"""A picture in colour, as it is wanted here: lightness and ab at the size of a film's small pictures."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import torch

from vidcolor.color.lab import rgb_to_lab

from .structure import Plane

__all__ = ["LabPicture", "lab_picture"]


class LabPicture(NamedTuple):
    """A picture in Lab (D65, sRGB)."""

    lightness: Plane
    """``(h, w)`` in [0, 100]."""
    ab: Plane
    """``(h, w, 2)``."""


def lab_picture(
    rgb: npt.NDArray[np.uint8],
    shape: tuple[int, int],
    *,
    transfer: str | None = "iec61966-2-1",
    primaries: str | None = None,
) -> LabPicture:
    """``rgb`` ``(H, W, 3)``, stretched to ``shape`` (height, width) and read as said."""
    larger = shape[0] > rgb.shape[0] or shape[1] > rgb.shape[1]
    small = cv2.resize(rgb, shape[::-1], interpolation=cv2.INTER_LINEAR if larger else cv2.INTER_AREA)
    planes = torch.from_numpy(small.astype(np.float32) / np.float32(255)).permute(2, 0, 1)
    lab = rgb_to_lab(planes, transfer=transfer, primaries=primaries).permute(1, 2, 0).numpy()
    return LabPicture(np.ascontiguousarray(lab[..., 0]), np.ascontiguousarray(lab[..., 1:]))
