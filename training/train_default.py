#!/usr/bin/env python3
"""Trains the default model: lays out what it learns from, then trains its network in stages.

    python training/train_default.py --data DATA --work FOLDER -o vidcolor/weights/default.safetensors
        [--time-limit MINUTES] [--share 0.1] [--after WEIGHTS]

DATA holds ``photos/<source>/*.jpg`` and ``video/train/…``; ``video/demo`` is never read, and what
``held_out.py`` names is only measured. The stages are recipes of ``vidcolor train``: ``default`` (small
pictures, from scratch), ``default-large`` (larger ones, from there), ``default-hinted`` (with more hints),
``default-even`` (small sources oftener), ``default-calm`` (a loss that counts as PSNR does),
``default-longer`` (many more steps), ``default-further`` (many more again), ``default-grounds`` (plain
grounds beside the rest) and ``default-vivid`` (colour where it costs least, drawn scenes beside the rest).
The last one is run once for each of several seeds, and the model is the mean of their weights. FOLDER keeps
the pictures, the runs and their checkpoints: called again, it goes on where it was stopped, or was out of
time. Nothing of what it learns depends on where that was. ``--share`` gives every stage that share of its
steps. ``--after`` leaves out the stages that WEIGHTS have had, which this script wrote before it came to the
last one, and goes on from there. ``write_card.py`` makes the card.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import av
import cards
import cv2
import held_out
import numpy as np
import torch

from vidcolor import __version__
from vidcolor.color.resize import averaged
from vidcolor.metrics import colorfulness
from vidcolor.models import create_model
from vidcolor.models.weights import load_weights, save_weights
from vidcolor.training.loop import Progress, train
from vidcolor.training.options import load_recipe


class Stage(NamedTuple):
    recipe: str
    cards: tuple[str, ...] = ()
    """Kinds of :data:`cards.CARDS` that it learns from beside the pictures."""
    seed: int | None = None
    """Of the last stage's runs, which all begin alike; None: the recipe's own."""

    @property
    def name(self) -> str:
        return self.recipe if self.seed is None else f"{self.recipe}-{self.seed}"


MIDDLE = ("large", "hinted", "even", "calm", "longer", "further")
STAGES = (
    Stage("default"),
    *(Stage(f"default-{name}", ("titles",)) for name in MIDDLE),
    Stage("default-grounds", ("titles", "grounds")),
    *(Stage("default-vivid", ("titles", "grounds", "scenes"), seed) for seed in (9, 10, 11, 12)),
)
"""In the order they are run."""
SHADE = 30.0
"""Lightness below which they fade: see ``by_lightness.py``."""
FILMS = {
    "big_buck_bunny_360p_000-300s.mp4": ("big_buck_bunny", 0.4),
    "penny_and_chip/*.mp4": (held_out.CARTOON, 0.25),
    "asl_signers/*.mkv": ("asl_signers", 0.25),
    "fixed_camera_people.mp4": ("fixed_camera", 1.0),
    "highway02.avi": ("highway", 0.5),
}
"""Films to learn from, what their pictures are called, and how far apart these are, in seconds."""
LEAST_COLOR, LEAST_LIGHT = 4.0, 12.0
"""Colourfulness and mean code of a frame that is worth learning from."""


def lay_out(data: Path, folder: Path) -> Path:
    """``folder`` with ``train`` and ``test``, of sources that are folders of pictures.

    ``test`` is what a run looks at meanwhile: held-out photographs.
    """
    if folder.exists():
        return folder
    aside = folder.with_name(folder.name + ".part")
    shutil.rmtree(aside, ignore_errors=True)
    for source in sorted(path for path in (data / "photos").iterdir() if path.is_dir()):
        for photo in sorted(source.iterdir()):
            part = "test" if held_out.held_out(photo.name) else "train"
            link(photo, aside / part / source.name / photo.name)
    measured = set(held_out.clips(data))
    for pattern, (source, apart) in FILMS.items():
        for film in sorted((data / "video" / "train").glob(pattern)):
            if film not in measured:
                extract(film, aside / "train" / source, apart)
    return aside.rename(folder)


def link(photo: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    to.symlink_to(photo.resolve())


def extract(film: Path, folder: Path, apart: float) -> None:
    """Frames of a film at even distances, without those that are all black or hold no colour."""
    folder.mkdir(parents=True, exist_ok=True)
    due = 0.0
    with av.open(str(film)) as container:
        container.streams.video[0].thread_type = "AUTO"
        for frame in container.decode(video=0):
            if frame.time is None or frame.time < due:
                continue
            due = frame.time + apart
            picture = shrunk(frame.to_ndarray(format="rgb24"))
            if colorfulness(picture) > LEAST_COLOR and picture.mean() > LEAST_LIGHT:
                name = f"{film.stem}_{round(1000 * frame.time):07d}.png"
                cv2.imwrite(str(folder / name), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))


def shrunk(picture: np.ndarray) -> np.ndarray:
    height, width = picture.shape[:2]
    scale = held_out.SHORT_SIDE / min(height, width)
    return averaged(picture, round(height * scale), round(width * scale))


def run_stage(stage: Stage, pictures: list[Path], work: Path, changes: list[tuple[str, str]]) -> bool:
    """Trains a stage, from its beginning or from where it was; whether it is finished."""
    if stage.seed is not None:
        changes = [*changes, ("run.seed", str(stage.seed))]
    output = work / f"{stage.name}.safetensors"
    recipe = load_recipe(stage.recipe, changes)
    begun = (work / f"{stage.name}.training").exists()
    outcome = train(recipe, pictures, output, resume=begun, overwrite=begun, device="cpu",
                    notify=lambda sentence: print(sentence, file=sys.stderr), progress=tell)  # fmt: skip
    print(stage.name, outcome.reason, outcome.held_out, flush=True)
    return outcome.reason == "finished"


def tell(progress: Progress) -> None:
    if progress.step % 250 == 0:
        print(f"step {progress.step} of {progress.steps}, {progress.seconds / 60:.1f} min, "
              f"loss {progress.loss:.4f}, {progress.psnr or 0:.2f} dB", flush=True)  # fmt: skip


def summary(work: Path, pictures: Path, before: dict[str, Any], done: list[Stage]) -> dict[str, Any]:
    """What the weights file says of all stages together, those ``before`` this run as well."""
    stages = [load_weights(work / f"{stage.name}.safetensors").training for stage in done]
    told = list(before["stages"])
    for stage in stages:
        recipe = stage["recipe"]
        told.append({
            "minutes": round(stage["seconds"] / 60), "steps": stage["steps"],
            "batches": [recipe["run"]["batch"]], "crops": [recipe["data"]["size"][0]],
            "rate": recipe["optimizer"]["rate"], "seed": recipe["run"]["seed"],
        })  # fmt: skip
    return {
        "script": "training/train_default.py",
        "stages": told,
        "seconds": round(before["seconds"] + sum(stage["seconds"] for stage in stages)),
        "steps": sum(stage["steps"] for stage in told),
        **{name: stages[-1][name] for name in ("machine", "torch")},
        "trained_on": {
            source.name: sum(1 for _ in source.iterdir()) for source in sorted((pictures / "train").iterdir())
        },
    }


def write_mean(networks: list[Path], output: Path, training: dict[str, Any]) -> None:
    """The mean of the weights of networks that began alike (Wortsman et al. 2022, model soups)."""
    each = [load_weights(path) for path in networks]
    options = each[0].options | {"shade": SHADE}
    states = [one.model.state_dict() for one in each]
    model = create_model("unet", **options)
    model.load_state_dict({
        name: torch.stack([state[name] for state in states]).double().mean(0).to(value.dtype)
        for name, value in states[0].items()
    })  # fmt: skip
    training = {**training, "parameters": model.parameter_count}
    save_weights(output, model.eval(), name="unet", options=options, bits=8,
                 version=__version__, training=training)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("VIDCOLOR_DATA", "../shared/data")))
    parser.add_argument("--work", type=Path, required=True, help="folder for pictures, runs and checkpoints")
    parser.add_argument("--time-limit", type=float, help="minutes after which this session ends")
    parser.add_argument("--share", type=float, default=1.0, help="of the steps of every stage")
    parser.add_argument("--after", type=Path, metavar="WEIGHTS", help="weights of this script to go on from")
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    started = time.monotonic()
    options.work.mkdir(parents=True, exist_ok=True)
    pictures = lay_out(options.data, options.work / "pictures")
    drawn = {kind: cards.draw(kind, options.work / kind) for kind in cards.CARDS}
    before: dict[str, Any] = {"stages": [], "seconds": 0}
    start: Path | None = options.after
    if start is not None:
        before = load_weights(start).training
        if len(before["stages"]) > sum(stage.seed is None for stage in STAGES):
            parser.error("these weights have had the last stage")
    last: list[Path] = []
    done: list[Stage] = []
    for stage in STAGES[len(before["stages"]) :]:
        steps = max(round(load_recipe(stage.recipe).run.steps * options.share), 1)
        changes = [("run.steps", str(steps))]
        if start is not None:
            changes += [("model.weights", str(start))]
        if options.time_limit is not None:
            left = options.time_limit - (time.monotonic() - started) / 60
            if left <= 0:
                break
            changes += [("run.time_limit", str(left))]
        finished = run_stage(stage, [pictures, *(drawn[kind] for kind in stage.cards)], options.work, changes)
        if not finished and stage.seed is not None:
            break  # what is half learnt is no part of a mean
        done.append(stage)
        written = options.work / f"{stage.name}.safetensors"
        if stage.seed is None:
            start, last = written, [written]
        else:
            last = [*(path for path in last if path != start), written]
        if not finished:
            break
    if not done:
        parser.error("no stage was finished in this time; call it again to go on")
    write_mean(last, options.output, summary(options.work, pictures, before, done))


if __name__ == "__main__":
    main()
