"""The contact sheet: pictures in rows, under each its time, and where cuts and anchors are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vidcolor.media.timeline import clock_text
from vidcolor.pipeline.lettering import fitting, lettering, text_width
from vidcolor.pipeline.preview.sights import Sight

__all__ = ["LONG_SIDE", "Tile", "draw_sheet"]

Rgb = npt.NDArray[np.uint8]
_Color = tuple[int, int, int]

LONG_SIDE = 256
"""Of a picture, in pixels."""
_WIDEST = 1800
"""Of the sheet, in pixels, as long as one group of pictures is not wider."""
_GAP, _CAPTION, _LINE, _EDGE = 10, 22, 20, 4
_GROUND: _Color = (24, 24, 26)
_TEXT: _Color = (222, 222, 222)
_FAINT: _Color = (150, 150, 154)
_CUT: _Color = (240, 158, 52)
_ANCHOR: _Color = (98, 190, 255)
_KEPT: _Color = (140, 214, 120)
_DASH = 6
"""Pixels of the marks of cuts whose place is not exactly known."""


@dataclass(slots=True)
class Tile:
    """One moment of the film, a picture for each model."""

    sight: Sight
    pictures: list[Rgb]
    """``(h, w, 3)`` uint8, R, G, B, upright, all of one size."""


def draw_sheet(tiles: Sequence[Tile], models: Sequence[str], title: str, words: Sequence[str]) -> Rgb:
    """The sheet, ``(H, W, 3)`` uint8, R, G, B.

    Args:
        tiles: in order, at least one.
        models: what made the pictures of each tile.
        title: above them.
        words: sentences below them.
    """
    height, width = tiles[0].pictures[0].shape[:2]
    group = len(models) * (width + _EDGE) + _GAP
    columns = max(1, min(len(tiles), (_WIDEST - _GAP) // group))
    rows = -(-len(tiles) // columns)
    full = max(columns * group + _GAP, 480)
    lines = [line for sentence in (*words, _legend(tiles)) for line in _wrapped(sentence, full - 2 * _GAP)]
    top = _LINE + 2 * _GAP
    cell = height + _CAPTION + _GAP
    sheet = np.empty((top + rows * cell + len(lines) * _LINE + _GAP, full, 3), np.uint8)
    sheet[:] = _GROUND
    _write(sheet, title, _GAP, _GAP, full - 2 * _GAP, _TEXT, _LINE)
    for number, tile in enumerate(tiles):
        row, column = divmod(number, columns)
        _place(sheet, tile, models, _GAP + column * group, top + row * cell)
    for number, line in enumerate(lines):
        place = top + rows * cell + number * _LINE
        _write(sheet, line, _GAP, place, full - 2 * _GAP, _FAINT, _LINE - 2)
    return sheet


def _place(sheet: Rgb, tile: Tile, models: Sequence[str], left: int, top: int) -> None:
    height, width = tile.pictures[0].shape[:2]
    sight = tile.sight
    for number, (picture, model) in enumerate(zip(tile.pictures, models, strict=True)):
        x = left + _EDGE + number * (width + _EDGE)
        sheet[top : top + height, x : x + width] = picture
        if len(models) > 1:
            _plate(sheet, model, x, top + height - _LINE, width)
    if sight.starts_shot and sight.after is not None:
        bar = sheet[top : top + height, left : left + _EDGE - 1]
        bar[:] = _CUT
        if not sight.exact:
            bar[np.arange(height) // _DASH % 2 == 1] = _GROUND
    marks = [(clock_text(sight.time), _TEXT)]
    marks += [("◆", _ANCHOR)] * sight.anchor + [("●", _KEPT)] * sight.in_color
    marks += [(f"shot {sight.shot}", _FAINT)] * (sight.shot > 0)
    x, end = left + _EDGE, left + len(tile.pictures) * (width + _EDGE)
    for text, color in marks:
        if x + text_width(text, _LINE - 2) > end:
            break
        x += _write(sheet, text, x, top + height + 2, end - x, color, _LINE - 2) + 8


def _legend(tiles: Sequence[Tile]) -> str:
    """What the marks mean that are on the sheet."""
    sights = [tile.sight for tile in tiles]
    cuts = [sight for sight in sights if sight.starts_shot and sight.after is not None]
    parts = []
    if any(sight.exact for sight in cuts):
        parts.append("bar: the shot begins with this frame")
    if not all(sight.exact for sight in cuts):
        parts.append("dashed bar: a cut lies somewhere before it")
    if any(sight.anchor for sight in sights):
        parts.append("◆ an anchor of a run")
    if any(sight.in_color for sight in sights):
        parts.append("● in colour already, and kept")
    return "; ".join(parts)


def _plate(sheet: Rgb, text: str, left: int, top: int, width: int) -> None:
    """A word on a picture, on a darkened ground."""
    shown = fitting(text, _LINE - 4, width - 8)
    right = left + text_width(shown, _LINE - 4) + 8
    under = sheet[top : top + _LINE, left:right]
    under[:] = under // 3
    _write(sheet, shown, left + 4, top + 2, width - 8, _TEXT, _LINE - 4)


def _write(sheet: Rgb, text: str, left: int, top: int, width: int, color: _Color, height: int) -> int:
    """Writes a line, shortened to a width; returns the columns it takes."""
    shown = fitting(text, height, width)
    if not shown:
        return 0
    covered = lettering(shown, height)[..., None]
    under = sheet[top : top + height, left : left + covered.shape[1]]
    covered = covered[: under.shape[0], : under.shape[1]]
    under[:] = np.rint(under + covered * (np.array(color, np.float32) - under)).astype(np.uint8)
    return covered.shape[1]


def _wrapped(sentence: str, width: int) -> list[str]:
    """A sentence in lines."""
    lines: list[str] = []
    for word in sentence.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(longer, _LINE - 2) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
