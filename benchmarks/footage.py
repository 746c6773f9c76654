#!/usr/bin/env python3
"""Every film of the data folder through `vidcolor run`, and whether it came out right.

    python benchmarks/footage.py [--folders demo bw odd train] [--seconds 5] [--model grey]

Each film (at most its first --seconds) is coloured into a lossless Matroska file, which is decoded
again and compared with the film: number of frames, times to the millisecond Matroska holds, luma
sample for sample where the film has luma, packets of sound. One line a film.
"""

from __future__ import annotations

import argparse
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from clips import DATA

from vidcolor import VidcolorError, colorize, open_video

MILLISECOND = Fraction(1, 1000)


def read_luma(path: Path, end: Fraction | None) -> tuple[list[Fraction], list[bytes]]:
    """Times and luma planes, as the reader hands them out."""
    times, planes = [], []
    with open_video(path, end=end) as video:
        for frame in video.frames():
            times.append(frame.time.exact)
            planes.append(np.ascontiguousarray(frame.luma).tobytes())
    return times, planes


def sound_packets(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for p in container.demux() if p.size and p.stream.type == "audio")


def check(source: Path, target: Path, model: str, end: Fraction | None) -> str:
    """What became of one film, in a line."""
    try:
        summary = colorize(
            source,
            target,
            model=model,
            codec="ffv1",
            network_size=64,
            end=end,
            overwrite=True,
            keep_colour="off",
        )
    except VidcolorError as error:
        return f"refused: {error}".replace(str(source.parent) + "/", "")
    before, after = read_luma(source, end), read_luma(target, None)
    verdicts: dict[str, Any] = {
        "frames": len(before[0]) == len(after[0]) == summary.frames,
        "times": all(abs(a - b) <= MILLISECOND for a, b in zip(before[0], after[0], strict=True)),
        "luma": before[1] == after[1],
    }
    if end is None:
        verdicts["sound"] = sound_packets(source) == sound_packets(target)
    wrong = [name for name, right in verdicts.items() if not right]
    said = "; ".join(summary.notices)
    return f"{'WRONG ' + ', '.join(wrong) if wrong else 'right'}, {summary.frames} frames. {said}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folders", nargs="+", default=["demo", "bw", "odd", "train"])
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--model", default="grey")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name in options.folders:
            for source in sorted(p for p in (DATA / "video" / name).rglob("*") if p.is_file()):
                if "LICENSE" in source.name:
                    continue
                limit = Fraction(options.seconds) if source.stat().st_size > 300_000 else None
                result = check(source, Path(folder, "out.mkv"), options.model, limit)
                print(f"{name}/{source.name:36} {result}", flush=True)


if __name__ == "__main__":
    main()
