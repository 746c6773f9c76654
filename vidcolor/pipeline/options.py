"""Every choice of a run, in one frozen dataclass, and what a run says of itself.

Defaults live here and nowhere else. Imports nothing heavy: the command line reads its defaults here.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from vidcolor.errors import UsageError
from vidcolor.limits import MAX_PIXELS

__all__ = ["LEAST_SIZE", "EncoderOptions", "Progress", "RunOptions", "Summary"]

LEAST_SIZE = 16
"""Pixels of the network's short side, at the least."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderOptions:
    """How the result is encoded, in ffmpeg's words; None means the encoder's own default of ours."""

    codec: str | None = None
    """Name of an encoder (see ``vidcolor.media.encoders.ENCODERS``); None: libx264, or what the output's
    container takes instead."""
    crf: float | None = None
    preset: str | None = None
    pix_fmt: str | None = None
    extra: tuple[tuple[str, str], ...] = ()
    """Further encoder options, ``-e KEY=VALUE``, applied last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How a film is coloured."""

    model: str = "default"
    """A registered name, "default", or the path of a weights file."""
    read: tuple[tuple[str, str], ...] = ()
    """How the model's answers are read, where not as in its file: names and values
    (:func:`vidcolor.models.resolve_model`)."""
    device: str = "auto"
    """"auto", "cpu", "cuda", "cuda:N" or "mps"."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    backend: Literal["torch", "compile", "openvino"] = "torch"
    """What computes the network: PyTorch as it is, what torch.compile makes of it, or OpenVINO on the CPU."""
    batch_size: int | None = None
    """Frames a network call; None: found by itself."""
    network_size: int = 192
    """Short side of the picture the network sees, in pixels."""
    anchor_every: int | None = 48
    """Frames, on average, to one whose colour the network decides and motion carries to the others, at most
    one and a half times as many; None: the network colours every frame by itself."""
    smooth: float = 0.5
    """How far flicker is taken out of carried colour, in [0, 1]."""
    keep_colour: Literal["auto", "on", "off"] = "auto"
    """Which shots pass as they are: "auto": those in colour, not those with a tint or a spot of it; "on": all
    with any chroma beyond noise; "off": none."""
    reference: tuple[str, ...] = ()
    """Paths of pictures that give their colours to what matches them."""
    anchors: str | None = None
    """Folder of anchors that somebody painted on (see ``vidcolor anchors``), which are obeyed."""
    hints: str | None = None
    """JSON file of colours at points (:mod:`vidcolor.pipeline.hint_file`), which are obeyed."""
    label: str | None = None
    """What the film is of, for a model that was trained with labels."""
    saturation: float = 1.0
    """Factor on the a and b that the network says; what pictures and people say has the colour it has."""
    stream: int | None = None
    """Index of the video stream to colour; None: the best one."""
    start: Fraction | None = None
    """Seconds from the film's beginning at which to start (``--ss``)."""
    end: Fraction | None = None
    """Seconds from the film's beginning at which to stop (``--to``)."""
    deinterlace: Literal["auto", "on", "off"] = "auto"
    max_pixels: int = MAX_PIXELS
    """Of the largest picture that is read; a film of larger ones is refused."""
    overwrite: bool = False
    parts: bool = True
    """Whether the film is made in parts, so that a run that was stopped can be gone on with."""
    restart: bool = False
    """Whether what an earlier run left of the same result is thrown away."""
    keep_work: bool = False
    """Whether the finished film's parts are kept beside it."""
    encoder: EncoderOptions = field(default_factory=EncoderOptions)

    def __post_init__(self) -> None:
        if not 0 <= self.smooth <= 1:
            raise UsageError(f"smooth must be from 0 to 1, not {self.smooth:g}.")
        if not 0 <= self.saturation < math.inf:
            raise UsageError(f"saturation must be a number from 0 on, not {self.saturation:g}.")
        if self.network_size < LEAST_SIZE:
            raise UsageError(f"network_size must be {LEAST_SIZE} or more, not {self.network_size}.")
        for name in ("anchor_every", "batch_size"):
            given = getattr(self, name)
            if given is not None and given < 1:
                raise UsageError(f"{name} must be 1 or more, or None, not {given}.")
        for name in ("anchors", "hints"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, os.fspath(getattr(self, name)))
                if self.anchor_every is None:
                    needed = "colour that is carried from anchors; --anchor-every must be a number"
                    raise UsageError(f"{name} need {needed}.")
        if isinstance(self.reference, str | os.PathLike):  # one picture, from Python
            object.__setattr__(self, "reference", (self.reference,))
        object.__setattr__(self, "reference", tuple(os.fspath(path) for path in self.reference))
        for name in ("start", "end"):
            given = getattr(self, name)
            if given is not None:  # from Python a time may come as an int or a float
                object.__setattr__(self, name, Fraction(given))


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is."""

    frame: int
    """Frames written so far."""
    total: int | None
    """Frames there will be, as far as known; a header may be wrong."""
    seconds: float
    """Time since the run began, in seconds."""
    kept: int = 0
    """Of the frames written, those of an earlier run."""

    @property
    def fps(self) -> float:
        """Frames a second since the run began; 0 before the first."""
        return (self.frame - self.kept) / self.seconds if self.seconds > 0 else 0.0

    @property
    def remaining(self) -> float | None:
        """Time left at this speed, in seconds; None when it cannot be known."""
        if self.total is None or self.frame > self.total or not self.fps:
            return None
        return (self.total - self.frame) / self.fps

    def to_dict(self) -> dict[str, Any]:
        """As ``--json`` prints it."""
        return {
            "frame": self.frame,
            "total": self.total,
            "fps": round(self.fps, 3),
            "seconds": round(self.seconds, 3),
            "remaining": None if self.remaining is None else round(self.remaining, 3),
        }


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run did."""

    output: Path
    frames: int
    seconds: float
    """Time the run took, in seconds."""
    left_out: tuple[str, ...]
    """Streams the container could not hold, each in words."""
    notices: tuple[str, ...]
    """Every notice of the run, in order."""
    model: str
    device: str
    kept: int = 0
    """Of the frames, those an earlier run had done."""

    @property
    def fps(self) -> float:
        """Frames a second over the whole run."""
        return (self.frames - self.kept) / self.seconds if self.seconds > 0 else 0.0

    def to_dict(self) -> dict[str, Any]:
        """As ``--json`` prints it."""
        return {
            "output": str(self.output),
            "frames": self.frames,
            "kept": self.kept,
            "seconds": round(self.seconds, 3),
            "fps": round(self.fps, 3),
            "left_out": list(self.left_out),
            "notices": list(self.notices),
            "model": self.model,
            "device": self.device,
        }
