"""Frames as pictures that a person can paint on, and the colour of painted ones as a film's chroma.

A picture is the frame as stored, turned upright: its pixels are the film's samples, whatever their aspect.
Its R′G′B′ are the film's own, by the film's matrix, as players show them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from vidcolor.color.chroma import luma_at_chroma, siting_offset
from vidcolor.color.planes import ColorSpace
from vidcolor.color.resize import shrink
from vidcolor.errors import InputError
from vidcolor.frames import ChromaLayout, ColorFrame, Orientation
from vidcolor.media.picture_file import read_picture_file
from vidcolor.pipeline.advice import Said
from vidcolor.pipeline.profiles import in_srgb, is_foreign

__all__ = ["Compared", "Painter", "Picture", "check_picture", "read_picture"]

Rgb = npt.NDArray[np.uint8]
Compared = npt.NDArray[np.uint8]
"""What changes are looked for in: Cb above Cr of an upright picture at half its size, ``(2h, w)``, full-range
codes of 8 bits."""
_Float = npt.NDArray[np.float32]

_CHANGED = (1.0, 3.0)
"""Codes of :data:`Compared` by which a pixel differs: up to the first it was not painted, from the second on
it was. A picture without loss comes back equal where nobody painted."""
_CHANGED_LOSSY = (6.0, 12.0)
_LOSSY = frozenset({".jpg", ".jpeg"})
_MOST_BYTES = 64
"""Of a file, for each pixel; nothing a picture editor writes comes near."""


class Picture(NamedTuple):
    """A picture somebody handed in."""

    rgb: _Float
    """``(H, W, 3)`` in [0, 1], upright."""
    opacity: _Float
    """``(H, W)`` in [0, 1]: 0 where it says nothing."""
    lossy: bool


def read_picture(path: Path, width: int, height: int) -> Picture:
    """A picture file, of whatever kind editors write: grey, with a palette, transparent, of 16 bits.

    Raises:
        InputError: it is not of that size, or is no picture that can be read.
    """
    with _reading(path):
        icc = _header(path, width, height).get("icc_profile")
        pixels = _srgb(path, icc) if icc and is_foreign(icc) else _decoded(path)
    if pixels.shape[2] == 3:
        return Picture(pixels, np.ones(pixels.shape[:2], np.float32), path.suffix.lower() in _LOSSY)
    return Picture(
        np.ascontiguousarray(pixels[..., :3]),
        np.ascontiguousarray(pixels[..., 3]),
        path.suffix.lower() in _LOSSY,
    )


def check_picture(path: Path, width: int, height: int) -> None:
    """Looks at a picture's header, and at what else costs little.

    Raises:
        InputError: as :func:`read_picture`, which may find more.
    """
    with _reading(path):
        _header(path, width, height)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turns what decoders raise into one sentence."""
    try:
        yield
    except (OSError, ValueError, SyntaxError, cv2.error, Image.DecompressionBombError) as error:
        reason = getattr(error, "strerror", None) or "it is damaged, or of a kind not known here"
        raise InputError(f"{path} cannot be read as a picture: {reason}.") from None


def _header(path: Path, width: int, height: int) -> dict[Any, Any]:
    """What a picture file says beside its pixels."""
    if path.stat().st_size > _MOST_BYTES * width * height + (1 << 20):
        raise InputError(f"{path} is too large a file for a picture of {width}x{height}.")
    with Image.open(path) as opened:
        if opened.size != (width, height):
            found = "{}x{}".format(*opened.size)
            raise InputError(f"{path} is {found}; an anchor of this film is {width}x{height}.")
        told = dict(opened.info)
        opened.verify()
    read_picture_file(path)  # Pillow does not look where a JPEG ends
    return told


def _decoded(path: Path) -> _Float:
    """R, G, B and, where there is one, opacity, ``(H, W, 3 or 4)`` in [0, 1]."""
    flags = cv2.IMREAD_UNCHANGED
    found: Any = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), flags)
    if found is None or found.dtype not in (np.uint8, np.uint16):
        raise ValueError("no picture of 8 or 16 bits")
    if found.ndim == 2:
        found = cv2.cvtColor(found, cv2.COLOR_GRAY2RGB)
    else:
        found = cv2.cvtColor(found, cv2.COLOR_BGRA2RGBA if found.shape[2] == 4 else cv2.COLOR_BGR2RGB)
    scaled: _Float = found.astype(np.float32) / np.float32(np.iinfo(found.dtype).max)
    return scaled


def _srgb(path: Path, icc: bytes) -> _Float:
    """As :func:`_decoded`, of a picture in the colours of a wider profile."""
    with Image.open(path) as opened:
        opacity = opened.convert("RGBA").getchannel("A")
        plain = opened.convert("RGB")
    planes = np.dstack((in_srgb(np.asarray(plain), icc), np.asarray(opacity)))
    scaled: _Float = planes.astype(np.float32) / np.float32(255)
    return scaled


