"""Many films, one after the other or several at once: what is done stays done, what fails does not stop the
others."""

from __future__ import annotations

import os
import re
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Any, Literal

from vidcolor.errors import InputError, OutputError, VidcolorError
from vidcolor.pipeline.batch.films import NO_FILE, Film, Found, Stamp, alike, find_films, names_for
from vidcolor.pipeline.batch.journal import Journal, Record
from vidcolor.pipeline.batch.report import Entry, Totals, refuse_report, write_report
from vidcolor.pipeline.batch.settings import changed, check, digest, settings_of
from vidcolor.pipeline.batch.worker import Message, Task
from vidcolor.pipeline.batch.workers import Workers
from vidcolor.pipeline.options import RunOptions
from vidcolor.pipeline.work import give_up

__all__ = ["BatchOptions", "Event", "color_films"]

_SHORTENED = 200
"""Stems of more bytes than this may be shortened in the names of files that are being made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchOptions:
    """Which films, where to, and how many at once."""

    output: Path
    """The folder; it is made where there is none."""
    inputs: tuple[str, ...] = ()
    """Files, folders and patterns."""
    listed: tuple[str, ...] = ()
    """Files and folders, never patterns."""
    jobs: int = 1
    """Films coloured at once."""
    devices: tuple[str, ...] = ("auto",)
    """Handed out to the jobs in turn; the device of the run's own options is not used."""
    watch: float | None = None
    """Seconds from one look for new films to the next; None: it ends when all are done."""
    restart: bool = False
    """Colour again what is done."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened."""

    kind: Literal["found", "film", "progress", "notice", "done", "failed", "summary"]
    source: str | None
    """The film it happened to."""
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Job:
    film: Film
    output: str
    """Below the output folder."""
    stamp: Stamp
    again: str | None = None
    """Why it is done again."""


def color_films(batch: BatchOptions, options: RunOptions, tell: Callable[[Event], None]) -> Totals:
    """Colours films until there are none left or, when it watches, until it is interrupted.

    Args:
        batch: which films, and where to.
        options: how each is coloured; ``overwrite`` allows to replace files that no batch made.
        tell: called with everything that happens.

    Returns:
        What became of the films, those that failed among them.

    Raises:
        VidcolorError: nothing can be coloured at all, or the output folder cannot be written to.
    """
    check(options, batch.devices)
    if not options.overwrite:
        refuse_report(batch.output)
    try:
        batch.output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{str(batch.output)!r} cannot be made: {error.strerror}.") from error
    with Journal(batch.output) as journal:
        return _Batch(batch, options, tell, journal).run()


