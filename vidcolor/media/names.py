"""FFmpeg's names for the numbers PyAV hands out, and for streams.

One table for each code of ITU-T H.273 and for the field order; 2 is "unspecified" in all three of H.273's.
"""

from __future__ import annotations

from typing import Any

from vidcolor.frames import ColorTags

__all__ = [
    "FIELD_ORDERS",
    "MATRICES",
    "PRIMARIES",
    "RANGES",
    "TRANSFERS",
    "codec_name",
    "color_tags",
    "field_order",
    "stream_name",
]

RANGES = {1: "limited", 2: "full"}
"""AVColorRange."""

MATRICES = {
    0: "gbr",
    1: "bt709",
    4: "fcc",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    8: "ycgco",
    9: "bt2020nc",
    10: "bt2020c",
    11: "smpte2085",
    12: "chroma-derived-nc",
    13: "chroma-derived-c",
    14: "ictcp",
    15: "ipt-c2",
    16: "ycgco-re",
    17: "ycgco-ro",
}
"""MatrixCoefficients, H.273 table 4."""

PRIMARIES = {
    1: "bt709",
    4: "bt470m",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    8: "film",
    9: "bt2020",
    10: "smpte428",
    11: "smpte431",
    12: "smpte432",
    22: "ebu3213",
}
"""ColourPrimaries, H.273 table 2."""

TRANSFERS = {
    1: "bt709",
    4: "bt470m",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    8: "linear",
    9: "log100",
    10: "log316",
    11: "iec61966-2-4",
    12: "bt1361e",
    13: "iec61966-2-1",
    14: "bt2020-10",
    15: "bt2020-12",
    16: "smpte2084",
    17: "smpte428",
    18: "arib-std-b67",
}
"""TransferCharacteristics, H.273 table 3."""

FIELD_ORDERS = {0: "unknown", 1: "progressive", 2: "tt", 3: "bb", 4: "tb", 5: "bt"}
"""AVFieldOrder."""


def color_tags(source: Any, siting: str | None = None) -> ColorTags:
    """The tags of a codec context or a frame; ``siting`` is not among what PyAV shows of them."""
    matrix = MATRICES.get(source.colorspace)
    return ColorTags(
        range=RANGES.get(source.color_range),  # type: ignore[arg-type]
        matrix=matrix,
        primaries=PRIMARIES.get(source.color_primaries),
        transfer=TRANSFERS.get(source.color_trc),
        siting=siting,
    )


def field_order(context: Any) -> str:
    """Field order of a codec context, one of ``FIELD_ORDERS``' names."""
    return FIELD_ORDERS.get(context.field_order, "unknown")


def codec_name(stream: Any) -> str | None:
    """FFmpeg's name of what a stream is coded in; None where it knows none."""
    if stream.codec_context is not None:
        return str(stream.codec_context.codec.canonical_name)
    return getattr(stream, "name", None) if stream.type == "data" else None


def stream_name(stream: Any) -> str:
    """How sentences call a stream: "subtitle stream 3 (hdmv_pgs_subtitle, fre)"."""
    marks = [codec_name(stream) or "unknown codec"]
    if stream.language and stream.language != "und":
        marks.append(stream.language)
    return f"{stream.type or 'unknown'} stream {stream.index} ({', '.join(marks)})"
