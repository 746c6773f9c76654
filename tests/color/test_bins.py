"""The 313 bins against the published list, and ab to bins and back against plain brute force."""

import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from vidcolor.color.bins import (
    BIN_COUNT,
    BINS,
    bins,
    class_weights,
    count_bins,
    decode_bins,
    nearest_bin,
    prior_of,
    smooth_prior,
    soft_bins,
)
from vidcolor.color.lab import rgb_to_lab
from vidcolor.errors import UsageError

DATA = Path(os.environ.get("VIDCOLOR_DATA", Path(__file__).parents[3] / "shared" / "data"))
PUBLISHED = DATA / "gamut" / "pts_in_hull.npy"

# a: first and last b. Every tenth b between is a bin.
ROWS = {
    -90: (50, 90),
    -80: (20, 90),
    -70: (0, 90),
    -60: (-20, 90),
    -50: (-30, 100),
    -40: (-40, 100),
    -30: (-50, 100),
    -20: (-50, 100),
    -10: (-60, 100),
    0: (-70, 100),
    10: (-80, 90),
    20: (-80, 90),
    30: (-90, 90),
    40: (-100, 90),
    50: (-100, 80),
    60: (-110, 80),
    70: (-110, 80),
    80: (-110, 70),
    90: (-110, 70),
    100: (-90, 0),
}


def number_of(a: float, b: float) -> int:
    return BINS.tolist().index([a, b])


def colors(spread: float, count: int = 4000) -> torch.Tensor:
    """``(1, 2, count, 1)`` random ab from -spread to spread."""
    return (torch.rand(1, 2, count, 1, generator=torch.Generator().manual_seed(0)) * 2 - 1) * spread


def distances(ab: torch.Tensor) -> torch.Tensor:
    """``(N, 313)`` float64 from each colour to each bin."""
    return torch.cdist(ab.double().flatten(2)[0].T, BINS.double())


# ---- the bins ------------------------------------------------------------------------------------


def test_the_bins_are_these() -> None:
    expected = [[a, b] for a, (first, last) in ROWS.items() for b in range(first, last + 1, 10)]
    assert BINS.tolist() == expected
    assert len(BINS) == BIN_COUNT == 313


@pytest.mark.skipif(not PUBLISHED.is_file(), reason="no published list here (VIDCOLOR_DATA)")
def test_the_bins_are_the_published_ones() -> None:
    assert np.array_equal(BINS.numpy(), np.load(PUBLISHED))


