"""A network that says otherwise of the same picture in a smaller size is believed less."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.pipeline.test_colorist import colorist, frames, video
from vidcolor.errors import UsageError
from vidcolor.models import ColorModel, create_model
from vidcolor.models.spaces import AB_SCALE
from vidcolor.models.weights import load_weights, save_weights
from vidcolor.pipeline.second_look import agreed, second_size


class Fickle(ColorModel):
    """Says one colour on the left; on the right one of large pictures and another of small ones."""

    takes_hints = True

    def __init__(self, caution: float) -> None:
        super().__init__()
        self.caution = caution
        self.sizes: list[tuple[int, ...]] = []

    def raw(self, lightness: Tensor, hints: Tensor | None = None, condition: Tensor | None = None) -> Tensor:
        self.sizes.append(tuple(lightness.shape[-2:]))
        ab = torch.zeros_like(lightness).repeat(1, 2, 1, 1)
        half = lightness.shape[-1] // 2
        ab[:, 0, :, :half] = 20
        ab[:, 1, :, half:] = 20 if lightness.shape[-2] >= 48 else -20
        return ab / AB_SCALE


def test_only_what_both_looks_say_keeps_its_colour() -> None:
    model = Fickle(1.0)
    found = [frame.ab for frame in colorist(model, video()).color(frames(2))]
    assert model.sizes == [(48, 64), (34, 45)]
    for a, b in found:
        assert np.allclose(a[:, :24], 20, atol=1e-3)
        # c = 20², d = 40²: a fifth is left.
        assert np.allclose(b[:, 40:], 4, atol=1e-3)


@pytest.mark.parametrize(("caution", "left"), [(0.25, 10.0), (4.0, 20 / 17)])
def test_more_caution_leaves_less(caution: float, left: float) -> None:
    _, b = next(iter(colorist(Fickle(caution), video()).color(frames(1)))).ab
    assert np.allclose(b[:, 40:], left, atol=1e-3)


def test_without_caution_there_is_one_look() -> None:
    model = Fickle(0.0)
    _, b = next(iter(colorist(model, video()).color(frames(1)))).ab
    assert len(model.sizes) == 1
    assert np.allclose(b[:, 40:], 20)


def test_what_it_is_told_is_not_doubted() -> None:
    model = Fickle(1.0)
    stage, frame = colorist(model, video()), frames(1)[0]
    _, b = stage.told(frame, np.zeros((3, 48, 64), np.float32))
    assert len(model.sizes) == 1
    assert np.allclose(b[:, 40:], 20)
    assert np.allclose(stage.own(frame)[1][:, 40:], 4, atol=1e-3)


def test_pictures_are_looked_at_as_they_are_seen() -> None:
    model = Fickle(1.0)
    a, b = next(iter(colorist(model, video(rotation=90)).color(frames(1)))).ab
    assert model.sizes == [(64, 48), (45, 34)]
    assert a.shape == b.shape == (48, 64)


def test_a_network_that_agrees_with_itself_is_left_alone() -> None:
    first = torch.randn(2, 2, 12, 16, generator=torch.Generator().manual_seed(0)) * 20
    assert torch.allclose(agreed(first, first, 1.0, 2), first, atol=1e-5)
    nothing = torch.zeros(1, 2, 12, 16)
    assert not agreed(nothing, nothing + 5, 1.0, 2).any()


def test_the_smallest_picture_has_no_smaller_one() -> None:
    assert second_size(32, 32, 32) is None
    assert second_size(192, 192, 1) == (134, 134)
    assert second_size(16, 96, 1) == (16, 67)
    model = Fickle(1.0)
    next(iter(colorist(model, video(64, 64), network_size=16).color(frames(1, 64, 64))))
    assert model.sizes == [(16, 16)]


def test_weights_keep_their_caution(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    model = create_model("unet", widths=(8, 8))
    save_weights(
        path, model, name="unet", options={"widths": [8, 8], "caution": 0.5}, version="1", training={}
    )
    assert load_weights(path).model.caution == 0.5
    assert model.caution == 0
    for wrong in (-1, float("inf"), float("nan"), "much", True):
        with pytest.raises(UsageError, match="caution must be a number, 0 or more"):
            create_model("unet", widths=(8, 8), caution=wrong)
