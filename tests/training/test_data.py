"""Batches: the same for the same seed and step, whatever was asked for before and by how many."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from tests.training.sets import assert_same, make_pictures
from vidcolor.color.grey import lightness_of_grey, to_grey
from vidcolor.color.lab import rgb_to_lab
from vidcolor.datasets.manifest import Picture
from vidcolor.errors import InputError, UsageError
from vidcolor.training.augment import centre_window, draw_hints, film_look, hint_windows, random_view
from vidcolor.training.data import FILM, Batch, Batches, lab_of_codes, read_pixels, ready
from vidcolor.training.options import DataOptions

CPU = torch.device("cpu")
RICH = DataOptions(size=(16, 24), grey="random", old_film=0.5, hints=0.5)


def pictures_in(folder: Path) -> list[Picture]:
    return [
        Picture(path, "train", path.parent.name if path.parent != folder else None)
        for path in sorted(folder.rglob("*.png"))
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_pictures(tmp_path / "set", 10, (40, 36))


def batches(folder: Path, options: DataOptions = RICH, size: int = 6, **more: object) -> Batches:
    return Batches(pictures_in(folder), options, size=size, seed=5, hints=True, **more)  # type: ignore[arg-type]


def test_a_batch_is_a_function_of_seed_and_step(folder: Path) -> None:
    first, second = batches(folder), batches(folder)
    expected = [first.at(step) for step in range(4)]
    with ThreadPoolExecutor(3) as pool:
        for step in (3, 0, 2, 1):
            assert_same(second.at(step, pool), expected[step])
    other = Batches(pictures_in(folder), RICH, size=6, seed=6, hints=True)
    assert not torch.equal(other.at(0).rgb, expected[0].rgb)


def test_prefetching_gives_the_same_from_any_step_and_leaves_no_thread(folder: Path) -> None:
    source, before = batches(folder), threading.active_count()
    with source.from_step(2) as ahead:
        for step in (2, 3, 4):
            assert_same(next(ahead), source.at(step))
    assert threading.active_count() == before


def test_processes_share_a_batch(folder: Path) -> None:
    whole = batches(folder).at(3)
    parts = [batches(folder, share=(rank, 3)).at(3) for rank in range(3)]
    assert torch.equal(torch.cat([part.rgb for part in parts]), whole.rgb)
    assert sum((part.greys for part in parts), ()) == whole.greys
    assert sum((part.hints for part in parts), ()) == whole.hints


def test_memory_changes_nothing(folder: Path) -> None:
    assert_same(batches(folder, replace(RICH, memory_mb=0)).at(1), batches(folder).at(1))


def test_an_epoch_shows_every_picture_once(folder: Path) -> None:
    source = batches(folder, size=5)
    seen = [source._index(step, place, np.random.default_rng()) for step in range(4) for place in range(5)]
    assert sorted(seen[:10]) == sorted(seen[10:]) == list(range(10))
    assert seen[:10] != seen[10:]


def test_labels_are_drawn_as_evenly_as_is_said(tmp_path: Path) -> None:
    folder = make_pictures(tmp_path / "set", 18, labels=1)
    make_pictures(folder / "rare", 2)
    plain, half, even = (
        Batches(pictures_in(folder), DataOptions(evenness=evenness), size=40, seed=1, hints=False)
        for evenness in (0.0, 0.5, 1.0)
    )

    def labels(source: Batches) -> Counter[str | None]:
        drawn = (source._index(s, i, np.random.default_rng((s, i))) for s in range(10) for i in range(40))
        return Counter(source.store.picture(i).label for i in drawn)

    assert labels(plain)["rare"] == 40
    assert 75 < labels(half)["rare"] < 125
    assert 160 < labels(even)["rare"] < 240


def test_a_picture_that_is_none_is_named(folder: Path) -> None:
    (folder / "004.png").write_bytes(b"no picture")
    with (
        pytest.raises(InputError, match=r"004\.png' cannot be read as a picture"),
        batches(folder, size=10).from_step(0) as ahead,
    ):
        next(ahead)


def test_large_pictures_are_kept_small(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((200, 100, 3), np.uint8))
    assert read_pixels(tmp_path / "a.png", 50).shape == (100, 50, 3)
    assert read_pixels(tmp_path / "a.png", 150).shape == (200, 100, 3)


def test_no_such_grey(folder: Path) -> None:
    with pytest.raises(UsageError, match="'data.grey' must be random or one of lightness, .*, not 'gray'"):
        batches(folder, DataOptions(grey="gray"))


# ---- what networks are given ------------------------------------------------------------------


def test_lab_of_codes_is_the_lab_of_their_signal() -> None:
    codes = torch.randint(
        0, 256, (2, 3, 9, 11), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    torch.testing.assert_close(lab_of_codes(codes), rgb_to_lab(codes / 255), atol=2e-4, rtol=0)


def batch_of(rgb: torch.Tensor, grey: str, film: torch.Tensor | None = None) -> Batch:
    count = len(rgb)
    return Batch(rgb, film if film is not None else torch.empty(0), (grey,) * count, ((),) * count, None)


def test_what_the_network_sees() -> None:
    rgb = torch.randint(0, 256, (2, 16, 16, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    plain = ready(batch_of(rgb, "lightness"), CPU)
    assert torch.equal(plain.lightness, plain.lab[:, :1])
    assert plain.hints is None
    blue = ready(batch_of(rgb, "blue"), CPU)
    planes = rgb.permute(0, 3, 1, 2) / 255
    torch.testing.assert_close(blue.lightness, lightness_of_grey(to_grey(planes, "blue")))
    assert torch.equal(blue.lab, plain.lab)
    film = torch.full((2, 16, 16), 255, dtype=torch.uint8)
    white = ready(batch_of(rgb, FILM, film), CPU)
    torch.testing.assert_close(white.lightness, torch.full((2, 1, 16, 16), 100.0), atol=1e-3, rtol=0)


def test_parts_of_a_batch_are_the_batch(folder: Path) -> None:
    whole = ready(batches(folder).at(0), CPU)
    parts = whole.split(3)
    assert whole.hints is not None
    assert torch.equal(torch.cat([p.lab for p in parts]), whole.lab)
    assert torch.equal(torch.cat([p.hints for p in parts if p.hints is not None]), whole.hints)


# ---- augmentation -----------------------------------------------------------------------------


def test_windows_are_windows() -> None:
    picture = np.dstack(np.meshgrid(np.arange(100), np.arange(60))).astype(np.uint8)
    picture = np.dstack([picture, np.zeros((60, 100), np.uint8)])
    options = DataOptions(size=(20, 30), scale=(0.5, 0.5), stretch=0.0, flip=True)
    flipped = set()
    for seed in range(12):
        view = random_view(picture, options, np.random.default_rng(seed))
        sample = view.of(picture).astype(int)
        assert sample.shape == (20, 30, 3)
        across, down = sample[10, -1, 0] - sample[10, 0, 0], sample[-1, 15, 1] - sample[0, 15, 1]
        assert abs(abs(across) - 45 * 29 / 30) <= 2  # half of the 90 × 60 that fit
        assert abs(down - 30 * 19 / 20) <= 2
        flipped.add(across < 0)
    assert flipped == {False, True}
    centre = centre_window(picture, (60, 60))
    np.testing.assert_array_equal(centre, picture[:, 20:80])


def test_film_is_blind_to_red_half_of_the_time_and_never_out_of_range() -> None:
    red, blue = (np.full((32, 32, 3), c, np.uint8) for c in ((230, 20, 20), (20, 20, 230)))
    looks = [
        tuple(film_look(p, np.random.default_rng(seed)).mean() for p in (red, blue)) for seed in range(40)
    ]
    darker = sum(on_red < on_blue for on_red, on_blue in looks)
    assert 12 <= darker <= 28
    assert film_look(red, np.random.default_rng(0)).dtype == np.uint8
    grain = film_look(np.full((32, 32, 3), 128, np.uint8), np.random.default_rng(3))
    assert grain.shape == (32, 32)
    np.testing.assert_array_equal(
        grain, film_look(np.full((32, 32, 3), 128, np.uint8), np.random.default_rng(3))
    )


def test_hints_hold_the_mean_true_color_of_their_window() -> None:
    ab = torch.randn(2, 2, 12, 12, generator=torch.Generator().manual_seed(2))
    hints = draw_hints(ab, (((2, 3, 5, 7),), ()))
    assert hints[0, 2].sum() == 12
    torch.testing.assert_close(hints[0, :2, 3, 4], ab[0, :, 2:5, 3:7].mean((1, 2)))
    assert not hints[1].any()
    counts = [len(hint_windows((64, 64), np.random.default_rng(seed))) for seed in range(300)]
    assert min(counts) == 1
    assert 6 < np.mean(counts) < 10
