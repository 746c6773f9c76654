"""One picture on its way into a set: read, measured, resized, cropped, encoded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import numpy.typing as npt

from vidcolor.datasets.options import BuildOptions
from vidcolor.datasets.split import seeded
from vidcolor.errors import InputError
from vidcolor.frames import NOTHING_KNOWN, Metadata
from vidcolor.media.metadata import clock_metadata
from vidcolor.media.picture_file import read_picture_file
from vidcolor.metrics import colorfulness
from vidcolor.temporal.in_color import without_tint

__all__ = [
    "Box",
    "Crop",
    "Rgb",
    "beyond_tint",
    "bin_counts",
    "colour_of",
    "crops_of",
    "encode",
    "luma_of",
    "mean_counts",
    "read_metadata",
    "read_picture",
    "target_size",
    "unsuitable",
]

Rgb = npt.NDArray[np.uint8]
"""``(H, W, 3)`` uint8, R, G, B."""
Box = tuple[int, int, int, int]
"""Left, top, width, height."""

_JPEG = [cv2.IMWRITE_JPEG_QUALITY, 95, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
_MEASURED_SIDE = 64
"""Pixels a side that colourfulness and the histogram look at."""
_TINT_SIDE = 24
"""Pixels a side that a tint is looked for in: small, so that noise and JPEG's errors count little."""
_BIN_BITS = 6
"""Bits of R, G and B that the histogram tells apart: 2 codes, about a tenth of a bin, a fifth at most."""


@dataclass(frozen=True, slots=True)
class Crop:
    """One picture of the set, encoded."""

    data: bytes
    box: Box
    """Where it lies in its source's upright picture, in that one's samples."""
    colorfulness: float
    bins: npt.NDArray[np.uint16]
    """Numbers of the ab bins that occur in it."""
    counts: npt.NDArray[np.uint16]
    """How often each does, of the pixels looked at."""


def target_size(width: float, height: float, options: BuildOptions) -> tuple[int, int]:
    """Width and height a picture is resized to.

    Nothing is enlarged, but to the size of a crop; where it is not resized at all, its sides are rounded.
    """
    short = min(width, height)
    wanted = options.short_side or round(short)
    wanted = max(min(wanted, round(short)), options.size or 1)
    scale = wanted / short
    return max(round(width * scale), 1), max(round(height * scale), 1)


def crops_of(size: tuple[int, int], options: BuildOptions, seed: int) -> list[Box]:
    """The parts of a picture of this size (width, height) that go into the set."""
    width, height = size
    side = options.size
    if side is None:
        return [(0, 0, width, height)]
    lefts = (seeded(seed, n, "left") % (width - side + 1) for n in range(options.crops))
    tops = (seeded(seed, n, "top") % (height - side + 1) for n in range(options.crops))
    return [(left, top, side, side) for left, top in zip(lefts, tops, strict=True)]


def encode(rgb: Rgb, form: str) -> bytes:
    """A picture as the bytes of a file."""
    done, data = cv2.imencode(
        f".{form}", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), _JPEG if form == "jpg" else []
    )
    if not done:
        raise InputError(f"A picture of {rgb.shape[1]}×{rgb.shape[0]} could not be encoded as {form}.")
    return data.tobytes()


def colour_of(rgb: Rgb) -> float:
    """Colourfulness of a picture, of a sample of its pixels."""
    return colorfulness(_sampled(rgb))


def beyond_tint(rgb: Rgb) -> float:
    """How far a picture's chroma lies from a tint, as a root mean square in codes of 8 bits.

    Sepia is colourful, and teaches no colour.
    """
    small = cv2.resize(rgb, (_TINT_SIDE, _TINT_SIDE), interpolation=cv2.INTER_AREA)
    luma, cr, cb = cv2.split(cv2.cvtColor(small, cv2.COLOR_RGB2YCrCb))
    neutral = np.float32(128)
    along, across = without_tint(luma, cb - neutral, cr - neutral)
    return float(np.sqrt(np.mean(along**2 + across**2)))


def _sampled(rgb: Rgb) -> Rgb:
    """Some of a picture's pixels, as they are."""
    size = min(rgb.shape[1], _MEASURED_SIDE), min(rgb.shape[0], _MEASURED_SIDE)
    some: Any = cv2.resize(rgb, size, interpolation=cv2.INTER_NEAREST)
    return cast(Rgb, some)


# The histogram over the ab bins


def bin_counts(rgb: Rgb) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint16]]:
    """Which of the 313 ab bins a sample of a picture's pixels fall into, and how many do."""
    high = (_sampled(rgb) >> (8 - _BIN_BITS)).astype(np.int32)
    codes = (high[..., 0] << 2 * _BIN_BITS) | (high[..., 1] << _BIN_BITS) | high[..., 2]
    counts = np.bincount(_bin_table()[codes].ravel(), minlength=313)
    bins = np.flatnonzero(counts)
    return bins.astype(np.uint16), np.minimum(counts[bins], 65535).astype(np.uint16)


