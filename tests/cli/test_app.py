"""How the command ends: exit codes, signals, pipes that close, failures nobody foresaw."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import FakeColorize
from vidcolor.cli import main
from vidcolor.cli.app import COMMANDS
from vidcolor.errors import InputError, ModelError, OutputError, UsageError, VidcolorError

Capture = pytest.CaptureFixture[str]

# A `vidcolor` whose run says it has begun, then waits to be stopped and tidies up.
WAITING = """
import sys, time, types
module = types.ModuleType("vidcolor.pipeline.run")
def colorize(source, output, options, *, notify, progress):
    try:
        print("begun", flush=True)
        time.sleep(60)
    finally:
        print("tidied", flush=True)
module.colorize = colorize
sys.modules["vidcolor.pipeline.run"] = module
from vidcolor.cli import main
sys.exit(main(["run", "film.mp4"]))
"""


# A process that is left with a stage that does not end, ...
STAGE_LEFT_BEHIND = """
import atexit, time
from vidcolor.pipeline.prefetch import prefetch
def endless():
    yield 1
    time.sleep(60)
    yield 2
items = prefetch(endless(), 1)
next(items)
atexit.register(print, "Python ended in peace")
"""

# ... as `vidcolor` may be.
LEFT_BEHIND = f"""
{STAGE_LEFT_BEHIND}
import sys
from vidcolor.cli import main
sys.argv = ["vidcolor", "--version"]
sys.exit(main())
"""

# Events from several threads at once, as a run's stages give them.
SPEAKING = """
import threading
from vidcolor.cli.console import emit_json
def speak(length):
    for number in range(15_000):
        emit_json(event="x" * length, number=number)
threads = [threading.Thread(target=speak, args=(length,)) for length in (10, 300, 9000)]
for thread in threads:
    thread.start()
