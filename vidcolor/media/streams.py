"""Everything of a film that is not the coloured picture: sound, subtitles, fonts, chapters, tags.

A stream is copied packet by packet where the result's container holds its codec, converted where it does not
and a sibling codec exists (sound, text subtitles), and left out otherwise; the last two are told.
"""

from __future__ import annotations

import errno
import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, cast

import av
import av.error
from av.container import InputContainer, OutputContainer
from av.stream import Disposition

from vidcolor.media.convert import AudioConverter, Converter, TextConverter, audio_plans, text_plans
from vidcolor.media.source import is_known

__all__ = ["MOV_FAMILY", "StreamCopier"]

MOV_FAMILY = frozenset({"mp4", "mov", "ipod", "3gp", "3g2", "f4v", "psp", "ismv"})
"""Muxers that are movenc."""
MATROSKA_FAMILY = frozenset({"matroska", "webm"})
_HOLDS_CHAPTERS = MOV_FAMILY | MATROSKA_FAMILY | {"nut", "ogg", "ogv"}
_LABELS = {"matroska": "Matroska", "webm": "WebM", "mpegts": "MPEG-TS", "ipod": "M4V"}
_TS_KINDS = frozenset({"audio", "video"})
"""The MPEG-TS muxer takes anything and marks what it does not know as private data nobody can read."""
_DROPPED_TAGS = frozenset(
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
_FATAL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG, errno.EPIPE, errno.EBADF})
"""Errors of the disk, not of a packet."""
_NO_TEXT = b"\0\0"
"""A MOV text sample of length 0: nothing is shown."""
_CHAPTER_SLACK = Fraction(1, 500)
"""Seconds by which rounding may part a chapter from its line in the track of chapters."""
_NEAR = Fraction(1)
"""Seconds before 0 that Matroska's 16-bit block times hold with ease (they end at 32)."""


@dataclass(slots=True)
class _Route:
    """The way of one stream of the source."""

    out: Any
    name: str
    converter: Converter | None = None
    needs_key: bool = False
    """Whether packets are dropped until the first key frame (a further video stream that is cut into)."""
    still: bool = False
    """A single picture without a time of its own."""
    fills_gaps: bool = False
    """Whether the muxer itself writes the empty lines between two lines of text."""
    delay: int = 0
    """Frames a decoder holds back; where the source tells no decoding times they begin this much earlier."""
    last_dts: int | None = None
    told: bool = False


