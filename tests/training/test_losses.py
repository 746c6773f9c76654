"""Losses against values worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
import torch
import torch.nn.functional as F

from vidcolor.color.bins import BIN_COUNT, bins, class_weights, nearest_bin
from vidcolor.color.lab import lab_to_rgb, rgb_to_lab
from vidcolor.errors import UsageError
from vidcolor.metrics import colorfulness, psnr
from vidcolor.models import spaces
from vidcolor.training.losses import (
    Objective,
    blur_color,
    cross_entropy,
    discriminator_loss,
    distribution_loss,
    generator_loss,
    rarity_weights,
)
from vidcolor.training.options import LossOptions

# Two pixels; predicted and true a and b over 110.
FOUND = torch.tensor([[0.1, 0.2], [0.3, -0.5]]).view(1, 2, 1, 2)
TRUTH = torch.tensor([[0.0, 0.2], [0.1, 0.5]]).view(1, 2, 1, 2)


def lab_of(ab: torch.Tensor) -> torch.Tensor:
    return torch.cat((torch.full_like(ab[:, :1], 50.0), ab), 1)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("l2", (0.1**2 + 0.2**2 + 0 + 1) / 2),
        ("mse", (0.1**2 + 0.2**2 + 0 + 1) / 4),
        ("l1", (0.1 + 0.2 + 0 + 1) / 4),
        (
            "msle",
            sum(
                (math.log1p((y + 1) / 2) - math.log1p((t + 1) / 2)) ** 2
                for y, t in ((0.1, 0.0), (0.3, 0.1), (-0.5, 0.5))
            )
            / 4,
        ),
        ("huber", (0.1**2 / 2 + 0.2**2 / 2 + 0 + 0.25 * (1 - 0.125)) / 0.25 / 4),
    ],
)
def test_losses_on_colors(name: str, value: float) -> None:
    objective = Objective(LossOptions(name=name, huber_delta=0.25), "ab")
    assert objective(FOUND, lab_of(110 * TRUTH)).item() == pytest.approx(value, rel=1e-5)
    doubled = Objective(LossOptions(name=name, huber_delta=0.25, weight=2.0), "ab")
    assert doubled(FOUND, lab_of(110 * TRUTH)).item() == pytest.approx(2 * value, rel=1e-5)


def test_a_picture_may_count_by_the_logarithm_of_its_error() -> None:
    raw = torch.cat((FOUND, TRUTH))
    lab = lab_of(110 * torch.cat((TRUTH, TRUTH + 0.1)))
    objective = Objective(LossOptions(name="mse", picture_floor=0.01), "ab")
    first = (0.1**2 + 0.2**2 + 0 + 1) / 4
    assert objective(raw, lab).item() == pytest.approx(
        (math.log(first + 0.01) + math.log(0.02)) / 2, rel=1e-5
    )


def pictures(count: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    """Lab of some pictures with colour, and what a network may say of them, over 110."""
    noise = torch.rand((count, 3, 6, 8), generator=torch.Generator().manual_seed(0))
    lab = rgb_to_lab(0.3 + 0.4 * noise)
    return lab, lab[:, 1:] * 0.7 / 110


def as_codes(lab: torch.Tensor) -> npt.NDArray[np.uint8]:
    return (255 * lab_to_rgb(lab)).round().to(torch.uint8).permute(1, 2, 0).numpy()


def test_srgb_counts_as_psnr_does() -> None:
    lab, raw = pictures()
    objective = Objective(LossOptions(name="srgb", picture_floor=1e-9), "ab")
    expected = [
        psnr(as_codes(torch.cat((truth[:1], 110 * found))), as_codes(truth))
        for truth, found in zip(lab, raw, strict=True)
    ]
    assert -10 / math.log(10) * objective(raw, lab).item() == pytest.approx(np.mean(expected), abs=0.05)


def test_colorfulness_is_taken_off_the_loss() -> None:
    lab, raw = pictures()
    plain, rewarded = (
        Objective(LossOptions(name="srgb", colorful=worth), "ab")(raw, lab) for worth in (0, 2)
    )
    expected = [
        colorfulness(as_codes(torch.cat((truth[:1], 110 * found)))) / 255
        for truth, found in zip(lab, raw, strict=True)
    ]
    assert (plain - rewarded).item() == pytest.approx(2 * np.mean(expected), rel=0.03)


@pytest.mark.parametrize("signal", [0.0, 0.5, 1.0])
def test_srgb_has_a_gradient_at_black_at_white_and_beyond(signal: float) -> None:
    lab = rgb_to_lab(torch.full((1, 3, 4, 4), signal))
    for said in (0.0, 0.9):
        raw = torch.full((1, 2, 4, 4), said, requires_grad=True)
        Objective(LossOptions(name="srgb", picture_floor=1e-4, colorful=1.0), "ab")(raw, lab).backward()
        assert raw.grad is not None
        assert raw.grad.isfinite().all()
        assert raw.grad.abs().max() > 0 or said == 0


def test_msle_keeps_a_way_back_for_what_strayed_below() -> None:
    found = torch.full((1, 2, 1, 1), -1.5, requires_grad=True)
    Objective(LossOptions(name="msle"), "ab")(found, lab_of(torch.zeros(1, 2, 1, 1))).backward()
    assert found.grad is not None
    assert (found.grad < -0.01).all()


@pytest.mark.parametrize("space", ["rgb", "cbcr"])
def test_colors_are_compared_in_the_network_s_space(space: spaces.Space) -> None:
    lab = rgb_to_lab(torch.tensor([0.9, 0.4, 0.2]).view(1, 3, 1, 1))
    truth = spaces.encode(space, lab)
    objective = Objective(LossOptions(name="l1"), space)
    assert objective(truth, lab).item() == pytest.approx(0, abs=1e-6)
    assert objective(truth + 0.25, lab).item() == pytest.approx(0.25, abs=1e-5)


def test_cross_entropy_hard() -> None:
    ab = bins()[[7, 200]].T.reshape(1, 2, 1, 2)
    logits = torch.randn(1, BIN_COUNT, 1, 2, generator=torch.Generator().manual_seed(0))
    each = [-logits[0, :, 0, i].log_softmax(0)[k].item() for i, k in enumerate((7, 200))]
    assert cross_entropy(logits, ab).item() == pytest.approx(sum(each) / 2, rel=1e-5)
    weights = torch.ones(BIN_COUNT)
    weights[200] = 3.0
    expected = (each[0] + 3 * each[1]) / 2
    assert cross_entropy(logits, ab, weights=weights).item() == pytest.approx(expected, rel=1e-5)


def test_cross_entropy_soft_is_smallest_at_the_gaussian_of_the_neighbours() -> None:
    centre = int(nearest_bin(torch.zeros(1, 2, 1, 1)).item())
    away = (bins() - bins()[centre]).square().sum(1)
    nearest = away.argsort()[:10]
    shares = (-away[nearest] / 50).exp()
    shares /= shares.sum()
    target = torch.zeros(BIN_COUNT).index_add(0, nearest, shares)
    logits = torch.randn(BIN_COUNT, generator=torch.Generator().manual_seed(1))
    expected = -(target * logits.log_softmax(0)).sum().item()
    ab = bins()[centre].view(1, 2, 1, 1)
    # Of the bins at one distance any may be the tenth: what they weigh is hardly anything.
    assert cross_entropy(logits.view(1, -1, 1, 1), ab, soft=True).item() == pytest.approx(expected, abs=1e-2)
    best = target.clamp_min(1e-9).log().view(1, -1, 1, 1)
    entropy = -(shares * shares.log()).sum().item()
    assert cross_entropy(best, ab, soft=True).item() == pytest.approx(entropy, abs=1e-3)


def test_distribution_loss_is_the_distance_of_two_distributions() -> None:
    prior = torch.zeros(BIN_COUNT)
    prior[3], prior[4] = 0.75, 0.25
    logits = torch.full((1, BIN_COUNT, 1, 2), -100.0)
    logits[0, 3, 0, 0] = logits[0, 4, 0, 1] = 100.0  # half the pixels in each
    assert distribution_loss(logits, prior).item() == pytest.approx(math.hypot(0.25, 0.25), rel=1e-4)


@pytest.mark.parametrize("mode", ["sum", "product"])
def test_distribution_loss_joins_cross_entropy(mode: str) -> None:
    prior = torch.full((BIN_COUNT,), 1 / BIN_COUNT)
    logits = torch.randn(2, BIN_COUNT, 2, 2, generator=torch.Generator().manual_seed(2))
    lab = lab_of(torch.zeros(2, 2, 2, 2))
    apart, entropy = distribution_loss(logits, prior).item(), cross_entropy(logits, lab[:, 1:]).item()
    options = LossOptions(name="cross-entropy", distribution=0.4, distribution_mode=mode)  # type: ignore[arg-type]
    expected = 0.4 * apart + 0.6 * entropy if mode == "sum" else 0.4 * apart * 0.6 * entropy
    assert Objective(options, "bins", prior)(logits, lab).item() == pytest.approx(expected, rel=1e-5)


def test_rarity_weights() -> None:
    prior = torch.zeros(BIN_COUNT)
    prior[0], prior[1] = 0.9, 0.1
    full = rarity_weights(prior, 0.5, 1.0)
    torch.testing.assert_close(full, class_weights(prior, 0.5))
    # w ∝ 1 / (0.5 p + 0.5 / 2) for the two that occur
    assert (full[1] / full[0]).item() == pytest.approx((0.45 + 0.25) / (0.05 + 0.25), rel=1e-5)
    root = rarity_weights(prior, 0.5, 0.5)
    assert (root[1] / root[0]).item() == pytest.approx(math.sqrt(0.7 / 0.3), rel=1e-5)
    assert (root * prior).sum().item() == pytest.approx(1)


def test_rarity_weighs_pixels_of_losses_on_colors() -> None:
    ab = torch.tensor([[0.0, 60.0], [0.0, 40.0]]).view(1, 2, 1, 2)
    prior = torch.zeros(BIN_COUNT)
    common, rare = nearest_bin(ab).flatten().tolist()
    prior[common], prior[rare] = 0.99, 0.01
    weights = rarity_weights(prior, 0.5, 1.0).clamp(max=2.0)
    assert weights[rare] == 2.0  # cut
    objective = Objective(LossOptions(name="mse", rarity=1.0, rarity_limit=2.0), "ab", prior)
    found = ab / 110 + torch.tensor([0.1, 0.2]).view(1, 1, 1, 2)
    expected = (weights[common] * 0.01 + 2.0 * 0.04) / 2
    assert objective(found, lab_of(ab)).item() == pytest.approx(expected.item(), rel=1e-4)


def test_blur_keeps_flat_color_and_the_sum_of_a_dot() -> None:
    flat = torch.full((1, 2, 5, 7), 12.0)
    torch.testing.assert_close(blur_color(flat, 1.5), flat)
    dot = torch.zeros(1, 2, 21, 21)
    dot[..., 10, 10] = 1
    blurred = blur_color(dot, 2.0)
    assert blurred.sum().item() == pytest.approx(2, rel=1e-5)
    ratio = (blurred[0, 0, 10, 12] / blurred[0, 0, 10, 10]).item()
    assert ratio == pytest.approx(math.exp(-0.5), rel=1e-4)


def test_blurred_targets_are_what_the_loss_compares_with() -> None:
    lab = lab_of(40 * torch.randn(1, 2, 9, 9, generator=torch.Generator().manual_seed(3)))
    objective = Objective(LossOptions(name="l2", blur=1.0), "ab")
    assert objective(blur_color(lab[:, 1:], 1.0) / 110, lab).item() == pytest.approx(0, abs=1e-9)


def test_blurred_targets_are_of_the_layers_that_are_learnt() -> None:
    dark, light = torch.tensor([0.3, 0.1, 0.05]), torch.tensor([0.9, 0.7, 0.6])
    rgb = torch.where(torch.arange(12) < 6, dark[:, None], light[:, None]).view(1, 3, 1, 12)
    lab = rgb_to_lab(rgb.expand(-1, -1, 12, -1))
    truth = blur_color(spaces.encode("cbcr", lab), 2.0)
    objective = Objective(LossOptions(name="l2", blur=2.0), "cbcr")
    assert objective(truth, lab).item() == pytest.approx(0, abs=1e-9)


def test_adversarial_losses() -> None:
    real, fake = torch.tensor([[0.7], [-1.2]]), torch.tensor([[0.4], [2.0]])

    def d(x: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(x)

    eq3 = d(real).log().mean() + (1 - d(fake)).log().mean()
    torch.testing.assert_close(discriminator_loss(real, fake), -eq3)
    torch.testing.assert_close(generator_loss(fake, "minimax"), (1 - d(fake)).log().mean())
    torch.testing.assert_close(generator_loss(fake, "nonsaturating"), -d(fake).log().mean())


@pytest.mark.parametrize(
    ("options", "space", "sentence"),
    [
        (
            LossOptions(name="l3"),
            "ab",
            "There is no loss 'l3'; 'loss.name' is one of l2, l1, mse, msle",
        ),
        (
            LossOptions(name="cross-entropy", picture_floor=0.1),
            "bins",
            "'loss.picture_floor' is for losses on",
        ),
        (LossOptions(name="l2"), "bins", "'l2' does not fit .* bins; take one of cross-entropy"),
        (
            LossOptions(name="cross-entropy"),
            "ab",
            "does not fit a network that speaks in ab; take one of",
        ),
        (
            LossOptions(name="l1", soft=True),
            "ab",
            "'loss.soft' is for networks that speak in bins, not in ab",
        ),
        (
            LossOptions(name="srgb"),
            "cbcr",
            "'srgb' is for networks that speak in ab, not in cbcr",
        ),
        (
            LossOptions(name="huber", colorful=1.0),
            "ab",
            "'loss.colorful' is for the loss 'srgb', not for 'huber'",
        ),
        (
            LossOptions(name="l1", adversarial=True),
            "ab",
            "'loss.adversarial' is for networks that speak in rgb",
        ),
    ],
)
def test_what_does_not_fit_is_refused(options: LossOptions, space: spaces.Space, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        Objective(options, space)


def test_the_common_case_is_torch_s_own() -> None:
    ab = 30 * torch.randn(2, 2, 4, 4, generator=torch.Generator().manual_seed(4))
    logits = torch.randn(2, BIN_COUNT, 4, 4, generator=torch.Generator().manual_seed(5))
    ours = Objective(LossOptions(name="cross-entropy"), "bins")(logits, lab_of(ab))
    torch.testing.assert_close(ours, F.cross_entropy(logits, nearest_bin(ab)))
