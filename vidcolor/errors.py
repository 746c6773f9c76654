"""The error tree.

Everything vidcolor raises on purpose comes from here, with a message of one sentence that says what
was wrong and, where there is one, what would be right. Only ``vidcolor.cli`` turns them into exit
codes.

::

    VidcolorError            1
    ├── InputError           1   the input cannot be read, or is not a film
    ├── OutputError          1   the output cannot be written
    ├── ModelError           1   a model or a weights file cannot be used
    ├── DeviceError          1   what the network runs on has failed
    └── UsageError           2   the request itself is wrong, whatever the files hold
"""

from __future__ import annotations

import os

__all__ = [
    "DeviceError",
    "InputError",
    "ModelError",
    "OutputError",
    "UsageError",
    "VidcolorError",
    "in_words",
]


class VidcolorError(Exception):
    """The root of the tree; ``exit_code`` is what a command that meets it ends with."""

    exit_code = 1


class InputError(VidcolorError):
    """The input cannot be read, or holds nothing that can be coloured."""


class OutputError(VidcolorError):
    """The output cannot be written, or must not be."""


class ModelError(VidcolorError):
    """A weights file is not ours, does not fit its model, or cannot be read."""


class DeviceError(VidcolorError):
    """What the network runs on has failed; this process had better not use it again."""


class UsageError(VidcolorError):
    """The request is wrong in itself: an unknown name, options that contradict each other."""

    exit_code = 2


def in_words(error: BaseException) -> str:
    """The sentence for any failure, ours or not, without a full stop.

    >>> in_words(OSError(28, "No space left on device", "out.mp4"))
    'No space left on device: out.mp4'
    """
    if isinstance(error, VidcolorError):
        return str(error).removesuffix(".")
    if isinstance(error, MemoryError):
        return "out of memory"
    if isinstance(error, OSError) and error.strerror:
        where = "" if error.filename is None else f": {os.fsdecode(error.filename)}"
        return f"{error.strerror}{where}"
    told = f"{type(error).__name__}: {error}".rstrip(": ")
    return f"internal error: {told}; run again with --debug to see where"
