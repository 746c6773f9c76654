"""Several processes do what one would."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from tests.training.sets import make_pictures, recipe
from tests.training.two_processes import recipes, train_all
from vidcolor.errors import UsageError
from vidcolor.models import load_weights
from vidcolor.training.distributed import ALONE, Group, SharedBatchNorm, share_batch_norm
from vidcolor.training.step import check_shares

ROOT = Path(__file__).parents[2]


def free_ports(count: int) -> list[str]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [str(s.getsockname()[1]) for s in sockets]
    for s in sockets:
        s.close()
    return ports


def test_two_processes_match_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = make_pictures(tmp_path / "pictures", 14)
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    ports = free_ports(len(recipes()))
    together = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.training.two_processes", str(pictures), str(two), *ports],
            cwd=ROOT,
            env={**os.environ, "RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    monkeypatch.setattr("vidcolor.training.folder.draw_curves", lambda path, rows, title: None)
    train_all(pictures, one, ports)
    try:
        errors = [process.communicate(timeout=120)[1] for process in together]
    finally:
        for process in together:
            process.kill()
    assert [process.returncode for process in together] == [0, 0], errors
    for name in recipes():
        alone, shared = (load_weights(folder / f"{name}.safetensors") for folder in (one, two))
        assert (alone.training["processes"], shared.training["processes"]) == (1, 2)
        assert alone.training["steps"] == shared.training["steps"] == recipes()[name].run.steps
        for key, tensor in alone.model.state_dict().items():
            torch.testing.assert_close(
                shared.model.state_dict()[key], tensor, atol=1e-4, rtol=0, msg=lambda m, k=key: f"{k}: {m}"
            )


def test_batches_are_shared_evenly() -> None:
    check_shares(recipe(run__batch=12, run__accumulate=2), 3)
    with pytest.raises(
        UsageError, match=r"'run.batch' of 4 cannot be shared evenly by 3 proc.* multiple of 3"
    ):
        check_shares(recipe(), 3)


def test_one_process_needs_no_other() -> None:
    value = torch.tensor([1.0, 2.0], requires_grad=True)
    assert ALONE.mean(value) is value
    assert ALONE.any(True, False) == (True, False)
    assert ALONE.from_first([1.0, 2.0], 2) == [1.0, 2.0]
    network = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))
    share_batch_norm(network, ALONE)
    assert type(network[1]) is nn.BatchNorm2d


def test_shared_batch_norm_is_batch_norm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two processes that see the same: as one that sees it once, variance of n and all."""
    torch.manual_seed(0)
    ours, theirs = nn.Sequential(nn.BatchNorm2d(3)), nn.BatchNorm2d(3)
    group = Group(0, 2)
    monkeypatch.setattr(group, "mean", lambda value: value)
    share_batch_norm(ours, group)
    assert isinstance(ours[0], SharedBatchNorm)
    x = torch.randn(4, 3, 5, 5) * 3 + 7
    doubled = torch.cat((x, x))
    torch.testing.assert_close(ours(x), theirs(doubled)[:4], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(ours[0].running_mean, theirs.running_mean)
    torch.testing.assert_close(ours[0].running_var, theirs.running_var)
    ours.eval()
    theirs.eval()
    torch.testing.assert_close(ours(x), theirs(x))
