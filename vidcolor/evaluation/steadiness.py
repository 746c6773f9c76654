"""How steady the colour of a film is, and the moments where it is not."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from vidcolor.color.shown import Rgb
from vidcolor.evaluation.kept import Extremes
from vidcolor.evaluation.sample import Look
from vidcolor.metrics import Cdc, Motion, WarpError, colorfulness

__all__ = ["AT_CUT", "INSIDE", "INSIDE_FACTOR", "Jump", "Steadiness", "grey_share"]

GREY = 4.0
"""Codes of 8 bits from neutral within which chroma is hardly told from grey."""
AT_CUT = 8.0
"""Codes by which the mean chroma of the picture changes at a cut that is listed."""
INSIDE, INSIDE_FACTOR = 2.0, 4.0
"""Codes by which chroma changes along motion, on average over the picture, at a jump inside a shot; and how
many times what it changes by around."""
_AROUND = 12
"""Frames on each side that are around."""
_LISTED = 12
_LARGE = 256
"""Pixels of the short side from which on not every one is counted."""
_APART_S = 1.0
"""Seconds of which only the greatest jump is listed."""

Shown = tuple[bytes, ...]
"""Pictures, encoded."""


@dataclass(frozen=True, slots=True)
class Jump:
    """A moment where colour changes at once."""

    seconds: float
    size: float
    """In codes of 8 bits."""
    around: float | None
    """Inside a shot: the median change around it. At a cut: how alike luma is on both sides, in [0, 1]."""
    pictures: Shown
    """Before and after; empty where none are wanted."""

    def to_dict(self) -> dict[str, Any]:
        return {"seconds": round(self.seconds, 3), "codes": round(self.size, 3), "around": self.around}


@dataclass(slots=True)
class _Change:
    seconds: float
    size: float
    pictures: Callable[[], Shown]


class Steadiness:
    """Of one film, whose frames come one by one; keeps a few of them."""

    def __init__(self, show: Callable[[Rgb], bytes] | None = None) -> None:
        """``show``: encodes a picture for people; None: none are wanted."""
        self._show = show
        self._cdc, self._warp, self._chroma = Cdc(), WarpError(), WarpError()
        self._colors = self._greys = 0.0
        self.frames = self.cuts = self.jumps_inside = self.jumps_at_cuts = 0
        self._before: Look | None = None
        self._tones: npt.NDArray[np.float32] | None = None
        self._changes: deque[_Change] = deque(maxlen=2 * _AROUND + 1)
        self._taken = self._looked = 0
        """Changes of this shot so far, and those of them that were looked at."""
        self.inside = Extremes[Jump](_LISTED, _APART_S)
        self.at_cuts = Extremes[Jump](_LISTED, _APART_S)

    def add(
        self, look: Look, luma: npt.NDArray[np.uint8], motion: Motion | None, seconds: float, *, cut: bool
    ) -> dict[str, float]:
        """Takes the next frame, and gives its own figures.

        Args:
            look: its colour.
            luma: as large as ``look.small``.
            motion: from the frame before; None: it starts a shot, or the film.
            seconds: when it is shown.
            cut: whether it starts a shot, and is not the first.
        """
        self.frames += 1
        sparse = _sparse(look.rgb)
        found = {"colorfulness": colorfulness(sparse), "grey": grey_share(look.chroma)}
        self._colors += found["colorfulness"]
        self._greys += found["grey"]
        self._cdc.add(sparse)
        self._warp.add(look.small, motion)
        change = self._chroma.add(look.chroma, motion)
        before, self._before = self._before, look
        if cut and before is not None:
            self._end_shot()
            self.cuts += 1
            found["at_cut"] = self._cut(before, look, luma, seconds)
        elif change is not None and before is not None:
            found["stillness"] = 255 * change
            self._changes.append(_Change(seconds, 255 * change, self._pair(before, look)))
            self._taken += 1
            if self._taken > 2 * _AROUND:
                self._look_until(self._taken - _AROUND)
        self._tones = _tones(luma)
        return found

    def finish(self) -> None:
        """The film is over."""
        self._end_shot()

    def figures(self) -> dict[str, float | int | None]:
        """Of the film so far; None where there is nothing to say."""
        whole = {
            "cdc": self._cdc.value,
            "warp_error": self._warp.squared,
            "stillness": 255 * self._chroma.absolute,
            "colorfulness": self._colors / max(self.frames, 1),
            "grey": self._greys / max(self.frames, 1),
        }
        return {name: value if np.isfinite(value) else None for name, value in whole.items()}

    def _cut(self, before: Look, look: Look, luma: npt.NDArray[np.uint8], seconds: float) -> float:
        (cb, cr), (was_b, was_r) = (cv2.mean(side.chroma)[:2] for side in (look, before))
        size = float(np.hypot(cb - was_b, cr - was_r))
        if size > AT_CUT:
            self.jumps_at_cuts += 1
            alike = None
            if self._tones is not None:
                alike = round(float(np.minimum(self._tones, _tones(luma)).sum()), 3)
            self.at_cuts.offer(size, seconds, lambda: Jump(seconds, size, alike, self._pair(before, look)()))
        return size

    def _end_shot(self) -> None:
        """What waits to be compared with what is around it has seen all there is."""
        self._look_until(self._taken)
        self._changes.clear()
        self._taken = self._looked = 0

    def _look_until(self, number: int) -> None:
        """Looks at the shot's changes up to one of them."""
        gone = self._taken - len(self._changes)
        for place in range(self._looked - gone, number - gone):
            self._look_at(place)
        self._looked = max(self._looked, number)

    def _look_at(self, place: int) -> None:
        """Whether one of the changes is a jump."""
        here = self._changes[place]
        if here.size <= INSIDE:
            return
        around = [other.size for n, other in enumerate(self._changes) if n != place]
        usual = median(around) if around else 0.0
        if here.size > INSIDE_FACTOR * usual:
            self.jumps_inside += 1
            self.inside.offer(
                here.size,
                here.seconds,
                lambda: Jump(here.seconds, here.size, round(usual, 3), here.pictures()),
            )

    def _pair(self, before: Look, after: Look) -> Callable[[], Shown]:
        show, pictures = self._show, (before.small, after.small)
        return tuple if show is None else lambda: tuple(map(show, pictures))


def _sparse(rgb: Rgb) -> Rgb:
    """Every other row and column of a large picture: for what counts pixels and needs no neighbours."""
    return np.ascontiguousarray(rgb[::2, ::2]) if min(rgb.shape[:2]) >= _LARGE else rgb


def grey_share(chroma: npt.NDArray[np.float32]) -> float:
    """Share of ``(h, w, 2)`` codes of Cb and Cr that are hardly told from neutral, in [0, 1]."""
    off = chroma - np.float32(128)
    return float((cv2.magnitude(*cv2.split(off)) <= GREY).mean())


def _tones(luma: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """How often luma is how bright: 32 steps, sum 1."""
    counts: Any = cv2.calcHist([luma], [0], None, [32], [0, 256]).ravel()
    return counts / np.float32(luma.size)
