"""Two films side by side in time: at each moment at which either changes, what each of them shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from vidcolor.frames import Frame

__all__ = ["Ending", "Moment", "Timed", "common_time_base", "together", "tolerance"]

_FINEST = 1_000_000
"""Most units of time a second in which two films are counted together."""
_COARSEST_ROUNDING = Fraction(1, 200)
"""Seconds by which two times of one moment may differ at the most: no container that is still written
rounds to more."""


class Timed(NamedTuple):
    """A frame and when it is shown, in seconds from the beginning both films share."""

    time: Fraction
    frame: Frame
    length: Fraction
    """In seconds, as far as the frame says it; 0: it does not."""


class Moment(NamedTuple):
    """What two films show for a while."""

    time: Fraction
    """In seconds."""
    length: Fraction
    """Until the next one, in seconds."""
    first: Frame
    second: Frame


@dataclass(slots=True)
class Ending:
    """Which of two films ended first, when :func:`together` is through."""

    first: bool = False
    """The first film ended, and the second one goes on."""
    second: bool = False
    at: Fraction = Fraction(0)
    """Seconds."""


def common_time_base(one: Fraction, other: Fraction) -> Fraction:
    """The longest unit both films' times are whole numbers of; the first film's where that were too short.

    >>> common_time_base(Fraction(1, 24), Fraction(1, 1000))
    Fraction(1, 3000)
    """
    a, b = one.limit_denominator(10**9), other.limit_denominator(10**9)
    shared = Fraction(
        _gcd(a.numerator * b.denominator, b.numerator * a.denominator), a.denominator * b.denominator
    )
    return shared if shared * _FINEST >= 1 else one


def _gcd(a: int, b: int) -> int:
    while b:
        a, b = b, a % b
    return a


def tolerance(units: tuple[Fraction, Fraction], rates: tuple[Fraction | None, Fraction | None]) -> Fraction:
    """Seconds that times of one and the same moment may be apart in two films.

    Args:
        units: their time bases: containers round times to them.
        rates: their frames a second. No more than a third of a frame is forgiven.
    """
    rounding = min(max(units), _COARSEST_ROUNDING)
    fastest = max((rate for rate in rates if rate), default=Fraction(25))
    return min(rounding, 1 / (3 * fastest))


class _Film:
    """What one film shows, and what comes next."""

    def __init__(self, frames: Iterator[Timed]) -> None:
        self._frames = frames
        self.now: Timed | None = None
        self.next = next(frames, None)
        self.step = Fraction(1, 25)
        """How long a frame lasts, in seconds."""

    def go_to(self, time: Fraction) -> bool:
        """Goes on to what is shown at a moment; whether that is another frame than before."""
        moved = False
        while self.next is not None and self.next.time <= time:
            if self.now is not None:
                self.step = self.next.time - self.now.time
            self.now, self.next, moved = self.next, next(self._frames, None), True
        return moved

    @property
    def end(self) -> Fraction | None:
        """When its last frame ends; None: it is not the last."""
        if self.next is not None or self.now is None:
            return None
        return self.now.time + (self.now.length or self.step)


def together(
    first: Iterator[Timed],
    second: Iterator[Timed],
    slack: Fraction,
    *,
    start: Fraction = Fraction(0),
    end: Fraction | None = None,
    ended: Callable[[Ending], None] = lambda ending: None,
) -> Iterator[Moment]:
    """The moments of two films while both last; nothing where they have no time in common.

    Args:
        first, second: their frames, in order.
        slack: times so little apart are one moment, the first film's; see :func:`tolerance`.
        start: when the first moment is, at the earliest, in seconds; what it shows may have begun before.
        end: when the last one ends, at the latest.
        ended: told when one of them is over.
    """
    one, other = _Film(first), _Film(second)
    if one.next is None or other.next is None:
        return
    time = max(one.next.time, other.next.time, start)
    if abs(one.next.time - time) <= slack:
        time = max(one.next.time, start)
    one.go_to(time + slack)
    other.go_to(time + slack)
    while True:
        if any(film.end is not None and film.end <= time + slack for film in (one, other)):
            ended(_ending(one, other, time))
            return
        assert one.now is not None
        assert other.now is not None
        following = [film.next.time for film in (one, other) if film.next is not None]
        ends = [film.end for film in (one, other) if film.end is not None]
        until = min([*following, *ends, *([] if end is None else [end])])
        if one.next is not None and abs(one.next.time - until) <= slack and (end is None or until < end):
            until = one.next.time
        yield Moment(time, until - time, one.now.frame, other.now.frame)
        if end is not None and until >= end:
            return
        time = until
        one.go_to(time + slack)
        other.go_to(time + slack)


def _ending(one: _Film, other: _Film, time: Fraction) -> Ending:
    over = [film.end is not None and film.end <= time + film.step for film in (one, other)]
    return Ending(over[0] and not over[1], over[1] and not over[0], time)
