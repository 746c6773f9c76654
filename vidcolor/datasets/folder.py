"""The folder being made: a temporary name beside the final one, and the move between them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vidcolor.datasets.manifest import DATASET
from vidcolor.errors import OutputError, UsageError
from vidcolor.media.target import writing

__all__ = ["folder_in_the_making"]


@contextmanager
def folder_in_the_making(path: str | os.PathLike[str], *, overwrite: bool) -> Iterator[Path]:
    """A folder ``.NAME.PID.part`` beside ``path``: takes its place when all goes well, is else removed.

    Raises:
        UsageError: something is at ``path`` and ``overwrite`` is not set, or it is no training set.
        OutputError: the folder cannot be made or moved, or the disk is full.
    """
    final = Path(os.path.realpath(path))
    _check(Path(path), final, overwrite)
    working = final.with_name(f".{final.name}.{os.getpid()}.part")
    with writing(final):
        shutil.rmtree(working, ignore_errors=True)  # of a process that had our number and was killed
        working.mkdir()
    try:
        yield working
        _check(Path(path), final, overwrite)  # something may have appeared meanwhile
        with writing(final):
            _replace(working, final)
    except BaseException:
        shutil.rmtree(working, ignore_errors=True)
        raise


def _check(named: Path, final: Path, overwrite: bool) -> None:
    if not final.parent.is_dir():
        raise OutputError(f"The folder {final.parent} does not exist.")
    if not os.access(final.parent, os.W_OK | os.X_OK):
        raise OutputError(f"The folder {final.parent} may not be written to.")
    if not final.exists():
        return
    if not final.is_dir():
        raise UsageError(f"{named} is a file; a training set is a folder.")
    if not any(final.iterdir()):
        return
    if not (final / DATASET).exists():
        raise UsageError(f"{named} is a folder with something else than a training set in it; name another.")
    if not overwrite:
        raise UsageError(f"{named} exists already; use -y to overwrite it.")


def _replace(working: Path, final: Path) -> None:
    """A folder cannot be moved onto a full one, so the old set steps aside first, and back if that fails."""
    old = working.with_suffix(".old")
    if final.exists():
        os.rename(final, old)
    try:
        os.rename(working, final)
    except BaseException:
        with suppress(OSError):
            os.rename(old, final)
        raise
    shutil.rmtree(old, ignore_errors=True)
