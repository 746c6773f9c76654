#!/usr/bin/env python3
"""Trains the network that mixes what two anchors have carried (vidcolor/temporal/blend.py).

    python training/train_blend.py --data DATA --work FOLDER [--minutes 16] [-o FILE]

Samples come from colour films: a stretch of 8 to 48 frames without a cut, true chroma at both ends, carried
to some frames between by the code that runs; what is learnt is their true chroma. FOLDER keeps the samples.
"""

from __future__ import annotations

import argparse
import math
import os
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from vidcolor.color.resize import shrink
from vidcolor.motion import FlowFinder, scaled, warp
from vidcolor.temporal.anchors import carry_size
from vidcolor.temporal.blend import BlendNet, Carried, mix
from vidcolor.temporal.track import Tracker

LONG_SIDE, HIGHEST = 384, 288
LENGTHS = (8, 12, 16, 24, 32, 48)
FRAMES_A_STRETCH = 6
CUT = 0.6
"""Correlation of two frames in a row below which a stretch is thought to hold a cut."""
LEAST_CHROMA = 2.0
WINDOW, BATCH = (128, 160), 12
RATE, DECAY = 2e-3, 1e-3

Sample = dict[str, np.ndarray]


def stretches(data: Path, rng: np.random.Generator) -> list[tuple[Path, int]]:
    """Films to learn from and frames to start at; nothing of what is measured on."""
    train = data / "video" / "train"
    episode = train / "big_buck_bunny_360p_000-300s.mp4"
    chosen = [(episode, int(n)) for n in rng.integers(0, 7100, 260)]
    chosen += [
        (p, int(rng.integers(0, 120))) for p in (train / "penny_and_chip").glob("*.mp4") for _ in range(3)
    ]
    chosen += [(p, 0) for p in (train / "asl_signers").glob("*.mp4") for _ in range(2)]
    chosen += [(train / "highway02.avi", int(n)) for n in rng.integers(0, 690, 40)]
    chosen.sort()
    return [chosen[i] for i in rng.permutation(len(chosen))]


def decode(path: Path, start: int, count: int) -> list[np.ndarray]:
    """Frames as Y, Cr, Cb at the size they are worked on at."""
    frames = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        if start:
            container.seek(int(start / stream.average_rate / stream.time_base), stream=stream)
        for frame in container.decode(stream):
            height = min(round(frame.height * LONG_SIDE / frame.width), HIGHEST)
            picture = cv2.cvtColor(frame.to_ndarray(format="bgr24"), cv2.COLOR_BGR2YCrCb)
            frames.append(
                cv2.resize(
                    picture,
                    (round(height * frame.width / frame.height), height),
                    interpolation=cv2.INTER_AREA,
                )
            )
            if len(frames) == count:
                break
    return frames


def is_of_use(frames: list[np.ndarray]) -> bool:
    tiny = [cv2.resize(f[..., 0], (32, 18), interpolation=cv2.INTER_AREA).ravel() for f in frames]
    alike = min(np.corrcoef(a, b)[0, 1] for a, b in pairwise(tiny))
    return bool(alike >= CUT) and np.mean([np.abs(f[..., 1:] - 128.0).mean() for f in frames]) >= LEAST_CHROMA


def samples_of(frames: list[np.ndarray], rng: np.random.Generator) -> list[Sample]:
    luma = [np.ascontiguousarray(f[..., 0]) for f in frames]
    chroma = [f[..., :0:-1].astype(np.float32) - 128 for f in frames]  # Cb, Cr
    size = carry_size(*luma[0].shape)
    pictures = [shrink(plane, *size) for plane in luma]
    last = len(frames) - 1
    finder = FlowFinder(*size)
    forth = [finder(a, b) for a, b in pairwise(pictures)]
    back = [finder(b, a) for a, b in pairwise(pictures)]
    picked = sorted(rng.choice(np.arange(1, last), min(FRAMES_A_STRETCH, last - 1), replace=False).tolist())
    carried: dict[int, dict[str, np.ndarray]] = {k: {} for k in picked}
    for name, anchor, order in (("before", 0, range(1, last)), ("after", last, range(last - 1, 0, -1))):
        tracker = Tracker(finder, pictures[anchor])
        for k in order:
            flows = (back[k - 1], forth[k - 1]) if anchor == 0 else (forth[k], back[k])
            way = tracker.step(pictures[k], *flows)
            if k in carried:
                places = scaled(way.places, *luma[k].shape)
                trust = cv2.resize(way.trust, luma[k].shape[::-1], interpolation=cv2.INTER_LINEAR)
                carried[k] |= {
                    f"{name}_chroma": warp(chroma[anchor], places).astype(np.float16),
                    f"{name}_trust": trust.astype(np.float16),
                    f"{name}_difference": (warp(luma[anchor].astype(np.float32), places) - luma[k]).astype(
                        np.float16
                    ),
                }
    return [
        {"luma": luma[k], "chroma": chroma[k].astype(np.float16), "far": np.float32(k / last), **carried[k]}
        for k in picked
    ]


