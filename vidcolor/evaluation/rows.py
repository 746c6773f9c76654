"""The figures of an outcome in the order people read them; tables and pages show the same ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vidcolor.evaluation.figures import FIGURES, Figure, written
from vidcolor.wording import counted, printable

__all__ = ["Row", "group_rows", "headline", "rows", "subject"]

_STILL = (
    "psnr", "psnr_grey", "gain", "ssim", "ciede2000", "colorfulness", "colorfulness_ratio", "auc",
    "auc_rebalanced", "lpips", "fid",
)  # fmt: skip
_STEADY = ("cdc", "warp_error", "stillness", "grey")


@dataclass(frozen=True, slots=True)
class Row:
    """A figure as it is shown."""

    name: str
    value: float | None
    truth: float | None
    low: float | None
    high: float | None
    path: str
    """Where the value lies in the data: keys with dots between."""
    truth_path: str

    @property
    def figure(self) -> Figure:
        return FIGURES[self.name]

    @property
    def interval(self) -> str:
        """Its interval as text; empty where there is none."""
        if self.low is None or self.high is None:
            return ""
        return f"{written(self.name, self.low)} to {written(self.name, self.high)}"

    @property
    def beside_truth(self) -> str:
        """Its value, and the truth's after it where there is one."""
        value = written(self.name, self.value)
        return f"{value} / {written(self.name, self.truth)}" if self.truth_path else value


def rows(data: Mapping[str, Any]) -> list[Row]:
    """Every figure there is: those of pictures, then those over time."""
    found = []
    for name in _STILL:
        figure = data["figures"].get(name)
        if figure is not None:
            truth_path = f"figures.{name}.truth" if "truth" in figure else ""
            ends = figure["low"], figure["high"]
            found.append(
                Row(name, figure["mean"], figure.get("truth"), *ends, f"figures.{name}.mean", truth_path)
            )
    steady = data.get("steadiness", {})
    result, truth = steady.get("result", {}), steady.get("truth")
    for name in _STEADY if "colorfulness" in data["figures"] else ("colorfulness", *_STEADY):
        if result.get(name) is not None:
            path = f"steadiness.truth.{name}" if truth else ""
            true = truth.get(name) if truth else None
            found.append(Row(name, result[name], true, None, None, f"steadiness.result.{name}", path))
    return found


def subject(data: Mapping[str, Any]) -> str:
    """What was measured, in a line: "default on clip.mp4"."""
    name = data["input"]
    if "model" in data:
        return printable(f"{data['model']} on {name}")
    return printable(f"{name} beside {data['truth']}" if "truth" in data else str(name))


def headline(data: Mapping[str, Any]) -> str:
    """The outcome in a sentence or two."""
    figures = data["figures"]
    count = data.get("frames", data["measured"].get("pictures"))
    what = "picture" if data["kind"] == "pictures" else "frame"
    if data["kind"] == "result":
        return _steady_words(data, f"{counted(count, 'frame')} in {counted(data['shots'], 'shot')}. ")
    gain = figures["gain"]["mean"]
    nearer = "nearer to" if gain >= 0 else "further from"
    psnr = written("psnr", figures["psnr"]["mean"], unit=True)
    text = f"{counted(count, what)}: {psnr}, {abs(gain):.2f} dB {nearer} the truth than grey"
    ratio = figures.get("colorfulness_ratio")
    if ratio is not None:
        text += f", and {ratio['mean']:.2f} times as colourful as the truth"
    return f"{text}."


def _steady_words(data: Mapping[str, Any], text: str) -> str:
    jumps = data["jumps"]
    inside, at_cuts = jumps["inside_shots"], jumps["at_cuts"]
    return f"{text}Colour jumps {counted(inside, 'time')} inside shots, and at {counted(at_cuts, 'cut')}."


_GROUPED = ("psnr", "gain", "ssim", "ciede2000", "colorfulness", "colorfulness_ratio")


def group_rows(groups: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """A heading and a row for each label or film of a set; empty where there are none."""
    if not groups:
        return []
    titles = [FIGURES[name].heading for name in _GROUPED]
    titles[_GROUPED.index("colorfulness")] += " / truth’s"
    at = _GROUPED.index("gain") + 1
    found = [("", "pictures", *titles[:at], "95 %", *titles[at:])]
    for group, told in groups.items():
        by_name = {row.name: row for row in rows(told)}
        cells = [by_name[name].beside_truth if name in by_name else written(name, None) for name in _GROUPED]
        found.append((group, f"{told['pictures']:,}", *cells[:at], by_name["gain"].interval, *cells[at:]))
    return found
