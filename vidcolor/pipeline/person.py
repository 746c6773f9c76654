"""A person's word on colour: painted anchors and hints, at their frames and through their shots.

What is said of a frame goes forwards by itself, from anchor to anchor. To go backwards it has to be known
before its frame is met: when the film comes near, the shot is read once more, ahead, and followed back.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise

import cv2
import numpy as np

from vidcolor.color.chroma import ChromaMaker
from vidcolor.errors import InputError
from vidcolor.frames import Frame, VideoInfo
from vidcolor.media.reader import VideoReader
from vidcolor.pipeline.advice import Said, over, with_following
from vidcolor.pipeline.anchor_folder import Division, Painted
from vidcolor.pipeline.colorist import Colorist
from vidcolor.pipeline.hearing import Divided, Hearing
from vidcolor.pipeline.hint_file import Hint
from vidcolor.pipeline.painted import Painter, read_picture
from vidcolor.pipeline.pointed import Pointer
from vidcolor.pipeline.retrace import brought, chained, follow_back
from vidcolor.temporal.anchors import carry_size, in_shots, small_pictures
from vidcolor.temporal.track import Small, Way

__all__ = ["Again", "Person", "Speaker", "Word"]

Word = Painted | Hint
Again = Callable[[Fraction, Fraction], VideoReader]
"""Opens the film once more, from one time to another, in seconds from its beginning."""

_LOOK_BACK = 1000
"""Frames that something said is brought back at most."""
_LOOK_AHEAD = Fraction(3)
"""Seconds read beyond a frame: the shot detector decides late."""
_AT_ONCE = 16
"""Frames something is said of that are kept at a time, with the colour said."""
_TOLERANCE = Fraction(1, 50)
"""Seconds by which a time may lie before its frame, at most half a frame: names of files are cut off, and
players round."""


@dataclass(slots=True)
class _Stretch:
    """Frames that are read ahead together."""

    begin: Fraction
    words: list[Word]


@dataclass(slots=True)
class _Shot:
    """A shot that is read ahead; while it is, its last frames, then what was found."""

    pictures: deque[Small] = field(default_factory=lambda: deque(maxlen=_LOOK_BACK))
    keys: deque[int] = field(default_factory=lambda: deque(maxlen=_LOOK_BACK))
    """Times of the pictures, as pts."""
    frames: int = 0
    said: dict[int, Said] = field(default_factory=dict)
    """By pts."""
    ways: dict[int, Way] = field(default_factory=dict)
    """From each station to the next one, by pts, rising."""


class Speaker:
    """Turns words into what is said of a frame."""

    def __init__(
        self, colorist: Colorist, make: ChromaMaker, painter: Painter, shape: tuple[int, int]
    ) -> None:
        """``shape``: width and height of an upright frame."""
        self._pointer, self._painter, self._shape = Pointer(colorist, make), painter, shape

    def said(self, frame: Frame, words: Sequence[Word]) -> Said:
        """What words, at least one, say of a frame; hints count more than paint."""
        said: Said | None = None
        for word in words:
            if isinstance(word, Painted):
                picture = read_picture(word.path, *self._shape)
                before = None if word.original is None else self._original(word)
                said = over(self._painter.said(picture, before), said)
        if hints := [word for word in words if isinstance(word, Hint)]:
            said = over(self._pointer.said(frame, hints), said)
        assert said is not None
        return said

    def _original(self, word: Painted) -> np.ndarray | None:
        assert word.original is not None
        width, height = self._shape
        try:
            data = np.frombuffer(word.original.read_bytes(), np.uint8)
        except OSError as error:
            raise InputError(f"{word.original} cannot be read: {error.strerror or error}.") from error
        found = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if len(data) else None
        fits = found is not None and found.shape == (2 * max(1, height // 2), max(1, width // 2))
        return found if fits else None


def _divided(division: Division, stretches: Iterable[_Stretch]) -> dict[int, Divided]:
    """What of a division is followed: shots that somebody speaks of, from where that may be brought back to.

    By the number of the shot, from 1. Others have the anchors that they have where nobody speaks.
    """
    times, shots = sorted(division.anchors), division.shots
    found: dict[int, Divided] = {}
    for stretch in stretches:
        for word in stretch.words:
            number = bisect_right(shots, word.time + _TOLERANCE)
            begin = max(stretch.begin, shots[number - 1]) if number else stretch.begin
            if word.time > division.end or (number in found and found[number].begin <= begin):
                continue
            end = shots[number] if number < len(shots) else None
            inside = times[bisect_left(times, begin) : None if end is None else bisect_left(times, end)]
            found[number] = Divided(begin, end, frozenset(inside))
    return found


def _clock(time: Word | Fraction) -> str:
    return f"{float(time if isinstance(time, Fraction) else time.time):.3f} s"


class _Times:
    """Which frame a time means: the one that is shown then."""

    def __init__(self, begin: Fraction, video: VideoInfo, words: Sequence[Word]) -> None:
        self._begin = begin
        self._frame = 1 / video.average_rate if video.average_rate else Fraction(1, 25)
        self._words = deque(sorted(words, key=lambda word: word.time))
        self.missed: list[Word] = []
        self._next: int | None = None
        """pts of the frame that is known to come after the last one."""

    def __len__(self) -> int:
        return len(self._words)

    def __iter__(self) -> Iterator[Word]:
        return iter(self._words)

    def of(self, frame: Frame) -> Fraction:
        """A frame's time, in seconds from the film's beginning."""
        return frame.time.exact - self._begin

    def take(self, frame: Frame, following: Frame | None) -> list[Word]:
        """The words that mean a frame; frames come in order."""
        time = self.of(frame)
        length = frame.duration * frame.time.time_base or self._frame
        if following is not None:
            length = self.of(following) - time
        tolerance = min(length / 2, _TOLERANCE)
        here: list[Word] = []
        while self._words and self._words[0].time < time + length - tolerance:
            word = self._words.popleft()
            joined = self._next == frame.time.pts  # nothing lies between the last frame and this one
            (here if joined or word.time >= time - tolerance else self.missed).append(word)
        self._next = None if following is None else following.time.pts
        return here

    def skip(self, pts: int, time: Fraction, *, heard: bool) -> None:
        """Drops the words of frames before the one at ``pts``, ``time``; ``heard``: and of that one."""
        self._next = pts
        tolerance = min(self._frame / 2, _TOLERANCE)
        until = time + self._frame - tolerance if heard else time - tolerance
        while self._words and self._words[0].time < until:
            self._words.popleft()

    def leave(self, time: Fraction) -> None:
        """Ends before the frame at ``time``; the words of later ones are dropped."""
        self.missed += [word for word in self._words if word.time < time - _TOLERANCE]
        self._words.clear()


class Person:
    """Says what a person painted and hinted at; an adviser."""

    def __init__(
        self,
        words: Sequence[Word],
        speaker: Speaker,
        video: VideoInfo,
        *,
        begin: Fraction,
        start: Fraction,
        every: int,
        division: Division | None,
        again: Again | None,
        notify: Callable[[str], None],
    ) -> None:
        """
        Args:
            words: what is said, each of one time.
            speaker: turns them into chroma.
            video: the stream.
            begin: the film's beginning on the clock of its frames, in seconds.
            start: first moment that is coloured, in seconds from the beginning.
            every: frames there are, on average, to an anchor.
            division: where anchors are known to be.
            again: opens the film once more; None: it can be read once only, so nothing goes back.
            notify: gets one sentence for each thing the user should know.
        """
        self._speaker, self._video, self._begin = speaker, video, begin
        self._size = carry_size(video.height, video.width)
        self._times = _Times(begin, video, words)
        self._start, self._every, self._division, self._notify = start, every, division, notify
        self._again = again
        self._given = words
        self._all_ahead = list(self._stretches(words) if again is not None else ())
        self._ahead = deque(self._all_ahead)
        self._divided = (
            {} if division is None else _divided(division, self._all_ahead or [_Stretch(start, list(words))])
        )
        self._words: dict[int, list[Word]] = {}
        """By pts, of anchors that are not yet decided."""
        self._shots: deque[_Shot] = deque()
        self._reached: deque[tuple[int, int]] = deque()
        """Frames that something is said of or brought to, from one to another, by pts."""

    # Adviser

    def wants(self, frame: Frame, following: Frame | None) -> bool:
        time = self._times.of(frame)
        while self._ahead and self._ahead[0].begin <= time + _TOLERANCE:
            found = self._read_ahead(self._ahead.popleft())
            self._shots.extend(found)
            self._reached.extend((min([*shot.ways, *shot.said]), max(shot.said)) for shot in found)
        words = self._times.take(frame, following)
        if words:
            self._words[frame.time.pts] = words
            self._reached.append((frame.time.pts, frame.time.pts))
        known = self._known_anchors(time)
        divided = known is not None and time in known
        return bool(words) or divided or any(frame.time.pts in shot.ways for shot in self._shots)

    def settles(self, frame: Frame) -> bool:
        """Whether all anchors about a frame are known beforehand: an anchor that nothing was brought back to
        would have the network's colour in the midst of what was said."""
        if self._known_anchors(self._times.of(frame)) is not None:
            return True
        pts = frame.time.pts
        return any(next(iter(shot.ways), pts) < pts < max(shot.said) for shot in self._shots)

    def at(self, frame: Frame) -> Said | None:
        pts = frame.time.pts
        while self._shots and all(key < pts for key in self._shots[0].said):
            self._shots.popleft()
        words = self._words.pop(pts, None)
        shot = next((shot for shot in self._shots if pts in shot.ways or pts in shot.said), _Shot())
        said = shot.said.get(pts)
        if words and said is None:
            said = self._speaker.said(frame, words)
        for later, way in _later(shot, pts):
            moved = brought(later, way)
            said = moved if said is None else over(said, moved)
        return said

    def reaches(self, frame: Frame) -> bool:
        """Whether something is said of a frame or was brought back to it; asked in order."""
        pts = frame.time.pts
        while self._reached and self._reached[0][1] < pts:
            self._reached.popleft()
        return any(first <= pts <= last for first, last in self._reached)

    def go_on(self, pts: int, *, heard: bool) -> None:
        """Goes on with the frame at ``pts``; ``heard``: what is said of it was heard in an earlier run."""
        time = pts * self._video.time_base - self._begin
        missed, self._times = self._times.missed, _Times(self._begin, self._video, self._given)
        self._times.missed = missed
        self._times.skip(pts, time, heard=heard)
        self._ahead = deque(self._all_ahead)
        self._words.clear()
        self._shots.clear()
        self._reached.clear()
        while self._ahead and self._ahead[0].words[-1].time < time - _TOLERANCE:
            self._ahead.popleft()

    def leave(self, pts: int) -> None:
        """Ends before the frame at ``pts``: from there on the film is made already."""
        self._times.leave(pts * self._video.time_base - self._begin)

    def hearing(self) -> Hearing:
        """Tells what parts of the film hang on of all that is said. Raises InputError as :class:`Hearing`."""
        stretches = [(stretch.begin, stretch.words) for stretch in self._all_ahead]
        start, base = self._start, self._video.time_base
        return Hearing(stretches, self._divided.values(), start, lambda pts: pts * base - self._begin)

    def words(self) -> list[str]:
        """What a person should know when all frames have gone by."""
        left = [*self._times.missed, *self._times]
        if not left:
            return []
        others = f" and {len(left) - 1} more" if len(left) > 1 else ""
        return [f"No frame was coloured at {_clock(left[0])}; the colour given there{others} was not used."]

    # Reading ahead

    def _stretches(self, words: Sequence[Word]) -> Iterator[_Stretch]:
        """What has to be read ahead, in order."""
        reach = _LOOK_BACK / (self._video.average_rate or Fraction(25))
        stretch: _Stretch | None = None
        for word in sorted(words, key=lambda word: word.time):
            begin = max(self._start, word.time - reach)
            if self._division is not None and word.time <= self._division.end:
                shots = self._division.shots
                number = bisect_right(shots, word.time + _TOLERANCE)
                begin = max(begin, shots[number - 1]) if number else begin
            last = stretch.words[-1].time if stretch is not None else None
            if stretch is not None and last is not None and begin <= last:
                if len({word.time for word in [*stretch.words, word]}) <= _AT_ONCE:
                    stretch.words.append(word)
                    continue
                begin = last
                self._notify(
                    f"More than {_AT_ONCE} frames close together are spoken of;"
                    f" what is said at {_clock(word)} goes back only to the one before, at {_clock(last)}."
                )
            if stretch is not None:
                yield stretch
            stretch = _Stretch(begin, [word])
        if stretch is not None:
            yield stretch

    def _known_anchors(self, time: Fraction) -> frozenset[Fraction] | None:
        """Where anchors are known to be around a moment; None: nobody knows, or nobody speaks there."""
        if self._division is None or time > self._division.end:
            return None
        shot = self._divided.get(bisect_right(self._division.shots, time))
        return None if shot is None or time < shot.begin else shot.anchors

    def _read_ahead(self, stretch: _Stretch) -> list[_Shot]:
        """The shots of a stretch that something is said of, followed back."""
        if stretch.words[-1].time <= stretch.begin + _TOLERANCE:
            return []  # of a shot's first frame: nothing lies before it
        assert self._again is not None
        times = _Times(self._begin, self._video, stretch.words)
        found: list[_Shot] = []
        shot = _Shot()
        with self._again(stretch.begin, stretch.words[-1].time + _LOOK_AHEAD) as reader:
            shots = in_shots(reader.frames(), self._video.bit_depth)
            for (frame, starts_shot), following in with_following(shots):
                if starts_shot:
                    self._follow(shot)
                    found.append(shot)
                    shot = _Shot()
                shot.frames += 1
                shot.pictures.append(small_pictures(frame.luma, self._video.bit_depth, self._size)[0])
                shot.keys.append(frame.time.pts)
                if words := times.take(frame, following and following[0]):
                    shot.said[frame.time.pts] = self._speaker.said(frame, words)
                if not times:
                    break
        self._follow(shot)
        return [one for one in (*found, shot) if one.said]

    def _follow(self, shot: _Shot) -> None:
        """Follows a shot back from the last frame that something is said of, and lets its pictures go."""
        keys = list(shot.keys)
        said = [n for n, key in enumerate(keys) if key in shot.said]
        if said and said[-1] > 0:
            last = said[-1]
            if shot.frames > len(keys):
                self._notify(f"A shot is longer than {_LOOK_BACK} frames; colours go back that far in it.")
            stations = {0, *said, *self._stations(keys[: last + 1])}
            ways = follow_back(list(shot.pictures)[: last + 1], sorted(stations))
            shot.ways = {keys[n]: way for n, way in ways.items()}
        shot.pictures.clear()
        shot.keys.clear()

    def _stations(self, keys: Sequence[int]) -> Iterator[int]:
        """Numbers of frames that will be anchors, or may well be."""
        for n, key in enumerate(keys):
            time = key * self._video.time_base - self._begin
            if (known := self._known_anchors(time)) is not None:
                if time in known:
                    yield n
            elif (len(keys) - 1 - n) % self._every == 0 and n > self._every // 4:
                yield n


def _later(shot: _Shot, pts: int) -> Iterator[tuple[Said, Way]]:
    """What is said of the stations after one, and the ways there; the nearest first."""
    way: Way | None = None
    stations = [*shot.ways, max(shot.said, default=pts)]
    for station, following in pairwise(stations):
        if station == pts:
            way = shot.ways[station]
        elif way is not None:
            way = chained(way, shot.ways[station])
        if way is not None and following in shot.said:
            yield shot.said[following], way
