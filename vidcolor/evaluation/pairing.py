"""A result and its truth, frame by frame; and what does not go together."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from fractions import Fraction

import numpy as np

from vidcolor.color.planes import MATRICES
from vidcolor.errors import InputError
from vidcolor.frames import Frame, Plane, VideoInfo
from vidcolor.media.own_chroma import has_chroma
from vidcolor.media.reader import VideoReader
from vidcolor.media.timeline import clock_text
from vidcolor.pipeline.options import RunOptions
from vidcolor.wording import counted

__all__ = ["ColorSeen", "Pairs", "Turner", "rate_text", "refuse_colorless", "refuse_unlike", "refuse_unread"]

_NO_COLOR_S = 60.0
"""Seconds of film without any colour after which there is taken to be none."""
_UNPAIRED, _UNPAIRED_SHARE = 2, 0.02
"""Frames, and of frames the share, that may have no partner in the other film."""
_LENGTHS_S = Fraction(1, 2)
"""By which two films' lengths in their headers may differ."""
_ALIKE = 0.5
"""Correlation of the luma of two films below which they hardly show the same."""


def refuse_colorless(reader: VideoReader, colored: bool) -> None:
    """Raises InputError where a truth is not ``colored``."""
    if not colored:
        raise InputError(
            f"{reader.info.name} is in black and white: there is no true colour to compare with."
        )


def refuse_unread(reader: VideoReader) -> None:
    """Raises InputError where nobody here knows what a film's chroma means."""
    video = reader.video
    if has_chroma(video.pixel_format) and video.tags.matrix not in (None, *MATRICES):
        raise InputError(
            f"{reader.info.name} is in the matrix {video.tags.matrix}, in which its colours cannot be read."
        )


class ColorSeen:
    """Whether a truth has any colour."""

    def __init__(self, reader: VideoReader) -> None:
        self._reader, self._seen = reader, False

    def look(self, frame: Frame) -> None:
        """Takes the next frame."""
        self._seen = self._seen or frame.chroma is not None
        if not self._seen and frame.time.exact - self._reader.begin > _NO_COLOR_S:
            self.finish()

    def finish(self) -> None:
        """Raises InputError where no frame had any."""
        refuse_colorless(self._reader, self._seen)


def refuse_unlike(made: VideoReader, true: VideoReader, run: RunOptions) -> None:
    """Raises InputError where the sizes of two films differ, or the lengths their headers say."""
    one, other = made.info.name, true.info.name
    sizes = [_seen_size(reader.video) for reader in (made, true)]
    if sizes[0] != sizes[1]:
        texts = [f"{width}x{height}" for width, height in sizes]
        raise InputError(
            f"{one} is {texts[0]} and {other} {texts[1]}: only films of one size can be compared."
        )
    a, b = (_length(reader.video, run) for reader in (made, true))
    if (
        a is not None
        and b is not None
        and abs(a - b) > max(_LENGTHS_S, min(a, b) * Fraction(_UNPAIRED_SHARE))
    ):
        raise InputError(_different(one, other, a, b, run))


def _seen_size(video: VideoInfo) -> tuple[int, int]:
    """Width and height as it is seen, in samples."""
    return (video.height, video.width) if video.orientation.sideways else (video.width, video.height)


class Turner:
    """Turns and mirrors a result's frames as its truth is stored: another tool may have stored it upright."""

    video: VideoInfo
    """The result's, as its frames then are."""

    def __init__(self, made: VideoInfo, true: VideoInfo) -> None:
        self._from, self._to = made.orientation, true.orientation
        self.video = replace(
            made, width=true.width, height=true.height, rotation=true.rotation, mirrored=true.mirrored
        )

    def __call__(self, frame: Frame) -> Frame:
        """A frame, without its carrier where it had to be turned."""
        if self._from == self._to:
            return frame
        chroma = frame.chroma and (self._turned(frame.chroma[0]), self._turned(frame.chroma[1]))
        return replace(frame, luma=self._turned(frame.luma), chroma=chroma, carrier=None)

    def _turned(self, plane: Plane) -> Plane:
        return np.ascontiguousarray(self._to.stored(self._from.upright(plane)))


