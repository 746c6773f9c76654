"""Calm where the network does not know: it looks at a picture in two sizes, and what it says is compared.

Of a plain wall or a road a network that has not seen its like says sky in one size and meadow in another,
each as loudly; of what it knows it says the same in both. Where the two differ the colour fades.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from vidcolor.models.base import fitting_side

__all__ = ["agreed", "at_second_size", "second_size"]

_SMALLER = 0.7
"""The second look's size, as a share of the first's."""
_NEAR = 8
"""Pixels of the first look's picture, about, over which colours are compared."""


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
    """What the first look says, as far as the second agrees.

    Each place keeps the share c / (c + caution · d) of its colour, c being the first look's squared chroma
    and d the squared distance of both, each a mean over its surroundings.

    Args:
        first: ``(B, 2, h, w)`` float: a and b in Lab units, a sample for each ``grain`` pixels.
        second: ``(B, 2, ., .)`` float: of the same pictures in another size.
        caution: above 0.
        grain: of the network.
    """
    other = F.interpolate(second, size=first.shape[-2:], mode="bilinear", align_corners=False)
    chroma, distance = _around(first, grain), _around(first - other, grain)
    return first * (chroma / (chroma + caution * distance + 1e-6))


def _around(ab: Tensor, grain: int) -> Tensor:
    """The squared length ``(B, 1, h, w)``, as its mean over the surroundings of each place."""
    reach = max(_NEAR // 2 // grain, 1)
    squared = ab.square().sum(1, keepdim=True)
    return F.avg_pool2d(squared, 2 * reach + 1, 1, reach, count_include_pad=False)