class _Batch:
    def __init__(
        self, batch: BatchOptions, options: RunOptions, tell: Callable[[Event], None], journal: Journal
    ) -> None:
        self.batch, self.options, self.tell, self.journal = batch, options, tell, journal
        self.settings = settings_of(options)
        self.digest = digest(self.settings)
        self.names = _Names(batch.output, options.encoder.codec, journal)
        self.entries: dict[str, Entry] = {}
        self.waiting: deque[_Job] = deque()
        self.at_work: set[str] = set()
        self.seen: dict[str, Stamp] = {}
        self.handled: dict[str, Stamp] = {}
        self.refused: set[str] = set()
        """Real paths of films whose names are somebody else's files'."""
        self.finished: dict[str, Stamp] = {}
        """By output: what took its name, or is about to."""
        self.notices: list[str] = []
        """What there was to say of the inputs at the last look."""
        self.noticed: set[str] = set()
        self.unread: set[str] = set()
        """Real paths of the folders that could not be read at the last look."""
        self.frames = 0
        """As in :class:`Totals`."""
        self.reported: str | None = None
        """The state that the report says."""
        self.started = time.perf_counter()

    def run(self) -> Totals:
        self.journal.know(self.digest, self.settings)
        state = "stopped"
        try:
            with Workers[_Job](self.batch.jobs, self.batch.devices, self._last_word) as workers:
                self._go(workers)
            state = "finished"
        except VidcolorError:
            state = "failed"
            raise
        finally:
            totals = self._report(state)
            self.tell(Event("summary", None, {"state": state, "totals": totals}))
        return totals

    def _go(self, workers: Workers[_Job]) -> None:
        """Looks for films, hands them out, and takes down what becomes of them."""
        watch = self.batch.watch
        look_at: float | None = time.monotonic()
        while True:
            if look_at is not None and time.monotonic() >= look_at:
                self._look()
                look_at = None if watch is None else time.monotonic() + watch
            if self.waiting and self.reported != "running":
                # One that is killed must not leave the report of an earlier one that ended well.
                self._report("running")
            while self.waiting and workers.free:
                self._begin(self.waiting.popleft(), workers)
            if not self.waiting and not workers.busy:
                if watch is None:
                    return
                if self.reported != "watching":
                    self._report("watching")
            left = None if look_at is None else max(0.0, look_at - time.monotonic())
            for job, message in workers.listen(left):
                self._take(job, message)

    def _look(self) -> None:
        """Puts films in the queue that are there, whole, and not done."""
        found = find_films(self.batch.inputs, self.batch.listed, self.batch.output)
        films, watching = found.films, self.batch.watch is not None
        if not films and not found.unread and not watching:
            raise InputError("The inputs hold no films.")
        self.names.spare({film.real for film in films})
        self._look_at_what_is_not_there(found)
        kept = len([film for film in films if self._plan(film, watching)])
        if not watching:
            self.tell(Event("found", None, {"films": len(films), "kept": kept, "waiting": len(self.waiting)}))

    def _look_at_what_is_not_there(self, found: Found) -> None:
        """Takes down which inputs hold no films, and which folders cannot be read; both may change."""
        if self.batch.watch is None:
            notices = [f"{given} holds no films." for given in found.barren]
        else:
            missing = [film for film in found.films if not os.path.lexists(film.path)]
            notices = [f"{given} holds no films yet." for given in found.barren]
            notices += [f"{film.path} is not there yet." for film in missing if film.real not in self.handled]
        for sentence in notices:
            self._notice_once(sentence)
        unread = {os.path.realpath(path): (path, why) for path, why in found.unread.items()}
        if notices != self.notices or unread.keys() != self.unread:
            self.reported = None
        for real in self.unread - unread.keys():
            del self.entries[real]
        for real in unread.keys() - self.unread:
            path, why = unread[real]
            self._fail(Film(path, real, PurePath()), None, f"the folder cannot be read: {why}")
        self.notices, self.unread = notices, set(unread)

    def _plan(self, film: Film, watching: bool) -> bool:
        """Decides about one film; whether it was done before."""
        stamp = Stamp.of(film.path)
        same = stamp is not None and self.handled.get(film.real) == stamp
        if film.real in self.at_work or (same and not self._has_vanished(film) and not self._is_free(film)):
            return False
        if watching and (stamp is None or not self._is_settled(film, stamp)):
            return False
        if stamp is None:
            self._fail(film, None, "there is no such file")
            return False
        self.handled[film.real] = stamp
        try:
            output = self.names.of(film, stamp)
        except InputError as error:
            self._fail(film, None, str(error).removesuffix("."))
            return False
        entry = self._entry(film, output)
        done = self._done(output, stamp)
        stale = None if done is None else self._stale(done, stamp)
        if done is not None and stale is None and not self.batch.restart:
            entry.state, entry.facts = "kept", done.facts
            return True
        entry.state, entry.facts = "waiting", {}
        self.waiting.append(_Job(film, output, stamp, stale))
        self.at_work.add(film.real)
        return False

    def _is_settled(self, film: Film, stamp: Stamp) -> bool:
        """Whether a film has not changed since the last look, and holds anything."""
        before, self.seen[film.real] = self.seen.get(film.real), stamp
        return before == stamp and stamp.size > 0

    def _has_vanished(self, film: Film) -> bool:
        """Whether a result was there and is not any more."""
        entry = self.entries.get(film.real)
        if entry is None or entry.output is None or entry.state not in ("done", "kept"):
            return False
        return not os.path.isfile(entry.output) and self.journal.is_there

    def _is_free(self, film: Film) -> bool:
        """Whether a name that was somebody else's file's can be had now."""
        return (
            film.real in self.refused and self._foreign(self.names.of(film, self.handled[film.real])) is None
        )

    def _done(self, output: str, stamp: Stamp) -> Record | None:
        """What is known of the result in place, where that is a batch's and none that is to be made anew."""
        last, done = self.journal.records.get(output), self.journal.done.get(output)
        if last is None or done is None or last.state == "done":
            return done
        if (last.stamp, last.settings) == (stamp, self.digest):
            return None  # this very film was tried after it, and in vain
        # What was tried with other options, or when the film was another, has left the result as it was.
        return done if done.result is not None and Stamp.of(self._path(output)) == done.result else None

    def _stale(self, record: Record, stamp: Stamp) -> str | None:
        """Why what is done must be done again."""
        if record.stamp != stamp:
            return "the film has changed"
        if record.settings != self.digest:
            before = self.journal.settings.get(record.settings, {})
            return f"other options ({', '.join(changed(before, self.settings)) or 'unknown'})"
        if not self._path(record.output).is_file():
            return "its result is gone"
        return None

    def _begin(self, job: _Job, workers: Workers[_Job]) -> None:
        path, before = self._path(job.output), self.journal.records.get(job.output)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            self._fail(job.film, job.output, f"{path.parent} cannot be made: {error.strerror}")
            return
        foreign = self._foreign(job.output)
        if foreign is not None:
            self.refused.add(job.film.real)
            self._fail(job.film, job.output, foreign)
            return
        self.refused.discard(job.film.real)
        if job.again is not None:
            self.tell(Event("notice", job.film.path, {"message": f"It is coloured again: {job.again}."}))
        if before is not None and before.state == "started":
            _sweep(path)
        job = replace(job, stamp=Stamp.of(job.film.path) or job.stamp)
        self.handled[job.film.real] = job.stamp
        ours = Stamp.of(path) if self._is_ours(job.output) else None
        self.journal.add(self._record(job, "started", {}, ours))
        self._entry(job.film, job.output).state = "running"
        self.tell(Event("film", job.film.path, {"output": str(path)}))
        # Whatever has that name now is ours, or may be replaced; what has it then is looked at again.
        options = replace(self.options, overwrite=True, restart=self.batch.restart)
        workers.give(job, Task(job.film.path, str(path), options))

    def _foreign(self, output: str) -> str | None:
        """Why what has the name of a result may not be replaced; None: it may, or nothing has it."""
        path = self._path(output)
        if self.options.overwrite or not os.path.lexists(path) or self._is_ours(output):
            return None
        if output in self.journal.done:
            return f"{path} is not the file that a batch made; give -y to overwrite it"
        return f"{path} exists, and no batch made it; give -y to overwrite it"

    def _is_ours(self, output: str) -> bool:
        """Whether a file has the name of a result, and is as a batch left it."""
        done, last = self.journal.done.get(output), self.journal.records.get(output)
        now = Stamp.of(self._path(output))
        if now is None:
            return False
        if done is not None and done.result is None:  # nobody wrote down what it was
            return True
        return any(record is not None and record.result == now for record in (done, last))

    def _last_word(self, job: _Job, finished: Stamp) -> bool:
        """Whether a film may take its name: somebody may have put another there meanwhile.

        It is written down first, or else it could not be told from a person's after a crash.
        """
        may = self._foreign(job.output) is None
        if may:
            self.journal.add(self._record(job, "started", {}, finished))
            self.finished[job.output] = finished
        return may

    def _take(self, job: _Job, message: Message) -> None:
        """Takes down what a worker says."""
        if message.kind == "progress" or message.kind == "notice":
            self.tell(Event(message.kind, job.film.path, message.facts))
            return
        if message.kind == "failed":
            told = {"message": self._with_what_is_kept(job, message.facts["message"])}
            # A film that fails leaves what was there.
            self.journal.add(self._record(job, "failed", told, self.journal.records[job.output].result))
            self._fail(job.film, job.output, **(message.facts | told))
            return
        facts = {name: value for name, value in message.facts.items() if name != "output"}
        # Not what has the name by now, which may be somebody else's.
        made = self.finished.pop(job.output, None) or Stamp.of(self._path(job.output)) or NO_FILE
        self.journal.add(self._record(job, "done", facts, made))
        entry = self._entry(job.film, job.output)
        entry.state, entry.facts = "done", facts
        self.frames += facts["frames"] - facts["kept"]
        self.at_work.discard(job.film.real)
        self.tell(Event("done", job.film.path, message.facts))
        if Stamp.of(job.film.path) not in (job.stamp, None):
            again = "" if self.batch.watch is not None else " on the next start"
            words = f"It has changed while it was coloured; it will be coloured again{again}."
            self.tell(Event("notice", job.film.path, {"message": words}))

    def _with_what_is_kept(self, job: _Job, message: str) -> str:
        """Removes what a film that failed left, but for parts that another start goes on from."""
        path = self._path(job.output)
        _sweep(path)
        folder, frames = give_up(path, job.film.path)
        if not frames:
            return message
        are = "frame is" if frames == 1 else "frames are"
        return f"{message.removesuffix('.')}; {frames} {are} done and kept in {folder} for another start"

    def _fail(self, film: Film, output: str | None, message: str, traceback: str | None = None) -> None:
        entry = self._entry(film, output)
        entry.state, entry.facts = "failed", {"message": message}
        self.at_work.discard(film.real)
        more = {} if traceback is None else {"traceback": traceback}
        self.tell(Event("failed", film.path, {"message": message, **more}))

    def _record(
        self,
        job: _Job,
        state: Literal["started", "done", "failed"],
        facts: dict[str, Any],
        result: Stamp | None,
    ) -> Record:
        return Record(job.output, job.film.real, job.stamp, self.digest, state, facts, result)

    def _path(self, output: str) -> Path:
        return self.batch.output / output

    def _entry(self, film: Film, output: str | None) -> Entry:
        path = None if output is None else str(self._path(output))
        return self.entries.setdefault(film.real, Entry(film.path, path))

    def _report(self, state: str) -> Totals:
        entries = list(self.entries.values())
        totals = Totals.of(entries, self.frames, time.perf_counter() - self.started)
        write_report(self.batch.output, state, self.settings, entries, self.notices, totals)
        self.reported = state
        return totals

    def _notice_once(self, sentence: str) -> None:
        """A watcher finds the same thing at every look."""
        if sentence not in self.noticed:
            self.noticed.add(sentence)
            self.tell(Event("notice", None, {"message": sentence}))


