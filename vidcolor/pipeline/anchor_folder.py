"""A folder of anchors as pictures: written for a person to paint on, and read back.

::

    00-00-00.000.png      one picture an anchor, named by its time from the film's beginning
    00-00-02.002.png
    contact-sheet.png     many of them at a glance
    index.json            which film, and of every picture its file, its time and how it was written
    originals/            what the pictures' colour was, small: painted pixels are told by it

Pictures are frames as stored, turned upright: as many pixels as the film has samples, whatever their aspect.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from vidcolor import __version__
from vidcolor.errors import InputError, OutputError, UsageError
from vidcolor.frames import MediaInfo, Timestamp, VideoInfo
from vidcolor.media.folder import folder_made
from vidcolor.media.target import writing
from vidcolor.pipeline.painted import Compared, Rgb, check_picture

__all__ = ["AnchorFolder", "Division", "Film", "Painted", "read_folder", "upright_shape"]

INDEX, SHEET, ORIGINALS = "index.json", "contact-sheet.png", "originals"
_FORMAT = 1
_LARGEST_INDEX = 64 << 20
_EXACT = re.compile(r"-?\d{1,19}(/\d{1,19})?")
_PICTURES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff"})
_NAME = re.compile(r"([0-9]{2,5})-([0-5][0-9])-([0-5][0-9])(?:\.([0-9]{1,9}))?")
_PNG = [cv2.IMWRITE_PNG_COMPRESSION, 3]

_COLUMNS, _ROWS, _SIDE, _GAP, _CAPTION = 8, 12, 192, 8, 18


def upright_shape(video: VideoInfo) -> tuple[int, int]:
    """Width and height of an anchor's picture."""
    width, height = video.width, video.height
    return (height, width) if video.orientation.sideways else (width, height)


@dataclass(frozen=True, slots=True)
class Film:
    """What tells a film from others."""

    name: str
    bytes: int | None
    """Of the file; None for a pipe."""
    stream: int
    width: int
    """As stored, in samples."""
    height: int
    rotation: int
    time_base: str
    rate: str | None
    mirrored: bool = False

    @classmethod
    def of(cls, info: MediaInfo, video: VideoInfo) -> Film:
        """The film as its header says it."""
        rate = None if video.average_rate is None else str(video.average_rate)
        return cls(
            *(os.path.basename(info.name), info.size, video.index, video.width, video.height),
            *(video.rotation, str(video.time_base), rate, video.mirrored),
        )

    def differs_from(self, other: Film) -> str | None:
        """In what another film is surely not this one; None: they may be the same."""
        for name in ("width", "height", "rotation", "stream", "time_base", "bytes"):
            one, another = getattr(self, name), getattr(other, name)
            if None not in (one, another) and one != another:
                return f"its {name.replace('_', ' ')} is {one}, not {another}"
        return None if self.mirrored == other.mirrored else "one of the two is mirrored"


class Division(NamedTuple):
    """Which frames of a stretch of film are anchors; times in seconds from the film's beginning."""

    anchors: frozenset[Fraction]
    shots: tuple[Fraction, ...]
    """Where shots start, rising."""
    start: Fraction
    """Of the stretch, as it was asked for."""
    end: Fraction
    """Of the stretch: the time of its last frame."""
    every: int | None
    """Frames there were, on average, to an anchor; None: the index does not say."""


class Painted(NamedTuple):
    """A picture that somebody changed."""

    time: Fraction
    """Of its frame, in seconds from the film's beginning."""
    path: Path
    original: Path | None
    """:data:`Compared` of what was written, as a picture; None: nobody knows."""
    name: str
    """How messages call it."""


# ---- writing -------------------------------------------------------------------------------------


