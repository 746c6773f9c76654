"""Which frames and shots are in colour already."""

from __future__ import annotations

import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.reels import scene
from vidcolor.frames import Frame, Timestamp
from vidcolor.media.reader import VideoReader
from vidcolor.temporal.in_color import Look, ShotMarker, look_of

DATA = Path(os.environ.get("VIDCOLOR_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
GREY, COLOR, BLACK = "grey", "color", "black"


def frame(kind: str, index: int = 0) -> Frame:
    ycc = cv2.cvtColor(scene(1), cv2.COLOR_RGB2YCrCb)
    luma = np.full(ycc.shape[:2], 16, np.uint8) if kind == BLACK else np.ascontiguousarray(ycc[..., 0])
    chroma = None
    if kind == COLOR:
        chroma = ycc[::2, ::2, 2].copy(), ycc[::2, ::2, 1].copy()
    return Frame(luma, Timestamp(index, Fraction(1, 24)), 1, index, chroma=chroma)


def marked(kinds: str, starts: tuple[int, ...] = (0,)) -> tuple[str, list[int], ShotMarker]:
    """Frames by letters, g, c and b; what is made of each, and the frames that start a shot."""
    names = {"g": GREY, "c": COLOR, "b": BLACK}
    marker = ShotMarker(8)
    found = list(marker.mark((frame(names[k], n), n in starts) for n, k in enumerate(kinds)))
    assert [one.frame.index for one in found] == list(range(len(kinds)))
    said = "".join("c" if one.in_color else "g" for one in found)
    return said, [one.frame.index for one in found if one.starts_shot], marker


def test_looks() -> None:
    assert look_of(frame(GREY), 8) is Look.GREY
    assert look_of(frame(COLOR), 8) is Look.COLOR
    assert look_of(frame(BLACK), 8) is Look.UNCLEAR


@pytest.mark.parametrize(
    ("kinds", "starts", "said", "shots"),
    [
        ("g" * 30, (0,), "g" * 30, [0]),
        ("c" * 30, (0,), "c" * 30, [0]),
        ("g" * 5 + "c" * 5 + "g" * 5, (0, 5, 10), "g" * 5 + "c" * 5 + "g" * 5, [0, 5, 10]),
        ("g" * 20 + "c" * 20, (0,), "g" * 20 + "c" * 20, [0, 20]),  # no cut where it changes
        ("c" * 20 + "g" * 20, (0,), "c" * 20 + "g" * 20, [0, 20]),
        ("c" * 20 + "ggg" + "c" * 20, (0,), "c" * 43, [0]),  # for a moment
        ("g" * 20 + "ccc" + "g" * 20, (0,), "g" * 43, [0]),
        ("b" * 12 + "c" * 12, (0,), "c" * 24, [0]),  # a fade
        ("c" * 20 + "b" * 40, (0,), "c" * 60, [0]),
        ("c" * 20 + "b" * 40, (0, 20), "c" * 60, [0, 20]),
        ("g" * 20 + "b" * 40, (0, 20), "g" * 60, [0, 20]),
        ("b" * 40 + "c" * 20, (0,), "g" * 24 + "c" * 36, [0, 24]),  # nobody waits longer
        ("c", (0,), "c", [0]),
        ("", (), "", []),
    ],
)
def test_shots(kinds: str, starts: tuple[int, ...], said: str, shots: list[int]) -> None:
    assert marked(kinds, starts)[:2] == (said, shots)


def test_shots_are_counted() -> None:
    marker = marked("g" * 10 + "c" * 10 + "b" * 5 + "g" * 10 + "c" * 10, (0, 10, 20, 25))[2]
    assert (marker.kept, marker.grey) == (2, 2)


def test_grey_film_never_waits() -> None:
    handed = 0

    def frames() -> Iterator[tuple[Frame, bool]]:
        for n in range(40):
            assert handed == n
            yield frame(GREY, n), n % 10 == 0

    for _ in ShotMarker(8).mark(frames()):
        handed += 1


def test_frames_wait_for_a_second_at_the_most() -> None:
    taken = 0

    def frames() -> Iterator[tuple[Frame, bool]]:
        nonlocal taken
        for n in range(200):
            taken += 1
            yield frame(BLACK, n), n == 0

    for handed, _ in enumerate(ShotMarker(8).mark(frames())):
        assert taken - handed <= 24


@pytest.mark.parametrize("bits", [8, 10, 16])
def test_depths_are_alike(bits: int) -> None:
    low = frame(COLOR)
    assert low.chroma is not None
    wide = [plane.astype(np.uint16) << (bits - 8) if bits > 8 else plane for plane in (low.luma, *low.chroma)]
    deep = Frame(wide[0], low.time, 1, 0, chroma=(wide[1], wide[2]))
    assert look_of(deep, bits) is Look.COLOR


FILMS = {
    "demo/bikes.mp4": True,
    "demo/carphone.mp4": True,
    "demo/highway01.avi": True,
    "train/penny_and_chip/penny_and_chip_tractors.mp4": True,
    "bw/nosferatu.mp4": False,
    "bw/silent_comedy.mp4": False,
}


@pytest.mark.parametrize(("name", "in_color"), FILMS.items())
def test_real_films(name: str, in_color: bool) -> None:
    path = DATA / "video" / name
    if not path.exists():
        pytest.skip("needs the data folder")
    with VideoReader(path, end=Fraction(2), chroma=True) as reader:
        marker = ShotMarker(reader.video.bit_depth)
        found = [one.in_color for one in marker.mark((f, f.index == 0) for f in reader.frames())]
    assert all(found) if in_color else not any(found)
