"""A training set on disk, and a folder of pictures read as one.

A set is a folder::

    dataset.json        settings, counts, labels, the prior over the ab bins; written last
    manifest.jsonl      one JSON object a picture
    train/ test/        the pictures
    contact-sheet.png   a look at them
    colour-histogram.png
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vidcolor.datasets.sources import find_pictures, has_films
from vidcolor.datasets.split import SplitLists, draw_order
from vidcolor.errors import InputError
from vidcolor.frames import NOTHING_KNOWN, Metadata

__all__ = [
    "DATASET",
    "FORMAT",
    "MANIFEST",
    "Picture",
    "PictureSet",
    "open_set",
]

DATASET, MANIFEST = "dataset.json", "manifest.jsonl"
FORMAT = 1
"""Version of the layout; a reader refuses what is newer."""
_PARTS = {"train": "train", "test": "test", "val": "train", "valid": "train", "validation": "train"}
"""Folders of a set that is split already. A validation part is drawn from the training part anyway."""
_GONE = "does not exist; a training set is a folder"
_OF_FILMS = "'vidcolor build-dataset' makes a set of films, and so does 'vidcolor train FILM'"
"""For who gives the films themselves."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture of a set."""

    path: Path
    split: str
    """"train" or "test"."""
    label: str | None = None
    metadata: Metadata = NOTHING_KNOWN
    source: str = ""
    """The film or file it comes from."""
    shot: int | None = None
    """Number of the shot in its film."""


@dataclass(frozen=True, slots=True)
class PictureSet:
    """Pictures to train on and pictures to test with."""

    root: Path
    train: tuple[Picture, ...]
    test: tuple[Picture, ...]
    labels: tuple[str, ...]
    """All labels there are, sorted."""
    prior: list[float] | None
    """Share of each of the 313 ab bins in the training pictures' pixels; None: nobody counted."""


def open_set(
    path: str | os.PathLike[str],
    *,
    test_share: float = 0.1,
    seed: int = 0,
    split_file: str | os.PathLike[str] | None = None,
) -> PictureSet:
    """Opens a set that ``build-dataset`` made, or a plain folder of pictures.

    Of a plain folder: ``train`` and ``test`` sub-folders, or ``split_file``, give the split; else
    ``test_share`` is drawn with ``seed``. Sub-folders are labels where pictures lie in them. ``test_share``
    and ``seed`` do nothing to a built set.

    Raises:
        InputError: it is not there, half-made, damaged, of a newer vidcolor, or holds too few pictures.
    """
    root = Path(path)
    if not root.is_dir():
        what = f"is not a folder, and a training set is one; {_OF_FILMS}" if root.exists() else _GONE
        raise InputError(f"{root} {what}.")
    if os.path.exists(root / DATASET):
        found = _built(root)
    elif os.path.exists(root / MANIFEST):
        raise InputError(f"{root} is half a training set: it has no {DATASET}; build it again.")
    else:
        found = _plain(root, test_share, seed, SplitLists.read(split_file) if split_file else None)
    if len(found.train) < 2:
        count = f"{len(found.train)} training picture{'s' * (len(found.train) != 1)}"
        hint = f"; {_OF_FILMS}" if has_films(root) else ""
        raise InputError(f"{root} has {count}, too few to train on{hint}.")
    return found


def _built(root: Path) -> PictureSet:
    head = _read_json(root / DATASET)
    if not isinstance(head, dict) or not isinstance(head.get("format"), int):
        raise InputError(f"{root / DATASET} is not of a training set of vidcolor's.")
    if head["format"] > FORMAT:
        raise InputError(f"{root} was made by a newer vidcolor ({head.get('version', 'unknown')}).")
    pictures = list(_manifest(root))
    missing = [picture.path.name for picture in pictures if not picture.path.is_file()]
    if missing:
        raise InputError(f"{root} lacks {len(missing)} of its {len(pictures)} pictures: {missing[0]}, ….")
    return _of(root, pictures, head.get("prior"))


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}.") from None


def _manifest(root: Path) -> Iterator[Picture]:
    path = root / MANIFEST
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}.") from None
    for number, line in enumerate(lines, 1):
        try:
            yield _picture(root, json.loads(line))
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path} is damaged in line {number}: {error}.") from None


def _picture(root: Path, entry: Mapping[str, Any]) -> Picture:
    if entry["split"] not in ("train", "test"):
        raise ValueError(f"split {entry['split']!r} is neither train nor test")
    return Picture(
        path=root / entry["file"],
        split=entry["split"],
        label=entry.get("label"),
        metadata=Metadata(**entry.get("metadata", {})),
        source=entry.get("source", ""),
        shot=entry.get("shot"),
    )


def _plain(root: Path, test_share: float, seed: int, lists: SplitLists | None) -> PictureSet:
    pictures = [_unsplit(root, path) for path in find_pictures(root)]
    tops = {path.name for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")}
    if lists is not None:
        named = ((picture, lists.part_of(picture.source)) for picture in pictures)
        pictures = [replace(picture, split=part) for picture, part in named if part]
    elif {"train", "test"} <= tops <= set(_PARTS):
        pictures = [_in_part(root, picture) for picture in pictures if picture.label in _PARTS]
    else:
        held = set(
            draw_order([picture.source for picture in pictures], seed)[: round(len(pictures) * test_share)]
        )
        pictures = [replace(p, split="test" if n in held else "train") for n, p in enumerate(pictures)]
    return _of(root, pictures, None)


def _unsplit(root: Path, path: Path) -> Picture:
    inside = path.relative_to(root)
    label = inside.parts[0] if len(inside.parts) > 1 else None
    return Picture(path, "train", label, source=inside.as_posix())


def _in_part(root: Path, picture: Picture) -> Picture:
    """A picture of a folder with ``train`` and ``test`` in it: labels are one level down."""
    part, *inside = picture.path.relative_to(root).parts
    return replace(picture, split=_PARTS[part], label=inside[0] if len(inside) > 1 else None)


def _of(root: Path, pictures: Iterable[Picture], prior: list[float] | None) -> PictureSet:
    pictures = list(pictures)
    parts = {part: tuple(p for p in pictures if p.split == part) for part in ("train", "test")}
    labels = tuple(sorted({p.label for p in pictures if p.label is not None}))
    return PictureSet(root, parts["train"], parts["test"], labels, prior)
