"""Calm where it is not known: colour fades where what is said of one place differs.

Of a plain wall or a road that networks have not seen the like of, one says sky and another meadow, each as
loudly; of what they know they say the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["faded"]

_NEAR = 40
"""Pixels of the picture, about, over which colours are compared: it is whole things that networks do not
know, and where they agree on a part of one by accident, that part would be a blotch."""
_STEEP = 1.5
"""How suddenly colour fades as doubt grows: more gains on films that networks do not know, and makes what is
said of nearly the same pictures differ more."""
_LEAST = 1e-6


def faded(ab: Tensor, said: Sequence[Tensor], doubt: float, grain: int) -> Tensor:
    """Colour, as far as what was said of it agrees with it.

    Each place keeps the share 1 / (1 + (doubt · d / c)^1.5) of its colour, c being its squared chroma and d
    the squared distance of what was said, on average, both of them means over its surroundings: small
    differences, which are everywhere, cost little, and great ones nearly all.

    Args:
        ab: ``(B, 2, h, w)`` float: a and b in Lab units, a sample for each ``grain`` pixels.
        said: one or more of the same shape.
        doubt: 0 or more.
        grain: of the network.
    """
    chroma = _around(ab, grain)
    distance = torch.stack([_around(ab - one, grain) for one in said]).mean(0)
    return ab / (1 + (doubt * distance / (chroma + _LEAST)).pow(_STEEP))


def _around(ab: Tensor, grain: int) -> Tensor:
    """The squared length ``(B, 1, h, w)``, as its mean over the surroundings of each place."""
    reach = max(_NEAR // 2 // grain, 1)
    near = ab.square().sum(1, keepdim=True)
    for rows, columns in ((reach, 0), (0, reach)):
        size, room = (2 * rows + 1, 2 * columns + 1), (rows, columns)
        near = F.avg_pool2d(near, size, 1, room, count_include_pad=False)
    return near
