"""How far a reference that lies on a picture may give it its colours, place by place."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from .picture import LabPicture, Reading
from .structure import (
    Agreement,
    Light,
    Plane,
    Structure,
    blur,
    compare,
    fit_light,
    ramp,
    unit_of,
)

__all__ = ["InLight", "Trust", "scaled_color", "trust", "trust_in_light"]

_AROUND = 6.0
"""Deviation of the window from which what has no structure takes its confidence, in units."""
_DOUBT = 0.1
"""Evidence that every place has without any structure: its brightness."""
_LIT = 1.5
"""Difference in brightness that is no matter beside the noise, in L; ..."""
_LIT_SHARE = 0.4
"""... and that as a share of the deviation of brightness around: other light is not fitted exactly."""


_BRIGHTEST = 1.4
"""Limit of what colours are scaled by for brighter light: dark ones are mostly noise."""
_DARK = 0.3
"""Y' of the reference below which the light around says more of the light at a place than the place does."""
_LIGHT = 20.0
"""Deviation of the window for that, in units."""


class Trust(NamedTuple):
    """What :func:`trust` found."""

    confidence: Plane
    """That the reference shows the same thing at the same place, ``(h, w)`` in [0, 1]."""
    light: Light
    """The reference in the frame's light."""


def trust(reference: Plane, frame: Plane, noise: float, part: Plane) -> Trust:
    """Whether a frame shows what the reference laid on it shows.

    ``reference``, ``frame``: ``(h, w)`` float32 L; ``noise``: the deviation of the frame's noise. Where there
    are edges they decide, where there are none what lies around, and everywhere the brightness, which must
    be the reference's in a light that changes smoothly. ``part``: where the reference lies on the frame at
    all, ``(h, w)`` in [0, 1].
    """
    found = compare(Structure.of(reference), Structure.of(frame, noise))
    trusted = np.float32(0.2) + found.same * found.evidence + np.float32(0.3) * (1 - found.evidence)
    light = fit_light(reference, frame, trusted * part)
    wide = 20 * unit_of(frame.shape)
    spread = np.sqrt(np.maximum(blur(frame * frame, wide) - blur(frame, wide) ** 2, 0))
    confidence = _confidence(found, frame - light.lit, noise, np.float32(_LIT_SHARE) * spread)
    return Trust(confidence * part, light)


class InLight(NamedTuple):
    """What :func:`trust_in_light` found, planes ``(h, w)`` in [0, 1]."""

    confidence: Plane
    """As of :class:`Trust`."""
    against: Plane
    """How far edges say that something else is there."""


def trust_in_light(there: Structure, lit: Plane, frame: Plane, noise: float) -> InLight:
    """As :func:`trust`, where the reference's structure is known, and its L in the frame's light, to which
    the brightness is held strictly."""
    found = compare(there, Structure.of(frame, noise))
    against = ramp(found.evidence * (1 - found.same), 0.3, 0.8)
    return InLight(_confidence(found, frame - lit, noise, None), against)


def _confidence(found: Agreement, left: Plane, noise: float, tolerance: Plane | None) -> Plane:
    unit = unit_of(left.shape)
    strict = np.float32(_LIT + noise)
    left = np.abs(blur(left, 1.5 * unit))
    # Nothing speaks against a place that is as bright as it should be, and little for it.
    bright = ramp(left / strict, 2.5, 1)
    sure, known = found.same * found.evidence, found.evidence
    near, near_known = blur(sure, _AROUND * unit), blur(known, _AROUND * unit)
    same = sure + (1 - known) * (near + np.float32(_DOUBT) * bright) / (near_known + np.float32(_DOUBT))
    if tolerance is not None:
        bright = ramp(left / np.maximum(tolerance, strict), 2.5, 1)
    return ramp(same, 0.15, 0.6) * bright


def scaled_color(picture: LabPicture, frame: Plane, contrast: Plane, reading: Reading) -> Plane:
    """The picture's colours in a frame's light, ``(h, w, 2)`` a and b.

    In other light Cb and Cr grow as :meth:`Reading.growth_of` says. ``frame``: ``(h, w)`` L; ``contrast``:
    see :class:`Light`.
    """
    unit = unit_of(frame.shape)
    here = reading.luma_of(frame)
    growths = [reading.growth_of(luma) for luma in (picture.luma, here)]
    before, after = (blur(plane, 2 * unit) for plane in growths)
    around, wide = (blur(plane, _LIGHT * unit) for plane in growths)
    own = np.float32(_DARK**2)
    ratio = (after * before + own * wide / np.maximum(around, np.float32(0.02))) / (before * before + own)
    scale = np.minimum(ratio, np.float32(_BRIGHTEST)) * contrast
    return reading.ab_of(here, cv2.multiply(picture.chroma, cv2.merge((scale, scale))))
