"""Decoding only what is wanted: which packets go to the decoder, and that what comes out is the same."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.clips import luma_pattern, make_clip
from vidcolor.media.probe import probe
from vidcolor.media.reader import VideoReader
from vidcolor.media.skim import AHEAD, Mark, Need, Skimmer, glimpses

SIZE = (64, 48)


@dataclass
class FakePacket:
    pts: int | None
    is_keyframe: bool = False


def marks(packets: list[Any], must: set[int], gap: int = 100, rest: Need = Need.WELCOME) -> list[Mark]:
    asked: list[int] = []

    def needed(pts: int) -> Need:
        asked.append(pts)
        return Need.MUST if pts in must else rest

    found = list(Skimmer(needed, Fraction(gap)).mark(iter(packets)))
    assert [packet for packet, _ in found] == packets
    assert asked == sorted(p.pts for p in packets if p.pts is not None)
    return [mark for _, mark in found]


def dropped(found: list[Mark]) -> list[int]:
    return [number for number, mark in enumerate(found) if mark is Mark.DROP]


def group(start: int, count: int) -> list[FakePacket]:
    """A key frame and frames shown in the order they are stored."""
    return [FakePacket(start + n, n == 0) for n in range(count)]


def test_what_comes_after_the_last_wanted_of_a_group_is_dropped() -> None:
    found = marks([*group(0, 6), *group(6, 3)], {0, 4})
    # Nobody knows what would follow the last group, so it is decoded.
    assert found == [*[Mark.DECODE] * 5, Mark.DROP, *[Mark.DECODE] * 3]
    found = marks([*group(0, 6), *group(6, 3)], {0, 2}, gap=0, rest=Need.NONE)
    kept = [Mark.DECODE, Mark.SKIP, Mark.DECODE]
    assert found == [*kept, *[Mark.DROP] * 3, *[Mark.SKIP] * 3]


def test_a_gap_longer_than_allowed_is_decoded() -> None:
    packets = [*group(0, 12), *group(12, 2)]
    assert dropped(marks(packets, {0, 8}, gap=4)) == [9, 10, 11]
    assert dropped(marks(packets, {0, 8}, gap=3)) == [10, 11]
    assert dropped(marks(packets, {0, 8}, gap=1)) == []


def test_most_of_a_film_is_not_spared() -> None:
    packets = [*group(0, 12), *group(12, 2)]
    assert dropped(marks(packets, {0, 4})) == [9, 10, 11]
    only_keys = [FakePacket(n, True) for n in range(60)]
    assert dropped(marks(only_keys, set(range(0, 60, 12)))) == []
    # After a gap another one needs as much again before it.
    twice = [*group(0, 12), *group(12, 4), *group(16, 12), *group(28, 2)]
    found = marks(twice, {0, 8, 12, 16, 24})
    assert dropped(found) == [9, 10, 11, 25, 26, 27]


def test_frames_shown_before_a_later_key_frame_need_the_group_before() -> None:
    packets = [*group(0, 4), FakePacket(6, True), FakePacket(4), FakePacket(5), FakePacket(7)]
    assert Mark.DROP not in marks(packets, {0})


def test_reordered_packets_are_asked_about_as_they_are_shown() -> None:
    packets = [FakePacket(0, True), FakePacket(4), FakePacket(2), FakePacket(1), FakePacket(3)]
    assert marks(packets, {2}, rest=Need.NONE) == [Mark.SKIP, Mark.SKIP, Mark.DECODE, Mark.SKIP, Mark.SKIP]


def test_packets_without_a_time_are_decoded() -> None:
    assert marks([FakePacket(None), FakePacket(None)], set()) == [Mark.DECODE] * 2
    assert Mark.DROP not in marks([*group(0, 3), FakePacket(None), *group(4, 2)], {0})


def test_nothing_piles_up() -> None:
    skimmer = Skimmer(lambda pts: Need.MUST if pts % 12 == 0 else Need.NONE, Fraction(100))
    packets = [packet for n in range(60) for packet in group(48 * n, 48)]
    for number, _ in enumerate(skimmer.mark(iter(packets))):
        if number % 100 == 0:
            assert len(skimmer._waiting) <= AHEAD
            assert len(skimmer._needs) <= AHEAD + 1
            assert len(skimmer._groups) <= AHEAD // 48 + 3


def read(clip: Path, needed: Any = None, gap: Fraction = Fraction(0)) -> tuple[dict[int, np.ndarray], int]:
    """Luma of the frames handed out by their pts, and how many pictures were decoded."""
    with VideoReader(clip, pictures=True, needed=needed, longest_gap=gap) as reader:
        found = {frame.time.pts: np.array(frame.luma) for frame in reader.frames()}
        return found, reader._decoder.pictures


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_the_frames_wanted_are_those_of_the_whole_film(tmp_path: Path, suffix: str) -> None:
    options = {"preset": "veryfast", "bf": "2", "g": "12", "sc_threshold": "0", "threads": "1"}
    clip = make_clip(tmp_path / f"a.{suffix}", size=SIZE, frames=60, options=options)
    whole, everything = read(clip)
    assert everything == 60
    times = sorted(whole)
    wanted = set(times[::5])
    some, fewer = read(clip, lambda pts: Need.MUST if pts in wanted else Need.NONE)
    assert set(some) == wanted
    assert all(np.array_equal(some[pts], whole[pts]) for pts in wanted)
    assert fewer < 50  # without those that no other frame is predicted from
    one = {times[0], times[8], times[30]}
    few, fewest = read(clip, lambda pts: Need.MUST if pts in one else Need.NONE, Fraction(1))
    assert set(few) == one
    assert all(np.array_equal(few[pts], whole[pts]) for pts in one)
    assert fewest < fewer


def test_welcome_frames_are_handed_out_unless_they_can_be_spared(tmp_path: Path) -> None:
    options = {"preset": "ultrafast", "qp": "0", "g": "10", "bf": "0", "sc_threshold": "0"}
    clip = make_clip(tmp_path / "a.mkv", size=SIZE, frames=30, rate=25, options=options)

    def needed(pts: int) -> Need:  # Matroska counts milliseconds: 40 a frame
        return Need.MUST if pts % 400 == 280 else Need(pts % 80 == 0)

    some, _ = read(clip, needed)
    assert sorted(some) == sorted({*range(0, 1200, 80), 280, 680, 1080})
    fewer, _ = read(clip, needed, Fraction(1))
    gone = {320, 720}
    assert sorted(fewer) == sorted(set(some) - gone)
    assert np.array_equal(fewer[680], luma_pattern(17, SIZE))


def test_an_interlaced_film_gives_all_its_frames(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.mpg", size=SIZE, frames=20, rate=25, codec="mpeg2video", interlaced=True)
    some, _ = read(clip, lambda pts: Need.NONE)
    assert len(some) >= 19


def test_glimpses_lie_all_over_the_film(tmp_path: Path) -> None:
    options = {"preset": "ultrafast", "qp": "0", "g": "10", "bf": "0", "sc_threshold": "0"}
    clip = make_clip(tmp_path / "a.mp4", size=SIZE, frames=100, rate=25, options=options)
    info = probe(clip)
    assert info.best_video is not None
    video = info.streams[info.best_video].video
    assert video is not None
    planes = glimpses(clip, video, 5)
    shown = [next(n for n in range(100) if np.array_equal(plane, luma_pattern(n, SIZE))) for plane in planes]
    assert shown == [10, 30, 50, 70, 90]
    assert Counter(plane.shape for plane in planes) == {(48, 64): 5}
    with clip.open("rb") as file:
        file.seekable = lambda: False  # type: ignore[method-assign]
        assert glimpses(file, video, 5) == []
