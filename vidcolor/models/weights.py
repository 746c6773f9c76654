"""Weights files: safetensors that describe themselves.

The tensors are the model's state; the metadata says which model, with which options, how it was
trained and by which vidcolor. Nothing in the file can run code, what it describes is built only as large as
what it holds, and a file that is not as it was written is refused.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from vidcolor.errors import ModelError, UsageError
from vidcolor.files import write_aside
from vidcolor.models import converted, packed
from vidcolor.models.base import ColorModel
from vidcolor.models.registry import create_model, list_models
from vidcolor.models.weights_file import UNREADABLE, SealedFile, seal

__all__ = [
    "DEFAULT",
    "LoadedModel",
    "default_weights",
    "keep_models",
    "load_model",
    "load_weights",
    "resolve_model",
    "save_weights",
]

DEFAULT = "default"
"""The name that stands for the weights in the package."""

_FORMAT = "vidcolor-weights-2"
_UNSEALED = "vidcolor-weights-1"
"""The format before, which had no digest."""
_LARGEST_HALF = torch.finfo(torch.float16).max
_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)

# A network is built before its weights are put in. What it makes meanwhile beyond its weights (tables, what
# starting values are drawn from) is no more than this.
_SPARE_NUMBERS = 1 << 22
_SPARE_TENSORS = 256


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model ready to use, and what is known of it."""

    model: ColorModel
    label: str
    """How to call it in notes and tags: a name, or a file's name."""
    training: dict[str, Any] = field(default_factory=dict)
    """The training summary of its weights file; empty for a model without one."""
    name: str = ""
    """Its name in the registry."""
    options: dict[str, Any] = field(default_factory=dict)
    """The options it was built with."""


def save_weights(
    path: str | os.PathLike[str],
    model: ColorModel,
    *,
    name: str,
    options: dict[str, Any] | None = None,
    training: dict[str, Any] | None = None,
    version: str,
    bits: int = 32,
) -> None:
    """Writes a model as one self-describing file, under a temporary name and renamed.

    Args:
        path: where to; an existing file is replaced.
        model: the model.
        name: its name in the registry.
        options: the options it was built with.
        training: anything JSON holds that says how it was trained.
        version: vidcolor's version.
        bits: 32, 16 or 8 for each weight: in 16 they are float16, in 8 see :mod:`vidcolor.models.packed`;
            running statistics stay float32, and what float16 cannot hold.

    Raises:
        OutputError: it cannot be written; an older file is as it was.
    """
    state = {k: v.detach().cpu().contiguous() for k, v in model.state_dict().items()}
    if bits == 8:
        state = {name: part for k, v in state.items() for name, part in packed.pack(k, v).items()}
    if bits < 32:
        state = {k: _halved(k, v) for k, v in state.items()}
    metadata = {
        "format": _FORMAT,
        "model": name,
        "options": json.dumps(options or {}, sort_keys=True),
        "training": json.dumps(training or {}, sort_keys=True),
        "vidcolor": version,
    }
    # Not safetensors' save_file, which keeps the file from everyone but its owner.
    data = seal(state, metadata)
    write_aside(Path(path), lambda target: target.write_bytes(data))


def _halved(name: str, tensor: torch.Tensor) -> torch.Tensor:
    """The tensor in float16; as it is where it is no float32, or float16 could not hold it."""
    kept = "running_" in name or packed.is_step(name)
    if kept or tensor.dtype != torch.float32 or tensor.abs().max() > _LARGEST_HALF:
        return tensor
    return tensor.half()


