"""``vidcolor compare``: two films as one video."""

from __future__ import annotations

from fractions import Fraction
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
from vidcolor.cli.run import (
    comparing_options,
    film_range,
    may_overwrite,
    output_file,
    take_encoder,
)
from vidcolor.cli.types import SIGNED_TIME, setting
from vidcolor.errors import UsageError
from vidcolor.pipeline.compare.options import CompareOptions
from vidcolor.wording import counted, printable

if TYPE_CHECKING:
    from vidcolor.pipeline.compare.make import CompareSummary

__all__ = ["command"]


@click.command("compare", short_help="Show two films as one video.")
@click.argument("first", metavar="A", type=click.Path(path_type=str, allow_dash=True, readable=False))
@click.argument("second", metavar="B", type=click.Path(path_type=str, allow_dash=True, readable=False))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=str),
    help="The film to write, or a folder to write it to.  [default: NAME.compare.EXT beside A]",
)
@click.option("-y", "--yes", is_flag=True, help="Overwrite the output without asking.")
@setting(
    CompareOptions,
    "layout",
    "--layout",
    help="Beside each other, one above the other, or parted by a line that moves to and fro.",
)
@click.option(
    "--labels",
    metavar="A,B",
    help='What is written on them; "" writes nothing.  [default: the names of the files]',
)
@click.option(
    "--offset",
    type=SIGNED_TIME,
    default=Fraction(0),
    help="B begins so much later than A; with a minus, earlier.",
)
@comparing_options
@progress_option
@quiet_option
@common_options
@click.pass_obj
def command(
    console: Console, /, first: str, second: str, output: str | None, labels: str | None, **values: Any
) -> None:
    """Show the films A and B ("-" is stdin) as one video, in sync by their times.

    Sound and all else are A's; B is scaled to A's height (stacked: to its width). Where one
    film ends, the result ends.
    """
    film_range(values)
    quiet, progress, events = (values.pop(name) for name in ("quiet", "progress", "as_json"))
    encoder = take_encoder(values)
    named = _pair_of(labels)
    target = output_file(first, output, encoder.codec, "compare")
    if Path(second).exists() and target.exists() and target.samefile(second):
        raise UsageError(f"{target} is one of the films; name another file for the result.")
    overwrite = values.pop("yes") or may_overwrite(first, target, never="-" in (first, second))
    options = CompareOptions(labels=named, overwrite=overwrite, encoder=encoder, **values)
    from vidcolor.pipeline.compare.make import compare  # brings torch and PyAV

    bar = wants_bar(progress, quiet)
    with CompareReporter(bar=bar, quiet=quiet, verbose=False, events=events) as reporter:
        reporter.start(first=first, second=second, output=str(target), layout=options.layout)
        reporter.made(
            compare(first, second, target, options, notify=reporter.notify, progress=reporter.progress)
        )


def _pair_of(labels: str | None) -> tuple[str, str] | None:
    if labels is None:
        return None
    if not labels.strip():
        return "", ""
    one, comma, other = labels.partition(",")
    if not comma or "," in other:
        raise UsageError(f"--labels takes two words with a comma between them, not {labels!r}.")
    return one.strip(), other.strip()


class CompareReporter(RunReporter):
    """Reports on the making of a comparison."""

    def made(self, summary: CompareSummary) -> None:
        """The last word when all went well."""
        self._close_bar()
        if self._events:
            emit_json(event="done", **summary.to_dict())
        text = (
            f"{counted(summary.frames, 'frame')} ({float(summary.length):.1f} s,"
            f" {summary.width}x{summary.height}) in {summary.seconds:.1f} s"
            f" -> {printable(str(summary.output))}"
        )
        self.say(f"{text}; left out: {', '.join(summary.left_out)}" if summary.left_out else text)
