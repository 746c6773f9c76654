"""What a network is told it did wrong.

Losses on colours compare, value for value, what a network says with the truth in the same space
(:mod:`vidcolor.models.spaces`), "srgb" the signal values that would be seen; cross-entropy compares logits
over the 313 bins with the true ab. Each can weigh pixels by how rare their true colour is in the training
set.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from vidcolor.color.bins import class_weights, nearest_bin, soft_bins
from vidcolor.color.lab import lab_to_linear_rgb
from vidcolor.errors import UsageError
from vidcolor.models import spaces
from vidcolor.models.spaces import Space
from vidcolor.training.distributed import ALONE, Group
from vidcolor.training.options import LossOptions

__all__ = [
    "CROSS_ENTROPY",
    "ON_COLORS",
    "Objective",
    "blur_color",
    "cross_entropy",
    "discriminator_loss",
    "distribution_loss",
    "generator_loss",
    "rarity_weights",
]

CROSS_ENTROPY = "cross-entropy"
SRGB = "srgb"

_LEAST_CURVED = 0.0031308
"""Light above which sRGB's curve is a power."""
_LEAST_LIGHT = -0.02
_GREY = 1e-5

Elementwise = Callable[[Tensor, Tensor], Tensor]
"""Prediction and truth ``(B, C, h, w)`` to a loss a value, ``(B, C or 1, h, w)``."""


def _l2(found: Tensor, truth: Tensor) -> Tensor:
    """Squared Euclidean distance of each pixel's colours (A eq. 1, without its ½; E eq. 2), here a mean over
    pixels."""
    return (found - truth).square().sum(1, keepdim=True)


def _l1(found: Tensor, truth: Tensor) -> Tensor:
    """A eq. 4's norm, here a mean over values, which its λ of 100 is meant for."""
    return (found - truth).abs()


def _mse(found: Tensor, truth: Tensor) -> Tensor:
    """Squared error of each value (B eq. 2)."""
    return (found - truth).square()


def _msle(found: Tensor, truth: Tensor) -> Tensor:
    """Squared difference of log(1 + y), y in [0, 1] (B eq. 3)."""
    return (_log1p((found + 1) / 2) - _log1p((truth + 1) / 2)).square()


def _log1p(y: Tensor) -> Tensor:
    # Its tangent below 0: a network that strays there still has a way back, where a clamp has none.
    return torch.where(y > 0, y.clamp_min(0).log1p(), y)


# Name in a recipe -> the loss; "huber" has a setting and is made from it.
ON_COLORS: dict[str, Callable[[LossOptions], Elementwise]] = {
    "l2": lambda _: _l2,
    "l1": lambda _: _l1,
    "mse": lambda _: _mse,
    "msle": lambda _: _msle,
    "huber": lambda options: _huber(options.huber_delta),
    SRGB: lambda _: _mse,
}


def _huber(delta: float) -> Elementwise:
    """Square up to ``delta``, straight beyond, where its slope is 1."""
    return lambda found, truth: F.huber_loss(found, truth, reduction="none", delta=delta) / delta


