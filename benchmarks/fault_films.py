"""Damaged films through `vidcolor run`: each must end soon, with exit 0 or 1, in little memory."""

from __future__ import annotations

import argparse
import random
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
from av.container import OutputContainer
from clips import DATA
from mutations import KINDS, mutate
from watched import Outcome, watched

from vidcolor import VidcolorError

__all__ = ["add_options", "run"]

_SECONDS = 1
_SOURCES = (
    # name of the small film, where it is from, whether its first second is cut out
    ("comedy.mp4", "bw/silent_comedy.mp4", True),
    ("comedy.mkv", "bw/silent_comedy.mp4", True),
    ("traffic.avi", "train/highway02.avi", True),
    ("bunny.ts", "train/big_buck_bunny_360p_000-300s.mp4", True),
    ("phone.mp4", "demo/carphone.mp4", True),
    ("highway.avi", "demo/highway01.avi", True),
    ("nasa.mkv", "odd/nasa_13013.mp4", True),
    ("frames.webm", "odd/frames.webm", True),
    ("transparent.webm", "odd/transparent.webm", False),
    ("av1.mkv", "odd/av1_video.mkv", True),
    ("cradle.gif", "odd/newtonscradle.gif", False),
    ("bits10.mp4", "odd/h264_10bits.mp4", False),
    ("hevc10.mp4", "odd/h265_10bits.mp4", False),
    ("nasa.mp4", "odd/nasa_13013.mp4", True),
    ("rotated.mp4", "odd/video_rotation_90.mp4", False),
    ("minimal.mp4", "odd/minimal.mp4", False),
    ("start.ts", "odd/no-initial-keyframe.ts", False),
)
_OPTIONS = ((), ("-t", "2"), ("-t", "2"), ("--ss", "0.4", "-t", "1"))
_RANGE_WORDS = ("has no frame in the range asked for", "before the start asked for")
_BOUND_WORDS = ("--max-pixels", "cannot encode")
"""In refusals of films that can be decoded: what no encoder takes, and what would take all memory."""
_KEPT_ENDINGS = (".mp4", ".mkv", ".webm")
_FRESH = 50
"""Each so many-th film is coloured by a process that imports everything anew."""


@dataclass(slots=True)
class Case:
    """One damaged film, and what became of it."""

    index: int
    source: str
    kind: str
    options: list[str]
    verdict: str = ""
    """"done", "refused", or what is wrong."""
    code: int | None = None
    seconds: float = 0.0
    peak: int = 0
    """MiB."""
    said: str = ""
    problems: list[str] = field(default_factory=list)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--first", type=int, default=0, help="number of the first film, to see one again")
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=60, help="limit for each")
    parser.add_argument("--mebibytes", type=int, default=2048, help="limit for each")
    parser.add_argument("--model", default="grey")
    parser.add_argument("--keep", type=Path, help="folder for films that failed")


