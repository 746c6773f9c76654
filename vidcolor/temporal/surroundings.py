"""The colour of what is near, for pixels that nothing is known of: of all that is near, or of what is near
and of like brightness.

Both are means by weight, from fine to coarse and back: a coarse mean counts where no finer one knows anything
(Gortler et al., "The lumigraph" 1996, §3.4).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["around", "around_alike"]

_LEAST = 1e-4
_ENOUGH = 0.02
"""Weight a pixel at which a mean counts as much as the coarser one."""
_LEVELS = 4
"""Of the pyramid; each is a quarter of the one before, on either side."""
_CELL = 4
"""Pixels a side of the grid's cells, at half the size."""
_SHADES = 8
"""Steps of brightness that the grid tells apart."""
_FULL = 4.0
"""What a cell counts that is known all over and of one shade."""
_GRID_LEVELS = 4


def around(weighted: Tensor, weight: Tensor) -> Tensor:
    """The weighted mean of what is near, ``(B, 2, h, w)``: of values times their weights, likewise, and of
    the weights, ``(B, 1, h, w)``."""
    levels = [(weighted, weight)]
    while len(levels) < _LEVELS and min(levels[-1][1].shape[-2:]) >= 4:
        values, weights = (F.avg_pool2d(x, 4, ceil_mode=True, count_include_pad=False) for x in levels[-1])
        levels.append((values, weights))
    found = levels[-1][0] / (levels[-1][1] + _LEAST)
    for values, weights in levels[-2:0:-1]:
        coarse = F.interpolate(found, size=weights.shape[-2:], mode="bilinear", align_corners=False)
        found = (values + _ENOUGH * coarse) / (weights + _ENOUGH)
    return F.interpolate(found, size=weight.shape[-2:], mode="bilinear", align_corners=False)


def around_alike(luma: Tensor, weighted: Tensor, weight: Tensor) -> Tensor:
    """The same, of what is of like ``luma``, ``(B, 1, h, w)`` in 8-bit codes, where such is near.

    In a grid of places and shades (Chen et al., "Real-time edge-aware image processing with the bilateral
    grid" 2007), at half the size, which is enough for what is only guessed.
    """
    size = luma.shape[-2:]
    luma, weighted, weight = (
        F.avg_pool2d(x, 2, ceil_mode=True, count_include_pad=False) for x in (luma, weighted, weight)
    )
    of_shade = _shades(luma)
    planes = torch.cat((weighted, weight), 1)[:, :, None] * of_shade[:, None]
    cells = F.avg_pool2d(planes.flatten(1, 2), _CELL, ceil_mode=True, count_include_pad=False)
    levels = [_FULL * cells.unflatten(1, (3, _SHADES))]
    for level in range(_GRID_LEVELS):
        # Places first: what lies further off in the same shade tells more than what is near in another.
        kernel = [min(2, n) for n in levels[-1].shape[-3:]]
        kernel[0] = kernel[0] if level else 1
        levels.append(F.avg_pool3d(levels[-1], kernel, ceil_mode=True, count_include_pad=False))
    found = levels[-1][:, :2] / (levels[-1][:, 2:] + _LEAST)
    for sums in levels[-2::-1]:
        found = (sums[:, :2] + _ENOUGH * _finer(found, sums.shape[-3:])) / (sums[:, 2:] + _ENOUGH)
    finest = F.interpolate(found.flatten(1, 2), scale_factor=_CELL, mode="bilinear", align_corners=False)
    read = finest[..., : luma.shape[-2], : luma.shape[-1]].unflatten(1, (2, _SHADES)) * of_shade[:, None]
    return F.interpolate(read.sum(2), size=size, mode="bilinear", align_corners=False)


def _shades(luma: Tensor) -> Tensor:
    """How far each pixel of ``(B, 1, h, w)`` is of each shade, ``(B, shades, h, w)``: of the two nearest."""
    shade = ((luma + 0.5) * (_SHADES / 256) - 0.5).clamp(0, _SHADES - 1)
    steps = torch.arange(_SHADES, device=luma.device, dtype=luma.dtype)[:, None, None]
    return (1 - (shade - steps).abs()).clamp_min(0)


def _finer(grid: Tensor, size: torch.Size) -> Tensor:
    """At a finer level's size: smooth over places, each shade its own."""
    shades = grid.shape[2]
    flat = F.interpolate(grid.flatten(1, 2), size=size[1:], mode="bilinear", align_corners=False)
    finer = flat.unflatten(1, (2, shades))
    return finer if shades == size[0] else finer.repeat_interleave(2, 2)[:, :, : size[0]]