def _different(one: str, other: str, length: Fraction, other_length: Fraction, run: RunOptions) -> str:
    common = float(min(length, other_length) - (run.start or 0))
    advice = (
        f"give -t {common:.3f} to compare what they have in common" if common > 0 else "give another range"
    )
    texts = clock_text(length), clock_text(other_length)
    return f"{one} lasts {texts[0]} and {other} {texts[1]}; {advice}, if they begin with the same frame."


def _length(video: VideoInfo, run: RunOptions) -> Fraction | None:
    """Seconds of film up to where it is read, as far as the header tells."""
    if video.duration is None:
        return None
    return video.duration.value if run.end is None else min(video.duration.value, run.end)


class Pairs:
    """Frames of a result and of its truth that are shown at the same time."""

    def __init__(self, made: VideoReader, true: VideoReader) -> None:
        self._made, self._true = made, true
        rates = [reader.video.average_rate for reader in (made, true)]
        fastest = max((rate for rate in rates if rate), default=Fraction(25))
        self._near = 1 / (2 * fastest)
        self.count = self.unpaired = 0
        self._alike = 0.0
        self._ends = [Fraction(0), Fraction(0)]

    def of(
        self, ones: Iterator[Frame], others: Iterator[Frame]
    ) -> Generator[tuple[Frame, Frame], None, None]:
        """Pairs in order.

        Raises:
            InputError: too many frames have no partner.
        """
        one, other = next(ones, None), next(others, None)
        while one is not None and other is not None:
            times = (one.time.exact - self._made.begin, other.time.exact - self._true.begin)
            self._ends = list(times)
            if abs(times[0] - times[1]) <= self._near:
                self.count += 1
                self._alike += _correlation(one, other)
                yield one, other
                one, other = next(ones, None), next(others, None)
                continue
            self._alone()
            if times[0] < times[1]:
                one = next(ones, None)
            else:
                other = next(others, None)
        for place, (left, rest) in enumerate(((one, ones), (other, others))):
            while left is not None:
                self._ends[place] = left.time.exact - (self._made, self._true)[place].begin
                self._alone()
                left = next(rest, None)

    def _alone(self) -> None:
        """A frame without a partner."""
        self.unpaired += 1
        if self.unpaired <= _UNPAIRED + _UNPAIRED_SHARE * self.count:
            return
        names = self._made.info.name, self._true.info.name
        if not self.count:
            raise self._nothing_shared()
        rates = [rate_text(reader.video) for reader in (self._made, self._true)]
        said = f" ({rates[0]} and {rates[1]} frames a second)" if rates[0] != rates[1] else ""
        raise InputError(
            f"{names[0]} and {names[1]} do not go together: after {self.count} pairs {self.unpaired} "
            f"frames have no partner at their time{said}."
        )

    def _nothing_shared(self) -> InputError:
        ends = " and ".join(clock_text(end) for end in self._ends)
        one, other = self._made.info.name, self._true.info.name
        return InputError(f"{one} and {other} have no frame in common: they are at {ends}.")

    def finish(self, notify: Callable[[str], None]) -> None:
        """Tells what was odd.

        Raises:
            InputError: there was no pair at all.
        """
        if not self.count:
            raise self._nothing_shared()
        if self.unpaired:
            notify(
                f"{counted(self.unpaired, 'frame')} of the two films without a partner at its time: left out."
            )
        if self._alike / self.count < _ALIKE:
            notify(
                f"{self._made.info.name} and {self._true.info.name} hardly show the same: their luma "
                f"correlates by {self._alike / self.count:.2f}."
            )


def rate_text(video: VideoInfo) -> str:
    """Frames a second, for people."""
    return "?" if video.average_rate is None else f"{float(video.average_rate):.3f}".rstrip("0").rstrip(".")


def _correlation(one: Frame, other: Frame) -> float:
    """Of the luma of two frames, in [-1, 1]; plain ones are as any."""
    a, b = (frame.luma[::16, ::16].astype(np.float64).ravel() for frame in (one, other))
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / scale if scale > 0 else 1.0
