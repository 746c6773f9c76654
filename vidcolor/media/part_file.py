"""A part of the coloured stream on disk: an encoder opened for it alone, its packets stored as they come.

No container lies between: Matroska and NUT drop decoding times, MP4 rounds where a stream begins. A part
starts with a key frame and holds its packets exactly.
"""

from __future__ import annotations

import hashlib
import io
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import av
from av.container import OutputContainer

from vidcolor.errors import OutputError
from vidcolor.frames import ColorFrame
from vidcolor.media.source import Packet
from vidcolor.media.target import writing
from vidcolor.media.video_encoder import VideoEncoder

__all__ = ["PartWriter", "WrittenPart", "blank_container", "digest_of", "read_part"]

_HEAD = struct.Struct("<qqqBI")
"""pts, dts and duration in the result's time base; 1 at key frames; bytes that follow."""
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class WrittenPart:
    """A finished part."""

    size: int
    """In bytes."""
    digest: str
    """BLAKE2b of the file, in hex."""
    frames: int
    last_ticks: int
    """Time of its last frame, in the result's time base."""


class PartWriter:
    """Encodes a part into a file. Nothing has its name before :meth:`close`; :meth:`abort` leaves nothing."""

    def __init__(self, path: Path, final: Path, container: OutputContainer, encoder: VideoEncoder) -> None:
        """
        Args:
            path: the part's file.
            final: the film's, which errors name.
            container: what the encoder was made for; it is never written.
            encoder: opened, no frame encoded yet.
        """
        self._path, self._final = path, final
        self._container, self._encoder = container, encoder
        self._aside = path.with_name(f"{path.name}.aside")
        self._digest = hashlib.blake2b(digest_size=16)
        self._size = self._frames = 0
        with writing(final):
            self._aside.unlink(missing_ok=True)
            self._file: BinaryIO = open(self._aside, "xb")  # noqa: SIM115 (it outlives this call)

    def write(self, frame: ColorFrame) -> None:
        """Encodes a frame; as :meth:`vidcolor.media.writer.VideoWriter.write`.

        Raises:
            OutputError: the part cannot be written on.
        """
        picture = self._encoder.paint(frame)
        self._frames += 1
        with writing(self._final):
            for packet in self._encoder.encode(picture):
                self._store(packet)

    def close(self) -> WrittenPart:
        """Finishes the part; when this returns, it has its name and lies on the disk.

        Raises:
            OutputError: it could not be finished; nothing is left of it.
        """
        try:
            with writing(self._final):
                for packet in self._encoder.encode(None):
                    self._store(packet)
                self._file.flush()
                os.fsync(self._file.fileno())
                self._file.close()
                os.replace(self._aside, self._path)
        except BaseException:
            self.abort()
            raise
        self._container.close()
        assert self._encoder.last_ticks is not None
        return WrittenPart(self._size, self._digest.hexdigest(), self._frames, self._encoder.last_ticks)

    def abort(self) -> None:
        """Removes what was written."""
        try:
            self._file.close()
        except OSError:  # a full disk refuses what was still in memory
            pass
        finally:
            self._aside.unlink(missing_ok=True)
            self._container.close()

    def _store(self, packet: Packet) -> None:
        if packet.pts is None or packet.dts is None:
            raise OutputError(f"{self._final} could not be written: its encoder gave a packet no time.")
        data = bytes(packet)
        head = _HEAD.pack(packet.pts, packet.dts, packet.duration or 0, packet.is_keyframe, len(data))
        for piece in (head, data):
            self._file.write(piece)
            self._digest.update(piece)
            self._size += len(piece)


def blank_container(form: str) -> OutputContainer:
    """A container that an encoder can be set up for, and that is never written."""
    return av.open(io.BytesIO(), "w", format=form)


def read_part(path: Path) -> Iterator[Packet]:
    """The packets of a part, in the order they were encoded; their time base is left to the caller.

    Raises:
        OutputError: the part cannot be read, or ends early.
    """
    try:
        with open(path, "rb") as file:
            while head := file.read(_HEAD.size):
                pts, dts, duration, flags, size = _HEAD.unpack(head)
                packet: Packet = av.Packet(file.read(size))
                if packet.size != size:
                    raise OutputError(f"{path} is not as it was written.")
                packet.pts, packet.dts, packet.duration = pts, dts, duration
                packet.is_keyframe = bool(flags)
                yield packet
    except (OSError, struct.error) as error:
        raise OutputError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from error


def digest_of(path: Path) -> tuple[int, str] | None:
    """A part's size and digest as in :class:`WrittenPart`; None: it cannot be read."""
    digest, size = hashlib.blake2b(digest_size=16), 0
    try:
        with open(path, "rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
                size += len(chunk)
    except OSError:
        return None
    return size, digest.hexdigest()
