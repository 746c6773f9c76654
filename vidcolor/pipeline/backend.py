"""What computes the network: torch as it is, what ``torch.compile`` makes of it, or OpenVINO."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from vidcolor.errors import ModelError, UsageError
from vidcolor.models import ColorModel
from vidcolor.models.converted import Converted, convert, import_openvino
from vidcolor.pipeline.device import choose_device
from vidcolor.pipeline.options import RunOptions

__all__ = ["Infer", "backend_device", "infer_with"]

Infer: TypeAlias = Callable[[Tensor, Tensor | None, Tensor | None], Tensor]
"""Lightness, hints and condition to ab, as :meth:`vidcolor.models.ColorModel.infer`."""

_COMPILED = 64
"""Sizes of pictures, and models, that a process compiles before it refuses more; torch's own limit is 8,
which a batch of films of many sizes would meet."""
_NAMES = {torch.float32: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}

_converted: WeakKeyDictionary[ColorModel, dict[str, Converted]] = WeakKeyDictionary()
"""Networks that OpenVINO was given already, by precision: pictures of many sizes share a model."""


def backend_device(model: ColorModel, options: RunOptions) -> torch.device:
    """Where options ask for the network to be computed.

    Raises:
        UsageError: there is no such device, it is not for that backend, or the model not for the backend;
            or OpenVINO is not installed.
    """
    if isinstance(model, Converted) and options.backend == "compile":
        raise UsageError(
            "This model is for OpenVINO, so torch cannot compile it; leave out --backend compile."
        )
    if not isinstance(model, Converted) and options.backend != "openvino":
        return choose_device(options.device)
    if options.device not in ("auto", "cpu"):
        raise UsageError(f"OpenVINO computes on the CPU, not on {options.device!r}; give --device cpu.")
    import_openvino()
    return torch.device("cpu")


def infer_with(model: ColorModel, options: RunOptions, precision: torch.dtype) -> Infer:
    """What is called for a model's ab, as options say; a call may raise a ModelError.

    Args:
        model: in evaluation mode, on its device.
        options: of the run.
        precision: what is computed in; torch is told by autocast, around the call.

    Raises:
        UsageError: this CPU cannot compute in that precision.
        ModelError: OpenVINO cannot convert the network.
    """
    if isinstance(model, Converted) or options.backend == "openvino":
        made, name = _converted.setdefault(model, {}), _NAMES[precision]
        if name not in made:
            made[name] = convert(model).computed_in(name)
        return made[name].infer
    return _compiled(model) if options.backend == "compile" else model.infer


def _compiled(model: ColorModel) -> Infer:
    """The model compiled as a whole, for each size it is called with; nothing falls back to plain torch.

    Sizes are not left open: the default model cannot be compiled so (torch 2.13).
    """
    call = torch.compile(model, fullgraph=True, dynamic=False)

    @torch.inference_mode()
    def infer(lightness: Tensor, hints: Tensor | None, condition: Tensor | None) -> Tensor:
        from torch._dynamo import config  # neither is public, and there are no other names for them
        from torch._dynamo.exc import FailOnRecompileLimitHit, TorchDynamoException

        try:
            with config.patch(cache_size_limit=_COMPILED):
                ab: Tensor = call(lightness, hints, condition)
        except (TorchDynamoException, FailOnRecompileLimitHit) as error:
            told = str(error).strip().splitlines()
            why = told[0].rstrip(".:") if told else type(error).__name__
            raise ModelError(
                f"torch.compile cannot make this network ({why}); try --backend torch."
            ) from error
        return ab

    return infer
