"""Films that somebody made wrong, by chance or on purpose: bounded, refused in a sentence, or coloured."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

import av
import pytest

from tests.cli.test_app import source_env
from tests.clips import decode_pts, make_clip, remux
from vidcolor.cli import main
from vidcolor.errors import InputError
from vidcolor.media.probe import probe
from vidcolor.media.reader import VideoReader

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
DATA = Path(os.environ.get("VIDCOLOR_DATA", Path(__file__).parents[3] / "shared" / "data"))
NOT_TEXT = b"\xff\xfe\x80\xc3\x28\x1b[31m\xf0\x28\x8c\xbc"

Capture = pytest.CaptureFixture[str]


def load_mutations() -> ModuleType:
    spec = importlib.util.spec_from_file_location("mutations", BENCHMARKS / "mutations.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["mutations"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


mutations = load_mutations()


# ---- damaged ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A few kilobytes each, with all they can hold."""
    folder = tmp_path_factory.mktemp("films")
    more: dict[str, dict[str, Any]] = {
        "a.mp4": {"audio": 1, "subtitles": True, "chapters": True, "cover": True},
        "a.mkv": {"audio": 1, "subtitles": True, "chapters": True, "attachment": True},
        "a.webm": {"codec": "libvpx-vp9", "audio": 1, "audio_codec": "libopus"},
        "a.avi": {"codec": "mpeg4", "audio": 1, "audio_codec": "mp3"},
        "a.ts": {"codec": "mpeg2video", "audio": 1, "audio_codec": "mp2"},
        "a.gif": {"codec": "gif", "pix_fmt": "pal8", "options": {}},
    }
    return {name: make_clip(folder / name, **options).read_bytes() for name, options in more.items()}


@pytest.mark.parametrize("kind", mutations.KINDS)
def test_a_damaged_film_is_coloured_or_refused(
    kind: str, films: dict[str, bytes], tmp_path: Path, capsys: Capture
) -> None:
    names = list(films)
    for number, name in enumerate(names):
        rng = Random(f"{kind}:{name}")
        film = tmp_path / f"film{Path(name).suffix}"
        film.write_bytes(mutations.mutate(films[name], kind, rng, films[rng.choice(names)]))
        result = tmp_path / f"{number}.mkv"
        code = main(["run", str(film), "-o", str(result), "--model", "grey", "--preset", "ultrafast"])
        err = capsys.readouterr().err
        assert "internal error" not in err, name
        assert all(line.startswith("vidcolor: ") for line in err.splitlines()), name
        film.unlink()
        if code == 0:
            assert decode_pts(result, stream=0), name
            result.unlink()
        assert (code in (0, 1), list(tmp_path.iterdir())) == (True, []), name


def test_the_same_seed_damages_in_the_same_way(films: dict[str, bytes]) -> None:
    for kind in mutations.KINDS:
        one, again, other = (
            mutations.mutate(films["a.mkv"], kind, Random(seed), films["a.mp4"]) for seed in (1, 1, 2)
        )
        assert one == again
        assert one != films["a.mkv"]
        assert one != other


