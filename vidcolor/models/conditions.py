"""What is known of a picture beside its pixels, as the vector that a conditioned network takes.

A7 and D4 of the papers name it as future work: the class of what is shown, and when and where it was taken.
What is not known is zero, and a share of the training samples has nothing known, so the network does without.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from vidcolor.errors import UsageError

__all__ = ["METADATA_WIDTH", "check_label", "condition_vector", "condition_width"]

METADATA_WIDTH = 7
"""Two values each for the hour and the month, three for the place."""


def condition_width(labels: Sequence[str], metadata: bool) -> int:
    """How many values the vector has."""
    return len(labels) + (METADATA_WIDTH if metadata else 0)


def condition_vector(
    labels: Sequence[str],
    metadata: bool,
    *,
    label: str | None = None,
    hour: float | None = None,
    month: float | None = None,
    latitude: float | None = None,
    longitude: float | None = None,
) -> npt.NDArray[np.float32]:
    """The vector ``(condition_width,)`` float32 in [-1, 1]: 1 at the label, then circles and the globe.

    Args:
        labels: those the network knows, in its order.
        metadata: whether it takes when and where.
        label: what the picture is of; one that the network does not know counts as not known.
        hour: local time of day, 0 to 24.
        month: 1 (the first of January) to 13.
        latitude, longitude: degrees north and east; one without the other says nothing.

    >>> condition_vector(["cat", "dog"], False, label="dog").tolist()
    [0.0, 1.0]
    """
    vector = [float(name == label) for name in labels]
    if metadata:
        vector += _on_circle(hour, 24, 0) + _on_circle(month, 12, 1) + _on_globe(latitude, longitude)
    return np.array(vector, np.float32)


def check_label(labels: Sequence[str], label: str) -> None:
    """Refuses a label that a person gave and the network does not know.

    Raises:
        UsageError: it does not know it, or knows none.
    """
    if not labels:
        raise UsageError(f"This model knows no labels, so it cannot be told {label!r}.")
    if label not in labels:
        raise UsageError(f"This model does not know the label {label!r}; it knows {', '.join(labels)}.")


def _on_circle(value: float | None, period: float, start: float) -> list[float]:
    if value is None:
        return [0.0, 0.0]
    angle = 2 * math.pi * (value - start) / period
    return [math.sin(angle), math.cos(angle)]


def _on_globe(latitude: float | None, longitude: float | None) -> list[float]:
    if latitude is None or longitude is None:
        return [0.0, 0.0, 0.0]
    north, east = math.radians(latitude), math.radians(longitude)
    return [math.cos(north) * math.cos(east), math.cos(north) * math.sin(east), math.sin(north)]
