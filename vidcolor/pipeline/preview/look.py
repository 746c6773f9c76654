"""Which frames of a film a preview looks at, and what it finds of shots and anchors in them.

A film that is short enough is read as a run reads it. Of a longer one key frames from all over it are
decoded; a cut between two of them is looked for among the key frames shortly before the second, and, as far
as that costs little, in the frames between. What cannot be sought in is read from its beginning for a while.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice, pairwise

from vidcolor.errors import InputError
from vidcolor.frames import Frame, VideoInfo
from vidcolor.media.key_frames import KeyFrames
from vidcolor.media.reader import VideoReader
from vidcolor.media.timeline import clock_text
from vidcolor.pipeline.opening import film_end
from vidcolor.pipeline.prefetch import prefetch
from vidcolor.pipeline.preview.sights import Reducer, Sight, thinned
from vidcolor.temporal.anchors import Budget, carry_size, find_spans, in_shots
from vidcolor.temporal.shots import are_apart

__all__ = [
    "Found",
    "Opener",
    "exact_frames",
    "frames_allowed",
    "read_through",
    "skim",
]

Opener = Callable[[Fraction | None, Fraction | None], VideoReader]
"""Opens the film anew, from one moment to another, in seconds from its beginning."""

_PIXELS = 640_000_000
"""Of all pictures that are decoded beside key frames, together: 300 of 1080p, some seconds on two cores."""
_MOST_FOLLOWED = 400
"""Frames in which motion is looked for, so that anchors are those of a run."""
_PATIENCE_S = 20.0
"""How long an input that cannot be sought in is read, in seconds."""
_LOOKED_AT = 4
"""Key frames looked at for each that is shown."""
_STEPS_BACK = 3
"""Key frames looked at before one that is of another shot than the last."""
_AFTER_CUT = Fraction(1, 2)
"""Seconds read after a cut: what comes back within two frames was a flash."""
_MARGINS = (Fraction(2), Fraction(60))
"""Seconds before a moment at which the frame shown there is looked for first."""
_FRAMES_AHEAD = 4


@dataclass(slots=True)
class Found:
    """What was seen of a film."""

    sights: list[Sight]
    looked_at: int
    """Frames that were decoded and looked at."""
    shots: int
    """How many were found."""
    whole: bool
    """All frames were looked at."""
    skipped: str
    """What was not looked at, in a sentence."""


def frames_allowed(video: VideoInfo) -> int:
    """Frames of a film that are read one after the other."""
    return max(24, _PIXELS // (video.width * video.height))


# ---- one after the other --------------------------------------------------------------------------


def read_through(
    reader: VideoReader, reduce: Reducer, every: int | None, count: int, expected: int | None, begin: Fraction
) -> Found:
    """Reads a film from where it was opened, until all that is allowed is read.

    Args:
        reader: the film.
        reduce: makes the sights.
        every: frames there are, on average, to an anchor; None: there are none.
        count: how many sights will be shown.
        expected: frames there are; None: nobody knows, and it is read for a limited time.
        begin: where it was opened, in seconds from its beginning.
    """
    video, stop = reader.video, threading.Event()
    most = frames_allowed(video) if expected is None else 2 * expected + 100
    followed = every is not None and expected is not None and expected <= _MOST_FOLLOWED
    step = max(1, (expected or 0) // (_LOOKED_AT * count))
    timer = threading.Timer(_PATIENCE_S, stop.set)
    timer.daemon = True
    if expected is None:
        timer.start()
    sights, shots, exceeded = list[Sight](), 0, False
    last: Frame | None = None
    seen = 0
    try:
        with closing(prefetch(reader.frames(), _FRAMES_AHEAD, stop)) as frames:
            limited = _Limited(frames, most)
            shown = in_shots(limited, video.bit_depth)
            for frame, starts_shot, anchor in _anchors(shown, video, every if followed else None):
                shots += starts_shot
                if starts_shot or anchor or seen % step == 0:
                    sight = reduce(frame)
                    sight.shot, sight.starts_shot, sight.exact = shots, starts_shot, starts_shot
                    if starts_shot and last is not None:
                        sight.after = last.time.exact - reader.begin
                    sight.anchor = anchor
                    sights.append(sight)
                    if len(sights) > 2 * _LOOKED_AT * count:
                        sights, step = thinned(sights, _LOOKED_AT * count), 2 * step
                seen, last = seen + 1, frame
            exceeded = limited.exceeded or stop.is_set()
    finally:
        timer.cancel()
    if last is None:
        raise InputError(f"{reader.info.name}: no frame came within {_PATIENCE_S:g} seconds.")
    if not exceeded:
        all_of_them = f"All {seen} frames were looked at." if seen > 1 else "Its one frame was looked at."
        return Found(sights, seen, shots, True, all_of_them)
    until = clock_text(last.time.exact - reader.begin - begin)
    why = "The input cannot be sought in, or does not say how long it is"
    skipped = f"{why}: only its first {seen} frames were looked at, {until} long."
    return Found(sights, seen, shots, False, skipped)


def _anchors(
    shots: Iterable[tuple[Frame, bool]], video: VideoInfo, every: int | None
) -> Iterator[tuple[Frame, bool, bool]]:
    """Each frame, whether it starts a shot, and whether it is an anchor; of these, with ``every`` None, only
    what starts a shot."""
    if every is None:
        yield from ((frame, starts, starts) for frame, starts in shots)
        return
    size = carry_size(video.height, video.width)
    for span in find_spans(shots, size, video.bit_depth, Budget(every)):
        for number, moved in enumerate(span.steps):
            yield moved.frame, span.starts_shot and number == 0, number == 0


class _Limited:
    """The first frames of many."""

    def __init__(self, frames: Iterator[Frame], most: int) -> None:
        self._frames, self._most = frames, most
        self.exceeded = False
        """Whether there were more."""

    def __iter__(self) -> Iterator[Frame]:
        yield from islice(self._frames, self._most)
        self.exceeded = next(self._frames, None) is not None


# ---- here and there -------------------------------------------------------------------------------


def skim(
    keys: KeyFrames,
    again: Opener,
    video: VideoInfo,
    reduce: Reducer,
    count: int,
    span: tuple[Fraction, Fraction],
) -> Found | None:
    """Looks at key frames all over a film; None where none can be found.

    Args:
        keys: the open film's.
        again: opens it once more.
        video: its stream.
        reduce: makes the sights.
        count: how many sights will be shown.
        span: from when to when, in seconds from the film's beginning.
    """
    begin, end = span
    wanted = _LOOKED_AT * count
    seen: dict[int, Sight] = {}
    for number in range(wanted):
        frame = keys.before(begin + (end - begin) * (2 * number + 1) / (2 * wanted))
        if frame is not None and frame.time.pts not in seen:
            sight = reduce(frame)
            if begin <= sight.time < end or not seen:
                seen[frame.time.pts] = sight
    if not seen:
        return None
    sights = sorted(seen.values(), key=lambda sight: sight.time)
    shots = _part(sights)
    chosen = [_nearer_to_cut(sight, keys, reduce) for sight in thinned(sights, count)]
    more = _find_cuts(chosen, again, video, reduce)
    total = round((end - begin) * video.average_rate) if video.average_rate else None
    looked_at = keys.decoded + more
    return Found(chosen, looked_at, shots, False, _skipped(looked_at, total, sights, span, shots))


def _part(sights: list[Sight]) -> int:
    """Tells each of the sights which shot it is of; how many there are."""
    shot = 1
    sights[0].starts_shot = True
    for before, now in pairwise(sights):
        if are_apart(before.small, now.small):
            now.starts_shot, now.after = True, before.time
            shot += 1
        now.shot = shot
    return shot


def _nearer_to_cut(sight: Sight, keys: KeyFrames, reduce: Reducer) -> Sight:
    """The first key frame of the sight's shot, as far as it is among the few before it."""
    for _ in range(_STEPS_BACK):
        if sight.after is None:
            return sight
        frame = keys.before(sight.time - Fraction(1, 1000))
        if frame is None:
            return sight
        earlier = reduce(frame)
        if not sight.after < earlier.time < sight.time:
            return sight
        if are_apart(earlier.small, sight.small):
            sight.after = earlier.time
            return sight
        earlier.shot, earlier.starts_shot, earlier.after = sight.shot, True, sight.after
        sight = earlier
    return sight


