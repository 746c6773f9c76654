"""The reader on films whose every sample and time is known."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests.clips import (
    MASTERING,
    decode_luma,
    decode_pts,
    luma_pattern,
    make_clip,
    make_frame,
    make_hdr_clip,
    packets,
    remux,
    truncate,
)
from tests.media.through import NoSeek, late_sound, through
from vidcolor.errors import InputError, UsageError
from vidcolor.frames import ChromaLayout, Frame, Hdr, VideoInfo
from vidcolor.media.luma import luma_plane
from vidcolor.media.probe import probe
from vidcolor.media.reader import VideoReader
from vidcolor.media.timeline import FrameTimes

MANY_KEYS = {"preset": "ultrafast", "qp": "0", "bf": "2", "g": "12", "threads": "1"}
GARBAGE = bytes([0, 0, 0, 9, *range(1, 10)])


class Reading:
    """Everything one reading of a film gave."""

    def __init__(self, source: Any, **options: Any) -> None:
        self.notices: list[str] = []
        self.packets: list[Any] = []
        with VideoReader(source, notify=self.notices.append, **options) as reader:
            self.frames: list[Frame] = list(reader.frames(self.packets.append))
            self.video: VideoInfo = reader.video
            self.offset = reader.offset

    @property
    def times(self) -> list[Fraction]:
        return [frame.time.exact for frame in self.frames]

    @property
    def lumas(self) -> list[np.ndarray]:
        return [frame.luma for frame in self.frames]


def assert_pattern(reading: Reading, size: tuple[int, int], bits: int = 8, numbers: Any = None) -> None:
    numbers = range(len(reading.frames)) if numbers is None else numbers
    for frame, number in zip(reading.frames, numbers, strict=True):
        np.testing.assert_array_equal(frame.luma, luma_pattern(number, size, bits))


# Luma


@pytest.mark.parametrize(
    ("suffix", "codec", "pix_fmt", "size", "bits", "plain"),
    [
        ("mp4", "libx264", "yuv420p", (64, 48), 8, True),
        ("mp4", "libx264", "yuv444p10le", (64, 48), 10, True),
        ("mkv", "ffv1", "yuv420p", (35, 27), 8, True),
        ("mkv", "ffv1", "gray", (35, 27), 8, False),
        ("mkv", "ffv1", "gray10le", (35, 27), 10, False),
        ("nut", "rawvideo", "gray10be", (34, 26), 10, False),
        ("mkv", "ffv1", "yuv422p12le", (35, 27), 12, True),
        ("mkv", "ffv1", "yuv420p16le", (35, 27), 16, True),
        ("mkv", "ffv1", "yuva420p", (34, 26), 8, False),
        ("nut", "rawvideo", "nv12", (34, 26), 8, False),
        ("avi", "rawvideo", "yuyv422", (34, 26), 8, False),
        ("nut", "rawvideo", "uyvy422", (34, 26), 8, False),
        ("nut", "rawvideo", "vuya", (34, 26), 8, False),
        ("mkv", "ffv1", "yuv410p", (36, 28), 8, True),
    ],
)
def test_luma_sample_for_sample(
    tmp_path: Path, suffix: str, codec: str, pix_fmt: str, size: tuple[int, int], bits: int, plain: bool
) -> None:
    clip = make_clip(tmp_path / f"a.{suffix}", codec=codec, pix_fmt=pix_fmt, size=size, frames=4)
    reading = Reading(clip)
    assert len(reading.frames) == 4
    assert reading.video.bit_depth == bits
    assert_pattern(reading, size, bits)
    assert all((frame.carrier is not None) == plain for frame in reading.frames)
    assert not reading.frames[0].luma.flags.writeable


def test_plane_is_a_view_and_outlives_the_film(tmp_path: Path) -> None:
    reading = Reading(make_clip(tmp_path / "a.mp4"))
    luma = reading.frames[5].luma
    assert luma.base is not None
    reading.frames[5].carrier = None
    np.testing.assert_array_equal(luma, luma_pattern(5, (64, 48)))


def test_high_bits_are_brought_down() -> None:
    frame = make_frame(3, (34, 26), "p010le")
    np.testing.assert_array_equal(luma_plane(frame), luma_pattern(3, (34, 26), 10))


def test_full_range_is_kept(tmp_path: Path) -> None:
    reading = Reading(make_clip(tmp_path / "a.mp4", pix_fmt="yuvj420p"))
    assert reading.video.tags.range == "full"
    assert_pattern(reading, (64, 48))


def test_rgb_becomes_bt709_limited(tmp_path: Path) -> None:
    reading = Reading(make_clip(tmp_path / "a.mov", codec="png", pix_fmt="rgb24", size=(34, 26), frames=3))
    assert (reading.video.tags.matrix, reading.video.tags.range) == ("bt709", "limited")
    assert reading.video.layout == ChromaLayout(1, 1)
    assert_pattern(reading, (34, 26))
    assert any("rgb24 has no luma" in notice for notice in reading.notices)


def test_deep_rgb_keeps_its_depth(tmp_path: Path) -> None:
    reading = Reading(make_clip(tmp_path / "a.mkv", codec="ffv1", pix_fmt="gbrp10le", frames=2))
    assert reading.video.bit_depth == 10
    off = reading.frames[1].luma.astype(int) - (luma_pattern(1, (64, 48)).astype(int) << 2)
    assert np.abs(off).max() <= 4


def test_palette(tmp_path: Path) -> None:
    reading = Reading(make_clip(tmp_path / "a.gif", codec="gif", pix_fmt="pal8", rate=25, frames=3))
    expected = 16 + luma_pattern(2, (64, 48)).astype(float) * 219 / 255
    assert np.abs(reading.frames[2].luma - expected).max() <= 1
    assert reading.times == [0, Fraction(4, 100), Fraction(8, 100)]


def test_one_bit_is_full_range_grey(tmp_path: Path) -> None:
    reading = Reading(make_clip(tmp_path / "a.nut", codec="rawvideo", pix_fmt="monob", frames=2))
    assert set(np.unique(reading.frames[0].luma)) == {0, 255}
    assert reading.video.tags.range == "full"


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "said"),
    [("ffv1", "gray", "full"), ("ffv1", "yuv420p", None), ("libx264", "gray", None)],
)
def test_range_of_silent_grey(tmp_path: Path, codec: str, pix_fmt: str, said: str | None) -> None:
    assert Reading(make_clip(tmp_path / "a.mkv", codec=codec, pix_fmt=pix_fmt)).video.tags.range == said


@pytest.mark.parametrize("shape", ["webm", "mkv"])
def test_the_colour_vp8_has(tmp_path: Path, shape: str) -> None:
    """It has one only (RFC 6386, 9.2), so no file says which; a large one would be taken for BT.709."""
    film = make_clip(tmp_path / f"a.{shape}", codec="libvpx", size=(1280, 720), frames=1)
    tags = Reading(film).video.tags
    assert (tags.matrix, tags.range) == ("bt470bg", "limited")
    assert (tags.primaries, tags.transfer) == (None, None)


@pytest.mark.parametrize(
    ("pix_fmt", "name"), [("yuv411p", "4:1:1"), ("yuv410p", "4:1:0"), ("yuv440p", "4:4:0")]
)
def test_rare_chroma_is_told(tmp_path: Path, pix_fmt: str, name: str) -> None:
    reading = Reading(make_clip(tmp_path / "a.mkv", codec="ffv1", pix_fmt=pix_fmt, frames=1))
    assert reading.video.layout == ChromaLayout(1, 1)
    assert reading.notices == [f"Its chroma is {name}, which is not made here; it is taken as 4:2:0."]


def test_transparency_is_told(tmp_path: Path) -> None:
    reading = Reading(make_clip(tmp_path / "a.mkv", codec="ffv1", pix_fmt="yuva420p", frames=2))
    assert reading.video.has_alpha
    assert [n for n in reading.notices if "Transparency" in n] == reading.notices


# Times


@pytest.mark.parametrize(("suffix", "begin"), [("mkv", Fraction(5)), ("ts", Fraction(0))])
def test_the_beginning_is_told(tmp_path: Path, suffix: str, begin: Fraction) -> None:
    clip = make_clip(
        tmp_path / f"a.{suffix}", pts=range(5000, 5400, 40), time_base=Fraction(1, 1000), rate=25
    )
    with VideoReader(clip) as reader:
        assert reader.begin == begin


@pytest.mark.parametrize("start", [None, Fraction(1, 2)])
def test_what_a_sound_needs_before_0_begins_no_film(tmp_path: Path, start: Fraction | None) -> None:
    """Matroska has no other word for it; frames have the times that they have in MP4."""
    films = [make_clip(tmp_path / "a.mp4", rate=30, frames=30, audio=1), tmp_path / "b.mkv"]
    through(films[0], films[1], codec="libx264", preset="ultrafast")
    assert probe(films[1]).start == Fraction(-21, 1000)
    found = []
    for film in films:
        with VideoReader(film, start=start) as reader:
            assert reader.begin == 0
            found.append([frame.time.exact for frame in reader.frames()])
    assert len(found[0]) == len(found[1])
    for one, other in zip(*found, strict=True):
        assert abs(one - other) <= Fraction(1, 1000)


def test_constant_rate(tmp_path: Path) -> None:
    reading = Reading(make_clip(tmp_path / "a.mp4", rate=Fraction(30000, 1001)))
    assert reading.times == [n * Fraction(1001, 30000) for n in range(12)]
    assert {frame.duration * reading.video.time_base for frame in reading.frames} == {Fraction(1001, 30000)}
    assert [frame.index for frame in reading.frames] == list(range(12))
    assert reading.notices == []


def test_varying_rate_is_kept_exactly(tmp_path: Path) -> None:
    stamps = [0, 10, 37, 38, 100, 101, 350]
    clip = make_clip(tmp_path / "a.mp4", pts=stamps, time_base=Fraction(1, 600))
    assert Reading(clip).times == [Fraction(stamp, 600) for stamp in stamps]


def test_late_start_is_kept_in_files(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.mkv", pts=[250, 260, 270], time_base=Fraction(1, 100))
    reading = Reading(clip)
    assert reading.times == [Fraction(250 + n * 10, 100) for n in range(3)]
    assert reading.offset == 0


def test_broadcast_clock_starts_at_zero(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.ts", pts=list(range(240, 264)), time_base=Fraction(1, 24), audio=1)
    raw = decode_pts(clip)
    reading = Reading(clip)
    assert raw[0] > 9
    starts = [reading.times[0], min(p.pts * p.time_base for p in reading.packets)]
    assert min(starts) == 0
    assert reading.times == [time - reading.offset for time in raw]


def test_clock_that_jumps_is_mended(tmp_path: Path) -> None:
    once = make_clip(tmp_path / "a.ts", frames=24, audio=1)
    twice = tmp_path / "b.ts"
    twice.write_bytes(once.read_bytes() * 2)
    reading = Reading(twice)
    steps = np.diff([float(time) for time in reading.times])
    assert len(reading.frames) == 48
    assert steps.min() == pytest.approx(1 / 24, abs=1e-3)
    assert steps.max() < 0.15
    sound = [p.dts for p in reading.packets]
    assert all(after > before for before, after in pairwise(sound))
    assert [n for n in reading.notices if "clock jumped 1 time," in n] == reading.notices


def test_missing_times(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.264", format="h264", rate=25)
    reading = Reading(clip)
    assert reading.times == [Fraction(n, 25) for n in range(12)]
    assert reading.notices == ["12 frames without a time placed after the frame before."]


def test_times_that_go_back(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.mkv", codec="ffv1", rate=25, frames=8)
    wrong = {3: 2, 4: 0}

    def edit(packet: Any, number: int) -> Any:
        packet.pts = 40 * (wrong.get(number, number) + 10)  # later than it is decoded, or muxing it fails
        return packet

    reading = Reading(remux(clip, tmp_path / "b.mkv", edit))
    assert reading.times == [Fraction(n + 10, 25) for n in range(8)]
    assert reading.notices == ["2 frames with a time not after the frame before moved on."]


def test_a_clock_that_steps_back_a_little_is_caught_up_with() -> None:
    """As where pieces of a broadcast overlap by a frame: what follows must not be late for ever."""
    times, given = FrameTimes(step=4), list[int]()
    told = [n * 4 + 100 - 5 * (n // 20) for n in range(100)]
    given = [times.next(time, 4) for time in told]
    assert all(b > a for a, b in pairwise(given))
    moved = [n for n, (time, found) in enumerate(zip(told, given, strict=True)) if time != found]
    assert len(moved) == times.backward <= 16
    assert given[-1] == told[-1]
    assert max(found - time for time, found in zip(told, given, strict=True)) <= 9


def test_range_or_matrix_that_changes_is_told(tmp_path: Path) -> None:
    shown = [("limited", "bt709"), ("full", "bt709"), ("full", "smpte170m")]
    plain = {"codec": "libx264", "format": "h264", "options": {"preset": "ultrafast"}, "frames": 4}
    whole = b""
    for number, (kind, matrix) in enumerate(shown):
        part = make_clip(tmp_path / f"{number}.264", color=(kind, matrix, None, None), **plain)
        whole += part.read_bytes()
    (tmp_path / "whole.264").write_bytes(whole)
    notices = Reading(tmp_path / "whole.264").notices
    assert any(said.startswith("8 frames of another range or matrix are taken for") for said in notices)
    assert not any("another range" in said for said in Reading(tmp_path / "0.264").notices)


def test_an_aspect_of_samples_that_changes_is_told(tmp_path: Path) -> None:
    whole = b""
    for number, aspect in enumerate((Fraction(16, 15), Fraction(64, 45), Fraction(16, 15))):
        whole += make_clip(tmp_path / f"{number}.ts", sar=aspect, frames=12).read_bytes()
    (tmp_path / "whole.ts").write_bytes(whole)
    told = "The aspect of its samples changes, at 00:00:00.500, 00:00:01.000; the result has one throughout."
    assert told in Reading(tmp_path / "whole.ts").notices
    assert Reading(tmp_path / "0.ts").notices == []


def with_matrix(path: Path, numbers: Sequence[int]) -> Path:
    """A short MP4 with a display matrix of these (a, b, c, d; 65,536 is 1)."""
    data = make_clip(path, rotation=90).read_bytes()
    a, b, c, d = numbers
    turned = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    place = data.index(b"tkhd") + 44
    path.write_bytes(data[:place] + turned + data[place + 36 :])
    return path


@pytest.mark.parametrize(
    "numbers",
    [
        (1, 0, 0, -1),
        (-1, 0, 0, 1),
        (-1, 0, 0, -1),
        (0, 1, 1, 0),
        (0, 1, -1, 0),
        (0, -1, 1, 0),
        (0, -1, -1, 0),
    ],
)
def test_a_film_is_turned_and_mirrored_as_its_matrix_says(tmp_path: Path, numbers: tuple[int, ...]) -> None:
    reading = Reading(with_matrix(tmp_path / "a.mp4", [65536 * n for n in numbers]))
    assert not reading.notices
    luma = reading.lumas[0]
    height, width = luma.shape
    y, x = np.mgrid[:height, :width]
    a, b, c, d = numbers
    across, down = a * x + c * y, b * x + d * y  # ISO/IEC 14496-12, 6.2.2: (p q 1) times the matrix
    across, down = across - across.min(), down - down.min()
    seen = np.zeros((down.max() + 1, across.max() + 1), luma.dtype)
    seen[down, across] = luma
    orientation = reading.video.orientation
    np.testing.assert_array_equal(orientation.upright(luma), seen)
    np.testing.assert_array_equal(orientation.stored(seen), luma)


def test_a_film_shown_at_a_slant_is_told_of(tmp_path: Path) -> None:
    path = with_matrix(tmp_path / "a.mp4", (46341, 46341, -46341, 46341))
    assert "other than a right angle" in Reading(path).notices[0]


def test_a_stereoscopic_film_is_told_of(tmp_path: Path) -> None:
    options = {"preset": "ultrafast", "x264-params": "frame-packing=3"}
    notices = Reading(make_clip(tmp_path / "a.mkv", frames=2, options=options)).notices
    assert notices == ["Kept in no result: its mark as stereoscopic."]


def test_what_a_pipe_shows_too_late_is_told(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.mkv", mirrored=True)
    assert Reading(clip).video.mirrored
    assert not Reading(clip).notices
    how = "It could be if the film were given by name."
    assert Reading(NoSeek(clip)).notices == [f"It is to be shown mirrored, which is not kept. {how}"]
    hdr = make_hdr_clip(tmp_path / "b.mkv")
    assert not Reading(hdr).notices
    (notice,) = Reading(NoSeek(hdr)).notices
    assert notice.startswith("Its HDR10 metadata")
    assert notice.endswith(how)


def test_a_turn_that_only_pictures_tell_is_told(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.mkv", frames=4)
    marks = "h264_metadata=display_orientation=insert:rotate=90"
    with av.open(str(clip)) as source, av.open(str(tmp_path / "b.mkv"), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        marker = av.BitStreamFilterContext(marks, source.streams.video[0])
        for packet in source.demux(video=0):
            for marked in marker.filter(packet) if packet.size else ():
                marked.stream = stream
                target.mux_one(marked)
    notices = Reading(tmp_path / "b.mkv").notices
    assert notices == ["It is to be shown turned otherwise than its header says, which is not kept."]


def test_the_first_picture_that_can_be_decoded_tells(tmp_path: Path) -> None:
    options = {"preset": "ultrafast", "g": "4", "bf": "0"}
    clip = make_clip(tmp_path / "a.mp4", frames=12, mirrored=True, options=options)
    first = packets(clip, "video")[0]
    clip.write_bytes(clip.read_bytes().replace(first, b"\xff" * len(first)))
    assert Reading(clip).video.mirrored


@pytest.mark.parametrize("transfer", ["arib-std-b67", None])
def test_hdr10_metadata_goes_with_other_transfers_too(tmp_path: Path, transfer: str | None) -> None:
    reading = Reading(make_hdr_clip(tmp_path / "a.mkv", transfer=transfer))
    assert reading.video.hdr == Hdr(MASTERING, (1000, 400))
    assert not reading.notices


# Streams


def test_other_packets_come_as_they_are(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.mkv", frames=48, audio=2, subtitles=True)
    reading = Reading(clip)
    for kind, number, index in (("audio", 0, 1), ("audio", 1, 2), ("subtitles", 0, 3)):
        assert [bytes(p) for p in reading.packets if p.stream_index == index] == packets(clip, kind, number)


def test_without_a_taker_only_video_is_read(tmp_path: Path) -> None:
    with VideoReader(make_clip(tmp_path / "a.mkv", audio=1)) as reader:
        assert sum(1 for _ in reader.frames()) == 12


def test_stream_can_be_chosen(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.mkv", videos=2, audio=1)
    assert Reading(clip).video.width == 64
    assert Reading(clip, stream=1).video.width == 32
    with pytest.raises(UsageError, match=r"no video stream 2; .* 0 \(h264, 64×48\), 1 \(h264, 32×24\)"):
        VideoReader(clip, stream=2)


def test_cover_goes_with_the_other_packets(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.mp4", cover=True)
    reading = Reading(clip)
    assert (reading.video.width, len(reading.frames)) == (64, 12)
    assert [bytes(p) for p in reading.packets] == packets(clip, "video", 1)


def test_pipe(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.mkv", audio=1, frames=30)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    feeder = threading.Thread(target=pour, args=(clip, pipe))
    feeder.start()
    reading = Reading(pipe, start=Fraction(1, 2))
    feeder.join()
    assert_pattern(reading, (64, 48), numbers=range(12, 30))
    assert [bytes(p) for p in reading.packets] == packets(clip, "audio")


def test_index_at_the_end_of_a_pipe(tmp_path: Path) -> None:
    """libav looks back only as far as its buffer reaches, so the film must be larger than that."""
    clip = make_clip(tmp_path / "a.mp4", frames=200, size=(320, 240))
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    feeder = threading.Thread(target=pour, args=(clip, pipe))
    feeder.start()
    with pytest.raises(InputError, match="faststart"):
        Reading(pipe)
    feeder.join()


def pour(film: Path, pipe: Path) -> None:
    with contextlib.suppress(BrokenPipeError):
        pipe.write_bytes(film.read_bytes())


def test_streams_that_appear_in_the_middle(tmp_path: Path) -> None:
    """PyAV by itself fails at the end of such a broadcast where it could not look ahead."""
    silent = make_clip(tmp_path / "a.ts", frames=40, rate=1)
    spoken = make_clip(tmp_path / "b.ts", frames=24, audio=2)
    film = tmp_path / "c.ts"
    film.write_bytes(silent.read_bytes() + spoken.read_bytes())
    with av.open(NoSeek(film), "r") as container, pytest.raises(IndexError):
        list(container.demux())
    assert len(Reading(NoSeek(film)).frames) == 64


def test_sound_that_comes_late(tmp_path: Path) -> None:
    with VideoReader(late_sound(tmp_path / "a.ts")) as reader:
        assert [(s.channels, s.sample_rate) for s in reader.info.streams if s.kind == "audio"] == [(1, 48000)]


def test_standard_input(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.mp4", frames=48, options=MANY_KEYS)
    code = (
        "from vidcolor.media.reader import VideoReader; from fractions import Fraction as F\n"
        "with VideoReader('-', start=F(1)) as film: print(film.info.name, sum(1 for _ in film.frames()))"
    )
    with clip.open("rb") as file:
        root = Path(__file__).parents[2]
        done = subprocess.run(
            [sys.executable, "-c", code], stdin=file, capture_output=True, cwd=root, check=True
        )
    assert done.stdout.decode() == "standard input 24\n"


def test_open_file(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.mp4", frames=48, options=MANY_KEYS)
    with clip.open("rb") as file:
        assert_pattern(Reading(file, start=Fraction(1)), (64, 48), numbers=range(24, 48))


def test_colon_in_a_name(tmp_path: Path) -> None:
    assert len(Reading(make_clip(tmp_path / "a.mkv").rename(tmp_path / "12:30 film.mkv")).frames) == 12


# Ranges


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "avi"])
def test_range(tmp_path: Path, suffix: str) -> None:
    codec = "mpeg4" if suffix == "avi" else "libx264"
    options = {"g": "12", "qmin": "2", "qmax": "2"} if suffix == "avi" else MANY_KEYS
    clip = make_clip(tmp_path / f"a.{suffix}", codec=codec, options=options, frames=72, audio=0, rate=24)
    whole = decode_luma(clip)
    reading = Reading(clip, start=Fraction(5, 4), end=Fraction(2))
    assert len(reading.frames) == 18
    for frame, luma in zip(reading.frames, whole[30:48], strict=True):
        np.testing.assert_array_equal(frame.luma, luma)
    assert reading.notices == []


def test_container_stays_the_same(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.ts", frames=48)
    with VideoReader(clip, start=Fraction(1)) as reader:
        before = reader.container
        assert len(list(reader.frames())) == 24
        assert reader.container is before


def test_range_covers_sound_too(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.mp4", frames=24 * 30, options=MANY_KEYS, audio=1, size=(32, 32))
    reading = Reading(clip, start=Fraction(10), end=Fraction(12))
    assert (reading.times[0], reading.times[-1]) == (Fraction(10), Fraction(12) - Fraction(1, 24))
    sound = [p.pts * p.time_base for p in reading.packets]
    assert sound[0] <= 10
    assert 12 <= sound[-1] < 14


def test_start_after_the_end(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.mp4", frames=24)
    with pytest.raises(InputError, match=r"ends at 00:00:01\.000, before the start asked for, 00:00:05\.000"):
        Reading(clip, start=Fraction(5))


def test_empty_range(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"^The range is empty: it must end later than it starts \(START to END\)\.$"
    ):
        VideoReader(make_clip(tmp_path / "a.mp4"), start=Fraction(2), end=Fraction(1))


# Interlaced


def comb(luma: np.ndarray) -> float:
    """Mean step between neighbouring lines, in code values."""
    return float(np.abs(np.diff(luma.astype(int), axis=0)).mean())


@pytest.mark.parametrize("codec", ["libx264", "mpeg2video"])
def test_interlaced_frames_are_combined(tmp_path: Path, codec: str) -> None:
    clip = make_clip(tmp_path / "a.mkv", codec=codec, interlaced=True, frames=10)
    fields, frames = Reading(clip, deinterlace="off"), Reading(clip)
    assert fields.times == frames.times == decode_pts(clip)
    for field, luma in zip(fields.lumas, decode_luma(clip), strict=True):
        np.testing.assert_array_equal(field, luma)
    assert comb(frames.lumas[5]) < 0.8 * comb(fields.lumas[5])
    # bwdif keeps the lines of one field as they are.
    np.testing.assert_array_equal(frames.lumas[5][::2], fields.lumas[5][::2])
    assert [n for n in frames.notices if "deinterlaced" in n] == frames.notices
    assert fields.notices == []
    assert (fields.video.field_order, frames.video.field_order) == ("tt", "progressive")
    assert {frame.first_field for frame in fields.frames} == {"top"}
    assert {frame.first_field for frame in frames.frames} == {None}
    assert frames.frames[0].carrier is not None


@pytest.mark.parametrize("said", ["top", "bottom"])
def test_a_frame_says_which_field_is_first(tmp_path: Path, said: str) -> None:
    """A header may be wrong: FFmpeg's program writes "top" into all its H.264."""
    clip = make_clip(tmp_path / "a.mkv", codec="ffv1", interlaced="bottom", frames=3)
    if said == "top":
        data = clip.read_bytes()
        assert data.count(b"\x9d\x81\x06") == 1  # FieldOrder (RFC 9559, 5.1.4.1.28.2)
        clip.write_bytes(data.replace(b"\x9d\x81\x06", b"\x9d\x81\x01"))
    fields = Reading(clip, deinterlace="off")
    assert fields.video.field_order == {"top": "tt", "bottom": "bb"}[said]
    assert [frame.first_field for frame in fields.frames] == ["bottom"] * 3


