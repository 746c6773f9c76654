"""``vidcolor quantize``: a model's network in int8, for OpenVINO."""

from __future__ import annotations

from pathlib import Path

import click

from vidcolor.cli.console import common_options, emit_json, quiet_option, say
from vidcolor.cli.run import complete_model
from vidcolor.cli.types import setting
from vidcolor.training.options import QuantizeOptions
from vidcolor.wording import printable

__all__ = ["command"]


@click.command("quantize", short_help="Make a model's network int8, for OpenVINO.")
@click.argument("model", metavar="MODEL", shell_complete=complete_model)
@click.option(
    "-d",
    "--data",
    multiple=True,
    required=True,
    type=click.Path(path_type=Path),
    help="Colour pictures to calibrate by: a set made by 'vidcolor build-dataset', or a folder; repeatable.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="The .safetensors file to write.  [default: NAME.int8.safetensors]",
)
@setting(
    QuantizeOptions,
    "samples",
    "--samples",
    type=click.IntRange(min=1),
    help="How many samples of the pictures are looked at.",
)
@setting(QuantizeOptions, "seed", "--seed", type=click.IntRange(min=0), help="Of all that is drawn.")
@click.option("-y", "--yes", is_flag=True, help="Replace an older output.")
@quiet_option
@common_options
def command(
    model: str,
    data: tuple[Path, ...],
    output: Path | None,
    samples: int,
    seed: int,
    yes: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Write the network of MODEL ("default" or a weights file) in int8, which OpenVINO computes on a CPU.

    The file it writes is given to --model as any other. Its colours are a little off those of MODEL; see
    how much with 'vidcolor evaluate'.
    """
    from vidcolor.training.quantize import quantize  # brings torch

    def notify(sentence: str) -> None:
        if not quiet:
            say(sentence)

    options = QuantizeOptions(samples=samples, seed=seed)
    written = quantize(model, data, output, options, overwrite=yes, notify=notify)
    if as_json:
        emit_json(event="done", output=str(written), samples=samples, seed=seed)
    notify(f"written: {printable(str(written))}")
