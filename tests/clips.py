"""Small films for the tests, made with PyAV and the same on every machine.

>>> clip = make_clip(tmp_path / "a.mkv", frames=10, audio=2, subtitles=True)
>>> decode_pts(clip)[:2]
[Fraction(0, 1), Fraction(1, 24)]

The picture is a diagonal gradient that moves with time and a bright square that moves across it, so no two
frames are alike; ``cuts`` change the gradient's direction and level. The video is coded without loss unless
``options`` say otherwise, so the luma that comes back is ``luma_pattern(n, size, bits)`` for YUV and grey
formats.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np

from vidcolor.media.priority import priority_kept

LOSSLESS: dict[str, dict[str, str]] = {
    "libx264": {"preset": "ultrafast", "qp": "0", "bf": "2", "threads": "1"},
    "libx265": {"preset": "ultrafast", "x265-params": "lossless=1:log-level=none:pools=1:frame-threads=1"},
    "libvpx-vp9": {"lossless": "1", "cpu-used": "8", "threads": "1"},
    "mpeg2video": {"qmin": "2", "qmax": "2", "bf": "2"},
    "mpeg4": {"qmin": "2", "qmax": "2"},
}
"""Encoder options that keep the samples (nearly so for the two MPEG codecs)."""

COLOR_CODES: dict[str, dict[str | None, int]] = {
    "color_range": {None: 0, "limited": 1, "full": 2},
    "colorspace": {None: 2, "gbr": 0, "bt709": 1, "bt470bg": 5, "smpte170m": 6, "bt2020nc": 9, "ictcp": 14},
    "color_primaries": {None: 2, "bt709": 1, "bt470bg": 5, "smpte170m": 6, "bt2020": 9},
    "color_trc": {
        None: 2,
        "bt709": 1,
        "smpte170m": 6,
        "iec61966-2-1": 13,
        "smpte2084": 16,
        "arib-std-b67": 18,
    },
}
"""H.273's numbers for FFmpeg's names, as far as tests use them."""

MASTERING = tuple(
    map(Fraction, ("0.68", "0.32", "0.265", "0.69", "0.15", "0.06", "0.3127", "0.329", "0.0001", "1000"))
)
"""A display with the primaries of P3: x and y of red, green, blue and white, least and most cd/m²."""

FONT = b"not a real font, but bytes that must come through"


def make_clip(
    path: Path,
    *,
    size: tuple[int, int] = (64, 48),
    frames: int = 12,
    rate: Fraction | int = 24,
    pix_fmt: str = "yuv420p",
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    format: str | None = None,
    pts: Sequence[int] | None = None,
    time_base: Fraction | None = None,
    videos: int = 1,
    cover: bool = False,
    audio: int = 0,
    audio_codec: str = "aac",
    audio_layout: str = "mono",
    subtitles: bool = False,
    chapters: bool = False,
    tags: dict[str, str] | None = None,
    attachment: bool = False,
    rotation: int = 0,
    mirrored: bool = False,
    sar: Fraction | None = None,
    color: tuple[str | None, str | None, str | None, str | None] | None = None,
    interlaced: bool | Literal["bottom"] = False,
    colourful: bool = False,
    cuts: Sequence[int] = (),
) -> Path:
    """Writes a film and returns its path; the container is the one of the path's suffix or ``format``.

    ``size`` is (width, height). ``pts`` are in units of ``time_base`` (default ``1 / rate``) and make the
    film VFR; ``frames`` is then not used. ``videos`` is the number of video streams: the second has half the
    size. ``color`` is (range, matrix, primaries, transfer) in FFmpeg's names, ``rotation`` counter-clockwise;
    ``mirrored`` it is after that. ``interlaced``: "bottom" marks the bottom field as first, though the upper
    one is. ``cuts`` are the numbers of frames that start a new shot. Audio tracks are sines of 440·k Hz,
    English and German. Chapters: two, "one" and "two". Subtitles: one line a half second, SubRip or mov_text.
    """
    pts = list(pts) if pts is not None else list(range(frames))
    base = Fraction(time_base) if time_base is not None else 1 / Fraction(rate)
    seconds = max(float((max(pts) + 1) * base), 0.05)
    writing = partial(av.open, str(path), "w", format=format, container_options=container_options)
    with priority_kept(), writing() as out:
        out.metadata.update(tags or {})
        sources = []
        for number in range(videos):
            shape = size if number == 0 else (size[0] // 2, size[1] // 2)
            stream = _video_stream(out, codec, shape, rate, base, pix_fmt, options)
            _describe(stream, rotation, mirrored, sar, color, interlaced)
            sources.append(_video_packets(stream, pts, base, color, interlaced, colourful, cuts))
        if cover:
            sources.append(_cover_packets(out))
        for number in range(audio):
            sources.append(_audio_packets(out, audio_codec, audio_layout, number, seconds))
        if subtitles:
            sources.append(_subtitle_packets(out, seconds))
        if attachment:
            out.add_attachment("font.ttf", "application/x-truetype-font", FONT)
        if chapters:
            out.set_chapters(_two_chapters(seconds))
        for source in sources:
            for packet in source:
                out.mux(packet)
    return path


def make_hdr_clip(path: Path, transfer: str | None = "smpte2084") -> Path:
    """Two frames in HDR10, graded on a display like :data:`MASTERING`; MaxCLL 1,000 and MaxFALL 400 cd/m²."""
    x, y = 50_000, 10_000
    red, green, blue, white = (
        f"({n * x},{m * x})" for n, m in zip(MASTERING[:8:2], MASTERING[1:8:2], strict=True)
    )
    display = f"G{green}B{blue}R{red}WP{white}L({MASTERING[9] * y},{MASTERING[8] * y})"
    words = f"log-level=none:hdr10=1:repeat-headers=1:master-display={display}:max-cll=1000,400"
    return make_clip(
        path,
        frames=2,
        codec="libx265",
        pix_fmt="yuv420p10le",
        options={"preset": "ultrafast", "x265-params": words},
        color=("limited", "bt2020nc", "bt2020", transfer) if transfer else None,
    )


def luma_pattern(number: int, size: tuple[int, int], bits: int = 8, cuts: Sequence[int] = ()) -> np.ndarray:
    """The luma of frame ``number``: ``(height, width)``, uint8 or uint16, inside limited range."""
    width, height = size
    y, x = np.mgrid[0:height, 0:width]
    shot = sum(number >= cut for cut in cuts)
    slope = (2 * x + y, x - 3 * y, 5 * y, -4 * x + y)[shot % 4]
    level = (slope + 3 * number + 60 * shot) % 160 + 30
    left = (4 * number) % max(width - 8, 1)
    level[height // 3 : height // 3 + 8, left : left + 8] = 220
    codes = (level << (bits - 8)) + (number % (1 << (bits - 8)))
    return codes.astype(np.uint8 if bits == 8 else np.uint16)


def decode_luma(path: Path, stream: int = 0) -> list[np.ndarray]:
    """Raw luma planes of a file's video stream number ``stream``, at their own depth."""
    with av.open(str(path)) as container:
        return [_plane(frame, 0).copy() for frame in container.decode(video=stream)]


