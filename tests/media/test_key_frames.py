"""Key frames from anywhere in a film."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.clips import LOSSLESS, luma_pattern, make_clip
from vidcolor.media.key_frames import KeyFrames
from vidcolor.media.reader import VideoReader

SIZE = (64, 48)
EVERY_TEN = {**LOSSLESS["libx264"], "g": "10", "sc_threshold": "0"}


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_it_is_the_last_one_before_a_moment(tmp_path: Path, suffix: str) -> None:
    clip = make_clip(tmp_path / f"a{suffix}", frames=48, options=EVERY_TEN)
    with VideoReader(clip) as reader:
        keys = KeyFrames(reader)
        for frame, key in ((47, 40), (3, 0), (25, 20), (30, 30), (29, 20)):
            found = keys.before(Fraction(frame, 24) + Fraction(1, 1000))
            assert found is not None
            assert found.time.exact - reader.begin == pytest.approx(Fraction(key, 24), abs=0.001)
            assert np.array_equal(found.luma, luma_pattern(key, SIZE))
        assert keys.decoded == 4  # one of them twice


def test_it_brings_its_colour_along(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.mp4", frames=24, options=EVERY_TEN, colourful=True)
    for chroma in (True, False):
        with VideoReader(clip) as reader:
            found = KeyFrames(reader, chroma=chroma).before(Fraction(1, 2))
            assert found is not None
            assert (found.chroma is not None) == chroma


def test_fields_become_frames(tmp_path: Path) -> None:
    clip = make_clip(
        tmp_path / "a.mkv", frames=24, codec="mpeg2video", options={"g": "6", "qmax": "2"}, interlaced=True
    )
    combed = {}
    for mode in ("auto", "off"):
        with VideoReader(clip) as reader:
            found = KeyFrames(reader, deinterlace=mode).before(Fraction(1, 2))  # type: ignore[arg-type]
            assert found is not None
            rows = found.luma.astype(int)
            combed[mode] = np.abs(2 * rows[1:-1] - rows[:-2] - rows[2:]).mean()
    assert combed["auto"] < combed["off"] / 1.5
