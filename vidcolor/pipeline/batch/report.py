"""What a batch leaves behind for people and programs: each film, what became of it, and the counts."""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from vidcolor import __version__
from vidcolor.errors import OutputError
from vidcolor.files import write_aside

__all__ = ["REPORT", "Entry", "State", "Totals", "refuse_report", "write_report"]

REPORT = "report.json"
_BEGINNING = b'{\n "vidcolor": "'
"""How every report begins, and hardly another program's."""

State = Literal["waiting", "running", "done", "kept", "failed"]
"""Of a film: "kept" was done before, "failed" failed this time."""


@dataclass(slots=True)
class Entry:
    """A film and what became of it, or a folder that could not be looked into."""

    source: str
    output: str | None
    """Path of the result; None where it got no name."""
    state: State = "waiting"
    facts: dict[str, Any] = field(default_factory=dict)
    """As in :class:`~vidcolor.pipeline.batch.journal.Record`."""

    def to_dict(self) -> dict[str, Any]:
        """As it stands in the report."""
        return {**self.facts, "input": self.source, "output": self.output, "state": self.state}


@dataclass(frozen=True, slots=True)
class Totals:
    """A batch in numbers."""

    counts: dict[State, int]
    frames: int
    """Coloured this time, again and again those of a film that changed; without parts of an earlier run."""
    seconds: float
    """Time the batch took this time, in seconds."""
    failed: tuple[tuple[str, str], ...]
    """Each film that failed, and why."""

    @classmethod
    def of(cls, entries: list[Entry], frames: int, seconds: float) -> Totals:
        """Counts entries."""
        states: tuple[State, ...] = ("done", "kept", "failed", "running", "waiting")
        counts = Counter(entry.state for entry in entries)
        return cls(
            {state: counts[state] for state in states},
            frames,
            seconds,
            tuple((e.source, str(e.facts.get("message", ""))) for e in entries if e.state == "failed"),
        )

    def to_dict(self) -> dict[str, Any]:
        """As ``--json`` prints it."""
        return {"films": self.counts, "frames": self.frames, "seconds": round(self.seconds, 3)}


def refuse_report(folder: Path) -> None:
    """Checks that a report can be written without a file being lost that no batch wrote.

    Raises:
        OutputError: it would be.
    """
    path = folder / REPORT
    if not os.path.lexists(path):
        return
    try:
        if path.is_file() and _is_report(path):
            return
    except OSError as error:
        raise OutputError(f"{path} cannot be read: {error.strerror}.") from error
    raise OutputError(f"{path} exists, and no batch wrote it; give -y to overwrite it, or another folder.")


def _is_report(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_BEGINNING)) == _BEGINNING


def write_report(
    folder: Path,
    state: str,
    settings: dict[str, Any],
    entries: list[Entry],
    notices: list[str],
    totals: Totals,
) -> None:
    """Writes the report of a batch, aside and renamed.

    Args:
        folder: where it is written.
        state: "running" (or killed meanwhile), "watching", "finished", "stopped" or "failed" (as a whole).
        settings: as :func:`~vidcolor.pipeline.batch.settings.settings_of` says them.
        entries: the films.
        notices: what there was to say that is of no single film.
        totals: of the entries.

    Raises:
        OutputError: it cannot be written.
    """
    report = {
        "vidcolor": __version__,
        "state": state,
        **totals.to_dict(),
        "notices": notices,
        "settings": settings,
        "results": [entry.to_dict() for entry in entries],
    }
    text = json.dumps(report, indent=1) + "\n"
    write_aside(folder / REPORT, lambda target: target.write_text(text, encoding="utf-8"))
