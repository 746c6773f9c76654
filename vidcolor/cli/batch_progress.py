"""How ``vidcolor batch`` reports: a bar over the films, a line for each, a table at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vidcolor.cli.console import emit_json, write
from vidcolor.cli.reporter import Reporter, make_bar
from vidcolor.wording import counted, printable

if TYPE_CHECKING:
    from vidcolor.pipeline.batch.loop import Event
    from vidcolor.pipeline.batch.report import Totals

__all__ = ["BatchReporter"]

_WORDS = {
    "done": "coloured",
    "kept": "done before",
    "failed": "failed",
    "running": "stopped midway",
    "waiting": "not begun",
}


class BatchReporter(Reporter):
    """Reports on the colouring of many films.

    Args:
        bar, quiet, events: as for :class:`Reporter`.
        debug: show the traceback of what nobody foresaw.
    """

    def __init__(self, *, bar: bool, quiet: bool, events: bool, debug: bool) -> None:
        super().__init__(bar=bar, quiet=quiet, events=events)
        self._debug = debug
        self._ended = 0
        self._total: int | None = None
        self._running: dict[str, dict[str, Any]] = {}

    def start(self, **facts: Any) -> None:
        """Says what is about to be done."""
        if self._events:
            emit_json(event="start", **facts)

    def tell(self, event: Event) -> None:
        """Called with everything that happens."""
        if event.kind == "summary":
            self._summary(**event.facts)
            return
        name = event.source
        if event.kind == "found":
            self._total = event.facts["waiting"]
        elif name is not None and event.kind in ("film", "progress"):
            self._running[name] = event.facts if event.kind == "progress" else {}
        elif name is not None and event.kind in ("done", "failed"):
            self._running.pop(name, None)
            self._ended += 1
        self._emit(event)
        if self._bar_wanted:
            self._draw()
        self._say(event)

    def _emit(self, event: Event) -> None:
        if event.kind == "progress" and not self._event_is_due():
            return
        if self._events:
            own = {} if event.source is None else {"input": event.source}
            emit_json(event=event.kind, **own, **event.facts)

    def _say(self, event: Event) -> None:
        facts, name = event.facts, event.source
        if event.kind == "found":
            before = f", {facts['kept']} of them done before" if facts["kept"] else ""
            self.say(f"{counted(facts['films'], 'film')}{before}")
        elif event.kind == "notice":
            self.say(f"note: {facts['message']}" if name is None else f"note: {name}: {facts['message']}")
        elif event.kind == "done":
            self.say(
                f"{name}: {counted(facts['frames'], 'frame')} in {facts['seconds']:.1f} s "
                f"({facts['fps']:.1f} frames/s) -> {facts['output']}"
            )
        elif event.kind == "failed":
            if self._debug and "traceback" in facts:
                write(facts["traceback"])
            self.say(_failed(name or "", facts["message"]))

    def _summary(self, state: str, totals: Totals) -> None:
        self._close_bar()
        if self._events:
            failed = [{"input": name, "message": message} for name, message in totals.failed]
            emit_json(event="summary", state=state, **totals.to_dict(), failed=failed)
        if state == "stopped":
            self.say("stopped; the same command goes on from here")
        lines = [] if self._quiet or not any(totals.counts.values()) else _table(totals)
        lines += [f"  {printable(_failed(name, why))}" for name, why in totals.failed]
        if lines:
            write("\n".join(lines) + "\n")

    def _draw(self) -> None:
        if self._bar is None:
            self._bar = make_bar(
                total=self._total,
                bar_format="film {n_fmt}/{total_fmt} |{bar}| {desc}"
                if self._total is not None
                else "film {n_fmt}, {desc}",
            )
        frames = ", ".join(
            f"{facts['frame']}/{facts['total'] or '?'}" for facts in self._running.values() if facts
        )
        speed = sum(facts["fps"] for facts in self._running.values() if facts)
        self._bar.set_description_str(
            f"frame {frames}, {speed:.1f} frames/s" if frames else "", refresh=False
        )
        self._bar.update(self._ended - self._bar.n)
        self._bar.refresh()


def _failed(name: str, why: str) -> str:
    """Names the film once: what went wrong often begins with it too."""
    return f"failed: {name}: {why.removeprefix(f'{name} ')}"


def _table(totals: Totals) -> list[str]:
    rows = [(_WORDS[name], str(count)) for name, count in totals.counts.items() if count]
    rows += [("frames", str(totals.frames)), ("seconds", f"{totals.seconds:.1f}")]
    width = max(len(number) for _, number in rows)
    return [f"  {word:<14}  {number:>{width}}" for word, number in rows]
