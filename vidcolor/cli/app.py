"""The ``vidcolor`` command: its table of commands, and what each way of failing ends with.

::

    0    done
    1    failed: the input, the output, the model or the machine
    2    wrong use: the command line itself
    130  interrupted (Ctrl-C); 143 terminated, 129 hung up
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from types import FrameType
from typing import Any, NoReturn

import click

from vidcolor import __version__
from vidcolor.cli.console import Console, emit_json, say, write
from vidcolor.errors import InputError, OutputError, VidcolorError, in_words

__all__ = ["main"]

# Name -> the module that holds it as `command`, and the line `--help` shows. The modules are imported
# when the command runs, so that `--help` costs little more than click.
COMMANDS = {
    "run": ("vidcolor.cli.run", "Colour a film."),
    "batch": ("vidcolor.cli.batch", "Colour many films, and go on where it was."),
    "preview": ("vidcolor.cli.preview", "Show a film's shots in colour on one picture, in seconds."),
    "compare": ("vidcolor.cli.compare", "Show two films as one video."),
    "anchors": ("vidcolor.cli.anchors", "Write anchor frames as pictures to paint on."),
    "build-dataset": ("vidcolor.cli.build_dataset", "Make a training set of films and pictures."),
    "evaluate": ("vidcolor.cli.evaluate", "Measure how good a model or a result is."),
    "info": ("vidcolor.cli.info", "Show what a film holds."),
    "train": ("vidcolor.cli.train", "Train a model."),
    "quantize": ("vidcolor.cli.quantize", "Make a model's network int8, for OpenVINO."),
    "models": ("vidcolor.cli.models", "List the models."),
}

EPILOG = """\b
Exit codes: 0 done, 1 failed, 2 wrong use, 130 interrupted.
Shell completion: eval "$(_VIDCOLOR_COMPLETE=bash_source vidcolor)"  (or zsh_source, fish_source)
"""


class LazyGroup(click.Group):
    """A group that imports a command when it is run, not when it is listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(COMMANDS[cmd_name][0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])


@click.group(cls=LazyGroup, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "--version", message="vidcolor %(version)s")
def app() -> None:
    """Turn black-and-white video into colour video."""
    try:
        os.getcwd()
    except FileNotFoundError:  # libraries look for their parts there, and end the process in their own words
        raise InputError("The current folder does not exist any more; change to another one.") from None


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns the exit code.

    The one place where a failure becomes a message and a code.
    """
    code = _code_of(arguments)
    if arguments is None:
        _leave_threads_behind(code)
    return code


def _code_of(arguments: Sequence[str] | None) -> int:
    given = list(sys.argv[1:] if arguments is None else arguments)
    # Wrong use may be seen before the option is.
    as_json = "--json" in (given[: given.index("--")] if "--" in given else given)
    console = Console(debug=os.environ.get("VIDCOLOR_DEBUG", "") not in ("", "0"), json=as_json)
    # Before torch is loaded: threads that wait must not keep the encoder's, or other programs', from working.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        with _signals_unwind(), _any_text_on_stdout():
            code = _run(arguments, console)
            if sys.stdout is not None:
                sys.stdout.flush()  # a full disk or a closed pipe shows here, not at exit
        return code
    except BaseException as error:
        return _report(error, console)


def _leave_threads_behind(code: int) -> None:
    """Ends the process at once where a stage that was stopped is still at work, with an exit code of ours."""
    if threading.active_count() == 1:
        return
    from vidcolor.pipeline.prefetch import any_at_work

    if any_at_work():
        for stream in (sys.stdout, sys.stderr):
            with suppress(AttributeError, OSError, ValueError):
                stream.flush()
        os._exit(code)


def _run(arguments: Sequence[str] | None, console: Console) -> int:
    result: Any = app.main(
        args=None if arguments is None else list(arguments),
        prog_name="vidcolor",
        standalone_mode=False,
        obj=console,
    )
    return result if isinstance(result, int) else 0


def _report(error: BaseException, console: Console) -> int:
    """Says what went wrong, in one sentence, and returns the exit code for it."""
    _settle_stdout()
    if isinstance(error, SystemExit):  # our signals, and click's own ways out
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
        return _stopped("terminated", code, console) if code > 128 else code
    if isinstance(error, BrokenPipeError):  # the reader has gone, as `head` does
        return 1
    if isinstance(error, (KeyboardInterrupt, click.Abort)):
        return _stopped("interrupted", 130, console)
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        write(f"{error.format_message()}\n")
        return 2
    code, sentence = _explain(error)
    if console.debug:
        write("".join(traceback.format_exception(error)))
    say(f"error: {sentence}")
    if console.json:
        _report_json(sentence, code)
    return code


def _stopped(how: str, code: int, console: Console) -> int:
    """Says that somebody stopped the command, to programs too: their last event tells how it ended."""
    say(how)
    if console.json:
        _report_json(how, code)
    return code


def _explain(error: BaseException) -> tuple[int, str]:
    """The exit code of a failure, and the sentence for it."""
    if isinstance(error, click.UsageError):
        place = error.ctx.command_path if error.ctx else "vidcolor"
        return 2, f"{error.format_message().rstrip('.')} (see '{place} --help')"
    if isinstance(error, click.ClickException):
        return error.exit_code, error.format_message()
    return error.exit_code if isinstance(error, VidcolorError) else 1, in_words(error)


def _report_json(sentence: str, code: int) -> None:
    try:
        emit_json(event="error", message=sentence, exit_code=code)
    except (AttributeError, OutputError, OSError, ValueError):
        _settle_stdout()


def _settle_stdout() -> None:
    """Writes out what stdout still holds; where it takes nothing, keeps Python from failing again at exit."""
    try:
        sys.stdout.flush()
    except (AttributeError, OSError, ValueError):
        with suppress(AttributeError, OSError, ValueError), open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())


@contextmanager
def _signals_unwind() -> Iterator[None]:
    """Signals leave through every ``finally``, so that nothing half-made stays behind."""
    if threading.current_thread() is not threading.main_thread():  # Python allows handlers there only
        yield
        return
    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    # A signal the caller ignores (nohup) stays ignored.
    numbers = [n for n in (getattr(signal, name) for name in names) if signal.getsignal(n) != signal.SIG_IGN]
    before = {number: signal.signal(number, _leave) for number in numbers}
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        before[signal.SIGINT] = signal.signal(signal.SIGINT, _leave)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave(number: int, _: FrameType | None) -> NoReturn:
    signal.signal(number, signal.SIG_DFL)  # a second one does not wait for the tidying
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + number)


@contextmanager
def _any_text_on_stdout() -> Iterator[None]:
    """Any file name can be printed, whatever the terminal's encoding."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is None:
        yield
        return
    before = getattr(sys.stdout, "errors", None) or "strict"
    reconfigure(errors="backslashreplace")
    try:
        yield
    finally:
        reconfigure(errors=before)
