"""``vidcolor preview``: a few frames of a film, coloured as anchors are, on one sheet."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from vidcolor.color.chroma import ChromaMaker
from vidcolor.color.planes import ColorSpace
from vidcolor.color.resize import shrink
from vidcolor.errors import OutputError, UsageError
from vidcolor.frames import ChromaLayout, ColorFrame, Frame, VideoInfo
from vidcolor.media.key_frames import KeyFrames
from vidcolor.media.metadata import film_metadata
from vidcolor.media.own_chroma import has_chroma
from vidcolor.media.picture import upright_size
from vidcolor.media.reader import VideoReader
from vidcolor.media.source import is_seekable, rewind
from vidcolor.media.target import refuse_target, write_file
from vidcolor.media.timeline import clock_text
from vidcolor.models import resolve_model
from vidcolor.pipeline.colorist import Colorist
from vidcolor.pipeline.memory import hold_memory
from vidcolor.pipeline.names import beside
from vidcolor.pipeline.opening import Notices, expected_frames, film_end, open_film, understood
from vidcolor.pipeline.options import RunOptions
from vidcolor.pipeline.painted import Painter
from vidcolor.pipeline.preview.look import (
    Found,
    exact_frames,
    frames_allowed,
    read_through,
    skim,
)
from vidcolor.pipeline.preview.sheet import LONG_SIDE, Rgb, Tile, draw_sheet
from vidcolor.pipeline.preview.sights import Reducer, Sight, settle, thinned

__all__ = ["PreviewSummary", "default_sheet", "preview"]

_WHOLE = ChromaLayout(0, 0)
"""A chroma sample for each pixel of the sheet."""


@dataclass(frozen=True, slots=True)
class PreviewSummary:
    """What was looked at and drawn."""

    output: Path
    sights: tuple[Sight, ...]
    """What the sheet shows, in order."""
    shots: int
    """That were found; 0 where only given moments are shown."""
    looked_at: int
    """Frames that were decoded and looked at."""
    whole: bool
    """All frames were looked at."""
    skipped: str
    """What was not, in a sentence."""
    seconds: float
    """Time it took, in seconds."""
    notices: tuple[str, ...]
    models: tuple[str, ...]
    device: str

    def to_dict(self) -> dict[str, Any]:
        """As ``--json`` prints it."""
        return {
            "output": str(self.output),
            "frames": [_plain(sight) for sight in self.sights],
            "shots": self.shots,
            "looked_at": self.looked_at,
            "whole": self.whole,
            "skipped": self.skipped,
            "seconds": round(self.seconds, 3),
            "notices": list(self.notices),
            "models": list(self.models),
            "device": self.device,
        }


def _plain(sight: Sight) -> dict[str, Any]:
    cut = None
    if sight.after is not None:
        cut = {"after": round(float(sight.after), 6), "exact": sight.exact}
    return {
        "time": round(float(sight.time), 6),
        "pts": sight.frame.time.pts,
        "shot": sight.shot or None,
        "cut": cut,
        "anchor": sight.anchor,
        "in_color": sight.in_color,
    }


def default_sheet(source: Path) -> Path:
    """``NAME.preview.png`` beside the source.

    >>> default_sheet(Path("films/1912.mov")).as_posix()
    'films/1912.preview.png'
    """
    return beside(source, ".preview.png")


def preview(
    source: str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    options: RunOptions | None = None,
    *,
    models: Sequence[str] = (),
    count: int = 24,
    at: Sequence[Fraction] = (),
    notify: Callable[[str], None] | None = None,
) -> PreviewSummary:
    """Draws a contact sheet of a film's shots, in colour, from a few of its frames.

    Args:
        source: a file that libav can read, a FIFO, or "-" for standard input.
        output: the PNG to write; None: ``NAME.preview.png`` beside the source.
        options: how; the defaults when None.
        models: whose colours are shown side by side; none: the one in the options.
        count: frames that are shown, at the most.
        at: moments, in seconds from the film's beginning, that are shown instead.
        notify: called with each notice, one sentence.

    Returns:
        What was looked at and drawn.

    Raises:
        VidcolorError: it could not be done; nothing is left under the output's name.
    """
    options = options or RunOptions()
    target = Path(output) if output is not None else default_sheet(Path(source))
    if target.suffix.lower() != ".png":
        raise UsageError(f"{target} is not the name of a PNG; a preview is one (.png).")
    refuse_target(target, overwrite=options.overwrite)
    started = time.perf_counter()
    note, asked = Notices(notify), options

    def opened(start: Fraction | None, end: Fraction | None) -> VideoReader:
        if source == "-" and is_seekable(source):
            rewind(source)
        return open_film(source, replace(asked, start=start, end=end), note)

    hold_memory()
    seekable = is_seekable(source)
    loaded = [resolve_model(name, options.read) for name in models or (options.model,)]
    with opened(options.start, options.end) as reader:
        video = understood(reader.video, note)
        if video.tags.matrix != reader.video.tags.matrix:
            options = replace(options, keep_colour="off")  # its own chroma would mean other colours
        known = film_metadata(reader.info)
        colorists = [Colorist(one.model, video, options, note, known) for one in loaded]
        painter = _Painter(video)
        keep = (
            None
            if options.keep_colour == "off" or not has_chroma(video.pixel_format)
            else options.keep_colour
        )
        views = {one.view: one.see for one in colorists}
        reduce = Reducer(video, reader.begin, painter.size, views, keep)
        if at:
            moments = sorted(set(at))
            shown = exact_frames(reader, opened, reduce, moments, seekable=seekable)
            for sight in shown:
                sight.shot = 0
                settle([sight])
            found = Found(shown, len(shown), 0, False, "Only the moments asked for were looked at.")
        else:
            found = _found(reader, opened, reduce, count, options, seekable)
            settle(found.sights)
            if options.anchor_every is None:  # a run colours every frame by itself
                for sight in found.sights:
                    sight.anchor = False
        chosen = thinned(found.sights, count) if not at else found.sights
        tiles = [Tile(sight, [painter(sight, colorist) for colorist in colorists]) for sight in chosen]
        labels = [_label(one.label) for one in loaded]
        words = [found.skipped, *_words(found, chosen, note.said)]
        sheet = draw_sheet(tiles, labels, _title(reader, labels), words)
        _write(target, sheet, overwrite=options.overwrite)
    return PreviewSummary(
        output=target,
        sights=tuple(chosen),
        shots=found.shots,
        looked_at=found.looked_at,
        whole=found.whole,
        skipped=found.skipped,
        seconds=time.perf_counter() - started,
        notices=note.said,
        models=tuple(labels),
        device=str(colorists[0].device),
    )


def _found(
    reader: VideoReader,
    opened: Callable[[Fraction | None, Fraction | None], VideoReader],
    reduce: Reducer,
    count: int,
    options: RunOptions,
    seekable: bool,
) -> Found:
    """What is seen of a film: all of it where that is quick, else here and there, else its beginning."""
    video, begin = reader.video, options.start or Fraction(0)
    # With a beginning it goes by the length, not by a count, which may be of a first fragment.
    expected = expected_frames(video, reader.begin, begin, options.end) if seekable else None
    end = film_end(video, reader.begin)
    if expected is not None and end is not None and expected > frames_allowed(video):
        stop = end if options.end is None else min(end, options.end)
        with opened(None, None) as far:
            chroma = options.keep_colour != "off"
            keys = KeyFrames(far, deinterlace=options.deinterlace, chroma=chroma)
            found = skim(keys, opened, video, reduce, count, (begin, stop))
            if found is not None:
                return found
        with opened(options.start, options.end) as again:  # standard input has one place for all
            return read_through(again, reduce, options.anchor_every, count, None, begin)
    return read_through(reader, reduce, options.anchor_every, count, expected, begin)


def _words(found: Found, chosen: Sequence[Sight], notices: Sequence[str]) -> list[str]:
    words = list(notices)
    if found.shots > sum(sight.starts_shot for sight in chosen):
        words.append(f"{len({sight.shot for sight in chosen})} of the {found.shots} shots found are shown.")
    return words


def _label(label: str) -> str:
    """A model's name, without the folders of its file."""
    return Path(label).name