def _find_cuts(chosen: list[Sight], again: Opener, video: VideoInfo, reduce: Reducer) -> int:
    """Finds the frames that cuts are at where little has to be decoded for it; how many were decoded."""
    rate = video.average_rate or Fraction(25)
    left, decoded = frames_allowed(video), 0
    places = [n for n, sight in enumerate(chosen) if sight.after is not None]
    for place in sorted(places, key=lambda n: chosen[n].time - (chosen[n].after or 0)):
        sight = chosen[place]
        assert sight.after is not None
        length = (sight.time - sight.after + _AFTER_CUT) * rate
        if length > left:
            break
        left -= int(length) + 1
        found, count = _cut_between(sight, again, video, reduce)
        decoded += count
        if found is not None:
            chosen[place] = found
    return decoded


def _cut_between(sight: Sight, again: Opener, video: VideoInfo, reduce: Reducer) -> tuple[Sight | None, int]:
    """The frame that the sight's shot begins with; None where none is found; and how many were read."""
    assert sight.after is not None
    found: Sight | None = None
    last, count = sight.after, 0
    try:
        with again(sight.after, sight.time + _AFTER_CUT) as reader, closing(_frames(reader)) as frames:
            for count, (frame, starts_shot) in enumerate(in_shots(frames, video.bit_depth), 1):
                time = frame.time.exact - reader.begin
                if time > sight.time:
                    break
                if starts_shot and count > 1:
                    found = reduce(frame)
                    found.shot, found.starts_shot, found.exact = sight.shot, True, True
                    found.anchor, found.after = True, last
                last = time
    except InputError:
        return None, count
    return found, count


