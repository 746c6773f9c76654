"""The network is shown what is between a film's black borders, and its colour goes back there."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.pipeline.test_colorist import colorist, video
from vidcolor.frames import Frame, Timestamp
from vidcolor.models import ColorModel
from vidcolor.models.spaces import AB_SCALE
from vidcolor.pipeline.window import Window, window_in

SIZE = (96, 128)
TOP, SIDE = 16, 24


class Echo(ColorModel):
    """Says as colour what it is shown: a is lightness, b what it is told."""

    takes_hints = True

    def __init__(self, grain: int = 1) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.grain = self.multiple = grain
        self.seen: list[np.ndarray] = []

    def raw(self, lightness: Tensor, hints: Tensor | None = None, condition: Tensor | None = None) -> Tensor:
        self.seen.extend(lightness[:, 0].numpy())
        told = torch.zeros_like(lightness) if hints is None else hints[:, :1] * hints[:, 2:]
        return self.at_grain(torch.cat((lightness, told), 1)) / AB_SCALE * self.scale


def picture(seed: int = 0, height: int = SIZE[0], width: int = SIZE[1]) -> np.ndarray:
    """Luma codes of soft shapes, none of them black."""
    noise = np.random.default_rng(seed).integers(90, 220, (4, 6)).astype(np.uint8)
    return cv2.resize(noise, (width, height), interpolation=cv2.INTER_LINEAR)


def bordered(inside: np.ndarray, top: int, side: int) -> np.ndarray:
    """The same with black around it."""
    noise = np.random.default_rng(9).integers(14, 19, (inside.shape[0] + 2 * top, inside.shape[1] + 2 * side))
    whole = noise.astype(np.uint8)
    whole[top : top + inside.shape[0], side : side + inside.shape[1]] = inside
    return whole


def frames_of(lumas: Sequence[np.ndarray]) -> list[Frame]:
    return [Frame(luma, Timestamp(n, Fraction(1, 24)), 1, n) for n, luma in enumerate(lumas)]


def said(model: ColorModel, lumas: Sequence[np.ndarray], **options: object) -> list[np.ndarray]:
    height, width = lumas[0].shape
    stage = colorist(model, video(width, height), network_size=min(lumas[0].shape), **options)
    return [np.stack(found.ab) for found in stage.color(frames_of(lumas))]


@pytest.mark.parametrize(
    ("top", "side"), [(TOP, 0), (0, SIDE), (TOP, SIDE)], ids=["letter", "pillar", "both"]
)
@pytest.mark.parametrize("grain", [1, 2])
def test_the_network_is_shown_no_border_and_its_colour_is_where_the_picture_is(
    top: int, side: int, grain: int
) -> None:
    inside, model = picture(), Echo(grain)
    whole = bordered(inside, top, side)
    (found,) = said(model, [whole])
    (seen,) = model.seen
    assert seen.min() > 25
    assert min(seen.shape) == min(whole.shape)
    # As high for its width as what it shows, which is two samples narrower where a border may be soft.
    shown = (inside.shape[0] - 4 * (top > 0)) / (inside.shape[1] - 4 * (side > 0))
    assert seen.shape[0] / seen.shape[1] == pytest.approx(shown, rel=0.02)
    # What it says of a place is of that place.
    assert found.shape == (2, whole.shape[0] // grain, whole.shape[1] // grain)
    table = colorist(model, video()).lightness_of
    true = cv2.resize(table[whole], found.shape[:0:-1], interpolation=cv2.INTER_AREA)
    rows, columns = (slice(n // grain + 3, -(n // grain) - 3) for n in (top, side))
    assert np.abs(found[0][rows, columns] - true[rows, columns]).mean() < 0.6
    # To the very edge of the picture, and not far beyond.
    edge = found[0][
        top // grain : found.shape[1] - top // grain, side // grain : found.shape[2] - side // grain
    ]
    assert edge.min() > 25
    if top:
        assert not found[0][: top // grain - 4].any()
    if side:
        assert not found[0][:, : side // grain - 4].any()


def test_a_picture_without_borders_is_shown_as_it_is() -> None:
    model = Echo()
    night = np.full(SIZE, 17, np.uint8)
    title = bordered(np.full((10, 60), 17, np.uint8), 43, 34)
    title[45:50, 40:90:4] = 235
    said(model, [picture(), night, title])
    assert [seen.shape for seen in model.seen] == [SIZE] * 3


def test_borders_come_and_go_within_a_batch() -> None:
    inside = picture(1, 64, 128)
    lumas = [picture(0), bordered(inside, TOP, 0), bordered(picture(2, 64, 128), TOP, 0), picture(3)]
    together, alone = Echo(), Echo()
    found = said(together, lumas, batch_size=4)
    apart = [said(alone, [luma])[0] for luma in lumas]
    for one, other in zip(found, apart, strict=True):
        assert np.allclose(one, other, atol=1e-4)


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_what_it_is_told_is_told_where_it_is(rotation: int) -> None:
    """Hints are of the whole picture, upright."""
    whole, model = bordered(picture(), TOP, SIDE), Echo()
    height, width = whole.shape
    stage = colorist(model, video(width, height, rotation=rotation), network_size=min(whole.shape))
    frame = frames_of([whole])[0]
    hints = np.zeros((3, *stage.lightness(whole).shape), np.float32)
    stored = np.zeros((3, *stage.size), np.float32)
    stored[:, 40:52, 60:76] = np.array((30, 0, 1), np.float32)[:, None, None]
    hints[:] = np.rot90(stored, stage.turns, (1, 2))
    b = np.asarray(stage.told(frame, hints)[1])
    inside = b > 15
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    assert (rows[0], rows[-1]) == (pytest.approx(40, abs=2), pytest.approx(51, abs=2))
    assert (columns[0], columns[-1]) == (pytest.approx(60, abs=2), pytest.approx(75, abs=2))
    # Shown upright, between the borders.
    seen = model.seen[-1]
    assert seen.min() > 25
    assert (seen.shape[0] > seen.shape[1]) == (rotation in (90, 270))


def test_the_same_frame_is_asked_of_once() -> None:
    whole, model = bordered(picture(), TOP, 0), Echo()
    stage = colorist(model, video(whole.shape[1], whole.shape[0]))
    frame = frames_of([whole])[0]
    first = stage.own(frame)
    assert stage.own(frame) is first
    assert len(model.seen) == 1


def test_parts_of_planes_of_any_size() -> None:
    window = Window((96, 128), 16, 24, (64, 80), (96, 120))
    for times in (1, 2, 5):
        plane = np.arange(96 * 128 * times**2).reshape(96 * times, 128 * times)
        part = window.of(plane)
        assert part.shape == (64 * times, 80 * times)
        assert part[0, 0] == plane[16 * times, 24 * times]
    assert window_in(np.full((96, 128), 50, np.float32), 96, 2, 2, 6) is None
