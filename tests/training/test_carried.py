"""Colour carried from another frame of the shot: where it is right, where nothing is known, and from what."""

from __future__ import annotations

import json
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from tests.datasets.films import photographs, shot, write_film
from tests.training.sets import assert_same, make_film_set, make_pictures
from vidcolor.datasets.build import build_dataset
from vidcolor.datasets.manifest import PictureSet, open_set
from vidcolor.training.carried import Carried, carry, draw_carried, draw_holes, trace
from vidcolor.training.data import Batches, ready
from vidcolor.training.neighbours import NEAREST, neighbours_of
from vidcolor.training.options import DataOptions

CPU = torch.device("cpu")
MOVING = DataOptions(size=(48, 64), hints=0.3, motion_hints=0.6, grey="random", old_film=0.4)


@pytest.fixture(scope="module")
def film_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_film_set(tmp_path_factory.mktemp("film"), test_share=0.3)


def batches(root: Path, options: DataOptions = MOVING, size: int = 12, **more: Any) -> Batches:
    found = open_set(root)
    return Batches(
        found.train, options, size=size, seed=5, hints=True, neighbours=neighbours_of([found]), **more
    )


def texture(seed: int, size: tuple[int, int] = (160, 120)) -> np.ndarray:
    """A picture ``(H, W, 3)`` with something to see everywhere, fine enough to be followed."""
    noise = np.random.default_rng(seed).integers(0, 256, (size[1] // 6, size[0] // 6, 3))
    return cv2.resize(noise.astype(np.uint8), size, interpolation=cv2.INTER_CUBIC)


def grey_of(rgb: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)


def entries(root: Path) -> dict[Path, dict[str, Any]]:
    lines = (root / "manifest.jsonl").read_text().splitlines()
    return {root / entry["file"]: entry for entry in map(json.loads, lines)}


# ---- motion -----------------------------------------------------------------------------------


def test_what_has_moved_is_found() -> None:
    wide = grey_of(texture(1))
    sample, other = wide[20:84, 30:110].copy(), wide[17:81, 25:105].copy()  # it moves right and down
    at, confidence = trace(sample, other)
    assert (at.dtype, confidence.dtype) == (np.float32, np.float32)
    moved = at - np.stack(np.meshgrid(np.arange(80), np.arange(64)), -1)
    inside = (slice(8, -8), slice(8, -8))
    np.testing.assert_allclose(np.median(moved[inside], (0, 1)), [5, 3], atol=0.2)
    assert np.median(confidence[inside]) > 0.9
    # What the other picture does not show: 5 columns on the right, 3 rows below.
    assert confidence[:, -4:].max() < 0.1
    assert confidence[-2:].max() < 0.1


def test_nothing_is_known_of_what_newly_appears() -> None:
    other = texture(2)[:96, :128].copy()
    sample = other.copy()
    sample[30:60, 40:80] = 255 - sample[30:60, 40:80]
    _, confidence = trace(grey_of(sample), grey_of(other))
    assert confidence[32:58, 42:78].mean() < 0.15
    around = np.ones(confidence.shape, bool)
    around[20:70, 30:90] = False
    assert confidence[around].mean() > 0.95


@pytest.mark.parametrize("size", [(16, 16), (16, 128), (128, 16), (31, 200), (8, 40), (1, 1), (32, 300)])
def test_small_pictures_and_strips_are_no_danger(size: tuple[int, int]) -> None:
    """DIS by itself finds nan in some of these, and ends the process over others."""
    wide = grey_of(texture(3, (400, 160)))
    height, width = size
    at, confidence = trace(wide[:height, :width].copy(), wide[1 : 1 + height, :width].copy())
    assert at.shape == (*size, 2)
    assert at.min() >= 0
    assert at[..., 0].max() <= width - 1
    assert at[..., 1].max() <= height - 1
    assert 0 <= confidence.min() <= confidence.max() <= 1
    flat = np.full(size, 100, np.uint8)
    np.testing.assert_array_equal(trace(flat, flat)[1], np.ones(size, np.float32))


def test_motion_is_looked_for_in_the_grey_that_is_seen() -> None:
    """The blue plane moves; in the red one nothing is there to be seen, and green has nothing at all."""
    wide = grey_of(texture(4))
    planes = [np.full((64, 80), 90, np.uint8), np.zeros((64, 80), np.uint8)]
    sample, other = (np.dstack([*planes, wide[20:84, x : x + 80]]) for x in (30, 26))
    grid = np.stack(np.meshgrid(np.arange(80), np.arange(64)), -1)

    def moved(grey: str) -> np.ndarray:
        return np.median((carry(sample, other, grey, Quiet()).at - grid)[8:-8, 8:-8], (0, 1))

    np.testing.assert_allclose(moved("blue"), [4, 0], atol=0.2)
    np.testing.assert_allclose(moved("lightness"), [4, 0], atol=0.3)
    np.testing.assert_array_equal(moved("red"), [0, 0])


# ---- what runs add ----------------------------------------------------------------------------


class Quiet(np.random.Generator):
    """A generator whose draws leave everything as it is."""

    def __init__(self) -> None:
        super().__init__(np.random.PCG64(0))

    def random(self, *_: Any, **__: Any) -> Any:
        return 1.0


def test_some_are_guesses_some_hardened_some_full_of_holes() -> None:
    rgb = texture(5)[:32, :32].copy()
    plain = carry(rgb, rgb, "lightness", Quiet())
    np.testing.assert_array_equal(plain.mix, np.eye(2))
    made = [carry(rgb, np.roll(rgb, 3, 1), "lightness", np.random.default_rng(n)) for n in range(300)]
    guesses = [each.mix for each in made if not np.array_equal(each.mix, np.eye(2))]
    assert 50 < len(guesses) < 100
    for mix in guesses:
        saturation = np.sqrt(np.linalg.det(mix))
        assert 0.7 <= saturation <= 1.1
        assert abs(np.arctan2(mix[1, 0], mix[0, 0])) <= 0.2
        np.testing.assert_allclose(mix @ mix.T, saturation**2 * np.eye(2), atol=1e-6)
    hardened = [each for each in made if set(np.unique(each.confidence)) <= {0, 1}]
    assert 120 < len(hardened) < 180
    whole = np.count_nonzero(carry(rgb, np.roll(rgb, 3, 1), "lightness", Quiet()).confidence > 0)
    soft = [np.count_nonzero(each.confidence) for each in made if each.confidence.max() not in (0, 1)]
    assert 0.2 < np.mean([count < 0.97 * whole for count in soft]) < 0.5


@pytest.mark.parametrize("size", [(16, 16), (128, 128), (16, 200)])
def test_holes_cover_what_they_shall(size: tuple[int, int]) -> None:
    covered = [draw_holes(size, np.random.default_rng(n)).mean() for n in range(200)]
    assert 0.04 < min(covered) < 0.12
    assert 0.5 < max(covered) < 0.64
    assert 0.25 < np.mean(covered) < 0.4


def test_carried_colour_as_hints() -> None:
    ab = torch.randn(2, 2, 16, 20, generator=torch.Generator().manual_seed(1))
    grid = np.stack(np.meshgrid(np.arange(20), np.arange(16)), -1).astype(np.float32)
    confidence = np.full((16, 20), 0.7, np.float32)
    confidence[:, 10:] = 0
    rgb = np.zeros((16, 20, 3), np.uint8)
    still = Carried(rgb, grid, confidence, np.eye(2, dtype=np.float32))
    half_right = np.clip(grid + np.float32([2.5, 0]), 0, np.float32(19))
    quarter_turn = np.float32([[0, -0.5], [0.5, 0]])
    turned = Carried(rgb, half_right, np.ones((16, 20), np.float32), quarter_turn)
    hints = draw_carried(ab, [still, turned])
    assert hints.shape == (2, 3, 16, 20)
    torch.testing.assert_close(hints[0, :2, :, :10], ab[0, :, :, :10], atol=1e-4, rtol=0)
    assert not hints[0, :, :, 10:].any()
    torch.testing.assert_close(hints[:, 2], torch.from_numpy(np.stack([confidence, turned.confidence])))
    between = (ab[1, :, :, 6] + ab[1, :, :, 7]) / 2
    torch.testing.assert_close(
        hints[1, :2, :, 4], torch.stack([-between[1], between[0]]) / 2, atol=1e-4, rtol=0
    )


# ---- in batches -------------------------------------------------------------------------------


def test_hints_are_the_truth_where_confidence_is_high(film_set: Path) -> None:
    """Carried along the pan; the same colours left where they were are far off."""
    all_moving = replace(MOVING, hints=0.0, motion_hints=1.0, old_film=0.0, grey="lightness")
    source, errors, unmoved, sure = batches(film_set, all_moving), [], [], []
    for step in range(4):
        batch = source.at(step)
        made = ready(batch, CPU)
        assert made.hints is not None
        assert made.hints.shape == made.lab.shape
        others = ready(
            replace(batch, rgb=torch.from_numpy(np.stack([c.rgb for c in batch.carried if c]))), CPU
        )
        for i, carried in enumerate(batch.carried):
            assert carried is not None
            if np.array_equal(carried.mix, np.eye(2)):
                known = made.hints[i, 2] > 0.5
                errors.append((made.hints[i, :2] - made.lab[i, 1:]).norm(dim=0)[known])
                unmoved.append((others.lab[i, 1:] - made.lab[i, 1:]).norm(dim=0)[known])
            sure.append(made.hints[i, 2].mean().item())
    assert torch.cat(errors).median() < 1.5
    assert torch.cat(errors).median() < 0.15 * torch.cat(unmoved).median()
    assert 0.3 < np.mean(sure) < 0.95
    assert min(sure) < 0.3


def test_a_batch_is_the_same_in_whatever_order_thread_and_process(film_set: Path) -> None:
    first, second = batches(film_set), batches(film_set, replace(MOVING, memory_mb=0))
    expected = [first.at(step) for step in range(3)]
    assert any(carried for batch in expected for carried in batch.carried)
    with ThreadPoolExecutor(3) as pool:
        for step in (2, 0, 1):
            assert_same(second.at(step, pool), expected[step])
    with second.from_step(1) as ahead:
        for step in (1, 2):
            assert_same(next(ahead), expected[step])
    parts = [batches(film_set, share=(rank, 3)).at(1) for rank in range(3)]
    whole = expected[1]
    for rank, part in enumerate(parts):
        mine = slice(4 * rank, 4 * rank + 4)
        assert_same(
            part,
            replace(whole, rgb=whole.rgb[mine], film=whole.film[mine], greys=whole.greys[mine],
                    hints=whole.hints[mine], carried=whole.carried[mine]),
        )  # fmt: skip


def test_samples_without_carried_colour_are_what_they_are_without_the_option(film_set: Path) -> None:
    moving, without = (
        batches(film_set, size=40),
        batches(film_set, replace(MOVING, motion_hints=0.0), size=40),
    )
    counts = np.zeros(3)
    for step in range(3):
        one, other = moving.at(step), without.at(step)
        assert other.carried == ()
        assert_same(replace(one, carried=()), other)
        given, before = ready(one, CPU), ready(other, CPU)
        assert torch.equal(given.lightness, before.lightness)
        assert torch.equal(given.lab, before.lab)
        assert given.hints is not None
        assert before.hints is not None
        for i, carried in enumerate(one.carried):
            if carried is None:
                assert torch.equal(given.hints[i], before.hints[i])
            else:
                assert not one.hints[i]  # never both kinds
        carried_by = sum(carried is not None for carried in one.carried)
        points = sum(map(bool, one.hints))
        counts += carried_by, points, 40 - carried_by - points
    np.testing.assert_allclose(counts / 120, [0.6, 0.3, 0.1], atol=0.13)


def test_the_look_of_old_film_does_not_hide_the_motion(film_set: Path) -> None:
    clean, aged = (batches(film_set, replace(MOVING, old_film=share)).at(0) for share in (0.0, 1.0))
    assert_same(replace(aged, film=clean.film, greys=clean.greys), clean)


def test_pictures_without_neighbours_get_points_or_nothing(tmp_path: Path) -> None:
    folder = make_pictures(tmp_path / "plain", 10, (70, 60))
    found = open_set(folder)
    near = neighbours_of([found])
    assert near == ((),) * len(found.train)
    batch = batches(folder, size=40).at(0)
    assert batch.carried == (None,) * 40
    assert 5 < sum(map(bool, batch.hints)) < 20
    assert_same(replace(batch, carried=()), batches(folder, replace(MOVING, motion_hints=0.0), size=40).at(0))


def test_models_that_take_no_hints_get_none(film_set: Path) -> None:
    found = open_set(film_set)
    source = Batches(found.train, MOVING, size=8, seed=5, hints=False, neighbours=neighbours_of([found]))
    assert ready(source.at(0), CPU).hints is None


# ---- neighbours -------------------------------------------------------------------------------


def assert_neighbours(root: Path, found: PictureSet) -> int:
    """Everything that must hold of neighbours in a set; returns how many there are."""
    known = entries(root)
    near = neighbours_of([found])
    assert len(near) == len(found.train)
    for n, picture in enumerate(found.train):
        own = known[picture.path]
        others = [known[found.train[i].path] for i in near[n]]
        assert n not in near[n]
        for other in others:
            same = ("source", "shot", "crop", "split")
            assert [other[key] for key in same] == [own[key] for key in same]
            assert other["split"] == "train"
            assert other["pts"] != own["pts"]
        reach = [abs(other["pts"] - own["pts"]) for other in others]
        assert reach == sorted(reach)
        possible = [
            abs(entry["pts"] - own["pts"])
            for entry in known.values()
            if all(entry[key] == own[key] for key in ("source", "shot", "crop", "split"))
            and entry["pts"] not in (None, own["pts"])
        ]
        assert reach == sorted(possible)[:NEAREST]
    return sum(map(len, near))


@pytest.mark.parametrize("split", ["shot", "leaky"])
def test_neighbours_are_of_the_same_shot_and_split(split: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write_film(tmp_path / "in" / "other.mkv", [*shot(7, 20), *shot(8, 20)])
    write_film(tmp_path / "in" / "film.mkv", [*shot(1, 40), *shot(2, 20)])
    photographs(tmp_path / "in" / "photos", 4, start=50)
    how: dict[str, Any] = {"stride": 2, "size": None, "duplicate": 0, "borders": False, "least": 1}
    build_dataset([tmp_path / "in"], tmp_path / "set", split=split, test_share=0.3, **how)
    found = open_set(tmp_path / "set")
    assert {p.split for p in (*found.train, *found.test)} == {"train", "test"}
    assert assert_neighbours(tmp_path / "set", found) > 100


def test_neighbours_show_the_same_part_of_the_frame(tmp_path: Path) -> None:
    film = write_film(tmp_path / "film.mkv", shot(1, 40))
    how: dict[str, Any] = {"stride": 1, "duplicate": 0, "borders": False, "least": 1}
    build_dataset([film], tmp_path / "crops", size=60, resize=64, crops=3, **how)
    found = open_set(tmp_path / "crops")
    crops = defaultdict(set)
    for entry in entries(tmp_path / "crops").values():
        crops[tuple(entry["crop"])].add(entry["pts"])
    assert any(len(times) > 1 for times in crops.values())
    assert assert_neighbours(tmp_path / "crops", found) > 10


def test_several_sets_count_on_and_stay_apart(film_set: Path, tmp_path: Path) -> None:
    one, plain = open_set(film_set), open_set(make_pictures(tmp_path / "plain", 6))
    alone, count = neighbours_of([one]), len(one.train)
    together = neighbours_of([one, plain, one])
    assert together[:count] == alone
    assert together[count : count + len(plain.train)] == ((),) * len(plain.train)
    shift = count + len(plain.train)
    assert together[shift:] == tuple(tuple(i + shift for i in near) for near in alone)
