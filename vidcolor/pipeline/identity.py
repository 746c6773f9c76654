"""What decides how a result looks: two runs of the same can go on with each other's parts."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, fields
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from vidcolor import __version__
from vidcolor.errors import InputError
from vidcolor.media.source import is_seekable
from vidcolor.models.weights import LoadedModel
from vidcolor.pipeline.options import RunOptions

__all__ = ["Identity", "can_resume", "identity_of", "probe"]

Identity = dict[str, Any]
"""What decides how a result looks, as plain values, each under what a sentence calls it."""

_PROBED = 1 << 20
"""Bytes at the beginning and at the end of the input that are compared."""
_NOT_SEEN = {
    *("overwrite", "parts", "restart", "keep_work"),
    *("device", "precision", "model", "anchors", "hints", "reference"),
}
"""Options that do not change the picture, or that count by what they come to."""


def can_resume(source: str | os.PathLike[str]) -> bool:
    """Whether an input can be read again from somewhere in the middle, and recognised."""
    path = os.fspath(source)
    return path != "-" and is_seekable(path) and os.path.isfile(path)


def identity_of(
    source: str | os.PathLike[str],
    options: RunOptions,
    loaded: LoadedModel,
    device: str,
    output: dict[str, Any],
    coloring: dict[str, Any],
) -> Identity:
    """What two runs must have in common for the one to go on with the other's parts.

    Args:
        source: the input.
        options: of the run.
        loaded: what colours.
        device: where and in what it computes.
        output: see :attr:`vidcolor.media.writer.VideoWriter.facts`.
        coloring: see :attr:`vidcolor.pipeline.coloring.Coloring.facts`.

    Raises:
        InputError: the input, or a file that options name, cannot be read any more.
    """
    values = {f.name: getattr(options, f.name) for f in fields(options) if f.name not in _NOT_SEEN}
    values["encoder"] = asdict(options.encoder)
    found = {
        "the input": probe(source),
        "vidcolor's version": __version__,
        "the model": _digest_of_model(loaded),
        "the device": device,
        "the encoder": output,
        **{f"the option {name}": value for name, value in values.items()},
        **coloring,
        "a reference": [_digest_of_file(Path(path)) for path in options.reference],
    }
    plain: Identity = json.loads(json.dumps(found, default=_plain))
    return plain


def _plain(value: Any) -> str:
    if isinstance(value, Fraction):
        return str(value)
    raise TypeError(f"{type(value)} has no place in a journal")


def probe(source: str | os.PathLike[str]) -> list[Any]:
    """The input's size, its time of change and a digest of its first and last MiB.

    Raises:
        InputError: it cannot be read any more.
    """
    try:
        with open(source, "rb") as file:
            facts = os.fstat(file.fileno())
            digest = hashlib.blake2b(file.read(_PROBED), digest_size=16)
            file.seek(max(0, facts.st_size - _PROBED))
            digest.update(file.read(_PROBED))
    except OSError as error:
        raise InputError(f"{os.fspath(source)} cannot be read any more: {error.strerror}.") from None
    return [facts.st_size, facts.st_mtime_ns, digest.hexdigest()]


def _digest_of_model(loaded: LoadedModel) -> str:
    # What a model's file says beside its values changes the picture too: a gain, how bins become a colour.
    model, options = loaded.model, json.dumps(loaded.options, sort_keys=True)
    said = (type(model), options, tuple(model.labels))
    digest = hashlib.blake2b(repr(said).encode(), digest_size=16)
    for name, tensor in model.state_dict().items():
        digest.update(f"{name} {tuple(tensor.shape)}".encode())
        digest.update(np.ascontiguousarray(tensor.detach().cpu().float().numpy()).data)
    return digest.hexdigest()


def _digest_of_file(path: Path) -> str:
    try:
        return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from None
