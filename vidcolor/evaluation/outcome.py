"""What an evaluation found: figures for JSON, and pictures for a page."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import cv2

from vidcolor.color.shown import Rgb

__all__ = ["FORMAT", "Gallery", "Outcome", "Panel", "jpeg"]

FORMAT = 1
"""Version of the JSON."""
_QUALITY = 82


@dataclass(frozen=True, slots=True)
class Panel:
    """Pictures that belong together, encoded, and what is said of them."""

    pictures: tuple[bytes, ...]
    labels: tuple[str, ...]
    facts: dict[str, Any]


@dataclass(slots=True)
class Gallery:
    """A bounded choice of pictures."""

    worst: list[Panel] = field(default_factory=list)
    best: list[Panel] = field(default_factory=list)
    jumps: list[Panel] = field(default_factory=list)
    strips: list[Panel] = field(default_factory=list)
    grid: list[Panel] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Outcome:
    """All that was found."""

    data: dict[str, Any]
    """Plain JSON values:

    ``kind``: "film" (a model on a film), "pair" (a result and its truth), "result" (a result alone) or
    "pictures".
    ``figures``: name -> ``mean``, ``low`` and ``high`` (95 %; null where there are too few units), ``count``.
    ``steadiness``: of films, for ``result`` and ``truth``, name -> value.
    ``left_out``: figure -> why.
    And what was measured, how, when in the film, and of which picture.
    """
    gallery: Gallery


def jpeg(rgb: Rgb) -> bytes:
    """A picture as a page holds it."""
    done, data = cv2.imencode(
        ".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
    )
    if not done:
        raise RuntimeError(f"a picture of {rgb.shape} could not be encoded")
    return data.tobytes()
