"""Sealed files: tensors and words in one safetensors file, with a digest over both.

safetensors checks that a file is built as it should be; it does not notice a bit that has turned over in a
tensor. The digest does. Nothing in such a file can run code, and nothing is allocated by what it claims:
its tensors are as large as the file says only where the file is as large as they are.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

__all__ = ["UNREADABLE", "DamagedError", "SealedFile", "seal"]

SEAL = "sha256"
"""The word that holds the digest."""
UNREADABLE = (SafetensorError, OSError, ValueError)
"""What a file that is cut off, or no safetensors file, makes its reader raise."""


class DamagedError(ValueError):
    """The digest is not that of what the file holds, or is missing."""


def seal(tensors: Mapping[str, Tensor], words: Mapping[str, str]) -> bytes:
    """A whole file.

    Args:
        tensors: on the CPU, contiguous, no two in the same memory.
        words: what is said of them.
    """
    return save(dict(tensors), metadata={**words, SEAL: _digest(tensors, words)})


class SealedFile:
    """An open file; a context manager. Its tensors are read when they are asked for."""

    words: dict[str, str]
    """What is said of the tensors, the seal among it; not yet checked against it."""
    shapes: dict[str, tuple[int, ...]]
    """Of the tensors, by name."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Reads the header.

        Raises:
            OSError, ValueError, SafetensorError: it is no safetensors file (``UNREADABLE``).
        """
        self._stored: Any = safe_open(os.fspath(path), framework="pt")
        self.words = self._stored.metadata() or {}
        names = list(self._stored.keys())
        self.shapes = {name: tuple(self._stored.get_slice(name).get_shape()) for name in names}

    def __enter__(self) -> SealedFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._stored.__exit__(None, None, None)

    def tensors(self, *, unsealed: bool = False) -> dict[str, Tensor]:
        """All of them, read into memory and found to be what was sealed.

        Args:
            unsealed: whether a file without a digest is taken as it is.

        Raises:
            DamagedError: something is not as it was written.
        """
        tensors: dict[str, Tensor] = {name: self._stored.get_tensor(name) for name in self.shapes}
        words = dict(self.words)
        expected = words.pop(SEAL, None)
        if expected is None and unsealed:
            return tensors
        if expected != _digest(tensors, words):
            raise DamagedError("it is damaged: its digest is not that of what it holds")
        return tensors


def _digest(tensors: Mapping[str, Tensor], words: Mapping[str, str]) -> str:
    """SHA-256 over the words and over every tensor's name, kind, shape and bytes."""
    found = hashlib.sha256(json.dumps(dict(words), sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        found.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        found.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()