def decode_pts(path: Path, stream: int = 0) -> list[Fraction]:
    """Times of a file's decoded video frames, in seconds."""
    with av.open(str(path)) as container:
        frames = container.decode(video=stream)
        return [Fraction(frame.time_base or 0) * (frame.pts or 0) for frame in frames]


def packets(path: Path, kind: str, number: int = 0) -> list[bytes]:
    """Payloads of all packets of stream ``number`` of a ``kind``: "video", "audio", "subtitles", "data"."""
    with av.open(str(path)) as container:
        return [bytes(p) for p in container.demux(getattr(container.streams, kind)[number]) if p.size]


def truncate(path: Path, target: Path, keep: float) -> Path:
    """Copies the first ``keep`` share (0–1) of a file's bytes."""
    data = path.read_bytes()
    target.write_bytes(data[: int(len(data) * keep)])
    return target


def remux(path: Path, target: Path, edit: Any = None, format: str | None = None) -> Path:
    """Copies a file packet by packet through ``edit(packet, number) -> packet, bytes or None``.

    ``number`` counts the packets of the stream. Bytes replace the packet's payload, None drops the packet.
    """
    with av.open(str(path)) as source, av.open(str(target), "w", format=format) as out:
        streams = {s.index: out.add_stream_from_template(s) for s in source.streams}
        seen = dict.fromkeys(streams, 0)
        for packet in source.demux():
            if packet.size == 0:
                continue
            index = packet.stream_index
            edited = edit(packet, seen[index]) if edit else packet
            seen[index] += 1
            if edited is None:
                continue
            if isinstance(edited, bytes):
                edited = _replaced(packet, edited)
            edited.stream = streams[index]
            out.mux(edited)
    return target


