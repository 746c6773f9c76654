"""How two films are put together. Imports nothing heavy: the command line reads its defaults here."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

from vidcolor.limits import MAX_PIXELS
from vidcolor.pipeline.options import EncoderOptions

__all__ = ["CompareOptions", "Layout"]

Layout = Literal["side", "stacked", "split"]
"""Beside each other, one above the other, or in one picture, parted by a line that moves to and fro."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareOptions:
    """How two films become one video."""

    layout: Layout = "side"
    labels: tuple[str, str] | None = None
    """What is written on them; None: their names; ("", ""): nothing."""
    offset: Fraction = Fraction(0)
    """Seconds by which the second film begins later than the first; negative: earlier."""
    start: Fraction | None = None
    """Seconds from the first film's beginning at which to start."""
    end: Fraction | None = None
    """The same, at which to stop."""
    deinterlace: Literal["auto", "on", "off"] = "auto"
    max_pixels: int = MAX_PIXELS
    """Of the largest picture that is read."""
    overwrite: bool = False
    encoder: EncoderOptions = field(default_factory=EncoderOptions)
