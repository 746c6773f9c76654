"""The one table of models: name, what it is, how to build it."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from vidcolor.errors import UsageError
from vidcolor.models.base import ColorModel

__all__ = ["ModelEntry", "create_model", "get_entry", "list_models"]


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One kind of model."""

    name: str
    summary: str
    """One line, as ``vidcolor models`` prints it."""
    target: str
    """``module:Class``; imported when the model is built."""
    needs_weights: bool
    """Whether it is of use only with trained weights."""

    def build(self, **options: Any) -> ColorModel:
        """A new model of this kind.

        Raises:
            UsageError: it has no such option, or cannot take that value.
        """
        module, _, name = self.target.partition(":")
        cls: Callable[..., ColorModel] = getattr(importlib.import_module(module), name)
        known = list(inspect.signature(cls).parameters)
        unknown = sorted(set(options) - set(known))
        if unknown:
            allowed = ", ".join(known) if known else "none"
            raise UsageError(f"Model {self.name!r} has no option {unknown[0]!r}; its options: {allowed}.")
        return cls(**options)


_ENTRIES = (
    ModelEntry("unet", "our own U-Net; takes hints", "vidcolor.models.unet:UNet", True),
    ModelEntry(
        "grey", "neutral colour, no network: times everything else", "vidcolor.models.simple:Grey", False
    ),
    ModelEntry("tiny", "two untrained convolutions, for tests", "vidcolor.models.simple:Tiny", False),
)

_TABLE = {entry.name: entry for entry in _ENTRIES}
if len(_TABLE) != len(_ENTRIES):
    raise RuntimeError("a model name is registered twice")


def get_entry(name: str) -> ModelEntry:
    """The entry of that name.

    Raises:
        UsageError: there is none.
    """
    try:
        return _TABLE[name]
    except KeyError:
        raise UsageError(f"There is no model {name!r}; there are: {', '.join(_TABLE)}.") from None


def create_model(name: str, **options: Any) -> ColorModel:
    """A new, untrained model.

    >>> create_model("grey").parameter_count
    0
    """
    return get_entry(name).build(**options)


def list_models() -> list[ModelEntry]:
    """Every registered model, in the order of the table."""
    return list(_ENTRIES)
