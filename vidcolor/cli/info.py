"""``vidcolor info``: what a film holds."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import click

from vidcolor.cli.console import common_options, emit_json
from vidcolor.wording import counted, printable

if TYPE_CHECKING:
    from vidcolor.frames import Known, MediaInfo, StreamInfo, VideoInfo

__all__ = ["command"]


@click.command("info", short_help="Show what a film holds.")
@click.argument("file", type=click.Path(path_type=str, allow_dash=True, readable=False))
@click.option("--count", is_flag=True, help="Count frames and packets by reading the file to its end.")
@common_options
def command(file: str, count: bool, as_json: bool) -> None:
    """Show what FILE holds ("-" is stdin), as its header says it.

    The stream marked * is the one that 'vidcolor run' colours.
    """
    from vidcolor.media.probe import probe  # brings PyAV

    info = probe(file, count=count)
    if as_json:
        emit_json(**info.to_dict())
        return
    for line in _lines(info):
        click.echo(printable(line))


def _lines(info: MediaInfo) -> Iterator[str]:
    size = None if info.size is None else f"{info.size:,} bytes"
    whole = _joined(info.format_long, _known_time(info.duration), size, _bit_rate(info.bit_rate))
    yield f"{info.name}: {whole}"
    for stream in info.streams:
        if stream.kind == "attachment":
            continue  # told below
        yield from _stream_lines(stream, coloured=stream.index == info.best_video)
    if info.best_video is None:
        yield "  no video to colour"
    for programme in info.programmes:
        streams = ", ".join(str(index) for index in programme.streams)
        yield f"  programme {programme.id}: {_joined(programme.tags.get('name'), f'streams {streams}')}"
    for chapter in info.chapters:
        title = chapter.tags.get("title", "")
        yield f"  chapter {_clock(chapter.start)} to {_clock(chapter.end)} {title}".rstrip()
    for attachment in info.attachments:
        about = _joined(attachment.mime_type, f"{attachment.size:,} bytes")
        yield f"  {attachment.index} attachment {attachment.name or 'without a name'}: {about}"
    for name, value in info.tags.items():
        yield f"  tag {name}: {value}"


def _stream_lines(stream: StreamInfo, *, coloured: bool) -> Iterator[str]:
    head = f"{'*' if coloured else ' '} {stream.index} {stream.kind:9} "
    codec = f"{stream.codec} ({stream.profile})" if stream.profile else stream.codec or "unknown codec"
    language = None if stream.language == "und" else stream.language
    tail = (*stream.disposition, language, stream.tags.get("title"))
    if stream.video is not None:
        yield head + _joined(codec, *_picture(stream.video), _bit_rate(stream.bit_rate), *tail)
        yield " " * len(head) + _joined(*_time_and_colour(stream.video))
        return
    sound = (f"{stream.sample_rate} Hz" if stream.sample_rate else None, stream.channel_layout)
    yield head + _joined(
        codec, *sound, _bit_rate(stream.bit_rate), *tail, _known_count(stream.frame_count, "packet")
    )


def _picture(video: VideoInfo) -> Iterator[str | None]:
    yield f"{video.width}x{video.height}"
    yield f"{video.pixel_format} ({video.bit_depth} bit)"
    yield None if video.sample_aspect == 1 else f"sample aspect {_ratio(video.sample_aspect)}"
    yield f"rotated {video.rotation}°" if video.rotation else None
    yield "mirrored" if video.mirrored else None
    yield None if video.field_order in ("progressive", "unknown") else f"interlaced ({video.field_order})"


def _time_and_colour(video: VideoInfo) -> Iterator[str | None]:
    if video.average_rate is not None:
        steadiness = {True: " constant", False: " varying", None: ""}[video.constant_rate]
        yield f"{_decimal(video.average_rate)} frames/s{steadiness}"
    yield _known_count(video.frame_count, "frame")
    yield _known_time(video.duration)
    yield None if not video.start else f"starts at {_clock(video.start)}"
    tags = video.tags
    named = {
        "range": tags.range,
        "matrix": tags.matrix,
        "primaries": tags.primaries,
        "transfer": tags.transfer,
    }
    yield " ".join(f"{name} {value}" for name, value in named.items() if value) or "no colour tags"
    yield f"chroma at {tags.siting}" if tags.siting else None
    yield "HDR10 metadata" if video.hdr is not None else None


def _joined(*parts: str | None) -> str:
    return ", ".join(part for part in parts if part)


def _known_time(known: Known[Fraction] | None) -> str | None:
    return None if known is None else f"{_clock(known.value)} ({known.source})"


def _known_count(known: Known[Any] | None, unit: str) -> str | None:
    return None if known is None else f"{counted(known.value, unit)} ({known.source})"


def _bit_rate(bits: int | None) -> str | None:
    return None if bits is None else f"{bits / 1000:.0f} kbit/s"


def _ratio(value: Fraction) -> str:
    return f"{value.numerator}:{value.denominator}"


def _decimal(value: Fraction) -> str:
    return f"{float(value):.3f}".rstrip("0").rstrip(".")


def _clock(seconds: Fraction) -> str:
    """H:MM:SS.mmm, rounded to the millisecond."""
    sign = "-" if seconds < 0 else ""
    whole, milliseconds = divmod(round(abs(seconds) * 1000), 1000)
    minutes, rest = divmod(whole, 60)
    return f"{sign}{minutes // 60}:{minutes % 60:02}:{rest:02}.{milliseconds:03}"
