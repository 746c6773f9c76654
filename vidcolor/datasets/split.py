"""Which pictures are held out: drawn by whole shots, or as a published list says."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np

from vidcolor.datasets.sources import PICTURES
from vidcolor.errors import InputError

__all__ = ["SplitLists", "draw_order", "hold_out", "seeded"]

_WORDS = {
    "train": "train", "training": "train", "trn": "train", "val": "train", "valid": "train",
    "validation": "train", "dev": "train", "test": "test", "testing": "test", "tst": "test",
}  # fmt: skip
"""What split files call the parts; a published validation part goes to training, which draws its own."""

_FLOWERS = {
    "trn1": ("train", 4), "val1": ("train", 4), "tst1": ("test", 4),
    "trnid": ("train", 5), "valid": ("train", 5), "tstid": ("test", 5),
}  # fmt: skip
"""Arrays of picture numbers in the split files of the Oxford flowers: the part, and how many digits there are
in names (image_0001 of 17 kinds, image_00001 of 102)."""


def seeded(*parts: Hashable) -> int:
    """A number of 64 bits that depends on these values alone, on every machine."""
    digest = hashlib.sha256("\0".join(map(str, parts)).encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "little")


def draw_order(names: Sequence[str], seed: int) -> list[int]:
    """Indices of the names in an order drawn by name, so that a new one does not mix up the others."""
    return sorted(range(len(names)), key=lambda n: (seeded(seed, names[n]), names[n]))


def hold_out(groups: Sequence[Hashable], share: float, seed: int) -> list[bool]:
    """Which pictures are held out, given the group (shot, film) of each: whole groups, drawn, with about
    ``share`` of the pictures; at least one group where there are two, and never all."""
    sizes = Counter(groups)
    target = share * len(groups)
    if not target or len(sizes) < 2:
        return [False] * len(groups)
    drawn = list(sizes)
    np.random.default_rng(seed).shuffle(drawn)
    held: set[Hashable] = set()
    count = 0
    for group in drawn:
        if count + sizes[group] <= target + 0.5 and len(held) < len(sizes) - 1:
            held.add(group)
            count += sizes[group]
    nearest = min((g for g in drawn if g not in held), key=lambda g: abs(count + sizes[g] - target))
    nearer = abs(count + sizes[nearest] - target) < abs(count - target)
    if not held or (nearer and len(held) < len(sizes) - 1):
        held.add(nearest)
    return [group in held for group in groups]


@dataclass(slots=True)
class SplitLists:
    """A published split: names, and the part each belongs to.

    A name may be the picture's path in its folder, its file name, either without its ending, or the name
    of a folder it lies in (a person's, in LFW).
    """

    parts: dict[str, str] = field(default_factory=dict)
    called: set[str] = field(default_factory=set)
    """Names that :meth:`part_of` has found a picture for."""

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> SplitLists:
        """Reads lines "NAME train" and "NAME test" (or the other way round; commas and tabs do as well), or
        the ``.mat`` file of the Oxford flowers (17 and 102)."""
        lists = cls()
        if Path(path).suffix.lower() == ".mat":
            for name, part in _flowers(Path(path)):
                lists._add(name, part, path)
            return lists
        for number, line in _lines(Path(path)):
            words = re.split(r"[\s,;]+", line)
            if len(words) > 1 and words[-1].lower() in _WORDS:
                name, part = line[: -len(words[-1])], words[-1]
            elif len(words) > 1 and words[0].lower() in _WORDS:
                name, part = line[len(words[0]) :], words[0]
            else:
                raise InputError(f"{path}, line {number}: it should be NAME and train or test.")
            lists._add(name.strip(" \t,;"), _WORDS[part.lower()], path)
        return lists

    @classmethod
    def read_lists(
        cls, train: str | os.PathLike[str] | None, test: str | os.PathLike[str] | None
    ) -> SplitLists:
        """Reads a list of training names and one of test names; further columns do not matter."""
        lists = cls()
        for path, part in ((train, "train"), (test, "test")):
            lines = [line for _, line in _lines(Path(path))] if path else []
            if lines and lines[0] == str(len(lines) - 1):
                del lines[0]  # LFW's lists begin with the number of lines
            for line in lines:
                lists._add(_first_column(line), part, path or "")
        return lists

    def _add(self, name: str, part: str, path: str | os.PathLike[str]) -> None:
        name = name.removeprefix("./").strip("/")
        if self.parts.setdefault(name, part) != part:
            raise InputError(f"{path}: {name} is in both parts of the split.")

    def part_of(self, name: str) -> str | None:
        """ "train", "test", or None where no list names the picture with this path in its folder."""
        path = PurePosixPath(name)
        names = (name, str(path.with_suffix("")), path.name, path.stem, *map(str, path.parents))
        for called in (*names, *path.parts[:-1]):
            if called in self.parts:
                self.called.add(called)
                return self.parts[called]
        return None

    @property
    def missing(self) -> list[str]:
        """Names that no picture was asked about so far."""
        return [name for name in self.parts if name not in self.called]


def _first_column(line: str) -> str:
    """The name in a line of a list; names may hold spaces where columns are told apart otherwise."""
    name, *more = re.split(r"[\t,;]", line)
    first = name.split()[0]
    is_column = not more and PurePosixPath(first).suffix.lower() in PICTURES
    return first if is_column else name.strip()


def _flowers(path: Path) -> list[tuple[str, str]]:
    """Names of pictures and their part; of the three splits of 17 kinds, the first."""
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        with path.open("rb") as file:
            arrays = loadmat(file)
    except (OSError, ValueError, TypeError, NotImplementedError, MatReadError) as error:
        reason = getattr(error, "strerror", None) or "it is not a MATLAB file of version 7 or older"
        raise InputError(f"The split file {path} cannot be read: {reason}.") from None
    found = [
        (f"image_{int(number):0{digits}}", part)
        for name, (part, digits) in _FLOWERS.items()
        for number in np.ravel(arrays.get(name, ()))
    ]
    if {part for _, part in found} != {"train", "test"}:
        raise InputError(f"The split file {path} has not the arrays of the Oxford flowers' splits.")
    return found


def _lines(path: Path) -> list[tuple[int, str]]:
    """Numbers and texts of the lines that say anything."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise InputError(f"The split file {path} cannot be read: {reason}.") from None
    stripped = ((number, line.strip()) for number, line in enumerate(text.splitlines(), 1))
    lines = [(number, line) for number, line in stripped if line and not line.startswith("#")]
    if not lines:
        raise InputError(f"The split file {path} is empty.")
    return lines
