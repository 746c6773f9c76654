"""Files that are written aside and renamed: whoever looks finds the old one or the new one, whole."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from vidcolor.errors import OutputError

__all__ = ["write_aside"]


def write_aside(path: Path, write: Callable[[Path], object]) -> None:
    """Has a file written under a temporary name beside its own and renames it into place.

    Raises:
        OutputError: that failed; nothing is left of the attempt.
    """
    stem = path.stem[:48]  # what is added must not make the name too long
    temporary = path.with_name(f".{stem}.{os.getpid()}.part{path.suffix}")
    try:
        write(temporary)
        temporary.replace(path)
    except (OSError, RuntimeError) as error:  # torch wraps what its file says in a RuntimeError
        raise OutputError(f"{str(path)!r} cannot be written: {_reason(error)}.") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _reason(error: BaseException) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return str(error).splitlines()[0].rstrip(".")
