"""What a training set is made of: the films and pictures that the inputs name."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vidcolor.errors import InputError
from vidcolor.media.endings import FILMS

__all__ = ["FILMS", "PICTURES", "Source", "find_pictures", "find_sources", "has_films"]

PICTURES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".ppm"})

Notify = Callable[[str], None]

_OF_A_SET = ("dataset.json", "manifest.jsonl")


@dataclass(frozen=True, slots=True)
class Source:
    """One film or picture."""

    path: Path
    name: str
    """What the set calls it: its path below the input folder, or its file name."""
    is_film: bool
    named: bool
    """Named itself, not found in a folder: what is wrong with it is then an error."""
    label: str | None
    """The first of the sub-folders it was found in."""


def find_sources(inputs: Sequence[str | os.PathLike[str]], notify: Notify | None = None) -> list[Source]:
    """All films and pictures of some files and folders, in an order that is the same everywhere.

    Args:
        inputs: their paths.
        notify: gets one sentence for each sub-folder that cannot be read and is left out; None: that is an
            error, too.

    Raises:
        InputError: an input is not there, cannot be read, or holds neither film nor picture.
    """
    found: dict[Path, Source] = {}
    for given in map(Path, inputs):
        for source in _of_input(given, notify):
            found.setdefault(source.path.resolve(), source)
    return _with_clear_names(list(found.values()))


def find_pictures(folder: Path) -> list[Path]:
    """The pictures of a folder and its sub-folders, sorted by their path in it."""
    return [path for path in _files(folder) if path.suffix.lower() in PICTURES]


def has_films(folder: Path) -> bool:
    """Whether a folder or its sub-folders hold films."""
    return any(path.suffix.lower() in FILMS for path in _files(folder))


def _of_input(given: Path, notify: Notify | None) -> list[Source]:
    if not given.exists():
        raise InputError(f"{given} does not exist.")
    if not given.is_dir():
        is_film = given.suffix.lower() not in PICTURES
        return [Source(given, given.name, is_film, True, None)]
    sources = []
    for path in _files(given, notify):
        ending = path.suffix.lower()
        if ending in FILMS or ending in PICTURES:
            inside = path.relative_to(given)
            label = inside.parts[0] if len(inside.parts) > 1 else None
            sources.append(Source(path, inside.as_posix(), ending in FILMS, False, label))
    if not sources:
        raise InputError(f"The folder {given} holds neither films nor pictures.")
    return sources


def _files(folder: Path, notify: Notify | None = None) -> Iterator[Path]:
    """Files below a folder, without hidden ones (a set that is being made) and sets made before.

    Raises InputError where it cannot be read, or, without ``notify``, a folder in it.
    """
    try:
        entries = sorted(folder.iterdir(), key=lambda path: path.name)
    except OSError as error:
        raise InputError(f"The folder {folder} cannot be read: {error.strerror}.") from None
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if os.path.isdir(entry) and not all(os.path.exists(entry / name) for name in _OF_A_SET):
            try:
                yield from _files(entry, notify)
            except InputError as error:
                if notify is None:
                    raise
                notify(f"{str(error)[:-1]}; it is left out.")
        elif os.path.isfile(entry):
            yield entry


def _with_clear_names(sources: list[Source]) -> list[Source]:
    """The same, where two would be called alike called by as much of their path as tells them apart."""
    counts = Counter(source.name for source in sources)
    clear = []
    for source in sources:
        name, rest = source.name, source.path.resolve().parts
        depth = len(Path(name).parts)
        while counts[source.name] > 1 and depth < len(rest):
            depth += 1
            name = "/".join(rest[-depth:])
            if _is_only(name, depth, source, sources):
                break
        clear.append(Source(source.path, name, source.is_film, source.named, source.label))
    return clear


def _is_only(name: str, depth: int, source: Source, sources: list[Source]) -> bool:
    return not any(
        other is not source and "/".join(other.path.resolve().parts[-depth:]) == name
        for other in sources
        if other.name == source.name
    )