class _Names:
    """Who is called what: each film has one name below the output folder, and keeps it."""

    def __init__(self, output: Path, codec: str | None, journal: Journal) -> None:
        self._output, self._codec, self._journal = output, codec, journal
        self._names = {record.source: record.output for record in journal.records.values()}
        self._taken = {alike(record.output): record.source for record in journal.records.values()}
        self._films: set[str] = set()

    def spare(self, films: set[str]) -> None:
        """Never gives out the names of these films, by their real paths."""
        self._films = films

    def of(self, film: Film, stamp: Stamp) -> str:
        """The output of a film.

        Raises:
            InputError: the film has no name itself.
        """
        known = self._names.get(film.real)
        for name in names_for(film, self._codec):
            if known is not None and Path(known).suffix == Path(name).suffix:
                return known
            known = None  # made for another container
            owner = self._taken.get(alike(name))
            if owner is not None and owner != film.real and not self._has_moved(name, owner, stamp):
                continue
            if os.path.realpath(self._output / name) in self._films:
                continue
            self._taken[alike(name)] = film.real
            self._names[film.real] = name
            return name
        raise AssertionError("names have no end")

    def _has_moved(self, name: str, owner: str, stamp: Stamp) -> bool:
        """Whether the film that a name was given to is this one, before somebody moved it."""
        record = self._journal.records.get(name)
        return record is not None and record.stamp == stamp and not os.path.lexists(owner)


def _sweep(output: Path) -> None:
    """Removes what a process that was killed left of the film it was making."""
    stem = re.escape(output.stem)
    if len(os.fsencode(output.stem)) > _SHORTENED:
        stem = re.escape(output.stem[: _SHORTENED // 4]) + ".*"
    left = re.compile(rf"\.{stem}\.part-[0-9a-f]+{re.escape(output.suffix)}", re.DOTALL)
    with suppress(OSError):
        for path in output.parent.iterdir():
            if left.fullmatch(path.name) and path.is_file():
                path.unlink()