class StreamCopier:
    """Brings the other streams of ``source`` into ``output``."""

    left_out: list[str]
    """What was left out, each a few words for a summary: "subtitle stream 2 (hdmv_pgs_subtitle, fre)"."""
    track_scales: list[int]
    """Ticks a second that movenc will count these streams in."""
    longest_chapter: Fraction
    """In seconds."""
    starts_near_zero: bool
    """Whether no stream begins much before 0."""

    def __init__(
        self,
        source: InputContainer | None,
        output: OutputContainer,
        chosen: int,
        *,
        shift: Fraction = Fraction(0),
        limit: Fraction | None = None,
        trimmed: bool = False,
        notify: Callable[[str], None] = lambda sentence: None,
    ) -> None:
        """Args:
        source: the open film; None: there is nothing to bring along.
        output: the container being made, its header not yet written.
        chosen: index of the stream that is coloured.
        shift: taken from every time, in seconds.
        limit: where the result ends, in seconds on its own clock.
        trimmed: whether the result begins later than the film.
        notify: gets one sentence for each stream that is not copied as it is.
        """
        self._source, self._output, self._chosen = source, output, chosen
        self._shift, self._limit, self._trimmed = shift, limit, trimmed
        self._notify = notify
        self._form = output.format.name
        self._strict = not output.format.flags & cast(int, av.format.Flags.ts_nonstrict.value)
        self._known = len(source.streams) if source is not None else 0
        self._routes: dict[int, _Route] = {}
        self.left_out = []
        self.track_scales = []
        self.longest_chapter = Fraction(0)
        self.starts_near_zero = True

    # Before the header

    def add_streams(self, add_chosen: Callable[[], Any]) -> None:
        """Adds all streams in the source's order; ``add_chosen`` adds the coloured one at its place."""
        if self._source is None:
            add_chosen()
            return
        fonts: list[str] = []
        for stream in self._source.streams:
            if stream.index == self._chosen:
                self._describe(add_chosen(), stream, same=False)
            elif stream.type == "attachment":
                fonts += self._attach(stream)
            else:
                self._add(stream)
        if fonts:
            self._leave(f"attached files ({', '.join(fonts)})", many=True)

    def describe(self, tags: Mapping[str, str]) -> None:
        """Film tags and chapters; ``tags`` are added, a comment to the one there is."""
        merged = dict(self._source.metadata) if self._source is not None else {}
        merged = {key: value for key, value in merged.items() if _is_lasting(key)}
        for key, value in tags.items():
            if self._form in MOV_FAMILY and key.lower() not in _MOV_TAGS:
                key, value = "comment", f"{key}: {value}"
            _add_tag(merged, key, value)
        self._output.metadata.update(merged)
        chapters = list(self._chapters())
        if chapters and self._form in _HOLDS_CHAPTERS:
            self._output.set_chapters(chapters)
            self.longest_chapter = max((c["end"] - c["start"]) * c["time_base"] for c in chapters)
        elif chapters:
            self._leave("chapters", many=True)

    def _chapters(self) -> Iterator[Any]:
        for chapter in self._source.chapters() if self._source is not None else ():
            base = chapter["time_base"]
            assert base is not None
            offset = round(self._shift / base)
            start, end = max(chapter["start"] - offset, 0), chapter["end"] - offset
            if self._limit is not None:
                end = min(end, round(self._limit / base))
            if end > start:
                yield {**chapter, "start": start, "end": end}

    def _add(self, stream: Any) -> None:
        if self._is_made_anew(stream):
            return
        if Disposition.attached_pic in stream.disposition and self._form in MATROSKA_FAMILY:
            self._attach_cover(stream)
        elif stream.type == "audio" and self._form != "mpegts" and not is_known(stream):
            self._leave(_name(stream), "is left out: its channels and sample rate could not be found")
        elif self._holds(stream):
            self._add_copy(stream)
        elif not (self._add_audio(stream) or self._add_text(stream)):
            self._leave(_name(stream))

    def _is_made_anew(self, stream: Any) -> bool:
        """MOV and MP4 keep chapters and the time code in tracks too, which movenc makes from tags."""
        if self._source is None:
            return False
        chapters = self._source.chapters()
        if stream.type != "data":
            return self._is_chapter_track(stream)
        if stream.name == "bin_data" and chapters and stream.frames == len(chapters):
            return True
        chosen = self._source.streams[self._chosen]
        return stream.name in (None, "none") and "timecode" in {**stream.metadata, **chosen.metadata}

    def _is_chapter_track(self, stream: Any) -> bool:
        """Read from a pipe, a track of chapters looks like subtitles whose lines begin with the chapters."""
        assert self._source is not None
        if _codec(stream) != "mov_text" or not self._source.format.name.startswith("mov"):
            return False
        if Disposition.default in stream.disposition:
            return False
        lines = [entry.timestamp * stream.time_base for entry in stream.index_entries]
        starts = [chapter["start"] * (chapter["time_base"] or 1) for chapter in self._source.chapters()]
        return len(lines) == len(starts) > 0 and all(
            abs(line - start) <= _CHAPTER_SLACK for line, start in zip(lines, starts, strict=True)
        )

    def _holds(self, stream: Any) -> bool:
        """Whether the container takes the stream: found by writing a header, for no table is complete."""
        if self._form == "mpegts" and stream.type not in _TS_KINDS and _codec(stream) != "dvb_subtitle":
            return False
        if self._form == "avi" and stream.type not in _TS_KINDS:
            return False
        return self._try(lambda output: output.add_stream_from_template(stream, opaque=True))

    def _try(self, add: Callable[[OutputContainer], Any]) -> bool:
        scratch = av.open(io.BytesIO(), "w", format=self._form)
        try:
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

    def _add_copy(self, stream: Any) -> None:
        # ``opaque``: the decoder's name is kept, so codecs that have no encoder here are copied as well.
        out = self._output.add_stream_from_template(stream, opaque=True)
        self._describe(out, stream, same=not self._trimmed)
        still = Disposition.attached_pic in stream.disposition
        film = stream.type == "video" and not still
        route = _Route(out, _name(stream), needs_key=film and self._trimmed, still=still)
        route.delay = stream.codec_context.reorder_depth if film else 0
        route.fills_gaps = self._form in MOV_FAMILY and _codec(stream) == "mov_text"
        self._route(stream, route)

    def _route(self, stream: Any, route: _Route) -> None:
        self._routes[stream.index] = route
        if route.still:
            return
        rate = getattr(route.out.codec_context, "sample_rate", None) if stream.type == "audio" else None
        self.track_scales.append(rate or route.out.time_base.denominator)
        if stream.start_time is not None and stream.start_time * stream.time_base - self._shift < -_NEAR:
            self.starts_near_zero = self._trimmed  # what lies before a cut is dropped

    def _add_audio(self, stream: Any) -> bool:
        if stream.type != "audio" or stream.codec_context is None:
            return False
        plan = next((p for p in audio_plans(stream, self._form) if self._try(p.add)), None)
        if plan is None:
            return False
        converter = AudioConverter(plan.add(self._output))
        self._describe(converter.out, stream, same=False)
        self._route(stream, _Route(converter.out, _name(stream), converter))
        self._tell(f"{_name(stream)} cannot be held by {self._label} and is converted to {plan.label}.")
        return True

    def _add_text(self, stream: Any) -> bool:
        if stream.type != "subtitle" or stream.codec_context is None or self._form == "mpegts":
            return False
        plan = next((p for p in text_plans(stream) if self._try(p.add)), None)
        if plan is None:
            return False
        converter = TextConverter(plan.add(self._output))
        self._describe(converter.out, stream, same=False)
        self._route(stream, _Route(converter.out, _name(stream), converter))
        self._tell(f"{_name(stream)} cannot be held by {self._label} and is converted to {plan.label}.")
        return True

    def _attach(self, stream: Any) -> list[str]:
        """Attaches a file; returns its name where the container has no place for it."""
        name = stream.name or f"attachment {stream.index}"
        if self._form != "matroska":
            return [name]
        out = self._output.add_attachment(name, stream.mimetype or "application/octet-stream", stream.data)
        out.metadata.update({k: v for k, v in stream.metadata.items() if k not in ("filename", "mimetype")})
        return []

    def _attach_cover(self, stream: Any) -> None:
        """Matroska keeps covers as attached files; written as a track it would look like a film."""
        picture = self._cover(stream) if self._form == "matroska" else None
        if picture is None:
            self._leave(_name(stream))
            return
        ending, kind = {"mjpeg": ("jpg", "jpeg"), "png": ("png", "png")}.get(
            _codec(stream), (_codec(stream),) * 2
        )
        name = stream.metadata.get("filename") or f"cover.{ending}"
        self._output.add_attachment(name, stream.metadata.get("mimetype") or f"image/{kind}", picture)

    def _cover(self, stream: Any) -> bytes | None:
        """A cover's bytes, read from the file anew: attachments are part of the header."""
        assert self._source is not None
        try:
            with av.open(self._source.name, metadata_errors="replace") as again:
                for packet in again.demux(again.streams[stream.index]):
                    if packet.size:
                        return bytes(packet)
        except (av.error.FFmpegError, OSError, ValueError, IndexError):
            pass
        return None

    def _describe(self, out: Any, stream: Any, *, same: bool) -> None:
        """Tags and marks of a stream; with ``same`` it is the very same stream, and its counts still hold."""
        out.disposition = stream.disposition
        tags = {key: value for key, value in stream.metadata.items() if same or not _is_count(key)}
        tags = {key: value for key, value in tags.items() if _is_lasting(key)}
        if "name" in tags:
            tags.setdefault(
                "title", tags.pop("name")
            )  # the MP4 demuxer's word for what its muxer calls title
        if self._form not in MOV_FAMILY:
            tags.pop("handler_name", None)  # "VideoHandler" and the like: a part of MP4, not of the film
        if self._form == "mov" and "language" in tags:
            tags["language"] = _MAC_LANGUAGES.get(tags["language"], tags["language"])
        out.metadata.update(tags)

    @property
    def _label(self) -> str:
        return _LABELS.get(self._form, self._form.upper())

    def _leave(self, what: str, why: str = "", *, many: bool = False) -> None:
        self.left_out.append(what)
        why = why or f"cannot be held by {self._label} and {'are' if many else 'is'} left out"
        self._tell(f"{what} {why}.")

    def _tell(self, sentence: str) -> None:
        self._notify(sentence[0].upper() + sentence[1:])

    # Packets

    def copy(self, packet: av.Packet[Any]) -> None:
        """Takes a packet of the source; the caller sees to it that only one thread is here at a time."""
        if packet.size == 0:
            return
        route = self._routes.get(packet.stream_index)
        if route is None:
            if self._source is not None and packet.stream_index >= self._known:
                self._late(packet)
            return
        if not packet.time_base and not route.still:
            self._warn(route, f"a packet of {route.name} has no time and is left out.")
            return
        if not route.still and self._is_outside(route, packet):
            return
        if route.converter is None:
            if not (route.fills_gaps and bytes(packet) == _NO_TEXT):
                self._send(route, packet)
            return
        for made in route.converter.convert(packet):
            self._send(route, made)
        self._tell_broken(route)

    def finish(self) -> None:
        """Sends what converters still hold."""
        for route in self._routes.values():
            if route.needs_key:
                self._warn(route, f"{route.name} has no key frame in this part and is empty.")
            if route.converter is not None:
                for made in route.converter.flush():
                    self._send(route, made)

    def _late(self, packet: av.Packet[Any]) -> None:
        self._routes[packet.stream_index] = _Route(None, "", still=False, told=True)
        self._leave(_name(packet.stream), "first appears in the middle of the film and is left out")

    def _is_outside(self, route: _Route, packet: av.Packet[Any]) -> bool:
        if route.out is None:
            return True
        stamp = packet.pts if packet.pts is not None else packet.dts
        if stamp is None:
            return False
        begin = stamp * packet.time_base - self._shift
        if self._limit is not None and begin >= self._limit:
            return True
        if not self._trimmed:
            return False
        if route.needs_key:
            route.needs_key = not (packet.is_keyframe and begin >= 0)
            return route.needs_key
        return begin + (packet.duration or 0) * packet.time_base <= 0

    def _send(self, route: _Route, packet: av.Packet[Any]) -> None:
        try:
            self._to_output_time(route, packet)
            packet.stream = route.out
            self._output.mux_one(packet)
        except (av.error.FFmpegError, OverflowError) as error:
            if getattr(error, "errno", None) in _FATAL:
                raise
            self._warn(route, f"a packet of {route.name} was refused by the container and is left out.")

    def _to_output_time(self, route: _Route, packet: av.Packet[Any]) -> None:
        base = route.out.time_base
        if route.still:
            packet.pts = packet.dts = 0
            packet.time_base = base
            return
        scale, offset = packet.time_base / base, self._shift / base
        length = round((packet.duration or 0) * scale)
        pts = None if packet.pts is None else round(packet.pts * scale - offset)
        dts = None if packet.dts is None else round(packet.dts * scale - offset)
        if pts is not None and pts < 0 and route.out.type == "subtitle":
            length, pts, dts = max(length + pts, 0), 0, 0  # a line that stands when the cut begins
        packet.time_base = base
        packet.duration = length
        packet.pts, packet.dts = self._mended(route, pts, dts, length)

    def _mended(self, route: _Route, pts: int | None, dts: int | None, length: int) -> tuple[int, int]:
        """Times a muxer takes: both there, decoding times rising and not after the time of showing."""
        last = route.last_dts
        if dts is None:
            dts = self._guessed_dts(route, pts, length)
        step = 1 if self._strict and route.out.type in _TS_KINDS else 0
        if last is not None and dts < last + step:
            if dts < last:
                self._warn(route, f"times of {route.name} go back in the source and were mended.")
            dts = last + step
        pts = dts if pts is None else max(pts, dts)
        route.last_dts = dts
        return pts, dts

    def _guessed_dts(self, route: _Route, pts: int | None, length: int) -> int:
        if route.last_dts is None:
            return (pts or 0) - route.delay * length
        if pts is None or route.delay:
            return min(route.last_dts + max(length, 1), pts if pts is not None else route.last_dts + 1)
        return pts

    def _tell_broken(self, route: _Route) -> None:
        converter = route.converter
        if converter is not None and converter.broken:
            self._warn(route, f"parts of {route.name} could not be decoded and are missing.")

    def _warn(self, route: _Route, sentence: str) -> None:
        """Tells of a stream once."""
        if not route.told:
            route.told = True
            self._tell(sentence)


def _codec(stream: Any) -> str:
    if stream.codec_context is not None:
        return str(stream.codec_context.codec.canonical_name)
    return str(getattr(stream, "name", None) or "unknown codec")


def _name(stream: Any) -> str:
    """How sentences call a stream: "subtitle stream 3 (hdmv_pgs_subtitle, fre)"."""
    marks = [_codec(stream)]
    if stream.language and stream.language != "und":
        marks.append(stream.language)
    return f"{stream.type or 'unknown'} stream {stream.index} ({', '.join(marks)})"


def _is_lasting(key: str) -> bool:
    return key.lower() not in _DROPPED_TAGS


def _is_count(key: str) -> bool:
    return key.lower().startswith(_STATISTICS)


def _add_tag(tags: dict[str, str], key: str, value: str) -> None:
    """Sets a tag; a comment is put after the one there is. Names of tags know no case."""
    present = next((k for k in tags if k.lower() == key.lower()), key)
    old = tags.get(present, "")
    if key.lower() == "comment" and old:
        value = old if value in old else f"{old}; {value}"
    tags[present] = value
