"""Containers by FFmpeg's names: their families, what people call them, and what they can hold."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

import av
import av.error
from av.container import InputContainer, OutputContainer

from vidcolor.media.names import codec_name
from vidcolor.media.priority import priority_kept

__all__ = [
    "CHAPTER_HOLDERS",
    "MATROSKA_FAMILY",
    "MOV_FAMILY",
    "ONE_RATE",
    "RATE_ONLY",
    "UNORDERED",
    "container_label",
    "has_flag",
    "holds_stream",
    "takes",
]

MOV_FAMILY = frozenset({"mp4", "mov", "ipod", "3gp", "3g2", "f4v", "psp", "ismv"})
"""Muxers that are movenc."""
MATROSKA_FAMILY = frozenset({"matroska", "webm"})
CHAPTER_HOLDERS = MOV_FAMILY | MATROSKA_FAMILY | {"nut", "ogg", "ogv"}
RATE_ONLY = frozenset({"avi"})
"""Containers that know no times but number and rate."""
ONE_RATE = RATE_ONLY | {"mxf"}
"""Containers whose frames are all as long."""
UNORDERED = RATE_ONLY | {"asf", "asf_stream"}
"""Containers that cannot say that frames are shown in another order than they are decoded in."""
_LABELS = {"matroska": "Matroska", "webm": "WebM", "mpegts": "MPEG-TS", "ipod": "M4V"}
_AVI_KINDS = frozenset({"audio", "video"})
_TS_CODECS = frozenset(
    {
        *("mpeg1video", "mpeg2video", "mpeg4", "h264", "hevc", "vvc", "cavs", "avs2", "avs3", "dirac", "vc1"),
        *("jpeg2000", "mp2", "mp3", "aac", "aac_latm", "ac3", "eac3", "dts", "truehd", "opus", "s302m"),
        "dvb_subtitle",
    }
)
"""What MPEG-TS has a type for. Its muxer takes anything, and marks the rest as data nobody can read."""


def container_label(form: str) -> str:
    """What people call a container."""
    return _LABELS.get(form, form.upper())


def has_flag(container: InputContainer | OutputContainer, name: str) -> bool:
    """Whether the container's format has one of ``av.format.Flags``."""
    return bool(container.format.flags & cast(int, av.format.Flags[name].value))


def holds_stream(form: str, stream: Any) -> bool:
    """Whether a container takes a copy of a stream."""
    if form == "avi" and stream.type not in _AVI_KINDS:
        return False
    if form == "mpegts" and codec_name(stream) not in _TS_CODECS:
        return False
    return takes(form, lambda output: output.add_stream_from_template(stream, opaque=True))


def takes(form: str, add: Callable[[OutputContainer], Any]) -> bool:
    """Whether a container takes the stream that ``add`` adds to it and returns.

    Found by writing a header, for no table is complete.
    """
    scratch = av.open(io.BytesIO(), "w", format=form)
    try:
        with priority_kept():
            added = add(scratch)
            if added.codec_context is not None and added.codec_context.is_encoder:
                added.codec_context.open(strict=False)
            scratch.start_encoding()
    except (av.error.FFmpegError, ValueError, RuntimeError, OSError, KeyError):
        return False
    finally:
        with suppress(Exception):
            scratch.close()
    return True
