"""Which frames of a shot get their colour by themselves, and the frames between them.

A shot's first frame is an anchor. The next one is where much has come into the picture that the last one did
not show, or where it is simply time; and where a shot ends with much that is new, its last frame is one, so
that what came late is coloured from both sides too. On average there is at most one in ``every`` frames,
besides those that start a shot: time saved in calm stretches is what restless ones spend, and those whose
ends are said to be of unlike colours (:func:`halves`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from vidcolor.color.resize import shrink
from vidcolor.frames import Frame, Plane
from vidcolor.motion import Flow, FlowFinder
from vidcolor.temporal.shots import ShotDetector, small_luma
from vidcolor.temporal.track import Small, Tracker, Way, seen_share

__all__ = [
    "Budget",
    "Span",
    "Step",
    "carry_size",
    "find_spans",
    "fine_size",
    "halves",
    "in_shots",
    "small_pictures",
]

_LONG_SIDE = 240
"""Of the pictures that motion is looked for in, in pixels."""
_FINER = 1.6
"""How much larger the pictures are that belief is weighed in."""
_SHORTEST_SIDE = 32
_LONGEST = 1.5
"""Of a stretch without an anchor, in units of ``every``."""
_MOST_BYTES = 1 << 29
"""Of the frames of a stretch, whatever ``every`` is: of a film of 8K there are some fifteen."""
_SHORTEST = 0.25
_NEW = 0.3
"""Share of the picture not seen in the last anchor that asks for another."""
_RESTLESS = 0.055
"""Share of a frame that is not followed from the one before, from which on the next one's motion is looked
for more carefully, at three times the cost."""
_NEW_AT_END = 0.08
"""The same, for a shot's last frame."""


def carry_size(height: int, width: int) -> tuple[int, int]:
    """Height and width of the pictures that motion is looked for in, for a film's."""
    scale = min(1.0, _LONG_SIDE / max(height, width))
    return max(_SHORTEST_SIDE, round(height * scale)), max(_SHORTEST_SIDE, round(width * scale))


def fine_size(small: tuple[int, int], film: tuple[int, ...]) -> tuple[int, int]:
    """Height and width of the pictures that belief is weighed in: larger than those that motion is looked
    for in, as far as the film is that large."""
    height, width = (max(n, min(round(_FINER * n), m)) for n, m in zip(small, film, strict=True))
    return height, width


@dataclass(slots=True)
class Step:
    """A frame with its motion."""

    frame: Frame
    picture: Small
    """Its luma at :func:`carry_size`, 8 bits."""
    fine: Small
    """The same at :func:`fine_size`."""
    back: Flow | None = None
    """From it to the frame before; None: it starts a shot."""
    forth: Flow | None = None
    """From the frame before to it."""
    way: Way | None = None
    """To the anchor before it; None: it starts a shot."""
    onward: Way | None = None
    """To the anchor after it; None: there is none, or it was not looked for yet."""
    steady: npt.NDArray[np.float32] | None = None
    """How sure each pixel came from the frame before, ``(h, w)`` in [0, 1]; None: it starts a shot."""


@dataclass(slots=True)
class Span:
    """An anchor and the frames after it, up to the next anchor of the shot or to the shot's end."""

    steps: list[Step] = field(default_factory=list)
    """The first is the anchor."""
    closing: Step | None = None
    """The next anchor, which starts the next span; None: the shot ends with the last step."""
    starts_shot: bool = False


def in_shots(frames: Iterable[Frame], bit_depth: int) -> Iterator[tuple[Frame, bool]]:
    """Each frame, and whether it starts a shot; a second of frames late."""
    detector, waiting = ShotDetector(), list[Frame]()
    for frame in frames:
        waiting.append(frame)
        for verdict in detector.push(small_luma(frame.luma, bit_depth)):
            yield waiting.pop(0), verdict.new_shot
    for verdict in detector.finish():
        yield waiting.pop(0), verdict.new_shot


def find_spans(
    frames: Iterable[tuple[Frame, bool]],
    size: tuple[int, int],
    bit_depth: int,
    budget: Budget,
    given: Callable[[Frame], bool] = lambda frame: False,
    settled: Callable[[Frame], bool] = lambda frame: False,
) -> Iterator[Span]:
    """The film's spans in order; frames wait in memory for 1½ times ``budget.every``, and as long as a flash
    lasts, but only until they take half a GiB.

    Args:
        frames: and whether each starts a shot.
        size: see :func:`carry_size`.
        bit_depth: of the luma.
        budget: what it spends; it may be shared with who sets anchors of their own.
        given: whether a frame is an anchor whatever else is.
        settled: whether only ``given`` says if a frame is one, unless it has been too long since the last.
    """
    finder = _Finder(size, budget)
    for frame, starts_shot in frames:
        step = Step(frame, *small_pictures(frame.luma, bit_depth, size))
        yield from finder.take(step, starts_shot, given(frame), settled(frame))
    yield from finder.end_shot()


