"""Several processes that train one network, as ``torchrun`` starts them.

Each makes its slice of the batch; gradients are averaged, and batch normalisation and the distribution loss
see the whole batch, so that n processes do what one would. Only the first one writes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn

from vidcolor.errors import UsageError

__all__ = ["ALONE", "Group", "SharedBatchNorm", "connect", "share_batch_norm"]


class _Sum(torch.autograd.Function):
    """Sum over processes; what each asks of it in the backward pass adds up too."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        total = value.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return _Sum.forward(ctx, gradients[0])


class Group:
    """This process and the others.

    Args:
        rank: number of this process, from 0.
        world: how many there are.
        device: where what they exchange must lie.
    """

    def __init__(self, rank: int = 0, world: int = 1, device: torch.device | None = None) -> None:
        self.rank = rank
        self.world = world
        self.device = device or torch.device("cpu")

    @property
    def is_first(self) -> bool:
        """Whether this process speaks and writes for all."""
        return self.rank == 0

    def mean(self, value: Tensor) -> Tensor:
        """Mean over processes of a tensor of one shape; gradients flow through it."""
        return value if self.world == 1 else _Sum.apply(value) / self.world

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replaces each gradient with its mean over processes."""
        if self.world == 1:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([g.flatten() for g in gradients])
        dist.all_reduce(flat)
        flat /= self.world
        parts = flat.split([g.numel() for g in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

    def any(self, *flags: bool) -> tuple[bool, ...]:
        """For each flag whether it is set in any process; every process must ask."""
        if self.world == 1:
            return flags
        said = torch.tensor([int(flag) for flag in flags], device=self.device)
        dist.all_reduce(said, dist.ReduceOp.MAX)
        return tuple(bool(flag) for flag in said.tolist())

    def from_first(self, values: list[float] | None, count: int) -> list[float]:
        """The first process's values, in every process; the others give None."""
        if self.world == 1:
            assert values is not None
            return values
        said = torch.tensor(values or [0.0] * count, dtype=torch.float64, device=self.device)
        dist.broadcast(said, 0)
        return cast(list[float], said.tolist())


ALONE = Group()
"""The only process."""


@contextmanager
def connect(device: torch.device) -> Iterator[tuple[Group, torch.device]]:
    """The group that ``torchrun`` made this process a part of, and the device for it; else it is alone.

    Raises:
        UsageError: the environment speaks of several processes but does not say how to reach them.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield Group(device=device), device
        return
    rank = int(os.environ.get("RANK", "0"))
    if device.type == "cuda" and device.index is None:
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())
        torch.cuda.set_device(device)
    backend = "nccl" if device.type == "cuda" else "gloo"
    try:
        dist.init_process_group(backend)
    except (ValueError, RuntimeError) as error:
        raise UsageError(f"Process {rank} of {world} cannot reach the others; use torchrun.") from error
    try:
        yield Group(rank, world, device if backend == "nccl" else torch.device("cpu")), device
    finally:
        dist.destroy_process_group()


class SharedBatchNorm(nn.BatchNorm2d):
    """Batch normalisation over the batches of all processes; the same size in each.

    torch's own SyncBatchNorm is for CUDA alone. Mean first, then the variance around it: as exact as on
    one process.
    """

    group: Group = ALONE

    def forward(self, values: Tensor) -> Tensor:
        if not self.training or self.group.world == 1:
            return super().forward(values)
        x = values.float()
        mean = self.group.mean(x.mean((0, 2, 3)))
        centred = x - mean[:, None, None]
        variance = self.group.mean(centred.square().mean((0, 2, 3)))
        self._remember(mean.detach(), variance.detach(), x.numel() // x.shape[1])
        out = centred * (variance + self.eps).rsqrt()[:, None, None]
        if self.affine:
            out = out * self.weight[:, None, None] + self.bias[:, None, None]
        return out.to(values.dtype)

    def _remember(self, mean: Tensor, variance: Tensor, count: int) -> None:
        if not self.track_running_stats:
            return
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        momentum = self.momentum if self.momentum is not None else 1 / self.num_batches_tracked.item()
        count *= self.group.world
        self.running_mean.lerp_(mean, momentum)
        self.running_var.lerp_(variance * count / (count - 1), momentum)


def share_batch_norm(model: nn.Module, group: Group) -> None:
    """Makes a model's batch normalisation see what all processes see; its weights stay as they are."""
    if group.world == 1:
        return
    for module in model.modules():
        if type(module) is nn.BatchNorm2d:
            # The same tensors under another forward: names and optimizers keep their hold on them.
            module.__class__ = SharedBatchNorm
            cast(SharedBatchNorm, module).group = group
