"""Picture files as they lie on disk, whole or refused: decoders fill what is missing with grey, unasked."""

from __future__ import annotations

import re
from pathlib import Path

from vidcolor.errors import InputError

__all__ = ["is_cut_short", "read_picture_file"]

_JPEG, _PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
_PNG_END = b"IEND\xaeB`\x82"
_END, _SCAN = 0xD9, 0xDA
_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
"""The next marker after coded samples (ITU-T T.81, B.1.1): 00 is stuffed after FF, and D0 to D7 restart."""


def read_picture_file(path: Path, what: str = "") -> bytes:
    """The bytes of a picture file; ``what``: what messages put before its name.

    Raises:
        InputError: it cannot be read, or its end is missing.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{what}{str(path)!r} cannot be read: {error.strerror}.") from None
    if is_cut_short(data):
        raise InputError(f"{what}{str(path)!r} is cut short: the end of the picture is missing.")
    return data


def is_cut_short(data: bytes) -> bool:
    """Whether a JPEG or a PNG ends before its picture does; what follows the picture does not matter.

    >>> whole = b"\\xff\\xd8\\xff\\xda\\x00\\x02 samples \\xff\\xd9"
    >>> is_cut_short(whole), is_cut_short(whole[:-1])
    (False, True)
    """
    if data.startswith(_PNG):
        return _PNG_END not in data
    if not data.startswith(_JPEG):
        return False
    at = 2
    while at + 1 < len(data):
        marker = data[at + 1]
        if data[at] != 0xFF or marker == _END:
            return False  # the end, or nothing that could be told of
        if marker == 0xFF:  # FF may be repeated before a marker
            at += 1
            continue
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == _SCAN:
            found = _MARKER.search(data, at)
            if found is None:
                return True
            at = found.start()
    return True
