"""``vidcolor run``: colour one film."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from vidcolor.cli.console import (
    Console,
    common_options,
    is_terminal,
    progress_option,
    quiet_option,
    wants_bar,
    write,
)
from vidcolor.cli.progress import RunReporter
from vidcolor.cli.types import KEY_VALUE, TIME, CountOrOff, Number, setting
from vidcolor.errors import OutputError, UsageError
from vidcolor.pipeline.options import LEAST_SIZE, EncoderOptions, RunOptions
from vidcolor.wording import printable

__all__ = [
    "STDIN",
    "coloring_options",
    "command",
    "comparing_options",
    "complete_model",
    "encoding_options",
    "film_range",
    "may_overwrite",
    "measured_coloring_options",
    "output_file",
    "previewing_options",
    "take_encoder",
]

STDIN = "-"

Command = TypeVar("Command", bound=Callable[..., Any])


def complete_model(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Models whose names begin so, for the shell; else files."""
    from vidcolor.models import list_models

    names = ["default", *(entry.name for entry in list_models() if not entry.needs_weights)]
    matching = [CompletionItem(name) for name in names if name.startswith(incomplete)]
    return matching or [CompletionItem(incomplete, type="file")]


_RANGE = (
    click.option("--ss", "start", type=TIME, help="Start at this time of the input."),
    click.option("--to", "end", type=TIME, help="Stop at this time of the input."),
    click.option("-t", "duration", type=TIME, help="Stop after this much of the input."),
)
_MODEL = (
    setting(
        RunOptions,
        "model",
        "--model",
        metavar="NAME|FILE",
        shell_complete=complete_model,
        help="A model's name (see 'vidcolor models') or a weights file.",
    ),
    setting(
        RunOptions,
        "read",
        "--read",
        metavar="KEY=VALUE",
        multiple=True,
        type=KEY_VALUE,
        help="How the model's answers become colour, where not as its file says: decoding=annealed,"
        " temperature=0.3 or top=3 where it chooses among bins, smoothing=0 for cgan, looks=2 for unet;"
        " repeatable.",
    ),
)
_NETWORK = (
    setting(RunOptions, "device", "--device", metavar="auto|cpu|cuda[:N]|mps", help="Where it runs."),
    setting(RunOptions, "precision", "--precision", help="What the network computes in."),
    setting(
        RunOptions,
        "backend",
        "--backend",
        help="What computes the network; compile: made faster first, for a while; openvino: on the CPU.",
    ),
    setting(
        RunOptions,
        "network_size",
        "--network-size",
        type=click.IntRange(min=LEAST_SIZE),
        help="Short side of the picture the network sees, in pixels.",
    ),
)
_BATCH = (
    setting(
        RunOptions,
        "batch_size",
        "--batch-size",
        type=click.IntRange(min=1),
        help="Frames the network gets at once.  [default: found by itself]",
    ),
)
_ANCHORS = (
    setting(
        RunOptions,
        "anchor_every",
        "--anchor-every",
        metavar="N|off",
        type=CountOrOff(),
        help="Frames, on average, to one the network colours and motion carries on, 1.5 N at most;"
        " off: it colours all.",
    ),
)
_WORDS = (
    setting(
        RunOptions,
        "anchors",
        "--anchors",
        metavar="DIR",
        type=click.Path(path_type=str),
        help="Anchors that 'vidcolor anchors' wrote and somebody painted on; what was painted is obeyed.",
    ),
    setting(
        RunOptions,
        "hints",
        "--hints",
        metavar="FILE",
        type=click.Path(path_type=str),
        help='Colours at points, as JSON: [{"time": 1.5, "x": 40, "y": 30, "color": "#8b1a1a"}].',
    ),
    setting(
        RunOptions,
        "reference",
        "--reference",
        metavar="PICTURE",
        multiple=True,
        type=click.Path(path_type=str),
        help="A picture of the same place, people or things, which gives them its colours; repeatable.",
    ),
)
_COLOR = (
    setting(
        RunOptions,
        "label",
        "--label",
        metavar="NAME",
        help="What the film is of, for a model trained with labels.",
    ),
    setting(
        RunOptions,
        "saturation",
        "--saturation",
        type=Number(0),
        help="Factor on the network's colours; 0 is grey.",
    ),
)
_STREAM = (
    setting(
        RunOptions,
        "stream",
        "--stream",
        type=click.IntRange(min=0),
        help="Number of the video stream to colour (see 'vidcolor info').  [default: the best one]",
    ),
)
_READING = (
    setting(
        RunOptions,
        "deinterlace",
        "--deinterlace",
        help="Turn fields into frames; off: keep them, and say so in the result where the encoder can.",
    ),
    setting(
        RunOptions,
        "max_pixels",
        "--max-pixels",
        metavar="N",
        type=click.IntRange(min=1),
        help="Refuse films whose pictures have more pixels; headers may claim more than memory holds.",
    ),
)
_COLORING = (*_RANGE, *_MODEL, *_NETWORK, *_BATCH, *_ANCHORS, *_WORDS, *_COLOR, *_STREAM, *_READING)
_PREVIEWING = (*_RANGE, *_NETWORK, *_ANCHORS, *_COLOR, *_STREAM, *_READING)