"""


def test_help_lists_every_command(capsys: Capture) -> None:
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    for name, (_, summary) in COMMANDS.items():
        assert f"  {name}" in out
        assert summary in out


@pytest.mark.parametrize("name", COMMANDS)
def test_the_table_and_the_commands_agree(name: str) -> None:
    from importlib import import_module

    module, summary = COMMANDS[name]
    command = import_module(module).command
    assert (command.name, command.short_help) == (name, summary)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_of_a_command_has_help(name: str) -> None:
    from importlib import import_module

    import click

    command = import_module(COMMANDS[name][0]).command
    assert [p.name for p in command.params if isinstance(p, click.Option) and not p.help] == []


def test_no_arguments_is_wrong_use_and_shows_help(capsys: Capture) -> None:
    assert main([]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "Usage: vidcolor [OPTIONS] COMMAND" in err


def test_unknown_command(capsys: Capture) -> None:
    assert main(["rum"]) == 2
    assert "No such command 'rum'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (VidcolorError("so it is"), 1),
        (InputError("so it is"), 1),
        (OutputError("so it is"), 1),
        (ModelError("so it is"), 1),
        (UsageError("so it is"), 2),
    ],
)
def test_our_errors(
    film: Path, colorize: FakeColorize, capsys: Capture, error: VidcolorError, code: int
) -> None:
    colorize.error = error
    assert main(["run", str(film)]) == code
    assert capsys.readouterr() == ("", "vidcolor: error: so it is\n")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(28, "No space left on device", "out.mp4"), "No space left on device: out.mp4"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (MemoryError(), "out of memory"),
        (
            ZeroDivisionError("a\nb"),
            r"internal error: ZeroDivisionError: a\nb; run again with --debug to see where",
        ),
        (RuntimeError(), "internal error: RuntimeError; run again with --debug to see where"),
    ],
)
def test_other_failures(
    film: Path, colorize: FakeColorize, capsys: Capture, error: BaseException, sentence: str
) -> None:
    colorize.error = error
    assert main(["run", str(film)]) == 1
    assert capsys.readouterr() == ("", f"vidcolor: error: {sentence}\n")


def test_an_interruption_is_130(film: Path, colorize: FakeColorize, capsys: Capture) -> None:
    colorize.error = KeyboardInterrupt()
    assert main(["run", str(film)]) == 130
    assert capsys.readouterr().err.strip() == "vidcolor: interrupted"


@pytest.mark.parametrize(
    ("error", "code", "word"),
    [(KeyboardInterrupt(), 130, "interrupted"), (SystemExit(143), 143, "terminated")],
)
def test_programs_are_told_of_an_interruption(
    film: Path, colorize: FakeColorize, capsys: Capture, error: BaseException, code: int, word: str
) -> None:
    colorize.error = error
    assert main(["run", "--json", str(film)]) == code
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert last == {"event": "error", "message": word, "exit_code": code}


@pytest.mark.parametrize("by", ["option", "environment"])
def test_debug_shows_the_traceback(
    film: Path, colorize: FakeColorize, capsys: Capture, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    colorize.error = InputError("so it is")
    if by == "environment":
        monkeypatch.setenv("VIDCOLOR_DEBUG", "1")
    assert main(["run", str(film), *(["--debug"] if by == "option" else [])]) == 1
    err = capsys.readouterr().err
    assert err.startswith("Traceback (most recent call last):\n")
    assert err.endswith("vidcolor: error: so it is\n")


def test_debug_0_is_no_debug(
    film: Path, colorize: FakeColorize, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    colorize.error = InputError("so it is")
    monkeypatch.setenv("VIDCOLOR_DEBUG", "0")
    main(["run", str(film)])
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="signals as POSIX has them")
@pytest.mark.parametrize(
    ("number", "code", "word"),
    [
        (signal.SIGINT, 130, "interrupted"),
        (signal.SIGTERM, 143, "terminated"),
        (signal.SIGHUP, 129, "terminated"),
    ],
)
def test_signals_unwind_and_have_their_code(tmp_path: Path, number: int, code: int, word: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WAITING],
        cwd=tmp_path,
        env=source_env(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # Under nohup, or in the background of a script, the tests themselves ignore these signals.
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert process.returncode == code
    assert out == b"tidied\n"
    assert err.strip() == f"vidcolor: {word}".encode()


def test_a_stage_left_behind_does_not_spoil_the_exit_code() -> None:
    run = subprocess.run([sys.executable, "-c", LEFT_BEHIND], capture_output=True, text=True, timeout=50)
    assert run.returncode == 0
    assert run.stdout.startswith("vidcolor ")
    assert "in peace" not in run.stdout


def test_events_from_several_threads_stay_lines() -> None:
    run = subprocess.run([sys.executable, "-c", SPEAKING], capture_output=True, text=True, timeout=50)
    assert len([json.loads(line) for line in run.stdout.splitlines()]) == 3 * 15_000


def test_a_reader_that_leaves(tmp_path: Path) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "wb") as closed:
        run = vidcolor("--help", stdout=closed, cwd=tmp_path)
    assert run.returncode == 1
    assert run.stderr == b""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_behind_stdout(tmp_path: Path) -> None:
    with open("/dev/full", "wb") as full:
        run = vidcolor("--help", stdout=full, cwd=tmp_path)
    assert run.returncode == 1
    assert run.stderr == b"vidcolor: error: No space left on device\n"


@pytest.mark.parametrize("arguments", [["run", "a.mkv", "--json", "--nosuch"], ["run", "--nosuch", "--json"]])
def test_programs_are_told_of_wrong_use(arguments: list[str], capsys: Capture) -> None:
    assert main(arguments) == 2
    (event,) = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (event["event"], event["exit_code"]) == ("error", 2)
    assert main(["run", "--nosuch", "--", "--json"]) == 2
    assert capsys.readouterr().out == ""


def test_a_current_folder_that_is_gone(tmp_path: Path) -> None:
    """Before libraries end the process in words of their own."""
    start = f"import os; os.rmdir(os.getcwd()); from vidcolor.cli import main; print(main({['models']!r}))"
    (tmp_path / "gone").mkdir()
    done = subprocess.run([sys.executable, "-c", start], cwd=tmp_path / "gone", capture_output=True)
    sentence = b"vidcolor: error: The current folder does not exist any more; change to another one\n"
    assert (done.stdout, done.stderr) == (b"1\n", sentence)


def test_ascii_output_can_show_any_name(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9 \xe6\x98\xa0.mp4")
    run = vidcolor("info", name, cwd=tmp_path, PYTHONIOENCODING="ascii")
    assert run.returncode == 1
    assert run.stderr.startswith(b"vidcolor: error: ")
    assert rb"caf\xe9 \u6620.mp4" in run.stderr


def test_shell_completion(tmp_path: Path) -> None:
    complete = {"COMP_WORDS": "vidcolor ru", "COMP_CWORD": "1", "_VIDCOLOR_COMPLETE": "bash_complete"}
    run = vidcolor(cwd=tmp_path, **complete)
    assert run.stdout == b"plain,run\n"
    complete = {
        "COMP_WORDS": "vidcolor run --model gr",
        "COMP_CWORD": "3",
        "_VIDCOLOR_COMPLETE": "bash_complete",
    }
    assert vidcolor(cwd=tmp_path, **complete).stdout == b"plain,grey\n"


def test_models(capsys: Capture) -> None:
    assert main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("default")
    assert {"grey", "tiny"} <= {line.split()[0] for line in lines}
    assert main(["models", "--json"]) == 0
    models = json.loads(capsys.readouterr().out)["models"]
    assert [m["name"] for m in models] == [line.split()[0] for line in lines]
    facts = {m["name"]: m for m in models}
    assert (facts["tiny"]["parameters"], facts["tiny"]["frozen"]) == (442, 0)
    assert facts["compact-vgg16"]["parameters"] == 2_107_513 + facts["compact-vgg16"]["frozen"]
    shown = {line.split()[0]: line for line in lines}
    assert " 442  two untrained convolutions" in shown["tiny"]
    assert "2.11 M + 7.64 M frozen  " in shown["compact-vgg16"]


@pytest.mark.parametrize("installed", [True, False])
def test_models_that_need_an_extra_say_so(
    installed: bool, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vidcolor.models.registry.ModelEntry.installed", installed)
    assert main(["models"]) == 0
    fusion = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("fusion"))
    assert "6.39 M + 55.8 M frozen" in fusion
    assert ("needs the extra encoders" in fusion) != installed


def vidcolor(
    *arguments: str, cwd: Path, stdout: int | object = subprocess.PIPE, **environment: str
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "vidcolor", *arguments],
        cwd=cwd,
        env={**source_env(), **environment},
        stdin=subprocess.DEVNULL,
        stdout=stdout,  # type: ignore[arg-type]
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )


def source_env() -> dict[str, str]:
    """The environment with this source tree on the path, installed or not."""
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
