#!/usr/bin/env python3
"""Whether making batches starves the network.

    python benchmarks/loader.py [--data FOLDER]

Trains our U-Net on 16 crops of 128 × 128, in turns: some steps with batches made of pictures on disk as
`vidcolor train --recipe unet` makes them (decoded, cropped, greyed, aged, brought to Lab), then as many with
one batch held in memory. Prints steps a second of both, medians over the turns, and the share that is kept;
at least 0.9 is asked for. The first epoch decodes; the turns begin when the pictures are in memory, and
with --cold nothing is kept there.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path

import torch
from clips import DATA

from vidcolor.pipeline.device import choose_device
from vidcolor.training.data import Batch, Batches, Ready, ready
from vidcolor.training.distributed import ALONE
from vidcolor.training.losses import Objective
from vidcolor.training.options import load_recipe
from vidcolor.training.pictures import open_pictures
from vidcolor.training.state import State
from vidcolor.training.step import Learner

TURNS, STEPS, FIRST = 8, 8, 5
"""Turns of each kind, steps in a turn, steps before the first turn."""


def timed(learner: Learner, batches: Iterator[Ready], state: State, device: torch.device) -> float:
    """Steps a second over one turn."""
    started = time.perf_counter()
    for _ in range(STEPS):
        learner.learn(next(batches))
        state.step += 1
        state.follow_average()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return STEPS / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DATA / "photos" / "flowers17")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--cold", action="store_true", help="decode every picture every time")
    options = parser.parse_args()
    changes = [("data.size", "[128, 128]"), ("run.batch", "16")]
    recipe = load_recipe("unet", [*changes, *([("data.memory_mb", "0")] if options.cold else [])])
    device = choose_device(options.device)
    state = State(recipe, device=device, precision=torch.float32, group=ALONE)
    pictures = open_pictures(recipe, [options.data])
    objective = Objective(recipe.loss, state.model.space, pictures.prior(device))
    learner = Learner(recipe, state, objective, ALONE, device, torch.float32)
    made = Batches(pictures.train, recipe.data, size=recipe.run.batch, seed=1, hints=True)
    if not options.cold:
        for index in range(len(made.store)):
            made.store.pixels(index)

    def on_device(batches: Iterator[Batch]) -> Iterator[Ready]:
        return (ready(batch, device) for batch in batches)

    held = repeat(ready(made.at(0), device))
    rates: dict[str, list[float]] = {"real": [], "held": []}
    for _ in range(FIRST):
        learner.learn(next(held))
    for _ in range(TURNS):
        # Its own threads for each turn: while the held batch is timed nothing is made ahead.
        with made.from_step(state.step) as batches:
            rates["real"].append(timed(learner, on_device(batches), state, device))
        rates["held"].append(timed(learner, held, state, device))
    real, still = (statistics.median(rates[kind]) for kind in ("real", "held"))
    print(f"pictures from disk {real:.2f} steps/s, one batch held {still:.2f}, share {real / still:.3f}")


if __name__ == "__main__":
    main()
