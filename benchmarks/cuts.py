#!/usr/bin/env python3
"""Shots found in real films, beside a list made by eye.

    python benchmarks/cuts.py [FILM ...] [--made old|flickering|twice] [--list FILE] [--json FILE]

Films are those of the list, or the ones of them whose path has FILM in it. Each is read as `vidcolor run`
reads it, and shots are found by the stage that it finds them with. The list says how it was made and what
its kinds are.

A boundary is right within one frame of a cut, or within the frames of a dissolve or fade. Each cut, dissolve
or fade is found once: a second boundary in it is a false alarm. A film's first frame is not counted, nor
what an "edge" of the list covers. "late" is how far boundaries lie behind the middles of dissolves, and "ms"
the detector's own time for a frame (its small picture and its verdict), on one core.

With `--made` the detector's small pictures are changed first, and it is asked alone: "old" flickers (the
light by 5 %, and by 3 codes), trembles (a quarter of a small pixel), and has grain (3 codes), scratches and
dirt; "flickering" is by 15 % in light alone; "twice" shows each frame twice.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from clips import DATA

from vidcolor import open_video
from vidcolor.temporal.anchors import in_shots
from vidcolor.temporal.shots import SMALL, ShotDetector, Small, find_shots, small_luma

LIST = Path(__file__).with_name("cuts.txt")
KINDS = ("cut", "dissolve", "fade", "edge")
NEAR = 1
"""Frames that a boundary may lie beside a cut."""


class Change(NamedTuple):
    """From one shot to the next."""

    first: int
    last: int
    """Frames that it covers, both among them; of a cut both are the new shot's first."""
    kind: str
    note: str


@dataclass
class Result:
    """Of one film."""

    frames: int = 0
    found: int = 0
    misses: list[Change] = field(default_factory=list)
    false_alarms: list[int] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    """Of dissolves found, in frames."""
    rate: float = 0.0
    """The film's frames a second."""
    milliseconds: float = 0.0


def read_list(path: Path) -> dict[str, list[Change]]:
    """Films and their changes, in order."""
    films: dict[str, list[Change]] = {}
    changes: list[Change] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            changes = films.setdefault(line.strip("[]"), [])
        elif line and not line.startswith("#"):
            frames, kind, note = line.split()
            if kind not in KINDS:
                raise SystemExit(f"{path.name}: {kind} is none of {', '.join(KINDS)}")
            first, _, last = frames.partition("-")
            changes.append(Change(int(first), int(last or first), kind, note))
    return films


def match(boundaries: Sequence[int], changes: Sequence[Change], result: Result) -> None:
    """Gives each change the first boundary that fits it; both in order."""
    left = list(boundaries)
    for change in changes:
        near = NEAR if change.kind == "cut" else 0
        fits = [n for n in left if change.first - near <= n <= change.last + near]
        if change.kind == "edge":
            left = [n for n in left if n not in fits]
        elif not fits:
            result.misses.append(change)
        else:
            result.found += 1
            left.remove(fits[0])
            if change.kind == "dissolve":
                result.late.append(fits[0] - (change.first + change.last) / 2)
    result.false_alarms = left


def make_old(pictures: Sequence[Small]) -> list[Small]:
    rng, film = np.random.default_rng(1), []
    height, width = SMALL
    for picture in pictures:
        old = picture * (1 + rng.normal(0, 0.05)) + rng.normal(0, 3) + rng.normal(0, 3, SMALL)
        move = np.array([[1, 0, rng.normal(0, 0.25)], [0, 1, rng.normal(0, 0.25)]])
        old = cv2.warpAffine(old, move, (width, height), borderMode=cv2.BORDER_REPLICATE)
        if rng.random() < 0.05:
            old[:, rng.integers(width)] = 230
        if rng.random() < 0.05:
            y, x = rng.integers(0, height - 9), rng.integers(0, width - 12)
            old[y : y + 9, x : x + 12] = rng.choice([10, 240])
        film.append(np.clip(old, 0, 255).astype(np.uint8))
    return film


