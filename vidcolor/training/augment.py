"""What makes a sample of a picture: a window of it, the look of an old copy, a few true colours given.

All of it works on one sample with that sample's own generator, so a sample is the same in whatever batch,
process or thread it is made. Geometry and film are numpy and OpenCV, eight bits; what is colour arithmetic
happens later, on whole batches.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vidcolor.color.planes import luma_shares
from vidcolor.training.options import DataOptions

__all__ = [
    "Pixels",
    "View",
    "Window",
    "centre_window",
    "draw_hints",
    "film_look",
    "hint_windows",
    "random_view",
]

Pixels: TypeAlias = npt.NDArray[np.uint8]
"""``(H, W, 3)`` RGB, or ``(H, W)``."""
Window: TypeAlias = tuple[int, int, int, int]
"""Top, left, bottom, right, in pixels; bottom and right are outside."""

_HINT_RADIUS = 4
"""Hints are squares of 1 to 7 pixels a side: what a brush leaves on the small picture."""
_MEAN_HINTS = 8


@dataclass(frozen=True, slots=True)
class View:
    """What a sample shows of a picture; of any picture of the same size it shows the same part."""

    window: Window
    size: tuple[int, int]
    """Height and width it is resized to, in pixels."""
    mirrored: bool

    def of(self, picture: Pixels) -> Pixels:
        """``(*size, 3)`` of a picture ``(H, W, 3)``."""
        top, left, bottom, right = self.window
        height, width = self.size
        sample = _resized(picture[top:bottom, left:right], width, height)
        return np.ascontiguousarray(sample[:, ::-1]) if self.mirrored else sample


def random_view(picture: Pixels, options: DataOptions, rng: np.random.Generator) -> View:
    """A random window of a picture as a sample, mirrored half of the time if so wished."""
    height, width = options.size
    stretch = math.exp(rng.uniform(-options.stretch, options.stretch))
    scale = rng.uniform(*options.scale)
    wide, high = _largest(picture, width * stretch / height)
    wide, high = max(round(wide * scale), 1), max(round(high * scale), 1)
    top = int(rng.integers(0, picture.shape[0] - high + 1))
    left = int(rng.integers(0, picture.shape[1] - wide + 1))
    mirrored = options.flip and bool(rng.random() < 0.5)
    return View((top, left, top + high, left + wide), options.size, mirrored)


def centre_window(picture: Pixels, size: tuple[int, int]) -> Pixels:
    """The largest window in the middle, as ``(*size, 3)``: how held-out pictures are looked at."""
    height, width = size
    wide, high = _largest(picture, width / height)
    top, left = (picture.shape[0] - high) // 2, (picture.shape[1] - wide) // 2
    return _resized(picture[top : top + high, left : left + wide], width, height)


def _largest(picture: Pixels, aspect: float) -> tuple[int, int]:
    """Width and height of the largest window of that aspect."""
    height, width = picture.shape[:2]
    if width > height * aspect:
        return max(min(round(height * aspect), width), 1), height
    return width, max(min(round(width / aspect), height), 1)


def _resized(picture: Pixels, width: int, height: int) -> Pixels:
    smaller = picture.shape[0] > height
    way = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return cv2.resize(picture, (width, height), interpolation=way)  # type: ignore[return-value]


# ---- film -------------------------------------------------------------------------------------


def film_look(rgb: Pixels, rng: np.random.Generator) -> Pixels:
    """The grey that an old film, copied and compressed, would hold of a picture.

    Args:
        rgb: ``(H, W, 3)`` uint8.

    Returns:
        ``(H, W)`` uint8 signal.
    """
    grey = cv2.transform(rgb.astype(np.float32) / 255, _response(rng)[None])
    # Exposure, development and the copy's contrast.
    grey = np.clip(grey, 0, 1) ** math.exp(rng.uniform(-0.4, 0.4))
    grey = grey * rng.uniform(0.8, 1.05) + rng.uniform(-0.03, 0.12)
    if rng.random() < 0.3:
        grey = grey * _vignette(grey.shape, rng.uniform(0.1, 0.5))
    if rng.random() < 0.4:
        grey = cv2.GaussianBlur(grey, (0, 0), rng.uniform(0.3, 1.3))
    if rng.random() < 0.5:
        grey = grey + _grain(grey.shape, rng)
    copy: Pixels = np.rint(255 * np.clip(grey, 0, 1)).astype(np.uint8)
    if rng.random() < 0.4:
        copy = _compressed(copy, int(rng.integers(20, 81)))
    return copy


def _response(rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Shares of R, G and B: half of the films are orthochromatic, blind to red; the rest see as we do."""
    if rng.random() < 0.5:
        red, green = rng.uniform(0, 0.1), rng.uniform(0.3, 0.6)
        return np.array([red, green, 1 - red - green], np.float32)
    shares = np.array(luma_shares("smpte170m")) * np.exp(rng.uniform(-0.3, 0.3, 3))
    return (shares / shares.sum()).astype(np.float32)


def _vignette(shape: tuple[int, ...], depth: float) -> npt.NDArray[np.float32]:
    """1 in the middle, ``1 - depth`` in the corners."""
    y, x = (np.linspace(-1, 1, n, dtype=np.float32) ** 2 for n in shape)
    return 1 - np.float32(depth / 2) * (y[:, None] + x[None])


def _grain(shape: tuple[int, ...], rng: np.random.Generator) -> npt.NDArray[np.float32]:
    noise: Any = rng.standard_normal(shape, dtype=np.float32) * np.float32(rng.uniform(0.01, 0.06))
    if rng.random() < 0.5:  # clumps; blurring by σ 0.7 takes off half of the deviation
        noise = 2 * cv2.GaussianBlur(noise, (0, 0), 0.7)
    return noise


def _compressed(grey: Pixels, quality: int) -> Pixels:
    done, data = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cv2.imdecode(data, cv2.IMREAD_GRAYSCALE) if done else grey  # type: ignore[return-value]


# ---- hints ------------------------------------------------------------------------------------


def hint_windows(size: tuple[int, int], rng: np.random.Generator) -> tuple[Window, ...]:
    """Places of some hints: small squares, eight on average, at least one."""
    height, width = size
    places = []
    for _ in range(int(rng.geometric(1 / _MEAN_HINTS))):
        y, x, r = int(rng.integers(height)), int(rng.integers(width)), int(rng.integers(_HINT_RADIUS))
        places.append((max(y - r, 0), max(x - r, 0), min(y + r + 1, height), min(x + r + 1, width)))
    return tuple(places)


def draw_hints(ab: Tensor, windows: tuple[tuple[Window, ...], ...]) -> Tensor:
    """Hints ``(B, 3, H, W)`` as models take them: the mean of the true ab in each window, confidence 1.

    Args:
        ab: ``(B, 2, H, W)`` in Lab units.
        windows: those of each sample.
    """
    hints = torch.zeros(ab.shape[0], 3, *ab.shape[2:], device=ab.device)
    for i, places in enumerate(windows):
        for top, left, bottom, right in places:
            inside = (slice(top, bottom), slice(left, right))
            hints[i, :2, *inside] = ab[i, :, *inside].mean((1, 2), keepdim=True)
            hints[i, 2, *inside] = 1
    return hints
