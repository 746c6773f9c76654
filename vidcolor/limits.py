"""What input may claim of itself; imports nothing, so that the command line can read it."""

from __future__ import annotations

__all__ = ["LONGEST_MOVED", "MAX_PIXELS", "decoder_limit"]

MAX_PIXELS = 8192 * 8192
"""Pixels of the largest picture that is decoded unless more is allowed: 8K, and the square pictures of 8K
headsets. A few bytes of a header can claim more than memory holds; libav itself allows four times as much."""

LONGEST_MOVED = 32766
"""Pixels a side of what OpenCV moves along flow: its ``remap`` counts them in 16 bits."""

_PADDING = 1 << 23


def decoder_limit(max_pixels: int) -> int:
    """What libav is told so that pictures of ``max_pixels`` pass: it counts the padding of decoders as well,
    up to 64 pixels a side."""
    return max_pixels + _PADDING
