"""The folder of a training set being made."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from pathlib import Path

from vidcolor.datasets.manifest import DATASET
from vidcolor.errors import UsageError
from vidcolor.media.folder import folder_made

__all__ = ["folder_in_the_making"]


def folder_in_the_making(path: str | os.PathLike[str], *, overwrite: bool) -> AbstractContextManager[Path]:
    """As :func:`vidcolor.media.folder.folder_made`.

    Raises:
        UsageError: something is at ``path`` and ``overwrite`` is not set, or it is no training set.
        OutputError: the folder cannot be made or moved, or the disk is full.
    """

    def check(final: Path) -> None:
        if not (final / DATASET).exists():
            raise UsageError(
                f"{Path(path)} is a folder with something else than a training set in it; name another."
            )
        if not overwrite:
            raise UsageError(f"{Path(path)} exists already; use -y to overwrite it.")

    return folder_made(path, check, purpose="a training set is a folder")
