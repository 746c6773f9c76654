"""``vidcolor train``: from colour pictures to a model."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from vidcolor.cli.build_dataset import BuildReporter
from vidcolor.cli.console import (
    common_options,
    emit_json,
    progress_option,
    quiet_option,
    wants_bar,
)
from vidcolor.cli.train_progress import TrainReporter
from vidcolor.cli.types import DURATION, KEY_VALUE
from vidcolor.errors import UsageError
from vidcolor.wording import printable

if TYPE_CHECKING:
    from vidcolor.training.options import Recipe

__all__ = ["command"]

OF_FILMS = "episode"
"""The recipe of a run that is given films and no other."""


@click.command("train", short_help="Train a model.")
@click.argument("inputs", metavar="[FILM]...", nargs=-1, type=click.Path(path_type=str))
@click.option(
    "-r",
    "--recipe",
    metavar="NAME|FILE",
    help="A recipe's name (see --list-recipes) or a TOML file.  [default: episode for FILMs; with --resume: "
    "the run's own]",
)
@click.option(
    "-d",
    "--data",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A set made by 'vidcolor build-dataset', or a folder of pictures; repeatable.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="The .safetensors file to write; curves, samples and checkpoint go to a .training folder beside it.",
)
@click.option(
    "-s",
    "--set",
    "changes",
    multiple=True,
    type=KEY_VALUE,
    help="Change a value of the recipe, as in optimizer.rate=2e-4; repeatable.",
)
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint.")
@click.option(
    "--time-limit",
    type=DURATION,
    help="End after this long (55m, 8h), with weights and a checkpoint; as --set run.time_limit=MINUTES. "
    "Recipes whose rate falls over time (episode, carried) count earlier starts, all others this one.",
)
@click.option("--steps", type=click.IntRange(min=1), help="Steps in all; as --set run.steps=N.")
@click.option("--seed", type=click.IntRange(min=0), help="Of everything random; as --set run.seed=N.")
@click.option(
    "--device",
    default="auto",
    show_default=True,
    metavar="auto|cpu|cuda[:N]|mps",
    help="Where the network is trained.",
)
@click.option("-y", "--yes", is_flag=True, help="Replace an older output and an older run.")
@click.option("--list-recipes", is_flag=True, help="List the recipes that come with vidcolor.")
@progress_option
@quiet_option
@common_options
def command(
    inputs: tuple[str, ...],
    recipe: str | None,
    data: tuple[Path, ...],
    output: Path | None,
    changes: tuple[tuple[str, str], ...],
    list_recipes: bool,
    as_json: bool,
    progress: bool | None,
    quiet: bool,
    **options: Any,
) -> None:
    """Train a model on colour pictures, as a recipe says.

    Of FILMs in colour (or pictures, or folders of both) a set is made first, as 'vidcolor build-dataset'
    does, in the .training folder; sets are taken as they are.

    \b
    vidcolor train episode*.mp4 -o bob.safetensors
    vidcolor train --recipe unet --data set/ -o mine.safetensors

    Ctrl-C ends it after the running step with a checkpoint, from which --resume goes on. Several GPUs or
    processes: torchrun --nproc-per-node N -m vidcolor train ...
    """
    if list_recipes:
        _list_recipes(as_json)
        return
    films = [path for path in inputs if not _is_set(path)]
    data = (*data, *(Path(path) for path in inputs if _is_set(path)))
    if not (data or films or options["resume"]):
        raise UsageError("Nothing to train without a film or --data; see 'vidcolor train --help'.")
    if output is None:
        raise UsageError("Nothing to train without --output; see 'vidcolor train --help'.")
    for name in ("time_limit", "steps", "seed"):
        if options[name] is not None:
            changes = (*changes, (f"run.{name}", _toml(options[name])))
    if recipe is None and films and not options["resume"]:
        recipe = OF_FILMS
    made = _recipe(recipe, output, changes, resume=options["resume"])
    first = os.environ.get("RANK", "0") == "0"  # of torchrun's processes one speaks
    told = {
        "bar": first and wants_bar(progress, quiet),
        "quiet": quiet or not first,
        "events": as_json and first,
    }
    given = {path.resolve() for path in data}
    made_of_films = _of_films(films, list(data), made, output, told, options)
    everything = [*data, *(path for path in made_of_films if path.resolve() not in given)]
    if not everything:
        raise UsageError("Nothing to go on with without --data; see 'vidcolor train --help'.")
    _train(made, everything, output, TrainReporter(**told), options)


def _is_set(path: str) -> bool:
    from vidcolor.datasets.manifest import DATASET

    return (Path(path) / DATASET).exists()


def _of_films(
    films: list[str],
    data: list[Path],
    recipe: Recipe,
    output: Path,
    told: dict[str, bool],
    options: dict[str, Any],
) -> list[Path]:
    """The set of the films that were given, or of those the run was given that goes on; none without any."""
    if not (films or options["resume"]):
        return []
    from vidcolor.datasets.manifest import open_set
    from vidcolor.pipeline.device import choose_device
    from vidcolor.training.films import make_set, set_made
    from vidcolor.training.folder import WorkFolder

    folder = WorkFolder(output, recipe)
    if options["resume"]:
        found = set_made(films, folder)
        return [] if found is None else [found]
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UsageError("Several processes train on sets; 'vidcolor build-dataset' makes one of films.")
    # What would be found out only once the set is made.
    choose_device(options["device"])
    folder.check(resume=False, overwrite=options["yes"])
    for path in data:
        if folder.holds(path):
            raise UsageError(
                f"{str(path)!r} would be replaced by the films' set; move it, or name another --output."
            )
        open_set(path, test_share=recipe.data.test_share)
    with BuildReporter(**told, part_of=True) as reporter:
        reporter.done(
            make_set(films, folder, recipe.data, notify=reporter.notify, progress=reporter.progress)
        )
    return [folder.set]


def _toml(value: int | Fraction) -> str:
    """A whole number as it is; a time in minutes."""
    return str(value) if isinstance(value, int) else repr(float(value / 60))


def _recipe(name: str | None, output: Path, changes: tuple[tuple[str, str], ...], *, resume: bool) -> Recipe:
    """The recipe that was asked for, or that of the run that goes on."""
    from vidcolor.training.options import load_recipe

    if name is not None:
        return load_recipe(name, changes)
    if not resume:
        raise UsageError("Give a --recipe; 'vidcolor train --list-recipes' shows what there is.")
    from vidcolor.training.loop import recipe_of_run

    return recipe_of_run(output, changes)


def _train(
    recipe: Recipe, data: list[Path], output: Path, reporter: TrainReporter, options: dict[str, Any]
) -> None:
    from vidcolor.training.loop import train  # brings torch

    with _stopping(reporter) as (stop, received):
        with reporter:
            outcome = train(
                recipe,
                data,
                output,
                resume=options["resume"],
                device=options["device"],
                overwrite=options["yes"],
                notify=reporter.notify,
                progress=reporter.progress,
                stop=stop,
            )
        reporter.done(outcome)
    if outcome.reason == "stopped":
        number = received[0]
        raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)


@contextmanager
def _stopping(reporter: TrainReporter) -> Iterator[tuple[threading.Event, list[int]]]:
    """An event that the first Ctrl-C or SIGTERM sets, and the signal's number; the second acts at once."""
    stop, received = threading.Event(), list[int]()
    if threading.current_thread() is not threading.main_thread():  # Python allows handlers there only
        yield stop, received
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def take(number: int, _: FrameType | None) -> None:
        received.append(number)
        signal.signal(number, before[signal.Signals(number)])
        stop.set()
        reporter.say("ending after this step, with a checkpoint; once more to end now")

    for number, handler in before.items():
        if handler != signal.SIG_IGN:
            signal.signal(number, take)
    try:
        yield stop, received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _list_recipes(as_json: bool) -> None:
    from vidcolor.training.options import list_recipes, load_recipe

    rows = [(name, load_recipe(name).summary) for name in list_recipes()]
    if as_json:
        emit_json(recipes=[{"name": name, "summary": summary} for name, summary in rows])
        return
    width = max(len(name) for name, _ in rows)
    for name, summary in rows:
        click.echo(f"{name:{width}}  {printable(summary)}")