def _frames(reader: VideoReader) -> Generator[Frame, None, None]:
    yield from reader.frames()


def _skipped(
    looked_at: int, total: int | None, sights: list[Sight], span: tuple[Fraction, Fraction], shots: int
) -> str:
    apart = float((span[1] - span[0]) / max(1, len(sights)))
    of = f"about {total} frames" if total else "the film's frames"
    return (
        f"{looked_at} of {of} were looked at, in {len(sights)} places {apart:.3g} s apart, and show"
        f" {shots} shots; others may lie between them."
    )


# ---- at given moments -----------------------------------------------------------------------------


def exact_frames(
    reader: VideoReader, again: Opener, reduce: Reducer, times: list[Fraction], *, seekable: bool
) -> list[Sight]:
    """The frames shown at some moments, which rise, in seconds from the film's beginning.

    Raises:
        InputError: the film ends before one of them.
    """
    if not seekable:
        return _shown_at(reader, reduce, times, Fraction(0))
    end = film_end(reader.video, reader.begin)
    sights = []
    for time in times:
        if end is not None and time > end + 1:
            raise _ends_before(reader, end, time)
        for margin in (*_MARGINS, None):
            start = None if margin is None or margin >= time else time - margin
            with again(start, None) as near:
                try:
                    sights += _shown_at(near, reduce, [time], start or Fraction(0))
                    break
                except _EndsBefore:
                    raise
                except InputError:  # the range begins in the middle of the frame that is looked for
                    if start is None:
                        raise
    return sights


class _EndsBefore(InputError):
    """The film was read to its end, and that is before the time asked for."""


def _shown_at(reader: VideoReader, reduce: Reducer, times: list[Fraction], start: Fraction) -> list[Sight]:
    """Raises InputError where the first of them is shown before the reader's start, or one after its end."""
    sights: list[Sight] = []
    left = list(times)
    before: Frame | None = None
    with closing(_frames(reader)) as frames:
        for frame in frames:
            time = frame.time.exact - reader.begin
            while left and time > left[0]:
                if before is None and start:
                    raise InputError(f"{reader.info.name}: nothing is known to be shown at that time.")
                sights.append(reduce(before or frame))
                left.pop(0)
            if not left:
                return sights
            before = frame
    assert before is not None
    rate = reader.video.average_rate or Fraction(25)
    length = before.duration * before.time.time_base or 1 / rate
    end = before.time.exact - reader.begin + length
    for time in left:
        if time >= end:
            raise _ends_before(reader, end, time)
        sights.append(reduce(before))
    return sights


def _ends_before(reader: VideoReader, end: Fraction, time: Fraction) -> InputError:
    return _EndsBefore(
        f"{reader.info.name} ends at {clock_text(end)}, before the time asked for, {clock_text(time)}."
    )
