#!/usr/bin/env python3
"""Trains every system of the papers with the same budget on two sets, and writes results.md.

    python training/results.py --data DATA --work FOLDER [--minutes 1.5] [--systems a1-simple c1-light]

DATA holds ``photos/flowers17`` and ``video/train/penny_and_chip``. The sets, the weights and the grids go
into FOLDER; a system that is done there for the same budget is not trained again. Each is trained by
``vidcolor train`` in a process of its own with its paper's recipe, except for the size of a sample, at most
16 samples a step (the papers' batches of up to 250 would leave few steps in a small budget), and the time.
Last, the ``episode`` recipe exactly as it comes, with its own 55 minutes, beside the default model.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from vidcolor.datasets.manifest import open_set
from vidcolor.evaluation.stills import picture_figures
from vidcolor.models import resolve_model
from vidcolor.training.held_out import HeldOut
from vidcolor.training.options import list_recipes, load_recipe
from vidcolor.training.pictures import open_pictures
from vidcolor.training.report import write_samples

HELD_OUT_CLIPS = ("autumn", "reading", "splash", "tractors")
LEFT_OUT = ("episode", "a3-cgan-480")
"""Recipes that start from other weights, or differ from another only in the size of a sample."""
LARGEST_BATCH = 16
GRID_PICTURES = 8
COLUMNS = {"grey_psnr": "psnr_grey"} | {
    name: name for name in ("psnr", "ssim", "ciede2000", "colorfulness", "true_colorfulness")
}
"""Of a record -> what ``vidcolor evaluate`` calls it."""

HEADINGS = ("system", "what", "PSNR, dB", "over grey", "SSIM", "ΔE00", "colourfulness", "parameters learnt",
            "steps", "seconds")  # fmt: skip

HEAD = """\
# Results

Made by `python training/results.py`, never by hand: every system trained from scratch for {minutes:g} minutes
on {machine}, with its paper's recipe (see `vidcolor train --list-recipes`) but for the sample's size and at
most {batch} samples a step; the episode recipe as it comes. Means over held-out pictures, the truth's luma
kept. Extractors had no pretrained weights. A small budget: it says which networks learn fast, not which are
best in the end."""

PAPERS = """\
| system | what | PSNR | SSIM |
|---|---|---|---|
| C1, faces | 64×64, LFW, 100 epochs, best row | 26.64 | 0.907 |
| C1, flowers | 64×64, OxFlower 17, 100 epochs, best row | 19.81 | 0.770 |

What differs from ours: they train 100 epochs, ours as long as is said above; their split is another; our
figures keep the truth's luma, theirs its L. The other papers print no such figures."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A set to learn."""

    name: str
    title: str
    size: tuple[int, int]
    """Height and width of a sample, in pixels."""
    resize: int
    """What its pictures are made to; pixels."""
    systems: tuple[str, ...] = ()
    """What learns it, with its recipe as it comes and no budget but its own; none: all, in the budget."""


UNTRAINED = "default"
"""Beside the episode recipe, what it starts from."""
SUBJECTS = (
    Subject("penny", "Penny & Chip, 14 clips to learn from, 4 to measure on, 112×64", (64, 112), 128),
    Subject("flowers", "Oxford flowers, a tenth held out, 64×64", (64, 64), 96),
    Subject(
        "episode", "The episode recipe: Penny & Chip, the same clips, 224×128", (128, 224), 224,
        (UNTRAINED, "episode"),
    ),
)  # fmt: skip


def make_set(subject: Subject, data: Path, work: Path) -> Path:
    """The training set of a subject; made once."""
    folder = work / f"set-{subject.name}"
    if folder.exists():
        return folder
    command = [sys.executable, "-m", "vidcolor", "build-dataset", "-o", str(folder), "--size", "any",
               "--resize", str(subject.resize)]  # fmt: skip
    if subject.name == "flowers":
        command += [str(data / "photos" / "flowers17"), "--test-share", "0.1"]
    else:
        clips = sorted((data / "video" / "train" / "penny_and_chip").glob("*.mp4"))
        tested = [c.name for c in clips if c.stem.endswith(HELD_OUT_CLIPS)]
        for name, chosen in (("test", tested), ("train", [c.name for c in clips if c.name not in tested])):
            (work / f"{name}.txt").write_text("\n".join(chosen) + "\n")
        command += [*map(str, clips), "--every", "0.25s", "--train-list",
                    str(work / "train.txt"), "--test-list", str(work / "test.txt")]  # fmt: skip
    subprocess.run(command, check=True)
    return folder


