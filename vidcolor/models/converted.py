"""Networks that OpenVINO computes: made of a model in memory, or kept in a file, which may hold them in int8.

The network is traced once, for any size, and compiled for each size it is called with. Values of what a file
holds are not looked at by us but for its digest: OpenVINO reads the graph, which has no code in it.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import warnings
from collections import OrderedDict
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from vidcolor.errors import ModelError, UsageError
from vidcolor.files import write_aside
from vidcolor.models.base import ColorModel
from vidcolor.models.weights_file import seal

if TYPE_CHECKING:
    import openvino

__all__ = ["FORMAT", "Converted", "convert", "import_openvino", "load_converted", "save_converted"]

FORMAT = "vidcolor-openvino-1"
"""What such a file says it is."""
_COMPILED = 8
"""Sizes that are kept compiled, each with the network's values of its own."""
_HINTS = {"fp32": "f32", "bf16": "bf16", "fp16": "f16"}
"""Precision -> what OpenVINO calls it."""
_EXAMPLE = (2, 64, 96)
"""Pictures, height and width that a network is traced with; sides are enlarged to its multiples."""


def import_openvino() -> Any:
    """The package, with what it would report to its makers over the network left out.

    Raises:
        UsageError: it is not installed.
    """
    # Both openvino and nncf send usage events unless this module is missing; Python takes None for missing.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    try:
        import openvino
    except ImportError:
        raise UsageError(
            "OpenVINO is not installed; install it with: pip install 'vidcolor[openvino]'."
        ) from None
    return openvino


@dataclass(frozen=True, slots=True)
class Traits:
    """What a :class:`Converted` says of itself as the model did that it was made of."""

    multiple: int
    grain: int
    takes_hints: bool
    labels: tuple[str, ...]
    takes_metadata: bool
    parameters: int

    @classmethod
    def of(cls, model: ColorModel) -> Traits:
        """Those of a model."""
        return cls(
            model.multiple,
            model.grain,
            model.takes_hints,
            tuple(model.labels),
            model.takes_metadata,
            model.parameter_count,
        )


class Converted(ColorModel):
    """A model whose network OpenVINO computes, on the CPU, in as many threads as torch would take;
    in int8 in two at least.

    It can only be asked for ab: it learns nothing, and has no space.
    """

    def __init__(self, graph: openvino.Model, traits: Traits, precision: str = "fp32") -> None:
        """A graph as a model.

        Args:
            graph: lightness, then hints and condition where the model takes them, to ab at its grain.
            traits: what the model is besides.
            precision: "fp32", "bf16" or "fp16": what is computed in where the graph does not say int8.

        Raises:
            UsageError: this CPU cannot compute in that.
        """
        super().__init__()
        self.graph, self.traits = graph, traits
        self.multiple, self.grain = traits.multiple, traits.grain
        self.takes_hints, self.takes_metadata = traits.takes_hints, traits.takes_metadata
        self.labels = traits.labels
        _check_precision(precision)
        self.precision = precision
        self._compiled: OrderedDict[tuple[object, ...], openvino.CompiledModel] = OrderedDict()
        self._busy = threading.Lock()
        """Held from a question to its answer: asked by two threads OpenVINO gives one the other's."""

    @property
    def parameter_count(self) -> int:
        """Of the model it was made of."""
        return self.traits.parameters

    def ab_at_grain(self, lightness: Tensor, hints: Tensor | None, condition: Tensor | None) -> Tensor:
        given = self.in_a_row(lightness, hints, condition)
        arrays = [np.ascontiguousarray(one.float().cpu().numpy()) for one in given]
        with self._busy:
            compiled = self._for([array.shape for array in arrays])
            # OpenVINO's answer lies in memory that its next one takes.
            answer = compiled(arrays)[0].copy()
        return torch.from_numpy(answer).to(lightness.device)

    @cached_property
    def _is_quantized(self) -> bool:
        return any(op.get_type_name() == "FakeQuantize" for op in self.graph.get_ops())

    def computed_in(self, precision: str) -> Converted:
        """The same network, computed in another precision.

        Raises:
            UsageError: this CPU cannot compute in that.
        """
        return self if precision == self.precision else Converted(self.graph, self.traits, precision)

    def _for(self, shapes: list[tuple[int, ...]]) -> openvino.CompiledModel:
        """The network compiled for inputs of these shapes.

        Raises:
            ModelError: OpenVINO cannot compute it at this size.
        """
        # In one thread OpenVINO computes some shallow networks in int8 wrongly on CPUs with VNNI (2026.4).
        threads = max(torch.get_num_threads(), 2 if self._is_quantized else 1)
        key = (*shapes, threads)
        if key in self._compiled:
            self._compiled.move_to_end(key)
            return self._compiled[key]
        openvino = import_openvino()
        settings = {
            "INFERENCE_PRECISION_HINT": _HINTS[self.precision],
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
        }
        try:
            sized = self.graph.clone()
            sized.reshape(dict(zip(sized.inputs, map(list, shapes), strict=True)))
            compiled = openvino.Core().compile_model(sized, "CPU", settings)
        except RuntimeError as error:
            height, width = shapes[0][-2:]
            raise ModelError(
                f"OpenVINO cannot compute this network for pictures of {width}x{height}: {_last_line(error)}."
            ) from error
        self._compiled[key] = compiled
        while len(self._compiled) > _COMPILED:
            self._compiled.popitem(last=False)
        return compiled


