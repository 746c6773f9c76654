"""``vidcolor run``: what its options become, and what it says."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import time
from dataclasses import fields
from fractions import Fraction
from pathlib import Path

import pytest

from tests.cli.conftest import FakeColorize
from vidcolor.cli import main
from vidcolor.cli.progress import RunReporter
from vidcolor.cli.run import command
from vidcolor.errors import InputError
from vidcolor.pipeline.options import EncoderOptions, Progress, RunOptions

Capture = pytest.CaptureFixture[str]


def test_defaults_are_those_of_the_dataclasses(film: Path, colorize: FakeColorize) -> None:
    assert main(["run", str(film)]) == 0
    assert colorize.calls == [(str(film), film.with_name("film.color.mp4"), RunOptions())]


def test_every_field_has_an_option() -> None:
    settable = {f.name for owner in (RunOptions, EncoderOptions) for f in fields(owner)}
    # Overwriting is -y, -n or an answer; the encoder is made of its own fields.
    assert settable - {"overwrite", "encoder"} <= {parameter.name for parameter in command.params}


@pytest.mark.parametrize(
    ("arguments", "field", "value"),
    [
        ("--model grey", "model", "grey"),
        ("--device cuda:1", "device", "cuda:1"),
        ("--precision bf16", "precision", "bf16"),
        ("--batch-size 3", "batch_size", 3),
        ("--network-size 256", "network_size", 256),
        ("--saturation 1.25", "saturation", 1.25),
        ("--saturation 0", "saturation", 0.0),
        ("--stream 4", "stream", 4),
        ("--deinterlace on", "deinterlace", "on"),
        ("--ss 1:02:03.04", "start", Fraction(372304, 100)),
        ("--to 90", "end", Fraction(90)),
        ("-t 1.001", "end", Fraction(1001, 1000)),
        ("-y", "overwrite", True),
    ],
)
def test_options_of_the_run(
    film: Path, colorize: FakeColorize, arguments: str, field: str, value: object
) -> None:
    assert main(["run", str(film), *arguments.split()]) == 0
    assert colorize.options == RunOptions(**{field: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "field", "value"),
    [
        ("-c:v libx265", "codec", "libx265"),
        ("-c:v=libx265", "codec", "libx265"),
        ("--codec ffv1", "codec", "ffv1"),
        ("--crf 18.5", "crf", 18.5),
        ("--preset slow", "preset", "slow"),
        ("--pix-fmt yuv420p10le", "pix_fmt", "yuv420p10le"),
        ("-e tune=film", "extra", (("tune", "film"),)),
        ("-e x264-params=a=1:b=2 -e empty=", "extra", (("x264-params", "a=1:b=2"), ("empty", ""))),
    ],
)
def test_options_of_the_encoder(
    film: Path, colorize: FakeColorize, arguments: str, field: str, value: object
) -> None:
    assert main(["run", str(film), *arguments.split()]) == 0
    assert colorize.options.encoder == EncoderOptions(**{field: value})  # type: ignore[arg-type]


def test_t_counts_from_ss(film: Path, colorize: FakeColorize) -> None:
    assert main(["run", str(film), "--ss", "10.1", "-t", "0.2"]) == 0
    assert (colorize.options.start, colorize.options.end) == (Fraction(101, 10), Fraction(103, 10))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--to 5 -t 5", "--to and -t exclude each other"),
        ("--ss 5 --to 5", "--to must be later than --ss"),
        ("--to 0", "--to must be later than 0"),
        ("-t 0", "-t must be longer than 0"),
        ("-y -n", "--yes and --no-overwrite exclude each other"),
        ("-q -v", "--quiet and --verbose exclude each other"),
        ("--ss 1:99", "'1:99' is not a time"),
        ("--ss -1", "'-1' is not a time"),
        ("--crf nan", "nan is not a number from 0 on"),
        ("--crf low", "'low' is not a number"),
        ("--saturation -1", "-1 is not a number from 0 on"),
        ("--precision fp8", "'fp8' is not one of 'auto', 'fp32', 'bf16', 'fp16'"),
        ("--batch-size 0", "0 is not in the range x>=1"),
        ("-e tune", "'tune' is not KEY=VALUE"),
        ("-e =film", "'=film' is not KEY=VALUE"),
        ("-o -", "cannot be written to stdout"),
        ("--no-such-option", "No such option '--no-such-option'"),
        ("another.mp4", "Got unexpected extra argument (another.mp4)"),
    ],
)
def test_wrong_use_is_exit_2_and_one_line(
    film: Path, colorize: FakeColorize, capsys: Capture, arguments: str, message: str
) -> None:
    assert main(["run", str(film), *arguments.split()]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("vidcolor: error: ")
    assert err.count("\n") == 1
    assert message in err
    assert colorize.calls == []


@pytest.mark.parametrize("name", ["", ".", "/", "x/.."])
def test_a_name_of_no_file_is_told_of(name: str, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "x").mkdir()
    with contextlib.chdir(tmp_path):
        assert main(["run", name]) == 1
    err = capsys.readouterr().err
    assert "internal error" not in err
    assert "is a folder, not a media file" in err


def test_no_input_is_wrong_use(capsys: Capture) -> None:
    assert main(["run"]) == 2
    assert "Missing argument 'INPUT'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "codec", "output"),
    [
        ("a.mp4", None, "a.color.mp4"),
        ("a.MOV", None, "a.color.MOV"),
        ("a b.tar.mkv", "ffv1", "a b.tar.color.mkv"),
        ("a.webm", None, "a.color.webm"),
        ("a.webm", "libx264", "a.color.mkv"),
        ("a.webm", "libvpx-vp9", "a.color.webm"),
        ("a.m4v", "libsvtav1", "a.color.mkv"),
        ("a.mp4", "prores_ks", "a.color.mkv"),
        ("a.mov", "prores_ks", "a.color.mov"),
        ("a.avi", None, "a.color.mkv"),
        ("a.gif", None, "a.color.mkv"),
        ("a", None, "a.color.mkv"),
        (".hidden", None, ".hidden.color.mkv"),
    ],
)
def test_default_output(
    tmp_path: Path, colorize: FakeColorize, name: str, codec: str | None, output: str
) -> None:
    (tmp_path / name).touch()
    assert main(["run", str(tmp_path / name), *(["-c:v", codec] if codec else [])]) == 0
    assert colorize.output == tmp_path / output


@pytest.mark.parametrize("codec", ["nosuch", "aac"])
def test_no_such_encoder(
    film: Path, tmp_path: Path, colorize: FakeColorize, capsys: Capture, codec: str
) -> None:
    for output in ([], ["-o", str(tmp_path)]):
        assert main(["run", str(film), "-c:v", codec, *output]) == 2
        assert f"Unknown encoder '{codec}'; choose one of libx264" in capsys.readouterr().err
    assert colorize.calls == []


def test_output_in_a_folder(film: Path, tmp_path: Path, colorize: FakeColorize) -> None:
    (tmp_path / "out").mkdir()
    assert main(["run", str(film), "-o", str(tmp_path / "out")]) == 0
    assert colorize.output == tmp_path / "out" / "film.color.mp4"


@pytest.mark.parametrize("source", ["-", "http://localhost/film.mp4"])
def test_what_is_not_a_file_needs_an_output(
    source: str, tmp_path: Path, colorize: FakeColorize, capsys: Capture
) -> None:
    assert main(["run", source]) == 2
    assert "give one with -o" in capsys.readouterr().err
    assert main(["run", source, "-o", str(tmp_path / "a.mkv")]) == 0
    assert colorize.calls == [(source, tmp_path / "a.mkv", RunOptions())]


# ---- overwriting ---------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def existing(film: Path) -> Path:
    path = film.with_name("film.color.mp4")
    path.write_bytes(b"dear")
    return path


def test_an_existing_output_is_refused(
    film: Path, existing: Path, colorize: FakeColorize, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))  # not a terminal: nobody is asked
    assert main(["run", str(film)]) == 1
    err = capsys.readouterr().err
    assert (
        err
        == f"vidcolor: error: {str(existing)!r} exists; give -y to overwrite it, or another name with -o\n"
    )
    assert colorize.calls == []


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("Yes\n", 0), ("n\n", 1), ("\n", 1), ("", 1)])
def test_on_a_terminal_one_is_asked(
    film: Path,
    existing: Path,
    colorize: FakeColorize,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    code: int,
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    assert main(["run", str(film)]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert f"overwrite {existing}? [y/N] " in err
    assert [options.overwrite for _, _, options in colorize.calls] == [True] * (code == 0)


@pytest.mark.parametrize(("flag", "code"), [("-y", 0), ("-n", 1)])
def test_flags_answer_for_you(
    film: Path,
    existing: Path,
    colorize: FakeColorize,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
    flag: str,
    code: int,
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    assert main(["run", flag, str(film)]) == code
    assert "[y/N]" not in capsys.readouterr().err


def test_the_input_as_output_is_left_to_the_run(film: Path, colorize: FakeColorize) -> None:
    # The run refuses it for that reason, which says more than "exists".
    assert main(["run", str(film), "-o", str(film)]) == 0
    assert colorize.options.overwrite is False


# ---- messages ------------------------------------------------------------------------------------


def test_summary(film: Path, colorize: FakeColorize, capsys: Capture) -> None:
    colorize.left_out = ("stream 3 (subtitle, hdmv_pgs_subtitle)",)
    colorize.notices = ("one frame was damaged",)
    assert main(["run", str(film), "-o", "out.mkv"]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "vidcolor: note: one frame was damaged",
        "vidcolor: 3 frames in 2.0 s (1.5 frames/s, model default on cpu) -> out.mkv; "
        "left out: stream 3 (subtitle, hdmv_pgs_subtitle)",
    ]


def test_quiet(film: Path, colorize: FakeColorize, capsys: Capture) -> None:
    colorize.notices = ("one frame was damaged",)
    assert main(["run", "-q", str(film)]) == 0
    assert capsys.readouterr() == ("", "")


def test_verbose_says_what_will_be_done(film: Path, colorize: FakeColorize, capsys: Capture) -> None:
    assert main(["run", "-v", str(film), "-o", "out.mkv"]) == 0
    first = capsys.readouterr().err.splitlines()[0]
    assert first == f"vidcolor: input {film}, output out.mkv, model default, device auto"


def test_progress_only_where_somebody_looks(film: Path, colorize: FakeColorize, capsys: Capture) -> None:
    main(["run", str(film)])
    assert "frame " not in capsys.readouterr().err
    main(["run", "--progress", str(film)])
    assert "frame 0/3 |" in capsys.readouterr().err


def test_a_folder_that_is_not_there(film: Path, colorize: FakeColorize, capsys: Capture) -> None:
    assert main(["run", str(film), "-o", f"{film.parent}/coloured/"]) == 1
    assert capsys.readouterr().err == f"vidcolor: error: The folder {film.parent}/coloured/ does not exist\n"
    assert colorize.calls == []


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="there are no such terminals here")
def test_progress_on_a_terminal_that_does_not_say_how_large_it_is(
    film: Path, colorize: FakeColorize, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen, terminal = os.openpty()
    with open(screen, "rb", buffering=0) as seen, open(terminal, "w", encoding="utf-8") as stderr:
        assert os.get_terminal_size(terminal) == (0, 0)
        monkeypatch.setattr("sys.stderr", stderr)
        assert main(["run", str(film)]) == 0
        assert b"frame 0/3 |" in seen.read(10000)


@pytest.mark.parametrize("total", [None, 2])
def test_progress_with_a_total_that_is_unknown_or_wrong(
    film: Path, colorize: FakeColorize, capsys: Capture, total: int | None
) -> None:
    colorize.total = total
    colorize.notices = ("one frame was damaged",)
    assert main(["run", "--progress", str(film)]) == 0
    assert "vidcolor: note: one frame was damaged\n" in capsys.readouterr().err


def test_json_events(film: Path, colorize: FakeColorize, capsys: Capture) -> None:
    colorize.notices = ("one frame was damaged",)
    colorize.steps = colorize.total = 50  # all at once, so only the first of them is reported
    assert main(["run", "--json", str(film), "-o", "out.mkv"]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["event"] for event in events] == ["start", "progress", "notice", "done"]
    assert events[0] == {
        "event": "start",
        "input": str(film),
        "output": "out.mkv",
        "model": "default",
        "device": "auto",
        "codec": None,
    }
    speed = {"fps": 10.0, "seconds": 0.1, "remaining": 4.9}
    assert events[1] == {"event": "progress", "frame": 1, "total": 50, **speed}
    assert events[2] == {"event": "notice", "message": "one frame was damaged"}
    assert events[3]["frames"] == 50
    assert events[3]["output"] == "out.mkv"


@pytest.mark.parametrize(
    ("arguments", "error", "code", "message"),
    [
        ((), InputError("there is no 'film.mp4'"), 1, "there is no 'film.mp4'"),
        (
            ("--crf", "x"),
            None,
            2,
            "Invalid value for '--crf': 'x' is not a number (see 'vidcolor run --help')",
        ),
    ],
)
def test_json_reports_errors(
    film: Path,
    colorize: FakeColorize,
    capsys: Capture,
    arguments: tuple[str, ...],
    error: BaseException | None,
    code: int,
    message: str,
) -> None:
    colorize.error = error
    assert main(["run", str(film), *arguments, "--json"]) == code
    out, err = capsys.readouterr()
    assert json.loads(out.splitlines()[-1]) == {"event": "error", "message": message, "exit_code": code}
    assert err.splitlines()[-1] == f"vidcolor: error: {message}"


# ---- names of files ------------------------------------------------------------------------------


def test_names_that_begin_with_a_dash(
    tmp_path: Path, colorize: FakeColorize, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("-y.mp4").touch()
    assert main(["run", "--", "-y.mp4"]) == 0
    assert colorize.calls == [("-y.mp4", Path("-y.color.mp4"), RunOptions())]


@pytest.mark.parametrize(
    "name", ["two words.mp4", "line\nend.mp4", "\x1b[31mred.mp4", os.fsdecode(b"caf\xe9.mp4"), "映画.mp4"]
)
def test_any_name_comes_through_and_can_be_shown(
    tmp_path: Path, colorize: FakeColorize, capsys: Capture, name: str
) -> None:
    film = tmp_path / name
    film.touch()
    assert main(["run", str(film), "--json"]) == 0
    out, err = capsys.readouterr()
    assert colorize.calls == [(str(film), film.with_name(f"{film.stem}.color.mp4"), RunOptions())]
    assert os.fsencode(json.loads(out.splitlines()[0])["input"]) == os.fsencode(film)
    assert err.count("\n") == 1
    assert err.removesuffix("\n").isprintable()


def test_the_bar_of_a_run_that_goes_on_has_its_own_speed(capsys: Capture) -> None:
    with RunReporter(bar=True, quiet=False, verbose=False, events=False) as reporter:
        for frame in range(5001, 5006):
            reporter.progress(Progress(frame, 6000, 1.0, kept=5000))
            time.sleep(0.15)
    last = re.findall(r"frame (\d+)/6000 .* ([0-9.]+) frames/s", capsys.readouterr().err.replace("\r", "\n"))[
        -1
    ]
    assert last[0] == "5005"
    assert float(last[1]) < 20
