#!/usr/bin/env python3
"""Writes results.md: what each system of the papers learns in the same small budget, and our experiments.

    python training/results.py
    python training/results.py --data DATA --work FOLDER [--minutes 1.5] [--systems a1-simple c1-light]
    python training/results.py --data DATA --work FOLDER --faces-minutes 20

The first only writes the page, from ``results.json`` and ``experiments.toml``. The second trains and measures
what is not in FOLDER for this budget, puts the figures into ``results.json``, and writes the page. The third
does so with C1 on faces alone, whose colour it then decodes from 1 to 5 bins.

DATA holds ``photos/flowers17``, ``photos/lfw_faces`` and ``video/train/penny_and_chip``. The sets, the
weights and pages to look at go into FOLDER. Each system is trained by ``vidcolor train`` in a process of its
own with its paper's recipe, except for the size of a sample, at most 16 samples a step (the papers' batches
of up to 250 would leave few steps in a small budget), and the time; the ``episode`` recipe exactly as it
comes, with its own 55 minutes, beside the default model. All are measured by ``vidcolor evaluate``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import held_out
from evaluated import evaluated

from vidcolor.evaluation.figures import FIGURES, written
from vidcolor.evaluation.rows import rows
from vidcolor.evaluation.table import piped
from vidcolor.models import resolve_model
from vidcolor.training.options import list_recipes, load_recipe

HERE = Path(__file__).parent
LEFT_OUT = ("a3-cgan-480", "default")
"""Recipes of a network that another recipe trains, too."""
LARGEST_BATCH = 16
COLUMNS = ("psnr", "gain", "ssim", "ciede2000", "colorfulness")

HEAD = """\
# Results

Written by `python training/results.py`, never by hand, from `results.json` and `experiments.toml`.

## The papers' systems

Every system trained from scratch for {minutes:g} minutes on {machine}, with its paper's recipe (see
`vidcolor train --list-recipes`) but for the sample's size and at most {batch} samples a step; the episode
recipe as it comes. Means over held-out pictures, the truth's luma kept. Extractors had no pretrained weights.
A small budget: it says which networks learn fast, not which are best in the end."""

PAPERS = """\
### The papers' own figures

| system | what | PSNR | SSIM |
|---|---|---|---|
| C1, faces | 64×64, CelebA, 100 epochs, with eq. 6, k = 1 | 26.64 | 0.907 |
| C1, flowers | 64×64, Oxford flowers (102 kinds), 100 epochs, with eq. 6, k = 1 | 19.81 | 0.770 |
| C1, flowers | the same without class weights and eq. 6 | 19.95 | 0.772 |

What differs from ours: they train 100 epochs, ours as long as is said above; their pictures and their split
are others; theirs are decoded from the likeliest bin alone, ours from two, the paper's default; our figures
keep the truth's luma, theirs its L. The other papers print no such figures."""

FACES = """\
### C1 on faces, by how many bins are read

Colour is the mean of the k likeliest bins (`--read top=k`), here of c1-light, trained for {minutes:g} minutes
({steps:,} steps) on {machine} on LFW faces at 64×64; {count} held-out pictures; grey: {grey} dB. Beside it
what the paper has of CelebA after 100 epochs (its table 2).

{table}"""
PAPER_FACES = {1: (26.64, 0.907), 2: (25.80, 0.897), 3: (24.69, 0.881), 4: (23.65, 0.862), 5: (22.73, 0.843)}
"""PSNR and SSIM of paper C, table 2, by the number of bins."""

EXPERIMENTS = """\
## Experiments

What was tried before the default model was trained as it is; each with the command that made its figures."""


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


FACES_SET = Subject("faces", "LFW faces, a tenth held out, 64×64", (64, 64), 96)


def make_set(subject: Subject, data: Path, work: Path) -> Path:
    """The training set of a subject; made once."""
    folder = work / f"set-{subject.name}"
    if folder.exists():
        return folder
    command = [sys.executable, "-m", "vidcolor", "build-dataset", "-o", str(folder), "--size", "any",
               "--resize", str(subject.resize)]  # fmt: skip
    if photographs := {"flowers": "flowers17", "faces": "lfw_faces"}.get(subject.name):
        command += [str(data / "photos" / photographs), "--test-share", "0.1"]
    else:
        clips = sorted((data / "video" / "train" / "penny_and_chip").glob("*.mp4"))
        tested = [clip.name for clip in held_out.clips(data)]
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


def measure(system: str, subject: Subject, pictures: Path, output: Path) -> dict[str, Any]:
    """A row of a table: what ``vidcolor evaluate`` says of the held-out pictures, and of the weights."""
    short = str(min(subject.size))
    model = UNTRAINED if system == UNTRAINED else output
    found = output.with_suffix(".evaluated.json")
    found.unlink(missing_ok=True)
    data = evaluated(model, pictures, found, "--size", short, "--network-size", short, "-y", "--report",
                     str(output.with_suffix(".report")))  # fmt: skip
    loaded = resolve_model(model)
    return {
        "how": f"whole pictures, short side {short}",
        "parameters": sum(p.numel() for p in loaded.model.parameters() if p.requires_grad),
        "steps": 0 if system == UNTRAINED else loaded.training["steps"],
        "figures": data["figures"],
    }


