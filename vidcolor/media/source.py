"""Opening an input: names, and every way it can fail told in one sentence."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import av
import av.error
from av.container import InputContainer

from vidcolor.errors import InputError

__all__ = [
    "PIPE_HINT",
    "Packet",
    "Source",
    "demux",
    "is_known",
    "is_seekable",
    "open_input",
    "rewind",
    "source_name",
]

Source = str | os.PathLike[str] | BinaryIO
"""A path, "-" for standard input, a URL, a pattern of pictures ("frame%04d.png") or an open binary file."""
Packet: TypeAlias = "av.Packet[Any]"

PROTOCOL_MARK = "://"
THOROUGH = {"probesize": "200000000", "analyzeduration": "120000000"}
"""Bytes and microseconds looked at where libav's own 5 MB and 5 s do not show all (a cut broadcast)."""
PIPE_HINT = "an MP4 or MOV made for streaming (-movflags +faststart) can be read from a pipe, others cannot"
"""Why a film that plays from a file may not play from a pipe: its index lies at the end."""


def source_name(source: Source) -> str:
    """How messages call the input."""
    if isinstance(source, str | os.PathLike):
        return "standard input" if os.fspath(source) == "-" else os.fspath(source)
    return str(getattr(source, "name", "the input"))


def is_seekable(source: Source) -> bool:
    """Whether the input can be read from another place than its start."""
    if not isinstance(source, str | os.PathLike):
        seekable = getattr(source, "seekable", None)
        return bool(seekable()) if seekable else hasattr(source, "seek")
    path = os.fspath(source)
    try:
        mode = os.fstat(0).st_mode if path == "-" else os.stat(path).st_mode
    except OSError:
        return PROTOCOL_MARK in path or "%" in path
    return stat.S_ISREG(mode) or stat.S_ISBLK(mode)


def rewind(source: Source) -> None:
    """Brings an input that can seek, and that has no path to open it by again, back to its start."""
    if source == "-":
        os.lseek(0, 0, os.SEEK_SET)
    elif not isinstance(source, str | os.PathLike):
        source.seek(0)


def open_input(source: Source) -> InputContainer:
    """Opens an input for demuxing; looks further into it where the first seconds do not show all.

    Pipes are not looked into further: a live broadcast would stand still meanwhile.

    Raises:
        InputError: it is not there, cannot be read, or is not a media file.
    """
    if isinstance(source, str | os.PathLike):
        _check_path(os.fspath(source))
    container = _open(source, {})
    if is_seekable(source) and not all(map(is_known, container.streams)):
        container.close()
        rewind(source)
        container = _open(source, THOROUGH)
    return container


def demux(container: InputContainer, *streams: Any) -> Iterator[Packet]:
    """The packets of some streams, or of all, that hold data.

    Without the empty ones PyAV adds at the end: in the middle of an AVI an empty packet means "as before",
    and would tell the decoder that the film is over.
    """
    packets = container.demux(*streams)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, IndexError):
            return  # PyAV 18.1 stumbles at the end over streams that appeared in the middle of a broadcast
        if packet.size:
            yield packet


def is_known(stream: Any) -> bool:
    """Whether libav has found what picture or sound a stream holds, as far as it knows its codec."""
    context = stream.codec_context
    if context is not None and stream.type == "video":
        return bool(context.width and context.height and context.pix_fmt)
    if context is not None and stream.type == "audio":
        return bool(context.channels and context.sample_rate)
    return True


def _open(source: Source, options: dict[str, str]) -> InputContainer:
    name = source_name(source)
    options = {"fd": "0", **options} if source == "-" else options
    try:
        # Tags in old files are often Latin-1; a wrong letter in a title is no reason to refuse the film.
        return av.open(_target(source), "r", options=options, metadata_errors="replace")
    except (av.error.InvalidDataError, av.error.EOFError):
        hint = "" if is_seekable(source) else f" ({PIPE_HINT})"
        raise InputError(f"{name} is not a media file, or its header is damaged{hint}.") from None
    except (av.error.FFmpegError, OSError, ValueError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise InputError(f"{name} cannot be opened: {reason}.") from None


def _check_path(path: str) -> None:
    if path == "-" or PROTOCOL_MARK in path or "%" in path:
        return
    if not os.path.exists(path):
        raise InputError(f"{path} does not exist.")
    if os.path.isdir(path):
        raise InputError(f"{path} is a folder, not a media file.")
    if not os.access(path, os.R_OK):
        raise InputError(f"{path} may not be read by this user.")
    if os.path.isfile(path) and os.path.getsize(path) == 0:
        raise InputError(f"{path} is empty.")


def _target(source: Source) -> Any:
    if not isinstance(source, str | os.PathLike):
        return source
    path = os.fspath(source)
    if path == "-":
        return "fd:"  # unlike "pipe:", it can seek when standard input is a file
    if PROTOCOL_MARK in path:
        return path
    return f"file:{Path(path)}"  # the prefix keeps a colon in a name from reading as a protocol
