"""What a result hangs on beside its film: the options that alter the picture, and the files they name."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from vidcolor.errors import InputError, UsageError
from vidcolor.frames import ChromaLayout
from vidcolor.media.encoder_options import encoder_options
from vidcolor.media.encoders import choose_format, encoder
from vidcolor.models import resolve_model
from vidcolor.models.weights import DEFAULT, default_weights
from vidcolor.pipeline.backend import backend_device
from vidcolor.pipeline.options import RunOptions

__all__ = ["changed", "check", "digest", "settings_of"]

_WHERE = frozenset({"overwrite", "device", "batch_size", "parts", "restart", "keep_work"})
"""Options that say where, how fast and how safely, not what."""


def check(options: RunOptions, devices: Sequence[str]) -> None:
    """Finds mistakes that would fail every film.

    Raises:
        UsageError: an option is wrong whatever the film.
        ModelError: the model cannot be used.
        InputError: a picture or a list of hints is not there.
    """
    if options.anchors is not None:
        raise UsageError("Anchors belong to one film; use 'vidcolor run --anchors' for it.")
    model = resolve_model(options.model, options.read).model
    for device in devices:
        backend_device(model, replace(options, device=device))
    for path in _files(options):
        if not os.path.isfile(path):
            raise InputError(f"There is no file {path!r}.")
    own = options.encoder
    if own.codec is not None:
        entry = encoder(own.codec)
        form = choose_format(entry, 8, ChromaLayout(1, 1), wanted=own.pix_fmt)
        encoder_options(entry, form, crf=own.crf, preset=own.preset, extra=own.extra)


def settings_of(options: RunOptions) -> dict[str, Any]:
    """As JSON holds it: each option that alters the picture, with a digest of what lies in files."""
    values = {name: value for name, value in asdict(options).items() if name not in _WHERE}
    values |= {f"encoder.{name}": value for name, value in values.pop("encoder").items()}
    for name in ("start", "end"):
        values[name] = None if values[name] is None else str(values[name])
    model = default_weights() if options.model == DEFAULT else Path(options.model)
    values["weights"] = _digest_of(model) if model.is_file() else None
    values["files"] = [_digest_of(Path(path)) for path in _files(options)]
    settings: dict[str, Any] = json.loads(json.dumps(values))
    return settings


def digest(settings: dict[str, Any]) -> str:
    """A short name for settings, the same for the same."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]


def changed(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """The names of what differs, sorted."""
    return sorted(name for name in {*before, *now} if before.get(name) != now.get(name))


def _files(options: RunOptions) -> list[str]:
    return [*options.reference, *([] if options.hints is None else [options.hints])]


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
