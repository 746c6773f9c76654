"""How much smaller a pixel format's chroma is than its luma."""

from __future__ import annotations

import av

from vidcolor.frames import ChromaLayout

__all__ = ["chroma_layout", "is_grey", "rare_subsampling", "subsampling"]

RARE_SUBSAMPLINGS = {(2, 0): "4:1:1", (2, 2): "4:1:0", (0, 1): "4:4:0"}


def chroma_layout(form: av.VideoFormat) -> ChromaLayout:
    """Subsampling of a pixel format, brought to one of those encoders take: 4:2:0, 4:2:2 or 4:4:4."""
    shifts = subsampling(form)
    return ChromaLayout(*shifts) if shifts in {(0, 0), (1, 0)} else ChromaLayout(1, 1)


def rare_subsampling(pixel_format: str) -> str | None:
    """What people call a format's subsampling where ``chroma_layout`` had to bring it to another."""
    return RARE_SUBSAMPLINGS.get(subsampling(av.VideoFormat(pixel_format, 64, 64)))


def subsampling(form: av.VideoFormat) -> tuple[int, int]:
    """Powers of two that chroma is smaller by, across and down; those of 4:2:0 for what has no chroma."""
    if is_grey(form) or form.is_rgb or form.has_palette or form.is_bayer:
        return 1, 1
    across = (64 // form.chroma_width(64)).bit_length() - 1
    down = (64 // form.chroma_height(64)).bit_length() - 1
    return across, down


def is_grey(form: av.VideoFormat) -> bool:
    """Whether a format has no chroma: fewer than three components, transparency not counted."""
    return len([c for c in form.components if not c.is_alpha]) < 3
