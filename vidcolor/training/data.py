"""From pictures on disk to batches.

A batch is a pure function of the seed and the step: every sample of the whole batch has its own generator,
seeded by (seed, step, its place in the batch), and another for the colour that is carried to it. So a run
that goes on from a checkpoint sees what it would have seen, process r of n makes its slice of the same batch
by itself, and a sample without carried colour is the same whatever share of the others has some.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vidcolor.color.grey import GREYS, lightness_of_grey, to_grey
from vidcolor.color.lab import rgb_to_xyz_matrix, transfer_curve, xyz_to_lab
from vidcolor.errors import InputError, UsageError
from vidcolor.media.picture_file import read_picture_file
from vidcolor.pipeline.prefetch import prefetch
from vidcolor.training import augment
from vidcolor.training.augment import Pixels, View, Window
from vidcolor.training.carried import Carried, carry, draw_carried
from vidcolor.training.options import DataOptions

if TYPE_CHECKING:
    from vidcolor.datasets.manifest import Picture

__all__ = ["FILM", "Batch", "Batches", "PictureStore", "Ready", "lab_of_codes", "read_pixels", "ready"]

_AHEAD = 3
"""Batches that wait for the network."""
FILM = "film"
"""The grey of a sample that looks like an old copy."""
_ORDER, _SAMPLE, _MOTION = 0, 1, 3
"""What a generator is for; keeps them from being seeded alike. 2 is :mod:`vidcolor.training.loop`'s."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Samples as threads make them, eight bits, in the computer's memory."""

    rgb: Tensor
    """``(B, H, W, 3)`` uint8: the truth."""
    film: Tensor
    """``(B, H, W)`` uint8: what an old film holds of it, where ``greys`` is :data:`FILM`."""
    greys: tuple[str, ...]
    """How each sample's grey is made."""
    hints: tuple[tuple[Window, ...], ...]
    """Where each sample has its colour given."""
    condition: Tensor | None
    """``(B, condition_width)`` float32: what is known beside the pictures."""
    carried: tuple[Carried | None, ...] = ()
    """The colour that is carried to each sample, if any is; empty where none has any."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A batch as networks take it, on their device."""

    lightness: Tensor
    """``(B, 1, H, W)`` float32 in [0, 100]: what the network sees."""
    hints: Tensor | None
    """``(B, 3, H, W)``, or None where no sample has any."""
    condition: Tensor | None
    lab: Tensor
    """``(B, 3, H, W)`` float32: the truth."""

    def split(self, parts: int) -> list[Ready]:
        """The same samples in that many equal parts, in order."""
        if parts == 1:
            return [self]
        several = [
            (None,) * parts if tensor is None else tensor.chunk(parts)
            for tensor in (self.lightness, self.hints, self.condition, self.lab)
        ]
        return [Ready(*part) for part in zip(*several, strict=True)]


class PictureStore:
    """Decoded pictures, kept in memory as far as a budget goes.

    Args:
        pictures: what there is.
        shortest: pictures are kept no larger than this short side, in pixels.
        budget: bytes.
    """

    def __init__(self, pictures: Sequence[Picture], shortest: int, budget: int) -> None:
        self._pictures = pictures
        self._shortest = shortest
        self._left = budget
        self._kept: dict[int, Pixels] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._pictures)

    def picture(self, index: int) -> Picture:
        """What is known of a picture."""
        return self._pictures[index]

    def pixels(self, index: int) -> Pixels:
        """``(H, W, 3)`` uint8 RGB of a picture; from any thread.

        Raises:
            InputError: the file is gone or no picture.
        """
        found = self._kept.get(index)
        if found is not None:
            return found
        pixels = read_pixels(self._pictures[index].path, self._shortest)
        with self._lock:
            if index not in self._kept and pixels.nbytes <= self._left:
                self._kept[index] = pixels
                self._left -= pixels.nbytes
        return pixels


def read_pixels(path: Path, shortest: int) -> Pixels:
    """A picture file as RGB, its short side at most that long."""
    data = np.frombuffer(read_picture_file(path), np.uint8)
    bgr = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if bgr is None:
        raise InputError(f"{str(path)!r} cannot be read as a picture.")
    height, width = bgr.shape[:2]
    scale = shortest / min(height, width)
    if scale < 1:
        size = (max(round(width * scale), 1), max(round(height * scale), 1))
        bgr = cv2.resize(bgr, size, interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)  # type: ignore[return-value]


