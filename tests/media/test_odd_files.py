"""Every file of the data's video/odd does what docs/odd-files.md says.

Runs where the footage is found: ``VIDCOLOR_DATA``, or ``../shared/data`` beside the checkout.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import av
import pytest

from vidcolor.cli import main
from vidcolor.frames import VideoInfo
from vidcolor.media.probe import probe

DATA = Path(os.environ.get("VIDCOLOR_DATA", Path(__file__).parents[3] / "shared" / "data")) / "video" / "odd"
PAGE = Path(__file__).parents[2] / "docs" / "odd-files.md"
KEPT = (".mp4", ".mkv", ".webm")


class Row(NamedTuple):
    """A line of the table, as it is written."""

    file: str
    odd: str
    does: str
    frames: str
    picture: str
    says: str


def read_table() -> list[Row]:
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    return [Row(*(cell.strip().strip("`") for cell in line.strip("|").split("|"))) for line in lines]


TABLE = read_table()


def described(video: VideoInfo) -> str:
    text = f"{video.width}x{video.height} {video.pixel_format}"
    if video.sample_aspect != 1:
        text += f", samples {video.sample_aspect.numerator}:{video.sample_aspect.denominator}"
    if video.rotation:
        text += f", turned {video.rotation}°"
    return text + (", full range" if video.tags.range == "full" else "")


def test_the_table_can_be_read() -> None:
    assert len(TABLE) == len({row.file for row in TABLE}) == 18
    assert {row.does for row in TABLE} == {"colours it", "refuses it"}


@pytest.mark.skipif(not DATA.is_dir(), reason="no real footage here (VIDCOLOR_DATA)")
def test_every_file_is_in_the_table() -> None:
    assert sorted(path.name for path in DATA.iterdir()) == sorted(row.file for row in TABLE)


@pytest.mark.skipif(not DATA.is_dir(), reason="no real footage here (VIDCOLOR_DATA)")
@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.file)
def test_a_file(row: Row, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = DATA / row.file
    target = tmp_path / f"out{source.suffix if source.suffix in KEPT else '.mkv'}"
    preset = "8" if target.suffix == ".webm" else "ultrafast"
    options = ["--model", "grey", "--keep-colour", "off", "--preset", preset]  # many of them are in colour
    code = main(["run", str(source), "-o", str(target), *options])
    said = capsys.readouterr().err
    assert row.says in said
    assert ("vidcolor: note:" in said) == (row.does == "colours it" and bool(row.says))
    if row.does == "refuses it":
        assert (code, list(tmp_path.iterdir())) == (1, [])
        return
    assert code == 0
    info = probe(target)
    place = probe(source).best_video  # the other streams are copied, in their order
    assert place is not None
    video = info.streams[place].video
    assert video is not None
    assert described(video) == row.picture
    with av.open(str(target)) as film:
        assert sum(1 for _ in film.decode(film.streams[place])) == int(row.frames)
