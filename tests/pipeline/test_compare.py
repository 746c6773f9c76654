"""Two films as one video: what is decoded from it again."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests.clips import decode_pts, luma_pattern, make_clip, packets
from vidcolor.errors import InputError, OutputError, UsageError
from vidcolor.frames import Frame, Timestamp
from vidcolor.media.probe import probe
from vidcolor.pipeline.compare.make import compare
from vidcolor.pipeline.compare.options import CompareOptions
from vidcolor.pipeline.compare.panels import Composer
from vidcolor.pipeline.compare.together import Ending, Timed, common_time_base, together, tolerance
from vidcolor.pipeline.options import EncoderOptions

EXACT = EncoderOptions(codec="ffv1")
SIZE = (64, 48)


def bare(**more: Any) -> CompareOptions:
    return CompareOptions(**{"encoder": EXACT, "labels": ("", ""), **more})


def planes_of(path: Path) -> list[list[np.ndarray]]:
    with av.open(str(path)) as container:
        return [[_plane(frame, n) for n in range(3)] for frame in container.decode(video=0)]


def _plane(frame: av.VideoFrame, index: int) -> np.ndarray:
    plane = frame.planes[index]
    kind = np.dtype("u1" if frame.format.components[0].bits == 8 else "<u2")
    return np.frombuffer(plane, kind).reshape(plane.height, -1)[:, : plane.width].copy()


def lumas(path: Path) -> list[np.ndarray]:
    return [planes[0] for planes in planes_of(path)]


def test_the_two_stand_side_by_side_sample_for_sample(tmp_path: Path) -> None:
    one = make_clip(tmp_path / "a.mkv", frames=12, audio=1, subtitles=True, chapters=True)
    other = make_clip(tmp_path / "b.mp4", frames=12, colourful=True, audio=1, audio_codec="aac")
    done = compare(one, other, tmp_path / "c.mkv", bare())
    assert (done.frames, done.width, done.height) == (12, 128, 48)
    assert done.notices == ()
    for number, (y, cb, cr) in enumerate(planes_of(done.output)):
        assert np.array_equal(y, np.hstack([luma_pattern(number, SIZE)] * 2))
        assert (cb[:, :32] == 128).all()
        assert (cr[:, :32] == 128).all()
        ramp = np.linspace(60, 190, 32).astype(int)
        assert (cb[:, 32:] == ramp).all()
        assert (cr[:, 32:] == ramp[::-1]).all()
    assert decode_pts(done.output) == decode_pts(one)
    assert packets(done.output, "audio") == packets(one, "audio")
    assert packets(done.output, "subtitles") == packets(one, "subtitles")
    with av.open(str(done.output)) as out:
        assert [stream.type for stream in out.streams] == ["video", "audio", "subtitle"]
        assert len(out.chapters()) == 2


def slides(path: Path, levels: Sequence[int], apart: int) -> Path:
    """Plain pictures, ``apart`` seconds each."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("ffv1", rate=24)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for number, level in enumerate(levels):
            planes = np.full((SIZE[1] * 3 // 2, SIZE[0]), level, np.uint8)
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            frame.pts, frame.time_base = 1000 * apart * number, Fraction(1, 1000)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path


@pytest.mark.parametrize("apart", [5, 70])
@pytest.mark.parametrize("shown_first", [True, False])
def test_a_range_that_begins_and_ends_inside_of_long_frames(
    tmp_path: Path, apart: int, shown_first: bool
) -> None:
    show = slides(tmp_path / "show.mkv", [40, 90, 140, 190], apart)
    steady = slides(tmp_path / "steady.mkv", [100] * (4 * apart), 1)
    start, end = 2 * apart - 2, 2 * apart + 2
    pair = (show, steady) if shown_first else (steady, show)
    done = compare(*pair, tmp_path / "c.mkv", bare(start=Fraction(start), end=Fraction(end)))
    assert done.length == 4
    column = 0 if shown_first else SIZE[0]
    assert [luma[0, column] for luma in lumas(done.output)] == [90, 90, 140, 140]
    assert decode_pts(done.output) == [0, 1, 2, 3]
    assert done.notices == ()


def test_one_above_the_other(tmp_path: Path) -> None:
    one = make_clip(tmp_path / "a.mkv", frames=3)
    other = make_clip(tmp_path / "b.mkv", frames=3, size=(128, 64))
    done = compare(one, other, tmp_path / "c.mkv", bare(layout="stacked"))
    assert (done.width, done.height) == (64, 48 + 32)
    for number, luma in enumerate(lumas(done.output)):
        assert np.array_equal(luma[:48], luma_pattern(number, SIZE))
    assert done.notices == (
        "The films' pictures have not the same shape (64×48 and 128×64); b.mkv is shown as it is.",
    )


def test_the_line_moves_to_and_fro(tmp_path: Path) -> None:
    grey = {"codec": "ffv1", "pix_fmt": "yuv420p", "rate": 4, "frames": 32, "size": (200, 48)}
    one = make_clip(tmp_path / "a.mkv", **grey)
    other = make_clip(tmp_path / "b.mkv", **grey, colourful=True)
    done = compare(one, other, tmp_path / "c.mkv", bare(layout="split"))
    assert (done.width, done.height) == (200, 48)
    places = []
    for number, (y, cb, _) in enumerate(planes_of(done.output)):
        coloured = np.flatnonzero((cb != 128).any(axis=0))
        places.append(2 * int(coloured[0]))
        expected = luma_pattern(number, (200, 48))
        line = (y != expected).any(axis=0)
        assert line.sum() <= 4
        assert (y[:, line] >= 235).all()
        assert abs(int(np.flatnonzero(line).mean()) - places[-1]) <= 4
    assert max(places) - min(places) > 150
    assert abs(places[0] - 100) <= 4
    turns = np.flatnonzero(np.diff(np.sign(np.diff(places))))
    assert len(turns) >= 2


@pytest.mark.parametrize("offset", [0, 1])
def test_films_of_varying_rates_are_in_sync(tmp_path: Path, offset: int) -> None:
    unit = Fraction(1, 1000)
    times = [0, 40, 300, 340, 900, 1000], [0, 100, 200, 320, 340, 880, 1000]
    one = make_clip(tmp_path / "a.mkv", pts=times[0], time_base=unit)
    other = make_clip(tmp_path / "b.mkv", pts=[t + offset * 500 for t in times[1]], time_base=unit)
    # The second begins later by itself, and is brought back: what counts is the time on the clock of each.
    done = compare(one, other, tmp_path / "c.mkv", bare(offset=Fraction(-offset, 2)))
    moments = sorted({*times[0], *times[1]})
    assert [round(t * 1000) for t in decode_pts(done.output)] == moments
    for moment, luma in zip(moments, lumas(done.output), strict=True):
        shown = [max(n for n, t in enumerate(of) if t <= moment) for of in times]
        assert np.array_equal(luma, np.hstack([luma_pattern(n, SIZE) for n in shown]))


def test_times_that_a_container_rounded_are_the_same_moment(tmp_path: Path) -> None:
    rate = Fraction(30000, 1001)
    one = make_clip(tmp_path / "a.mp4", frames=20, rate=rate)
    other = make_clip(tmp_path / "b.mkv", frames=20, rate=rate)
    for first, second in ((one, other), (other, one)):
        done = compare(first, second, tmp_path / "c.mov", bare(encoder=EncoderOptions(), overwrite=True))
        assert done.frames == 20
        assert decode_pts(done.output) == decode_pts(first)


def test_sound_that_begins_earlier_moves_no_picture(tmp_path: Path) -> None:
    unit = Fraction(1, 1000)
    times = [21 + 40 * n for n in range(12)]
    with_sound = make_clip(tmp_path / "a.mkv", pts=times, time_base=unit, audio=1)
    mute = make_clip(tmp_path / "b.mkv", pts=times, time_base=unit)
    done = compare(with_sound, mute, tmp_path / "c.mkv", bare())
    assert [round(t * 1000) for t in decode_pts(done.output)] == times
    late = make_clip(tmp_path / "d.mkv", pts=[5000 + t for t in times], time_base=unit)
    assert compare(mute, late, tmp_path / "e.mkv", bare()).frames == 12


def test_rates_that_differ_show_all_frames_of_both(tmp_path: Path) -> None:
    one = make_clip(tmp_path / "a.mkv", frames=12, rate=24)
    other = make_clip(tmp_path / "b.mkv", frames=25, rate=50)
    done = compare(one, other, tmp_path / "c.mkv", bare())
    times = [round(float(t), 3) for t in decode_pts(done.output)]
    assert times == sorted({*(round(n / 24, 3) for n in range(12)), *(n / 50 for n in range(25))})
    assert done.length == pytest.approx(0.5, abs=0.003)


def test_a_part_begins_with_what_is_shown_then(tmp_path: Path) -> None:
    one = make_clip(tmp_path / "a.mkv", pts=[0, 1000, 2000, 2040, 2080], time_base=Fraction(1, 1000), audio=1)
    other = make_clip(tmp_path / "b.mkv", pts=[0, 1500, 2060], time_base=Fraction(1, 1000))
    options = bare(start=Fraction(17, 10), end=Fraction(207, 100))
    done = compare(one, other, tmp_path / "c.mkv", options)
    assert [round(t * 1000) for t in decode_pts(done.output)] == [0, 300, 340, 360]
    shown = [(1, 1), (2, 1), (3, 1), (3, 2)]
    for pair, luma in zip(shown, lumas(done.output), strict=True):
        assert np.array_equal(luma, np.hstack([luma_pattern(n, SIZE) for n in pair]))
    assert done.length == Fraction(37, 100)


def test_a_matrix_whose_colours_cannot_be_read_is_told(tmp_path: Path) -> None:
    tags = "limited", "ictcp", "bt2020", "smpte2084"
    odd = make_clip(tmp_path / "odd.mkv", frames=3, colourful=True, color=tags)
    film = make_clip(tmp_path / "film.mkv", frames=3, colourful=True)
    for pair in ((odd, film), (film, odd)):
        done = compare(*pair, tmp_path / "c.mkv", bare(overwrite=True))
        assert done.notices == (
            "odd.mkv is in the matrix ictcp, in which its colours cannot be read; they are not right.",
        )


def test_films_that_stay_interlaced_are_told(tmp_path: Path) -> None:
    one = make_clip(tmp_path / "a.mkv", frames=3, codec="ffv1", interlaced=True)
    done = compare(one, make_clip(tmp_path / "b.mkv", frames=3), tmp_path / "c.mkv", bare(deinterlace="off"))
    assert done.notices == ("a.mkv is interlaced and stays so; the result says that it is progressive.",)
    assert probe(done.output).streams[0].video.field_order == "progressive"  # type: ignore[union-attr]


def test_different_lengths_end_with_the_shorter_and_are_told(tmp_path: Path) -> None:
    long = make_clip(tmp_path / "long.mp4", frames=48, audio=1)
    short = make_clip(tmp_path / "short.mkv", frames=24)
    done = compare(long, short, tmp_path / "c.mkv", bare())
    assert done.frames == 24
    assert done.notices == (
        "long.mp4 goes on 1 s after short.mkv has ended; the result ends with short.mkv.",
    )
    with av.open(str(done.output)) as out:
        ends = [(p.pts + p.duration) * p.time_base for p in out.demux(audio=0) if p.pts is not None]
    assert 0.9 < ends[-1] < 1.1
    done = compare(short, long, tmp_path / "d.mkv", bare())
    assert done.frames == 24
    assert "long.mp4 goes on" in done.notices[0]
    assert compare(short, long, tmp_path / "e.mkv", bare(end=Fraction(1, 2))).notices == ()


def test_no_time_in_common_is_an_error(tmp_path: Path) -> None:
    one = make_clip(tmp_path / "a.mkv", frames=12)
    other = make_clip(tmp_path / "b.mkv", frames=12)
    for offset in (5, -5):
        with pytest.raises(InputError, match="have no time in common.*--offset moves the second"):
            compare(one, other, tmp_path / "c.mkv", bare(offset=Fraction(offset)))
    with pytest.raises(InputError, match=r"have no time in common after 00:00:07"):
        compare(one, other, tmp_path / "c.mkv", bare(start=Fraction(7)))
    assert not (tmp_path / "c.mkv").exists()


def test_sizes_are_brought_to_one_height(tmp_path: Path) -> None:
    one = make_clip(tmp_path / "a.mkv", frames=2, size=(63, 47), codec="ffv1", pix_fmt="yuv420p")
    other = make_clip(tmp_path / "b.mkv", frames=2, size=(126, 94), colourful=True)
    done = compare(one, other, tmp_path / "c.mp4", CompareOptions(labels=("", "")))
    assert (done.width, done.height) == (128, 48)
    assert done.notices == ("b.mkv is 126×94 and is scaled to the 63×47 of a.mkv.",)
    for number, (y, cb, _) in enumerate(planes_of(done.output)):
        assert np.abs(y[:47, :63].astype(int) - luma_pattern(number, (63, 47))).mean() < 2
        ramp = cb[10, 33:62].astype(int)
        assert (np.diff(ramp) > 0).mean() > 0.9
        assert abs(ramp[0] - 60) < 8


def test_depths_matrices_and_ranges_are_brought_together(tmp_path: Path) -> None:
    told = {"codec": "ffv1", "frames": 2, "colourful": True}
    one = make_clip(tmp_path / "a.mkv", **told, color=("limited", "bt709", "bt709", "bt709"))
    other = make_clip(
        *(tmp_path / "b.mkv",), **told, pix_fmt="yuv444p10le", color=("full", "smpte170m", "bt709", "bt709")
    )
    done = compare(one, other, tmp_path / "c.mkv", bare())
    with av.open(str(done.output)) as out:
        context = out.streams.video[0].codec_context
        assert context.pix_fmt == "yuv444p10le"
        frame = next(out.decode(video=0))
        both = frame.reformat(format="rgb48le", src_colorspace=1, src_color_range=1).to_ndarray() >> 8
    sources = []
    for path, matrix, full in ((one, 1, 1), (other, 5, 2)):
        with av.open(str(path)) as source:
            frame = next(source.decode(video=0))
            form = {"format": "rgb48le", "src_colorspace": matrix, "src_color_range": full}
            sources.append(frame.reformat(**form, interpolation="BILINEAR").to_ndarray() >> 8)
    for found, truth in zip(np.split(both, 2, axis=1), sources, strict=True):
        inside = (truth > 6).all(axis=2) & (truth < 249).all(axis=2)
        assert np.abs(found[inside].astype(int) - truth[inside]).mean() < 3


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_rotated_film_stands_upright(tmp_path: Path, mirrored: bool) -> None:
    one = make_clip(tmp_path / "a.mov", frames=2, rotation=90, mirrored=mirrored, colourful=True)
    other = make_clip(tmp_path / "b.mkv", frames=2, size=(48, 64))
    done = compare(one, other, tmp_path / "c.mkv", bare())
    assert (done.width, done.height) == (96, 64)
    for number, luma in enumerate(lumas(done.output)):
        seen = np.rot90(luma_pattern(number, SIZE))
        assert np.array_equal(luma[:, :48], seen[:, ::-1] if mirrored else seen)
        assert np.array_equal(luma[:, 48:], luma_pattern(number, (48, 64)))


def test_labels_are_drawn_into_the_corners(tmp_path: Path) -> None:
    size = (320, 240)
    one = make_clip(tmp_path / "grey.mkv", frames=2, size=size)
    other = make_clip(tmp_path / "färbe.mkv", frames=2, size=size, colourful=True)
    done = compare(one, other, tmp_path / "c.mkv", CompareOptions(encoder=EXACT))
    assert done.labels == ("grey", "färbe")
    y, cb, _ = planes_of(done.output)[0]
    expected = luma_pattern(0, size)
    for left in (0, 320):
        changed = y[:, left : left + 320] != expected
        rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
        assert rows.max() < 40
        assert columns.max() < 120
        assert changed.sum() > 300
        letters = y[rows.min() : rows.max(), left + columns.min() : left + columns.max()]
        assert (letters > 200).any()
        assert (letters < 80).any()
    assert (cb[4:8, 168:180] == 128).all()
    without = compare(one, other, tmp_path / "d.mkv", bare())
    assert np.array_equal(lumas(without.output)[0][:, :320], expected)
    other_labels = compare(one, other, tmp_path / "e.mkv", CompareOptions(encoder=EXACT, labels=("x", "")))
    y = lumas(other_labels.output)[0]
    assert not np.array_equal(y[:, :320], expected)
    assert np.array_equal(y[:, 320:], expected)


def test_what_is_there_is_not_overwritten(tmp_path: Path) -> None:
    one, other = (make_clip(tmp_path / f"{name}.mkv", frames=2) for name in "ab")
    mine = tmp_path / "a.compare.mkv"
    mine.write_bytes(b"mine")
    with pytest.raises(OutputError, match="exists already"):
        compare(one, other, options=bare())
    assert mine.read_bytes() == b"mine"
    for source in (one, other):
        with pytest.raises(UsageError, match="is the input itself"):
            compare(one, other, source, bare(overwrite=True))
    with pytest.raises(InputError, match="does not exist"):
        compare(one, tmp_path / "none.mkv", tmp_path / "c.mkv")
    with pytest.raises(UsageError, match="Standard input is one film"):
        compare("-", "-", tmp_path / "c.mkv")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.compare.mkv", "a.mkv", "b.mkv"]
    assert compare(one, other, options=bare(overwrite=True)).output == mine


def test_pipes_work(tmp_path: Path) -> None:
    one, other = (make_clip(tmp_path / f"{name}.mkv", frames=12, audio=1) for name in "ab")
    threads = []
    for name in "ab":
        os.mkfifo(tmp_path / f"{name}.fifo")
        data = (tmp_path / f"{name}.mkv").read_bytes()
        threads.append(threading.Thread(target=(tmp_path / f"{name}.fifo").write_bytes, args=(data,)))
        threads[-1].start()
    done = compare(tmp_path / "a.fifo", tmp_path / "b.fifo", tmp_path / "c.mkv", bare())
    for thread in threads:
        thread.join()
    assert done.frames == 12
    assert packets(done.output, "audio") == packets(one, "audio")
    assert other.exists()


# ---- in time --------------------------------------------------------------------------------------


def timed(times: Sequence[int]) -> Any:
    for number, time in enumerate(times):
        frame = Frame(np.zeros((2, 2), np.uint8), Timestamp(time, Fraction(1, 1000)), 0, number)
        yield Timed(Fraction(time, 1000), frame, Fraction(0))


def shown(
    one: Sequence[int], other: Sequence[int], slack: int = 1, **more: Any
) -> list[tuple[int, int, int]]:
    moments = together(timed(one), timed(other), Fraction(slack, 1000), **more)
    return [(round(m.time * 1000), m.first.index, m.second.index) for m in moments]


def test_moments() -> None:
    assert shown([0, 40, 80], [0, 40, 80]) == [(0, 0, 0), (40, 1, 1), (80, 2, 2)]
    assert shown([0, 40, 80], [1, 39, 81]) == [(0, 0, 0), (40, 1, 1), (80, 2, 2)]
    assert shown([0, 40, 80], [20, 60, 100]) == [(20, 0, 0), (40, 1, 0), (60, 1, 1), (80, 2, 1), (100, 2, 2)]
    assert shown([0, 40], [500, 540]) == []
    assert shown([500, 540], [0, 40]) == []
    assert shown([], [0]) == []
    assert shown([0, 1000], [0, 40, 80], start=Fraction(1, 20)) == [(50, 0, 1), (80, 0, 2)]
    assert shown([0, 40, 80], [0, 40, 80], end=Fraction(8, 100)) == [(0, 0, 0), (40, 1, 1)]


def test_lengths_add_up_and_the_end_is_told() -> None:
    endings: list[Ending] = []
    found = list(
        together(timed(range(0, 400, 40)), timed(range(0, 200, 40)), Fraction(1, 1000), ended=endings.append)
    )
    assert sum(moment.length for moment in found) == Fraction(1, 5)
    assert [(end.first, end.second, end.at) for end in endings] == [(False, True, Fraction(1, 5))]


def test_units_of_time() -> None:
    assert common_time_base(Fraction(1, 30), Fraction(1, 24)) == Fraction(1, 120)
    assert common_time_base(Fraction(1001, 30000), Fraction(1, 1000)) == Fraction(1, 30000)
    assert common_time_base(Fraction(1, 90000), Fraction(1, 14112000)) == Fraction(1, 90000)
    assert tolerance((Fraction(1, 1000), Fraction(1, 90000)), (Fraction(24), None)) == Fraction(1, 1000)
    assert tolerance((Fraction(1, 25), Fraction(1, 25)), (Fraction(25),) * 2) == Fraction(1, 200)


def test_the_line_stays_inside() -> None:
    from vidcolor.color.planes import ColorSpace
    from vidcolor.frames import ChromaLayout

    compose = Composer("split", (16, 16), ChromaLayout(1, 1), ColorSpace("bt709", False, 8))
    lines = [compose.line(Fraction(n, 10)) for n in range(80)]
    assert min(lines) >= 2
    assert max(lines) <= 14
    assert all(line % 2 == 0 for line in lines)
