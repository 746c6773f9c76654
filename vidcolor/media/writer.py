"""Coloured frames into a file, the source's other streams beside them.

>>> with VideoWriter("out.mkv", container, video) as writer:  # doctest: +SKIP
...     for frame in frames:
...         writer.write(frame)

Everything that can be refused is refused when the writer is made. The file is made under a temporary name in
the same folder and gets its own when all is well; after an exception nothing is left of it.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any

import av
import av.error
import av.logging
from av.container import InputContainer, OutputContainer

from vidcolor.errors import OutputError, UsageError
from vidcolor.frames import ChromaLayout, ColorFrame, ColorTags, VideoInfo
from vidcolor.media.canvas import Canvas, color_codes
from vidcolor.media.encoders import (
    ENCODERS,
    Encoder,
    choose_format,
    container_format,
    container_holds,
    default_encoder,
    encoder,
    encoder_options,
)
from vidcolor.media.matroska import set_sample_aspect
from vidcolor.media.streams import MOV_FAMILY, StreamCopier
from vidcolor.media.target import Target, same_file, writing

__all__ = ["ENCODERS", "VideoWriter", "default_encoder", "same_file"]

_FINEST_SCALE = 20_000_000
"""Ticks a second; with more, MP4's 31-bit lengths of frames would hold less than a minute and a half."""
_MOV_SMALLEST_SCALE = 10_000
"""movenc doubles a video track's scale until it reaches this."""
_MOV_DEFAULT_SCALE = 1000
_LARGEST_SCALE = 2**31 - 1
_PROGRESSIVE = 1
"""AV_FIELD_PROGRESSIVE."""
_RATE_ONLY = frozenset({"avi"})
"""Containers that know no times but number and rate."""
_FALLBACK_RATE = Fraction(25)
_MOST_REORDERED = 16
"""Frames no encoder reorders more of."""
_PARAMETER_LISTS = ("x264-params", "x264opts", "x265-params", "svtav1-params")
"""Options that are lists of options; libav only warns of what it does not know in them."""
_NOT_UNDERSTOOD = re.compile(r"error parsing|unknown option|invalid value", re.IGNORECASE)


