"""Colour profiles that picture files carry (ICC.1:2022)."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms

__all__ = ["in_srgb", "is_foreign"]


def is_foreign(icc: bytes) -> bool:
    """Whether a profile is another than sRGB's."""
    try:
        name = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(icc)))
    except (ImageCms.PyCMSError, OSError):
        return False  # a broken profile is one that no editor showed the picture by
    return "srgb" not in name.lower()


def in_srgb(rgb: npt.NDArray[np.uint8], icc: bytes) -> npt.NDArray[np.uint8]:
    """A picture ``(H, W, 3)`` in the colours of a profile, in those of sRGB; itself where the profile is for
    something else, grey or CMYK."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        moved = ImageCms.profileToProfile(Image.fromarray(rgb), source, ImageCms.createProfile("sRGB"))
    except (ImageCms.PyCMSError, OSError):
        return rgb
    assert moved is not None
    return np.asarray(moved, np.uint8)
