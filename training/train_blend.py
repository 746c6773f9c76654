#!/usr/bin/env python3
"""Trains the network that mixes what two anchors have carried (vidcolor/temporal/blend.py).

    python training/train_blend.py --data DATA --work FOLDER [--minutes 16] [-o FILE]
                                   [--start FILE --rate 6e-4]

Samples come from colour films, and from photographs that are moved before each other (drawn.py): a stretch
of 8 to 48 frames without a cut, true chroma at both ends, carried to some frames between by the code that
runs; what is learnt is their true chroma. FOLDER keeps the samples, some 16 GiB.
"""

from __future__ import annotations

import argparse
import math
import os
import time
from collections.abc import Iterator, Sequence
from itertools import islice, pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import torch
import torch.nn.functional as F
from drawn import CALM, RUSH, Manner, drawn
from held_out import held_out
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from vidcolor.color.resize import shrink
from vidcolor.motion import FlowFinder, scaled, warp
from vidcolor.temporal.anchors import carry_size
from vidcolor.temporal.blend import BlendNet, Carried, mix
from vidcolor.temporal.track import LOST, Tracker

LONG_SIDE, HIGHEST = 384, 288
FILMS = (
    ("big_buck_bunny_360p_000-300s.mp4", 400, 0, 7100),
    ("penny_and_chip/*.mp4", 6, 0, 140),
    ("asl_signers/*.mkv", 10, 0, 38),
    ("highway02.avi", 60, 0, 690),
)
"""How many stretches of each, and the frames between which they start."""
CAMERA = (("fixed_camera_people.mp4", 80, 300, 1360),)
"""Its first 145 frames are measured on (benchmarks/propagation.py); these show others in the same room."""
PACES = (1, 1, 2, 3)
"""Every which frame of a film is taken: things move faster, as at few frames a second."""
DRAWN, RUSHING = 460, 260
"""Stretches drawn from photographs, calm ones and such in a rush."""
SHARES = {"film": 0.35, "drawn": 0.34, "camera": 0.06, "rush": 0.25}
"""Of what is learnt from."""
LENGTHS = (8, 12, 16, 24, 32, 48)
FRAMES_A_STRETCH = 6
CUT = 0.6
"""Correlation of two frames in a row below which a stretch is thought to hold a cut."""
LEAST_CHROMA = 2.0
WINDOW, BATCH = (128, 160), 12
EVENLY = 6.0
"""Codes that anchors are thought to differ by, see :func:`errors`."""
RATE, DECAY = 2e-3, 1e-3

Sample = dict[str, np.ndarray]
PLANES = {
    "luma": 1, "chroma": 2, "before_chroma": 2, "before_traced": 1, "before_difference": 1,
    "after_chroma": 2, "after_traced": 1, "after_difference": 1,
}  # fmt: skip
"""What a sample's file holds, ``(H, W, 11)`` float16, and how many planes of each."""


def stretches(
    data: Path, sources: Sequence[tuple[str, int, int, int]], rng: np.random.Generator
) -> list[tuple[Path, int]]:
    """Films to learn from and frames to start at; nothing of what is measured on."""
    train = data / "video" / "train"
    chosen = []
    for pattern, count, first, last in sources:
        films = sorted(train.glob(pattern))
        if not films:
            raise FileNotFoundError(f"there is no {pattern} in {train}")
        chosen += [(film, int(rng.integers(first, last))) for film in films for _ in range(count)]
    return [chosen[i] for i in rng.permutation(len(chosen))]


def decode(path: Path, start: int, count: int, pace: int) -> list[np.ndarray]:
    """Every ``pace``-th frame as Y, Cr, Cb at the size they are worked on at."""
    frames = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        if start:
            container.seek(int(start / stream.average_rate / stream.time_base), stream=stream)
        for frame in islice(container.decode(stream), 0, count * pace, pace):
            height = min(round(frame.height * LONG_SIDE / frame.width), HIGHEST)
            size = round(height * frame.width / frame.height), height
            picture = cv2.cvtColor(frame.to_ndarray(format="bgr24"), cv2.COLOR_BGR2YCrCb)
            frames.append(cv2.resize(picture, size, interpolation=cv2.INTER_AREA))
    return frames


