"""What every command shares: how it speaks, and the options that say how loudly.

People read stderr, programs read stdout.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TextIO, TypeVar

import click

from vidcolor.errors import OutputError
from vidcolor.wording import printable

__all__ = [
    "Console",
    "common_options",
    "console_of",
    "emit_json",
    "is_terminal",
    "progress_option",
    "quiet_option",
    "say",
    "wants_bar",
    "write",
]

Command = TypeVar("Command", bound=Callable[..., Any])

_one_line = threading.Lock()
"""Held while one is printed: stages in threads give notices too."""


@dataclass
class Console:
    """What was asked of the messages; made by ``main`` and carried by click's context."""

    debug: bool = False
    """Show the traceback of a failure."""
    json: bool = False
    """Report to programs on stdout, failures included."""


def console_of(context: click.Context) -> Console:
    """The console of a running command."""
    return context.ensure_object(Console)


def say(message: str) -> None:
    """One line for people, on stderr."""
    write(f"vidcolor: {printable(message)}\n")


def write(text: str) -> None:
    """Text on stderr, as it is. A stderr that is closed or full is no reason to lose the film."""
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except (AttributeError, OSError, ValueError):
        return


def emit_json(**values: Any) -> None:
    """One JSON object, on one line of stdout, now.

    Raises:
        OutputError: it is an event of a long command, and stdout does not take it.
    """
    try:
        with _one_line:
            print(json.dumps(values), flush=True)
    except BrokenPipeError:
        if "event" not in values:
            raise
        raise OutputError("Nobody reads stdout any more, where --json writes.") from None
    except OSError as error:
        raise OutputError(f"stdout cannot be written to: {error.strerror}.") from None


def _remember(name: str) -> Callable[[click.Context, click.Parameter, bool], bool]:
    def callback(context: click.Context, _: click.Parameter, value: bool) -> bool:
        if value:
            setattr(console_of(context), name, True)
        return value

    return callback


def common_options(function: Command) -> Command:
    """``--json`` and ``--debug``, which every command has.

    Both are eager, so that a mistake in another option is already reported as they ask.
    """
    debug = click.option(
        "--debug",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_remember("debug"),
        help="Show the traceback of a failure (also VIDCOLOR_DEBUG=1).",
    )
    as_json = click.option(
        "--json",
        "as_json",
        is_flag=True,
        is_eager=True,
        callback=_remember("json"),
        help="Print JSON on stdout, for programs.",
    )
    return as_json(debug(function))


progress_option = click.option(
    "--progress/--no-progress", default=None, help="Show progress.  [default: on a terminal]"
)
quiet_option = click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors on standard error.")


def wants_bar(progress: bool | None, quiet: bool) -> bool:
    """Whether a bar is drawn, by what was asked of these two."""
    return progress if progress is not None else not quiet and is_terminal(sys.stderr)


def is_terminal(stream: TextIO | None) -> bool:
    """Whether somebody sits at the other end."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # closed
        return False
