"""``vidcolor build-dataset``: make a training set of films and pictures."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from vidcolor.cli.console import (
    Console,
    common_options,
    emit_json,
    progress_option,
    quiet_option,
    wants_bar,
)
from vidcolor.cli.reporter import Reporter, make_bar
from vidcolor.cli.types import TIME, Number, setting
from vidcolor.datasets.options import REASONS, BuildOptions, BuildProgress, BuildSummary
from vidcolor.wording import counted, printable

__all__ = ["BuildReporter", "command"]

ANY = "any"


class _Size(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.3 on
    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | None:
        if value in (None, ANY):
            return None
        try:
            side = int(value)
        except ValueError:
            self.fail(f"{value!r} is neither a number of pixels nor {ANY!r}", param, ctx)
        if side < 16:
            self.fail(f"{side} is not a size from 16 on", param, ctx)
        return side


FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command("build-dataset", short_help="Make a training set of films and pictures.")
@click.argument("inputs", metavar="INPUT...", nargs=-1, required=True, type=click.Path(path_type=str))
@click.option("-o", "--output", required=True, type=click.Path(path_type=str), help="The folder to make.")
@click.option("-y", "--yes", is_flag=True, help="Overwrite a training set that is there.")
@setting(
    BuildOptions,
    "stride",
    "--stride",
    type=click.IntRange(min=1),
    metavar="N",
    help="Take every N-th frame of a film.",
)
@setting(
    BuildOptions,
    "every",
    "--every",
    type=TIME,
    metavar="TIME",
    help="Take a frame each time this much has passed.  [default: 0.5s]",
)
@setting(
    BuildOptions,
    "per_shot",
    "--per-shot",
    type=click.IntRange(min=1),
    metavar="N",
    help="Take N frames of each shot, at even distances.",
)
@setting(
    BuildOptions,
    "size",
    "--size",
    type=_Size(),
    metavar="N|any",
    help="Side of the square crops, in pixels; any: whole pictures.",
)
@setting(
    BuildOptions,
    "resize",
    "--resize",
    type=click.IntRange(min=16),
    metavar="N",
    help="Short side of the picture before it is cropped.  [default: 8/7 of --size]",
)
@setting(
    BuildOptions,
    "crops",
    "--crops",
    type=click.IntRange(min=1),
    metavar="N",
    help="Random crops of each frame.",
)
@setting(
    BuildOptions,
    "limit",
    "--limit",
    type=click.IntRange(min=1),
    metavar="N",
    help="Pictures in all, drawn evenly from everything.",
)
@setting(BuildOptions, "seed", "--seed", type=int, help="What crops, limit and split are drawn with.")
@setting(BuildOptions, "test_share", "--test-share", type=Number(0), help="Share held out for testing.")
@setting(
    BuildOptions,
    "split",
    "--split",
    help="Hold out whole shots, whole films, or single pictures at random as the papers do: leaky, because "
    "nearly the same picture is then trained on and tested with.",
)
@setting(
    BuildOptions,
    "split_file",
    "--split-file",
    type=FILE,
    help="A published split: lines 'NAME train|test', or Oxford's .mat.",
)
@setting(BuildOptions, "train_list", "--train-list", type=FILE, help="A published split: names to train on.")
@setting(BuildOptions, "test_list", "--test-list", type=FILE, help="A published split: names to test with.")
@setting(
    BuildOptions,
    "labels",
    "--labels/--no-labels",
    help="Sub-folders name classes.  [default: those of pictures do, those of films do not]",
)
@setting(
    BuildOptions, "dark", "--dark", type=Number(0), help="Leave out frames with less mean luma (0 to 255)."
)
@setting(
    BuildOptions, "flat", "--flat", type=Number(0), help="Leave out frames whose luma varies less than this."
)
@setting(
    BuildOptions,
    "colorfulness",
    "--colourfulness",
    "--colorfulness",
    type=Number(0),
    help="Leave out pictures less colourful (0 grey, 15 slightly, 59 quite).",
)
@setting(
    BuildOptions,
    "tint",
    "--tint",
    type=Number(0),
    help="Leave out pictures whose colour differs less from a tint, such as sepia; 0 keeps all.",
)
@setting(
    BuildOptions,
    "duplicate",
    "--duplicates",
    type=Number(0),
    help="Leave out frames that differ less from one taken before; 0 keeps all.",
)
@setting(BuildOptions, "fades", "--fades/--no-fades", help="Keep frames in fades and dissolves.")
@setting(BuildOptions, "borders", "--borders/--no-borders", help="Find black borders and cut them off.")
@setting(BuildOptions, "deinterlace", "--deinterlace", help="Turn fields into frames.")
@setting(BuildOptions, "format", "--format", help="Of the pictures; jpg is a third as large.")
@progress_option
@quiet_option
@common_options
@click.pass_obj
def command(console: Console, /, inputs: tuple[str, ...], output: str, **values: Any) -> None:
    """Make a training set of INPUTs: films, pictures, and folders of them.

    Frames that teach nothing are left out: black, plain, colourless or fading ones, and those nearly
    the same as one taken before. What is held out for testing is held out by whole shots.

    \b
    vidcolor build-dataset episode*.mp4 -o set/
    vidcolor build-dataset films/ -o set/ --per-shot 3 --size any --resize 480
    vidcolor build-dataset lfw/ -o faces/ --train-list train.txt --test-list test.txt --size 64
    """
    quiet, progress = values.pop("quiet"), values.pop("progress")
    bar = wants_bar(progress, quiet)
    with BuildReporter(bar=bar, quiet=quiet, events=values.pop("as_json")) as reporter:
        options = BuildOptions(overwrite=values.pop("yes"), **values)
        from vidcolor.datasets.build import build_dataset  # brings torch and PyAV

        reporter.start(inputs, output, options)
        summary = build_dataset(inputs, output, options, notify=reporter.notify, progress=reporter.progress)
        reporter.done(summary)


class BuildReporter(Reporter):
    """Reports on the making of a set; arguments as for :class:`Reporter`.

    ``part_of``: a longer command's, whose events have names of their own: "set-progress" and "set-done".
    """

    def __init__(self, *, bar: bool, quiet: bool, events: bool, part_of: bool = False) -> None:
        super().__init__(bar=bar, quiet=quiet, events=events)
        self._prefix = "set-" if part_of else ""
        self._shown = ""

    def start(self, inputs: tuple[str, ...], output: str, options: BuildOptions) -> None:
        """Says what is about to be done."""
        if self._events:
            emit_json(event="start", inputs=list(inputs), output=output, **options.to_dict())

    def progress(self, progress: BuildProgress) -> None:
        """Called for every frame that is looked at."""
        if self._bar_wanted:
            self._draw(progress)
        if self._event_is_due():
            emit_json(
                event=f"{self._prefix}progress",
                **{f.name: getattr(progress, f.name) for f in fields(progress)},
            )

    def done(self, summary: BuildSummary) -> None:
        """The last word of a build that went well."""
        self._close_bar()
        if self._events:
            emit_json(event=f"{self._prefix}done", **summary.to_dict())
        self.say(_sentence(summary))
        if summary.left_out:
            counts = sorted(summary.left_out.items(), key=lambda item: -item[1])
            self.say("left out: " + ", ".join(f"{count} {REASONS[reason]}" for reason, count in counts))

    def _draw(self, progress: BuildProgress) -> None:
        """A bar for each film; a count where there is no length."""
        whole = progress.length is None
        shown = "" if whole else progress.source
        if self._bar is None or shown != self._shown:
            self._close_bar()
            self._shown = shown
            self._bar = _make_bar(progress, whole)
        self._bar.set_postfix_str(counted(progress.pictures, "picture"), refresh=False)
        reached = float(progress.number) if whole else min(progress.seconds, progress.length or 0.0)
        self._bar.update(reached - self._bar.n)


def _make_bar(progress: BuildProgress, whole: bool) -> Any:
    of_film = "{desc} |{bar}| {percentage:.0f} %, {remaining} left{postfix}"
    return make_bar(
        total=progress.sources if whole else progress.length,
        desc="pictures" if whole else f"{progress.number}/{progress.sources} {printable(progress.source)}",
        bar_format="{desc} {n:.0f}/{total:.0f} |{bar}| {remaining} left{postfix}" if whole else of_film,
    )


def _sentence(summary: BuildSummary) -> str:
    from_where = f"{counted(summary.sources, 'source')}, {counted(summary.shots, 'shot')}"
    labels = f", {counted(len(summary.labels), 'label')}" if summary.labels else ""
    pictures = f"{counted(summary.train, 'picture')} to train on and {summary.test} to test with"
    return (
        f"{pictures}, of {from_where}{labels}, in {summary.seconds:.1f} s -> {printable(str(summary.output))}"
    )