class Painter:
    """Between a film's planes and pictures. One for a film."""

    def __init__(
        self,
        space: ColorSpace,
        layout: ChromaLayout,
        siting: str | None,
        orientation: Orientation,
        output_depth: int,
    ) -> None:
        """
        Args:
            space: of the luma.
            layout, siting, output_depth: of the chroma planes.
            orientation: of the stored picture.
        """
        self._space, self._layout, self._siting = space, layout, siting
        self._orientation = orientation
        self._output = ColorSpace(
            space.matrix, space.full_range, output_depth, space.transfer, space.primaries
        )

    def picture(self, colored: ColorFrame) -> Rgb:
        """A coloured frame as a picture, ``(H, W, 3)`` uint8, R, G, B, upright."""
        luma = colored.frame.luma
        scale, offset = self._space.luma_scale
        y = (luma.astype(np.float32) - np.float32(offset)) / np.float32(scale)
        scale, offset = self._output.chroma_scale
        planes = (
            (plane.astype(np.float32) - np.float32(offset)) / np.float32(scale)
            for plane in (colored.cb, colored.cr)
        )
        cb, cr = (self._at_luma(plane, *luma.shape) for plane in planes)
        k = self._space.coefficients
        rgb = np.dstack((y + k.r * cr, y - k.gb * cb - k.gr * cr, y + k.b * cb))
        codes = np.rint(rgb.clip(0, 1) * 255).astype(np.uint8)
        return np.ascontiguousarray(self._orientation.upright(codes))

    def compared(self, rgb: Rgb | _Float) -> Compared:
        """What changes of a picture ``(H, W, 3)`` are looked for in; uint8, or float in [0, 1]."""
        _, *chroma = self._chroma_planes(rgb)
        height, width = (max(1, side // 2) for side in rgb.shape[:2])
        codes = [np.rint(shrink(plane, height, width) * 255 + 128).clip(0, 255) for plane in chroma]
        return np.concatenate(codes).astype(np.uint8)

    def said(self, picture: Picture, before: Compared | None) -> Said:
        """What a picture says: the colour of all that is painted.

        Args:
            picture: of the film's size, upright.
            before: of the picture before anybody painted on it; None: all of it is painted.
        """
        firm = picture.opacity
        if before is not None:
            firm = firm * self._changed(picture, before)
        stored = np.ascontiguousarray(self._orientation.stored(picture.rgb))
        opacity = np.ascontiguousarray(self._orientation.stored(picture.opacity))
        # What is transparent has no colour: it must not mix with what has.
        there: Any = self._at_chroma(opacity)
        scale, offset = self._output.chroma_scale
        planes = []
        for plane in self._chroma_planes(stored)[1:]:
            mean = self._at_chroma(plane * opacity) / np.maximum(there, np.float32(1e-6))
            planes.append(np.rint(mean * np.float32(scale) + np.float32(offset)))
        sample = np.uint8 if self._output.bit_depth == 8 else np.uint16
        codes = np.dstack(planes).clip(0, 2**self._output.bit_depth - 1).astype(sample)
        weight = self._at_chroma(np.ascontiguousarray(self._orientation.stored(firm)))
        return Said(codes, weight.clip(0, 1))

    def _changed(self, picture: Picture, before: Compared) -> _Float:
        """Where a picture was painted, ``(H, W)`` in [0, 1]."""
        least, most = _CHANGED_LOSSY if picture.lossy else _CHANGED
        difference = cv2.absdiff(self.compared(picture.rgb), before).astype(np.float32)
        height = difference.shape[0] // 2
        largest = np.maximum(difference[:height], difference[height:])
        changed: Any = ((largest - least) / (most - least)).clip(0, 1).astype(np.float32)
        size = picture.rgb.shape[1::-1]
        larger: _Float = cv2.resize(changed, size, interpolation=cv2.INTER_LINEAR)
        return larger

    def _chroma_planes(self, rgb: Rgb | _Float) -> tuple[_Float, _Float, _Float]:
        """Y′, Cb and Cr of a picture, normalised."""
        scale = np.float32(1 / 255 if rgb.dtype == np.uint8 else 1)
        red, green, blue = (plane.astype(np.float32) * scale for plane in cv2.split(rgb))
        k = self._space.coefficients
        y: Any = np.float32(k.kr) * red + np.float32(k.kg) * green + np.float32(k.kb) * blue
        return y, (blue - y) / np.float32(k.b), (red - y) / np.float32(k.r)

    def _at_chroma(self, plane: _Float) -> Any:
        """A plane of luma's size where the chroma samples lie."""
        return luma_at_chroma(plane, self._layout, self._siting)

    def _at_luma(self, plane: _Float, height: int, width: int) -> Any:
        """A chroma plane where the luma samples lie."""
        moves = []
        for log2, shift in zip(
            (self._layout.log2_x, self._layout.log2_y),
            siting_offset(self._siting, self._layout),
            strict=True,
        ):
            step = 1 << log2
            moves.append((1 / step, -((step - 1) / 2 + shift) / step))
        (x, left), (y, top) = moves
        where = np.array([[x, 0, left], [0, y, top]], np.float32)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return cv2.warpAffine(plane, where, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
