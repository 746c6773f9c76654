#!/usr/bin/env python3
"""Whether memory depends on a film's length, and how it depends on the distance of anchors.

    python benchmarks/memory.py [--model default] [--seconds 20] [--times 10] [--json FILE]
    python benchmarks/memory.py --anchor-every 12 48 192 [--size 1280x720]

Runs `vidcolor run` as a process of its own on a film and on one ten times as long, and prints the
highest resident memory of each, as the system counted it. The shorter film must be long enough for the
encoder's own buffers to have filled. With `--anchor-every` the same film is run with each distance.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from clips import make_grey_film


def peak_mebibytes(command: list[str]) -> float:
    """Highest resident memory of a command that must succeed."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} failed")
    return usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="default")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--size", default="1280x720")
    parser.add_argument("--anchor-every", type=int, nargs="+", metavar="N")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    once, longer = (options.seconds, []), (options.seconds * options.times, [])
    runs = [(options.seconds, ["--anchor-every", str(n)]) for n in options.anchor_every or ()]

    peaks = []
    with tempfile.TemporaryDirectory() as folder:
        for seconds, more in runs or (once, longer):
            source, target = Path(folder, f"{seconds}.mp4"), Path(folder, "out.mp4")
            film = make_grey_film(source, seconds=seconds, size=(width, height))
            command = [sys.executable, "-m", "vidcolor", "run", str(source), "-o", str(target), "-y", "-q",
                       "--model", options.model, "--preset", "veryfast", *more]  # fmt: skip
            peaks.append(peak_mebibytes(command))
            print(" ".join([f"{film}: {peaks[-1]:.0f} MiB", *more]), flush=True)
    found = {"model": options.model, "mebibytes": peaks}
    if not runs:
        found["ratio"] = peaks[1] / peaks[0]
        print(f"{options.times} times as long: {found['ratio']:.3f} times the memory")
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
