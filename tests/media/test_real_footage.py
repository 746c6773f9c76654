"""The reader on real files: every one is read, or refused in one sentence.

Runs where the footage is found: ``VIDCOLOR_DATA``, or ``../shared/data`` beside the checkout.
"""

from __future__ import annotations

import os
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import pytest

from vidcolor.errors import InputError
from vidcolor.media.reader import VideoReader

DATA = Path(os.environ.get("VIDCOLOR_DATA", Path(__file__).parents[3] / "shared" / "data")) / "video"
SUFFIXES = {".mp4", ".mkv", ".webm", ".avi", ".gif", ".ts", ".mov"}
FILES = sorted(p for p in DATA.rglob("*") if p.suffix in SUFFIXES) if DATA.is_dir() else []
AT_MOST = 30

pytestmark = pytest.mark.skipif(not FILES, reason="no real footage here (VIDCOLOR_DATA)")


class Fact(NamedTuple):
    """What is known of an odd file."""

    stream: int
    pixel_format: str
    bits: int
    size: tuple[int, int]
    frames: int
    """Up to ``AT_MOST``."""
    range: str | None = None
    rotation: int = 0
    aspect: Fraction = Fraction(1)
    first: Fraction = Fraction(0)
    """Time of the first frame, in seconds."""
    notice: str | None = None


LIMITED = "limited"
ODD = {
    "av1_video.mkv": Fact(0, "yuv420p", 8, (640, 360), 30, LIMITED),
    "bitmap.mp4": Fact(0, "yuv444p", 8, (1, 1), 5),
    "bt709_full_range.mp4": Fact(0, "yuvj420p", 8, (1280, 720), 30, "full"),
    "frames.webm": Fact(0, "yuv420p", 8, (1080, 1080), 30, LIMITED),
    "h264_10bits.mp4": Fact(0, "yuv420p10le", 10, (200, 200), 30),
    "h265_10bits.mp4": Fact(0, "yuv420p10le", 10, (200, 200), 30, LIMITED),
    "minimal.mp4": Fact(0, "yuv420p", 8, (320, 240), 1),
    "nasa_13013.mp4": Fact(3, "yuv420p", 8, (480, 270), 30, LIMITED),
    "newtonscradle.gif": Fact(0, "bgra", 8, (200, 150), 30, LIMITED, notice="has no luma"),
    "no-initial-keyframe.ts": Fact(
        0,
        "yuv420p",
        8,
        (640, 352),
        15,
        aspect=Fraction(44, 45),
        first=Fraction(192240, 90000),
        notice="63 packets before the first key frame had no picture",
    ),
    "no_duration.webm": Fact(0, "yuv420p", 8, (1280, 720), 30, LIMITED, notice="Transparency"),
    "rotate-buck-bunny.mp4": Fact(
        0, "yuv420p", 8, (1920, 1080), 30, LIMITED, rotation=270, first=Fraction(4800, 57600)
    ),
    "sar_2x1.mp4": Fact(0, "yuv420p", 8, (640, 360), 30, aspect=Fraction(2)),
    "transparent.webm": Fact(0, "yuv420p", 8, (200, 200), 30, LIMITED, notice="Transparency"),
    "video_rotation_90.mp4": Fact(0, "yuv420p", 8, (100, 60), 1, rotation=270),
    "video_with_failing_audio.mp4": Fact(0, "yuv420p", 8, (640, 360), 30),
}
REFUSED = {"chunk_out_of_range.mp4": "is not a media file", "multiple-aac-tracks.mp4": "has no video"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_file(path: Path) -> None:
    if path.name in REFUSED:
        with pytest.raises(InputError, match=REFUSED[path.name]):
            VideoReader(path)
        return
    notices: list[str] = []
    with VideoReader(path, notify=notices.append) as reader:
        frames = list(islice(reader.frames(), AT_MOST))
    video = reader.video
    assert frames
    assert {frame.luma.shape for frame in frames} == {(video.height, video.width)}
    times = [frame.time.pts for frame in frames]
    assert times == sorted(set(times))
    if fact := ODD.get(path.name):
        found = Fact(
            stream=video.index,
            pixel_format=video.pixel_format,
            bits=video.bit_depth,
            size=(video.width, video.height),
            frames=len(frames),
            range=video.tags.range,
            rotation=video.rotation,
            aspect=video.sample_aspect,
            first=frames[0].time.exact,
            notice=next((fact.notice for n in notices if fact.notice and fact.notice in n), None),
        )
        assert found == fact


def test_every_odd_file_is_known() -> None:
    odd = {path.name for path in FILES if path.parent.name == "odd"}
    assert odd <= set(ODD) | set(REFUSED)
