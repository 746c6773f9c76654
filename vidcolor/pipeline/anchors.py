"""A film's anchors as pictures: the same way as a run, up to the anchors."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from vidcolor.color.chroma import ChromaMaker
from vidcolor.color.planes import ColorSpace
from vidcolor.errors import UsageError
from vidcolor.frames import ColorFrame, Frame, Timestamp
from vidcolor.models import resolve_model
from vidcolor.pipeline.advice import Adviser
from vidcolor.pipeline.anchor_folder import AnchorFolder, Film
from vidcolor.pipeline.anchored import Anchored
from vidcolor.pipeline.by_example import ByExample
from vidcolor.pipeline.keep import Keeper, Shots
from vidcolor.pipeline.memory import hold_memory
from vidcolor.pipeline.names import beside
from vidcolor.pipeline.opening import Notices, frames_ahead, opened
from vidcolor.pipeline.options import Progress, RunOptions
from vidcolor.pipeline.painted import Painter
from vidcolor.pipeline.prefetch import prefetch
from vidcolor.pipeline.words import listen
from vidcolor.temporal.anchors import in_shots

__all__ = ["AnchorSummary", "write_anchors"]


@dataclass(frozen=True, slots=True)
class AnchorSummary:
    """What was written."""

    output: Path
    anchors: int
    frames: int
    """Looked at."""
    seconds: float
    """Time it took, in seconds."""
    notices: tuple[str, ...]
    model: str
    device: str

    def to_dict(self) -> dict[str, Any]:
        """As ``--json`` prints it."""
        return {
            "output": str(self.output),
            "anchors": self.anchors,
            "frames": self.frames,
            "seconds": round(self.seconds, 3),
            "notices": list(self.notices),
            "model": self.model,
            "device": self.device,
        }


def write_anchors(
    source: str | os.PathLike[str],
    folder: str | os.PathLike[str] | None = None,
    options: RunOptions | None = None,
    *,
    notify: Callable[[str], None] | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> AnchorSummary:
    """Writes a film's anchors, coloured, as pictures to paint on; see :mod:`vidcolor.pipeline.anchor_folder`.

    Args:
        source: a file that libav can read, a FIFO, or "-" for standard input.
        folder: where; None: ``NAME.anchors`` beside the source.
        options: how; the defaults when None. What an encoder is told makes no difference.
        notify: called with each notice, one sentence.
        progress: called after each frame looked at.

    Returns:
        What was done.

    Raises:
        VidcolorError: it could not be done; nothing is left under the folder's name.
    """
    options = options or RunOptions()
    if (every := options.anchor_every) is None:
        raise UsageError("There are no anchors where every frame is coloured by itself; give a number.")
    target = Path(folder) if folder is not None else beside(Path(source), ".anchors")
    started = time.perf_counter()
    note = Notices(notify)
    hold_memory()
    loaded = resolve_model(options.model, options.read)
    with opened(source, options, loaded.model, note) as film:
        reader, video, options, colorist = film.reader, film.video, film.options, film.colorist
        siting = video.tags.siting
        space = ColorSpace.of(video.tags, height=video.height, width=video.width, bit_depth=video.bit_depth)
        make = ChromaMaker(space, video.layout, siting)
        painter = Painter(space, video.layout, siting, video.orientation, video.bit_depth)
        stop = threading.Event()
        with (
            AnchorFolder.made(
                target,
                Film.of(reader.info, video),
                every,
                options.start or Fraction(0),
                overwrite=options.overwrite,
            ) as made,
            closing(prefetch(reader.frames(), frames_ahead(video), stop)) as frames,
        ):
            person = listen(source, reader, colorist, make, options, note)
            examples = ByExample(film.references, colorist, make, every_frame=False)
            advisers: list[Adviser] = [examples] if person is None else [examples, person]
            counted = _Counted(frames, started, progress)
            anchored = Anchored(colorist, make, video, every, 0.0, advisers)

            def write(shots: Shots) -> Iterator[ColorFrame]:
                for anchor in anchored.anchors(shots):
                    picture = painter.picture(anchor.colored)
                    compared, when = painter.compared(picture), anchor.colored.frame.time
                    made.add(picture, compared, when, reader.begin, starts_shot=anchor.starts_shot)
                yield from ()

            keeper = Keeper.of(make, video, options.keep_colour)
            shots = in_shots(counted, video.bit_depth)
            for _ in write(shots) if keeper is None else keeper.pass_by(shots, write, examples.see):
                pass
            told = person.words() if person is not None else ()
            for word in (*examples.words(), *told, *(keeper.words() if keeper else ())):
                note(word)
            anchors = made.finish(counted.last.exact - reader.begin)
    return AnchorSummary(
        output=target,
        anchors=anchors,
        frames=counted.frames,
        seconds=time.perf_counter() - started,
        notices=note.said,
        model=loaded.label,
        device=str(colorist.device),
    )


class _Counted:
    """Frames on their way, counted."""

    def __init__(
        self, frames: Iterable[Frame], started: float, progress: Callable[[Progress], None] | None
    ) -> None:
        self._source, self._started, self._progress = frames, started, progress
        self.frames = 0
        self.last = Timestamp(0, Fraction(1))

    def __iter__(self) -> Iterator[Frame]:
        for frame in self._source:
            self.frames, self.last = self.frames + 1, frame.time
            yield frame
            if self._progress is not None:
                self._progress(Progress(self.frames, None, time.perf_counter() - self._started))