class VideoWriter:
    """A file being written; a context manager that finishes it, or removes it after an exception."""

    bit_depth: int
    """Bits of the samples ``write`` wants Cb and Cr in."""
    layout: ChromaLayout
    """Size of the Cb and Cr planes ``write`` wants."""
    tags: ColorTags
    """Range and matrix Cb and Cr must be made in; what the file will say of itself."""
    left_out: list[str]
    """Streams that could not be brought along, in a few words each; what is converted is not among them."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        source: InputContainer | None,
        video: VideoInfo,
        *,
        codec: str | None = None,
        crf: float | None = None,
        preset: str | None = None,
        pix_fmt: str | None = None,
        extra: Iterable[tuple[str, str]] = (),
        tags: Mapping[str, str] | None = None,
        overwrite: bool = False,
        start: Fraction | None = None,
        end: Fraction | None = None,
        begin: Fraction = Fraction(0),
        notify: Callable[[str], None] = lambda sentence: None,
    ) -> None:
        """Opens the encoder and writes the file's header.

        Args:
            path: the file to make; its ending says the container.
            source: the open film, whose other streams, chapters and tags are brought along; None: nothing is.
            video: the stream that is coloured, as the reader hands it out.
            codec: name of an encoder, one of ``ENCODERS``; None: the one that suits the container.
            crf: the encoder's constant quality; None: ours.
            preset: the encoder's own word for how hard it tries; None: ours.
            pix_fmt: pixel format of the result; None: the source's depth and layout where the encoder can.
            extra: further options of the encoder, applied last.
            tags: added to the film's own tags; a comment is added to the one there is.
            overwrite: whether a file of that name is replaced.
            start: first moment wanted, in seconds from the film's beginning; it becomes 0 of the result.
            end: first moment not wanted any more, likewise.
            begin: the film's beginning on the clock of the frames, in seconds, as the reader says it.
            notify: gets one sentence for each thing the user should know.

        Raises:
            UsageError: an option is unknown or does not fit the others.
            OutputError: the file exists already, or its place cannot be written to.
        """
        self._notify = notify
        self._video = video
        self._container_name = container_format(path)
        self._entry = self._choose_encoder(path, codec)
        self._form = choose_format(
            *(self._entry, video.bit_depth, video.layout, (video.width, video.height), pix_fmt)
        )
        self.bit_depth, self.layout = self._form.depth, self._form.layout
        self.tags = replace(video.tags, matrix=None) if video.tags.matrix == "gbr" else video.tags
        given = dict(extra)
        options = encoder_options(self._entry, self._form, crf=crf, preset=preset, extra=given.items())
        if source is not None:
            _refuse_own_source(path, source)
        self._target = Target(path, overwrite=overwrite)
        self._shift, self._limit = _range(begin, start, end)
        self._trimmed = bool(start)
        self._lock = Lock()
        self._durations: dict[int, int] = {}
        self._first_pts: int | None = None
        self._last_pts: int | None = None
        self._last_dts: int | None = None
        self._typical = 0
        self._open(source, options, given, dict(tags or {}))
        self._tell_changes(pix_fmt)

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            self.abort()

    @property
    def path(self) -> Path:
        """Where the result will be."""
        return self._target.final

    def write(self, frame: ColorFrame) -> None:
        """Encodes a frame; frames come in the order of their times.

        ``frame.cb`` and ``frame.cr`` are ``layout.size(H, W)`` planes of ``bit_depth`` bits, uint8 or uint16;
        the luma is of the source's depth and is brought to the result's where they differ.

        Raises:
            OutputError: the file cannot be written on.
        """
        picture = self._canvas.paint(frame)
        picture.pts, picture.time_base = self._ticks(frame), self._time_base
        with writing(self._target.final):
            packets = self._stream.encode(picture)
        self._mux(packets)

    def copy(self, packet: av.Packet[Any]) -> None:
        """Takes a packet of another stream of the source, from any thread; its stream may be one left out.

        Raises:
            OutputError: the file cannot be written on.
        """
        with self._lock, writing(self._target.final):
            if self._container is not None:
                self._copier.copy(packet)

    def close(self) -> None:
        """Finishes the file and moves it to its name.

        Raises:
            OutputError: the file could not be finished (nothing is left of it then), or its name was taken
                meanwhile (the result is kept under another, which the message names).
        """
        if self._container is None:
            return
        try:
            with writing(self._target.final):
                packets = self._stream.encode(None)
            self._mux(packets)
            with self._lock, writing(self._target.final):
                self._copier.finish()
                self._end_container()
                self._mend_aspect()
        except BaseException:
            self.abort()
            raise
        self._target.commit()

    def abort(self) -> None:
        """Gives up: removes what was written."""
        with self._lock:
            # libav wants to finish the file before it lets go of it; what that raises no longer matters.
            with suppress(Exception):
                self._end_container()
            self._target.discard()

    # Opening

    def _choose_encoder(self, path: str | os.PathLike[str], codec: str | None) -> Encoder:
        entry = encoder(codec or default_encoder(path, self._video.bit_depth))
        if not container_holds(self._container_name, entry.name):
            able = ", ".join(name for name in ENCODERS if container_holds(self._container_name, name))
            what = f"A {Path(path).suffix} file cannot hold what {entry.name} makes"
            raise UsageError(f"{what}; it takes {able or 'none of our encoders'}.")
        return entry

    def _open(
        self,
        source: InputContainer | None,
        options: dict[str, str],
        extra: dict[str, str],
        tags: dict[str, str],
    ) -> None:
        self._container: OutputContainer | None = None
        try:
            with writing(self._target.final):
                self._container = av.open(f"file:{self._target.temporary}", "w", format=self._container_name)
                self._copier = StreamCopier(
                    *(source, self._container, self._video.index),
                    shift=self._shift,
                    limit=self._limit,
                    trimmed=self._trimmed,
                    notify=self._notify,
                )
                self._copier.add_streams(self._add_video(options))
                self.left_out = self._copier.left_out
                self._open_encoder(extra)
                self._copier.describe(tags)
                self._container.container_options.update(self._muxer_options())
                self._container.start_encoding()
        except BaseException:
            self.abort()
            raise

    def _add_video(self, options: dict[str, str]) -> Callable[[], Any]:
        def add() -> Any:
            assert self._container is not None
            rate = self._video.average_rate or _FALLBACK_RATE
            self._stream: Any = self._container.add_stream(self._entry.name, rate=rate, options=options)
            # Matroska counts tracks from 1, and attached files are none.
            self._track_number = sum(s.type != "attachment" for s in self._container.streams)
            self._configure(self._stream)
            return self._stream

        return add

    def _configure(self, stream: Any) -> None:
        video, context = self._video, stream.codec_context
        self._time_base = self._choose_time_base()
        stream.time_base = context.time_base = self._time_base
        context.width, context.height = video.width, video.height
        context.pix_fmt = self._entry.semi_planar.get(self._form.name, self._form.name)
        # PyAV asks for slice threads, which makes x264 slice its pictures: larger files, and slower.
        context.thread_type = "AUTO"
        context.field_order = _PROGRESSIVE
        for attribute, code in color_codes(self.tags).items():
            setattr(context, attribute, code)
        if self.tags.siting and self._form.layout == ChromaLayout(1, 1):
            context.options = {"chroma_sample_location": self.tags.siting, **context.options}
        if video.sample_aspect != 1:
            context.sample_aspect_ratio = video.sample_aspect
        if video.rotation:
            stream.set_display_rotation(video.rotation)
        if self._entry.codec == "hevc" and self._container_name in MOV_FAMILY:
            context.codec_tag = "hvc1"  # Apple's players know H.265 by no other name
        self._canvas = Canvas(
            *(self._form, video.width, video.height, self.tags), source_depth=video.bit_depth
        )

    def _choose_time_base(self) -> Fraction:
        if self._container_name not in _RATE_ONLY:
            return _time_base(self._video.time_base, self._shift)
        self._stream.codec_context.max_b_frames = 0  # nor can they say that order and time differ
        return 1 / (self._video.average_rate or _FALLBACK_RATE)

    def _open_encoder(self, extra: dict[str, str]) -> None:
        context = self._stream.codec_context
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

    def _muxer_options(self) -> dict[str, str]:
        if self._container_name in MOV_FAMILY:
            return {"movie_timescale": str(self._movie_scale())}
        if self._container_name in ("matroska", "webm") and self._copier.starts_near_zero:
            # Sound may start a little before 0 (its codec's delay); libav would move all streams for it.
            return {"avoid_negative_ts": "disabled"}
        return {}

    def _movie_scale(self) -> int:
        """Ticks a second in which every track's delay is a whole number: the file counts delays in them."""
        video = self._time_base.denominator
        while video < _MOV_SMALLEST_SCALE:
            video *= 2
        # Chapters are a track counted in these ticks too, and the length of one must fit 31 bits.
        largest = _LARGEST_SCALE // max(1, math.ceil(self._copier.longest_chapter))
        scales = (math.lcm(video, *self._copier.track_scales), video, _MOV_DEFAULT_SCALE)
        return next(scale for scale in scales if scale <= largest or scale == _MOV_DEFAULT_SCALE)

    def _tell_changes(self, wanted: str | None) -> None:
        video, form, name = self._video, self._form, self._entry.name
        if form.depth < video.bit_depth:
            self._notify(
                f"{name} has no {video.bit_depth}-bit format here: luma is rounded to {form.depth} bits."
            )
        elif form.depth > video.bit_depth:
            self._notify(
                f"The result has {form.depth} bits instead of {video.bit_depth}; every luma value is kept."
            )
        if form.layout != video.layout and wanted is None:
            odd = "for odd sizes " if self._entry.whole_chroma and (video.width | video.height) % 2 else ""
            self._notify(
                f"{name} has no format {odd}with the source's chroma size: the result is {form.name}."
            )
        kept = self._entry.range_in_stream or self._container_name == "matroska"
        if self.tags.range == "full" and not kept:
            self._notify(
                f"{self._target.final.suffix} files cannot say that {self._entry.codec} is full range; "
                "players may show the result too contrasty (.mkv can)."
            )

    # Frames

    def _ticks(self, frame: ColorFrame) -> int:
        """The frame's time in units of the result's time base, after the frame before it."""
        time, base = frame.frame.time, self._time_base
        ticks = round((time.exact - self._shift) / base)
        length = round(frame.frame.duration * time.time_base / base)
        if self._last_pts is not None:
            if self._container_name in _RATE_ONLY:
                ticks = max(ticks, self._last_pts + 1)
            if ticks <= self._last_pts:
                raise ValueError(f"frame {frame.frame.index} does not come after the one before it")
            self._typical = ticks - self._last_pts
        else:
            self._first_pts = ticks
        self._last_pts = ticks
        self._durations[ticks] = length
        return ticks

    def _mux(self, packets: Iterable[av.Packet[Any]]) -> None:
        with self._lock, writing(self._target.final):
            if self._container is None:
                raise OutputError(f"{self._target.final} was given up.")
            for packet in packets:
                # Encoders drop or guess lengths; the last frame's is told nowhere else.
                length = self._durations.pop(packet.pts, 0) if packet.pts is not None else 0
                packet.duration = length or self._usual_length() or self._typical
                self._mend_dts(packet)
                self._container.mux_one(packet)

    def _mend_dts(self, packet: av.Packet[Any]) -> None:
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
            delayed = packet.pts - self._stream.codec_context.reorder_depth * step
            packet.dts = delayed if self._last_dts is None else min(max(delayed, earliest), packet.pts)
        self._last_dts = packet.dts

    def _usual_length(self) -> int:
        rate = self._video.average_rate
        return round(1 / (rate * self._time_base)) if rate else 0

    # The end

    def _end_container(self) -> None:
        container, self._container = self._container, None
        if container is not None:
            container.close()

    def _mend_aspect(self) -> None:
        # PyAV does not hand the aspect to the muxer, and Matroska's takes it from nowhere else.
        video = self._video
        if self._container_name not in ("matroska", "webm") or video.sample_aspect == 1:
            return
        place, size = self._target.temporary, (video.width, video.height)
        if not set_sample_aspect(place, self._track_number, *size, video.sample_aspect):
            self._notify(
                "The aspect of the samples could not be stored; tell the player to stretch the picture."
            )


