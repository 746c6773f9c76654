"""Where one shot ends and the next begins, found while the film goes by.

Works on very small luma pictures, so it costs next to nothing beside decoding, and on luma alone, so
it finds in a black-and-white film what it finds in a colour film.

>>> detector = ShotDetector()
>>> dark, bright = np.zeros(SMALL, np.uint8), np.tile(np.arange(64, dtype=np.uint8) * 3, (36, 1))
>>> decided = [v for n in range(40) for v in detector.push(bright if n >= 20 else dark)]
>>> [v.index for v in (*decided, *detector.finish()) if v.new_shot]
[0, 20]

Hard cuts: the picture changes by several times what it changes by in the frames around, and its
structure with it (so a change of light is none). What comes back to the picture before within two
frames was a flash. Where nearly nothing stays as it was, nor is found elsewhere in the picture, it is a cut
whatever else changes around: shots may be as short as one frame.

Fades and dissolves: halfway through one, a frame is the mean of the frames at equal distances before
and after it, a quarter of the way a mixture of a quarter, and pale as mixtures are; while these two are
as different as different shots. Motion does not do that: the mean of two frames shows everything twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from vidcolor.frames import Plane

__all__ = [
    "REACHES",
    "SMALL",
    "ShotDetector",
    "Small",
    "Verdict",
    "are_apart",
    "find_shots",
    "small_luma",
]

Small = npt.NDArray[Any]
"""A frame as the detector sees it: ``SMALL``, uint8."""

SMALL = (36, 64)
"""Height and width of the small pictures, whatever the film's."""
REACHES = (6, 12)
"""Frames from the middle of a dissolve to those compared with it: half of the lengths looked for (a
longer dissolve looks like a shorter one in its middle)."""

_AROUND = 5
"""Frames on each side of a cut whose change is compared with the cut's."""
_FLASH = 2
"""Frames the longest flash lasts."""
_LEAST_CHANGE = 6.0
"""Mean change at a cut, in codes. The change at cuts of the films tried was 20 to 75, in dark games 14."""
_CUT_RATIO = 3.0
"""Change at a cut over the change around it: the third largest, since another cut may be near, and of frames
that are shown twice or three times only one changes."""
_SURE_CHANGE = 30.0
"""Change of a picture as a whole. Below, the change must also stand out from the frames just before and
after, as that of something that rushes through the picture does not."""
_STANDS_OUT = 2.5
_BESIDE = 3
"""Frames on each side for that, as each may be shown up to three times."""
_CUT_STRUCTURE = 0.2
"""1 - correlation of the pictures on both sides of a cut (0.3 to 1.2 at cuts)."""
_STAYED = 0.3
"""Share of pixels that stay nearly as they were at a cut that is sure by itself. At cuts of the films tried
it is up to 0.25, in dark games 0.4; an arm that shoots into the picture leaves half of it."""
_NEARLY = 0.25
"""Of the mean change: what a pixel that stays may change by."""
_MOVED = 0.4
"""1 - correlation of a picture's middle with where it fits best into the one before, at such a cut (0.43 to
0.8 at nearly all; whips of the camera up to 0.33)."""
_MARGIN = (6, 12)
"""How far the middle may have moved, in pixels of the small pictures: rows, columns."""
_LEAST_MIX = 10.0
"""Mean difference of the two ends of a dissolve, in codes."""
_MIX_STRUCTURE = 0.3
_MIX_ERROR = 0.2
"""How far the middle may lie from the mean of the ends, as a share of their difference."""
_FLAT = 4.0
"""Standard deviation below which a picture is a plain surface, in codes."""
_SURELY_APART = 0.6
_FADED = 0.35
"""Contrast of one end of a fade to black (or any plain surface) as a share of the other's."""


