"""Films evaluated: a model on a film in colour, a result beside its truth, or a result alone.

Frames stream from the file to the figures; the model's way is that of ``vidcolor run`` up to the encoder.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from vidcolor import __version__
from vidcolor.color.chroma import ChromaMaker
from vidcolor.errors import InputError
from vidcolor.evaluation.intervals import LEAST
from vidcolor.evaluation.measure import FilmFigures
from vidcolor.evaluation.options import EvaluateOptions
from vidcolor.evaluation.outcome import FORMAT, Gallery, Outcome
from vidcolor.evaluation.perceptual import LEFT_OUT_OF_FILMS
from vidcolor.evaluation.sample import Sample, Sampler
from vidcolor.frames import ChromaLayout, ColorTags, Frame, VideoInfo
from vidcolor.media.own_chroma import has_chroma
from vidcolor.media.reader import VideoReader
from vidcolor.media.timeline import clock_text
from vidcolor.models import resolve_model
from vidcolor.pipeline.coloring import Coloring
from vidcolor.pipeline.memory import hold_memory
from vidcolor.pipeline.opening import Notices, frames_ahead, open_film, opened
from vidcolor.pipeline.options import Progress, RunOptions
from vidcolor.pipeline.person import Person
from vidcolor.pipeline.prefetch import prefetch
from vidcolor.pipeline.run import expected_frames
from vidcolor.pipeline.words import listen
from vidcolor.wording import counted

__all__ = ["evaluate_model", "evaluate_pair", "evaluate_result"]

_COLORED_AHEAD, _SAMPLES_AHEAD = 4, 2
_NO_COLOR_S = 60.0
"""Seconds of film without any colour after which there is taken to be none."""
_HARDLY_ANY = 5.0
"""Colourfulness of a truth from which figures say little."""
_UNPAIRED, _UNPAIRED_SHARE = 2, 0.02
"""Frames, and of frames the share, that may have no partner in the other film."""
_LENGTHS_S = Fraction(1, 2)
"""By which two films' lengths in their headers may differ."""
_ALIKE = 0.5
"""Correlation of the luma of two films below which they hardly show the same."""

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
    loaded = resolve_model(run.model)
    # Its chroma is read and travels with each frame, unseen: no shot passes as it is.
    with opened(source, _changed(run, keep_colour="on"), loaded.model, words) as film:
        reader, video, colorist = film.reader, film.video, film.colorist
        blind = _changed(film.options, keep_colour="off", parts=False)
        _refuse_colorless(reader, has_chroma(video.pixel_format))

        def persons(make: ChromaMaker) -> list[Person]:
            person = listen(source, reader, colorist, make, blind, words)
            return [] if person is None else [person]

        wanted = _Planes(video.tags, video.layout, video.bit_depth)
        coloring = Coloring(colorist, video, wanted, blind, film.references, persons)
        sampler, stop = Sampler(video, options.size), threading.Event()
        measured = FilmFigures(sampler, options, compare=True)

        def samples() -> Iterator[Sample]:
            seen = _ColorSeen(reader)
            for colored in colors:
                frame = colored.frame
                seen.look(frame)
                seconds = float(frame.time.exact - reader.begin)
                yield sampler.compared(frame, seconds, frame.chroma, (colored.cb, colored.cr))
            seen.finish()

        with (
            closing(prefetch(reader.frames(), frames_ahead(reader.video), stop)) as frames,
            closing(prefetch(coloring.frames(frames), _COLORED_AHEAD, stop)) as colors,
        ):
            _measure(samples(), measured, stop, expected_frames(video, run), progress)
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
        _refuse_colorless(true, has_chroma(true.video.pixel_format))
        _refuse_unlike(made, true, run)
        video = true.video
        sampler, of_result = Sampler(video, options.size), Sampler(made.video, options.size)
        measured = FilmFigures(sampler, options, compare=True)
        stop, pairs = threading.Event(), _Pairs(made, true)

        def samples() -> Iterator[Sample]:
            seen = _ColorSeen(true)
            for one, other in pairs.of(ones, others):
                seen.look(other)
                seconds = float(other.time.exact - true.begin)
                yield sampler.compared(other, seconds, other.chroma, one.chroma, (of_result, one))
            pairs.finish(words)
            seen.finish()

        with (
            closing(prefetch(made.frames(), frames_ahead(video), stop)) as ones,
            closing(prefetch(true.frames(), frames_ahead(video), stop)) as others,
        ):
            _measure(samples(), measured, stop, expected_frames(video, run), progress)
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
        sampler = Sampler(reader.video, options.size)
        measured, stop = FilmFigures(sampler, options, compare=False), threading.Event()

        def samples() -> Iterator[Sample]:
            for frame in frames:
                yield sampler.result(frame, float(frame.time.exact - reader.begin), frame.chroma)

        with closing(prefetch(reader.frames(), frames_ahead(reader.video), stop)) as frames:
            _measure(samples(), measured, stop, expected_frames(reader.video, run), progress)
        video = reader.video
    return _outcome("result", measured, options, words, {"input": os.fspath(source)}, video)


