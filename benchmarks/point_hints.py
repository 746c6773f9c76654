#!/usr/bin/env python3
"""What a model makes of a few true colours: held-out photographs coloured with and without point hints.

    python benchmarks/point_hints.py [--model NAME|FILE] [--points 10] [--limit 200] [--json FILE]

The points lie anywhere in the picture, drawn with a seed; each gives the mean of the true colour in a square
of 5 pixels. The pictures have a short side of 160 pixels. First the network is asked directly: nothing
spreads the colours but itself, and lightness is the truth's. Then ``vidcolor run --hints`` makes a film of
each picture, as a person would: colours are spread along what they lie on, and luma is the truth's. PSNR
over R'G'B', means over pictures.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import torch
import torch.nn.functional as F
from clips import DATA
from torch import Tensor

sys.path.append(str(Path(__file__).parents[1] / "training"))
import held_out

from vidcolor import colorize, load_model
from vidcolor.color.lab import lab_to_rgb, rgb_to_lab
from vidcolor.models import ColorModel

RADIUS = 2
"""Of a point's square, in pixels, beside its middle."""

EXACT: dict[str, Any] = {"codec": "ffv1", "keep_colour": "off", "parts": False, "overwrite": True}
"""Of the runs: nothing is lost to an encoder, and the photograph's own colour is not looked at."""


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


def measure_runs(model: str, points: int, limit: int) -> dict[str, float]:
    """The same of ``vidcolor run``, a film of one frame for each picture."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        film, file = Path(folder, "film.mkv"), Path(folder, "hints.json")
        for number, path in enumerate(photographs(limit)):
            truth = frame_of(path)
            lab = rgb_to_lab(torch.from_numpy(truth).permute(2, 0, 1)[None].float() / 255)
            file.write_text(json.dumps(said_of(lab[:, 1:], points, np.random.default_rng(number))))
            row = []
            for how in ({"saturation": 0.0}, {}, {"hints": str(file)}):
                colorize(path, film, model=model, **EXACT, **how)
                error = np.square(frame_of(film).astype(float) - truth).mean()
                row.append(10 * np.log10(255**2 / max(error, 1e-4)))
            rows.append(row)
    grey, alone, told = np.mean(rows, 0).tolist()
    return {"pictures": len(rows), "grey": grey, "alone": alone, "with_hints": told, "gain": told - alone}


def frame_of(path: Path) -> np.ndarray:
    """The first frame of a file, ``(h, w, 3)`` uint8 R'G'B'."""
    with av.open(str(path)) as container:
        return next(container.decode(video=0)).to_ndarray(format="rgb24")


def said_of(ab: Tensor, points: int, rng: np.random.Generator) -> list[dict[str, Any]]:
    """The hints of :func:`hints_of`, as a person writes them down."""
    said = []
    for _ in range(points):
        y, x = (int(rng.integers(RADIUS, side - RADIUS)) for side in ab.shape[-2:])
        square = ab[0, :, y - RADIUS : y + RADIUS + 1, x - RADIUS : x + RADIUS + 1].mean((1, 2)).tolist()
        color = dict(zip("ab", square, strict=True))
        said.append({"time": 0, "x": x, "y": y, "radius": RADIUS + 0.5, "color": color})
    return said


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="default")
    parser.add_argument("--points", type=int, default=10)
    parser.add_argument("--limit", type=int, default=200, help="photographs")
    parser.add_argument("--json", type=Path, help="figures go there, too")
    options = parser.parse_args()
    network = measure(load_model(options.model), options.points, options.limit)
    runs = measure_runs(options.model, options.points, options.limit)
    print(f"{network['pictures']:.0f} held-out photographs, {options.points} points each; dB")
    print(f"{'':18} {'network':>7} {'run':>7}")
    for name, words in (("grey", "grey"), ("alone", "the model alone"), ("with_hints", "with the points")):
        print(f"{words:18} {network[name]:7.2f} {runs[name]:7.2f}")
    print(f"{'gain by the points':18} {network['gain']:+7.2f} {runs['gain']:+7.2f}")
    if options.json:
        options.json.write_text(json.dumps({"network": network, "run": runs}, indent=2) + "\n")


if __name__ == "__main__":
    main()
