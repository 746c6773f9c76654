"""Coloured frames to packets: the encoder set up and opened, and the times it loses or makes up mended."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import av
import av.error
import av.logging
from av.codec.context import Flags
from av.container import OutputContainer

from vidcolor.errors import OutputError, UsageError
from vidcolor.frames import ChromaLayout, ColorFrame, ColorTags, FirstField, VideoInfo
from vidcolor.media.canvas import Canvas, color_codes
from vidcolor.media.containers import MOV_FAMILY, ONE_RATE, RATE_ONLY, UNORDERED, container_label
from vidcolor.media.encoder_options import repeatable, with_fields
from vidcolor.media.encoders import Encoder, OutputFormat
from vidcolor.media.fields import PROGRESSIVE, WOVEN, FieldMarker, first_field
from vidcolor.media.muxer import frame_rate, picture_time_base
from vidcolor.media.priority import priority_kept
from vidcolor.media.source import Packet

__all__ = ["VideoEncoder"]

_MOST_REORDERED = 16
"""Frames no encoder reorders more of."""
_UNEVEN = Fraction(1, 10)
"""Share by which a frame may be longer or shorter than the others."""
_ROUNDING = Fraction(3, 2000)
"""Seconds that it may be so in any film: Matroska rounds to milliseconds."""
_PARAMETER_LISTS = ("x264-params", "x264opts", "x265-params", "svtav1-params")
"""Options that are lists of options; libav only warns of what it does not know in them."""
_NOT_UNDERSTOOD = re.compile(r"error parsing|unknown option|invalid value", re.IGNORECASE)


class VideoEncoder:
    """The encoder of the coloured stream."""

    stream: Any
    """The stream of the result it belongs to."""
    time_base: Fraction
    """Seconds; what its packets' times are counted in."""

    def __init__(
        self,
        output: OutputContainer,
        entry: Encoder,
        form: OutputFormat,
        video: VideoInfo,
        tags: ColorTags,
        *,
        options: dict[str, str],
        shift: Fraction,
        after: int | None = None,
        notify: Callable[[str], None] = lambda sentence: None,
    ) -> None:
        """Adds the stream to ``output``, whose header is not yet written; the encoder is not yet opened.

        Args:
            entry: which encoder.
            form: what it takes.
            video: the source's stream; where its field order is one of fields, the result has them.
            tags: what the stream says of its colour.
            options: of the encoder.
            shift: taken from every time, in seconds.
            after: time of the frame before the first one, which another encoder took, in units of
                ``time_base``; None: there is none.
            notify: told where frames cannot keep their times.
        """
        self._entry, self._video, self._shift = entry, video, shift
        self._container_name = output.format.name
        self._first_field, self._mark = first_field(video.field_order), FieldMarker()
        options = with_fields(entry, repeatable(entry, options, video.width), self._first_field)
        self.stream = output.add_stream(entry.name, rate=frame_rate(video), options=options)
        self.time_base = picture_time_base(self._container_name, video, shift)
        self._canvas = Canvas(form, video.width, video.height, tags, source_depth=video.bit_depth)
        self._configure(form, tags)
        self._durations: dict[int, int] = {}
        self._first_pts: int | None = None
        self._last_pts = after
        self._last_time: Fraction | None = None
        self._notify = notify
        self._last_dts: int | None = None
        self._typical = 0

    def _configure(self, form: OutputFormat, tags: ColorTags) -> None:
        video, context = self._video, self.stream.codec_context
        self.stream.time_base = context.time_base = self.time_base
        context.width, context.height = video.width, video.height
        context.pix_fmt = self._entry.semi_planar.get(form.name, form.name)
        # PyAV asks for slice threads, which makes x264 slice its pictures: larger files, and slower.
        context.thread_type = "AUTO"
        if self._entry.threads is not None:
            context.thread_count = self._entry.threads
        context.field_order = PROGRESSIVE
        if self._first_field is not None:
            context.field_order = WOVEN[self._first_field]
            context.flags |= Flags.interlaced_dct
        for attribute, code in color_codes(tags).items():
            setattr(context, attribute, code)
        if tags.siting and form.layout == ChromaLayout(1, 1):
            context.options = {"chroma_sample_location": tags.siting, **context.options}
        if video.sample_aspect != 1:
            context.sample_aspect_ratio = video.sample_aspect
        if video.rotation or video.mirrored:
            self.stream.set_display_rotation(video.rotation, hflip=video.mirrored)
        if self._entry.codec == "hevc" and self._container_name in MOV_FAMILY:
            context.codec_tag = "hvc1"  # Apple's players know H.265 by no other name
        if self._container_name in UNORDERED:
            context.max_b_frames = 0

    def open(self, extra: Mapping[str, str]) -> None:
        """Opens the encoder; ``extra`` are the user's own options among those it was made with.

        Raises:
            UsageError: it does not take these options.
            OutputError: it does not take these pictures, or is not there.
        """
        context = self.stream.codec_context
        if self._entry.fastest is not None and frame_rate(self._video) > self._entry.fastest:
            raise OutputError(f"{self._entry.name} encodes at most {self._entry.fastest} frames a second.")
        asked = dict(context.options)
        os.environ.setdefault("SVT_LOG", "1")  # errors only; SVT-AV1 writes to standard error by itself
        try:
            warnings = _open_watched(context, any(key in extra for key in _PARAMETER_LISTS))
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise _not_opened(self._entry, self._video, extra, asked, error) from error
        if unknown := set(context.options) & set(extra):
            raise UsageError(f"{self._entry.name} has no option {sorted(unknown)[0]!r}.")
        if warnings:
            raise UsageError(f"{self._entry.name} does not understand its options: {warnings[0]}.")

    @property
    def last_ticks(self) -> int | None:
        """Time of the last frame taken, in units of ``time_base``."""
        return self._last_pts

    @property
    def header(self) -> bytes:
        """What a decoder must know before the first packet, once the encoder is open."""
        return bytes(self.stream.codec_context.extradata or b"")

    def paint(self, frame: ColorFrame) -> av.VideoFrame:
        """The picture of a frame, at its time; frames come in the order of their times."""
        picture = self._marked(self._canvas.paint(frame), frame.frame.first_field)
        picture.pts, picture.time_base = self._ticks(frame), self.time_base
        return picture

    def encode(self, picture: av.VideoFrame | None) -> list[Packet]:
        """Takes the next picture, or None after the last one; returns the packets that are ready."""
        packets: list[Packet] = self.stream.encode(picture)
        for packet in packets:
            # Encoders drop or guess lengths; the last frame's is told nowhere else.
            length = self._durations.pop(packet.pts, 0) if packet.pts is not None else 0
            packet.duration = length or self._usual_length() or self._typical
            self._mend_dts(packet)
        return packets

    def _marked(self, picture: av.VideoFrame, first: FirstField | None) -> av.VideoFrame:
        """The picture as the film says it is; ``first``: its own first field, if it has fields."""
        if self._first_field is None:
            return picture
        if first is None and self._entry.fields is not None and self._entry.fields.every_picture:
            first = self._first_field
        return picture if first is None else self._mark(picture, first)

    def _ticks(self, frame: ColorFrame) -> int:
        """The frame's time in units of the result's time base, after the frame before it."""
        time, base = frame.frame.time, self.time_base
        self._watch_step(time.exact)
        ticks = round((time.exact - self._shift) / base)
        length = round(frame.frame.duration * time.time_base / base)
        if self._last_pts is not None:
            if self._container_name in RATE_ONLY or self.time_base > frame.frame.time.time_base:
                ticks = max(ticks, self._last_pts + 1)  # times the result cannot tell apart
            if ticks <= self._last_pts:
                raise ValueError(f"frame {frame.frame.index} does not come after the one before it")
            self._typical = ticks - self._last_pts
        if self._first_pts is None:
            self._first_pts = ticks
        self._last_pts = ticks
        self._durations[ticks] = length
        return ticks

    def _watch_step(self, time: Fraction) -> None:
        """Says once that times vary, where the container has one rate for all frames."""
        before, self._last_time = self._last_time, time
        if self._container_name not in ONE_RATE or before is None:
            return
        usual = 1 / frame_rate(self._video)
        if abs(time - before - usual) > max(_UNEVEN * usual, _ROUNDING):
            self._notify(
                f"{container_label(self._container_name)} holds one frame rate: the film's frame times vary"
                " and cannot be kept (.mkv and .mp4 keep them)."
            )

    def _mend_dts(self, packet: Packet) -> None:
        """Replaces a decoding time that cannot be.

        x265 hands out memory it never wrote to when a film has fewer frames than it reorders.
        """
        if packet.pts is None or self._first_pts is None or self._last_pts is None:
            return
        step = self._usual_length() or self._typical or 1
        earliest = 2 * self._first_pts - self._last_pts - _MOST_REORDERED * step
        if self._last_dts is not None:
            earliest = self._last_dts + 1
        if packet.dts is None or not earliest <= packet.dts <= packet.pts:
            delayed = packet.pts - self.stream.codec_context.reorder_depth * step
            packet.dts = delayed if self._last_dts is None else min(max(delayed, earliest), packet.pts)
        self._last_dts = packet.dts

    def _usual_length(self) -> int:
        rate = self._video.average_rate
        return round(1 / (rate * self.time_base)) if rate else 0


