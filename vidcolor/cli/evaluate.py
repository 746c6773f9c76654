"""``vidcolor evaluate``: measure a model or a result."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from vidcolor.cli.console import common_options, emit_json, progress_option, quiet_option, wants_bar
from vidcolor.cli.progress import RunReporter
from vidcolor.cli.run import STDIN, film_range, measured_coloring_options
from vidcolor.cli.types import TIME, setting
from vidcolor.errors import OutputError, UsageError
from vidcolor.evaluation.options import EvaluateOptions
from vidcolor.pipeline.options import RunOptions

if TYPE_CHECKING:
    from vidcolor.evaluation.outcome import Outcome

__all__ = ["command"]

PAGE = "index.html"
_OF_FILMS = (
    "start",
    "end",
    "anchor_every",
    "anchors",
    "hints",
    "reference",
    "smooth",
    "stream",
    "deinterlace",
)
"""Options that say nothing of pictures."""
_OF_MODELS = (
    "anchor_every", "anchors", "hints", "reference", "smooth", "label", "saturation", "device", "precision",
    "backend", "batch_size", "network_size", "read",
)  # fmt: skip
"""Options that say nothing where nothing is coloured."""


@click.command("evaluate", short_help="Measure how good a model or a result is.")
@click.argument("source", metavar="INPUT", type=click.Path(path_type=str, allow_dash=True, readable=False))
@click.option(
    "--truth",
    metavar="FILM|DIR",
    type=click.Path(path_type=str),
    help="The same in true colour, which INPUT, a result, is compared with.",
)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write all figures as JSON, or, where FILE ends in .md, a table in Markdown.",
)
@click.option(
    "--report",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help=f"Write a page to look at, {PAGE}, into this folder; it needs nothing else.",
)
@click.option("-y", "--yes", is_flag=True, help="Overwrite what is there.")
@setting(
    EvaluateOptions,
    "size",
    "--size",
    type=click.IntRange(min=16),
    help="Short side of the pictures that are measured, in pixels, at most.",
)
@setting(
    EvaluateOptions,
    "every",
    "--every",
    type=TIME,
    metavar="TIME",
    show_default="0.5s",
    help="Of a film, how far apart the frames are that are compared one by one.",
)
@setting(EvaluateOptions, "split", "--split", help="Which part of a data set.")
@setting(
    EvaluateOptions,
    "limit",
    "--limit",
    type=click.IntRange(min=1),
    metavar="N",
    help="Pictures at most, drawn.  [default: all]",
)
@setting(EvaluateOptions, "seed", "--seed", type=click.IntRange(min=0), help="Of all that is drawn.")
@measured_coloring_options
@progress_option
@quiet_option
@common_options
@click.pass_context
def command(
    context: click.Context,
    /,
    source: str,
    truth: str | None,
    output: Path | None,
    report: Path | None,
    yes: bool,
    **values: Any,
) -> None:
    """Measure a model, or a result.

    \b
    vidcolor evaluate set/ --model bob.safetensors        a model on a data set or a folder of pictures
    vidcolor evaluate colour.mp4 --model default          a model on a film in colour
    vidcolor evaluate result.mp4 --truth colour.mp4       a result beside its truth; folders of pictures too
    vidcolor evaluate result.mp4                          a result alone: stillness, colour, jumps

    A model is given the pictures or the film in grey and colours them as "vidcolor run" does; what it says
    is compared with what they were. Figures come as a table, as JSON (-o, --json) and as a page (--report).
    """
    film_range(values)
    quiet, progress, events = (values.pop(name) for name in ("quiet", "progress", "as_json"))
    own = {name: values.pop(name) for name in ("size", "every", "split", "limit", "seed")}
    options = EvaluateOptions(**own, pictures=report is not None)
    run = RunOptions(**values)
    if output is not None and output.suffix.lower() in (".html", ".htm"):
        raise UsageError("-o writes JSON, or a table in Markdown; --report DIR writes a page.")
    way = _way(context, source, truth)
    page = None if report is None else _page_of(report)
    for path in filter(None, (output, page)):
        _refuse(path, yes, (source, truth))
    with _Reporter(wants_bar(progress, quiet), quiet, events) as reporter:
        outcome = _evaluated(way, source, truth, run, options, reporter)
        written: list[Path] = []
        try:
            for path in filter(None, (output, page)):
                _write(path, _document(outcome, path), overwrite=yes)
                written.append(path)
        finally:  # a full disk does not cost the figures
            reporter.show(outcome, written)


def _way(context: click.Context, source: str, truth: str | None) -> str:
    """What is measured: "set", "folders", "model", "pair" or "result".

    Raises:
        UsageError: what was asked for does not go together.
    """
    asked = {
        name
        for name in context.params
        if context.get_parameter_source(name) not in (ParameterSource.DEFAULT, None)
    }
    modelled = "model" in asked
    if source == STDIN:
        raise UsageError("evaluate reads a file or a folder, not stdin.")
    if truth is not None and modelled:
        raise UsageError(
            "--truth compares a result that is there already; --model makes one. Give one of them."
        )
    folder = Path(source).is_dir()
    if (
        truth is not None
        and folder != Path(truth).is_dir()
        and Path(truth).exists()
        and Path(source).exists()
    ):
        raise UsageError("INPUT and --truth must both be films, or both folders of pictures.")
    if folder:
        _refuse_options(asked, _OF_FILMS, "a film's; INPUT is a folder of pictures")
        return "set" if truth is None else "folders"
    if truth is None and modelled:
        return "model"
    _refuse_options(asked, _OF_MODELS, "a model's; give --model to measure one")
    return "result" if truth is None else "pair"


def _refuse_options(asked: set[str], names: tuple[str, ...], why: str) -> None:
    for name in names:
        if name in asked:
            given = {"start": "ss", "end": "to"}.get(name, name.replace("_", "-"))
            raise UsageError(f"--{given} is {why}.")


def _page_of(folder: Path) -> Path:
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{str(folder)!r} is a file; --report takes a folder.")
    return folder / PAGE


def _refuse(path: Path, yes: bool, inputs: tuple[str | None, ...]) -> None:
    """Before anything is measured: what must not or cannot be written."""
    if path.is_dir():
        raise UsageError(f"{str(path)!r} is a folder; name a file.")
    if any(given and Path(given).exists() and path.exists() and path.samefile(given) for given in inputs):
        raise UsageError(f"{str(path)!r} is an input; name another file.")
    if path.exists() and not yes:
        raise OutputError(f"{str(path)!r} exists; give -y to overwrite it.")
    folder = path.parent
    made = folder.parent if path.name == PAGE and not folder.exists() else folder
    if not made.is_dir():
        raise OutputError(f"The folder {made} does not exist.")
    if not os.access(made, os.W_OK | os.X_OK):
        raise OutputError(f"The folder {made} may not be written to.")


def _evaluated(
    way: str,
    source: str,
    truth: str | None,
    run: RunOptions,
    options: EvaluateOptions,
    reporter: _Reporter,
) -> Outcome:
    from vidcolor.evaluation import film, pictures  # bring torch and PyAV

    told: dict[str, Any] = {"notify": reporter.notify, "progress": reporter.progress}
    if way == "set":
        return pictures.evaluate_set(source, run, options, **told)
    if way == "folders":
        return pictures.evaluate_folders(source, truth or "", options, **told)
    if way == "model":
        return film.evaluate_model(source, run, options, **told)
    if way == "pair":
        return film.evaluate_pair(source, truth or "", run, options, **told)
    return film.evaluate_result(source, run, options, **told)


def _document(outcome: Outcome, path: Path) -> str:
    if path.name == PAGE:
        from vidcolor.evaluation.page import page

        return page(outcome)
    if path.suffix.lower() == ".md":
        from vidcolor.evaluation.table import markdown

        return markdown(outcome.data)
    return json.dumps(outcome.data, indent=1) + "\n"


def _write(path: Path, text: str, *, overwrite: bool) -> None:
    from vidcolor.media.target import write_file  # brings PyAV

    made = path.name == PAGE and not path.parent.exists()
    if made:
        path.parent.mkdir()
    try:
        write_file(path, text.encode("utf-8", "backslashreplace"), overwrite=overwrite)
    except BaseException:
        if made:
            with suppress(OSError):
                path.parent.rmdir()
        raise


class _Reporter(RunReporter):
    """Reports on an evaluation; the figures themselves are what stdout is for."""

    def __init__(self, bar: bool, quiet: bool, events: bool) -> None:
        super().__init__(bar=bar, quiet=quiet, verbose=False, events=events)

    def show(self, outcome: Outcome, written: list[Path]) -> None:
        """The figures, and where they were written."""
        from vidcolor.evaluation.table import text

        self._close_bar()
        if self._events:
            emit_json(event="done", **outcome.data, written=[str(path) for path in written])
        else:
            click.echo(text(outcome.data))
        for path in written:
            self.say(f"written: {path}")
