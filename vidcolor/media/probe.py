"""What a file holds, as its header says it, and its first picture where the header does not say all.

>>> info = probe("film.mkv")
>>> info.streams[info.best_video].video.width
640
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import islice, pairwise
from typing import Any, Literal

import av
import av.error
from av.container import InputContainer

from vidcolor.frames import Attachment, Chapter, Known, MediaInfo, StreamInfo, VideoInfo
from vidcolor.limits import MAX_PIXELS
from vidcolor.media.containers import has_flag
from vidcolor.media.dump import Dump, read_dump
from vidcolor.media.names import codec_name, color_tags, field_order
from vidcolor.media.side_data import first_picture, hdr_of, orientation_of
from vidcolor.media.source import Packet, Source, demux, is_file, is_seekable, open_input, source_name
from vidcolor.media.subsampling import chroma_layout

__all__ = ["describe", "is_picture", "probe"]

RATE_PACKETS = 240
"""Packets looked at to tell a constant rate from a varying one."""
INDEX_ENTRIES = 4096
HDR = frozenset({"smpte2084", "arib-std-b67"})
"""Transfers with which HDR10's metadata goes."""
HDR_CODECS = frozenset({"h264", "hevc", "av1", "vp9"})
"""What films with it are coded in, tagged or not, with more than 8 bits."""
FASTEST = 240
"""Frames a second above which a rate is doubted."""
PICTURES = frozenset({"attached_pic", "timed_thumbnails", "still_image"})
SECOND_BEST = frozenset({"dependent", "hearing_impaired", "visual_impaired", "descriptions"})
CLOCK = re.compile(r"^(\d{1,6}):(\d{2}):(\d{2}(?:\.\d{1,18})?)$", re.ASCII)
COUNT = re.compile(r"^\d{1,15}$", re.ASCII)
Origin = Literal["from header", "counted", "estimated"]


def probe(source: Source, *, count: bool = False) -> MediaInfo:
    """Describes a file; with ``count`` its frames and packets are counted by reading it to the end.

    Raises:
        InputError: the file is not there, cannot be read, or is not a media file.
    """
    with open_input(source) as container:
        info = describe(container, source)
        if count:
            return _counted(container, info)
        return _with_rates(container, info) if is_seekable(source) else info


def describe(container: InputContainer, source: Source, *, max_pixels: int = MAX_PIXELS) -> MediaInfo:
    """Describes an open container, from which nothing is read.

    Where the first picture has more to say than the header, a file is opened once more for it, and no picture
    larger than ``max_pixels`` decoded.
    """
    dump = read_dump(container)
    origin = _origin(container)
    streams = tuple(
        _with_picture(_stream(container, stream, dump, origin), source, dump, max_pixels)
        for stream in container.streams
    )
    start, duration = container.start_time, container.duration
    return MediaInfo(
        name=source_name(source),
        format=container.format.name,
        format_long=container.format.long_name,
        size=_size(source),
        start=None if start is None else Fraction(start, av.time_base),
        duration=None if duration is None else Known(Fraction(duration, av.time_base), origin),
        bit_rate=container.bit_rate or None,
        tags=dict(container.metadata),
        streams=streams,
        chapters=tuple(_chapters(container)),
        attachments=tuple(_attachments(container)),
        programmes=tuple(dump.programmes),
        best_video=_best_video(streams),
    )


def is_picture(stream: StreamInfo) -> bool:
    """Whether a video stream is a cover or a set of thumbnails, not a film."""
    return not PICTURES.isdisjoint(stream.disposition)


def _origin(container: InputContainer) -> Origin:
    """Broadcast and raw formats have no duration in their header: libav guesses it.

    What it has of ASF and NUT is the whole file's, not a stream's.
    """
    if container.format.name in ("asf", "nut"):
        return "estimated"
    guesses = has_flag(container, "ts_discont") or has_flag(container, "no_timestamps")
    return "estimated" if guesses and container.format.name != "ogg" else "from header"


def _size(source: Source) -> int | None:
    path = source if isinstance(source, str | os.PathLike) else None
    return os.path.getsize(path) if path is not None and os.path.isfile(path) else None


def _best_video(streams: Sequence[StreamInfo]) -> int | None:
    """The film among the video streams: marked default, then largest, then first (as av_find_best_stream)."""
    films = [s for s in streams if s.video is not None and s.decodable and not is_picture(s)]
    if not films:
        return None
    return max(films, key=_rank).index


