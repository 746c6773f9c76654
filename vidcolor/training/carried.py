"""Hints as a film that is being coloured has them: another frame's colour, carried along motion.

Optical flow finds where each pixel of the sample is in another picture of the shot. The colour is true, the
places are as wrong as the flow is, and confidence says what can be known of that: little where the way there
and back does not lead home or where the greys differ, none for what lies outside the other picture. Some
samples get what else there is in running: colours that were a network's guess before, more holes, and
confidence that was cut into yes and no.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from vidcolor.color.grey import to_grey
from vidcolor.motion import FlowFinder, grid, square, warp
from vidcolor.training.augment import Pixels

__all__ = ["Carried", "carry", "draw_carried", "draw_holes", "trace"]

Plane: TypeAlias = npt.NDArray[np.float32]

_ALIKE = 12.0
"""Codes by which two greys differ where confidence has fallen to 1/e."""

_GUESSED, _HARDENED, _HOLED = 1 / 4, 1 / 2, 1 / 3
"""Shares of the samples whose colour is changed as a guess might be, whose confidence becomes 0 or 1, and
that have more holes."""
_SATURATION = (0.7, 1.1)
_HUE = 0.2
"""Largest turn of the hue, either way, in radians: 11 degrees."""
_THRESHOLD = (0.25, 0.75)
"""Confidence above which a hardened one is 1."""
_HOLES = (0.05, 0.6)
"""Share of the sample that more holes cover."""


@dataclass(frozen=True, slots=True)
class Carried:
    """Another picture's colour on its way to a sample."""

    rgb: Pixels
    """``(H, W, 3)`` uint8: the other picture, cut as the sample is."""
    at: Plane
    """``(H, W, 2)`` float32: x and y in it of what each pixel of the sample shows, in pixels; inside it."""
    confidence: Plane
    """``(H, W)`` float32 in [0, 1]."""
    mix: Plane
    """``(2, 2)`` float32: what is made of its (a, b)."""


def carry(sample: Pixels, other: Pixels, grey: str, rng: np.random.Generator) -> Carried:
    """The colour of another picture on its way to a sample.

    Args:
        sample: ``(H, W, 3)`` uint8 RGB.
        other: the same, of another frame of the shot.
        grey: the grey that motion is looked for in, a name of :data:`vidcolor.color.grey.GREYS`.
        rng: of this alone.
    """
    at, confidence = trace(_grey(sample, grey), _grey(other, grey))
    mix = np.eye(2, dtype=np.float32)
    if rng.random() < _GUESSED:
        mix = _guess(rng)
    if rng.random() < _HARDENED:
        confidence = (confidence > rng.uniform(*_THRESHOLD)).astype(np.float32)
    if rng.random() < _HOLED:
        confidence[draw_holes(confidence.shape, rng)] = 0
    return Carried(other, at, confidence, mix)


def _grey(rgb: Pixels, how: str) -> Pixels:
    """``(H, W)`` uint8 of ``(H, W, 3)``."""
    return cv2.transform(rgb, _shares(how))  # type: ignore[return-value]


@cache
def _shares(how: str) -> Plane:
    """``(1, 3)``: what each of R′, G′ and B′ adds to a grey, from what it makes of each alone.

    Two of the eight are no such sums; theirs is near.
    """
    alone = to_grey(torch.eye(3)[:, :, None, None], how).flatten()
    return (alone / alone.sum()).numpy()[None]


# ---- motion -----------------------------------------------------------------------------------


def trace(sample: Pixels, other: Pixels) -> tuple[Plane, Plane]:
    """Where in another picture each pixel of a sample is, and how sure that is.

    Args:
        sample, other: ``(H, W)`` uint8 greys, of any size.

    Returns:
        ``(H, W, 2)`` float32, x and y in the other picture in pixels, held inside it; and ``(H, W)`` float32
        in [0, 1].
    """
    height, width = sample.shape
    find = FlowFinder(height, width, "fast")  # for each sample its own: several threads are at this
    back, forth = find(sample, other), find(other, sample)
    at = grid(height, width) + back
    apart = square(back + warp(forth, at))
    unlike = (warp(other.astype(np.float32), at) - sample) / _ALIKE
    inside = warp(np.ones((height, width), np.float32), at, outside=0.0)
    confidence = inside * np.exp(-apart - unlike * unlike)
    return np.clip(at, 0, np.array([width - 1, height - 1], np.float32)), confidence


# ---- what runs add ----------------------------------------------------------------------------


def _guess(rng: np.random.Generator) -> Plane:
    """``(2, 2)``: a true (a, b) to one that a network might guess: paler or stronger, of a turned hue."""
    saturation, turn = rng.uniform(*_SATURATION), rng.uniform(-_HUE, _HUE)
    turned = [[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]]
    return np.array(turned, np.float32) * np.float32(saturation)


def draw_holes(size: tuple[int, ...], rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Rectangles and ellipses that cover 5 to 60 % of a picture, ``(H, W)``, True inside."""
    height, width = size
    holes = np.zeros((height, width), np.uint8)
    wanted = rng.uniform(*_HOLES) * holes.size
    while (missing := wanted - cv2.countNonZero(holes)) > 0.1 * wanted:
        area, aspect = missing * rng.uniform(0.3, 1), math.exp(rng.uniform(-0.7, 0.7))
        high = min(max(round(math.sqrt(area * aspect)), 1), height)
        wide = min(max(round(math.sqrt(area / aspect)), 1), width)
        top, left = int(rng.integers(height - high + 1)), int(rng.integers(width - wide + 1))
        if rng.random() < 0.5:
            holes[top : top + high, left : left + wide] = 1
        else:
            centre = (left + (wide - 1) / 2, top + (high - 1) / 2)
            cv2.ellipse(holes, (centre, (wide, high), 0), 1, cv2.FILLED)
    return holes.astype(bool)


# ---- on batches -------------------------------------------------------------------------------


def draw_carried(ab: Tensor, carried: Sequence[Carried]) -> Tensor:
    """Hints ``(B, 3, H, W)`` float32 as models take them: ab in Lab units, and confidence in [0, 1].

    Args:
        ab: ``(B, 2, H, W)`` of the other pictures, in Lab units.
        carried: where it goes, one for each.
    """
    at, confidence, mix = (
        torch.from_numpy(np.stack(planes)).to(ab.device)
        for planes in zip(*((each.at, each.confidence, each.mix) for each in carried), strict=True)
    )
    height, width = ab.shape[-2:]
    places = 2 * at / at.new_tensor((width - 1, height - 1)) - 1
    moved = F.grid_sample(ab, places, mode="bilinear", padding_mode="border", align_corners=True)
    moved = torch.einsum("bij,bjhw->bihw", mix, moved)
    confidence = confidence[:, None]
    return torch.cat((moved * (confidence > 0), confidence), 1)
