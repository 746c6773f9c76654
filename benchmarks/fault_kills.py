"""A run that is killed at random moments and started again, until its film is done."""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from part_runs import add_film_options, packets, run_command

__all__ = ["add_options", "run"]

_CODES = {"KILL": -signal.SIGKILL, "TERM": 128 + signal.SIGTERM, "INT": 130}


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--count", type=int, default=20, help="kills")
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--signal", choices=sorted(_CODES), default="KILL")
    add_film_options(parser, seconds=30, part=2)


def run(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Makes the film once in peace, and with kills as often as it takes for all of them; what was found."""
    whole, target = folder / "whole.mkv", folder / "killed.mkv"
    begun = time.perf_counter()
    subprocess.run(run_command(options, options.film, whole, "--json"), check=True, capture_output=True)
    peaceful = time.perf_counter() - begun
    draw = random.Random(options.seed)
    wrong: list[str] = []
    lost: list[int] = []
    films = 0
    while len(lost) < options.count and not wrong:
        _one_film(options, target, draw, peaceful, lost, wrong)
        if target.exists() and packets(target) != packets(whole):
            wrong.append("the film is not the one that is made in peace")
        left = sorted(path.name for path in folder.iterdir())
        if not wrong and left != sorted((target.name, whole.name)):
            wrong.append(f"left behind: {left}")
        target.unlink(missing_ok=True)
        films += 1
    half = sorted(lost)[len(lost) // 2] if lost else 0
    parts = f"frames lost at a kill: median {half}, most {max(lost, default=0)}"
    print(
        f"{len(lost)} x SIG{options.signal} on the way to {films} films, {parts}; in peace {peaceful:.1f} s;"
        f" wrong: {wrong or 'nothing'}"
    )
    return {"kills": len(lost), "films": films, "lost": lost, "wrong": wrong}


def _one_film(
    options: argparse.Namespace,
    target: Path,
    draw: random.Random,
    peaceful: float,
    lost: list[int],
    wrong: list[str],
) -> None:
    """Starts a film again and again until it is done or something is wrong; notes what each kill lost."""
    kept = 0
    while True:
        # Early and late in the run, and while it starts and joins.
        wait = draw.uniform(0, 1.1 * peaceful) if len(lost) < options.count else None
        code, seen, err = _run(
            run_command(options, options.film, target, "--json"),
            wait,
            getattr(signal, f"SIG{options.signal}"),
        )
        if code == 0:
            return
        if target.exists():  # killed while it tidied up: the film has its name, its parts may still lie there
            shutil.rmtree(target.parent / ".killed.mkv.vidcolor", ignore_errors=True)
            lost.append(0)
            return
        early = not seen and code == -getattr(signal, f"SIG{options.signal}")  # Python was still starting
        if wait is None or not (early or code == _CODES[options.signal]):
            wrong.append(f"run {len(lost) + 1} ended with {code}: {err.strip()[-300:]}")
            return
        done = _journal(target.parent)
        if (done[-1]["until"] if done else 0) < kept:
            wrong.append(f"kill {len(lost) + 1}: {kept} frames were done, not all are left")
            return
        kept = done[-1]["until"] if done else 0
        if kept and options.signal != "KILL" and seen and "goes on from there" not in err:
            wrong.append(f"kill {len(lost) + 1} did not say how to go on: {err.strip()[-300:]}")
        lost.append(max(0, seen - kept))


def _run(command: list[str], wait: float | None, number: int) -> tuple[int, int, str]:
    """A run killed after ``wait`` seconds: its exit status, the frames it said it had, and its words."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            out, err = process.communicate(timeout=wait)
        except subprocess.TimeoutExpired:
            process.send_signal(number)
            out, err = process.communicate()
    events = [json.loads(line) for line in out.splitlines() if line.endswith("}")]
    seen = max((event["frame"] for event in events if event["event"] == "progress"), default=0)
    return process.returncode, seen, err


def _journal(folder: Path) -> list[dict[str, Any]]:
    path = folder / ".killed.mkv.vidcolor" / "journal.json"
    return json.loads(path.read_text())["parts"] if path.exists() else []
