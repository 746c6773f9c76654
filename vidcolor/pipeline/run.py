"""One film, from its file to the coloured file. The way of the data reads from top to bottom here."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import fields, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

from vidcolor import __version__
from vidcolor.color.chroma import ChromaMaker
from vidcolor.errors import OutputError, UsageError
from vidcolor.frames import VideoInfo
from vidcolor.media.reader import VideoReader
from vidcolor.media.target import refuse_own_source, refuse_target
from vidcolor.media.writer import VideoWriter
from vidcolor.models import resolve_model
from vidcolor.pipeline.coloring import Coloring
from vidcolor.pipeline.device import using
from vidcolor.pipeline.identity import can_resume, identity_of
from vidcolor.pipeline.making import joined, made_in_parts, made_whole
from vidcolor.pipeline.memory import hold_memory
from vidcolor.pipeline.names import default_output
from vidcolor.pipeline.opening import Notices, expected_frames, open_film, opened
from vidcolor.pipeline.options import EncoderOptions, Progress, RunOptions, Summary
from vidcolor.pipeline.person import Person
from vidcolor.pipeline.words import listen
from vidcolor.pipeline.work import WorkFolder, forget

__all__ = ["colorize"]


def colorize(
    source: str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    options: RunOptions | None = None,
    *,
    notify: Callable[[str], None] | None = None,
    progress: Callable[[Progress], None] | None = None,
    last_word: Callable[[Path], bool] | None = None,
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
        last_word: as for :class:`~vidcolor.media.writer.VideoWriter`.
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
    loaded = resolve_model(options.model, options.read)
    with opened(source, options, loaded.model, note) as film:
        reader, video, options, colorist = film.reader, film.video, film.options, film.colorist

        def persons(make: ChromaMaker) -> list[Person]:
            person = listen(source, reader, colorist, make, options, note)
            return [] if person is None else [person]

        with (
            _working(target, source, reader, options, note) as work,
            _writer(target, reader, video, options, loaded.label, note, last_word, work) as writer,
        ):
            coloring = Coloring(colorist, video, writer, options, film.references, persons)
            if work is not None:
                computed = f"{colorist.device.type} {colorist.precision}"  # whichever of several GPUs
                found = identity_of(source, options, loaded, computed, writer.facts, coloring.facts)
                work.take_over(found, coloring.heard, restart=options.restart, notify=note)
            count = kept = 0 if work is None else work.frames
            total = expected_frames(video, reader.begin, options.start, options.end) or None
            items = (
                made_whole(reader, coloring, video, writer)
                if work is None
                else made_in_parts(
                    reader, coloring, video, writer, work, partial(_opened_at, source, options, note)
                )
            )
            with using(colorist.device), closing(items):
                for _ in items:
                    count += 1
                    if progress is not None:
                        progress(Progress(count, total, time.perf_counter() - started, kept))
            if work is not None:
                joined(writer, source, work, options)
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
    target: Path,
    source: str | os.PathLike[str],
    reader: VideoReader,
    options: RunOptions,
    notify: Callable[[str], None],
) -> Iterator[WorkFolder | None]:
    """The result's working folder, which stays after an error; None: the input can be read only once."""
    if not options.parts or not can_resume(source):
        yield None
        if not options.keep_work:
            forget(target)
        return
    refuse_own_source(target, reader.container)  # first, for to overwrite it is no way out
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
            are = "frame is" if work.kept == 1 else "frames are"
            notify(f"{work.kept} {are} done and kept; the same command goes on from there.")
        raise
    work.leave(keep=options.keep_work)


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
    last_word: Callable[[Path], bool] | None,
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
        last_word=last_word,
    )