@pytest.mark.slow
@pytest.mark.skipif(not (DATA / "video").is_dir(), reason="no real footage here (VIDCOLOR_DATA)")
@pytest.mark.parametrize(("part", "count"), [("mutations", 68), ("weights", 100)])
def test_damaged_files_in_processes_of_their_own(part: str, count: int) -> None:
    command = [sys.executable, str(BENCHMARKS / "faults.py"), part, "--count", str(count), "--seed", "11"]
    done = subprocess.run(command, env=source_env(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


# ---- sizes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("codec", ["libx264", "libvpx-vp9", "ffv1", "mpeg4"])
def test_a_film_of_too_large_pictures_is_refused(codec: str, tmp_path: Path, capsys: Capture) -> None:
    film = make_clip(tmp_path / "film.mkv", codec=codec, frames=3)
    with VideoReader(film, max_pixels=64 * 48) as reader:
        assert len(list(reader.frames())) == 3
    with pytest.raises(InputError, match=r"its pictures are 64x48, more than 3071 pixels \(--max-pixels"):
        VideoReader(film, max_pixels=64 * 48 - 1)
    assert main(["run", str(film), "--model", "grey", "--max-pixels", "3071"]) == 1
    assert "its pictures are 64x48, more than 3071 pixels" in capsys.readouterr().err
    assert main(["run", str(film), "--model", "grey", "--max-pixels", "3072", "-q"]) == 0


def test_pictures_that_grow_too_large_in_the_middle_are_left_out(tmp_path: Path) -> None:
    options: dict[str, Any] = {"codec": "mpeg2video", "frames": 5, "options": {"bf": "0"}}
    small = make_clip(tmp_path / "small.ts", size=(64, 48), **options)
    large = make_clip(tmp_path / "large.ts", size=(128, 96), **options)
    both = tmp_path / "both.ts"
    both.write_bytes(small.read_bytes() + large.read_bytes())
    # The decoder loses the frame it holds back when the size changes.
    for limit, frames, said in (
        (128 * 96, 9, "of another size"),
        (128 * 96 - 1, 4, "5 frames larger than --max-"),
    ):
        notices: list[str] = []
        with VideoReader(both, max_pixels=limit, notify=notices.append) as reader:
            found = [frame.luma.shape for frame in reader.frames()]
        assert found == [(48, 64)] * frames
        assert any(said in sentence for sentence in notices)


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for its memory")
def test_a_header_that_claims_a_huge_picture_costs_nothing(tmp_path: Path) -> None:
    side = (15_000).to_bytes(2, "little")
    # A canvas of 225 million pixels, 900 MB as RGBA; one picture of one pixel in it.
    head = b"GIF89a" + side + side + b"\x80\0\0" + b"\0\0\0\xff\xff\xff"
    picture = b"\x2c" + bytes(4) + b"\x01\0\x01\0\0" + b"\x02\x02\x44\x01\x00"
    film = tmp_path / "film.gif"
    film.write_bytes(head + 3 * picture + b"\x3b")
    program = (
        "import re, sys\n"
        "from vidcolor.errors import InputError\n"
        "from vidcolor.media.reader import VideoReader\n"
        "try:\n"
        "    VideoReader(sys.argv[1])\n"
        "except InputError as error:\n"
        "    peak = re.search('VmHWM:\\\\s+(\\\\d+)', open('/proc/self/status').read())\n"
        "    print(peak[1], error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(film)],
        env=source_env(),
        capture_output=True,
        text=True,
        check=True,
    )
    kibibytes, _, sentence = done.stdout.partition(" ")
    assert "film.gif holds video whose picture size and format could not be found" in sentence
    assert int(kibibytes) < 500_000


# ---- words ------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_words_that_are_not_text(suffix: str, tmp_path: Path, capsys: Capture) -> None:
    marks = {"title": "TITLE OF THE FILM", "comment": "A COMMENT ON IT ALL"}
    film = make_clip(
        tmp_path / f"film{suffix}",
        audio=1,
        subtitles=True,
        chapters=True,
        attachment=suffix == ".mkv",
        tags=marks,
    )
    data = film.read_bytes()
    words = [*(text.encode() for text in marks.values()), b"line 0", b"two"]
    words += [b"track 0", b"font.ttf", b"application/x-truetype-font", b"eng"] if suffix == ".mkv" else []
    for word in words:
        assert word in data
        data = data.replace(word, (NOT_TEXT * 2)[: len(word)])
    film.write_bytes(data)
    assert main(["info", str(film)]) == 0
    result = tmp_path / f"result{suffix}"
    assert main(["run", str(film), "-o", str(result), "--model", "grey", "-q"]) == 0
    out, err = capsys.readouterr()
    assert "\x1b" not in out + err
    assert len(decode_pts(result)) == 12
    info = probe(result)
    assert len(info.chapters) == 2
    assert sorted(s.kind for s in info.streams if s.kind != "data")[-3:] == ["audio", "subtitle", "video"]


def tagged(path: Path, folder: Path, **tags: str) -> Path:
    """A copy whose first stream has further tags."""
    target = folder / f"tagged{path.suffix}"
    with av.open(str(path)) as source, av.open(str(target), "w") as out:
        streams = {s.index: out.add_stream_from_template(s) for s in source.streams}
        streams[0].metadata.update(tags)
        for packet in source.demux():
            if packet.size:
                packet.stream = streams[packet.stream_index]
                out.mux(packet)
    return target


@pytest.mark.parametrize(
    "tags",
    [
        {"title": "rotation of 90.00 degrees"},
        {"title": "rotation of 1.2.3 degrees"},
        {"title": "a\nDisplay Matrix: rotation of 90.00 degrees"},
        {"title": "a\n  Stream #0:0: Video: x (left)\n  Program 3 x"},
        {"NUMBER_OF_FRAMES-eng": "9" * 5000},
        {"NUMBER_OF_FRAMES-eng": "9" * 400},
        {"DURATION-eng": "9" * 5000 + ":00:00.0"},
        {"DURATION-eng": "9" * 400 + ":00:00.0"},
        {"title": "x" * 1_000_000},
    ],
    ids=lambda tags: next(iter(tags.values()))[:20],
)
def test_tags_that_look_like_facts(tags: dict[str, str], tmp_path: Path, capsys: Capture) -> None:
    film = tagged(make_clip(tmp_path / "film.mkv", frames=5), tmp_path, **tags)
    video = probe(film).streams[0].video
    assert video is not None
    assert (video.rotation, video.duration is None or video.duration.value < 10) == (0, True)
    assert video.frame_count is None or video.frame_count.value < 100
    result = tmp_path / "result.mkv"
    assert main(["run", str(film), "-o", str(result), "--model", "grey", "--progress", "--json"]) == 0
    assert "internal error" not in capsys.readouterr().err
    assert len(decode_pts(result)) == 5


# ---- times ------------------------------------------------------------------------------------


@pytest.mark.parametrize("nanoseconds", [0, 1, 0xFFFFFF])
def test_a_scale_of_times_that_is_absurd(nanoseconds: int, tmp_path: Path) -> None:
    film = make_clip(tmp_path / "film.mkv", frames=6)
    scale = b"\x2a\xd7\xb1\x83"  # TimestampScale, three bytes
    data = film.read_bytes()
    assert scale + (1_000_000).to_bytes(3, "big") in data
    film.write_bytes(
        data.replace(scale + (1_000_000).to_bytes(3, "big"), scale + nanoseconds.to_bytes(3, "big"))
    )
    result = tmp_path / "result.mp4"
    assert main(["run", str(film), "-o", str(result), "--model", "grey", "-q"]) == 0
    times = decode_pts(result)
    assert len(times) == 6
    assert times == sorted(set(times))


def test_times_at_the_end_of_what_can_be_counted(tmp_path: Path) -> None:
    film = make_clip(tmp_path / "film.mkv", frames=4)

    def late(packet: Any, number: int) -> Any:
        packet.pts += 2**52
        packet.dts = packet.pts
        return packet

    moved = remux(film, tmp_path / "late.nut", edit=late)
    result = tmp_path / "result.mkv"
    code = main(["run", str(moved), "-o", str(result), "--model", "grey", "-q"])
    assert code == 1 or len(decode_pts(result)) == 4


# ---- lists and depths -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{film}\n#EXT-X-ENDLIST\n",
        "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{itself}\n",
        "ffconcat version 1.0\nfile film.ts\n",
        "ffconcat version 1.0\nfile {itself}\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
    ],
    ids=["playlist", "playlist of itself", "list", "list of itself", "session"],
)
def test_lists_of_other_files_are_not_followed(text: str, tmp_path: Path) -> None:
    film = make_clip(tmp_path / "film.ts", codec="mpeg2video", frames=3)
    path = tmp_path / "list.m3u8"
    path.write_text(text.format(film=film, itself=path.name))
    with pytest.raises(InputError, match=r"list\.m3u8 is no film but a list of others; give these"):
        probe(path)


