"""One step of training: losses, gradients, optimizers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from vidcolor.errors import UsageError
from vidcolor.models import spaces
from vidcolor.pipeline.device import autocast
from vidcolor.training.data import Ready
from vidcolor.training.distributed import Group
from vidcolor.training.held_out import raw_of
from vidcolor.training.losses import Objective, discriminator_loss, generator_loss
from vidcolor.training.options import Recipe
from vidcolor.training.state import State

__all__ = ["Learner", "check_shares"]


def check_shares(recipe: Recipe, world: int) -> None:
    """Whether processes and parts can share a batch evenly: a mean of their means must be the batch's.

    The distribution of colours (C eq. 4) is one of the whole batch, which processes tell each other and parts
    do not.

    Raises:
        UsageError: they cannot.
    """
    batch, parts = recipe.run.batch, recipe.run.accumulate
    if parts > 1 and recipe.loss.distribution:
        raise UsageError(
            "'run.accumulate' does not go with 'loss.distribution', which is of the whole batch."
        )
    if batch % (world * parts):
        raise UsageError(
            f"'run.batch' of {batch} cannot be shared evenly by {world} process(es) in {parts} part(s) "
            f"('run.accumulate') each; make it a multiple of {world * parts}."
        )


class Learner:
    """What does a step.

    Args:
        recipe: of the run.
        state: what is changed.
        objective: the loss without its adversarial term.
        group: the processes that share each batch.
        device, precision: where and in what the networks compute.
    """

    def __init__(
        self,
        recipe: Recipe,
        state: State,
        objective: Objective,
        group: Group,
        device: torch.device,
        precision: torch.dtype,
    ) -> None:
        self._recipe, self._state, self._objective = recipe, state, objective
        self._group, self._device, self._precision = group, device, precision

    def learn(self, batch: Ready) -> Tensor:
        """One step: gradients of every part of the batch, in every process, then the optimizers.

        Returns:
            The losses ``(1,)``, or ``(2,)`` with the discriminator's; means over this process's samples.
        """
        state, parts = self._state, self._recipe.run.accumulate
        for optimizer in state.optimizers:
            optimizer.zero_grad()
        total = torch.zeros(len(state.optimizers), device=self._device)
        for part in batch.split(parts):
            losses = self._losses(part)
            state.scaler.scale(losses.sum() / parts).backward()
            total += losses.detach() / parts
        for network, optimizer in zip(state.networks, state.optimizers, strict=True):
            self._group.average_gradients(network.parameters())
            if self._recipe.optimizer.clip:
                state.scaler.unscale_(optimizer)
                nn.utils.clip_grad_norm_(network.parameters(), self._recipe.optimizer.clip)
            state.scaler.step(optimizer)
        state.scaler.update()
        return total

    def _losses(self, part: Ready) -> Tensor:
        """``(1,)``, or ``(2,)`` of generator and discriminator (A eqs. 3 and 4).

        Both are of the same two networks, which then step together: parts of a batch add up to what the
        whole gives, and the generator runs once. Neither loss has a gradient in the other's weights.
        """
        model, discriminator = self._state.model, self._state.discriminator
        truth = model.at_grain(part.lab)
        with autocast(self._device, self._precision):
            raw = raw_of(model, part)
        loss = self._objective(raw.float(), truth)
        if discriminator is None:
            return loss[None]
        real, seen = spaces.encode("rgb", truth), part.lightness / 50 - 1
        with autocast(self._device, self._precision):
            scores = discriminator(real, seen), discriminator(raw.detach(), seen)
            with _frozen(discriminator):
                judged = discriminator(raw, seen)
        fooled = generator_loss(judged.float(), self._recipe.loss.generator)
        return torch.stack((fooled + loss, discriminator_loss(*(score.float() for score in scores))))


@contextmanager
def _frozen(network: nn.Module) -> Iterator[None]:
    """A network that passes gradients on and keeps none."""
    network.requires_grad_(False)
    try:
        yield
    finally:
        network.requires_grad_(True)
