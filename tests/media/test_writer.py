"""The coloured picture in its file: samples, times, what the file says of itself, and what can go wrong."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from dataclasses import replace
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np
import pytest
from av.sidedata.sidedata import Type as SideData

from tests.clips import MASTERING, decode_luma, decode_pts, luma_pattern, make_clip, make_hdr_clip, remux
from tests.media.through import CB, CR, coloured, packet_times, through
from vidcolor.errors import OutputError, UsageError
from vidcolor.frames import ChromaLayout, ColorTags, Hdr, Orientation
from vidcolor.media.canvas import requantise
from vidcolor.media.names import color_tags
from vidcolor.media.probe import probe
from vidcolor.media.reader import VideoReader
from vidcolor.media.writer import VideoWriter, same_file

LOSSLESS: dict[str, dict[str, Any]] = {
    "ffv1": {"codec": "ffv1"},
    "libx264": {"codec": "libx264", "preset": "ultrafast", "extra": (("qp", "0"),)},
}
QUICK: dict[str, Any] = {"preset": "ultrafast"}
VFR = [0, 1, 2, 5, 6, 9, 10, 30, 31, 32, 33, 60]


def planes(path: Path) -> list[np.ndarray]:
    """Cb and Cr of a file's first frame."""
    with av.open(str(path)) as container:
        frame: Any = next(container.decode(video=0))
        kind = np.dtype("u1" if frame.format.components[0].bits == 8 else "<u2")
        return [
            np.frombuffer(p, kind).reshape(p.height, p.line_size // kind.itemsize)[:, : p.width].copy()
            for p in frame.planes[1:]
        ]


def video_stream(path: Path) -> Any:
    found = probe(path)
    assert found.best_video is not None
    return found.streams[found.best_video].video


def display_matrix(path: Path) -> bytes:
    """What hangs on a file's first frame."""
    with av.open(str(path)) as container:
        return bytes(next(container.decode(video=0)).side_data[SideData.DISPLAYMATRIX])


class TestLuma:
    @pytest.mark.parametrize("encoder", LOSSLESS)
    @pytest.mark.parametrize(
        ("pix_fmt", "result"),
        [
            ("yuv420p", "yuv420p"),
            ("yuv422p", "yuv422p"),
            ("yuv444p", "yuv444p"),
            ("yuv420p10le", "yuv420p10le"),
            ("yuv422p10le", "yuv422p10le"),
            ("gray", "yuv420p"),
            ("gray10le", "yuv420p10le"),
        ],
    )
    def test_comes_back_sample_for_sample(
        self, tmp_path: Path, encoder: str, pix_fmt: str, result: str
    ) -> None:
        source = make_clip(tmp_path / "a.mkv", codec="ffv1", pix_fmt=pix_fmt, size=(70, 46), frames=4)
        passed = through(source, tmp_path / "b.mkv", **LOSSLESS[encoder])
        # "j" is how FFmpeg's H.264 decoder says full range, which silent grey is.
        assert video_stream(tmp_path / "b.mkv").pixel_format.replace("yuvj", "yuv") == result
        np.testing.assert_array_equal(decode_luma(tmp_path / "b.mkv"), passed.luma)
        np.testing.assert_array_equal(passed.luma[1], luma_pattern(1, (70, 46), passed.bit_depth))
        assert passed.notes == []

    @pytest.mark.parametrize("size", [(65, 47), (33, 64), (1, 1)])
    def test_odd_sizes(self, tmp_path: Path, size: tuple[int, int]) -> None:
        source = make_clip(tmp_path / "a.mkv", codec="ffv1", size=size, frames=3)
        passed = through(source, tmp_path / "b.mkv", codec="ffv1")
        np.testing.assert_array_equal(decode_luma(tmp_path / "b.mkv"), passed.luma)
        assert planes(tmp_path / "b.mkv")[0].shape == ChromaLayout(1, 1).size(size[1], size[0])

    def test_odd_sizes_with_x264(self, tmp_path: Path) -> None:
        source = make_clip(tmp_path / "a.mkv", codec="ffv1", size=(65, 47), frames=3)
        passed = through(source, tmp_path / "b.mp4", **LOSSLESS["libx264"])
        np.testing.assert_array_equal(decode_luma(tmp_path / "b.mp4"), passed.luma)
        assert passed.notes == [
            "libx264 has no format for odd sizes with the source's chroma size: the result is yuv444p."
        ]

    def test_deeper_than_the_encoder_is_rounded(self, tmp_path: Path) -> None:
        source = make_clip(tmp_path / "a.mkv", codec="ffv1", pix_fmt="yuv420p12le", frames=2)
        passed = through(source, tmp_path / "b.mkv", **LOSSLESS["libx264"])
        assert passed.bit_depth == 10
        np.testing.assert_array_equal(decode_luma(tmp_path / "b.mkv")[1], (passed.luma[1] + 2) >> 2)
        assert passed.notes == ["libx264 has no 12-bit format here: luma is rounded to 10 bits."]

    def test_fewer_bits_that_were_asked_for_are_not_the_encoders_fault(self, tmp_path: Path) -> None:
        source = make_clip(tmp_path / "a.mkv", codec="ffv1", pix_fmt="yuv420p10le", frames=2)
        passed = through(source, tmp_path / "b.mkv", pix_fmt="yuv420p", **LOSSLESS["libx264"])
        assert passed.bit_depth == 8
        assert passed.notes == ["The film has 10 bits, yuv420p has not: luma is rounded to 8 bits."]

    def test_9_bits_become_10(self, tmp_path: Path) -> None:
        source = make_clip(tmp_path / "a.mkv", codec="ffv1", pix_fmt="yuv420p9le", frames=2)
        passed = through(source, tmp_path / "b.mkv", **LOSSLESS["libx264"])
        np.testing.assert_array_equal(decode_luma(tmp_path / "b.mkv")[1], passed.luma[1] * 2)

    def test_16_bits_stay_in_ffv1(self, tmp_path: Path) -> None:
        source = make_clip(tmp_path / "a.mkv", codec="ffv1", pix_fmt="gray16le", frames=2)
        passed = through(source, tmp_path / "b.mkv", codec="ffv1")
        np.testing.assert_array_equal(decode_luma(tmp_path / "b.mkv"), passed.luma)

    def test_full_range_8_to_10_bits(self, tmp_path: Path) -> None:
        tags = ("full", "bt709", "bt709", "bt709")
        source = make_clip(tmp_path / "a.mkv", codec="ffv1", frames=2, color=tags)
        passed = through(source, tmp_path / "b.mkv", codec="ffv1", pix_fmt="yuv420p10le")
        wanted = np.round(passed.luma[0] * (1023 / 255))
        np.testing.assert_array_equal(decode_luma(tmp_path / "b.mkv")[0], wanted)

    def test_requantise(self) -> None:
        codes = np.arange(256, dtype=np.uint8)[None]
        np.testing.assert_array_equal(requantise(codes, 8, 10, full=False), codes.astype(int) * 4)
        up = requantise(codes, 8, 12, full=True)
        assert (up.min(), up.max(), up.dtype.name) == (0, 4095, "uint16")
        np.testing.assert_array_equal(requantise(up, 12, 8, full=True), codes)
        deep = np.array([[0, 1, 2, 3, 1021, 1022, 1023]], np.uint16)
        np.testing.assert_array_equal(requantise(deep, 10, 8, full=False), [[0, 0, 1, 1, 255, 255, 255]])
        assert requantise(codes, 8, 8, full=True) is codes

    def test_the_decoded_frame_is_not_touched(self, tmp_path: Path) -> None:
        """Frames before and after it may still need its luma, and the decoder its picture."""
        source = make_clip(tmp_path / "a.mp4", frames=8)
        with (
            VideoReader(source) as reader,
            VideoWriter(tmp_path / "b.mkv", None, reader.video, codec="ffv1") as writer,
        ):
            kept = []
            for frame in reader.frames():
                writer.write(coloured(frame, writer))
                kept.append(frame)
            for number, frame in enumerate(kept):
                np.testing.assert_array_equal(frame.luma, luma_pattern(number, (64, 48)))


class TestChroma:
    @pytest.mark.parametrize(
        ("pix_fmt", "shape"), [("yuv420p", (23, 33)), ("yuv422p", (45, 33)), ("yuv444p10le", (45, 65))]
    )
    def test_is_what_was_given(self, tmp_path: Path, pix_fmt: str, shape: tuple[int, int]) -> None:
        source = make_clip(tmp_path / "a.mkv", codec="ffv1", size=(65, 45), pix_fmt=pix_fmt, frames=2)
        passed = through(source, tmp_path / "b.mkv", codec="ffv1")
        cb, cr = planes(tmp_path / "b.mkv")
        scale = 1 << (passed.bit_depth - 8)
        assert cb.shape == cr.shape == shape
        assert np.all(cb == CB * scale)
        assert np.all(cr == CR * scale)

    def test_of_another_size_or_depth_is_refused(self, tmp_path: Path) -> None:
        source = make_clip(tmp_path / "a.mkv", codec="ffv1", frames=2)
        with VideoReader(source) as reader:
            writer = VideoWriter(tmp_path / "b.mkv", None, reader.video, codec="ffv1")
            good = coloured(next(reader.frames()), writer)
            with pytest.raises(ValueError, match="cb is"):
                writer.write(replace(good, cb=good.cb[:-1]))
            with pytest.raises(ValueError, match="cr is uint16"):
                writer.write(replace(good, cr=good.cr.astype(np.uint16)))
            writer.abort()

    def test_pixel_format_of_the_users_choice(self, tmp_path: Path) -> None:
        source = make_clip(tmp_path / "a.mkv", codec="ffv1", frames=2)
        passed = through(source, tmp_path / "b.mkv", pix_fmt="yuv444p10le", **LOSSLESS["libx264"])
        assert video_stream(tmp_path / "b.mkv").pixel_format == "yuv444p10le"
        np.testing.assert_array_equal(decode_luma(tmp_path / "b.mkv")[0], passed.luma[0].astype(int) * 4)


class TestTimes:
    @pytest.mark.parametrize("ending", ["mp4", "mov"])
    @pytest.mark.parametrize(
        ("base", "times"),
        [
            (Fraction(1001, 30000), VFR),
            (Fraction(1, 90000), [12345 + 3003 * n for n in VFR]),
            (Fraction(1, 1000), [41 + 33 * n for n in VFR]),
            (Fraction(1, 24), [5 + n for n in VFR]),
            (Fraction(1), [3 + n for n in VFR]),
            (Fraction(417083, 10_000_000), VFR),
        ],
    )
    def test_are_exact(self, tmp_path: Path, ending: str, base: Fraction, times: list[int]) -> None:
        source = make_clip(tmp_path / "a.nut", codec="ffv1", pts=times, time_base=base)
        passed = through(source, tmp_path / f"b.{ending}", preset="veryfast")
        assert passed.times == [n * base for n in times]
        assert decode_pts(tmp_path / f"b.{ending}") == passed.times

    @pytest.mark.parametrize(
        ("ending", "codec"), [("mkv", "libx264"), ("webm", "libvpx-vp9"), ("mkv", "ffv1")]
    )
    def test_are_the_nearest_millisecond(self, tmp_path: Path, ending: str, codec: str) -> None:
        times = [1234 + 3003 * n for n in VFR]
        source = make_clip(tmp_path / "a.nut", codec="ffv1", pts=times, time_base=Fraction(1, 90000))
        passed = through(source, tmp_path / f"b.{ending}", codec=codec)
        for got, wanted in zip(decode_pts(tmp_path / f"b.{ending}"), passed.times, strict=True):
            assert abs(got - wanted) <= Fraction(1, 2000)

    @pytest.mark.parametrize("codec", ["libx265", "libsvtav1"])
    def test_are_exact_with_other_encoders(self, tmp_path: Path, codec: str) -> None:
        preset = {"libx265": "ultrafast", "libsvtav1": "12"}[codec]
        source = make_clip(
            tmp_path / "a.nut", codec="ffv1", pts=VFR, time_base=Fraction(1001, 30000), size=(64, 64)
        )
        passed = through(source, tmp_path / "b.mp4", codec=codec, preset=preset)
        assert decode_pts(tmp_path / "b.mp4") == passed.times

    def test_avi_holds_the_nearest_frame_of_its_rate(self, tmp_path: Path) -> None:
        source = make_clip(tmp_path / "a.mkv", frames=12, rate=25)
        passed = through(source, tmp_path / "b.avi", codec="ffv1")
        assert decode_pts(tmp_path / "b.avi") == passed.times
        source = make_clip(
            tmp_path / "c.nut", codec="ffv1", pts=[0, 1, 2, 5, 9], time_base=Fraction(1, 25), rate=25
        )
        passed = through(source, tmp_path / "d.avi", codec="ffv1")
        assert decode_pts(tmp_path / "d.avi") == passed.times

    def test_a_unit_too_fine_for_mp4_is_made_coarser(self, tmp_path: Path) -> None:
        times = [7 + 33_366_667 * n for n in VFR]
        source = make_clip(tmp_path / "a.nut", codec="ffv1", pts=times, time_base=Fraction(1, 10**9))
        passed = through(source, tmp_path / "b.mp4", **QUICK)
        for got, wanted in zip(decode_pts(tmp_path / "b.mp4"), passed.times, strict=True):
            assert abs(got - wanted) <= Fraction(1, 2 * 20_000_000)

    @pytest.mark.parametrize("ending", ["mp4", "mkv"])
    def test_the_last_frame_keeps_its_length(self, tmp_path: Path, ending: str) -> None:
        source = make_clip(tmp_path / "a.mp4", frames=12, rate=24)
        through(source, tmp_path / f"b.{ending}", **QUICK)
        duration = probe(tmp_path / f"b.{ending}").streams[0].duration
        assert duration is not None
        assert abs(duration.value - Fraction(1, 2)) <= Fraction(1, 1000)

    @pytest.mark.parametrize("ending", ["mp4", "mov"])
    @pytest.mark.parametrize("late", ["video", "audio"])
    def test_sound_and_picture_keep_their_distance(self, tmp_path: Path, ending: str, late: str) -> None:
        """One begins a third of a second after the other, which no millisecond says."""
        plain = make_clip(tmp_path / "a.mov", frames=12, rate=24, audio=1, audio_codec="pcm_s16le")

        def delay(packet: Any, number: int) -> Any:
            if packet.stream.type == late:
                packet.pts += round(Fraction(1, 3) / packet.time_base)
                packet.dts += round(Fraction(1, 3) / packet.time_base)
            return packet

        source = remux(plain, tmp_path / "b.nut", delay)
        passed = through(source, tmp_path / f"c.{ending}", **QUICK)
        assert decode_pts(tmp_path / f"c.{ending}") == passed.times
        assert packet_times(tmp_path / f"c.{ending}", 1)[0][0] == packet_times(source, 1)[0][0]
        assert passed.times[0] == (Fraction(1, 3) if late == "video" else 0)

    def test_sound_that_starts_before_the_picture(self, tmp_path: Path) -> None:
        """AAC begins with a packet before 0 (the codec's delay): nothing may move for it."""
        source = make_clip(tmp_path / "a.mp4", frames=12, audio=1)
        assert packet_times(source, 1)[0][0] == Fraction(-1024, 48000)
        through(source, tmp_path / "b.mp4", **QUICK)
        assert packet_times(tmp_path / "b.mp4", 1) == packet_times(source, 1)
        through(source, tmp_path / "b.mkv", **QUICK)
        assert decode_pts(tmp_path / "b.mkv")[0] == 0
        assert packet_times(tmp_path / "b.mkv", 1)[0][0] == Fraction(-21, 1000)

    def test_frames_out_of_order_are_refused(self, tmp_path: Path) -> None:
        source = make_clip(tmp_path / "a.mkv", codec="ffv1", frames=2)
        with VideoReader(source) as reader:
            writer = VideoWriter(tmp_path / "b.mkv", None, reader.video, codec="ffv1")
            first = coloured(next(reader.frames()), writer)
            writer.write(first)
            with pytest.raises(ValueError, match="does not come after"):
                writer.write(first)
            writer.abort()


class TestPart:
    @pytest.mark.parametrize("ending", ["mp4", "mkv"])
    def test_begins_at_0_with_its_sound(self, tmp_path: Path, ending: str) -> None:
        source = make_clip(tmp_path / "a.mp4", frames=48, rate=24, audio=1, chapters=True)
        start, end = Fraction(11, 10), Fraction(3, 2)
        passed = through(source, tmp_path / f"b.{ending}", start=start, end=end, **QUICK)
        tolerance = Fraction(1, 2000) if ending == "mkv" else 0
        for got, wanted in zip(decode_pts(tmp_path / f"b.{ending}"), passed.times, strict=True):
            assert abs(got - (wanted - start)) <= tolerance
        self._check_sound(source, tmp_path / f"b.{ending}", start, end)
        chapters = probe(tmp_path / f"b.{ending}").chapters
        assert [(c.tags["title"], c.start) for c in chapters] == [("two", Fraction(0))]
        assert abs(chapters[0].end - (end - start)) < Fraction(1, 1000)

    def _check_sound(self, source: Path, target: Path, start: Fraction, end: Fraction) -> None:
        """Exactly the packets that sound in the range, each moved by ``start`` to the nearest tick."""
        length = Fraction(1024, 48000)
        wanted = [(t - start, data) for t, data in packet_times(source, 1) if t + length > start and t < end]
        got = packet_times(target, 1)
        assert [data for _, data in got] == [data for _, data in wanted]
        for (time, _), (moved, _) in zip(got, wanted, strict=True):
            assert abs(time - moved) <= Fraction(1, 2000)

    def test_a_further_film_begins_with_a_key_frame(self, tmp_path: Path) -> None:
        source = make_clip(
            tmp_path / "a.mkv", frames=48, rate=24, videos=2, options={"qp": "0", "g": "12", "bf": "0"}
        )
        through(source, tmp_path / "b.mkv", start=Fraction(9, 10), **QUICK)
        with av.open(str(tmp_path / "b.mkv")) as container:
            first = next(p for p in container.demux(container.streams[1]) if p.size)
        assert first.is_keyframe
        assert first.pts == 100

    def test_a_subtitle_that_stands_when_it_begins(self, tmp_path: Path) -> None:
        source = make_clip(tmp_path / "a.mkv", frames=48, rate=24, subtitles=True)
        through(source, tmp_path / "b.mkv", start=Fraction(6, 5), **QUICK)
        with av.open(str(tmp_path / "b.mkv")) as container:
            lines = [(p.pts, p.duration, bytes(p)) for p in container.demux(subtitles=0) if p.size]
        assert lines == [(0, 200, b"line 2"), (300, 400, b"line 3")]


TAGS: list[Any] = [
    ("limited", "bt709", "bt709", "bt709"),
    ("full", "smpte170m", "smpte170m", "smpte170m"),
    ("limited", "bt470bg", "bt470bg", "iec61966-2-1"),
    ("limited", "bt2020nc", "bt2020", "smpte2084"),
    (None, None, None, None),
]


class TestTags:
    @pytest.mark.parametrize(
        ("ending", "codec"),
        [("mp4", "libx264"), ("mov", "libx264"), ("mkv", "libx264"), ("webm", "libvpx-vp9"), ("mkv", "ffv1")],
    )
    @pytest.mark.parametrize("color", TAGS)
    def test_are_the_sources(self, tmp_path: Path, ending: str, codec: str, color: Any) -> None:
        source = make_clip(tmp_path / "a.mkv", color=color, frames=2)
        through(source, tmp_path / f"b.{ending}", codec=codec)
        got = video_stream(tmp_path / f"b.{ending}").tags
        if codec == "libvpx-vp9" and color[0] is None:
            assert got.range in (None, "limited")  # VP9 cannot be silent about it
            got = replace(got, range=None)
        assert replace(got, siting=None) == ColorTags(*color)

    @pytest.mark.parametrize("codec", ["libx265", "libsvtav1", "libx264"])
    def test_are_in_the_coded_stream(self, tmp_path: Path, codec: str) -> None:
        color: Any = ("full", "bt709", "bt709", "iec61966-2-1")
        source = make_clip(tmp_path / "a.mkv", color=color, frames=2, size=(64, 64))
        through(source, tmp_path / "b.mp4", codec=codec)
        with av.open(str(tmp_path / "b.mp4")) as container:
            frame = next(container.decode(video=0))
            assert color_tags(frame) == ColorTags(*color)

    @pytest.mark.parametrize("siting", ["topleft", "center", "left"])
    def test_siting(self, tmp_path: Path, siting: str) -> None:
        options = {"preset": "ultrafast", "qp": "0", "chroma_sample_location": siting}
        source = make_clip(tmp_path / "a.mkv", frames=2, options=options)
        assert video_stream(source).tags.siting == siting
        for ending in ("mp4", "mkv"):
            through(source, tmp_path / f"b.{ending}", **QUICK)
            assert video_stream(tmp_path / f"b.{ending}").tags.siting == siting

    @pytest.mark.parametrize(
        ("ending", "codec"), [("mp4", None), ("mov", None), ("mkv", None), ("webm", None)]
    )
    @pytest.mark.parametrize("rotation", [90, 180, 270])
    def test_rotation(self, tmp_path: Path, ending: str, codec: str | None, rotation: int) -> None:
        source = make_clip(tmp_path / "a.mp4", rotation=rotation, frames=2)
        assert video_stream(source).rotation == rotation
        through(source, tmp_path / f"b.{ending}", codec=codec)
        assert video_stream(tmp_path / f"b.{ending}").rotation == rotation
        with av.open(str(tmp_path / f"b.{ending}")) as container:
            assert next(container.decode(video=0)).rotation % 360 == rotation

    @pytest.mark.parametrize("ending", ["mp4", "mov", "mkv", "webm"])
    @pytest.mark.parametrize("rotation", [0, 90, 180, 270])
    def test_mirroring(self, tmp_path: Path, ending: str, rotation: int) -> None:
        source = make_clip(tmp_path / "a.mov", rotation=rotation, mirrored=True, frames=2)
        assert video_stream(source).orientation == Orientation(rotation // 90, True)
        assert not through(source, tmp_path / f"b.{ending}").notes
        assert video_stream(tmp_path / f"b.{ending}").orientation == Orientation(rotation // 90, True)
        matrices = [display_matrix(path) for path in (source, tmp_path / f"b.{ending}")]
        assert matrices[0] == matrices[1]

    def test_a_container_that_cannot_turn_pictures_is_told_of(self, tmp_path: Path) -> None:
        turned = make_clip(tmp_path / "a.mov", rotation=90, frames=2)
        notes = through(turned, tmp_path / "b.ts").notes
        assert any(note.startswith(".ts files cannot say that pictures are to be turned") for note in notes)
        assert not through(make_clip(tmp_path / "c.mov", frames=2), tmp_path / "d.ts").notes

    @pytest.mark.parametrize(
        ("codec", "ending"),
        [
            *product(["libx264", "libx265"], ["mp4", "mkv", "ts"]),
            *product(["libsvtav1"], ["mp4", "mkv"]),  # which MPEG-TS has no type for
        ],
    )
    def test_hdr10_metadata(self, tmp_path: Path, ending: str, codec: str) -> None:
        source = make_hdr_clip(tmp_path / "a.mkv")
        said = video_stream(source).hdr
        assert said == Hdr(MASTERING, (1000, 400))
        target = tmp_path / f"b.{ending}"
        preset = "13" if codec == "libsvtav1" else "ultrafast"
        assert not through(source, target, codec=codec, preset=preset).notes
        kept = video_stream(target).hdr
        assert kept.light == said.light
        # AV1 counts colours in 1/65,536 and luminance in 1/256 and 1/16,384 (AV1, 6.7.4).
        assert list(map(float, kept.mastering)) == pytest.approx(list(map(float, MASTERING)), abs=5e-5)

    @pytest.mark.parametrize("codec", ["libx264", "libx265", "libsvtav1"])
    def test_hdr10_metadata_that_cannot_be_is_left_out(self, tmp_path: Path, codec: str) -> None:
        display = "mastering-display=G(0.265,0.69)B(0.15,0.06)R(0.68,0.32)WP(0.3127,0.329)L(500000,0.0001)"
        options = {"svtav1-params": f"{display}:content-light=1000,400", "preset": "13"}
        source = make_clip(
            tmp_path / "a.mkv",
            frames=2,
            codec="libsvtav1",
            options=options,
            pix_fmt="yuv420p10le",
            color=("limited", "bt2020nc", "bt2020", "smpte2084"),
        )
        notes: list[str] = []
        with VideoReader(source, notify=notes.append) as reader:
            assert len(list(reader.frames())) == 2
        assert notes == ["Some of its HDR10 metadata is incomplete or out of range, and is not kept."]
        assert video_stream(source).hdr == Hdr(None, (1000, 400))
        preset = "13" if codec == "libsvtav1" else "ultrafast"
        through(source, tmp_path / "b.mkv", codec=codec, preset=preset)
        assert video_stream(tmp_path / "b.mkv").hdr == Hdr(None, (1000, 400))

    def test_hdr10_metadata_can_be_said_otherwise(self, tmp_path: Path) -> None:
        source, target = make_hdr_clip(tmp_path / "a.mkv"), tmp_path / "b.mkv"
        through(source, target, codec="libx265", extra=(("x265-params", "max-cll=500,100"),), **QUICK)
        assert video_stream(target).hdr == Hdr(MASTERING, (500, 100))

    def test_an_encoder_without_hdr10_metadata_is_told_of(self, tmp_path: Path) -> None:
        notes = through(make_hdr_clip(tmp_path / "a.mkv"), tmp_path / "b.mkv", codec="ffv1").notes
        assert any(note.startswith("ffv1 cannot be told the film's HDR10 metadata") for note in notes)

    @pytest.mark.parametrize(
        ("ending", "codec"),
        [
            *(("mp4", "libx264"), ("mov", "prores_ks"), ("mkv", "libx264"), ("mkv", "ffv1")),
            *(("webm", "libvpx-vp9"), ("mp4", "libsvtav1"), ("mkv", "libsvtav1")),
        ],
    )
    @pytest.mark.parametrize("aspect", [Fraction(16, 15), Fraction(32, 27), Fraction(8, 9)])
    def test_aspect(self, tmp_path: Path, ending: str, codec: str, aspect: Fraction) -> None:
        source = make_clip(tmp_path / "a.mp4", sar=aspect, frames=2, size=(90, 96))
        passed = through(source, tmp_path / f"b.{ending}", codec=codec)
        assert video_stream(tmp_path / f"b.{ending}").sample_aspect == aspect
        assert len(decode_luma(tmp_path / f"b.{ending}")) == len(passed.times)

    def test_progressive(self, tmp_path: Path) -> None:
        source = make_clip(tmp_path / "a.mkv", frames=2)
        through(source, tmp_path / "b.mkv", codec="ffv1")
        assert video_stream(tmp_path / "b.mkv").field_order == "progressive"

    @pytest.mark.parametrize("first", ["top", "bottom"])
    @pytest.mark.parametrize(
        ("codec", "ending", "order"),
        [
            *(("ffv1", "mkv", "container"), ("ffv1", "mp4", "container"), ("ffv1", "avi", None)),
            *(("libx264", "mkv", "container"), ("libx264", "mp4", "stream"), ("libx264", "ts", "stream")),
        ],
    )
    def test_fields_stay(
        self, tmp_path: Path, codec: str, ending: str, order: str | None, first: Literal["top", "bottom"]
    ) -> None:
        # x264 says of MBAFF what a container would call one field after the other.
        wanted = {"container": ("tb", "bt"), "stream": ("tt", "bb"), None: ("unknown", "unknown")}[order]
        interlaced: Any = "bottom" if first == "bottom" else True
        source = make_clip(tmp_path / "a.mkv", codec="ffv1", frames=6, interlaced=interlaced, rate=25)
        result = tmp_path / f"b.{ending}"
        passed = through(source, result, deinterlace="off", **LOSSLESS[codec])
        assert passed.notes == []
        assert video_stream(result).field_order == wanted[first == "bottom"]
        np.testing.assert_array_equal(decode_luma(result), decode_luma(source))
        np.testing.assert_array_equal(decode_luma(result), passed.luma)
        # Deinterlaced, both are the same: that hangs on the first field, and all pictures having some.
        lumas = []
        for path in (source, result):
            with VideoReader(path) as reader:
                lumas.append([frame.luma.copy() for frame in reader.frames()])
        np.testing.assert_array_equal(*lumas)

    @pytest.mark.parametrize("first", ["top", "bottom"])
    def test_fields_stay_in_prores(self, tmp_path: Path, first: Literal["top", "bottom"]) -> None:
        interlaced: Any = "bottom" if first == "bottom" else True
        source = make_clip(tmp_path / "a.mkv", codec="ffv1", frames=3, interlaced=interlaced)
        through(source, tmp_path / "b.mov", deinterlace="off", codec="prores_ks")
        assert video_stream(tmp_path / "b.mov").field_order == {"top": "tb", "bottom": "bt"}[first]
        with VideoReader(tmp_path / "b.mov", deinterlace="off") as reader:
            assert [frame.first_field for frame in reader.frames()] == [first] * 3

    def test_pictures_between_interlaced_ones_stay_progressive_in_ffv1(self, tmp_path: Path) -> None:
        first = make_clip(tmp_path / "i.ts", frames=12, interlaced=True)
        second = make_clip(tmp_path / "p.ts", frames=12)
        film = tmp_path / "all.ts"
        film.write_bytes(first.read_bytes() + second.read_bytes())
        for codec, later in (("ffv1", None), ("libx264", "top")):
            result = tmp_path / f"{codec}.mkv"
            passed = through(film, result, deinterlace="off", **LOSSLESS[codec])
            np.testing.assert_array_equal(decode_luma(result), passed.luma)
            with VideoReader(result, deinterlace="off") as reader:
                assert [frame.first_field for frame in reader.frames()] == ["top"] * 12 + [later] * 12

    @pytest.mark.parametrize(
        ("codec", "size", "order", "told"),
        [
            ("libsvtav1", (64, 64), "progressive", "libsvtav1 cannot say that pictures are interlaced: "),
            ("libvpx-vp9", (64, 64), "progressive", "libvpx-vp9 cannot say that pictures are interlaced: "),
            (
                "libx264",
                (64, 62),
                "progressive",
                "libx264 cannot say that pictures are interlaced in this size",
            ),
            ("libx265", (64, 64), "tb", "libx265 codes interlaced pictures whole; most players show them as"),
        ],
    )
    def test_fields_that_do_not_stay_or_are_not_seen_are_told(
        self, tmp_path: Path, codec: str, size: tuple[int, int], order: str, told: str
    ) -> None:
        source = make_clip(tmp_path / "a.mkv", codec="ffv1", frames=3, interlaced=True, size=size)
        passed = through(source, tmp_path / "b.mp4", deinterlace="off", codec=codec)
        assert [note.startswith(told) for note in passed.notes] == [True]
        assert video_stream(tmp_path / "b.mp4").field_order == order
        assert len(decode_luma(tmp_path / "b.mp4")) == 3

    def test_a_result_with_fields_is_another_result(self, tmp_path: Path) -> None:
        """FFV1's header is the same; parts of the one must not get into the other."""
        source = make_clip(tmp_path / "a.mkv", codec="ffv1", frames=2, interlaced=True)
        facts = []
        for mode in ("auto", "off"):
            with VideoReader(source, deinterlace=mode) as reader:  # type: ignore[arg-type]
                writer = VideoWriter(tmp_path / f"{mode}.mkv", None, reader.video, codec="ffv1")
                facts.append(writer.facts)
                writer.abort()
        assert facts[0] != facts[1]

    def test_full_range_that_cannot_be_said_is_told(self, tmp_path: Path) -> None:
        source = make_clip(tmp_path / "a.mkv", color=TAGS[1], frames=2)
        passed = through(source, tmp_path / "b.mov", codec="prores_ks")
        assert any("full range" in note for note in passed.notes)
        assert not through(source, tmp_path / "b.mkv", codec="ffv1").notes

    def test_the_film_begins_with_a_frame_of_the_encoders_choice(self, tmp_path: Path) -> None:
        """Frame types of the source must not be forced on the result."""
        options = {"preset": "ultrafast", "qp": "0", "g": "1"}
        source = make_clip(tmp_path / "a.mkv", frames=10, options=options)
        through(source, tmp_path / "b.mkv", **QUICK)
        with av.open(str(tmp_path / "b.mkv")) as container:
            assert [p.is_keyframe for p in container.demux(video=0) if p.size].count(True) == 1


def captioned(tmp_path: Path, **more: Any) -> Path:
    """An H.264 film with closed captions (ATSC A/53 cc_data in SEI) on each frame."""
    raw = make_clip(tmp_path / "plain.h264", frames=6, **more).read_bytes()
    cc = bytes.fromhex("b5003147413934 03 41 ff fc9420 ff")
    sei = b"\x06\x04" + bytes([len(cc)]) + cc + b"\x80"
    start = b"\x00\x00\x01"
    units = raw.split(start)
    marked = [sei + start + unit if unit and unit[0] & 31 in (1, 5) else unit for unit in units]
    (tmp_path / "cc.h264").write_bytes(start.join(marked))
    return tmp_path / "cc.h264"


class TestCaptions:
    @pytest.mark.parametrize("options", [{}, {"pix_fmt": "yuv420p10le"}])
    def test_survive(self, tmp_path: Path, options: dict[str, Any]) -> None:
        source = captioned(tmp_path)
        passed = through(source, tmp_path / "b.mp4", **LOSSLESS["libx264"], **options)
        with av.open(str(tmp_path / "b.mp4")) as container:
            frames: list[Any] = list(container.decode(video=0))
        assert [bytes(f.side_data[SideData.A53_CC]).hex() for f in frames] == ["fc9420"] * len(passed.times)
        shift = passed.bit_depth - 8
        for got, luma in zip(decode_luma(tmp_path / "b.mp4"), passed.luma, strict=True):
            np.testing.assert_array_equal(got, luma.astype(int) << shift)
        assert np.all(planes(tmp_path / "b.mp4")[0] == CB << shift)

    def test_survive_on_interlaced_pictures(self, tmp_path: Path) -> None:
        source = captioned(tmp_path, interlaced="bottom")
        through(source, tmp_path / "b.mp4", deinterlace="off", **LOSSLESS["libx264"])
        with av.open(str(tmp_path / "b.mp4")) as container:
            frames: list[Any] = list(container.decode(video=0))
        assert [bytes(f.side_data[SideData.A53_CC]).hex() for f in frames] == ["fc9420"] * 6
        assert all(frame.interlaced_frame for frame in frames)


class TestPlace:
    def test_nothing_but_the_result_is_left(self, tmp_path: Path) -> None:
        source = make_clip(tmp_path / "a.mkv", frames=2)
        with VideoReader(source) as reader, VideoWriter(tmp_path / "b.mp4", None, reader.video) as writer:
            for frame in reader.frames():
                writer.write(coloured(frame, writer))
            made = {p.name for p in tmp_path.iterdir()} - {"a.mkv"}
            assert len(made) == 1
            assert made.pop().startswith(".b.part-")
        assert {p.name for p in tmp_path.iterdir()} == {"a.mkv", "b.mp4"}

    @pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
    def test_nothing_is_left_after_an_exception(self, tmp_path: Path, error: type[BaseException]) -> None:
        source = make_clip(tmp_path / "a.mkv", frames=2)
        with pytest.raises(error):
            _interrupted(source, tmp_path / "b.mp4", error)
        assert [p.name for p in tmp_path.iterdir()] == ["a.mkv"]

    def test_an_existing_file_is_kept(self, tmp_path: Path) -> None:
        source = make_clip(tmp_path / "a.mkv", frames=2)
        (tmp_path / "b.mp4").write_text("mine")
        with pytest.raises(OutputError, match=r"b\.mp4 exists already; use -y to overwrite it\."):
            through(source, tmp_path / "b.mp4")
        assert (tmp_path / "b.mp4").read_text() == "mine"
        through(source, tmp_path / "b.mp4", overwrite=True)
        assert len(decode_luma(tmp_path / "b.mp4")) == 2

    def test_an_existing_file_outlives_a_failed_overwrite(self, tmp_path: Path) -> None:
        source = make_clip(tmp_path / "a.mkv", frames=2)
        (tmp_path / "b.mp4").write_text("mine")
        with pytest.raises(RuntimeError):
            _interrupted(source, tmp_path / "b.mp4", RuntimeError, overwrite=True)
        assert (tmp_path / "b.mp4").read_text() == "mine"
        assert len(list(tmp_path.iterdir())) == 2

    def test_a_file_that_appears_meanwhile_is_kept(self, tmp_path: Path) -> None:
        source = make_clip(tmp_path / "a.mkv", frames=2)
        with VideoReader(source) as reader:
            writer = VideoWriter(tmp_path / "b.mkv", None, reader.video, codec="ffv1")
            for frame in reader.frames():
                writer.write(coloured(frame, writer))
            (tmp_path / "b.mkv").write_text("mine")
            with pytest.raises(OutputError, match=r"the result is in .*b-1\.mkv"):
                writer.close()
        assert (tmp_path / "b.mkv").read_text() == "mine"
        assert len(decode_luma(tmp_path / "b-1.mkv")) == 2

    def test_a_link_stays_a_link(self, tmp_path: Path) -> None:
        source = make_clip(tmp_path / "a.mkv", frames=2)
        (tmp_path / "store").mkdir()
        (tmp_path / "b.mkv").symlink_to(tmp_path / "store" / "real.mkv")
        through(source, tmp_path / "b.mkv")
        assert (tmp_path / "b.mkv").is_symlink()
        assert len(decode_luma(tmp_path / "store" / "real.mkv")) == 2

    def test_standard_input_itself_is_refused(self, tmp_path: Path) -> None:
        source = make_clip(tmp_path / "a.mkv", frames=2)
        before = source.read_bytes()
        code = (
            "import sys; from vidcolor.media.reader import VideoReader\n"
            "from vidcolor.media.writer import VideoWriter\n"
            "with VideoReader('-') as film:\n"
            "    VideoWriter(sys.argv[1], film.container, film.video, overwrite=True).abort()"
        )
        for name, refused in (("a.mkv", True), ("b.mkv", False)):
            with source.open("rb") as file:
                done = subprocess.run(
                    [sys.executable, "-c", code, str(tmp_path / name)], stdin=file, capture_output=True
                )
            assert (b"a.mkv is the input itself; name another file" in done.stderr) == refused
            assert (done.returncode != 0) == refused
        assert source.read_bytes() == before

    def test_the_input_itself_is_refused(self, tmp_path: Path) -> None:
        source = make_clip(tmp_path / "a.mkv", frames=2)
        (tmp_path / "link.mkv").symlink_to(source)
        for path in (source, tmp_path / "link.mkv", tmp_path / "." / "a.mkv"):
            with pytest.raises(UsageError, match="is the input itself"):
                through(source, path, overwrite=True)
        assert len(decode_luma(source)) == 2
        assert same_file(source, tmp_path / "link.mkv")
        assert not same_file(source, tmp_path / "b.mkv")

    def test_impossible_places(self, tmp_path: Path) -> None:
        source = make_clip(tmp_path / "a.mkv", frames=2)
        os.mkfifo(tmp_path / "pipe.mkv")
        (tmp_path / "folder.mkv").mkdir()
        with pytest.raises(OutputError, match=r"The folder .*nowhere does not exist"):
            through(source, tmp_path / "nowhere" / "b.mkv")
        with pytest.raises(UsageError, match="is a folder"):
            through(source, tmp_path / "folder.mkv")
        with pytest.raises(UsageError, match="not a plain file"):
            through(source, tmp_path / "pipe.mkv", overwrite=True)
        with pytest.raises(UsageError, match=r"no video container is known for the ending '\.xyz'"):
            through(source, tmp_path / "b.xyz")

    def test_an_unwritable_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        source = make_clip(tmp_path / "a.mkv", frames=2)
        monkeypatch.setattr(os, "access", lambda path, mode: mode == os.R_OK)  # root may write anywhere
        with pytest.raises(OutputError, match="may not be written to"):
            through(source, tmp_path / "b.mkv")

    def test_names_that_mean_something_to_libav(self, tmp_path: Path) -> None:
        source = make_clip(tmp_path / "a.mkv", frames=2)
        for name in ("a:b.mkv", "100%d.mkv", "ä ö.mkv", "x" * 251 + ".mkv"):
            through(source, tmp_path / name)
            assert len(decode_luma(tmp_path / name)) == 2

    def test_a_full_disk(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        source = make_clip(tmp_path / "a.mkv", frames=2)
        with VideoReader(source) as reader:
            writer = VideoWriter(tmp_path / "b.mkv", None, reader.video, codec="ffv1")
            monkeypatch.setattr(writer, "_container", _FullDisk(writer._container))
            for frame in reader.frames():
                picture = coloured(frame, writer)
            with pytest.raises(OutputError, match="The disk is full"):
                writer.write(picture)
            writer.abort()
        assert [p.name for p in tmp_path.iterdir()] == ["a.mkv"]


def _interrupted(source: Path, target: Path, error: type[BaseException], **options: Any) -> None:
    """Fails after the first frame."""
    with (
        VideoReader(source) as reader,
        VideoWriter(target, reader.container, reader.video, **options) as writer,
    ):
        writer.write(coloured(next(reader.frames(writer.copy)), writer))
        raise error


class _FullDisk:
    def __init__(self, real: Any) -> None:
        self.real = real

    def mux_one(self, packet: Any) -> None:
        raise av.error.OSError(errno.ENOSPC, "No space left on device")

    def close(self) -> None:
        self.real.close()


class TestChoices:
    def test_webm_gets_vp9(self, tmp_path: Path) -> None:
        through(make_clip(tmp_path / "a.mkv", frames=2), tmp_path / "b.webm")
        assert video_stream(tmp_path / "b.webm").codec == "vp9"

    def test_deep_webm_gets_av1(self, tmp_path: Path) -> None:
        source = make_clip(tmp_path / "a.mkv", codec="ffv1", pix_fmt="yuv420p10le", frames=2)
        passed = through(source, tmp_path / "b.webm")
        assert (video_stream(tmp_path / "b.webm").codec, passed.bit_depth) == ("av1", 10)
        assert passed.notes == []

    def test_rare_chroma_becomes_420(self, tmp_path: Path) -> None:
        source = make_clip(tmp_path / "a.mkv", codec="ffv1", pix_fmt="yuv411p", frames=2)
        passed = through(source, tmp_path / "b.mkv", codec="ffv1")
        assert video_stream(tmp_path / "b.mkv").pixel_format == "yuv420p"
        np.testing.assert_array_equal(decode_luma(tmp_path / "b.mkv"), passed.luma)

    def test_hevc_in_mp4_is_what_apple_plays(self, tmp_path: Path) -> None:
        source = make_clip(tmp_path / "a.mkv", frames=2, size=(64, 64))
        through(source, tmp_path / "b.mp4", codec="libx265", **QUICK)
        assert probe(tmp_path / "b.mp4").streams[0].codec_tag == "hvc1"

    @pytest.mark.parametrize(
        ("name", "options", "sentence"),
        [
            (
                "b.webm",
                {"codec": "libx264"},
                r"A \.webm file cannot hold what libx264 makes; it takes .*libvpx-vp9",
            ),
            ("b.mkv", {"codec": "divx"}, r"Unknown encoder 'divx'; choose one of libx264, "),
            ("b.mkv", {"crf": 99}, r"crf 99 is out of range; libx264 takes 0 to 51"),
            ("b.mkv", {"preset": "warp"}, r"Unknown preset 'warp'; libx264 takes ultrafast, "),
            ("b.mkv", {"codec": "ffv1", "crf": 20}, r"ffv1 has no crf"),
            ("b.mkv", {"pix_fmt": "gray"}, r"gray has no room for colour; libx264 takes yuv420p, "),
            ("b.mkv", {"pix_fmt": "nv12"}, r"nv12 is not planar YUV"),
            (
                "b.mkv",
                {"pix_fmt": "yuv411p", "codec": "ffv1"},
                r"yuv411p is not planar YUV in 4:2:0, 4:2:2 or",
            ),
            ("b.ogv", {}, r"b\.ogv: no \.ogv file can hold what our encoders make"),
            ("b.mkv", {"extra": (("pixel_format", "gray"),)}, r"cannot be set by -e: use --pix-fmt\."),
            ("b.mkv", {"pix_fmt": "yuv420p12le"}, r"libx264 cannot encode yuv420p12le"),
            (
                "b.mkv",
                {"extra": (("x265-params", "aqq=1"),), "codec": "libx265"},
                r"libx265 does not understand its options: .*aqq",
            ),
            ("b.mkv", {"extra": (("tunee", "film"),)}, r"libx264 has no option 'tunee'; did you mean tune"),
            ("b.mkv", {"extra": (("tune", "movie"),)}, r"libx264 refuses these options: tune=movie"),
            (
                "b.mkv",
                {"extra": (("x264-params", "aq=1"),)},
                r"libx264 does not understand its options: .*aq",
            ),
        ],
    )
    def test_wrong_ones_are_refused(self, tmp_path: Path, name: str, options: Any, sentence: str) -> None:
        source = make_clip(tmp_path / "a.mkv", frames=2)
        with pytest.raises(UsageError, match=sentence):
            through(source, tmp_path / name, **options)
        assert [p.name for p in tmp_path.iterdir()] == ["a.mkv"]

    def test_options_reach_the_encoder(self, tmp_path: Path) -> None:
        source = make_clip(tmp_path / "a.mkv", frames=12)
        through(source, tmp_path / "b.mkv", extra=(("g:v", "3"), ("x264-params", "scenecut=0")), **QUICK)
        with av.open(str(tmp_path / "b.mkv")) as container:
            keys = [p.is_keyframe for p in container.demux(video=0) if p.size]
        assert keys == [True, False, False] * 4

    def test_nvenc_without_a_card(self, tmp_path: Path) -> None:
        if os.path.exists("/dev/nvidiactl"):
            pytest.skip("this machine has an NVIDIA card")
        with pytest.raises(OutputError, match="h264_nvenc needs an NVIDIA card"):
            through(make_clip(tmp_path / "a.mkv", frames=2), tmp_path / "b.mkv", codec="h264_nvenc")

    @pytest.mark.parametrize("codec", ["libx264", "libx265", "libsvtav1"])
    def test_encoders_are_silent(self, tmp_path: Path, codec: str) -> None:
        """In a process of its own: SVT-AV1 asks only once whether it may speak."""
        source = make_clip(tmp_path / "a.mkv", frames=2, size=(64, 64))
        code = (
            "import sys; from pathlib import Path; from tests.media.through import through\n"
            "through(Path(sys.argv[1]), Path(sys.argv[2]), codec=sys.argv[3])"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, source, tmp_path / "b.mkv", codec],
            capture_output=True,
            cwd=Path(__file__).parents[2],
            check=True,
        )
        assert (done.stdout, done.stderr) == (b"", b"")


def test_copying_from_another_thread(tmp_path: Path) -> None:
    """Sound comes from the reader's thread while frames are encoded in another."""
    source = make_clip(tmp_path / "a.mkv", frames=150, rate=24, audio=2, size=(64, 48))
    with (
        VideoReader(source) as reader,
        VideoReader(source) as other,
        VideoWriter(tmp_path / "b.mkv", reader.container, reader.video, **QUICK) as writer,
    ):
        sound = threading.Thread(target=lambda: list(other.frames(writer.copy)))
        sound.start()
        for frame in reader.frames():
            writer.write(coloured(frame, writer))
        sound.join()
    assert len(decode_luma(tmp_path / "b.mkv")) == 150
    for track in (1, 2):
        assert packet_times(tmp_path / "b.mkv", track) == packet_times(source, track)
