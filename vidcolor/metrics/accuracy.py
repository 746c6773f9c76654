"""How many pixels come near the truth's colour: the raw accuracy of Zhang et al. (2016), §3.1."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ..errors import InputError
from .pictures import check_same_shape

__all__ = ["accuracy_auc", "accuracy_curve"]

FARTHEST = 150
"""The largest threshold, in Lab units: about the greatest distance in ab of two colours of a picture."""


def accuracy_curve(
    ab: npt.NDArray[Any], truth: npt.NDArray[Any], weights: npt.NDArray[Any] | None = None
) -> npt.NDArray[np.float64]:
    """Share of pixels whose ab lies within 0, 1, …, 150 of the truth's: ``(151,)`` float64 in [0, 1].

    ``ab`` and ``truth``: ``(..., 2)`` floats of one shape, in Lab units. ``weights``: ``(...)`` floats ≥ 0,
    what each pixel counts; all the same when None. For the class-rebalanced curve of §3.1, a pixel's
    weight is 1 over the probability of its true colour's bin: eq. 4 with λ = 0.
    """
    distance, share = _distances(ab, truth, weights)
    # A distance d is within threshold t from t = ceil(d) on; all that is farther than 150 goes in one bin.
    steps = np.minimum(np.ceil(distance), FARTHEST + 1).astype(np.intp)
    counts = np.bincount(steps, weights=share, minlength=FARTHEST + 2)
    curve: npt.NDArray[np.float64] = np.cumsum(counts)[:-1] / counts.sum()
    return curve


def accuracy_auc(
    ab: npt.NDArray[Any], truth: npt.NDArray[Any], weights: npt.NDArray[Any] | None = None
) -> float:
    """Area under the accuracy curve over thresholds 0 to 150, over 150: in [0, 1], 1 when all are equal.

    Arguments as for :func:`accuracy_curve`. The area is exact, not a sum over whole thresholds: a pixel
    at distance d adds max(0, 1 - d / 150). (Adding the 151 points up instead differs by less than 0.007.)
    Zhang et al. print it in per cent.
    """
    distance, share = _distances(ab, truth, weights)
    gain = np.maximum(1 - distance / np.float32(FARTHEST), 0)
    if share is None:
        return float(gain.mean(dtype=np.float64))
    return float(np.average(gain, weights=share))


def _distances(
    ab: npt.NDArray[Any], truth: npt.NDArray[Any], weights: npt.NDArray[Any] | None
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float64] | None]:
    """Distances ``(N,)`` float32 in ab, and their weights ``(N,)`` float64 or None."""
    check_same_shape(ab, truth)
    apart = np.subtract(ab, truth, dtype=np.float32).reshape(1, -1, 2)
    distance: npt.NDArray[Any] = cv2.magnitude(*cv2.split(apart)).reshape(-1)
    if weights is None:
        return distance, None
    share = weights.astype(np.float64)
    if share.shape != ab.shape[:-1] or share.min() < 0 or share.sum() <= 0:
        raise InputError(
            f"weights must be one number ≥ 0 a pixel, {ab.shape[:-1]}, and not all 0; they are {share.shape}"
        )
    return distance, share.reshape(-1)
