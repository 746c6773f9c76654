#!/usr/bin/env python3
"""How long `vidcolor preview` takes, beside a film's length.

    python benchmarks/preview.py [--minutes 90] [--size 1920x1080] [--runs 3] [--json FILE] [-- OPTIONS]

Makes a film of a clip with cuts, encodes ten seconds of it at that size and joins these again and again,
packet by packet, up to that length, in a temporary folder. Then it runs `vidcolor preview` on it, as a
process of its own, and prints the seconds that took, the processor time, and the share of the frames that
were decoded. A plain `python -c "import torch, av, cv2"` beside it says how busy the machine is.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from clips import DATA

RATE = 24
PIECE = 10
"""Seconds that are encoded."""


def pictures(size: tuple[int, int]) -> Any:
    """Endless pictures ``(H · 3/2, W)`` yuv420p: real footage with cuts, or drawn."""
    path = DATA / "video" / "demo" / "bikes.mp4"
    width, height = size
    if path.exists():
        while True:
            with av.open(str(path)) as container:
                for frame in container.decode(video=0):
                    grey = frame.reformat(format="gray", width=width, height=height).to_ndarray()
                    yield np.vstack((grey, np.full((height // 2, width), 128, np.uint8)))
    rng = np.random.default_rng(0)
    number = 0
    while True:
        if number % 60 == 0:
            blocks = rng.integers(16, 236, (height // 40 + 1, width // 20))
            wide = np.kron(blocks, np.ones((40, 40), int)).astype(np.uint8)
        grey = wide[:height, number % 60 * 4 : number % 60 * 4 + width]
        yield np.vstack((grey, np.full((height // 2, width), 128, np.uint8)))
        number += 1


def make_piece(path: Path, size: tuple[int, int]) -> None:
    """Ten seconds, encoded as films are: x264's own key frames and B-frames."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"preset": "veryfast", "crf": "23"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for number, planes in zip(range(PIECE * RATE), pictures(size), strict=False):
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def looped(piece: Path, target: Path, minutes: float) -> int:
    """Joins the piece again and again; how many frames there are."""
    count = 0
    with av.open(str(piece)) as source, av.open(str(target), "w") as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        packets = [packet for packet in source.demux(video=0) if packet.size]
        kept = [(bytes(p), p.pts, p.dts, p.is_keyframe) for p in packets]
        base = packets[0].time_base
        length = round(PIECE / base)
        for turn in range(max(1, round(minutes * 60 / PIECE))):
            for data, pts, dts, key in kept:
                packet: Any = av.Packet(data)
                packet.pts, packet.dts = pts + turn * length, dts + turn * length
                packet.time_base, packet.is_keyframe, packet.stream = base, key, stream
                out.mux(packet)
                count += 1
    return count


def timed(command: list[str]) -> tuple[float, float, str]:
    """Seconds by the clock, seconds of processor time, and what the command printed."""
    before, started = os.times(), time.perf_counter()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed: {done.stderr}")
    seconds, after = time.perf_counter() - started, os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return seconds, spent, done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=90)
    parser.add_argument("--size", default="1920x1080")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--sheet", type=Path, help="where the last sheet is kept, to be looked at")
    parser.add_argument("more", nargs="*", help="further options of vidcolor preview")
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    figures: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        piece, film, sheet = (Path(folder, name) for name in ("piece.mp4", "film.mp4", "sheet.png"))
        make_piece(piece, (width, height))
        frames = looped(piece, film, options.minutes)
        print(
            f"{options.size}, {options.minutes:g} minutes, {frames} frames, {film.stat().st_size >> 20} MiB"
        )
        for _ in range(options.runs):
            idle, _, _ = timed([sys.executable, "-c", "import torch, av, cv2"])
            command = [sys.executable, "-m", "vidcolor", "preview", str(film), "-o", str(sheet), "-y", "-q"]
            seconds, spent, said = timed([*command, "--json", *options.more])
            done = json.loads(said.splitlines()[-1])
            looked_at = done["looked_at"]
            figures.append({"seconds": seconds, "processor": spent, "imports": idle, "looked_at": looked_at})
            print(
                f"preview: {seconds:.1f} s, {spent:.1f} s of processor time (imports alone {idle:.1f} s),"
                f" {len(done['frames'])} frames shown, {done['shots']} shots,"
                f" {looked_at} frames decoded: {looked_at / frames:.2%}",
                flush=True,
            )
        if options.sheet:
            options.sheet.write_bytes(sheet.read_bytes())
    if options.json:
        told = {"size": options.size, "minutes": options.minutes, "frames": frames, "runs": figures}
        options.json.write_text(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    main()
