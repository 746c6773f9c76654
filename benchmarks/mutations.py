"""Files made wrong on purpose: bits flipped, bytes cut out, boxes resized, headers swapped.

Every function takes the bytes of a whole file and a random generator, and gives the bytes of the damaged one;
the same seed damages in the same way. Boxes are found in MP4, Matroska, AVI, MPEG-TS, GIF and safetensors;
what is none of these has its numbers changed instead.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

__all__ = ["KINDS", "mutate"]

_HEAD = 2048
"""Bytes at the beginning that are hit more often than others: sizes, rates and counts lie there."""
_EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
_MP4_PARENTS = frozenset(
    {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"dinf", b"edts", b"udta", b"moof", b"traf", b"mvex"}
)
_EBML_PARENTS = frozenset({0x18538067, 0x1654AE6B, 0xAE, 0xE0, 0x1F43B675, 0xA0, 0x1C53BB6B, 0xBB, 0xB7})
"""Segment, Tracks, TrackEntry, Video, Cluster, BlockGroup, Cues, CuePoint, CueTrackPositions (RFC 9559)."""


@dataclass(frozen=True, slots=True)
class _Size:
    """A number in a file that says how long something is."""

    place: int
    width: int
    little: bool = False
    ebml: bool = False
    """Whether the first byte's leading zeros say the width (RFC 8794)."""


def flip(data: bytes, rng: Random, other: bytes) -> bytes:
    """A few bits anywhere."""
    return _flipped(data, rng, len(data))


def flip_head(data: bytes, rng: Random, other: bytes) -> bytes:
    """A few bits near the beginning."""
    return _flipped(data, rng, min(_HEAD, len(data)))


def cut_out(data: bytes, rng: Random, other: bytes) -> bytes:
    """A run of bytes is missing."""
    start = rng.randrange(len(data))
    return data[:start] + data[start + rng.choice((1, 3, 188, rng.randint(1, len(data)))) :]


def truncate(data: bytes, rng: Random, other: bytes) -> bytes:
    """The end is missing."""
    return data[: rng.randrange(1, len(data))]


def overwrite(data: bytes, rng: Random, other: bytes) -> bytes:
    """A run of bytes is zeros, ones or noise."""
    start = rng.randrange(len(data))
    length = min(rng.choice((4, 64, 1024, 16384)), len(data) - start)
    fill = rng.choice((bytes(length), b"\xff" * length, rng.randbytes(length)))
    return data[:start] + fill + data[start + length :]


