"""What ``probe`` says of films whose facts are known."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest

from tests.clips import FONT, make_clip, remux
from vidcolor.errors import InputError
from vidcolor.frames import ChromaLayout, ColorTags, Known, VideoInfo
from vidcolor.media.probe import probe
from vidcolor.media.reader import VideoReader


def best(path: Path, **options: bool) -> VideoInfo:
    info = probe(path, **options)
    assert info.best_video is not None
    video = info.streams[info.best_video].video
    assert video is not None
    return video


def test_film_with_everything(tmp_path: Path) -> None:
    clip = make_clip(
        tmp_path / "a.mkv",
        frames=24,
        audio=2,
        subtitles=True,
        chapters=True,
        attachment=True,
        tags={"title": "Nosferatu"},
    )
    info = probe(clip)
    assert info.format == "matroska,webm"
    assert info.size == clip.stat().st_size
    assert info.tags["title"] == "Nosferatu"
    assert [s.kind for s in info.streams] == ["video", "audio", "audio", "subtitle", "attachment"]
    assert [s.codec for s in info.streams] == ["h264", "aac", "aac", "subrip", None]
    assert [s.language for s in info.streams[1:4]] == ["eng", "deu", "eng"]
    assert (info.streams[1].sample_rate, info.streams[1].channels) == (48000, 1)
    assert [(c.tags["title"], c.start, c.end) for c in info.chapters] == [
        ("one", Fraction(0), Fraction(1, 2)),
        ("two", Fraction(1, 2), Fraction(1)),
    ]
    assert [(a.name, a.mime_type, a.size) for a in info.attachments] == [
        ("font.ttf", "application/x-truetype-font", len(FONT))
    ]


def test_video_facts(tmp_path: Path) -> None:
    clip = make_clip(
        tmp_path / "a.mp4",
        size=(66, 50),
        rate=Fraction(30000, 1001),
        pix_fmt="yuv422p10le",
        rotation=90,
        sar=Fraction(4, 3),
        color=("limited", "bt2020nc", "bt2020", "smpte2084"),
    )
    video = best(clip)
    assert (video.width, video.height, video.codec, video.bit_depth) == (66, 50, "h264", 10)
    assert video.pixel_format == "yuv422p10le"
    assert video.layout == ChromaLayout(1, 0)
    assert video.tags == ColorTags("limited", "bt2020nc", "bt2020", "smpte2084", "left")
    assert (video.sample_aspect, video.rotation) == (Fraction(4, 3), 90)
    assert video.average_rate == Fraction(30000, 1001)
    assert video.frame_count == Known(12, "from header")
    assert video.duration == Known(Fraction(12 * 1001, 30000), "from header")
    assert (video.constant_rate, video.field_order) == (True, "progressive")


def test_silent_file_says_nothing(tmp_path: Path) -> None:
    video = best(make_clip(tmp_path / "a.nut", codec="rawvideo"))
    assert video.tags == ColorTags()
    assert (video.sample_aspect, video.rotation, video.field_order) == (Fraction(1), 0, "unknown")


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "layout"),
    [
        ("ffv1", "gray", (1, 1)),
        ("ffv1", "yuv410p", (1, 1)),
        ("ffv1", "yuv444p", (0, 0)),
        ("ffv1", "yuv440p", (1, 1)),
        ("ffv1", "gbrp10le", (1, 1)),
        ("png", "pal8", (1, 1)),
        ("rawvideo", "yuyv422", (1, 0)),
    ],
)
def test_layout(tmp_path: Path, codec: str, pix_fmt: str, layout: tuple[int, int]) -> None:
    suffix = {"rawvideo": "avi", "png": "mov"}.get(codec, "mkv")
    clip = make_clip(tmp_path / f"a.{suffix}", codec=codec, pix_fmt=pix_fmt, frames=2)
    assert best(clip).layout == ChromaLayout(*layout)


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_varying_rate_is_seen(tmp_path: Path, suffix: str) -> None:
    steady = make_clip(tmp_path / f"steady.{suffix}")
    varying = make_clip(tmp_path / f"varying.{suffix}", pts=[0, 1, 3, 4, 9, 10], time_base=Fraction(1, 24))
    assert best(steady).constant_rate is True
    assert best(varying).constant_rate is False


def test_counting(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.ts", frames=30, audio=1)
    guessed, counted = best(clip), best(clip, count=True)
    assert guessed.duration is not None
    assert guessed.duration.source == "estimated"
    assert counted.frame_count == Known(30, "counted")
    assert counted.duration == Known(Fraction(30, 24), "counted")


def test_matroska_says_when_it_ends(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.mkv", pts=range(3700, 9700, 100), time_base=Fraction(1, 1000), rate=10)
    video = best(clip)
    assert video.start == Fraction(37, 10)
    assert video.duration == Known(Fraction(6), "from header")
    assert video.frame_count == Known(60, "estimated")
    notes: list[str] = []
    with VideoReader(clip, notify=notes.append) as reader:
        assert sum(1 for _ in reader.frames()) == 60
    assert notes == []


def test_interlaced(tmp_path: Path) -> None:
    assert best(make_clip(tmp_path / "a.mp4", interlaced=True)).field_order == "tt"


def test_programmes_of_a_broadcast(tmp_path: Path) -> None:
    info = probe(make_clip(tmp_path / "a.ts", audio=1))
    assert [(p.id, p.streams) for p in info.programmes] == [(1, (0, 1))]


def test_cover_is_not_the_film(tmp_path: Path) -> None:
    info = probe(make_clip(tmp_path / "a.mp4", cover=True))
    assert [s.disposition for s in info.streams if s.kind == "video"] == [("default",), ("attached_pic",)]
    assert info.best_video == 0


def test_larger_of_two_videos(tmp_path: Path) -> None:
    assert probe(make_clip(tmp_path / "a.mkv", videos=2)).best_video == 0


def test_json(tmp_path: Path) -> None:
    info = probe(make_clip(tmp_path / "a.mp4", audio=1, chapters=True, rate=Fraction(30000, 1001)))
    plain = json.loads(json.dumps(info.to_dict()))
    video = plain["streams"][0]["video"]
    assert video["average_rate"] == "30000/1001"
    assert video["duration"] == {"value": 0.4004, "source": "from header"}
    assert video["layout"] == {"log2_x": 1, "log2_y": 1}
    assert plain["chapters"][1]["tags"] == {"title": "two"}


def test_latin1_tag_is_no_obstacle(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.mkv", tags={"title": "Lichtspiel XXXX"})
    clip.write_bytes(clip.read_bytes().replace(b"XXXX", b"\xfcber"))
    assert probe(clip).tags["title"].startswith("Lichtspiel ")


def test_reading_a_broken_file_to_its_end(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.mkv", frames=20)
    damaged = remux(clip, tmp_path / "b.mkv", lambda packet, n: b"\0\0\0\x01\xff" if n == 7 else packet)
    assert best(damaged, count=True).frame_count == Known(20, "counted")


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "does not exist"), (b"", "is empty"), (b"just some text\n" * 400, "is not a media file")],
)
def test_refusals(tmp_path: Path, content: bytes | None, says: str) -> None:
    path = tmp_path / "film.mkv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=says) as caught:
        probe(path)
    assert str(path) in str(caught.value)


def test_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder"):
        probe(tmp_path)
