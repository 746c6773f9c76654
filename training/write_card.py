#!/usr/bin/env python3
"""Writes a model's card from what its weights file says of its training.

    python training/write_card.py vidcolor/weights/default.safetensors [--figures FIGURES.json]

The figures are the ones the training measured on pictures it never trained on, and those of a file that
``vidcolor evaluate -o`` wrote; only the words around them are written by hand, here.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from vidcolor.evaluation.rows import headline
from vidcolor.evaluation.table import tables
from vidcolor.models import resolve_model

CARD = """\
# The default model

vidcolor's own U-Net ({parameters:.1f} million parameters, float16 in the file), the first model that comes
with the package. It is a beginning: it knows grass, foliage, skin and the cartoons it has seen, and is
cautious or brown about most other things.

## Training

- Script: `{script}`, {seconds:.0f} minutes, {steps} steps, in these stages:
{stages}
- Machine: {machine}, no GPU, torch {torch}; other work ran beside it for part of that time.
- The loss is a Huber loss on CIE ab, weighted towards rare colours.
- Trained on {total} pictures:

| source | pictures |
|---|---|
{trained}

The photographs come from thirteen collections used in research and teaching, of which none states a licence
for the photographs themselves; no photograph is in the package or the repository. Big Buck Bunny is © Blender
Foundation, CC BY 3.0; Penny & Chip is under MIT; the signers and the fixed cameras are CC BY 4.0; for the
traffic camera no licence is stated.

## How good it is

On pictures it never trained on (a tenth of each photo source, chosen by name, and four Penny & Chip clips:
autumn, reading, splash, tractors), whole pictures with a short side of 160 pixels, luma kept:

| source | pictures | PSNR, dB | grey's PSNR, dB | gain, dB | colourfulness | truth's |
|---|---|---|---|---|---|---|
{held}
| **all pictures** | {count} | {psnr:.2f} | {grey:.2f} | {gain:+.2f} | {color:.1f} | {true_color:.1f} |

PSNR is over R′G′B′, 8 bit; colourfulness is Hasler and Süsstrunk's. A grey copy scores "grey's PSNR".
Held-out pictures come from the same collections as the training ones, so other footage fares worse.

## Known failures

- Flat grey walls, roads and dark backgrounds can turn sky-blue: on films with much grey the result is further
  from the truth than a grey copy. `--saturation 0.6` calms it.
- Clothes, cars, furniture: whatever can have any colour turns brownish or stays near grey.
- Foliage comes out weaker than lawns; sunsets and night lights are not found.
- Text and title cards get a tint.
- Colours are decided shot by shot, so they can change at a cut within one scene.
- Dark old film and infra-red footage are unlike what it was trained on.
"""


def held_row(name: str, figures: dict[str, Any]) -> str:
    gain = figures["psnr"] - figures["grey_psnr"]
    return (
        f"| {name} | {figures['pictures']} | {figures['psnr']:.2f} | {figures['grey_psnr']:.2f} | {gain:+.2f}"
        f" | {figures['colorfulness']:.1f} | {figures['true_colorfulness']:.1f} |"
    )


def stage_line(stage: dict[str, Any]) -> str:
    crops, batches = (" then ".join(map(str, dict.fromkeys(stage[key]))) for key in ("crops", "batches"))
    share = f", {stage['cartoons']:g} cartoons to 1 of all else" if stage["cartoons"] else ""
    return (
        f"  - {stage['minutes']:g} minutes, {stage['steps']:,} steps: crops of {crops} pixels, {batches} at a"
        f" time,\n    highest learning rate {stage['rate']:g}, rarity to the power {stage['rarity']:g},"
        f" seed {stage['seed']}{share}"
    )


def card(training: dict[str, Any]) -> str:
    """The card's text."""
    held = training["held_out"]
    count = sum(f["pictures"] for f in held.values())

    def mean(key: str) -> float:
        return float(sum(f[key] * f["pictures"] for f in held.values()) / count)

    return CARD.format(
        parameters=training["parameters"] / 1e6,
        script=training["script"],
        seconds=training["seconds"] / 60,
        steps=f"{training['steps']:,}",
        stages="\n".join(map(stage_line, training["stages"])),
        machine=training["machine"],
        torch=training["torch"],
        total=f"{sum(training['trained_on'].values()):,}",
        trained="\n".join(f"| {k} | {v:,} |" for k, v in training["trained_on"].items()),
        held="\n".join(held_row(k, v) for k, v in held.items()),
        count=count,
        psnr=mean("psnr"),
        grey=mean("grey_psnr"),
        gain=mean("psnr") - mean("grey_psnr"),
        color=mean("colorfulness"),
        true_color=mean("true_colorfulness"),
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("weights", type=Path)
    parser.add_argument("--figures", type=Path, help="what `vidcolor evaluate -o` wrote of these weights")
    options = parser.parse_args()
    target = options.weights.with_suffix(".md")
    text = card(resolve_model(options.weights).training)
    if options.figures is not None:
        data = json.loads(options.figures.read_text(encoding="utf-8"))
        text += f"\n## Evaluated\n\n{headline(data)}\n\n{tables(data)}\n"
    target.write_text(text, encoding="utf-8")
    print(target)


if __name__ == "__main__":
    main()
