"""PSNR, SSIM and colourfulness of 8-bit pictures."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ..errors import InputError

__all__ = ["check_same_shape", "colorfulness", "psnr", "ssim"]

Picture = npt.NDArray[np.uint8]

_WINDOW = 7
_STRIP = 32
"""Rows of SSIM values made at once, so that all that leads to them stays in the processor's cache."""

_OPPONENTS = np.array([[1, -1, 0], [0.5, 0.5, -1]], dtype=np.float32)
"""Hasler and Süsstrunk (2003), §7: rg = R - G and yb = (R + G) / 2 - B."""


def check_same_shape(result: npt.NDArray[np.generic], truth: npt.NDArray[np.generic]) -> None:
    """Refuse two pictures that cannot be laid on each other, which numpy might broadcast in silence."""
    if result.shape != truth.shape:
        raise InputError(f"only pictures of one shape can be compared, not {result.shape} with {truth.shape}")


def psnr(result: Picture, truth: Picture) -> float:
    """Peak signal-to-noise ratio of 8-bit pictures of any one shape, in dB; infinite when equal."""
    check_same_shape(result, truth)
    # OpenCV sums uint8 squares in whole numbers; as one row they may have any shape.
    squares = cv2.norm(result.reshape(1, -1), truth.reshape(1, -1), cv2.NORM_L2SQR)
    return float("inf") if squares == 0 else float(10 * np.log10(255**2 * result.size / squares))


def colorfulness(rgb: Picture) -> float:
    """Colourfulness M of Hasler and Süsstrunk (2003), eq. in §7, with signed opponents.

    ``rgb``: ``(H, W, 3)`` uint8. 0 for a grey picture, about 15 slightly, 59 quite, 109 extremely
    colourful.
    """
    mean, deviation = cv2.meanStdDev(cv2.transform(rgb.astype(np.float32), _OPPONENTS))
    return float(np.hypot(*deviation.ravel()) + 0.3 * np.hypot(*mean.ravel()))


def ssim(result: Picture, truth: Picture) -> float:
    """Mean structural similarity, 1 for equal pictures, in [-1, 1].

    Both ``(H, W)`` or ``(H, W, C)`` uint8, at least 7×7; channels count equally. Wang et al. (2004),
    eq. 13 with K1 = 0.01 and K2 = 0.03, over a uniform 7×7 window with the sample covariance, at the
    places where the window lies wholly inside: what scikit-image's ``structural_similarity`` gives for
    ``channel_axis=-1, data_range=255`` and its other defaults.
    """
    check_same_shape(result, truth)
    height, width = result.shape[:2]
    if min(height, width) < _WINDOW:
        raise InputError(f"SSIM needs pictures of at least {_WINDOW}×{_WINDOW} pixels, not {width}×{height}")
    total = 0.0
    for top in range(0, height - _WINDOW + 1, _STRIP):
        rows = slice(top, top + _STRIP + _WINDOW - 1)
        total += _ssim_sum(result[rows], truth[rows])
    channels = result.size // (height * width)
    return total / ((height - _WINDOW + 1) * (width - _WINDOW + 1) * channels)


def _ssim_sum(x: Picture, y: Picture) -> float:
    """Sum of the SSIM values of every whole window and channel in two strips ``(h, W[, C])`` uint8.

    With n pixels in the window and S for sums over it, n·Sxx - Sx² is n(n - 1) times the sample
    variance, a whole number below 2³¹. So nothing is lost where variances cancel; only the last ratio
    is rounded to float32.
    """
    n = _WINDOW**2
    # Of pictures, only squares and products need 16 bits: at most 255² = 65025.
    sx, sy, sxy = _window_sums(x), _window_sums(y), _window_sums(cv2.multiply(x, y, dtype=cv2.CV_16U))
    squares = _window_sums(cv2.multiply(x, x, dtype=cv2.CV_16U))
    squares += _window_sums(cv2.multiply(y, y, dtype=cv2.CV_16U))
    means = sx * sy
    covariance = n * sxy - means
    mean_squares = sx * sx + sy * sy
    variances = n * squares - mean_squares
    c1, c2 = (0.01 * 255) ** 2 * n**2, (0.03 * 255) ** 2 * n * (n - 1)
    above = _plus(2 * means, c1) * _plus(2 * covariance, c2)
    below = _plus(mean_squares, c1) * _plus(variances, c2)
    return float((above / below).sum(dtype=np.float64))


def _plus(whole: npt.NDArray[np.int32], constant: float) -> npt.NDArray[np.float32]:
    return whole.astype(np.float32) + np.float32(constant)


def _window_sums(plane: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
    """Sums over every whole 7×7 window: ``(h, W[, C])`` uint8 or uint16 to ``(h - 6, W - 6[, C])``."""
    edge = _WINDOW // 2
    sums: npt.NDArray[Any] = cv2.boxFilter(plane, cv2.CV_32S, (_WINDOW, _WINDOW), normalize=False)
    return sums[edge:-edge, edge:-edge]
