"""What ``vidcolor evaluate`` says of a model; cards and results are written from nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any


def evaluated(model: str | Path, what: Path, output: Path, *options: str) -> dict[str, Any]:
    """The figures of a model on a film or a folder, measured unless ``output`` holds them already."""
    if not output.exists():
        print(f"evaluate {what.name}", file=sys.stderr, flush=True)
        command = [sys.executable, "-m", "vidcolor", "evaluate", str(what), "--model", str(model), "-q",
                   "-o", str(output), *options]  # fmt: skip
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    found: dict[str, Any] = json.loads(output.read_text(encoding="utf-8"))
    return found
