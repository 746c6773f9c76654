"""Checkpoints come back as they were written, or not at all."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from vidcolor.errors import ModelError
from vidcolor.models.weights_file import seal
from vidcolor.training.checkpoint import load_checkpoint, save_checkpoint
from vidcolor.training.options import Recipe

STATE: dict[str, Any] = {
    "weights": torch.arange(24.0).reshape(1, 2, 3, 4).to(memory_format=torch.channels_last),
    "turned": torch.arange(6).reshape(2, 3).T,
    "step": torch.tensor(3.0),
    "nothing": torch.zeros(0, 2),
    "half": torch.ones(3, dtype=torch.bfloat16),
    "by number": {0: {"betas": (0.9, 0.999)}, 1: {"lr": 1e-3, "fused": True, "foreach": None}},
    "rows": [{"step": 1, "loss": 0.1}, {"step": 2, "loss": math.inf}],
    "text": "naïve",
}


def write(path: Path) -> bytes:
    save_checkpoint(path, recipe=Recipe(), pictures="digest", state=STATE)
    return path.read_bytes()


def same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return bool(one.dtype == other.dtype and one.stride() == other.stride() and torch.equal(one, other))
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return type(one) is type(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    return type(one) is type(other) and bool(one == other)


def test_all_comes_back(tmp_path: Path) -> None:
    write(tmp_path / "c.safetensors")
    whole = load_checkpoint(tmp_path / "c.safetensors")
    assert whole["pictures"] == "digest"
    assert same(whole["state"], STATE)


def test_what_it_cannot_hold_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="holds tensors and plain values, not .*Path"):
        save_checkpoint(tmp_path / "c", recipe=Recipe(), pictures="", state={"path": tmp_path})
    assert list(tmp_path.iterdir()) == []


def test_a_bit_that_turned_over_anywhere(tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    whole = write(path)
    for place in range(0, len(whole), 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        try:
            found = load_checkpoint(path)
        except ModelError:
            continue
        assert same(found["state"], STATE), place


@pytest.mark.parametrize(
    "tree",
    [
        "{}",
        "[]",
        '{"dict": 3}',
        '{"tensor": ["9", []]}',
        '{"tensor": ["0", [5]]}',
        '{"code": "import os"}',
        '{"dict": [["recipe", {"dict": []}], ["pictures", "x"], ["state", 3]]}',
        '{"dict": [[{"dict": []}, 1]]}',
        "[" * 100_000,
        "x",
    ],
    ids=lambda tree: tree[:30],
)
def test_a_tree_that_is_none(tree: str, tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    path.write_bytes(seal({"0": torch.ones(2)}, {"format": "vidcolor-checkpoint-2", "tree": tree}))
    with pytest.raises(ModelError, match="is damaged or no checkpoint|it lacks parts"):
        load_checkpoint(path)


def test_another_kind_of_file(tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    path.write_bytes(seal({"0": torch.ones(2)}, {"format": "mine", "tree": json.dumps({})}))
    with pytest.raises(ModelError, match="is no checkpoint of vidcolor's"):
        load_checkpoint(path)
    torch.save({"format": "vidcolor-checkpoint-1"}, path)
    with pytest.raises(ModelError, match="is damaged or no checkpoint"):
        load_checkpoint(path)