def make_samples(data: Path, folder: Path) -> list[Path]:
    """One file for each stretch; those that are there are not made again."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for number, (path, start) in enumerate(stretches(data, rng)):
        own, target = np.random.default_rng(number), folder / f"{number:03}.npz"
        if target.exists():
            continue
        frames = decode(path, start, int(own.choice(LENGTHS)) + 1)
        found = samples_of(frames, own) if len(frames) > min(LENGTHS) and is_of_use(frames) else []
        np.savez(
            target,
            **{f"{k}/{name}": value for k, sample in enumerate(found) for name, value in sample.items()},
        )
        print(f"{number:3} {path.name} {start}: {len(found)} samples", flush=True)
    return sorted(folder.glob("*.npz"))


def load(paths: list[Path]) -> list[Sample]:
    samples: dict[tuple[Path, str], Sample] = {}
    for path in paths:
        with np.load(path) as file:
            for key in file.files:
                number, name = key.split("/")
                samples.setdefault((path, number), {})[name] = file[key]
    return list(samples.values())


def draw(
    samples: list[Sample], count: int, rng: np.random.Generator, window: tuple[int, int]
) -> dict[str, Tensor]:
    """A batch of windows: mirrored, turned in time and in hue, sometimes with one anchor only."""
    rows: list[Sample] = []
    for sample in (samples[i] for i in rng.integers(0, len(samples), count)):
        height, width = sample["luma"].shape
        top, left = (
            int(rng.integers(0, have - want + 1)) for have, want in zip((height, width), window, strict=True)
        )
        step = -1 if rng.random() < 0.5 else 1
        row = {
            name: value[top : top + window[0], left : left + window[1]][:, ::step].astype(np.float32)
            for name, value in sample.items() if name != "far"
        }  # fmt: skip
        far = float(sample["far"])
        if rng.random() < 0.5:
            far = 1 - far
            row = {_turned(name): value for name, value in row.items()}
        if rng.random() < 0.15:
            far, row["after_trust"] = 0.0, np.zeros_like(row["after_trust"])
            row["after_chroma"], row["after_difference"] = row["before_chroma"], row["before_difference"]
        if rng.random() < 0.5:
            angle = rng.uniform(0, 2 * math.pi)
            turn = np.array(
                [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]], np.float32
            )
            row |= {name: value @ turn for name, value in row.items() if name.endswith("chroma")}
        row["far"] = np.full((1, 1), far, np.float32)
        rows.append({name: value if value.ndim == 3 else value[..., None] for name, value in row.items()})
    return {
        name: torch.from_numpy(np.stack([row[name] for row in rows])).permute(0, 3, 1, 2).contiguous()
        for name in rows[0]
    }


def _turned(name: str) -> str:
    side, _, rest = name.partition("_")
    return {"before": "after_", "after": "before_"}[side] + rest if rest else name


def errors(net: BlendNet | None, batch: dict[str, Tensor]) -> Tensor:
    """Mean squared error of each sample, in codes squared."""
    small = {name: F.avg_pool2d(plane, 2) for name, plane in batch.items() if name != "far"}
    before, after = (
        Carried(
            *(small[f"{s}_{name}"] for name in ("chroma", "trust", "difference")), batch[f"{s}_difference"]
        )
        for s in ("before", "after")
    )
    how = mix(net, small["luma"], before, after, batch["far"])
    mixed = how.of(batch["before_chroma"], batch["after_chroma"])
    return (mixed - batch["chroma"]).square().mean((1, 2, 3))


def decibels(error: Tensor) -> float:
    """As PSNR of chroma, means over samples; 0.02 is about what rounding to codes costs."""
    return float((10 * torch.log10(255**2 / (error + 0.02))).mean())


def batches(samples: list[Sample]) -> Iterator[dict[str, Tensor]]:
    rng = np.random.default_rng(1)
    while True:
        yield draw(samples, BATCH, rng, WINDOW)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("VIDCOLOR_DATA", "../shared/data")))
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=16)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("-o", "--output", type=Path, default=Path("vidcolor/weights/blend.safetensors"))
    options = parser.parse_args()
    torch.manual_seed(0)

    paths = make_samples(options.data, options.work / "samples")
    held_out, learnt = load(paths[::10]), load([p for n, p in enumerate(paths) if n % 10])
    rng = np.random.default_rng(2)
    look = [draw(held_out, 16, rng, (128, 256)) for _ in range(6)]
    plain = decibels(torch.cat([errors(None, batch) for batch in look]))
    print(f"{len(learnt)} samples, {len(held_out)} held out; plain propagation {plain:.2f} dB", flush=True)

    net = BlendNet(options.width).to(memory_format=torch.channels_last)
    average = {name: value.clone() for name, value in net.state_dict().items()}
    best = BlendNet(options.width).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(net.parameters(), RATE, weight_decay=DECAY)
    begun = time.monotonic()
    for step, batch in enumerate(batches(learnt), 1):
        done = (time.monotonic() - begun) / 60 / options.minutes
        if done >= 1:
            break
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1, step / 50) * (1 + math.cos(math.pi * done)) / 2
        # The logarithm: a sample counts by its decibels, easy ones as much as hard ones. Counting the error
        # itself beside it, for the sake of the hardest, was tried and dropped.
        loss = torch.log(errors(net, batch) + 0.1).mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        with torch.no_grad():
            for name, value in net.state_dict().items():
                average[name].lerp_(value, max(0.002, 1 / step))
        if step % 250 == 0:
            best.load_state_dict(average)
            with torch.no_grad():
                score = decibels(torch.cat([errors(best, held) for held in look]))
            print(f"{step} steps, {done:.0%}: {score:.2f} dB", flush=True)
            save_file({k: v.contiguous() for k, v in average.items()}, options.output)
    save_file({k: v.contiguous() for k, v in average.items()}, options.output)


if __name__ == "__main__":
    main()
