"""Frame rates that a header gets wrong, and containers that hold no more than one."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import pytest

import vidcolor
from tests.clips import decode_luma, decode_pts, make_clip
from vidcolor.errors import OutputError
from vidcolor.media.probe import probe

GREY = {"model": "grey", "device": "cpu"}


def without_durations(source: Path, target: Path) -> Path:
    """The film in Matroska without a frame duration, where only H.264 says how its clock ticks."""
    with av.open(str(source)) as film, av.open(str(target), "w") as out:
        stream = film.streams.video[0]
        copy = out.add_stream_from_template(stream)
        for packet in film.demux(stream):
            if packet.dts is not None:
                packet.stream = copy
                out.mux(packet)
    return target


@pytest.fixture
def ticking(tmp_path: Path) -> Path:
    """24 frames a second, 24000 ticks."""
    pts = [1000 * n for n in range(36)]
    clip = make_clip(tmp_path / "a.mp4", pts=pts, time_base=Fraction(1, 24000), size=(64, 64))
    film = without_durations(clip, tmp_path / "b.mkv")
    with av.open(str(film)) as container:
        assert container.streams.video[0].average_rate == 24000
    return film


def test_a_clock_is_not_taken_for_a_frame_rate(ticking: Path) -> None:
    info = probe(ticking)
    assert info.best_video is not None
    video = info.streams[info.best_video].video
    assert video is not None
    assert video.average_rate == 24
    assert video.frame_count is not None
    assert abs(video.frame_count.value - 36) <= 1


@pytest.mark.parametrize(("name", "codec"), [("c.webm", None), ("c.mkv", "libsvtav1")])
def test_encoders_that_mind_the_rate_take_it(ticking: Path, name: str, codec: str | None) -> None:
    target = ticking.with_name(name)
    assert vidcolor.colorize(ticking, target, codec=codec, **GREY).frames == 36  # type: ignore[arg-type]
    assert len(decode_luma(target)) == 36


def test_too_many_frames_a_second_for_an_encoder_are_said(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mp4", rate=300, frames=30, size=(64, 64))
    with pytest.raises(OutputError, match=r"^libsvtav1 encodes at most 240 frames a second\.$"):
        vidcolor.colorize(source, tmp_path / "b.mkv", codec="libsvtav1", **GREY)  # type: ignore[arg-type]


def test_the_order_of_frames_in_an_avi_is_no_fault(tmp_path: Path) -> None:
    """It has none of their times; those that libav guesses go back where frames are stored out of order."""
    disordered = make_clip(tmp_path / "a.avi", frames=30, rate=25, codec="libx264", options={"bf": "2"})
    with av.open(str(disordered)) as container:
        guessed = [frame.pts for frame in container.decode(video=0)]
    assert guessed != sorted(guessed)
    done = vidcolor.colorize(disordered, tmp_path / "c.mkv", **GREY)  # type: ignore[arg-type]
    assert not any("moved on" in word for word in done.notices)
    times = decode_pts(tmp_path / "c.mkv")
    assert len(times) == 30
    # Until it is clear that they are out of order, one frame may be thought to be longer.
    assert sorted(round(25 * (later - one)) for one, later in pairwise(times)) in ([1] * 29, [1] * 28 + [2])


def test_frames_dropped_from_an_avi_are_not_missing(tmp_path: Path) -> None:
    pts = [n for n in range(40) if n % 7 not in (3, 4)]
    source = make_clip(tmp_path / "a.avi", pts=pts, codec="mpeg4")
    with av.open(str(source)) as container:
        assert container.streams.video[0].frames > len(pts)
    done = vidcolor.colorize(source, tmp_path / "b.mkv", **GREY)  # type: ignore[arg-type]
    assert done.frames == len(pts)
    assert not any("breaks off" in word for word in done.notices)


@pytest.mark.parametrize("suffix", [".avi", ".mxf"])
def test_times_that_a_container_cannot_hold_are_said(tmp_path: Path, suffix: str) -> None:
    word = "holds one frame rate: the film's frame times vary and cannot be kept"
    even = make_clip(tmp_path / "a.mkv", frames=30, rate=25)
    uneven = make_clip(tmp_path / "b.mkv", pts=[0, 40, 80, 200, 230, 400], time_base=Fraction(1, 1000))
    for source, told in ((even, False), (uneven, True)):
        done = vidcolor.colorize(source, tmp_path / f"c{suffix}", overwrite=True, **GREY)  # type: ignore[arg-type]
        assert any(word in notice for notice in done.notices) == told


def test_frames_in_windows_media_are_in_order(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mp4", frames=50, rate=25, cuts=[20])
    vidcolor.colorize(source, tmp_path / "b.wmv", **GREY)  # type: ignore[arg-type]
    times = decode_pts(tmp_path / "b.wmv")
    assert len(times) == 50
    assert times[:-1] == sorted(set(times[:-1]))
