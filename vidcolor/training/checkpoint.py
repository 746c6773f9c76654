"""Checkpoints: everything a run needs to go on as if it had never stopped, in one file.

Tensors and plain values only: a sealed safetensors file, in whose words stands the tree of values (as JSON)
that the tensors hang on. Nothing in it can run code, and one that is not as it was written is refused.
Written aside and renamed: the last good one stays until the next is whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from torch import Tensor

from vidcolor.errors import ModelError
from vidcolor.files import write_aside
from vidcolor.models.weights_file import UNREADABLE, SealedFile, seal
from vidcolor.training.options import Recipe, recipe_to_dict

__all__ = ["load_checkpoint", "may_go_on", "save_checkpoint"]

_FORMAT = "vidcolor-checkpoint-2"
_PARTS = {"recipe": dict, "pictures": str, "state": dict}

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
    tensors: dict[str, Tensor] = {}
    tree = _to_json({"recipe": recipe_to_dict(recipe), "pictures": pictures, "state": state}, tensors)
    data = seal(tensors, {"format": _FORMAT, "tree": json.dumps(tree)})
    write_aside(path, lambda target: target.write_bytes(data))


def load_checkpoint(path: Path) -> dict[str, Any]:
    """What :func:`save_checkpoint` wrote: "recipe", "pictures" and "state".

    Raises:
        ModelError: there is none, it is damaged, or it is something else.
    """
    if not path.is_file():
        raise ModelError(f"There is no checkpoint {str(path)!r} to go on from; start without --resume.")
    try:
        with SealedFile(path) as stored:
            if stored.words.get("format") != _FORMAT:
                raise ModelError(f"{str(path)!r} is no checkpoint of vidcolor's (expected {_FORMAT!r}).")
            tensors = stored.tensors()
            whole = _from_json(json.loads(stored.words["tree"]), tensors)
    except (*UNREADABLE, LookupError, TypeError, RuntimeError) as error:
        raise ModelError(f"{str(path)!r} is damaged or no checkpoint; start without --resume.") from error
    if not isinstance(whole, dict) or not all(isinstance(whole.get(k), t) for k, t in _PARTS.items()):
        raise ModelError(f"{str(path)!r} is no checkpoint of vidcolor's: it lacks parts.")
    return whole


# JSON knows neither tensors nor tuples, and only text as keys: each of them becomes {kind: what it holds}.


def _to_json(value: Any, tensors: dict[str, Tensor]) -> Any:
    """A tree of plain values as JSON holds it; its tensors are put into ``tensors``."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case Tensor():
            name = str(len(tensors))
            # In the order of its memory: optimizers go through weights and moments side by side.
            order = sorted(range(value.dim()), key=value.stride, reverse=True)
            tensors[name] = value.detach().cpu().permute(order).contiguous()
            return {"tensor": [name, order]}
        case dict():
            return {"dict": [[_to_json(k, tensors), _to_json(v, tensors)] for k, v in value.items()]}
        case list():
            return [_to_json(v, tensors) for v in value]
        case tuple():
            return {"tuple": [_to_json(v, tensors) for v in value]}
    raise TypeError(f"a checkpoint holds tensors and plain values, not {type(value).__name__}")


def _from_json(value: Any, tensors: dict[str, Tensor]) -> Any:
    """The tree again."""
    if isinstance(value, list):
        return [_from_json(v, tensors) for v in value]
    if not isinstance(value, dict):
        return value
    ((kind, held),) = value.items()
    match kind:
        case "tensor":
            name, order = held
            return tensors[name].permute([order.index(axis) for axis in range(len(order))])
        case "dict":
            return {_from_json(k, tensors): _from_json(v, tensors) for k, v in held}
        case "tuple":
            return tuple(_from_json(v, tensors) for v in held)
    raise ValueError(f"a checkpoint holds no {kind!r}")


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
