"""Pictures for people to look at: some of a set's pictures on one sheet, and how common its colours are."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

__all__ = ["CONTACT_SHEET", "HISTOGRAM", "Shown", "contact_sheet", "histogram_picture", "png"]

CONTACT_SHEET, HISTOGRAM = "contact-sheet.png", "colour-histogram.png"

Bgr = npt.NDArray[np.uint8]
"""``(H, W, 3)`` uint8, B, G, R, as OpenCV draws."""

_PAPER, _INK, _FAINT = (28, 28, 28), (225, 225, 225), (150, 150, 150)
_TEST = (60, 160, 255)
"""What marks held-out pictures."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture on the sheet, with what is written under it."""

    path: Path
    source: str
    seconds: float | None
    shot: int
    split: str


# The contact sheet

_COLUMNS, _ROWS = 8, 4
_SIDE, _GAP, _CAPTION, _HEAD = 128, 10, 34, 34


def contact_sheet(pictures: Sequence[Shown]) -> Bgr:
    """Up to 32 pictures from all over a set, held-out ones in a frame of another colour."""
    count = min(len(pictures), _COLUMNS * _ROWS)
    chosen = [pictures[(2 * n + 1) * len(pictures) // (2 * count)] for n in range(count)]
    rows = -(-count // _COLUMNS)
    width, height = _GAP + _COLUMNS * (_SIDE + _GAP), _HEAD + rows * (_SIDE + _CAPTION + _GAP)
    sheet = np.full((height, width, 3), _PAPER, np.uint8)
    tested = sum(picture.split == "test" for picture in pictures)
    _write(sheet, f"{count} of {len(pictures)} pictures", (_GAP, 22), _INK, 0.5)
    _write(sheet, f"framed: of the {tested} held out", (_GAP + 260, 22), _TEST, 0.5)
    for number, picture in enumerate(chosen):
        row, column = divmod(number, _COLUMNS)
        _place(sheet, picture, _GAP + column * (_SIDE + _GAP), _HEAD + row * (_SIDE + _CAPTION + _GAP))
    return sheet


def _place(sheet: Bgr, shown: Shown, left: int, top: int) -> None:
    picture = cv2.imdecode(np.frombuffer(shown.path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None  # we wrote it
    scale = _SIDE / max(picture.shape[:2])
    size = max(round(picture.shape[1] * scale), 1), max(round(picture.shape[0] * scale), 1)
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    x, y = left + (_SIDE - size[0]) // 2, top + (_SIDE - size[1]) // 2
    sheet[y : y + size[1], x : x + size[0]] = small
    tested = shown.split == "test"
    if tested:
        cv2.rectangle(sheet, (x - 3, y - 3), (x + size[0] + 2, y + size[1] + 2), _TEST, 2)
    name = PurePosixPath(shown.source).stem
    _write(sheet, _fitting(name, _SIDE), (left, top + _SIDE + 15), _INK)
    if shown.seconds is not None:
        where = f"{_clock(shown.seconds)}  shot {shown.shot}"
        _write(sheet, where, (left, top + _SIDE + 30), _TEST if tested else _FAINT)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(max(seconds, 0.0), 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02}:{rest:04.1f}" if hours else f"{minutes}:{rest:04.1f}"


@cache
def _fitting(text: str, width: int, size: float = 0.38) -> str:
    """The text, or its two ends where it is too long."""
    plain = _ascii(text)
    keep = len(plain)
    while keep > 6 and _text_width(plain, size) > width:
        keep -= 1
        head = keep // 2
        plain = f"{_ascii(text)[:head]}..{_ascii(text)[head - keep :]}"
    return plain


def _text_width(text: str, size: float) -> int:
    return int(cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, 1)[0][0])


def _ascii(text: str) -> str:
    """OpenCV's letters are ASCII; accents are dropped, others become question marks."""
    bare = unicodedata.normalize("NFKD", text)
    return "".join(c for c in bare if not unicodedata.combining(c)).encode("ascii", "replace").decode()


def _write(sheet: Bgr, text: str, place: tuple[int, int], colour: Sequence[int], size: float = 0.38) -> None:
    cv2.putText(sheet, _ascii(text), place, cv2.FONT_HERSHEY_SIMPLEX, size, tuple(colour), 1, cv2.LINE_AA)


# The histogram over the ab bins

_CELL, _EDGE, _BAR = 20, 46, 96
_LIMIT = 110
"""Largest |a| and |b| of a bin, Lab units."""
_DECADES = 6
"""Powers of ten from the most common to the rarest share that is told apart."""


def histogram_picture(prior: Sequence[float]) -> Bgr:
    """The 313 ab bins twice: each in its own colour, and each by its share of the pixels, on a log scale."""
    from vidcolor.color.bins import BINS  # brings torch

    shares = np.asarray(prior, np.float64)
    centres = BINS.numpy()
    side = (2 * _LIMIT // 10 + 1) * _CELL
    sheet = np.full((side + 2 * _EDGE, 2 * side + 3 * _EDGE + _BAR, 3), _PAPER, np.uint8)
    top = math.ceil(math.log10(max(shares.max(), 1e-12)) * 2) / 2
    levels = np.where(shares > 0, 1 + (np.log10(np.maximum(shares, 1e-12)) - top) / _DECADES, -1)
    heat = cv2.applyColorMap(_bytes(np.clip(levels, 0, 1)), cv2.COLORMAP_INFERNO)[:, 0]
    own = _own_colours(centres)
    for number, (a, b) in enumerate(centres):
        seen = shares[number] > 0
        _cell(sheet, _EDGE, a, b, own[number], seen)
        _cell(sheet, 2 * _EDGE + side, a, b, heat[number] if seen else (58, 58, 58), True)
    for left in (_EDGE, 2 * _EDGE + side):
        _axes(sheet, left, side)
    used = int((shares > 0).sum())
    _write(sheet, f"colours that occur: {used} of {len(shares)} bins of ab", (_EDGE, 26), _INK, 0.5)
    _write(sheet, "share of the pixels, log scale", (2 * _EDGE + side, 26), _INK, 0.5)
    _scale_bar(sheet, 2 * _EDGE + 2 * side + 30, side, top)
    return sheet


def _bytes(levels: npt.NDArray[Any]) -> Bgr:
    return np.rint(levels * 255).astype(np.uint8).reshape(-1, 1)


def _own_colours(centres: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """B, G, R of each bin at a middling lightness, ``(313, 3)``; the nearest sRGB has."""
    import torch

    from vidcolor.color.lab import lab_to_rgb

    lab = torch.cat((torch.full((len(centres), 1), 65.0), torch.from_numpy(centres).float()), 1)
    rgb = lab_to_rgb(lab.T[:, :, None]).clamp(0, 1)[:, :, 0].T.numpy()
    return np.rint(rgb[:, ::-1] * 255).astype(np.uint8)


def _cell(sheet: Bgr, left: int, a: float, b: float, colour: Any, filled: bool) -> None:
    """A bin's square: a to the right, b upwards; a dot in the middle where it is not filled."""
    x = left + round((a + _LIMIT) / 10) * _CELL
    y = _EDGE + round((_LIMIT - b) / 10) * _CELL
    inset = 0 if filled else _CELL // 2 - 2
    sheet[y + inset : y + _CELL - 1 - inset, x + inset : x + _CELL - 1 - inset] = colour


def _axes(sheet: Bgr, left: int, side: int) -> None:
    for value in (-100, -50, 0, 50, 100):
        at = round((value + _LIMIT) / 10) * _CELL + _CELL // 2
        _write(sheet, f"{value}", (left + at - _text_width(f"{value}", 0.38) // 2, _EDGE + side + 16), _FAINT)
        x = left - _text_width(f"{value}", 0.38) - 6
        _write(sheet, f"{value}", (x, _EDGE + side - at + 4), _FAINT)
    _write(sheet, "a", (left + side - 8, _EDGE + side + 32), _INK, 0.45)
    _write(sheet, "b", (left - 16, _EDGE - 4), _INK, 0.45)


def _scale_bar(sheet: Bgr, left: int, side: int, top: float) -> None:
    """What the colours of the right-hand picture mean."""
    ramp = cv2.applyColorMap(_bytes(np.linspace(1, 0, side)), cv2.COLORMAP_INFERNO)
    sheet[_EDGE : _EDGE + side, left : left + 16] = ramp
    for power in range(math.floor(top), math.floor(top) - _DECADES, -1):
        y = _EDGE + round((top - power) / _DECADES * (side - 1))
        text = f"{100 * 10.0**power:g} %" if power >= -6 else f"1e{power + 2} %"
        _write(sheet, text, (left + 22, min(y + 4, _EDGE + side)), _FAINT)


def png(picture: Bgr) -> bytes:
    """A picture as the bytes of a PNG file."""
    done, data = cv2.imencode(".png", picture)
    if not done:
        raise OSError("OpenCV could not encode a PNG.")
    return data.tobytes()