def _time_base(source: Fraction, shift: Fraction) -> Fraction:
    """The result's unit of time: one over a whole number, so that MP4 can count in it.

    The source's times are whole numbers of it, and so is what is taken from them where that stays countable.
    """
    scale = math.lcm(source.denominator, shift.denominator)
    if scale > _FINEST_SCALE:
        scale = source.denominator
    if scale > _FINEST_SCALE:
        scale //= next((k for k in range(2, 1000) if scale % k == 0 and scale // k <= _FINEST_SCALE), 1)
    return Fraction(1, min(scale, _FINEST_SCALE))


def _range(begin: Fraction, start: Fraction | None, end: Fraction | None) -> tuple[Fraction, Fraction | None]:
    """What is taken from every time, and where the result ends on its own clock; in seconds."""
    shift = begin + start if start else Fraction(0)
    return shift, None if end is None else begin + end - shift


def _refuse_own_source(path: str | os.PathLike[str], source: InputContainer) -> None:
    name = source.name.removeprefix("file:")
    same = _is_standard_input(path) if name == "fd:" else os.path.exists(name) and same_file(path, name)
    if same:
        raise UsageError(f"{Path(path)} is the input itself; name another file for the result.")


def _is_standard_input(path: str | os.PathLike[str]) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(0))
    except OSError:
        return False


def _open_watched(context: Any, watch: bool) -> list[str]:
    """Opens an encoder; with ``watch`` returns what it says of options it does not know."""
    if not watch:
        context.open()
        return []
    level = av.logging.get_level()
    av.logging.set_level(av.logging.WARNING)
    try:
        with av.logging.Capture() as logs:
            context.open()
    finally:
        av.logging.set_level(level)
    said = [message.strip().rstrip(".") for _, _, message in logs]
    return [message for message in said if _NOT_UNDERSTOOD.search(message)]


def _not_opened(
    entry: Encoder, video: VideoInfo, extra: dict[str, str], asked: dict[str, str], error: Exception
) -> UsageError | OutputError:
    if entry.hardware:
        return OutputError(
            f"{entry.name} needs an NVIDIA card with its driver and an encoder on it; none answered here."
        )
    if extra:
        given = ", ".join(f"{key}={value}" for key, value in extra.items())
        return UsageError(f"{entry.name} refuses these options: {given}.")
    reason = getattr(error, "strerror", None) or str(error)
    return OutputError(
        f"{entry.name} cannot encode {video.width}x{video.height} pictures ({asked}): {reason}."
    )
