"""A picture in colour, and the hints it gives to grey frames."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from vidcolor.color.planes import ColorSpace
from vidcolor.errors import InputError

from .alignment import Matrix, Placement, place, placed_at, warp
from .appearance import Looks, by_looks
from .features import Features, features_of, groups
from .picture import LabPicture, Reading
from .structure import Plane, noise_of, unit_of
from .trust import scaled_color, trust

__all__ = ["SRGB", "Reference", "merged"]

SRGB = ColorSpace("bt709", True, 8, "iec61966-2-1", "bt709")
"""What pictures are in that say nothing else."""
LEAST_SIDE = 16
"""Smaller frames, in pixels, show too little to be recognised, and get no hints."""
_SAME_SHAPE = 1.03
"""Width over height of two pictures that are thought to show the same part of a scene, over each other."""


class Reference:
    """A picture of the same place or the same people, which gives its colours to what matches it.

    It is tried as a picture from the very same point, in whatever light; as one of the same things from
    elsewhere, piece by piece; and by what looks alike. For films of a fixed camera see
    :class:`~vidcolor.temporal.reference.FixedCamera`.
    """

    def __init__(
        self,
        rgb: npt.NDArray[np.uint8],
        *,
        name: str = "the reference",
        space: ColorSpace = SRGB,
    ) -> None:
        """``rgb``: ``(H, W, 3)`` uint8, upright, of any size. ``space``: how it is to be read, and by which
        matrix it would become grey film; a frame of a film as the film is."""
        if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8 or min(rgb.shape) < 1:
            raise InputError(
                f"{name} must be a picture in colour, uint8 (H, W, 3), not {rgb.dtype} {rgb.shape}."
            )
        self.name = name
        self._rgb = rgb
        self.reading = Reading(space)
        self._pictures: dict[tuple[int, int], LabPicture] = {}
        self._features: tuple[tuple[int, int], Features] | None = None
        self._looks: tuple[tuple[int, int], Looks, Looks] | None = None
        self._share: float | None = None

    @property
    def rgb(self) -> npt.NDArray[np.uint8]:
        """The picture, ``(H, W, 3)`` uint8."""
        return self._rgb

    @property
    def share(self) -> float | None:
        """The greatest mean confidence that any frame asked about has had, in [0, 1]; None: there was none.

        Below ``NOTHING`` the picture has nothing in common with what it was held against.
        """
        return self._share

    def note(self, hints: Plane) -> None:
        """Counts hints made of this picture in :attr:`share`."""
        self._share = max(self._share or 0.0, float(hints[..., 2].mean()))

    def hints_for(self, lightness: Plane) -> Plane:
        """What the picture says of a frame's colours.

        Args:
            lightness: ``(h, w)`` float32 L in [0, 100], upright.

        Returns:
            ``(h, w, 3)`` float32: a and b in Lab units (D65), in the frame's light, and a confidence in
            [0, 1], 0 where the picture shows nothing that matches.
        """
        if min(lightness.shape) < LEAST_SIDE:
            return np.zeros((*lightness.shape, 3), np.float32)
        noise = noise_of(lightness)
        placement = self.placed_on(lightness, noise)
        if placement.holds:
            found = [_hints(*self.laid(placement), lightness, noise, self.reading)]
        else:
            found = self._from_elsewhere(lightness, noise)
        looks = self._by_looks(lightness)
        if found:
            # What has been found by its place needs no likeness.
            looks[..., 2] *= 1 - merged(found)[..., 2]
        hints = merged([*found, looks])
        self.note(hints)
        return hints

    # The same point of view

    def at(self, shape: tuple[int, int]) -> LabPicture:
        """The picture stretched to ``shape`` (height, width)."""
        if shape not in self._pictures:
            if len(self._pictures) > 3:  # a film has few sizes
                self._pictures.clear()
            self._pictures[shape] = self.reading.picture(self._rgb, shape)
        return self._pictures[shape]

    def placed_on(self, lightness: Plane, noise: float) -> Placement:
        """Where the picture, stretched to the frame's size, lies on it; ``noise``: the frame's deviation."""
        shape = lightness.shape[0], lightness.shape[1]
        return place(self.at(shape).lightness, lightness, noise, self._guesses(shape))

    def placed_as(self, placement: Placement, lightness: Plane, noise: float) -> Placement:
        """The same place on another frame of the same size."""
        return placed_at(placement.matrix, self.at(placement.shape).lightness, lightness, noise)

    def laid(self, placement: Placement) -> tuple[LabPicture, Plane]:
        """The picture laid on a frame, and where it covers it, ``(h, w)`` 0 or 1."""
        picture = self.at(placement.shape)
        covered = warp(np.ones(placement.shape, np.float32), placement.matrix, outside=0.0)
        return (
            LabPicture(*(warp(plane, placement.matrix) for plane in picture)),
            (covered > 0.999).astype(np.float32),
        )

    def _guesses(self, shape: tuple[int, int]) -> list[Matrix]:
        """Stretched; of another shape also as wide as the frame, or as high, with their middles together."""
        height, width = shape
        longer = (self._rgb.shape[1] / self._rgb.shape[0]) / (width / height)
        guesses = [(1.0, 1.0)]
        if not 1 / _SAME_SHAPE < longer < _SAME_SHAPE:
            guesses += [(1.0, longer), (1 / longer, 1.0)]
        x, y = (width - 1) / 2, (height - 1) / 2
        return [
            np.array([[sx, 0, x - sx * x], [0, sy, y - sy * y], [0, 0, 1]], np.float32) for sx, sy in guesses
        ]

    # Other points of view

    def _unstretched(self, shape: tuple[int, int]) -> LabPicture:
        """The picture in its own shape, its shorter side as long as the frame's, unless it is very long."""
        height, width = self._rgb.shape[:2]
        scale = min(min(shape) / min(height, width), 2 * max(shape) / max(height, width))
        return self.at((max(round(height * scale), 1), max(round(width * scale), 1)))

    def _from_elsewhere(self, lightness: Plane, noise: float) -> list[Plane]:
        """Hints of each part that is found again by its features."""
        shape = lightness.shape[0], lightness.shape[1]
        picture = self._unstretched(shape)
        if self._features is None or self._features[0] != shape:
            self._features = shape, features_of(picture.lightness)
        found = []
        for group in groups(self._features[1], features_of(lightness), shape):
            laid = LabPicture(*(warp(plane, group.matrix, shape=shape) for plane in picture))
            inside = warp(np.ones_like(picture.lightness), group.matrix, outside=0.0, shape=shape) > 0.999
            found.append(_hints(laid, group.part * inside, lightness, noise, self.reading))
        return found

    def _by_looks(self, lightness: Plane) -> Plane:
        shape = lightness.shape[0], lightness.shape[1]
        picture = self._unstretched(shape)
        if self._looks is None or self._looks[0] != shape:
            unit = unit_of(shape)
            looks = Looks.of(picture.lightness, unit), Looks.by_chance(picture.lightness, unit)
            self._looks = shape, *looks
        return by_looks(picture, *self._looks[1:], lightness)


def _hints(picture: LabPicture, part: Plane, frame: Plane, noise: float, reading: Reading) -> Plane:
    """Hints ``(h, w, 3)`` of a picture that lies on a frame where ``part`` says."""
    found = trust(picture.lightness, frame, noise, part)
    ab = scaled_color(picture, frame, found.light.contrast, reading)
    return cv2.merge((ab, found.confidence))


def merged(hints: list[Plane]) -> Plane:
    """Hints ``(h, w, 3)`` for one frame from several sources, at least one.

    The surer counts more, by the fourth power of its confidence; the result is as sure as the surest.
    """
    if len(hints) == 1:
        return hints[0]
    total = surest = np.zeros(hints[0].shape[:2], np.float32)
    colors = np.zeros((*total.shape, 2), np.float32)
    for one in hints:
        confidence = np.ascontiguousarray(one[..., 2])
        weight = confidence * confidence
        weight *= weight
        colors += cv2.merge((weight, weight)) * one[..., :2]
        total, surest = total + weight, np.maximum(surest, confidence)
    total = total + np.float32(1e-6)
    return cv2.merge((colors / cv2.merge((total, total)), surest))
