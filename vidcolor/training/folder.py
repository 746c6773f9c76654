"""The files of a run: its weights, and the working folder beside them.

::

    out.safetensors             the weights that go out
    out.training/
        checkpoint.safetensors  to go on from
        best.safetensors        weights with the lowest validation loss so far
        last.safetensors        weights when the last session ended, where the best go out
        metrics.csv, curves.png, samples/, tensorboard/     see report
        set/                    what it learns from, where it was given films
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from vidcolor import __version__
from vidcolor.errors import OutputError, UsageError
from vidcolor.models import ColorModel, load_weights, save_weights
from vidcolor.training.held_out import Look
from vidcolor.training.options import Recipe
from vidcolor.training.report import Row, TensorBoard, draw_curves, write_metrics, write_samples

__all__ = ["WorkFolder"]

_REPORT_SECONDS = 20.0
"""Curves and samples are drawn at most this often: drawing takes a good part of a second."""


class WorkFolder:
    """Where a run keeps its files.

    Args:
        output: the weights file that the run is for.
        recipe: of the run.
    """

    def __init__(self, output: Path, recipe: Recipe) -> None:
        self.output = output
        self._recipe = recipe
        self.path = output.with_suffix(".training")
        self.checkpoint = self.path / "checkpoint.safetensors"
        self.best = self.path / "best.safetensors"
        self.last = self.path / "last.safetensors"
        self.metrics = self.path / "metrics.csv"
        self.curves = self.path / "curves.png"
        self.samples = self.path / "samples"
        self.set = self.path / "set"
        self._board: TensorBoard | None = None
        self._drawn = float("-inf")

    def check(self, *, resume: bool, overwrite: bool) -> None:
        """Refuses what could not be written in the end, or would replace what nobody gave up.

        Raises:
            UsageError, OutputError: why, in a sentence.
        """
        if self.output.suffix != ".safetensors":
            raise UsageError(f"Weights go into a .safetensors file, not {str(self.output)!r}.")
        if self.output.is_dir() or not self.output.parent.is_dir():
            raise OutputError(f"{str(self.output)!r} cannot be written: there is no such folder.")
        if resume or overwrite:
            return
        if self.checkpoint.exists():
            raise OutputError(f"{str(self.path)!r} holds a run; go on with --resume, or start over with -y.")
        if self.output.exists():
            raise OutputError(f"{str(self.output)!r} exists; replace it with -y.")

    def holds(self, path: Path) -> bool:
        """Whether a path is :attr:`set`, or in it, however it is written."""
        return path.resolve().is_relative_to(self.set.resolve())

    @contextmanager
    def making_set(self) -> Iterator[None]:
        """There is a folder for :attr:`set` to be made in; one in which nothing was is taken away again.

        Raises:
            OutputError: it cannot be made.
        """
        with self._writing():
            self.path.mkdir(exist_ok=True)
            for half_made in self.path.glob(f".{self.set.name}.*.part"):  # of a process that was killed
                shutil.rmtree(half_made)
        try:
            yield
        finally:
            self.close()

    def open(self, *, resume: bool, data: Sequence[Path] = ()) -> None:
        """Makes the folder; what an older run left there goes unless it is resumed, or among ``data``.

        Raises:
            OutputError: that is not possible.
        """
        with self._writing():
            self.samples.mkdir(parents=True, exist_ok=True)
            if not resume:
                named = (self.checkpoint, self.best, self.last, self.metrics, self.curves)
                for old in (*named, *self.samples.glob("*.png")):
                    old.unlink(missing_ok=True)
                if self.set.exists() and not any(map(self.holds, data)):
                    shutil.rmtree(self.set)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OutputError(f"{str(self.path)!r} cannot be written: {error.strerror}.") from error

    def close(self) -> None:
        """Lets go of what is open; a folder in which nothing was written is taken away."""
        if self._board is not None:
            self._board.close()
        for folder in (self.samples, self.path):
            with suppress(OSError):
                folder.rmdir()  # refused, as it should be, where there is anything in it

    def write_weights(self, path: Path, model: ColorModel, summary: dict[str, Any]) -> None:
        """A self-describing weights file of the run's model.

        Raises:
            OutputError: it cannot be written.
        """
        options = self._recipe.model
        save_weights(
            path, model, name=options.name, options=options.options, training=summary, version=__version__
        )

    def finish(self, model: ColorModel, summary: dict[str, Any], *, best: bool) -> dict[str, Any]:
        """Writes the weights that go out: the last, or the best where the recipe keeps these.

        Args:
            model: with the last weights.
            summary: of the run as a whole; "step" and "held_out" are those of the last weights.
            best: whether the last weights are the best as well, and better than those kept.

        Returns:
            The summary of what went out.
        """
        if self._recipe.run.keep == "best":
            self.write_weights(self.last, model, summary)
            if not best and self.best.exists():
                kept = load_weights(self.best)
                model, summary = kept.model, summary | kept.training
        self.write_weights(self.output, model, summary)
        return summary

    def report(self, rows: Sequence[Row], look: Callable[[], Look], *, now: bool) -> None:
        """Numbers always; curves and samples if it is time, or ``now``."""
        if self._board is None:
            self._board = TensorBoard(self.path / "tensorboard")
        self._board.add(rows[-1])
        write_metrics(self.metrics, rows)
        if not now and time.monotonic() - self._drawn < _REPORT_SECONDS:
            return
        self._drawn = time.monotonic()
        draw_curves(self.curves, rows, self._recipe.summary or self._recipe.model.name)
        step = f"{int(rows[-1]['step']):06d}"
        write_samples(self.samples / f"{step}.png", look())
