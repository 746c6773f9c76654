"""``vidcolor compare``: two films as one video, in sync by their times."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from vidcolor import __version__
from vidcolor.errors import InputError, UsageError
from vidcolor.media.target import refuse_own_source
from vidcolor.media.writer import VideoWriter
from vidcolor.pipeline.compare.drawer import Drawer
from vidcolor.pipeline.compare.options import CompareOptions
from vidcolor.pipeline.compare.pair import Pair, open_one
from vidcolor.pipeline.compare.together import Ending
from vidcolor.pipeline.memory import hold_memory
from vidcolor.pipeline.names import default_output
from vidcolor.pipeline.opening import Notices
from vidcolor.pipeline.options import Progress

__all__ = ["CompareSummary", "compare"]


@dataclass(frozen=True, slots=True)
class CompareSummary:
    """What was made."""

    output: Path
    frames: int
    length: Fraction
    """In seconds."""
    width: int
    height: int
    labels: tuple[str, str]
    seconds: float
    """Time it took, in seconds."""
    left_out: tuple[str, ...]
    """Streams of the first film that the container could not hold, each in words."""
    notices: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """As ``--json`` prints it."""
        return {
            "output": str(self.output),
            "frames": self.frames,
            "length": round(float(self.length), 6),
            "width": self.width,
            "height": self.height,
            "labels": list(self.labels),
            "seconds": round(self.seconds, 3),
            "left_out": list(self.left_out),
            "notices": list(self.notices),
        }


def compare(
    first: str | os.PathLike[str],
    second: str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    options: CompareOptions | None = None,
    *,
    notify: Callable[[str], None] | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> CompareSummary:
    """Makes one video of two films: at each moment the frame that each of them shows then.

    Sound and all other streams are the first film's, and so are size, colour tags and the clock.

    Args:
        first, second: files that libav can read, FIFOs, or one of them "-" for standard input.
        output: the file to write; None: ``NAME.compare.EXT`` beside the first.
        options: how; the defaults when None.
        notify: called with each notice, one sentence.
        progress: called after each frame written.

    Returns:
        What was made.

    Raises:
        VidcolorError: it could not be made; nothing is left under the output's name.
    """
    options = options or CompareOptions()
    if os.fspath(first) == os.fspath(second) == "-":
        raise UsageError("Standard input is one film; name a file for the other.")
    target = default_output(Path(first), options.encoder.codec, "compare") if output is None else Path(output)
    started = time.perf_counter()
    note = Notices(notify)
    hold_memory()
    start = max(options.start or Fraction(0), options.offset, Fraction(0))
    with (
        open_one(first, start, options.end, options, note) as one,
        open_one(second, start - options.offset, None, options, note) as other,
    ):
        pair = Pair(one, other, options, start)
        pair.tell_differences(note)
        refuse_own_source(target, other.container)
        video = pair.result()
        ending = Ending()
        with (
            VideoWriter(
                target,
                one.container,
                video,
                codec=options.encoder.codec,
                crf=options.encoder.crf,
                preset=options.encoder.preset,
                pix_fmt=options.encoder.pix_fmt,
                extra=options.encoder.extra,
                tags={"comment": f"compared by vidcolor {__version__}"},
                overwrite=options.overwrite,
                begin=one.begin,
                start=start or None,
                end=pair.end,
                notify=note,
            ) as writer,
            closing(pair.moments(writer.copy, ending)) as moments,
        ):
            labels = _labels(first, second, options)
            draw = Drawer(pair, video, writer, labels)
            count, length = 0, Fraction(0)
            for moment in moments:
                writer.write(draw(moment, count))
                count, length = count + 1, length + moment.length
                if progress is not None:
                    progress(Progress(count, None, time.perf_counter() - started))
            if not count:
                raise InputError(pair.nothing_shared())
        pair.tell_ending(ending, note)
    return CompareSummary(
        output=target,
        frames=count,
        length=length,
        width=video.width,
        height=video.height,
        labels=labels,
        seconds=time.perf_counter() - started,
        left_out=tuple(writer.left_out),
        notices=note.said,
    )


def _labels(
    first: str | os.PathLike[str], second: str | os.PathLike[str], options: CompareOptions
) -> tuple[str, str]:
    if options.labels is not None:
        return options.labels
    one, other = Path(first), Path(second)
    if one.stem != other.stem:
        return one.stem, other.stem
    if one.name != other.name:
        return one.name, other.name
    return f"{one.parent.name}/{one.name}", f"{other.parent.name}/{other.name}"
