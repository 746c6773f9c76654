#!/usr/bin/env python3
"""What a fixed camera's picture by day gives its film by night: `vidcolor run` with and without --reference.

    python benchmarks/fixed_camera.py [FILM ...] [--day median|frame] [--frames 96] [-o FOLDER]

The first third of a colour film gives the day picture, a PNG: the median of 15 frames, or the first frame.
From its middle on, frames become night: R'G'B' to a power and dimmed, luma of that with noise, in a lossless
film without chroma. It is coloured twice by `vidcolor.colorize`, lossless, and read again: "automatic" with
the defaults, "reference" with the day picture.

PSNR, in dB over R'G'B', is that of the dimmed truth without noise against the same truth's luma with the
chroma of either film, at 192 lines. Only colour is computed: luma, noise and all, is the source's in any
case, and left in, noise would hide both results behind one number. It is of the mean squared error over all
measured frames. "still" is over pixels that stand still as the day picture shows them: where the truth,
blurred, is within 12 codes of its median over the frames of the night, and that of the day picture; "moving"
is over all others. Speed is in frames a second of the whole run.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import av
import cv2
import numpy as np
import torch
from clips import DATA

import vidcolor
from vidcolor.color.planes import ColorSpace, chroma_to_rgb
from vidcolor.color.resize import shrink

FILMS = (
    "train/fixed_camera_people.mp4",
    "demo/fixed_camera_bottles.mp4",
    "demo/highway01.avi",
    "train/highway02.avi",
)
SPACE = ColorSpace("bt709", False, 8)
TAGS = {"color_range": 1, "colorspace": 1, "color_primaries": 1, "color_trc": 1}
"""H.273's numbers of limited range and BT.709, the space the night is made in."""
SHORT_SIDE = 192
NEAR = 12
"""Codes by which pixels that stand still may change."""
WAYS = "automatic", "reference"


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
        """What the camera records, ``(H, W)`` uint8 codes."""
        scale, offset = SPACE.luma_scale
        luma = scale * luma_of(self.dimmed(rgb)) + offset + rng.normal(0, self.noise, rgb.shape[:2])
        return np.clip(np.rint(luma), 0, 255).astype(np.uint8)


class Scores(NamedTuple):
    """Of one film; of automatic and reference."""

    still: np.ndarray
    """dB."""
    moving: np.ndarray
    """dB."""
    still_share: float
    speed: list[float]
    """Frames a second."""


def luma_of(rgb: np.ndarray) -> np.ndarray:
    k = SPACE.coefficients
    return rgb @ np.array([k.kr, k.kg, k.kb], np.float32)


