#!/usr/bin/env python3
"""Trains the default model: lays out what it learns from, then trains its two networks in ten stages.

    python training/train_default.py --data DATA --work FOLDER -o vidcolor/weights/default.safetensors
        [--time-limit MINUTES] [--share 0.1] [--after WEIGHTS]

DATA holds ``photos/<source>/*.jpg`` and ``video/train/…``; ``video/demo`` is never read, and what
``held_out.py`` names is only measured. The stages are recipes of ``vidcolor train``: ``default`` (small
pictures, from scratch), ``default-large`` (larger ones, from there), ``default-hinted`` (with more hints),
``default-even`` (small sources oftener), ``default-calm`` (a loss that counts as PSNR does) and
``default-longer`` (many more steps); the second network goes on from there with ``default-further`` (many
more again) and ``default-grounds`` (plain grounds beside the rest). At the end both learn where colour costs
least: ``default-vivid``, ``default-vivid-second``. FOLDER keeps the pictures, the runs and their checkpoints:
called again, it goes on where it was stopped, or was out of time. Nothing of what it learns depends on where
that was. ``--share`` gives every stage that share of its steps. ``--after`` leaves out the stages that
WEIGHTS, which this script wrote, have had, and goes on from there. ``write_card.py`` makes the card.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import av
import cv2
import held_out
import numpy as np

from vidcolor import __version__
from vidcolor.color.resize import averaged
from vidcolor.metrics import colorfulness
from vidcolor.models import create_model
from vidcolor.models.ensemble import Ensemble
from vidcolor.models.weights import load_weights, save_weights
from vidcolor.training.loop import Progress, train
from vidcolor.training.options import load_recipe


class Stage(NamedTuple):
    recipe: str
    member: int
    """Which network it trains, from 0 on; the second begins as what the first has become by then."""
    cards: tuple[str, ...] = ()
    """Kinds of :data:`CARDS` that it learns from beside the pictures."""


STAGES = (
    Stage("default", 0),
    *(Stage(f"default-{name}", 0, ("titles",)) for name in ("large", "hinted", "even", "calm", "longer")),
    Stage("default-further", 1, ("titles",)),
    Stage("default-grounds", 1, ("titles", "grounds")),
    Stage("default-vivid", 0, ("titles",)),
    Stage("default-vivid-second", 1, ("titles", "grounds")),
)
"""In the order they are run. The first network is not shown grounds: there it says what the second does not,
and of what is like them as well."""
GAIN = 1.6
"""On the colours it says (see :class:`vidcolor.models.unet.UNet`): where the networks differ colour fades,
and this makes up for it."""
KNEE = 20.0
"""Chroma of which half of the gain is left: where they are loud they mostly agree, and are loud enough."""
DOUBT = 28.0
"""How far they fade where the two networks differ (:class:`vidcolor.models.ensemble.Ensemble`)."""
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
FONTS = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_TRIPLEX,
         cv2.FONT_HERSHEY_COMPLEX, cv2.FONT_HERSHEY_SCRIPT_COMPLEX)  # fmt: skip
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


def draw(kind: str, folder: Path) -> Path:
    """``folder`` with grey cards of a kind of :data:`CARDS` as ``train/KIND/NNN.png``; ``test`` has two."""
    if folder.exists():
        return folder
    count, card = CARDS[kind]
    aside = folder.with_name(folder.name + ".part")
    shutil.rmtree(aside, ignore_errors=True)
    for number in range(count):
        to = aside / ("test" if number < 2 else "train") / kind
        to.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(to / f"{number:03d}.png"), card(np.random.default_rng(number)))
    return aside.rename(folder)


def title(rng: np.random.Generator) -> np.ndarray:
    """A card, ``(160, 160 to 284)`` uint8 grey."""
    height, width = held_out.SHORT_SIDE, int(rng.integers(160, 285))
    dark, light = rng.integers(0, 90), rng.integers(150, 256)
    ground, ink = (dark, light) if rng.random() < 0.8 else (light, dark)
    slope = np.linspace(-1, 1, width)[None] * rng.uniform(-25, 25)
    slope = slope + np.linspace(-1, 1, height)[:, None] * rng.uniform(-25, 25)
    card = np.clip(ground + slope, 0, 255).astype(np.uint8)
    if rng.random() < 0.4:
        edge = int(rng.integers(4, 14))
        cv2.rectangle(card, (edge, edge), (width - edge, height - edge), float(ink), int(rng.integers(1, 4)))
    font, size = FONTS[rng.integers(len(FONTS))], rng.uniform(0.35, 1.1)
    lines = int(rng.integers(1, 1 + min(6, int(4 / size))))
    for line in range(lines):
        letters = "".join(rng.choice(list("ABCDEFGHIJKLMNOPQRSTUVWXYZ  abcdefghijklmnopqrstuvwxyz.,!'"), 24))
        text = letters[: max(int(width / (22 * size)), 2)]
        wide = cv2.getTextSize(text, font, size, 1)[0][0]
        down = int(height * (line + 1) / (lines + 1))
        thick = int(rng.integers(1, 3))
        cv2.putText(card, text, ((width - wide) // 2, down), font, size, float(ink), thick, cv2.LINE_AA)
    noise = rng.normal(0, rng.uniform(0, 8), card.shape)
    return np.clip(card + noise, 0, 255).round().astype(np.uint8)


def ground(rng: np.random.Generator) -> np.ndarray:
    """A card, ``(160, 160 to 284)`` uint8 grey: a road, a floor, a wall, with nothing on it that tells its
    colour but lines, arrows, and small things with a shadow."""
    height, width = held_out.SHORT_SIDE, int(rng.integers(160, 285))
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    card = rng.uniform(50, 225) + x * rng.uniform(-30, 30) + y * rng.uniform(-30, 30)
    for _ in range(int(rng.integers(0, 3))):  # a wall behind a floor, a kerb
        turn, far = rng.uniform(0, 2 * np.pi), rng.uniform(0.1, 0.9)
        beyond = x * np.cos(turn) + y * np.sin(turn) > far
        card = np.where(beyond, card + rng.uniform(-60, 60) + x * rng.uniform(-20, 20), card)
    blotches = rng.normal(0, 1, (6, 8)) * rng.uniform(0, 12)
    card = card + cv2.resize(blotches, (width, height), interpolation=cv2.INTER_CUBIC)
    card = np.clip(card, 0, 255).astype(np.uint8)
    size = np.array([width, height])
    towards = rng.uniform(-0.5, 1.5, 2) * size  # where lines meet
    for _ in range(int(rng.integers(0, 6))):
        begin, ink = rng.uniform(-0.1, 1.1, 2) * size, float(rng.choice([20, 60, 200, 245]))
        pieces, wide = int(rng.choice([1, 1, 5, 9])), int(rng.integers(1, 6))
        for piece in range(0, pieces, 2):
            ends = [begin + (towards - begin) * (piece + n) / pieces for n in (0, 1)]
            line = cv2.arrowedLine if rng.random() < 0.2 else cv2.line
            line(card, *(tuple(int(v) for v in end) for end in ends), ink, wide, cv2.LINE_AA)
    for _ in range(int(rng.integers(0, 4))):
        place, half = rng.uniform(0, 1, 2) * size, rng.uniform(3, 25, 2)
        for shift, ink in ((half / 3, 30.0), (0, float(rng.uniform(20, 240)))):
            low, high = (tuple(int(v) for v in place + shift + sign * half) for sign in (-1, 1))
            cv2.rectangle(card, low, high, ink, -1)
    noise = rng.normal(0, rng.uniform(0, 8), card.shape)
    if rng.random() < 0.5:
        noise = cv2.GaussianBlur(noise, (0, 0), rng.uniform(0.5, 2))
    card = np.clip(card + noise, 0, 255).round().astype(np.uint8)
    return cv2.GaussianBlur(card, (0, 0), rng.uniform(0.3, 1.5))


CARDS: dict[str, tuple[int, Callable[[np.random.Generator], np.ndarray]]] = {
    "titles": (200, title),
    "grounds": (400, ground),
}
"""Pictures that are drawn, all grey: how many, and by what. Text and titles are to stay grey, and so is what
shows nothing but a plain ground."""


def shrunk(picture: np.ndarray) -> np.ndarray:
    height, width = picture.shape[:2]
    scale = held_out.SHORT_SIDE / min(height, width)
    return averaged(picture, round(height * scale), round(width * scale))


def run_stage(stage: str, pictures: list[Path], work: Path, changes: list[tuple[str, str]]) -> bool:
    """Trains a stage, from its beginning or from where it was; whether it is finished."""
    output = work / f"{stage}.safetensors"
    recipe = load_recipe(stage, changes)
    begun = (work / f"{stage}.training").exists()
    outcome = train(recipe, pictures, output, resume=begun, overwrite=begun, device="cpu",
                    notify=lambda sentence: print(sentence, file=sys.stderr), progress=tell)  # fmt: skip
    print(stage, outcome.reason, outcome.held_out, flush=True)
    return outcome.reason == "finished"


def tell(progress: Progress) -> None:
    if progress.step % 250 == 0:
        print(f"step {progress.step} of {progress.steps}, {progress.seconds / 60:.1f} min, "
              f"loss {progress.loss:.4f}, {progress.psnr or 0:.2f} dB", flush=True)  # fmt: skip


def summary(work: Path, pictures: Path, before: dict[str, Any], done: list[Stage]) -> dict[str, Any]:
    """What the weights file says of all stages together, those ``before`` this run as well."""
    stages = [(stage.member, load_weights(work / f"{stage.recipe}.safetensors").training) for stage in done]
    told = [{"network": 1} | stage for stage in before["stages"]]
    for member, stage in stages:
        recipe = stage["recipe"]
        told.append({
            "network": member + 1,
            "minutes": round(stage["seconds"] / 60), "steps": stage["steps"],
            "batches": [recipe["run"]["batch"]], "crops": [recipe["data"]["size"][0]],
            "rate": recipe["optimizer"]["rate"], "seed": recipe["run"]["seed"],
        })  # fmt: skip
    return {
        "script": "training/train_default.py",
        "stages": told,
        "seconds": round(before["seconds"] + sum(stage["seconds"] for _, stage in stages)),
        "steps": sum(stage["steps"] for stage in told),
        **{name: stages[-1][1][name] for name in ("machine", "torch")},
        "trained_on": {
            source.name: sum(1 for _ in source.iterdir()) for source in sorted((pictures / "train").iterdir())
        },
    }


def taken_apart(weights: Path, work: Path) -> dict[int, Path]:
    """The networks in a weights file of this script, each in a file of its own, by their number."""
    loaded, found = load_weights(weights), {}
    told = loaded.options.get("members", [loaded.options])
    networks = loaded.model.networks if isinstance(loaded.model, Ensemble) else [loaded.model]
    for member, (network, options) in enumerate(zip(networks, told, strict=True)):
        found[member] = work / f"after-{member + 1}.safetensors"
        widths = {name: value for name, value in options.items() if name == "widths"}
        save_weights(found[member], network, name="unet", options=widths, version=__version__)
    return found


def put_together(networks: list[Path], output: Path, training: dict[str, Any]) -> None:
    """One weights file of all networks."""
    each = [load_weights(path) for path in networks]
    options = {
        "members": [one.options | {"gain": GAIN, "knee": KNEE, "shade": SHADE} for one in each],
        "doubt": DOUBT,
    }
    whole = create_model("ensemble", **options)
    assert isinstance(whole, Ensemble)
    for network, one in zip(whole.networks, each, strict=True):
        network.load_state_dict(one.model.state_dict())
    training = {**training, "parameters": whole.parameter_count}
    save_weights(output, whole.eval(), name="ensemble", options=options, bits=8,
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
    cards = {kind: draw(kind, options.work / kind) for kind in CARDS}
    before: dict[str, Any] = {"stages": [], "seconds": 0}
    last: dict[int, Path] = {}
    if options.after is not None:
        before, last = load_weights(options.after).training, taken_apart(options.after, options.work)
    done: list[Stage] = []
    for stage in STAGES[len(before["stages"]) :]:
        steps = max(round(load_recipe(stage.recipe).run.steps * options.share), 1)
        changes = [("run.steps", str(steps))]
        start = last.get(stage.member, last.get(0))
        if start is not None:
            changes += [("model.weights", str(start))]
        if options.time_limit is not None:
            left = options.time_limit - (time.monotonic() - started) / 60
            if left <= 0:
                break
            changes += [("run.time_limit", str(left))]
        finished = run_stage(stage.recipe, [pictures, *(cards[kind] for kind in stage.cards)], options.work,
                             changes)  # fmt: skip
        done.append(stage)
        last[stage.member] = options.work / f"{stage.recipe}.safetensors"
        if not finished:
            break
    if not done:
        parser.error("these weights have had every stage")
    told = summary(options.work, pictures, before, done)
    put_together([last[member] for member in sorted(last)], options.output, told)


if __name__ == "__main__":
    main()
