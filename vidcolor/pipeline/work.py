"""The working folder of a result: the parts that are done, and the journal that says what they are of.

``.NAME.vidcolor/`` beside the result holds ``journal.json``, for each part ``N.part`` and, where another
follows, ``N.state.npz`` with what goes over the border. Everything is written aside, synced and renamed, and
the journal last. A part counts where its file is as the journal says, and where of its shots the same is said
as when it was made; the others are made again, in their places. Whatever else lies there is removed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol
from zipfile import BadZipFile

import numpy as np

from vidcolor.errors import InputError, OutputError
from vidcolor.media.part_file import WrittenPart, digest_of
from vidcolor.media.target import LONGEST_NAME, writing
from vidcolor.pipeline.identity import Identity, probe
from vidcolor.pipeline.names import fitted
from vidcolor.pipeline.parts import Border
from vidcolor.wording import counted

__all__ = ["Gap", "WorkFolder", "forget", "give_up", "work_folder"]

_Entry = dict[str, Any]
"""What the journal says of a part."""


class Heard(Protocol):
    """Tells by a digest what is said of a part; see :meth:`vidcolor.pipeline.hearing.Hearing.digest`."""

    def __call__(self, first: int | None, after: int | None, last: int | None) -> str: ...


@dataclass(frozen=True, slots=True)
class Gap:
    """Parts that are missing, one after the other."""

    before: Border | None
    """Where they begin; None: with the film."""
    until: Border | None
    """Where a part begins that is there, without its state; None: they reach to the film's end."""
    last_ticks: int | None
    """Time of the last frame before them, in the result's time base."""


_FORMAT = 3
_JOURNAL = "journal.json"
_LOCK = "lock"
_NO_LINKS = getattr(os, "O_NOFOLLOW", 0)


def work_folder(target: Path) -> Path:
    """Where the parts of a result are."""
    final = Path(os.path.realpath(target))
    name, mark = final.name, ".vidcolor"
    if len(os.fsencode(name)) > LONGEST_NAME - len(mark) - 1:
        mark = f"-{hashlib.blake2b(os.fsencode(name), digest_size=8).hexdigest()}{mark}"
    return final.with_name(fitted(f".{name}", mark))


def forget(target: Path) -> None:
    """Removes what an earlier run left of a result that was made without it, unless another run is at it."""
    if not work_folder(target).is_dir():
        return
    with suppress(OutputError):
        WorkFolder(target, "").remove()