def load_weights(path: str | os.PathLike[str]) -> LoadedModel:
    """The model in a weights file, in evaluation mode, float32; or a :class:`Converted` that lies in one.

    Raises:
        UsageError: it is one for OpenVINO, which is not installed.
        ModelError: the file is missing, damaged, not a weights file of vidcolor's, or does not fit
            its model.
    """
    file = Path(path)
    if not file.is_file():
        raise ModelError(f"There is no weights file {str(file)!r}.")
    if not os.access(file, os.R_OK):
        raise ModelError(f"{str(file)!r} may not be read by this user.")
    try:
        with SealedFile(file) as stored:
            words = stored.words
            _check_format(file, words)
            training = json.loads(words.get("training", "{}"))
            training = training if isinstance(training, dict) else {}
            told = (file.name, training, words.get("model", ""))
            if words["format"] == converted.FORMAT:
                network = converted.load_converted(words, stored.tensors())
                return LoadedModel(network.eval(), *told, json.loads(words.get("options", "{}")))
            model = _build(file, words, stored.shapes)
            own = {name: shape for name, shape in stored.shapes.items() if not packed.is_step(name)}
            _check_shapes(file, model, own)
            state = packed.unpack(stored.tensors(unsealed=words["format"] == _UNSEALED))
    except (*UNREADABLE, RecursionError) as error:
        raise ModelError(f"{str(file)!r} is not a readable weights file: {_bare(error)}.") from error
    _check_values(file, model, state)
    # Copied into the model's own float32 tensors, whatever they are stored as.
    model.load_state_dict(state)
    return LoadedModel(model.eval(), *told, json.loads(words.get("options", "{}")))


def _bare(error: Exception) -> str:
    """An error's words, to end a sentence with."""
    return str(error).rstrip(".")


def _check_format(file: Path, metadata: dict[str, str]) -> None:
    found = metadata.get("format")
    if found not in (_FORMAT, _UNSEALED, converted.FORMAT):
        said = f"its format is {found!r}" if found else "it does not say which model it is for"
        raise ModelError(f"{str(file)!r} is not a weights file of vidcolor's ({said}; expected {_FORMAT!r}).")


def _build(file: Path, metadata: dict[str, str], shapes: Mapping[str, tuple[int, ...]]) -> ColorModel:
    name = metadata.get("model", "")
    try:
        options = json.loads(metadata.get("options", "{}"))
        with _NoLarger(shapes):
            return create_model(name, **options)
    except Exception as error:  # options that no network ever had make its constructor raise anything
        raise ModelError(f"{str(file)!r} describes a model that cannot be built: {_bare(error)}.") from error


