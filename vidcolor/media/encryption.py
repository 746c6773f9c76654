"""How a film that needs a key is recognised, and the sentence for it."""

from __future__ import annotations

from itertools import islice

import av.error
from av.container import InputContainer

from vidcolor.frames import MediaInfo
from vidcolor.media.source import Packet, demux

__all__ = ["ENCRYPTED_TAGS", "encrypted", "is_encrypted", "looks_encrypted"]

ENCRYPTED_TAGS = frozenset({"encv", "drmi"})
"""Sample entries of encrypted video (ISO/IEC 23001-7 and its forerunners)."""
CIPHER_PACKETS = 20
"""Packets looked at for signs of encryption."""


def encrypted(info: MediaInfo) -> str:
    """The sentence for a film that needs a key."""
    return f"{info.name} is encrypted and cannot be read without its key."


def is_encrypted(packet: Packet) -> bool:
    """Whether a packet comes with what its key must be told."""
    return packet.has_sidedata("encryption_info")


def looks_encrypted(container: InputContainer) -> bool:
    """Whether one of the next packets is encrypted; reads them."""
    try:
        return any(map(is_encrypted, islice(demux(container), CIPHER_PACKETS)))
    except av.error.FFmpegError:
        return False