def number(data: bytes, rng: Random, other: bytes) -> bytes:
    """One to four numbers near the beginning are extreme: sizes, rates, counts."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        width = min(rng.choice((2, 4, 8)), len(data))
        place = rng.randrange(min(_HEAD, len(data) - width + 1))
        _put(changed, _Size(place, width, little=rng.random() < 0.5), rng.choice(_EXTREMES))
    return bytes(changed)


def resize(data: bytes, rng: Random, other: bytes) -> bytes:
    """One or two boxes say that they are longer or shorter than they are."""
    sizes = list(_sizes(data))
    if not sizes:
        return number(data, rng, other)
    changed = bytearray(data)
    for size in rng.sample(sizes, min(len(sizes), rng.randint(1, 2))):
        old = int.from_bytes(data[size.place : size.place + size.width], "little" if size.little else "big")
        near = (old + rng.randint(-16, 16), old * 2, old // 2, old + rng.randint(1, 1 << 20))
        _put(changed, size, rng.choice((*near, *_EXTREMES)))
    return bytes(changed)


def swap_head(data: bytes, rng: Random, other: bytes) -> bytes:
    """It begins as another file does."""
    length = rng.choice((8, 32, 256, 1024, 4096, rng.randint(1, len(other))))
    kept = length if rng.random() < 0.5 else 0  # over its own beginning, or before it
    return other[:length] + data[kept:]


KINDS: dict[str, Callable[[bytes, Random, bytes], bytes]] = {
    f.__name__: f for f in (flip, flip_head, cut_out, truncate, overwrite, number, resize, swap_head)
}


def mutate(data: bytes, kind: str, rng: Random, other: bytes) -> bytes:
    """A damaged copy.

    Args:
        data: the file; at least 16 bytes.
        kind: one of ``KINDS``.
        rng: where and how.
        other: another file, whose beginning may be taken.
    """
    return KINDS[kind](data, rng, other)


def _flipped(data: bytes, rng: Random, end: int) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 2, 8, 64))):
        changed[rng.randrange(end)] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _put(data: bytearray, size: _Size, value: int) -> None:
    if size.ebml:
        bits = 7 * size.width
        value = (abs(value) & ((1 << bits) - 1)) | 1 << bits
    value = abs(value) & ((1 << 8 * size.width) - 1)
    data[size.place : size.place + size.width] = value.to_bytes(
        size.width, "little" if size.little else "big"
    )


# Where the sizes lie


def _sizes(data: bytes) -> Iterator[_Size]:
    if data[4:8] in (b"ftyp", b"moov", b"mdat", b"free", b"wide"):
        yield from _mp4(data, 0, len(data))
    elif data[:4] == b"\x1aE\xdf\xa3":
        yield from _ebml(data, 0, len(data))
    elif data[:4] == b"RIFF":
        yield from _riff(data, 0, len(data))
    elif data[:3] == b"GIF":
        yield from _gif(data)
    elif data[:1] == b"G" and data[188:189] == b"G":
        yield from _transport(data)
    elif data[8:9] == b"{":
        yield from _safetensors(data)


def _mp4(data: bytes, start: int, end: int) -> Iterator[_Size]:
    while start + 8 <= end:
        length, kind = struct.unpack(">I4s", data[start : start + 8])
        yield _Size(start, 4)
        if kind in _MP4_PARENTS:
            yield from _mp4(data, start + 8, min(start + length, end))
        elif kind in (b"stts", b"stsz", b"stsc", b"stco", b"ctts", b"elst", b"stss", b"stsd"):
            yield _Size(start + (16 if kind == b"stsz" else 12), 4)  # how many entries
        if length < 8:
            return
        start += length


def _ebml(data: bytes, start: int, end: int) -> Iterator[_Size]:
    while start + 2 <= end and data[start]:
        id_width = 9 - data[start].bit_length()
        name = int.from_bytes(data[start : start + id_width], "big")
        place = start + id_width
        if place >= end or not data[place]:
            return
        width = 9 - data[place].bit_length()
        yield _Size(place, width, ebml=True)
        payload = place + width
        length = int.from_bytes(data[place:payload], "big") & ((1 << 7 * width) - 1)
        stop = min(payload + length, end)
        if name in _EBML_PARENTS:
            yield from _ebml(data, payload, stop)
        start = stop


def _riff(data: bytes, start: int, end: int) -> Iterator[_Size]:
    while start + 8 <= end:
        kind, length = struct.unpack("<4sI", data[start : start + 8])
        yield _Size(start + 4, 4, little=True)
        if kind in (b"RIFF", b"LIST"):
            yield from _riff(data, start + 12, min(start + 8 + length, end))
        start += 8 + length + length % 2


def _gif(data: bytes) -> Iterator[_Size]:
    yield from (_Size(6, 2, little=True), _Size(8, 2, little=True))
    place = data.find(b"\x2c", 13)
    while 0 < place < len(data) - 10:
        yield from (_Size(place + offset, 2, little=True) for offset in (1, 3, 5, 7))
        yield _Size(place + 10, 1)
        place = data.find(b"\x00\x2c", place + 10) + 1


def _transport(data: bytes) -> Iterator[_Size]:
    for start in range(0, len(data) - 188, 188):
        if data[start + 3] & 0x20:
            yield _Size(start + 4, 1)  # the adaptation field's
        if data[start + 1] & 0x40:
            yield _Size(start + 8, 2)  # a packet's or a table's, where there is no adaptation field


def _safetensors(data: bytes) -> Iterator[_Size]:
    yield _Size(0, 8, little=True)
