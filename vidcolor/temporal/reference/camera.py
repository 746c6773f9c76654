"""What stands still before a fixed camera, coloured by the same camera's picture by day."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from .alignment import Placement
from .background import Background, shifted
from .example import LEAST_SIDE, Reference
from .picture import LabPicture
from .structure import Plane, Structure, unit_of
from .trust import InLight, scaled_color, trust, trust_in_light

__all__ = ["FixedCamera"]

_BESIDE = 10.0
"""Units around something that moves where edges must speak for standing still."""


class _Laid(NamedTuple):
    """The reference as it lies on the background."""

    picture: LabPicture
    contrast: Plane
    """See :class:`~vidcolor.temporal.reference.structure.Light`."""
    confidence: Plane
    halved: Structure
    """Its structure at half the size, ..."""
    halved_lit: Plane
    """... and its L in the film's light."""


class FixedCamera:
    """The film of a fixed camera beside a picture in colour of what it sees.

    Feed frames in order, and ask for the hints of any of them; to ask changes nothing. Frames are
    ``(h, w)`` float32 L in [0, 100]. A frame of another size, like :meth:`restart`, begins anew.

    >>> from vidcolor.temporal.reference import Reference
    >>> rgb = np.random.default_rng(0).integers(0, 256, (96, 128, 3)).astype(np.uint8)
    >>> camera = FixedCamera(Reference(cv2.blur(rgb, (9, 9))))
    >>> night = 0.4 * camera.reference.at((96, 128)).lightness
    >>> camera.feed(night)
    >>> camera.found, bool(camera.hints_for(night)[..., 2].min() > 0.5)
    (True, True)
    """

    def __init__(self, reference: Reference) -> None:
        self.reference = reference
        self.restart()

    def restart(self) -> None:
        """Forgets all frames: the next one is of another shot."""
        self._background = Background()
        self._placement: Placement | None = None
        self._laid: _Laid | None = None
        self._shape: tuple[int, int] | None = None
        self._tried = self._version = -1

    @property
    def found(self) -> bool:
        """Whether the picture lies on what the frames so far show."""
        return self._placement is not None and self._placement.holds

    def feed(self, lightness: Plane) -> None:
        """The next frame."""
        shape = lightness.shape[0], lightness.shape[1]
        if self._shape != shape:
            self.restart()
            self._shape = shape
        if min(shape) >= LEAST_SIDE:
            self._background.feed(lightness)
            self._place()

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """What was learnt so far, for :meth:`restore`; empty where that is next to nothing."""
        state = self._background.state()
        if state and self._placement is not None:
            state["matrix"] = self._placement.matrix
            state["shares"] = np.array([self._placement.share, self._placement.chance], np.float64)
        return state

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Goes on from what :meth:`state` gave, in the midst of a shot."""
        self.restart()
        if not state:
            return
        self._background.restore(state)
        height, width = state["picture"].shape
        self._shape, self._tried = (height, width), self._background.means_made
        if "matrix" in state:
            share, chance = map(float, state["shares"])
            self._placement = Placement(state["matrix"], share, (height, width), chance)

    def _place(self) -> None:
        """Looks for the reference on the background when that has become clearer, or much has changed."""
        means = self._background.means_made
        if means == self._tried or (means not in (1, 3) and means % 9):
            return
        self._tried = means
        picture, noise = self._background.picture, self._background.noise_left
        old, share = self._placement, 0.0
        if old is not None and old.holds:
            share = self.reference.placed_as(old, picture, noise).share
            if means > 9 and share > 0.8 * old.share:
                return
        found = self.reference.placed_on(picture, noise)
        # What is as good stays where it is: colours that creep are worse than colours half a pixel off.
        if found.share > share + 0.05:
            self._placement, self._laid = found, None

    def hints_for(self, lightness: Plane) -> Plane:
        """``(h, w, 3)`` float32: a, b and a confidence, 0 everywhere while the picture was not found."""
        if self._placement is None or not self._placement.holds or self._shape != lightness.shape:
            return np.zeros((*lightness.shape, 3), np.float32)
        laid, background = self._laid_reference(self._placement), self._background
        shift = background.shift_of(lightness)
        frame = shifted(lightness, (-shift[0], -shift[1]))
        standing = background.standing(frame)
        confidence = laid.confidence * standing
        if standing.min() < 0.5:
            seen = self._seen_in_light(laid, frame)
            # Beside what moves, its parts may be as bright as what they cover, but have other edges.
            size = 2 * round(_BESIDE * unit_of(frame.shape)) + 1
            near = np.minimum(4 * cv2.blur(1 - standing, (size, size)), 1)
            confidence *= 1 - near * seen.against
            # And something that has stood there for long may just have uncovered its place.
            confidence = np.maximum(confidence, seen.confidence * (1 - standing))
        ab = scaled_color(laid.picture, frame, laid.contrast, self.reference.reading)
        hints = shifted(np.asarray(cv2.merge((ab, confidence))), shift)
        self.reference.note(hints)
        return hints

    def _laid_reference(self, placement: Placement) -> _Laid:
        background = self._background
        if self._laid is None or self._version != background.version:
            picture, inside = self.reference.laid(placement)
            found = trust(picture.lightness, background.picture, background.noise_left, inside)
            halved = Structure.of(_halved(picture.lightness))
            self._laid = _Laid(
                picture, found.light.contrast, found.confidence, halved, _halved(found.light.lit)
            )
            self._version = background.version
        return self._laid

    def _seen_in_light(self, laid: _Laid, frame: Plane) -> InLight:
        """Whether a frame shows what the reference shows, whatever the background does.

        At half the size, where it costs a quarter and there is half the noise.
        """
        noise = self._background.usual_noise / 2
        found = trust_in_light(laid.halved, laid.halved_lit, _halved(frame), noise)
        size = frame.shape[::-1]
        return InLight(*(cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR) for plane in found))


def _halved(plane: Plane) -> Plane:
    height, width = plane.shape
    out: Plane = cv2.resize(plane, (-(-width // 2), -(-height // 2)), interpolation=cv2.INTER_AREA)
    return out
