"""Runs in short parts, as processes of their own, for the fault benchmarks."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import av
from clips import DATA

__all__ = ["add_film_options", "packets", "run_command"]

_SOURCE = DATA / "video" / "train" / "big_buck_bunny_360p_000-300s.mp4"
_RUN = """
import sys
from fractions import Fraction
from vidcolor.pipeline import parts
parts.SHORTEST, parts.LONGEST = Fraction({0}), Fraction({0}) * 2
{1}
from vidcolor.cli import main
sys.exit(main())
"""


def add_film_options(parser: argparse.ArgumentParser, *, seconds: float, part: float) -> None:
    """What film is made and how; the defaults of two of them."""
    parser.add_argument("--film", type=Path, default=_SOURCE)
    parser.add_argument("--seconds", type=float, default=seconds, help="of the film")
    parser.add_argument("--part", type=float, default=part, help="shortest part, in seconds of film")
    parser.add_argument("--model", default="default")
    parser.add_argument("--codec", default="ffv1")


def run_command(
    options: argparse.Namespace, source: Path, target: Path, reporter: str, patch: str = ""
) -> list[str]:
    """A run that colours all of a film; ``patch``: Python that comes before it."""
    code = _RUN.format(repr(str(options.part)), patch)
    arguments = ["run", str(source), "-o", str(target), "-t", str(options.seconds), reporter]
    arguments += ["--keep-colour", "off", "--model", options.model, "-c:v", options.codec]
    return [sys.executable, "-c", code, *arguments]


def packets(path: Path) -> list[tuple[Any, ...]]:
    """All of a film's packets and their times."""
    with av.open(str(path)) as container:
        return [
            (p.stream_index, p.pts, p.dts, p.duration, p.is_keyframe, bytes(p))
            for p in container.demux()
            if p.size
        ]