class Batches:
    """The batches of a run, by step.

    Args:
        pictures: those to train on.
        options: what is done with them.
        size: samples in a whole batch.
        seed: of everything random here.
        hints: whether the model takes hints.
        describe: the condition vector of a picture; None for a model that takes none.
        share: this process and how many there are: ``(rank, world)``.
        neighbours: for each picture the numbers of those that colour can be carried from
            (:mod:`vidcolor.training.neighbours`); empty where none is carried.
    """

    def __init__(
        self,
        pictures: Sequence[Picture],
        options: DataOptions,
        *,
        size: int,
        seed: int,
        hints: bool,
        describe: Callable[[Picture], npt.NDArray[np.float32]] | None = None,
        share: tuple[int, int] = (0, 1),
        neighbours: Sequence[Sequence[int]] = (),
    ) -> None:
        # A window of the smallest scale still has a sample's pixels.
        shortest = round(max(options.size) / options.scale[0])
        self.store = PictureStore(pictures, shortest, options.memory_mb * 1_000_000)
        self._options = options
        self._size = size
        self._seed = seed
        self._hints = options.hints if hints else 0.0
        self._motion = options.motion_hints if hints and neighbours else 0.0
        self._neighbours = neighbours
        self._describe = describe
        rank, world = share
        self._mine = range(rank * size // world, (rank + 1) * size // world)
        self._by_label = _by_label(pictures) if options.evenness else ()
        sizes = np.array([len(label) for label in self._by_label], np.float64) ** (1 - options.evenness)
        self._up_to = np.cumsum(sizes / sizes.sum()) if self._by_label else sizes
        self._greys = _grey_choices(options.grey)

    def at(self, step: int, pool: ThreadPoolExecutor | None = None) -> Batch:
        """This process's part of the batch of a step, whatever was asked for before."""
        parts = list((pool.map if pool else map)(lambda i: self._sample(step, i), self._mine))
        conditions = [part.condition for part in parts if part.condition is not None]
        return Batch(
            torch.from_numpy(np.stack([part.rgb for part in parts])),
            torch.from_numpy(np.stack([part.film for part in parts])),
            tuple(part.grey for part in parts),
            tuple(part.hints for part in parts),
            torch.from_numpy(np.stack(conditions)) if conditions else None,
            tuple(part.carried for part in parts) if self._motion else (),
        )

    @contextmanager
    def from_step(self, first: int) -> Iterator[Generator[Batch, None, None]]:
        """Endless batches from a step on, made ahead in threads that end with the context."""

        def endless() -> Generator[Batch, None, None]:
            with ThreadPoolExecutor(self._options.threads, "sample") as pool:
                step = first
                while True:
                    yield self.at(step, pool)
                    step += 1

        ahead = prefetch(endless(), _AHEAD)
        try:
            yield ahead
        finally:
            ahead.close()

    def _sample(self, step: int, place: int) -> _Sample:
        rng = np.random.default_rng((self._seed, _SAMPLE, step, place))
        index = self._index(step, place, rng)
        pixels = self.store.pixels(index)
        view = augment.random_view(pixels, self._options, rng)
        rgb = view.of(pixels)
        drawn = rng.random()
        hints = augment.hint_windows(self._options.size, rng) if drawn < self._hints else ()
        grey = self._greys[int(rng.integers(len(self._greys)))]
        carried = None
        if self._hints <= drawn < self._hints + self._motion:
            own = np.random.default_rng((self._seed, _MOTION, step, place))
            carried = self._carried(index, view, rgb, grey, own)
        film = np.zeros((0, 0), np.uint8)
        if self._options.old_film:
            aged = rng.random() < self._options.old_film
            grey = FILM if aged else grey
            film = augment.film_look(rgb, rng) if aged else np.zeros(rgb.shape[:2], np.uint8)
        condition = self._describe(self.store.picture(index)) if self._describe else None
        if condition is not None and rng.random() < self._options.unknown:
            condition = np.zeros_like(condition)
        return _Sample(rgb, film, grey, hints, condition, carried)

    def _carried(
        self, index: int, view: View, rgb: Pixels, grey: str, rng: np.random.Generator
    ) -> Carried | None:
        """The colour of one of a picture's neighbours on its way to a view of it; None: it has no neighbour.

        Motion is looked for in the clean grey, also where the network is shown an old copy: the other frame
        has no such look, and would fit nowhere.
        """
        near = self._neighbours[index]
        if not near:
            return None
        # The square prefers the nearest: the first of eight is taken for a third of the samples.
        other = self.store.pixels(near[int(len(near) * rng.random() ** 2)])
        return carry(rgb, view.of(other), grey, rng)

    def _index(self, step: int, place: int, rng: np.random.Generator) -> int:
        """Which picture: the next of this epoch's order, or any of a label that is drawn."""
        if self._by_label:
            drawn = int(np.searchsorted(self._up_to, rng.random(), side="right"))
            label = self._by_label[min(drawn, len(self._by_label) - 1)]
            return label[int(rng.integers(len(label)))]
        epoch, position = divmod(step * self._size + place, len(self.store))
        return int(_order(self._seed, epoch, len(self.store))[position])


@dataclass(frozen=True, slots=True)
class _Sample:
    rgb: Pixels
    film: Pixels
    grey: str
    hints: tuple[Window, ...]
    condition: npt.NDArray[np.float32] | None
    carried: Carried | None


@lru_cache(maxsize=4)
def _order(seed: int, epoch: int, count: int) -> npt.NDArray[Any]:
    return np.random.default_rng((seed, _ORDER, epoch)).permutation(count)


def _by_label(pictures: Sequence[Picture]) -> tuple[tuple[int, ...], ...]:
    """Numbers of the pictures with each label; empty where none has one. No label is a label too."""
    labels = [picture.label for picture in pictures]
    if not any(labels):
        return ()
    names = sorted(set(labels), key=str)
    return tuple(tuple(i for i, label in enumerate(labels) if label == name) for name in names)


def _grey_choices(how: str) -> tuple[str, ...]:
    """The ways to grey that a sample may have.

    Raises:
        UsageError: there is no such way.
    """
    if how == "random":
        return tuple(GREYS)
    if how not in GREYS:
        raise UsageError(f"'data.grey' must be random or one of {', '.join(GREYS)}, not {how!r}.")
    return (how,)


def ready(batch: Batch, device: torch.device) -> Ready:
    """A batch as the network takes it: colours become Lab here, all at once, on its device."""
    rgb = batch.rgb.to(device, non_blocking=True).permute(0, 3, 1, 2).contiguous()
    lab = lab_of_codes(rgb)
    lightness = lab[:, :1]
    if set(batch.greys) != {"lightness"}:
        lightness = _seen(lightness.clone(), rgb, batch)
    condition = None if batch.condition is None else batch.condition.to(device)
    return Ready(lightness.contiguous(), _hints(lab, batch), condition, lab)


def _hints(lab: Tensor, batch: Batch) -> Tensor | None:
    """``(B, 3, H, W)``: the colours given, at points or carried; None where no sample has any."""
    carried = {i: each for i, each in enumerate(batch.carried) if each is not None}
    if not carried and not any(batch.hints):
        return None
    hints = augment.draw_hints(lab[:, 1:], batch.hints)
    if carried:
        rgb = torch.from_numpy(np.stack([each.rgb for each in carried.values()])).to(lab.device)
        others = lab_of_codes(rgb.permute(0, 3, 1, 2).contiguous())
        hints[list(carried)] = draw_carried(others[:, 1:], list(carried.values()))
    return hints


def lab_of_codes(rgb: Tensor) -> Tensor:
    """Lab of ``(B, 3, H, W)`` uint8 sRGB; as ``rgb_to_lab``, with a table for the tone curve."""
    to_linear = transfer_curve("iec61966-2-1").to_linear
    light = torch.take(to_linear(torch.arange(256, device=rgb.device) / 255), rgb.long())
    xyz = rgb_to_xyz_matrix().to(light) @ light.flatten(2)
    return xyz_to_lab(xyz.view(light.shape))


def _seen(lightness: Tensor, rgb: Tensor, batch: Batch) -> Tensor:
    """The lightness with what other greys and old films make of it put in."""
    for how in sorted(set(batch.greys) - {"lightness"}):
        places = [i for i, grey in enumerate(batch.greys) if grey == how]
        if how == FILM:
            signal = batch.film[places].to(rgb.device)[:, None].float() / 255
        else:
            signal = to_grey(rgb[places].float() / 255, how)
        lightness[places] = lightness_of_grey(signal)
    return lightness
