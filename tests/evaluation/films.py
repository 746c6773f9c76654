"""Small films in colour whose every sample is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from vidcolor.frames import Orientation

SIZE = (96, 160)
"""Height and width."""
RATE = 24
UPRIGHT = Orientation()
Planes = tuple[np.ndarray, np.ndarray, np.ndarray]


def texture(seed: int, height: int, width: int) -> np.ndarray:
    """Smooth noise, which optical flow can follow; uint8 in limited range."""
    rough = np.random.default_rng(seed).integers(0, 256, (height, width)).astype(np.float32)
    smooth = cv2.GaussianBlur(rough, (0, 0), 3)
    return cv2.normalize(smooth, None, 30, 210, cv2.NORM_MINMAX).astype(np.uint8)


def plain(luma: np.ndarray, cb: int, cr: int) -> Planes:
    return luma, np.full_like(luma, cb), np.full_like(luma, cr)


def write_film(
    path: Path,
    frames: Sequence[Planes] | Callable[[int], Planes],
    count: int | None = None,
    rate: int = RATE,
    orientation: Orientation = UPRIGHT,
) -> Path:
    """A lossless film of Y′CbCr planes of full size; untagged, so BT.601 in limited range.

    ``frames`` are as they are seen, and are stored in the ``orientation`` that brings them upright.
    """
    many = [frames(n) for n in range(count or 0)] if callable(frames) else frames
    many = [tuple(map(orientation.stored, planes)) for planes in many]
    height, width = many[0][0].shape
    with av.open(str(path), "w") as out:
        stream = out.add_stream("ffv1", rate=rate)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv444p"
        if orientation != UPRIGHT:
            stream.set_display_rotation(90 * orientation.turns, hflip=orientation.mirrored)
        for number, planes in enumerate(many):
            frame = av.VideoFrame.from_ndarray(np.stack(planes), "yuv444p")
            frame.pts, frame.time_base = number, Fraction(1, rate)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path


def rgb_of(planes: Planes) -> np.ndarray:
    """R′G′B′ of 8 bits by the text of BT.601, limited range."""
    y, cb, cr = (plane.astype(np.float64) for plane in planes)
    y, cb, cr = (y - 16) / 219, (cb - 128) / 224, (cr - 128) / 224
    red, blue = y + 1.402 * cr, y + 1.772 * cb
    green = (y - 0.299 * red - 0.114 * blue) / 0.587
    return np.clip(np.rint(255 * np.stack([red, green, blue], -1)), 0, 255).astype(np.uint8)
