#!/usr/bin/env python3
"""Whether an hour of film is coloured in the same memory all along, and as fast at its end as at its start.

    python benchmarks/long_run.py [--minutes 60] [--size 160x120] [--rate 15] [--container mp4] [--json FILE]

The film is black-and-white footage with sound, repeated; `vidcolor run` colours it in parts, as a process of
its own. Resident memory and processor time of that process and of all below it are read from /proc (Linux)
whenever it says how far it is. The first repetition is starting up; the rest is told in tenths of whole
repetitions, so that all show the same: frames per second of processor time should stay the same, those by the
clock on an idle machine only. The working folder is measured too: its parts, and all that lies in it while
they are joined.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from clips import DATA, make_grey_film

_SOURCE = DATA / "video" / "train" / "big_buck_bunny_360p_000-300s.mp4"
_POLL_SECONDS = 0.2
_TICK, _PAGE = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
_SOUND_RATE, _SOUND_FRAME = 48_000, 960
_TENTHS = 10
_HEADER = 1 << 16
"""Bytes that the joined film is larger than once packets are written to it."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A moment of a run."""

    seconds: float
    """By the clock, since it was started."""
    cpu_seconds: float
    frames: int
    """Done by then."""
    mebibytes: float
    """Of resident memory."""


@dataclass
class Seen:
    """What was seen of a run."""

    samples: list[Sample] = field(default_factory=list)
    """One for each time it said how far it was."""
    parts: int = 0
    """Most bytes of parts, their states and the journal in the working folder, ..."""
    folder: int = 0
    """... and of all that lay there."""
    joining: float = 0.0
    """Highest resident memory once the last frame was done, in MiB."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Frames of a run that are told together."""

    frames: int
    frames_per_cpu_second: float
    frames_per_second: float
    mebibytes: float
    """Highest resident memory."""


def make_film(path: Path, *, minutes: float, clip_seconds: int, size: tuple[int, int], rate: int) -> str:
    """Writes a film with sound, a clip repeated; returns in words what it shows."""
    clip = path.with_name("clip.mp4")
    shown = make_grey_film(clip, seconds=clip_seconds, size=size, rate=rate, source=_SOURCE)
    repeated = max(1, round(60 * minutes / clip_seconds))
    with av.open(str(path), "w") as film, av.open(str(clip)) as container:
        template = container.streams.video[0]
        picture: Any = film.add_stream_from_template(template)
        base, packets = template.time_base, [p for p in container.demux(template) if p.dts is not None]
        sound: Any = film.add_stream("libopus", rate=_SOUND_RATE, layout="mono")
        tones = _tones(repeated * clip_seconds)
        for number in range(repeated):
            later = round(number * clip_seconds / base)
            for packet in packets:
                copy = av.Packet(bytes(packet))
                copy.pts, copy.dts = packet.pts + later, packet.dts + later
                copy.duration, copy.is_keyframe = packet.duration, packet.is_keyframe
                copy.time_base, copy.stream = base, picture
                film.mux(copy)
            for _ in range(clip_seconds * _SOUND_RATE // _SOUND_FRAME):
                film.mux(sound.encode(next(tones)))
        film.mux(sound.encode(None))
    clip.unlink()
    return f"{shown}; with sound, {repeated} times"


def _tones(seconds: int) -> Iterator[av.AudioFrame]:
    """A quiet tone that changes every second."""
    time = np.arange(_SOUND_FRAME) / _SOUND_RATE
    for number in range(seconds * _SOUND_RATE // _SOUND_FRAME):
        pitch = 200 + 40 * (number * _SOUND_FRAME // _SOUND_RATE % 12)
        wave = np.sin(2 * np.pi * pitch * (time + number * _SOUND_FRAME / _SOUND_RATE))
        frame = av.AudioFrame.from_ndarray((3000 * wave).astype(np.int16)[None], format="s16", layout="mono")
        frame.sample_rate, frame.time_base = _SOUND_RATE, Fraction(1, _SOUND_RATE)
        frame.pts = number * _SOUND_FRAME
        yield frame


def watch(command: list[str], work: Path) -> Seen:
    """Runs a command that must succeed, and looks at it and at its working folder all the while."""
    seen, begun = Seen(), time.perf_counter()
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process:

        def listen() -> None:
            assert process.stdout is not None
            for line in process.stdout:
                told = json.loads(line)
                if told["event"] == "progress":
                    cpu_seconds, mebibytes = _usage(process.pid)
                    passed = time.perf_counter() - begun
                    seen.samples.append(Sample(passed, cpu_seconds, told["frame"], mebibytes))

        listener = threading.Thread(target=listen)
        listener.start()
        while process.poll() is None:
            _look(work, process.pid, seen)
            time.sleep(_POLL_SECONDS)
        listener.join()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed")
    return seen


def _look(work: Path, process: int, seen: Seen) -> None:
    parts = film = 0
    try:
        for entry in os.scandir(work):
            size = entry.stat().st_size
            if entry.name.startswith("film."):
                film = size
            else:
                parts += size
    except FileNotFoundError:  # it is being made or removed
        return
    seen.parts, seen.folder = max(seen.parts, parts), max(seen.folder, parts + film)
    if film > _HEADER:
        seen.joining = max(seen.joining, _usage(process)[1])


def _usage(process: int) -> tuple[float, float]:
    """Processor time, in seconds, and resident memory, in MiB, of a process and all below it."""
    ticks = pages = 0
    for number in _tree(process):
        try:
            fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:15]))  # utime, stime, and those of children that have ended
            pages += int(Path(f"/proc/{number}/statm").read_text().split()[1])
        except (OSError, IndexError):  # it has just ended
            continue
    return ticks / _TICK, pages * _PAGE / 2**20


