"""``vidcolor run --anchor-every``."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from tests.cli.conftest import FakeColorize
from vidcolor.cli import main
from vidcolor.cli.types import CountOrOff
from vidcolor.pipeline.options import RunOptions

Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize(
    ("arguments", "every"),
    [
        ((), 48),
        (("--anchor-every", "off"), None),
        (("--anchor-every=off",), None),
        (("--anchor-every", "12"), 12),
        (("--anchor-every=1",), 1),
        (("--anchor-every", "100000"), 100_000),
        (("--anchor-every", "off", "--anchor-every", "24"), 24),
    ],
)
def test_it_becomes_an_option_of_the_run(
    film: Path, colorize: FakeColorize, arguments: tuple[str, ...], every: int | None
) -> None:
    assert main(["run", str(film), *arguments]) == 0
    assert colorize.options == RunOptions(anchor_every=every)


@pytest.mark.parametrize(
    "value", ["0", "-3", "x", "", "1.5", "on", "nan", "inf", "OFFF", "12 frames", "0x10"]
)
def test_what_is_no_count_is_exit_2_and_one_sentence(
    film: Path, colorize: FakeColorize, capsys: Capture, value: str
) -> None:
    assert main(["run", str(film), "--anchor-every", value]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("vidcolor: error: ")
    assert err.count("\n") == 1
    assert f"{value!r} is not a whole number from 1 on, nor 'off'" in err
    assert "--anchor-every" in err
    assert colorize.calls == []


def test_it_wants_a_value(film: Path, colorize: FakeColorize, capsys: Capture) -> None:
    assert main(["run", str(film), "--anchor-every"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "--anchor-every" in err
    assert colorize.calls == []


def test_help_tells_it_with_its_default(capsys: Capture) -> None:
    assert main(["run", "--help"]) == 0
    out, _ = capsys.readouterr()
    text = " ".join(out.split())
    _, _, after = text.partition("--anchor-every N|off")
    assert after
    told = after.partition(" --")[0]
    assert "[default: 48]" in told
    assert "off" in told
    assert "1.5 N at most" in told


def test_the_default_is_the_dataclasses() -> None:
    assert RunOptions().anchor_every == 48


def test_counts_by_themselves() -> None:
    kind = CountOrOff()
    assert kind.convert("off", None, None) is None
    assert kind.convert("7", None, None) == 7
    # A default comes as a number.
    assert kind.convert(48, None, None) == 48
    with pytest.raises(click.BadParameter, match="'0' is not a whole number from 1 on, nor 'off'"):
        kind.convert("0", None, None)
