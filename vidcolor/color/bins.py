"""The 313 colour bins of classifiers: from ab to bins, from bins to ab, and how common each is.

Zhang, Isola, Efros, "Colorful Image Colorization", 2016, §2: ab in squares of 10 × 10, those that sRGB
can show. Papers A (§2.2) and C (§2.1) classify into them; E (§III-B) into "n classes", for which we take
them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cache

import torch
from torch import Tensor

from vidcolor.color.lab import rgb_to_lab
from vidcolor.errors import UsageError

__all__ = [
    "BINS",
    "BIN_COUNT",
    "BIN_STEP",
    "DECODINGS",
    "bins",
    "check_decoding",
    "class_weights",
    "count_bins",
    "decode_bins",
    "nearest_bin",
    "prior_of",
    "smooth_prior",
    "soft_bins",
]

BIN_COUNT = 313
BIN_STEP = 10
"""Side of a bin, in Lab units."""
DECODINGS = ("annealed", "mode", "top", "mean")
"""How a distribution over bins becomes one colour; see :func:`decode_bins`."""

_LIMIT = 110
"""Largest |a| and |b| of a bin's centre, Lab units."""
_CELLS = _LIMIT // BIN_STEP
_REACH = 128
"""|a| and |b| the table of neighbours knows, Lab units: all that 8-bit Lab can say."""
_CHUNK = 1 << 14
"""Colours whose distances to all bins are held at once."""

# ---- the bins ------------------------------------------------------------------------------------

# Whatever is kept here is made outside inference mode: what is made in it could not be trained with.


@torch.inference_mode(False)
def _make_bins(directions: int = 720) -> Tensor:
    """The centres, by the rule that gives the published list and its order.

    A point of the grid is a centre when it lies in the convex hull of sRGB's a and b, widened by one bin
    towards ±a and ±b. Every direction tells one half-plane of the hull so widened: how far sRGB reaches
    there, plus how far the square of ± one bin does.
    """
    axis = torch.arange(-_LIMIT, _LIMIT + 1, BIN_STEP, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)
    angle = torch.arange(directions, dtype=torch.float64) * (2 * math.pi / directions)
    towards = torch.stack((angle.cos(), angle.sin()))
    reach = (_cube_edges() @ towards).amax(0) + BIN_STEP * towards.abs().sum(0)
    return grid[(grid @ towards <= reach).all(1)].float()


def _cube_edges(samples: int = 32) -> Tensor:
    """a and b along the edges of the sRGB cube, its most colourful colours: ``(12 · samples, 2)``."""
    along = torch.linspace(0, 1, samples, dtype=torch.float64)
    ends = torch.tensor([0.0, 1.0], dtype=torch.float64)
    edges = [torch.cartesian_prod(*(along if i == j else ends for i in range(3))) for j in range(3)]
    return rgb_to_lab(torch.cat(edges).T[:, None])[1:, 0].T


BINS: Tensor = _make_bins()
"""``(313, 2)`` float32: a and b of every bin's centre, Lab units, by rising a, then rising b.

>>> BINS[:2].tolist()
[[-90.0, 50.0], [-90.0, 60.0]]
"""


@cache
@torch.inference_mode(False)
def bins(device: torch.device | str = "cpu") -> Tensor:
    """:data:`BINS` on a device."""
    return BINS.to(device)


@cache
@torch.inference_mode(False)
def _numbers(device: torch.device) -> Tensor:
    """``(23, 23)`` int64 by place of the grid: the number of the bin there, -1 where there is none."""
    place = (BINS / BIN_STEP).long() + _CELLS
    numbers = torch.full((2 * _CELLS + 1, 2 * _CELLS + 1), -1)
    numbers[place[:, 0], place[:, 1]] = torch.arange(BIN_COUNT)
    return numbers.to(device)


# ---- from ab to bins -----------------------------------------------------------------------------


