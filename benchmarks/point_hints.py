#!/usr/bin/env python3
"""What a model makes of a few true colours: held-out photographs coloured with and without point hints.

    python benchmarks/point_hints.py [--model NAME|FILE] [--points 10] [--limit 200] [--json FILE]

The points lie anywhere in the picture, drawn with a seed; each gives the mean of the true colour in a square
of 5 pixels. The network sees the picture with a short side of 160 pixels and is asked directly: nothing
spreads the colours but itself. PSNR over R'G'B' with the truth's lightness, means over pictures.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from clips import DATA
from torch import Tensor

sys.path.append(str(Path(__file__).parents[1] / "training"))
import held_out

from vidcolor import load_model
from vidcolor.color.lab import lab_to_rgb, rgb_to_lab
from vidcolor.models import ColorModel

RADIUS = 2
"""Of a point's square, in pixels, beside its middle."""


def photographs(limit: int) -> list[Path]:
    """Held-out ones, evenly from all folders' names in order."""
    found = [p for p in sorted((DATA / "photos").glob("*/*")) if held_out.held_out(p.name)]
    order = np.random.default_rng(0).permutation(len(found))[:limit]
    return [found[i] for i in sorted(order)]


def hints_of(ab: Tensor, points: int, rng: np.random.Generator) -> Tensor:
    """``(1, 3, H, W)`` as models take them, of the true ``(1, 2, H, W)``."""
    hints = torch.zeros(1, 3, *ab.shape[-2:])
    for _ in range(points):
        y, x = (int(rng.integers(RADIUS, side - RADIUS)) for side in ab.shape[-2:])
        inside = (slice(y - RADIUS, y + RADIUS + 1), slice(x - RADIUS, x + RADIUS + 1))
        hints[0, :2, *inside] = ab[0, :, *inside].mean((1, 2), keepdim=True)
        hints[0, 2, *inside] = 1
    return hints


def psnr_of(model: ColorModel | None, lab: Tensor, rgb: Tensor, hints: Tensor | None) -> float:
    """dB of the picture that the model makes; without one, of the grey picture."""
    if model is None:
        ab = torch.zeros_like(lab[:, 1:])
    else:
        said = model(lab[:, :1], hints)[..., :: model.grain, :: model.grain]
        ab = F.interpolate(said, size=lab.shape[-2:], mode="bilinear", align_corners=False)
    made = lab_to_rgb(torch.cat((lab[:, :1], ab), 1)).clamp(0, 1)
    return -10 * float((made - rgb).square().mean().clamp_min(1e-9).log10())


@torch.inference_mode()
def measure(model: ColorModel, points: int, limit: int) -> dict[str, float]:
    """Mean PSNR of grey, of the model alone, and of the model with hints; dB."""
    rows = []
    for number, path in enumerate(photographs(limit)):
        picture = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        rgb = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255
        height, width = (side // model.grain * model.grain for side in rgb.shape[-2:])
        rgb = rgb[..., :height, :width]
        lab = rgb_to_lab(rgb)
        hints = hints_of(lab[:, 1:], points, np.random.default_rng(number))
        rows.append(
            [psnr_of(None, lab, rgb, None), psnr_of(model, lab, rgb, None), psnr_of(model, lab, rgb, hints)]
        )
    grey, alone, told = np.mean(rows, 0).tolist()
    return {"pictures": len(rows), "grey": grey, "alone": alone, "with_hints": told, "gain": told - alone}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="default")
    parser.add_argument("--points", type=int, default=10)
    parser.add_argument("--limit", type=int, default=200, help="photographs")
    parser.add_argument("--json", type=Path, help="figures go there, too")
    options = parser.parse_args()
    found = measure(load_model(options.model), options.points, options.limit)
    print(f"{found['pictures']:.0f} held-out photographs, {options.points} points each")
    for name, words in (("grey", "grey"), ("alone", "the model alone"), ("with_hints", "with the points")):
        print(f"{words:18} {found[name]:6.2f} dB")
    print(f"{'gain by the points':18} {found['gain']:+6.2f} dB")
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
