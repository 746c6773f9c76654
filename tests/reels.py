"""Drawn films that are partly in colour, and what comes out of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import av
import cv2
import numpy as np

__all__ = ["SIZE", "planes_of", "scene", "write_reel"]

SIZE = (96, 128)
Planes = list[np.ndarray]
"""Y', Cb and Cr of a frame, each as the format stores it, uint8 or uint16."""
_WRITTEN = {"color_range": 1, "colorspace": 1, "color_primaries": 1, "color_trc": 1}


def scene(seed: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Things of many colours, ``(h, w, 3)`` uint8."""
    rng = np.random.default_rng(seed)
    height, width = size
    picture = np.full((height, width, 3), rng.integers(60, 200, 3), np.uint8)
    for _ in range(40):
        color = [int(value) for value in rng.integers(30, 226, 3)]
        x, y = int(rng.integers(0, width)), int(rng.integers(0, height))
        w, h = (int(value) for value in rng.integers(4, height // 3, 2))
        cv2.rectangle(picture, (x, y), (x + w, y + h), color, -1)
    return cv2.GaussianBlur(picture, (0, 0), 0.8)


def write_reel(
    path: Path,
    pictures: Sequence[np.ndarray],
    pix_fmt: str = "yuv420p",
    edit: Callable[[int, Planes], None] = lambda number, planes: None,
) -> list[Planes]:
    """Writes pictures ``(h, w, 3)`` uint8 without loss as BT.709, limited range; ``edit`` may change the
    planes of frame ``number`` in place. Returns all planes as they were written."""
    height, width = pictures[0].shape[:2]
    written = []
    with av.open(str(path), "w") as out:
        stream = out.add_stream("ffv1", rate=24)
        stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
        for number, picture in enumerate(pictures):
            made = av.VideoFrame.from_ndarray(picture, "rgb24").reformat(
                format=pix_fmt, dst_colorspace=1, dst_color_range=1
            )
            planes = [_view(made, n) for n in range(3)]
            edit(number, planes)
            written.append([plane.copy() for plane in planes])
            for target in (stream.codec_context, made):
                for name, code in _WRITTEN.items():
                    setattr(target, name, code)
            made.pts = number
            out.mux(stream.encode(made))
        out.mux(stream.encode())
    return written


def planes_of(path: Path) -> list[Planes]:
    """All frames of a film of a planar format."""
    with av.open(str(path)) as container:
        return [[_view(frame, n).copy() for n in range(3)] for frame in container.decode(video=0)]


def _view(frame: av.VideoFrame, index: int) -> np.ndarray:
    plane = frame.planes[index]
    kind = np.dtype("u1" if frame.format.components[0].bits == 8 else "<u2")
    rows = np.frombuffer(plane, kind).reshape(plane.height, plane.line_size // kind.itemsize)
    return rows[:, : plane.width]
