"""What belongs to the same thing in a picture: what can be reached without crossing an edge."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Reached", "reach"]

_EDGE = 36.0
"""Codes of the guide that a way may climb in all before it has left the thing."""
_NOISE = 2.0
"""Codes from pixel to pixel that are no edge."""
_FAR = 0.2
"""Length of the longest way, as a share of the picture's long side."""


class Reached(NamedTuple):
    """How the pixels of a picture are reached from some of them."""

    source: npt.NDArray[np.int64]
    """The nearest seed of each pixel, ``(h, w)``, as a number of :func:`numpy.ravel`; -1: none reaches it."""
    nearness: npt.NDArray[np.float32]
    """``(h, w)`` in [0, 1]: 1 at the seeds, 0 where none reaches."""


def reach(guide: npt.NDArray[np.float32], seeds: npt.NDArray[np.bool_]) -> Reached:
    """The shortest ways from seeds to all pixels, where edges are long.

    Args:
        guide: ``(h, w, c)``: what edges are seen in, in 8-bit codes.
        seeds: ``(h, w)``.
    """
    from scipy.sparse import coo_matrix  # slow to import, and few films need it
    from scipy.sparse.csgraph import dijkstra

    height, width = seeds.shape
    if not seeds.any():
        return Reached(np.full((height, width), -1), np.zeros((height, width), np.float32))
    step = 1 / (_FAR * max(height, width))
    number = np.arange(height * width).reshape(height, width)
    starts, ends, lengths = [], [], []
    for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)):
        one = (slice(0, height - dy), slice(max(0, -dx), width - max(0, dx)))
        other = (slice(dy, height), slice(max(0, dx), width + min(0, dx)))
        climb = np.abs(guide[one] - guide[other]).max(-1)
        starts.append(number[one].ravel())
        ends.append(number[other].ravel())
        far = step * np.hypot(dy, dx) + np.maximum(climb - _NOISE, 0) / _EDGE
        lengths.append(far.ravel())
    cells = np.concatenate(starts), np.concatenate(ends)
    graph = coo_matrix((np.concatenate(lengths), cells), shape=(height * width,) * 2).tocsr()
    inner = seeds & ~_surrounded(seeds)  # no shortest way starts inside
    found: Any = dijkstra(
        graph,
        directed=False,
        indices=number[inner],
        min_only=True,
        limit=1.0,
        return_predecessors=True,
    )
    distance, _, source = found
    distance, source = distance.reshape(height, width), source.reshape(height, width).astype(np.int64)
    source[~np.isfinite(distance)] = -1
    distance[seeds], source[seeds] = 0, number[seeds]
    share = (1 - distance).clip(0, 1)
    return Reached(source, (share * (2 - share)).astype(np.float32))


def _surrounded(seeds: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Seeds with seeds on all sides."""
    inside = seeds.copy()
    for axis in (0, 1):
        for by in (1, -1):
            inside &= np.roll(seeds, by, axis)
    inside[[0, -1]] = False
    inside[:, [0, -1]] = False
    return inside
