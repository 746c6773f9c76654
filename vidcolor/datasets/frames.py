"""The frames of a film that may go into a set, each with its shot, and the pictures of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

import numpy as np
import numpy.typing as npt

from vidcolor.color.planes import ColorSpace
from vidcolor.color.shown import as_srgb, rgb_matrix
from vidcolor.datasets.images import Box, Rgb, target_size
from vidcolor.datasets.options import DEFAULT_EVERY, BuildOptions
from vidcolor.frames import Frame, Orientation, VideoInfo
from vidcolor.media.picture import PictureMaker, upright_size
from vidcolor.media.reader import VideoReader
from vidcolor.media.skim import Need, Needed, glimpses
from vidcolor.media.source import Source
from vidcolor.temporal.borders import NO_BORDERS, Borders, find_borders
from vidcolor.temporal.shots import ShotDetector, Small, Verdict, small_luma

__all__ = ["LONGEST_GAP", "FilmPictures", "Sample", "samples"]

ReaderOf = Callable[[Needed], VideoReader]
"""Opens the film for a way of choosing frames."""

LOOK_GAP = Fraction(1, 15)
"""Seconds between frames looked at for shots: every other one of most films. It costs half, and finds the
same cuts but some after a frame or two of black."""
LOOK_REACHES = (3, 6)
"""Of the detector then: the same dissolves, seen in half as many frames."""
LONGEST_GAP = Fraction(1)
"""Seconds before a key frame that need not be decoded if no frame is chosen there. Longer, and the pictures
on both sides would not tell any more whether they are of one shot."""
GLIMPSES = 12
"""Frames from all over a film that its borders are looked for in."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A frame that was chosen."""

    frame: Frame
    small: Small
    """Its small luma, 0 (black) to 255 (white)."""
    shot: int
    """Number of its shot in the film, from 0."""
    fading: bool


# Which frames


