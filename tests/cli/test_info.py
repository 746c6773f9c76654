"""``vidcolor info``."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest

from tests.clips import make_clip, make_hdr_clip
from vidcolor.cli import main

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(
        tmp_path_factory.mktemp("info") / "a film.mkv",
        frames=48,
        rate=Fraction(24000, 1001),
        audio=1,
        subtitles=True,
        chapters=True,
        attachment=True,
        tags={"title": "The Film"},
        sar=Fraction(4, 3),
        color=("limited", "bt709", "bt709", "bt709"),
    )


def test_for_people(film: Path, capsys: Capture) -> None:
    assert main(["info", str(film)]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert err == ""
    assert lines[0].startswith(f"{film}: Matroska / WebM, 0:00:02")
    assert lines[1].startswith("* 0 video")
    assert "64x48, yuv420p (8 bit), sample aspect 4:3" in lines[1]
    assert "23.976 frames/s" in lines[2]
    assert "range limited matrix bt709 primaries bt709 transfer bt709" in lines[2]
    assert lines[3].startswith("  1 audio     aac (LC), 48000 Hz, mono")
    assert "eng, track 0" in lines[3]
    assert lines[4].startswith("  2 subtitle  subrip")
    assert "  chapter 0:00:00.000 to 0:00:01.000 one" in lines
    assert "  3 attachment font.ttf: application/x-truetype-font, 49 bytes" in lines
    assert any(line.lower() == "  tag title: the film" for line in lines)


def test_mirroring_and_hdr10(tmp_path: Path, capsys: Capture) -> None:
    mirrored = make_clip(tmp_path / "a.mov", frames=2, rotation=90, mirrored=True)
    assert main(["info", str(mirrored)]) == 0
    assert "rotated 90°, mirrored, " in capsys.readouterr().out
    hdr = make_hdr_clip(tmp_path / "b.mkv")
    assert main(["info", str(hdr)]) == 0
    assert "HDR10 metadata" in capsys.readouterr().out
    assert not any(main(["info", "--json", str(film)]) for film in (mirrored, hdr))
    one, other = (json.loads(line)["streams"][0]["video"] for line in capsys.readouterr().out.splitlines())
    assert (one["rotation"], one["mirrored"], one["hdr"]) == (90, True, None)
    assert (other["mirrored"], other["hdr"]["light"]) == (False, [1000, 400])
    assert other["hdr"]["mastering"][:2] == ["17/25", "8/25"]


def test_for_programs(film: Path, capsys: Capture) -> None:
    assert main(["info", "--json", str(film)]) == 0
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    info = json.loads(out)
    assert info["name"] == str(film)
    assert info["best_video"] == 0
    assert info["streams"][0]["video"]["sample_aspect"] == "4/3"
    assert info["streams"][1]["sample_rate"] == 48000


def test_counting(film: Path, capsys: Capture) -> None:
    assert main(["info", "--json", "--count", str(film)]) == 0
    video = json.loads(capsys.readouterr().out)["streams"][0]["video"]
    assert video["frame_count"] == {"value": 48, "source": "counted"}
    assert main(["info", "--count", str(film)]) == 0
    assert "48 frames (counted)" in capsys.readouterr().out


def test_a_file_that_is_no_film(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("just words")
    assert main(["info", str(path)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("vidcolor: error: ")
    assert err.count("\n") == 1
