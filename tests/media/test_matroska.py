"""The aspect put into finished Matroska files."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from tests.clips import decode_luma, make_clip, packets
from vidcolor.media.matroska import _elements, display_size, set_sample_aspect
from vidcolor.media.probe import probe

SEGMENT, SEEK_HEAD, SEEK, SEEK_ID, SEEK_POSITION, CRC = 0x18538067, 0x114D9B74, 0x4DBB, 0x53AB, 0x53AC, 0xBF


def top_level(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """``(id, place in the segment, payload)`` of what a file consists of."""
    segment = next(e for e in _elements(data, 0, len(data)) if e.id == SEGMENT)
    for element in _elements(data, segment.data, len(data)):
        yield element.id, element.start - segment.data, data[element.data : element.end]


def contents(data: bytes) -> dict[int, int]:
    """What the file's list of contents says: ids and places."""
    head = next(payload for id_, _, payload in top_level(data) if id_ == SEEK_HEAD)
    listed = {}
    for entry in _elements(head, 0, len(head)):
        if entry.id == SEEK:
            fields = {e.id: head[e.data : e.end] for e in _elements(head, entry.data, entry.end)}
            listed[int.from_bytes(fields[SEEK_ID], "big")] = int.from_bytes(fields[SEEK_POSITION], "big")
    return listed


@pytest.mark.parametrize("ending", ["mkv", "webm"])
@pytest.mark.parametrize("aspect", [Fraction(16, 15), Fraction(32, 27), Fraction(1, 2), Fraction(64, 45)])
def test_aspect(tmp_path: Path, ending: str, aspect: Fraction) -> None:
    film = make_clip(tmp_path / f"a.{ending}", codec="libvpx-vp9", size=(90, 96), frames=4, chapters=True)
    before, luma = film.read_bytes(), decode_luma(film)
    assert set_sample_aspect(film, 1, 90, 96, aspect)
    after = film.read_bytes()
    video = probe(film).streams[0].video
    assert video is not None
    assert video.sample_aspect == aspect
    assert len(after) == len(before)
    assert [a.tobytes() for a in decode_luma(film)] == [b.tobytes() for b in luma]
    assert len(probe(film).chapters) == 2
    places = {id_: place for id_, place, _ in top_level(after)}
    assert {id_: places[id_] for id_ in contents(after)} == contents(after)


def test_checksums_hold(tmp_path: Path) -> None:
    film = make_clip(tmp_path / "a.mkv", codec="ffv1", size=(90, 96), frames=4, audio=1, attachment=True)
    sound = packets(film, "audio")
    assert set_sample_aspect(film, 1, 90, 96, Fraction(16, 15))
    checked = 0
    for _, _, payload in top_level(film.read_bytes()):
        first = next(_elements(payload, 0, len(payload)), None)
        if first is not None and first.id == CRC:
            assert payload[first.data : first.end] == zlib.crc32(payload[first.end :]).to_bytes(4, "little")
            checked += 1
    assert checked >= 3
    assert packets(film, "audio") == sound


def test_again(tmp_path: Path) -> None:
    """A value that is there already is replaced."""
    film = make_clip(tmp_path / "a.mkv", codec="ffv1", size=(90, 96), frames=4)
    for aspect in (Fraction(16, 15), Fraction(4, 3)):
        assert set_sample_aspect(film, 1, 90, 96, aspect)
        video = probe(film).streams[0].video
        assert video is not None
        assert video.sample_aspect == aspect


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    film = make_clip(tmp_path / "a.mp4", frames=2)
    before = film.read_bytes()
    assert not set_sample_aspect(film, 1, 64, 48, Fraction(4, 3))
    assert film.read_bytes() == before


def test_display_size() -> None:
    assert display_size(720, 576, Fraction(16, 15)) == (768, 576)
    assert display_size(720, 480, Fraction(32, 27)) == (720, 405)
    assert display_size(720, 480, Fraction(8, 9)) == (640, 480)
    assert display_size(719, 481, Fraction(12, 11)) == (784, 481)
