#!/usr/bin/env python3
"""How much of a plain transcode's speed `vidcolor run` keeps.

    python benchmarks/speed.py [--models grey default] [--seconds 20] [--runs 3] [--preset medium]
                               [--no-parts] [--anchor-every N|off]

Plain transcode (decode, encode, nothing between) and each model's run take turns on the same
black-and-white film with the same encoder settings, so that a machine whose speed drifts is fair to
all. Everything is counted, from opening the input to the finished file, imports apart. With `--no-parts`
each model also makes the film in one piece, which shows what parts cost; with `--anchor-every` it also makes
it so, as does `vidcolor run`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import av
from clips import make_grey_film

from vidcolor import colorize


def transcode(source: Path, target: Path, settings: dict[str, str]) -> int:
    """Decodes a film and encodes it again; the number of frames."""
    count = 0
    with av.open(str(source)) as inp, av.open(str(target), "w") as out:
        video = inp.streams.video[0]
        video.thread_type = "AUTO"
        stream = out.add_stream("libx264", rate=video.average_rate, options=settings)
        stream.width, stream.height, stream.pix_fmt = video.width, video.height, "yuv420p"
        # PyAV's default is slice threads, which is the slower way for x264.
        stream.codec_context.thread_type = "AUTO"
        stream.codec_context.time_base = video.time_base
        for frame in inp.decode(video):
            frame.pict_type = 0
            out.mux(stream.encode(frame))
            count += 1
        out.mux(stream.encode())
    return count


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="+", default=["grey", "default"])
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--size", default="1280x720")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--preset", default="medium")
    parser.add_argument("--crf", default="18")
    parser.add_argument("--no-parts", action="store_true")
    parser.add_argument("--anchor-every", metavar="N|off")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    ways: dict[str, dict[str, Any]] = {name: {"model": name} for name in options.models}
    if options.no_parts:
        ways |= {f"{name}, whole": {"model": name, "parts": False} for name in options.models}
    if every := options.anchor_every:
        given = None if every == "off" else int(every)
        ways |= {f"{name}, {every}": {"model": name, "anchor_every": given} for name in options.models}
    settings = {"preset": options.preset, "crf": options.crf}
    width, height = map(int, options.size.split("x"))

    rates: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "film.mp4"), Path(folder, "out.mp4")
        film = make_grey_film(source, seconds=options.seconds, size=(width, height))
        print(
            film,
            f"libx264 {options.preset} crf {options.crf}",
            f"{os.cpu_count()} cores {platform.machine()}",
            sep="; ",
        )
        for run in range(options.runs + 1):
            for name in ("transcode", *ways):
                begun = time.perf_counter()
                if name == "transcode":
                    frames = transcode(source, target, settings)
                else:
                    frames = colorize(
                        source, target, overwrite=True, codec="libx264", preset=options.preset,
                        crf=float(options.crf), **ways[name],
                    ).frames  # fmt: skip
                # The first round warms caches and is not counted.
                if run:
                    rates.setdefault(name, []).append(frames / (time.perf_counter() - begun))

    table = {}
    for name, values in rates.items():
        shares = [value / base for value, base in zip(values, rates["transcode"], strict=True)]
        table[name] = {"frames_per_second": statistics.median(values), "share": statistics.median(shares)}
        rate, share = table[name].values()
        print(
            f"{name:14} {rate:7.1f} frames/s   share {share:.2f}   ({min(shares):.2f} to {max(shares):.2f})"
        )
    if options.json:
        options.json.write_text(
            json.dumps({"film": film, "settings": settings, "results": table}, indent=2) + "\n"
        )


if __name__ == "__main__":
    main()
