"""Pictures beside their truth: the figures of each, and of all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from vidcolor.color.bins import nearest_bin
from vidcolor.color.shown import Rgb
from vidcolor.evaluation.intervals import Means, Rebalanced
from vidcolor.metrics import ciede2000, ciede2000_of_lab, colorfulness, lab_pixels, psnr, ssim

__all__ = ["BEST_DB", "Groups", "Stills", "grey_of", "picture_figures"]

BEST_DB = 99.0
"""A picture that comes back exactly counts as this: a mean with infinity in it says nothing."""
NAMES = (
    "psnr", "psnr_grey", "gain", "ssim", "ciede2000", "colorfulness", "true_colorfulness", "auc", "lpips",
)  # fmt: skip
_FARTHEST = 150
_BINS = 313
_SMALLEST = 7
"""Pixels a side below which there is no SSIM."""

Figures = dict[str, float]
Intervals = dict[str, dict[str, float | int | None]]
"""Name -> ``mean``, ``low``, ``high``, ``count``, for some ``truth``."""
Labs = tuple[Tensor, Tensor]
"""Of a result and of the truth."""


def grey_of(rgb: Rgb) -> Rgb:
    """The picture without colour, its BT.601 luma kept."""
    luma: Any = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    grey: Any = cv2.cvtColor(luma, cv2.COLOR_GRAY2RGB)
    return grey


def picture_figures(result: Rgb, truth: Rgb, grey: Rgb | None = None, lab: Labs | None = None) -> Figures:
    """All figures of one picture but the accuracy's, by the names of :data:`NAMES`.

    Args:
        result, truth: ``(H, W, 3)`` uint8 of one size.
        grey: the truth without colour; None: made of it.
        lab: of both, where it is known; see :func:`vidcolor.metrics.lab_pixels`.
    """
    found = {
        "psnr": min(psnr(result, truth), BEST_DB),
        "psnr_grey": min(psnr(grey_of(truth) if grey is None else grey, truth), BEST_DB),
        "ciede2000": ciede2000(result, truth) if lab is None else ciede2000_of_lab(*lab),
        "colorfulness": colorfulness(result),
        "true_colorfulness": colorfulness(truth),
    }
    if min(truth.shape[:2]) >= _SMALLEST:
        found["ssim"] = ssim(result, truth)
    return found | {"gain": found["psnr"] - found["psnr_grey"]}


def with_truth(means: Means, seed: int) -> Intervals:
    """Means of :data:`NAMES` with their intervals; the truth's colourfulness stands beside the result's."""
    found = means.intervals(seed)
    true = found.pop("true_colorfulness", None)
    if true is not None:
        found["colorfulness"]["truth"] = true["mean"]
        ratio = means.ratio("colorfulness", "true_colorfulness", seed)
        if ratio is not None:
            found["colorfulness_ratio"] = ratio
    return found


class Groups:
    """The figures of pictures by what they belong to: a label, a film, a source.

    A group takes as much memory as it has pictures, up to some bound.
    """

    def __init__(self) -> None:
        self._means: dict[str, Means] = {}

    def add(self, group: str, figures: Mapping[str, float]) -> None:
        """A picture's figures, by :data:`NAMES`; others are passed over."""
        means = self._means.setdefault(group, Means(NAMES))
        means.add(means.units, figures)

    def found(self, seed: int) -> dict[str, dict[str, Any]]:
        """Of each group, by name, ``pictures``, their number, and ``figures`` as those of all pictures."""
        return {
            group: {"pictures": means.units, "figures": with_truth(means, seed)}
            for group, means in sorted(self._means.items())
        }


class Stills:
    """Gathers the figures of pictures; memory does not depend on their number."""

    def __init__(self) -> None:
        self.means = Means(NAMES)
        self._rebalanced = Rebalanced(_BINS)
        self._steps = np.zeros((_BINS, _FARTHEST + 2))
        """Pixels by the bin of their true colour and by how far the result's is from it, rounded up."""
        self.count = 0

    def add(
        self, unit: int, result: Rgb, truth: Rgb, grey: Rgb | None = None, more: Figures | None = None
    ) -> Figures:
        """Takes a picture, and gives its figures; ``unit``: see :class:`Means`, ``more``: others of it."""
        lab = lab_pixels(result), lab_pixels(truth)
        figures = picture_figures(result, truth, grey, lab) | (more or {})
        figures["auc"] = self._accuracy(unit, *lab)
        self.means.add(unit, figures)
        self.count += 1
        return figures

    def _accuracy(self, unit: int, result: Tensor, truth: Tensor) -> float:
        """The area under the picture's accuracy curve, as :func:`vidcolor.metrics.accuracy_auc`."""
        distance = torch.hypot(*(result[1:] - truth[1:])).numpy().ravel()
        bins = nearest_bin(truth[None, 1:]).numpy().ravel()
        gain = np.maximum(1 - distance / np.float32(_FARTHEST), 0)
        counts = np.bincount(bins, minlength=_BINS)
        self._rebalanced.add(unit, np.bincount(bins, weights=gain, minlength=_BINS), counts)
        steps = np.minimum(np.ceil(distance), _FARTHEST + 1).astype(np.intp)
        places = bins * (_FARTHEST + 2) + steps
        self._steps += np.bincount(places, minlength=self._steps.size).reshape(self._steps.shape)
        return float(gain.mean(dtype=np.float64))

    def figures(self, seed: int) -> Intervals:
        """Every figure there is with its interval, by the names of ``vidcolor.evaluation.figures``."""
        found = with_truth(self.means, seed)
        rebalanced = self._rebalanced.interval(seed)
        if rebalanced is not None:
            found["auc_rebalanced"] = rebalanced
        return found

    def curves(self) -> dict[str, list[float]]:
        """Share of pixels within 0, 1, …, 150 of the truth, plain and rebalanced, as Zhang et al."""
        if not self._steps.any():
            return {}
        there = self._steps[self._steps.sum(1) > 0]
        curves = {
            "plain": np.cumsum(there.sum(0))[:-1] / there.sum(),
            "rebalanced": (np.cumsum(there, 1)[:, :-1] / there.sum(1, keepdims=True)).mean(0),
        }
        return {name: [round(float(value), 5) for value in curve] for name, curve in curves.items()}
