"""The encoders the result can be made with: their names, formats and our defaults.

>>> encoder("libx264").crf
Scale(option='crf', default=17, low=0, high=51)
>>> choose_format(encoder("libsvtav1"), 8, ChromaLayout(1, 0)).name
'yuv420p'
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import av
import av.error
from av.container import OutputContainer

from vidcolor.errors import UsageError
from vidcolor.frames import ChromaLayout, FirstField
from vidcolor.media.containers import takes

__all__ = [
    "ENCODERS",
    "Encoder",
    "Fields",
    "HdrWords",
    "OutputFormat",
    "Scale",
    "choose_format",
    "container_format",
    "container_holds",
    "default_encoder",
    "encoder",
    "holds_fields",
    "quiet",
    "with_parameter",
]


@dataclass(frozen=True, slots=True)
class Scale:
    """How an encoder spells its constant quality, and the values it takes."""

    option: str
    default: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class HdrWords:
    """How an encoder is told HDR10's metadata, in a list of parameters that is one option."""

    option: str
    mastering: str
    """The parameter for the display: ``G(x,y)B(x,y)R(x,y)WP(x,y)L(most,least)``."""
    light: str
    """The parameter for the light levels: ``pixel,frame``."""
    units: bool
    """Whether colours are counted in 1/50,000 and luminance in 1/10,000 cd/m² (as H.265 has it, D.3.28)."""


@dataclass(frozen=True, slots=True)
class Fields:
    """How an encoder learns which field is first, besides from the marks on pictures and stream."""

    option: str | None = None
    """Its own list of options, if anything must stand there, ..."""
    values: Mapping[FirstField, str] = field(default_factory=dict)
    """... and what."""
    every_picture: bool = True
    """Whether all pictures must be marked, the progressive ones of an interlaced film too."""
    shown: bool = True
    """Whether players see it: FFmpeg's decoder marks no picture of H.265 that is coded whole."""


@dataclass(frozen=True, slots=True)
class Encoder:
    """One line of the table."""

    name: str
    codec: str
    """FFmpeg's name of what it writes."""
    crf: Scale | None
    """None: it has no constant quality (it is lossless, or its profile decides)."""
    preset_option: str | None
    preset: str | None
    """Our default; None leaves the choice to ``_profile`` or there is none."""
    presets: tuple[str, ...]
    options: Mapping[str, str] = field(default_factory=dict)
    """What we always ask for, unless the user says otherwise."""
    hardware: bool = False
    formats: tuple[str, ...] = ()
    """Formats worth using; empty: all planar YUV formats the encoder names."""
    semi_planar: Mapping[str, str] = field(default_factory=dict)
    """Formats it takes under another arrangement of the same samples."""
    range_in_stream: bool = True
    """Whether the coded stream itself says that samples are full range."""
    threads: int | None = None
    """How many it encodes with; None: as many as it likes on the machine."""
    whole_chroma: bool = False
    """Whether each chroma sample must cover as many luma samples as the others: no odd sizes in 4:2:0."""
    fastest: int | None = None
    """Frames a second it takes at most; None: any."""
    hdr: HdrWords | None = None
    """None: it cannot be told."""
    fields: Fields | None = None
    """None: it cannot say of pictures that they are interlaced."""


@dataclass(frozen=True, slots=True)
class OutputFormat:
    """The pixel format the result is made in."""

    name: str
    """A planar YUV format of FFmpeg's."""
    depth: int
    """Bits of a sample."""
    layout: ChromaLayout


_X26X = (
    "ultrafast",
    "superfast",
    "veryfast",
    "faster",
    "fast",
    "medium",
    "slow",
    "slower",
    "veryslow",
    "placebo",
)
_X264_THREADS = 6
"""What x264 writes depends on how many threads it has, so that must not hang on the machine: a film may be
gone on with where another number of cores is free. It costs no processor time; x264's own choice, half as
many again as there are cores, takes much memory where there are many, and in a batch each job would."""
_NVENC = tuple(f"p{n}" for n in range(1, 8))
_PRORES = ("proxy", "lt", "standard", "hq", "4444", "4444xq")


def _nvenc(name: str, codec: str) -> Encoder:
    scale = Scale("cq", 19, 0, 51) if codec != "av1" else Scale("cq", 24, 0, 63)
    options = {"rc": "vbr", "b": "0", "tune": "hq"}
    # Only the newest cards encode 10-bit H.264; 4:2:2 is left out for the same reason.
    deep = ("yuv420p10le",) if codec != "h264" else ()
    wide = ("yuv444p",) if codec != "av1" else ()
    return Encoder(
        *(name, codec, scale, "preset", "p5", _NVENC, options),
        hardware=True,
        formats=("yuv420p", *wide, *deep),
        semi_planar={"yuv420p10le": "p010le"},
        whole_chroma=True,
    )


