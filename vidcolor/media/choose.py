"""Which video stream of a file is coloured, and why none can be."""

from __future__ import annotations

from vidcolor.errors import InputError, UsageError
from vidcolor.frames import MediaInfo, StreamInfo, VideoInfo
from vidcolor.media.encryption import ENCRYPTED_TAGS, encrypted
from vidcolor.media.probe import is_picture

__all__ = ["choose_video", "too_large"]


def choose_video(info: MediaInfo, index: int | None) -> VideoInfo:
    """The stream asked for, or the best one.

    Raises:
        UsageError: there is no video stream of that index.
        InputError: there is no video, or none that can be decoded.
    """
    if index is None:
        index = info.best_video
        if index is None:
            raise InputError(_why_none(info))
    films = [stream for stream in info.streams if stream.kind == "video"]
    chosen = next((stream for stream in films if stream.index == index), None)
    if chosen is None:
        there = ", ".join(map(_called, films)) or "none"
        raise UsageError(f"{info.name} has no video stream {index}; its video streams are: {there}.")
    if chosen.codec_tag in ENCRYPTED_TAGS:
        raise InputError(encrypted(info))
    if chosen.video is None:
        raise InputError(_undecodable(info, chosen))
    return chosen.video


def too_large(name: str, width: int, height: int, limit: int) -> str:
    """What is said of a film whose pictures have more than ``limit`` pixels."""
    return f"{name}: its pictures are {width}x{height}, more than {limit} pixels (--max-pixels allows more)."


def _why_none(info: MediaInfo) -> str:
    films = [stream for stream in info.streams if stream.kind == "video"]
    broken = [stream for stream in films if not is_picture(stream)]
    if any(stream.codec_tag in ENCRYPTED_TAGS for stream in broken):
        return encrypted(info)
    if broken:
        return _undecodable(info, broken[0])
    others = sorted({stream.kind for stream in info.streams if stream.kind != "video"})
    held = [*(["a cover picture"] if films else []), *others]
    return f"{info.name} has no video{', only ' + ' and '.join(held) if held else ''}."


def _undecodable(info: MediaInfo, stream: StreamInfo) -> str:
    if not stream.decodable:
        return f"{info.name} holds video that this FFmpeg has no decoder for ({_called(stream)})."
    return f"{info.name} holds video whose picture size and format could not be found ({_called(stream)})."


def _called(stream: StreamInfo) -> str:
    what = stream.codec or stream.codec_tag or "unknown codec"
    size = f", {stream.video.width}×{stream.video.height}" if stream.video else ""
    return f"{stream.index} ({what}{size})"
