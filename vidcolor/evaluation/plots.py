"""Lines over time as inline SVG, their labels as text of the page: as large on a phone as on a desk."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

__all__ = ["Line", "plot"]

_WIDTH, _HEIGHT = 1000, 100
"""Of the drawing's own units; the page stretches it."""
_TOPS = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)
"""What a plot may end with at its top, times powers of ten."""

Values = Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a plot."""

    label: str
    values: Values
    kind: str
    """Of the style sheet: "result", "truth", "other"."""


def plot(
    title: str,
    x: Sequence[float],
    lines: Sequence[Line],
    *,
    marks: Sequence[float] = (),
    ends: tuple[str, str] = ("", ""),
    top: float | None = None,
    note: str = "",
) -> str:
    """A figure with lines over ``x``, from 0 up.

    Args:
        title: what is drawn.
        x: of each value, rising.
        lines: what is drawn, with one value for each ``x``; None leaves a gap.
        marks: places on ``x`` that are marked: cuts.
        ends: labels of the first and the last ``x``.
        top: where the plot ends; None: a round number above the lines.
        note: for those who want to know more.
    """
    most = max((value for line in lines for value in line.values if value is not None), default=0.0)
    high = top if top is not None else rounded_up(most)
    first, last = (x[0], x[-1]) if x else (0.0, 1.0)
    across = _WIDTH / (last - first) if last > first else 0.0

    def place(seconds: float) -> float:
        return round((seconds - first) * across, 1)

    ticks = "".join(f"M{place(mark)} 0V{_HEIGHT}" for mark in marks if first <= mark <= last)
    drawn = [f'<path class="cut" d="{ticks}"/>'] if ticks else []
    for line in reversed(lines):
        path = _path([place(v) for v in x], line.values, high)
        drawn.append(f'<path class="line {line.kind}" d="{path}"><title>{escape(line.label)}</title></path>')
    legend = "".join(f'<li class="{line.kind}">{escape(line.label)}</li>' for line in lines)
    said = f"<p class=note>{escape(note)}</p>" if note else ""
    return (
        f"<figure class=plot><figcaption><b>{escape(title)}</b><ul class=legend>{legend}</ul></figcaption>"
        f"<div class=frame><div class=side><span>{high:g}</span><span>0</span></div>"
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(title)} over time">{"".join(drawn)}</svg></div>'
        f"<div class=below><span>{escape(ends[0])}</span><span>{escape(ends[1])}</span></div>{said}</figure>"
    )


def rounded_up(most: float) -> float:
    """A round number from there on.

    >>> rounded_up(22.3), rounded_up(0.64), rounded_up(100), rounded_up(0)
    (25.0, 0.8, 100.0, 1.0)
    """
    if most <= 0:
        return 1.0
    exponent = math.floor(math.log10(most))
    tops = (float(f"{step}e{exponent}") for step in _TOPS)
    return next(top for top in tops if top >= most)


def _path(x: Sequence[float], values: Values, high: float) -> str:
    """An SVG path that is broken where values are missing; a value alone becomes a dot."""
    parts, pen = [], False
    for n, value in enumerate(values):
        if value is None:
            pen = False
            continue
        y = round(_HEIGHT * (1 - min(value / high, 1)), 2)
        alone = not pen and (n + 1 == len(values) or values[n + 1] is None)
        parts.append(f"M{x[n]} {y}h0" if alone else f"{'L' if pen else 'M'}{x[n]} {y}")
        pen = True
    return "".join(parts)
