"""Checkpoints: everything a run needs to go on as if it had never stopped, in one file.

Tensors and plain values only, so it is read with ``weights_only=True`` and cannot run code. Written aside
and renamed: the last good one stays until the next is whole.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from vidcolor.errors import ModelError
from vidcolor.files import write_aside
from vidcolor.training.options import Recipe, recipe_to_dict

__all__ = ["load_checkpoint", "may_go_on", "save_checkpoint"]

_FORMAT = "vidcolor-checkpoint-1"
_PARTS = {"format", "recipe", "pictures", "state"}

# What may differ from the checkpoint's recipe when a run goes on: how long, how fast, how it is watched.
# Everything else would make it another run.
_FREE = frozenset({
    "data.memory_mb", "data.threads", "name", "optimizer.clip", "optimizer.rate", "run.checkpoint_minutes",
    "run.epochs", "run.keep", "run.patience", "run.steps", "run.time_limit", "run.validate_every",
    "schedule.factor", "schedule.name", "schedule.over", "schedule.patience", "schedule.warmup", "summary",
})  # fmt: skip


def save_checkpoint(path: Path, *, recipe: Recipe, pictures: str, state: dict[str, Any]) -> None:
    """Writes a checkpoint.

    Args:
        path: where to; an older one is replaced.
        recipe: of the run.
        pictures: a digest of the training pictures.
        state: tensors and plain values.

    Raises:
        OutputError: it cannot be written; an older one is as it was.
    """
    whole = {
        "format": _FORMAT,
        "recipe": recipe_to_dict(recipe),
        "pictures": pictures,
        "state": state,
    }

    def write(target: Path) -> None:
        with open(target, "wb") as file:
            torch.save(whole, file)

    write_aside(path, write)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """What :func:`save_checkpoint` wrote: "recipe", "pictures" and "state".

    Raises:
        ModelError: there is none, it is damaged, or it is something else.
    """
    if not path.is_file():
        raise ModelError(f"There is no checkpoint {str(path)!r} to go on from; start without --resume.")
    try:
        whole = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # what a damaged file makes torch's reader raise can be anything
        raise ModelError(f"{str(path)!r} is damaged or no checkpoint; start without --resume.") from error
    if not isinstance(whole, dict) or whole.get("format") != _FORMAT or not whole.keys() >= _PARTS:
        raise ModelError(f"{str(path)!r} is no checkpoint of vidcolor's (expected {_FORMAT!r}).")
    return whole


def may_go_on(path: Path, checkpoint: dict[str, Any], recipe: Recipe, pictures: str) -> None:
    """Refuses to go on with another model, recipe or other pictures than before.

    Raises:
        ModelError: what differs, in a sentence.
    """
    # A key that is younger than the checkpoint had its default then.
    defaults, before, now = (
        dict(_flat(r)) for r in (recipe_to_dict(Recipe()), checkpoint["recipe"], recipe_to_dict(recipe))
    )
    before = {**defaults, **before}
    for key in sorted(before.keys() | now.keys(), key=lambda key: (key != "model.name", key)):
        if key not in _FREE and before.get(key) != now.get(key):
            raise ModelError(
                f"Checkpoint {str(path)!r} is of another run: its {key} is {before.get(key)!r}, not "
                f"{now.get(key)!r}; resume with its own recipe, or start without --resume."
            )
    if checkpoint["pictures"] != pictures:
        raise ModelError(f"Checkpoint {str(path)!r} was trained on other pictures than these.")


def _flat(values: dict[str, Any]) -> Iterable[tuple[str, Any]]:
    """Section and key of every value of a recipe as plain values."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from ((f"{name}.{key}", inner) for key, inner in value.items())
        else:
            yield name, value
