"""Colour to grey: what each of the eight ways makes of known colours."""

import pytest
import torch

from vidcolor.color.grey import GREYS, lightness_of_grey, to_grey
from vidcolor.color.lab import rgb_to_lab
from vidcolor.errors import UsageError


def pictures() -> torch.Tensor:
    return torch.rand(2, 3, 8, 6, generator=torch.Generator().manual_seed(0))


def test_there_are_eight() -> None:
    assert list(GREYS) == ["lightness", "luma601", "luma709", "mean", "middle", "red", "green", "blue"]


@pytest.mark.parametrize("how", GREYS)
def test_grey_stays_what_it_is(how: str) -> None:
    ramp = torch.linspace(0, 1, 64).expand(2, 3, 1, 64)
    assert torch.allclose(to_grey(ramp, how), ramp[:, :1], atol=1e-5)


@pytest.mark.parametrize("how", GREYS)
def test_one_signal_in_range(how: str) -> None:
    grey = to_grey(pictures(), how)
    assert grey.shape == (2, 1, 8, 6)
    assert grey.dtype == torch.float32
    assert grey.min() >= 0
    assert grey.max() <= 1
    assert grey.std() > 0.1


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("luma601", 0.299 * 0.8 + 0.587 * 0.4 + 0.114 * 0.1),
        ("luma709", 0.2126 * 0.8 + 0.7152 * 0.4 + 0.0722 * 0.1),
        ("mean", 1.3 / 3),
        ("middle", 0.45),
        ("red", 0.8),
        ("green", 0.4),
        ("blue", 0.1),
    ],
)
def test_orange_by_hand(how: str, expected: float) -> None:
    orange = torch.tensor([0.8, 0.4, 0.1]).view(1, 3, 1, 1)
    assert to_grey(orange, how).item() == pytest.approx(expected, rel=1e-5)


def test_lightness_is_labs() -> None:
    rgb = pictures()
    found = lightness_of_grey(to_grey(rgb, "lightness"))
    assert torch.allclose(found, rgb_to_lab(rgb)[:, :1], atol=1e-3)


def test_no_two_ways_are_alike() -> None:
    greys = [to_grey(pictures(), how) for how in GREYS]
    for number, one in enumerate(greys):
        for other in greys[:number]:
            assert (one - other).abs().max() > 0.02


def test_unknown_grey_is_refused() -> None:
    with pytest.raises(UsageError, match="There is no grey 'sepia'; there are: lightness, luma601"):
        to_grey(pictures(), "sepia")
