"""The working folder of a result: the parts that are done, and the journal that says what they are of.

``.NAME.vidcolor/`` beside the result holds ``journal.json``, for each part ``N.part`` and, where another
follows, ``N.state.npz`` with what goes over the border. Everything is written aside, synced and renamed, and
the journal last: what it names is whole. Whatever else lies there is removed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import asdict, fields
from fractions import Fraction
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from vidcolor import __version__
from vidcolor.errors import InputError, OutputError
from vidcolor.media.part_file import WrittenPart, digest_of
from vidcolor.media.source import is_seekable
from vidcolor.media.target import writing
from vidcolor.models import ColorModel
from vidcolor.pipeline.options import RunOptions
from vidcolor.pipeline.parts import Border, State
from vidcolor.wording import counted

__all__ = ["Identity", "WorkFolder", "can_resume", "identity_of", "work_folder"]

Identity = dict[str, Any]
"""What decides how a result looks, as plain values, each under what a sentence calls it."""

_FORMAT = 1
_JOURNAL = "journal.json"
_LOCK = "lock"
_LONGEST_NAME = 255
"""Bytes of a file name on the common file systems."""
_PROBED = 1 << 20
"""Bytes at the beginning and at the end of the input that are compared."""
_NOT_SEEN = {"overwrite", "restart", "keep_work", "anchors", "hints", "reference"}
"""Options that do not change the picture, and files, which count by what they hold."""


def can_resume(source: str | os.PathLike[str]) -> bool:
    """Whether an input can be read again from somewhere in the middle, and recognised."""
    path = os.fspath(source)
    return path != "-" and is_seekable(path) and os.path.isfile(path)


def work_folder(target: Path) -> Path:
    """Where the parts of a result are."""
    final = Path(os.path.realpath(target))
    mark = ".vidcolor"
    room = _LONGEST_NAME - len(mark) - 1
    return final.with_name(f".{os.fsdecode(os.fsencode(final.name)[:room])}{mark}")


def identity_of(
    source: str | os.PathLike[str],
    options: RunOptions,
    model: ColorModel,
    device: str,
    output: dict[str, Any],
) -> Identity:
    """What two runs must have in common for the one to go on with the other's parts.

    Args:
        source: the input.
        options: of the run.
        model: what colours.
        device: where and in what it computes.
        output: see :attr:`vidcolor.media.writer.VideoWriter.facts`.

    Raises:
        InputError: the input, or a file that options name, cannot be read any more.
    """
    values = {f.name: getattr(options, f.name) for f in fields(options) if f.name not in _NOT_SEEN}
    values["encoder"] = asdict(options.encoder)
    given = [*options.reference, *filter(None, (options.hints, options.anchors))]
    found = {
        "the input": probe(source),
        "vidcolor's version": __version__,
        "the model": _digest_of_model(model),
        "the device": device,
        "the encoder": output,
        **{f"the option {name}": value for name, value in values.items() if name != "model"},
        "a reference, hint or anchor": [_digest_of_files(Path(path)) for path in given],
    }
    plain: Identity = json.loads(json.dumps(found, default=_plain))
    return plain


def _plain(value: Any) -> str:
    if isinstance(value, Fraction):
        return str(value)
    raise TypeError(f"{type(value)} has no place in a journal")


def probe(source: str | os.PathLike[str]) -> list[Any]:
    """The input's size, its time of change and a digest of its first and last MiB.

    Raises:
        InputError: it cannot be read any more.
    """
    try:
        with open(source, "rb") as file:
            facts = os.fstat(file.fileno())
            digest = hashlib.blake2b(file.read(_PROBED), digest_size=16)
            file.seek(max(0, facts.st_size - _PROBED))
            digest.update(file.read(_PROBED))
    except OSError as error:
        raise InputError(f"{os.fspath(source)} cannot be read any more: {error.strerror}.") from None
    return [facts.st_size, facts.st_mtime_ns, digest.hexdigest()]


def _digest_of_model(model: ColorModel) -> str:
    digest = hashlib.blake2b(repr(type(model)).encode(), digest_size=16)
    for name, tensor in model.state_dict().items():
        digest.update(f"{name} {tuple(tensor.shape)}".encode())
        digest.update(np.ascontiguousarray(tensor.detach().cpu().float().numpy()).data)
    return digest.hexdigest()


def _digest_of_files(path: Path) -> str:
    digest = hashlib.blake2b(digest_size=16)
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    try:
        for file in files:
            digest.update(os.fsencode(file.relative_to(path)) + b"\0")
            digest.update(file.read_bytes())
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from None
    return digest.hexdigest()


class WorkFolder:
    """A result's parts on disk; one run at a time has it."""

    parts: list[Path]
    """Files of the parts that are done, in order."""
    frames: int
    """That they hold."""
    complete: bool
    """Whether they are all there are."""
    border: Border | None
    """Where the next one begins; None: with the film."""
    last_ticks: int | None
    """Time of the last frame done, in the result's time base."""

    def __init__(self, target: Path, source: str | os.PathLike[str]) -> None:
        """Makes the folder, or takes over what is there.

        Raises:
            OutputError: it cannot be made, or another run has it.
        """
        self.path = work_folder(target)
        self._final, self._source = Path(os.path.realpath(target)), source
        self._identity: Identity = {}
        self._forget()
        with writing(self._final):
            self.path.mkdir(exist_ok=True)
            self._lock = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT, 0o666)
        if not _locked(self._lock):
            os.close(self._lock)
            raise OutputError(f"Another run is making {target} already.")
        with writing(self._final):
            self._tidy("*.aside", "film.*")

    def take_over(self, identity: Identity, *, restart: bool, notify: Callable[[str], None]) -> None:
        """Finds what an earlier run has done of the same result.

        Args:
            identity: of this run.
            restart: throw it away.
            notify: gets a sentence where something is kept, or thrown away without being asked to.

        Raises:
            OutputError: the folder cannot be written to.
        """
        self._identity = identity
        journal = None if restart else self._read()
        if journal is not None:
            before = journal["identity"]
            names = [*identity, *(name for name in before if name not in identity)]
            changed = [name for name in names if before.get(name) != identity.get(name)]
            if changed:
                what = f"{', '.join(changed)} {'is' if len(changed) == 1 else 'are'}"
                notify(f"Everything is made anew: {what} not what an earlier run was started with.")
            else:
                self._keep(journal["parts"])
        with writing(self._final):
            self._write_journal()
            self._tidy("*.part", "*.npz")
        if self.parts:
            were = "was" if self.frames == 1 else "were"
            notify(f"{counted(self.frames, 'frame')} {were} done by an earlier run; it goes on from there.")

    def place(self) -> Path:
        """The file of the next part."""
        return self.path / f"{len(self.parts) + 1:06}.part"

    def add(self, part: WrittenPart, border: Border | None) -> None:
        """Takes a finished part into the journal, and how it ended; None: with the film.

        Raises:
            InputError: the input is no longer what it was, so that the part may not be what it should.
            OutputError: the disk does not take it.
        """
        self.check_input()
        place = self.place()
        entry: dict[str, Any] = {"file": place.name, "last": border is None, **asdict(part)}
        entry["until"] = part.frames + self.frames
        if border is not None:
            entry["border"] = {"pts": border.pts, "continued": border.continued, "marks": border.marks}
            with writing(self._final):
                arrays: dict[str, Any] = dict(border.state)
                self._write(_state_of(place), lambda file: np.savez(file, **arrays))
        self._entries.append(entry)
        with writing(self._final):
            self._write_journal()
        self._count(entry, place, border)

    def check_input(self) -> None:
        """Raises InputError where the input is no longer what it was."""
        if probe(self._source) != self._identity["the input"]:
            raise InputError(f"{os.fspath(self._source)} was changed while it was read.")

    def leave(self, *, keep: bool) -> None:
        """Lets go of the folder; without ``keep``, or with nothing done, it is removed."""
        unread = not self._identity and self._read() is not None  # refused before it was looked at
        if not unread and not (keep and self.parts):
            shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)

    # The journal

    def _forget(self) -> None:
        self.parts = []
        self._entries: list[dict[str, Any]] = []
        self.frames, self.complete = 0, False
        self.border, self.last_ticks = None, None

    def _read(self) -> dict[str, Any] | None:
        """The journal; None: there is none that can be used."""
        try:
            journal = json.loads((self.path / _JOURNAL).read_bytes())
            if journal["format"] == _FORMAT and isinstance(journal["identity"], dict) and journal["parts"]:
                return dict(journal)
        except (OSError, ValueError, KeyError, TypeError):
            pass
        return None

    def _keep(self, entries: Iterable[dict[str, Any]]) -> None:
        """Takes over the parts up to the first that is not as it was written."""
        for entry in entries:
            try:
                place = self.place()
                if digest_of(place) != (entry["size"], entry["digest"]):
                    return
                border = None
                if not entry["last"]:
                    told = entry["border"]
                    marks = tuple((int(pts), int(sum_)) for pts, sum_ in told["marks"])
                    with np.load(_state_of(place), allow_pickle=False) as arrays:
                        state: State = dict(arrays)
                    border = Border(entry["until"], told["pts"], told["continued"], marks, state)
                self._entries.append(entry)
                self._count(entry, place, border)
            except (OSError, ValueError, KeyError, TypeError, BadZipFile):
                return

    def _count(self, entry: dict[str, Any], place: Path, border: Border | None) -> None:
        self.parts.append(place)
        self.frames = entry["until"]
        self.border, self.complete, self.last_ticks = border, border is None, entry["last_ticks"]

    def _write_journal(self) -> None:
        journal = {"format": _FORMAT, "identity": self._identity, "parts": self._entries}
        text = json.dumps(journal, indent=1).encode()
        self._write(self.path / _JOURNAL, lambda file: file.write(text))

    def _write(self, path: Path, write: Callable[[Any], object]) -> None:
        aside = path.with_name(f"{path.name}.aside")
        with open(aside, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)

    def _tidy(self, *patterns: str) -> None:
        """Removes files that are like one of the patterns and no part that is done."""
        named = {name for path in self.parts for name in (path, _state_of(path))}
        for pattern in patterns:
            for path in self.path.glob(pattern):
                if path not in named:
                    path.unlink()


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