def _changed(run: RunOptions, **changes: Any) -> RunOptions:
    return replace(run, **changes)


def _opened(source: Path, run: RunOptions, notify: Notify) -> VideoReader:
    return open_film(source, _changed(run, keep_colour="on"), notify)


def _measure(
    samples: Iterator[Sample],
    measured: FilmFigures,
    stop: threading.Event,
    total: int | None,
    progress: ProgressTo,
) -> None:
    started = time.perf_counter()
    try:
        with closing(prefetch(samples, _SAMPLES_AHEAD, stop)) as made:
            for count, sample in enumerate(made, 1):
                measured.add(sample)
                progress(Progress(count, total, time.perf_counter() - started))
    finally:
        stop.set()
    measured.finish()


# What does not go together


def _refuse_colorless(reader: VideoReader, colored: bool) -> None:
    if not colored:
        raise InputError(
            f"{reader.info.name} is in black and white: there is no true colour to compare with."
        )


class _ColorSeen:
    """Whether a truth has any colour."""

    def __init__(self, reader: VideoReader) -> None:
        self._reader, self._seen = reader, False

    def look(self, frame: Frame) -> None:
        self._seen = self._seen or frame.chroma is not None
        if not self._seen and frame.time.exact - self._reader.begin > _NO_COLOR_S:
            self.finish()

    def finish(self) -> None:
        _refuse_colorless(self._reader, self._seen)


def _refuse_unlike(made: VideoReader, true: VideoReader, run: RunOptions) -> None:
    one, other = made.info.name, true.info.name
    sizes = [(v.video.width, v.video.height, v.video.rotation % 180) for v in (made, true)]
    if sizes[0] != sizes[1]:
        texts = [f"{width}x{height}{', turned' * bool(turned)}" for width, height, turned in sizes]
        raise InputError(
            f"{one} is {texts[0]} and {other} {texts[1]}: only films of one size can be compared."
        )
    a, b = (_length(reader.video, run) for reader in (made, true))
    if (
        a is not None
        and b is not None
        and abs(a - b) > max(_LENGTHS_S, min(a, b) * Fraction(_UNPAIRED_SHARE))
    ):
        raise InputError(_different(one, other, a, b, run))


def _different(one: str, other: str, length: Fraction, other_length: Fraction, run: RunOptions) -> str:
    common = float(min(length, other_length) - (run.start or 0))
    advice = (
        f"give -t {common:.3f} to compare what they have in common" if common > 0 else "give another range"
    )
    texts = clock_text(length), clock_text(other_length)
    return f"{one} lasts {texts[0]} and {other} {texts[1]}; {advice}, if they begin with the same frame."


def _length(video: VideoInfo, run: RunOptions) -> Fraction | None:
    """Seconds of film up to where it is read, as far as the header tells."""
    if video.duration is None:
        return None
    return video.duration.value if run.end is None else min(video.duration.value, run.end)


