"""What an encoder is told: our defaults and what a person asks for, checked before anything is encoded."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from fractions import Fraction
from functools import cache

import av

from vidcolor.errors import UsageError
from vidcolor.frames import ChromaLayout, FirstField, Hdr
from vidcolor.media.encoders import Encoder, OutputFormat, quiet, with_parameter

__all__ = ["encoder_options", "repeatable", "with_fields", "with_hdr"]

_RATE_OPTIONS = frozenset(
    {"b", "qp", "cqp", "crf", "cq", "qscale", "global_quality", "lossless", "rc", "2pass"}
)
"""Options that say how many bits to spend; any of them given with ``-e`` replaces our default quality."""
_KEPT = "the source's is kept"
_OWNED = {
    "pixel_format": "use --pix-fmt",
    "pix_fmt": "use --pix-fmt",
    "field_order": "use --deinterlace",
    "codec_tag": "the container decides it",
    **dict.fromkeys(
        ("time_base", "pkt_timebase", "framerate", "r", "video_size", "s", "aspect", "sar"), _KEPT
    ),
    **dict.fromkeys(("color_range", "colorspace", "color_primaries", "color_trc"), _KEPT),
    "chroma_sample_location": _KEPT,
}
"""Options that the writer sets, and what the user should know instead."""


def encoder_options(
    entry: Encoder,
    form: OutputFormat,
    *,
    crf: float | None = None,
    preset: str | None = None,
    extra: Iterable[tuple[str, str]] = (),
) -> dict[str, str]:
    """What is handed to the encoder: our defaults, then ``crf`` and ``preset``, then ``extra``.

    Raises:
        UsageError: a value or a name the encoder does not know.
    """
    given = {_option_name(entry, key): value for key, value in extra}
    options = dict(entry.options)
    if crf is not None or (entry.crf is not None and _RATE_OPTIONS.isdisjoint(given)):
        options.update(_quality(entry, crf))
    options.update(_preset(entry, preset, form))
    options.update(quiet(entry, given))
    return options


def with_hdr(entry: Encoder, options: dict[str, str], hdr: Hdr | None) -> dict[str, str]:
    """The options with what HDR10 says of the film, as far as the encoder can be told."""
    words = entry.hdr
    if hdr is None or words is None:
        return options
    told = []
    if hdr.mastering is not None:
        told.append(f"{words.mastering}={_mastering(hdr.mastering, units=words.units)}")
    if hdr.light is not None:
        told.append(f"{words.light}={hdr.light[0]},{hdr.light[1]}")
    return with_parameter(options, words.option, ":".join(told))


def with_fields(entry: Encoder, options: dict[str, str], first: FirstField | None) -> dict[str, str]:
    """Options with what tells the encoder which field is first; None: pictures are progressive."""
    if first is None or entry.fields is None or entry.fields.option is None:
        return options
    return with_parameter(options, entry.fields.option, entry.fields.values[first])


def _mastering(numbers: tuple[Fraction, ...], *, units: bool) -> str:
    def number(value: Fraction, unit: int) -> str:
        return str(round(value * unit)) if units else f"{float(value):.6g}"

    red, green, blue, white = (
        f"({number(x, 50_000)},{number(y, 50_000)})"
        for x, y in zip(numbers[:8:2], numbers[1:8:2], strict=True)
    )
    least, most = (number(value, 10_000) for value in numbers[8:])
    return f"G{green}B{blue}R{red}WP{white}L({most},{least})"


def _quality(entry: Encoder, crf: float | None) -> dict[str, str]:
    scale = entry.crf
    if scale is None:
        raise UsageError(f"{entry.name} has no crf; leave it out.")
    value = scale.default if crf is None else crf
    if not scale.low <= value <= scale.high:
        raise UsageError(
            f"crf {value:g} is out of range; {entry.name} takes {scale.low:g} to {scale.high:g}."
        )
    return {scale.option: f"{value:g}"}


def _preset(entry: Encoder, preset: str | None, form: OutputFormat) -> dict[str, str]:
    if entry.preset_option is None:
        if preset is not None:
            raise UsageError(f"{entry.name} has no presets; leave it out.")
        return {}
    if preset is not None and preset not in entry.presets:
        raise UsageError(f"Unknown preset {preset!r}; {entry.name} takes {', '.join(entry.presets)}.")
    chosen = preset or entry.preset
    if chosen is None:  # ProRes: 4:4:4 has profiles of its own
        chosen = "4444" if form.layout == ChromaLayout(0, 0) else "hq"
    return {entry.preset_option: chosen}


def _option_name(entry: Encoder, key: str) -> str:
    """The encoder's name for an option; ffmpeg's stream marks (``b:v``) are taken off."""
    name = key.partition(":")[0]
    if name in _OWNED:
        raise UsageError(f"{key} cannot be set by -e: {_OWNED[name]}.")
    known = _known_options(entry.name)
    if name in known:
        return name
    near = difflib.get_close_matches(name, known - _OWNED.keys(), n=3)
    hint = f"; did you mean {' or '.join(near)}?" if near else "."
    raise UsageError(f"{entry.name} has no option {key!r}{hint}")


@cache
def _known_options(name: str) -> frozenset[str]:
    supported = av.CodecContext.create(name, "w").supported_options
    return frozenset(option.name for option in (*supported.generic, *supported.private))


def repeatable(entry: Encoder, options: dict[str, str], width: int) -> dict[str, str]:
    """The options with what makes the encoder write the same for the same pictures of a width.

    x264 (core 165) adds up what blocks of 16 pixels cost eight at a time with AVX-512, and at the end of the
    last row reads on in memory that nobody wrote; what it calls cpu-independent does not.
    """
    blocks = -(-width // 16)
    if entry.name != "libx264" or blocks % 8 == 0:
        return options
    return with_parameter(options, "x264-params", "cpu-independent=1")
