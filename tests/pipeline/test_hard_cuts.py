"""Films of hard cuts through the pipeline: no frame has another shot's colour, however short its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.pipeline.test_anchored import Known, chroma_of, give, start_shots_at, write_film
from tests.temporal.drawn import pan

HEIGHT, WIDTH = 64, 96
LEVELS = (0, 45, 90)
"""Darkest codes of the shots; each shows 120 codes above."""


class ByLevel(Known):
    """A hue for each level of light, the same all over the picture."""

    def ab(self, lightness: Tensor) -> Tensor:
        turn = 0.1 * lightness.mean((1, 2, 3))
        colour = torch.stack((30 * torch.sin(turn), 30 * torch.cos(turn)), 1)
        return colour[..., None, None].expand(-1, -1, *lightness.shape[-2:])


def shot(number: int, length: int, first: int = 0) -> list[np.ndarray]:
    """Frames of shot ``number`` from ``first`` on: a texture of its own that moves, at a light of its own."""
    frames = pan(10 * number, first + length, 0.7, HEIGHT, WIDTH)[first:]
    return [(p * (120 / 255) + LEVELS[number % 3]).astype(np.uint8) for p in frames]


@pytest.fixture(autouse=True)
def small_motion(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vidcolor.temporal.anchors._LONG_SIDE", 128)


def carried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, film: list[np.ndarray]) -> list[float]:
    """How far the colour of each frame lies from what the network says of it by itself, in codes."""
    give(monkeypatch, ByLevel())
    source = write_film(tmp_path / "a.mkv", film)
    alone = chroma_of(source, tmp_path / "b.mkv", anchor_every=None)
    found = chroma_of(source, tmp_path / "c.mkv")
    assert len(found) == len(film)
    return [float(np.abs(a.astype(int) - b).mean((1, 2)).max()) for a, b in zip(found, alone, strict=True)]


@pytest.mark.parametrize(
    "lengths",
    [(12, 1, 13, 2, 11, 3, 12), (14, 1, 2, 3, 1, 1, 2, 10), (1, 1, 1, 1, 9), (2, 3) * 4],
    ids=str,
)
def test_no_colour_is_carried_into_or_out_of_short_shots(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lengths: tuple[int, ...]
) -> None:
    film = [frame for number, length in enumerate(lengths) for frame in shot(number, length)]
    assert max(carried(tmp_path, monkeypatch, film)) < 4


@pytest.mark.parametrize("length", [1, 2, 3])
def test_no_colour_is_carried_into_what_is_cut_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, length: int
) -> None:
    film = [*shot(1, 14), *shot(2, length), *shot(1, 14, first=14)]
    assert max(carried(tmp_path, monkeypatch, film)) < 4


def test_the_measure_sees_colour_that_is_carried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start_shots_at(monkeypatch, [0])
    film = [frame for number, length in enumerate((12, 1, 13)) for frame in shot(number, length)]
    assert max(carried(tmp_path, monkeypatch, film)) > 10


def test_a_flash_parts_no_shot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The frames after it have the colour of those before, though the network would say another."""
    film = shot(1, 30)
    for number in (10, 18, 19):
        film[number] = np.clip(film[number].astype(int) * 2 + 40, 0, 235).astype(np.uint8)
    give(monkeypatch, ByLevel())
    source = write_film(tmp_path / "a.mkv", film)
    found = [planes.mean((1, 2)) for planes in chroma_of(source, tmp_path / "b.mkv")]
    for number, colour in enumerate(found):
        if number not in (10, 18, 19):
            assert np.abs(colour - found[0]).max() < 2
