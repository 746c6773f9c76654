"""``vidcolor batch``: colour many films."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from vidcolor.cli.batch_progress import BatchReporter
from vidcolor.cli.console import Console, common_options, progress_option, quiet_option, wants_bar
from vidcolor.cli.run import STDIN, coloring_options, encoding_options, film_range, take_encoder
from vidcolor.cli.types import Number
from vidcolor.errors import InputError, UsageError
from vidcolor.pipeline.options import RunOptions

__all__ = ["command"]

_WATCH_S = 10
"""Seconds between two looks when nobody says."""


class _Watching(click.Command):
    """Lets ``--watch`` stand before an input: its number may be left out."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        own = args[: args.index("--")] if "--" in args else args
        for place, word in enumerate(own):
            if word == "--watch" and not (place + 1 < len(own) and _is_number(own[place + 1])):
                args[place] = f"--watch={_WATCH_S}"
        return super().parse_args(ctx, args)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


@click.command("batch", cls=_Watching, short_help="Colour many films, and go on where it was.")
@click.argument(
    "inputs", metavar="INPUT...", nargs=-1, type=click.Path(path_type=str, allow_dash=True, readable=False)
)
@click.option(
    "-o",
    "--output",
    metavar="DIR",
    required=True,
    type=click.Path(path_type=str, file_okay=False),
    help="The folder to write to; it is made where there is none.",
)
@click.option(
    "--list",
    "list_file",
    metavar="FILE",
    type=click.Path(path_type=str, allow_dash=True, readable=False),
    help='More inputs: one path a line, or with NUL after each; "-" is stdin.',
)
@click.option(
    "-j",
    "--jobs",
    metavar="N",
    type=click.IntRange(1, 256),
    help="Films at once, each in a process of its own.  [default: one, or one a device given]",
)
@click.option(
    "--watch",
    metavar="[SECONDS]",
    type=Number(0.1),
    help=f"Look for new films every so often, until Ctrl-C.  [every {_WATCH_S} s when not said]",
)
@click.option("--restart", is_flag=True, help="Colour again what is done.")
@click.option("-y", "--yes", is_flag=True, help="Overwrite files in DIR that no batch made, report.json too.")
@coloring_options
@encoding_options
@progress_option
@quiet_option
@common_options
@click.pass_obj
def command(
    console: Console, /, inputs: tuple[str, ...], output: str, list_file: str | None, **values: Any
) -> int:
    """Colour the films of each INPUT: files, folders with all below them, and quoted patterns ("**/*.avi").

    Results are called NAME.color.EXT and lie in DIR as the films lay below the folder named. In folders
    and patterns, hidden and unfinished files, results of vidcolor's and what does not end as a film does
    are passed over.

    A film that fails or a folder that cannot be read is named at the end, and in report.json in DIR, and
    does not stop the others. The same command again colours what is missing or has failed, and again what
    has changed or is now asked for with other options.

    With several devices, as in "--device cuda:0,cuda:1", the jobs take them in turn. With --watch, films
    that appear are coloured once they have not changed from one look to the next.
    """
    film_range(values)
    quiet, progress, events = (values.pop(name) for name in ("quiet", "progress", "as_json"))
    listed = _listed(list_file)
    if not inputs and list_file is None:
        raise UsageError("Name files, folders or patterns, or give a --list.")
    if STDIN in inputs:
        raise UsageError("A batch has no film on stdin; '--list -' reads a list of films there.")
    devices = tuple(name.strip() for name in values["device"].split(","))
    jobs, watch, restart = values.pop("jobs"), values.pop("watch"), values.pop("restart")
    options = RunOptions(
        encoder=take_encoder(values), overwrite=values.pop("yes"), **{**values, "device": devices[0]}
    )
    from vidcolor.pipeline.batch.loop import BatchOptions, color_films  # brings torch and PyAV

    batch = BatchOptions(
        output=Path(output),
        inputs=inputs,
        listed=listed,
        jobs=jobs or len(devices),
        devices=devices,
        watch=watch,
        restart=restart,
    )
    with BatchReporter(
        bar=wants_bar(progress, quiet), quiet=quiet, events=events, debug=console.debug
    ) as reporter:
        reporter.start(output=output, model=options.model, jobs=batch.jobs, devices=list(devices))
        totals = color_films(batch, options, reporter.tell)
    return 1 if totals.failed else 0


def _listed(name: str | None) -> tuple[str, ...]:
    """The paths in a list file.

    Raises:
        InputError: it cannot be read.
    """
    if name is None:
        return ()
    from vidcolor.pipeline.batch.films import read_list  # brings PyAV

    try:
        data = sys.stdin.buffer.read() if name == STDIN else Path(name).read_bytes()
    except OSError as error:
        raise InputError(f"The list {name!r} cannot be read: {error.strerror}.") from error
    return tuple(read_list(data))
