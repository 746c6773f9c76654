"""``vidcolor compare`` as it is called."""

from __future__ import annotations

import json
from pathlib import Path

import av
import pytest

from tests.clips import make_clip
from vidcolor.cli import main

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def pair(tmp_path: Path) -> tuple[str, str]:
    one = make_clip(tmp_path / "a.mp4", frames=6, audio=1)
    return str(one), str(make_clip(tmp_path / "b.mkv", frames=6, colourful=True))


def test_a_film_is_written_beside_the_first(pair: tuple[str, str], tmp_path: Path, capsys: Capture) -> None:
    assert main(["compare", *pair]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("vidcolor: 6 frames (0.2 s, 128x48) in ")
    assert err.rstrip().endswith("a.compare.mp4")
    assert main(["compare", *pair]) == 1
    assert "give -y to overwrite it" in capsys.readouterr().err
    assert main(["compare", *pair, "-y", "-q", "--layout", "stacked"]) == 0
    assert capsys.readouterr() == ("", "")
    with av.open(str(tmp_path / "a.compare.mp4")) as out_film:
        video = out_film.streams.video[0]
        assert (video.width, video.height) == (64, 96)
        assert len(out_film.streams.audio) == 1


def test_options_of_the_encoder(pair: tuple[str, str], tmp_path: Path, capsys: Capture) -> None:
    target = str(tmp_path / "c.mkv")
    wanted = ["-c:v", "libx265", "--crf", "30", "--preset", "ultrafast", "--pix-fmt", "yuv444p10le"]
    assert (
        main(["compare", *pair, "-o", target, *wanted, "--json", "-q", "--labels", "x,y", "-t", "0.1"]) == 0
    )
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert events[0] == {
        "event": "start", "first": pair[0], "second": pair[1], "output": target, "layout": "side",
    }  # fmt: skip
    assert events[-1]["event"] == "done"
    assert events[-1]["labels"] == ["x", "y"]
    assert events[-1]["frames"] == 3
    assert events[-1]["length"] == 0.1
    with av.open(target) as out:
        context = out.streams.video[0].codec_context
        assert (context.name, context.pix_fmt) == ("hevc", "yuv444p10le")


def test_an_offset_may_be_negative(pair: tuple[str, str], tmp_path: Path, capsys: Capture) -> None:
    for offset, frames in (("-0.125", 3), ("0.125", 3)):
        arguments = ["-o", str(tmp_path / f"{offset}.mkv"), "--offset", offset, "--json", "-q"]
        assert main(["compare", *pair, *arguments]) == 0
        assert json.loads(capsys.readouterr().out.splitlines()[-1])["frames"] == frames


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--labels", "one"), "--labels takes two words"),
        (("--labels", "a,b,c"), "--labels takes two words"),
        (("--layout", "diagonal"), "'diagonal' is not one of"),
        (("--offset", "soon"), "not a time"),
        (("--smooth", "1"), "No such option"),
        (("--to", "1", "-t", "1"), "--to and -t exclude each other"),
        (("-o", "-"), "cannot be written to stdout"),
        (("--crf", "99"), "crf 99 is out of range"),
    ],
)
def test_wrong_use(
    pair: tuple[str, str], tmp_path: Path, capsys: Capture, arguments: tuple[str, ...], message: str
) -> None:
    assert main(["compare", *pair, *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert message in err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mp4", "b.mkv"]


def test_neither_film_is_written_over(pair: tuple[str, str], capsys: Capture) -> None:
    before = [Path(path).read_bytes() for path in pair]
    for target in pair:
        assert main(["compare", *pair, "-o", target, "-y"]) == 2
    assert [Path(path).read_bytes() for path in pair] == before
    assert capsys.readouterr().err.count("\n") == 2


def test_no_time_in_common_is_exit_1(pair: tuple[str, str], tmp_path: Path, capsys: Capture) -> None:
    assert main(["compare", *pair, "--offset", "60"]) == 1
    err = capsys.readouterr().err
    assert "The films have no time in common: a.mp4 goes from 00:00:00.000 to 00:00:00.250" in err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mp4", "b.mkv"]
