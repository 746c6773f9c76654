"""What somebody else than the network says of an anchor's colour: a person, or a picture.

Advisers are asked at every anchor, and may ask for anchors of their own. What one says is firm: it is
carried on with full belief where the network's own colour is carried with a little less.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol, TypeVar, runtime_checkable

import numpy as np
import numpy.typing as npt

from vidcolor.frames import Frame
from vidcolor.temporal.propagate import Chroma

__all__ = ["Adviser", "Divider", "Said", "over", "with_following"]

T = TypeVar("T")


class Said(NamedTuple):
    """What is said of a frame's colour."""

    chroma: Chroma
    """Cb and Cr, ``(H, W, 2)``, of the film's chroma planes' size, in codes of the output's depth."""
    weight: npt.NDArray[np.float32]
    """How firmly, ``(H, W)`` in [0, 1]; 0: nothing is said there."""
    known: npt.NDArray[np.float32] | None = None
    """How sure it is that nothing more is said, ``(H, W)`` in [0, 1]; None: everywhere. What is said goes
    on to what belongs to the same thing where nobody knows."""
    firm: bool = True
    """Whether it is carried on whole. Else it is said anew at every anchor, and gives way to what is firm."""


def over(first: Said, then: Said | None) -> Said:
    """What two say of the same frame; the first counts where both do."""
    if then is None:
        return first
    share = (1 - first.weight) * then.weight
    weight = first.weight + share
    part = (share / np.maximum(weight, np.float32(1e-6)))[..., None]
    chroma = first.chroma + part * (then.chroma.astype(np.float32) - first.chroma)
    both = first.known is not None and then.known is not None
    known = np.maximum(first.known, then.known) if both else None  # type: ignore[arg-type]
    return Said(np.rint(chroma).astype(first.chroma.dtype), weight, known)


class Adviser(Protocol):
    """Says something of some frames. One for a film; frames come in order."""

    def wants(self, frame: Frame, following: Frame | None) -> bool:
        """Whether a frame must be an anchor. Asked once for every frame of the film, before :meth:`at`.

        ``following``: the next frame, if one is coloured right after it: only its time says surely how long
        a frame is shown.
        """
        ...

    def at(self, frame: Frame) -> Said | None:
        """What is said of an anchor; None: nothing. Asked once for every anchor, in order, wanted or not."""
        ...


@runtime_checkable
class Divider(Adviser, Protocol):
    """An adviser that also knows which frames of a stretch of film are anchors."""

    def settles(self, frame: Frame) -> bool:
        """Whether a frame is an anchor only if somebody wants it. Asked after :meth:`wants`."""
        ...


def with_following(items: Iterable[T]) -> Iterator[tuple[T, T | None]]:
    """Each item and the one after it; None after the last."""
    source = iter(items)
    for item in source:
        for following in source:
            yield item, following
            item = following
        yield item, None