def test_fields_that_the_header_does_not_foretell_are_told(tmp_path: Path) -> None:
    first = make_clip(tmp_path / "p.ts", frames=12)
    second = make_clip(tmp_path / "i.ts", frames=12, interlaced=True)
    film = tmp_path / "all.ts"
    film.write_bytes(first.read_bytes() + second.read_bytes())
    reading = Reading(film, deinterlace="off")
    assert [frame.first_field for frame in reading.frames] == [None] * 12 + ["top"] * 12
    assert reading.video.field_order == "progressive"
    told = "12 interlaced frames stay so, from 00:00:00.500; a result says that it is progressive."
    assert told in reading.notices


def test_progressive_frames_pass_unchanged(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.mp4")
    assert_pattern(Reading(clip), (64, 48))
    forced = Reading(clip, deinterlace="on")
    assert forced.times == decode_pts(clip)
    assert not np.array_equal(forced.lumas[5], luma_pattern(5, (64, 48)))


def test_mixed_film(tmp_path: Path) -> None:
    first = make_clip(tmp_path / "p.ts", frames=12)
    second = make_clip(tmp_path / "i.ts", frames=12, interlaced=True)
    third = make_clip(tmp_path / "q.ts", frames=12)
    film = tmp_path / "all.ts"
    film.write_bytes(first.read_bytes() + second.read_bytes() + third.read_bytes())
    reading = Reading(film)
    assert len(reading.frames) == 36
    np.testing.assert_array_equal(reading.lumas[6], luma_pattern(6, (64, 48)))
    np.testing.assert_array_equal(reading.lumas[30], luma_pattern(6, (64, 48)))


# Damage


def damaged(numbers: set[int]) -> Callable[[Any, int], Any]:
    return lambda packet, number: GARBAGE if number in numbers else packet


@pytest.mark.parametrize("broken", [{13}, {5, 15, 29}, {29}, {27, 28, 29}])
def test_only_damaged_packets_are_lost(tmp_path: Path, broken: set[int]) -> None:
    """Every packet is a key frame, so exactly the damaged ones are missing, at the end too."""
    options = {**MANY_KEYS, "g": "1"}
    clip = make_clip(tmp_path / "a.mkv", frames=30, options=options)
    reading = Reading(remux(clip, tmp_path / "b.mkv", damaged(broken)))
    assert_pattern(reading, (64, 48), numbers=[n for n in range(30) if n not in broken])
    (notice,) = reading.notices
    assert f"{len(broken)} damaged packet" in notice
    assert f"{min(broken) / 24:06.3f}" in notice


def test_packets_before_the_first_key_frame(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.ts", frames=36, options=MANY_KEYS)
    headless = remux(clip, tmp_path / "b.ts", lambda packet, number: None if number == 0 else packet)
    reading = Reading(headless)
    assert_pattern(reading, (64, 48), numbers=range(12, 36))
    assert reading.notices == ["11 packets before the first key frame had no picture."]


def test_pictures_that_need_no_key_frame_are_no_fault(tmp_path: Path) -> None:
    """MPEG-4's decoder starts with what comes first; nothing before the first key frame is missing then."""
    clip = make_clip(tmp_path / "a.mkv", frames=30, codec="mpeg4", options={"g": "12", "bf": "0"})
    headless = remux(clip, tmp_path / "b.mkv", lambda packet, number: None if number == 0 else packet)
    reading = Reading(headless)
    assert len(reading.frames) == 29
    assert reading.notices == []


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
def test_file_cut_short(tmp_path: Path, suffix: str) -> None:
    options = {"movflags": "faststart"} if suffix == "mp4" else None
    clip = make_clip(tmp_path / f"a.{suffix}", frames=48, audio=1, container_options=options)
    reading = Reading(truncate(clip, tmp_path / f"b.{suffix}", 0.6))
    count = len(reading.frames)
    assert 20 < count < 36
    assert_pattern(reading, (64, 48), numbers=range(count))
    assert reading.notices[-1].startswith("The input breaks off at 00:00:0")


def test_size_that_changes(tmp_path: Path) -> None:
    first = make_clip(tmp_path / "a.ts", size=(64, 48))
    second = make_clip(tmp_path / "b.ts", size=(96, 64))
    film = tmp_path / "c.ts"
    film.write_bytes(first.read_bytes() + second.read_bytes())
    reading = Reading(film)
    assert [luma.shape for luma in reading.lumas] == [(48, 64)] * 24
    assert any(n.startswith("12 frames of another size") for n in reading.notices)


# Refusals


def test_sound_only(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no video, only audio"):
        VideoReader(make_sound(tmp_path / "c.mka"))


def test_sound_with_a_cover(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no video, only a cover picture and audio"):
        VideoReader(make_sound(tmp_path / "c.m4a", cover=True))


def make_sound(path: Path, cover: bool = False) -> Path:
    return make_clip(path, videos=0, audio=1, cover=cover, format="mp4" if path.suffix == ".m4a" else None)


def test_encrypted(tmp_path: Path) -> None:
    key = {"encryption_scheme": "cenc-aes-ctr", "encryption_key": "76" * 16, "encryption_kid": "a7" * 16}
    clip = make_clip(tmp_path / "a.mp4", container_options=key)
    with pytest.raises(InputError, match="is encrypted"):
        Reading(clip)


def test_encrypted_beyond_recognition(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.mp4")
    clip.write_bytes(clip.read_bytes().replace(b"avc1\0\0\0\0", b"encv\0\0\0\0"))
    with pytest.raises(InputError, match="is encrypted"):
        VideoReader(clip)


def test_no_decoder(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.mp4", audio=1)
    clip.write_bytes(clip.read_bytes().replace(b"avc1\0\0\0\0", b"zzzz\0\0\0\0"))
    with pytest.raises(InputError, match=r"no decoder for \(0 \(zzzz\)\)"):
        VideoReader(clip)


def test_nothing_decodable(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.mkv")
    headless = remux(clip, tmp_path / "b.mkv", lambda packet, n: packet if n else None)
    with pytest.raises(InputError, match=r"No picture of .* could be decoded: it has no key frame"):
        Reading(headless)
    garbage = remux(clip, tmp_path / "c.mkv", lambda packet, n: GARBAGE)
    with pytest.raises(InputError, match="picture size and format could not be found"):
        Reading(garbage)


def test_frames_are_read_once(tmp_path: Path) -> None:
    with VideoReader(make_clip(tmp_path / "a.mp4")) as reader:
        list(reader.frames())
        with pytest.raises(RuntimeError, match="once"):
            next(reader.frames())


class Failing(io.BytesIO):
    """An open file whose disk breaks in the middle."""

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() > len(self.getbuffer()) // 2:
            raise OSError(errno.EIO, "Input/output error")
        return super().read(size)


def test_an_open_file_that_breaks_in_the_middle_ends_there(tmp_path: Path) -> None:
    film = make_clip(tmp_path / "a.mkv", frames=200, size=(160, 120), options=MANY_KEYS)
    found = Reading(Failing(film.read_bytes()))
    assert 20 < len(found.frames) < 180
    assert any("breaks off" in notice for notice in found.notices)


def test_an_open_file_that_cannot_be_read_at_all_is_told_of(tmp_path: Path) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError(errno.EIO, "Input/output error")

    with pytest.raises(InputError, match="cannot be opened: Input/output error"):
        VideoReader(Broken(b"x"))


def test_standard_input_that_is_empty(tmp_path: Path) -> None:
    code = (
        "from vidcolor.errors import InputError; from vidcolor.media.probe import probe\n"
        "try: probe('-')\nexcept InputError as error: print(error)"
    )
    (tmp_path / "empty").touch()
    with (tmp_path / "empty").open("rb") as file:
        said = subprocess.run([sys.executable, "-c", code], stdin=file, capture_output=True, check=True)
    assert said.stdout.decode().startswith("standard input is empty.")
    said = subprocess.run([sys.executable, "-c", code], input=b"", capture_output=True, check=True)
    assert said.stdout.decode().startswith("standard input is empty or not a media file")