def _replaced(packet: Any, data: bytes) -> Any:
    copy: Any = av.Packet(data)
    copy.pts, copy.dts, copy.duration = packet.pts, packet.dts, packet.duration
    copy.time_base, copy.is_keyframe = packet.time_base, packet.is_keyframe
    return copy


def _video_stream(
    out: Any, codec: str, size: tuple[int, int], rate: Any, base: Fraction, pix_fmt: str, options: Any
) -> Any:
    chosen = LOSSLESS.get(codec, {}) if options is None else options
    stream = out.add_stream(codec, rate=Fraction(rate), options=dict(chosen))
    stream.width, stream.height = size
    stream.pix_fmt = pix_fmt
    if av.VideoFormat(pix_fmt).is_rgb:
        stream.codec_context.colorspace = COLOR_CODES["colorspace"]["gbr"]  # FFV1 refuses RGB without it
    stream.codec_context.time_base = base
    stream.time_base = base
    return stream


def _describe(stream: Any, rotation: int, mirrored: bool, sar: Any, color: Any, interlaced: Any) -> None:
    if rotation or mirrored:
        stream.set_display_rotation(rotation, hflip=mirrored)
    if sar is not None:
        stream.codec_context.sample_aspect_ratio = sar
    if color is not None:
        _paint_tags(stream.codec_context, color)
    if interlaced:
        context = stream.codec_context
        context.flags |= av.codec.context.Flags.interlaced_dct | av.codec.context.Flags.interlaced_me
        context.field_order = 3 if interlaced == "bottom" else 2  # AV_FIELD_BB, AV_FIELD_TT
        if context.name == "libx264":
            first = "bff" if interlaced == "bottom" else "tff"
            context.options = {**context.options, "x264-params": f"{first}=1:fake-interlaced=0"}


def _paint_tags(target: Any, color: Sequence[str | None]) -> None:
    for (name, codes), value in zip(COLOR_CODES.items(), color, strict=True):
        if value is not None:
            setattr(target, name, codes[value])


def _video_packets(
    stream: Any, pts: Sequence[int], base: Fraction, color: Any, interlaced: Any, colourful: bool, cuts: Any
) -> Iterator[Any]:
    size = (stream.width, stream.height)
    for number, stamp in enumerate(pts):
        frame = make_frame(
            number, size, stream.pix_fmt, interlaced=bool(interlaced), colourful=colourful, cuts=cuts
        )
        if interlaced:
            frame = _interlaced(frame, "bff" if interlaced == "bottom" else "tff")
        if color is not None:
            _paint_tags(frame, color)
        frame.pts, frame.time_base = stamp, base
        yield from stream.encode(frame)
    yield from stream.encode(None)


def _interlaced(frame: av.VideoFrame, mode: str) -> av.VideoFrame:
    """PyAV cannot mark a frame as interlaced; a filter can."""
    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 25)
    )
    graph.link_nodes(source, graph.add("setfield", f"mode={mode}"), graph.add("buffersink")).configure()
    frame.pts = 0
    graph.vpush(frame)
    return graph.vpull()


def make_frame(
    number: int,
    size: tuple[int, int],
    pix_fmt: str = "yuv420p",
    *,
    interlaced: bool = False,
    colourful: bool = False,
    cuts: Sequence[int] = (),
) -> av.VideoFrame:
    """One picture in any pixel format PyAV can fill or convert to."""
    form = av.VideoFormat(pix_fmt, *size)
    bits = max(component.bits for component in form.components)
    if pix_fmt == "pal8":
        return _palette_frame(luma_pattern(number, size, 8, cuts))
    if form.is_rgb or not pix_fmt.startswith(("yuv", "gray", "nv12", "p01")) or pix_fmt.startswith("yuyv"):
        depth = "yuv444p" if bits <= 8 else "yuv444p16le"
        flat = make_frame(number, size, depth, interlaced=interlaced, colourful=colourful, cuts=cuts)
        return flat.reformat(format=pix_fmt, src_color_range=1, dst_color_range=2 if form.is_rgb else 1)
    luma = luma_pattern(2 * number if interlaced else number, size, bits, cuts)
    if interlaced:
        luma[1::2] = luma_pattern(2 * number + 1, size, bits, cuts)[1::2]
    frame = av.VideoFrame(*size, pix_fmt)
    shift = 16 - bits if pix_fmt.startswith("p01") else 0
    _plane(frame, 0)[:] = luma << shift
    _fill_chroma(frame, bits, shift, colourful)
    return frame