_OWN_COLOR = (
    setting(
        RunOptions,
        "keep_colour",
        "--keep-colour",
        help="Shots that pass as they are; auto: those in colour; on: all not plainly grey; off: none.",
    ),
)
_SMOOTHING = (
    setting(
        RunOptions,
        "smooth",
        "--smooth",
        metavar="0..1",
        type=Number(0),
        help="How far flicker is taken out of carried colour; 0: not at all.",
    ),
)
_ENCODING = (
    setting(
        EncoderOptions,
        "codec",
        "-c:v",
        "--codec",
        metavar="NAME",
        help="Encoder, in ffmpeg's words.  [default: libx264 where the container holds it]",
    ),
    setting(EncoderOptions, "crf", "--crf", type=Number(0), help="Quality of the encoder; lower is better."),
    setting(EncoderOptions, "preset", "--preset", metavar="NAME", help="Speed of the encoder."),
    setting(EncoderOptions, "pix_fmt", "--pix-fmt", metavar="NAME", help="Pixel format to encode."),
    setting(
        EncoderOptions,
        "extra",
        "-e",
        multiple=True,
        type=KEY_VALUE,
        help="Another encoder option; repeatable.",
    ),
)
_KEEPING = (
    setting(
        RunOptions,
        "parts",
        "--parts/--no-parts",
        help="Make films in parts, kept beside the output: the same command goes on after a stop.",
    ),
    setting(
        RunOptions,
        "keep_work",
        "--keep-work/--no-keep-work",
        help="Keep the parts of a finished film: with other hints or anchors only some are made again.",
    ),
)


def coloring_options(function: Command) -> Command:
    """What part of a film is coloured, and how: the options of every command that colours."""
    return _with((*_COLORING, *_OWN_COLOR), function)


def measured_coloring_options(function: Command) -> Command:
    """The same where all of a film is coloured, and nothing encoded."""
    return _with((*_COLORING, *_SMOOTHING), function)


def previewing_options(function: Command) -> Command:
    """Those of them that single frames can be coloured by; the model is not among them."""
    return _with((*_PREVIEWING, *_OWN_COLOR), function)


def encoding_options(function: Command) -> Command:
    """How a film is smoothed, encoded and kept safe: the options of every command that colours one."""
    return _with((*_SMOOTHING, *_ENCODING, *_KEEPING), function)


def comparing_options(function: Command) -> Command:
    """What part of films is read, and how a film is encoded."""
    return _with((*_RANGE, *_READING, *_ENCODING), function)


def _with(options: Sequence[Callable[[Command], Command]], function: Command) -> Command:
    for option in reversed(options):
        function = option(function)
    return function


def take_encoder(values: dict[str, Any]) -> EncoderOptions:
    """Takes the encoder's options out of a command's values."""
    return EncoderOptions(**{field.name: values.pop(field.name) for field in fields(EncoderOptions)})