def is_of_use(frames: list[np.ndarray]) -> bool:
    tiny = [cv2.resize(f[..., 0], (32, 18), interpolation=cv2.INTER_AREA).ravel() for f in frames]
    alike = min(np.corrcoef(a, b)[0, 1] for a, b in pairwise(tiny))
    return bool(alike >= CUT) and np.mean([np.abs(f[..., 1:] - 128.0).mean() for f in frames]) >= LEAST_CHROMA


def samples_of(frames: list[np.ndarray], rng: np.random.Generator) -> list[tuple[float, Sample]]:
    """Some frames of a stretch: how far on the way between its ends, and what is known of them."""
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
                traced = cv2.resize(cv2.log(way.traced), luma[k].shape[::-1], interpolation=cv2.INTER_LINEAR)
                carried[k] |= {
                    f"{name}_chroma": warp(chroma[anchor], places),
                    f"{name}_traced": traced,
                    f"{name}_difference": warp(luma[anchor].astype(np.float32), places) - luma[k],
                }
    return [(k / last, {"luma": luma[k], "chroma": chroma[k], **carried[k]}) for k in picked]


def make_samples(data: Path, folder: Path) -> None:
    """One file for each, ``stretch_kind_number_far.npy``; stretches that are there are not made again."""
    folder.mkdir(parents=True, exist_ok=True)
    films = stretches(data, FILMS, np.random.default_rng(0))
    camera = stretches(data, CAMERA, np.random.default_rng(1))
    photographs = [p for p in sorted((data / "photos").glob("*/*.jpg")) if not held_out(p.name)]
    wanted = [("film", film) for film in films] + [("drawn", CALM)] * DRAWN
    wanted += [("camera", film) for film in camera] + [("rush", RUSH)] * RUSHING
    for number, (kind, source) in enumerate(wanted):
        own, done = np.random.default_rng(number), folder / f"{number:04}.done"
        if done.exists():
            continue
        count = int(own.choice(LENGTHS)) + 1
        if isinstance(source, Manner):
            frames, name = drawn(photographs, own, count, source), kind
        else:
            path, start = source
            frames, name = decode(path, start, count, int(own.choice(PACES))), f"{path.name} {start}"
        of_use = len(frames) > min(LENGTHS) and (kind == "rush" or is_of_use(frames))
        found = samples_of(frames, own) if of_use else []
        for k, (far, sample) in enumerate(found):
            planes = [sample[name] if sample[name].ndim == 3 else sample[name][..., None] for name in PLANES]
            array = np.concatenate(planes, -1, dtype=np.float16, casting="unsafe")
            np.save(folder / f"{number:04}_{kind}_{k}_{far:.5f}.npy", array)
        done.touch()
        print(f"{number:4} {name}: {len(found)} samples", flush=True)


def draw(
    samples: Sequence[Path], count: int, rng: np.random.Generator, window: tuple[int, int]
) -> dict[str, Tensor]:
    """A batch of windows: mirrored, turned in time and in hue, sometimes with one anchor only."""
    rows: list[Sample] = []
    for path in (samples[i] for i in rng.integers(0, len(samples), count)):
        planes = np.load(path, mmap_mode="r")
        top, left = (
            int(rng.integers(0, have - want + 1)) for have, want in zip(planes.shape, window, strict=False)
        )
        step = -1 if rng.random() < 0.5 else 1
        part = planes[top : top + window[0], left : left + window[1]][:, ::step].astype(np.float32)
        row = dict(zip(PLANES, np.split(part, np.cumsum(list(PLANES.values()))[:-1], -1), strict=True))
        far = float(path.stem.rpartition("_")[2])
        if rng.random() < 0.5:
            far = 1 - far
            row = {_turned(name): value for name, value in row.items()}
        if rng.random() < 0.15:
            far = 0.0
            row |= {f"after_{name}": row[f"before_{name}"] for name in ("chroma", "difference")}
            row["after_traced"] = np.full_like(row["after_traced"], math.log(LOST))
        if rng.random() < 0.5:
            angle = rng.uniform(0, 2 * math.pi)
            turn = np.array(
                [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]], np.float32
            )
            row |= {name: value @ turn for name, value in row.items() if name.endswith("chroma")}
        rows.append(row | {"far": np.full((1, 1, 1), far, np.float32)})
    return {
        name: torch.from_numpy(np.stack([row[name] for row in rows])).permute(0, 3, 1, 2).contiguous()
        for name in [*PLANES, "far"]
    }


def _turned(name: str) -> str:
    side, _, rest = name.partition("_")
    return {"before": "after_", "after": "before_"}[side] + rest if rest else name


