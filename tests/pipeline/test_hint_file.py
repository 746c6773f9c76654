"""Files of hints: what they may hold, and the sentence for everything else."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from vidcolor.errors import InputError
from vidcolor.pipeline.hint_file import read_hints
from vidcolor.temporal.reference import SRGB

GOOD: dict[str, Any] = {"time": 1, "x": 3, "y": 4, "color": "red"}


def hints(tmp_path: Path, content: Any) -> Any:
    path = tmp_path / "hints.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return read_hints(path, 64, 48, SRGB)


@pytest.mark.parametrize(
    ("time", "seconds"),
    [
        (1.5, Fraction(3, 2)),
        (0, Fraction(0)),
        ("1.5", Fraction(3, 2)),
        ("2:03.25", Fraction(49300, 400)),
        ("1:00:00", Fraction(3600)),
    ],
)
def test_times(tmp_path: Path, time: Any, seconds: Fraction) -> None:
    assert hints(tmp_path, [{**GOOD, "time": time}])[0].time == seconds


@pytest.mark.parametrize(
    ("color", "ab"),
    [
        ("#ff0000", (80.1, 67.2)),
        ("red", (80.1, 67.2)),
        ([255, 0, 0], (80.1, 67.2)),
        ("Navy", (47.5, -64.7)),
        ("white", (0, 0)),
        ({"a": -12, "b": 30.5}, (-12, 30.5)),
    ],
)
def test_colours(tmp_path: Path, color: Any, ab: tuple[float, float]) -> None:
    found = hints(tmp_path, [{**GOOD, "color": color}])[0]
    assert found.ab == pytest.approx(ab, abs=0.1)
    assert (found.x, found.y, found.radius) == (3, 4, 8)


@pytest.mark.parametrize("size", [(1, 1), (6, 7), (8, 2)])
def test_the_radius_of_a_small_picture(tmp_path: Path, size: tuple[int, int]) -> None:
    path = tmp_path / "hints.json"
    path.write_text(json.dumps([{**GOOD, "x": 0, "y": 0}]))
    assert read_hints(path, *size, SRGB)[0].radius == max(size)


def test_they_come_in_the_order_of_their_times(tmp_path: Path) -> None:
    found = hints(tmp_path, [{**GOOD, "time": t} for t in (5, 0.5, "0:02")])
    assert [float(hint.time) for hint in found] == [0.5, 2, 5]


def test_an_empty_list_says_nothing(tmp_path: Path) -> None:
    assert hints(tmp_path, "[]") == []


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("[{]", "is not JSON: .* at line 1, column 3"),
        ("", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("{}", "must hold a list of hints"),
        ("[3]", "hint 1 must be an object"),
        ([GOOD, {**GOOD, "colour": "red"}], "hint 2 has 'colour'; a hint has color, radius, time, x, y"),
        ([{"time": 1, "x": 1, "y": 1}], "hint 1 has no 'color'"),
        ([{**GOOD, "x": 64}], r"hint 1 lies at \(64, 4\), outside of the frame of 64x48"),
        ([{**GOOD, "y": -1}], "outside of the frame"),
        ([{**GOOD, "x": "3"}], "'x' of .*hint 1 must be a number, not \"3\""),
        ([{**GOOD, "x": True}], "must be a number, not true"),
        ('[{"time": 1, "x": NaN, "y": 1, "color": "red"}]', "must be a number"),
        ('[{"time": 1, "x": 1e400, "y": 1, "color": "red"}]', "must be a number"),
        ([{**GOOD, "radius": 0}], "'radius' of .*hint 1 must be above 0 and at most 64"),
        ([{**GOOD, "radius": 1000}], "must be above 0 and at most 64"),
        ([{**GOOD, "time": -1}], "before the film's beginning"),
        ([{**GOOD, "time": "soon"}], 'must be seconds or HH:MM:SS.fraction, not "soon"'),
        ([{**GOOD, "time": "1e-999999999"}], "must be seconds or HH:MM:SS.fraction"),
        ([{**GOOD, "time": "1:2:3:4"}], "must be seconds or HH:MM:SS.fraction"),
        ([{**GOOD, "color": "reddish"}], 'must be #rrggbb or a name of CSS, not "reddish"'),
        ([{**GOOD, "color": [1, 2]}], "'color' of .*hint 1 must be"),
        ([{**GOOD, "color": [1, 2, 300]}], "'color' of .*hint 1 must be"),
        ([{**GOOD, "color": {"a": 1}}], "'color' of .*hint 1 must be"),
        ([{**GOOD, "color": {"a": 1, "b": 500}}], "a and b lie between -128 and 128"),
        ([GOOD] * 10_001, "holds 10001 hints; there may be 10000"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, content: Any, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        hints(tmp_path, content)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read_hints(tmp_path / "none.json", 64, 48, SRGB)
    (tmp_path / "latin.json").write_bytes(b'[{"color": "\xff"}]')
    with pytest.raises(InputError, match="is not JSON in UTF-8"):
        read_hints(tmp_path / "latin.json", 64, 48, SRGB)
    (tmp_path / "large.json").write_text(" " * (5 << 20))
    with pytest.raises(InputError, match="larger than a file of hints may be"):
        read_hints(tmp_path / "large.json", 64, 48, SRGB)
