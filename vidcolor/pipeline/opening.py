"""A film opened to be coloured, and what is made ready before its first frame."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction

from vidcolor.color.planes import MATRICES, ColorSpace
from vidcolor.frames import VideoInfo
from vidcolor.media.metadata import film_metadata
from vidcolor.media.reader import VideoReader
from vidcolor.models import ColorModel
from vidcolor.pipeline.by_example import read_reference
from vidcolor.pipeline.colorist import Colorist
from vidcolor.pipeline.options import RunOptions
from vidcolor.temporal.reference import Reference

__all__ = [
    "Notices",
    "OpenFilm",
    "expected_frames",
    "film_end",
    "frames_ahead",
    "open_film",
    "opened",
    "understood",
]

_FRAMES_AHEAD = 8
"""Decoded frames waiting to be coloured."""
_BYTES_AHEAD = 256 << 20
"""Bytes of luma they may take: there are fewer of them where they are very large."""


class Notices:
    """What a person should know, each sentence once: a film may be opened twice."""

    def __init__(self, notify: Callable[[str], None] | None) -> None:
        self._notify = notify
        self._said: list[str] = []

    def __call__(self, sentence: str) -> None:
        if sentence in self._said:
            return
        self._said.append(sentence)
        if self._notify is not None:
            self._notify(sentence)

    @property
    def said(self) -> tuple[str, ...]:
        """All of them, in order."""
        return tuple(self._said)


@dataclass(frozen=True, slots=True)
class OpenFilm:
    """A film and what colours it."""

    reader: VideoReader
    video: VideoInfo
    """The stream, with a matrix that colour can be made in."""
    options: RunOptions
    """As far as they hold for this film."""
    colorist: Colorist
    references: Sequence[Reference]


def open_film(
    source: str | os.PathLike[str],
    options: RunOptions,
    notify: Callable[[str], None] = lambda sentence: None,
) -> VideoReader:
    """The stream, the range and the frames that options ask for.

    Raises:
        InputError: the file cannot be read or holds no video that can be decoded.
        UsageError: there is no such stream, or the range is empty.
    """
    return VideoReader(
        source,
        stream=options.stream,
        start=options.start,
        end=options.end,
        deinterlace=options.deinterlace,
        chroma=options.keep_colour != "off",
        max_pixels=options.max_pixels,
        notify=notify,
    )


@contextmanager
def opened(
    source: str | os.PathLike[str], options: RunOptions, model: ColorModel, notify: Callable[[str], None]
) -> Iterator[OpenFilm]:
    """A film with all that it is coloured by; no frame has been asked for yet.

    Raises:
        VidcolorError: the film or a reference cannot be read, or options do not fit it or the model.
    """
    with open_film(source, options, notify) as reader:
        video = understood(reader.video, notify)
        if video.tags.matrix != reader.video.tags.matrix:
            options = replace(options, keep_colour="off")  # its own chroma would mean other colours
        colorist = Colorist(model, video, options, notify, film_metadata(reader.info))
        references = [read_reference(path, video, options.max_pixels) for path in options.reference]
        yield OpenFilm(reader, video, options, colorist, references)


def understood(video: VideoInfo, notify: Callable[[str], None]) -> VideoInfo:
    """The stream with a matrix that colour can be made in, in place of one that it cannot."""
    if video.tags.matrix is None or video.tags.matrix in MATRICES:
        return video
    space = ColorSpace.of(video.tags, height=video.height, width=video.width, bit_depth=video.bit_depth)
    notify(f"Colour cannot be made in the file's matrix, {video.tags.matrix}; the result is {space.matrix}.")
    return replace(video, tags=replace(video.tags, matrix=space.matrix))


def frames_ahead(video: VideoInfo) -> int:
    """Decoded frames that may wait to be coloured."""
    luma = video.width * video.height * (1 if video.bit_depth == 8 else 2)
    return max(1, min(_FRAMES_AHEAD, _BYTES_AHEAD // luma))


def expected_frames(
    video: VideoInfo, begin: Fraction, start: Fraction | None, end: Fraction | None
) -> int | None:
    """How many frames lie in a range of a film, by the header; None: it does not say.

    Args:
        video: the stream.
        begin: the film's beginning on the clock of the frames, in seconds.
        start, end: in seconds from the film's beginning.
    """
    if start is None and end is None and video.frame_count is not None:
        return video.frame_count.value
    stop = film_end(video, begin)
    if stop is None or not video.average_rate:
        return None
    first, last = max(start or 0, _late(video, begin)), stop if end is None else min(stop, end)
    return max(0, round((last - first) * video.average_rate))


def film_end(video: VideoInfo, begin: Fraction) -> Fraction | None:
    """Where the film ends, in seconds from its beginning, by the header."""
    return None if video.duration is None else video.duration.value + _late(video, begin)


def _late(video: VideoInfo, begin: Fraction) -> Fraction:
    """Seconds by which a film's pictures begin later than it, by the header."""
    return Fraction(0) if video.start is None else max(video.start - begin, Fraction(0))
