"""Films that a run is given itself: they become a training set in its working folder."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from vidcolor.datasets.build import build_dataset
from vidcolor.datasets.manifest import DATASET, open_set
from vidcolor.datasets.options import BuildOptions, BuildProgress, BuildSummary
from vidcolor.datasets.sources import find_sources
from vidcolor.errors import InputError, UsageError
from vidcolor.training.folder import WorkFolder
from vidcolor.training.options import DataOptions

__all__ = ["make_set", "set_made"]


def make_set(
    films: Sequence[str | os.PathLike[str]],
    folder: WorkFolder,
    data: DataOptions,
    *,
    notify: Callable[[str], None] = lambda sentence: None,
    progress: Callable[[BuildProgress], None] = lambda progress: None,
) -> BuildSummary:
    """Makes the set of a run that begins: whole pictures, so large that samples are hardly ever enlarged.

    Args:
        films: in colour; or pictures, or folders of both.
        folder: of the run. A set that is there is replaced.
        data: what samples the run will take.
        notify, progress: as :func:`vidcolor.datasets.build.build_dataset`.

    Raises:
        VidcolorError: as that.
    """
    # Of films of 4:3 and wider ones.
    short_side = math.ceil(max(min(data.size), 3 / 4 * max(data.size)) / data.scale[0])
    options = BuildOptions(size=None, resize=short_side, overwrite=True)
    with folder.making_set():
        return build_dataset(films, folder.set, options, notify=notify, progress=progress)


def set_made(films: Sequence[str | os.PathLike[str]], folder: WorkFolder) -> Path | None:
    """The set of a run that goes on; None where it had none and is given none.

    Raises:
        InputError: there is none, or it cannot be read.
        UsageError: it is of other films than these.
    """
    if not folder.set.exists() and not films:
        return None
    if not folder.set.exists():
        raise InputError(f"{str(folder.path)!r} holds no set of films to go on with; start over with -y.")
    if films:
        open_set(folder.set)  # says what is wrong with it
        known = json.loads((folder.set / DATASET).read_text(encoding="utf-8"))["sources"]
        found = find_sources(films, lambda sentence: None)  # it was told when the set was made
        names = {source.name for source in found if source.is_film}
        if names != set(known["films"]) or len(found) - len(names) != known["files"]:
            where = f"The run in {str(folder.path)!r} is of other films"
            raise UsageError(f"{where}; go on without naming any, or start over with -y.")
    return folder.set
