"""``vidcolor preview`` as it is called."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import pytest

from tests.clips import make_clip
from vidcolor.cli import main

Capture = pytest.CaptureFixture[str]
TINY = ("--model", "tiny", "--network-size", "32", "--device", "cpu")


def test_a_sheet_is_written_and_told_of(tmp_path: Path, capsys: Capture) -> None:
    source = make_clip(tmp_path / "a.mkv", frames=8)
    assert main(["preview", str(source), *TINY]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("vidcolor: 8 frames in ")
    assert "(model tiny on cpu) -> " in err
    assert err.rstrip().endswith("a.preview.png; all 8 frames were looked at")
    assert cv2.imread(str(tmp_path / "a.preview.png")) is not None
    assert main(["preview", str(source), *TINY]) == 1
    assert "give -y to overwrite it" in capsys.readouterr().err
    assert main(["preview", str(source), *TINY, "-y", "-q", "--frames", "2"]) == 0
    assert capsys.readouterr() == ("", "")
    assert main(["preview", str(source), *TINY, "-y", "--frames", "1"]) == 0
    assert capsys.readouterr().err.startswith("vidcolor: 1 frame in ")


def test_json_says_what_is_shown(tmp_path: Path, capsys: Capture) -> None:
    source = make_clip(tmp_path / "a.mkv", frames=24)
    assert main(["preview", str(source), *TINY, "-q", "--json", "--at", "0.5", "--at", "0:00.25"]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    done = events[-1]
    assert done["event"] == "done"
    assert done["output"] == str(tmp_path / "a.preview.png")
    assert [frame["time"] for frame in done["frames"]] == [0.25, 0.5]
    assert [frame["shot"] for frame in done["frames"]] == [None, None]
    assert done["models"] == ["tiny"]
    assert (
        main(["preview", str(source), *TINY, "-y", "-q", "--json", "--frames", "3", "--model", "grey"]) == 0
    )
    done = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert done["models"] == ["tiny", "grey"]
    assert done["looked_at"] == 24
    assert done["whole"] is True
    assert len(done["frames"]) == 3
    assert done["frames"][0] == {
        "time": 0.0, "pts": 0, "shot": 1, "cut": None, "anchor": True, "in_color": False,
    }  # fmt: skip


def test_a_folder_takes_the_usual_name(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mkv", frames=3)
    (tmp_path / "sheets").mkdir()
    assert main(["preview", str(source), *TINY, "-q", "-o", str(tmp_path / "sheets")]) == 0
    assert [path.name for path in (tmp_path / "sheets").iterdir()] == ["a.preview.png"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-t", "0"), "-t must be longer than 0"),
        (("--at", "1", "--ss", "1"), "does not go with --ss, --to and -t"),
        (("--at", "soon"), "not a time"),
        (("--frames", "0"), "--frames"),
        (("--model", "tiny"), "can be shown only once"),
        (("--model", "nothing"), "There is no model 'nothing'"),
        (("-o", "a.jpg"), "not the name of a PNG"),
        (("-o", "-"), "cannot be written to stdout"),
        (("--crf", "3"), "No such option '--crf'"),
    ],
)
def test_wrong_use(tmp_path: Path, capsys: Capture, arguments: tuple[str, ...], message: str) -> None:
    source = make_clip(tmp_path / "a.mkv", frames=3)
    assert main(["preview", str(source), *TINY, *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert message in err
    assert [p.name for p in tmp_path.iterdir()] == ["a.mkv"]


def test_what_cannot_be_read_is_exit_1(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "a.mkv").write_bytes(b"no film")
    assert main(["preview", str(tmp_path / "a.mkv"), *TINY]) == 1
    assert main(["preview", str(tmp_path / "b.mkv"), *TINY]) == 1
    err = capsys.readouterr().err
    assert "is not a media file" in err
    assert "does not exist" in err
    assert main(["preview", "-"]) == 2
    assert "the picture needs a name" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["a.mkv"]
