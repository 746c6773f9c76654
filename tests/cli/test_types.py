"""Times as ffmpeg writes them."""

from __future__ import annotations

from fractions import Fraction

import pytest

from vidcolor.cli.types import parse_time


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", Fraction(0)),
        ("12", Fraction(12)),
        ("12.", Fraction(12)),
        (".5", Fraction(1, 2)),
        ("0.1", Fraction(1, 10)),
        ("00:00:12.5", Fraction(25, 2)),
        ("1:02:03.040", Fraction(93076, 25)),
        ("100:00:00", Fraction(360000)),
        ("2:03", Fraction(123)),
        ("90:00", Fraction(5400)),
        ("200ms", Fraction(1, 5)),
        ("1500us", Fraction(3, 2000)),
        ("12.5s", Fraction(25, 2)),
        ("0.000000001", Fraction(1, 10**9)),
    ],
)
def test_times(text: str, seconds: Fraction) -> None:
    assert parse_time(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        *("", ".", ":", "1:", "-1", "+1", "1:60", "1:60:00", "1:2:3:4", "1:02ms", "ms", "9" * 5000),
        *("1e3", "0x10", "1_000", "nan", "inf", "1 2", " 1", "1\n", "\u0661"),
    ],
)
def test_what_is_not_a_time(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        parse_time(text)
