"""Means and intervals, and what is kept of a stream."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import linalg, stats

from vidcolor.color.bins import nearest_bin
from vidcolor.evaluation.intervals import Means
from vidcolor.evaluation.kept import Extremes, Thinned, Trace
from vidcolor.evaluation.measure import _without_overlap
from vidcolor.evaluation.outcome import Panel
from vidcolor.evaluation.page import _joined
from vidcolor.evaluation.perceptual import Frechet, Perceptual, frechet_distance
from vidcolor.evaluation.stills import Stills
from vidcolor.metrics import accuracy_auc, accuracy_curve, picture_lab


def noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def test_intervals_are_scipys() -> None:
    values = np.random.default_rng(3).normal(20, 3, 60)
    means = Means(("psnr",))
    for unit, value in enumerate(values):
        means.add(unit, {"psnr": value})
    found = means.intervals(seed=0)["psnr"]
    known = stats.bootstrap(
        (values,), np.mean, n_resamples=9999, method="percentile", rng=np.random.default_rng(0)
    ).confidence_interval
    assert found["mean"] == pytest.approx(values.mean())
    assert found["low"] == pytest.approx(known.low, abs=0.15)
    assert found["high"] == pytest.approx(known.high, abs=0.15)


def test_the_seed_decides_and_few_units_have_no_interval() -> None:
    means = Means(("psnr",))
    for unit in range(4):
        means.add(unit, {"psnr": float(unit)})
    assert means.intervals(0)["psnr"] == {"mean": 1.5, "low": None, "high": None, "count": 4}
    means.add(4, {"psnr": float("nan")})
    assert means.intervals(0)["psnr"]["count"] == 4
    assert means.intervals(7) == means.intervals(7)


def test_many_units_take_no_more_memory_and_give_the_same_mean() -> None:
    means = Means(("psnr",))
    values = np.random.default_rng(0).normal(20, 3, 5000)
    for unit, value in enumerate(values):
        means.add(unit, {"psnr": value})
    found = means.intervals(0)["psnr"]
    assert found["mean"] == pytest.approx(values.mean())
    error = 1.96 * values.std() / np.sqrt(len(values))
    assert found["high"] - found["low"] == pytest.approx(2 * error, rel=0.15)


def test_rebalanced_accuracy_is_eq_4_with_lambda_0() -> None:
    pairs = [(noise(n, 24, 20, 3), noise(n + 9, 24, 20, 3) // 3 + 40 * n) for n in range(3)]
    stills = Stills()
    for unit, (result, truth) in enumerate(pairs):
        figures = stills.add(unit, result, truth)
        plain = accuracy_auc(picture_lab(result)[..., 1:], picture_lab(truth)[..., 1:])
        assert figures["auc"] == pytest.approx(plain, abs=1e-6)
    ab, true = (np.stack([picture_lab(pair[n])[..., 1:] for pair in pairs]) for n in (0, 1))
    bins = nearest_bin(torch.from_numpy(true).permute(0, 3, 1, 2)).numpy()
    share = np.bincount(bins.ravel(), minlength=313) / bins.size
    weights = 1 / share[bins]
    found = stills.figures(0)["auc_rebalanced"]
    assert found["mean"] == pytest.approx(accuracy_auc(ab, true, weights), abs=1e-5)
    curves = stills.curves()
    assert np.allclose(curves["plain"], accuracy_curve(ab, true), atol=1e-5)
    assert np.allclose(curves["rebalanced"], accuracy_curve(ab, true, weights), atol=1e-5)


def test_a_trace_keeps_means_and_gaps() -> None:
    trace = Trace(("a", "b"), points=4)
    for n in range(16):
        trace.add(n / 2, {"a": float(n), **({"b": 1.0} if n < 4 else {})})
    assert trace.of("a") == [1.5, 5.5, 9.5, 13.5]
    assert trace.of("b") == [1.0, None, None, None]
    assert trace.times == [0.75, 2.75, 4.75, 6.75]


def test_extremes_make_only_what_may_be_kept() -> None:
    made = []

    def make(n: int) -> int:
        made.append(n)
        return n

    highest = Extremes[int](3, 1.0)
    for n in range(1000):
        highest.offer(float(1000 - n), n / 10, lambda n=n: make(n))
    assert [thing for _, _, thing in highest.found()] == [0, 10, 20]
    assert made == [0, 10, 20]


def test_thinned_things_are_even() -> None:
    few = Thinned[int](6)
    for n in range(100):
        few.offer(lambda n=n: n)
    assert few.found == list(range(0, 100, few.stride))
    assert 3 <= len(few.found) <= 6


def test_frechet_distance_beside_scipys_root() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.normal(0, 1, (200, 5)) @ rng.normal(0, 1, (5, 5)), rng.normal(1, 2, (150, 5))
    moments = []
    for features in (one, other):
        gathered = Frechet()
        for row in features:
            gathered.add(row)
        mean, covariance = gathered.moments()
        assert np.allclose(mean, features.mean(0))
        assert np.allclose(covariance, np.cov(features.T))
        moments += [mean, covariance]
    apart = moments[0] - moments[2]
    root = linalg.sqrtm(moments[1] @ moments[3]).real
    known = apart @ apart + np.trace(moments[1] + moments[3] - 2 * root)
    assert frechet_distance(*moments) == pytest.approx(known)
    assert frechet_distance(*moments[:2], *moments[:2]) == pytest.approx(0, abs=1e-9)


def test_what_is_not_on_the_machine_is_left_out_with_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    for name in ("lpips", "pytorch_fid", "pytorch_fid.inception"):
        monkeypatch.setitem(sys.modules, name, None)
    perceptual = Perceptual()
    assert perceptual.left_out == dict.fromkeys(
        ("lpips", "fid"), "its extra is not installed: pip install 'vidcolor[perceptual]'"
    )
    assert perceptual.add(noise(0, 40, 40, 3), noise(1, 40, 40, 3)) == {}
    assert perceptual.fid() is None


def test_weights_that_are_missing_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    import sys
    from types import ModuleType

    monkeypatch.setenv("VIDCOLOR_EXTRACTORS", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for name in ("lpips", "pytorch_fid", "pytorch_fid.inception"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    left_out = Perceptual().left_out
    assert left_out["lpips"] == "its weights, alexnet-owt-7be5be79.pth, are not on this machine"
    assert "pt_inception-2015-12-05-6726825d.pth" in left_out["fid"]


def test_the_best_are_never_worse_than_the_worst() -> None:
    def found(*errors: float, sign: int) -> list[tuple[float, float, Panel]]:
        return [(sign * error, error, Panel((), (), {"error": error})) for error in errors]

    worst, best = _without_overlap(found(21, 20, 12, 9, 5, sign=1), found(4, 5, 9, 10, 12, sign=-1))
    assert [panel.facts["error"] for panel in worst] == [21, 20, 12]
    assert [panel.facts["error"] for panel in best] == [4, 5, 9]
    worst, best = _without_overlap(found(3, sign=1), found(3, sign=-1))
    assert (len(worst), len(best)) == (1, 0)


def test_steps_between_values_end_at_cuts() -> None:
    values = [1.0, None, None, None, 2.0, None]
    assert _joined(values, [0, 1, 2, 3, 4, 5], [2.0]) == [1.0, 1.0, None, None, 2.0, 2.0]
