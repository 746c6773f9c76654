"""``vidcolor anchors``: a film's anchors as pictures, to be painted on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vidcolor.cli.console import (
    Console,
    common_options,
    emit_json,
    progress_option,
    quiet_option,
    wants_bar,
)
from vidcolor.cli.progress import RunReporter
from vidcolor.cli.run import STDIN, coloring_options, film_range
from vidcolor.errors import UsageError
from vidcolor.pipeline.options import RunOptions
from vidcolor.wording import counted, printable

if TYPE_CHECKING:
    from vidcolor.pipeline.anchors import AnchorSummary

__all__ = ["command"]


@click.command("anchors", short_help="Write anchor frames as pictures to paint on.")
@click.argument("source", metavar="INPUT", type=click.Path(path_type=str, allow_dash=True, readable=False))
@click.option(
    "-o",
    "--output",
    metavar="DIR",
    type=click.Path(path_type=str),
    help="The folder to write.  [default: NAME.anchors beside the input]",
)
@click.option(
    "-y", "--yes", is_flag=True, help="Overwrite the film's anchors in the folder, painted ones too."
)
@coloring_options
@progress_option
@quiet_option
@common_options
@click.pass_obj
def command(console: Console, /, source: str, output: str | None, yes: bool, **values: Any) -> None:
    """Write the anchors of the film INPUT ("-" is stdin), coloured, as PNG.

    Paint on them in any editor, keep their names and sizes, and give the folder to 'vidcolor run
    --anchors' with the same options: what was painted is obeyed, at its frame and as far as its
    colour can be carried through the shot. Only colour is taken of a picture, never its brightness.
    """
    film_range(values)
    if output is None and (source == STDIN or "://" in source):
        raise UsageError("The input is not a file, so the folder needs a name; give one with -o.")
    quiet, progress, events = (values.pop(name) for name in ("quiet", "progress", "as_json"))
    options = RunOptions(overwrite=yes, **values)
    from vidcolor.pipeline.anchors import write_anchors  # brings torch and PyAV

    with AnchorReporter(
        bar=wants_bar(progress, quiet), quiet=quiet, verbose=False, events=events
    ) as reporter:
        reporter.start(input=source, output=output, model=options.model, device=options.device)
        target = None if output is None else Path(output)
        summary = write_anchors(source, target, options, notify=reporter.notify, progress=reporter.progress)
        reporter.written(summary)


class AnchorReporter(RunReporter):
    """Reports on the writing of anchors."""

    def written(self, summary: AnchorSummary) -> None:
        """The last word when all went well."""
        self._close_bar()
        if self._events:
            emit_json(event="done", **summary.to_dict())
        what = f"{counted(summary.anchors, 'anchor')} of {counted(summary.frames, 'frame')}"
        self.say(
            f"{what} in {summary.seconds:.1f} s (model {summary.model} on {summary.device}) -> "
            f"{printable(str(summary.output))}"
        )