class Objective:
    """The loss of a recipe, without its adversarial term.

    Args:
        options: the recipe's.
        space: what the network speaks in.
        prior: ``(313,)`` how often each bin is true in the training set, sum 1; needed for rarity and
            for the distribution loss.
        group: the processes that share a batch.

    Raises:
        UsageError: there is no such loss, or it is not for networks of that space.
    """

    def __init__(
        self, options: LossOptions, space: Space, prior: Tensor | None = None, group: Group = ALONE
    ) -> None:
        check(options, space)
        self._options = options
        self._space: Space = space
        self._prior = prior
        self._group = group
        self._weights: Tensor | None = None
        if options.rarity:
            assert prior is not None
            self._weights = rarity_weights(prior, options.rarity_mix, options.rarity)
            if space != "bins":
                self._weights = self._weights.clamp(max=options.rarity_limit)

    def __call__(self, raw: Tensor, lab: Tensor) -> Tensor:
        """The loss of a batch, a scalar.

        Args:
            raw: ``(B, C, h, w)`` what the network said.
            lab: ``(B, 3, h, w)`` the truth at the same size.
        """
        blur = self._options.blur
        if blur and self._space != "cbcr":
            lab = torch.cat((lab[:, :1], blur_color(lab[:, 1:], blur)), 1)
        loss = self._on_bins(raw, lab[:, 1:]) if self._space == "bins" else self._on_colors(raw, lab)
        return self._options.weight * loss

    def _on_colors(self, raw: Tensor, lab: Tensor) -> Tensor:
        if self._options.name == SRGB:
            lightness = lab[:, :1]
            raw = _signal(torch.cat((lightness, spaces.decode(self._space, raw, lightness)), 1))
            truth = _signal(lab)
        else:
            truth = spaces.encode(self._space, lab)
        if self._options.blur and self._space == "cbcr":
            # The layers that it learns: the same ab is another Cb and Cr on the other side of luma's edges.
            truth = blur_color(truth, self._options.blur)
        each = ON_COLORS[self._options.name](self._options)(raw, truth)
        if self._weights is not None:
            each = each * self._weights[nearest_bin(lab[:, 1:])].unsqueeze(1)
        loss = each.mean((1, 2, 3))
        if self._options.picture_floor:
            loss = (loss + self._options.picture_floor).log()
        if self._options.colorful:
            loss = loss - self._options.colorful * _colorfulness(raw.clamp(0, 1))
        return loss.mean()

    def _on_bins(self, logits: Tensor, ab: Tensor) -> Tensor:
        loss = cross_entropy(logits, ab, soft=self._options.soft, weights=self._weights)
        share = self._options.distribution
        if not share:
            return loss
        assert self._prior is not None
        apart = distribution_loss(logits, self._prior, self._group)
        if self._options.distribution_mode == "product":
            return share * apart * (1 - share) * loss
        # The default: C speaks of "combining" the terms, and a product would let either hide the other:
        # a right distribution would excuse any wrong place.
        return share * apart + (1 - share) * loss


def check(options: LossOptions, space: Space) -> None:
    """Whether a loss is for networks of that space."""
    known = (*ON_COLORS, CROSS_ENTROPY)
    if options.name not in known:
        raise UsageError(f"There is no loss {options.name!r}; 'loss.name' is one of {', '.join(known)}.")
    if (options.name == CROSS_ENTROPY) != (space == "bins"):
        fits = CROSS_ENTROPY if space == "bins" else ", ".join(ON_COLORS)
        raise UsageError(
            f"Loss {options.name!r} does not fit a network that speaks in {space}; take one of {fits}."
        )
    if options.name == SRGB and space != "ab":
        raise UsageError(f"Loss {SRGB!r} is for networks that speak in ab, not in {space}.")
    if options.colorful and options.name != SRGB:
        raise UsageError(f"'loss.colorful' is for the loss {SRGB!r}, not for {options.name!r}.")
    if space == "bins" and options.picture_floor:
        raise UsageError("'loss.picture_floor' is for losses on colours, not for cross-entropy.")
    if space != "bins" and (options.soft or options.distribution):
        which = "soft" if options.soft else "distribution"
        raise UsageError(f"'loss.{which}' is for networks that speak in bins, not in {space}.")
    if options.adversarial and space != "rgb":
        raise UsageError(f"'loss.adversarial' is for networks that speak in rgb, not in {space}.")


# ---- its parts --------------------------------------------------------------------------------


