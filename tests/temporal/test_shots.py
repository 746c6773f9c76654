"""Cuts, flashes, fades and dissolves, on pictures whose answer is known."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.clips import make_clip
from vidcolor.media.reader import VideoReader
from vidcolor.temporal.shots import REACHES, SMALL, ShotDetector, Verdict, find_shots, small_luma


def scene(seed: int) -> np.ndarray:
    """A wide picture with soft shapes, as large as two small pictures side by side."""
    noise = np.random.default_rng(seed).integers(0, 256, (5, 10)).astype(np.uint8)
    return cv2.resize(noise, (2 * SMALL[1], SMALL[0]), interpolation=cv2.INTER_CUBIC)


def still(seed: int, count: int) -> list[np.ndarray]:
    return [np.ascontiguousarray(scene(seed)[:, : SMALL[1]])] * count


def pan(seed: int, count: int, step: int = 1) -> list[np.ndarray]:
    wide = scene(seed)
    return [np.ascontiguousarray(wide[:, n * step : n * step + SMALL[1]]) for n in range(count)]


def textured(seed: int, count: int) -> list[np.ndarray]:
    """A pan over something finer, as most pictures are."""
    noise = np.random.default_rng(seed).integers(0, 256, (12, 42)).astype(np.uint8)
    wide = cv2.resize(noise, (2 * SMALL[1], SMALL[0]), interpolation=cv2.INTER_CUBIC)
    return [np.ascontiguousarray(wide[:, n : n + SMALL[1]]) for n in range(count)]


def mixed(before: np.ndarray, after: np.ndarray, count: int) -> list[np.ndarray]:
    shares = [(n + 1) / (count + 1) for n in range(count)]
    return [cv2.addWeighted(before, 1 - share, after, share, 0) for share in shares]


def verdicts(pictures: list[np.ndarray | None], **options: tuple[int, ...]) -> list[Verdict]:
    detector = ShotDetector(**options)
    found = [verdict for picture in pictures for verdict in detector.push(picture)]
    return [*found, *detector.finish()]


def starts(pictures: list[np.ndarray | None]) -> list[int]:
    return [verdict.index for verdict in verdicts(pictures) if verdict.new_shot]


def fading(pictures: list[np.ndarray | None]) -> list[int]:
    return [verdict.index for verdict in verdicts(pictures) if verdict.fading]


BLACK = np.zeros(SMALL, np.uint8)


def test_cuts_are_found_where_they_are() -> None:
    film = [*pan(1, 30), *still(2, 25), *pan(3, 40), *pan(4, 7)]
    assert starts(film) == [0, 30, 55, 95]
    assert fading(film) == []
    assert list(find_shots(film)) == [0, 30, 55, 95]


@pytest.mark.parametrize("length", [1, 2])
def test_a_flash_is_no_cut(length: int) -> None:
    film = pan(1, 50)
    for n in range(20, 20 + length):
        film[n] = np.full(SMALL, 250, np.uint8)
    assert starts(film) == [0]


@pytest.mark.parametrize("lengths", [(1,) * 12, (2,) * 12, (3,) * 12, (20, 1, 2, 3, 1, 2, 25), (9, 1, 9)])
def test_shots_may_be_as_short_as_a_frame(lengths: tuple[int, ...]) -> None:
    film = [picture for seed, length in enumerate(lengths) for picture in textured(seed, length)]
    assert starts(film) == [0, *np.cumsum(lengths)[:-1]]


@pytest.mark.parametrize("length", [1, 2])
def test_pictures_cut_in_are_shots(length: int) -> None:
    film = textured(1, 50)
    film[20 : 20 + length] = textured(2, length)
    assert starts(film) == [0, 20, 20 + length]


@pytest.mark.parametrize("length", [1, 2])
def test_a_flash_that_leaves_something_to_see_is_no_cut(length: int) -> None:
    film = pan(1, 50)
    for n in range(20, 20 + length):
        film[n] = np.clip(film[n].astype(int) * 2 + 60, 0, 255).astype(np.uint8)
    assert starts(film) == [0]


def aged(pictures: list[np.ndarray], seed: int = 0) -> list[np.ndarray]:
    """With the flicker, the grain, the dirt and the scratches of old film."""
    rng, film = np.random.default_rng(seed), []
    for picture in pictures:
        old = picture * (1 + rng.normal(0, 0.06)) + rng.normal(0, 4) + rng.normal(0, 3, SMALL)
        if rng.random() < 0.2:
            old[:, rng.integers(SMALL[1])] = 230
        if rng.random() < 0.2:
            y, x = rng.integers(0, 30), rng.integers(0, 54)
            old[y : y + 6, x : x + 10] = rng.choice([10, 240])
        film.append(np.clip(old, 0, 255).astype(np.uint8))
    return film


@pytest.mark.parametrize("seed", range(4))
def test_cuts_of_old_film_are_found_and_its_damage_is_none(seed: int) -> None:
    film = aged([*pan(seed, 40), *pan(seed + 10, 35), *pan(seed + 20, 5), *pan(seed + 30, 40)], seed)
    assert starts(film) == [0, 40, 75, 80]


@pytest.mark.parametrize("times", [2, 3])
def test_frames_shown_more_than_once_are_no_cuts(times: int) -> None:
    film = [*pan(1, 30, 2), *pan(2, 30, 2)]
    assert starts([picture for picture in film for _ in range(times)]) == [0, 30 * times]


def test_an_arm_that_shoots_into_the_picture_is_no_cut() -> None:
    film = pan(3, 40)
    for n in range(20, 40):
        film[n] = film[n].copy()
        film[n][6:30, 64 - min(10 * (n - 19), 34) :] = 235
    assert starts(film) == [0]


def test_a_whip_of_the_camera_is_no_cut() -> None:
    rng = np.random.default_rng(4)
    noise = rng.integers(0, 256, (6, 60)).astype(np.uint8)
    wide = cv2.resize(noise, (600, SMALL[0]), interpolation=cv2.INTER_CUBIC)
    at = [*range(20), *range(30, 230, 10), *range(231, 250)]
    assert starts([np.ascontiguousarray(wide[:, x : x + SMALL[1]]) for x in at]) == [0]


def test_a_change_of_light_is_no_cut() -> None:
    film = pan(1, 50)
    film[25:] = [(picture // 2).astype(np.uint8) for picture in film[25:]]
    assert starts(film) == [0]


def test_a_fast_pan_and_things_that_rush_past_are_no_cuts() -> None:
    film = pan(1, 20, 3)
    assert starts(film) == [0]
    assert fading(film) == []


def test_a_pan_over_blurred_things_is_no_dissolve() -> None:
    soft = [cv2.GaussianBlur(picture, (0, 0), 6) for picture in pan(7, 60)]
    low, high = min(map(np.min, soft)), max(map(np.max, soft))
    clear = [((picture - low) * (210.0 / (high - low)) + 20).astype(np.uint8) for picture in soft]
    for step in (1, 2, 3):
        assert fading(clear[::step]) == []
        assert starts(clear[::step]) == [0]


@pytest.mark.parametrize("length", [10, 16, 24, 30, 36, 44])
def test_a_dissolve_is_one_boundary_near_its_middle(length: int) -> None:
    before, after = still(1, 40), still(2, 40)
    film = [*before, *mixed(before[0], after[0], length), *after]
    (zero, boundary) = starts(film)
    assert zero == 0
    assert abs(boundary - (40 + length / 2)) <= 2
    middle = range(40 + length // 4, 40 + length - length // 4)
    assert set(middle) <= set(fading(film))
    assert set(fading(film)) <= set(range(28, 52 + length))


def test_a_dissolve_seen_in_one_frame_only_is_a_boundary_too() -> None:
    before, after = still(1, 40), still(2, 40)
    film: list[np.ndarray | None] = [*before, *mixed(before[0], after[0], 13), *after]
    film[41:46] = film[47:52] = [None] * 5
    assert starts(film) == [0, 46]


def test_a_fade_through_black_is_one_boundary_at_the_fade_in() -> None:
    before, after = still(1, 40), still(2, 40)
    film = [*before, *mixed(before[0], BLACK, 16), *[BLACK] * 10, *mixed(BLACK, after[0], 16), *after]
    (_, boundary) = starts(film)
    assert 60 <= boundary <= 75
    assert {48, 74} <= set(fading(film))
    assert not {20, 110} & set(fading(film))


def test_frames_that_were_not_looked_at_hide_no_sure_cut() -> None:
    film: list[np.ndarray | None] = [*still(1, 30), *[None] * 6, *still(2, 30)]
    assert starts(film) == [0, 36]
    same: list[np.ndarray | None] = [*pan(1, 20), *[None] * 6, *pan(1, 60)[26:]]
    assert starts(same) == [0]


def test_a_dissolve_is_seen_beside_missing_frames() -> None:
    before, after = still(1, 40), still(2, 40)
    film: list[np.ndarray | None] = [*before, *mixed(before[0], after[0], 24), *after]
    film[44:52] = [None] * 8
    assert {56, 58} <= set(fading(film))
    assert len(starts(film)) == 2


def test_verdicts_come_one_for_one_and_no_later_than_promised() -> None:
    detector = ShotDetector(reaches=(3, 6))
    assert detector.lookahead == 12
    found = []
    for number, picture in enumerate([*still(1, 30), *still(2, 30)]):
        decided = detector.push(picture)
        assert [verdict.index for verdict in decided] == ([number - 12] if number >= 12 else [])
        found += decided
    found += detector.finish()
    assert [verdict.index for verdict in found] == list(range(60))
    assert detector.finish() == []


def test_memory_is_bounded() -> None:
    detector = ShotDetector()
    for number in range(500):
        detector.push(pan(number // 40, 40)[number % 40])
    held = [detector._pictures, detector._changes, detector._mixes, detector._path]
    assert max(map(len, held)) <= 2 * detector.lookahead + 1


def test_no_frames_and_one_frame() -> None:
    assert list(find_shots([])) == []
    assert list(find_shots(still(1, 1))) == [0]


def test_other_pictures_are_refused() -> None:
    with pytest.raises(ValueError, match=r"uint8\(36, 64\)"):
        ShotDetector().push(np.zeros((64, 36), np.uint8))


def test_the_small_picture_of_any_plane() -> None:
    luma = np.tile(np.linspace(20, 200, 256).astype(np.uint8), (100, 1))
    small = small_luma(luma)
    assert small.shape == SMALL
    assert small.dtype == np.uint8
    assert small[0, 0] == pytest.approx(21, abs=2)
    assert small[-1, -1] == pytest.approx(199, abs=2)
    deep = small_luma(luma.astype(np.uint16) << 2, 10)
    assert deep.dtype == np.uint8
    assert np.abs(deep.astype(int) - small).max() <= 1
    assert np.array_equal(small_luma(luma[::-1]), small[::-1])
    assert small_luma(np.full((1, 1), 9, np.uint8)).tolist() == np.full(SMALL, 9).tolist()


def test_cuts_of_a_real_film(tmp_path: Path) -> None:
    cuts = [30, 62, 80]
    clip = make_clip(tmp_path / "cuts.mkv", size=(128, 96), frames=110, cuts=cuts)
    with VideoReader(clip) as reader:
        assert list(find_shots(small_luma(frame.luma) for frame in reader.frames())) == [0, *cuts]


def test_reaches_are_those_documented() -> None:
    assert ShotDetector().lookahead == 2 * max(REACHES)
