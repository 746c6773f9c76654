"""What changes while a network is trained, and how it goes into a checkpoint and comes back."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from vidcolor.errors import ModelError, UsageError
from vidcolor.models import ColorModel, create_model, resolve_model
from vidcolor.training.adadelta import NesterovAdadelta
from vidcolor.training.distributed import Group, share_batch_norm
from vidcolor.training.muon import Muon
from vidcolor.training.options import ModelOptions, OptimizerOptions, Recipe, ScheduleOptions
from vidcolor.training.report import Row

__all__ = ["State", "build_model", "shape_of_rate"]


class State:
    """A network, what trains it, and where the run is.

    Args:
        recipe: of the run.
        device, precision: where and in what it computes.
        group: the processes that train it together.
    """

    def __init__(self, recipe: Recipe, *, device: torch.device, precision: torch.dtype, group: Group) -> None:
        self._recipe = recipe
        torch.manual_seed(recipe.run.seed)
        self.model = build_model(recipe.model).to(device).train()
        # A few times faster on CPUs. Only mypy does not know that modules take it.
        self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.discriminator: nn.Module | None = None
        if recipe.loss.adversarial:
            self.discriminator = build_opponent(self.model, recipe.loss.discriminator).to(device).train()
        for network in self.networks:
            share_batch_norm(network, group)
        self.average = copy.deepcopy(self.model) if recipe.run.ema else None
        self.optimizers = [make_optimizer(network, recipe.optimizer) for network in self.networks]
        scaled = device.type == "cuda" and precision == torch.float16
        self.scaler = torch.amp.GradScaler(device.type, enabled=scaled)
        self.step = 0
        self.seconds = 0.0
        """Spent in earlier sessions."""
        self.rows: list[Row] = []
        self.best = math.inf
        """Lowest validation loss."""
        self.since_best = 0
        """Validations since then."""
        self.since_drop = 0
        """Validations without a better loss since the rate last fell on a plateau."""
        self.drop = 1.0
        """Product of the plateaus' factors."""
        self.sums: dict[str, float] = {}
        """Sums of the training losses since the last look at held-out pictures."""
        self.summed = 0
        """Steps in them."""

    @property
    def networks(self) -> list[nn.Module]:
        """The network, and the discriminator where there is one; each has its optimizer."""
        return [n for n in (self.model, self.discriminator) if n is not None]

    @property
    def kept(self) -> ColorModel:
        """The network that is looked at and goes out: the moving average where there is one."""
        return self.model if self.average is None else self.average

    def set_rate(self, elapsed: float) -> float:
        """Gives the optimizers the learning rate of the coming step, and returns it.

        Args:
            elapsed: share of the run that lies behind, by steps or by time, in [0, 1].
        """
        rate = self._recipe.optimizer.rate * self.drop
        rate *= shape_of_rate(self._recipe.schedule, self.step, elapsed)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
        return rate

    def follow_average(self) -> None:
        """Moves the average towards the network; faster at first, when there is little to average."""
        if self.average is None:
            return
        decay = min(self._recipe.run.ema, 1 - 10 / (self.step + 10))
        with torch.no_grad():
            for slow, fast in zip(
                self.average.state_dict().values(), self.model.state_dict().values(), strict=True
            ):
                if slow.dtype.is_floating_point:
                    slow.lerp_(fast, 1 - decay)
                else:
                    slow.copy_(fast)

    def judge(self, loss: float) -> bool:
        """Takes note of a validation loss; True when it is the best so far."""
        better = loss < self.best
        self.best = min(loss, self.best)
        self.since_best = 0 if better else self.since_best + 1
        self.since_drop = 0 if better else self.since_drop + 1
        schedule = self._recipe.schedule
        if schedule.name == "plateau" and self.since_drop >= schedule.patience:
            self.drop *= schedule.factor
            self.since_drop = 0
        return better

    def is_finite(self) -> bool:
        """Whether every weight is a number."""
        weights = [p for network in self.networks for p in network.parameters()]
        return bool(torch.stack([torch.isfinite(p).all() for p in weights]).all())

    def state_dict(self) -> dict[str, Any]:
        """Everything above as tensors and plain values."""
        return {
            "networks": [network.state_dict() for network in self.networks],
            "average": None if self.average is None else self.average.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "scaler": self.scaler.state_dict(),
            **{name: getattr(self, name) for name in _PLAIN},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Puts back what :meth:`state_dict` gave.

        Raises:
            ModelError: it does not fit.
        """
        try:
            for network, stored in zip(self.networks, state["networks"], strict=True):
                network.load_state_dict(stored)
            if self.average is not None:
                self.average.load_state_dict(state["average"])
            for optimizer, stored in zip(self.optimizers, state["optimizers"], strict=True):
                optimizer.load_state_dict(stored)
            self.scaler.load_state_dict(state["scaler"])
            for name in _PLAIN:
                setattr(self, name, state[name])
        except (LookupError, AttributeError, ValueError, RuntimeError, TypeError) as error:
            raise ModelError("The checkpoint does not fit its recipe; start without --resume.") from error


_PLAIN = ("step", "seconds", "rows", "best", "since_best", "since_drop", "drop", "sums", "summed")


def shape_of_rate(schedule: ScheduleOptions, step: int, elapsed: float) -> float:
    """The learning rate of a step, as a share of the highest.

    >>> shape_of_rate(ScheduleOptions(name="cosine"), 50, 0.5)
    0.5
    """
    rising = min(1.0, (step + 1) / schedule.warmup) if schedule.warmup else 1.0
    if schedule.name != "cosine":
        return rising
    return round(rising * (0.5 + 0.5 * math.cos(math.pi * min(elapsed, 1.0))), 12)


def build_model(options: ModelOptions) -> ColorModel:
    """The network of a recipe, from scratch or from weights.

    Raises:
        UsageError: there is no such model or option.
        ModelError: the weights are not this model's.
    """
    with _building(f"Model {options.name!r} cannot be built with 'model.options'"):
        model = create_model(options.name, **options.options)
    if not any(p.requires_grad for p in model.parameters()):
        raise UsageError(f"Model {options.name!r} has nothing to learn.")
    if options.weights:
        start = resolve_model(options.weights).model
        try:
            if type(start) is not type(model):
                raise RuntimeError
            go_on_from(model, start)
        except RuntimeError as error:
            raise ModelError(
                f"The weights {options.weights!r} are not of model {options.name!r} with these options."
            ) from error
    return model


def go_on_from(model: ColorModel, start: ColorModel) -> None:
    """Gives a network the weights of another; what the other was never told of stays as it begins, at zero.

    Raises:
        RuntimeError: they are of another shape.
    """
    stored = start.state_dict()
    if model.condition_width and not start.condition_width:
        stored = {**model.state_dict(), **stored}
    model.load_state_dict(stored)


def build_opponent(model: ColorModel, options: dict[str, Any]) -> nn.Module:
    """The discriminator that a generator is trained against.

    Raises:
        UsageError: the model knows none, or it has no such option.
    """
    opponent = getattr(model, "opponent", None)
    if opponent is None:
        raise UsageError("'loss.adversarial' is for models with a discriminator, such as cgan.")
    with _building("'loss.discriminator' cannot be built"):
        made: nn.Module = opponent(**options)
    return made


@contextmanager
def _building(problem: str) -> Iterator[None]:
    """Turns what networks raise over their options into a sentence that begins with the problem."""
    try:
        yield
    except (TypeError, ValueError, RuntimeError) as error:
        why = str(error).splitlines()[0].rstrip(".")
        raise UsageError(f"{problem}: {why}.") from error


def make_optimizer(network: nn.Module, options: OptimizerOptions) -> torch.optim.Optimizer:
    """An optimizer for what a network learns; frozen weights are left alone."""
    weights = [p for p in network.parameters() if p.requires_grad]
    rate, decay = options.rate, options.weight_decay
    match options.name:
        case "adam":
            return torch.optim.Adam(weights, rate, options.betas, weight_decay=decay, fused=True)
        case "adamw":
            return torch.optim.AdamW(weights, rate, options.betas, weight_decay=decay, fused=True)
        case "adadelta":
            return torch.optim.Adadelta(weights, rate, weight_decay=decay)
        case "adadelta-nesterov":
            return NesterovAdadelta(weights, rate, momentum=options.momentum, weight_decay=decay)
        case "sgd":
            momentum = options.momentum
            return torch.optim.SGD(weights, rate, momentum, weight_decay=decay, nesterov=momentum > 0)
        case "muon":
            momentum, betas = options.momentum, options.betas
            return Muon(weights, rate, momentum=momentum, betas=betas, weight_decay=decay)
