"""Several opinions of one thing's colour: what the network says of it at one anchor, and at the next ones.

Each counts as much as any other, so that an accident at a shot's first frame does not last as long as the
shot; where the first two differ loudly, the network does not know, and their colour fades. A mean is paler
than what it is the mean of; where that is quiet, it is made as strong again.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

__all__ = ["MOST", "agreed", "counted_on", "unlikeness", "weight_of", "without_grain"]

_Map: TypeAlias = npt.NDArray[np.float32]

MOST = 9.0
"""Opinions that a colour counts as at most: later ones still move it, as things change."""
_LOUD = 16.0
"""Chroma, in 8-bit codes, from which on colours fade that nobody agrees on; below, nobody sees it."""
_STRONGER = 0.25
"""By how much of itself a quiet mean becomes stronger, at most."""
_LEAST = 1e-3
_NEAR = 9
"""Samples over which chroma and its differences are averaged."""
_GRAIN, _GRAIN_SIDE = 3.0, 9
"""σ of what is smoothed as grain, and side of the windows that are looked at for it, in samples."""


def without_grain(chroma: _Map, edge: float, bit_depth: int) -> npt.NDArray[Any]:
    """An opinion without what nobody sees in it: differences of a few codes between neighbours.

    Chroma follows luma's texture down to single codes, and each such step, moved by parts of a sample and
    rounded anew in every frame, trembles. What is an edge stays (bilateral filter, Tomasi and Manduchi 1998),
    and no sample changes by more than a code of 8 bits, but for rounding.

    Args:
        chroma: Cb and Cr, ``(H, W, 2)`` float32 codes of ``bit_depth``, not rounded: two opinions that are
            nearly the same would be a code apart here and there, and more of it afterwards.
        edge: σ of the differences that are smoothed, in 8-bit codes, above 0.

    Returns:
        ``(H, W, 2)`` whole codes, uint8 or uint16.
    """
    unit = 2 ** (bit_depth - 8)
    planes = [cv2.bilateralFilter(plane, _GRAIN_SIDE, edge * unit, _GRAIN) for plane in cv2.split(chroma)]
    limited = np.clip(cv2.merge(planes), chroma - unit, chroma + unit)
    codes = np.clip(np.rint(limited), 0, 2**bit_depth - 1)
    return codes.astype(np.uint8 if bit_depth == 8 else np.uint16)


def weight_of(belief: _Map, votes: _Map, foreseen: _Map) -> _Map:
    """The share ``(h, w)`` in [0, 1] that a carried colour has beside an anchor's own.

    Args:
        belief: in what is carried, ``(h, w)`` in [0, 1].
        votes: opinions that it is the mean of, from 1 on.
        foreseen: how far the anchor's own is among them already, in [0, 1].
    """
    return belief * np.maximum(votes / (votes + 1), foreseen)


def counted_on(belief: _Map, votes: _Map, foreseen: _Map) -> _Map:
    """The opinions that an anchor's colour is the mean of, when it has that share of a carried one."""
    return np.minimum(1 + belief * (votes - foreseen), np.float32(MOST))


def agreed(
    own: npt.NDArray[Any], carried: npt.NDArray[Any], weight: _Map, votes: _Map, bit_depth: int
) -> Any:
    """One colour of two: their mean, and less of it where they differ loudly.

    A second opinion is believed as far as it is like the first: each place keeps the share
    (c + l²) / (c + l² + d) of its colour, c being the mean's squared chroma and d the squared difference,
    each a mean over its surroundings, and l what is loud. Later opinions find a mean of several, and only
    take their part in it. What is quiet is made as strong as the two are on average.

    Args:
        own, carried: Cb and Cr of a frame, ``(H, W, 2)``, codes of ``bit_depth``.
        weight: of the carried one, ``(h, w)`` in [0, 1], see :func:`weight_of`.
        votes: opinions that it is the mean of, ``(h, w)``.

    Returns:
        ``(H, W, 2)`` float32, in codes.
    """
    size = own.shape[1::-1]
    unit, neutral = np.float32(2.0 ** (bit_depth - 8)), np.float32(2.0 ** (bit_depth - 1))
    share: Any = cv2.resize(weight, size, interpolation=cv2.INTER_LINEAR)[..., None]
    apart = carried.astype(np.float32) - own
    chroma = own - neutral + share * apart
    doubt: Any = cv2.resize(
        weight * (1 - weight) * np.clip(2 - votes, 0, 1), size, interpolation=cv2.INTER_LINEAR
    )
    squared, loud = _around(chroma), (_LOUD * unit) ** 2
    strength, other = (np.sqrt(_around(said.astype(np.float32) - neutral)) for said in (own, carried))
    strength += share[..., 0] * (other - strength)
    paler = np.clip(strength / np.sqrt(squared + np.float32(_LEAST)) - 1, 0, np.float32(_STRONGER))
    kept = squared + loud
    stronger = 1 + paler * loud / kept
    chroma *= (stronger * kept / (kept + 4 * doubt * _around(apart)))[..., None]
    return chroma + neutral


def unlikeness(own: npt.NDArray[Any], carried: npt.NDArray[Any], belief: _Map, bit_depth: int) -> float:
    """How far two opinions of one frame differ, where they are of the same things: their squared difference
    over the sum of their squares, 0 for the same, 1 for colours that have nothing to do with each other.

    Args:
        own, carried: Cb and Cr, ``(H, W, 2)``, codes of ``bit_depth``.
        belief: in what is carried, ``(h, w)`` in [0, 1].
    """
    weight: Any = cv2.resize(belief, own.shape[1::-1], interpolation=cv2.INTER_LINEAR)[..., None]
    neutral = np.float32(2.0 ** (bit_depth - 1))
    one, other = (said.astype(np.float32) - neutral for said in (own, carried))
    apart, both = (float((weight * total).sum()) for total in ((one - other) ** 2, one**2 + other**2))
    return apart / both if both else 0.0


def _around(chroma: _Map) -> Any:
    """Its squared length ``(H, W)``, as a mean over the surroundings of each place."""
    return cv2.blur(np.square(chroma).sum(-1), (_NEAR, _NEAR))
