"""The chroma frames bring along, as decoded."""

from pathlib import Path

import numpy as np
import pytest

from tests.clips import make_clip
from vidcolor.media.own_chroma import has_chroma
from vidcolor.media.reader import VideoReader

CONVERTED = "nv21", "yuyv422"


@pytest.mark.parametrize(
    ("pix_fmt", "codec", "size"),
    [
        ("yuv420p", "ffv1", (24, 33)),
        ("yuv422p", "ffv1", (48, 33)),
        ("yuv444p", "ffv1", (48, 65)),
        ("yuv420p10le", "ffv1", (24, 33)),
        ("yuva420p", "ffv1", (24, 33)),
        ("nv12", "rawvideo", (24, 32)),
        ("nv21", "rawvideo", (24, 32)),
        ("yuyv422", "rawvideo", (48, 32)),
    ],
)
def test_it_is_the_sources(tmp_path: Path, pix_fmt: str, codec: str, size: tuple[int, int]) -> None:
    width = 64 if codec == "rawvideo" else 65
    clip = make_clip(
        tmp_path / "a.nut",
        size=(width, 48),
        frames=2,
        pix_fmt=pix_fmt,
        codec=codec,
        options={},
        colourful=True,
    )
    with VideoReader(clip, chroma=True) as reader:
        unit = 2 ** (reader.video.bit_depth - 8)
        for frame in reader.frames():
            assert frame.chroma is not None
            ramp = np.linspace(60, 190, size[1]).astype(int) * unit
            both = ramp, ramp[::-1]
            if pix_fmt == "nv12":  # drawn as one ramp over both
                pairs = np.linspace(60, 190, 2 * size[1]).astype(int)
                both = pairs[::2], pairs[1::2]
            for plane, expected in zip(frame.chroma, both, strict=True):
                assert plane.shape == size
                assert plane.dtype == frame.luma.dtype
                assert not plane.flags.writeable
                assert np.abs(plane.astype(int) - expected).max() <= (6 if pix_fmt in CONVERTED else 0)


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv444p10le", "gray"])
def test_neutral_is_none(tmp_path: Path, pix_fmt: str) -> None:
    clip = make_clip(tmp_path / "a.nut", frames=2, pix_fmt=pix_fmt, codec="ffv1", options={})
    with VideoReader(clip, chroma=True) as reader:
        assert [frame.chroma for frame in reader.frames()] == [None, None]


def test_it_comes_only_when_asked_for(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.nut", frames=2, codec="ffv1", options={}, colourful=True)
    with VideoReader(clip) as reader:
        assert [frame.chroma for frame in reader.frames()] == [None, None]


def test_formats() -> None:
    assert [has_chroma(name) for name in ("gray", "gray10le", "ya8", "yuv420p", "gbrp", "pal8")] == [
        *(False, False, False),
        *(True, True, True),
    ]
