"""How ``vidcolor run`` reports: a bar and sentences for people, events for programs."""

from __future__ import annotations

from typing import Any

from vidcolor.cli.console import emit_json
from vidcolor.cli.reporter import Reporter, make_bar
from vidcolor.pipeline.options import Progress, Summary
from vidcolor.wording import counted, printable

__all__ = ["RunReporter"]


class RunReporter(Reporter):
    """Reports on the colouring of a film.

    Args:
        bar, quiet, events: as for :class:`Reporter`.
        verbose: also say what is about to be done.
    """

    def __init__(self, *, bar: bool, quiet: bool, verbose: bool, events: bool) -> None:
        super().__init__(bar=bar, quiet=quiet, events=events)
        self._verbose = verbose

    def start(self, **facts: Any) -> None:
        """Says what is about to be done."""
        if self._events:
            emit_json(event="start", **facts)
        if self._verbose:
            self.say(", ".join(f"{name} {value}" for name, value in facts.items() if value is not None))

    def progress(self, progress: Progress) -> None:
        """Called after every frame or batch; cheap when nobody looks."""
        if self._bar_wanted:
            self._draw(progress)
        if self._event_is_due():
            emit_json(event="progress", **progress.to_dict())

    def done(self, summary: Summary) -> None:
        """The last word of a run that went well."""
        self._close_bar()
        if self._events:
            emit_json(event="done", **summary.to_dict())
        self.say(_sentence(summary))

    def _draw(self, progress: Progress) -> None:
        if self._bar is None:
            self._bar = _make_bar(progress)
        if progress.total is not None:
            self._bar.total = progress.total
        # The speed tqdm works out counts recent frames more, which is what the time left hangs on.
        self._bar.update(progress.frame - self._bar.n)


def _make_bar(progress: Progress) -> Any:
    return make_bar(
        total=progress.total,
        initial=progress.kept,
        unit=" frames",
        bar_format=(
            "frame {n_fmt}, {rate_noinv_fmt}"
            if progress.total is None
            else "frame {n_fmt}/{total_fmt} |{bar}| {rate_noinv_fmt}, {remaining} left"
        ),
    )


def _sentence(summary: Summary) -> str:
    made = summary.frames > summary.kept
    speed = f"{summary.fps:.1f} frames/s" if made else "all of them kept from before"
    text = (
        f"{counted(summary.frames, 'frame')} in {summary.seconds:.1f} s ({speed}, "
        f"model {summary.model} on {summary.device}) -> {printable(str(summary.output))}"
    )
    return f"{text}; left out: {', '.join(summary.left_out)}" if summary.left_out else text
