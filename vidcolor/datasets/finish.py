"""The last step of a set: what is held out, the final names, the manifest, the pictures to look at."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from vidcolor import __version__
from vidcolor.datasets.collect import Row, write_file
from vidcolor.datasets.images import mean_counts
from vidcolor.datasets.manifest import DATASET, FORMAT, MANIFEST
from vidcolor.datasets.options import BuildOptions
from vidcolor.datasets.sheets import CONTACT_SHEET, HISTOGRAM, Shown, contact_sheet, histogram_picture, png
from vidcolor.datasets.sources import Source
from vidcolor.datasets.split import hold_out
from vidcolor.frames import Metadata
from vidcolor.media.target import writing

__all__ = ["Finished", "finish_set"]

_KNOWN = [field.name for field in fields(Metadata)]


@dataclass(frozen=True, slots=True)
class Finished:
    """What a set has become."""

    train: int
    test: int
    shots: int
    labels: tuple[str, ...]


def finish_set(
    folder: Path,
    final: Path,
    rows: Sequence[Row],
    left_out: Mapping[str, int],
    sources: Sequence[Source],
    options: BuildOptions,
    film_facts: Mapping[str, Mapping[str, Any]],
    notify: Callable[[str], None],
) -> Finished:
    """Gives every picture its part and its name, and writes the rest; ``dataset.json`` last."""
    parts = _parts(rows, options)
    if not options.has_lists and options.test_share and "test" not in parts:
        notify(f"There is only one {options.split}, so nothing is held out.")
    with writing(final):
        entries = _name_pictures(folder, rows, parts)
        lines = "".join(json.dumps(entry) + "\n" for entry in entries)
        write_file(folder / MANIFEST, lines.encode())
        prior = mean_counts(
            [(r.bins, r.counts) for r, part in zip(rows, parts, strict=True) if part == "train"]
        )
        write_file(folder / CONTACT_SHEET, png(contact_sheet(_shown(folder, entries))))
        if prior is not None:
            write_file(folder / HISTOGRAM, png(histogram_picture(prior)))
        labels = _label_counts(entries)
        counts = Counter(parts)
        shots = len({(row.origin.source, row.origin.shot) for row in rows})
        head = {
            "format": FORMAT,
            "version": __version__,
            "settings": options.to_dict(),
            "counts": {"train": counts["train"], "test": counts["test"], "shots": shots},
            "left_out": dict(sorted(left_out.items())),
            "sources": _source_counts(sources, rows, film_facts),
            "labels": labels,
            "prior": prior,
        }
        write_file(folder / DATASET, (_json(head) + "\n").encode())
    return Finished(counts["train"], counts["test"], shots, tuple(labels))


def _parts(rows: Sequence[Row], options: BuildOptions) -> list[str]:
    """Train or test for each picture; the share is drawn label by label, so that none is missing."""
    parts = ["train"] * len(rows)
    if options.has_lists:
        return [row.origin.part or "train" for row in rows]
    for label in sorted({row.origin.label or "" for row in rows}):
        mine = [n for n, row in enumerate(rows) if (row.origin.label or "") == label]
        groups = [_group(rows[n], n, options) for n in mine]
        for n, held in zip(mine, hold_out(groups, options.test_share, options.seed), strict=True):
            parts[n] = "test" if held else "train"
    return parts


def _group(row: Row, number: int, options: BuildOptions) -> Hashable:
    """What must not be torn apart."""
    match options.split:
        case "shot":
            return row.origin.source, row.origin.shot
        case "film":
            return row.origin.source
        case _:
            return number


def _name_pictures(folder: Path, rows: Sequence[Row], parts: Sequence[str]) -> list[dict[str, Any]]:
    """Moves the pictures to their final names; returns the lines of the manifest."""
    for part in ("train", "test"):
        (folder / part).mkdir()
    entries = []
    for number, (row, part) in enumerate(zip(rows, parts, strict=True)):
        file = f"{part}/{number:06}{row.path.suffix}"
        os.replace(row.path, folder / file)
        entries.append(_entry(file, row, part))
    return entries


def _entry(file: str, row: Row, part: str) -> dict[str, Any]:
    origin, when = row.origin, row.origin.time
    return {
        "file": file,
        "source": origin.source,
        "pts": when.pts if when else None,
        "time_base": str(when.time_base) if when else None,
        "seconds": round(when.seconds, 6) if when else None,
        "shot": origin.shot,
        "crop": list(row.crop),
        "colorfulness": round(row.colorfulness, 2),
        "split": part,
        "label": origin.label,
        "metadata": {name: getattr(origin.metadata, name) for name in _KNOWN},
    }


def _shown(folder: Path, entries: Sequence[Mapping[str, Any]]) -> list[Shown]:
    return [Shown(folder / e["file"], e["source"], e["seconds"], e["shot"], e["split"]) for e in entries]


def _label_counts(entries: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    """Pictures of each label in each part, for whoever balances them."""
    counts = Counter((entry["label"], entry["split"]) for entry in entries if entry["label"] is not None)
    return {
        label: {part: counts[label, part] for part in ("train", "test")}
        for label in sorted({label for label, _ in counts})
    }


def _source_counts(
    sources: Sequence[Source], rows: Sequence[Row], film_facts: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Pictures of each film, with what was found of it; all picture files together."""
    counts = Counter(row.origin.source for row in rows)
    films = {
        source.name: {"pictures": counts[source.name], **film_facts.get(source.name, {})}
        for source in sources
        if source.is_film
    }
    files = [source for source in sources if not source.is_film]
    return {"films": films, "files": len(files), "pictures_of_files": sum(counts[s.name] for s in files)}


def _json(head: Mapping[str, Any]) -> str:
    """Indented, but with a row of numbers on one line."""
    text = json.dumps({**head, "prior": None}, indent=2)
    return text.replace('"prior": null', f'"prior": {json.dumps(head["prior"])}')
