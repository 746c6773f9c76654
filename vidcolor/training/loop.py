"""A training run, from top to bottom."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn, TypeAlias

import numpy as np
import torch
from torch import Tensor

from vidcolor.errors import ModelError
from vidcolor.pipeline.device import choose_device, choose_precision
from vidcolor.pipeline.memory import hold_memory
from vidcolor.training.checkpoint import load_checkpoint, may_go_on, save_checkpoint
from vidcolor.training.clock import Clock
from vidcolor.training.data import Batch, Batches, ready
from vidcolor.training.distributed import Group, connect
from vidcolor.training.folder import WorkFolder
from vidcolor.training.held_out import FIGURES, HeldOut
from vidcolor.training.losses import Objective
from vidcolor.training.options import Recipe, recipe_from
from vidcolor.training.pictures import Pictures, open_pictures
from vidcolor.training.state import State
from vidcolor.training.step import Learner, check_shares
from vidcolor.training.summary import summary_of

__all__ = ["Outcome", "Progress", "recipe_of_run", "train"]

_STEP_NOISE = 2
"""Keeps the seeds of steps apart from those of orders and samples (:mod:`vidcolor.training.data`)."""
_LEARNT = ("train_loss", "train_discriminator")
"""Columns of what steps say, in the order they say it."""
_SAMPLES = 8
"""Held-out pictures on a sheet of samples."""
_NO_NEIGHBOURS = (
    "'data.motion_hints' does nothing here: no two pictures show the same part of one shot; of films, "
    "vidcolor build-dataset --size any makes such pictures"
)

Reason: TypeAlias = Literal["finished", "plateau", "time limit", "stopped"]


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run is, after a step."""

    step: int
    steps: int | None
    """In all; None when time ends the run."""
    seconds: float
    """Spent, in all sessions."""
    limit: float | None
    """Seconds the run takes, in all sessions; None when steps end it."""
    loss: float
    """Of the last step whose loss is known."""
    psnr: float | None
    """Of held-out pictures when last looked at, in dB."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a session ended."""

    reason: Reason
    """"stopped": from outside, with a checkpoint and without an output. "time limit": with both."""
    step: int
    seconds: float
    """Spent, in all sessions."""
    output: Path | None
    """The weights file; None when there is none yet."""
    folder: Path
    held_out: dict[str, float]
    """Figures of what went out on held-out pictures; empty when nothing did."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run computes, in what, and with whom."""

    device: torch.device
    precision: torch.dtype
    group: Group


def train(
    recipe: Recipe,
    data: Sequence[Path],
    output: Path,
    *,
    resume: bool = False,
    device: str = "auto",
    overwrite: bool = False,
    notify: Callable[[str], None] = lambda sentence: None,
    progress: Callable[[Progress], None] = lambda progress: None,
    stop: threading.Event | None = None,
) -> Outcome:
    """Trains a network as a recipe says and writes its weights.

    Started by ``torchrun``, several processes train it together.

    Args:
        recipe: what to do.
        data: sets made by ``vidcolor build-dataset``, or folders of pictures.
        output: the weights file; beside it lies the working folder (:mod:`vidcolor.training.folder`).
        resume: go on from the checkpoint there.
        device: "auto", "cpu", "cuda", "cuda:N" or "mps".
        overwrite: whether an older output and an older run may be replaced.
        notify: gets sentences that a person should read.
        progress: called after every step.
        stop: set it to end after the step that runs, with a checkpoint and without an output.

    Raises:
        VidcolorError: in a sentence, what is wrong with the recipe, the pictures, the checkpoint or the
            disk, or that the loss is no longer a number.
    """
    started = time.monotonic()
    hold_memory()
    pictures = open_pictures(recipe, data)
    recipe = pictures.conditioned(recipe)
    folder = WorkFolder(output, recipe)
    with connect(choose_device(device)) as (group, where):
        place = Place(where, _precision(recipe, where), group)
        torch.backends.cudnn.benchmark = where.type == "cuda"  # every batch has the same size
        if group.is_first:
            folder.check(resume=resume, overwrite=overwrite)
        check_shares(recipe, group.world)
        state = State(recipe, device=where, precision=place.precision, group=group)
        if group.is_first and not getattr(state.model, "pretrained", True):
            notify("no pretrained weights for this model's frozen part are on this machine; it is random")
        pictures = pictures.described_for(state.model)
        if recipe.data.motion_hints and state.model.takes_hints:
            pictures = pictures.with_neighbours()
            if group.is_first and not any(pictures.neighbours):
                notify(_NO_NEIGHBOURS)
        if resume:
            checkpoint = load_checkpoint(folder.checkpoint)
            may_go_on(folder.checkpoint, checkpoint, recipe, pictures.digest)
            state.load_state_dict(checkpoint["state"])
        session = _Session(recipe, pictures, folder, state, place, started, progress)
        if group.is_first:
            folder.open(resume=resume, data=data)
        try:
            with session.batches.from_step(state.step) as batches:
                reason = session.until_ended(batches, stop or threading.Event())
            return session.end(reason)
        finally:
            if group.is_first:
                folder.close()


