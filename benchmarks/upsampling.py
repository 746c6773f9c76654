#!/usr/bin/env python3
"""What is lost between a network's small picture and the film's chroma planes.

    python benchmarks/upsampling.py

The true colour of frames from colour films is made small (352×192, as a network sees 16:9; and half
that, as our U-Net speaks), brought back to the chroma planes' size, and compared with the film: PSNR in
dB over R′G′B′. "plain" enlarges bilinearly, "guided" is what `vidcolor run` does.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import av
import cv2
import numpy as np
import torch
from clips import DATA

from vidcolor.color.chroma import ChromaMaker, Upsampling, luma_at_chroma
from vidcolor.color.planes import ColorSpace, chroma_to_ab
from vidcolor.frames import ChromaLayout
from vidcolor.metrics import psnr

FILMS = (
    "train/penny_and_chip/penny_and_chip_tractors.mp4",
    "demo/big_buck_bunny_720p_5s.mp4",
    "demo/bikes.mp4",
    "demo/dog.mp4",
    "demo/coffee.mp4",
)
SIZES = {"352x192": (352, 192), "176x96": (176, 96)}
SPACE, LAYOUT = ColorSpace("bt709", False, 8), ChromaLayout(1, 1)
FLAT = 1e9
"""A guide's variance that no picture reaches: with it every slope is 0, which is plain enlargement."""


class Planes(NamedTuple):
    """A 4:2:0 frame, uint8."""

    luma: np.ndarray
    cb: np.ndarray
    cr: np.ndarray

    def ab(self) -> list[np.ndarray]:
        """a and b at the chroma's size, float32."""
        luma = luma_at_chroma(self.luma, LAYOUT, None)
        signals = [
            (torch.from_numpy(plane.astype(np.float64)) - offset) / scale
            for plane, (scale, offset) in (
                (luma, SPACE.luma_scale),
                (self.cb, SPACE.chroma_scale),
                (self.cr, SPACE.chroma_scale),
            )
        ]
        return [plane.float().numpy() for plane in chroma_to_ab(*signals, SPACE)]

    def rgb(self) -> np.ndarray:
        packed = np.concatenate([plane.ravel() for plane in self]).reshape(-1, self.luma.shape[1])
        frame = av.VideoFrame.from_ndarray(packed, format="yuv420p")
        return frame.reformat(format="rgb24", src_colorspace="ITU709").to_ndarray()


def frames(path: Path) -> Iterator[Planes]:
    """Frames 20 and 60 of a film."""
    with av.open(str(path)) as container:
        for index, frame in zip(range(61), container.decode(video=0), strict=False):
            if index % 40 == 20:
                packed = frame.reformat(format="yuv420p").to_ndarray()
                height, width = frame.height, frame.width
                chroma = packed[height:].reshape(2, height // 2, width // 2)
                yield Planes(np.ascontiguousarray(packed[:height]), chroma[0], chroma[1])


def main() -> None:
    makers = {
        "plain": ChromaMaker(SPACE, LAYOUT, upsampling=Upsampling(epsilon=FLAT)),
        "guided": ChromaMaker(SPACE, LAYOUT),
    }
    print(f"{'':44}" + "".join(f"{f'{name} {size}':>18}" for size in SIZES for name in makers))
    for film in FILMS:
        scores: dict[tuple[str, str], list[float]] = {}
        for planes in frames(DATA / "video" / film):
            truth = planes.rgb()
            for label, size in SIZES.items():
                small = [cv2.resize(plane, size, interpolation=cv2.INTER_AREA) for plane in planes.ab()]
                for name, make in makers.items():
                    result = Planes(planes.luma, *make(planes.luma, small)).rgb()
                    scores.setdefault((label, name), []).append(psnr(result, truth))
        print(f"{Path(film).name:44}" + "".join(f"{np.mean(v):18.2f}" for v in scores.values()), flush=True)


if __name__ == "__main__":
    main()
