"""Films evaluated: a model on a film in colour, a result beside its truth, or a result alone.

Frames stream from the file to the figures; the model's way is that of ``vidcolor run`` up to the encoder.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

from vidcolor import __version__
from vidcolor.color.chroma import ChromaMaker
from vidcolor.evaluation.intervals import LEAST
from vidcolor.evaluation.measure import FilmFigures
from vidcolor.evaluation.options import EvaluateOptions
from vidcolor.evaluation.outcome import FORMAT, Gallery, Outcome
from vidcolor.evaluation.pairing import (
    ColorSeen,
    Pairs,
    Turner,
    rate_text,
    refuse_colorless,
    refuse_unlike,
    refuse_unread,
)
from vidcolor.evaluation.perceptual import LEFT_OUT_OF_FILMS
from vidcolor.evaluation.sample import Sample, Sampler
from vidcolor.frames import ChromaLayout, ColorTags, VideoInfo
from vidcolor.media.own_chroma import has_chroma
from vidcolor.media.reader import VideoReader
from vidcolor.models import resolve_model
from vidcolor.pipeline.coloring import Coloring
from vidcolor.pipeline.memory import hold_memory
from vidcolor.pipeline.opening import Notices, expected_frames, frames_ahead, open_film, opened
from vidcolor.pipeline.options import Progress, RunOptions
from vidcolor.pipeline.person import Person
from vidcolor.pipeline.prefetch import closing_stage, prefetch
from vidcolor.pipeline.words import listen

__all__ = ["evaluate_model", "evaluate_pair", "evaluate_result"]

_COLORED_AHEAD, _SAMPLES_AHEAD = 4, 2
_HARDLY_ANY = 5.0
"""Colourfulness of a truth from which figures say little."""

Path = str | os.PathLike[str]
Notify = Callable[[str], None]
ProgressTo = Callable[[Progress], None]


def _silent(_: Any) -> None:
    """Nobody listens."""


@dataclass(frozen=True, slots=True)
class _Planes:
    """What chroma planes are wanted: those that would be encoded."""

    tags: ColorTags
    layout: ChromaLayout
    bit_depth: int


def evaluate_model(
    source: Path,
    run: RunOptions | None = None,
    options: EvaluateOptions | None = None,
    *,
    notify: Notify = _silent,
    progress: ProgressTo = _silent,
) -> Outcome:
    """Makes a film in colour grey, colours it as ``vidcolor run`` does, and compares it with what it was.

    Args:
        source: a file that libav can read.
        run: how it is coloured. What an encoder is told makes no difference; ``keep_colour`` neither.
        options: how it is measured.
        notify: gets one sentence for each thing the user should know.
        progress: called after each frame measured.

    Raises:
        InputError: the film cannot be read, or has no colour.
    """
    run, options = run or RunOptions(), options or EvaluateOptions()
    words = Notices(notify)
    hold_memory()
    loaded = resolve_model(run.model, run.read)
    # Its chroma is read and travels with each frame, unseen: no shot passes as it is.
    with opened(source, _changed(run, keep_colour="on"), loaded.model, words) as film:
        reader, video, colorist = film.reader, film.video, film.colorist
        blind = _changed(film.options, keep_colour="off", parts=False)
        refuse_colorless(reader, has_chroma(video.pixel_format))
        refuse_unread(reader)

        def persons(make: ChromaMaker) -> list[Person]:
            person = listen(source, reader, colorist, make, blind, words)
            return [] if person is None else [person]

        wanted = _Planes(video.tags, video.layout, video.bit_depth)
        coloring = Coloring(colorist, video, wanted, blind, film.references, persons)
        sampler, stop = Sampler(video, options.size), threading.Event()
        measured = FilmFigures(sampler, options, compare=True)

        def samples() -> Iterator[Sample]:
            seen = ColorSeen(reader)
            with (
                closing_stage(prefetch(reader.frames(), frames_ahead(reader.video), stop)) as frames,
                closing_stage(prefetch(coloring.frames(frames), _COLORED_AHEAD, stop)) as colors,
            ):
                for colored in colors:
                    frame = colored.frame
                    seen.look(frame)
                    seconds = float(frame.time.exact - reader.begin)
                    yield sampler.compared(frame, seconds, frame.chroma, (colored.cb, colored.cr))
            seen.finish()

        _measure(samples(), measured, stop, _expected(reader, run), progress)
        for word in coloring.words():
            words(word)
    told = {"model": loaded.label, "device": str(colorist.device), "coloured": _told(run)}
    return _outcome("film", measured, options, words, {**told, "input": os.fspath(source)}, video)


def evaluate_pair(
    result: Path,
    truth: Path,
    run: RunOptions | None = None,
    options: EvaluateOptions | None = None,
    *,
    notify: Notify = _silent,
    progress: ProgressTo = _silent,
) -> Outcome:
    """Compares a coloured film with the film in colour it should have become, frame by frame, by their times.

    Arguments as of :func:`evaluate_model`; of ``run``, only which part and which stream is read. The part is
    taken of both films, the stream of the result.

    Raises:
        InputError: one cannot be read, or they do not go together.
    """
    run, options = run or RunOptions(), options or EvaluateOptions()
    words = Notices(notify)
    hold_memory()
    with (
        _opened(result, run, words) as made,
        _opened(truth, _changed(run, stream=None), words) as true,
    ):
        refuse_colorless(true, has_chroma(true.video.pixel_format))
        refuse_unlike(made, true, run)
        for reader in (made, true):
            refuse_unread(reader)
        video = true.video
        turned = Turner(made.video, video)
        sampler, of_result = Sampler(video, options.size), Sampler(turned.video, options.size)
        measured = FilmFigures(sampler, options, compare=True)
        stop, pairs = threading.Event(), Pairs(made, true)

        def samples() -> Iterator[Sample]:
            seen = ColorSeen(true)
            with (
                closing(prefetch(made.frames(), frames_ahead(video), stop)) as ones,
                closing(prefetch(true.frames(), frames_ahead(video), stop)) as others,
            ):
                for one, other in pairs.of(map(turned, ones), others):
                    seen.look(other)
                    seconds = float(other.time.exact - true.begin)
                    yield sampler.compared(other, seconds, other.chroma, one.chroma, (of_result, one))
            if not stop.is_set():  # else films end where they were left
                pairs.finish(words)
            seen.finish()

        _measure(samples(), measured, stop, _expected(true, run), progress)
    told = {"input": os.fspath(result), "truth": os.fspath(truth)}
    return _outcome("pair", measured, options, words, told, video)


def evaluate_result(
    source: Path,
    run: RunOptions | None = None,
    options: EvaluateOptions | None = None,
    *,
    notify: Notify = _silent,
    progress: ProgressTo = _silent,
) -> Outcome:
    """Looks at a coloured film by itself: how still its colour is, how much there is, and where it jumps.

    Arguments and errors as of :func:`evaluate_pair`.
    """
    run, options = run or RunOptions(), options or EvaluateOptions()
    words = Notices(notify)
    hold_memory()
    with _opened(source, run, words) as reader:
        refuse_unread(reader)
        sampler = Sampler(reader.video, options.size)
        measured, stop = FilmFigures(sampler, options, compare=False), threading.Event()

        def samples() -> Iterator[Sample]:
            with closing(prefetch(reader.frames(), frames_ahead(reader.video), stop)) as frames:
                for frame in frames:
                    yield sampler.result(frame, float(frame.time.exact - reader.begin), frame.chroma)

        _measure(samples(), measured, stop, _expected(reader, run), progress)
        video = reader.video
    return _outcome("result", measured, options, words, {"input": os.fspath(source)}, video)


def _changed(run: RunOptions, **changes: Any) -> RunOptions:
    return replace(run, **changes)


def _opened(source: Path, run: RunOptions, notify: Notify) -> VideoReader:
    return open_film(source, _changed(run, keep_colour="on"), notify)


def _expected(reader: VideoReader, run: RunOptions) -> int | None:
    return expected_frames(reader.video, reader.begin, run.start, run.end) or None


def _measure(
    samples: Iterator[Sample],
    measured: FilmFigures,
    stop: threading.Event,
    total: int | None,
    progress: ProgressTo,
) -> None:
    """``samples`` are made, and all that they come from, in threads that ``stop`` ends."""
    started = time.perf_counter()
    with closing(prefetch(samples, _SAMPLES_AHEAD, stop)) as made:
        try:
            for count, sample in enumerate(made, 1):
                measured.add(sample)
                progress(Progress(count, total, time.perf_counter() - started))
        finally:
            stop.set()
    measured.finish()


# The end


def _told(run: RunOptions) -> dict[str, Any]:
    """How it was coloured, as far as that is told."""
    names = ("network_size", "anchor_every", "smooth", "saturation", "label", "hints", "anchors")
    told = {name: getattr(run, name) for name in names}
    return {**told, "reference": list(run.reference), "read": ["=".join(pair) for pair in run.read]}


def _outcome(
    kind: str,
    measured: FilmFigures,
    options: EvaluateOptions,
    words: Notices,
    told: dict[str, Any],
    video: VideoInfo,
) -> Outcome:
    film = measured.to_dict()
    data: dict[str, Any] = {"format": FORMAT, "vidcolor": __version__, "kind": kind, **told}
    data["film"] = {"width": video.width, "height": video.height, "rate": rate_text(video)}
    height, width = measured.size
    truths = {"frames": measured.stills.count, "every_seconds": float(options.every)}
    data["measured"] = {
        "width": width,
        "height": height,
        **({} if measured.truth is None else truths),
        "seed": options.seed,
        "unit": "shot",
    }
    data["figures"] = measured.stills.figures(options.seed)
    data["curves"] = measured.stills.curves()
    data["left_out"] = {} if kind == "result" else dict.fromkeys(("lpips", "fid"), LEFT_OUT_OF_FILMS)
    data |= film
    if measured.truth is not None:
        true = measured.stills.means.mean("true_colorfulness")
        if true is not None and true < _HARDLY_ANY:
            words(f"The truth has hardly any colour (colourfulness {true:.1f}): the figures say little.")
        if data["figures"]["psnr"]["low"] is None:
            shots = film["shots"]
            words(f"There are no intervals: they are over shots, and a film needs {LEAST}, not {shots}.")
    data["notices"] = list(words.said)
    return Outcome(data, measured.gallery() if options.pictures else Gallery())
