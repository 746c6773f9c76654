"""``vidcolor preview``: a film's shots in colour, on one picture, from a few of its frames."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vidcolor.cli.console import Console, common_options, emit_json, quiet_option
from vidcolor.cli.reporter import Reporter
from vidcolor.cli.run import (
    STDIN,
    complete_model,
    film_range,
    may_overwrite,
    previewing_options,
)
from vidcolor.cli.types import TIME
from vidcolor.errors import UsageError
from vidcolor.pipeline.options import RunOptions
from vidcolor.wording import counted, printable

if TYPE_CHECKING:
    from vidcolor.pipeline.preview.make import PreviewSummary

__all__ = ["command"]

_MOST = 400
"""Frames on a sheet that can still be looked at."""


@click.command("preview", short_help="Show a film's shots in colour on one picture, in seconds.")
@click.argument("source", metavar="INPUT", type=click.Path(path_type=str, allow_dash=True, readable=False))
@click.option(
    "-o",
    "--output",
    metavar="PNG",
    type=click.Path(path_type=str),
    help="The picture to write.  [default: NAME.preview.png beside the input]",
)
@click.option("-y", "--yes", is_flag=True, help="Overwrite the picture without asking.")
@click.option(
    "--frames",
    "count",
    metavar="N",
    type=click.IntRange(1, _MOST),
    default=24,
    show_default=True,
    help="How many frames are shown, at the most.",
)
@click.option("--at", metavar="TIME", type=TIME, multiple=True, help="Show this moment instead; repeatable.")
@click.option(
    "--model",
    "models",
    metavar="NAME|FILE",
    multiple=True,
    shell_complete=complete_model,
    help="A model's name or a weights file; several are shown side by side.  [default: default]",
)
@previewing_options
@quiet_option
@common_options
@click.pass_obj
def command(
    console: Console,
    /,
    source: str,
    output: str | None,
    yes: bool,
    count: int,
    at: tuple[Fraction, ...],
    models: tuple[str, ...],
    **values: Any,
) -> None:
    """Show shots of the film INPUT ("-" is stdin) as a contact sheet, in colour.

    Only a few frames are decoded, so it takes seconds, whatever the film's length; the sheet and
    the last line say what was not looked at.
    """
    if at and any(values[name] is not None for name in ("start", "end", "duration")):
        raise UsageError("--at names moments of the whole film; it does not go with --ss, --to and -t.")
    film_range(values)
    if output == STDIN:
        raise UsageError("A picture cannot be written to stdout; give -o the name of a file.")
    if output is None and (source == STDIN or "://" in source):
        raise UsageError("The input is not a file, so the picture needs a name; give one with -o.")
    if len(set(models)) < len(models):
        raise UsageError("Each --model can be shown only once.")
    quiet, events = values.pop("quiet"), values.pop("as_json")
    from vidcolor.pipeline.preview.make import default_sheet, preview  # brings torch and PyAV

    target = default_sheet(Path(source)) if output is None else Path(output)
    if output is not None and target.is_dir():
        target = target / default_sheet(Path(source)).name
    overwrite = yes or may_overwrite(source, target, never=False)
    options = RunOptions(overwrite=overwrite, **values)
    with PreviewReporter(bar=False, quiet=quiet, events=events) as reporter:
        reporter.drawn(
            preview(source, target, options, models=models, count=count, at=at, notify=reporter.notify)
        )


class PreviewReporter(Reporter):
    """Reports on a preview."""

    def drawn(self, summary: PreviewSummary) -> None:
        """The last word when all went well."""
        if self._events:
            emit_json(event="done", **summary.to_dict())
        self.say(
            f"{counted(len(summary.sights), 'frame')} in {summary.seconds:.1f} s (model"
            f" {', '.join(summary.models)} on {summary.device}) -> {printable(str(summary.output))};"
            f" {_lowered(summary.skipped)}"
        )


def _lowered(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:].removesuffix(".")
