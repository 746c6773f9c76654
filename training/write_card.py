#!/usr/bin/env python3
"""Measures a weights file with ``vidcolor evaluate`` and writes its card; nothing in a card is typed by hand
but the words of its template.

    python training/write_card.py vidcolor/weights/default.safetensors --data DATA --work FOLDER
    python training/write_card.py vidcolor/weights/default.safetensors

The first measures the pictures and films of ``held_out.py`` (what is in FOLDER already for these weights is
not measured again), keeps the figures in ``training/default.json``, draws the photographs of scikit-image
into ``docs/default-model.jpg``, and writes the card beside the weights. The second writes the card again from
the figures that were kept, after a change of ``default_card.md``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

import cv2
import held_out
import numpy as np
from evaluated import evaluated

from vidcolor.evaluation.figures import FIGURES, written
from vidcolor.evaluation.options import EvaluateOptions
from vidcolor.evaluation.pictures import evaluate_set
from vidcolor.evaluation.rows import group_rows, headline, rows
from vidcolor.evaluation.stills import Groups
from vidcolor.evaluation.table import piped, tables
from vidcolor.models import resolve_model
from vidcolor.pipeline.options import RunOptions

HERE = Path(__file__).parent
SHOWN = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")
"""Photographs in scikit-image that may be published: NASA, CC0, CC0, CC0."""
STAGE = {
    "crops": "crops of {} pixels",
    "batches": "{} at a time",
    "rate": "highest learning rate {}",
    "rarity": "rarity to the power {}",
    "cartoons": "{} cartoons to 1 of all else",
    "seed": "seed {}",
}
"""What a training stage may say of itself, in words; anything else is told by its name."""
TOLD_ELSEWHERE = ("script", "seconds", "steps", "stages", "machine", "torch", "parameters", "trained_on",
                  "held_out")  # fmt: skip
FILM_HEADINGS = (
    "film", "frames", *(FIGURES[name].heading for name in ("psnr", "gain")), "95 %",
    f"{FIGURES['colorfulness'].heading} / truth’s", FIGURES["colorfulness_ratio"].heading,
    *(f"{FIGURES[name].heading} / truth’s" for name in ("cdc", "warp_error")),
)  # fmt: skip


# Measuring


def measured(
    weights: Path, data: Path, work: Path, limit: int | None, films: Sequence[str] | None = None
) -> dict[str, Any]:
    """The figures of these weights that a card tells, all from files of ``vidcolor evaluate -o``.

    Args:
        weights: the file.
        data: the folder with ``photos`` and ``video``.
        work: what is there already is not measured again.
        limit: pictures at most, drawn; None: all.
        films: names of the films; None: all.
    """
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    folder = work / digest[:12]
    folder.mkdir(parents=True, exist_ok=True)
    pictures = work / "held_out"
    if not pictures.exists():
        held_out.lay_out(data, pictures)
    size = ["--size", str(held_out.SHORT_SIDE)]
    bound = [] if limit is None else ["--limit", str(limit)]
    name = "pictures.json" if limit is None else f"pictures-{limit}.json"
    of_films = {
        film.name: of_film(evaluated(weights, film, folder / f"{film.name}.json"))
        for film in held_out.films(data)
        if films is None or film.name in films
    }
    return {
        "weights": digest,
        "limit": limit,
        "pictures": of_pictures(evaluated(weights, pictures, folder / name, *size, *bound)),
        "films": of_films,
    }


def of_pictures(data: dict[str, Any]) -> dict[str, Any]:
    """All figures of the pictures together, by source and by kind; not those of each one."""
    by_source, by_kind = Groups(), Groups()
    for row in data["pictures"]["rows"]:
        by_source.add(row["group"], row)
        by_kind.add(held_out.kind_of(row["group"], row["name"]), row)
    seed = data["measured"]["seed"]
    kept = {name: data[name] for name in ("vidcolor", "kind", "measured", "figures", "left_out", "notices")}
    return kept | {"sources": by_source.found(seed), "kinds": by_kind.found(seed)}


def of_film(data: dict[str, Any]) -> dict[str, Any]:
    names = ("vidcolor", "kind", "film", "measured", "frames", "shots", "figures", "steadiness", "notices")
    return {name: data[name] for name in names}


def draw(weights: Path, work: Path, output: Path) -> None:
    """Grey, result and truth below each other, of the photographs that may be shown."""
    import skimage

    folder = work / "shown"
    folder.mkdir(parents=True, exist_ok=True)
    for name in SHOWN:
        source = Path(skimage.__file__).parent / "data" / name
        (folder / name).write_bytes(source.read_bytes())
    outcome = evaluate_set(folder, RunOptions(model=str(weights)), EvaluateOptions(pictures=True))
    by_name = {panel.facts["name"]: panel.pictures for panel in outcome.gallery.grid}
    columns = []
    for name in SHOWN:
        decoded = [cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR) for jpeg in by_name[name]]
        columns.append(np.vstack(decoded))
    output.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(output), np.hstack(columns), [cv2.IMWRITE_JPEG_QUALITY, 85])


# Writing


def card(template: str, training: Mapping[str, Any], figures: Mapping[str, Any], picture: str) -> str:
    """The card's text.

    Args:
        template: its words; ``$training``, ``$trained_on``, ``$headline``, ``$figures``, ``$kinds``,
            ``$sources``, ``$films``, ``$parameters`` and ``$picture`` stand for what is filled in.
        training: the weights file's training summary; what it lacks is left out.
        figures: what :func:`measured` found.
        picture: where the picture lies, as the card links it.
    """
    pictures, films = figures["pictures"], figures["films"]
    parameters = training.get("parameters")
    return Template(template).substitute(
        parameters=f"{parameters / 1e6:.1f} million parameters" if parameters else "its parameters uncounted",
        training="\n".join(training_lines(training)),
        trained_on=trained_on(training),
        headline=headline(pictures),
        figures=tables({**pictures, "groups": {}}),
        kinds=piped(group_rows(pictures["kinds"])),
        sources=piped(group_rows(pictures["sources"])),
        films=piped([FILM_HEADINGS, *(film_row(name, film) for name, film in films.items())]),
        short_side=pictures["measured"]["short_side"],
        picture=picture,
    )


def training_lines(training: Mapping[str, Any]) -> list[str]:
    """How it was trained, as a list."""
    facts = []
    if "script" in training:
        facts.append(f"`{training['script']}`")
    if "seconds" in training:
        facts.append(f"{training['seconds'] / 60:.0f} minutes")
    if "steps" in training:
        facts.append(f"{training['steps']:,} steps")
    lines = [f"- {', '.join(facts)}{', in these stages:' if training.get('stages') else ''}"] if facts else []
    lines += [f"  - {stage_text(stage)}" for stage in training.get("stages", ())]
    where = [str(training["machine"])] if "machine" in training else []
    where += [f"torch {training['torch']}"] if "torch" in training else []
    lines += [f"- On {', '.join(where)}."] if where else []
    others = {name: value for name, value in training.items() if name not in TOLD_ELSEWHERE}
    return lines + [f"- {name.replace('_', ' ')}: {plain(value)}" for name, value in others.items()]


def stage_text(stage: Mapping[str, Any]) -> str:
    length = [f"{stage['minutes']:g} minutes"] if "minutes" in stage else []
    length += [f"{stage['steps']:,} steps"] if "steps" in stage else []
    words = [
        STAGE[name].format(plain(value)) if name in STAGE else f"{name.replace('_', ' ')} {plain(value)}"
        for name, value in stage.items()
        if name not in ("minutes", "steps") and value is not None
    ]
    return ": ".join(filter(None, (", ".join(length), ", ".join(words))))


def plain(value: Any) -> str:
    """A value of a training summary in a sentence."""
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, (list, tuple)):
        return " then ".join(dict.fromkeys(map(plain, value)))
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {plain(entry)}" for name, entry in value.items())
    return str(value)


def trained_on(training: Mapping[str, Any]) -> str:
    """The pictures it learnt from, by source."""
    counts = training.get("trained_on")
    if not counts:
        return "The weights file does not say on what it was trained."
    table = [("source", "pictures"), *((source, f"{count:,}") for source, count in counts.items())]
    return f"Trained on {sum(counts.values()):,} pictures:\n\n{piped(table)}"


def film_row(name: str, film: Mapping[str, Any]) -> tuple[str, ...]:
    """A row below :data:`FILM_HEADINGS`."""
    by_name = {row.name: row for row in rows(film)}

    def cells(*names: str) -> list[str]:
        return [by_name[each].beside_truth if each in by_name else written(each, None) for each in names]

    steady = cells("colorfulness", "colorfulness_ratio", "cdc", "warp_error")
    return name, f"{film['frames']:,}", *cells("psnr", "gain"), by_name["gain"].interval, *steady


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("weights", type=Path)
    parser.add_argument("--data", type=Path, help="measure: the folder with photos/ and video/")
    parser.add_argument("--work", type=Path, help="with --data: a folder for what is measured")
    parser.add_argument("--limit", type=int, help="pictures at most, drawn; for a try, not for a card")
    parser.add_argument("-o", "--output", type=Path, help="the card  [beside the weights, ending in .md]")
    parser.add_argument("--figures", type=Path, default=HERE / "default.json", help="the figures kept")
    parser.add_argument("--template", type=Path, default=HERE / "default_card.md")
    parser.add_argument("--picture", type=Path, default=HERE.parent / "docs" / "default-model.jpg")
    options = parser.parse_args()
    output = options.output or options.weights.with_suffix(".md")
    if (options.data is None) != (options.work is None):
        parser.error("--data and --work go together")
    if options.data is not None:
        figures = measured(options.weights, options.data, options.work, options.limit)
        options.figures.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
        draw(options.weights, options.work, options.picture)
    else:
        figures = kept_figures(options.figures, options.weights, parser)
    link = Path(os.path.relpath(options.picture, output.parent)).as_posix()
    text = card(options.template.read_text(encoding="utf-8"), resolve_model(options.weights).training,
                figures, link)  # fmt: skip
    output.write_text(text, encoding="utf-8")
    print(output)


def kept_figures(path: Path, weights: Path, parser: argparse.ArgumentParser) -> dict[str, Any]:
    """Those of a run before."""
    if not path.exists():
        parser.error(f"{path} is not there: give --data and --work to measure")
    figures: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if figures["weights"] != hashlib.sha256(weights.read_bytes()).hexdigest():
        parser.error(f"{path} is of other weights: give --data and --work to measure these")
    return figures


if __name__ == "__main__":
    main()
