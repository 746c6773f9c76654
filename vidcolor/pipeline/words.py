"""What a person says of a film's colour, read from where the options say and made ready for the run."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from vidcolor.color.chroma import ChromaMaker
from vidcolor.errors import InputError
from vidcolor.media.reader import VideoReader
from vidcolor.media.source import is_seekable
from vidcolor.media.timeline import clock_text
from vidcolor.pipeline.anchor_folder import Division, Film, read_folder, upright_shape
from vidcolor.pipeline.colorist import Colorist
from vidcolor.pipeline.hint_file import read_hints
from vidcolor.pipeline.opening import open_film
from vidcolor.pipeline.options import RunOptions
from vidcolor.pipeline.painted import Painter
from vidcolor.pipeline.person import Again, Person, Speaker, Word
from vidcolor.pipeline.profiles import space_beside

__all__ = ["listen"]


def listen(
    source: str | os.PathLike[str],
    reader: VideoReader,
    colorist: Colorist,
    make: ChromaMaker,
    options: RunOptions,
    notify: Callable[[str], None],
) -> Person | None:
    """Who says what the options' anchors and hints say; None: nobody says anything.

    Args:
        source: the film, to be opened again where that can be done.
        reader: the film as it is read; its frames have not been asked for yet.
        colorist, make: what colours it.
        options: of the run.
        notify: gets one sentence for each thing the user should know.

    Raises:
        InputError: what a person wrote or painted cannot be read, or does not fit the film.
    """
    video, words, division = reader.video, list[Word](), None
    shape = upright_shape(video)
    if options.anchors is not None:
        painted, division = read_folder(Path(options.anchors), Film.of(reader.info, video), video)
        words += painted
        if not painted:
            notify(f"No picture in {options.anchors} has been painted on; it says nothing.")
        before = None if division is None else division.every
        if before not in (None, options.anchor_every):
            notify(
                f"{options.anchors} was written with --anchor-every {before}, not {options.anchor_every};"
                " what was not painted may look otherwise than in it."
            )
    if options.hints is not None:
        words += read_hints(Path(options.hints), *shape, space_beside(make.space))
    words = _inside(words, reader, options, notify)
    if not words:
        return None
    again = _opener(source, options)
    if again is None:
        notify("The input can be read only once, so colours given are carried forwards, and not back.")
    painter = Painter(make.space, make.layout, make.siting, video.orientation, make.output.bit_depth)
    assert options.anchor_every is not None
    return Person(
        words,
        Speaker(colorist, make, painter, shape),
        video,
        begin=reader.begin,
        start=options.start or Fraction(0),
        every=options.anchor_every,
        division=_settled(division, options),
        again=again,
        notify=notify,
    )


def _inside(
    words: list[Word], reader: VideoReader, options: RunOptions, notify: Callable[[str], None]
) -> list[Word]:
    """Those of a time that is coloured."""
    duration = reader.video.duration
    if duration is not None and duration.source == "from header":
        # A header may leave a last frame out, or a start other than 0.
        last = duration.value + max(reader.video.start or Fraction(0), Fraction(0)) + 1
        for word in words:
            if word.time > last:
                end = clock_text(duration.value)
                raise InputError(f"{word.name} is at {clock_text(word.time)}; the film ends at {end}.")
    # A frame of slack: which frame a time means is seen when the frames are.
    slack = 1 / (reader.video.average_rate or 25)
    start, stop = options.start or Fraction(0), options.end
    inside = [w for w in words if start - slack < w.time and (stop is None or w.time < stop)]
    if len(inside) < len(words):
        left = len(words) - len(inside)
        lie = "lies" if left == 1 else "lie"
        notify(f"{left} of the colours given {lie} outside of the range asked for.")
    return inside


def _settled(division: Division | None, options: RunOptions) -> Division | None:
    """A division that starts where the run does, or None: another one's shots start elsewhere."""
    if division is None or not division.shots or division.start > (options.start or 0) + 1:
        return None
    return division


def _opener(source: str | os.PathLike[str], options: RunOptions) -> Again | None:
    """What opens the film again; None: it can be read only once."""
    path = os.fspath(source)
    if path == "-" or not is_seekable(path):
        return None

    def again(start: Fraction, end: Fraction) -> VideoReader:
        return open_film(path, replace(options, start=start, end=end, keep_colour="off"))

    return again
