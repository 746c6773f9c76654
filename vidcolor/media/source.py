"""Opening an input: names, and every way it can fail told in one sentence."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import av
import av.error
from av.container import InputContainer

from vidcolor.errors import InputError
from vidcolor.limits import MAX_PIXELS, decoder_limit

__all__ = [
    "PIPE_HINT",
    "READ_ERRORS",
    "Packet",
    "Source",
    "demux",
    "is_file",
    "is_known",
    "is_seekable",
    "open_input",
    "rewind",
    "source_name",
]

Source = str | os.PathLike[str] | BinaryIO
"""A path, "-" for standard input, a URL, a pattern of pictures ("frame%04d.png") or an open binary file."""
Packet: TypeAlias = "av.Packet[Any]"

READ_ERRORS = (av.error.FFmpegError, OSError)
"""What is raised where a file cannot be read on: by libav, and by what an open file calls."""
PROTOCOL_MARK = "://"
THOROUGH = {"probesize": "200000000", "analyzeduration": "120000000"}
"""Bytes and microseconds looked at where libav's own 5 MB and 5 s do not show all (a cut broadcast)."""
LIMITED_STREAMS = 64
"""Streams of a header whose pictures are not decoded above the limit while the file is opened."""
LISTS = frozenset({"concat", "dash", "hls", "imf", "rtp", "rtsp", "sdp", "vobsub", "webm_dash_manifest"})
"""Formats that name other files or hosts. A file from elsewhere could have any of them opened, itself among
them, without end; only who gives a URL asks for that."""
LIST_MARKS = (b"#EXTM3U", b"ffconcat", b"v=0", b"<?xml", b"<MPD")
"""How they begin."""
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


def is_file(source: Source) -> bool:
    """Whether it is a file with a name, which can be opened once more."""
    return isinstance(source, str | os.PathLike) and os.fspath(source) != "-" and os.path.isfile(source)


def rewind(source: Source) -> None:
    """Brings an input that can seek, and that has no path to open it by again, back to its start."""
    if source == "-":
        os.lseek(0, 0, os.SEEK_SET)
    elif not isinstance(source, str | os.PathLike):
        source.seek(0)


def open_input(source: Source, *, max_pixels: int = MAX_PIXELS) -> InputContainer:
    """Opens an input for demuxing; looks further into it where the first seconds do not show all.

    Pipes are not looked into further: a live broadcast would stand still meanwhile. No picture of more than
    ``max_pixels`` is decoded for it; from a pipe and in MPEG program streams, none of more than libav allows.

    Raises:
        InputError: it is not there, cannot be read, or is not a media file.
    """
    if isinstance(source, str | os.PathLike):
        _check_path(os.fspath(source))
    container = _open(source, {}, max_pixels)
    if is_seekable(source) and not all(map(is_known, container.streams)):
        container.close()
        rewind(source)
        container = _open(source, THOROUGH, max_pixels)
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


def _open(source: Source, options: dict[str, str], max_pixels: int) -> InputContainer:
    name = source_name(source)
    options = {"fd": "0", **options} if source == "-" else options
    if not (isinstance(source, str | os.PathLike) and PROTOCOL_MARK in os.fspath(source)):
        options = {"format_whitelist": _films(), **options}
    try:
        return _open_limited(source, options, max_pixels)
    except (av.error.InvalidDataError, av.error.EOFError, av.error.ArgumentError) as error:
        if isinstance(error, av.error.ArgumentError) and _is_list(source):
            raise InputError(f"{name} is no film but a list of others; give these.") from None
        if is_seekable(source):
            raise InputError(f"{name} is not a media file, or its header is damaged.") from None
        wrong = f"{name} is empty or not a media file, or its header is damaged"
        raise InputError(f"{wrong} ({PIPE_HINT}).") from None
    except (av.error.FFmpegError, OSError, ValueError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise InputError(f"{name} cannot be opened: {reason}.") from None


def _open_limited(source: Source, options: dict[str, str], max_pixels: int) -> InputContainer:
    # Tags in old files are often Latin-1; a wrong letter in a title is no reason to refuse the film.
    given: dict[str, Any] = {"options": options, "metadata_errors": "replace"}
    if not is_seekable(source):  # it could not be tried again
        return av.open(_target(source), "r", **given)
    limit = {"max_pixels": str(decoder_limit(max_pixels))}
    limits: Any = [limit] * LIMITED_STREAMS  # PyAV's stub says that they are text
    try:
        return av.open(_target(source), "r", stream_options=limits, **given)
    except ValueError as error:
        if "stream_options" not in str(error):
            raise
    # PyAV cannot tell decoders anything where streams show only as they come (MPEG program streams).
    rewind(source)
    return av.open(_target(source), "r", **given)


@cache
def _films() -> str:
    """What libav may take a file for."""
    return ",".join(sorted(av.formats_available - LISTS))


def _is_list(source: Source) -> bool:
    if not isinstance(source, str | os.PathLike) or not is_seekable(source) or source == "-":
        return False
    with open(source, "rb") as file:
        return file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(LIST_MARKS)


def _check_path(path: str) -> None:
    if not path:
        raise InputError("The name of the input is empty.")
    if path == "-" and is_seekable("-") and os.fstat(0).st_size == 0:
        raise InputError("standard input is empty.")
    if path == "-" or PROTOCOL_MARK in path or "%" in path:
        return
    if not os.path.exists(path):
        raise InputError(f"{path} does not exist.")
    if os.path.isdir(path):
        raise InputError(f"{path} is a folder, not a media file; 'vidcolor batch' colours the films in one.")
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