ENCODERS: dict[str, Encoder] = {
    e.name: e
    for e in (
        Encoder(
            *("libx264", "h264", Scale("crf", 17, 0, 51), "preset", "medium", _X26X),
            threads=_X264_THREADS,
            whole_chroma=True,
            hdr=HdrWords("x264-params", "mastering-display", "cll", units=True),
            fields=Fields("x264-params", {"top": "tff=1", "bottom": "bff=1"}),
        ),
        Encoder(
            *("libx265", "hevc", Scale("crf", 19, 0, 51), "preset", "medium", _X26X),
            whole_chroma=True,
            hdr=HdrWords("x265-params", "master-display", "max-cll", units=True),
            # Its own "interlace" codes each field as a picture of half the height.
            fields=Fields("x265-params", {"top": "pic-struct=3", "bottom": "pic-struct=4"}, shown=False),
        ),
        Encoder(
            "libsvtav1",
            "av1",
            Scale("crf", 24, 0, 63),
            "preset",
            "8",
            tuple(str(n) for n in range(-1, 14)),
            fastest=240,
            hdr=HdrWords("svtav1-params", "mastering-display", "content-light", units=False),
        ),
        Encoder(
            "libvpx-vp9",
            "vp9",
            Scale("crf", 24, 0, 63),
            "cpu-used",
            "4",
            tuple(str(n) for n in range(-8, 9)),
            {"b": "0", "row-mt": "1"},
        ),
        Encoder(
            "ffv1",
            "ffv1",
            None,
            None,
            None,
            (),
            {"level": "3", "slicecrc": "1", "g": "1"},
            range_in_stream=False,
            fields=Fields(every_picture=False),
        ),
        Encoder(
            *("prores_ks", "prores", None, "profile", None, _PRORES, {"vendor": "apl0"}),
            range_in_stream=False,
            fields=Fields(),
        ),
        _nvenc("h264_nvenc", "h264"),
        _nvenc("hevc_nvenc", "hevc"),
        _nvenc("av1_nvenc", "av1"),
    )
}
"""All we know. The qualities are meant to be visually lossless."""

_PLANAR = re.compile(r"^yuv(420|422|444)p(\d+)?(le)?$")
_LAYOUTS = {"420": (1, 1), "422": (1, 0), "444": (0, 0)}
"""What colour is made in; encoders know more (4:1:1, 4:1:0, 4:4:0)."""
_DEFAULTS = ("libx264", "libvpx-vp9", "libsvtav1", "prores_ks", "ffv1")
"""Encoders for files nobody chose one for, best first."""
_DEEP_ENOUGH = 10
"""Bits for which a default encoder is preferred to one before it; for more, files grow that few can play."""
_MPEG_STREAMS = ("mpeg", "vob", "svcd", "dvd", "vcd")
"""Beginnings of the names of muxers that make MPEG transport and program streams."""
_READABLE = frozenset({"h264", "hevc"})
"""Codecs that can be read back from them; they take others, but as data of an unknown kind."""


def encoder(name: str) -> Encoder:
    """The table's line for a name.

    Raises:
        UsageError: there is none, or this FFmpeg was built without it.
    """
    if name not in ENCODERS:
        raise UsageError(f"Unknown encoder {name!r}; choose one of {', '.join(ENCODERS)}.")
    try:
        av.Codec(name, "w")
    except (av.error.FFmpegError, ValueError):
        raise UsageError(f"The encoder {name} is not part of the FFmpeg that PyAV brings here.") from None
    return ENCODERS[name]


def default_encoder(path: str | os.PathLike[str], depth: int = 8) -> str:
    """The encoder for a file nobody chose one for and a source of ``depth`` bits.

    The first its container can hold and that has the depth (10 bits for deeper ones), else just the first.

    Raises:
        UsageError: the file's ending is unknown, or none of our encoders fits.
    """
    form = container_format(path)
    fitting = [name for name in _DEFAULTS if container_holds(form, name)]
    if not fitting:
        raise UsageError(
            f"{Path(path).name}: no {Path(path).suffix} file can hold what our encoders make; "
            "use .mp4, .mkv, .mov or .webm."
        )
    wanted = min(depth, _DEEP_ENOUGH)
    deep = (name for name in fitting if any(f.depth >= wanted for f in _formats(name)))
    return next(deep, fitting[0])


def container_format(path: str | os.PathLike[str]) -> str:
    """FFmpeg's name of the muxer a file name stands for.

    Raises:
        UsageError: the ending is unknown, or is that of single pictures.
    """
    suffix = Path(path).suffix
    try:
        with av.open(f"file:/x/x{suffix}", "w") as guess:
            name = guess.format.name
    except (ValueError, av.error.FFmpegError):
        name = ""
    if not suffix or not name or name.startswith("image2"):
        named = f"the ending {suffix!r}" if suffix else "a name without an ending"
        raise UsageError(
            f"{Path(path).name}: no video container is known for {named}; use .mp4, .mkv, .mov or .webm."
        )
    return name