@click.command("run", short_help="Colour a film.")
@click.argument("source", metavar="INPUT", type=click.Path(path_type=str, allow_dash=True, readable=False))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=str),
    help="The film to write, or a folder to write it to.  [default: NAME.color.EXT beside the input; .mkv "
    "where that is not .mp4, .m4v, .mov or .webm]",
)
@click.option("-y", "--yes", is_flag=True, help="Overwrite the output without asking.")
@click.option("-n", "--no-overwrite", is_flag=True, help="Never overwrite the output.")
@coloring_options
@encoding_options
@click.option("--restart", is_flag=True, help="Throw away what an earlier run left, and begin anew.")
@progress_option
@click.option("-v", "--verbose", is_flag=True, help="Say more.")
@quiet_option
@common_options
@click.pass_obj
def command(console: Console, /, source: str, output: str | None, **values: Any) -> None:
    """Colour the black-and-white film INPUT ("-" is stdin).

    The picture keeps its luma, its times, its size and its tags; sound, subtitles, chapters and
    whatever else the film holds are copied.
    """
    film_range(values)
    _refuse_contradictions(values)
    quiet, progress = values.pop("quiet"), values.pop("progress")
    bar = wants_bar(progress, quiet)
    reporter = RunReporter(bar=bar, quiet=quiet, verbose=values.pop("verbose"), events=values.pop("as_json"))
    encoder = take_encoder(values)
    target = output_file(source, output, encoder.codec)
    yes, no = values.pop("yes"), values.pop("no_overwrite")
    overwrite = yes or may_overwrite(source, target, never=no)
    _colorize(source, target, RunOptions(encoder=encoder, overwrite=overwrite, **values), reporter)


def film_range(values: dict[str, Any]) -> None:
    """Puts --ss, --to and -t together; refuses what cannot all be meant."""
    start, end, duration = values["start"], values["end"], values.pop("duration")
    if end is not None and duration is not None:
        raise UsageError("--to and -t exclude each other.")
    if end is not None and end <= (start or 0):
        raise UsageError("--to must be later than --ss." if start else "--to must be later than 0.")
    if duration == 0:
        raise UsageError("-t must be longer than 0.")
    if duration is not None:
        values["end"] = (start or 0) + duration


def _refuse_contradictions(values: dict[str, Any]) -> None:
    """Options that cannot both be meant."""
    for one, other in (("yes", "no_overwrite"), ("quiet", "verbose")):
        if values[one] and values[other]:
            raise UsageError(f"--{one} and --{other.replace('_', '-')} exclude each other.")


def output_file(source: str, output: str | None, codec: str | None, word: str = "color") -> Path:
    """The film to write; ``word``: what its name has that the source's has not."""
    if output == STDIN:
        raise UsageError("A film cannot be written to stdout; give -o the name of a file.")
    if output is not None and not Path(output).is_dir():
        if output.endswith(("/", os.sep)):  # which a Path forgets
            raise OutputError(f"The folder {output} does not exist.")
        return Path(output)
    if source == STDIN or "://" in source:
        raise UsageError("The input is not a file, so the output needs a name; give one with -o.")
    from vidcolor.pipeline.names import default_output  # brings PyAV

    beside = default_output(Path(source), codec, word)
    return beside if output is None else Path(output) / beside.name


def may_overwrite(source: str, target: Path, *, never: bool) -> bool:
    """Whether the output may replace what is there; asks where somebody can answer."""
    if not target.exists() or target.is_dir() or _same(source, target):
        return False  # nothing to lose, or the run refuses for a reason more to the point
    if not never and source != STDIN and is_terminal(sys.stdin):
        write(f"vidcolor: overwrite {printable(str(target))}? [y/N] ")
        if sys.stdin.readline().strip().lower() in ("y", "yes"):
            return True
    raise OutputError(f"{str(target)!r} exists; give -y to overwrite it, or another name with -o.")


def _same(source: str, target: Path) -> bool:
    return source != STDIN and Path(source).exists() and target.samefile(source)


def _colorize(source: str, target: Path, options: RunOptions, reporter: RunReporter) -> None:
    from vidcolor.pipeline.run import colorize  # brings torch and PyAV

    facts = {"model": options.model, "device": options.device, "codec": options.encoder.codec}
    with reporter:
        reporter.start(input=source, output=str(target), **facts)
        summary = colorize(source, target, options, notify=reporter.notify, progress=reporter.progress)
        reporter.done(summary)
