"""From a small picture of ab to a film's chroma planes, fast enough to be done for every frame.

NumPy and OpenCV only, but for filling the table. Three steps: ab is brought to the chroma planes' size along
luma's edges, (Y′, a, b) becomes (Cb, Cr) through a table, and chroma is held inside the gamut of every luma
sample it is shared by.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch

from vidcolor.color.planes import ColorSpace, lab_to_ycc
from vidcolor.color.resize import even_sided, shrink
from vidcolor.frames import ChromaLayout, Plane
from vidcolor.limits import LONGEST_MOVED

__all__ = ["ChromaMaker", "ChromaTable", "Upsampling", "guided_fits", "luma_at_chroma", "siting_offset"]

FloatImage = npt.NDArray[Any]
"""float32; OpenCV's stubs know no element types."""

# ---- the table ----------------------------------------------------------------------------------

_AB_LIMIT = 112.0
"""Largest |a| and |b| the table knows, Lab units; sRGB's gamut reaches 108."""
_NODES = 65
"""Along a and along b: a node every 3.5 units."""
_LUMAS = 256
"""Along Y′: a node for every 8-bit code, so that films of 8 bits need no interpolation there."""


class ChromaTable:
    """(Y′, a, b) → (Cb, Cr) of one :class:`ColorSpace`, before the gamut is looked at.

    The table's slices of equal Y′ stand one below the other in one tall image, so that one bilinear
    ``cv2.remap`` looks a whole frame up.
    """

    def __init__(self, space: ColorSpace) -> None:
        self.space = space
        self.image = _tabulate(space)

    @property
    def coordinate_scale(self) -> float:
        """ab times this plus :attr:`coordinate_offset` is a place in a slice."""
        return (_NODES - 1) / (2 * _AB_LIMIT)

    @property
    def coordinate_offset(self) -> float:
        return (_NODES - 1) / 2

    def look_up(self, luma: Plane, x: FloatImage, y: FloatImage) -> FloatImage:
        """Cb and Cr, ``(H, W, 2)`` normalised, of luma codes and of ab as places in a slice.

        ``x`` and ``y`` are a and b by :attr:`coordinate_scale`; they are overwritten.
        """
        last = np.float32(_NODES - 1)
        np.clip(x, 0, last, out=x)
        np.clip(y, 0, last, out=y)
        slice_of = self._slice_starts[luma]
        y += slice_of
        blocks = [slice(left, left + LONGEST_MOVED) for left in range(0, x.shape[1], LONGEST_MOVED)]
        found = [cv2.remap(self.image, x[:, block], y[:, block], cv2.INTER_LINEAR) for block in blocks]
        return found[0] if len(found) == 1 else np.hstack(found)

    @property
    def _slice_starts(self) -> FloatImage:
        return _slice_starts(self.space.bit_depth, self.space.luma_scale)


_STARTS: dict[tuple[int, tuple[float, float]], FloatImage] = {}


def _slice_starts(bit_depth: int, luma_scale: tuple[float, float]) -> FloatImage:
    """First row of the slice for each luma code: ``(2**bit_depth,)``."""
    key = (bit_depth, luma_scale)
    if key not in _STARTS:
        scale, offset = luma_scale
        signal = (np.arange(2**bit_depth) - offset) / scale
        _STARTS[key] = (np.rint(signal.clip(0, 1) * (_LUMAS - 1)) * _NODES).astype(np.float32)
    return _STARTS[key]