def train(system: str, subject: Subject, pictures: Path, output: Path, minutes: float) -> None:
    recipe = load_recipe(system)
    command = [sys.executable, "-m", "vidcolor", "train", "-q", "-y", "--recipe", system, "-o", str(output),
               "--data", str(pictures)]  # fmt: skip
    if subject.systems:
        subprocess.run(command, check=True)
        return
    command += ["--time-limit", f"{minutes}m"]
    changes = {
        "data.size": list(subject.size),
        "run.batch": min(recipe.run.batch, LARGEST_BATCH),
        "run.epochs": 100000,
        "run.patience": 0,
        "run.validate_every": 100000,
        "run.keep": '"last"',
    }
    for key, value in changes.items():
        command += ["--set", f"{key}={value}"]
    subprocess.run(command, check=True)


def measure(system: str, subject: Subject, pictures: Path, output: Path, grid: Path) -> dict[str, float]:
    """Means over all held-out pictures, the truth's luma kept; and a grid of some of them."""
    count = len(open_set(pictures).test)
    changes = [("data.size", str(list(subject.size))), ("run.validation_pictures", str(count))]
    recipe = load_recipe(subject.systems[-1] if system == UNTRAINED else system, changes)
    loaded = resolve_model(UNTRAINED if system == UNTRAINED else output)
    held_out = HeldOut(open_pictures(recipe, [pictures]), recipe, torch.device("cpu"), torch.float32)
    look = held_out.look(loaded.model, count)
    rows = [picture_figures(result, truth) for result, truth in zip(look.result, look.truth, strict=True)]
    look.grey[GRID_PICTURES:], look.truth[GRID_PICTURES:], look.result[GRID_PICTURES:] = [], [], []
    write_samples(grid, look)
    figures = {column: float(np.mean([row[name] for row in rows])) for column, name in COLUMNS.items()}
    return figures | {
        "pictures": len(rows),
        "parameters": sum(p.numel() for p in loaded.model.parameters() if p.requires_grad),
        "steps": 0 if system == UNTRAINED else loaded.training["steps"],
    }


def run(system: str, subject: Subject, options: argparse.Namespace) -> dict[str, float]:
    """One row of a table, from the work folder where it is there for this budget."""
    stem = f"{subject.name}-{system}"
    output, record = options.work / f"{stem}.safetensors", options.work / f"{stem}.json"
    if record.exists():
        known = json.loads(record.read_text())
        if known["minutes"] == options.minutes or subject.systems:
            return known
    pictures = make_set(subject, options.data, options.work)
    started = time.perf_counter()
    if system != UNTRAINED:
        train(system, subject, pictures, output, options.minutes)
    seconds = time.perf_counter() - started
    figures = measure(system, subject, pictures, output, options.work / f"{stem}.png")
    row = {"minutes": options.minutes, "seconds": round(seconds), **figures}
    record.write_text(json.dumps(row, indent=2) + "\n")
    return row


def table(subject: Subject, rows: dict[str, dict[str, float]]) -> str:
    any_row = next(iter(rows.values()))
    lines = [
        f"## {subject.title}", "",
        f"{any_row['pictures']} held-out pictures; grey: {any_row['grey_psnr']:.2f} dB; the truth's "
        f"colourfulness: {any_row['true_colorfulness']:.1f}.", "",
        "| " + " | ".join(HEADINGS) + " |", "|---" * len(HEADINGS) + "|",
    ]  # fmt: skip
    for system, row in sorted(rows.items(), key=lambda item: -item[1]["psnr"]):
        gain = row["psnr"] - row["grey_psnr"]
        cells = [
            system, "before it" if system == UNTRAINED else load_recipe(system).summary,
            f"{row['psnr']:.2f}", f"{gain:+.2f}", f"{row['ssim']:.3f}",
            f"{row['ciede2000']:.2f}", f"{row['colorfulness']:.1f}", f"{row['parameters']:,}",
            f"{row['steps']}", f"{row['seconds']}",
        ]  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("VIDCOLOR_DATA", "../shared/data")))
    parser.add_argument("--work", type=Path, required=True, help="a folder for sets, weights and grids")
    parser.add_argument("--minutes", type=float, default=1.5, help="for each system on each set")
    parser.add_argument("--systems", nargs="+", help="only these recipes")
    parser.add_argument("--subjects", nargs="+", default=[s.name for s in SUBJECTS])
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).with_name("results.md"))
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    systems = options.systems or [name for name in list_recipes() if name not in LEFT_OUT]

    tables = []
    for subject in (s for s in SUBJECTS if s.name in options.subjects):
        rows: dict[str, dict[str, float]] = {}
        for system in subject.systems or systems:
            rows[system] = run(system, subject, options)
            print(f"{subject.name} {system}: {rows[system]['psnr']:.2f} dB", flush=True)
        tables.append(table(subject, rows))
    machine = f"{torch.get_num_threads()} of {os.cpu_count()} CPU cores ({platform.machine()}), no GPU"
    head = HEAD.format(minutes=options.minutes, machine=machine, batch=LARGEST_BATCH)
    options.output.write_text("\n\n".join([head, *tables, "## The papers' own figures\n\n" + PAPERS]) + "\n")


if __name__ == "__main__":
    main()
