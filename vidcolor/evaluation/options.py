"""Every choice of an evaluation. Imports nothing heavy: the command line reads its defaults here."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from vidcolor.errors import UsageError

__all__ = ["EvaluateOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateOptions:
    """How it is measured."""

    size: int = 360
    """Short side of the pictures that are measured, in pixels, at most; smaller ones stay as they are."""
    every: Fraction = Fraction(1, 2)
    """Seconds between the frames of a film that are compared with the truth one by one. What has to do with
    time is measured at every frame."""
    split: Literal["test", "train", "all"] = "test"
    """Which part of a data set; a plain folder of pictures has only "all"."""
    limit: int | None = None
    """Pictures of a data set at most, drawn; None: all."""
    seed: int = 0
    """Of what is drawn: pictures, and the resamples that intervals come from."""
    pictures: bool = False
    """Whether pictures are kept for a page."""

    def __post_init__(self) -> None:
        if self.size < 16:
            raise UsageError(f"size must be 16 or more, not {self.size}.")
