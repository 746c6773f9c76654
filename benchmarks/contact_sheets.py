#!/usr/bin/env python3
"""Contact sheets of the default model on real footage, to be looked at.

    python benchmarks/contact_sheets.py -o FOLDER [--folders demo bw] [--model default] [--seconds 10]

Colours the first seconds of every film and writes grey · result · truth (grey · result for black-and-
white ones) as FOLDER/NAME.png, and prints PSNR of the result and of a grey copy beside them, in dB
over R′G′B′ at the sheet's size.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from clips import DATA

from vidcolor import VidcolorError, colorize
from vidcolor.metrics import colorfulness, psnr

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "examples"))
from contact_sheet import sheet


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--folders", nargs="+", default=["demo", "bw"])
    parser.add_argument("--model", default="default")
    parser.add_argument("--network-size", type=int, default=192)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--frames", type=int, default=4)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    gains = []
    with tempfile.TemporaryDirectory() as folder:
        for name in options.folders:
            for source in sorted((DATA / "video" / name).iterdir()):
                target = Path(folder, "out.mkv")
                try:
                    colorize(
                        source, target, model=options.model, network_size=options.network_size,
                        end=Fraction(options.seconds), overwrite=True, preset="veryfast", crf=12,
                        keep_colour="off",
                    )  # fmt: skip
                except VidcolorError as error:
                    print(f"{source.name:36} {error}")
                    continue
                picture = sheet(source, target, options.frames, 320)
                cv2.imwrite(
                    str(options.output / f"{source.stem}.png"), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
                )
                columns = np.split(picture, picture.shape[1] // 320, axis=1)
                line = f"{source.name:34} colourfulness {colorfulness(columns[1]):5.1f}"
                if len(columns) == 3:
                    grey, result, truth = columns
                    found, base = psnr(result, truth), psnr(grey, truth)
                    gains.append(found - base)
                    line += f" of {colorfulness(truth):5.1f}   PSNR {found:5.2f}  grey {base:5.2f}"
                print(line, flush=True)
    if gains:
        print(f"mean gain over grey: {np.mean(gains):+.2f} dB over {len(gains)} films")


if __name__ == "__main__":
    main()
