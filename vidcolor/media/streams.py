"""Everything of a film that is not the coloured picture: sound, subtitles, fonts, chapters, tags.

A stream is copied packet by packet where the result's container holds its codec, converted where it does not
and a sibling codec exists (sound, text subtitles), and left out otherwise; the last two are told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from typing import Any

from av.container import InputContainer, OutputContainer
from av.stream import Disposition

from vidcolor.media.attachments import attach_cover, attach_file, attachment_name
from vidcolor.media.chapters import cut_chapters, is_chapter_track
from vidcolor.media.containers import (
    CHAPTER_HOLDERS,
    MATROSKA_FAMILY,
    MOV_FAMILY,
    container_label,
    holds_stream,
    takes,
)
from vidcolor.media.convert import AudioConverter, Converter, Plan, TextConverter, audio_plans, text_plans
from vidcolor.media.names import codec_name, stream_name
from vidcolor.media.source import Packet, is_known
from vidcolor.media.tags import film_tags, lost_tags, stream_tags
from vidcolor.media.timeline import Cut
from vidcolor.media.tracks import Track

__all__ = ["StreamCopier"]

_LAYOUTS = ("mono", "stereo", "2.1", "4.0", "5.0", "5.1", "6.1", "7.1")
"""FFmpeg's own for that many channels, in its order (av_channel_layout_default)."""
_NEAR = Fraction(1)
"""Seconds before 0 that Matroska's 16-bit block times hold with ease (they end at 32)."""


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
        cut: Cut,
        notify: Callable[[str], None] = lambda sentence: None,
    ) -> None:
        """Args:
        source: the open film; None: there is nothing to bring along.
        output: the container being made, its header not yet written.
        chosen: index of the stream that is coloured.
        cut: the part of the film that is made.
        notify: gets one sentence for each stream that is not copied as it is.
        """
        self._source, self._output, self._chosen = source, output, chosen
        self._cut, self._notify = cut, notify
        self._form = output.format.name
        self._known = len(source.streams) if source is not None else 0
        self._tracks: dict[int, Track] = {}
        self._late: set[int] = set()
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
            elif stream.type != "attachment":
                self._add(stream)
            elif self._form == "matroska":
                attach_file(self._output, stream)
            else:
                fonts.append(attachment_name(stream))
        if fonts:
            self._leave(f"attached files ({', '.join(fonts)})", many=True)

    def describe(self, tags: Mapping[str, str]) -> None:
        """Film tags and chapters; ``tags`` are added, a comment to the one there is."""
        film: Mapping[str, str] = {}
        chapters: list[Any] = []
        if self._source is not None:
            film, chapters = self._source.metadata, list(cut_chapters(self._source, self._cut))
        if self._cut.trimmed and self._source is not None:
            stamped = [film, *(stream.metadata for stream in self._source.streams)]
            if any("timecode" in each for each in stamped):
                self._leave("time codes", "are left out: the film begins at another one", many=True)
            film = {key: value for key, value in film.items() if key != "timecode"}
        self._output.metadata.update(film_tags(film, tags, self._form))
        if lost := lost_tags(film_tags(film, {}, self._form), self._form):
            self._leave(f"film tags ({', '.join(lost)})", many=True)
        if chapters and self._form in CHAPTER_HOLDERS:
            self._output.set_chapters(chapters)
            self.longest_chapter = max((c["end"] - c["start"]) * c["time_base"] for c in chapters)
        elif chapters:
            self._leave("chapters", many=True)

    def _add(self, stream: Any) -> None:
        if self._is_made_anew(stream):
            return
        if Disposition.attached_pic in stream.disposition and self._form in MATROSKA_FAMILY:
            self._add_cover(stream)
        elif stream.type == "audio" and self._form != "mpegts" and not is_known(stream):
            self._leave(stream_name(stream), "is left out: its channels and sample rate could not be found")
        elif holds_stream(self._form, stream):
            self._add_copy(stream)
        elif not self._add_converted(stream):
            self._leave(stream_name(stream))

    def _is_made_anew(self, stream: Any) -> bool:
        """MOV and MP4 keep chapters and the time code in tracks too, which movenc makes from tags."""
        assert self._source is not None
        if is_chapter_track(self._source, stream):
            return True
        if stream.type != "data" or stream.name not in (None, "none"):
            return False
        chosen = self._source.streams[self._chosen]
        return "timecode" in {**stream.metadata, **chosen.metadata}

    def _add_cover(self, stream: Any) -> None:
        """Matroska keeps covers as attached files; written as a track it would look like a film."""
        assert self._source is not None
        if self._form != "matroska" or not attach_cover(self._output, self._source, stream):
            self._leave(stream_name(stream))

    def _add_copy(self, stream: Any) -> None:
        # ``opaque``: the decoder's name is kept, so codecs that have no encoder here are copied as well.
        out = self._output.add_stream_from_template(stream, opaque=True)
        if self._form in MOV_FAMILY and (codec_name(stream) or "").startswith("pcm_"):
            _name_channels(out.codec_context)
        self._describe(out, stream, same=not self._cut.trimmed)
        still = Disposition.attached_pic in stream.disposition
        film = stream.type == "video" and not still
        track = Track(
            *(self._output, out, stream_name(stream), self._cut, self._tell),
            needs_key=film and self._cut.trimmed,
            still=still,
            fills_gaps=self._form in MOV_FAMILY and codec_name(stream) == "mov_text",
            delay=stream.codec_context.reorder_depth if film else 0,
        )
        self._enlist(track, stream)

    def _add_converted(self, stream: Any) -> bool:
        """Adds a stream with the same in another codec; returns whether there is one the container holds."""
        plan = next((p for p in self._plans(stream) if takes(self._form, p.add)), None)
        if plan is None:
            return False
        out = plan.add(self._output)
        converter: Converter = AudioConverter(out) if stream.type == "audio" else TextConverter(out)
        self._describe(out, stream, same=False)
        name = stream_name(stream)
        self._enlist(Track(self._output, out, name, self._cut, self._tell, converter), stream)
        label = container_label(self._form)
        self._tell(f"{name} cannot be held by {label} and is converted to {plan.label}.")
        return True

    def _plans(self, stream: Any) -> Iterator[Plan]:
        if stream.codec_context is None:
            return
        if stream.type == "audio":
            yield from audio_plans(stream, self._form)
        elif stream.type == "subtitle" and self._form != "mpegts":
            yield from text_plans(stream)

    def _enlist(self, track: Track, stream: Any) -> None:
        self._tracks[stream.index] = track
        if track.still:
            return
        rate = getattr(track.out.codec_context, "sample_rate", None) if stream.type == "audio" else None
        self.track_scales.append(rate or track.out.time_base.denominator)
        if stream.start_time is not None and stream.start_time * stream.time_base - self._cut.shift < -_NEAR:
            self.starts_near_zero = self._cut.trimmed  # what lies before a cut is dropped

    def _describe(self, out: Any, stream: Any, *, same: bool) -> None:
        """Tags and marks of a stream; ``same``: it is copied whole."""
        out.disposition = stream.disposition
        tags = stream_tags(stream.metadata, self._form, same=same)
        if self._cut.trimmed:
            tags.pop("timecode", None)
        out.metadata.update(tags)

    def _leave(self, what: str, why: str = "", *, many: bool = False) -> None:
        self.left_out.append(what)
        why = why or f"cannot be held by {container_label(self._form)} and {'are' if many else 'is'} left out"
        self._tell(f"{what} {why}.")

    def _tell(self, sentence: str) -> None:
        self._notify(sentence[0].upper() + sentence[1:])

    # Packets

    def copy(self, packet: Packet) -> None:
        """Takes a packet of the source; the caller sees to it that only one thread is here at a time."""
        if packet.size == 0:
            return
        index = packet.stream_index
        if index in self._tracks:
            self._tracks[index].take(packet)
        elif self._source is not None and index >= self._known and index not in self._late:
            self._late.add(index)
            name = stream_name(packet.stream)
            self._leave(name, "first appears in the middle of the film and is left out")

    def finish(self) -> None:
        """Sends what converters still hold."""
        for track in self._tracks.values():
            track.finish()
            if track.needs_key:
                self.left_out.append(track.name)


def _name_channels(context: Any) -> None:
    """Says which channels PCM's are, where its container only counted them (AVI, Matroska).

    MP4 has to say it, and finds out that it cannot when the whole film is written.
    """
    if context.layout.name.endswith(" channels") and context.layout.nb_channels <= len(_LAYOUTS):
        context.layout = _LAYOUTS[context.layout.nb_channels - 1]
