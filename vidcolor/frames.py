"""What travels along the way of the data: frames, their times, and what is known of a film.

Plain data. Nothing here knows PyAV or torch.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, is_dataclass
from fractions import Fraction
from typing import Any, Generic, Literal, TypeVar

import numpy as np
import numpy.typing as npt

__all__ = [
    "NOTHING_KNOWN",
    "Attachment",
    "Chapter",
    "ChromaLayout",
    "ColorFrame",
    "ColorTags",
    "FirstField",
    "Frame",
    "Hdr",
    "Known",
    "MediaInfo",
    "Metadata",
    "Orientation",
    "Plane",
    "Programme",
    "StreamInfo",
    "Timestamp",
    "VideoInfo",
]

Plane = npt.NDArray[Any]
"""One plane of samples: ``(H, W)``, uint8 at 8 bits, uint16 (low bits used) above."""

FirstField = Literal["top", "bottom"]
"""The field of an interlaced picture that is shown first; the upper one has the picture's first line."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, order=False)
class Timestamp:
    """A moment of the film, exactly."""

    pts: int
    """Presentation time, in units of ``time_base``."""
    time_base: Fraction
    """Length of one unit, in seconds."""

    @property
    def seconds(self) -> float:
        """The moment in seconds, for display only (float)."""
        return float(self.pts * self.time_base)

    @property
    def exact(self) -> Fraction:
        """The moment in seconds, exactly."""
        return self.pts * self.time_base


@dataclass(frozen=True, slots=True)
class Known(Generic[T]):
    """A fact about a film together with where it comes from."""

    value: T
    source: Literal["from header", "counted", "estimated"]


@dataclass(frozen=True, slots=True)
class ColorTags:
    """How a file says its samples are to be understood, in FFmpeg's names; None where it is silent.

    ``range``: "limited" or "full". ``matrix``: "bt709", "smpte170m", "bt470bg", "bt2020nc", …
    (H.273 table 4, MatrixCoefficients). ``primaries`` (table 2), ``transfer`` (table 3):
    "bt709", "smpte170m", "iec61966-2-1", "smpte2084", "arib-std-b67", … ``siting``: "left",
    "center", "topleft", … (where the chroma samples lie).
    """

    range: Literal["limited", "full"] | None = None
    matrix: str | None = None
    primaries: str | None = None
    transfer: str | None = None
    siting: str | None = None


@dataclass(frozen=True, slots=True)
class Orientation:
    """How a stored picture is brought upright: turned, then mirrored left to right or not."""

    turns: int = 0
    """By 90 degrees each, counter-clockwise (0 to 3)."""
    mirrored: bool = False

    @property
    def sideways(self) -> bool:
        """Whether width and height change places."""
        return self.turns % 2 == 1

    def upright(self, planes: npt.NDArray[Any], axes: tuple[int, int] = (0, 1)) -> npt.NDArray[Any]:
        """A view of stored planes, whose rows and columns are these axes, as they are to be seen."""
        turned = np.rot90(planes, self.turns, axes)
        return np.flip(turned, axes[1]) if self.mirrored else turned

    def stored(self, planes: npt.NDArray[Any], axes: tuple[int, int] = (0, 1)) -> npt.NDArray[Any]:
        """A view of upright planes as they are stored."""
        plain = np.flip(planes, axes[1]) if self.mirrored else planes
        return np.rot90(plain, -self.turns, axes)


@dataclass(frozen=True, slots=True)
class Hdr:
    """What HDR10 says of the whole film, beside its transfer."""

    mastering: tuple[Fraction, ...] | None
    """The display it was graded on (SMPTE ST 2086): x and y of red, green, blue and white (CIE 1931), then
    its least and most luminance in cd/m²."""
    light: tuple[int, int] | None
    """Its brightest pixel and its brightest frame's mean (CTA-861.3, MaxCLL and MaxFALL), in cd/m²."""