def _rank(stream: StreamInfo) -> tuple[bool, bool, int, int, int]:
    assert stream.video is not None
    plain = SECOND_BEST.isdisjoint(stream.disposition)
    area = stream.video.width * stream.video.height
    return plain, "default" in stream.disposition, area, stream.bit_rate or 0, -stream.index


def _stream(container: InputContainer, stream: Any, dump: Dump, origin: Origin) -> StreamInfo:
    context = stream.codec_context
    audio = context if stream.type == "audio" else None
    return StreamInfo(
        index=stream.index,
        kind=stream.type,
        codec=codec_name(stream),
        codec_tag=dump.codec_tag.get(stream.index),
        profile=stream.profile,
        language=stream.language,
        disposition=tuple(str(flag.name) for flag in stream.disposition),
        tags=dict(stream.metadata),
        time_base=stream.time_base,
        start=_seconds(stream.start_time, stream),
        duration=_duration(container, stream, origin),
        frame_count=_frame_count(container, stream, origin),
        bit_rate=(context.bit_rate or None) if context else None,
        decodable=context is not None,
        video=_video(container, stream, dump, origin) if stream.type == "video" and context else None,
        sample_rate=audio.sample_rate if audio else None,
        channels=audio.channels if audio else None,
        channel_layout=audio.layout.name if audio else None,
    )


def _video(container: InputContainer, stream: Any, dump: Dump, origin: Origin) -> VideoInfo | None:
    """None where libav found neither a size nor a pixel format: nothing can be decoded from that."""
    context = stream.codec_context
    if not (context.width and context.height and context.pix_fmt):
        return None
    components = context.format.components
    return VideoInfo(
        index=stream.index,
        codec=codec_name(stream) or "unknown",
        width=context.width,
        height=context.height,
        pixel_format=context.pix_fmt,
        bit_depth=max(c.bits for c in components),
        layout=chroma_layout(context.format),
        tags=color_tags(context, dump.siting.get(stream.index)),
        sample_aspect=stream.sample_aspect_ratio or Fraction(1),
        rotation=round(dump.rotation.get(stream.index, 0) / 90) * 90 % 360,
        field_order=field_order(context),
        time_base=stream.time_base,
        average_rate=_average_rate(stream),
        frame_count=_frame_count(container, stream, origin),
        duration=_duration(container, stream, origin),
        start=_seconds(stream.start_time, stream),
        constant_rate=_constant_by_index(stream),
        # VP8 and VP9 carry alpha beside the picture, where their decoders do not look.
        has_alpha=any(c.is_alpha for c in components) or stream.metadata.get("alpha_mode") == "1",
    )


def _with_picture(stream: StreamInfo, source: Source, dump: Dump, max_pixels: int) -> StreamInfo:
    """With what its first picture alone shows: HDR10's metadata, and which way a matrix mirrors."""
    video = stream.video
    if video is None or is_picture(stream) or not is_file(source):
        return stream
    telling = stream.index in dump.rotation or video.tags.transfer in HDR or video.tags.primaries == "bt2020"
    if not (telling or (video.bit_depth > 8 and video.codec in HDR_CODECS)):
        return stream
    picture = first_picture(source, stream.index, max_pixels=max_pixels)
    if picture is None:
        return stream
    orientation, _ = orientation_of(picture) or (video.orientation, True)
    hdr, _ = hdr_of(picture)
    video = replace(video, rotation=90 * orientation.turns, mirrored=orientation.mirrored, hdr=hdr)
    return replace(stream, video=video)


def _seconds(pts: int | None, stream: Any) -> Fraction | None:
    return None if pts is None else pts * stream.time_base


def _duration(container: InputContainer, stream: Any, origin: Origin) -> Known[Fraction] | None:
    if stream.duration is not None and stream.time_base:
        return Known(stream.duration * stream.time_base, origin)
    if match := CLOCK.match(_tag(stream, "DURATION")):
        said = int(match[1]) * 3600 + int(match[2]) * 60 + Fraction(match[3])
        if not _tag(stream, "_STATISTICS_WRITING_APP"):  # mkvmerge says how long it is, libav when it ends
            said -= max(_seconds(stream.start_time, stream) or Fraction(0), Fraction(0))
        if said > 0:
            return Known(said, "from header")
    if stream.type == "video" and container.duration is not None:
        return Known(Fraction(container.duration, av.time_base), "estimated")  # the longest stream's
    return None


