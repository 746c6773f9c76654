"""What colours pictures and their colour profiles (ICC.1:2022) mean beside a film."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms

from vidcolor.color.planes import ColorSpace
from vidcolor.temporal.reference import SRGB

__all__ = ["in_srgb", "is_foreign", "space_beside"]

_HDR, _WIDE = ("smpte2084", "arib-std-b67"), ("bt2020", "smpte432")
"""Transfers and primaries, in FFmpeg's names, of films whose codes are not what those of a picture are."""


def space_beside(film: ColorSpace) -> ColorSpace:
    """What R, G and B that somebody brings along are read as: the film's own codes, as on a screen both look
    the same; beside wide colours or high dynamic range, of which that is not true, sRGB."""
    return SRGB if film.transfer in _HDR or film.primaries in _WIDE else film


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