class AnchorFolder:
    """A folder in the making; see :meth:`made`."""

    def __init__(self, working: Path, final: Path, film: Film, anchor_every: int, start: Fraction) -> None:
        self._working, self._final = working, final
        self._film, self._every, self._start = film, anchor_every, start
        self._entries: list[dict[str, Any]] = []
        self._names: set[str] = set()
        self._shot = 0
        with writing(final):
            (working / ORIGINALS).mkdir()

    @classmethod
    @contextmanager
    def made(
        cls, path: Path, film: Film, anchor_every: int, start: Fraction, *, overwrite: bool
    ) -> Iterator[AnchorFolder]:
        """A folder beside ``path`` that takes its place when all went well, and is else removed.

        ``start``: where the stretch of film begins that is looked at, in seconds from its beginning.

        Raises:
            UsageError: ``path`` is no folder for this.
            OutputError: it holds anchors already and ``overwrite`` is not set, or cannot be written.
        """
        with folder_made(
            path,
            lambda final: _check(path, final, film, overwrite),
            purpose="anchors are written to a folder",
        ) as working:
            yield cls(working, path, film, anchor_every, start)

    def add(
        self, picture: Rgb, compared: Compared, time: Timestamp, begin: Fraction, *, starts_shot: bool
    ) -> None:
        """Writes an anchor.

        Args:
            picture: ``(H, W, 3)`` uint8, R, G, B, upright.
            compared: what changes of it will be looked for in.
            time: of the frame, on the film's clock.
            begin: the film's beginning on that clock, in seconds.
            starts_shot: whether it is a shot's first frame.
        """
        self._shot += starts_shot
        since = time.exact - begin
        name = self._free_name(since)
        data = _png(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        with writing(self._final):
            (self._working / name).write_bytes(data)
            (self._working / ORIGINALS / name).write_bytes(_png(compared))
        self._entries.append(
            {
                "file": name,
                "time": round(float(since), 6),
                "exact": str(since),
                "pts": time.pts,
                "shot": self._shot,
                "starts_shot": starts_shot,
                "sha256": hashlib.sha256(data).hexdigest(),
            }
        )

    def finish(self, end: Fraction) -> int:
        """Writes what is written last, the index; how many anchors there are.

        ``end``: time of the last frame looked at, in seconds from the film's beginning.
        """
        if not self._entries:
            raise InputError(
                "There is no anchor to write: all that was read is in colour already;"
                " --keep-colour off colours it."
            )
        index = {
            "vidcolor": __version__,
            "format": _FORMAT,
            "film": asdict(self._film),
            "start": str(self._start),
            "end": str(end),
            "anchor_every": self._every,
            "pictures": "frames as stored, turned upright; times are seconds from the film's beginning",
            "anchors": self._entries,
        }
        with writing(self._final):
            (self._working / SHEET).write_bytes(_png(_contact_sheet(self._working, self._entries)))
            (self._working / INDEX).write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")
        return len(self._entries)

    def _free_name(self, since: Fraction) -> str:
        """By the millisecond; by the nanosecond where two anchors lie in one."""
        for digits in (3, 9):
            name = f"{_clock(since, digits)}.png"
            if name not in self._names:
                break
        self._names.add(name)
        return name


def _clock(seconds: Fraction, digits: int) -> str:
    """HH-MM-SS.fff, cut off: names then sort as times do."""
    units = int(max(seconds, Fraction(0)) * 10**digits)
    whole, fraction = divmod(units, 10**digits)
    minutes, second = divmod(whole, 60)
    return f"{minutes // 60:02}-{minutes % 60:02}-{second:02}.{fraction:0{digits}}"


def _png(picture: Any) -> bytes:
    done, data = cv2.imencode(".png", picture, _PNG)
    if not done:
        raise OutputError("A picture could not be encoded as PNG.")
    return data.tobytes()


def _contact_sheet(folder: Path, entries: Sequence[dict[str, Any]]) -> Any:
    """Up to 96 of the pictures, from all over the film."""
    count = min(len(entries), _COLUMNS * _ROWS)
    chosen = [entries[(2 * n + 1) * len(entries) // (2 * count)] for n in range(count)]
    sheet: Any = None
    for number, entry in enumerate(chosen):
        picture = cv2.imdecode(np.frombuffer((folder / entry["file"]).read_bytes(), np.uint8), 1)
        assert picture is not None  # we wrote it
        scale = _SIDE / max(picture.shape[:2])
        size = max(round(picture.shape[1] * scale), 1), max(round(picture.shape[0] * scale), 1)
        if sheet is None:
            cell = size[0] + _GAP, size[1] + _CAPTION + _GAP
            columns = min(count, _COLUMNS)
            shape = -(-count // columns) * cell[1] + _GAP, columns * cell[0] + _GAP, 3
            sheet = np.full(shape, 28, np.uint8)
        row, column = divmod(number, columns)
        x, y = _GAP + column * cell[0], _GAP + row * cell[1]
        small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        sheet[y : y + size[1], x : x + size[0]] = small
        text = f"{Path(entry['file']).stem}  {entry['shot']}"
        place = (x, y + size[1] + 12)
        cv2.putText(sheet, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.36, (190, 190, 190), 1, cv2.LINE_AA)
    return sheet


def _check(named: Path, final: Path, film: Film, overwrite: bool) -> None:
    found = {entry.name for entry in final.iterdir()}
    if INDEX not in found:
        raise UsageError(f"{named} is a folder with something else than anchors in it; name another.")
    before, entries = _read_index(final / INDEX)
    if (difference := before.differs_from(film)) is not None:
        raise UsageError(f"{named} holds the anchors of another film, {before.name}: {difference}.")
    if not overwrite:
        raise OutputError(f"{named} holds anchors already; -y overwrites them, painted ones too.")
    stems = {Path(entry["file"]).stem for entry in entries}
    foreign = sorted(
        name
        for name in found - {INDEX, SHEET, ORIGINALS}
        if Path(name).stem not in stems or Path(name).suffix.lower() not in _PICTURES
    )
    if foreign:
        some = foreign[0]
        raise OutputError(f"{named} also holds {some!r}, which would be lost; move it away first.")


# ---- reading -------------------------------------------------------------------------------------


def read_folder(folder: Path, film: Film, video: VideoInfo) -> tuple[list[Painted], Division | None]:
    """What somebody painted on a film's anchors, in the order of their times, and how the film is divided.

    Without an index all pictures are painted, and their names are their times.

    Raises:
        InputError: it is not a folder, its index is another film's or damaged, or a picture in it has a name
            that is not an anchor's, cannot be read, or has another size.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder of anchors.")
    entries: list[dict[str, Any]] | None = None
    division: Division | None = None
    if (folder / INDEX).exists():
        before, entries = _read_index(folder / INDEX)
        if (difference := before.differs_from(film)) is not None:
            raise InputError(f"{folder} holds the anchors of another film, {before.name}: {difference}.")
        division = _division(folder / INDEX, entries)
    known = None if entries is None else {Path(entry["file"]).stem: entry for entry in entries}
    painted: dict[Fraction, Painted] = {}
    for path in _pictures(folder):
        word = _painted(path, known)
        if word is None:
            continue
        if word.time in painted:
            raise InputError(f"{path} and {painted[word.time].path.name} are pictures of the same anchor.")
        check_picture(path, *upright_shape(video))
        painted[word.time] = word
    if not painted and entries is None:
        raise InputError(f"{folder} holds neither an {INDEX} nor pictures.")
    return sorted(painted.values()), division


def _pictures(folder: Path) -> list[Path]:
    try:
        found = sorted(folder.iterdir())
    except OSError as error:
        raise InputError(f"{folder} cannot be read: {error.strerror}.") from None
    return [
        path
        for path in found
        if path.suffix.lower() in _PICTURES and path.name != SHEET and not path.name.startswith(".")
    ]


def _painted(path: Path, known: dict[str, dict[str, Any]] | None) -> Painted | None:
    """A picture's place in the film; None: it is as it was written."""
    if known is None:
        time = _time_of(path.stem)
        if time is None:
            raise InputError(
                f"{path} is not named by a time (HH-MM-SS.mmm), and there is no {INDEX} beside it."
            )
        return Painted(time, path, None, str(path))
    entry = known.get(path.stem)
    if entry is None:
        raise InputError(
            f"{path} is not the name of an anchor in {INDEX}; name it as the anchor, or move it away."
        )
    if path.name == entry["file"] and _digest(path) == entry["sha256"]:
        return None
    original = path.parent / ORIGINALS / entry["file"]
    return Painted(Fraction(entry["exact"]), path, original if original.exists() else None, str(path))


def _time_of(stem: str) -> Fraction | None:
    match = _NAME.fullmatch(stem)
    if match is None:
        return None
    hours, minutes, seconds = (int(group) for group in match.group(1, 2, 3))
    fraction = Fraction(int(match[4] or 0), 10 ** len(match[4] or ""))
    return (hours * 60 + minutes) * 60 + seconds + fraction


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from None


def _read_index(path: Path) -> tuple[Film, list[dict[str, Any]]]:
    """The film and the anchors of an index, with the types they must have."""
    try:
        if path.stat().st_size > _LARGEST_INDEX:
            raise ValueError("too large")
        index = json.loads(path.read_text(encoding="utf-8"))
        if index["format"] != _FORMAT:
            raise InputError(f"{path} is of another vidcolor ({index.get('vidcolor')}); write it again.")
        entries = index["anchors"]
        # Where an older one does not say it, the first shot: all of the stretch but what was in colour.
        start = index.get("start", min((entry["exact"] for entry in entries), key=Fraction, default="0"))
        for entry in [
            *entries,
            *({"file": "a", "exact": time, "sha256": ""} for time in (start, index["end"])),
        ]:
            if Path(entry["file"]).name != entry["file"] or not _EXACT.fullmatch(entry["exact"]):
                raise ValueError(entry)
            Fraction(entry["exact"])
            str.lower(entry["sha256"])
        told = {"start": start, "end": index["end"], "every": index.get("anchor_every")}
        entries = [{**entry, **told} for entry in entries]
        return Film(**index["film"]), entries
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from None
    except (ValueError, TypeError, KeyError, AttributeError, ZeroDivisionError, RecursionError):
        raise InputError(f"{path} is damaged; write the anchors again, or go by the names alone.") from None


def _division(path: Path, entries: Sequence[dict[str, Any]]) -> Division | None:
    if not entries:
        return None
    times = [Fraction(entry["exact"]) for entry in entries]
    shots = [time for time, entry in zip(times, entries, strict=True) if entry.get("starts_shot")]
    every = entries[0]["every"]
    every = every if isinstance(every, int) else None
    start, end = (Fraction(entries[0][name]) for name in ("start", "end"))
    return Division(frozenset(times), tuple(sorted(shots)), start, end, every)
