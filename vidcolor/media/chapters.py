"""A film's chapters in the result, and the tracks MP4 and MOV keep them in."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from av.container import InputContainer
from av.stream import Disposition

from vidcolor.media.names import codec_name
from vidcolor.media.timeline import Cut

__all__ = ["cut_chapters", "is_chapter_track"]

_SLACK = Fraction(1, 500)
"""Seconds by which rounding may part a chapter from its line in the track of chapters."""


def cut_chapters(source: InputContainer, cut: Cut) -> Iterator[Any]:
    """The chapters that lie in the result, on its clock, as PyAV takes them."""
    for chapter in source.chapters():
        base = chapter["time_base"]
        assert base is not None
        offset = round(cut.shift / base)
        start, end = max(chapter["start"] - offset, 0), chapter["end"] - offset
        if cut.limit is not None:
            end = min(end, round(cut.limit / base))
        if end > start:
            yield {**chapter, "start": start, "end": end}


def is_chapter_track(source: InputContainer, stream: Any) -> bool:
    """Whether a stream only holds the chapters once more: movenc makes such a track anew.

    Read from a pipe it looks like subtitles whose lines begin with the chapters.
    """
    chapters = source.chapters()
    if stream.type == "data":
        return stream.name == "bin_data" and stream.frames == len(chapters) > 0
    if codec_name(stream) != "mov_text" or not source.format.name.startswith("mov"):
        return False
    if Disposition.default in stream.disposition:
        return False
    lines = [entry.timestamp * stream.time_base for entry in stream.index_entries]
    starts = [chapter["start"] * (chapter["time_base"] or 1) for chapter in chapters]
    return len(lines) == len(starts) > 0 and all(
        abs(line - start) <= _SLACK for line, start in zip(lines, starts, strict=True)
    )
