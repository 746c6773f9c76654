"""What is kept of something that streams by: a bounded part of it, whatever its length."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

__all__ = ["Extremes", "Thinned", "Trace"]

T = TypeVar("T")


class Trace:
    """Values over time, as means of equal numbers of frames: more frames a point as there are more frames.

    >>> trace = Trace(("level",), points=2)
    >>> for n in range(8):
    ...     trace.add(n, {"level": 10 * n})
    >>> trace.times, trace.of("level")
    ([1.5, 5.5], [15.0, 55.0])
    """

    def __init__(self, names: Sequence[str], points: int = 600) -> None:
        self._names = ("", *names)  # the first is time itself
        self._most = 2 * (points // 2)
        self._step = 1
        self._points: list[list[list[float]]] = []
        """For each point, for each name: sum and count."""
        self._filled = 0
        """Frames in the last point."""

    def add(self, seconds: float, values: dict[str, float]) -> None:
        """A frame's values; those that are missing or not finite leave their gap."""
        if not self._points or self._filled == self._step:
            if len(self._points) >= self._most:
                self._halve()
            self._points.append([[0.0, 0.0] for _ in self._names])
            self._filled = 0
        self._filled += 1
        for place, name in enumerate(self._names):
            value = seconds if not name else values.get(name, math.nan)
            if math.isfinite(value):
                self._points[-1][place][0] += value
                self._points[-1][place][1] += 1

    @property
    def times(self) -> list[float]:
        """Of each point, in seconds."""
        return [round(value, 4) for value in self.of("") if value is not None]

    def of(self, name: str) -> list[float | None]:
        """One of the values, for each point; None where there was none."""
        place = self._names.index(name)
        return [point[place][0] / point[place][1] if point[place][1] else None for point in self._points]

    def _halve(self) -> None:
        pairs = zip(self._points[::2], self._points[1::2], strict=True)
        self._points = [
            [[a + c, b + d] for (a, b), (c, d) in zip(one, other, strict=True)] for one, other in pairs
        ]
        self._step *= 2


class Extremes(Generic[T]):
    """The few things with the highest scores, at most one of them in each stretch of time.

    >>> highest = Extremes[str](count=2, apart=2.0)
    >>> for seconds, score, what in [(0, 1, "a"), (1, 5, "b"), (2, 9, "c"), (3, 8, "d"), (4, 2, "e")]:
    ...     highest.offer(score, seconds, lambda what=what: what)
    >>> [what for _, _, what in highest.found()]
    ['c', 'b']
    """

    def __init__(self, count: int, apart: float) -> None:
        self._count, self._apart = count, apart
        self._heap: list[tuple[float, int, float, T]] = []
        self._best: tuple[float, int, float, T] | None = None
        """Of the stretch that goes by."""
        self._stretch = -1
        self._number = 0

    def offer(self, score: float, seconds: float, make: Callable[[], T]) -> None:
        """Something in order of time; it is made only where it may be kept."""
        if not math.isfinite(score):
            return
        stretch = int(seconds // self._apart) if self._apart else self._number
        if stretch != self._stretch:
            self._close()
            self._stretch = stretch
        least = self._heap[0][0] if len(self._heap) >= self._count else -math.inf
        if score > (self._best[0] if self._best is not None else least):
            # Of equals the first is kept: numbers fall, so that the heap lets go of the last.
            self._best = score, -self._number, seconds, make()
        self._number += 1

    def found(self) -> list[tuple[float, float, T]]:
        """Score, time and thing, the highest first."""
        self._close()
        return [(score, seconds, thing) for score, _, seconds, thing in sorted(self._heap, reverse=True)]

    def _close(self) -> None:
        if self._best is not None and self._count:
            heapq.heappush(self._heap, self._best)
            if len(self._heap) > self._count:
                heapq.heappop(self._heap)
        self._best = None


class Thinned(Generic[T]):
    """Evenly chosen things of a row of unknown length, ``count`` at most and half as many at least.

    >>> few = Thinned[int](4)
    >>> for n in range(20):
    ...     few.offer(lambda n=n: n)
    >>> few.found
    [0, 8, 16]
    """

    def __init__(self, count: int) -> None:
        self._count, self._stride, self._number = count, 1, 0
        self.found: list[Any] = []

    def offer(self, make: Callable[[], T]) -> None:
        """The next of the row; it is made only where it is kept."""
        if self._number % self._stride == 0:
            if len(self.found) == self._count:
                self.found = self.found[::2]
                self._stride *= 2
            if self._number % self._stride == 0:
                self.found.append(make())
        self._number += 1

    @property
    def stride(self) -> int:
        """Every how-manieth is kept."""
        return self._stride
