"""The films of a batch: what files, folders, patterns and lists name, and what a result is called."""

from __future__ import annotations

import glob
import os
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from vidcolor.errors import InputError
from vidcolor.media.endings import FILMS
from vidcolor.pipeline.names import default_output, fitted

__all__ = ["NO_FILE", "Film", "Found", "Stamp", "alike", "find_films", "names_for", "read_list"]

_MADE = ".color"
"""What ``default_output`` puts between a name and its ending."""
_UNFINISHED = (".part", ".partial", ".tmp", ".temp")
"""Ends of the stem of what other programs have not finished yet."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """What tells that a file is still the one it was."""

    size: int
    """In bytes."""
    mtime_ns: int
    """Time of the last change, in nanoseconds since 1970."""

    @classmethod
    def of(cls, path: str | os.PathLike[str]) -> Stamp | None:
        """Of a file as it is now; None: there is none."""
        try:
            found = os.stat(path)
        except OSError:
            return None
        return cls(found.st_size, found.st_mtime_ns)


NO_FILE = Stamp(-1, -1)
"""What no file has."""


@dataclass(frozen=True, slots=True)
class Film:
    """One film to colour."""

    path: str
    """As it was named, or found below what was named."""
    real: str
    """Absolute and without links: the same for one file, however it was named."""
    place: PurePath
    """Where it lay below the folder that was named, with its own name."""


@dataclass(slots=True)
class Found:
    """What inputs hold."""

    films: list[Film] = field(default_factory=list)
    """Each once, in an order that is the same everywhere."""
    barren: list[str] = field(default_factory=list)
    """Folders and patterns that hold no film, though all of them could be read."""
    unread: dict[str, str] = field(default_factory=dict)
    """Folders that cannot be read, and why."""


def read_list(data: bytes) -> list[str]:
    """The paths in a list: one a line, or each ended by NUL as ``find -print0`` writes them.

    >>> read_list(b"a.mp4\\r\\nb c.mp4\\n")
    ['a.mp4', 'b c.mp4']
    """
    if b"\0" in data:
        lines = data.split(b"\0")
    else:
        lines = [line.removesuffix(b"\r") for line in data.split(b"\n")]
    return [os.fsdecode(line) for line in lines if line]


def find_films(inputs: Sequence[str], listed: Sequence[str], output: Path) -> Found:
    """All films that are named.

    In folders: what ends as films do, without what is hidden, unfinished, or made by vidcolor. A file that
    is named itself may be called anything, and need not be there.

    Args:
        inputs: files, folders and patterns, as a shell's but with ``**`` for any folders.
        listed: files and folders.
        output: the folder results go to; nothing in it is taken for a film unless it was named.
    """
    home = os.path.realpath(output)
    found = Found()
    films: dict[str, Film] = {}
    for number, given in enumerate((*inputs, *listed)):
        is_pattern = number < len(inputs) and glob.has_magic(given) and not os.path.lexists(given)
        unread: dict[str, str] = {}
        held = list((_matching if is_pattern else _named)(given, home, unread))
        for film in held:
            films.setdefault(film.real, film)
        if not held and not unread:
            found.barren.append(given)
        found.unread |= unread
    found.films = list(films.values())
    return found


def _named(given: str, home: str, unread: dict[str, str]) -> Iterator[Film]:
    if os.path.isdir(given):
        yield from _below(given, given, home, unread)
    else:
        yield _film(given, PurePath(PurePath(given).name))


def _matching(pattern: str, home: str, unread: dict[str, str]) -> Iterator[Film]:
    """What a pattern matches, placed below the folder that the pattern names before its first mark."""
    plain = []
    for part in Path(pattern).parts[:-1]:
        if glob.has_magic(part):
            break
        plain.append(part)
    base = os.path.join("", *plain)
    ending = PurePath(pattern).suffix
    wanted = FILMS if glob.has_magic(ending) or not ending else {*FILMS, ending.lower()}
    for path in sorted(glob.glob(pattern, recursive=True)):
        if os.path.isdir(path):
            # "**" matches folders too; what is in them is matched by itself.
            if not pattern.endswith(("**", "/")):
                yield from _below(path, base, home, unread)
        elif _is_wanted(path, home, wanted) and not _within(os.path.realpath(path), home):
            yield _film(path, PurePath(os.path.relpath(path, base or ".")))
    for path in _looked_into(pattern):
        try:
            os.scandir(path).close()
        except OSError as error:  # which glob passes over
            if not _within(os.path.realpath(path), home):
                unread[os.path.normpath(path)] = str(error.strerror)


def _looked_into(pattern: str) -> Iterator[str]:
    """The folders whose names a pattern is compared with."""
    parts = Path(pattern).parts
    for number, part in enumerate(parts):
        if glob.has_magic(part):
            above = os.path.join("", *parts[: number + (part == "**")], "")
            yield from glob.glob(above, recursive=True) if above else ["."]


def _below(folder: str, base: str, home: str, unread: dict[str, str]) -> Iterator[Film]:
    """The films of a folder and its sub-folders, by path; ``unread`` gets those that cannot be read."""

    def cannot(error: OSError) -> None:
        unread[os.path.normpath(error.filename)] = str(error.strerror)

    # Who names the folder of the results, or one in it, means the films there.
    inside = _within(os.path.realpath(folder), home)
    for at, folders, files in os.walk(folder, onerror=cannot):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and (inside or os.path.realpath(os.path.join(at, name)) != home)
        )
        for name in sorted(files):
            path = os.path.join(at, name)
            if _is_wanted(path, home, FILMS):
                yield _film(path, PurePath(os.path.relpath(path, base or ".")))


def _is_wanted(path: str, home: str, endings: frozenset[str] | set[str]) -> bool:
    """Whether a file that was found, not named, is a film to colour."""
    name = PurePath(path)
    if name.suffix.lower() not in endings or name.name.startswith((".", "~")):
        return False
    stem = name.stem.lower()
    return not stem.endswith((_MADE, *_UNFINISHED)) and os.path.isfile(path)


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(os.path.join(folder, ""))


def _film(path: str, place: PurePath) -> Film:
    return Film(path, os.path.realpath(path), place)


def names_for(film: Film, codec: str | None) -> Iterator[str]:
    """What its result may be called below the output folder, best first, without end.

    >>> names = names_for(Film("a/b.avi", "/x/a/b.avi", PurePath("b.avi")), None)
    >>> [next(names) for _ in range(3)]
    ['b.color.mkv', 'b.avi.color.mkv', 'b.avi-2.color.mkv']

    Raises:
        InputError: it has no name at all.
    """
    if not film.place.name or film.place.name == "..":
        raise InputError(f"{film.path!r} names no file.")
    plain = default_output(Path(film.place), codec)
    yield plain.as_posix()
    # The stem's end stays as vidcolor's results end, so that none is ever taken for a film.
    yield plain.with_name(fitted(film.place.name, f"{_MADE}{plain.suffix}")).as_posix()
    number = 2
    while True:
        yield plain.with_name(fitted(film.place.name, f"-{number}{_MADE}{plain.suffix}")).as_posix()
        number += 1


def alike(name: str) -> str:
    """The same for names that some file system takes for one."""
    return unicodedata.normalize("NFC", name).casefold()
