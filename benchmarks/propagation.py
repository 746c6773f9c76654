#!/usr/bin/env python3
"""How well true colour is carried from anchors to the frames between, beside plain optical flow.

    python benchmarks/propagation.py [--interval 48] [--frames 145] [--plain] [--json FILE] [CLIP ...]

Every Nth frame of colour films keeps its chroma (4:2:0, as films store it), the others lose it. Ours and the
baseline (naive_propagation.py) work on the same frames, film by film in turn. PSNR in dB over R'G'B' of the
frames that are no anchors, luma at full size kept; frames a second of all that is done for the result, which
for ours is chroma planes of the film's size, for the baseline chroma of 384 pixels across.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import json
import os
import re
import time
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command does, before torch is loaded

import av
import numpy as np
import torch
from clips import DATA

from vidcolor.frames import Frame, Timestamp
from vidcolor.pipeline.memory import hold_memory
from vidcolor.pipeline.prefetch import prefetch
from vidcolor.temporal.anchors import Budget, Span, carry_size, find_spans
from vidcolor.temporal.blend import load_blend
from vidcolor.temporal.propagate import Mixed, Propagator

BASELINE = DATA.parent / "bench" / "naive_propagation.py"
CLIPS = (
    "demo/bikes.mp4",
    "demo/big_buck_bunny_720p_5s.mp4",
    "demo/carphone.mp4",
    "demo/dog.mp4",
    "demo/coffee.mp4",
    "demo/highway01.avi",
    "train/fixed_camera_people.mp4",
)


class Film(NamedTuple):
    """The frames of a film as it stores them, and as a player shows them."""

    planes: list[av.VideoFrame]
    """4:2:0."""
    truth: list[np.ndarray]
    """B'G'R'."""


def load(path: Path, count: int) -> Film:
    with av.open(str(path)) as container:
        frames = list(islice(container.decode(video=0), count))
    planes = [frame.reformat(format="yuv420p") for frame in frames]
    return Film(planes, [frame.to_ndarray(format="bgr24") for frame in frames])


def split(frame: av.VideoFrame) -> tuple[np.ndarray, np.ndarray]:
    """Luma ``(H, W)``, and Cb and Cr ``(H/2, W/2, 2)``."""
    planes = [
        np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[:, : plane.width]
        for plane in frame.planes
    ]
    return np.ascontiguousarray(planes[0]), np.dstack(planes[1:])


def shown(frame: av.VideoFrame, chroma: np.ndarray) -> np.ndarray:
    """A frame with other chroma, as a player shows it."""
    made = av.VideoFrame(frame.width, frame.height, "yuv420p")
    made.colorspace, made.color_range = frame.colorspace, frame.color_range
    luma, _ = split(frame)
    for plane, values in zip(made.planes, (luma, chroma[..., 0], chroma[..., 1]), strict=True):
        rows = np.zeros((plane.height, plane.line_size), np.uint8)
        rows[:, : plane.width] = values
        plane.update(rows)
    return made.to_ndarray(format="bgr24")


def ours(film: Film, interval: int, plain: bool) -> tuple[dict[int, float], float]:
    """PSNR of each frame between anchors, and frames a second."""
    luma, chroma = zip(*map(split, film.planes), strict=True)
    stream = ((Frame(plane, Timestamp(n, Fraction(1, 24)), 1, n), n == 0) for n, plane in enumerate(luma))
    size = carry_size(*luma[0].shape)
    propagator = Propagator(size, 8, None if plain else load_blend())
    started = time.perf_counter()

    def spans() -> Iterator[Span]:
        for span in find_spans(
            stream, size, 8, Budget(float("inf")), lambda frame: frame.index % interval == 0
        ):
            propagator.look_onward(span)
            yield span

    def decided(spans: Iterator[Span]) -> Iterator[tuple[int, Mixed]]:
        for span in spans:
            first = span.steps[0].frame.index
            closing = None if span.closing is None else chroma[span.closing.frame.index]
            yield from enumerate(propagator.mixed(span, chroma[first], closing), first + 1)

    # In threads, as a run does.
    mixtures = prefetch(decided(prefetch(spans(), 0)), 4)
    found = {n: propagator.rounded(propagator.enlarged(mixed)) for n, mixed in mixtures}
    seconds = time.perf_counter() - started
    scores = {n: psnr(shown(film.planes[n], result), film.truth[n]) for n, result in found.items()}
    return scores, len(luma) / seconds


def plain_flow(baseline: ModuleType, clip: Path, interval: int, frames: int) -> dict[str, float]:
    """The baseline's figures, which it prints: PSNR in dB of its mean and worst frame, and its rate."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        baseline.measure(str(clip), interval, frames)
    line = printed.getvalue()
    print(line, end="", flush=True)
    patterns = {"psnr": r"flow +([-\d.]+)", "worst": r"worst +([-\d.]+)",
                "frames_per_second": r"([\d.]+) frames/s"}  # fmt: skip
    return {name: float(re.findall(pattern, line)[-1]) for name, pattern in patterns.items()}


def psnr(result: np.ndarray, truth: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / max(np.mean((result.astype(np.float32) - truth) ** 2), 1e-6)))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clips", nargs="*", type=Path, default=[DATA / "video" / clip for clip in CLIPS])
    parser.add_argument("--interval", type=int, nargs="+", default=[12, 48])
    parser.add_argument("--frames", type=int, default=145)
    parser.add_argument("--plain", action="store_true", help="without the mixing network")
    parser.add_argument("--no-baseline", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    spec = importlib.util.spec_from_file_location("naive_propagation", BASELINE)
    baseline = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(baseline)
    hold_memory()  # as a run does
    print(f"{torch.get_num_threads()} threads", flush=True)
    told: list[dict[str, Any]] = []
    for interval in options.interval:
        means, worst, speeds, ratios = [], [], [], []
        for clip in options.clips:
            known = None if options.no_baseline else plain_flow(baseline, clip, interval, options.frames)
            film = load(clip, options.frames)
            whole = (len(film.planes) - 1) // interval * interval + 1
            film = Film(film.planes[:whole], film.truth[:whole])
            scores, speed = ours(film, interval, options.plain)
            means.append(np.mean(list(scores.values())))
            worst.append(min(scores.values()))
            speeds.append(speed)
            ratios += [speed / known["frames_per_second"]] if known else []
            told.append({"film": clip.name, "interval": interval, "psnr": float(means[-1]),
                         "worst": worst[-1], "frames_per_second": speed, "baseline": known})  # fmt: skip
            print(f"{clip.name:34} every {interval:3}  ours {means[-1]:6.2f}  worst {worst[-1]:6.2f}"
                  f"{'':27}{speed:5.1f} frames/s", flush=True)  # fmt: skip
        beside = f", {np.median(ratios):.2f} of the baseline's" if ratios else ""
        print(f"mean every {interval}: ours {np.mean(means):.2f} dB, worst {np.mean(worst):.2f} dB, "
              f"{np.mean(speeds):.1f} frames/s{beside}", flush=True)  # fmt: skip
    if options.json:
        options.json.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
