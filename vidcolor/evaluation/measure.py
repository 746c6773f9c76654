"""The figures of a film, gathered while its frames go by."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vidcolor.color.shown import Rgb
from vidcolor.evaluation.kept import Extremes, Thinned, Trace
from vidcolor.evaluation.options import EvaluateOptions
from vidcolor.evaluation.outcome import Gallery, Panel, jpeg
from vidcolor.evaluation.sample import Sample, Sampler
from vidcolor.evaluation.steadiness import Jump, Steadiness
from vidcolor.evaluation.stills import Stills
from vidcolor.metrics import MotionTracker
from vidcolor.temporal.shots import ShotDetector

__all__ = ["FilmFigures"]

_PANELS = 6
"""Frames shown as the best and as the worst."""
_PANELS_APART_S = 1.0
_PANEL_SIDE = 180
_STRIP_SIDE = 72
_STRIP_FRAMES = 6
_STRIPS, _SHOTS, _CUTS = 64, 512, 4096
_MOTION_LEAST = 16
"""Pixels a side below which motion says nothing."""
_SLACK_S = 1e-3

_TRACES = ("ciede2000", "psnr", "colorfulness", "true_colorfulness", "stillness", "true_stillness", "grey")


@dataclass(slots=True)
class _Shot:
    """The shot that goes by."""

    number: int
    start: float
    end: float = 0.0
    frames: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    results: Thinned[Rgb] = field(default_factory=lambda: Thinned[Rgb](_STRIP_FRAMES))
    truths: Thinned[Rgb] = field(default_factory=lambda: Thinned[Rgb](_STRIP_FRAMES))

    def add(self, figures: dict[str, float]) -> None:
        for name, value in figures.items():
            if np.isfinite(value):
                self.sums[name] = self.sums.get(name, 0.0) + value
                self.counts[name] = self.counts.get(name, 0) + 1

    def to_dict(self) -> dict[str, Any]:
        means = {name: round(total / self.counts[name], 4) for name, total in self.sums.items()}
        ends = {"start": round(self.start, 3), "end": round(self.end, 3)}
        return {"shot": self.number, **ends, "frames": self.frames, **means}


class FilmFigures:
    """Takes a film's samples in order. Memory does not depend on their number."""

    def __init__(self, sampler: Sampler, options: EvaluateOptions, *, compare: bool) -> None:
        """``compare``: whether samples have a truth."""
        self._sampler, self._options, self._compare = sampler, options, compare
        show = self._shown if options.pictures else None
        self.result = Steadiness(show)
        self.truth = Steadiness() if compare else None
        self.stills = Stills()
        self._detector, self._waiting = ShotDetector(), deque[Sample]()
        self._tracker = MotionTracker() if min(sampler.motion_size) >= _MOTION_LEAST else None
        self._trace = Trace(_TRACES)
        self._next_still = float("-inf")
        self._worst, self._best = (Extremes[Panel](_PANELS, _PANELS_APART_S) for _ in range(2))
        self._shots, self._strips = Thinned[dict[str, Any]](_SHOTS), Thinned[Panel](_STRIPS)
        self._cuts = Thinned[float](_CUTS)
        self._shot: _Shot | None = None
        self.size = sampler.size
        """Height and width of what is measured."""
        self.frames = 0
        self._first_s = self._last_s = 0.0

    def add(self, sample: Sample) -> None:
        """Takes the next frame; it is measured when it is known whether a shot begins with it."""
        self._waiting.append(sample)
        for verdict in self._detector.push(sample.tiny):
            self._measure(self._waiting.popleft(), new_shot=verdict.new_shot)

    def finish(self) -> None:
        """The film is over."""
        for verdict in self._detector.finish():
            self._measure(self._waiting.popleft(), new_shot=verdict.new_shot)
        self._end_shot()
        for side in (self.result, self.truth):
            if side is not None:
                side.finish()

    # A frame

    def _measure(self, sample: Sample, *, new_shot: bool) -> None:
        cut = new_shot and self.frames > 0
        if not self.frames:
            self._first_s = sample.seconds
        if new_shot or self._shot is None:
            self._end_shot()
            number = 0 if self._shot is None else self._shot.number + 1
            self._shot = _Shot(number, sample.seconds)
        if cut:
            seconds = sample.seconds
            self._cuts.offer(lambda: seconds)
        self.frames += 1
        self._last_s = sample.seconds
        found = self._over_time(sample, new_shot=new_shot, cut=cut)
        if self._compare:
            found |= self._beside_truth(sample)
        else:
            self._offer(sample, -found["colorfulness"], found)
        self._trace.add(sample.seconds, found)
        self._shot.frames, self._shot.end = self._shot.frames + 1, sample.seconds
        self._shot.add(found)
        if self._options.pictures:
            self._keep(self._shot, sample)

    def _over_time(self, sample: Sample, *, new_shot: bool, cut: bool) -> dict[str, float]:
        motion = None
        if self._tracker is not None:
            if new_shot:
                self._tracker.cut()
            motion = self._tracker.add(sample.luma)
        found = self.result.add(sample.result, sample.luma, motion, sample.seconds, cut=cut)
        if self.truth is not None and sample.truth is not None:
            true = self.truth.add(sample.truth, sample.luma, motion, sample.seconds, cut=cut)
            found |= {f"true_{name}": value for name, value in true.items()}
        return found

    def _beside_truth(self, sample: Sample) -> dict[str, float]:
        """The figures of one frame in a while."""
        if sample.seconds + _SLACK_S < self._next_still:
            return {}
        self._next_still = max(self._next_still, sample.seconds) + float(self._options.every)
        assert self._shot is not None
        assert sample.truth is not None
        assert sample.bare is not None
        grey = self._sampler.grey(sample.bare)
        figures = self.stills.add(self._shot.number, sample.result.rgb, sample.truth.rgb, grey)
        self._offer(sample, figures["ciede2000"], figures, grey)
        return {name: figures[name] for name in ("ciede2000", "psnr")}

    # Pictures

    def _offer(
        self, sample: Sample, error: float, figures: dict[str, float], grey: Rgb | None = None
    ) -> None:
        """To be the worst, or the best."""
        if not self._options.pictures:
            return
        facts = {"seconds": round(sample.seconds, 3), **{k: round(v, 4) for k, v in figures.items()}}

        def panel() -> Panel:
            if sample.truth is None or grey is None:
                return Panel((self._shown(sample.result.rgb),), ("result",), facts)
            pictures = (grey, sample.result.rgb, sample.truth.rgb)
            return Panel(tuple(map(self._shown, pictures)), ("grey", "result", "truth"), facts)

        self._worst.offer(error, sample.seconds, panel)
        self._best.offer(-error, sample.seconds, panel)

    def _shown(self, rgb: Rgb) -> bytes:
        return jpeg(self._sampler.upright(rgb, _PANEL_SIDE))

    def _keep(self, shot: _Shot, sample: Sample) -> None:
        shot.results.offer(lambda: self._sampler.upright(sample.result.small, _STRIP_SIDE))
        truth = sample.truth
        if truth is not None:
            shot.truths.offer(lambda: self._sampler.upright(truth.small, _STRIP_SIDE))

    def _end_shot(self) -> None:
        shot = self._shot
        if shot is None:
            return
        facts = shot.to_dict()
        self._shots.offer(lambda: facts)
        if self._options.pictures:
            self._strips.offer(lambda: _strip(shot, facts))

    # The end

    def to_dict(self) -> dict[str, Any]:
        """What belongs to films, as plain JSON values."""
        steadiness = {"result": self._steady(self.result)}
        if self.truth is not None:
            steadiness["truth"] = self._steady(self.truth)
        trace = {"seconds": self._trace.times}
        for name in _TRACES:
            values = self._trace.of(name)
            if any(value is not None for value in values):
                trace[name] = [None if value is None else round(value, 4) for value in values]  # type: ignore[misc]
        cuts = [round(seconds, 3) for seconds in self._cuts.found]
        return {
            "frames": self.frames,
            "first_seconds": round(self._first_s, 3),
            "last_seconds": round(self._last_s, 3),
            "shots": 0 if self._shot is None else self._shot.number + 1,
            "steadiness": steadiness,
            "jumps": {
                "inside_shots": self.result.jumps_inside,
                "at_cuts": self.result.jumps_at_cuts,
                "largest_inside_shots": _jumps(self.result.inside.found()),
                "largest_at_cuts": _jumps(self.result.at_cuts.found()),
            },
            "cuts": {"every": self._cuts.stride, "seconds": cuts},
            "trace": trace,
            "by_shot": {"every": self._shots.stride, "shots": self._shots.found},
        }

    def gallery(self) -> Gallery:
        """The pictures that were kept."""
        worst, best = _without_overlap(self._worst.found(), self._best.found())
        jumps = [*self.result.inside.found(), *self.result.at_cuts.found()]
        return Gallery(
            worst=worst,
            best=best,
            jumps=[Panel(jump.pictures, ("before", "after"), jump.to_dict()) for _, _, jump in jumps],
            strips=self._strips.found,
        )

    @staticmethod
    def _steady(side: Steadiness) -> dict[str, float | int | None]:
        return side.figures() | {"jumps_inside": side.jumps_inside, "jumps_at_cuts": side.jumps_at_cuts}


def _without_overlap(
    worst: list[tuple[float, float, Panel]], best: list[tuple[float, float, Panel]]
) -> tuple[list[Panel], list[Panel]]:
    """The panels of both, the most extreme first; of a short film fewer: none of the best is worse than one
    of the worst. Scores are errors, those of the best with a minus."""
    worst, best = list(worst), list(best)
    while len(worst) > 1 and len(best) > 1 and -best[-1][0] >= worst[-1][0]:
        worst.pop()
        best.pop()
    shown = {seconds for _, seconds, _ in worst}
    return [panel for *_, panel in worst], [panel for _, seconds, panel in best if seconds not in shown]


def _strip(shot: _Shot, facts: dict[str, Any]) -> Panel:
    """A shot's frames in a row, the truth's below."""
    rows = [np.hstack(frames.found) for frames in (shot.results, shot.truths) if frames.found]
    return Panel(
        (jpeg(np.vstack(rows)),), ("result above, truth below" if len(rows) > 1 else "result",), facts
    )


def _jumps(found: Iterable[tuple[float, float, Jump]]) -> list[dict[str, Any]]:
    return [jump.to_dict() for _, _, jump in found]