class WorkFolder:
    """A result's parts on disk; one run at a time has it."""

    frames: int
    """That were done when the folder was taken over."""

    def __init__(self, target: Path, source: str | os.PathLike[str]) -> None:
        """Makes the folder, or takes over what is there.

        Raises:
            OutputError: it cannot be made, or another run has it.
        """
        self.path = work_folder(target)
        self._final, self._source = Path(os.path.realpath(target)), source
        self._identity: Identity = {}
        self._entries: list[_Entry] = []
        """Of all parts that are known, in order, also of those that must be made again."""
        self._done: list[bool] = []
        """Which of them are there and as they should be."""
        self._number, self.frames = 0, 0
        with writing(self._final):
            if self.path.is_symlink():
                raise OutputError(f"{self.path} is a link; a film is made in no other place: remove it.")
            if self.path.exists() and not self.path.is_dir():
                raise OutputError(f"{self.path} is in the way of the folder a film is made in: remove it.")
            self.path.mkdir(exist_ok=True)
            self._lock = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT | _NO_LINKS, 0o666)
        if not _locked(self._lock):
            os.close(self._lock)
            raise OutputError(f"Another run is making {target} already.")
        try:
            with writing(self._final):
                self._tidy("*.aside", "film.*")
        except BaseException:
            os.close(self._lock)
            raise

    def take_over(
        self, identity: Identity, heard: Heard, *, restart: bool, notify: Callable[[str], None]
    ) -> None:
        """Finds what an earlier run has done of the same result.

        Args:
            identity: of this run.
            heard: what this run's words say of a part.
            restart: throw it away.
            notify: gets a sentence where something is kept, or thrown away without being asked to.

        Raises:
            OutputError: the folder cannot be written to.
        """
        self._heard = heard
        journal = None if restart else self._read()
        if journal is not None:
            before = journal["identity"]
            names = [*identity, *(name for name in before if name not in identity)]
            changed = [name for name in names if before.get(name) != identity.get(name)]
            if changed:
                what = f"{', '.join(changed)} {'is' if len(changed) == 1 else 'are'}"
                notify(f"Everything is made anew: {what} not what an earlier run was started with.")
            else:
                self._keep(journal["parts"], notify)
        self._identity = identity  # from now on the folder is this run's, to remove it too
        with writing(self._final):
            self._write_journal()
            self._tidy("*.part", "*.npz")
        if self.frames:
            were = "was" if self.frames == 1 else "were"
            notify(f"{counted(self.frames, 'frame')} {were} done by an earlier run; it goes on from there.")

    @property
    def parts(self) -> list[Path]:
        """Files of the parts that are known, in order; of all there are, where there is no gap."""
        return [self._place(number) for number in range(len(self._entries))]

    def gap(self) -> Gap | None:
        """The first parts that are missing, which :meth:`place` and :meth:`add` then are about.

        Raises:
            OutputError: what goes over the border before them cannot be read.
        """
        if all(self._done) and self._entries and self._entries[-1]["last"]:
            return None
        self._number = number = next((n for n, done in enumerate(self._done) if not done), len(self._done))
        kept = next((n for n in range(number, len(self._done)) if self._done[n]), None)
        if number == 0:
            return Gap(None, None if kept is None else _border_of(self._entries[kept - 1]), None)
        before = self._entries[number - 1]
        try:
            with np.load(_state_of(self._place(number - 1)), allow_pickle=False) as arrays:
                border = replace(_border_of(before), state=dict(arrays))
        except (OSError, ValueError, BadZipFile) as error:
            raise OutputError(f"{self.path} cannot be read: {error}; --restart begins anew.") from error
        until = None if kept is None else _border_of(self._entries[kept - 1])
        return Gap(border, until, before["last_ticks"])

    def place(self) -> Path:
        """The file of the next part."""
        return self._place(self._number)

    def add(self, part: WrittenPart, border: Border | None) -> None:
        """Takes a finished part into the journal.

        Args:
            part: the file at :meth:`place`.
            border: how it ended; None: with the film.

        Raises:
            InputError: the input is no longer what it was, so that the part may not be what it should.
            OutputError: the disk does not take it.
        """
        self.check_input()
        number, place = self._number, self.place()
        before = self._entries[number - 1]["until"] if number else 0
        entry: _Entry = {"file": place.name, "last": border is None, **asdict(part)}
        entry["until"] = before + part.frames
        if border is not None:
            entry["border"] = {"pts": border.pts, "continued": border.continued, "marks": border.marks}
            with writing(self._final):
                arrays: dict[str, Any] = dict(border.state)
                self._write(_state_of(place), lambda file: np.savez_compressed(file, **arrays))
            entry["state"] = digest_of(_state_of(place))
        other = number < len(self._entries) and not _end_alike(entry, self._entries[number])
        if other:
            del self._entries[number:], self._done[number:]
        self._entries[number : number + 1] = [entry]
        self._done[number : number + 1] = [True]
        # Where a shot ends is known of all parts that it reaches through.
        known = other or not self._goes_on(number)
        for n in self._shots_before(number) if known else [number]:
            self._entries[n]["heard"] = self._heard_of(n)
        with writing(self._final):
            self._write_journal()
        self._number += 1

    def check_input(self) -> None:
        """Raises InputError where the input is no longer what it was."""
        if probe(self._source) != self._identity["the input"]:
            raise InputError(f"{os.fspath(self._source)} was changed while it was read.")

    @property
    def kept(self) -> int:
        """Frames in the parts that are known to be done by now; to look at an earlier run's takes a while."""
        return sum(entry["frames"] for entry, done in zip(self._entries, self._done, strict=False) if done)

    def leave(self, *, keep: bool) -> None:
        """Lets go of the folder; without ``keep``, or with nothing done, it is removed."""
        unread = not self._identity and self._read() is not None  # refused before it was looked at
        if not unread and not (keep and self._entries):
            shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)

    def remove(self) -> None:
        """Lets go of the folder, and of all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)

    def give_up(self) -> int:
        """Lets go of the folder after a run that could not; it is removed unless one can go on from it.

        Returns the frames that are kept.
        """
        journal = self._read()
        told = [] if journal is None else [_checked(entry) for entry in journal["parts"]]
        kept = sum(entry["frames"] for entry in told if entry is not None and self._is_there(entry))
        if not kept:
            shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)
        return kept

    def _is_there(self, entry: _Entry) -> bool:
        try:
            return (self.path / Path(entry["file"]).name).stat().st_size == entry["size"]
        except OSError:
            return False

    # What words have to do with

    def _shots_before(self, number: int) -> range:
        """Numbers of the parts that shots go over the borders of, up to a part."""
        first = number
        while first > 0 and self._goes_on(first - 1):
            first -= 1
        return range(first, number + 1)

    def _goes_on(self, number: int) -> bool:
        """Whether a shot goes on from a part to the next."""
        entry = self._entries[number]
        return not entry["last"] and bool(entry["border"]["continued"])

    def _heard_of(self, number: int) -> str:
        """What is said of a part by the words of this run."""
        first, last = self._shots_before(number)[0], number
        while last + 1 < len(self._entries) and self._goes_on(last):
            last += 1
        begin = self._entries[first - 1]["border"]["pts"] if first else None
        after, end = (
            None if e["last"] else e["border"]["pts"] for e in (self._entries[n] for n in (number, last))
        )
        if self._goes_on(last):
            end = None  # nobody knows yet where it ends
        return self._heard(begin, after, end)

    # The journal

    def _read(self) -> dict[str, Any] | None:
        """The journal; None: there is none that can be used."""
        try:
            journal = json.loads((self.path / _JOURNAL).read_bytes())
            known = journal["format"] == _FORMAT and isinstance(journal["identity"], dict)
            if known and isinstance(journal["parts"], list) and journal["parts"]:
                return dict(journal)
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            pass
        return None

    def _keep(self, entries: Iterable[Any], notify: Callable[[str], None]) -> None:
        """Takes over the parts that are as they were written, and of which the same is said."""
        for told in entries:
            entry = _checked(told)
            if entry is None:
                break
            self._entries.append(entry)
            if entry["last"]:
                break
        other = 0
        for number, entry in enumerate(self._entries):
            place = self._place(number)
            whole = digest_of(place) == (entry["size"], entry["digest"])
            if not entry["last"]:
                whole = whole and digest_of(_state_of(place)) == tuple(entry["state"])
            # What is carried over a border is as good as what it comes from.
            whole = whole and (number == 0 or self._done[-1] or not self._goes_on(number - 1))
            same = entry["heard"] == self._heard_of(number)
            other += not same
            self._done.append(whole and same)
        self.frames = self.kept
        if other:
            notify(f"Other colours are given now: {other} of {len(self._entries)} parts are made again.")

    def _write_journal(self) -> None:
        journal = {"format": _FORMAT, "identity": self._identity, "parts": self._entries}
        text = json.dumps(journal).encode()
        self._write(self.path / _JOURNAL, lambda file: file.write(text))

    def _write(self, path: Path, write: Callable[[Any], object]) -> None:
        aside = path.with_name(f"{path.name}.aside")
        aside.unlink(missing_ok=True)
        with open(aside, "xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)

    def _place(self, number: int) -> Path:
        return self.path / f"{number + 1:06}.part"

    def _tidy(self, *patterns: str) -> None:
        """Removes files that are like one of the patterns and belong to no part."""
        named = {name for path in self.parts for name in (path, _state_of(path))}
        for pattern in patterns:
            for path in self.path.glob(pattern):
                if path not in named:
                    path.unlink()


def give_up(target: Path, source: str | os.PathLike[str]) -> tuple[Path, int]:
    """Tidies up after a process that died over a result: its working folder goes unless parts are in it.

    Returns:
        The folder, and the frames that are done in it; 0 too where another run has it.
    """
    folder = work_folder(target)
    if not folder.is_dir():
        return folder, 0
    try:
        return folder, WorkFolder(target, source).give_up()
    except OutputError:
        return folder, 0


def _checked(told: Any) -> _Entry | None:
    """A part's entry in the journal, with the types it must have; None: it has not."""
    try:
        entry: _Entry = {
            **{name: str(told[name]) for name in ("file", "digest", "heard")},
            **{name: int(told[name]) for name in ("size", "frames", "last_ticks", "until")},
            "last": bool(told["last"]),
        }
        if not entry["last"]:
            border = told["border"]
            marks = [[int(pts), int(found)] for pts, found in border["marks"]]
            entry["border"] = {
                "pts": int(border["pts"]), "continued": bool(border["continued"]), "marks": marks
            }  # fmt: skip
            entry["state"] = [int(told["state"][0]), str(told["state"][1])]
        return entry
    except (KeyError, TypeError, ValueError, IndexError, OverflowError):
        return None


def _border_of(entry: _Entry) -> Border:
    """How a part ended that another one follows, without what goes over the border."""
    told = entry["border"]
    marks = tuple((pts, found) for pts, found in told["marks"])
    return Border(entry["until"], told["pts"], told["continued"], marks)


def _end_alike(one: _Entry, other: _Entry) -> bool:
    if one["last"] or other["last"]:
        return bool(one["last"] and other["last"])
    return _border_of(one) == _border_of(other)


def _state_of(part: Path) -> Path:
    return part.with_suffix(".state.npz")


def _locked(file: int) -> bool:
    """Whether the lock on an open file could be had; it goes with the process. True where there are none."""
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return not isinstance(error, BlockingIOError)
    return True
