"""Frames to frames with colour: the network decides at anchors, motion carries it to the frames between."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from vidcolor.color.chroma import ChromaMaker
from vidcolor.color.resize import averaged
from vidcolor.errors import UsageError
from vidcolor.frames import ColorFrame, Frame, Plane, VideoInfo
from vidcolor.limits import LONGEST_MOVED
from vidcolor.motion import FlowFinder, scaled, warp
from vidcolor.pipeline.advice import Adviser, Divider, with_following
from vidcolor.pipeline.colorist import Colorist
from vidcolor.pipeline.likeness import reach
from vidcolor.pipeline.prefetch import closing_stage, prefetch, setting
from vidcolor.pipeline.retrace import alike, believed, found_again
from vidcolor.temporal.anchors import Budget, Span, Step, carry_size, find_spans, fine_size, halves
from vidcolor.temporal.blend import load_blend
from vidcolor.temporal.opinions import agreed, counted_on, unlikeness, weight_of, without_grain
from vidcolor.temporal.propagate import Chroma, Mixed, Propagator

__all__ = ["Anchored", "ColoredAnchor"]

_KNOWN = 0.9
"""From which on what was carried to a pixel is what it is."""
_UNLIKE = 0.3
"""How far an opinion differs from the one carried to it, from which on another one is asked for."""
_SHORTEST_HALF = 12
"""Frames from one anchor to the next, where one is set between for that."""
_NOTHING = 0.02
"""Firmness that nobody sees."""

_SLACK = 0.8
"""Codes that chroma may lie off what is wanted, more than rounding does, to stay as it was the frame before,
at full smoothing."""

_GRAIN = 3.7
"""Codes between neighbours that are smoothed out of an opinion (:func:`without_grain`), at full smoothing."""

_DECIDED_AHEAD = 4
"""Frames whose colour is decided, waiting to be brought to their size."""

_Map = npt.NDArray[np.float32]


class ColoredAnchor(NamedTuple):
    """An anchor with its colour."""

    colored: ColorFrame
    starts_shot: bool


class _Decided(NamedTuple):
    """The colour of an anchor."""

    chroma: Chroma
    firm: _Map | None = None
    """How far it is what an adviser said, ``(h, w)`` in [0, 1] at the fine size; None: nowhere."""
    known: _Map | None = None
    """How far it is known what advisers say, ``(h, w)``; None where ``firm`` is."""
    votes: _Map | None = None
    """How many of the network's opinions it is the mean of, ``(h, w)`` from 1 on; None: one."""
    foreseen: _Map | None = None
    """How far the next anchor's is among them, ``(h, w)`` in [0, 1]; None: nowhere."""


class _ColoredSpan(NamedTuple):
    """A span with the colour of the anchors at its ends."""

    span: Span
    opening: _Decided
    closing: _Decided | None


