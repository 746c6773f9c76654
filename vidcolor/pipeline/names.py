"""What results are called when nobody says."""

from __future__ import annotations

import os
from pathlib import Path

from vidcolor.errors import InputError
from vidcolor.media.encoders import container_format, container_holds, encoder
from vidcolor.media.target import LONGEST_NAME

__all__ = ["beside", "default_output", "fitted"]

# Written as they are read. Other containers (AVI and FLV cannot hold exact times, GIF no sound, TS no
# attachments, …) become Matroska, which holds all there is.
_KEPT = frozenset({".m4v", ".mkv", ".mov", ".mp4", ".webm"})


def default_output(source: Path, codec: str | None = None, word: str = "color") -> Path:
    """``NAME.color.EXT`` beside the source, in its container where the result can live in it.

    ``word`` is what the name gets, ``codec`` the encoder asked for; None where the container decides that.

    >>> default_output(Path("films/1912.mov")).as_posix()
    'films/1912.color.mov'
    >>> default_output(Path("tape.avi")).as_posix()
    'tape.color.mkv'
    >>> default_output(Path("talk.webm"), "libx264").as_posix()
    'talk.color.mkv'

    Raises:
        InputError: it is no file's name ("." and "/" are none).
        UsageError: there is no such encoder.
    """
    kept = source.suffix.lower() in _KEPT
    if codec is not None:
        known = encoder(codec).name
        kept = kept and container_holds(container_format(source.name), known)
    return beside(source, f".{word}{source.suffix if kept else '.mkv'}")


def beside(source: Path, tail: str) -> Path:
    """What lies beside a film and is called as it is, with ``tail`` in place of its ending.

    >>> beside(Path("films/1912.mov"), ".preview.png").as_posix()
    'films/1912.preview.png'

    Raises:
        InputError: as :func:`default_output`.
    """
    if not source.name:
        raise InputError(f"{source} is a folder, not a media file.")
    return source.with_name(fitted(source.stem, tail))


def fitted(stem: str, tail: str) -> str:
    """A file's name, its stem cut off where file systems would not take all of it.

    >>> len(fitted("ü" * 255, ".color.mkv").encode())
    254
    """
    while stem and len(os.fsencode(stem + tail)) > LONGEST_NAME:
        stem = stem[:-1]
    return stem + tail
