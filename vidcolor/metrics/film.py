"""How steady the colour of a film is: CDC, and the warp error."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from vidcolor.motion import Flow, FlowFinder, follow, grid, square
from vidcolor.motion import warp as moved_to

from ..errors import InputError
from .pictures import check_same_shape

__all__ = [
    "Cdc",
    "Motion",
    "MotionTracker",
    "WarpError",
    "cdc",
    "optical_flow",
    "visible",
    "warp",
    "warp_difference",
]

Picture = npt.NDArray[np.uint8]

_SMALLEST = 16
"""Pixels a side below which motion says nothing."""


class Cdc:
    """Colour distribution consistency of a film whose frames come one by one; lower is steadier.

    Liu et al., "Temporally consistent video colorization with deep feature propagation and
    self-regularization learning" (2021), as the NTIRE 2023 video colorization challenge ranks by
    it. With P_c(i) the 256-bin histogram of channel c of frame i, divided by its pixels, over N frames::

        CDC_t = 1 / (3 (N - t)) · Σ_c Σ_i JS(P_c(i), P_c(i + t))        c in {R, G, B}, i = 1 … N - t
        CDC   = (CDC_1 + CDC_2 + CDC_4) / 3

    JS is the Jensen–Shannon divergence in nats: half the divergences of both from their mean, in
    [0, ln 2]. A still film has 0. So has any film that only rearranges its pixels, and a moving one has
    more by its motion alone: set it beside the truth's.

    Keeps the histograms of the last four frames and nothing else.

    >>> still = Cdc()
    >>> for _ in range(3):
    ...     still.add(np.zeros((8, 8, 3), np.uint8))
    >>> still.value
    0.0
    """

    DISTANCES = (1, 2, 4)

    def __init__(self) -> None:
        self._past: deque[npt.NDArray[np.float64]] = deque(maxlen=max(self.DISTANCES))
        self._sums = dict.fromkeys(self.DISTANCES, 0.0)
        self._pairs = dict.fromkeys(self.DISTANCES, 0)

    def add(self, frame: Picture) -> None:
        """Take the next frame, ``(H, W, 3)`` uint8 RGB."""
        now = _histograms(frame)
        for distance in self.DISTANCES:
            if len(self._past) >= distance:
                self._sums[distance] += _jensen_shannon(self._past[-distance], now)
                self._pairs[distance] += 1
        self._past.append(now)

    @property
    def value(self) -> float:
        """CDC of the frames so far; of fewer than five, over the distances they have; nan of one or none."""
        means = [self._sums[d] / self._pairs[d] for d in self.DISTANCES if self._pairs[d]]
        return sum(means) / len(means) if means else float("nan")


def cdc(frames: Iterable[Picture]) -> float:
    """Colour distribution consistency of frames ``(H, W, 3)`` uint8 RGB: see :class:`Cdc`."""
    consistency = Cdc()
    for frame in frames:
        consistency.add(frame)
    return consistency.value


def _histograms(frame: Picture) -> npt.NDArray[np.float64]:
    """``(3, 256)``: how often each code occurs in each channel, sums 1."""
    counts = [cv2.calcHist([frame], [channel], None, [256], [0, 256]).ravel() for channel in range(3)]
    return np.array(counts, dtype=np.float64) / (frame.shape[0] * frame.shape[1])


def _jensen_shannon(p: npt.NDArray[np.float64], q: npt.NDArray[np.float64]) -> float:
    """Mean over channels of the divergence of distributions ``(3, 256)``, in nats.

    The entropy of their mean less the mean of their entropies.
    """
    divergence = _entropy((p + q) / 2) - (_entropy(p) + _entropy(q)) / 2
    return max(float(divergence.mean()), 0.0)


def _entropy(p: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return -(p * np.log(np.where(p > 0, p, 1))).sum(-1)


@dataclass(frozen=True, slots=True)
class Motion:
    """Where each pixel of a frame was in the frame before."""

    flow: Flow
    """``(H, W, 2)`` float32, in pixels: pixel (x, y) was at (x + u, y + v)."""
    visible: npt.NDArray[np.bool_]
    """``(H, W)``: whether it was seen there at all."""


class MotionTracker:
    """Motion from frame to frame of a film, measured once and used for every film made from it.

    Measure it on the luma of the truth or of the grey original, never on a result, which might be
    steadier or shakier than what it shows. Keeps one luma.
    """

    def __init__(self) -> None:
        self._before: Picture | None = None

    def add(self, luma: Picture) -> Motion | None:
        """Motion to the next luma, ``(H, W)`` uint8; None for the first of a shot."""
        before, self._before = self._before, luma
        if before is None:
            return None
        flow = optical_flow(luma, before)
        return Motion(flow, visible(flow, optical_flow(before, luma)))

    def cut(self) -> None:
        """Say that a new shot begins: the next luma has nothing to do with the last."""
        self._before = None


class WarpError:
    """Warp error of a film whose frames come one by one: what changes other than by motion.

    Lai et al., "Learning blind video temporal consistency" (2018), §4.2: the mean over pairs of frames of
    E_warp = Σ M |V_t - warped V_t-1|² / Σ M, with M the pixels visible in both. Here the mean goes over
    the channels too, and pairs with nothing visible are left out. Keeps one frame.

    >>> tracker, error = MotionTracker(), WarpError()
    >>> for _ in range(3):
    ...     _ = error.add(np.full((32, 32, 3), 9, np.uint8), tracker.add(np.full((32, 32), 9, np.uint8)))
    >>> error.squared
    0.0
    """

    def __init__(self) -> None:
        self._before: npt.NDArray[Any] | None = None
        self._sum = np.zeros(2)
        self._pairs = 0

    def add(self, frame: npt.NDArray[Any], motion: Motion | None) -> float | None:
        """Take the next frame, and how it came from the last; None where it did not.

        ``(H, W, C)`` codes of 8 bits, uint8, or float32 where not rounded. Returns the pair's own mean
        absolute difference of values in [0, 1]; None where it has none.
        """
        before, self._before = self._before, frame
        if before is None or motion is None or not motion.visible.any():
            return None
        squared, absolute = warp_difference(frame, before, motion)
        self._sum += squared, absolute
        self._pairs += 1
        return absolute

    @property
    def squared(self) -> float:
        """Mean squared difference of values in [0, 1], as Lai et al.; nan before there is a pair."""
        return float(self._sum[0] / self._pairs) if self._pairs else float("nan")

    @property
    def absolute(self) -> float:
        """Mean absolute difference of values in [0, 1]; nan before there is a pair."""
        return float(self._sum[1] / self._pairs) if self._pairs else float("nan")


def warp_difference(frame: npt.NDArray[Any], before: npt.NDArray[Any], motion: Motion) -> tuple[float, float]:
    """Mean squared and mean absolute difference of a frame and the warped one before it.

    Frames ``(H, W, C)`` of codes of 8 bits, uint8 or float32; their differences of values in [0, 1], over
    visible pixels and channels; nan where nothing is visible.
    """
    check_same_shape(frame, before)
    off = cv2.absdiff(frame.astype(np.float32), warp(before, motion.flow))
    mask = motion.visible.view(np.uint8)
    count = int(cv2.countNonZero(mask)) * (off.size // mask.size)
    if not count:
        return float("nan"), float("nan")
    squared, absolute = cv2.norm(off, cv2.NORM_L2SQR, mask), cv2.norm(off, cv2.NORM_L1, mask)
    return squared / count / 255**2, absolute / count / 255


def optical_flow(luma: Picture, before: Picture) -> Flow:
    """Where each pixel of ``luma`` lies in ``before``: two ``(H, W)`` uint8 to ``(H, W, 2)`` in pixels."""
    check_same_shape(luma, before)
    if min(luma.shape) < _SMALLEST:
        raise InputError(
            f"optical flow needs pictures of at least {_SMALLEST}×{_SMALLEST} pixels,"
            f" not {luma.shape[1]}×{luma.shape[0]}"
        )
    return FlowFinder(luma.shape[0], luma.shape[1], "medium")(luma, before)


def warp(before: npt.NDArray[Any], flow: Flow) -> npt.NDArray[np.float32]:
    """What lies at (x + u, y + v) of ``(H, W[, C])``, bilinear to 1/32 of a pixel; edges are repeated."""
    moved: npt.NDArray[np.float32] = moved_to(before.astype(np.float32), follow(flow))
    return moved


def visible(backward: Flow, forward: Flow) -> npt.NDArray[np.bool_]:
    """Which pixels of a frame were seen in the one before: ``(H, W)``, by the forward-backward check.

    ``backward`` (ŵ) leads from the frame to the one before, ``forward`` from there back, both
    ``(H, W, 2)`` in pixels; w̃ is the forward flow at the place the backward one leads to. By Ruder et al.,
    "Artistic style transfer for videos" (2016), a pixel is left out when it was covered,
    |w̃ + ŵ|² > 0.01 (|w̃|² + |ŵ|²) + 0.5 (eq. 5), or lies on a motion boundary,
    |∇û|² + |∇v̂|² > 0.01 |ŵ|² + 0.002 (eq. 6); and when it came from outside the picture.
    """
    height, width = backward.shape[:2]
    there = warp(forward, backward)
    speed = square(backward)
    uncovered = square(there + backward) <= 0.01 * (square(there) + speed) + 0.5
    down = np.diff(backward, axis=0, append=backward[-1:])
    right = np.diff(backward, axis=1, append=backward[:, -1:])
    smooth = square(down) + square(right) <= 0.01 * speed + 0.002
    columns, rows = cv2.split(backward + grid(height, width))
    inside = (columns >= 0) & (columns <= width - 1) & (rows >= 0) & (rows <= height - 1)
    seen: npt.NDArray[np.bool_] = uncovered & smooth & inside
    return seen