def make_flickering(pictures: Sequence[Small]) -> list[Small]:
    rng = np.random.default_rng(1)
    return [np.clip(p * (1 + rng.normal(0, 0.15)), 0, 255).astype(np.uint8) for p in pictures]


def make_twice(pictures: Sequence[Small]) -> list[Small]:
    return [picture for picture in pictures for _ in range(2)]


MADE = {"old": make_old, "flickering": make_flickering, "twice": make_twice}


def measure(path: Path, changes: Sequence[Change], made: str | None) -> Result:
    """The stage's answer, and what the detector's share of it costs."""
    result, boundaries, small = Result(), [], []
    took = 0.0
    with open_video(path) as video:
        depth, result.rate = video.video.bit_depth, float(video.video.average_rate or 0)
        for frame, starts in in_shots(video.frames(), depth):
            if starts and result.frames:
                boundaries.append(result.frames)
            begun = time.perf_counter()
            small.append(small_luma(frame.luma, depth))
            took += time.perf_counter() - begun
            result.frames += 1
    detector, begun = ShotDetector(), time.perf_counter()
    for picture in small:
        detector.push(picture)
    result.milliseconds = 1000 * (took + time.perf_counter() - begun) / max(1, result.frames)
    if made:
        boundaries = [n for n in find_shots(MADE[made](small)) if n]
        times = 2 if made == "twice" else 1
        changes = [c._replace(first=c.first * times, last=c.last * times) for c in changes]
    match(boundaries, sorted(changes), result)
    return result


def scores(found: int, missed: int, false: int) -> dict[str, float]:
    """Precision, recall and F1; 1 where there is nothing to be wrong about."""
    return {
        "precision": found / (found + false) if found + false else 1.0,
        "recall": found / (found + missed) if found + missed else 1.0,
        "f1": 2 * found / (2 * found + missed + false) if found + missed + false else 1.0,
    }


def row(name: str, results: Sequence[Result]) -> dict[str, Any]:
    """One line of the table, printed and returned."""
    found = sum(r.found for r in results)
    missed = sum(len(r.misses) for r in results)
    false = sum(len(r.false_alarms) for r in results)
    frames = sum(r.frames for r in results)
    cost = sum(r.frames * r.milliseconds for r in results) / max(1, frames)
    table = {"frames": frames, "found": found, "missed": missed, "false": false}
    rates = scores(found, missed, false)
    shown = " ".join(f"{rate:9.3f}" for rate in rates.values())
    print(f"{name:28} {frames:7} {found:6} {missed:7} {false:6} {shown} {cost:6.2f}", flush=True)
    return {**table, **rates, "milliseconds": cost}


def at(frame: int, rate: float) -> str:
    return f"{frame} ({frame / rate:.2f} s)" if rate else str(frame)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("films", nargs="*", help="parts of their paths")
    parser.add_argument("--made", choices=list(MADE))
    parser.add_argument("--list", type=Path, default=LIST)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    listed = read_list(options.list)
    chosen = [name for name in listed if not options.films or any(part in name for part in options.films)]
    films = {name: DATA / "video" / name for name in chosen if (DATA / "video" / name).exists()}
    if not films:
        raise SystemExit("none of the films is there")

    print(f"{'':28}  frames  found  missed  false precision    recall        f1     ms")
    results, table = {}, {}
    for name, path in films.items():
        results[name] = result = measure(path, listed[name], options.made)
        table[name] = row(path.stem[:28], [result])
        for change in result.misses:
            print(f"    missed: {at(change.first, result.rate)} {change.kind} {change.note}")
        for frame in result.false_alarms:
            print(f"    false alarm: {at(frame, result.rate)}")
        if result.late:
            print("    late in dissolves: " + ", ".join(f"{frames:+.1f} frames" for frames in result.late))
    table["all"] = row("all", list(results.values()))
    if options.json:
        details = {
            name: {
                **table[name],
                "misses": [c._asdict() for c in r.misses],
                "false_alarms": r.false_alarms,
                "late": r.late,
            }
            for name, r in results.items()
        }
        options.json.write_text(json.dumps({"films": details, "all": table["all"]}, indent=2) + "\n")


if __name__ == "__main__":
    main()