@cache
def container_holds(form: str, name: str) -> bool:
    """Whether a muxer takes what an encoder writes.

    For hardware, which may be missing here, our other encoder of the same codec is asked.
    """
    entry = ENCODERS[name]
    if form.startswith(_MPEG_STREAMS) and entry.codec not in _READABLE:
        return False
    tried = next(e for e in ENCODERS.values() if e.codec == entry.codec and not e.hardware)
    os.environ.setdefault("SVT_LOG", "1")  # errors only; SVT-AV1 writes to standard error by itself

    def add(output: OutputContainer) -> Any:
        stream: Any = output.add_stream(tried.name, rate=25, options=quiet(tried, {}))
        stream.width, stream.height, stream.pix_fmt = 128, 128, _formats(tried.name)[0].name
        return stream

    return takes(form, add)


@cache
def _formats(name: str) -> tuple[OutputFormat, ...]:
    """Planar YUV formats an encoder takes, in its order."""
    entry = ENCODERS[name]
    names = entry.formats or tuple(f.name for f in av.Codec(name, "w").video_formats or ())
    return tuple(parsed for parsed in map(_parse, names) if parsed is not None)


def _parse(name: str) -> OutputFormat | None:
    match = _PLANAR.match(name)
    if match is None:
        return None
    return OutputFormat(name, int(match[2] or 8), ChromaLayout(*_LAYOUTS[match[1]]))


def choose_format(
    entry: Encoder,
    depth: int,
    layout: ChromaLayout,
    size: tuple[int, int] = (0, 0),
    wanted: str | None = None,
) -> OutputFormat:
    """The pixel format for a source of ``depth`` bits, ``layout`` and ``(width, height)``, or the one wanted.

    Depth first: the source's, else the next deeper, else the deepest there is. Then the layout: the
    source's, else the coarsest that loses none of it, else the finest.

    Raises:
        UsageError: the wanted format is not planar YUV in one of our layouts, or the encoder cannot take it.
    """
    formats = _formats(entry.name)
    fitting = [f for f in formats if not entry.whole_chroma or _divides(f.layout, size)]
    if wanted is not None:
        return _wanted(entry, formats, fitting, wanted)
    if not fitting:
        raise UsageError(f"{entry.name} cannot encode pictures of odd size ({size[0]}x{size[1]}); use ffv1.")
    deep = [f.depth for f in fitting]
    best = min((d for d in deep if d >= depth), default=max(deep))
    return min((f for f in fitting if f.depth == best), key=lambda f: _distance(f.layout, layout))


def holds_fields(entry: Encoder, form: OutputFormat, height: int) -> bool:
    """Whether an encoder can say of pictures that they are interlaced; their fields are pictures, too."""
    whole = not entry.whole_chroma or height % (2 << form.layout.log2_y) == 0  # x264 refuses others
    return entry.fields is not None and whole


def _divides(layout: ChromaLayout, size: tuple[int, int]) -> bool:
    return size[0] % (1 << layout.log2_x) == 0 and size[1] % (1 << layout.log2_y) == 0


def _distance(have: ChromaLayout, want: ChromaLayout) -> tuple[int, int]:
    """0 for the same layout; layouts that lose nothing come before those that do."""
    lost = max(have.log2_x - want.log2_x, 0) + max(have.log2_y - want.log2_y, 0)
    spent = max(want.log2_x - have.log2_x, 0) + max(want.log2_y - have.log2_y, 0)
    return lost, spent


def _wanted(
    entry: Encoder, formats: Iterable[OutputFormat], fitting: Iterable[OutputFormat], wanted: str
) -> OutputFormat:
    able = {f.name: f for f in fitting}
    if wanted in able:
        return able[wanted]
    names = ", ".join(able)
    if wanted.startswith("yuvj") and wanted.replace("yuvj", "yuv") in able:
        plain = wanted.replace("yuvj", "yuv")
        raise UsageError(f"{wanted} is deprecated; {plain} keeps the source's range by itself.")
    if wanted.startswith("gray"):
        raise UsageError(f"{wanted} has no room for colour; {entry.name} takes {names}.")
    try:
        av.VideoFormat(wanted)
    except ValueError:
        raise UsageError(f"Unknown pixel format {wanted!r}; {entry.name} takes {names}.") from None
    if _parse(wanted) is None:
        what = f"{wanted} is not planar YUV in 4:2:0, 4:2:2 or 4:4:4"
        raise UsageError(f"{what}; with {entry.name} use one of {names}.")
    odd = " pictures of odd size" if wanted in {f.name for f in formats} else ""
    raise UsageError(f"{entry.name} cannot encode{odd} {'as ' if odd else ''}{wanted}; it takes {names}.")


def quiet(entry: Encoder, given: dict[str, str]) -> dict[str, str]:
    """The user's options; x265 writes to standard error by itself unless it is told not to."""
    if entry.name != "libx265":
        return given
    return with_parameter(given, "x265-params", "log-level=none")


def with_parameter(options: dict[str, str], name: str, ours: str) -> dict[str, str]:
    """Options with ours in an encoder's own list; the user's come after it, and win."""
    own = options.get(name)
    return {**options, name: ours + (f":{own}" if own else "")}
