"""One film, from its file to the coloured file. The way of the data reads from top to bottom here."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from vidcolor import __version__
from vidcolor.color.chroma import ChromaMaker
from vidcolor.color.planes import MATRICES, ColorSpace
from vidcolor.errors import UsageError
from vidcolor.frames import ColorFrame, Frame, VideoInfo
from vidcolor.media.metadata import film_metadata
from vidcolor.media.own_chroma import has_chroma
from vidcolor.media.reader import VideoReader
from vidcolor.media.writer import VideoWriter
from vidcolor.models import resolve_model
from vidcolor.pipeline.advice import Adviser
from vidcolor.pipeline.anchored import Anchored
from vidcolor.pipeline.by_example import ByExample, read_reference
from vidcolor.pipeline.colorist import Colorist
from vidcolor.pipeline.keep import Keeper, Shots
from vidcolor.pipeline.memory import hold_memory
from vidcolor.pipeline.names import default_output
from vidcolor.pipeline.options import EncoderOptions, Progress, RunOptions, Summary
from vidcolor.pipeline.person import Person
from vidcolor.pipeline.prefetch import prefetch
from vidcolor.pipeline.words import listen
from vidcolor.temporal.anchors import in_shots
from vidcolor.temporal.reference import Reference

__all__ = ["colorize"]

_FRAMES_AHEAD = 8
"""Decoded frames waiting to be coloured."""
_BYTES_AHEAD = 256 << 20
"""Bytes of luma they may take: there are fewer of them where they are very large."""
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
    notices: list[str] = []

    def note(sentence: str) -> None:
        notices.append(sentence)
        if notify is not None:
            notify(sentence)

    hold_memory()
    loaded = resolve_model(options.model)
    with VideoReader(
        source,
        stream=options.stream,
        start=options.start,
        end=options.end,
        deinterlace=options.deinterlace,
        chroma=options.keep_colour != "off",
        max_pixels=options.max_pixels,
        notify=note,
    ) as reader:
        video = _understood(reader.video, note)
        if video.tags.matrix != reader.video.tags.matrix:
            options = replace(options, keep_colour="off")  # its own chroma would mean other colours
        colorist = Colorist(loaded.model, video, options, note, film_metadata(reader.info))
        references = [read_reference(path, video) for path in options.reference]
        stop = threading.Event()

        def persons(make: ChromaMaker) -> list[Person]:
            person = listen(source, reader, colorist, make, options, note)
            return [] if person is None else [person]

        # Left in reverse, whatever happens: the threads first, and only then what they read and write.
        with (
            _writer(target, reader, video, options, loaded.label, note) as writer,
            closing(prefetch(reader.frames(writer.copy), _frames_ahead(video), stop)) as frames,
            closing(
                prefetch(
                    _colored(frames, colorist, video, writer, options, references, persons, note),
                    *(_READY, stop),
                )
            ) as colored,
            _setting(stop),
        ):
            count, total = 0, _expected_frames(video, options)
            for frame in colored:
                writer.write(frame)
                count += 1
                if progress is not None:
                    progress(Progress(count, total, time.perf_counter() - started))
    return Summary(
        output=target,
        frames=count,
        seconds=time.perf_counter() - started,
        left_out=tuple(writer.left_out),
        notices=tuple(notices),
        model=loaded.label,
        device=str(colorist.device),
    )


def _frames_ahead(video: VideoInfo) -> int:
    luma = video.width * video.height * (1 if video.bit_depth == 8 else 2)
    return max(1, min(_FRAMES_AHEAD, _BYTES_AHEAD // luma))


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
        notify=notify,
    )


def _understood(video: VideoInfo, notify: Callable[[str], None]) -> VideoInfo:
    """The stream with a matrix that colour can be made in, in place of one that it cannot."""
    if video.tags.matrix is None or video.tags.matrix in MATRICES:
        return video
    space = ColorSpace.of(video.tags, height=video.height, width=video.width, bit_depth=video.bit_depth)
    notify(f"Colour cannot be made in the file's matrix, {video.tags.matrix}; the result is {space.matrix}.")
    return replace(video, tags=replace(video.tags, matrix=space.matrix))


def _expected_frames(video: VideoInfo, options: RunOptions) -> int | None:
    """How many frames there will be, as far as the header tells."""
    if options.start is None and options.end is None and video.frame_count is not None:
        return video.frame_count.value
    if video.duration is None or not video.average_rate:
        return None
    end = min(video.duration.value, options.end) if options.end is not None else video.duration.value
    return max(0, round((end - (options.start or 0)) * video.average_rate)) or None


def _colored(
    frames: Iterator[Frame],
    colorist: Colorist,
    video: VideoInfo,
    writer: VideoWriter,
    options: RunOptions,
    references: list[Reference],
    listen_to: Callable[[ChromaMaker], list[Person]],
    notify: Callable[[str], None],
) -> Iterator[ColorFrame]:
    """Each frame with the Cb and Cr planes of its colour, as the writer wants them."""
    space = ColorSpace.of(writer.tags, height=video.height, width=video.width, bit_depth=video.bit_depth)
    make = ChromaMaker(space, writer.layout, writer.tags.siting, output_depth=writer.bit_depth)
    persons = listen_to(make)
    keeper = None
    if options.keep_colour != "off" and has_chroma(video.pixel_format):
        keeper = Keeper(make, video.bit_depth, options.keep_colour)
    # What has learnt nothing says the same of every frame: nothing to carry.
    anchored = options.anchor_every is not None and (
        colorist.model.parameter_count > 0 or bool(references or persons)
    )
    examples = ByExample(references, colorist, make, every_frame=not anchored)
    shots: Shots = in_shots(frames, video.bit_depth)
    color: Callable[[Shots], Iterator[ColorFrame]]
    if anchored and options.anchor_every is not None:
        asked: list[Adviser] = [examples, *persons]
        color = Anchored(colorist, make, video, options.anchor_every, options.smooth, asked).color
    else:
        if not (references or keeper):
            shots = ((frame, False) for frame in frames)  # nobody asks, and frames need not wait
        color = partial(_each_by_itself, colorist=colorist, make=make)
    # Between anchors nobody knows any more what a person said: pictures then speak at anchors only.
    if not persons:
        color = partial(examples.over, color=color)
    yield from color(shots) if keeper is None else keeper.pass_by(shots, color, examples.see)
    told = (word for person in persons for word in person.words())
    for word in (*examples.words(), *told, *(keeper.words() if keeper else ())):
        notify(word)


def _each_by_itself(shots: Shots, colorist: Colorist, make: ChromaMaker) -> Iterator[ColorFrame]:
    for item in colorist.color(frame for frame, _ in shots):
        yield ColorFrame(item.frame, *make(item.frame.luma, item.ab))
