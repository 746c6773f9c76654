"""Pictures and films with texture everywhere, drawn so that all motion and every colour is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

import cv2
import numpy as np

from vidcolor.frames import Frame, Timestamp
from vidcolor.temporal.anchors import Budget, Span, find_spans


def texture(seed: int, height: int, width: int, fine: int = 6) -> np.ndarray:
    """A picture ``(H, W)`` uint8 in [30, 225], with shapes of ``fine`` pixels and four times that."""
    rng = np.random.default_rng(seed)
    layers = [
        cv2.resize(
            rng.random((max(2, height // cell), max(2, width // cell))).astype(np.float32),
            (width, height),
            interpolation=cv2.INTER_CUBIC,
        )
        for cell in (fine, 4 * fine)
    ]
    return np.clip(30 + 195 * (0.5 * layers[0] + 0.5 * layers[1]), 30, 225).astype(np.uint8)


def window(wide: np.ndarray, x: float, y: float, height: int, width: int) -> np.ndarray:
    """What is seen of a wide picture from (x, y) on, ``(height, width)``; x and y may lie between pixels."""
    move = np.array([[1, 0, x], [0, 1, y]], np.float32)
    return cv2.warpAffine(wide, move, (width, height), flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP)


def pan(seed: int, count: int, step: float, height: int = 96, width: int = 144) -> list[np.ndarray]:
    """Frames of a camera that moves to the right by ``step`` pixels a frame."""
    wide = texture(seed, height, width + int(abs(step) * count) + 8)
    return [window(wide, 2 + n * step, 0, height, width) for n in range(count)]


def colours(seed: int, height: int, width: int, middle: tuple[int, int], reach: int = 20) -> np.ndarray:
    """Cb and Cr ``(H, W, 2)`` uint8: soft shapes around a middle colour."""
    rng = np.random.default_rng(seed + 1000)
    coarse = rng.uniform(-1, 1, (max(2, height // 24), max(2, width // 24), 2)).astype(np.float32)
    soft = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.clip(np.array(middle) + reach * soft, 1, 254).astype(np.uint8)


def square_over_ground(
    count: int, height: int = 128, width: int = 192
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Luma ``(H, W)`` and full-sized chroma ``(H, W, 2)`` of a red textured square that moves to the
    right, by 2.5 pixels a frame, over a blue-green textured ground that moves to the left, by 1."""
    wide, wide_chroma = (
        texture(1, height, width + count + 8),
        colours(1, height, width + count + 8, (140, 100)),
    )
    side = height // 2
    thing, thing_chroma = texture(2, side, side), colours(2, side, side, (100, 190))
    luma, chroma = [], []
    for n in range(count):
        picture = wide[:, n : n + width].copy()
        colour = wide_chroma[:, n : n + width].copy()
        at = 10 + round(2.5 * n)
        picture[side // 2 : side // 2 + side, at : at + side] = thing
        colour[side // 2 : side // 2 + side, at : at + side] = thing_chroma
        luma.append(picture)
        chroma.append(colour)
    return luma, chroma


def smaller(chroma: np.ndarray, height: int, width: int) -> np.ndarray:
    """Chroma ``(H, W, 2)`` at another size."""
    return cv2.resize(chroma, (width, height), interpolation=cv2.INTER_AREA)


def as_frames(pictures: Sequence[np.ndarray]) -> list[Frame]:
    return [Frame(picture, Timestamp(n, Fraction(1, 25)), 1, n) for n, picture in enumerate(pictures)]


def spans_of(
    pictures: Sequence[np.ndarray],
    starts: Sequence[int] = (0,),
    every: float = 1000,
    anchors: Sequence[int] = (),
    bit_depth: int = 8,
    size: tuple[int, int] | None = None,
) -> list[Span]:
    """Spans of a film whose shots start at ``starts``, and that has an anchor at each of ``anchors``."""
    given: Callable[[Frame], bool] = lambda frame: frame.index in anchors  # noqa: E731
    numbered = ((frame, frame.index in starts) for frame in as_frames(pictures))
    return list(find_spans(numbered, size or pictures[0].shape, bit_depth, Budget(every), given))