def run(system: str, subject: Subject, options: argparse.Namespace) -> dict[str, Any]:
    """One row of a table, from the work folder where it is there for this budget."""
    stem = f"{subject.name}-{system}"
    output, record = options.work / f"{stem}.safetensors", options.work / f"{stem}.json"
    if record.exists():
        known: dict[str, Any] = json.loads(record.read_text(encoding="utf-8"))
        if known["minutes"] == options.minutes or subject.systems:
            return known
    pictures = make_set(subject, options.data, options.work)
    started = time.perf_counter()
    if system != UNTRAINED:
        train(system, subject, pictures, output, options.minutes)
    seconds = round(time.perf_counter() - started)
    row = {"minutes": options.minutes, "seconds": seconds, **measure(system, subject, pictures, output)}
    record.write_text(json.dumps(row, indent=1) + "\n", encoding="utf-8")
    return row


def read_faces(options: argparse.Namespace) -> dict[str, Any]:
    """C1 trained on faces, and its figures by the number of bins that its colour is read from."""
    output = options.work / "faces-c1-light.safetensors"
    pictures = make_set(FACES_SET, options.data, options.work)
    if not output.exists():
        train("c1-light", FACES_SET, pictures, output, options.faces_minutes)
    found = {}
    for k in PAPER_FACES:
        how = ("--size", "64", "--network-size", "64", "--read", f"top={k}")
        found[k] = evaluated(output, pictures, output.with_suffix(f".{k}.json"), *how)["figures"]
    return {
        "minutes": options.faces_minutes,
        "machine": machine(),
        "steps": resolve_model(output).training["steps"],
        "count": found[1]["psnr"]["count"],
        "grey": found[1]["psnr_grey"]["mean"],
        "bins": {
            str(k): {name: figures[name]["mean"] for name in ("psnr", "ssim", "colorfulness_ratio")}
            for k, figures in found.items()
        },
    }


# The page


def page(results: Mapping[str, Any], experiments: Mapping[str, Any]) -> str:
    """results.md.

    Args:
        results: of ``results.json``: ``minutes``, ``machine``, for each subject its systems' rows, and in
            ``notes`` for some a sentence.
        experiments: of ``experiments.toml``.
    """
    head = HEAD.format(minutes=results["minutes"], machine=results["machine"], batch=LARGEST_BATCH)
    notes, subjects = results.get("notes", {}), results["subjects"]
    tables = [table(s, subjects[s.name], notes.get(s.name, "")) for s in SUBJECTS if s.name in subjects]
    tried = [experiment(told) for told in experiments.get("experiment", ())]
    faces = [faces_table(results["faces"])] if "faces" in results else []
    return "\n\n".join([head, *tables, PAPERS, *faces, *([EXPERIMENTS] if tried else []), *tried]) + "\n"


def table(subject: Subject, systems: Mapping[str, Any], note: str) -> str:
    """The systems that learnt a subject, the best first; ``note`` may say more of them."""
    headings = ("system", "what", *(FIGURES[name].heading for name in COLUMNS), "parameters learnt", "steps",
                "seconds")  # fmt: skip
    lines: list[tuple[str, ...]] = [headings]
    for system, row in sorted(systems.items(), key=lambda item: -item[1]["figures"]["psnr"]["mean"]):
        lines.append((
            system, "before it" if system == UNTRAINED else load_recipe(system).summary,
            *figure_cells(row["figures"], COLUMNS),
            f"{row['parameters']:,}", f"{row['steps']:,}", f"{row['seconds']:,}",
        ))  # fmt: skip
    figures = next(iter(systems.values()))["figures"]
    grey, true = figures["psnr_grey"]["mean"], figures["colorfulness"]["truth"]
    how = " and ".join(dict.fromkeys(row["how"] for row in systems.values()))
    about = (
        f"{figures['psnr']['count']} held-out pictures, {how}; grey: {written('psnr', grey, unit=True)}; the "
        f"truth's colourfulness: {written('colorfulness', true)}."
    )
    if note:
        about += f" {note}"
    return f"### {subject.title}\n\n{about}\n\n{piped(lines)}"


def faces_table(told: Mapping[str, Any]) -> str:
    """What :func:`read_faces` found."""
    names = ("psnr", "ssim", "colorfulness_ratio")
    lines: list[tuple[str, ...]] = [
        ("bins", *(FIGURES[name].heading for name in names), "the paper's PSNR", "its SSIM")
    ]
    for k, (psnr, ssim) in PAPER_FACES.items():
        cells = (written(name, told["bins"][str(k)][name]) for name in names)
        lines.append((str(k), *cells, f"{psnr:.2f}", f"{ssim:.3f}"))
    facts = {name: told[name] for name in ("minutes", "steps", "machine", "count")}
    return FACES.format(**facts, grey=written("psnr", told["grey"]), table=piped(lines))