def halves(span: Span, size: tuple[int, int]) -> tuple[Span, Span]:
    """A span that has a closing anchor, parted by one more in its middle; nothing was carried back yet."""
    middle = len(span.steps) // 2
    anchor, later = span.steps[middle], span.steps[middle + 1 :]
    tracker = Tracker(FlowFinder(*size), anchor.picture)
    assert span.closing is not None
    for step in (*later, span.closing):
        assert step.back is not None
        assert step.forth is not None
        step.way = tracker.step(step.picture, step.back, step.forth)
    return Span(span.steps[:middle], anchor, span.starts_shot), Span([anchor, *later], span.closing)


def small_pictures(luma: Plane, bit_depth: int, size: tuple[int, int]) -> tuple[Small, Small]:
    """Luma as motion is looked for in, and as belief is weighed in."""
    fine = shrink(luma, *fine_size(size, luma.shape))
    return _eight_bits(shrink(fine, *size), bit_depth), _eight_bits(fine, bit_depth)


def _eight_bits(plane: Plane, bit_depth: int) -> Small:
    # Any: OpenCV's stub does not say that these are bytes.
    rounded: Any = plane if bit_depth == 8 else cv2.convertScaleAbs(plane, alpha=2.0 ** (8 - bit_depth))
    eight: Small = np.ascontiguousarray(rounded)
    return eight


class Budget:
    """Anchors that may be set before it is time for them."""

    def __init__(self, every: float) -> None:
        """``every``: frames there are, on average, to an anchor."""
        self.every = every
        self._saved = 1.0

    def pass_frame(self) -> None:
        """A frame was taken that starts no shot."""
        self._saved += 1 / self.every

    def spend(self) -> None:
        """An anchor was set that starts no shot."""
        self._saved -= 1

    @property
    def has_one(self) -> bool:
        return self._saved >= 1


class _Finder:
    """The span that is being filled."""

    def __init__(self, size: tuple[int, int], budget: Budget) -> None:
        self._flow, self._careful = FlowFinder(*size), FlowFinder(*size, "medium")
        self._budget = budget
        self._open_end = True
        """Whether the frame taken last may still become an anchor."""
        self._span = Span()
        self._bytes = 0
        """Of its frames."""
        self._tracker: Tracker | None = None

    def take(self, step: Step, starts_shot: bool, given: bool, settled: bool) -> Iterator[Span]:
        if starts_shot or self._tracker is None:
            yield from self.end_shot()
            self._open(step, starts_shot=True)
            return
        self._budget.pass_frame()
        last = self._span.steps[-1].picture
        flow = self._careful if _is_restless(self._tracker) else self._flow
        back, forth = flow(step.picture, last), flow(last, step.picture)
        step.back, step.forth = back, forth
        step.way = self._tracker.step(step.picture, back, forth)
        step.steady = self._tracker.steady
        self._open_end = not settled
        if not given and not self._asks(step, early=not settled):
            self._span.steps.append(step)
            self._bytes += _bytes_of(step.frame)
            return
        if not given:
            self._budget.spend()
        self._span.closing = step
        yield self._span
        self._open(step, starts_shot=False)

    def end_shot(self) -> Iterator[Span]:
        """The last span of a shot, or two where the shot's last frame becomes an anchor."""
        span, self._tracker = self._span, None
        if not span.steps:
            return
        may = self._open_end and self._budget.has_one and len(span.steps) > 2
        if may and self._new_share(span.steps[-1]) > _NEW_AT_END:
            self._budget.spend()
            span.closing = span.steps.pop()
            yield span
            span = Span([span.closing])
        yield span
        self._span = Span()

    def _open(self, anchor: Step, *, starts_shot: bool) -> None:
        self._span, self._bytes = Span([anchor], starts_shot=starts_shot), _bytes_of(anchor.frame)
        self._tracker = Tracker(self._flow, anchor.picture)

    def _asks(self, step: Step, *, early: bool) -> bool:
        """Whether a frame should be an anchor; ``early``: before it is time for one."""
        assert self._tracker is not None
        length, every = len(self._span.steps), self._budget.every
        if every <= 1 or self._bytes >= _MOST_BYTES:
            return True
        if self._tracker.doubtful:
            return False
        if length >= _LONGEST * every:
            return True
        if not early or length < _SHORTEST * every or not self._budget.has_one:
            return False
        return self._new_share(step) > _NEW

    def _new_share(self, step: Step) -> float:
        assert step.way is not None
        return 1 - seen_share(step.way, step.picture, self._span.steps[0].picture)


def _is_restless(tracker: Tracker) -> bool:
    """Whether much of the last frame was not followed from the one before."""
    return float((tracker.steady < 0.5).mean()) > _RESTLESS


def _bytes_of(frame: Frame) -> int:
    return sum(plane.nbytes for plane in (frame.luma, *(frame.chroma or ())))
