"""One film, from its file to the coloured file. The way of the data reads from top to bottom here."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import fields, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

from vidcolor import __version__
from vidcolor.color.chroma import ChromaMaker
from vidcolor.errors import InputError, OutputError, UsageError
from vidcolor.frames import ColorFrame, Frame, VideoInfo
from vidcolor.media.join import join
from vidcolor.media.part_file import PartWriter
from vidcolor.media.reader import VideoReader
from vidcolor.media.source import Packet
from vidcolor.media.target import refuse_target
from vidcolor.media.writer import VideoWriter
from vidcolor.models import resolve_model
from vidcolor.pipeline.coloring import Coloring
from vidcolor.pipeline.device import using
from vidcolor.pipeline.memory import hold_memory
from vidcolor.pipeline.names import default_output
from vidcolor.pipeline.opening import Notices, frames_ahead, open_film, opened
from vidcolor.pipeline.options import EncoderOptions, Progress, RunOptions, Summary
from vidcolor.pipeline.parts import Border, Feed, starting_at
from vidcolor.pipeline.person import Person
from vidcolor.pipeline.prefetch import prefetch
from vidcolor.pipeline.words import listen
from vidcolor.pipeline.work import Gap, WorkFolder, can_resume, identity_of

__all__ = ["colorize"]

_RUN_UP = Fraction(1)
"""Seconds read before a border that is gone on from: fields and some decoders need pictures before."""
_READY = 4
"""Coloured frames waiting for the encoder."""


def colorize(
    source: str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    options: RunOptions | None = None,
    *,
    notify: Callable[[str], None] | None = None,
    progress: Callable[[Progress], None] | None = None,
    **changes: Any,
) -> Summary:
    """Colours a film.

    Args:
        source: a file that libav can read, a FIFO, or "-" for standard input.
        output: the file to write; its ending says the container. None: ``NAME.color.EXT`` beside
            the source.
        options: how; the defaults when None.
        notify: called with each notice, one sentence.
        progress: called after each frame written.
        **changes: single options, by the names of :class:`RunOptions` or :class:`EncoderOptions`.

    Returns:
        What was done.

    Raises:
        VidcolorError: the film could not be coloured; nothing is left under the output's name.

    >>> colorize("in.mp4", "out.mp4", model="grey", crf=20)      # doctest: +SKIP
    """
    options = _changed(options or RunOptions(), changes)
    target = Path(output) if output is not None else default_output(Path(source), options.encoder.codec)
    started = time.perf_counter()
    note = Notices(notify)
    hold_memory()
    loaded = resolve_model(options.model)
    with opened(source, options, loaded.model, note) as film:
        reader, video, options, colorist = film.reader, film.video, film.options, film.colorist

        def persons(make: ChromaMaker) -> list[Person]:
            person = listen(source, reader, colorist, make, options, note)
            return [] if person is None else [person]

        with (
            _working(target, source, options, note) as work,
            _writer(target, reader, video, options, loaded.label, note, work) as writer,
        ):
            coloring = Coloring(colorist, video, writer, options, film.references, persons)
            if work is not None:
                computed = f"{colorist.device.type} {colorist.precision}"  # whichever of several GPUs
                found = identity_of(source, options, loaded.model, computed, writer.facts, coloring.facts)
                work.take_over(found, coloring.heard, restart=options.restart, notify=note)
            count = kept = 0 if work is None else work.frames
            total = _expected_frames(video, options)
            items = (
                _whole(reader, coloring, video, writer)
                if work is None
                else _parts(reader, coloring, video, writer, work, partial(_opened_at, source, options, note))
            )
            with using(colorist.device), closing(items):
                for _ in items:
                    count += 1
                    if progress is not None:
                        progress(Progress(count, total, time.perf_counter() - started, kept))
            if work is not None:
                _join(writer, source, work, options)
            if count > kept:
                for word in coloring.words():
                    note(word)
    return Summary(
        output=target,
        frames=count,
        seconds=time.perf_counter() - started,
        left_out=tuple(writer.left_out),
        notices=note.said,
        model=loaded.label,
        device=str(colorist.device),
        kept=kept,
    )


def _opened_at(
    source: str | os.PathLike[str], options: RunOptions, notify: Callable[[str], None], start: Fraction | None
) -> VideoReader:
    """The film from ``start`` on, in seconds, if that is later than the options say."""
    begins = [moment for moment in (start, options.start) if moment is not None]
    return open_film(source, replace(options, start=max(begins, default=None)), notify)


@contextmanager
def _working(
    target: Path, source: str | os.PathLike[str], options: RunOptions, notify: Callable[[str], None]
) -> Iterator[WorkFolder | None]:
    """The result's working folder, which stays after an error; None: the input can be read only once."""
    if not options.parts or not can_resume(source):
        yield None
        return
    refuse_target(target, overwrite=options.overwrite)
    work = WorkFolder(target, source)
    try:
        yield work
    except BaseException as error:
        gone = not work.path.is_dir()
        work.leave(keep=True)
        if gone and isinstance(error, OutputError):
            raise OutputError(f"{work.path} was removed while the film was made in it.") from error
        if work.kept:
            notify(f"{work.kept} frames are done and kept; the same command goes on from there.")
        raise
    work.leave(keep=options.keep_work)


