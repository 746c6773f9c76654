"""Films to measure with: real footage made grey where the data folder is found, else drawn."""

from __future__ import annotations

import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

DATA = Path(os.environ.get("VIDCOLOR_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))


def frames_of(path: Path | None, size: tuple[int, int]) -> Iterator[np.ndarray]:
    """Endless luma pictures ``(H, W)`` uint8: the film's, again and again, or a drawn pan over noise."""
    width, height = size
    if path is not None and path.exists():
        while True:
            with av.open(str(path)) as container:
                for frame in container.decode(video=0):
                    yield frame.reformat(format="gray", width=width, height=height).to_ndarray()
    rng = np.random.default_rng(0)
    wide = np.kron(rng.integers(16, 236, (height // 8 + 1, width // 2)), np.ones((8, 8), int)).astype(
        np.uint8
    )
    step = 0
    while True:
        yield np.ascontiguousarray(wide[:height, step % width : step % width + width])
        step += 3


FOOTAGE = DATA / "video" / "demo" / "big_buck_bunny_720p_5s.mp4"


def make_grey_film(
    path: Path,
    *,
    seconds: float,
    size: tuple[int, int] = (1280, 720),
    rate: int = 24,
    source: Path = FOOTAGE,
) -> str:
    """Writes a black-and-white H.264 film; returns in words what it shows."""
    neutral = np.full((size[1] // 2, size[0]), 128, np.uint8)
    pictures = (
        av.VideoFrame.from_ndarray(np.vstack((luma, neutral)), format="yuv420p")
        for luma in frames_of(source, size)
    )
    _write(path, pictures, seconds, size, rate)
    shown = f"{source.name}, looped, made grey" if source.exists() else "a drawn pan"
    return f"{size[0]}x{size[1]}, {seconds:g} s at {rate} frames/s: {shown}"


def make_color_film(
    path: Path, *, seconds: float, size: tuple[int, int] = (1280, 720), rate: int = 24
) -> str:
    """The same in colour."""
    pictures = (
        picture.reformat(width=size[0], height=size[1], format="yuv420p")
        for picture in colors_of(FOOTAGE, size)
    )
    _write(path, pictures, seconds, size, rate)
    shown = f"{FOOTAGE.name}, looped" if FOOTAGE.exists() else "a drawn pan"
    return f"{size[0]}x{size[1]}, {seconds:g} s at {rate} frames/s: {shown}"


def colors_of(path: Path, size: tuple[int, int]) -> Iterator[av.VideoFrame]:
    """Endless frames in colour: the film's, again and again, or drawn."""
    while path.exists():
        with av.open(str(path)) as container:
            yield from container.decode(video=0)
    for luma in frames_of(None, size):
        yield av.VideoFrame.from_ndarray(np.dstack([luma, luma // 2, 255 - luma]), format="rgb24")


def _write(
    path: Path, pictures: Iterator[av.VideoFrame], seconds: float, size: tuple[int, int], rate: int
) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"preset": "veryfast", "crf": "16"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.codec_context.time_base = Fraction(1, rate)
        for index, frame in zip(range(round(seconds * rate)), pictures, strict=False):
            frame.pts, frame.time_base, frame.pict_type = index, Fraction(1, rate), 0
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
