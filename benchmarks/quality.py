#!/usr/bin/env python3
"""How good a model's colours are on what the default model never saw, beside grey.

    python benchmarks/quality.py [--model default] [--limit 300] [--films carphone.mp4 …] [--work FOLDER]

`vidcolor evaluate` on the held-out photographs (`training/held_out.py`) by what they show, and on the films
of `video/demo` and the held-out clips, as `training/write_card.py` measures them for the model's card. What
lies in the work folder for the same weights is not measured again.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from clips import DATA

from vidcolor.evaluation.rows import group_rows, headline
from vidcolor.evaluation.table import aligned
from vidcolor.models.weights import DEFAULT, default_weights

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "training"))
from write_card import FILM_HEADINGS, film_row, measured


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default=DEFAULT, help="the default model or a weights file")
    parser.add_argument("--limit", type=int, help="photographs at most, drawn  [all]")
    parser.add_argument("--films", nargs="*", metavar="NAME", help="only these films")
    parser.add_argument("--work", type=Path, help="folder for what is measured  [deleted at the end]")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    weights = Path(default_weights() if options.model == DEFAULT else options.model)
    with tempfile.TemporaryDirectory() as folder:
        work = options.work or Path(folder)
        figures = measured(weights, DATA, work, options.limit, options.films)
    pictures, films = figures["pictures"], figures["films"]
    print(headline(pictures), aligned(group_rows(pictures["kinds"])), sep="\n\n")
    if films:
        print("", aligned([FILM_HEADINGS, *(film_row(name, film) for name, film in films.items())]), sep="\n")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
