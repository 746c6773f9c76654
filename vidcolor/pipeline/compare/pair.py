"""Two open films: how they go together, and what is said of it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from vidcolor.color.planes import MATRICES, ColorSpace
from vidcolor.errors import InputError
from vidcolor.frames import Orientation, VideoInfo
from vidcolor.media.fields import first_field
from vidcolor.media.own_chroma import has_chroma
from vidcolor.media.picture import upright_size
from vidcolor.media.reader import VideoReader
from vidcolor.media.source import Packet, is_seekable
from vidcolor.media.timeline import clock_text
from vidcolor.pipeline import opening
from vidcolor.pipeline.compare.options import CompareOptions
from vidcolor.pipeline.compare.panels import sizes
from vidcolor.pipeline.compare.together import (
    Ending,
    Moment,
    Timed,
    common_time_base,
    together,
    tolerance,
)
from vidcolor.pipeline.prefetch import prefetch

__all__ = ["Pair", "open_one"]

_AHEAD = 4
"""Decoded frames of each film that wait."""
_RUN_UPS = (Fraction(2), Fraction(60))
"""Seconds read before the start, to find what is shown at it: the first that do, else the film from its
beginning. Frames of slide shows are long."""
_LINGER = Fraction(2)
"""Seconds the first film is read on after the second has ended."""
_NEARLY = Fraction(1, 2)
"""Seconds by which the beginnings of two films may differ without meaning anything."""
_SAME_SHAPE = 0.02
"""How far widths over heights may differ without a word."""

_Notify = Callable[[str], None]


def open_one(
    source: str | os.PathLike[str],
    start: Fraction,
    end: Fraction | None,
    options: CompareOptions,
    note: _Notify,
) -> VideoReader:
    """Opens one of the two so far before ``start``, in seconds from its beginning, that what is shown then is
    among its frames."""
    name = "standard input" if source == "-" else Path(source).name

    def opened(begin: Fraction | None, notify: _Notify) -> VideoReader:
        return VideoReader(
            source,
            start=begin,
            end=end if end is None or end > start else None,  # an empty range is told of later
            deinterlace=options.deinterlace,
            chroma=True,
            max_pixels=options.max_pixels,
            notify=notify,
        )

    def silent(_: str) -> None:
        """What is to be told is told when it is opened for good."""

    begin = None
    if source != "-" and is_seekable(source):
        begins = [start - run_up for run_up in _RUN_UPS if start > run_up]
        begin = next((b for b in begins if _shows(opened(b, silent), start)), None)
    elif start > _RUN_UPS[0]:
        begin = start - _RUN_UPS[0]
    return opened(begin, lambda sentence: note(f"{name}: {sentence}"))


def _shows(reader: VideoReader, time: Fraction) -> bool:
    """Whether the reader's first frame is shown at a moment, or before it."""
    with reader:
        try:
            first = next(reader.frames(), None)
        except InputError:
            return False
        return first is not None and first.time.exact - reader.begin <= time


