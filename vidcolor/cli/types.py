"""Options that come from dataclasses, and kinds of option values: times as ffmpeg writes them, durations,
finite numbers, KEY=VALUE."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import fields
from fractions import Fraction
from typing import Any, Literal, get_args, get_origin, get_type_hints

import click

__all__ = ["DURATION", "KEY_VALUE", "SIGNED_TIME", "TIME", "CountOrOff", "Number", "parse_time", "setting"]


def setting(owner: type, field: str, *names: str, **more: Any) -> Callable[[Any], Any]:
    """A click option for a field of an options dataclass; its default and its choices are the field's."""
    default = next(f.default for f in fields(owner) if f.name == field)
    hint = get_type_hints(owner)[field]
    if get_origin(hint) is Literal:
        more["type"] = click.Choice(get_args(hint))
    if default not in (None, ()):
        more.setdefault("show_default", True)
    return click.option(*names, field, default=default, **more)


# [[HH:]MM:]SS[.fraction]; hours and the first number are free, as in 90:00 for an hour and a half.
_CLOCK = re.compile(r"(?:(?:([0-9]{1,6}):)?([0-9]{1,6}):)?([0-9]{0,10})(?:\.([0-9]{0,18}))?")
_UNITS = {"us": Fraction(1, 1_000_000), "ms": Fraction(1, 1000), "s": Fraction(1)}


def parse_time(text: str) -> Fraction:
    """Seconds, exactly, of a time as ffmpeg writes it.

    >>> parse_time("1:02:03.04")
    Fraction(93076, 25)
    >>> parse_time("200ms")
    Fraction(1, 5)

    Raises:
        ValueError: it is not such a time, or is negative.
    """
    unit = next((u for u in _UNITS if text.endswith(u)), "")
    match = _CLOCK.fullmatch(text.removesuffix(unit))
    if match is None or not (match[3] or match[4]) or (unit and match[2]):
        raise ValueError(text)
    hours, minutes, seconds = (int(group or 0) for group in match.group(1, 2, 3))
    if (match[2] and seconds >= 60) or (match[1] and minutes >= 60):
        raise ValueError(text)
    fraction = Fraction(int(match[4] or 0), 10 ** len(match[4] or ""))
    return (hours * 3600 + minutes * 60 + seconds + fraction) * _UNITS.get(unit, Fraction(1))


class _Time(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.3 on
    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Fraction:
        if isinstance(value, Fraction):
            return value
        try:
            return parse_time(value)
        except ValueError:
            self.fail(
                f"{value!r} is not a time; write seconds (12.5) or HH:MM:SS.frac (1:02:03.5)", param, ctx
            )


class _SignedTime(click.ParamType):  # type: ignore[type-arg]
    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Fraction:
        if isinstance(value, Fraction):
            return value
        amount = _Time().convert(value.removeprefix("-"), param, ctx)
        return -amount if value.startswith("-") else amount


class _Duration(click.ParamType):  # type: ignore[type-arg]
    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Fraction:
        if isinstance(value, Fraction):
            return value
        unit = {"m": 60, "h": 3600}.get(value[-1:], 1)
        try:
            seconds = parse_time(value[:-1] if unit > 1 else value) * unit
        except ValueError:
            seconds = Fraction(0)
        if seconds == 0:
            self.fail(f"{value!r} is not a duration; write 90s, 55m, 8h or HH:MM:SS", param, ctx)
        return seconds


class _KeyValue(click.ParamType):  # type: ignore[type-arg]
    name = "key=value"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        key, equals, rest = value.partition("=")
        if not key or not equals:
            self.fail(f"{value!r} is not KEY=VALUE (as in tune=film)", param, ctx)
        return key, rest


class Number(click.ParamType):  # type: ignore[type-arg]
    """A finite number from ``least`` on (click's own FLOAT takes "nan" and "inf")."""

    name = "number"

    def __init__(self, least: float) -> None:
        self.least = least

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            number = float(value)
        except ValueError:
            self.fail(f"{value!r} is not a number", param, ctx)
        if not math.isfinite(number) or number < self.least:
            self.fail(f"{value} is not a number from {self.least:g} on", param, ctx)
        return number


class CountOrOff(click.ParamType):  # type: ignore[type-arg]
    """A whole number from 1 on, or "off", which is None."""

    name = "count"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | None:
        if value == "off":
            return None
        try:
            number = int(value)
        except ValueError:
            number = 0
        if number < 1:
            self.fail(f"{value!r} is not a whole number from 1 on, nor 'off'", param, ctx)
        return number


TIME = _Time()
SIGNED_TIME = _SignedTime()
DURATION = _Duration()
KEY_VALUE = _KeyValue()
