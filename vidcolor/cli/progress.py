"""How ``vidcolor run`` reports: a bar and sentences for people, events for programs."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

from vidcolor.cli.console import emit_json, printable, say
from vidcolor.pipeline.options import Progress, Summary

__all__ = ["Reporter"]

# Programs get at most two progress events a second.
_EVENT_INTERVAL_S = 0.5


class Reporter:
    """Hands on what a run says of itself; a context manager, so that the bar is closed before any error.

    Args:
        bar: draw progress on stderr.
        quiet: only errors on stderr.
        verbose: also say what is about to be done.
        events: one JSON object a line on stdout.
    """

    def __init__(self, *, bar: bool, quiet: bool, verbose: bool, events: bool) -> None:
        self._bar_wanted = bar
        self._quiet = quiet
        self._verbose = verbose
        self._events = events
        self._bar: Any = None
        self._last_event_s = float("-inf")

    def __enter__(self) -> Reporter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def start(self, **facts: Any) -> None:
        """Says what is about to be done."""
        if self._events:
            emit_json(event="start", **facts)
        if self._verbose:
            self._say(", ".join(f"{name} {value}" for name, value in facts.items() if value is not None))

    def notify(self, message: str) -> None:
        """Something the user should know, in one sentence."""
        if self._events:
            emit_json(event="notice", message=message)
        if not self._quiet:
            self._say(f"note: {message}")

    def progress(self, progress: Progress) -> None:
        """Called after every frame or batch; cheap when nobody looks."""
        if self._bar_wanted:
            self._draw(progress)
        now_s = time.monotonic()
        if self._events and now_s - self._last_event_s >= _EVENT_INTERVAL_S:
            self._last_event_s = now_s
            emit_json(event="progress", **progress.to_dict())

    def done(self, summary: Summary) -> None:
        """The last word of a run that went well."""
        if self._bar is not None:
            self._bar.close()
        if self._events:
            emit_json(event="done", **summary.to_dict())
        if not self._quiet:
            say(_sentence(summary))

    def _draw(self, progress: Progress) -> None:
        if self._bar is None:
            self._bar = _make_bar(progress.total)
        if progress.total is not None:
            self._bar.total = progress.total
        # The speed tqdm works out counts recent frames more, which is what the time left hangs on.
        self._bar.update(progress.frame - self._bar.n)

    def _say(self, message: str) -> None:
        if self._bar is None:
            say(message)
        else:
            self._bar.clear()
            say(message)
            self._bar.refresh()


def _make_bar(total: int | None) -> Any:
    from tqdm import tqdm  # imported when there is something to draw

    return tqdm(
        total=total,
        unit=" frames",
        file=sys.stderr,
        dynamic_ncols=True,
        leave=False,
        bar_format=(
            "frame {n_fmt}, {rate_noinv_fmt}"
            if total is None
            else "frame {n_fmt}/{total_fmt} |{bar}| {rate_noinv_fmt}, {remaining} left"
        ),
    )


def _sentence(summary: Summary) -> str:
    text = (
        f"{summary.frames} frames in {summary.seconds:.1f} s ({summary.fps:.1f} frames/s, "
        f"model {summary.model} on {summary.device}) -> {printable(str(summary.output))}"
    )
    return f"{text}; left out: {', '.join(summary.left_out)}" if summary.left_out else text
