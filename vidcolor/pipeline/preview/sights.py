"""Frames reduced to what a preview needs of them, and which of them it shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from operator import attrgetter

import numpy as np

from vidcolor.color.resize import shrink
from vidcolor.frames import Frame, Plane, VideoInfo
from vidcolor.pipeline.colorist import Seen
from vidcolor.temporal.in_color import Keep, Look, look_of
from vidcolor.temporal.shots import Small, small_luma

__all__ = ["Reducer", "Sight", "settle", "thinned"]


@dataclass(slots=True)
class Sight:
    """A frame that was looked at. A few of them are small beside one frame."""

    frame: Frame
    """With its time; luma and chroma are those of the sheet's picture, ``(h, w)`` as stored, not upright."""
    time: Fraction
    """In seconds from the film's beginning."""
    small: Small
    """As cuts are looked for in."""
    seen: dict[tuple[object, ...], Seen]
    """What networks are shown of it, by :attr:`vidcolor.pipeline.colorist.Colorist.view`."""
    look: Look
    """Whether it is in colour already."""
    in_color: bool = False
    """Its shot is in colour, and is kept as it is."""
    shot: int = 1
    """Number of its shot among those that were found; 0: nobody looked for shots."""
    starts_shot: bool = False
    """It is of another shot than the sight before it."""
    after: Fraction | None = None
    """The last moment known to be before the cut, in seconds; None: it starts no shot, or the first."""
    exact: bool = False
    """It is the very first frame of its shot."""
    anchor: bool = False
    """A run would decide its colour by itself."""

    @property
    def rank(self) -> int:
        """How much it has to be shown."""
        return 2 * self.starts_shot + self.anchor


class Reducer:
    """Reduces the frames of one film."""

    def __init__(
        self,
        video: VideoInfo,
        begin: Fraction,
        tile: tuple[int, int],
        views: Mapping[tuple[object, ...], Callable[[Plane], Seen]],
        keep: Keep | None,
    ) -> None:
        """
        Args:
            video: the stream.
            begin: the film's beginning on the clock of the frames, in seconds.
            tile: height and width of the sheet's pictures, as stored.
            views: what networks are shown of a frame, by its luma.
            keep: which frames pass as they are; None: none.
        """
        self._depth, self._begin = video.bit_depth, begin
        self._tile, self._views, self._keep = tile, dict(views), keep

    def __call__(self, frame: Frame) -> Sight:
        """The frame's sight; nothing of the frame is held on to."""
        luma = np.ascontiguousarray(frame.luma)
        look = Look.GREY if self._keep is None else look_of(frame, self._depth, self._keep)
        chroma = None
        if self._keep is not None and frame.chroma is not None:
            cb, cr = (shrink(np.ascontiguousarray(plane), *self._tile).copy() for plane in frame.chroma)
            chroma = cb, cr
        return Sight(
            Frame(shrink(luma, *self._tile).copy(), frame.time, frame.duration, frame.index, chroma=chroma),
            frame.time.exact - self._begin,
            small_luma(luma, self._depth),
            {view: _kept(see(luma)) for view, see in self._views.items()},
            look,
        )


def _kept(seen: Seen) -> Seen:
    """Without the frame that it may be a part of."""
    return seen._replace(luma=seen.luma.copy())


def settle(sights: Iterable[Sight]) -> None:
    """Decides for each shot whether it is in colour, as a run does: by most of its frames that tell; a shot
    that does not tell is as the one before, the first grey."""
    in_color = False
    for _, shot in groupby(sights, attrgetter("shot")):
        of_shot = list(shot)
        looks = Counter(sight.look for sight in of_shot)
        if looks[Look.COLOR] or looks[Look.GREY]:
            in_color = looks[Look.COLOR] > looks[Look.GREY]
        for sight in of_shot:
            sight.in_color = in_color
            sight.anchor = sight.anchor and not in_color


def thinned(sights: Sequence[Sight], count: int) -> list[Sight]:
    """``count`` of them, in order: those that start a shot before anchors, and these before others; of equals
    those that lie evenly, or far from what is shown already."""
    if len(sights) <= count:
        return list(sights)
    chosen = list[int]()
    for rank in sorted({sight.rank for sight in sights}, reverse=True):
        equal = [n for n, sight in enumerate(sights) if sight.rank == rank]
        wanted = count - len(chosen)
        if not chosen and len(equal) > wanted:
            chosen += [equal[(2 * n + 1) * len(equal) // (2 * wanted)] for n in range(wanted)]
        else:
            chosen += _far_from(chosen, equal, [float(sight.time) for sight in sights], wanted)
        if len(chosen) >= count:
            break
    return [sights[n] for n in sorted(chosen)]


def _far_from(chosen: Sequence[int], offered: Sequence[int], times: Sequence[float], count: int) -> list[int]:
    """Up to ``count`` of those offered, each as far as can be from all that were taken before."""
    if len(offered) <= count:
        return list(offered)
    taken = list[int]()
    distance = {n: min((abs(times[n] - times[m]) for m in chosen), default=0.0) for n in offered}
    while len(taken) < count:
        best = max(distance, key=lambda n: (distance[n], -n))
        taken.append(best)
        del distance[best]
        for n in distance:
            distance[n] = min(distance[n], abs(times[n] - times[best]))
    return taken
