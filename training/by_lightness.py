#!/usr/bin/env python3
"""By what factor a model's colour would be best, lightness by lightness: why SHADE is as it is.

    python training/by_lightness.py [--data DATA] [--limit 200] [--model default]

Of held-out photographs, seen as ``vidcolor run`` sees them but without the model's shade: the factor on its
ab that is nearest to the true ab (least squares), and their root mean squares.
"""

from __future__ import annotations

import argparse
import os
from itertools import pairwise
from pathlib import Path

import cv2
import held_out
import numpy as np
import torch
import torch.nn.functional as F

from vidcolor.color.lab import rgb_to_lab
from vidcolor.models import resolve_model
from vidcolor.models.base import fitting_side
from vidcolor.models.unet import UNet

EDGES = (0, 3, 6, 10, 15, 20, 30, 40, 50, 60, 70, 80, 90, 101)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("VIDCOLOR_DATA", "../shared/data")))
    parser.add_argument("--limit", type=int, default=200)
    parser.add_argument("--model", default="default")
    options = parser.parse_args()
    model = resolve_model(options.model).model.eval()
    if isinstance(model, UNet):
        model.shade = 0.0
    photos = [p for p in sorted((options.data / "photos").glob("*/*.jpg")) if held_out.held_out(p.name)]
    order = np.random.default_rng(0).permutation(len(photos))[: options.limit]
    sums = np.zeros((len(EDGES) - 1, 4))
    for number in order:
        rgb = cv2.cvtColor(cv2.imread(str(photos[number])), cv2.COLOR_BGR2RGB)
        scale = held_out.SHORT_SIDE / min(rgb.shape[:2])
        height, width = (fitting_side(side * scale, model.multiple) for side in rgb.shape[:2])
        small = cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA)
        lab = rgb_to_lab(torch.from_numpy(small).permute(2, 0, 1)[None].float() / 255).float()
        with torch.inference_mode():
            ab = model(lab[:, :1])[..., :: model.grain, :: model.grain]
        said = F.interpolate(ab, (height, width), mode="bilinear", align_corners=False)[0].numpy()
        lightness, true = lab[0, 0].numpy(), lab[0, 1:].numpy()
        for row, (low, high) in enumerate(pairwise(EDGES)):
            here = (lightness >= low) & (lightness < high)
            s, t = said[:, here], true[:, here]
            sums[row] += (s * t).sum(), (s * s).sum(), (t * t).sum(), here.sum()
    for (low, high), (both, own, true_, count) in zip(pairwise(EDGES), sums, strict=True):
        share, factor = count / sums[:, 3].sum(), both / own
        rms = f"said {np.sqrt(own / count):5.1f}  true {np.sqrt(true_ / count):5.1f}"
        print(f"L {low:3} to {high:3}  {share:5.1%} of pixels  best factor {factor:5.2f}  {rms}")


if __name__ == "__main__":
    main()
