"""Colour by example: pictures of the same place or people give their colours to what matches them.

A picture of the very same view gives its colours to every frame, place by place, to what stands still
(:class:`~vidcolor.temporal.reference.FixedCamera`). One from elsewhere is asked at anchors, and its colours
are carried on like the network's. Both are mixed in after the network, as far as they are sure: told to it as
hints, they made its own colours around them worse. A film's own shots in colour serve the grey ones after
them in the same way.
"""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from vidcolor.color.chroma import ChromaMaker
from vidcolor.color.planes import ColorSpace, chroma_to_rgb
from vidcolor.color.resize import shrink
from vidcolor.errors import InputError
from vidcolor.frames import ColorFrame, Frame, VideoInfo
from vidcolor.media.picture_file import read_picture_file
from vidcolor.pipeline.advice import Said
from vidcolor.pipeline.colorist import Colorist
from vidcolor.pipeline.keep import Shots
from vidcolor.pipeline.profiles import in_srgb, is_foreign, space_beside
from vidcolor.temporal.reference import NOTHING, FixedCamera, Reference, merged

__all__ = ["ByExample", "read_reference"]

_Hints = npt.NDArray[np.float32]
"""``(h, w, 3)`` at the network's size, upright: a, b and a confidence."""

_SEEN = 4
"""Pictures kept of the film's own shots in colour."""
_COLOR = 8
"""Codes between the largest and the smallest of R, G and B in what is no longer grey, ..."""
_COLOR_SHARE = 0.01
"""... and share of a picture that must be of that kind."""
_APART = 12
"""Frames between two of a shot in colour that are kept; the older one is the example: at their very ends
shots fade, dissolve, and cameras go over to infra-red."""


def read_reference(path: str, video: VideoInfo, max_pixels: int) -> Reference:
    """A picture in colour from a file, turned upright as its EXIF says and brought to sRGB from its profile.

    It is read as :func:`space_beside` says. Opacity is not looked at.

    Raises:
        InputError: it cannot be read, has more than ``max_pixels`` pixels, or is grey.
    """
    rgb = _decoded(path, max_pixels)
    small = cv2.blur(rgb, (3, 3))
    if float((small.max(2) - small.min(2) >= _COLOR).mean()) < _COLOR_SHARE:
        raise InputError(f"The reference {path!r} is grey: it has no colours to give.")
    space = ColorSpace.of(video.tags, height=video.height, width=video.width, bit_depth=video.bit_depth)
    return Reference(rgb, name=Path(path).name, space=space_beside(space))


def _decoded(path: str, max_pixels: int) -> npt.NDArray[np.uint8]:
    """R, G and B of a picture file, ``(H, W, 3)``."""
    unreadable = f"The reference {path!r} is no picture that can be read, such as PNG or JPEG."
    data = read_picture_file(Path(path), "The reference ")
    try:
        with Image.open(io.BytesIO(data)) as header:
            (width, height), icc = header.size, header.info.get("icc_profile")
        if width * height > max_pixels:
            raise InputError(
                f"The reference {path!r} is {width}x{height}, more than --max-pixels, {max_pixels}."
            )
        bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except (OSError, Image.DecompressionBombError, cv2.error, ValueError, SyntaxError):
        raise InputError(unreadable) from None
    if bgr is None:
        raise InputError(unreadable)
    rgb = np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)
    return in_srgb(rgb, icc) if icc and is_foreign(icc) else rgb


