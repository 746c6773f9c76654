"""A run that something happens to: what it says, what it keeps, and the film after all is well again."""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from part_runs import add_film_options, packets, run_command

__all__ = ["add_options", "run"]

_ENCODER_DIES = """
import av.error
from vidcolor.media.video_encoder import VideoEncoder
encode, taken = VideoEncoder.encode, []
def dying(self, picture):
    taken.append(picture)
    if len(taken) > 100:
        raise av.error.ExternalError(-542398533, "Generic error in an external library")
    return encode(self, picture)
VideoEncoder.encode = dying
"""
_GPU_IS_LOST = """
from vidcolor.pipeline.colorist import Colorist
network, calls = Colorist._network, []
def lost(self, pictures, hints):
    calls.append(pictures)
    if len(calls) > 3:
        raise RuntimeError("CUDA error: unspecified launch failure\\nmore lines")
    return network(self, pictures, hints)
Colorist._network = lost
"""
_SMALL_DISK = 64 << 20
_WITHIN_S = 180


class _Skipped(Exception):
    """This machine cannot bring it about."""


@dataclass
class _Case:
    """One run and where it happens; accidents change it."""

    folder: Path
    source: Path
    original: Path
    undo: list[Callable[[], object]] = field(default_factory=list)

    @property
    def target(self) -> Path:
        return self.folder / "out" / "film.mkv"

    @property
    def work(self) -> Path:
        return self.folder / "out" / ".film.mkv.vidcolor"

    def repair(self) -> None:
        while self.undo:
            self.undo.pop()()


def _fill_the_disk(case: _Case) -> None:
    filler = case.folder / "out" / "filler"
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while file.write(b"\0" * 4096):
            pass
    case.undo.append(filler.unlink)


