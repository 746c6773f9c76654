"""Every choice of a training set, in one frozen dataclass, and what was made of them.

Defaults live here and nowhere else. Imports nothing heavy: the command line reads its defaults here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from vidcolor.errors import UsageError

__all__ = ["DEFAULT_EVERY", "REASONS", "BuildOptions", "BuildProgress", "BuildSummary"]

REASONS = {
    "fading": "in a fade or dissolve",
    "dark": "black or nearly so",
    "flat": "nearly without contrast",
    "colourless": "nearly without colour, or of one tint",
    "duplicate": "nearly the same as one taken before",
    "unlisted": "in no split list",
    "unreadable": "unreadable",
    "limit": "over the limit",
}
"""Why a frame or picture is left out: the word in ``dataset.json``, and what it means."""

DEFAULT_EVERY = Fraction(1, 2)
"""Seconds between frames where neither stride nor number is given."""
ROOM = Fraction(8, 7)
"""Short side before cropping over the crop's, where it is not given (256 for crops of 224)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOptions:
    """How films and pictures become a training set."""

    stride: int | None = None
    """Every so many frames one is taken."""
    every: Fraction | None = None
    """Seconds from one frame taken to the next."""
    per_shot: int | None = None
    """Frames taken of each shot, at even distances."""
    size: int | None = 224
    """Side of the square crops, in pixels; None: whole pictures of any shape."""
    resize: int | None = None
    """Short side before cropping, in pixels; None: 8/7 of ``size``, and as it is for whole pictures."""
    crops: int = 1
    """Crops a frame."""
    test_share: float = 0.2
    """Share of the pictures that is held out, 0 to below 1."""
    split: Literal["shot", "film", "leaky"] = "shot"
    """What is held out as a whole: shots, films, or single pictures at random, as the papers do, where
    nearly the same picture may be on both sides."""
    split_file: Path | None = None
    """A published split: lines "NAME train" or "NAME test"."""
    train_list: Path | None = None
    """A published split: names of training pictures, a line each."""
    test_list: Path | None = None
    limit: int | None = None
    """Pictures in all, drawn evenly from everything."""
    seed: int = 0
    dark: float = 12.0
    """Frames with a mean luma below this are left out (0 to 255)."""
    flat: float = 6.0
    """Frames whose luma has a standard deviation below this are left out (0 to 255)."""
    colorfulness: float = 5.0
    """Pictures less colourful than this are left out (Hasler and Süsstrunk's M)."""
    tint: float = 1.5
    """Pictures whose chroma lies nearer to a tint are left out (root mean square in codes of 8 bits)."""
    duplicate: float = 2.0
    """Frames that differ from one taken before by less than this are left out (mean, luma 0 to 255)."""
    fades: bool = False
    """Keep frames in fades and dissolves."""
    borders: bool = True
    """Find black borders and cut them off."""
    deinterlace: Literal["auto", "on", "off"] = "auto"
    labels: bool | None = None
    """Sub-folders name classes; None: those of pictures do, those of films do not."""
    format: Literal["jpg", "png"] = "jpg"
    """jpg: quality 95 with full chroma (4:4:4)."""
    overwrite: bool = False
    least: int = 10
    """Pictures below which there is no set."""

    def __post_init__(self) -> None:
        if self.every is not None:
            object.__setattr__(self, "every", Fraction(self.every))
        self._check_one_of("stride", "every", "per_shot")
        least_of = {"stride": 1, "per_shot": 1, "size": 16, "resize": 16, "crops": 1, "limit": 1}
        for name, least in least_of.items():
            value = getattr(self, name)
            if value is not None and value < least:
                raise UsageError(f"{name.replace('_', '-')} must be at least {least}, not {value}.")
        if self.every is not None and self.every <= 0:
            raise UsageError(f"every must be longer than 0 seconds, not {float(self.every):g}.")
        if not 0 <= self.test_share < 1:
            raise UsageError(f"The test share must be at least 0 and below 1, not {self.test_share:g}.")
        if self.size is not None and self.resize is not None and self.resize < self.size:
            raise UsageError(f"Crops of {self.size} do not fit pictures resized to {self.resize}.")
        if self.size is None and self.crops > 1:
            raise UsageError("Several crops need a size; whole pictures (size any) come once.")
        if self.split_file and (self.train_list or self.test_list):
            raise UsageError("A split file and lists exclude each other.")

    def _check_one_of(self, *names: str) -> None:
        given = [name.replace("_", "-") for name in names if getattr(self, name) is not None]
        if len(given) > 1:
            raise UsageError(f"{' and '.join(given)} exclude each other.")

    @property
    def short_side(self) -> int | None:
        """Short side pictures are resized to, in pixels; None: they keep their size."""
        if self.resize is not None or self.size is None:
            return self.resize
        return round(self.size * ROOM)

    @property
    def has_lists(self) -> bool:
        """Whether the split is given, not drawn."""
        return bool(self.split_file or self.train_list or self.test_list)

    def to_dict(self) -> dict[str, Any]:
        """As ``dataset.json`` holds them: what decides which bytes come out, and no path of this machine."""
        every = self.every
        if (self.stride, self.every, self.per_shot) == (None, None, None):
            every = DEFAULT_EVERY
        lists = {name: getattr(self, name) for name in ("split_file", "train_list", "test_list")}
        plain = ("stride", "per_shot", "crops", "test_share", "limit", "seed", "dark", "flat", "colorfulness",
                 "tint", "duplicate", "fades", "borders", "deinterlace", "labels", "format")  # fmt: skip
        return {
            **{name: getattr(self, name) for name in plain},
            "every": None if every is None else str(every),
            "size": self.size or "any",
            "resize": self.short_side,
            "split": "given" if self.has_lists else self.split,
            **{name: None if path is None else path.name for name, path in lists.items()},
        }


@dataclass(frozen=True, slots=True)
class BuildProgress:
    """How far a build is."""

    source: str
    """The film or picture that is read."""
    number: int
    """Its number among the sources, from 1."""
    sources: int
    seconds: float
    """How far into the film; 0 for a picture."""
    length: float | None
    """Of the film, in seconds; None where it is not known, and for a picture."""
    pictures: int
    """Pictures taken so far, of all sources."""


@dataclass(frozen=True, slots=True)
class BuildSummary:
    """What was made."""

    output: Path
    train: int
    test: int
    shots: int
    sources: int
    left_out: dict[str, int]
    """Frames and pictures left out, by reason."""
    labels: tuple[str, ...]
    seconds: float
    """Time it took, in seconds."""
    notices: tuple[str, ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        """As ``--json`` prints it."""
        return {
            "output": str(self.output),
            "train": self.train,
            "test": self.test,
            "shots": self.shots,
            "sources": self.sources,
            "left_out": dict(self.left_out),
            "labels": list(self.labels),
            "seconds": round(self.seconds, 3),
            "notices": list(self.notices),
        }
