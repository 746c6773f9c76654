"""Makes the coloured film: in one piece, or the parts of it that are missing."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from fractions import Fraction

from vidcolor.errors import InputError
from vidcolor.frames import ColorFrame, Frame, VideoInfo
from vidcolor.media.join import join
from vidcolor.media.part_file import PartWriter
from vidcolor.media.reader import VideoReader
from vidcolor.media.source import Packet
from vidcolor.media.writer import VideoWriter
from vidcolor.pipeline.coloring import Coloring
from vidcolor.pipeline.opening import frames_ahead
from vidcolor.pipeline.options import RunOptions
from vidcolor.pipeline.parts import Border, Feed, starting_at
from vidcolor.pipeline.prefetch import closing_stage, prefetch, setting
from vidcolor.pipeline.work import Gap, WorkFolder

__all__ = ["joined", "made_in_parts", "made_whole"]

_RUN_UP = Fraction(1)
"""Seconds read before a border that is gone on from: fields and some decoders need pictures before."""


def made_whole(
    reader: VideoReader, coloring: Coloring, video: VideoInfo, writer: VideoWriter
) -> Generator[None, None, None]:
    """Makes the film in one piece; stops after each frame written."""
    stop = threading.Event()
    # Left in reverse, whatever happens: the threads first, and only then what they read and write.
    with (
        closing_stage(prefetch(reader.frames(writer.copy), frames_ahead(video), stop)) as frames,
        closing_stage(prefetch(coloring.frames(frames), frames_ahead(video), stop)) as colored,
        setting(stop),
    ):
        for frame in colored:
            writer.write(frame)
            yield


def made_in_parts(
    reader: VideoReader,
    coloring: Coloring,
    video: VideoInfo,
    writer: VideoWriter,
    work: WorkFolder,
    again: Callable[[Fraction | None], VideoReader],
) -> Generator[None, None, None]:
    """Makes the parts that are missing; stops after each frame written."""
    while (gap := work.gap()) is not None:
        stop, ahead = threading.Event(), frames_ahead(video)
        with (
            _frames_left(reader, gap.before, again) as left,
            closing_stage(prefetch(left, ahead, stop)) as frames,
            closing_stage(
                prefetch(_colored(frames, coloring, video, gap), frames_ahead(video), stop)
            ) as colored,
            closing(_written(colored, coloring, writer, work, gap.last_ticks)) as items,
            setting(stop),
        ):
            yield from items
        if gap.until is None:
            return
        if gap == work.gap():
            raise InputError(f"{reader.info.name} is no longer read as before; --restart begins anew.")


def _colored(
    frames: Iterator[Frame], coloring: Coloring, video: VideoInfo, gap: Gap
) -> Iterator[ColorFrame | Border]:
    done = 0 if gap.before is None else gap.before.frames
    feed = Feed(frames, video.bit_depth, in_shots=coloring.asks_shots, done=done)
    return coloring.parts(feed, gap.before, gap.until)


def _written(
    colored: Iterator[ColorFrame | Border],
    coloring: Coloring,
    writer: VideoWriter,
    work: WorkFolder,
    last_ticks: int | None,
) -> Generator[None, None, None]:
    """Puts frames into parts, and those into the working folder."""
    part: PartWriter | None = None
    try:
        for item in colored:
            part = part or writer.part(work.place(), last_ticks)
            if isinstance(item, ColorFrame):
                part.write(item)
                yield
            else:
                written, part = part.close(), None
                work.add(written, item)
                last_ticks = written.last_ticks
        if part is not None:
            written, part = part.close(), None
            work.add(written, None)
    except BaseException:
        if part is not None:
            part.abort()
        raise


def joined(
    writer: VideoWriter, source: str | os.PathLike[str], work: WorkFolder, options: RunOptions
) -> None:
    """Makes the film of its parts and of what else the source holds.

    Raises:
        InputError: the source is no longer what it was.
        OutputError: as :func:`vidcolor.media.join.join`.
    """
    join(
        writer,
        source,
        work.parts,
        stream=options.stream,
        start=options.start,
        end=options.end,
        max_pixels=options.max_pixels,
    )
    work.check_input()


@contextmanager
def _frames_left(
    reader: VideoReader, border: Border | None, again: Callable[[Fraction | None], VideoReader]
) -> Iterator[Iterator[Frame]]:
    """The frames that are not done yet.

    They are looked for near the border first; where seeking does not give the very same pictures there (open
    groups, clocks that jump, fields), the film is read from its beginning.

    Raises:
        InputError: reading from the beginning does not, either.
    """

    def ignore(packet: Packet) -> None:
        """All streams are read all the same: a broadcast's clock follows all of them."""

    if border is None:
        yield reader.frames(ignore)
        return
    near = border.pts * reader.video.time_base - reader.begin - _RUN_UP
    if near > 0:
        with again(near) as nearby:
            found = starting_at(border, nearby.frames(ignore))
            if found is not None:
                yield found
                return
    with again(None) as whole:
        found = starting_at(border, whole.frames(ignore))
        if found is None:
            raise InputError(f"{reader.info.name} is no longer read as before; --restart begins anew.")
        yield found
