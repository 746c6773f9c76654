"""A film's codes as the 8-bit pictures that people look at and figures are measured on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from vidcolor.color.planes import ColorSpace

__all__ = ["Rgb", "as_srgb", "exact_rgb", "rgb_matrix"]

Rgb = npt.NDArray[np.uint8]
"""``(H, W, 3)`` uint8, R, G, B."""

_HDR = ("smpte2084", "arib-std-b67")


def as_srgb(rgb: Rgb, space: ColorSpace) -> Rgb:
    """A film's R′G′B′ as sRGB shows them.

    Those of wide or bright films are clipped, light up to graphics white; all others are handed back as they
    are.
    """
    if space.transfer not in _HDR and space.primaries != "bt2020":
        return rgb
    import torch

    from vidcolor.color.lab import lab_to_rgb, rgb_to_lab

    signal = torch.from_numpy(rgb).permute(2, 0, 1).float() / 255
    lab = rgb_to_lab(signal, transfer=space.transfer, primaries=space.primaries)
    shown: Rgb = (lab_to_rgb(lab).clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    return shown


def rgb_matrix(space: ColorSpace) -> npt.NDArray[np.float32]:
    """``(3, 4)``: R′G′B′, 0 to 255, of 8-bit codes Y′, Cb, Cr and 1; ``space`` of 8 bits."""
    k = space.coefficients
    (luma, black), (chroma, neutral) = space.luma_scale, space.chroma_scale
    mix = np.array([[1, 0, k.r], [1, -k.gb, -k.gr], [1, k.b, 0]]) / (luma, chroma, chroma)
    offset = -mix @ (black, neutral, neutral)
    return (255 * np.hstack([mix, offset[:, None]])).astype(np.float32)


def exact_rgb(planes: Sequence[npt.NDArray[np.uint8]], matrix: npt.NDArray[np.float32]) -> Rgb:
    """R′G′B′ of Y′, Cb and Cr planes of one size, 8 bits, rounded once; ``matrix``: of :func:`rgb_matrix`.

    OpenCV's own way for bytes has coefficients of 10 bits: greys would come out tinted by a code.
    """
    codes: Any = cv2.merge(list(planes))
    signal: Any = cv2.transform(codes.astype(np.float32), matrix)
    # Any: OpenCV's stub knows no scalars here. Adding nothing rounds and clips in one go.
    add: Any = cv2.add
    rgb: Rgb = add(signal, (0.0, 0.0, 0.0, 0.0), dtype=cv2.CV_8U)
    return rgb
