"""Films and photographs for the tests of training sets, drawn so that the answer is known."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

Rgb = np.ndarray


def scene(seed: int, size: tuple[int, int] = (96, 64)) -> Rgb:
    """A colourful picture of soft shapes, ``(h, w, 3)`` uint8; another for each seed."""
    noise = np.random.default_rng(seed).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    return cv2.resize(noise, size, interpolation=cv2.INTER_CUBIC)


def shot(seed: int, count: int, size: tuple[int, int] = (96, 64), step: int = 2) -> list[Rgb]:
    """A pan over a scene: frames of one shot, none like the other."""
    wide = scene(seed, (size[0] + step * count, size[1]))
    return [np.ascontiguousarray(wide[:, n * step : n * step + size[0]]) for n in range(count)]


def write_film(
    path: Path,
    pictures: Sequence[Rgb],
    rate: int = 25,
    pts: Sequence[int] | None = None,
    tags: dict[str, str] | None = None,
) -> Path:
    """A lossless film of RGB pictures (4:4:4, BT.601, limited); ``pts`` in thousandths of a second."""
    height, width = pictures[0].shape[:2]
    with av.open(str(path), "w") as out:
        out.metadata.update(tags or {})
        stream = out.add_stream("ffv1", rate=rate)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv444p"
        stream.codec_context.time_base = stream.time_base = Fraction(1, 1000)
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv444p")
            frame.pts = pts[number] if pts is not None else number * 1000 // rate
            frame.time_base = Fraction(1, 1000)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path


def write_picture(path: Path, rgb: Rgb) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
    return path


def photographs(folder: Path, count: int, start: int = 0, size: tuple[int, int] = (80, 60)) -> Path:
    """A folder of PNG pictures ``000.png``, ``001.png``, …, each another scene."""
    for number in range(start, start + count):
        write_picture(folder / f"{number:03}.png", scene(number, size))
    return folder
