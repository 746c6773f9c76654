"""How every long command reports: a bar and sentences for people, events for programs."""

from __future__ import annotations

import os
import sys
import time
from types import TracebackType
from typing import Any, Self

from vidcolor.cli.console import emit_json, say

__all__ = ["Reporter", "make_bar"]

_EVENT_INTERVAL_S = 0.5
"""Programs get at most two progress events a second."""
_UNTOLD_SIZE = {"ncols": 79, "nrows": 24}
"""What a bar is drawn for on a terminal that does not say how large it is."""


class Reporter:
    """Hands on what a run says of itself; a context manager, so that the bar is closed before any error.

    A command's own adds ``progress``, ``done`` and how its bar, ``_bar``, is made.

    Args:
        bar: draw progress on stderr.
        quiet: only errors on stderr.
        events: one JSON object a line on stdout.
    """

    def __init__(self, *, bar: bool, quiet: bool, events: bool) -> None:
        self._bar_wanted, self._quiet, self._events = bar, quiet, events
        self._bar: Any = None
        self._last_event_s = float("-inf")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close_bar()

    def notify(self, message: str) -> None:
        """Something the user should know, in one sentence."""
        self.say(f"note: {message}")  # first: nobody may read events any more
        if self._events:
            emit_json(event="notice", message=message)

    def say(self, message: str) -> None:
        """A line for people, beside the bar."""
        if self._quiet:
            return
        if self._bar is None:
            say(message)
            return
        self._bar.clear()
        say(message)
        self._bar.refresh()

    def _event_is_due(self) -> bool:
        """Whether programs get a progress event now."""
        now_s = time.monotonic()
        if not self._events or now_s - self._last_event_s < _EVENT_INTERVAL_S:
            return False
        self._last_event_s = now_s
        return True

    def _close_bar(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def make_bar(**given: Any) -> Any:
    """A bar on stderr, as wide as the terminal; ``given``: what tqdm takes."""
    from tqdm import tqdm  # imported when there is something to draw

    size = {"dynamic_ncols": True} if _tells_size() else _UNTOLD_SIZE
    return tqdm(file=sys.stderr, leave=False, **size, **given)


def _tells_size() -> bool:
    """Whether stderr is no terminal of 0 columns or lines (as in containers, and over serial lines).

    tqdm takes that at its word, and draws nothing.
    """
    try:
        return all(os.get_terminal_size(sys.stderr.fileno()))
    except (AttributeError, OSError, ValueError):  # no terminal, which tqdm knows how to draw for
        return True
