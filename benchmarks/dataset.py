#!/usr/bin/env python3
"""How much of plain decoding's speed `vidcolor build-dataset` keeps, and whether its memory stays level.

    python benchmarks/dataset.py [--film FILE] [--stride 12] [--runs 5] [--json FILE]

Plain decoding (PyAV with frame threads, nothing done with the frames) and building a set take turns on
the same film, so that a machine whose speed drifts is fair to both. Everything from opening the film to
the finished folder is counted, imports apart. Then sets of the film's first tenth and of all of it are
built in processes of their own, and the highest resident memory of each is printed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

import av
from clips import DATA
from memory import peak_mebibytes

from vidcolor.datasets.build import build_dataset
from vidcolor.datasets.options import BuildOptions

FILM = DATA / "video/train/big_buck_bunny_360p_000-300s.mp4"


def decode(film: Path) -> int:
    """Decodes a film and drops it; the number of frames."""
    with av.open(str(film)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        return sum(1 for _ in container.decode(stream))


def copy_start(film: Path, target: Path, seconds: float) -> None:
    """The first seconds of a film's video, packet by packet."""
    with av.open(str(film)) as source, av.open(str(target), "w") as out:
        stream = source.streams.video[0]
        copy = out.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.dts is None or packet.dts * packet.time_base >= seconds:
                break
            packet.stream = copy
            out.mux(packet)


def processor_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--film", type=Path, default=FILM)
    parser.add_argument("--stride", type=int, default=12)
    parser.add_argument("--format", choices=["jpg", "png"], default=BuildOptions().format)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()

    walls: dict[str, list[float]] = {"decode": [], "build": []}
    works: dict[str, list[float]] = {"decode": [], "build": []}
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "set")
        for run in range(options.runs + 1):
            for name in walls:
                wall, work = time.perf_counter(), processor_seconds()
                if name == "decode":
                    frames = decode(options.film)
                else:
                    made = build_dataset(
                        [options.film], target, stride=options.stride, overwrite=True, format=options.format
                    )
                if run:  # the first round warms caches and is not counted
                    walls[name].append(time.perf_counter() - wall)
                    works[name].append(processor_seconds() - work)
        shares = [a / b for a, b in zip(walls["decode"], walls["build"], strict=True)]
        work_shares = [a / b for a, b in zip(works["decode"], works["build"], strict=True)]

        print(f"{options.film.name}: {frames} frames; {os.cpu_count()} cores {platform.machine()}")
        for name, values in walls.items():
            print(
                f"{name:8} {frames / statistics.median(values):7.0f} frames/s  "
                f"{statistics.median(works[name]):6.2f} s of processor time"
            )
        print(f"pictures {made.train + made.test}, shots {made.shots}")
        print(f"share of the rate {statistics.median(shares):.2f} ({min(shares):.2f} to {max(shares):.2f})")
        print(f"share by processor time {statistics.median(work_shares):.2f}")

        with av.open(str(options.film)) as container:
            seconds = (container.duration or 0) / av.time_base
        start = Path(folder, "start.mp4")
        copy_start(options.film, start, seconds / 10)
        peaks = []
        for film in (start, options.film):
            command = [sys.executable, "-m", "vidcolor", "build-dataset", str(film), "-o", str(target),
                       "-y", "-q", "--stride", str(options.stride), "--format", options.format]  # fmt: skip
            peaks.append(peak_mebibytes(command))
        print(f"memory: {peaks[0]:.0f} MiB for {seconds / 10:.0f} s, {peaks[1]:.0f} MiB for {seconds:.0f} s")
    if options.json:
        result = {
            "share": statistics.median(shares),
            "shares": shares,
            "work_shares": work_shares,
            "mebibytes": peaks,
        }
        options.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