def _whole(
    reader: VideoReader, coloring: Coloring, video: VideoInfo, writer: VideoWriter
) -> Generator[None, None, None]:
    """Makes the film in one piece; stops after each frame written."""
    stop = threading.Event()
    # Left in reverse, whatever happens: the threads first, and only then what they read and write.
    with (
        closing(prefetch(reader.frames(writer.copy), frames_ahead(video), stop)) as frames,
        closing(prefetch(coloring.frames(frames), _READY, stop)) as colored,
        _setting(stop),
    ):
        for frame in colored:
            writer.write(frame)
            yield


def _parts(
    reader: VideoReader,
    coloring: Coloring,
    video: VideoInfo,
    writer: VideoWriter,
    work: WorkFolder,
    again: Callable[[Fraction | None], VideoReader],
) -> Generator[None, None, None]:
    """Makes the parts that are missing; stops after each frame written."""
    while (gap := work.gap()) is not None:
        stop = threading.Event()
        with (
            _frames_left(reader, gap.before, again) as left,
            closing(prefetch(left, frames_ahead(video), stop)) as frames,
            closing(prefetch(_colored(frames, coloring, video, gap), _READY, stop)) as colored,
            closing(_written(colored, coloring, writer, work, gap.last_ticks)) as items,
            _setting(stop),
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
                work.add(written, item, watched=item.watched)
                last_ticks = written.last_ticks
        if part is not None:
            written, part = part.close(), None
            work.add(written, None, watched=coloring.watched)
    except BaseException:
        if part is not None:
            part.abort()
        raise


def _join(writer: VideoWriter, source: str | os.PathLike[str], work: WorkFolder, options: RunOptions) -> None:
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


@contextmanager
def _setting(event: threading.Event) -> Iterator[None]:
    """Sets an event on the way out."""
    try:
        yield
    finally:
        event.set()


def _changed(options: RunOptions, changes: dict[str, Any]) -> RunOptions:
    """The options with single ones replaced, the encoder's among them."""
    for_encoder = {f.name for f in fields(EncoderOptions)}
    for_run = {f.name for f in fields(RunOptions)}
    for name in changes:
        if name not in for_encoder | for_run:
            known = ", ".join(sorted((for_encoder | for_run) - {"encoder"}))
            raise UsageError(f"There is no option {name!r}; there are: {known}.")
    encoder = replace(options.encoder, **{k: v for k, v in changes.items() if k in for_encoder})
    return replace(options, **{"encoder": encoder, **{k: v for k, v in changes.items() if k in for_run}})


def _writer(
    target: Path,
    reader: VideoReader,
    video: VideoInfo,
    options: RunOptions,
    model: str,
    notify: Callable[[str], None],
    work: WorkFolder | None,
) -> VideoWriter:
    encoder = options.encoder
    return VideoWriter(
        target,
        reader.container,
        video,
        codec=encoder.codec,
        crf=encoder.crf,
        preset=encoder.preset,
        pix_fmt=encoder.pix_fmt,
        extra=encoder.extra,
        tags={"comment": f"coloured by vidcolor {__version__}, model {model}"},
        overwrite=options.overwrite,
        begin=reader.begin,
        start=options.start,
        end=options.end,
        folder=None if work is None else work.path,
        notify=notify,
    )


def _expected_frames(video: VideoInfo, options: RunOptions) -> int | None:
    """How many frames there will be, as far as the header tells."""
    if options.start is None and options.end is None and video.frame_count is not None:
        return video.frame_count.value
    if video.duration is None or not video.average_rate:
        return None
    end = min(video.duration.value, options.end) if options.end is not None else video.duration.value
    return max(0, round((end - (options.start or 0)) * video.average_rate)) or None
