"""Colours by likeness: what looks the same as something in a picture, and stands among the same things.

After Welsh, Ashikhmin and Mueller (2002), who match luminance and its deviation, with more to go by: the
directions of edges in nine cells around a place, as in HOG (Dalal and Triggs 2005), and the lightness of
these cells, at two sizes. A likeness counts as far as it is greater than chance: the same picture upside
down has the same textures and tones, but nothing of what is in a frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from .picture import LabPicture
from .structure import Plane, blur, chroma_of_light, noise_of, ramp, unit_of

__all__ = ["Looks", "by_looks"]

_STEP = 5.0
"""Units between two places that are looked at."""
_CELLS = (3.5, 9.0)
"""Deviations of the cells' Gaussian windows, in units; they lie 1.8 of these apart."""
_BINS = 8
_TONE = 0.2
"""Weight of a difference in lightness of one deviation of the picture beside one in edges."""
_FAINT = 0.5
"""Strength of edges in a cell that counts half, in twentieths of the picture's deviation a pixel."""
_AT_ONCE = 1024
"""Rows of a matrix of distances that are held at once: long pictures have many."""
_CANDIDATES = 24
_TOLERANCE = 0.35
"""Candidates count by exp(-(d² - best²) / _TOLERANCE²)."""
_ALIKE = 0.8, 0.45
"""Distances at which something is not alike, surely alike; of places that have nothing in common 0.85."""
_BEYOND_CHANCE = 1.05, 1.35
"""What chance's distance is of the picture's where nothing, where all speaks for the picture."""
_ONE_COLOR = 18.0, 6.0
"""Deviation of candidates' colours at which they say nothing, one thing; in a and b."""
_DIMMED = 0.25, 1.4
"""Limits of what colours are scaled by where the frame is lit otherwise."""
_RELATED = 0.05, 0.12
"""Share of places that are much more alike than by chance: pictures without, pictures with much in common.
Of 86 pairs of unrelated pictures none has more than 0.04, of 14 related ones all have more than 0.07."""
_EDGES = 0.4, 0.7
"""Length of the edges' part of a descriptor where there are none, where there surely are."""
_FEW = 0.05
"""Share of places with edges below which a frame is too plain to tell what it has in common with anything."""
_FLAT = 0.4
"""Confidence where edges tell nothing beside where they do."""


