"""Looking at a picture in two sizes: where a network says otherwise of the smaller one, its colour fades."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from vidcolor.models.base import fitting_side
from vidcolor.models.doubt import faded

__all__ = ["agreed", "at_second_size", "second_size"]

_SMALLER = 0.7
"""The second look's size, as a share of the first's."""


def second_size(height: int, width: int, multiple: int) -> tuple[int, int] | None:
    """Of the second look, sides being multiples of the network's own; None: there is no smaller one.

    >>> second_size(192, 352, 32), second_size(32, 32, 32)
    ((128, 256), None)
    """
    size = fitting_side(_SMALLER * height, multiple), fitting_side(_SMALLER * width, multiple)
    return None if size == (height, width) else size


def at_second_size(lightness: Tensor, size: tuple[int, int]) -> Tensor:
    """Lightness ``(B, 1, H, W)`` in [0, 100] as the second look sees it."""
    return F.interpolate(lightness, size=size, mode="bilinear", align_corners=False, antialias=True)


def agreed(first: Tensor, second: Tensor, caution: float, grain: int) -> Tensor:
    """What the first look says, as far as the second agrees, see :func:`vidcolor.models.doubt.faded`.

    Args:
        first: ``(B, 2, h, w)`` float: a and b in Lab units, a sample for each ``grain`` pixels.
        second: ``(B, 2, ., .)`` float: of the same pictures in another size.
        caution: 0 or more.
        grain: of the network.
    """
    other = F.interpolate(second, size=first.shape[-2:], mode="bilinear", align_corners=False)
    return faded(first, [other], caution, grain)