def _truncate(case: _Case) -> None:
    facts = case.source.stat()
    os.truncate(case.source, facts.st_size // 3)

    def restore() -> None:
        shutil.copyfile(case.original, case.source)
        os.utime(case.source, ns=(facts.st_atime_ns, facts.st_mtime_ns))

    case.undo.append(restore)


def _remove_input(case: _Case) -> None:
    away = case.source.with_name("away")
    case.source.rename(away)
    case.undo.append(lambda: away.rename(case.source))


def _remove_work(case: _Case) -> None:
    while case.work.exists():  # the run writes into it
        shutil.rmtree(case.work, ignore_errors=True)


def _lock_folders(case: _Case) -> None:
    for folder in (case.work, case.target.parent):
        if subprocess.run(["chattr", "+i", str(folder)], capture_output=True, check=False).returncode:
            raise _Skipped("chattr +i is not allowed")
        case.undo.append(lambda at=folder: subprocess.run(["chattr", "-i", str(at)], check=True))


def _lock_output(case: _Case) -> None:
    """The parts can be written, and the film not be moved to its name."""
    if subprocess.run(["chattr", "+i", str(case.target.parent)], capture_output=True, check=False).returncode:
        raise _Skipped("chattr +i is not allowed")
    case.undo.append(lambda: subprocess.run(["chattr", "-i", str(case.target.parent)], check=True))


@dataclass(frozen=True)
class _Accident:
    says: str
    """A pattern of the sentence."""
    happens: Callable[[_Case], None] | None = None
    """Once two parts are done."""
    patch: str = ""
    """Python that the process runs first."""
    disk: Callable[[int], int] | None = None
    """Bytes of a disk of its own, for a film of so many."""
    limit: float | None = None
    """Of the size of files, as a share of the film's."""
    keeps: bool = True
    """Whether parts can be kept."""


_ACCIDENTS = {
    "disk full": _Accident(
        r"The disk is full: .* could not be finished", _fill_the_disk, disk=lambda film: _SMALL_DISK
    ),
    # The parts fit, and the film beside them does not.
    "disk full while joining": _Accident(
        r"The disk is full: .* could not be finished", disk=lambda film: film * 3 // 2
    ),
    "file too large": _Accident(r"has grown larger than this disk or user may hold", limit=0.6),
    "input truncated": _Accident(r"was changed while it was read", _truncate),
    "input vanished": _Accident(r"cannot be read any more", _remove_input),
    "working folder deleted": _Accident(
        r"was removed while the film was made in it", _remove_work, keeps=False
    ),
    "folders read-only": _Accident(r"may not be written to", _lock_folders),
    "output folder read-only": _Accident(r"may not be written to", _lock_output),
    "dead encoder": _Accident(r"could not be written: Generic error", patch=_ENCODER_DIES),
    "lost GPU": _Accident(r"has failed: CUDA error: unspecified launch failure; try", patch=_GPU_IS_LOST),
}


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--only", choices=sorted(_ACCIDENTS), action="append", help="repeatable")
    add_film_options(parser, seconds=8, part=1)


def run(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Makes the film once in peace, and once with each accident; returns what was found."""
    whole = folder / "whole.mkv"
    peace = subprocess.run(
        run_command(options, options.film, whole, "--no-progress"),
        check=False,
        capture_output=True,
        text=True,
    )
    if peace.returncode:
        return {"wrong": [f"in peace: {peace.stderr}"]}
    found: dict[str, Any] = {"wrong": [], "accidents": {}}
    for name, accident in _ACCIDENTS.items():
        if options.only and name not in options.only:
            continue
        place = folder / name.replace(" ", "-")
        case = _Case(place, place / f"in{options.film.suffix}", options.film)
        begun = time.perf_counter()
        try:
            facts = _one(options, accident, case, whole)
        except _Skipped as error:
            print(f"{name}: not tried, {error}")
            continue
        finally:
            case.repair()
        found["accidents"][name] = facts
        found["wrong"] += [f"{name}: {problem}" for problem in facts["wrong"]]
        took = time.perf_counter() - begun
        print(
            f"{name}: {facts['said']!r}, {facts['kept']} frames kept, {took:.0f} s; {facts['wrong'] or 'ok'}"
        )
    return found


def _one(options: argparse.Namespace, accident: _Accident, case: _Case, whole: Path) -> dict[str, Any]:
    (case.folder / "out").mkdir(parents=True)
    shutil.copyfile(options.film, case.source)
    unmount = _mounted(case, accident.disk(whole.stat().st_size)) if accident.disk is not None else None
    try:
        command = run_command(options, case.source, case.target, "--no-progress", accident.patch)
        limit = None if accident.limit is None else int(accident.limit * whole.stat().st_size)
        code, err = _run(command, case, accident.happens, limit)
        wrong = _wrong_with(accident, case, code, err)
        kept = _frames_done(case)
        case.repair()
        again = subprocess.run(
            run_command(options, case.source, case.target, "--no-progress"),
            check=False,
            capture_output=True,
            text=True,
        )
        if again.returncode:
            wrong.append(f"after repair: {again.returncode}, {again.stderr}")
        elif packets(case.target) != packets(whole):
            wrong.append("after repair: the film is not the one that is made in peace")
        elif kept and f"{kept} frames were done by an earlier run" not in again.stdout + again.stderr:
            wrong.append("after repair: what was kept was not used")
        left = sorted(path.name for path in case.target.parent.iterdir())
        if left != [case.target.name]:
            wrong.append(f"left behind: {left}")
        said = next((line for line in err.splitlines() if "error: " in line), err[-300:])
        return {"code": code, "said": said.replace(str(case.folder), "…"), "kept": kept, "wrong": wrong}
    finally:
        if unmount is not None:
            unmount()


def _wrong_with(accident: _Accident, case: _Case, code: int, err: str) -> list[str]:
    wrong = []
    errors = [line for line in err.splitlines() if line.startswith("vidcolor: error: ")]
    if code != 1:
        wrong.append(f"exit {code}")
    if len(errors) != 1 or not re.search(accident.says, errors[0]) or "internal error" in err:
        wrong.append(f"it said {err[-500:]!r}")
    if "Traceback" in err:
        wrong.append("a traceback")
    if case.target.exists():
        wrong.append("there is a film")
    kept = _frames_done(case)
    if accident.keeps and not kept:
        wrong.append("nothing was kept")
    if kept and f"{kept} frames are done and kept; the same command goes on from there" not in err:
        wrong.append("it did not say how to go on")
    return wrong


def _mounted(case: _Case, size: int) -> Callable[[], object]:
    """A disk of so many bytes for the output, which is larger once it is repaired."""
    out = case.target.parent
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(out)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        raise _Skipped("mounting is not allowed")
    larger = ["mount", "-o", f"remount,size={3 * size}", str(out)]
    case.undo.append(lambda: subprocess.run(larger, check=True))
    return lambda: subprocess.run(["umount", str(out)], check=True)


def _run(
    command: list[str], case: _Case, happens: Callable[[_Case], None] | None, limit: int | None
) -> tuple[int, str]:
    """A run that something happens to once two parts are done: its exit status and its words."""

    def prepare() -> None:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, preexec_fn=prepare
    ) as process:
        if happens is not None:
            end = time.monotonic() + _WITHIN_S
            while len(_entries(case)) < 2 and process.poll() is None and time.monotonic() < end:
                time.sleep(0.02)
            try:
                happens(case)
            except _Skipped:
                process.kill()
                raise
        _, err = process.communicate(timeout=_WITHIN_S)
        return process.returncode, err


def _entries(case: _Case) -> list[dict[str, Any]]:
    try:
        return list(json.loads((case.work / "journal.json").read_text())["parts"])
    except (OSError, ValueError):
        return []


def _frames_done(case: _Case) -> int:
    return sum(entry["frames"] for entry in _entries(case))
