"""An outcome as text: a table for a terminal, and one in Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vidcolor.evaluation.figures import FIGURES, written
from vidcolor.evaluation.rows import Row, group_rows, headline, rows, subject
from vidcolor.media.timeline import clock_text

__all__ = ["aligned", "left_out", "markdown", "piped", "tables", "text"]

_MOMENTS = 5


def text(data: Mapping[str, Any]) -> str:
    """What a person wants to read first."""
    found = rows(data)
    truths, intervals = any(row.truth_path for row in found), any(row.interval for row in found)
    lines = [_titled(truths, intervals), *(_cells(row, truths, intervals) for row in found)]
    blocks = [headline(data), aligned(lines)]
    if groups := group_rows(data.get("groups", {})):
        blocks.append(aligned(groups))
    if moments := _moments(data):
        blocks.append(moments)
    if missing := left_out(data):
        blocks.append("\n".join(missing))
    return "\n\n".join(blocks)


def left_out(data: Mapping[str, Any]) -> list[str]:
    """A sentence for each reason why figures are missing."""
    by_reason: dict[str, list[str]] = {}
    for name, why in data["left_out"].items():
        by_reason.setdefault(why, []).append(FIGURES[name].title)
    return [
        f"{' and '.join(titles)} {'is' if len(titles) == 1 else 'are'} left out: {why}."
        for why, titles in by_reason.items()
    ]


def markdown(data: Mapping[str, Any]) -> str:
    """A document in Markdown: what was measured, the same figures, and what they mean."""
    measured = data["measured"]
    what = "a short side of at most {short_side}" if "short_side" in measured else "{width}×{height}"
    made = f"Made by vidcolor {data['vidcolor']} evaluate, measured at {what.format(**measured)} pixels."
    meanings = [f"- **{row.figure.title}**: {row.figure.meaning}" for row in rows(data)]
    words = [*data["notices"], *left_out(data)]
    parts = [f"# {subject(data)}", headline(data), tables(data), *words, made, "\n".join(meanings)]
    return "\n\n".join(parts) + "\n"


def tables(data: Mapping[str, Any]) -> str:
    """The figures as a table in Markdown, then a table of groups where there are some."""
    found = rows(data)
    lines = [_titled(True, True), *(_cells(row, True, True) for row in found)]
    return "\n\n".join(piped(table) for table in (lines, group_rows(data.get("groups", {}))) if table)


def _titled(truths: bool, intervals: bool) -> tuple[str, ...]:
    return ("", "result", *(("truth",) if truths else ()), *(("95 %",) if intervals else ()))


def _cells(row: Row, truths: bool, intervals: bool) -> tuple[str, ...]:
    truth = (written(row.name, row.truth) if row.truth_path else "",) if truths else ()
    return (row.figure.heading, written(row.name, row.value), *truth, *((row.interval,) if intervals else ()))


def aligned(table: Sequence[Sequence[str]]) -> str:
    """Columns, the first to the left and all others to the right."""
    widths = [max(len(cell) for cell in column) for column in zip(*table, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in table
    )


def piped(table: Sequence[Sequence[str]]) -> str:
    """A table in Markdown; the first line is its heading."""
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in table]
    ruler = "|---" + "|---:" * (len(table[0]) - 1) + "|"
    return "\n".join([lines[0], ruler, *lines[1:]])


def _moments(data: Mapping[str, Any]) -> str:
    """Where to look."""
    jumps = data.get("jumps")
    if not jumps:
        return ""
    lines = []
    for name, what in (("largest_inside_shots", "inside shots"), ("largest_at_cuts", "at cuts")):
        largest = jumps[name][:_MOMENTS]
        if largest:
            where = ", ".join(f"{clock_text(jump['seconds'])} ({jump['codes']:.1f})" for jump in largest)
            lines.append(f"largest jumps of colour {what}, in codes: {where}")
    return "\n".join(lines)
