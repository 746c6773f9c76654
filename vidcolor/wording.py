"""Numbers in sentences."""

from __future__ import annotations

__all__ = ["are", "counted"]


def counted(count: int, noun: str) -> str:
    """A number with its noun.

    >>> counted(1, "frame"), counted(2, "frame")
    ('1 frame', '2 frames')
    """
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def are(count: int) -> str:
    """The verb for so many of something.

    >>> are(1), are(2)
    ('is', 'are')
    """
    return "is" if count == 1 else "are"
