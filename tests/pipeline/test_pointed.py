"""Hints and what no hint reaches: the network is followed there as far as it foretells some from others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.pipeline.test_anchored import Known, give, write_film
from tests.pipeline.test_words import decode_rgb, run
from vidcolor.metrics.difference import picture_lab
from vidcolor.models.spaces import AB_SCALE

SIDE, FIELDS = 160, 4
FIELD = SIDE // FIELDS
"""Pixels of a field: light and dark ones in turn, as on a chessboard, so that no hint reaches another's."""
GREEN, RED = (-30.0, 20.0), (40.0, 20.0)


class Dyer(Known):
    """The mean of all hints everywhere; sand without hints."""

    takes_hints = True

    def raw(self, lightness: Tensor, hints: Tensor | None = None, condition: Tensor | None = None) -> Tensor:
        ab = torch.tensor([4.0, 14.0])[None, :, None, None].expand(len(lightness), 2, *lightness.shape[-2:])
        if hints is not None:
            sure = hints[:, 2:]
            ab = ((hints[:, :2] * sure).sum((2, 3)) / sure.sum((2, 3)))[..., None, None].expand_as(ab)
        return ab / AB_SCALE * self.scale


class Contrary(Dyer):
    """The opposite of all hints where there are some."""

    def raw(self, lightness: Tensor, hints: Tensor | None = None, condition: Tensor | None = None) -> Tensor:
        said = super().raw(lightness, hints, condition)
        return said if hints is None else -said


def looked_at(
    model: Known, picture: np.ndarray, said: list[dict[str, Any]], at: tuple[slice, slice], folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Mean a and b of a part of a picture, without hints and with them."""
    give(monkeypatch, model)
    hints = folder / "hints.json"
    hints.write_text(json.dumps([{"time": 0, "radius": 4, **one} for one in said]))
    film = write_film(folder / "a.mkv", [picture])
    without, told = (
        decode_rgb(run(film, folder / "b.mkv", network_size=SIDE, **how))[0] for how in ({}, {"hints": hints})
    )
    return picture_lab(without)[at][..., 1:].mean((0, 1)), picture_lab(told)[at][..., 1:].mean((0, 1))


def last_field(
    model: Known, colors: list[tuple[float, float]], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[np.ndarray, np.ndarray]:
    """Its a and b without hints and with one of each colour on the fields before it."""
    rows, columns = np.indices((SIDE, SIDE)) // FIELD
    board = np.where((rows + columns) % 2, 160, 90).astype(np.uint8)
    said: list[dict[str, Any]] = []
    for number, (a, b) in enumerate(colors):
        row, column = divmod(number, FIELDS)
        middle = {"x": column * FIELD + FIELD // 2, "y": row * FIELD + FIELD // 2}
        said.append({**middle, "color": {"a": a, "b": b}})
    inside = slice(SIDE - FIELD // 2 - 4, SIDE - FIELD // 2 + 4)
    return looked_at(model, board, said, (inside, inside), folder, monkeypatch)


@pytest.mark.parametrize("count", [4, 10])
def test_what_the_network_foretells_is_followed(
    count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without, told = last_field(Dyer(), count * [GREEN], tmp_path, monkeypatch)
    assert told == pytest.approx(without + (np.array(GREEN) - without) * (count - 1) / count, abs=1.5)


@pytest.mark.parametrize(
    ("model", "colors"),
    [(Dyer, [GREEN]), (Dyer, 3 * [RED]), (Dyer, 4 * [RED, GREEN]), (Contrary, 8 * [GREEN])],
    ids=["one hint", "few hints", "hints that have nothing to do with each other", "a network that is wrong"],
)
def test_elsewhere_it_is_not(
    model: type[Known], colors: list[tuple[float, float]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without, told = last_field(model(), colors, tmp_path, monkeypatch)
    assert told == pytest.approx(without, abs=0.5)


@pytest.mark.parametrize("model", [Dyer(), Contrary()])
def test_a_hint_is_where_it_is_seen(model: Known, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = np.full((SIDE, SIDE), 90, np.uint8)
    stored[:, SIDE // 2 :] = 160
    give(monkeypatch, model)
    hints = tmp_path / "hints.json"
    hints.write_text(json.dumps([{"time": 0, "radius": 4, "x": 20, "y": 30, "color": {"a": 50, "b": 20}}]))
    film = write_film(tmp_path / "a.mkv", [stored], mirrored=True)
    plain, told = (
        picture_lab(decode_rgb(run(film, tmp_path / "b.mkv", network_size=SIDE, **how))[0])
        for how in ({}, {"hints": hints})
    )
    x = SIDE - 20
    assert told[26:34, x - 4 : x + 4, 1].mean() == pytest.approx(50, abs=4)
    assert np.abs(told - plain)[26:34, 16:24, 1:].mean() < 2


def test_many_hints_on_one_thing_do_not_tint_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    halves = np.full((SIDE, SIDE), 90, np.uint8)
    halves[:, SIDE // 2 :] = 160
    said = [{"x": 10 + 14 * (n % 4), "y": 20 + 14 * (n // 4), "color": {"a": 40, "b": 20}} for n in range(12)]
    right = slice(40, 120), slice(110, 150)
    without, told = looked_at(Dyer(), halves, said, right, tmp_path, monkeypatch)
    assert told == pytest.approx(without, abs=0.5)