def nearest_bin(ab: Tensor) -> Tensor:
    """The bin nearest to each colour (paper C, §2.1): ``(B, 2, H, W)`` in Lab units to ``(B, H, W)`` int64.

    Of two equally near, either.
    """
    cell = (ab / BIN_STEP).round().clamp(-_CELLS, _CELLS).long() + _CELLS
    found = _numbers(ab.device)[cell[:, 0], cell[:, 1]]
    # Every colour of sRGB is in a bin's square; this is for what lies beyond.
    beyond = found < 0
    if beyond.any():
        found[beyond] = _ranked(ab.permute(0, 2, 3, 1)[beyond], 1)[:, 0]
    return found


def _ranked(ab: Tensor, count: int) -> Tensor:
    """The nearest bins of ``(N, 2)`` colours, nearest first: ``(N, count)`` int64."""
    centres = bins(ab.device).double()
    return torch.cat(
        [torch.cdist(part, centres).topk(count, largest=False).indices for part in ab.double().split(_CHUNK)]
    )


@cache
@torch.inference_mode(False)
def _neighbours(count: int, device: torch.device) -> Tensor:
    """``(257, 257, count)`` int64 by rounded a and b, from -128: the nearest bins of that colour."""
    axis = torch.arange(-_REACH, _REACH + 1, dtype=torch.float64)
    found = _ranked(torch.cartesian_prod(axis, axis), count)
    return found.view(len(axis), len(axis), count).to(device)


def soft_bins(ab: Tensor, neighbours: int = 10, sigma: float = 5.0) -> tuple[Tensor, Tensor]:
    """The nearest bins of each colour, weighted by a Gaussian of their distance (paper E, §III-B, fig. 5).

    Which bins are the nearest is looked up by a and b rounded to whole numbers; how far they are is exact.
    With the paper's settings this changes no bin's weight by 0.01 in sRGB's gamut.

    Args:
        ab: ``(B, 2, H, W)`` in Lab units.
        neighbours: how many bins, k.
        sigma: of the Gaussian, in Lab units.

    Returns:
        Bins ``(B, k, H, W)`` int64, about nearest first, and their weights ``(B, k, H, W)`` of ab's dtype,
        which sum to 1 over k.
    """
    if not 1 <= neighbours <= BIN_COUNT:
        raise UsageError(f"neighbours must be 1 to {BIN_COUNT} bins, not {neighbours}.")
    if not sigma > 0:
        raise UsageError(f"sigma must be above 0, not {sigma}.")
    cell = ab.round().clamp(-_REACH, _REACH).long() + _REACH
    indices = _neighbours(neighbours, ab.device)[cell[:, 0], cell[:, 1]]
    away = bins(ab.device)[indices].to(ab.dtype) - ab.permute(0, 2, 3, 1)[..., None, :]
    # A softmax is the Gaussian and its normalisation in one, and stays finite far outside the gamut.
    weights = (away.square().sum(-1) / (-2 * sigma**2)).softmax(-1)
    return indices.movedim(-1, 1), weights.movedim(-1, 1)


# ---- how common each bin is ----------------------------------------------------------------------


def count_bins(ab: Tensor) -> Tensor:
    """Pixels in each bin: ``(B, 2, H, W)`` in Lab units to ``(313,)`` int64."""
    return nearest_bin(ab).flatten().bincount(minlength=BIN_COUNT)


def prior_of(given: Tensor | Iterable[Tensor]) -> Tensor:
    """The share of each bin among all pixels: ``(313,)`` float32, sum 1.

    Args:
        given: counts ``(313,)``, a batch of ab ``(B, 2, H, W)`` in Lab units, or any number of either.

    Raises:
        UsageError: nothing was counted.
    """
    total = torch.zeros(BIN_COUNT, dtype=torch.float64)
    for one in [given] if isinstance(given, Tensor) else given:
        total += (one if one.ndim == 1 else count_bins(one)).cpu()
    if not total.sum() > 0:
        raise UsageError("There is no pixel to count colours of.")
    return (total / total.sum()).float()


