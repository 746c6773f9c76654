"""Words for pictures, in the typeface that comes with matplotlib: it has most of Europe's letters."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from vidcolor.wording import printable

__all__ = ["fitting", "lettering", "text_width"]

_FACE = Path("mpl-data", "fonts", "ttf", "DejaVuSans.ttf")


def lettering(text: str, height: int) -> npt.NDArray[np.float32]:
    """How far each pixel is covered by a line of text: ``(height, w)`` in [0, 1].

    ``height``: of the line, in pixels, from above the tallest letter to below the lowest. What cannot be
    shown stands as in messages.
    """
    text = printable(text)
    font = _font(height)
    width = max(1, text_width(text, height))
    picture = Image.new("L", (width, height), 0)
    ImageDraw.Draw(picture).text((0, height * 0.78), text, fill=255, font=font, anchor="ls")
    covered: npt.NDArray[np.float32] = np.asarray(picture, np.float32) / np.float32(255)
    return covered


def text_width(text: str, height: int) -> int:
    """Columns a line of text takes."""
    return int(np.ceil(_font(height).getlength(printable(text))))


def fitting(text: str, height: int, width: int) -> str:
    """The text, its middle left out where it is too long for so many columns; "" where nothing fits."""
    text = printable(text)  # before it is cut
    if text_width(text, height) <= width:
        return text
    for kept in range(len(text) - 1, 0, -1):
        head = (kept + 1) // 2
        shorter = f"{text[:head]}…{text[len(text) - (kept - head) :]}"
        if text_width(shorter, height) <= width:
            return shorter
    return ""


@cache
def _font(height: int) -> Any:
    size = max(6, round(height * 0.74))
    spec = find_spec("matplotlib")  # found, not imported: that takes its time
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        if (path := Path(folder, _FACE)).exists():
            return ImageFont.truetype(str(path), size)
    return ImageFont.load_default(size)