def _tabulate(space: ColorSpace) -> FloatImage:
    """The tall image, ``(_LUMAS · _NODES, _NODES, 2)``.

    Made forwards: Y′, Cb, Cr of a fine ladder of L′ at every (a, b), then read off at each Y′ wanted.
    Solving for L′ at every node instead would take seconds.
    """
    axis = torch.linspace(-_AB_LIMIT, _AB_LIMIT, _NODES)
    ladder = torch.linspace(-60, 160, 221)
    b, a, lightness = torch.meshgrid(axis, axis, ladder, indexing="ij")
    luma, cb, cr = lab_to_ycc(lightness, a, b, space)
    wanted = torch.linspace(0, 1, _LUMAS).expand(_NODES, _NODES, _LUMAS).contiguous()
    above = torch.searchsorted(luma.contiguous(), wanted).clamp(1, len(ladder) - 1)
    low, high = luma.gather(-1, above - 1), luma.gather(-1, above)
    share = ((wanted - low) / (high - low).clamp_min(1e-9)).clamp(0, 1)
    rows = [torch.lerp(c.gather(-1, above - 1), c.gather(-1, above), share) for c in (cb, cr)]
    image = torch.stack(rows, -1).permute(2, 0, 1, 3).reshape(_LUMAS * _NODES, _NODES, 2)
    return np.ascontiguousarray(image.numpy(), dtype=np.float32)


# ---- along luma's edges -------------------------------------------------------------------------

_SITING: dict[str | None, tuple[float, float]] = {
    # Where a chroma sample of every other luma sample lies, from the middle of its two, in luma samples
    # (H.273 §8.7); one of every fourth lies three times as far from the middle of its four. MPEG-2, H.264
    # and H.265 leave "left" unsaid.
    None: (-0.5, 0.0),
    "left": (-0.5, 0.0),
    "center": (0.0, 0.0),
    "topleft": (-0.5, -0.5),
    "top": (0.0, -0.5),
    "bottomleft": (-0.5, 0.5),
    "bottom": (0.0, 0.5),
}


def siting_offset(siting: str | None, layout: ChromaLayout) -> tuple[float, float]:
    """``(x, y)``: how far chroma samples lie from the middle of the luma they cover, in luma samples."""
    x, y = _SITING.get(siting, _SITING[None])
    return x * ((1 << layout.log2_x) - 1), y * ((1 << layout.log2_y) - 1)


def luma_at_chroma(luma: Plane, layout: ChromaLayout, siting: str | None) -> Plane:
    """Luma at the chroma samples' places and of their size, same dtype as ``luma``.

    A sample in the middle of its luma samples is their mean; one that lies on a luma sample is
    weighted ¼, ½, ¼ around it, as the mean of the two boxes that meet there.
    """
    dx, dy = siting_offset(siting, layout)
    boxes = [
        _box_mean(_moved_by_one(luma, x, y), layout) for x in {0, round(2 * dx)} for y in {0, round(2 * dy)}
    ]
    while len(boxes) > 1:
        boxes = [
            cv2.addWeighted(one, 0.5, other, 0.5, 0)
            for one, other in zip(boxes[::2], boxes[1::2], strict=True)
        ]
    return boxes[0]


def _moved_by_one(plane: Plane, x: int, y: int) -> Plane:
    """The plane ``x`` columns and ``y`` rows further on (-1, 0 or 1), its border repeated."""
    if x == y == 0:
        return plane
    height, width = plane.shape
    wide = cv2.copyMakeBorder(plane, int(y < 0), int(y > 0), int(x < 0), int(x > 0), cv2.BORDER_REPLICATE)
    return wide[int(y > 0) :, int(x > 0) :][:height, :width]


