"""The folder being made: a temporary name beside the final one, and the move between them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vidcolor.errors import OutputError, UsageError
from vidcolor.media.target import LONGEST_NAME, writing

__all__ = ["folder_made"]


@contextmanager
def folder_made(
    path: str | os.PathLike[str], check_content: Callable[[Path], None], *, purpose: str
) -> Iterator[Path]:
    """A folder ``.NAME.PID.part`` beside ``path``: takes its place when all goes well, is else removed.

    Args:
        path: where the folder will be. A symbolic link is followed.
        check_content: gets the folder that is there, if it holds anything; raises if it may not be replaced.
        purpose: said to whoever names a file.

    Raises:
        UsageError: ``path`` is a file.
        OutputError: the folder cannot be made or moved, or the disk is full.
    """
    final = Path(os.path.realpath(path))

    def check() -> None:
        _check_place(final)
        if final.exists() and not final.is_dir():
            raise UsageError(f"{Path(path)} is a file; {purpose}.")
        if final.exists() and any(final.iterdir()):
            check_content(final)

    check()
    mark = f".{os.getpid()}.part"
    name = os.fsdecode(os.fsencode(final.name)[: LONGEST_NAME - len(mark) - 1])
    working = final.with_name(f".{name}{mark}")
    with writing(final):
        shutil.rmtree(working, ignore_errors=True)  # of a process that had our number and was killed
        working.mkdir()
    try:
        yield working
        check()  # something may have appeared meanwhile
        with writing(final):
            _replace(working, final)
    except BaseException:
        shutil.rmtree(working, ignore_errors=True)
        raise


def _check_place(final: Path) -> None:
    if not final.parent.is_dir():
        raise OutputError(f"The folder {final.parent} does not exist.")
    if not os.access(final.parent, os.W_OK | os.X_OK):
        raise OutputError(f"The folder {final.parent} may not be written to.")


def _replace(working: Path, final: Path) -> None:
    """A folder cannot be moved onto a full one, so the old one steps aside first, and back if that fails."""
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
