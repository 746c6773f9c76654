"""What libav prints about an open file and PyAV has no attribute for: siting, rotation, programmes."""

from __future__ import annotations

import logging
import re
import threading
from dataclasses import dataclass, field

import av.logging
from av.container import InputContainer

from vidcolor.frames import Programme

__all__ = ["Dump", "read_dump"]

SITINGS = frozenset({"left", "center", "topleft", "top", "bottomleft", "bottom"})
STREAM_LINE = re.compile(r"^\s+Stream #\d+:(\d+)")
PROGRAMME_LINE = re.compile(r"^\s+Program (\d+) ?(.*)$")
# Tags are listed too, and may hold anything: only libav's own line counts.
ROTATION = re.compile(r"^\s+Display Matrix: rotation of (-?\d+(?:\.\d+)?) degrees$", re.IGNORECASE | re.ASCII)
CODEC_TAG = re.compile(r"\((\S{4}) / 0x[0-9A-F]{8}\)")
TAG_LINE = re.compile(r"^\s+(\S[^:]*?)\s*: (.*)$")

# libav's log level and PyAV's callback belong to the process: one dump at a time.
_lock = threading.Lock()
logging.getLogger("libav").addHandler(logging.NullHandler())


@dataclass(slots=True)
class Dump:
    """The findings, by stream index."""

    siting: dict[int, str] = field(default_factory=dict)
    rotation: dict[int, float] = field(default_factory=dict)
    """Counter-clockwise, in degrees."""
    codec_tag: dict[int, str] = field(default_factory=dict)
    """Printable ones."""
    programmes: list[Programme] = field(default_factory=list)


def read_dump(container: InputContainer) -> Dump:
    """Reads libav's description of an open input."""
    return _parse(_text(container))


def _text(container: InputContainer) -> str:
    with _lock:
        before = av.logging.get_level()
        av.logging.set_level(av.logging.VERBOSE)
        av.logging.set_libav_level(av.logging.VERBOSE)  # below it the chroma siting is left out
        try:
            return str(container.dumps_format())  # type: ignore[attr-defined]
        except UnicodeError:
            return ""
        finally:
            av.logging.set_libav_level(av.logging.INFO)
            av.logging.set_level(before)


def _parse(text: str) -> Dump:
    found = Dump()
    stream: int | None = None
    programme: Programme | None = None
    for line in text.splitlines():
        if match := PROGRAMME_LINE.match(line):
            programme = Programme(int(match[1]), {"name": match[2]} if match[2] else {}, ())
            found.programmes.append(programme)
            stream = None
        elif line.strip() == "No Program":
            programme = None
        elif match := STREAM_LINE.match(line):
            stream = int(match[1])
            programme = _with_stream(found, programme, stream)
            _siting(found, stream, line)
            if tag := CODEC_TAG.search(line):
                found.codec_tag[stream] = tag[1]
        elif stream is not None and (match := ROTATION.match(line)):
            found.rotation[stream] = float(match[1])
        elif stream is None and programme is not None and (match := TAG_LINE.match(line)):
            programme.tags[match[1]] = match[2]
    return found


def _with_stream(found: Dump, programme: Programme | None, stream: int) -> Programme | None:
    if programme is None:
        return None
    grown = Programme(programme.id, programme.tags, (*programme.streams, stream))
    found.programmes[-1] = grown
    return grown


def _siting(found: Dump, stream: int, line: str) -> None:
    for group in re.findall(r"\(([^()]*)\)", line):
        for word in group.split(", "):
            if word in SITINGS:
                found.siting[stream] = word
