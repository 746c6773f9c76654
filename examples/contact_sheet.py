#!/usr/bin/env python3
"""Pictures of a film beside its coloured copy: grey, result and, when the film had colour, the truth.

    python examples/contact_sheet.py film.mp4 film.color.mp4 -o sheet.png [--frames 6] [--width 320]

One row a column of time: frames at even distances over the film.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np

from vidcolor.metrics import colorfulness

UNSPECIFIED = 2
"""H.273's code for a matrix the file does not name; players take BT.709 for HD then, libav BT.601."""
GREY_BELOW = 3.0
"""Colourfulness under which a film counts as black and white."""


def count_frames(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for packet in container.demux(video=0) if packet.size)


def pick(path: Path, wanted: list[int], width: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(grey, colour) of the frames wanted: ``(h, width, 3)`` uint8 RGB each."""
    with av.open(str(path)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            if index in wanted:
                height = round(frame.height * width / frame.width)
                matrix = "ITU709" if frame.colorspace == UNSPECIFIED and frame.height > 576 else None
                small = frame.reformat(format="rgb24", width=width, height=height, src_colorspace=matrix)
                colour = small.to_ndarray()
                luma = frame.reformat(format="gray", width=width, height=height).to_ndarray()
                yield np.dstack([luma] * 3), colour


def sheet(source: Path, result: Path, frames: int, width: int) -> np.ndarray:
    """The contact sheet, ``(H, W, 3)`` uint8 RGB."""
    total = min(count_frames(source), count_frames(result))
    wanted = [round((i + 0.5) * total / frames - 0.5) for i in range(frames)]
    pairs = list(zip(pick(source, wanted, width), pick(result, wanted, width), strict=False))
    coloured = np.mean([colorfulness(truth) for (_, truth), _ in pairs]) > GREY_BELOW
    rows = [
        np.hstack([grey, found, truth] if coloured else [grey, found]) for (grey, truth), (_, found) in pairs
    ]
    return np.vstack(rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", type=Path)
    parser.add_argument("result", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--frames", type=int, default=6)
    parser.add_argument("--width", type=int, default=320, help="of one picture, pixels")
    options = parser.parse_args()
    picture = sheet(options.source, options.result, options.frames, options.width)
    cv2.imwrite(str(options.output), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    print(f"{options.output}: {picture.shape[1]}x{picture.shape[0]}")


if __name__ == "__main__":
    main()
