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
from vidcolor.pipeline.colorist import Seen, _alike
from vidcolor.pipeline.preview.sights import Reducer
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
        self.told: list[np.ndarray] = []

    def raw(self, lightness: Tensor, hints: Tensor | None = None, condition: Tensor | None = None) -> Tensor:
        self.seen.extend(lightness[:, 0].numpy())
        told = torch.zeros_like(lightness) if hints is None else hints[:, :1] * hints[:, 2:]
        self.told.extend(told[:, 0].numpy())
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


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_what_it_is_told_is_told_where_it_is(rotation: int, mirrored: bool) -> None:
    """Hints are of the whole picture, upright."""
    whole, model = bordered(picture(), TOP, SIDE), Echo()
    height, width = whole.shape
    info = video(width, height, rotation=rotation, mirrored=mirrored)
    stage = colorist(model, info, network_size=min(whole.shape))
    frame = frames_of([whole])[0]
    hints = np.zeros((3, *stage.lightness(whole).shape), np.float32)
    stored = np.zeros((3, *stage.size), np.float32)
    stored[:, 40:52, 60:76] = np.array((30, 0, 1), np.float32)[:, None, None]
    hints[:] = stage.orientation.upright(stored, (1, 2))
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
    # The longest side a network is shown, and a part that is less than a square of its grain.
    strip = np.zeros((96, 1024), np.float32)
    strip[27:-27] = 60
    found = window_in(strip, 96, 8, 2, 6)
    assert found is not None
    assert found.seen == (96, 576)
    thin = np.zeros((16, 16), np.float32)
    thin[5:-5] = 60
    assert window_in(thin, 16, 16, 8, 6) is None


def test_a_hint_of_a_pixel_is_not_lost_where_the_part_is_shown_smaller() -> None:
    model = Echo()
    model.multiple = 64
    whole = bordered(picture(0, 96, 128), 0, SIDE)
    stage = colorist(model, video(whole.shape[1], whole.shape[0]), network_size=64)
    for column in range(30, 90):
        hints = np.zeros((3, *stage.size), np.float32)
        hints[:, 32, column] = 20, 0, 1
        stage.told(frames_of([whole])[0], hints)
        assert model.told[-1].max() == 20, column


def test_a_frame_whose_borders_are_read_otherwise_is_asked_of_again() -> None:
    model, luma = Echo(), picture()
    stage = colorist(model, video(SIZE[1], SIZE[0]), network_size=96)
    seen = stage.see(luma)
    assert seen.window is None
    stage.own_of(seen, 7)
    assert stage.own_of(seen, 7) is stage.own_of(seen, 7)
    assert len(model.seen) == 1
    stage.own_of(Seen(seen.luma, Window(SIZE, 16, 0, (64, 128), SIZE)), 7)
    assert len(model.seen) == 2


def test_a_preview_is_shown_what_a_run_is() -> None:
    """Of frames much larger than what the network sees: their parts are as fine as the whole."""
    large = bordered(picture(0, 640, 1280), 160, 0)
    stage = colorist(Echo(), video(1280, 960), network_size=96)
    frame = frames_of([large])[0]
    sight = Reducer(video(1280, 960), Fraction(0), (96, 128), {stage.view: stage.see}, None)(frame)
    assert sight.seen[stage.view].window is not None
    ab = stage.own_of(sight.seen[stage.view], 0)
    again = colorist(Echo(), video(1280, 960), network_size=96).own(frame)
    assert np.array_equal(ab, again)


def test_pictures_of_several_windows_are_asked_of_by_powers_of_two() -> None:
    one, other = Window(SIZE, 16, 0, (64, 128), SIZE), Window(SIZE, 0, 16, (96, 96), SIZE)
    luma = np.zeros(SIZE, np.uint8)
    pictures = [Seen(luma, window) for window in [None] * 7 + [one] * 3 + [other]]
    assert [len(group) for group in _alike(pictures)] == [4, 2, 1, 2, 1, 1]
    assert [seen for group in _alike(pictures) for seen in group] == pictures
    assert [len(group) for group in _alike(pictures[:7])] == [7]
