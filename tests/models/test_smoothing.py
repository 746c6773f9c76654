"""No checkerboard in flat regions, and no colour over edges."""

import pytest
import torch
from torch import Tensor

from vidcolor.errors import UsageError
from vidcolor.models import create_model
from vidcolor.models.smoothing import guided_smooth


def checkerboard(period: int, size: int = 64) -> Tensor:
    """``(1, 2, size, size)``: ab that jumps by 20 each half period."""
    row = (torch.arange(size) // (period // 2)) % 2
    board = (row[:, None] + row[None]) % 2
    return 20.0 * board.expand(1, 2, size, size)


@pytest.mark.parametrize("period", [2, 4, 8])
def test_a_checkerboard_on_a_flat_region_is_gone(period: int) -> None:
    flat = torch.full((1, 1, 64, 64), 60.0)
    pattern = checkerboard(period)
    smooth = guided_smooth(pattern, flat, 4)[..., 8:-8, 8:-8]
    assert smooth.std() < 0.1 * pattern.std()
    assert abs(smooth.mean() - pattern.mean()) < 0.5


def test_grain_in_the_lightness_does_not_bring_it_back() -> None:
    torch.manual_seed(0)
    grain = 60 + torch.randn(1, 1, 64, 64)
    smooth = guided_smooth(checkerboard(2), grain, 4)[..., 8:-8, 8:-8]
    assert smooth.std() < 0.1 * checkerboard(2).std()


def test_colour_stays_on_its_side_of_an_edge() -> None:
    side = (torch.arange(64) >= 32).float().expand(1, 1, 64, 64)
    lightness, ab = 30 + 40 * side, (60 * side - 30).expand(1, 2, 64, 64)
    assert (guided_smooth(ab, lightness, 4) - ab).abs().max() < 1.5
    assert (guided_smooth(ab, torch.full_like(lightness, 50), 4) - ab).abs().max() > 25


def test_a_constant_stays_and_no_radius_does_nothing() -> None:
    torch.manual_seed(0)
    lightness, ab = torch.rand(2, 1, 17, 23) * 100, torch.tensor([12.0, -7.0]).view(1, 2, 1, 1)
    torch.testing.assert_close(guided_smooth(ab.expand(2, 2, 17, 23), lightness, 4), ab.expand(2, 2, 17, 23))
    wild = torch.randn(2, 2, 17, 23)
    assert guided_smooth(wild, lightness, 0) is wild


def test_the_gan_smooths_what_it_gives_and_not_what_its_losses_see() -> None:
    torch.manual_seed(0)
    smoothed = create_model("cgan", widths=[4, 8], image=16).eval()
    bare = create_model("cgan", widths=[4, 8], image=16, smoothing=0).eval()
    bare.load_state_dict(smoothed.state_dict())
    flat = torch.full((1, 1, 64, 64), 60.0)
    assert torch.equal(smoothed.raw(flat), bare.raw(flat))
    one, other = smoothed(flat)[..., 16:-16, 16:-16], bare(flat)[..., 16:-16, 16:-16]
    assert other.std((2, 3)).max() > 0.05  # an untrained network's checkerboard
    assert one.std((2, 3)).max() < 0.15 * other.std((2, 3)).max()
    with pytest.raises(UsageError, match="smoothing must be a radius in whole pixels"):
        create_model("cgan", smoothing=-1)
