"""Frames to frames with colour, for a whole film or part by part."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

from vidcolor.color.chroma import ChromaMaker
from vidcolor.color.planes import ColorSpace
from vidcolor.frames import ChromaLayout, ColorFrame, ColorTags, Frame, VideoInfo
from vidcolor.pipeline.advice import Adviser, Said
from vidcolor.pipeline.anchored import Anchored
from vidcolor.pipeline.by_example import ByExample
from vidcolor.pipeline.colorist import Colorist
from vidcolor.pipeline.keep import Keeper, Shots
from vidcolor.pipeline.options import RunOptions
from vidcolor.pipeline.parts import Border, Feed, State
from vidcolor.pipeline.person import Person
from vidcolor.temporal.anchors import in_shots
from vidcolor.temporal.reference import Reference

__all__ = ["Coloring", "Wanted"]


class Wanted(Protocol):
    """What chroma planes are wanted: a writer says so."""

    @property
    def tags(self) -> ColorTags: ...
    @property
    def layout(self) -> ChromaLayout: ...
    @property
    def bit_depth(self) -> int: ...


class Coloring:
    """All that says what colour a film's frames get. One for a run."""

    def __init__(
        self,
        colorist: Colorist,
        video: VideoInfo,
        wanted: Wanted,
        options: RunOptions,
        references: Sequence[Reference],
        listen_to: Callable[[ChromaMaker], list[Person]],
    ) -> None:
        space = ColorSpace.of(wanted.tags, height=video.height, width=video.width, bit_depth=video.bit_depth)
        make = ChromaMaker(space, wanted.layout, wanted.tags.siting, output_depth=wanted.bit_depth)
        self._video, self._colorist, self._make = video, colorist, make
        self._persons = listen_to(make)
        self._hearings = [person.hearing() for person in self._persons] if options.parts else []
        self._keeper = Keeper.of(make, video, options.keep_colour)
        # What has learnt nothing says the same of every frame: nothing to carry.
        anchored = options.anchor_every is not None and (
            colorist.model.parameter_count > 0 or bool(references or self._persons)
        )
        self._examples = ByExample(references, colorist, make, every_frame=not anchored)
        self._border = _AtBorder()
        self._ended = False
        """Whether the film's last frame has gone by."""
        self._anchored: Anchored | None = None
        if anchored and options.anchor_every is not None:
            heard = [_UpToBorder(person, self._border) for person in self._persons]
            asked: list[Adviser] = [self._examples, *heard, self._border]
            every, smooth = options.anchor_every, options.smooth
            self._anchored = Anchored(colorist, make, video, every, smooth, asked)
        self.asks_shots = bool(self._anchored or references or self._keeper)
        """Whether anybody wants to know where shots begin."""

    def frames(self, frames: Iterator[Frame]) -> Iterator[ColorFrame]:
        """Each frame of a film with the Cb and Cr planes of its colour, as the writer wants them."""
        shots: Shots = in_shots(frames, self._video.bit_depth)
        if not self.asks_shots:
            shots = ((frame, False) for frame in frames)  # frames need not wait
        yield from self._colored(shots)
        self._ended = True

    def parts(
        self, feed: Feed, before: Border | None, until: Border | None = None
    ) -> Iterator[ColorFrame | Border]:
        """The same, a border after each part.

        ``before``: the border the feed begins at. ``until``: the one to stop at, at which no shot goes on.
        """
        continued = False
        if before is not None:
            self._restore(before)
            continued = before.continued
        while True:
            self._border.feed = feed
            for colored in self._colored(feed.part(continued)):
                if colored.frame.time.pts != feed.shared:  # it is the next part's
                    yield colored
            border = feed.border
            if border is None:
                self._ended = True
                return
            yield replace(border, state=self._state(border))
            if border == until:
                for person in self._persons:
                    person.leave(border.pts)
                return
            continued = border.continued

    def words(self) -> Iterator[str]:
        """What a person should know when the film is over."""
        for person in self._persons:
            yield from person.words()
        if not self._ended:  # of the whole film no more is known than before
            return
        yield from self._examples.words()
        if self._keeper is not None:
            yield from self._keeper.words()

    def _colored(self, shots: Shots) -> Iterator[ColorFrame]:
        color: Callable[[Shots], Iterator[ColorFrame]] = self._each_by_itself
        if self._anchored is not None:
            color = self._carried
        color = partial(self._examples.over, color=color, spoken_of=self._is_spoken_of)
        if self._keeper is None:
            return color(shots)
        return self._keeper.pass_by(shots, color, self._examples.see)

    def _carried(self, shots: Shots) -> Iterator[ColorFrame]:
        assert self._anchored is not None
        # Persons and pictures are asked of anchors and of frames, and know one thread only. MPS is the one of
        # torch's devices that two threads must not use at once.
        alone = not self._persons and self._examples.silent
        return self._anchored.color(shots, ahead=alone and self._colorist.device.type != "mps")

    def _is_spoken_of(self, frame: Frame) -> bool:
        return any(person.reaches(frame) for person in self._persons)

    def _each_by_itself(self, shots: Shots) -> Iterator[ColorFrame]:
        for item in self._colorist.color(frame for frame, _ in shots):
            yield ColorFrame(item.frame, *self._make(item.frame.luma, item.ab))

    # Over a border

    @property
    def facts(self) -> dict[str, Any]:
        """What of a person's words decides how every part looks, as plain values."""
        return {"whether colour is carried": self._anchored is not None}

    def heard(self, first: int | None, after: int | None, last: int | None) -> str:
        """A digest of what is said of a part; see :meth:`vidcolor.pipeline.hearing.Hearing.digest`."""
        return "".join(hearing.digest(first, after, last) for hearing in self._hearings)

    def _state(self, border: Border) -> State:
        state = self._examples.state(in_shot=border.continued)
        if border.continued:
            self._examples.restore(state)  # a camera hands on less than it knows
        if self._keeper is not None:
            state["shots"] = self._keeper.state()
        if self._anchored is not None:
            opening = self._anchored.left_at(border.pts) if border.continued else {}
            state |= opening
            self._anchored.open_with(border.pts, opening)
        return state

    def _restore(self, border: Border) -> None:
        self._examples.restore(border.state)
        if self._keeper is not None:
            self._keeper.restore(border.state["shots"])
        if self._anchored is not None:
            self._anchored.open_with(border.pts, border.state)
        for person in self._persons:
            person.go_on(border.pts, heard=border.continued)


class _AtBorder:
    """Wants the frame that two parts share to be an anchor; an adviser that says nothing."""

    feed: Feed | None = None

    def wants(self, frame: Frame, following: Frame | None) -> bool:
        return self.feed is not None and frame.time.pts == self.feed.shared

    def at(self, frame: Frame) -> Said | None:
        return None


class _UpToBorder:
    """A person who is told what follows a part's last frame, which the part does not hold; a divider."""

    def __init__(self, person: Person, border: _AtBorder) -> None:
        self._person, self._border = person, border
        self.settles, self.at = person.settles, person.at

    def wants(self, frame: Frame, following: Frame | None) -> bool:
        if following is None and self._border.feed is not None:
            following = self._border.feed.after(frame)
        return self._person.wants(frame, following)
