"""Which of a person's words a part of a film hangs on: what else changes leaves the part as it is."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

from vidcolor.errors import InputError
from vidcolor.pipeline.anchor_folder import Painted
from vidcolor.pipeline.hint_file import Hint

__all__ = ["Divided", "Hearing"]

_EARLY = Fraction(1, 50)
"""Seconds by which a word may lie before its frame, at most."""
_UNSURE = Fraction(3)
"""Seconds from where reading ahead begins until it surely parts shots as the run does."""


class Divided(NamedTuple):
    """A shot, or the end of one, in which it is known where anchors are; times in seconds."""

    begin: Fraction
    end: Fraction | None
    """Of the next shot's first frame; None: nothing more is known."""
    anchors: frozenset[Fraction]


class _Read(NamedTuple):
    """Words that are read ahead together."""

    begin: Fraction
    words: list[tuple[Fraction, list[Any], dict[Path, tuple[int, int]]]]
    """Time and facts of each, and the files those were read from with size and time of change."""


class Hearing:
    """Tells by a digest whether the same is said of a part as in an earlier run.

    A word goes forwards to the end of its shot, and backwards as far as reading ahead begins for it.
    """

    def __init__(
        self,
        stretches: Iterable[tuple[Fraction, Sequence[Painted | Hint]]],
        divided: Iterable[Divided],
        start: Fraction,
        time_of: Callable[[int], Fraction],
    ) -> None:
        """
        Args:
            stretches: where reading ahead begins, in seconds from the film's beginning, and the words it is
                done for, in order.
            divided: where anchors are known to be.
            start: first moment that is coloured, in seconds from the film's beginning.
            time_of: seconds from the film's beginning to a frame, by its pts.

        Raises:
            InputError: a picture cannot be read.
        """
        self._start, self._time_of = start, time_of
        self._divided = [(*shot[:2], _digest(repr(sorted(shot.anchors)))) for shot in divided]
        self._stretches = [
            _Read(begin, [(word.time, *_facts(word)) for word in words]) for begin, words in stretches
        ]

    def digest(self, first: int | None, after: int | None, last: int | None) -> str:
        """Of what is said of a part; empty: nothing.

        Args:
            first: pts of the frame that the shots begin with that reach into the part; None: the film does.
            after: pts of the frame after the part; None: the film ends.
            last: pts of the frame after the shots that reach beyond the part; None: the film ends, or nobody
                knows yet.
        """
        begin, until, end = (None if pts is None else self._time_of(pts) for pts in (first, after, last))
        found = []
        for stretch in self._stretches:
            if until is not None and stretch.begin >= until:
                continue
            # Where reading ahead begins shortly before the border it may not see it.
            beyond = end is None or stretch.begin > max(
                end - _UNSURE, self._start if begin is None else begin
            )
            words = [
                [str(time), _unless_changed(facts, files)]
                for time, facts, files in stretch.words
                if (begin is None or time >= begin - _EARLY) and (beyond or time < end)  # type: ignore[operator]
            ]
            if words:
                near = begin is None or stretch.begin > begin - _UNSURE
                found.append([str(stretch.begin) if near else None, words])
        for shot_begin, shot_end, anchors in self._divided:
            if until is not None and shot_begin >= until:
                continue
            if begin is None or shot_end is None or shot_end > begin:
                near = begin is None or shot_begin > begin - _UNSURE
                found.append([str(shot_begin) if near else None, anchors])
        return _digest(json.dumps(found)) if found else ""


def _digest(data: str | bytes) -> str:
    data = data.encode() if isinstance(data, str) else data
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def _facts(word: Painted | Hint) -> tuple[list[Any], dict[Path, tuple[int, int]]]:
    if isinstance(word, Hint):
        return [word.x, word.y, word.radius, *word.ab], {}
    files = [word.path] if word.original is None else [word.path, word.original]
    try:
        stamps = {path: _stamp(path) for path in files}
        digests = [_digest(path.read_bytes()) for path in files]
    except OSError as error:
        raise InputError(f"{word.path} cannot be read: {error.strerror}.") from None
    return [word.path.suffix.lower(), *digests], stamps


def _unless_changed(facts: list[Any], files: dict[Path, tuple[int, int]]) -> list[Any]:
    """The facts; others where somebody paints while the run reads: the part is then made again next time."""
    try:
        changed = any(_stamp(path) != stamp for path, stamp in files.items())
    except OSError:
        changed = True
    return ["changed"] if changed else facts


def _stamp(path: Path) -> tuple[int, int]:
    facts = os.stat(path)
    return facts.st_size, facts.st_mtime_ns