class _NoLarger(TorchFunctionMode):
    """Lets a network be built only as large as its weights file, whatever options that asks for, and without
    drawing the values that it would begin to learn with."""

    def __init__(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        super().__init__()
        self._numbers = 2 * sum(map(math.prod, shapes.values())) + _SPARE_NUMBERS
        self._tensors = 8 * len(shapes) + _SPARE_TENSORS

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func in _DRAWN:  # what is drawn here is read from the file a moment later
            return None
        if func in _MAKERS:
            self._tensors -= 1
            self._numbers -= _asked_for(args, kwargs or {})
            if self._tensors < 0 or self._numbers < 0:
                raise ValueError("it would be larger than what the file holds")
        return func(*args, **(kwargs or {}))


_DRAWN = frozenset((torch.nn.init.kaiming_uniform_,))
"""What layers begin with. The default model takes 0.19 s to load with it, and 0.10 s without (a trial)."""
_MAKERS = frozenset((torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn))


def _asked_for(args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
    """Numbers in the tensor that a call makes."""
    size = kwargs.get("size", args[0] if args and isinstance(args[0], list | tuple) else args)
    return math.prod(n for n in size if isinstance(n, int)) if isinstance(size, list | tuple) else 0


def _check_shapes(file: Path, model: ColorModel, stored: dict[str, tuple[int, ...]]) -> None:
    expected = {k: tuple(v.shape) for k, v in model.state_dict().items()}
    if stored.keys() != expected.keys():
        name = sorted(stored.keys() ^ expected.keys())[0]
        where = "lacks" if name in expected else "holds an unknown"
        raise ModelError(f"{str(file)!r} does not fit its model: it {where} tensor {name!r}.")
    for name, shape in stored.items():
        if shape != expected[name]:
            raise ModelError(
                f"{str(file)!r} does not fit its model: tensor {name!r} is {shape}, not {expected[name]}."
            )


def _check_values(file: Path, model: ColorModel, state: dict[str, torch.Tensor]) -> None:
    """Refuses what copying into the model would change beyond rounding, and what is no number."""
    for name, own in model.state_dict().items():
        stored = state[name]
        if stored.dtype != own.dtype and not (stored.dtype in _FLOATS and own.dtype in _FLOATS):
            kind = str(stored.dtype).removeprefix("torch.")
            raise ModelError(f"{str(file)!r} does not fit its model: tensor {name!r} is of {kind}.")
        if stored.dtype in _FLOATS and not bool(torch.isfinite(stored).all()):
            raise ModelError(f"{str(file)!r} cannot be used: tensor {name!r} holds what is no number.")


def default_weights() -> Path:
    """The weights file that comes with the package."""
    return Path(str(files("vidcolor.weights"))) / "default.safetensors"


class _Kept:
    """The model that was resolved last, in a process that asked for it to be kept."""

    wanted = False
    key: tuple[object, ...] = ()
    loaded: LoadedModel | None = None


def keep_models() -> None:
    """From now on this process keeps the model it resolved last, for a worker that colours film after film.

    It is loaded again when its file changes. Everybody who resolves it gets the same one.
    """
    _Kept.wanted = True


def resolve_model(name: str | os.PathLike[str], readings: Sequence[tuple[str, str]] = ()) -> LoadedModel:
    """The model for what a user wrote: "default", a registered name, or a weights file.

    Args:
        name: what was written.
        readings: options of :attr:`ColorModel.readings` that are to be others, with their values as JSON;
            text also without its quotes.

    Raises:
        UsageError: it is none of these, or its answers cannot be read so.
        ModelError: the weights file cannot be used.
    """
    if not _Kept.wanted:
        return _read(_resolve(name), readings)
    text = os.fspath(name)
    file = default_weights() if text == DEFAULT else Path(text)
    stat = file.stat() if file.exists() else None
    key = (text, stat and (stat.st_ino, stat.st_size, stat.st_mtime_ns), *readings)
    if _Kept.loaded is None or _Kept.key != key:
        _Kept.loaded = None  # two would not always fit
        _Kept.key, _Kept.loaded = key, _read(_resolve(name), readings)
    return _Kept.loaded


def _resolve(name: str | os.PathLike[str]) -> LoadedModel:
    """As :func:`resolve_model`, from the file.

    Raises:
        UsageError: it is none of these.
        ModelError: the weights file cannot be used.
    """
    text = os.fspath(name)
    if text == DEFAULT:
        loaded = load_weights(default_weights())
        return replace(loaded, label=DEFAULT)
    entries = {entry.name: entry for entry in list_models()}
    if text in entries and entries[text].needs_weights:
        raise UsageError(f"Model {text!r} knows nothing by itself; give a weights file of it.")
    if text in entries:
        return LoadedModel(create_model(text).eval(), text, name=text)
    if Path(text).exists() or text.endswith(".safetensors"):
        return load_weights(text)
    known = ", ".join((DEFAULT, *entries))
    raise UsageError(f"There is no model {text!r}; give one of {known}, or a weights file.")


def _read(loaded: LoadedModel, readings: Sequence[tuple[str, str]]) -> LoadedModel:
    """The same network with its answers read so, as :func:`resolve_model` is told.

    Raises:
        UsageError: it has no such option, or cannot take that value.
    """
    if not readings:
        return loaded
    known = loaded.model.readings
    for key, _ in readings:
        if key not in known:
            names = f"it can be told {', '.join(known)}" if known else "there is no choice"
            raise UsageError(f"How {loaded.label} is read has no option {key!r}; {names}.")
    options = loaded.options | {key: _value(text) for key, text in readings}
    model = create_model(loaded.name, **options)
    model.load_state_dict(loaded.model.state_dict())
    return replace(loaded, model=model.eval(), options=options)


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def load_model(name: str | os.PathLike[str] = DEFAULT) -> ColorModel:
    """As :func:`resolve_model`, giving only the model."""
    return resolve_model(name).model
