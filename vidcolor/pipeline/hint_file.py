"""Hints: what colour something is at a point of a frame, as a person writes it down.

A file holds a JSON list of objects::

    [{"time": "1:02.5", "x": 410, "y": 233, "radius": 12, "color": "#8b1a1a"},
     {"time": 3.25, "x": 90, "y": 40, "color": "navy"}]

``time`` is in seconds from the film's beginning, or as ffmpeg writes times. ``x`` and ``y`` are pixels from
the top left of the frame as ``vidcolor anchors`` writes it: as stored, turned upright. ``radius`` is in the
same pixels (8 when it is missing). ``color`` is "#rrggbb", a name of CSS, [r, g, b] from 0 to 255, or
{"a": …, "b": …} in Lab. R, G and B are the film's own, as in that picture. Only hue and colourfulness
count: how bright the place is, the film says.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import torch
from PIL import ImageColor

from vidcolor.color.lab import rgb_to_lab
from vidcolor.color.planes import ColorSpace
from vidcolor.errors import InputError

__all__ = ["Hint", "read_hints"]

_MOST_BYTES = 4 << 20
_MOST_HINTS = 10_000
_RADIUS = 8.0
_LARGEST_AB = 128.0
_CLOCK = re.compile(r"(?:(?:[0-9]{1,4}:)?[0-9]{1,6}:)?[0-9]{1,7}(?:\.[0-9]{1,9})?")
"""[[HH:]MM:]SS[.fraction]; the command line's own parser lives a layer above."""
_KEYS = {"time", "x", "y", "radius", "color"}


class Hint(NamedTuple):
    """A colour at a point."""

    time: Fraction
    """In seconds from the film's beginning."""
    x: float
    y: float
    """In pixels of the upright frame."""
    radius: float
    ab: tuple[float, float]
    """In Lab units."""
    name: str
    """How messages call it."""


def read_hints(path: Path, width: int, height: int, space: ColorSpace) -> list[Hint]:
    """The hints of a file, in the order of their times.

    Args:
        path: of the JSON file.
        width, height: of the upright frame, in pixels.
        space: of the film, whose transfer and primaries R, G and B are read by.

    Raises:
        InputError: it cannot be read, is not as above, or a hint lies outside of the frame.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise InputError(f"{path} is larger than a file of hints may be ({_MOST_BYTES >> 20} MiB).")
        entries = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise InputError(f"{path} is not JSON: {error.msg} at {where}.") from None
    except (ValueError, RecursionError):
        raise InputError(f"{path} is not JSON in UTF-8.") from None
    if not isinstance(entries, list):
        raise InputError(f"{path} must hold a list of hints, [{{…}}, …].")
    if len(entries) > _MOST_HINTS:
        raise InputError(f"{path} holds {len(entries)} hints; there may be {_MOST_HINTS}.")
    return sorted(_hints(path, entries, width, height, space), key=lambda hint: hint.time)


def _hints(path: Path, entries: list[Any], width: int, height: int, space: ColorSpace) -> Iterator[Hint]:
    for number, entry in enumerate(entries, 1):
        name = f"{path}, hint {number}"
        if not isinstance(entry, dict):
            raise InputError(f'{name} must be an object with "time", "x", "y" and "color".')
        for key in entry:
            if key not in _KEYS:
                raise InputError(f"{name} has {key!r}; a hint has {', '.join(sorted(_KEYS))}.")
        for key in ("time", "x", "y", "color"):
            if key not in entry:
                raise InputError(f"{name} has no {key!r}.")
        x, y = (_number(entry[key], f"{key!r} of {name}") for key in ("x", "y"))
        if not (0 <= x < width and 0 <= y < height):
            raise InputError(f"{name} lies at ({x:g}, {y:g}), outside of the frame of {width}x{height}.")
        radius = _number(entry.get("radius", min(_RADIUS, max(width, height))), f"'radius' of {name}")
        if not 0 < radius <= max(width, height):
            raise InputError(f"'radius' of {name} must be above 0 and at most {max(width, height)}.")
        yield Hint(_time(entry["time"], name), x, y, radius, _ab(entry["color"], name, space), name)


def _number(value: Any, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e9:
        raise InputError(f"{what} must be a number, not {_shown(value)}.")
    return float(value)


def _time(value: Any, name: str) -> Fraction:
    if isinstance(value, str):
        if not _CLOCK.fullmatch(value.strip()):
            raise InputError(f"'time' of {name} must be seconds or HH:MM:SS.fraction, not {_shown(value)}.")
        seconds = Fraction(0)
        for part in value.split(":"):
            seconds = seconds * 60 + Fraction(part.strip())
        return seconds
    seconds = Fraction(_number(value, f"'time' of {name}"))
    if seconds < 0:
        raise InputError(f"'time' of {name} is before the film's beginning.")
    return seconds


def _ab(value: Any, name: str, space: ColorSpace) -> tuple[float, float]:
    if isinstance(value, dict) and set(value) == {"a", "b"}:
        ab = [_number(value[key], f"{key!r} of {name}") for key in "ab"]
        if max(map(abs, ab)) > _LARGEST_AB:
            raise InputError(f"'color' of {name}: a and b lie between -{_LARGEST_AB:g} and {_LARGEST_AB:g}.")
        return ab[0], ab[1]
    rgb: Any = None
    if isinstance(value, str):
        try:
            rgb = ImageColor.getrgb(value.strip())[:3]
        except ValueError:
            raise InputError(
                f"'color' of {name} must be #rrggbb or a name of CSS, not {_shown(value)}."
            ) from None
    elif isinstance(value, list) and len(value) == 3:
        rgb = [_number(v, f"'color' of {name}") for v in value]
    if rgb is None or not all(0 <= v <= 255 for v in rgb):
        raise InputError(
            f'\'color\' of {name} must be "#rrggbb", a name, [r, g, b] from 0 to 255 or {{"a": …, "b": …}},'
            f" not {_shown(value)}."
        )
    signal = torch.tensor(rgb, dtype=torch.float64)[:, None, None] / 255
    lab = rgb_to_lab(signal, transfer=space.transfer, primaries=space.primaries)
    _, a, b = lab.flatten().tolist()
    return a, b


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=True, default=str)
    return text if len(text) <= 40 else f"{text[:37]}..."