def errors(net: BlendNet | None, batch: dict[str, Tensor], evenly: float = 0.0) -> Tensor:
    """Mean squared error of each sample, in codes squared.

    ``evenly``: codes by which the anchors are thought to differ, though they do not here. Where both are
    believed colour then has to go evenly from one to the other, and what it does not is an error too.
    """
    small = {name: F.avg_pool2d(plane, 2) for name, plane in batch.items() if name != "far"}
    before, after = (
        Carried(
            *(small[f"{s}_{name}"] for name in ("chroma", "traced", "difference")), batch[f"{s}_difference"]
        )
        for s in ("before", "after")
    )
    how = mix(net, small["luma"], before, after, batch["far"])
    mixed = how.of(batch["before_chroma"], batch["after_chroma"])
    error = (mixed - batch["chroma"]).square().mean((1, 2, 3))
    both = F.interpolate(before.belief * after.belief, size=how.share.shape[-2:])
    uneven = (both * (how.share - (1 - batch["far"])).square()).mean((1, 2, 3))
    return error + evenly**2 * uneven


def decibels(error: Tensor) -> float:
    """As PSNR of chroma, means over samples; 0.02 is about what rounding to codes costs."""
    return float((10 * torch.log10(255**2 / (error + 0.02))).mean())


@torch.no_grad()
def score(net: BlendNet | None, held: Sequence[dict[str, Tensor]]) -> float:
    return decibels(torch.cat([errors(net, batch) for batch in held]))


def batches(learnt: dict[str, Sequence[Path]]) -> Iterator[dict[str, Tensor]]:
    rng = np.random.default_rng(1)
    while True:
        counts = rng.multinomial(BATCH, list(SHARES.values()))
        parts = [draw(learnt[kind], n, rng, WINDOW) for kind, n in zip(SHARES, counts, strict=True) if n]
        yield {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("VIDCOLOR_DATA", "../shared/data")))
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=16)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--rate", type=float, default=RATE, help="the highest")
    parser.add_argument("--start", type=Path, help="weights to go on from")
    parser.add_argument("-o", "--output", type=Path, default=Path("vidcolor/weights/blend.safetensors"))
    options = parser.parse_args()
    torch.manual_seed(0)

    folder = options.work / "samples"
    make_samples(options.data, folder)
    learnt: dict[str, list[Path]] = {}
    look: dict[str, list[dict[str, Tensor]]] = {}
    rng = np.random.default_rng(2)
    for kind in SHARES:
        paths = sorted(folder.glob(f"*_{kind}_*.npy"))
        aside = [p for p in paths if int(p.name[:4]) % 10 == 0]
        learnt[kind] = [p for p in paths if int(p.name[:4]) % 10]
        look[kind] = [draw(aside, 16, rng, (128, 256)) for _ in range(6)]
        plain = score(None, look[kind])
        print(
            f"{kind}: {len(learnt[kind])} samples, {len(aside)} held out; plainly {plain:.2f} dB", flush=True
        )

    net = BlendNet(options.width).to(memory_format=torch.channels_last)
    if options.start:
        net.load_state_dict(load_file(options.start))
    average = {name: value.clone() for name, value in net.state_dict().items()}
    best = BlendNet(options.width).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(net.parameters(), options.rate, weight_decay=DECAY)
    begun = time.monotonic()
    for step, batch in enumerate(batches(learnt), 1):
        done = (time.monotonic() - begun) / 60 / options.minutes
        if done >= 1:
            break
        for group in optimizer.param_groups:
            group["lr"] = options.rate * min(1, step / 50) * (1 + math.cos(math.pi * done)) / 2
        # The logarithm: a sample counts by its decibels, easy ones as much as hard ones. Counting the error
        # itself beside it, for the sake of the hardest, was tried and dropped.
        loss = torch.log(errors(net, batch, EVENLY) + 0.1).mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        with torch.no_grad():
            for name, value in net.state_dict().items():
                average[name].lerp_(value, max(0.002, 1 / step))
        if step % 250 == 0:
            best.load_state_dict(average)
            scores = ", ".join(f"{kind} {score(best, held):.2f}" for kind, held in look.items())
            print(f"{step} steps, {done:.0%}: {scores} dB", flush=True)
            save_file({k: v.contiguous() for k, v in average.items()}, options.output)
    save_file({k: v.contiguous() for k, v in average.items()}, options.output)


if __name__ == "__main__":
    main()
