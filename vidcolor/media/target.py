"""The file being made: a temporary name beside the final one, and the moves between them."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import av.error
from av.container import InputContainer

from vidcolor.errors import OutputError, UsageError

__all__ = [
    "LONGEST_NAME",
    "Target",
    "refuse_own_source",
    "refuse_target",
    "same_file",
    "write_file",
    "writing",
]

LONGEST_NAME = 255
"""Bytes of a file name on the common file systems."""


def same_file(a: str | os.PathLike[str], b: str | os.PathLike[str]) -> bool:
    """Whether two paths lead to one file, through links too; False where one of them does not exist."""
    try:
        return os.path.samefile(a, b)
    except OSError:
        return os.path.realpath(a) == os.path.realpath(b)


def refuse_own_source(path: str | os.PathLike[str], source: InputContainer) -> None:
    """Checks that a result is not written over the film it is made of.

    Raises:
        UsageError: it would be.
    """
    name = source.name.removeprefix("file:")
    same = _is_standard_input(path) if name == "fd:" else os.path.exists(name) and same_file(path, name)
    if same:
        raise UsageError(f"{Path(path)} is the input itself; name another file for the result.")


def refuse_target(path: str | os.PathLike[str], *, overwrite: bool) -> None:
    """Checks that a result can be written where it should be; changes nothing. Raises as :class:`Target`."""
    Target(path, overwrite=overwrite)


def _is_standard_input(path: str | os.PathLike[str]) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(0))
    except OSError:
        return False


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns what libav and the system raise while ``path`` is written into one ``OutputError``."""
    try:
        yield
    except (av.error.FFmpegError, OSError) as error:
        raise OutputError(_sentence(path, error)) from error


def _sentence(path: Path, error: Exception) -> str:
    number = getattr(error, "errno", None)
    if number in (errno.ENOSPC, errno.EDQUOT):
        return f"The disk is full: {path} could not be finished."
    if number == errno.EFBIG:
        return f"{path} has grown larger than this disk or user may hold."
    if number in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"The folder {path.parent} may not be written to."
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return f"{path} could not be written: {reason}."


class Target:
    """Where the result will be, and the temporary file it is made in.

    A symbolic link is followed, so that the file it points to is replaced and the link stays.
    """

    final: Path
    temporary: Path

    def __init__(self, path: str | os.PathLike[str], *, overwrite: bool, folder: Path | None = None) -> None:
        """Checks the place.

        Args:
            path: where the result will be.
            overwrite: whether a file of that name is replaced.
            folder: for the temporary file, on the same disk, for this result alone; None: the result's own.

        Raises:
            OutputError: the file exists and ``overwrite`` is not set, or the folder cannot take it.
            UsageError: the path is not one a film can be written to.
        """
        self.named = Path(path)
        self.final = Path(os.path.realpath(path))
        self.overwrite = overwrite
        self._check()
        if folder is not None:
            self.temporary = folder / f"film{self.final.suffix}"
            return
        mark = f".part-{secrets.token_hex(2)}{self.final.suffix}"
        room = LONGEST_NAME - len(os.fsencode(mark)) - 1
        stem = os.fsdecode(os.fsencode(self.final.stem)[:room])
        self.temporary = self.final.with_name(f".{stem}{mark}")

    def _check(self) -> None:
        folder = self.final.parent
        if self.final.is_dir():
            raise UsageError(f"{self.named} is a folder; name a file in it.")
        if not folder.is_dir():
            raise OutputError(f"The folder {folder} does not exist.")
        if self.final.exists() and not self.final.is_file():
            raise UsageError(f"{self.named} is not a plain file; a film cannot be moved into its place.")
        if self.final.exists() and not self.overwrite:
            raise OutputError(f"{self.named} exists already; use -y to overwrite it.")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise OutputError(f"The folder {folder} may not be written to.")

    def commit(self) -> None:
        """Moves the finished file to its final name.

        Raises:
            OutputError: another file took the name meanwhile; the result is kept beside it.
        """
        with writing(self.final):
            if self.final.exists() and not self.overwrite:
                kept = self._free_name()
                os.replace(self.temporary, kept)
                raise OutputError(
                    f"{self.named} has appeared meanwhile and was left alone; the result is in {kept}."
                )
            os.replace(self.temporary, self.final)

    def _free_name(self) -> Path:
        number = 1
        while (name := self.final.with_stem(f"{self.final.stem}-{number}")).exists():
            number += 1
        return name

    def discard(self) -> None:
        """Removes the temporary file; nothing happens when there is none."""
        with suppress(OSError):
            self.temporary.unlink()


def write_file(path: Path, data: bytes, *, overwrite: bool) -> None:
    """A file that fits into memory, whole or not at all.

    Whether it may be there was asked before it was made: see :func:`refuse_target`.

    Raises:
        OutputError: it cannot be written; or, without ``overwrite``, another file took the name meanwhile,
            and this one is kept beside it.
    """
    place = Target(path, overwrite=True)
    place.overwrite = overwrite
    try:
        with writing(path):
            place.temporary.write_bytes(data)
        place.commit()
    except BaseException:
        place.discard()
        raise
