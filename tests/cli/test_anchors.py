"""``vidcolor anchors``, and what ``vidcolor run`` makes of its folder."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from tests.cli.conftest import FakeColorize
from tests.clips import make_clip
from vidcolor.cli import main
from vidcolor.pipeline.options import RunOptions

Capture = pytest.CaptureFixture[str]
TINY = ("--model", "tiny", "--network-size", "32", "--device", "cpu")


def test_a_folder_is_written_and_told_of(tmp_path: Path, capsys: Capture) -> None:
    source = make_clip(tmp_path / "a.mkv", frames=8)
    assert main(["anchors", str(source), *TINY]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("vidcolor: 2 anchors of 8 frames in ")
    assert err.rstrip().endswith("a.anchors")
    assert (tmp_path / "a.anchors" / "index.json").exists()
    assert main(["anchors", str(source), *TINY]) == 1
    assert "-y overwrites them" in capsys.readouterr().err
    assert main(["anchors", str(source), *TINY, "-y", "-q"]) == 0
    assert capsys.readouterr() == ("", "")


def test_a_full_disk_is_said_of_the_folder_that_was_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    film = make_clip(tmp_path / "a.mkv", frames=3)
    monkeypatch.setattr(Path, "write_bytes", refuse)
    assert main(["anchors", str(film), "--model", "grey", "-o", str(tmp_path / "words")]) == 1
    sentence = f"The disk is full: {tmp_path / 'words'} could not be finished"
    assert capsys.readouterr().err.endswith(f"error: {sentence}\n")
    assert [path.name for path in tmp_path.iterdir()] == ["a.mkv"]


def test_one_is_told_of_as_one(tmp_path: Path, capsys: Capture) -> None:
    source = make_clip(tmp_path / "a.mkv", frames=1)
    assert main(["anchors", str(source), *TINY]) == 0
    assert capsys.readouterr().err.startswith("vidcolor: 1 anchor of 1 frame in ")
    assert main(["run", str(source), *TINY]) == 0
    assert capsys.readouterr().err.startswith("vidcolor: 1 frame in ")


def test_json_is_one_object_a_line(tmp_path: Path, capsys: Capture) -> None:
    source = make_clip(tmp_path / "a.mkv", frames=8)
    assert main(["anchors", str(source), "-o", str(tmp_path / "d"), *TINY, "-q", "--json"]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert events[0]["event"] == "start"
    assert events[-1]["event"] == "done"
    assert events[-1]["anchors"] == 2
    assert events[-1]["output"] == str(tmp_path / "d")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-t", "0"), "-t must be longer than 0"),
        (("--to", "1", "-t", "1"), "--to and -t exclude each other"),
        (("--anchor-every", "off"), "no anchors where every frame is coloured by itself"),
        (("--crf", "3"), "No such option '--crf'"),
    ],
)
def test_wrong_use(tmp_path: Path, capsys: Capture, arguments: tuple[str, ...], message: str) -> None:
    source = make_clip(tmp_path / "a.mkv", frames=3)
    assert main(["anchors", str(source), *TINY, *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert message in err
    assert [p.name for p in tmp_path.iterdir()] == ["a.mkv"]


def test_standard_input_needs_a_name(capsys: Capture) -> None:
    assert main(["anchors", "-"]) == 2
    assert "the folder needs a name" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["anchors", "hints"])
def test_run_takes_words(film: Path, colorize: FakeColorize, capsys: Capture, name: str) -> None:
    assert main(["run", str(film), f"--{name}", "some"]) == 0
    assert colorize.options == RunOptions(**{name: "some"})
    assert main(["run", str(film), "-y", f"--{name}", "some", "--anchor-every", "off"]) == 2
    assert f"{name} need colour that is carried" in capsys.readouterr().err
