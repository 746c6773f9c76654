"""The colour of what is near."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from vidcolor.temporal.surroundings import around, around_alike


def near(luma: Tensor, chroma: Tensor, weight: Tensor) -> Tensor:
    return around(chroma * weight, weight)


def near_and_alike(luma: Tensor, chroma: Tensor, weight: Tensor) -> Tensor:
    return around_alike(luma, chroma * weight, weight)


Way = Callable[[Tensor, Tensor, Tensor], Tensor]
both = pytest.mark.parametrize("way", [near, near_and_alike])


def drawn(count: int, height: int, width: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Luma, chroma and weights of any kind."""
    draw = torch.Generator().manual_seed(seed)
    luma = torch.rand((count, 1, height, width), generator=draw) * 255
    chroma = torch.rand((count, 2, height, width), generator=draw) * 160 - 80
    return luma, chroma, torch.rand((count, 1, height, width), generator=draw)


@both
@pytest.mark.parametrize("size", [(1, 1), (1, 50), (37, 1), (2, 3), (33, 47), (108, 192)], ids=str)
def test_any_size_gives_what_lies_among_what_is_there(way: Way, size: tuple[int, int]) -> None:
    found = way(*drawn(2, *size))
    assert found.shape == (2, 2, *size)
    assert found.abs().max() <= 80.5


@both
def test_one_colour_is_found_everywhere(way: Way) -> None:
    luma, chroma, weight = drawn(1, 40, 60)
    chroma[:] = torch.tensor((30.0, -12.0))[:, None, None]
    weight[..., 10:30, 20:45] = 0
    found = way(luma, chroma, weight)
    torch.testing.assert_close(found, chroma, rtol=0, atol=0.5)


@both
def test_nothing_known_is_no_colour(way: Way) -> None:
    luma, chroma, weight = drawn(1, 40, 60)
    assert not way(luma, chroma, torch.zeros_like(weight)).any()


@both
def test_pictures_of_a_batch_know_nothing_of_each_other(way: Way) -> None:
    given = drawn(3, 30, 44)
    whole = way(*given)
    for n in range(3):
        alone = way(*(x[n : n + 1] for x in given))
        torch.testing.assert_close(alone, whole[n : n + 1], rtol=0, atol=1e-4)


def test_what_is_of_like_brightness_counts() -> None:
    """A dark thing before a bright ground, a half of each unknown: each hole gets its own thing's colour."""
    luma, chroma = torch.full((1, 1, 64, 96), 200.0), torch.full((1, 2, 64, 96), 40.0)
    luma[..., 16:48, 30:66], chroma[..., 16:48, 30:66] = 40.0, -40.0
    weight = torch.ones_like(luma)
    weight[..., 8:56, 48:80] = 0
    alike, plain = near_and_alike(luma, chroma, weight), near(luma, chroma, weight)
    alike, plain = near_and_alike(luma, chroma, weight), near(luma, chroma, weight)
    thing = (0, slice(None), slice(24, 40), slice(52, 62))
    ground = (0, slice(None), slice(24, 40), slice(70, 78))
    assert alike[ground].min() > 35
    assert alike[thing].max() < -5
    # Without brightness the ground's colour is all over it.
    assert plain[thing].min() > 10