def _frame_count(container: InputContainer, stream: Any, origin: Origin) -> Known[int] | None:
    if stream.frames:
        return Known(stream.frames, "from header")
    if match := COUNT.match(_tag(stream, "NUMBER_OF_FRAMES")):
        return Known(int(match[0]), "from header")
    duration = _duration(container, stream, origin)
    if stream.type != "video" or stream.codec_context is None or duration is None:
        return None
    rate = _average_rate(stream)
    return None if rate is None else Known(round(duration.value * rate), "estimated")


def _average_rate(stream: Any) -> Fraction | None:
    """Frames a second; in place of what is a clock's ticks a second, which libav takes from H.264 where a
    Matroska file says nothing, what it guesses from the first frames."""
    rate, guess = stream.average_rate, stream.guessed_rate
    if rate and guess and rate > FASTEST and rate > 4 * guess:
        rate = guess
    return rate or None


def _tag(stream: Any, name: str) -> str:
    """A Matroska statistics tag, which mkvmerge writes with a language behind its name."""
    return next((v for k, v in stream.metadata.items() if k.split("-")[0] == name), "")


def _chapters(container: InputContainer) -> Iterator[Chapter]:
    for chapter in container.chapters():
        base = chapter["time_base"] or Fraction(1)
        yield Chapter(chapter["start"] * base, chapter["end"] * base, dict(chapter["metadata"]))


def _attachments(container: InputContainer) -> Iterator[Attachment]:
    for stream in container.streams.attachments:
        yield Attachment(stream.index, stream.name, stream.mimetype, len(stream.data))


def _constant_by_index(stream: Any) -> bool | None:
    """From the file's index where it lists every frame (MP4, MOV, AVI); its times are those of decoding."""
    entries = stream.index_entries
    if len(entries) < 3 or len(entries) < stream.frames:
        return None
    return _evenly_spaced([entry.timestamp for entry in islice(entries, INDEX_ENTRIES)])


def _evenly_spaced(times: Sequence[int]) -> bool | None:
    """Whether times advance by one step, give or take the one unit that rounding costs."""
    steps = [after - before for before, after in pairwise(times)]
    return max(steps) - min(steps) <= 1 if len(steps) > 1 else None


def _with_rates(container: InputContainer, info: MediaInfo) -> MediaInfo:
    """Looks at the first packets of the film where the index did not tell whether its rate is constant."""
    best = None if info.best_video is None else info.streams[info.best_video].video
    if best is None or best.constant_rate is not None:
        return info
    stream = container.streams[best.index]
    times = sorted(p.pts for p in islice(_packets(container, stream), RATE_PACKETS) if p.pts is not None)
    return _with_video(info, replace(best, constant_rate=_evenly_spaced(times)))


def _counted(container: InputContainer, info: MediaInfo) -> MediaInfo:
    counts = dict.fromkeys(range(len(info.streams)), 0)
    ends: dict[int, Fraction] = {}
    times: list[int] = []
    for packet in _packets(container):
        counts[packet.stream_index] += 1
        if packet.stream_index == info.best_video and packet.pts is not None:
            times = [*times, packet.pts] if len(times) < RATE_PACKETS else times
            end = (packet.pts + (packet.duration or 0)) * packet.time_base
            ends[packet.stream_index] = max(end, ends.get(packet.stream_index, end))
    streams = [replace(s, frame_count=Known(counts[s.index], "counted")) for s in info.streams]
    info = replace(info, streams=tuple(streams))
    best = None if info.best_video is None else info.streams[info.best_video].video
    if best is None or not times:
        return info
    length = ends[best.index] - sorted(times)[0] * best.time_base
    return _with_video(
        info,
        replace(
            best,
            constant_rate=_evenly_spaced(sorted(times)),
            frame_count=Known(counts[best.index], "counted"),
            duration=Known(length, "counted"),
        ),
    )


def _with_video(info: MediaInfo, video: VideoInfo) -> MediaInfo:
    streams = list(info.streams)
    stream = streams[video.index]
    streams[video.index] = replace(
        stream, video=video, frame_count=video.frame_count, duration=video.duration
    )
    return replace(info, streams=tuple(streams))


def _packets(container: InputContainer, *streams: Any) -> Iterator[Packet]:
    """Packets until the end, or until the file breaks off."""
    try:
        yield from demux(container, *streams)
    except av.error.FFmpegError:
        return
