"""Tags of a film and its streams as the result keeps them."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import av
import av.error

from vidcolor.media.containers import MATROSKA_FAMILY, MOV_FAMILY

__all__ = ["film_tags", "lost_tags", "stream_tags"]

_DROPPED = frozenset(
    {
        *("major_brand", "minor_version", "compatible_brands"),  # the old file's type
        *("encoder", "vendor_id", "duration", "rotate", "alpha_mode"),  # no longer true, or written anew
    }
)
_STATISTICS = ("bps", "number_of_frames", "number_of_bytes", "_statistics_")
"""Beginnings of mkvmerge's counts, which only hold for the very stream they were made of."""
_MOV_TAGS = frozenset(
    {
        *("title", "artist", "album_artist", "composer", "album", "date", "comment", "genre", "copyright"),
        *("grouping", "lyrics", "description", "synopsis", "show", "episode_id", "network", "keywords"),
    }
)
"""Film tags that MP4 and MOV have a place for."""
_NO_MOMENT = "1970-01-01T00:00:00.000000Z"
_MAC_LANGUAGES = {
    code[:3]: code[4:]
    for line in (
        "deu/ger fra/fre nld/dut zho/chi ces/cze ell/gre isl/ice fas/per ron/rum slk/slo",
        "sqi/alb hye/arm eus/baq mya/bur kat/geo mkd/mac msa/may bod/tib cym/wel",
    )
    for code in line.split()
}
"""ISO 639-2's second codes (T) to its first (B), the only ones movenc knows in MOV."""


def film_tags(source: Mapping[str, str], added: Mapping[str, str], form: str) -> dict[str, str]:
    """The film's own tags and those added, for a container; a comment is added to the one there is."""
    tags = {key: value for key, value in source.items() if _is_lasting(key)}
    for key, value in added.items():
        if form in MOV_FAMILY and key.lower() not in _MOV_TAGS:
            key, value = "comment", f"{key}: {value}"
        _add(tags, key, value)
    return tags


def lost_tags(tags: Mapping[str, str], form: str) -> list[str]:
    """Those of a film's tags that a container has no place for.

    Found by writing them beside a black frame and reading them back, for no table is complete. The name
    of the program that wrote the old file is not among them, nor a clock's zero, which MP4 has for "unknown".
    """
    tags = {key: value for key, value in tags.items() if key.lower() != "software" and value != _NO_MOMENT}
    if not tags or form in MATROSKA_FAMILY:  # whose tags are free
        return []
    file = io.BytesIO()
    try:
        with av.open(file, "w", format=form) as scratch:
            stream: Any = scratch.add_stream("mpeg4", rate=25)
            stream.width = stream.height = 16
            scratch.metadata.update(tags)
            for frame in (av.VideoFrame(16, 16, "yuv420p"), None):
                scratch.mux(stream.encode(frame))
        file.seek(0)
        with av.open(file) as read:
            held = {key.lower() for key in read.metadata}
    except (av.error.FFmpegError, ValueError, OSError):
        return []  # it holds no such film, and nothing is known
    return [key for key in tags if key.lower() not in held]


def stream_tags(source: Mapping[str, str], form: str, *, same: bool) -> dict[str, str]:
    """A stream's tags for a container; with ``same`` it is copied whole, and its counts still hold."""
    tags = {key: value for key, value in source.items() if _is_lasting(key) and (same or not _is_count(key))}
    if "name" in tags:  # the MP4 demuxer's word for what its muxer calls title
        tags.setdefault("title", tags.pop("name"))
    if form not in MOV_FAMILY:
        tags.pop("handler_name", None)  # "VideoHandler" and the like: a part of MP4, not of the film
    if form == "mov" and "language" in tags:
        tags["language"] = _MAC_LANGUAGES.get(tags["language"], tags["language"])
    return tags


def _is_lasting(key: str) -> bool:
    return key.lower() not in _DROPPED


def _is_count(key: str) -> bool:
    return key.lower().startswith(_STATISTICS)


def _add(tags: dict[str, str], key: str, value: str) -> None:
    """Sets a tag; a comment is put after the one there is. Names of tags know no case."""
    present = next((k for k in tags if k.lower() == key.lower()), key)
    old = tags.get(present, "")
    if key.lower() == "comment" and old:
        value = old if value in old else f"{old}; {value}"
    tags[present] = value
