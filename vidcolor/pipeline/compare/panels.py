"""A film's frames as the planes of its part of the picture, and two of them put together."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from vidcolor.color.chroma import luma_at_chroma
from vidcolor.color.planes import ColorSpace
from vidcolor.color.relayout import relayout
from vidcolor.color.resize import shrink
from vidcolor.frames import ChromaLayout, Frame, Orientation, Plane, VideoInfo
from vidcolor.media.picture import upright_size
from vidcolor.pipeline.compare.options import Layout
from vidcolor.pipeline.lettering import fitting, lettering

__all__ = ["Composer", "Label", "Panel", "Planes", "Sizes", "sizes"]

_FULL = ChromaLayout(0, 0)
_PERIOD = Fraction(8)
"""Seconds in which the split line goes to and fro."""
_REACH = 0.42
"""How far it goes from the middle, as a share of the width."""
_LINE_SHARE = 1 / 400
"""Its width, as a share of the picture's."""
_LABEL_SHARE = 1 / 18
"""A label's height, as a share of the first panel's ..."""
_LEAST_LABEL = 16
"""... and at the least, in pixels."""
_DARKENED = 0.35
"""What is left of the picture under a label."""


class Planes(NamedTuple):
    """Luma and chroma of a picture."""

    y: Plane
    cb: Plane
    cr: Plane


class Sizes(NamedTuple):
    """How large things become, as width and height in pixels."""

    first: tuple[int, int]
    """The first film's picture."""
    second: tuple[int, int]
    panel: tuple[int, int]
    """What the second's is put into; that of the first is as large as its picture, made even."""
    whole: tuple[int, int]


def _even(length: float) -> int:
    return max(2, 2 * math.ceil(length / 2))


def sizes(first: VideoInfo, second: VideoInfo, layout: Layout) -> Sizes:
    """The first film keeps its size; the second gets its height, or stacked its width."""
    width, height = (max(1, round(side)) for side in upright_size(first))
    w, h = upright_size(second)
    if layout == "stacked":
        other = width, max(1, round(h * width / w))
        panel = _even(width), _even(other[1])
        return Sizes((width, height), other, panel, (_even(width), _even(height) + panel[1]))
    if layout == "side":
        other = max(1, round(w * height / h)), height
        panel = _even(other[0]), _even(height)
        return Sizes((width, height), other, panel, (_even(width) + panel[0], _even(height)))
    scale = min(width / w, height / h)
    other = max(1, round(w * scale)), max(1, round(h * scale))
    panel = _even(width), _even(height)
    return Sizes((width, height), other, panel, panel)


