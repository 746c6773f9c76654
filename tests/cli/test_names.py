"""File names with any bytes: through the command, in and out."""

from __future__ import annotations

import json
import os
import sys
from html import escape
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.clips import decode_pts, make_clip
from vidcolor.cli import main
from vidcolor.datasets.manifest import open_set
from vidcolor.wording import printable

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="names are bytes on Linux")

NAMES = [
    b"caf\xe9.mp4",
    b"\xff\xfe.mp4",
    b"a b .mp4",
    b'it\'s "$(so)" `called`.mp4',
    b"two\nlines.mp4",
    b"\x01\x1b[31m.mp4",
    b"-dash.mp4",
    b"--help.mp4",
    b"file:x.mp4",
    b"pipe:0.mp4",
    b"concat:a|b.mp4",
    b"100%.mp4",
    b"%05d.mp4",
    b"[a]*?.mp4",
    b"a\\b.mp4",
    b".hidden.mp4",
    b"\xf0\x9f\x8e\x9e.mp4",
    b"x" * 240 + b".mp4",
]


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return make_clip(tmp_path_factory.mktemp("film") / "film.mp4", frames=3, cover=True).read_bytes()


@pytest.fixture(scope="module")
def colourful(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return make_clip(tmp_path_factory.mktemp("film") / "film.mp4", frames=3, colourful=True).read_bytes()


@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name[:20]))
def test_a_name_in_and_out(
    name: bytes,
    film: bytes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    text = os.fsdecode(name)
    Path(text).write_bytes(film)
    (tmp_path / "out").mkdir()
    # "--" keeps a leading dash from reading as an option.
    assert main(["run", "--model", "grey", "--json", "--", text]) == 0
    beside = text.removesuffix(".mp4") + ".color.mp4"
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["output"] == beside
    assert sorted(os.listdir(b".")) == sorted([name, os.fsencode(beside), b"out"])
    assert len(decode_pts(Path("out", "..", beside))) == 3

    monkeypatch.chdir(tmp_path / "out")
    assert main(["run", "--model", "grey", "-o", text, "--", str(tmp_path / text)]) == 0
    assert os.listdir(b".") == [name]
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "\x1b" not in err

    assert main(["run", "--model", "grey", "-o", text, "--", str(tmp_path / text)]) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "exists; give -y" in err


def test_a_name_that_is_no_film_is_printed_on_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / os.fsdecode(b"no\n\xff\x1b[2Jfilm.mp4")
    path.write_bytes(b"words")
    assert main(["run", "--model", "grey", str(path)]) == 1
    err = capsys.readouterr().err
    assert err.endswith("no\\n\\xff\\x1b[2Jfilm.mp4 is not a media file, or its header is damaged\n")


@pytest.mark.parametrize(("command", "ending"), [("anchors", ".anchors"), ("preview", ".preview.png")])
def test_beside_a_name_as_long_as_can_be(
    command: str, ending: str, film: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    name = f"{'x' * 251}.mp4"
    Path(name).write_bytes(film)
    assert main([command, "--model", "grey", name]) == 0
    assert sorted(os.listdir()) == [f"{'x' * (255 - len(ending))}{ending}", name]


@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name[:20]))
def test_a_name_on_pictures_and_in_documents(
    name: bytes, colourful: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = os.fsdecode(name)
    Path(text).write_bytes(colourful)
    bare = ["--model", "grey"]
    assert main(["preview", *bare, "-o", "sheet.png", "--", text]) == 0
    assert main(["compare", "-o", "both.mp4", "--", text, text]) == 0
    assert main(["evaluate", *bare, "-o", "figures.md", "--report", "page", "--", text]) == 0
    shown = printable(text)
    assert (tmp_path / "figures.md").read_text(encoding="utf-8").startswith(f"# grey on {shown}\n\n")
    assert escape(shown) in (tmp_path / "page" / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name[:20]))
def test_a_name_in_a_training_set(
    name: bytes, colourful: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = os.fsdecode(name)
    Path(text).write_bytes(colourful)
    (tmp_path / text.removesuffix(".mp4")).mkdir()
    for number in range(10):
        picture = np.random.default_rng(number).integers(0, 256, (48, 64, 3), np.uint8)
        Path(text.removesuffix(".mp4"), f"{number}\u2028.png").write_bytes(cv2.imencode(".png", picture)[1])
    least = ["--size", "32", "--resize", "40", "--colorfulness", "0", "--duplicates", "0"]
    inputs = [text, text.removesuffix(".mp4")]
    assert main(["build-dataset", "-o", "set", *least, "--", *inputs]) == 0
    found = open_set("set")
    sources = {picture.source for picture in (*found.train, *found.test)}
    assert any(source.endswith("\u2028.png") for source in sources)
    assert text in json.loads(Path("set", "dataset.json").read_text(encoding="utf-8"))["sources"]["films"]


@pytest.mark.parametrize("command", ["run", "anchors", "preview"])
@pytest.mark.parametrize("name", [".", "/"])
def test_what_has_no_name(command: str, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, name]) == 1
    assert capsys.readouterr().err == f"vidcolor: error: {name} is a folder, not a media file\n"
