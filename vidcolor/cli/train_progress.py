"""How ``vidcolor train`` reports: a bar and sentences for people, events for programs."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from vidcolor.cli.console import emit_json
from vidcolor.cli.reporter import Reporter, make_bar
from vidcolor.wording import counted, printable

if TYPE_CHECKING:
    from vidcolor.training.loop import Outcome, Progress

__all__ = ["TrainReporter"]

_LINE_INTERVAL_S = 60.0
"""Where no bar is drawn (a log file), a line this often."""

_ENDS = {
    "finished": "trained",
    "plateau": "ended early, held-out pictures got no better:",
    "time limit": "the time is up (go on with --resume):",
    "stopped": "stopped, go on with --resume:",
}


class TrainReporter(Reporter):
    """Reports on a training session; arguments as for :class:`Reporter`."""

    def __init__(self, *, bar: bool, quiet: bool, events: bool) -> None:
        super().__init__(bar=bar, quiet=quiet, events=events)
        self._last_line_s = time.monotonic()

    def progress(self, progress: Progress) -> None:
        """Called after every step; cheap when nobody looks."""
        now_s = time.monotonic()
        if self._event_is_due():
            emit_json(event="progress", **asdict(progress))
        if self._bar_wanted:
            self._draw(progress)
        elif now_s - self._last_line_s >= _LINE_INTERVAL_S:
            self._last_line_s = now_s
            self.say(f"step {progress.step}, {progress.seconds / 60:.1f} min, {_figures(progress)}")

    def done(self, outcome: Outcome) -> None:
        """The last word of a session."""
        if self._events:
            files = {"output": outcome.output and str(outcome.output), "folder": str(outcome.folder)}
            emit_json(event="done", **(asdict(outcome) | files))
        self.say(_sentence(outcome))

    def _draw(self, progress: Progress) -> None:
        if self._bar is None:
            self._bar = _make_bar(progress)
        by_time = progress.limit is not None
        self._bar.set_postfix_str(
            f"step {progress.step}, {_figures(progress)}" if by_time else _figures(progress), refresh=False
        )
        done = round(min(progress.seconds, progress.limit)) if progress.limit is not None else progress.step
        self._bar.update(done - self._bar.n)


def _make_bar(progress: Progress) -> Any:
    by_time = progress.limit is not None
    form = "step {n_fmt}/{total_fmt} |{bar}| {rate_noinv_fmt}, {remaining} left{postfix}"
    return make_bar(
        total=progress.steps if progress.limit is None else round(progress.limit),
        initial=round(progress.seconds) if by_time else progress.step - 1,
        bar_format="{percentage:3.0f}% |{bar}|{postfix}" if by_time else form,
        unit=" steps",
    )


def _figures(progress: Progress) -> str:
    text = f"loss {progress.loss:.4g}"
    return text if progress.psnr is None else f"{text}, held out {progress.psnr:.2f} dB"


def _sentence(outcome: Outcome) -> str:
    text = f"{_ENDS[outcome.reason]} {counted(outcome.step, 'step')}, {outcome.seconds / 60:.1f} min"
    if outcome.held_out:
        gain = outcome.held_out["psnr"] - outcome.held_out["grey_psnr"]
        text += f", {outcome.held_out['psnr']:.2f} dB on held-out pictures ({gain:+.2f} over grey)"
    where = outcome.folder if outcome.output is None else outcome.output
    return f"{text} -> {printable(str(where))}"