def smooth_prior(prior: Tensor, sigma: float = 5.0) -> Tensor:
    """A prior blurred over ab by a Gaussian (Zhang et al. 2016, §2.2): p̃ of ``(313,)`` p.

    What would leave the gamut stays in it: the sum stays 1.
    """
    centres = BINS.double()
    kernel = (torch.cdist(centres, centres).square() / (-2 * sigma**2)).softmax(0)
    return (kernel @ prior.cpu().double()).to(prior)


def class_weights(prior: Tensor, mix: float = 0.5) -> Tensor:
    """How much a pixel of each bin counts in the loss: ``(313,)`` float32, more for rarer bins.

    Paper C, eq. 1, after Zhang et al. 2016, eq. 4: w ∝ ((1-λ)p̃ + λ/Q)⁻¹, scaled so that Σ p̃·w = 1, Q the
    number of bins that p̃ is above 0 in: all or nearly all once it is smoothed, those that occur in one that
    is only counted. Paper E's eq. 5 leaves Q out and calls what it adds the uniform distribution, which over
    Q bins is λ/Q: the same.

    Args:
        prior: ``(313,)``, sum 1: p̃. Training gives a smoothed one, Zhang's, for C and for E, which names
            its histogram as it is: counted in few pictures that has holes.
        mix: λ, the share of the uniform distribution: above 0, at most 1 (all weights alike).
    """
    if not 0 < mix <= 1:
        raise UsageError(f"mix must be above 0 and at most 1, not {mix}.")
    share = prior.double()
    # Bins that never occur get the uniform share too: the largest weight, not an endless one.
    weight = 1 / ((1 - mix) * share + mix / share.count_nonzero())
    return (weight / (share * weight).sum()).float()


# ---- from bins to ab -----------------------------------------------------------------------------


def check_decoding(method: str, temperature: float, top: int) -> None:
    """Whether :func:`decode_bins` can do it.

    Raises:
        UsageError: it cannot.
    """
    if method not in DECODINGS:
        raise UsageError(f"decoding must be one of {', '.join(DECODINGS)}, not {method!r}.")
    if not (isinstance(temperature, (int, float)) and 0 < temperature < math.inf):
        raise UsageError(f"temperature must be more than 0, not {temperature!r}; for 0 decode by 'mode'.")
    if type(top) is not int or not 1 <= top <= BIN_COUNT:
        raise UsageError(f"top must be a whole number from 1 to {BIN_COUNT}, not {top!r}.")


def decode_bins(logits: Tensor, method: str = "annealed", temperature: float = 0.38, top: int = 2) -> Tensor:
    """One colour for each distribution over bins.

    ============  =============================================================================
    ``mode``      the likeliest bin
    ``top``       the plain mean of the ``top`` likeliest bins (paper C, §2.2)
    ``mean``      the distribution's mean
    ``annealed``  the mean of the distribution sharpened by ``temperature``: 1 is ``mean``,
                  towards 0 it becomes ``mode`` (paper E, eq. 3)
    ============  =============================================================================

    Paper E prints exp(z/T) and calls z probabilities; exp(log(z)/T), as in Zhang et al. 2016, eq. 5, is
    what goes from mean to mode, and is exp(z/T) of logits. 0.38 is Zhang's.

    Args:
        logits: ``(B, 313, H, W)``.

    Returns:
        ``(B, 2, H, W)``: a and b in Lab units.

    Raises:
        UsageError: there is no such method, or it cannot be done with that temperature or top.
    """
    check_decoding(method, temperature, top)
    centres = bins(logits.device).to(logits.dtype)
    last = logits.movedim(1, -1)  # how channels_last has it in memory: a softmax over it is twice as fast
    if method == "mode":
        return centres[last.argmax(-1)].movedim(-1, 1)
    if method == "top":
        return centres[last.topk(top).indices].mean(-2).movedim(-1, 1)
    shares = last.softmax(-1) if method == "mean" else (last / temperature).softmax(-1)
    return (shares @ centres).movedim(-1, 1)
