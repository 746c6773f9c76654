"""Files attached to a film: fonts, and covers, which Matroska keeps as such."""

from __future__ import annotations

from typing import Any

import av
import av.error
from av.container import InputContainer, OutputContainer

from vidcolor.media.names import codec_name

__all__ = ["attach_cover", "attach_file", "attachment_name"]

_PICTURES = {"mjpeg": ("jpg", "jpeg"), "png": ("png", "png")}
"""Codecs of covers: the ending of a file's name, and its MIME type's."""


def attachment_name(stream: Any) -> str:
    """The file's name, or what messages call one without."""
    return stream.name or f"attachment {stream.index}"


def attach_file(output: OutputContainer, stream: Any) -> None:
    """Copies a stream that is a file."""
    kind = stream.mimetype or "application/octet-stream"
    out = output.add_attachment(attachment_name(stream), kind, stream.data)
    out.metadata.update({k: v for k, v in stream.metadata.items() if k not in ("filename", "mimetype")})


def attach_cover(output: OutputContainer, source: InputContainer, stream: Any) -> bool:
    """Attaches the picture of a stream of ``source``; returns whether it could be read."""
    picture = _cover(source, stream)
    if picture is None:
        return False
    codec = codec_name(stream) or "unknown"
    ending, kind = _PICTURES.get(codec, (codec, codec))
    name = stream.metadata.get("filename") or f"cover.{ending}"
    output.add_attachment(name, stream.metadata.get("mimetype") or f"image/{kind}", picture)
    return True


def _cover(source: InputContainer, stream: Any) -> bytes | None:
    """A cover's bytes, read from the file anew: attachments are part of the header."""
    try:
        with av.open(source.name, metadata_errors="replace") as again:
            for packet in again.demux(again.streams[stream.index]):
                if packet.size:
                    return bytes(packet)
    except (av.error.FFmpegError, OSError, ValueError, IndexError):
        pass
    return None
