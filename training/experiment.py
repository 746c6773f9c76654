#!/usr/bin/env python3
"""Short runs of the default model's stages with something changed, for ``experiments.toml``.

    python training/experiment.py --data DATA --work FOLDER --steps 625 "Muon:" \\
        "AdamW:optimizer.name=adamw,optimizer.rate=1.2e-3,optimizer.betas=[0.9;0.999]"
    python training/experiment.py --data DATA --work FOLDER --size 160 first.safetensors second.safetensors

A variant is a name and what differs from the recipe ``default`` (``;`` stands for a comma inside a value),
or a weights file, which is only measured. Each is trained by ``vidcolor train`` for the same number of
steps, and measured on held-out photographs, which it sees at the size that it was trained at, at several
``--saturation``: more colour costs PSNR wherever it is wrong, so networks are compared by what they gain
over grey at the same colourfulness, 0.55 of the truth's.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from itertools import pairwise
from pathlib import Path

import held_out
from train_default import lay_out

from vidcolor.evaluation.options import EvaluateOptions
from vidcolor.evaluation.pictures import evaluate_set
from vidcolor.models.weights import load_weights
from vidcolor.pipeline.options import RunOptions
from vidcolor.training.loop import train
from vidcolor.training.options import load_recipe

SATURATIONS = (1.0, 1.3, 1.7, 2.2)
COLORFUL = 0.55
"""Share of the truth's colourfulness that networks are compared at."""


def trained(variant: str, steps: int, pictures: Path, work: Path) -> tuple[str, Path, float]:
    """The variant's name, its weights, and the minutes of the CPU that it took, or its file says it took.

    What is there already is kept.
    """
    if variant.endswith(".safetensors"):
        weights = Path(variant)
        return weights.stem, weights, load_weights(weights).training["seconds"] / 60
    name, _, changes = variant.partition(":")
    output = work / f"{name.replace(' ', '-')}-{steps}.safetensors"
    told = [tuple(change.replace(";", ",").split("=", 1)) for change in changes.split(",") if change]
    started = time.process_time()
    if not output.exists():
        recipe = load_recipe("default", [("run.steps", str(steps)), *((k, v) for k, v in told)])
        train(recipe, [pictures], output, device="cpu", overwrite=True)
    return name, output, (time.process_time() - started) / 60


def measured(weights: Path, photos: Path, limit: int, size: int | None) -> list[tuple[float, float]]:
    """At each saturation: what is gained over grey, in dB, and the share of the truth's colourfulness.

    ``size``: short side of what the network sees; None: of what it was trained on.
    """
    points = []
    size = size or min(load_weights(weights).training["recipe"]["data"]["size"])
    for saturation in SATURATIONS:
        run = RunOptions(model=str(weights), saturation=saturation, network_size=size)
        found = evaluate_set(photos, run, EvaluateOptions(size=held_out.SHORT_SIDE, limit=limit, split="all"))
        figures = {name: figure["mean"] for name, figure in found.data["figures"].items()}
        points.append((figures["gain"], figures["colorfulness_ratio"]))
    return points


def at_colorfulness(points: list[tuple[float, float]], wanted: float) -> float | None:
    """What is gained at that share, between the points beside it; None where all lie to one side."""
    for (gain, share), (next_gain, next_share) in pairwise(points):
        if share <= wanted <= next_share:
            return gain + (next_gain - gain) * (wanted - share) / (next_share - share)
    return None


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("variants", nargs="+", metavar="NAME:KEY=VALUE,…|FILE")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("VIDCOLOR_DATA", "../shared/data")))
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=625)
    parser.add_argument("--limit", type=int, default=300, help="held-out photographs that are measured")
    parser.add_argument("--size", type=int, help="short side that networks see; else what they trained at")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    pictures = lay_out(options.data, options.work / "pictures")
    for variant in options.variants:
        name, weights, minutes = trained(variant, options.steps, pictures, options.work)
        points = measured(weights, pictures / "test", options.limit, options.size)
        found = at_colorfulness(points, COLORFUL)
        print("[[experiment.figures]]")
        print(f"variant = {json.dumps(name)}")
        print(f"minutes = {minutes:.1f}")
        print(f"gain = {points[0][0]:.2f}")
        print(f"colorfulness_ratio = {points[0][1]:.3f}")
        if found is not None:
            print(f"gain_at_{100 * COLORFUL:.0f} = {found:.2f}")
        print(flush=True)


if __name__ == "__main__":
    main()
