"""Colours from a picture: of the same camera by day, or of the same place or people.

>>> import numpy as np
>>> reference = Reference(np.full((90, 160, 3), 128, np.uint8), name="day.png")
>>> hints = reference.hints_for(np.full((64, 96), 50, np.float32))
>>> hints.shape, reference.share < NOTHING
((64, 96, 3), True)
"""

from .camera import FixedCamera
from .example import SRGB, Reference, merged

__all__ = ["NOTHING", "SRGB", "FixedCamera", "Reference", "merged"]

NOTHING = 0.01
"""Shares (:attr:`Reference.share`) below this are those of pictures that match nothing."""