def _tree(process: int) -> Iterator[int]:
    yield process
    try:
        for thread in os.scandir(f"/proc/{process}/task"):
            for child in Path(thread.path, "children").read_text().split():
                yield from _tree(int(child))
    except OSError:
        return


def stretches(samples: list[Sample], clip: int, total: int) -> list[Stretch]:
    """The run in tenths, each of as many whole repetitions of ``clip`` frames, the first one left out."""
    found = []
    length = max(1, (total // clip - 1) // _TENTHS) * clip
    first = total - min(_TENTHS, (total - clip) // length) * length
    for begin in range(first, total, length):
        inside = [one for one in samples if begin <= one.frames <= begin + length]
        early, late = inside[0], inside[-1]
        frames = late.frames - early.frames
        found.append(
            Stretch(
                frames,
                frames / (late.cpu_seconds - early.cpu_seconds),
                frames / (late.seconds - early.seconds),
                max(one.mebibytes for one in inside),
            )
        )
    return found


def findings(seen: Seen, clip: int, total: int, size: int) -> dict[str, Any]:
    """Figures of a run of ``total`` frames, ``clip`` to a repetition, whose result has ``size`` bytes."""
    tenths = [asdict(tenth) for tenth in stretches(seen.samples, clip, total)]
    return {
        "frames": seen.samples[-1].frames,
        "seconds": seen.samples[-1].seconds,
        "cpu_seconds": seen.samples[-1].cpu_seconds,
        "tenths": tenths,
        "last_to_first": {name: tenths[-1][name] / tenths[0][name] for name in tenths[0] if name != "frames"},
        "mebibytes_joining": seen.joining,
        "output_mebibytes": size / 2**20,
        "parts_to_output": seen.parts / size,
        "folder_to_output": seen.folder / size,
    }


def tell(found: dict[str, Any]) -> None:
    print("{frames} frames in {seconds:.0f} s, {cpu_seconds:.0f} s of processor time".format(**found))
    row = "{:10}{frames_per_cpu_second:14.1f}{frames_per_second:10.1f}{mebibytes:5.0f} MiB"
    print("tenth       frames/CPU s  frames/s   memory")
    for number, tenth in enumerate(found["tenths"], 1):
        print(row.format(number, **tenth))
    print(
        row.replace(".1f", ".3f").replace("5.0f} MiB", "9.3f}").format("last/first", **found["last_to_first"])
    )
    print("while parts are joined: {mebibytes_joining:.0f} MiB".format(**found))
    print(
        "working folder over the result's {output_mebibytes:.1f} MiB: parts {parts_to_output:.2f},"
        " with the film that they are joined to {folder_to_output:.2f}".format(**found)
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--clip-seconds", type=int, default=60, help="of film that is repeated")
    parser.add_argument("--size", default="160x120")
    parser.add_argument("--rate", type=int, default=15)
    parser.add_argument("--container", default="mp4", help="ending of the film and of the result")
    parser.add_argument("--model", default="default")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    with tempfile.TemporaryDirectory() as folder:
        source, target = (Path(folder, f"{name}.{options.container}") for name in ("film", "out"))
        film = make_film(
            source,
            minutes=options.minutes,
            clip_seconds=options.clip_seconds,
            size=(width, height),
            rate=options.rate,
        )
        print(film, flush=True)
        command = [sys.executable, "-m", "vidcolor", "run", str(source), "-o", str(target), "--json", "-q",
                   "--model", options.model]  # fmt: skip
        seen = watch(command, Path(folder, f".{target.name}.vidcolor"))
        size = target.stat().st_size
        with av.open(str(source)) as container:
            total = container.streams.video[0].frames
    found = {"film": film, **findings(seen, options.clip_seconds * options.rate, total, size)}
    tell(found)
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