def _title(reader: VideoReader, labels: Sequence[str]) -> str:
    video = reader.video
    end = film_end(video, reader.begin)
    facts = [os.path.basename(reader.info.name), f"{video.width}×{video.height}"]
    facts += [] if end is None else [clock_text(end)]
    facts.append(("model " if len(labels) == 1 else "models ") + ", ".join(labels))
    return " · ".join(facts)


class _Painter:
    """Sights as pictures of the sheet. One for a film."""

    def __init__(self, video: VideoInfo) -> None:
        space = ColorSpace.of(video.tags, height=video.height, width=video.width, bit_depth=video.bit_depth)
        seen = upright_size(video)
        scale = LONG_SIDE / max(seen)
        upright = max(1, round(seen[1] * scale)), max(1, round(seen[0] * scale))
        self.size = upright[::-1] if video.orientation.sideways else upright
        """Height and width of the pictures, as stored."""
        self._depth = video.bit_depth
        self._make = ChromaMaker(space, _WHOLE)
        self._paint = Painter(space, _WHOLE, None, video.orientation, video.bit_depth)

    def __call__(self, sight: Sight, colorist: Colorist) -> Rgb:
        """The picture with the colour the colorist gives it, ``(h, w, 3)`` uint8, R, G, B, upright."""
        if sight.in_color:
            return self._paint.picture(ColorFrame(sight.frame, *self._own(sight.frame)))
        pts = sight.frame.time.pts
        colorist.forget_before(pts)
        ab = colorist.own_of(sight.seen[colorist.view], pts)
        return self._paint.picture(ColorFrame(sight.frame, *self._make(sight.frame.luma, ab)))

    def _own(self, frame: Frame) -> tuple[Any, Any]:
        if frame.chroma is None:
            neutral = np.full_like(frame.luma, 1 << (self._depth - 1))
            return neutral, neutral
        cb, cr = (shrink(plane, *self.size) for plane in frame.chroma)
        return cb, cr


def _write(target: Path, sheet: Rgb, *, overwrite: bool) -> None:
    done, data = cv2.imencode(".png", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))
    if not done:
        raise OutputError("The sheet could not be encoded as PNG.")
    write_file(target, np.asarray(data).tobytes(), overwrite=overwrite)
