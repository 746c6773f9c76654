"""Sound and text in another codec, for containers that cannot hold the source's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import av
import av.error
from av.container import OutputContainer

__all__ = ["AudioConverter", "Converter", "Plan", "TextConverter", "audio_plans", "text_plans"]

_AUDIO = {
    "aac": "AAC",
    "libopus": "Opus",
    "flac": "FLAC",
    "ac3": "AC-3",
    "libmp3lame": "MP3",
    "pcm_s16le": "PCM",
}
"""Encoders of sound, best first."""
_TEXT = {"mov_text": "MOV text", "subrip": "SubRip", "webvtt": "WebVTT", "ass": "ASS"}
_BITS_A_CHANNEL = 96_000
"""Bits a second for one channel of lossy sound: above where listeners hear a difference."""
_OPUS_RATE = 48_000


class Converter(Protocol):
    """Packets in, packets of another codec out, on the same clock."""

    out: Any
    """The stream of the result they belong to."""
    broken: int
    """Packets that could not be decoded."""

    def convert(self, packet: av.Packet[Any]) -> Iterator[av.Packet[Any]]: ...

    def flush(self) -> Iterator[av.Packet[Any]]: ...


@dataclass(frozen=True, slots=True)
class Plan:
    """A codec to convert to."""

    label: str
    """What people call it."""
    add: Callable[[OutputContainer], Any]
    """Adds a stream that encodes it."""


def audio_plans(stream: Any, form: str) -> Iterator[Plan]:
    """Ways to hold a stream's sound, best first."""
    names = sorted(_AUDIO, key=lambda name: name != "pcm_s16le") if form == "mxf" else list(_AUDIO)
    layouts = dict.fromkeys((stream.layout.name, "5.1" if stream.channels == 6 else "stereo", "stereo"))
    for name in names:
        for layout in layouts:
            yield Plan(_AUDIO[name], partial(_add_audio, name=name, layout=layout, stream=stream))


def _add_audio(output: OutputContainer, name: str, layout: str, stream: Any) -> Any:
    rate = _OPUS_RATE if name == "libopus" else stream.rate
    out: Any = output.add_stream(name, rate=rate)
    out.codec_context.layout = layout
    if name not in ("flac", "pcm_s16le"):
        out.codec_context.bit_rate = _BITS_A_CHANNEL * out.codec_context.layout.nb_channels
    return out


class AudioConverter:
    """Decodes, resamples where the encoder wants it, and encodes."""

    def __init__(self, out: Any) -> None:
        self.out = out
        self.broken = 0
        context = out.codec_context
        context.open(strict=False)
        self._resampler = av.AudioResampler(
            format=context.format,
            layout=context.layout,
            rate=context.sample_rate,
            frame_size=context.frame_size or None,
        )
        self._decoder: Any = None

    def convert(self, packet: av.Packet[Any]) -> Iterator[av.Packet[Any]]:
        self._decoder = packet.stream.codec_context
        yield from self._encode(packet)

    def flush(self) -> Iterator[av.Packet[Any]]:
        if self._decoder is not None:
            yield from self._encode(None)
            for frame in self._resampler.resample(None):
                yield from self.out.encode(frame)
            yield from self.out.encode(None)

    def _encode(self, packet: av.Packet[Any] | None) -> Iterator[av.Packet[Any]]:
        try:
            frames = self._decoder.decode(packet)
        except av.error.FFmpegError:
            self.broken += 1
            return
        for frame in frames:
            for resampled in self._resampler.resample(frame):
                yield from self.out.encode(resampled)


def text_plans(stream: Any) -> Iterator[Plan]:
    """Ways to hold a stream's subtitles as text, best first; none for pictures of text."""
    if not stream.codec_context.codec.text_sub:
        return
    for name, label in _TEXT.items():
        yield Plan(label, partial(_add_text, name=name, stream=stream))


def _add_text(output: OutputContainer, name: str, stream: Any) -> Any:
    source = stream.codec_context
    source.open(strict=False)
    out: Any = output.add_stream(name)
    out.codec_context.subtitle_header = source.subtitle_header
    out.time_base = out.codec_context.time_base = stream.time_base
    return out


class TextConverter:
    """Decodes lines of text and encodes them anew; times stay with the packets."""

    def __init__(self, out: Any) -> None:
        self.out = out
        self.broken = 0
        out.codec_context.open(strict=False)

    def convert(self, packet: av.Packet[Any]) -> Iterator[av.Packet[Any]]:
        try:
            lines: Any = packet.stream.codec_context.decode2(packet)
            if not lines:
                return
            made = self.out.codec_context.encode_subtitle(lines)
        except av.error.FFmpegError:
            self.broken += 1
            return
        made.pts = made.dts = packet.pts
        made.duration, made.time_base = packet.duration, packet.time_base
        made.is_keyframe = True
        yield made

    def flush(self) -> Iterator[av.Packet[Any]]:
        yield from ()
