#!/usr/bin/env python3
"""What vidcolor does when things go wrong.

    python benchmarks/faults.py mutations [--count 500] [--seed 5] [--keep FOLDER]
    python benchmarks/faults.py weights [--count 200] [--seed 5]
    python benchmarks/faults.py kills [--count 20] [--seed 5] [--signal KILL|TERM|INT]
    python benchmarks/faults.py accidents [--only NAME]

`mutations`: small films cut from the data folder, damaged, each through `vidcolor run`: within 60 s exit 0 or
1 with a sentence, no traceback, at most 2 GiB, nothing left behind after a failure, and a film that plays
wherever a frame can be decoded. Seeded: `--first N --count 1` makes film N again. `weights`: damaged weights
files and checkpoints are loaded as they were or refused with a sentence. `kills`: a run is killed at random
moments and started again; the film must be packet for packet that of a run in peace. `accidents`: the disk is
full, the input truncated or gone, the working folder removed, folders turned read-only, the encoder or the
GPU dead in the middle: exit 1 with the sentence for it, what is done kept, and once all is well the same
command makes the same film. Exit 1 if anything was wrong.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import tempfile
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"
# Before torch is loaded: the child of a process that has worked with several threads waits for them for good.

PARTS = {
    "mutations": "fault_films",
    "weights": "fault_weights",
    "kills": "fault_kills",
    "accidents": "fault_accidents",
}
"""Part -> the module that holds it as `add_options` and `run`."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts = parser.add_subparsers(dest="subject", required=True)
    modules = {name: importlib.import_module(module) for name, module in PARTS.items()}
    for name, module in modules.items():
        of_part = parts.add_parser(name)
        module.add_options(of_part)
        of_part.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = modules[options.subject].run(options, Path(folder))
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")
    sys.exit(1 if found["wrong"] else 0)


if __name__ == "__main__":
    main()