class _Grid(NamedTuple):
    """Places that are looked at."""

    rows: npt.NDArray[np.intp]
    columns: npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Looks:
    """What places of a picture look like."""

    grid: _Grid
    descriptors: Plane
    """``(n, d)``, n the rows times the columns of the grid."""
    edges: Plane
    """How far there are edges at all, ``(n,)`` in [0, 1]."""

    @classmethod
    def of(cls, lightness: Plane, unit: float) -> Looks:
        """``lightness``: ``(h, w)`` float32 L; ``unit``: pixels of the unit of length, one for all pictures
        that are compared."""
        deviation = float(lightness.std()) + 3
        even = (lightness - lightness.mean()) / np.float32(deviation)
        edges = _edges_by_direction(even * np.float32(20), unit)
        floor = _FAINT + 2 * noise_of(lightness) * 20 / deviation * 0.13
        height, width = lightness.shape
        step = max(1, round(_STEP * unit))
        rows, columns = (np.arange(min(step // 2, n - 1), n, step) for n in (height, width))
        grid = _Grid(rows, columns)
        parts, lengths = [], []
        for size in _CELLS:
            around = [blur(plane, size * unit) for plane in (*edges, even)]
            cells = np.concatenate(
                [_sampled(around, grid, dy, dx) for dy, dx in _neighbours(1.8 * size * unit)]
            )
            cells = cells.reshape(9, _BINS + 1, -1)
            turned = cells[:, :_BINS].reshape(9 * _BINS, -1)
            length = np.linalg.norm(turned, axis=0)
            parts += [turned / (length + np.float32(floor)), _TONE * cells[:, _BINS]]
            lengths.append(length / (length + np.float32(floor)))
        descriptors = np.ascontiguousarray(np.concatenate(parts).T)
        return cls(grid, descriptors, ramp(np.minimum(*lengths), *_EDGES))

    @classmethod
    def by_chance(cls, lightness: Plane, unit: float) -> Looks:
        """Of the picture upside down, and turned by half a turn: what is as rich and has another meaning."""
        wrong = (lightness[::-1], lightness[::-1, ::-1])
        both = [cls.of(np.ascontiguousarray(plane), unit) for plane in wrong]
        descriptors, edges = ([getattr(looks, name) for looks in both] for name in ("descriptors", "edges"))
        return cls(both[0].grid, np.concatenate(descriptors), np.concatenate(edges))


def _edges_by_direction(lightness: Plane, unit: float) -> list[Plane]:
    """Strength of edges, shared between the two of eight directions they lie between."""
    soft = blur(lightness, unit)
    gx, gy = (cv2.Sobel(soft, cv2.CV_32F, dx, 1 - dx, scale=1 / 8) for dx in (1, 0))
    strength, angle = cv2.cartToPolar(gx, gy)
    turns = angle * np.float32(_BINS / (2 * np.pi))
    return [
        strength * np.maximum(1 - np.abs((turns - n + _BINS / 2) % _BINS - _BINS / 2), 0)
        for n in range(_BINS)
    ]


def _at(grid: _Grid, plane: Plane) -> Plane:
    """The plane ``(h, w[, c])`` at the grid's places."""
    out: Plane = plane[np.ix_(grid.rows, grid.columns)]
    return out


def _neighbours(step: float) -> list[tuple[int, int]]:
    return [(round(dy * step), round(dx * step)) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]


def _sampled(planes: list[Plane], grid: _Grid, dy: int, dx: int) -> Plane:
    """``(c, n)``: the planes at the grid's places moved by dy, dx; beyond the border what lies at it."""
    height, width = planes[0].shape
    index = np.ix_(np.clip(grid.rows + dy, 0, height - 1), np.clip(grid.columns + dx, 0, width - 1))
    return np.stack([plane[index].ravel() for plane in planes])


def by_looks(reference: LabPicture, there: Looks, chance: Looks, frame: Plane) -> Plane:
    """Hints ``(h, w, 3)`` for a frame ``(h, w)`` float32 L, all 0 where pictures have nothing in common.

    ``there``: looks of the reference; ``chance``: :meth:`Looks.by_chance` of it.
    """
    unit = unit_of(frame.shape)
    here = Looks.of(frame, unit)
    index, square = _nearest(here.descriptors, there.descriptors, _CANDIDATES)
    by_chance = _nearest_distance(here.descriptors, chance.descriptors)
    best = np.sqrt(square[:, 0])
    beyond = np.log((by_chance + 0.05) / (best + 0.05))
    much = (beyond > np.log(1.25)).astype(np.float32) - (beyond < -np.log(1.25))
    related = float((here.edges * much).sum()) / max(float(here.edges.sum()), _FEW * len(much))
    weight = np.exp((square[:, :1] - square) / np.float32(_TOLERANCE**2))[..., None]
    weight /= weight.sum(1, keepdims=True)
    colors = _at(there.grid, blur(reference.ab, unit)).reshape(-1, 2)[index]
    lights = chroma_of_light(_at(there.grid, blur(reference.lightness, 2 * unit)).ravel()[index])
    light = chroma_of_light(_at(here.grid, blur(frame, 2 * unit)).ravel())
    colors = colors * np.clip(light[:, None] / lights, *_DIMMED)[..., None]
    color = (weight * colors).sum(1)
    spread = np.sqrt((weight * (colors - color[:, None]) ** 2).sum((1, 2)))
    size = len(here.grid.rows), len(here.grid.columns)
    sure = blur(ramp(beyond, *np.log(_BEYOND_CHANCE)).reshape(size).astype(np.float32), 1.0).ravel()
    confidence = (
        float(np.clip((related - _RELATED[0]) / (_RELATED[1] - _RELATED[0]), 0, 1))
        * ramp(best, *_ALIKE)
        * ramp(spread, *_ONE_COLOR)
        * (_FLAT + (1 - _FLAT) * sure)
    )
    return _enlarged(
        np.column_stack((color, confidence)).reshape(*size, 3).astype(np.float32), here.grid, frame
    )


def _squares(a: Plane, b: Plane) -> Plane:
    """Squared distances of all rows of ``a`` from all rows of ``b``."""
    out: Plane = a @ b.T
    out *= -2
    out += (a * a).sum(1)[:, None]
    out += (b * b).sum(1)
    return out


def _nearest(a: Plane, b: Plane, count: int) -> tuple[npt.NDArray[np.intp], Plane]:
    """The ``count`` rows of ``b`` nearest to each row of ``a``, nearest first; their squared distances."""
    count = min(count, len(b))
    found = []
    for start in range(0, len(a), _AT_ONCE):
        square = _squares(a[start : start + _AT_ONCE], b)
        index = np.argpartition(square, count - 1, axis=1)[:, :count]
        near = np.take_along_axis(square, index, 1)
        order = np.argsort(near, 1, kind="stable")
        found.append((np.take_along_axis(index, order, 1), np.take_along_axis(near, order, 1)))
    indices, squares = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return indices, np.maximum(squares, 0)


def _nearest_distance(a: Plane, b: Plane) -> Plane:
    """For each row of ``a`` how far the nearest row of ``b`` is."""
    parts = [_squares(a[n : n + _AT_ONCE], b).min(1) for n in range(0, len(a), _AT_ONCE)]
    return np.sqrt(np.maximum(np.concatenate(parts), 0))


def _enlarged(cells: Plane, grid: _Grid, frame: Plane) -> Plane:
    """Cells' hints ``(rows, columns, 3)`` at the frame's size: each pixel asks the nine cells around it, and
    those most that are as bright as it is."""
    height, width = frame.shape
    soft = blur(frame, unit_of(frame.shape))
    tones = _at(grid, soft)
    step = int(grid.rows[1] - grid.rows[0]) if len(grid.rows) > 1 else height
    ends = len(grid.rows) - 1, len(grid.columns) - 1
    own = np.minimum(np.arange(height) // step, ends[0]), np.minimum(np.arange(width) // step, ends[1])
    scale = np.float32(1 / max(0.1 * float(frame.std()), 1.0))
    total, out = np.full(frame.shape, 1e-6, np.float32), np.zeros((height, width, 3), np.float32)
    for dy in (-1, 0, 1):
        r = np.clip(own[0] + dy, 0, ends[0])
        down = np.exp(-(((np.arange(height) - grid.rows[r]) / step) ** 2)).astype(np.float32)
        for dx in (-1, 0, 1):
            c = np.clip(own[1] + dx, 0, ends[1])
            across = np.exp(-(((np.arange(width) - grid.columns[c]) / step) ** 2)).astype(np.float32)
            cell = np.ix_(r, c)
            hints = cells[cell]
            unlike = (soft - tones[cell]) * scale
            weight = down[:, None] * across / (1 + unlike * unlike) ** 2
            weight *= hints[..., 2] + np.float32(0.01)
            out += cv2.merge((weight, weight, weight)) * hints
            total += weight
    return out / cv2.merge((total, total, total))