def cross_entropy(logits: Tensor, ab: Tensor, *, soft: bool = False, weights: Tensor | None = None) -> Tensor:
    """Cross-entropy over bins, a mean over pixels (A eq. 2, C eq. 3, E eq. 1).

    Args:
        logits: ``(B, 313, h, w)``.
        ab: ``(B, 2, h, w)`` the truth, Lab units.
        soft: against the 10 nearest bins, weighted by a Gaussian of 5 units (E6), not the nearest alone.
        weights: ``(313,)`` of the classes; a pixel has that of its nearest bin (C eq. 2).
    """
    nearest = nearest_bin(ab)
    if soft:
        indices, shares = soft_bins(ab)
        taken = F.log_softmax(logits, 1).gather(1, indices)
        each = -(shares * taken).sum(1)
    else:
        each = F.cross_entropy(logits, nearest, reduction="none")
    return (each if weights is None else each * weights[nearest]).mean()


def distribution_loss(logits: Tensor, prior: Tensor, group: Group = ALONE) -> Tensor:
    """L2 distance between the bins of the whole batch's prediction and the prior (C eqs. 4, 5).

    Eq. 4 divides by a norm without saying which; by the sum, so that both are distributions.
    """
    predicted = logits.float().softmax(1).mean((0, 2, 3))
    return (group.mean(predicted) - prior).square().sum().add(1e-12).sqrt()


def rarity_weights(prior: Tensor, mix: float, power: float) -> Tensor:
    """Weights of the bins: those of C eq. 1 to a power, expectation 1 under the prior."""
    weights = class_weights(prior, mix) ** power
    return weights / (weights * prior).sum()


def _signal(lab: Tensor) -> Tensor:
    """sRGB signal values of Lab, ``(B, 3, h, w)``; with a gradient at black, too, and straight on below it,
    but for what is far outside of what can be shown."""
    light = lab_to_linear_rgb(lab)
    bright = light > _LEAST_CURVED
    curved = 1.055 * torch.where(bright, light, 1.0).pow(1 / 2.4) - 0.055  # IEC 61966-2-1
    return torch.where(bright, curved, 12.92 * light.clamp_min(_LEAST_LIGHT))


def _colorfulness(signal: Tensor) -> Tensor:
    """``(B,)`` colourfulness of sRGB signal values ``(B, 3, h, w)``, as
    :func:`vidcolor.metrics.colorfulness` over 255; with a gradient at grey, too."""
    red, green, blue = signal.unbind(1)
    opponents = torch.stack((red - green, (red + green) / 2 - blue), 1).flatten(2)
    spread = opponents.var(2, correction=0).sum(1)
    return (spread + _GREY).sqrt() + 0.3 * (opponents.mean(2).square().sum(1) + _GREY).sqrt()


def blur_color(ab: Tensor, sigma: float) -> Tensor:
    """Colours ``(B, 2, h, w)`` blurred by a Gaussian of that σ in pixels (E9); borders are repeated."""
    radius = max(math.ceil(3 * sigma), 1)
    x = torch.arange(-radius, radius + 1, dtype=ab.dtype, device=ab.device)
    kernel = (-0.5 * (x / sigma) ** 2).exp()
    kernel = (kernel / kernel.sum()).repeat(ab.shape[1], 1, 1, 1)
    padded = F.pad(ab, (radius, radius, radius, radius), mode="replicate")
    once = F.conv2d(padded, kernel, groups=ab.shape[1])
    return F.conv2d(once, kernel.transpose(2, 3), groups=ab.shape[1])


def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """What the discriminator lowers: A eq. 3 with its sign turned.

    Args:
        real, fake: logits (before the sigmoid) for true pictures and for the generator's.
    """
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def generator_loss(fake: Tensor, how: str) -> Tensor:
    """The generator's adversarial term for the discriminator's logits.

    "minimax" is A eq. 4's log(1 - D(G(x))); "nonsaturating" -log D(G(x)), whose gradient does not vanish
    while the discriminator is sure (Goodfellow et al. 2014, §3).
    """
    return F.softplus(-fake).mean() if how == "nonsaturating" else -F.softplus(fake).mean()
