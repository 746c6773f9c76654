"""Tags of a film and its streams as the result keeps them."""

from __future__ import annotations

from collections.abc import Mapping

from vidcolor.media.containers import MOV_FAMILY

__all__ = ["film_tags", "stream_tags"]

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