@dataclass(frozen=True, slots=True)
class ChromaLayout:
    """Sizes of a frame's planes: chroma is ``width >> log2_x`` by ``height >> log2_y``, rounded up."""

    log2_x: int
    log2_y: int

    def size(self, height: int, width: int) -> tuple[int, int]:
        """``(height, width)`` of a chroma plane beside a luma plane of the given size."""
        return -(-height >> self.log2_y), -(-width >> self.log2_x)


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What is known of the video stream that is coloured."""

    index: int
    """Number of the stream in its file."""
    codec: str
    width: int
    """Stored width, in samples (before rotation and aspect)."""
    height: int
    pixel_format: str
    bit_depth: int
    """Bits of a luma sample as the reader hands it out (8–16)."""
    layout: ChromaLayout
    """The nearest of 4:2:0, 4:2:2 and 4:4:4 to the source's; 4:2:0 for grey, RGB and palette sources."""
    tags: ColorTags
    """As the file says them."""
    sample_aspect: Fraction
    """Width over height of one sample; 1 when the file is silent."""
    rotation: int
    """Degrees counter-clockwise the stored picture must be turned to be seen upright (0, 90, 180, 270)."""
    field_order: str
    """"progressive", "tt", "bb", "tb", "bt" or "unknown" (FFmpeg's names); "progressive" as the reader hands
    the stream out, unless its fields are to stay."""
    time_base: Fraction
    average_rate: Fraction | None
    """Frames a second over the whole stream, from the header; None when it is silent."""
    frame_count: Known[int] | None
    duration: Known[Fraction] | None
    """In seconds."""
    start: Fraction | None = None
    """Time of the first frame, in seconds, from the header."""
    constant_rate: bool | None = None
    """Whether all frames last equally long; None when nobody looked, or the file does not tell."""
    has_alpha: bool = False
    mirrored: bool = False
    """Whether it must then be mirrored, left to right."""
    hdr: Hdr | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def orientation(self) -> Orientation:
        """``rotation`` and ``mirrored`` in one."""
        return Orientation(self.rotation // 90, self.mirrored)


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """What is known of one stream of a file, from its header."""

    index: int
    kind: str
    """"video", "audio", "subtitle", "data", "attachment" or "unknown"."""
    codec: str | None
    """FFmpeg's name; None when it knows none."""
    codec_tag: str | None
    profile: str | None
    language: str | None
    disposition: tuple[str, ...]
    """FFmpeg's words: "default", "forced", "attached_pic", …"""
    tags: dict[str, str]
    time_base: Fraction | None
    start: Fraction | None
    """In seconds."""
    duration: Known[Fraction] | None
    """In seconds."""
    frame_count: Known[int] | None
    """Frames of a video stream, packets of others."""
    bit_rate: int | None
    """Bits a second."""
    decodable: bool
    video: VideoInfo | None = None
    sample_rate: int | None = None
    """Samples a second."""
    channels: int | None = None
    channel_layout: str | None = None


@dataclass(frozen=True, slots=True)
class Chapter:
    """A named stretch of the film."""

    start: Fraction
    """In seconds."""
    end: Fraction
    tags: dict[str, str]


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file inside the file: a font, a picture."""

    index: int
    name: str | None
    mime_type: str | None
    size: int
    """In bytes."""


@dataclass(frozen=True, slots=True)
class Programme:
    """One of several broadcasts that share a file."""

    id: int
    tags: dict[str, str]
    streams: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """What is known of a film as a whole."""

    name: str
    format: str
    """FFmpeg's name of the demuxer, such as "matroska,webm"."""
    format_long: str
    size: int | None
    """In bytes; None for a pipe."""
    start: Fraction | None
    """Time of the earliest packet, in seconds."""
    duration: Known[Fraction] | None
    """In seconds."""
    bit_rate: int | None
    tags: dict[str, str]
    streams: tuple[StreamInfo, ...]
    chapters: tuple[Chapter, ...]
    attachments: tuple[Attachment, ...]
    programmes: tuple[Programme, ...]
    best_video: int | None
    """Index of the stream that is coloured unless another is named; None: there is no video."""

    def to_dict(self) -> dict[str, Any]:
        """The same as plain JSON values: times as float seconds, ratios as "30000/1001"."""
        return _plain(self)


_TIMES = {"start", "end", "duration"}


def _plain(value: Any, name: str = "") -> Any:
    """Dataclasses to dicts, Fractions to numbers or text, whatever ``json.dumps`` takes."""
    if isinstance(value, Known):
        return {"value": _plain(value.value, name), "source": value.source}
    if is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name), f.name) for f in fields(value)}
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item, name) for item in value]
    if isinstance(value, Fraction):
        return round(float(value), 6) if name in _TIMES else f"{value.numerator}/{value.denominator}"
    return value


@dataclass(frozen=True, slots=True)
class Metadata:
    """When and where a picture was taken, as far as it says; None: not known."""

    hour: float | None = None
    """Local time of day, 0 to below 24."""
    month: float | None = None
    """1 (the first of January) to below 13, with days as fractions."""
    latitude: float | None = None
    """Degrees north, -90 to 90."""
    longitude: float | None = None
    """Degrees east, -180 to 180."""


NOTHING_KNOWN = Metadata()


@dataclass(slots=True)
class Frame:
    """One decoded picture: its luma and its time, and where it was asked for, the colour it has."""

    luma: Plane
    """``(H, W)``, uint8 or uint16, codes of the source at its own depth and range. Read only."""
    time: Timestamp
    duration: int
    """In units of ``time.time_base``; 0 when unknown."""
    index: int
    """Number of the frame in the run, from 0."""
    carrier: Any = None
    """The decoded picture as ``vidcolor.media`` holds it; nothing else looks inside."""
    chroma: tuple[Plane, Plane] | None = None
    """Its own Cb and Cr, smaller than the luma as the source has them, of its dtype, depth and range; None:
    neutral, or not asked for. Read only."""
    first_field: FirstField | None = None
    """Of a picture of two fields that was not deinterlaced; None: it is one picture."""

    def __post_init__(self) -> None:
        if self.luma.ndim != 2 or self.luma.dtype not in (np.uint8, np.uint16):
            raise ValueError(
                f"luma must be a 2-D uint8 or uint16 plane, not {self.luma.dtype}{self.luma.shape}"
            )


@dataclass(slots=True)
class ColorFrame:
    """A frame with its colour: what the writer encodes."""

    frame: Frame
    cb: Plane
    """``layout.size(H, W)``, same dtype, depth and range as the luma."""
    cr: Plane
