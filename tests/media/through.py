"""A film read, given a plain colour, and written: what the writer's tests drive."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from tests.clips import make_clip
from vidcolor.frames import ColorFrame, ColorTags, Frame
from vidcolor.media.deinterlace import Mode
from vidcolor.media.reader import VideoReader
from vidcolor.media.writer import VideoWriter

CB, CR = 100, 150
"""The colour, as 8-bit codes."""


class NoSeek:
    """A file that reads like a pipe."""

    def __init__(self, path: Path) -> None:
        self.read = io.BytesIO(path.read_bytes()).read


@dataclass
class Passed:
    """What came by on the way."""

    notes: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    luma: list[np.ndarray] = field(default_factory=list)
    times: list[Fraction] = field(default_factory=list)
    bit_depth: int = 0
    tags: ColorTags | None = None


def coloured(frame: Frame, writer: VideoWriter) -> ColorFrame:
    """The frame in one colour, in the planes the writer wants."""
    size = writer.layout.size(*frame.luma.shape)
    kind = np.uint8 if writer.bit_depth == 8 else np.uint16
    cb, cr = (np.full(size, code << (writer.bit_depth - 8), kind) for code in (CB, CR))
    return ColorFrame(frame, cb, cr)


def through(
    source: Path | NoSeek,
    target: Path,
    *,
    stream: int | None = None,
    deinterlace: Mode = "auto",
    **options: Any,
) -> Passed:
    """Writes ``source`` to ``target`` in one colour."""
    passed = Passed()
    part = {key: options[key] for key in ("start", "end") if key in options}
    with VideoReader(source, stream=stream, deinterlace=deinterlace, **part) as reader:
        with VideoWriter(
            target, reader.container, reader.video, begin=reader.begin, notify=passed.notes.append, **options
        ) as writer:
            passed.bit_depth, passed.tags = writer.bit_depth, writer.tags
            for frame in reader.frames(writer.copy):
                passed.luma.append(frame.luma.copy())
                passed.times.append(frame.time.exact)
                writer.write(coloured(frame, writer))
        passed.left_out = writer.left_out
    return passed


def packet_times(path: Path, index: int) -> list[tuple[Fraction, bytes]]:
    """Times and payloads of a stream's packets, in seconds and in the file's order."""
    with av.open(str(path)) as container:
        chosen = container.streams[index]
        return [
            (p.pts * p.time_base, bytes(p)) for p in container.demux(chosen) if p.size and p.pts is not None
        ]


def late_sound(path: Path) -> Path:
    """A broadcast whose sound lies later in the file than libav looks by itself."""
    clip = make_clip(path, frames=40, rate=1, audio=1)
    with av.open(str(clip)) as container:
        assert not container.streams.audio[0].codec_context.sample_rate
    return clip
