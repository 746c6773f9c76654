#!/usr/bin/env python3
"""What a fixed camera's picture by day gives its films by night, beside the default model alone.

    python benchmarks/fixed_camera.py [FILM ...] [--day median|frame] [--frames 96] [-o FOLDER]

The first third of a colour film gives the day picture: the median of 15 frames, or its first frame. From
its middle on, frames become night: R'G'B' to a power and dimmed, luma of that with noise. Both ways see
that luma at the network's size. "automatic" is the model's colour; "reference" is the hint of
`vidcolor.temporal.reference.FixedCamera` as far as it is sure, and the model's colour for the rest; in "told"
the model was given the hints as well.

PSNR, in dB over R'G'B', is that of the dimmed truth without noise against the same truth's luma with either
colour, at the network's size. Only colour is computed: luma, noise and all, is the source's in any case, and
left in, noise would hide both results behind one number. It is of the mean squared error over all frames.
"still" is over pixels that stand still as the day picture shows them: where the truth, blurred, is within 12
codes of its median over the frames of the night, and that of the day picture; "moving" is over all others.
"sure" is the share of pixels with a confidence of at least 0.5, "ms" the time for one frame, fed and asked
for, on one core.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import av
import cv2
import numpy as np
import torch
from clips import DATA

from vidcolor.color.planes import ColorSpace, ab_to_chroma, chroma_to_rgb
from vidcolor.color.resize import shrink
from vidcolor.models import ColorModel, load_model
from vidcolor.temporal.reference import FixedCamera, Reference

FILMS = (
    "train/fixed_camera_people.mp4",
    "demo/fixed_camera_bottles.mp4",
    "demo/highway01.avi",
    "train/highway02.avi",
)
SPACE = ColorSpace("bt709", True, 8, transfer="iec61966-2-1")
SHORT_SIDE = 192
NEAR = 12
"""Codes by which pixels that stand still may change."""


class Night(NamedTuple):
    """How day becomes night."""

    gamma: float
    gain: float
    noise: float
    """Deviation, in codes of luma at the film's size."""

    def dimmed(self, rgb: np.ndarray) -> np.ndarray:
        """R'G'B' in [0, 1] of uint8."""
        return (self.gain * (rgb / np.float32(255)) ** self.gamma).astype(np.float32)

    def luma(self, rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """What the camera records, ``(H, W)`` uint8."""
        luma = 255 * luma_of(self.dimmed(rgb)) + rng.normal(0, self.noise, rgb.shape[:2])
        return np.clip(np.rint(luma), 0, 255).astype(np.uint8)


class Scores(NamedTuple):
    """Of one film."""

    still_decibels: np.ndarray
    """Automatic, reference, told."""
    moving_decibels: np.ndarray
    still: float
    sure: float
    milliseconds: float


def luma_of(rgb: np.ndarray) -> np.ndarray:
    k = SPACE.coefficients
    return rgb @ np.array([k.kr, k.kg, k.kb], np.float32)


def frames_of(path: Path, count: int, step: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """15 frames of the first third, and ``count`` from the middle on, every ``step``-th."""
    with av.open(str(path)) as container:
        total = sum(1 for packet in container.demux(video=0) if packet.size)
    day = set(range(0, total // 3, max(1, total // 45)))
    night = set(range(total // 2, min(total, total // 2 + count * step), step))
    found: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    with av.open(str(path)) as container:
        for index, frame in zip(range(max(night) + 1), container.decode(video=0), strict=False):
            if index in day or index in night:
                found[index in night].append(frame.to_ndarray(format="rgb24"))
    return found


def with_luma(luma: np.ndarray, ab: np.ndarray) -> np.ndarray:
    """R'G'B' ``(h, w, 3)`` of Y' in [0, 1] and ab ``(h, w, 2)``."""
    y, a, b = (torch.from_numpy(np.ascontiguousarray(p)).double() for p in (luma, ab[..., 0], ab[..., 1]))
    return chroma_to_rgb(y, *ab_to_chroma(y, a, b, SPACE), SPACE).permute(1, 2, 0).numpy()


def colors(model: ColorModel, lightness: np.ndarray, hints: np.ndarray | None) -> np.ndarray:
    given = None if hints is None else torch.from_numpy(hints).permute(2, 0, 1)[None]
    return model.infer(torch.from_numpy(lightness)[None, None], given)[0].permute(1, 2, 0).numpy()


def still_pixels(pictures: Sequence[np.ndarray], day: np.ndarray) -> list[np.ndarray]:
    """For each truth ``(h, w, 3)`` uint8, where it stands still as the day picture has it."""
    soft = [cv2.GaussianBlur(picture.astype(np.float32), (0, 0), 1) for picture in (*pictures, day)]
    median = np.median(soft[:-1], axis=0)
    scene = np.abs(median - soft[-1]).max(2) < NEAR
    return [scene & (np.abs(picture - median).max(2) < NEAR) for picture in soft[:-1]]


def measure(path: Path, model: ColorModel, options: argparse.Namespace) -> tuple[Scores, np.ndarray]:
    days, truths = frames_of(path, options.frames, options.step)
    day = days[0] if options.day == "frame" else np.median(days, axis=0).astype(np.uint8)
    height, width = day.shape[:2]
    scale = SHORT_SIDE / min(height, width)
    size = tuple(round(side * scale / model.multiple) * model.multiple for side in (height, width))
    night = Night(options.gamma, options.gain, options.noise)
    rng = np.random.default_rng(0)
    pictures = [shrink(truth, *size) for truth in truths]
    still = still_pixels(pictures, shrink(day, *size))
    camera = FixedCamera(Reference(day))
    sums, rows, sure, took = np.zeros((2, 3)), [], [], []
    for index, (truth, picture) in enumerate(zip(truths, pictures, strict=True)):
        luma = night.luma(truth, rng)
        lightness = SPACE.lightness_table[shrink(luma, *size)]
        start = time.perf_counter()
        camera.feed(lightness)
        hints = camera.hints_for(lightness)
        took.append(time.perf_counter() - start)
        if index % options.every:
            continue
        confidence = hints[..., 2:]
        sure.append(float((confidence > 0.5).mean()))
        plain, told = colors(model, lightness, None), colors(model, lightness, hints)
        sure_ab, rest = confidence * hints[..., :2], 1 - confidence
        wanted = night.dimmed(picture)
        results = [
            with_luma(luma_of(wanted), ab) for ab in (plain, sure_ab + rest * plain, sure_ab + rest * told)
        ]
        for place, where in enumerate((still[index], ~still[index])):
            sums[place] += [float(((result - wanted)[where] ** 2).sum()) for result in results]
        grey = np.repeat(shrink(luma, *size)[..., None] / np.float32(255), 3, 2)
        shown = [grey, *results, wanted, np.repeat(confidence, 3, 2) / options.show]
        rows.append(np.hstack([cv2.cvtColor(p.astype(np.float32), cv2.COLOR_RGB2BGR) for p in shown]))
    counts = [
        3 * sum(int((mask == value).sum()) for mask in still[:: options.every]) for value in (True, False)
    ]
    decibels = -10 * np.log10(np.maximum(sums / np.maximum(np.array(counts)[:, None], 1), 1e-9))
    share, milliseconds = counts[0] / sum(counts), 1000 * float(np.median(took[1:]))
    scores = Scores(decibels[0], decibels[1], share, float(np.mean(sure)), milliseconds)
    picks = [rows[n] for n in np.linspace(0, len(rows) - 1, 5).astype(int)]
    return scores, np.clip(255 * options.show * np.vstack(picks), 0, 255).astype(np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("films", nargs="*", type=Path, default=[DATA / "video" / film for film in FILMS])
    parser.add_argument("--day", choices=["median", "frame"], default="median")
    parser.add_argument("--frames", type=int, default=96, help="frames of the night")
    parser.add_argument("--step", type=int, default=1, help="of the film's frames, every how many-th is one")
    parser.add_argument("--every", type=int, default=8, help="of them, every how many-th is measured")
    parser.add_argument("--gamma", type=float, default=1.6)
    parser.add_argument("--gain", type=float, default=0.5)
    parser.add_argument("--noise", type=float, default=8.0, help="deviation in codes of luma")
    parser.add_argument("--model", default="default")
    parser.add_argument("-o", "--output", type=Path, help="folder for sheets to be looked at")
    parser.add_argument("--show", type=float, default=1.6, help="the sheets' brightness")
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    model = load_model(options.model).eval()
    ways = "automatic reference  told"
    print(f"{'':22} still: {ways}   gain   moving: {ways}   still  sure    ms")
    for film in options.films:
        scores, sheet = measure(film, model, options)
        still, moving = scores.still_decibels, scores.moving_decibels
        print(
            f"{film.stem:28} {still[0]:9.2f} {still[1]:10.2f} {still[2]:6.2f} {still[1] - still[0]:+6.2f}"
            f" {moving[0]:17.2f} {moving[1]:10.2f} {moving[2]:6.2f}"
            f" {scores.still:7.2f} {scores.sure:5.2f} {scores.milliseconds:5.1f}",
            flush=True,
        )
        if options.output:
            options.output.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(options.output / f"{film.stem}_{options.day}.png"), sheet)


if __name__ == "__main__":
    main()
