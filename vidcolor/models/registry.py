"""The one table of models: name, what it is, how to build it."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

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
    extra: str = ""
    """The optional extra of the package that it needs, with its default options."""

    @property
    def installed(self) -> bool:
        """Whether what its extra brings is there."""
        return not self.extra or importlib.util.find_spec(_EXTRAS[self.extra]) is not None

    def build(self, **options: Any) -> ColorModel:
        """A new model of this kind.

        Raises:
            UsageError: it has no such option, or cannot take that value.
        """
        cls = self._class()
        known = list(inspect.signature(cls).parameters)
        unknown = sorted(set(options) - set(known))
        if unknown:
            allowed = ", ".join(known) if known else "none"
            raise UsageError(f"Model {self.name!r} has no option {unknown[0]!r}; its options: {allowed}.")
        return cls(**options)

    def outline(self) -> ColorModel:
        """As :meth:`build`, on the meta device: shapes and counts without values, in no time."""
        if not self.needs_weights:  # small, and they choose their values by arithmetic that is slow there
            return self.build()
        self._class()  # imported before: the constants of its module must be real
        with torch.device("meta"), _NoNoise():
            return self.build()

    def _class(self) -> Callable[..., ColorModel]:
        module, _, name = self.target.partition(":")
        cls: Callable[..., ColorModel] = getattr(importlib.import_module(module), name)
        return cls


class _NoNoise(TorchFunctionMode):
    """Leaves out drawing normal values: for the meta device PyTorch imports its compiler to do it."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is torch.Tensor.normal_:
            return args[0]
        return func(*args, **(kwargs or {}))


_EXTRAS = {"encoders": "timm"}
"""Extra -> the module that tells whether it is installed."""

_ENTRIES = (
    ModelEntry("unet", "our own U-Net; takes hints", "vidcolor.models.unet:UNet", True),
    ModelEntry(
        "simple", "simple ConvNet, regression; paper A (A1)", "vidcolor.models.convnet:SimpleConvNet", True
    ),
    ModelEntry(
        "classifier",
        "classification ConvNet at full size; paper A (A2)",
        "vidcolor.models.convnet:ClassifierConvNet",
        True,
    ),
    ModelEntry("cgan", "conditional GAN's generator; paper A (A3)", "vidcolor.models.cgan:Generator", True),
    ModelEntry(
        "fusion",
        "encoder, frozen classifier, fusion, decoder; paper B (B1, B2)",
        "vidcolor.models.fusion:Fusion",
        True,
        extra="encoders",
    ),
    ModelEntry("light", "light classifier; paper C (C1)", "vidcolor.models.light:LightClassifier", True),
    ModelEntry(
        "twostream", "global and mid-level streams; paper D (D1)", "vidcolor.models.twostream:TwoStream", True
    ),
    ModelEntry("compact", "small regression network; paper E (E1)", "vidcolor.models.compact:Compact", True),
    ModelEntry(
        "compact-classifier",
        "compact with a classification output; paper E (E2)",
        "vidcolor.models.compact:CompactClassifier",
        True,
    ),
    ModelEntry(
        "compact-dilated",
        "compact classifier with strides and dilations; paper E (E3)",
        "vidcolor.models.compact:CompactDilated",
        True,
    ),
    ModelEntry(
        "compact-dilated-concat",
        "the same with concatenation; paper E (E4)",
        "vidcolor.models.compact:CompactDilatedConcat",
        True,
    ),
    ModelEntry(
        "compact-vgg16",
        "compact classifier behind a frozen VGG16; paper E (E5)",
        "vidcolor.models.compact:CompactVGG16",
        True,
    ),
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
