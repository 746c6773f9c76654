#!/usr/bin/env python3
"""The share of `vidcolor run`'s rate that `vidcolor evaluate` keeps, and its memory over a film's length.

    python benchmarks/evaluation.py [--model default] [--seconds 10] [--runs 3] [--times 6]

A film in colour: a run colours it anew (`--keep-colour off`, the encoder's own settings), an evaluation makes
it grey, colours it, and compares it with what it was. They take turns; everything is counted, imports apart,
by the clock and by processor time. Then the highest resident memory of `vidcolor evaluate` as a process of
its own, for the film and for one `--times` as long.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path

from clips import make_color_film
from memory import peak_mebibytes

from vidcolor import colorize
from vidcolor.evaluation.film import evaluate_model
from vidcolor.pipeline.options import RunOptions


def rate(way: str, source: Path, target: Path, model: str) -> tuple[float, float]:
    """Frames a second by the clock, and by processor time."""
    begun, worked = time.perf_counter(), time.process_time()
    if way == "run":
        frames = colorize(source, target, overwrite=True, model=model, keep_colour="off").frames
    else:
        frames = evaluate_model(source, RunOptions(model=model)).data["frames"]
    return frames / (time.perf_counter() - begun), frames / (time.process_time() - worked)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="default")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--size", default="1280x720")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--times", type=int, default=6)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    found: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as folder:
        source, longer, target = (Path(folder, name) for name in ("film.mp4", "longer.mp4", "out.mp4"))
        film = make_color_film(source, seconds=options.seconds, size=(width, height))
        print(f"{film}; {options.model}; {os.cpu_count()} cores {platform.machine()}", flush=True)
        rates: dict[str, list[tuple[float, float]]] = {"run": [], "evaluate": []}
        for turn in range(options.runs + 1):
            for way, values in rates.items():
                value = rate(way, source, target, options.model)
                if turn:  # the first round warms caches and is not counted
                    values.append(value)
        for place, name in enumerate(("by the clock", "by processor time")):
            run, evaluation = ([value[place] for value in rates[way]] for way in ("run", "evaluate"))
            shares = [a / b for a, b in zip(evaluation, run, strict=True)]
            share = statistics.median(shares)
            found[name] = {"run": run, "evaluate": evaluation, "share": share}
            print(
                f"{name:18} run {statistics.median(run):6.1f}, evaluate {statistics.median(evaluation):6.1f}"
                f" frames/s: {share:.2f} ({min(shares):.2f} to {max(shares):.2f})",
                flush=True,
            )
        make_color_film(longer, seconds=options.times * options.seconds, size=(width, height))
        peaks = []
        for path in (source, longer):
            command = [sys.executable, "-m", "vidcolor", "evaluate", str(path), "--model", options.model,
                       "-o", str(target.with_suffix(".json")), "-y", "-q"]  # fmt: skip
            peaks.append(peak_mebibytes(command))
        found["mebibytes"] = peaks
        print(
            f"memory: {peaks[0]:.0f} MiB, and {peaks[1]:.0f} MiB for {options.times} times as long:"
            f" {peaks[1] / peaks[0]:.3f}"
        )
    if options.json:
        options.json.write_text(json.dumps({"film": film, "model": options.model, **found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
