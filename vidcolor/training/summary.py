"""What a weights file says of how its network was trained."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

import torch

from vidcolor.training.held_out import FIGURES
from vidcolor.training.options import Recipe, recipe_to_dict
from vidcolor.training.pictures import Pictures
from vidcolor.training.state import State

__all__ = ["summary_of"]


def summary_of(
    recipe: Recipe,
    pictures: Pictures,
    state: State,
    *,
    device: torch.device,
    processes: int,
    seconds: float,
) -> dict[str, Any]:
    """The summary of a run as it stands, as plain JSON values.

    No folders: the file travels, and where its pictures lay is nobody's business.
    """
    told = recipe_to_dict(recipe)
    told["model"]["weights"] = Path(told["model"]["weights"]).name
    return {
        "recipe": told,
        "pictures": {
            "sets": [each.root.name for each in pictures.sets],
            "train": len(pictures.train),
            "held_out": len(pictures.test),
        },
        "steps": state.step,
        "epochs": round(state.step * recipe.run.batch / len(pictures.train), 2),
        "seconds": round(seconds, 1),
        "processes": processes,
        "machine": _machine(device),
        "torch": torch.__version__.split("+")[0],
        "parameters": state.model.parameter_count,
        "held_out": _figures(recipe, pictures, state),
    }


def _figures(recipe: Recipe, pictures: Pictures, state: State) -> dict[str, float]:
    if not state.rows:
        return {}
    looked_at = min(recipe.run.validation_pictures, len(pictures.test))
    row = state.rows[-1]
    return {"pictures": looked_at, **{name: round(row[name], 4) for name in FIGURES if name in row}}


def _machine(device: torch.device) -> str:
    cores = f"{os.cpu_count()} CPU cores, {platform.machine()}"
    return f"{torch.cuda.get_device_name(device)}, {cores}" if device.type == "cuda" else cores