class ByExample:
    """Mixes the colours of pictures into a film's; an adviser at its anchors. One for a film."""

    def __init__(
        self, references: Sequence[Reference], colorist: Colorist, make: ChromaMaker, *, every_frame: bool
    ) -> None:
        """
        Args:
            references: the pictures.
            colorist: whose size and lightness they are compared at.
            make: makes chroma planes of their ab.
            every_frame: there are no anchors: pictures from elsewhere are asked at every frame too.
        """
        self._given = references
        self._seen = deque[Reference](maxlen=_SEEN)
        """Of the film's own shots in colour, the latest ones."""
        self._passing = deque[ColorFrame | Reference](maxlen=2)
        """Every so many frames of the shot in colour that goes by, ..."""
        self._passed = 0
        """... and how many it has had."""
        self._colorist, self._make = colorist, make
        self._every_frame = every_frame
        self._cameras = [FixedCamera(reference) for reference in references]
        self._spoken_of = False
        """Whether a person has said something of the shot that goes by."""

    # The film's own colour

    def see(self, colored: ColorFrame, starts_shot: bool) -> None:
        """Takes the next frame of the film that is in colour already: one near the end of each shot is an
        example to what comes after it."""
        if starts_shot:
            self._learn()
        if self._passed % _APART == 0:
            self._passing.append(colored)
        self._passed += 1

    def _learn(self) -> None:
        """Keeps a picture of the shot in colour: of a still camera it is the day before the night."""
        if self._passing:
            self._seen.append(self._example(self._passing[0]))
            self._cameras = [*self._cameras[: len(self._given)], FixedCamera(self._seen[-1])]
        self._passing.clear()
        self._passed = 0

    def _example(self, passing: ColorFrame | Reference) -> Reference:
        return passing if isinstance(passing, Reference) else self._picture_of(passing)

    # Over a border between two parts of a film

    def state(self, *, in_shot: bool) -> dict[str, npt.NDArray[Any]]:
        """What was learnt so far, for :meth:`restore`; ``in_shot``: a shot goes on over the border."""
        passing = [self._example(one) for one in self._passing]
        self._passing.extend(passing)
        found: dict[str, npt.NDArray[Any]] = {f"seen.{n}": one.rgb for n, one in enumerate(self._seen)}
        found |= {f"passing.{n}": one.rgb for n, one in enumerate(passing)}
        found["passed"] = np.array(self._passed)
        # nan: nobody asked
        found["shares"] = np.array([reference.share for reference in self._given], np.float64)
        if in_shot:
            found["spoken of"] = np.array(self._spoken_of)
            for n, camera in enumerate(self._cameras):
                found |= {f"camera.{n}.{name}": plane for name, plane in camera.state().items()}
        return found

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Goes on from what :meth:`state` gave."""
        for reference, share in zip(self._given, state["shares"], strict=True):
            if not np.isnan(share):
                reference.note(np.full((1, 1, 3), share))
        self._seen.clear()
        self._passing.clear()
        self._cameras = self._cameras[: len(self._given)]
        self._seen.extend(self._reference(state[f"seen.{n}"]) for n in range(_SEEN) if f"seen.{n}" in state)
        if self._seen:
            self._cameras.append(FixedCamera(self._seen[-1]))
        self._passing.extend(
            self._reference(state[f"passing.{n}"]) for n in (0, 1) if f"passing.{n}" in state
        )
        self._passed = int(state["passed"])
        if "spoken of" in state:
            self._spoken_of = bool(state["spoken of"])
            for n, camera in enumerate(self._cameras):
                camera.restore(_below(f"camera.{n}.", state))

    def _reference(self, rgb: npt.NDArray[Any]) -> Reference:
        return Reference(rgb, space=self._make.space)

    def _picture_of(self, colored: ColorFrame) -> Reference:
        """A frame in colour, upright and at the network's size."""
        size, make = self._colorist.size, self._make
        luma_scale, luma_offset = make.space.luma_scale
        scale, offset = make.output.chroma_scale
        luma = torch.from_numpy(shrink(colored.frame.luma, *size).astype(np.float32))
        planes = (shrink(np.ascontiguousarray(plane), *size) for plane in (colored.cb, colored.cr))
        cb, cr = ((torch.from_numpy(plane.astype(np.float32)) - offset) / scale for plane in planes)
        signal = chroma_to_rgb((luma - luma_offset) / luma_scale, cb, cr, make.space)
        codes = (255 * signal.clamp(0, 1)).round().permute(1, 2, 0).to(torch.uint8).numpy()
        return self._reference(np.ascontiguousarray(self._colorist.orientation.upright(codes)))

    @property
    def silent(self) -> bool:
        """Whether there is no picture to say anything of the grey shots that come next."""
        return not self._cameras

    # At anchors

    def wants(self, frame: Frame, following: Frame | None) -> bool:
        """No frame must be an anchor for a picture's sake."""
        return False

    def at(self, frame: Frame) -> Said | None:
        """What the pictures say of an anchor."""
        self._learn()
        pictures = [*self._given, *self._seen]
        if not pictures:
            return None
        lightness = self._colorist.lightness(frame.luma)
        return self._said(frame, [picture.hints_for(lightness) for picture in pictures])

    # At every frame

    def over(
        self,
        shots: Shots,
        color: Callable[[Shots], Iterator[ColorFrame]],
        spoken_of: Callable[[Frame], bool] = lambda frame: False,
    ) -> Iterator[ColorFrame]:
        """What ``color`` makes of the shots, and over it what stands still as the pictures show it.

        ``spoken_of``: whether a person says something of a frame, or it was brought there; asked for each in
        order, once it is coloured. From there to the end of the shot pictures speak at anchors only: between
        them nobody knows any more what the person said.
        """
        starts = deque[int]()
        self._learn()
        if self.silent:
            yield from color(shots)
            return
        for colored in color(_noting_starts(shots, starts)):
            if starts and starts[0] <= colored.frame.index:
                starts.popleft()
                self._restart()
            self._spoken_of = self._spoken_of or spoken_of(colored.frame)
            if self._spoken_of:
                yield colored
                continue
            lightness = self._colorist.lightness(colored.frame.luma)
            for camera in self._cameras:
                camera.feed(lightness)
            said = self._said(colored.frame, self._of_frame(lightness))
            yield colored if said is None else _mixed(colored, said)

    def _restart(self) -> None:
        self._spoken_of = False
        for camera in self._cameras:
            camera.restart()

    def _of_frame(self, lightness: _Hints) -> list[_Hints]:
        found = [camera.hints_for(lightness) for camera in self._cameras if camera.found]
        if self._every_frame:
            elsewhere = (camera.reference for camera in self._cameras[: len(self._given)] if not camera.found)
            found += [picture.hints_for(lightness) for picture in elsewhere]
        return found

    def _said(self, frame: Frame, found: list[_Hints]) -> Said | None:
        """Hints as chroma planes hold them."""
        if not any(hints[..., 2].any() for hints in found):
            return None
        stored = self._colorist.orientation.stored(merged(found))
        a, b, sure = (np.ascontiguousarray(stored[..., n]) for n in range(3))
        chroma = np.dstack(self._make(frame.luma, (a, b)))
        size = chroma.shape[1], chroma.shape[0]
        weight = np.asarray(cv2.resize(sure, size, interpolation=cv2.INTER_LINEAR), np.float32)
        return Said(chroma, weight, firm=False)

    def words(self) -> list[str]:
        """What a person should know when the film is over."""
        return [
            f"{reference.name} matches nothing in the film: no frame shows its place, a part of it, or what"
            " looks alike; its colours were not used."
            for reference in self._given
            if reference.share is not None and reference.share < NOTHING
        ]


def _below(prefix: str, state: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    return {name.removeprefix(prefix): plane for name, plane in state.items() if name.startswith(prefix)}


def _noting_starts(shots: Shots, starts: deque[int]) -> Iterator[tuple[Frame, bool]]:
    for frame, starts_shot in shots:
        if starts_shot:
            starts.append(frame.index)
        yield frame, starts_shot


def _mixed(colored: ColorFrame, said: Said) -> ColorFrame:
    """A frame's planes, and what is said of them as firmly as it is."""
    planes = []
    for own, other in zip((colored.cb, colored.cr), cv2.split(said.chroma), strict=True):
        start = own.astype(np.float32)
        codes = start + said.weight * (other - start)
        planes.append(np.rint(codes).astype(own.dtype))
    return ColorFrame(colored.frame, planes[0], planes[1])