class Panel:
    """Makes the planes of one film's panel. One for a film."""

    def __init__(
        self,
        video: VideoInfo,
        space: ColorSpace,
        size: tuple[int, int],
        panel: tuple[int, int],
        layout: ChromaLayout,
        siting: str | None,
        label: Label | None,
    ) -> None:
        """
        Args:
            video: the film's stream.
            space: of the result.
            size: width and height of the picture.
            panel: of what it is put into; even.
            layout, siting: of the result's chroma.
            label: what is written on it.
        """
        self._source = ColorSpace.of(
            video.tags, height=video.height, width=video.width, bit_depth=video.bit_depth
        )
        self._siting_before = video.tags.siting
        self._target, self._layout, self._siting = space, layout, siting
        self._size, self._panel, self._orientation = size, panel, video.orientation
        stored = (video.width, video.height)
        upright = stored[::-1] if self._orientation.sideways else stored
        self._scaled = upright != size
        self._same = (self._source.matrix, self._source.full_range) == (space.matrix, space.full_range)
        self._label = label

    def __call__(self, frame: Frame) -> Planes:
        """The frame's panel, in the result's space and layout."""
        planes = self._planes(frame)
        if self._label is not None:
            planes = self._label.on(planes, self._layout)
        return planes

    def _planes(self, frame: Frame) -> Planes:
        luma = np.ascontiguousarray(frame.luma)
        if frame.chroma is None:
            return self._grey(self._fitted(self._recoded(luma)))
        plain = self._same and self._orientation == Orientation() and not self._scaled
        layout = self._layout if plain else _FULL
        target = self._target if self._same else self._source
        cb, cr = (
            relayout(plane, luma.shape, layout, self._siting_before, self._source, target)
            for plane in frame.chroma
        )
        if plain:
            middle = self._target.chroma_scale[1]
            placed = (self._placed(plane, self._layout, middle) for plane in (cb, cr))
            return Planes(self._fitted(self._recoded(luma)), *placed)
        if self._same:
            luma = self._recoded(luma)
        else:
            luma, cb, cr = self._converted(luma, cb, cr)
        y, cb, cr = (self._fitted(plane, chroma=number > 0) for number, plane in enumerate((luma, cb, cr)))
        return Planes(y, *(luma_at_chroma(plane, self._layout, self._siting) for plane in (cb, cr)))

    def _grey(self, luma: Plane) -> Planes:
        size = self._layout.size(*luma.shape)
        neutral = np.full(size, 1 << (self._target.bit_depth - 1), luma.dtype)
        return Planes(luma, neutral, neutral.copy())

    def _recoded(self, luma: Plane) -> Plane:
        """Luma codes of the source's depth and range as the result's."""
        (old, low), (new, base) = self._source.luma_scale, self._target.luma_scale
        if (old, low) == (new, base):
            return luma
        return _codes((luma.astype(np.float32) - low) * (new / old) + base, self._target.bit_depth)

    def _converted(self, y: Plane, cb: Plane, cr: Plane) -> tuple[Plane, Plane, Plane]:
        """Planes ``(H, W)`` of another matrix or range in the result's: the same R′G′B′."""
        k, to = self._source.coefficients, self._target.coefficients
        rgb = np.array([[1, 0, k.r], [1, -k.gb, -k.gr], [1, k.b, 0]])
        shares = np.array([to.kr, to.kg, to.kb])
        back = np.stack(
            [shares, (np.array([0, 0, 1]) - shares) / to.b, (np.array([1, 0, 0]) - shares) / to.r]
        )
        mix = back @ rgb
        (y1, y0), (c1, c0) = self._source.luma_scale, self._source.chroma_scale
        (z1, z0), (d1, d0) = self._target.luma_scale, self._target.chroma_scale
        mix = mix * np.array([[z1], [d1], [d1]]) / np.array([y1, c1, c1])
        offset = np.array([z0, d0, d0]) - mix @ np.array([y0, c0, c0])
        matrix = np.hstack([mix, offset[:, None]]).astype(np.float32)
        moved: Any = cv2.transform(cv2.merge([p.astype(np.float32) for p in (y, cb, cr)]), matrix)
        one, two, three = (_codes(plane, self._target.bit_depth) for plane in cv2.split(moved))
        return one, two, three

    def _fitted(self, plane: Plane, *, chroma: bool = False) -> Plane:
        """A plane of luma's size turned upright, scaled, and put in the middle of the panel."""
        plane = np.ascontiguousarray(self._orientation.upright(plane))
        width, height = self._size
        if plane.shape != (height, width):
            plane = shrink(plane, height, width)
        black = self._target.chroma_scale[1] if chroma else self._target.luma_scale[1]
        return self._placed(plane, _FULL, black)

    def _placed(self, plane: Plane, layout: ChromaLayout, value: float) -> Plane:
        """A plane in the middle of the panel's; a single row or column that is missing repeats the last.

        ``layout``: how much smaller the plane is than luma.
        """
        (width, height), (panel_width, panel_height) = self._size, self._panel
        rows, columns = layout.size(panel_height, panel_width)
        down, right = rows - plane.shape[0], columns - plane.shape[1]
        if panel_height - height <= 1 and panel_width - width <= 1:
            if not down and not right:
                return plane
            return cv2.copyMakeBorder(plane, 0, down, 0, right, cv2.BORDER_REPLICATE)
        top = (panel_height - height) // 4 * 2 >> layout.log2_y
        left = (panel_width - width) // 4 * 2 >> layout.log2_x
        return cv2.copyMakeBorder(
            plane, top, down - top, left, right - left, cv2.BORDER_CONSTANT, value=[float(value)]
        )


