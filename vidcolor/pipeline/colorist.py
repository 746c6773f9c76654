"""Frames to ab: the stage that holds the network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import groupby, islice
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import torch

from vidcolor.color.planes import ColorSpace
from vidcolor.color.resize import shrink
from vidcolor.errors import VidcolorError
from vidcolor.frames import NOTHING_KNOWN, Frame, Metadata, Plane, VideoInfo
from vidcolor.models import ColorModel
from vidcolor.models.base import fitting_side
from vidcolor.models.conditions import check_label, condition_vector
from vidcolor.pipeline.backend import backend_device, infer_with
from vidcolor.pipeline.device import (
    autocast,
    choose_batch_size,
    choose_precision,
    is_out_of_memory,
)
from vidcolor.pipeline.options import RunOptions
from vidcolor.pipeline.window import Window, window_in
from vidcolor.wording import counted

__all__ = ["AbFrame", "Colorist", "Seen", "network_size"]

_LONGEST_ASPECT = 6
"""The network's picture is at most this many times as long as it is short."""


Ab = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]
"""a and b, planes ``(h, w)`` in Lab units, stored orientation."""


@dataclass(slots=True)
class AbFrame:
    """A frame and its colour at the network's size."""

    frame: Frame
    ab: Ab


class Seen(NamedTuple):
    """What the network is shown of a frame."""

    luma: Plane
    """Its codes, ``(h, w)``, as stored."""
    window: Window | None
    """The part of the frame that this is; None: all of it."""


def network_size(video: VideoInfo, short_side: int, multiple: int) -> tuple[int, int]:
    """``(height, width)`` of the picture the network sees, as stored (before rotation).

    Its shape is the picture's as seen, samples being square; both sides are multiples of the
    network's own, so that nothing has to be padded.
    """
    seen_width, seen_height = float(video.width * video.sample_aspect), float(video.height)
    short = min(seen_width, seen_height)

    def side(length: float) -> int:
        return fitting_side(short_side * min(length / short, _LONGEST_ASPECT), multiple)

    return side(seen_height), side(seen_width)


