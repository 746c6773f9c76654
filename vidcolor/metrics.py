"""Figures of how good colour is."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["colorfulness", "psnr"]


def psnr(result: npt.NDArray[np.uint8], truth: npt.NDArray[np.uint8]) -> float:
    """Peak signal-to-noise ratio of 8-bit pictures of any one shape, in dB; infinite when equal."""
    error = np.mean((result.astype(np.float32) - truth.astype(np.float32)) ** 2)
    return float("inf") if error == 0 else float(10 * np.log10(255**2 / error))


def colorfulness(rgb: npt.NDArray[np.uint8]) -> float:
    """Colourfulness M of Hasler and Süsstrunk (2003), eq. in §7, with signed opponents.

    ``rgb``: ``(H, W, 3)`` uint8. 0 for a grey picture, about 15 slightly, 59 quite, 109 extremely
    colourful.
    """
    red, green, blue = np.moveaxis(rgb.astype(np.float32), -1, 0)
    rg, yb = red - green, (red + green) / 2 - blue
    return float(np.hypot(rg.std(), yb.std()) + 0.3 * np.hypot(rg.mean(), yb.mean()))