def recipe_of_run(output: Path, changes: Sequence[tuple[str, str]] = ()) -> Recipe:
    """The recipe of the run whose weights go to ``output``, from its checkpoint, with some values changed.

    Raises:
        ModelError: there is no checkpoint, or it is damaged.
        UsageError: a change cannot be.
    """
    return recipe_from(load_checkpoint(WorkFolder(output, Recipe()).checkpoint)["recipe"], changes)


def _precision(recipe: Recipe, device: torch.device) -> torch.dtype:
    """What to compute in: half precision unasked only on GPUs."""
    wanted = recipe.run.precision
    return choose_precision("fp32" if wanted == "auto" and device.type != "cuda" else wanted, device)


class _Session:
    """From the start, or from a checkpoint, to whatever ends it."""

    def __init__(
        self,
        recipe: Recipe,
        pictures: Pictures,
        folder: WorkFolder,
        state: State,
        place: Place,
        started: float,
        progress: Callable[[Progress], None],
    ) -> None:
        self.recipe, self.pictures, self.folder = recipe, pictures, folder
        self.state, self.place, self.progress = state, place, progress
        self.clock = Clock(recipe, len(pictures.train), state.seconds, started)
        group, device = place.group, place.device
        prior = pictures.prior(device) if recipe.loss.rarity or recipe.loss.distribution else None
        objective = Objective(recipe.loss, state.model.space, prior, group)
        self.learner = Learner(recipe, state, objective, group, device, place.precision)
        self.batches = Batches(
            pictures.train,
            recipe.data,
            size=recipe.run.batch,
            seed=recipe.run.seed,
            hints=state.model.takes_hints,
            describe=pictures.describe,
            share=(group.rank, group.world),
            neighbours=pictures.neighbours,
        )
        # The first process alone looks at held-out pictures, and asks no other meanwhile.
        self.judge = Objective(recipe.loss, state.model.space, prior)
        self.held_out = HeldOut(pictures, recipe, device, place.precision) if group.is_first else None
        self.saved = time.monotonic()
        self.loss = float("nan")
        self.unread: list[Tensor] = []

    # ---- the loop -----------------------------------------------------------------------------

    def until_ended(self, batches: Iterator[Batch], stop: threading.Event) -> Reason:
        """Steps, looks and checkpoints until something ends the session; its end is in a checkpoint."""
        state, clock = self.state, self.clock
        while (reason := self.over(stop)) is None:
            state.set_rate(clock.elapsed(state.step))
            self.seed_step()
            losses = self.learner.learn(ready(next(batches), self.place.device))
            state.step += 1
            state.follow_average()
            self.note(losses)
            if state.step % clock.look_every == 0:
                self.look()
            psnr = state.rows[-1]["psnr"] if state.rows else None
            self.progress(Progress(state.step, clock.steps, clock.seconds, clock.limit, self.loss, psnr))
        self.save()
        return reason

    def over(self, stop: threading.Event) -> Reason | None:
        """Why the session ends before the coming step; None: it goes on, with a checkpoint if one is due."""
        patience = self.recipe.run.patience
        if self.clock.steps is not None and self.state.step >= self.clock.steps:
            return "finished"
        if patience and self.state.since_best >= patience:
            return "plateau"
        due = time.monotonic() - self.saved > 60 * self.recipe.run.checkpoint_minutes
        # Clocks and signals differ from process to process; what one of them sees holds for all.
        late, stopped, due = self.place.group.any(self.clock.run_out, stop.is_set(), due)
        if late:
            return "finished" if self.clock.limit else "time limit"
        if stopped:
            return "stopped"
        if due:
            self.save()
        return None

    def seed_step(self) -> None:
        """What is random inside a network (dropout) is a function of the step too."""
        place = self.place
        seeds = np.random.SeedSequence((self.recipe.run.seed, _STEP_NOISE, self.state.step, place.group.rank))
        torch.manual_seed(int(seeds.generate_state(1)[0]))

    # ---- watching -----------------------------------------------------------------------------

    def note(self, losses: Tensor) -> None:
        """Takes a step's losses; on a GPU they are read one step later, when they are there already."""
        self.unread.append(losses)
        if self.place.device.type == "cpu" or len(self.unread) > 1:
            self.read(1)

    def read(self, count: int | None = None) -> None:
        """Adds up the oldest losses that were not read yet."""
        for losses in self.unread[:count]:
            values = losses.tolist()
            self.loss = values[0]
            if not np.isfinite(values).all():
                self.break_down(f"the loss is {self.loss:g}")
            for name, value in zip(_LEARNT, values, strict=False):
                self.state.sums[name] = self.state.sums.get(name, 0.0) + value
            self.state.summed += 1
        del self.unread[:count]

    def look(self, *, keep: bool = True) -> bool:
        """Looks at held-out pictures: a row of figures, the best weights, curves and samples.

        ``keep``: whether what is best is kept for those who go on. Returns whether these weights are it.
        """
        self.read()
        state, group = self.state, self.place.group
        figures: list[float] | None = None
        if self.held_out is not None:
            measured = self.held_out.measure(state.kept, self.judge, state.discriminator)
            figures = [measured[name] for name in FIGURES]
        row = self.row(group.from_first(figures, len(FIGURES)))
        if not np.isfinite(row["val_loss"]):
            self.break_down(f"the loss on held-out pictures is {row['val_loss']:g}")
        state.rows.append(row)
        state.sums, state.summed = {}, 0
        best = state.judge(row["val_loss"])
        if self.place.group.is_first and best and keep:
            self.folder.write_weights(self.folder.best, state.kept, self.summary())
        self.report()
        return best

    def report(self, *, now: bool = False) -> None:
        """Writes what the run shows of itself."""
        held_out, kept = self.held_out, self.state.kept
        if held_out is not None:
            self.folder.report(self.state.rows, lambda: held_out.look(kept, _SAMPLES), now=now)

    def row(self, figures: list[float]) -> dict[str, float]:
        """What is known now, in the order of the columns of metrics.csv."""
        state, group = self.state, self.place.group
        names = _LEARNT[: 1 if state.discriminator is None else 2]
        summed = [state.sums.get(name, math.nan) for name in names]  # nan: the time was up before a step
        sums = torch.tensor(summed, dtype=torch.float64, device=group.device)
        means = (group.mean(sums) / max(state.summed, 1)).tolist()
        row = {
            "step": float(state.step),
            "epoch": self.clock.epoch(state.step),
            "seconds": round(self.clock.seconds, 3),
            "rate": float(state.optimizers[0].param_groups[0]["lr"]),
            **dict(zip(names, means, strict=True)),
            **dict(zip(FIGURES, figures, strict=True)),
        }
        if state.discriminator is None:
            del row["val_discriminator"]
        return row

    def break_down(self, why: str) -> NoReturn:
        """Ends a run that has nothing to gain."""
        there = self.folder.checkpoint.exists()
        advice = (
            f"the last good checkpoint is {str(self.folder.checkpoint)!r}; go on from it with --resume and"
            if there
            else "there is no checkpoint yet; start again with"
        )
        raise ModelError(
            f"Training broke down at step {self.state.step}: {why}; {advice} a lower optimizer.rate."
        )

    def save(self) -> None:
        """Writes a checkpoint of where the run is."""
        self.read()
        if not self.state.is_finite():
            self.break_down("a weight is no longer a number")
        self.state.seconds = self.clock.seconds
        if self.place.group.is_first:
            save_checkpoint(
                self.folder.checkpoint,
                recipe=self.recipe,
                pictures=self.pictures.digest,
                state=self.state.state_dict(),
            )
        self.saved = time.monotonic()

    def summary(self) -> dict[str, Any]:
        """What goes into weights files."""
        return summary_of(
            self.recipe, self.pictures, self.state, device=self.place.device,
            processes=self.place.group.world, seconds=self.clock.seconds,
        )  # fmt: skip

    def end(self, reason: Reason) -> Outcome:
        """A last look, and the weights; a run that was stopped from outside leaves it at its checkpoint."""
        state, group, folder = self.state, self.place.group, self.folder
        if reason == "stopped":
            return Outcome(reason, state.step, self.clock.seconds, None, folder.path, {})
        # After the checkpoint: a run that goes on must not remember a look that it would not have had.
        looked = bool(state.rows) and state.rows[-1]["step"] == state.step
        best = not looked and self.look(keep=False)
        self.report(now=True)
        summary = folder.finish(state.kept, self.summary(), best=best) if group.is_first else {}
        held_out = summary.get("held_out", {})
        return Outcome(reason, state.step, self.clock.seconds, folder.output, folder.path, held_out)
