"""What a muxer is told beside its streams: the unit of time pictures are counted in, and its options."""

from __future__ import annotations

import math
from fractions import Fraction

from vidcolor.frames import VideoInfo
from vidcolor.media.containers import MATROSKA_FAMILY, MOV_FAMILY, RATE_ONLY
from vidcolor.media.streams import StreamCopier

__all__ = ["frame_rate", "muxer_options", "picture_time_base"]

_FALLBACK_RATE = Fraction(25)
_FINEST_SCALE = 20_000_000
"""Ticks a second; with more, MP4's 31-bit lengths of frames would hold less than a minute and a half."""
_MOV_SMALLEST_SCALE = 10_000
"""movenc doubles a video track's scale until it reaches this."""
_MOV_DEFAULT_SCALE = 1000
_LARGEST_SCALE = 2**31 - 1


def frame_rate(video: VideoInfo) -> Fraction:
    """Frames a second the result says it has."""
    return video.average_rate or _FALLBACK_RATE


def picture_time_base(form: str, video: VideoInfo, shift: Fraction) -> Fraction:
    """The unit of the pictures' times in a container, where ``shift`` seconds are taken from the source's."""
    return 1 / frame_rate(video) if form in RATE_ONLY else _common_time_base(video.time_base, shift)


def _common_time_base(source: Fraction, shift: Fraction) -> Fraction:
    """One over a whole number, so that MP4 can count in it.

    The source's times are whole numbers of it, and so is what is taken from them where that stays countable.
    """
    scale = math.lcm(source.denominator, shift.denominator)
    if scale > _FINEST_SCALE:
        scale = source.denominator
    if scale > _FINEST_SCALE:
        scale //= next((k for k in range(2, 1000) if scale % k == 0 and scale // k <= _FINEST_SCALE), 1)
    return Fraction(1, min(scale, _FINEST_SCALE))


def muxer_options(form: str, time_base: Fraction, others: StreamCopier) -> dict[str, str]:
    """Options for a container with pictures counted in ``time_base``, and the streams of ``others``."""
    if form in MOV_FAMILY:
        return {"movie_timescale": str(_movie_scale(time_base, others))}
    if form in MATROSKA_FAMILY and others.starts_near_zero:
        # Sound may start a little before 0 (its codec's delay); libav would move all streams for it.
        return {"avoid_negative_ts": "disabled"}
    return {}


def _movie_scale(time_base: Fraction, others: StreamCopier) -> int:
    """Ticks a second in which every track's delay is a whole number: the file counts delays in them."""
    video = time_base.denominator
    while video < _MOV_SMALLEST_SCALE:
        video *= 2
    # Chapters are a track counted in these ticks too, and the length of one must fit 31 bits.
    largest = _LARGEST_SCALE // max(1, math.ceil(others.longest_chapter))
    scales = (math.lcm(video, *others.track_scales), video, _MOV_DEFAULT_SCALE)
    return next(scale for scale in scales if scale <= largest or scale == _MOV_DEFAULT_SCALE)