@cache
def _bin_table() -> npt.NDArray[np.uint16]:
    """The ab bin of each colour of so many bits a channel, ``(2 ** (3 · bits),)``."""
    import torch

    from vidcolor.color.bins import nearest_bin
    from vidcolor.color.lab import rgb_to_lab

    levels = 1 << _BIN_BITS
    axis = (torch.arange(levels) + 0.5) / levels
    colours = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij")).reshape(1, 3, levels, -1)
    bins = nearest_bin(rgb_to_lab(colours)[:, 1:])
    return bins.reshape(-1).numpy().astype(np.uint16)


# Picture files


def read_picture(path: Path, options: BuildOptions) -> tuple[Rgb, tuple[int, int]]:
    """A picture, turned upright and resized for the set; and its own size (width, height).

    Raises:
        InputError: it cannot be read.
    """
    own = _own_size(path)
    wanted = target_size(*own, options)
    data = np.frombuffer(read_picture_file(path), np.uint8)
    bgr = cv2.imdecode(data, _reduced(min(own) // min(wanted)))
    if bgr is None:
        raise InputError(f"{path} is not a picture, or is damaged.")
    if (bgr.shape[1] > bgr.shape[0]) != (own[0] > own[1]) and own[0] != own[1]:
        own, wanted = own[::-1], wanted[::-1]  # turned by its EXIF tag
    rgb: Any = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
    if rgb.shape[1::-1] != wanted:
        shrinks = rgb.shape[1] > wanted[0]
        rgb = cv2.resize(rgb, wanted, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
    return rgb, own


def _reduced(factor: int) -> int:
    """OpenCV's flag for decoding at a half, a quarter or an eighth, where that is still large enough."""
    flags = {8: cv2.IMREAD_REDUCED_COLOR_8, 4: cv2.IMREAD_REDUCED_COLOR_4, 2: cv2.IMREAD_REDUCED_COLOR_2}
    return next((flag for least, flag in flags.items() if factor >= least), cv2.IMREAD_COLOR)


def _own_size(path: Path) -> tuple[int, int]:
    """Width and height as stored, from the header."""
    with _open(path) as picture:
        return picture.size


def _open(path: Path) -> Any:
    from PIL import Image  # loaded when there is a picture to read

    try:
        return Image.open(path)
    except (OSError, ValueError, Image.DecompressionBombError):
        raise InputError(f"{path} is not a picture, or is damaged.") from None


_EXIF, _GPS = 0x8769, 0x8825
_TAKEN = (0x9003, 0x9004)
"""DateTimeOriginal and DateTimeDigitized; the plain DateTime is when the file was last changed."""


def read_metadata(path: Path) -> Metadata:
    """Hour, month and place from a picture's EXIF, as far as they are there and make sense."""
    try:
        with _open(path) as picture:
            exif = picture.getexif()
            inner, gps = exif.get_ifd(_EXIF), exif.get_ifd(_GPS)
    except Exception:  # EXIF is written by anything; what Pillow raises over it is not to be listed
        return NOTHING_KNOWN
    taken = next((inner[tag] for tag in _TAKEN if inner.get(tag)), None)
    known = clock_metadata(str(taken), "%Y:%m:%d %H:%M:%S") if taken else NOTHING_KNOWN
    return Metadata(known.hour, known.month, _degrees(gps, 1, 2, "S", 90), _degrees(gps, 3, 4, "W", 180))


def _degrees(gps: Any, reference: int, value: int, negative: str, most: float) -> float | None:
    """Degrees of a GPS tag: three rationals, and the side of the equator or of Greenwich."""
    try:
        degrees, minutes, seconds = (float(part) for part in gps[value])
        total = degrees + minutes / 60 + seconds / 3600
        return (
            round(-total if gps[reference].upper().startswith(negative) else total, 5)
            if total <= most
            else None
        )
    except (KeyError, TypeError, ValueError, ZeroDivisionError, AttributeError):
        return None


def luma_of(rgb: Rgb) -> npt.NDArray[np.uint8]:
    """BT.601 luma of a picture, 0 to 255."""
    luma: Any = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    return cast(npt.NDArray[np.uint8], luma)


def unsuitable(small: npt.NDArray[Any], options: BuildOptions) -> str | None:
    """Why a small luma picture (0 to 255) shows too little to learn from; None: it does not."""
    mean, deviation = cv2.meanStdDev(small)
    if mean.item() < options.dark:
        return "dark"
    return "flat" if deviation.item() < options.flat else None


def mean_counts(
    pictures: Sequence[tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint16]]],
) -> list[float] | None:
    """The prior over the 313 bins of many pictures, each counting alike; None where there are none."""
    if not pictures:
        return None
    total = np.zeros(313)
    for bins, counts in pictures:
        np.add.at(total, bins, counts / counts.sum())
    return [round(float(share), 9) for share in total / total.sum()]