class Sampler:
    """Chooses frames by their number or their time, and others that are looked at for shots between them.

    Asked about every frame, in the order they are shown: by the reader, before it decodes, or, where a
    file's packets have no times, when the frame is there.
    """

    def __init__(self, options: BuildOptions, time_base: Fraction) -> None:
        self._stride, self._all = options.stride, options.per_shot is not None
        every = DEFAULT_EVERY if options.every is None else options.every
        # In units of pts, and whole ones for what is compared at each frame.
        self._step = every / time_base
        self._gap = ceil(LOOK_GAP / time_base)
        self._number = 0
        self._start: int | None = None
        self._due = 0
        self._looked: int | None = None
        self._answers: deque[tuple[int, Need]] | None = None

    def needed(self, pts: int) -> Need:
        """For the reader."""
        if self._answers is None:
            self._answers = deque()
        need = self._look(pts)
        if need:
            self._answers.append((pts, need))
        return need

    def takes(self, pts: int) -> tuple[Need, int]:
        """How much a decoded frame is wanted, and how many that were are missing before it."""
        if self._answers is None:
            return self._look(pts), 0
        missing = 0
        while self._answers and self._answers[0][0] < pts:
            self._answers.popleft()
            missing += 1
        if self._answers and self._answers[0][0] == pts:
            return self._answers.popleft()[1], missing
        return Need.NONE, missing

    def _look(self, pts: int) -> Need:
        chosen = self._choose(pts)
        if not chosen and self._looked is not None and pts - self._looked < self._gap:
            return Need.NONE
        self._looked = pts
        return Need.MUST if chosen or self._all else Need.WELCOME

    def _choose(self, pts: int) -> bool:
        number, self._number = self._number, self._number + 1
        if self._all:
            return False  # whatever is looked at will do
        if self._stride is not None:
            return number % self._stride == 0
        if self._start is None:
            self._start = self._due = pts
        if pts < self._due:
            return False
        self._due = self._start + ceil(((pts - self._start) // self._step + 1) * self._step)
        return True


class Thinner:
    """Keeps ``count`` items at even distances of a row of unknown length, holding few of them meanwhile."""

    def __init__(self, count: int) -> None:
        self._count, self._room = count, max(2 * count, 8)
        self._kept: list[Sample] = []
        self._step, self._seen = 1, 0

    def add(self, sample: Sample) -> None:
        """The next one of the row."""
        if self._seen % self._step == 0:
            self._kept.append(sample)
        self._seen += 1
        if len(self._kept) > self._room:
            self._kept, self._step = self._kept[::2], 2 * self._step

    def take(self) -> list[Sample]:
        """The items chosen; begins anew."""
        kept, wanted = self._kept, min(self._count, len(self._kept))
        chosen = [kept[(2 * n + 1) * len(kept) // (2 * wanted)] for n in range(wanted)]
        self._kept, self._step, self._seen = [], 1, 0
        return chosen


def samples(reader_of: ReaderOf, options: BuildOptions) -> Iterator[Sample]:
    """The frames of a film that its options choose, in order."""
    sampler: Sampler | None = None

    def needed(pts: int) -> Need:
        assert sampler is not None
        return sampler.needed(pts)

    with reader_of(needed) as reader:
        sampler = Sampler(options, reader.video.time_base)
        found = _with_shots(reader, sampler)
        yield from found if options.per_shot is None else _of_shots(found, options.per_shot, options.fades)


def _with_shots(reader: VideoReader, sampler: Sampler) -> Iterator[Sample]:
    """Frames that are taken, as soon as their shot is known."""
    levels = _levels(reader.video)
    detector = ShotDetector(LOOK_REACHES)
    waiting: deque[tuple[Frame, Small] | None] = deque()
    shot = -1

    def push(small: Small | None, taken: tuple[Frame, Small] | None) -> Iterator[Sample]:
        waiting.append(taken)
        yield from decided(detector.push(small))

    def decided(verdicts: Iterable[Verdict]) -> Iterator[Sample]:
        nonlocal shot
        for verdict in verdicts:
            shot += verdict.new_shot
            taken = waiting.popleft()
            if taken is not None:
                yield Sample(taken[0], levels[taken[1]], shot, verdict.fading)

    for frame in reader.frames():
        need, missing = sampler.takes(frame.time.pts)
        for _ in range(missing):
            yield from push(None, None)
        if need:
            small = small_luma(frame.luma, reader.video.bit_depth)
            yield from push(small, (frame, small) if need is Need.MUST else None)
    yield from decided(detector.finish())


def _levels(video: VideoInfo) -> npt.NDArray[np.uint8]:
    """Every 8-bit luma code as a level from 0 (black) to 255 (white)."""
    codes = np.arange(256, dtype=np.float32)
    if video.tags.range != "full":
        codes = (codes - 16) * (255 / 219)
    return np.clip(np.rint(codes), 0, 255).astype(np.uint8)


def _of_shots(found: Iterable[Sample], count: int, fades: bool) -> Iterator[Sample]:
    """So many of each shot, at even distances."""
    thinner, shot = Thinner(count), 0
    for sample in found:
        if sample.shot != shot:
            yield from thinner.take()
            shot = sample.shot
        if fades or not sample.fading:
            thinner.add(sample)
    yield from thinner.take()


# Their pictures


class FilmPictures:
    """Makes RGB pictures of a film's frames: turned, without borders, resized. For several threads."""

    def __init__(self, source: Source, video: VideoInfo, options: BuildOptions) -> None:
        self.borders = NO_BORDERS
        if options.borders:
            planes = glimpses(source, video, GLIMPSES)
            self.borders = find_borders(planes, video.bit_depth)
        self._space = ColorSpace.of(video.tags, height=video.height, width=video.width, bit_depth=8)
        self._make = PictureMaker(video, rgb_matrix(self._space), full_range=self._space.full_range)
        self._fit(video, _upright(self.borders, video.orientation), options)

    def _fit(self, video: VideoInfo, borders: Borders, options: BuildOptions) -> None:
        """Sizes: of the part within the borders (``size``), and of the whole picture as large (``_full``)."""
        full = upright_size(video)
        sideways = video.orientation.sideways
        stored = (video.height, video.width) if sideways else (video.width, video.height)
        content = (stored[0] - borders.left - borders.right, stored[1] - borders.top - borders.bottom)
        self.size = target_size(content[0] * full[0] / stored[0], content[1] * full[1] / stored[1], options)
        self._scale = (self.size[0] / content[0], self.size[1] / content[1])
        self._corner = (borders.left, borders.top)
        self.enlarges = min(self._scale) > 1
        left, top = round(borders.left * self._scale[0]), round(borders.top * self._scale[1])
        wide, high = round(stored[0] * self._scale[0]), round(stored[1] * self._scale[1])
        self._full = (max(wide, left + self.size[0]), max(high, top + self.size[1]))
        self._inside = (left, top)

    def __call__(self, frame: Frame, boxes: Sequence[Box]) -> list[Rgb]:
        """Parts of the picture of a frame, which is ``size`` large, as sRGB."""
        left, top = self._inside
        inside = [(left + x, top + y, width, height) for x, y, width, height in boxes]
        parts = self._make(frame, self._full, inside)
        return [as_srgb(part, self._space) for part in parts]

    def place(self, box: Box) -> Box:
        """Where a part of the resized picture lies in the film's own, upright, in its samples."""
        (across, down), (left, top) = self._scale, self._corner
        x, y, width, height = box
        return (
            left + round(x / across),
            top + round(y / down),
            max(round(width / across), 1),
            max(round(height / down), 1),
        )


def _upright(borders: Borders, orientation: Orientation) -> Borders:
    """Borders of the stored picture as those of the upright one."""
    for _ in range(orientation.turns):
        top, bottom, left, right = borders
        borders = Borders(top=right, bottom=left, left=top, right=bottom)
    if orientation.mirrored:
        borders = borders._replace(left=borders.right, right=borders.left)
    return borders