def frames_of(path: Path, count: int, step: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """15 frames of the first third, and ``count`` from the middle on, every ``step``-th; even sides."""
    with av.open(str(path)) as container:
        total = sum(1 for packet in container.demux(video=0) if packet.size)
    day = set(range(0, total // 3, max(1, total // 45)))
    night = set(range(total // 2, min(total, total // 2 + count * step), step))
    found: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    with av.open(str(path)) as container:
        for index, frame in zip(range(max(night) + 1), container.decode(video=0), strict=False):
            if index in day or index in night:
                rgb = frame.to_ndarray(format="rgb24")
                found[index in night].append(rgb[: rgb.shape[0] // 2 * 2, : rgb.shape[1] // 2 * 2])
    return found


def write_night(path: Path, truths: Sequence[np.ndarray], night: Night) -> None:
    rng = np.random.default_rng(0)
    height, width = truths[0].shape[:2]
    neutral = np.full((height // 2, width), 128, np.uint8)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number, truth in enumerate(truths):
            frame = av.VideoFrame.from_ndarray(np.vstack((night.luma(truth, rng), neutral)), "yuv420p")
            frame.pts = number
            for target in (stream.codec_context, frame):
                for name, code in TAGS.items():
                    setattr(target, name, code)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())


def chroma_of(path: Path, size: Sequence[int]) -> Iterator[np.ndarray]:
    """Cb and Cr of each frame, ``(h, w, 2)`` normalised."""
    scale, offset = SPACE.chroma_scale
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            planes = frame.to_ndarray(format="yuv444p")[1:].astype(np.float32)
            yield np.dstack([(shrink(plane, *size) - offset) / scale for plane in planes])


def with_luma(luma: np.ndarray, chroma: np.ndarray) -> np.ndarray:
    """R'G'B' ``(h, w, 3)`` in [0, 1]."""
    planes = (torch.from_numpy(np.ascontiguousarray(p)) for p in (luma, chroma[..., 0], chroma[..., 1]))
    return chroma_to_rgb(*planes, SPACE).permute(1, 2, 0).numpy().clip(0, 1)


def still_pixels(pictures: Sequence[np.ndarray], day: np.ndarray) -> list[np.ndarray]:
    """For each truth ``(h, w, 3)`` uint8, where it stands still as the day picture has it."""
    soft = [cv2.GaussianBlur(picture.astype(np.float32), (0, 0), 1) for picture in (*pictures, day)]
    median = np.median(soft[:-1], axis=0)
    scene = np.abs(median - soft[-1]).max(2) < NEAR
    return [scene & (np.abs(picture - median).max(2) < NEAR) for picture in soft[:-1]]


def measure(path: Path, options: argparse.Namespace) -> tuple[Scores, np.ndarray]:
    days, truths = frames_of(path, options.frames, options.step)
    day = days[0] if options.day == "frame" else np.median(days, axis=0).astype(np.uint8)
    night = Night(options.gamma, options.gain, options.noise)
    scale = SHORT_SIDE / min(day.shape[:2])
    size = [round(side * scale) for side in day.shape[:2]]
    with tempfile.TemporaryDirectory() as folder:
        film, picture = Path(folder) / "night.mkv", Path(folder) / "day.png"
        cv2.imwrite(str(picture), cv2.cvtColor(day, cv2.COLOR_RGB2BGR))
        write_night(film, truths, night)
        found, speed = [], []
        for name in WAYS:
            result = Path(folder) / f"{name}.mkv"
            told = [str(picture)] if name == "reference" else []
            done = vidcolor.colorize(film, result, codec="ffv1", model=options.model, reference=told)
            found.append(list(chroma_of(result, size)))
            speed.append(done.fps)
    small = [shrink(truth, *size) for truth in truths]
    still = still_pixels(small, shrink(day, *size))
    sums, counts, rows = np.zeros((2, 2)), np.zeros(2), []
    for index in range(0, len(truths), options.every):
        wanted = night.dimmed(small[index])
        results = [with_luma(luma_of(wanted), chroma[index]) for chroma in found]
        for place, where in enumerate((still[index], ~still[index])):
            sums[place] += [float(((result - wanted)[where] ** 2).sum()) for result in results]
            counts[place] += 3 * int(where.sum())
        shown = [*results, wanted]
        rows.append(np.hstack([cv2.cvtColor(p.astype(np.float32), cv2.COLOR_RGB2BGR) for p in shown]))
    decibels = -10 * np.log10(np.maximum(sums / np.maximum(counts[:, None], 1), 1e-9))
    picks = [rows[n] for n in np.linspace(0, len(rows) - 1, 5).astype(int)]
    scores = Scores(decibels[0], decibels[1], float(counts[0] / counts.sum()), speed)
    return scores, np.clip(255 * options.show * np.vstack(picks), 0, 255).astype(np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("films", nargs="*", type=Path, default=[DATA / "video" / film for film in FILMS])
    parser.add_argument("--day", choices=["median", "frame"], default="median")
    parser.add_argument("--frames", type=int, default=96, help="frames of the night")
    parser.add_argument("--step", type=int, default=1, help="of the film's frames, every how many-th is one")
    parser.add_argument("--every", type=int, default=4, help="of them, every how many-th is measured")
    parser.add_argument("--gamma", type=float, default=1.6)
    parser.add_argument("--gain", type=float, default=0.5)
    parser.add_argument("--noise", type=float, default=8.0, help="deviation in codes of luma")
    parser.add_argument("--model", default="default")
    parser.add_argument("-o", "--output", type=Path, help="folder for sheets: automatic, reference, truth")
    parser.add_argument("--show", type=float, default=1.6, help="the sheets' brightness")
    options = parser.parse_args()
    print(f"{'':28}  still: automatic reference   gain   moving: automatic reference  share   frames/s")
    for film in options.films:
        (still, moving, share, speed), sheet = measure(film, options)
        print(
            f"{film.stem:28} {still[0]:17.2f} {still[1]:9.2f} {still[1] - still[0]:+6.2f}"
            f" {moving[0]:18.2f} {moving[1]:9.2f} {share:6.2f}   {speed[0]:.1f} {speed[1]:.1f}",
            flush=True,
        )
        if options.output:
            options.output.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(options.output / f"{film.stem}_{options.day}.png"), sheet)


if __name__ == "__main__":
    main()