def small_luma(luma: Plane, bit_depth: int = 8) -> Small:
    """The detector's picture of a luma plane ``(H, W)`` of any depth."""
    if luma.strides[0] < 0:  # OpenCV takes no plane that is stored from the bottom up
        luma = np.ascontiguousarray(luma)
    height, width = SMALL
    # Picking samples first: averaging the whole plane would cost more than all the rest, and what lies
    # between the picked ones tells a detector of cuts nothing.
    double = cv2.resize(luma, (2 * width, 2 * height), interpolation=cv2.INTER_NEAREST)
    small: Small = cv2.resize(double, (width, height), interpolation=cv2.INTER_AREA)
    return small if bit_depth == 8 else (small >> (bit_depth - 8)).astype(np.uint8)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found of one frame."""

    index: int
    """Number of the frame among those pushed, from 0."""
    new_shot: bool
    """The frame is the first of its shot. In a dissolve that is the frame in the middle, in a fade from
    black (or any plain surface) its beginning; the plain frames belong to the shot before."""
    fading: bool
    """The frame lies in a fade or a dissolve."""


@dataclass(frozen=True, slots=True)
class _Mix:
    """A frame in the middle of a fade or dissolve."""

    reach: int
    from_plain: bool
    to_plain: bool


@dataclass(slots=True)
class _Run:
    """Frames in the middle of one fade or dissolve."""

    first: int
    last: int
    begin: Small | None
    """Before it, as far as that was seen."""
    from_plain: bool
    done: bool
    """Its boundary has been told, or it has none."""


class ShotDetector:
    """Push small pictures in order; verdicts come in order, ``lookahead`` frames late."""

    def __init__(self, reaches: tuple[int, ...] = REACHES) -> None:
        """``reaches``: see ``REACHES``; less where only every other frame is pushed."""
        self._reaches = reaches
        self.lookahead = 2 * max(reaches)
        """Frames that must have been seen after a frame before it is decided."""
        self._pictures: dict[int, Small] = {}
        self._changes: dict[int, float] = {}
        self._path: dict[int, float] = {}
        """Sum of all changes up to a frame: two frames cannot differ by more than lies between them."""
        self._mixes: dict[int, _Mix] = {}
        self._last: Small | None = None
        self._breaks: set[int] = set()
        """Frames that others were missing before, and that surely are of another shot than those before."""
        self._pushed = self._decided = 0
        self._run: _Run | None = None

    def push(self, small: Small | None) -> list[Verdict]:
        """Takes the next frame's picture (see :func:`small_luma`); returns what is decided by it.

        None stands for a frame that was not looked at. A shot that begins among such frames begins, as far
        as can be told, with the next that was; in doubt there is none.
        """
        now = self._pushed
        if small is None:
            self._path[now] = self._path.get(now - 1, 0.0)
        else:
            self._take(now, small)
        self._pushed += 1
        return [self._decide()] if now >= self.lookahead else []

    def _take(self, now: int, small: Small) -> None:
        if small.shape != SMALL or small.dtype != np.uint8:
            raise ValueError(f"a small picture is uint8{SMALL}, not {small.dtype}{small.shape}")
        last = self._last
        change = 0.0 if last is None else _difference(small, last)
        self._path[now] = self._path.get(now - 1, 0.0) + change
        if now == 0 or now - 1 in self._pictures:
            self._changes[now] = 0.0 if last is None else _steady_difference(small, last)
        elif last is not None and are_apart(last, small):
            self._breaks.add(now)
        self._pictures[now] = self._last = small
        self._look_for_mixes(now)

    def finish(self) -> list[Verdict]:
        """What is still undecided when the film is over."""
        return [self._decide() for _ in range(self._decided, self._pushed)]

    def _decide(self) -> Verdict:
        index = self._decided
        seen = index in self._pictures
        cut = seen and self._is_cut(index)
        mixed = bool(self._mixes) and self._is_mix_boundary(index)
        verdict = Verdict(index, index == 0 or cut or mixed, bool(self._mixes) and self._is_fading(index))
        self._decided += 1
        past = index - self.lookahead
        self._pictures.pop(past, None)
        self._changes.pop(past, None)
        self._path.pop(past, None)
        self._mixes.pop(past, None)
        return verdict

    # Cuts

    def _is_cut(self, index: int) -> bool:
        if index in self._breaks:
            self._breaks.remove(index)
            return True
        change = self._changes.get(index, 0.0)
        if change < _LEAST_CHANGE:
            return False
        if self._is_sure_cut(index):
            return True
        close = (self._changes.get(index + k, 0.0) for k in range(-_FLASH, _FLASH + 1))
        if change < max(close) or self._changes.get(index - 1) == change:
            return False  # the cut is where most changes: a frame may be blended of both shots
        around = sorted(self._changes[n] for n in self._near(index, _AROUND))[:-2]
        if change < _CUT_RATIO * max(1.0, *around[-1:], 0.0):
            return False
        beside = (self._changes[n] for n in self._near(index, _BESIDE) if not self._is_sure_cut(n))
        if change < _SURE_CHANGE and change < _STANDS_OUT * max(beside, default=0.0):
            return False
        # Where the next frame was not looked at, nobody knows whether what happens here goes on.
        least = _CUT_STRUCTURE if index + 1 in self._pictures else _SURELY_APART
        before, after = self._pictures[index - 1], self._pictures[index]
        return _unlikeness(before, after) >= least and not self._is_flash(index)

    def _is_sure_cut(self, index: int) -> bool:
        if self._changes.get(index, 0.0) < _LEAST_MIX:  # most frames: the rest costs several times as much
            return False
        before, after = self._pictures.get(index - 1), self._pictures.get(index)
        return before is not None and after is not None and _have_nothing_in_common(before, after)

    def _near(self, index: int, reach: int) -> Iterator[int]:
        """Frames around one whose change is known; the first frame has none."""
        for n in range(index - reach, index + reach + 1):
            if n != index and n > 0 and n in self._changes:
                yield n

    def _is_flash(self, index: int) -> bool:
        """Whether a frame shortly after looks like one shortly before."""
        before = [self._pictures[n] for n in range(index - 1 - _FLASH, index) if n in self._pictures]
        after = [self._pictures[n] for n in range(index, index + _FLASH + 1) if n in self._pictures]
        change = self._path[index] - self._path[index - 1]
        return any(_difference(a, b) < change / 2 for a in before for b in after)

    # Fades and dissolves

    def _look_for_mixes(self, now: int) -> None:
        for reach in self._reaches:
            middle, first = now - reach, now - 2 * reach
            if first < 0 or self._path[now] - self._path[first] < _LEAST_MIX or middle in self._mixes:
                continue
            if (mix := self._mix(middle, reach)) is not None:
                self._mixes[middle] = mix

    def _mix(self, middle: int, reach: int) -> _Mix | None:
        first, last = self._pictures.get(middle - reach), self._pictures.get(middle + reach)
        if first is None or last is None:
            return None
        difference = _difference(first, last)
        if difference < _LEAST_MIX:
            return None
        for step, share in ((0, 0.5), (-reach // 2, 0.75), (reach // 2, 0.25)):
            seen = self._pictures.get(middle + step)
            if seen is None:
                if step == 0:
                    return None
                continue
            expected = cv2.addWeighted(first, share, last, 1 - share, 0)
            if _difference(seen, expected) > _MIX_ERROR * difference:
                return None
        contrasts = _contrast(first), _contrast(last)
        unlike = _unlikeness(first, last)
        if unlike < _MIX_STRUCTURE or not _is_pale(_contrast(self._pictures[middle]), contrasts, unlike):
            return None
        plain = max(_FLAT, _FADED * max(contrasts))
        return _Mix(reach, contrasts[0] < plain, contrasts[1] < plain)

    def _is_mix_boundary(self, index: int) -> bool:
        """Whether a new shot begins here: in the middle of a run of mixes, as far as it can be seen."""
        mix = self._mixes.get(index)
        if mix is None:
            return False
        run, far = self._run, max(self._reaches)
        if run is None or index - run.last > far or (mix.from_plain and not run.from_plain):
            # After a fade to black the next shot begins with what follows; one from black begins at once.
            done = mix.from_plain or mix.to_plain
            run = self._run = _Run(index, index, self._pictures.get(index - mix.reach), mix.from_plain, done)
            if mix.from_plain:
                return not mix.to_plain
        run.last = index
        if run.done:
            return False
        end = max(n for n in self._mixes if index <= n <= index + far)
        after = self._pictures.get(end + self._mixes[end].reach)
        if end == index or run.begin is None or after is None:
            run.done = 2 * index >= run.first + end
        else:
            now = self._pictures[index]
            run.done = _steady_difference(now, run.begin) >= _steady_difference(now, after)
        return run.done

    def _is_fading(self, index: int) -> bool:
        far = max(self._reaches)
        close = ((n, self._mixes.get(n)) for n in range(index - far, index + far + 1))
        return any(mix is not None and abs(n - index) <= mix.reach for n, mix in close)


def find_shots(pictures: Iterable[Small]) -> Iterator[int]:
    """Numbers of the frames that start a shot, the first always among them."""
    detector = ShotDetector()
    for picture in pictures:
        yield from (v.index for v in detector.push(picture) if v.new_shot)
    yield from (v.index for v in detector.finish() if v.new_shot)


def are_apart(before: Small, after: Small) -> bool:
    """Whether two frames some time apart are surely of two shots: what lies between was not seen."""
    return _difference(before, after) >= _LEAST_MIX and _unlikeness(before, after) >= _SURELY_APART


def _have_nothing_in_common(before: Small, after: Small) -> bool:
    """Whether two frames, one after the other, are surely of two shots, however short these are."""
    soft = cv2.blur(before, (3, 3)), cv2.blur(after, (3, 3))  # the grain of old film is no structure
    if min(map(_contrast, soft)) < _FLAT or _unlikeness(*soft) < _SURELY_APART:
        return False
    change = np.abs(_steady_change(*soft))
    if change.mean() < _LEAST_MIX or (change < _NEARLY * change.mean()).mean() > _STAYED:
        return False
    return min(_moved(before, after), _moved(after, before)) >= _MOVED


def _moved(before: Small, after: Small) -> float:
    """How unlike the middle of a picture is to every place of the one before that it may have come from."""
    rows, columns = _MARGIN
    middle = after[rows:-rows, columns:-columns]
    return 1 - float(cv2.matchTemplate(before, middle, cv2.TM_CCOEFF_NORMED).max())


def _difference(a: Small, b: Small) -> float:
    """Mean absolute difference, in codes."""
    return cv2.norm(a, b, cv2.NORM_L1) / a.size


def _steady_difference(a: Small, b: Small) -> float:
    """The same, but for what all pixels have in common: the flicker of old films."""
    return cv2.norm(_steady_change(a, b), cv2.NORM_L1) / a.size


def _steady_change(a: Small, b: Small) -> npt.NDArray[np.int16]:
    change = np.asarray(cv2.subtract(a, b, dtype=cv2.CV_16S), np.int16)
    return change - np.int16(np.median(change))


def _contrast(small: Small) -> float:
    """Standard deviation, in codes."""
    return float(cv2.meanStdDev(small)[1].item())


def _is_pale(middle: float, ends: tuple[float, float], unlike: float) -> bool:
    """Whether the middle has lost contrast as a mixture of its ends does; what moves keeps its own.

    Blurred things that move can be near the mean of where they were and will be, too.
    """
    kept = (ends[0] ** 2 + ends[1] ** 2) / 2
    mixture = (kept + (1 - unlike) * ends[0] * ends[1]) / 2
    return middle**2 < (kept + mixture) / 2


def _unlikeness(a: Small, b: Small) -> float:
    """1 - the correlation of two pictures: 0 where one is the other in another light, about 1 where they
    have nothing in common. A plain picture is unlike everything that is not plain."""
    x, y = a.astype(np.float32), b.astype(np.float32)
    x, y = x - x.mean(), y - y.mean()
    # A deviation of one code in every pixel is added, so that noise on black is not taken for structure.
    return 1 - float((x * y).sum() / np.sqrt(((x * x).sum() + x.size) * ((y * y).sum() + y.size)))