class Colorist:
    """Colours frames with a network, in batches; the same frames in smaller ones when memory runs out."""

    def __init__(self, model: ColorModel, video: VideoInfo, options: RunOptions,
                 notify: Callable[[str], None], known: Metadata = NOTHING_KNOWN) -> None:  # fmt: skip
        self.device = backend_device(model, options)
        self.precision = choose_precision(options.precision, self.device)
        # torch's stubs know no memory format for modules; convolutions on CPUs are twice as fast in this one.
        self.model = model.to(self.device).to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        self._infer = infer_with(self.model, options, self.precision)
        self.size = network_size(video, options.network_size, model.multiple)
        self._short_side = options.network_size
        self.batch_size = choose_batch_size(options.batch_size, self.device, self.size[0] * self.size[1])
        self.orientation = video.orientation
        self.saturation = np.float32(options.saturation)
        space = ColorSpace.of(video.tags, height=video.height, width=video.width, bit_depth=video.bit_depth)
        self.lightness_of = space.lightness_table
        self.notify = notify
        self.condition = self._condition(options.label, known)
        self._own: dict[int, tuple[Seen, Ab]] = {}
        """By pts: what the network saw of a frame, and what it said."""

    def _condition(self, label: str | None, known: Metadata) -> torch.Tensor | None:
        """What the network is told beside each picture, ``(1, condition_width)``; None: nothing."""
        if label is not None:
            check_label(self.model.labels, label)
        if not self.model.condition_width:
            return None
        vector = condition_vector(self.model.labels, self.model.takes_metadata, label=label, **asdict(known))
        return torch.from_numpy(vector)[None].to(self.device)

    def color(self, frames: Iterable[Frame]) -> Iterator[AbFrame]:
        """Each frame with its ab, in order; none is dropped."""
        source = iter(frames)
        while batch := list(islice(source, self.batch_size)):
            yield from self._color_batch(batch)

    def own(self, frame: Frame) -> Ab:
        """What the network says of a single frame by itself: made once, kept until :meth:`forget_before`.

        A frame may be asked for ahead, as it is read then; it is made again if it is read otherwise later.
        """
        return self.own_of(self.see(frame.luma), frame.time.pts)

    def own_of(self, seen: Seen, pts: int) -> Ab:
        """The same of what it is shown of the frame at ``pts``."""
        kept = self._own.get(pts)
        if kept is None or kept[0].window != seen.window or not np.array_equal(kept[0].luma, seen.luma):
            kept = self._own[pts] = seen, self._one(seen)
        return kept[1]

    def forget_before(self, pts: int) -> None:
        """Lets go of what was kept of earlier frames."""
        self._own = {key: kept for key, kept in self._own.items() if key >= pts}

    def told(self, frame: Frame, hints: npt.NDArray[np.float32]) -> Ab:
        """What it says of one that it is told hints of.

        ``hints``: ``(3, h, w)`` of the network's size, upright: a, b in Lab units and a confidence in [0, 1].
        """
        return self._one(self.see(frame.luma), hints)

    def _one(self, seen: Seen, hints: npt.NDArray[np.float32] | None = None) -> Ab:
        found = self._network_or_none([seen], hints)
        if found is None:
            raise self._too_little()
        return found[0][0], found[0][1]

    def _color_batch(self, batch: list[Frame]) -> Iterator[AbFrame]:
        pictures = [self.see(frame.luma) for frame in batch]
        done = 0
        while done < len(batch):
            count = min(self.batch_size, len(batch) - done)
            found = self._network_or_none(pictures[done : done + count])
            if found is None:
                self._make_smaller(count)
                continue
            for frame, ab in zip(batch[done : done + count], found, strict=True):
                yield AbFrame(frame, (ab[0], ab[1]))
            done += count

    def _network_or_none(
        self, pictures: list[Seen], hints: npt.NDArray[np.float32] | None = None
    ) -> list[npt.NDArray[np.float32]] | None:
        """As :meth:`_network`; None when memory ran out.

        The error is let go of here: while it is held, so is all that the failed call had in memory.
        """
        try:
            return self._network(pictures, hints)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        return None

    def _make_smaller(self, failed: int) -> None:
        """After running out of memory with ``failed`` frames at once."""
        if failed == 1:
            raise self._too_little()
        self.batch_size = failed // 2
        frames = counted(self.batch_size, "frame")
        self.notify(f"Memory ran out on {self.device}; it goes on with {frames} at once.")
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def _too_little(self) -> VidcolorError:
        return VidcolorError(
            f"Not enough memory on {self.device} for one picture of {self.size[1]}x{self.size[0]};"
            " give a smaller --network-size or another --device."
        )

    def lightness(self, luma: Plane) -> npt.NDArray[np.float32]:
        """L at the network's size, upright: ``(h, w)`` float32 in [0, 100]."""
        return self._upright(shrink(luma, *self.size))

    def _upright(self, luma: Plane) -> npt.NDArray[np.float32]:
        return self.orientation.upright(self.lightness_of[luma])

    @property
    def view(self) -> tuple[object, ...]:
        """Colorists of one film that have the same are shown the same."""
        return self.size, self.model.multiple, self.model.grain, self.model.parameter_count > 0

    def see(self, luma: Plane) -> Seen:
        """What the network is shown of a frame: what is between its borders."""
        whole, model = shrink(luma, *self.size), self.model
        if not model.parameter_count:  # whatever it is shown, it says the same
            return Seen(whole, None)
        lightness = self.lightness_of[whole]
        window = window_in(lightness, self._short_side, model.multiple, model.grain, _LONGEST_ASPECT)
        return Seen(whole if window is None else shrink(window.of(luma), *window.seen), window)

    def _hints_within(self, hints: npt.NDArray[np.float32], window: Window | None) -> npt.NDArray[np.float32]:
        """Hints of the whole picture as hints of what is seen of it."""
        if window is None:
            return hints
        part = np.stack([window.of(plane) for plane in self.orientation.stored(hints, (1, 2))])
        size = window.seen[::-1]
        planes = np.stack([cv2.resize(plane, size, interpolation=cv2.INTER_NEAREST) for plane in part])
        # None is lost between two pixels where the part is made smaller.
        rows, columns = np.nonzero(part[2])
        to = (
            n * new // old for n, new, old in zip((rows, columns), window.seen, part.shape[1:], strict=True)
        )
        planes[:, *to] = part[:, rows, columns]
        return np.ascontiguousarray(self.orientation.upright(planes, (1, 2)))

    def _unsaturated(self, hints: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Hints as the network would say them: what it is told comes out as it was told, not more so."""
        if self.saturation in (0, 1):
            return hints
        return np.concatenate((hints[:2] / self.saturation, hints[2:]))

    def _network(
        self, pictures: list[Seen], hints: npt.NDArray[np.float32] | None
    ) -> list[npt.NDArray[np.float32]]:
        """ab ``(2, h, w)`` of each picture at the network's own grain, turned back to how it is stored."""
        found: list[npt.NDArray[np.float32]] = []
        for group in _alike(pictures):
            window = group[0].window
            shown = np.stack([self._upright(seen.luma) for seen in group])[:, None]
            told = None if hints is None else self._hints_within(hints, window)
            for one in self._looked_at(shown, told):
                stored = np.ascontiguousarray(self.orientation.stored(one, (1, 2)))
                found.append(stored if window is None else window.back(stored, self.model.grain))
        return found

    def _looked_at(
        self, pictures: npt.NDArray[np.float32], hints: npt.NDArray[np.float32] | None
    ) -> npt.NDArray[np.float32]:
        """ab ``(B, 2, h, w)`` at the network's grain of pictures ``(B, 1, H, W)`` as it is shown them."""
        stack = torch.from_numpy(pictures).to(self.device)
        with autocast(self.device, self.precision):
            told = None if self.condition is None else self.condition.expand(len(stack), -1)
            given = (
                None if hints is None else torch.from_numpy(self._unsaturated(hints))[None].to(self.device)
            )
            ab = self._infer(stack.contiguous(memory_format=torch.channels_last), given, told)
        grain = self.model.grain
        found: npt.NDArray[np.float32] = ab[..., ::grain, ::grain].float().cpu().numpy()
        found *= self.saturation
        return found


def _alike(pictures: list[Seen]) -> Iterator[list[Seen]]:
    """Pictures in order, those of one window that follow each other together.

    Where not all are of one, by 1, 2, 4, ... at once: a network that is compiled is so for each number.
    """
    for _, group in groupby(pictures, lambda seen: seen.window):
        left = list(group)
        while left:
            count = len(left) if len(left) == len(pictures) else 1 << (len(left).bit_length() - 1)
            yield left[:count]
            left = left[count:]
