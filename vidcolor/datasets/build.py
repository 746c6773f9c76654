"""From films and pictures to a training set.

>>> from vidcolor.datasets.build import build_dataset
>>> build_dataset(["episode1.mp4", "episode2.mp4"], "set")                    # doctest: +SKIP

One pass over each film: the reader decodes, the calling thread finds shots and chooses frames, a few
threads make pictures of them. Pictures lie in one folder until all is known; then it is drawn which are
held out, and the set gets its place.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from vidcolor.datasets.collect import Collector, Made, Origin
from vidcolor.datasets.finish import finish_set
from vidcolor.datasets.folder import folder_in_the_making
from vidcolor.datasets.frames import LONGEST_GAP, FilmPictures, Sample, samples
from vidcolor.datasets.images import (
    Box,
    Crop,
    Rgb,
    beyond_tint,
    bin_counts,
    colour_of,
    crops_of,
    encode,
    luma_of,
    read_metadata,
    read_picture,
    unsuitable,
)
from vidcolor.datasets.options import REASONS, BuildOptions, BuildProgress, BuildSummary
from vidcolor.datasets.sources import Source, find_sources
from vidcolor.datasets.split import SplitLists
from vidcolor.errors import InputError
from vidcolor.frames import NOTHING_KNOWN, Frame
from vidcolor.media.metadata import film_metadata
from vidcolor.media.reader import VideoReader
from vidcolor.media.skim import Needed
from vidcolor.temporal.shots import small_luma
from vidcolor.wording import counted

__all__ = ["build_dataset"]


def build_dataset(
    inputs: Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    options: BuildOptions | None = None,
    *,
    notify: Callable[[str], None] = lambda sentence: None,
    progress: Callable[[BuildProgress], None] = lambda progress: None,
    **changes: Any,
) -> BuildSummary:
    """Makes a training set of films, folders of films, pictures and folders of pictures.

    Args:
        inputs: paths of files and folders.
        output: the folder to make; it appears when all is done.
        options: how; ``changes`` are fields of it.
        notify: gets one sentence for each thing the user should know.
        progress: called for every frame and picture that is looked at.

    Raises:
        InputError: an input cannot be read or has no colour, or too few pictures come out.
        OutputError: the set cannot be written.
        UsageError: the options contradict each other, or ``output`` may not be replaced.
    """
    options = replace(options or BuildOptions(), **changes)
    begun, notices = time.monotonic(), []

    def tell(sentence: str) -> None:
        notices.append(sentence)
        notify(sentence)

    sources = find_sources(inputs, tell)
    lists = _lists(options)
    with folder_in_the_making(output, overwrite=options.overwrite) as folder:
        with Collector(folder, Path(output), options) as collector:
            build = _Build(options, sources, collector, lists, tell, progress)
            build.run()
        rows = collector.rows
        if len(rows) < options.least:
            raise InputError(_too_few(len(rows), collector.left_out, options))
        made = finish_set(
            folder, Path(output), rows, collector.left_out, sources, options, build.film_facts, tell
        )
    return BuildSummary(
        output=Path(output),
        train=made.train,
        test=made.test,
        shots=made.shots,
        sources=len(sources),
        left_out=dict(collector.left_out),
        labels=made.labels,
        seconds=time.monotonic() - begun,
        notices=tuple(notices),
    )


def _lists(options: BuildOptions) -> SplitLists | None:
    if options.split_file:
        return SplitLists.read(options.split_file)
    if options.train_list or options.test_list:
        return SplitLists.read_lists(options.train_list, options.test_list)
    return None


def _too_few(count: int, left_out: Counter[str], options: BuildOptions) -> str:
    """The sentence for a set that is none."""
    why = ", ".join(f"{number} {REASONS[reason]}" for reason, number in left_out.most_common())
    made = f"Only {count} picture{'s' * (count != 1)}" if count else "No picture"
    return f"{made} could be made{f' (left out: {why})' if why else ''}; a set needs {options.least}."


class _Build:
    """One pass over all sources."""

    def __init__(
        self,
        options: BuildOptions,
        sources: Sequence[Source],
        collector: Collector,
        lists: SplitLists | None,
        notify: Callable[[str], None],
        progress: Callable[[BuildProgress], None],
    ) -> None:
        self._options, self._sources, self._collector = options, sources, collector
        self._lists, self._notify, self._progress = lists, notify, progress
        self.film_facts: dict[str, dict[str, Any]] = {}
        """What ``dataset.json`` says of each film."""

    def run(self) -> None:
        for number, source in enumerate(self._sources, 1):
            part = self._lists.part_of(source.name) if self._lists else None
            if self._lists and part is None:
                self._collector.leave_out("unlisted")
                continue
            if source.is_film:
                self._try_film(source, number, part)
            else:
                self._picture(source, number, part)
        self._collector.drain()
        missing = self._lists.missing if self._lists else []
        if missing:
            self._notify(f"{counted(len(missing), 'name')} of the split not found, such as {missing[0]!r}.")

    # Films

    def _try_film(self, source: Source, number: int, part: str | None) -> None:
        try:
            self._film(source, number, part)
        except InputError as error:
            if source.named:
                raise
            self._collector.leave_out("unreadable")
            self._notify(f"Left out: {error}")

    def _film(self, source: Source, number: int, part: str | None) -> None:
        collector, options = self._collector, self._options
        readers: list[VideoReader] = []

        def open_reader(needed: Needed) -> VideoReader:
            readers.append(
                VideoReader(
                    source.path,
                    deinterlace=options.deinterlace,
                    pictures=True,
                    needed=needed,
                    longest_gap=LONGEST_GAP,
                    notify=partial(self._tell_of, source.name),
                )
            )
            return readers[0]

        pictures: FilmPictures | None = None
        before = Counter(collector.met)
        label = source.label if options.labels else None
        for sample in samples(open_reader, options):
            reader = readers[0]
            if pictures is None:
                _refuse_grey(source, reader)
                pictures = FilmPictures(source.path, reader.video, options)
                self._remember(source, pictures)
            metadata = film_metadata(reader.info, sample.frame.time.seconds)
            origin = Origin(source.name, sample.frame.time, sample.shot, label, metadata, part)
            self._sample(origin, sample, pictures)
            length = reader.video.duration
            seconds = float(sample.frame.time.exact - reader.begin)
            self._tell_progress(source, number, seconds, float(length.value) if length else None)
        collector.drain()
        met = Counter(collector.met)
        met.subtract(before)
        if met["colourless"] and not met["taken"] and not met["limit"]:
            raise InputError(f"{source.path} has no colour, so nothing can be learnt from it.")
        if met["taken"] and pictures is not None and pictures.enlarges:
            self._notify(f"{source.name} is smaller than {options.size}; its pictures are enlarged.")

    def _sample(self, origin: Origin, sample: Sample, pictures: FilmPictures) -> None:
        """Looks whether a frame is worth it, and has its picture made."""
        options, collector = self._options, self._collector
        reason = "fading" if sample.fading and not options.fades else unsuitable(sample.small, options)
        if reason is None and collector.is_known(sample.small):
            reason = "duplicate"
        if reason is not None:
            collector.leave_out(reason)
            return
        collector.submit(
            origin, partial(_film_crops, pictures, sample.frame, options, origin.seed(options.seed))
        )

    def _remember(self, source: Source, pictures: FilmPictures) -> None:
        facts: dict[str, Any] = {"size": list(pictures.size)}
        if any(pictures.borders):
            facts["borders"] = pictures.borders._asdict()
        self.film_facts[source.name] = facts

    def _tell_of(self, name: str, sentence: str) -> None:
        self._notify(f"{name}: {sentence}")

    # Pictures

    def _picture(self, source: Source, number: int, part: str | None) -> None:
        label = None if self._options.labels is False else source.label
        origin = Origin(source.name, None, 0, label, NOTHING_KNOWN, part)
        make = partial(_picture_crops, source.path, self._options, origin.seed(self._options.seed))
        self._collector.submit(origin, make, must_read=source.named, notify=self._notify)
        self._tell_progress(source, number, 0.0, None)

    def _tell_progress(self, source: Source, number: int, seconds: float, length: float | None) -> None:
        taken = len(self._collector)
        self._progress(BuildProgress(source.name, number, len(self._sources), seconds, length, taken))


def _refuse_grey(source: Source, reader: VideoReader) -> None:
    if reader.video.pixel_format.startswith(("gray", "ya8", "ya16", "mono")):
        raise InputError(f"{source.path} has no colour: its pixels are {reader.video.pixel_format}.")


# What the threads do


def _film_crops(make: FilmPictures, frame: Frame, options: BuildOptions, seed: int) -> Made:
    boxes = crops_of(make.size, options, seed)
    return _crops(make(frame, boxes), [make.place(box) for box in boxes], options)


def _picture_crops(path: Path, options: BuildOptions, seed: int) -> Made:
    rgb, own = read_picture(path, options)
    small = small_luma(luma_of(rgb))
    reason = unsuitable(small, options)
    if reason is not None:
        return Made(reason)
    across, down = own[0] / rgb.shape[1], own[1] / rgb.shape[0]

    boxes = crops_of((rgb.shape[1], rgb.shape[0]), options, seed)
    parts = [np.ascontiguousarray(rgb[y : y + high, x : x + wide]) for x, y, wide, high in boxes]
    places = [
        (round(x * across), round(y * down), round(w * across), round(h * down)) for x, y, w, h in boxes
    ]
    made = _crops(parts, places, options)
    return replace(made, small=small, metadata=read_metadata(path))


def _crops(parts: Sequence[Rgb], places: Sequence[Box], options: BuildOptions) -> Made:
    """Those crops of a picture that have colour."""
    kept = []
    for part, place in zip(parts, places, strict=True):
        value = colour_of(part)
        if value >= options.colorfulness and beyond_tint(part) >= options.tint:
            kept.append(Crop(encode(part, options.format), place, value, *bin_counts(part)))
    return Made(None if kept else "colourless", tuple(kept), dropped=len(parts) - len(kept))