def _box_mean(luma: Plane, layout: ChromaLayout) -> Plane:
    """Mean of the luma samples each chroma sample covers."""
    luma = even_sided(luma, rows=bool(layout.log2_y), columns=bool(layout.log2_x))
    if layout.log2_x and layout.log2_y:
        return cv2.resize(luma, (luma.shape[1] // 2, luma.shape[0] // 2), interpolation=cv2.INTER_AREA)
    if layout.log2_y:
        return cv2.addWeighted(luma[::2], 0.5, luma[1::2], 0.5, 0)
    if layout.log2_x:
        left, right = (np.ascontiguousarray(luma[:, start::2]) for start in (0, 1))
        return cv2.addWeighted(left, 0.5, right, 0.5, 0)
    return np.ascontiguousarray(luma)


@dataclass(frozen=True, slots=True)
class Fit:
    """A plane as a linear function of a guide, place by place: ``slope · guide + level``."""

    slope: FloatImage
    level: FloatImage

    def enlarged(self, height: int, width: int) -> Fit:
        """The same fit over a finer grid."""
        size = (width, height)
        return Fit(*(cv2.resize(x, size, interpolation=cv2.INTER_LINEAR) for x in (self.slope, self.level)))

    def of(self, guide: FloatImage, rows: slice = slice(None)) -> FloatImage:
        """The plane for a guide of these rows."""
        out: FloatImage = self.slope[rows] * guide
        out += self.level[rows]
        return out


def guided_fits(values: Sequence[FloatImage], guide: FloatImage, *, radius: int, epsilon: float) -> list[Fit]:
    """Planes as linear functions of a guide, so that at a finer size they change where the guide does.

    After the fast guided filter (He and Sun 2015): the fits are made at the values' size and
    enlarged, not the values themselves.

    Args:
        values: planes ``(h, w)``.
        guide: ``(h, w)``.
        radius: of the windows a fit is made over, in pixels.
        epsilon: variance of the guide below which it is taken for flat, in its unit squared.
    """
    window = (2 * radius + 1, 2 * radius + 1)

    def mean(image: FloatImage) -> FloatImage:
        return cv2.blur(image, window, borderType=cv2.BORDER_REFLECT)

    mean_guide = mean(guide)
    spread = mean(guide * guide) - mean_guide * mean_guide + np.float32(epsilon)
    fits = []
    for plane in values:
        mean_plane = mean(plane)
        slope = (mean(guide * plane) - mean_guide * mean_plane) / spread
        slope = mean(slope)
        # The level is what the slope leaves of the plane itself, not of its mean as in the filter:
        # nothing the plane holds is blurred, and the guide only adds what is too fine for it.
        fits.append(Fit(slope, plane - slope * guide))
    return fits


# ---- a frame ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Upsampling:
    """How ab follows luma's edges."""

    long_side: int = 384
    """Fits are made at most at this size, in pixels."""
    radius_share: float = 0.006
    """Radius of the fit's windows, as a share of the long side."""
    epsilon: float = 0.02**2
    """In Y′ squared."""


_STRIP_SAMPLES = 32 * 1024
"""Chroma samples worked on at once. Their arrays stay in the cache, and are small enough for the
allocator to hand them out again instead of asking the system for fresh pages: twice as fast as whole
planes."""


class ChromaMaker:
    """Makes Cb and Cr planes of luma and a small picture of ab. One for a film; keeps no frames."""

    def __init__(
        self,
        space: ColorSpace,
        layout: ChromaLayout,
        siting: str | None = None,
        *,
        output_depth: int | None = None,
        upsampling: Upsampling | None = None,
    ) -> None:
        """
        Args:
            space: of the luma.
            layout: of the chroma planes to make.
            siting: where their samples lie, in FFmpeg's words; None as "left".
            output_depth: bits of the chroma planes; None: the luma's.
            upsampling: how ab follows luma's edges.
        """
        self.space, self.layout, self.siting = space, layout, siting
        self.output = replace(space, bit_depth=output_depth or space.bit_depth)
        self.upsampling = upsampling or Upsampling()
        self.table = ChromaTable(space)

    def __call__(self, luma: Plane, ab: Sequence[FloatImage]) -> tuple[Plane, Plane]:
        """Cb and Cr planes of one frame.

        Args:
            luma: ``(H, W)`` codes.
            ab: two planes ``(h, w)`` float32, a and b in Lab units over the same picture, any smaller size.

        Returns:
            Two planes of ``layout.size(H, W)``, uint8 or uint16 by the output's depth.
        """
        planes = self._empty(self.layout.size(*luma.shape))
        for rows, fitted in self._made(luma, ab):
            for plane, values in zip(planes, fitted, strict=True):
                plane[rows] = self._codes(values)
        return planes[0], planes[1]

    def exact(self, luma: Plane, ab: Sequence[FloatImage]) -> FloatImage:
        """The same, not rounded: Cb and Cr, ``(h, w, 2)`` float32 codes of the output's depth."""
        codes = np.empty((*self.layout.size(*luma.shape), 2), np.float32)
        for rows, fitted in self._made(luma, ab):
            codes[rows] = self._unrounded(cv2.merge(fitted))
        return codes

    def _made(
        self, luma: Plane, ab: Sequence[FloatImage]
    ) -> Iterator[tuple[slice, tuple[FloatImage, FloatImage]]]:
        """Rows of the chroma planes, and what they hold."""
        at_chroma = luma_at_chroma(luma, self.layout, self.siting)
        low, high = block_range(luma, self.layout)
        fits = [fit.enlarged(*at_chroma.shape) for fit in self._fits(luma.shape, at_chroma, ab)]
        for rows in _strips(*at_chroma.shape):
            guide = _signal(at_chroma[rows], *self.space.luma_scale)
            chroma = self.table.look_up(at_chroma[rows], *(fit.of(guide, rows) for fit in fits))
            yield rows, self._into_gamut(low[rows], high[rows], *cv2.split(chroma))

    def held(
        self,
        luma: Plane,
        chroma: npt.NDArray[Any],
        before: Sequence[Plane] | None = None,
        slack: float = 0.0,
    ) -> tuple[Plane, Plane]:
        """Chroma that was made for another frame, held inside the gamut of this one's luma but for rounding.

        Args:
            luma: ``(H, W)`` codes.
            chroma: Cb and Cr, ``(h, w, 2)`` codes of the output's depth, rounded or not, ``h, w`` as of the
                layout.
            before: the planes of the frame before, moved along to this one. A code stays as it is there where
                what is wanted is less than half a code and ``slack`` from it: rounded, what trembles between
                two codes goes to and fro by a whole one.
            slack: in codes, 0 or more; by as much a code may lie outside of the gamut.

        Returns:
            As when called.
        """
        low, high = block_range(luma, self.layout)
        scale, offset = self.output.chroma_scale
        planes = self._empty(chroma.shape)
        for rows in _strips(*chroma.shape[:2]):
            cb, cr = cv2.split(_signal(chroma[rows], scale, offset))
            fitted = self._into_gamut(low[rows], high[rows], cb, cr)
            for number, values in enumerate(fitted):
                codes = self._codes(values)
                if before is not None:
                    self._keep_near(codes, before[number][rows], values, slack)
                planes[number, rows] = codes
        return planes[0], planes[1]

    def _empty(self, size: tuple[int, ...]) -> Plane:
        return np.empty((2, *size[:2]), np.uint8 if self.output.bit_depth == 8 else np.uint16)

    def _fits(self, luma_size: tuple[int, ...], at_chroma: Plane, ab: Sequence[FloatImage]) -> list[Fit]:
        """ab, as places in the table, fitted to luma at a small size."""
        width, height = _within(self.upsampling.long_side, ab[0].shape)
        # The guide is luma where chroma lies; ab is moved there too.
        dx, dy = siting_offset(self.siting, self.layout)
        shift = (dx * width / luma_size[1], dy * height / luma_size[0])
        to_place, middle = np.float32(self.table.coordinate_scale), np.float32(self.table.coordinate_offset)
        return guided_fits(
            [_moved(shrink(x, height, width), shift) * to_place + middle for x in ab],
            _signal(shrink(at_chroma, height, width), *self.space.luma_scale),
            radius=max(1, round(self.upsampling.radius_share * max(height, width))),
            epsilon=self.upsampling.epsilon,
        )

    def _into_gamut(
        self, darkest: Plane, brightest: Plane, cb: FloatImage, cr: FloatImage
    ) -> tuple[FloatImage, FloatImage]:
        """Chroma scaled towards neutral until no luma sample that shares it leaves the gamut."""
        k = self.space.coefficients
        scale, offset = self.space.luma_scale
        red, blue = cr * np.float32(k.r), cb * np.float32(k.b)
        green = cv2.addWeighted(cb, -k.gb, cr, -k.gr, 0)
        over = np.maximum(np.maximum(red, green), blue)
        under = np.minimum(np.minimum(red, green, out=green), blue, out=blue)
        # Room above and below the luma, as signal; codes beyond nominal black and white leave none.
        above = _signal(brightest, -scale, offset + scale)
        below = _signal(darkest, -scale, offset)
        above /= np.maximum(over, _TINY, out=over)
        below /= np.minimum(under, -_TINY, out=under)
        share = np.clip(np.minimum(above, below, out=above), 0, 1, out=above)
        return cb * share, cr * share

    def _codes(self, chroma: FloatImage) -> Plane:
        scale, offset = self.output.chroma_scale
        depth = cv2.CV_8U if self.output.bit_depth == 8 else cv2.CV_16U
        codes: Plane = cv2.addWeighted(chroma, scale, chroma, 0, offset, dtype=depth)
        if self.space.full_range:
            # Full-range chroma of ½ would be 2**depth: one code too many (H.273 eq. 27 clips it).
            codes = np.minimum(codes, 2**self.output.bit_depth - 1, out=codes)
        return codes

    def _unrounded(self, chroma: FloatImage) -> FloatImage:
        """Cb and Cr of the signal as codes that are not whole."""
        scale, offset = self.output.chroma_scale
        codes: FloatImage = cv2.addWeighted(chroma, scale, chroma, 0, offset)
        return codes

    def _keep_near(self, codes: Plane, before: Plane, chroma: FloatImage, slack: float) -> None:
        """Puts codes back to those before where ``chroma``, which they are rounded from, is near those."""
        off = cv2.absdiff(self._unrounded(chroma), before.astype(np.float32))
        near = off < np.float32(0.5 + slack)
        cv2.copyTo(before, near.view(np.uint8), codes)


_TINY = np.float32(1e-9)


def _strips(height: int, width: int) -> Iterator[slice]:
    """Rows in strips of about ``_STRIP_SAMPLES``."""
    step = max(1, _STRIP_SAMPLES // width)
    return (slice(top, top + step) for top in range(0, height, step))


def _within(long_side: int, size: tuple[int, ...]) -> tuple[int, int]:
    """``(width, height)`` of a picture of ``size`` (height, width), made smaller where it is longer."""
    factor = min(1.0, long_side / max(size))
    return max(1, round(size[1] * factor)), max(1, round(size[0] * factor))


def _moved(image: FloatImage, shift: tuple[float, float]) -> FloatImage:
    """The picture as seen ``shift`` (x, y) pixels further on."""
    if shift == (0.0, 0.0):
        return image
    move = np.array([[1, 0, -shift[0]], [0, 1, -shift[1]]], np.float32)
    size = image.shape[1::-1]
    return cv2.warpAffine(image, move, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _signal(codes: Plane, scale: float, offset: float) -> FloatImage:
    """Codes as Y′: ``(code - offset) / scale``."""
    out: Any = codes.astype(np.float32)
    out -= np.float32(offset)
    out *= np.float32(1 / scale)
    return out


def block_range(luma: Plane, layout: ChromaLayout) -> tuple[Plane, Plane]:
    """Lowest and highest luma among the samples each chroma sample covers, chroma-sized."""
    low = high = luma
    if layout.log2_y:
        even = even_sided(luma, columns=False)
        low, high = np.minimum(even[::2], even[1::2]), np.maximum(even[::2], even[1::2])
    if layout.log2_x:
        low, high = even_sided(low, rows=False), even_sided(high, rows=False)
        low, high = np.minimum(low[:, ::2], low[:, 1::2]), np.maximum(high[:, ::2], high[:, 1::2])
    return low, high
