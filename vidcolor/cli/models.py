"""``vidcolor models``: what there is to colour with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from vidcolor.cli.console import common_options, emit_json
from vidcolor.wording import printable

if TYPE_CHECKING:
    from vidcolor.models import ColorModel, ModelEntry

__all__ = ["command"]


@click.command("models", short_help="List the models.")
@common_options
def command(as_json: bool) -> None:
    """List the models that --model knows by name, and how many values each has learnt or can learn."""
    from vidcolor.models import list_models, load_model  # brings torch

    default = {"name": "default", "summary": "the model that comes with vidcolor", "needs_weights": False}
    rows = [{**default, **_counts(load_model())}, *(_row(entry) for entry in list_models())]
    if as_json:
        emit_json(models=rows)
        return
    sizes = [_size(row) for row in rows]
    name_width, size_width = max(len(row["name"]) for row in rows), max(map(len, sizes))
    for row, size in zip(rows, sizes, strict=True):
        about = printable(row["summary"]) + _remarks(row)
        click.echo(f"{row['name']:{name_width}}  {size:>{size_width}}  {about}")


def _row(entry: ModelEntry) -> dict[str, Any]:
    row = {"name": entry.name, "summary": entry.summary, "needs_weights": entry.needs_weights}
    needs = {} if entry.installed else {"needs_extra": entry.extra}
    return {**row, **_counts(entry.outline()), **needs}


def _counts(model: ColorModel) -> dict[str, int]:
    learnt = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return {"parameters": model.parameter_count, "frozen": model.parameter_count - learnt}


def _size(row: dict[str, Any]) -> str:
    learnt, frozen = row["parameters"] - row["frozen"], row["frozen"]
    return f"{_short(learnt)} + {_short(frozen)} frozen" if frozen else _short(learnt)


def _short(count: int) -> str:
    """A count in three digits or so.

    >>> _short(55_843_464), _short(7_234_567), _short(23_456), _short(0)
    ('55.8 M', '7.23 M', '23.5 K', '0')
    """
    for unit, size in (("M", 1_000_000), ("K", 1000)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return str(count)


def _remarks(row: dict[str, Any]) -> str:
    weights = ["needs a weights file: --model FILE"] if row["needs_weights"] else []
    extra = [f"needs the extra {row['needs_extra']}"] if "needs_extra" in row else []
    remarks = "; ".join(extra + weights)
    return f" ({remarks})" if remarks else ""