def test_every_srgb_color_is_in_a_bins_square() -> None:
    axis = torch.linspace(0, 1, 33)
    lab = rgb_to_lab(torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij")).reshape(1, 3, 33, -1))
    away = BINS[nearest_bin(lab[:, 1:])].movedim(-1, 1) - lab[:, 1:]
    assert away.abs().max() <= 5


# ---- from ab to bins -----------------------------------------------------------------------------


@pytest.mark.parametrize("spread", [60.0, 120.0, 300.0])
def test_nearest_bin_is_nearest(spread: float) -> None:
    ab = colors(spread)
    far = distances(ab)
    found = nearest_bin(ab)
    assert found.shape == (1, 4000, 1)
    assert found.dtype == torch.int64
    chosen = far.gather(1, found.view(-1, 1))[:, 0]
    assert torch.allclose(chosen, far.amin(1), atol=1e-5)


def test_soft_bins_around_neutral_by_hand() -> None:
    indices, weights = soft_bins(torch.zeros(1, 2, 1, 1))
    assert indices.shape == weights.shape == (1, 10, 1, 1)
    # Itself, four at 10 and four at 14.1 units; the tenth is one of those at 20.
    total = 1 + 4 * math.exp(-2) + 4 * math.exp(-4) + math.exp(-8)
    expected = [1, *[math.exp(-2)] * 4, *[math.exp(-4)] * 4, math.exp(-8)]
    assert weights.flatten().tolist() == pytest.approx([w / total for w in expected], rel=1e-5)
    assert indices[0, 0, 0, 0] == number_of(0, 0)
    assert {tuple(BINS[i].tolist()) for i in indices.flatten()[1:5]} == {(0, 10), (0, -10), (10, 0), (-10, 0)}


@pytest.mark.parametrize(("neighbours", "sigma"), [(10, 5.0), (5, 8.0), (1, 5.0)])
def test_soft_bins_are_the_nearest_weighted(neighbours: int, sigma: float) -> None:
    ab = colors(95.0)
    indices, weights = soft_bins(ab, neighbours, sigma)
    far = distances(ab)
    taken = far.gather(1, indices[0, ..., 0].T)
    gauss = (-taken.square() / (2 * sigma**2)).exp()
    assert torch.allclose(weights[0, ..., 0].T.double(), gauss / gauss.sum(1, keepdim=True), atol=1e-5)
    assert all(len(set(row)) == neighbours for row in indices[0, ..., 0].T.tolist())
    # Looked up to whole a and b: of two about equally near the other may be taken, never a far one.
    last = far.sort(1).values[:, neighbours - 1]
    assert (taken.amax(1) - last).max() <= 2 * math.hypot(0.5, 0.5)


def test_looking_neighbours_up_moves_less_than_a_hundredth() -> None:
    axis = torch.linspace(0, 1, 17)
    rgb = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij")).reshape(1, 3, -1, 1)
    ab = rgb_to_lab(rgb)[:, 1:]
    far, order = distances(ab).topk(10, largest=False)
    exact = torch.zeros(len(far), BIN_COUNT).scatter_(1, order, (-far.square() / 50).softmax(1).float())
    indices, weights = soft_bins(ab)
    found = torch.zeros(1, BIN_COUNT, len(far), 1).scatter_(1, indices, weights)[0, ..., 0].T
    assert (found - exact).abs().max() < 0.01


def test_soft_bins_far_outside_stay_finite() -> None:
    indices, weights = soft_bins(torch.tensor([1000.0, 0.0]).view(1, 2, 1, 1))
    assert weights.isfinite().all()
    assert indices[0, weights[0, :, 0, 0].argmax(), 0, 0] == number_of(100, 0)


# ---- priors --------------------------------------------------------------------------------------


def test_prior_counts_pixels() -> None:
    ab = torch.tensor([[0.0, 0.0], [4.0, -4.0], [30.0, 30.0], [-1.0, 2.0]]).T.reshape(1, 2, 2, 2)
    counts = count_bins(ab)
    assert counts[number_of(0, 0)] == 3
    assert counts[number_of(30, 30)] == 1
    assert counts.sum() == 4
    for given in (counts, ab, [counts], iter([ab, ab])):
        prior = prior_of(given)
        assert prior[number_of(0, 0)] == 0.75
        assert prior.sum() == 1
    with pytest.raises(UsageError, match="no pixel to count"):
        prior_of([])


def test_smoothing_spreads_and_keeps_the_sum() -> None:
    prior = torch.zeros(BIN_COUNT)
    prior[number_of(0, 0)] = 1
    smooth = smooth_prior(prior)
    assert smooth.sum().item() == pytest.approx(1)
    ratio = smooth[number_of(10, 0)] / smooth[number_of(0, 0)]
    assert ratio.item() == pytest.approx(math.exp(-2), rel=1e-5)
    edge = smooth_prior(torch.eye(BIN_COUNT)[0])
    assert edge.sum().item() == pytest.approx(1)


def test_class_weights_by_hand() -> None:
    prior = torch.zeros(BIN_COUNT)
    prior[0], prior[1] = 0.75, 0.25
    weights = class_weights(prior, mix=0.5)
    # Q = 2: 1 / (0.375 + 0.25) and 1 / (0.125 + 0.25), over their expectation; 1 / 0.25 where none is.
    scale = 0.75 / 0.625 + 0.25 / 0.375
    assert weights[:3].tolist() == pytest.approx([1.6 / scale, 1 / 0.375 / scale, 4 / scale])
    assert (prior * weights).sum().item() == pytest.approx(1)
    assert class_weights(prior, mix=1.0).tolist() == pytest.approx([1.0] * BIN_COUNT)


@pytest.mark.parametrize("mix", [0.0, -0.1, 1.5])
def test_impossible_mix_is_refused(mix: float) -> None:
    with pytest.raises(UsageError, match="mix must be above 0 and at most 1"):
        class_weights(torch.full((BIN_COUNT,), 1 / BIN_COUNT), mix)


# ---- from bins to ab -----------------------------------------------------------------------------

RED, BLUE, THIRD = number_of(60, 40), number_of(20, -60), number_of(-50, 50)


def logits_of(*shares: tuple[int, float]) -> torch.Tensor:
    """``(2, 313, 3, 2)`` logits, everywhere the same: these shares, nothing elsewhere."""
    logits = torch.full((BIN_COUNT,), -1e4)
    for number, share in shares:
        logits[number] = math.log(share)
    return logits.view(1, -1, 1, 1).expand(2, -1, 3, 2)


@pytest.mark.parametrize(
    ("method", "options", "a", "b"),
    [
        ("mode", {}, 60, 40),
        ("top", {"top": 1}, 60, 40),
        ("top", {"top": 2}, 40, -10),
        ("top", {"top": 3}, 10, 10),
        ("mean", {}, 0.6 * 60 + 0.3 * 20 - 0.1 * 50, 0.6 * 40 - 0.3 * 60 + 0.1 * 50),
        ("annealed", {"temperature": 1.0}, 37, 11),
        ("annealed", {"temperature": 0.01}, 60, 40),
        # Shares to the power of 2, normalised: 36, 9 and 1 of 46.
        ("annealed", {"temperature": 0.5}, (36 * 60 + 9 * 20 - 50) / 46, (36 * 40 - 9 * 60 + 50) / 46),
    ],
)
def test_decodings_by_hand(method: str, options: dict[str, float], a: float, b: float) -> None:
    ab = decode_bins(logits_of((RED, 0.6), (BLUE, 0.3), (THIRD, 0.1)), method, **options)  # type: ignore[arg-type]
    assert ab.shape == (2, 2, 3, 2)
    assert ab[1, :, 2, 1].tolist() == pytest.approx([a, b], abs=1e-3)


@pytest.mark.parametrize("method", ["mode", "top", "mean", "annealed"])
def test_memory_layout_changes_nothing(method: str) -> None:
    logits = torch.randn(2, BIN_COUNT, 5, 7, generator=torch.Generator().manual_seed(0))
    last = logits.contiguous(memory_format=torch.channels_last)
    assert torch.allclose(decode_bins(logits, method), decode_bins(last, method), atol=1e-4)


def test_mode_of_the_nearest_bin_is_that_bin() -> None:
    numbers = nearest_bin(colors(90.0, 50))
    logits = torch.nn.functional.one_hot(numbers, BIN_COUNT).movedim(-1, 1).float()
    assert torch.equal(decode_bins(logits, "mode"), BINS[numbers].movedim(-1, 1))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"method": "median"}, "decoding must be one of annealed, mode, top, mean, not 'median'"),
        ({"temperature": 0.0}, "temperature must be more than 0, not 0.0"),
        ({"temperature": "hot"}, "temperature must be more than 0, not 'hot'"),
        ({"method": "top", "top": 0}, "top must be a whole number from 1 to 313, not 0"),
        ({"method": "top", "top": 2.5}, "top must be a whole number from 1 to 313, not 2.5"),
    ],
)
def test_impossible_decodings_are_refused(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        decode_bins(torch.zeros(1, BIN_COUNT, 1, 1), **options)  # type: ignore[arg-type]


def test_impossible_neighbourhoods_are_refused() -> None:
    with pytest.raises(UsageError, match="neighbours must be 1 to 313 bins, not 0"):
        soft_bins(torch.zeros(1, 2, 1, 1), 0)
    with pytest.raises(UsageError, match="sigma must be above 0, not 0"):
        soft_bins(torch.zeros(1, 2, 1, 1), 10, 0)


def test_what_was_used_for_inference_can_be_trained_with() -> None:
    bins.cache_clear()
    logits = torch.zeros(1, BIN_COUNT, 2, 2, requires_grad=True)
    ab = torch.zeros(1, 2, 2, 2, requires_grad=True)
    with torch.inference_mode():
        decode_bins(logits)
        soft_bins(ab, 7)
    decode_bins(logits).sum().backward()
    soft_bins(ab, 7)[1][:, 0].sum().backward()
    assert logits.grad is not None
    assert logits.grad.any()
    assert ab.grad is not None