def _check_precision(precision: str) -> None:
    has = import_openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if precision.upper() not in has:
        raise UsageError(
            f"This CPU has no instructions for {precision}, so OpenVINO cannot compute in it; give "
            "--precision fp32."
        )


class _Network(nn.Module):
    """What is traced: a model's inputs in a row, to ab at its grain."""

    def __init__(self, model: ColorModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, lightness: Tensor, *rest: Tensor) -> Tensor:
        model, given = self.model, list(rest)
        hints = given.pop(0) if model.takes_hints else None
        condition = given.pop(0) if model.condition_width else None
        return model.ab_at_grain(lightness, hints, condition)


def convert(model: ColorModel) -> Converted:
    """A model's network for OpenVINO; values are copied.

    Raises:
        UsageError: OpenVINO is not installed.
        ModelError: it cannot convert this network.
    """
    if isinstance(model, Converted):
        return model
    openvino = import_openvino()
    from openvino.frontend.pytorch import ConversionExtension

    example = _example(model)
    extension = ConversionExtension("aten::copysign", _copysign)
    try:
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter(
                "ignore"
            )  # of the tracer, that sizes might become constants: tests hold that
            traced = torch.jit.trace(_Network(model.eval()), example, check_trace=False, strict=False)
            graph = openvino.convert_model(
                traced, example_input=example, extension=extension, share_weights=False
            )
        graph.reshape(dict(zip(graph.inputs, map(_any_size, example), strict=True)))
    except Exception as error:  # it raises whatever its front end does
        raise ModelError(f"OpenVINO cannot convert this network: {_last_line(error)}.") from error
    return Converted(graph, Traits.of(model))


def _example(model: ColorModel) -> tuple[Tensor, ...]:
    """Inputs of a model, as :class:`_Network` takes them."""
    count, *sides = _EXAMPLE
    height, width = (-(-side // model.multiple) * model.multiple for side in sides)
    first = next(model.parameters(), torch.empty(0))
    return model.in_a_row(torch.full((count, 1, height, width), 50.0, device=first.device), None, None)


def _any_size(example: Tensor) -> list[int]:
    """The shape of an input with all that may change left open."""
    return [-1, example.shape[1], -1, -1][: example.ndim]


def _copysign(context: Any) -> list[Any]:
    """``torch.copysign``, for which OpenVINO has no rule."""
    from openvino import opset13

    value, sign = context.get_input(0), context.get_input(1)
    size = opset13.abs(value)
    below = opset13.less(sign, opset13.constant(np.float32(0)))
    return [opset13.select(below, opset13.negative(size), size).output(0)]


def _last_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__).rstrip(".:")


# Files


def save_converted(
    path: str | os.PathLike[str],
    model: Converted,
    *,
    name: str,
    options: dict[str, Any] | None = None,
    training: dict[str, Any] | None = None,
    version: str,
) -> None:
    """Writes a converted network as one sealed file that describes itself as weights files do.

    Args:
        path: where to; an existing file is replaced.
        model: the network.
        name, options, training, version: as for :func:`vidcolor.models.save_weights`.

    Raises:
        OutputError: it cannot be written; an older file is as it was.
    """
    openvino = import_openvino()
    with TemporaryDirectory(prefix="vidcolor-") as folder:  # OpenVINO writes to files only, and to two
        xml = Path(folder) / "network.xml"
        openvino.serialize(model.graph, xml)
        tensors = {
            key: torch.from_numpy(np.fromfile(file, np.uint8))
            for key, file in (("graph", xml), ("values", xml.with_suffix(".bin")))
        }
    words = {
        "format": FORMAT,
        "model": name,
        "options": json.dumps(options or {}, sort_keys=True),
        "training": json.dumps(training or {}, sort_keys=True),
        "traits": json.dumps(asdict(model.traits), sort_keys=True),
        "vidcolor": version,
    }
    data = seal(tensors, words)
    write_aside(Path(path), lambda target: target.write_bytes(data))


def load_converted(words: dict[str, str], tensors: dict[str, Tensor]) -> Converted:
    """The network of such a file, whose digest has been found right.

    Raises:
        UsageError: OpenVINO is not installed.
        ValueError: what the file holds is no such network.
    """
    openvino = import_openvino()
    try:
        given = json.loads(words["traits"])
        traits = Traits(**{**given, "labels": tuple(given["labels"])})
        graph, values = (tensors[key].numpy().tobytes() for key in ("graph", "values"))
    except (KeyError, TypeError) as error:
        raise ValueError(f"it does not say what its network takes ({error})") from error
    try:
        model = Converted(openvino.Core().read_model(graph, values), traits)
    except RuntimeError as error:
        raise ValueError(_last_line(error)) from error
    _check(model)
    # What is known of a model by its values is known of this one by its file's.
    model.register_buffer("digest", torch.tensor(list(bytes.fromhex(words["sha256"])), dtype=torch.uint8))
    return model


def _check(model: Converted) -> None:
    """Refuses a network that does not take what its words say."""
    traits = model.traits
    counts = (traits.multiple, traits.grain, traits.parameters)
    if not all(type(count) is int and count >= 0 for count in counts) or not traits.multiple * traits.grain:
        raise ValueError("it does not say what its network takes")
    channels = [1, *[3] * traits.takes_hints, *([model.condition_width] if model.condition_width else [])]
    shapes = [port.partial_shape for port in model.graph.inputs]
    if [shape[1] if shape.rank.get_length() > 1 else 0 for shape in shapes] != channels:
        raise ValueError("its network does not take what it says it takes")
