"""What the result is called when nobody says."""

from __future__ import annotations

from pathlib import Path

__all__ = ["default_output"]

# Containers that are written as they are read, each with the encoders (by the beginning of their
# names) whose result it cannot hold. Anything else (AVI and FLV cannot hold exact times, GIF no sound,
# TS no attachments, …) becomes Matroska, which holds all there is.
_KEPT: dict[str, tuple[str, ...]] = {
    ".m4v": ("av1_", "ffv1", "libaom", "libsvtav1", "libvpx", "prores"),
    ".mkv": (),
    ".mov": ("av1_", "libaom", "libsvtav1", "libvpx"),
    ".mp4": ("ffv1", "prores"),
    ".webm": ("ffv1", "h264_", "hevc_", "libx264", "libx265", "prores"),
}


def default_output(source: Path, codec: str) -> Path:
    """``NAME.color.EXT`` beside the source, in its container where the result can live in it.

    >>> default_output(Path("films/1912.mov"), "libx264").as_posix()
    'films/1912.color.mov'
    >>> default_output(Path("tape.avi"), "libx264").as_posix()
    'tape.color.mkv'
    """
    suffix = source.suffix.lower()
    fits = suffix in _KEPT and not codec.startswith(_KEPT[suffix] or ("\0",))
    return source.with_name(f"{source.stem}.color{source.suffix if fits else '.mkv'}")