def test_boxes_in_boxes_without_end(tmp_path: Path) -> None:
    boxes = b""
    for _ in range(20_000):
        boxes = (len(boxes) + 8).to_bytes(4, "big") + b"moov" + boxes
    elements = b""
    for _ in range(20_000):  # chapters in chapters
        elements = b"\xb6" + (len(elements) | 1 << 56).to_bytes(8, "big") + elements
    head = make_clip(tmp_path / "film.mkv", frames=3).read_bytes()
    segment = b"\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff"
    edition = b"\x45\xb9" + (len(elements) | 1 << 56).to_bytes(8, "big") + elements
    chapters = b"\x10\x43\xa7\x70" + (len(edition) | 1 << 56).to_bytes(8, "big") + edition
    deep = {
        "deep.mp4": b"\0\0\0\x10ftypisom\0\0\2\0" + boxes,
        "deep.mkv": head[: head.index(b"\x18\x53\x80\x67")] + segment + chapters,
    }
    for name, data in deep.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(InputError, match="is not a media file, or its header is damaged"):
            probe(tmp_path / name)


def test_aspects_that_are_absurd(tmp_path: Path) -> None:
    film = make_clip(tmp_path / "film.mkv", frames=3, sar=Fraction(10_000, 1))
    result = tmp_path / "result.mkv"
    assert main(["run", str(film), "-o", str(result), "--model", "tiny", "-q"]) == 0
    assert len(decode_pts(result)) == 3
