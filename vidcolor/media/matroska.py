"""Writes the aspect into finished Matroska and WebM files.

libavformat's Matroska muxer takes the aspect from a field of its stream that PyAV does not set (18.1), so
anamorphic FFV1, VP9 and AV1 would be shown squeezed. The muxer leaves an empty ("Void") element between its
list of contents and the description of the tracks; here the latter grows into it by the two elements
DisplayWidth and DisplayHeight. Nothing behind the tracks moves. (RFC 8794, EBML; RFC 9559, Matroska.)
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

__all__ = ["display_size", "set_sample_aspect"]

_SEGMENT, _SEEK_HEAD, _VOID, _TRACKS = 0x18538067, 0x114D9B74, 0xEC, 0x1654AE6B
_SEEK, _SEEK_POSITION, _CRC = 0x4DBB, 0x53AC, 0xBF
_TRACK, _TRACK_NUMBER, _VIDEO = 0xAE, 0xD7, 0xE0
_DISPLAY_WIDTH, _DISPLAY_HEIGHT, _DISPLAY_UNIT = 0x54B0, 0x54BA, 0x54B2
_HEAD_BYTES = 1 << 24
"""The description of the tracks lies before this."""


@dataclass(frozen=True, slots=True)
class _Element:
    id: int
    start: int
    """Where its id begins."""
    data: int
    """Where its payload begins."""
    end: int


def display_size(width: int, height: int, aspect: Fraction) -> tuple[int, int]:
    """``(width, height)`` a picture of non-square samples is shown at, exact where whole numbers allow it."""
    if (wide := width * aspect).denominator == 1:
        return int(wide), height
    if (high := height / aspect).denominator == 1:
        return width, int(high)
    return round(width * aspect), height


def set_sample_aspect(path: Path, track: int, width: int, height: int, aspect: Fraction) -> bool:
    """Stores the aspect of track number ``track``; returns whether the file had the expected build.

    ``width`` and ``height`` are the stored picture's, ``aspect`` is the width over the height of a sample.
    """
    with path.open("r+b") as file:
        head = file.read(_HEAD_BYTES)
        changed = _with_display_size(head, track, display_size(width, height, aspect))
        if changed is None:
            return False
        file.seek(0)
        file.write(changed)
    return True


def _with_display_size(head: bytes, track: int, shown: tuple[int, int]) -> bytes | None:
    """The beginning of a file up to the end of its tracks, changed and as long as it was."""
    segment = next((e for e in _elements(head, 0, len(head)) if e.id == _SEGMENT), None)
    if segment is None:
        return None
    parts: dict[int, _Element] = {}
    for element in _elements(head, segment.data, len(head)):
        parts.setdefault(element.id, element)
        if element.id == _TRACKS:
            break
    if not {_SEEK_HEAD, _VOID, _TRACKS} <= parts.keys():
        return None
    seek, void, tracks = parts[_SEEK_HEAD], parts[_VOID], parts[_TRACKS]
    described = _tracks(head[tracks.data : tracks.end], track, shown)
    grown = len(described) - (tracks.end - tracks.start)
    room = void.end - void.start - grown
    if room < 2 or not seek.end <= void.start < tracks.start:
        return None
    moved = range(void.end - segment.data, tracks.end - segment.data)
    return b"".join(
        (
            head[: seek.start],
            _seek_head(head[seek.data : seek.end], moved, grown, seek),
            head[seek.end : void.start],
            _void(room),
            head[void.end : tracks.start],
            described,
        )
    )


def _tracks(payload: bytes, number: int, shown: tuple[int, int]) -> bytes:
    made = b""
    for element in _elements(payload, 0, len(payload)):
        inside = payload[element.data : element.end]
        if element.id == _TRACK and _value(inside, _TRACK_NUMBER) == number:
            made += _element(_TRACK, _track(inside, shown))
        elif element.id != _CRC:
            made += payload[element.start : element.end]
    return _element(_TRACKS, _checked(payload, made))


def _track(payload: bytes, shown: tuple[int, int]) -> bytes:
    made = b""
    for element in _elements(payload, 0, len(payload)):
        if element.id == _VIDEO:
            made += _element(_VIDEO, _video(payload[element.data : element.end], shown))
        else:
            made += payload[element.start : element.end]
    return made


def _video(payload: bytes, shown: tuple[int, int]) -> bytes:
    replaced = (_DISPLAY_WIDTH, _DISPLAY_HEIGHT, _DISPLAY_UNIT)
    made = b"".join(
        payload[e.start : e.end] for e in _elements(payload, 0, len(payload)) if e.id not in replaced
    )
    return made + _element(_DISPLAY_WIDTH, _number(shown[0])) + _element(_DISPLAY_HEIGHT, _number(shown[1]))


def _seek_head(payload: bytes, moved: range, by: int, old: _Element) -> bytes:
    """The list of contents with the places of what moved; every number keeps its length."""
    changed = bytearray(payload)
    for entry in _elements(payload, 0, len(payload)):
        if entry.id != _SEEK:
            continue
        for field in _elements(payload, entry.data, entry.end):
            place = int.from_bytes(payload[field.data : field.end], "big")
            if field.id == _SEEK_POSITION and place in moved:
                changed[field.data : field.end] = (place - by).to_bytes(field.end - field.data, "big")
    crc = next((e for e in _elements(payload, 0, len(payload)) if e.id == _CRC), None)
    if crc is not None:
        changed[crc.data : crc.end] = zlib.crc32(bytes(changed[crc.end :])).to_bytes(4, "little")
    head = _SEEK_HEAD.to_bytes(4, "big") + _size(len(changed), old.data - old.start - 4)
    return head + bytes(changed)


def _checked(old: bytes, payload: bytes) -> bytes:
    """Puts a checksum before the payload where there was one."""
    if any(e.id == _CRC for e in _elements(old, 0, len(old))):
        return _element(_CRC, zlib.crc32(payload).to_bytes(4, "little")) + payload
    return payload


def _elements(data: bytes, start: int, end: int) -> Iterator[_Element]:
    """Elements lying one after the other; one that is longer than ``data`` ends with it."""
    while start < end:
        id_, after = _vint(data, start, marked=True)
        size, payload = _vint(data, after, marked=False)
        stop = min(payload + size, end)
        yield _Element(id_, start, payload, stop)
        start = stop


def _vint(data: bytes, start: int, *, marked: bool) -> tuple[int, int]:
    """A number of variable length and where it ends; ids keep the bit that marks their length."""
    length = 9 - data[start].bit_length()
    value = int.from_bytes(data[start : start + length], "big")
    return (value if marked else value & ((1 << 7 * length) - 1)), start + length


def _size(value: int, length: int = 0) -> bytes:
    """A size of ``length`` bytes, or of as few as hold it; all bits set would mean "unknown"."""
    length = length or next(n for n in range(1, 9) if value < (1 << 7 * n) - 1)
    return (value | 1 << 7 * length).to_bytes(length, "big")


def _number(value: int) -> bytes:
    return value.to_bytes((value.bit_length() + 7) // 8 or 1, "big")


def _element(id_: int, payload: bytes) -> bytes:
    return _number(id_) + _size(len(payload)) + payload


def _void(length: int) -> bytes:
    """An empty element of ``length`` bytes in all (2 or more)."""
    field = 1 if length < 2 + 126 else 8
    inside = length - 1 - field
    return bytes((_VOID,)) + _size(inside, field) + bytes(inside)


def _value(payload: bytes, id_: int) -> int | None:
    for element in _elements(payload, 0, len(payload)):
        if element.id == id_:
            return int.from_bytes(payload[element.data : element.end], "big")
    return None