class _Pairs:
    """Frames of a result and of its truth that are shown at the same time."""

    def __init__(self, made: VideoReader, true: VideoReader) -> None:
        self._made, self._true = made, true
        rates = [reader.video.average_rate for reader in (made, true)]
        fastest = max((rate for rate in rates if rate), default=Fraction(25))
        self._near = 1 / (2 * fastest)
        self.count = self.unpaired = 0
        self._alike = 0.0
        self._ends = [Fraction(0), Fraction(0)]

    def of(
        self, ones: Iterator[Frame], others: Iterator[Frame]
    ) -> Generator[tuple[Frame, Frame], None, None]:
        """Pairs in order.

        Raises:
            InputError: too many frames have no partner.
        """
        one, other = next(ones, None), next(others, None)
        while one is not None and other is not None:
            times = (one.time.exact - self._made.begin, other.time.exact - self._true.begin)
            self._ends = list(times)
            if abs(times[0] - times[1]) <= self._near:
                self.count += 1
                self._alike += _correlation(one, other)
                yield one, other
                one, other = next(ones, None), next(others, None)
                continue
            self._alone()
            if times[0] < times[1]:
                one = next(ones, None)
            else:
                other = next(others, None)
        for place, (left, rest) in enumerate(((one, ones), (other, others))):
            while left is not None:
                self._ends[place] = left.time.exact - (self._made, self._true)[place].begin
                self._alone()
                left = next(rest, None)

    def _alone(self) -> None:
        """A frame without a partner."""
        self.unpaired += 1
        if self.unpaired <= _UNPAIRED + _UNPAIRED_SHARE * self.count:
            return
        names = self._made.info.name, self._true.info.name
        if not self.count:
            ends = " and ".join(clock_text(end) for end in self._ends)
            raise InputError(f"{names[0]} and {names[1]} have no frame in common: they are at {ends}.")
        rates = [_rate(reader.video) for reader in (self._made, self._true)]
        said = f" ({rates[0]} and {rates[1]} frames a second)" if rates[0] != rates[1] else ""
        raise InputError(
            f"{names[0]} and {names[1]} do not go together: after {self.count} pairs {self.unpaired} "
            f"frames have no partner at their time{said}."
        )

    def finish(self, notify: Notify) -> None:
        """Tells what was odd."""
        if self.unpaired:
            notify(
                f"{counted(self.unpaired, 'frame')} of the two films without a partner at its time: left out."
            )
        if self.count and self._alike / self.count < _ALIKE:
            notify(
                f"{self._made.info.name} and {self._true.info.name} hardly show the same: their luma "
                f"correlates by {self._alike / self.count:.2f}."
            )


def _rate(video: VideoInfo) -> str:
    return "?" if video.average_rate is None else f"{float(video.average_rate):.3f}".rstrip("0").rstrip(".")


def _correlation(one: Frame, other: Frame) -> float:
    """Of the luma of two frames, in [-1, 1]; plain ones are as any."""
    a, b = (frame.luma[::16, ::16].astype(np.float64).ravel() for frame in (one, other))
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / scale if scale > 0 else 1.0


# The end


def _told(run: RunOptions) -> dict[str, Any]:
    """How it was coloured, as far as that is told."""
    names = ("network_size", "anchor_every", "smooth", "saturation", "label", "hints", "anchors")
    return {**{name: getattr(run, name) for name in names}, "reference": list(run.reference)}


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
    data["film"] = {"width": video.width, "height": video.height, "rate": _rate(video)}
    height, width = measured.size
    data["measured"] = {
        "width": width,
        "height": height,
        "frames": measured.stills.count,
        "every_seconds": float(options.every),
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
        if film["shots"] < LEAST:
            words(f"There are no intervals: they are over shots, and {film['shots']} are too few.")
    data["notices"] = list(words.said)
    return Outcome(data, measured.gallery() if options.pictures else Gallery())