def _codes(values: npt.NDArray[Any], depth: int) -> Plane:
    kind: Any = np.uint8 if depth == 8 else np.uint16
    plane: Plane = np.clip(np.rint(values), 0, 2**depth - 1).astype(kind)
    return plane


@dataclass(frozen=True, slots=True)
class Label:
    """A word in the corner of a panel."""

    covered: npt.NDArray[np.float32]
    """How far letters cover each pixel of its ground, ``(h, w)`` in [0, 1]; both even."""
    left: int
    top: int
    space: ColorSpace

    @classmethod
    def made(
        cls, text: str, panel: tuple[int, int], beside: int, space: ColorSpace, *, right: bool = False
    ) -> Label | None:
        """For a panel of this width and height, in its left or right upper corner; None: nothing fits.

        ``beside``: height of the first film's panel: letters are of one size on both.
        """
        height = max(_LEAST_LABEL, round(beside * _LABEL_SHARE))
        margin = max(2, height // 4 // 2 * 2)
        shown = fitting(text, height, panel[0] - 4 * margin)
        if not shown or panel[1] < height + 3 * margin:
            return None
        letters = lettering(shown, height)
        size = _even(height + margin // 2), _even(letters.shape[1] + 2 * margin)
        covered = np.zeros(size, np.float32)
        top = (size[0] - height) // 2
        covered[top : top + height, margin : margin + letters.shape[1]] = letters
        left = panel[0] - margin - size[1] if right else margin
        return cls(covered, max(0, left // 2 * 2), margin, space)

    def on(self, planes: Planes, layout: ChromaLayout) -> Planes:
        """The planes with the word on them; those given stay as they were."""
        y, cb, cr = (plane.copy() for plane in planes)
        scale, black = self.space.luma_scale
        height, width = self.covered.shape
        under = y[self.top : self.top + height, self.left : self.left + width]
        ground = (under.astype(np.float32) - black) * _DARKENED + black
        white = black + 0.92 * scale
        under[:] = np.rint(ground + self.covered * (white - ground)).astype(y.dtype)
        rows = slice(self.top >> layout.log2_y, (self.top + height) >> layout.log2_y)
        columns = slice(self.left >> layout.log2_x, (self.left + width) >> layout.log2_x)
        for plane in (cb, cr):
            plane[rows, columns] = int(self.space.chroma_scale[1])
        return Planes(y, cb, cr)


class Composer:
    """Puts two panels together."""

    def __init__(
        self, layout: Layout, whole: tuple[int, int], chroma: ChromaLayout, space: ColorSpace
    ) -> None:
        """``whole``: width and height of the result; ``chroma`` and ``space`` are the result's."""
        self._layout, self._width = layout, whole[0]
        self._chroma, self._space = chroma, space

    def __call__(self, first: Planes, second: Planes, time: Fraction) -> Planes:
        """The picture at a moment, in seconds."""
        if self._layout == "side":
            return Planes(*(np.hstack(pair) for pair in zip(first, second, strict=True)))
        if self._layout == "stacked":
            return Planes(*(np.vstack(pair) for pair in zip(first, second, strict=True)))
        return self._split(first, second, self.line(time))

    def line(self, time: Fraction) -> int:
        """The column of the split line: the first film is left of it."""
        swing = math.sin(2 * math.pi * float(time % _PERIOD / _PERIOD))
        return max(2, min(self._width - 2, round(self._width * (0.5 + _REACH * swing) / 2) * 2))

    def _split(self, first: Planes, second: Planes, place: int) -> Planes:
        x = place >> self._chroma.log2_x
        joined = [
            np.hstack((one[:, :at], other[:, at:]))
            for one, other, at in zip(first, second, (place, x, x), strict=True)
        ]
        half = max(1, round(self._width * _LINE_SHARE / 2))
        scale, black = self._space.luma_scale
        joined[0][:, max(0, place - half) : place + half] = round(black + scale)
        wide = max(1, half >> self._chroma.log2_x)
        for plane in joined[1:]:
            plane[:, max(0, x - wide) : x + wide] = int(self._space.chroma_scale[1])
        return Planes(*joined)