def figure_cells(figures: Mapping[str, Any], names: tuple[str, ...]) -> list[str]:
    """Figures as ``vidcolor evaluate`` writes them, with half of their interval where there is one."""
    by_name = {row.name: row for row in rows({"figures": figures})}
    cells = []
    for name in names:
        row = by_name.get(name)
        text = written(name, row.value if row else None)
        if row and row.low is not None and row.high is not None:
            text += f" ± {written(name, (row.high - row.low) / 2).removeprefix('+')}"
        cells.append(text)
    return cells


def experiment(told: Mapping[str, Any]) -> str:
    """A question, what it cost, what came out, and the answer.

    Raises:
        ValueError: something is missing.
    """
    missing = [name for name in ("question", "command", "minutes", "machine", "answer") if name not in told]
    if missing:
        raise ValueError(f"experiment {told.get('question', '?')!r} lacks {', '.join(missing)}")
    parts = [
        f"### {told['question']}",
        f"{told['minutes']:g} minutes on {told['machine']}: `{told['command']}`",
    ]
    if told.get("measured"):
        parts.append(told["measured"])
    variants = told.get("figures", ())
    if variants:
        names = list(dict.fromkeys(name for variant in variants for name in variant))
        headings = [FIGURES[name].heading if name in FIGURES else name.replace("_", " ") for name in names]
        lines = [[variant_cell(name, variant.get(name)) for name in names] for variant in variants]
        parts.append(piped([headings, *lines]))
    return "\n\n".join([*parts, f"**{told['answer']}**"])


def variant_cell(name: str, value: Any) -> str:
    if value is None:
        return "–"
    if name in FIGURES:
        return written(name, float(value))
    return f"{value:,}" if isinstance(value, int) else str(value)


def kept(results: Mapping[str, Any]) -> str:
    """``results.json``: a line for each system."""
    subjects = []
    for name, systems in results["subjects"].items():
        lines = ",\n".join(f"   {json.dumps(system)}: {json.dumps(row)}" for system, row in systems.items())
        subjects.append(f"  {json.dumps(name)}: {{\n{lines}\n  }}")
    rest = {name: value for name, value in results.items() if name != "subjects"}
    told = "".join(f" {json.dumps(name)}: {json.dumps(value)},\n" for name, value in rest.items())
    return "{\n" + told + ' "subjects": {\n' + ",\n".join(subjects) + "\n }\n}\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("VIDCOLOR_DATA", "../shared/data")))
    parser.add_argument("--work", type=Path, help="train and measure; a folder for sets, weights and pages")
    parser.add_argument("--minutes", type=float, default=1.5, help="for each system on each set")
    parser.add_argument("--systems", nargs="+", help="only these recipes")
    parser.add_argument("--subjects", nargs="+", default=[s.name for s in SUBJECTS])
    parser.add_argument(
        "--faces-minutes", type=float, default=0.0, help="only train C1 on faces, for so long"
    )
    parser.add_argument("--results", type=Path, default=HERE / "results.json")
    parser.add_argument("--experiments", type=Path, default=HERE / "experiments.toml")
    parser.add_argument("-o", "--output", type=Path, default=HERE / "results.md")
    options = parser.parse_args()
    results: dict[str, Any] = {"subjects": {}}
    if options.results.exists():
        results = json.loads(options.results.read_text(encoding="utf-8"))
    if options.work is not None:
        options.work.mkdir(parents=True, exist_ok=True)
        if options.faces_minutes:
            results["faces"] = read_faces(options)
        else:
            learn(results, options)
        options.results.write_text(kept(results), encoding="utf-8")
    experiments = tomllib.loads(options.experiments.read_text(encoding="utf-8"))
    options.output.write_text(page(results, experiments), encoding="utf-8")


def from_scratch() -> list[str]:
    """The recipes to compare; those that start from other weights had more than the budget."""
    return [name for name in list_recipes() if name not in LEFT_OUT and not load_recipe(name).model.weights]


def machine() -> str:
    """What this is, in words."""
    import torch

    return f"{torch.get_num_threads()} of {os.cpu_count()} CPU cores ({platform.machine()}), no GPU"


def learn(results: dict[str, Any], options: argparse.Namespace) -> None:
    """Trains and measures what was asked for, and puts it into the results.

    Rows of another budget go: systems are only comparable in the same one.
    """
    budget = {"minutes": options.minutes, "machine": machine()}
    if any(results.get(name) != value for name, value in budget.items()):
        results["subjects"] = {s.name: results["subjects"].get(s.name, {}) for s in SUBJECTS if s.systems}
        results.update(budget)
    systems = options.systems or from_scratch()
    for subject in (s for s in SUBJECTS if s.name in options.subjects):
        rows_of = results["subjects"].setdefault(subject.name, {})
        for system in subject.systems or systems:
            rows_of[system] = run(system, subject, options)
            psnr = written("psnr", rows_of[system]["figures"]["psnr"]["mean"], unit=True)
            print(f"{subject.name} {system}: {psnr}", flush=True)


if __name__ == "__main__":
    main()