class Pair:
    """Two open films, and how they go together."""

    def __init__(
        self,
        one: VideoReader,
        other: VideoReader,
        options: CompareOptions,
        start: Fraction,
    ) -> None:
        self.one, self.other, self.options, self.start = one, other, options, start
        apart = abs(one.begin - other.begin)
        # A film that was coloured keeps its times, but its sound may have got a beginning a little earlier.
        self._zero = one.begin if apart < _NEARLY else other.begin
        self.end = self._end()
        """Where the result ends, as far as it is known before the films are read, in seconds of the first."""
        self.size = sizes(one.video, other.video, options.layout)
        self.space = self._space()
        self._early = False
        """It was told before that one film ends first."""

    def _space(self) -> ColorSpace:
        """The result's, as deep as the deeper film."""
        one, other = self.one.video, self.other.video
        depth = max(one.bit_depth, other.bit_depth)
        return ColorSpace.of(one.tags, height=one.height, width=one.width, bit_depth=depth)

    def _end(self) -> Fraction | None:
        ends = [end for end in (self.options.end, self._second_end()) if end is not None]
        return min(ends, default=None)

    def _second_end(self) -> Fraction | None:
        """When the second film ends on the first one's clock, by its header."""
        end = film_end(self.other)
        return None if end is None else end + self.other.begin - self._zero + self.options.offset

    def result(self) -> VideoInfo:
        """The result's stream."""
        one, other = self.one.video, self.other.video
        colored = one if has_chroma(one.pixel_format) else other
        tags = replace(one.tags, siting=colored.tags.siting if colored.orientation == Orientation() else None)
        if tags.matrix not in MATRICES and (tags.matrix is not None or self._changes_size()):
            tags = replace(tags, matrix=self.space.matrix)  # what players assume goes by the size
        rates = [video.average_rate for video in (one, other) if video.average_rate]
        layouts = [video.layout for video in (one, other) if has_chroma(video.pixel_format)]
        width, height = self.size.whole
        return replace(
            one,
            width=width,
            height=height,
            bit_depth=self.space.bit_depth,
            layout=min(layouts or [one.layout], key=lambda layout: layout.log2_x + layout.log2_y),
            tags=tags,
            sample_aspect=Fraction(1),
            rotation=0,
            mirrored=False,
            field_order="progressive",
            time_base=common_time_base(one.time_base, other.time_base),
            average_rate=max(rates, default=None),
            frame_count=None,
            constant_rate=None,
            has_alpha=False,
        )

    def _changes_size(self) -> bool:
        """Whether an untagged film of the result's size would be taken for one of another matrix."""
        width, height = self.size.whole
        tags, depth = replace(self.one.video.tags, matrix=None), self.space.bit_depth
        return ColorSpace.of(tags, height=height, width=width, bit_depth=depth).matrix != self.space.matrix

    def moments(self, copy: Callable[[Packet], None], ending: Ending) -> Generator[Moment, None, None]:
        """What both show, moment by moment.

        ``copy`` gets the first film's other packets; ``ending`` becomes how it ended.
        """
        one, other = self.one.video, self.other.video
        slack = tolerance((one.time_base, other.time_base), (one.average_rate, other.average_rate))
        stop = threading.Event()

        def ended(how: Ending) -> None:
            ending.first, ending.second, ending.at = how.first, how.second, how.at

        with (
            closing(prefetch(_timed(self.one, -self.one.begin, copy, self._cut_off), _AHEAD, stop)) as left,
            closing(
                prefetch(_timed(self.other, self.options.offset - self._zero, None), _AHEAD, stop)
            ) as right,
        ):
            try:
                yield from together(left, right, slack, start=self.start, end=self.end, ended=ended)
                if self.end is not None:
                    for later in left:  # its sound may lie behind its pictures in the file
                        if later.time > self.end + _LINGER:
                            break
            finally:
                stop.set()

    @property
    def _cut_off(self) -> Fraction | None:
        """Until when the first film's last frame is shown where it is not read to its end; in seconds."""
        end, asked = film_end(self.one), self.options.end
        return asked if asked is not None and end is not None and end >= asked else None

    # Words

    def tell_differences(self, note: _Notify) -> None:
        """Says what may surprise in the result.

        Raises:
            InputError: the films have no time in common.
        """
        one, other = self.one.video, self.other.video
        ends = film_end(self.one), film_end(self.other)
        later = self._second_end()
        if any(end is not None and end <= self.start for end in (ends[0], later, self.options.end)):
            raise InputError(self.nothing_shared())
        shapes = upright_size(one), upright_size(other)
        ratio = shapes[0][0] * shapes[1][1] / (shapes[0][1] * shapes[1][0])
        names = self._names
        if abs(ratio - 1) > _SAME_SHAPE:
            how = "with black borders" if self.options.layout == "split" else "as it is"
            note(
                f"The films' pictures have not the same shape ({_shape(shapes[0])} and {_shape(shapes[1])});"
                f" {names[1]} is shown {how}."
            )
        elif shapes[0] != shapes[1]:
            note(f"{names[1]} is {_shape(shapes[1])} and is scaled to the {_shape(shapes[0])} of {names[0]}.")
        for name, video in zip(names, (one, other), strict=True):
            if first_field(video.field_order) is not None:
                note(f"{name} is interlaced and stays so; the result says that it is progressive.")
        for what in ("transfer", "primaries"):
            tags = getattr(one.tags, what), getattr(other.tags, what)
            if None not in tags and tags[0] != tags[1]:
                note(f"The films' {what} differ ({tags[0]} and {tags[1]}); {names[1]} is shown as if it were"
                     f" {tags[0]}, and its colours are not right.")  # fmt: skip
        for name, video in zip(names, (one, other), strict=True):
            if has_chroma(video.pixel_format) and video.tags.matrix not in (None, *MATRICES):
                note(
                    f"{name} is in the matrix {video.tags.matrix}, in which its colours cannot be read;"
                    " they are not right."
                )
        self._tell_lengths(ends[0], later, note)

    def _tell_lengths(self, one: Fraction | None, other: Fraction | None, note: _Notify) -> None:
        if one is None or other is None:
            return
        if self.options.end is not None and self.options.end <= min(one, other):
            return
        if abs(one - other) > self._frame:
            self._early = True
            self._tell_longer(one < other, abs(one - other), note)

    def _tell_longer(self, first_ends: bool, by: Fraction | None, note: _Notify) -> None:
        short, long = self._names if first_ends else self._names[::-1]
        more = "" if by is None else f" {float(by):.3g} s"
        note(f"{long} goes on{more} after {short} has ended; the result ends with {short}.")

    def tell_ending(self, ending: Ending, note: _Notify) -> None:
        """Says which film ended first, if that was not known before."""
        if self._early or not (ending.first or ending.second):
            return
        if self.options.end is not None and ending.at + self._frame >= self.options.end:
            return
        self._tell_longer(ending.first, None, note)

    def nothing_shared(self) -> str:
        """Why there is no result."""
        one, other = self._names
        spans = []
        for name, reader, shift in ((one, self.one, Fraction(0)), (other, self.other, self.options.offset)):
            end = film_end(reader)
            until = "" if end is None else f" to {clock_text(end + shift)}"
            spans.append(f"{name} goes from {clock_text(shift)}{until}")
        at = f" after {clock_text(self.options.start)}" if self.options.start else ""
        return f"The films have no time in common{at}: {', '.join(spans)}; --offset moves the second."

    @property
    def _frame(self) -> Fraction:
        """How long the longer frame of the two is, in seconds."""
        rates = [v.average_rate for v in (self.one.video, self.other.video) if v.average_rate]
        return 1 / min(rates) if rates else Fraction(1, 10)

    @property
    def _names(self) -> tuple[str, str]:
        one, other = (os.path.basename(reader.info.name) for reader in (self.one, self.other))
        return (one, other) if one != other else ("the first film", "the second film")


def _timed(
    reader: VideoReader,
    shift: Fraction,
    copy: Callable[[Packet], None] | None,
    until: Fraction | None = None,
) -> Iterator[Timed]:
    """The film's frames on the clock both share; the last is shown ``until`` then at the least."""
    last: Timed | None = None
    for frame in reader.frames(copy):
        if last is not None:
            yield last
        length = frame.duration * frame.time.time_base
        last = Timed(frame.time.exact + shift, frame, length)
    if last is not None:
        yield last if until is None else last._replace(length=max(last.length, until - last.time))


def _shape(size: tuple[float, float]) -> str:
    return f"{round(size[0])}×{round(size[1])}"


def film_end(reader: VideoReader) -> Fraction | None:
    """When a film ends, in seconds from its beginning; None where its header does not say it itself."""
    told = reader.video.duration
    return opening.film_end(reader.video, reader.begin) if told and told.source == "from header" else None
