"""Means with confidence intervals, by bootstrap."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["LEAST", "Means", "Rebalanced"]

LEAST = 5
"""Units below which there is no interval."""
_MOST = 1000
"""Units told apart; of more, every thousandth goes with the first, and so on: intervals hardly change."""
_RESAMPLES = 1000
_LEVEL = 0.95


class Means:
    """Means of several figures over pictures, and where they lie in 95 of 100 resamples of the units.

    A unit is what is drawn as a whole: a picture of a set, a shot of a film, whose frames are alike. Memory
    does not depend on their number.

    >>> means = Means(("psnr",))
    >>> for unit, value in enumerate([20, 22, 24, 26, 28]):
    ...     means.add(unit, {"psnr": value})
    >>> means.intervals(seed=0)["psnr"]["mean"]
    24.0
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names
        self._sums, self._counts = (np.zeros((0, len(names))) for _ in range(2))
        """As long as there are units, with some room."""
        self._units = 0

    def add(self, unit: int, values: Mapping[str, float]) -> None:
        """A picture's figures; those that are missing or not finite do not count."""
        self._units = max(self._units, unit + 1)
        row = unit % _MOST
        if row >= len(self._sums):
            more = np.zeros((min(2 * row + 8, _MOST) - len(self._sums), len(self._names)))
            self._sums, self._counts = (np.vstack([rows, more]) for rows in (self._sums, self._counts))
        for place, name in enumerate(self._names):
            value = values.get(name, math.nan)
            if math.isfinite(value):
                self._sums[row, place] += value
                self._counts[row, place] += 1

    @property
    def units(self) -> int:
        return self._units

    def mean(self, name: str) -> float | None:
        """Over all pictures; None: there was none."""
        place = self._names.index(name)
        count = self._counts[:, place].sum()
        return float(self._sums[:, place].sum() / count) if count else None

    def intervals(self, seed: int) -> dict[str, dict[str, float | int | None]]:
        """``mean``, ``low``, ``high`` and ``count`` of each figure there is; no low and high of few units."""
        used = slice(0, min(self._units, _MOST))
        sums, counts = self._sums[used], self._counts[used]
        totals = _resampled(np.hstack([sums, counts]), seed)
        found: dict[str, dict[str, float | int | None]] = {}
        for place, name in enumerate(self._names):
            count = int(counts[:, place].sum())
            if count:
                low, high = _ends(totals, place, place + len(self._names))
                mean = float(sums[:, place].sum() / count)
                found[name] = {"mean": mean, "low": low, "high": high, "count": count}
        return found

    def ratio(self, above: str, below: str, seed: int) -> dict[str, float | int | None] | None:
        """The same of the mean of one figure over that of another."""
        used = slice(0, min(self._units, _MOST))
        pair = self._sums[used][:, [self._names.index(above), self._names.index(below)]]
        if not pair[:, 1].sum() > 0:
            return None
        low, high = _ends(_resampled(pair, seed), 0, 1)
        count = int(self._counts[used, self._names.index(above)].sum())
        return {"mean": float(pair[:, 0].sum() / pair[:, 1].sum()), "low": low, "high": high, "count": count}


class Rebalanced:
    """Accuracy over pixels with all colours counting alike: the mean over bins of the mean in each.

    With weights 1 / p(bin), Σ w·gain / Σ w is Σ_bins (Σ gain in bin / n(bin)) / number of bins, where p is
    the share of a bin among the same pixels.
    """

    def __init__(self, bins: int = 313) -> None:
        self._gains, self._counts = (np.zeros((_MOST, bins)) for _ in range(2))
        self._units = self._pictures = 0

    def add(self, unit: int, gains: npt.NDArray[Any], counts: npt.NDArray[Any]) -> None:
        """Takes a picture: sums of what its pixels gain in [0, 1], and their numbers, by bin: ``(313,)``."""
        self._units = max(self._units, unit + 1)
        self._pictures += 1
        self._gains[unit % _MOST] += gains
        self._counts[unit % _MOST] += counts

    def interval(self, seed: int) -> dict[str, float | int | None] | None:
        """As of :class:`Means`; None: there was no pixel."""
        used = slice(0, min(self._units, _MOST))
        gains, counts = self._gains[used], self._counts[used]
        if not counts.any():
            return None
        # Resamples have the weights of all pixels too: of fewer pictures, rare bins would be missing.
        common = counts.sum(0)
        weights = np.divide(1, common, out=np.zeros_like(common), where=common > 0)
        rows = np.stack([gains @ weights, counts @ weights], 1)
        low, high = _ends(_resampled(rows, seed), 0, 1)
        mean = float(rows[:, 0].sum() / rows[:, 1].sum())
        return {"mean": mean, "low": low, "high": high, "count": self._pictures}


def _draws(units: int, seed: int) -> npt.NDArray[np.float64]:
    """How often each unit is drawn in each resample: ``(resamples, units)``."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(units, np.full(units, 1 / units), size=_RESAMPLES).astype(np.float64)


def _resampled(rows: npt.NDArray[Any], seed: int) -> npt.NDArray[np.float64] | None:
    """Sums of each column in each resample; None: too few units. Units of which nothing is known are none."""
    known = rows[rows.any(1)]
    return _draws(len(known), seed) @ known if len(known) >= LEAST else None


def _ends(
    totals: npt.NDArray[np.float64] | None, above: int, below: int
) -> tuple[float | None, float | None]:
    if totals is None:
        return None, None
    there = totals[:, below] > 0
    return _percentiles(totals[there, above] / totals[there, below])


def _percentiles(values: npt.NDArray[np.float64]) -> tuple[float | None, float | None]:
    if not len(values):
        return None, None
    tail = 50 * (1 - _LEVEL)
    low, high = np.percentile(values, [tail, 100 - tail])
    return float(low), float(high)