class Anchored:
    """Colours a film from anchors. One for a film."""

    def __init__(
        self,
        colorist: Colorist,
        make: ChromaMaker,
        video: VideoInfo,
        every: int,
        smooth: float,
        advisers: Sequence[Adviser] = (),
    ) -> None:
        """
        Args:
            colorist: colours the anchors.
            make: makes chroma planes of their ab.
            video: the stream.
            every: frames there are, on average, to an anchor.
            smooth: how far flicker is taken out, in [0, 1].
            advisers: who else is asked about anchors; of two that say something, the later one is obeyed.
        """
        self._colorist, self._make, self._every = colorist, make, every
        self._advisers = advisers
        self._following: Frame | None = None
        """The frame after the one that was taken last."""
        self._dividers = [adviser for adviser in advisers if isinstance(adviser, Divider)]
        self._depth, self._luma_size = video.bit_depth, (video.height, video.width)
        self._size = carry_size(*self._luma_size)
        self._fine = fine_size(self._size, self._luma_size)
        self._finder = FlowFinder(*self._size)
        self._carrier = Propagator(
            self._size,
            make.output.bit_depth,
            load_blend(),
            device=colorist.device,
            precision=colorist.precision,
            smooth=smooth,
        )
        self._slack, self._grain = _SLACK * smooth, _GRAIN * smooth
        self._shown: tuple[Plane, Plane] | None = None
        """The chroma planes of the frame before."""
        self._given: tuple[int, _Decided] | None = None
        """Time of an anchor whose colour is known beforehand, as pts, and that colour."""
        self._latest: tuple[int, _Decided] | None = None
        """The last anchor decided."""

    def color(self, shots: Iterable[tuple[Frame, bool]], *, ahead: bool = False) -> Iterator[ColorFrame]:
        """Each frame with its chroma planes, in order; none is dropped.

        Args:
            shots: frames, and whether each starts one (:func:`vidcolor.temporal.anchors.in_shots`).
            ahead: motion is found and anchors are coloured while the frames of the span before are, and
                those are decided while others are brought to their size, each in a thread; advisers are
                asked in one of them.
        """
        if not ahead:
            yield from map(self._finished, self._carried(self._spans(shots)))
            return
        stop = threading.Event()
        with (
            closing_stage(prefetch(self._looked_onward(self._spans(_until(stop, shots))), 0, stop)) as spans,
            closing_stage(prefetch(self._carried(spans), _DECIDED_AHEAD, stop)) as decided,
            setting(stop),
        ):
            yield from map(self._finished, decided)

    def _looked_onward(self, spans: Iterable[_ColoredSpan]) -> Iterator[_ColoredSpan]:
        for colored in spans:
            self._carrier.look_onward(colored.span)
            yield colored

    def _carried(self, spans: Iterable[_ColoredSpan]) -> Iterator[tuple[Frame, Chroma | Mixed]]:
        """Each frame with its colour, or with what that is to be made of."""
        for span, opening, closing in spans:
            yield span.steps[0].frame, opening.chroma
            mixed = self._carrier.mixed(span, opening.chroma, closing and closing.chroma)
            for step, how in zip(span.steps[1:], mixed, strict=True):
                yield step.frame, how

    def anchors(self, shots: Iterable[tuple[Frame, bool]]) -> Iterator[ColoredAnchor]:
        """The anchors alone, in order, with the colour they have in :meth:`color`."""
        for span, opening, _ in self._spans(shots):
            yield ColoredAnchor(self._finished((span.steps[0].frame, opening.chroma)), span.starts_shot)

    def left_at(self, pts: int) -> dict[str, npt.NDArray[Any]]:
        """The colour of the last anchor, for :meth:`open_with`; empty where it is not the one at ``pts``."""
        if self._latest is None or self._latest[0] != pts:
            return {}
        decided = self._latest[1]._asdict().items()
        return {f"anchor.{name}": plane for name, plane in decided if plane is not None}

    def open_with(self, pts: int, planes: Mapping[str, npt.NDArray[Any]]) -> None:
        """Gives the anchor at ``pts`` the colour it had in :meth:`left_at`, if it had one."""
        own = {name: planes.get(f"anchor.{name}") for name in _Decided._fields}
        chroma = own.pop("chroma")
        self._given = None if chroma is None else (pts, _Decided(chroma, **own))

    def _opened(self, span: Span) -> _Decided:
        """The colour of a span's anchor that none was carried to."""
        anchor = span.steps[0]
        given, self._given = self._given, None
        if given is not None and given[0] == anchor.frame.time.pts:
            return given[1]
        return self._advised(anchor, *self._foretold(span))

    def _spans(self, shots: Iterable[tuple[Frame, bool]]) -> Iterator[_ColoredSpan]:
        self._refuse_long_sides()
        opening: _Decided | None = None
        for span in self._found(shots):
            self._colorist.forget_before(span.steps[0].frame.time.pts)
            if opening is None:
                opening = self._opened(span)
            self._latest = span.steps[0].frame.time.pts, opening
            closing = None
            if span.closing is not None:
                closing = self._advised(span.closing, *self._kept(span, opening))
            yield _ColoredSpan(span, opening, closing)
            opening = closing

    def _found(self, shots: Iterable[tuple[Frame, bool]]) -> Iterator[Span]:
        """The film's spans; in halves where the network says another colour at the end than at the beginning:
        one of the two may be an accident, and a third opinion tells which. What advisers say of them changes
        nothing in that."""
        budget = Budget(self._every)
        known = self._is_wanted, self._is_settled
        ahead = self._looked_ahead(shots)
        for span in find_spans(ahead, self._size, self._depth, budget, *known):
            if budget.has_one and self._is_undecided(span):
                budget.spend()
                yield from halves(span, self._size)
            else:
                yield span

    def _is_undecided(self, span: Span) -> bool:
        first, last = span.steps[0], span.closing
        if last is None or len(span.steps) < 2 * _SHORTEST_HALF:
            return False
        if any(self._is_settled(step.frame) for step in span.steps[1:]):
            return False
        carried, belief = self._carrier.onto_closing(span, self._chroma(first.frame))
        own = self._chroma(last.frame)
        return unlikeness(own, carried, belief, self._make.output.bit_depth) > _UNLIKE

    def _refuse_long_sides(self) -> None:
        """Raises UsageError where chroma cannot be carried; what only passes by does not come here."""
        height, width = self._make.layout.size(*self._luma_size)
        if max(height, width) > LONGEST_MOVED:
            raise UsageError(
                f"Chroma of {width}x{height} cannot be carried from anchors, only of {LONGEST_MOVED} a side;"
                " give --anchor-every off, or a --pix-fmt with less chroma."
            )

    def _looked_ahead(self, shots: Iterable[tuple[Frame, bool]]) -> Iterator[tuple[Frame, bool]]:
        for item, following in with_following(shots):
            self._following = following and following[0]
            yield item

    def _is_wanted(self, frame: Frame) -> bool:
        wanted = [one.wants(frame, self._following) for one in self._advisers]  # each sees every frame
        return any(wanted)

    def _is_settled(self, frame: Frame) -> bool:
        return any(divider.settles(frame) for divider in self._dividers)

    def _finished(self, item: tuple[Frame, Chroma | Mixed]) -> ColorFrame:
        frame, found = item
        if isinstance(found, Mixed):
            before = self._shown and self._carrier.moved(self._shown, found)
            self._shown = self._make.held(frame.luma, self._carrier.enlarged(found), before, self._slack)
        else:
            self._shown = self._make.held(frame.luma, found)
        return ColorFrame(frame, *self._shown)

    def _foretold(self, span: Span) -> tuple[Chroma, _Decided]:
        """What the network says of a shot's first frame, and its mean with what it says of the next anchor.

        Nothing is carried to that frame, and without the other an accident at it would colour the whole span.
        """
        own = self._chroma(span.steps[0].frame)
        if span.closing is None:
            return own, _Decided(own)
        carried, belief = self._carrier.onto_opening(span, self._chroma(span.closing.frame))
        chroma = self._agreed(own, carried, belief * np.float32(0.5), np.ones_like(belief))
        return own, _Decided(chroma, votes=1 + belief, foreseen=belief)

    def _kept(self, span: Span, opening: _Decided) -> tuple[Chroma, _Decided]:
        """What the network says of a closing anchor, and its mean with what is carried there, how far that is
        firm, and where that is known."""
        assert span.closing is not None
        assert span.closing.way is not None
        own = self._chroma(span.closing.frame)
        carried, belief = self._carrier.onto_closing(span, opening.chroma)
        places = scaled(span.closing.way.places, *self._fine)
        votes = np.ones_like(belief) if opening.votes is None else warp(opening.votes, places)
        foreseen = np.zeros_like(belief) if opening.foreseen is None else warp(opening.foreseen, places)
        chroma = self._agreed(own, carried, weight_of(belief, votes, foreseen), votes)
        votes = counted_on(belief, votes, foreseen)
        if opening.firm is None:
            return own, _Decided(chroma, votes=votes)
        assert opening.known is not None
        first = span.steps[0]
        way = found_again(self._finder, span.closing.way, span.closing.picture, first.picture)
        places = scaled(way.places, *self._fine)
        trusted = believed(alike(way, span.closing.fine, first.fine))
        firm, known = (trusted * warp(plane, places) for plane in (opening.firm, opening.known))
        height, width = own.shape[:2]
        moved = warp(opening.chroma, scaled(way.places, height, width))
        weight: Any = cv2.resize(firm, (width, height), interpolation=cv2.INTER_LINEAR)
        return own, _Decided(_mixed(chroma, moved, weight), firm, known, votes)

    def _agreed(self, own: Chroma, carried: Chroma, weight: _Map, votes: _Map) -> Chroma:
        found = agreed(own, carried, weight, votes, self._make.output.bit_depth)
        rounded: Chroma = np.rint(found).astype(own.dtype)
        return rounded

    def _advised(self, anchor: Step, own: Chroma, decided: _Decided) -> _Decided:
        """An anchor's colour once all advisers were asked; ``own`` is what the network says of it."""
        chroma, firm, known = decided.chroma, decided.firm, decided.known
        for adviser in self._advisers:
            said = adviser.at(anchor.frame)
            if said is None:
                continue
            if not said.firm:
                height, width = said.weight.shape
                room: Any = 1.0 if firm is None else 1 - cv2.resize(firm, (width, height))
                chroma = _mixed(chroma, said.chroma, said.weight * room)
                continue
            chroma = _mixed(chroma, said.chroma, said.weight)
            heard = self._small(said.weight)
            firm = heard if firm is None else np.maximum(firm, heard)
            if said.known is None:
                known = np.ones(self._fine, np.float32)
            else:
                sure = self._small(said.known)
                known = sure if known is None else np.maximum(known, sure)
        if firm is None or known is None or firm.max() < _NOTHING:
            return decided._replace(chroma=chroma, firm=None, known=None)
        chroma, firm, known = self._spread(anchor, own, chroma, firm, known)
        return decided._replace(chroma=chroma, firm=firm, known=known)

    def _spread(
        self, anchor: Step, own: Chroma, chroma: Chroma, firm: _Map, known: _Map
    ) -> tuple[Chroma, _Map, _Map]:
        """What is firm brought to what belongs to it, where nobody knows whether it is."""
        unit = 2 ** (self._make.output.bit_depth - 8)
        guide: Any = np.dstack((anchor.fine, averaged(own, *self._fine) / unit)).astype(np.float32)
        guide = cv2.GaussianBlur(guide, (3, 3), 0)
        near = reach(guide, known > _KNOWN)
        source = np.maximum(near.source, 0)
        found = firm.ravel()[source] * near.nearness * (1 - known)
        found = np.where(near.source < 0, 0, found).astype(np.float32)
        if found.max() < _NOTHING:
            return chroma, firm, known
        colour = averaged(chroma, *self._fine).reshape(-1, 2)[source].astype(np.float32)
        height, width = chroma.shape[:2]
        # Ways from neighbouring pixels may start apart.
        planes = cv2.blur(np.dstack((colour * found[..., None], found)), (3, 3))
        larger: Any = cv2.resize(planes, (width, height), interpolation=cv2.INTER_LINEAR)
        colour = larger[..., :2] / np.maximum(larger[..., 2:], np.float32(1e-6))
        chroma = _mixed(chroma, colour, larger[..., 2])
        return chroma, np.maximum(firm, found), np.maximum(known, found)

    def _small(self, plane: _Map) -> _Map:
        """A plane at the fine size."""
        return averaged(plane, *self._fine)

    def _chroma(self, frame: Frame) -> Chroma:
        ab = self._colorist.own(frame)
        if not self._grain:
            return np.dstack(self._make(frame.luma, ab))
        return without_grain(self._make.exact(frame.luma, ab), self._grain, self._make.output.bit_depth)


def _mixed(one: Chroma, other: Chroma, weight: _Map) -> Chroma:
    """``other`` where the weight is 1, ``one`` where it is 0; ``(H, W)`` as the two."""
    mixed: Chroma = np.rint(one + weight[..., None] * (other.astype(np.float32) - one)).astype(one.dtype)
    return mixed


def _until(stop: threading.Event, shots: Iterable[tuple[Frame, bool]]) -> Iterator[tuple[Frame, bool]]:
    """No more of them once nobody wants them."""
    for item in shots:
        if stop.is_set():
            return
        yield item