def run(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Colours the films; returns what came out, for JSON."""
    import vidcolor.cli.run
    import vidcolor.pipeline.run  # noqa: F401  # what every film would import

    if not (DATA / "video").is_dir():
        raise SystemExit("the mutations are made of the data folder's films (VIDCOLOR_DATA)")
    sources = make_sources(folder / "sources")
    cases = []
    for index in range(options.first, options.first + options.count):
        place = folder / str(index)
        place.mkdir()
        case = one(index, sources, place, options)
        cases.append(case)
        if case.problems:
            print(f"{index} {case.source} {case.kind} {case.options}: {case.problems} {case.said}")
            sys.stdout.flush()
            if options.keep:
                options.keep.mkdir(parents=True, exist_ok=True)
                film = place / "in" / f"film{Path(case.source).suffix}"
                shutil.copy(film, options.keep / f"{index}-{case.source}")
        shutil.rmtree(place)
    return report(cases, options)


def make_sources(folder: Path) -> dict[str, bytes]:
    """The small films, by name."""
    folder.mkdir()
    for name, source, cut in _SOURCES:
        path = DATA / "video" / source
        if cut:
            cut_film(path, folder / name)
        else:
            shutil.copyfile(path, folder / name)
    return {name: (folder / name).read_bytes() for name, _, _ in _SOURCES}


def cut_film(source: Path, target: Path) -> None:
    """The first second of a film, its packets put into another container; Matroska gets all it can hold."""
    with av.open(str(source), metadata_errors="replace") as film, av.open(str(target), "w") as out:
        if target.suffix == ".mkv":
            out.metadata.update({"title": "a film", "creation_time": "1926-11-21T11:00:00Z"})
            out.set_chapters([{"id": 1, "start": 0, "end": 500, "time_base": Fraction(1, 1000),
                               "metadata": {"title": "one"}}])  # fmt: skip
        streams = {s.index: _add(out, s) for s in film.streams if s.type in ("video", "audio", "subtitle")
                   and not (s.type == "subtitle" and target.suffix == ".mkv")}  # fmt: skip
        if target.suffix == ".mkv":
            out.add_attachment("font.ttf", "application/x-truetype-font", bytes(range(256)))
        ended = set()
        for packet in film.demux(*(film.streams[index] for index in streams)):
            stamp = packet.pts if packet.pts is not None else packet.dts
            if packet.size == 0 or stamp is None:
                continue
            if stamp * packet.time_base >= _SECONDS:
                ended.add(packet.stream_index)
            if ended == set(streams):
                break
            if packet.stream_index not in ended:
                packet.stream = streams[packet.stream_index]
                out.mux(packet)


def _add(out: OutputContainer, stream: Any) -> Any:
    if stream.codec_context.name == "libdav1d":  # which has no encoder of that name
        return out.add_mux_stream("av1", width=stream.width, height=stream.height)
    return out.add_stream_from_template(stream)


def one(index: int, sources: dict[str, bytes], place: Path, options: argparse.Namespace) -> Case:
    """Damages a film and colours it."""
    rng = random.Random(f"{options.seed}:{index}")
    names, kinds = list(sources), list(KINDS)
    # Every kind meets every film before one of them meets it again.
    source, kind = names[index % len(names)], kinds[(index + index // len(names)) % len(kinds)]
    other = sources[rng.choice(names)]
    case = Case(index, source, kind, list(rng.choice(_OPTIONS)))
    (place / "in").mkdir()
    film = place / "in" / f"film{Path(source).suffix}"
    film.write_bytes(mutate(sources[source], kind, rng, other))
    target = film.with_suffix(".color" + (film.suffix if film.suffix in _KEPT_ENDINGS else ".mkv"))
    preset = "8" if target.suffix == ".webm" else "ultrafast"
    arguments = ["run", str(film), "--model", options.model, "--network-size", "64", "--preset", preset,
                 *case.options]  # fmt: skip
    result = color(arguments, place, options, fresh=index % _FRESH == _FRESH - 1)
    judge(case, result, film, target, place, options)
    return case


def color(arguments: list[str], place: Path, options: argparse.Namespace, *, fresh: bool) -> Outcome:
    def work() -> int:
        if fresh:
            return subprocess.run([sys.executable, "-m", "vidcolor", *arguments], check=False).returncode
        from vidcolor.cli.app import main

        return main(arguments)

    # A little more than is allowed, so that it is seen how it goes on.
    return watched(work, place, seconds=options.seconds, mebibytes=options.mebibytes * 5 // 4)


def judge(
    case: Case, result: Outcome, film: Path, target: Path, place: Path, options: argparse.Namespace
) -> None:
    """What is wrong with how it ended."""
    case.code, case.seconds, case.peak = result.code, round(result.seconds, 2), result.peak
    lines = result.err.strip().splitlines()
    case.said = lines[-1] if lines else ""
    wrong = case.problems
    if result.timed_out:
        wrong.append("took too long")
    elif result.signal:
        wrong.append(f"killed by {result.signal}")
    elif result.code not in (0, 1):
        wrong.append(f"exit code {result.code}")
    if "Traceback" in result.err or "internal error" in result.err:
        wrong.append("traceback")
    if result.peak > options.mebibytes:
        wrong.append(f"{result.peak} MiB")
    if any(not line.startswith("vidcolor: ") for line in lines):
        wrong.append("stray words on stderr")
    there = sorted(p.name for p in (place / "in").iterdir())
    if result.code == 0:
        if not decoded(target, place, result=True):
            wrong.append("the result cannot be played")
        if there != sorted([film.name, target.name]):
            wrong.append(f"left behind: {there}")
    elif result.code == 1:
        if not case.said.startswith("vidcolor: error: "):
            wrong.append("no sentence")
        if there != [film.name]:
            wrong.append(f"left behind: {there}")
        allowed = (*_BOUND_WORDS, *(_RANGE_WORDS if case.options else ()))
        if not any(words in case.said for words in allowed) and decoded(film, place, result=False):
            wrong.append("refused although a frame can be decoded")
    case.verdict = "wrong" if wrong else "done" if result.code == 0 else "refused"


def decoded(path: Path, place: Path, *, result: bool) -> bool:
    """Whether PyAV decodes a frame of the stream that is coloured, or of any of a result; False, too, where
    that takes it down."""

    def work() -> int:
        return 0 if any_frame(path, result=result) else 1

    return watched(work, place, seconds=30, mebibytes=4096).code == 0


def any_frame(path: Path, *, result: bool) -> bool:
    try:
        with av.open(str(path), metadata_errors="replace") as film:
            films = [stream.index for stream in film.streams.video]
        if not result:
            from vidcolor.media.probe import probe

            films = [index for index in films if index == probe(path).best_video]
        return any(_first_frame(path, index) for index in films)
    except (av.error.FFmpegError, OSError, ValueError, RuntimeError, VidcolorError):
        return False


def _first_frame(path: Path, index: int) -> bool:
    with av.open(str(path), metadata_errors="replace") as film:
        stream = film.streams[index]
        for _ in range(20):  # read errors
            try:
                for packet in film.demux(stream):
                    if packet.size and stream.codec_context.decode(packet):
                        return True
                return bool(stream.codec_context.decode(None))
            except av.error.FFmpegError:
                continue
    return False


def report(cases: list[Case], options: argparse.Namespace) -> dict[str, Any]:
    """Prints the table."""
    for what, key in (("container", lambda c: Path(c.source).suffix[1:]), ("mutation", lambda c: c.kind)):
        print(f"\n| {what} | films | coloured | refused | wrong | longest, s | most memory, MiB |")
        print("|---|---|---|---|---|---|---|")
        for name in [*sorted({key(c) for c in cases}), "all"]:
            rows = [c for c in cases if name in ("all", key(c))]
            count = Counter(c.verdict for c in rows)
            slowest, largest = max(c.seconds for c in rows), max(c.peak for c in rows)
            print(f"| {name} | {len(rows)} | {count['done']} | {count['refused']} | {count['wrong']} "
                  f"| {slowest:.1f} | {largest} |")  # fmt: skip
    wrong = [c for c in cases if c.problems]
    print(f"\n{len(cases)} films, {len(wrong)} wrong; seed {options.seed}")
    shown = [{name: getattr(c, name) for name in Case.__slots__} for c in cases]
    return {"seed": options.seed, "films": len(cases), "wrong": len(wrong), "cases": shown}
