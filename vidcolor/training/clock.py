"""How far a run is, by steps or by time."""

from __future__ import annotations

import time

from vidcolor.errors import UsageError
from vidcolor.training.options import Recipe

__all__ = ["Clock"]


class Clock:
    """Counts steps and seconds of a run.

    Args:
        recipe: of the run.
        pictures: number of those it learns from.
        before: seconds spent in earlier sessions.
        started: when this session began, of ``time.monotonic``.

    Raises:
        UsageError: the schedule goes by time and there is no time limit.
    """

    def __init__(self, recipe: Recipe, pictures: int, before: float, started: float) -> None:
        run = recipe.run
        self._before, self._started = before, started
        self._session_limit = 60 * run.time_limit
        self._samples, self._pictures = run.batch, pictures
        by_time = recipe.schedule.over == "time"
        if by_time and not run.time_limit:
            raise UsageError("'schedule.over' is time, which needs a time limit ('run.time_limit').")
        steps_an_epoch = pictures / run.batch
        self.steps: int | None = run.steps or max(round(run.epochs * steps_an_epoch), 1)
        if by_time:
            self.steps = run.steps or None
        self.limit = self._session_limit if by_time else None
        """Seconds of the whole run, all sessions together; None: it goes by steps."""
        self.look_every = run.validate_every or max(round(steps_an_epoch), 1)
        """Steps from one look at held-out pictures to the next."""

    @property
    def seconds(self) -> float:
        """Spent, in all sessions."""
        return self._before + time.monotonic() - self._started

    @property
    def run_out(self) -> bool:
        """Whether the time is up: of the run when it goes by time, else of the session."""
        if self.limit is not None:
            return self.seconds >= self.limit
        return bool(self._session_limit) and self.seconds - self._before >= self._session_limit

    def elapsed(self, step: int) -> float:
        """Share of the run that lies behind, in [0, 1]."""
        if self.limit is not None:
            return min(self.seconds / self.limit, 1.0)
        assert self.steps is not None
        return min(step / self.steps, 1.0)

    def epoch(self, step: int) -> float:
        """Passes over the pictures after that many steps."""
        return step * self._samples / self._pictures
