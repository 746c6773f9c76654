"""``vidcolor models``: what there is to colour with."""

from __future__ import annotations

import click

from vidcolor.cli.console import common_options, emit_json, printable

__all__ = ["command"]


@click.command("models", short_help="List the models.")
@common_options
def command(as_json: bool) -> None:
    """List the models that --model knows by name."""
    from vidcolor.models.registry import list_models  # brings torch

    rows = [{"name": "default", "summary": "the model that comes with vidcolor", "needs_weights": False}]
    rows += [{"name": e.name, "summary": e.summary, "needs_weights": e.needs_weights} for e in list_models()]
    if as_json:
        emit_json(models=rows)
        return
    width = max(len(str(row["name"])) for row in rows)
    for row in rows:
        use = " (needs a weights file: --model FILE)" if row["needs_weights"] else ""
        click.echo(f"{row['name']:{width}}  {printable(str(row['summary']))}{use}")