def _fill_chroma(frame: av.VideoFrame, bits: int, shift: int, colourful: bool) -> None:
    for index in range(1, len(frame.planes)):
        plane = _plane(frame, index)
        plane[:] = (255 if index == 3 else 128) << (bits - 8 + shift)
        if colourful and index < 3:
            ramp = np.linspace(60, 190, plane.shape[1]).astype(int) << (bits - 8 + shift)
            plane[:] = ramp if index == 1 else ramp[::-1]


def _plane(frame: av.VideoFrame, index: int) -> np.ndarray:
    """A plane without its padding, as the samples it holds (interleaved chroma stays interleaved)."""
    plane = frame.planes[index]
    component = frame.format.components[0]
    sample = np.dtype(np.uint8 if component.bits <= 8 else (">u2" if frame.format.is_big_endian else "<u2"))
    width = plane.width * (2 if index == 1 and frame.format.name.startswith(("nv12", "p01")) else 1)
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, abs(plane.line_size))
    view = rows[:, : width * sample.itemsize].view(sample)
    return view[::-1] if plane.line_size < 0 else view


def _palette_frame(luma: np.ndarray) -> av.VideoFrame:
    grey = np.arange(256, dtype=np.uint8)
    palette = np.stack([np.full(256, 255, np.uint8), grey, grey, grey], axis=1)
    return av.VideoFrame.from_ndarray((luma, palette), format="pal8")  # type: ignore[arg-type]


def _cover_packets(out: Any) -> Iterator[Any]:
    stream = out.add_stream("mjpeg", rate=1)
    stream.width, stream.height, stream.pix_fmt = 320, 320, "yuvj420p"
    stream.disposition = av.stream.Disposition.attached_pic
    return _cover(stream)


def _cover(stream: Any) -> Iterator[Any]:
    yield from stream.encode(make_frame(0, (320, 320), "yuvj420p"))
    yield from stream.encode(None)


def _audio_packets(out: Any, codec: str, layout: str, number: int, seconds: float) -> Iterator[Any]:
    stream = out.add_stream(codec, rate=48000)
    stream.layout = layout
    stream.metadata["language"] = ("eng", "deu", "fra")[number % 3]
    stream.metadata["title"] = f"track {number}"
    return _sine(stream, 440 * (number + 1), seconds)


def _sine(stream: Any, hertz: float, seconds: float) -> Iterator[Any]:
    stream.codec_context.open(strict=False)
    step = stream.codec_context.frame_size or 1024
    for start in range(0, int(seconds * 48000), step):
        wave = 0.2 * np.sin(2 * np.pi * hertz * np.arange(start, start + step) / 48000)
        frame = av.AudioFrame.from_ndarray(wave.astype(np.float32)[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48000, start, Fraction(1, 48000)
        for resampled in av.AudioResampler(stream.format, stream.layout, 48000).resample(frame):
            yield from stream.encode(resampled)
    yield from stream.encode(None)


def _subtitle_packets(out: Any, seconds: float) -> Iterator[Any]:
    mov = out.format.name in ("mp4", "mov")
    stream = out.add_mux_stream("mov_text" if mov else "subrip")
    stream.metadata["language"] = "eng"
    stream.time_base = Fraction(1, 1000)
    return _lines(stream, mov, seconds)


def _lines(stream: Any, mov: bool, seconds: float) -> Iterator[Any]:
    for number in range(max(int(seconds * 2), 1)):
        text = f"line {number}".encode()
        packet = av.Packet(len(text).to_bytes(2, "big") + text if mov else text)
        packet.stream, packet.time_base = stream, Fraction(1, 1000)
        packet.pts = packet.dts = number * 500
        packet.duration, packet.is_keyframe = 400, True
        yield packet


def _two_chapters(seconds: float) -> list[Any]:
    middle, end = int(seconds * 500), int(seconds * 1000)
    ranges = [(0, middle, "one"), (middle, end, "two")]
    return [
        {"id": n, "start": a, "end": b, "time_base": Fraction(1, 1000), "metadata": {"title": title}}
        for n, (a, b, title) in enumerate(ranges, 1)
    ]