def _open_watched(context: Any, watch: bool) -> list[str]:
    """Opens an encoder; with ``watch`` returns what it says of options it does not know."""
    if not watch:
        with priority_kept():
            context.open()
        return []
    level = av.logging.get_level()
    av.logging.set_level(av.logging.WARNING)
    try:
        with priority_kept(), av.logging.Capture() as logs:
            context.open()
    finally:
        av.logging.set_level(level)
    said = [message.strip().rstrip(".") for _, _, message in logs]
    return [message for message in said if _NOT_UNDERSTOOD.search(message)]


def _not_opened(
    entry: Encoder, video: VideoInfo, extra: Mapping[str, str], asked: Mapping[str, str], error: Exception
) -> UsageError | OutputError:
    if entry.hardware:
        return OutputError(
            f"{entry.name} needs an NVIDIA card with its driver and an encoder on it; none answered here."
        )
    if extra:
        given = ", ".join(f"{key}={value}" for key, value in extra.items())
        return UsageError(f"{entry.name} refuses these options: {given}.")
    reason = getattr(error, "strerror", None) or str(error)
    hint = "" if entry.name == "ffv1" else "; another may (-c:v ffv1, into an .mkv file)"
    return OutputError(
        f"{entry.name} cannot encode {video.width}x{video.height} pictures ({asked}): {reason}{hint}."
    )
