"""A model evaluated on pictures, or pictures that were coloured beside their truths."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import groupby
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from vidcolor import __version__
from vidcolor.color.chroma import ChromaMaker
from vidcolor.color.planes import ColorSpace
from vidcolor.color.resize import shrink
from vidcolor.color.shown import Rgb, exact_rgb, rgb_matrix
from vidcolor.datasets.manifest import DATASET, MANIFEST, Picture, open_set
from vidcolor.datasets.sources import find_pictures
from vidcolor.datasets.split import draw_order
from vidcolor.errors import InputError
from vidcolor.evaluation.intervals import LEAST
from vidcolor.evaluation.kept import Extremes, Thinned
from vidcolor.evaluation.options import EvaluateOptions
from vidcolor.evaluation.outcome import FORMAT, Gallery, Outcome, Panel, jpeg
from vidcolor.evaluation.perceptual import Perceptual
from vidcolor.evaluation.stills import Groups, Stills, grey_of
from vidcolor.frames import NOTHING_KNOWN, ChromaLayout, ColorTags, Frame, Timestamp, VideoInfo
from vidcolor.media.picture_file import read_picture_file
from vidcolor.models import ColorModel, resolve_model
from vidcolor.models.weights import LoadedModel
from vidcolor.pipeline.colorist import Colorist
from vidcolor.pipeline.memory import hold_memory
from vidcolor.pipeline.opening import Notices
from vidcolor.pipeline.options import Progress, RunOptions
from vidcolor.pipeline.prefetch import prefetch
from vidcolor.wording import counted

__all__ = ["evaluate_folders", "evaluate_set"]

_SPACE = ColorSpace("smpte170m", True, 8, "iec61966-2-1")
"""JPEG's planes: luma of BT.601 in full range, tone curve of sRGB."""
_LAYOUT = ChromaLayout(0, 0)
_READ_AHEAD = 8
_PANELS, _BETWEEN = 24, 32
"""Pictures shown as worst and as best, and evenly chosen from all."""
_PANEL_SIDE = 150
_ROWS = 10_000
"""Pictures whose figures are listed one by one."""
_UNREAD_NAMED = 3

Notify = Callable[[str], None]
ProgressTo = Callable[[Progress], None]


@dataclass(slots=True)
class _Item:
    """A picture on its way."""

    number: int
    name: str
    source: str
    truth: Rgb
    frame: Frame
    label: str | None
    result: Rgb | None = None


def evaluate_set(
    folder: str | os.PathLike[str],
    run: RunOptions | None = None,
    options: EvaluateOptions | None = None,
    *,
    notify: Notify | None = None,
    progress: ProgressTo | None = None,
) -> Outcome:
    """Makes pictures grey, colours each by itself, and compares it with what it was.

    Args:
        folder: a data set of ``build-dataset``, or any folder of pictures.
        run: model, device, size of the network's picture and the like.
        options: which pictures, and how they are measured.
        notify: gets one sentence for each thing the user should know.
        progress: called after each picture.

    Raises:
        InputError: the folder holds no picture that can be read.
    """
    run, options = run or RunOptions(), options or EvaluateOptions()
    pictures, part = chosen(Path(folder), options)
    hold_memory()
    loaded = resolve_model(run.model, run.read)
    words = Notices(notify)
    if part != "test" and _learnt_from(loaded, Path(folder)):
        name = Path(folder).resolve().name
        words(
            f"{loaded.label} was trained on a set called {name!r}: these may be pictures it knows. "
            "Sets of build-dataset keep what is held out apart."
        )
    reading = _Reading(pictures, options, words, len(pictures))
    gathered = _Gathered(options)
    started = time.perf_counter()
    with closing(prefetch(reading.items(), _READ_AHEAD)) as items:
        for item in _colored(items, loaded.model, run, words):
            gathered.add(item)
            if progress is not None:
                progress(Progress(gathered.count, len(pictures), time.perf_counter() - started))
    reading.finish(folder)
    told = {
        "input": os.fspath(folder),
        "part": part,
        "model": loaded.label,
        "coloured": {
            "network_size": run.network_size,
            "saturation": run.saturation,
            "label": run.label,
            "read": ["=".join(pair) for pair in run.read],
        },
    }
    return gathered.outcome(told, words)


def _learnt_from(loaded: LoadedModel, folder: Path) -> bool:
    """Whether a set of that name was among those that the model was trained on, as its file says."""
    known = loaded.training.get("pictures")
    names = known.get("sets") if isinstance(known, dict) else None
    return isinstance(names, list) and folder.resolve().name in names


def evaluate_folders(
    results: str | os.PathLike[str],
    truths: str | os.PathLike[str],
    options: EvaluateOptions | None = None,
    *,
    notify: Notify | None = None,
    progress: ProgressTo | None = None,
) -> Outcome:
    """Compares coloured pictures with the true ones of the same name, whatever their ending.

    Raises:
        InputError: no names are in both folders, or two pictures are not of one size.
    """
    options = options or EvaluateOptions()
    one, other = Path(results), Path(truths)
    named = [{_stem(path, root): path for path in find_pictures(root)} for root in (one, other)]
    both = sorted(named[0].keys() & named[1].keys())
    if not both:
        raise InputError(
            f"No picture of {one} ({len(named[0])}) has the name of one of {other} ({len(named[1])})."
        )
    words, alone = Notices(notify), len(named[0]) + len(named[1]) - 2 * len(both)
    if alone:
        words(f"{counted(alone, 'picture')} without a partner of its name in the other folder: left out.")
    chosen_names = _limited(both, both, options)
    gathered, started = _Gathered(options), time.perf_counter()
    for number, name in enumerate(chosen_names):
        result, truth = (_read(place[name]) for place in named)
        if result is None or truth is None:
            raise InputError(f"{name} cannot be read as a picture in both folders.")
        if result.shape != truth.shape:
            sizes = ["{1}x{0}".format(*rgb.shape) for rgb in (result, truth)]
            raise InputError(
                f"{name} is {sizes[0]} in {one} and {sizes[1]} in {other}: only pictures of one size can be "
                "compared."
            )
        result, truth = (_sized(rgb, options.size) for rgb in (result, truth))
        gathered.add(_Item(number, name, "", truth, _frame(truth, number), None, result))
        if progress is not None:
            progress(Progress(gathered.count, len(chosen_names), time.perf_counter() - started))
    return gathered.outcome({"input": os.fspath(results), "truth": os.fspath(truths)}, words)


def chosen(root: Path, options: EvaluateOptions) -> tuple[list[Picture], str]:
    """The pictures to measure, and what part of the set they are.

    Raises:
        InputError: there are none.
    """
    if not root.is_dir():
        raise InputError(f"{root} does not exist." if not root.exists() else f"{root} is not a folder.")
    split = any(os.path.exists(root / name) for name in (DATASET, MANIFEST)) or all(
        os.path.isdir(root / part) for part in ("train", "test")
    )
    if split:
        found = open_set(root)
        parts = {"test": found.test, "train": found.train, "all": (*found.train, *found.test)}
        pictures, part = list(parts[options.split]), options.split
    else:
        paths = find_pictures(root)
        pictures, part = [_plain(path, root) for path in paths], "all"
    if not pictures:
        raise InputError(f"{root} holds no pictures{f' in its part {part}' if split else ''}.")
    names = [picture.path.relative_to(root).as_posix() for picture in pictures]
    return _limited(pictures, names, options), part


def _plain(path: Path, root: Path) -> Picture:
    inside = path.relative_to(root)
    return Picture(path, "test", inside.parts[0] if len(inside.parts) > 1 else None, source=inside.as_posix())


def _limited(items: list[Any], names: Sequence[str], options: EvaluateOptions) -> list[Any]:
    if options.limit is None or len(items) <= options.limit:
        return items
    return [items[n] for n in sorted(draw_order(names, options.seed)[: options.limit])]


def _stem(path: Path, root: Path) -> str:
    return path.relative_to(root).with_suffix("").as_posix()


# Pictures


class _Reading:
    """Pictures from disk, at the size they are measured in."""

    def __init__(
        self, pictures: Sequence[Picture], options: EvaluateOptions, words: Notices, total: int
    ) -> None:
        self._pictures, self._options, self._words, self._total = pictures, options, words, total
        self._unread: list[str] = []

    def items(self) -> Iterator[_Item]:
        for number, picture in enumerate(self._pictures):
            rgb = _read(picture.path)
            if rgb is None:
                self._unread.append(picture.path.name)
                continue
            truth = _sized(rgb, self._options.size)
            group = picture.label or (Path(picture.source).name if picture.shot is not None else "")
            yield _Item(number, picture.path.name, group, truth, _frame(truth, number), picture.label)

    def finish(self, folder: str | os.PathLike[str]) -> None:
        """Tells what could not be read."""
        if len(self._unread) == self._total:
            raise InputError(f"None of the {self._total} pictures of {os.fspath(folder)} can be read.")
        if self._unread:
            more = ", …" * (len(self._unread) > _UNREAD_NAMED)
            named = ", ".join(self._unread[:_UNREAD_NAMED])
            self._words(
                f"{counted(len(self._unread), 'picture')} that cannot be read: left out ({named}{more})."
            )


def _read(path: Path) -> Rgb | None:
    """A picture, turned upright; None: it is none, or cut short."""
    try:
        data = np.frombuffer(read_picture_file(path), np.uint8)
    except InputError:
        return None
    bgr = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    rgb: Any = None if bgr is None else cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
    return rgb


def _sized(rgb: Rgb, short_side: int) -> Rgb:
    height, width = rgb.shape[:2]
    scale = short_side / min(height, width)
    if scale >= 1:
        return rgb
    return np.ascontiguousarray(shrink(rgb, max(round(height * scale), 1), max(round(width * scale), 1)))


def _frame(rgb: Rgb, number: int) -> Frame:
    luma: Any = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    return Frame(luma, Timestamp(number, Fraction(1)), 1, number)


def _colored(items: Iterator[_Item], model: ColorModel, run: RunOptions, notify: Notify) -> Iterator[_Item]:
    """The same with their results. Pictures of one size that follow each other share the network's calls."""
    make, to_rgb = ChromaMaker(_SPACE, _LAYOUT, "center"), rgb_matrix(_SPACE)
    labels = set(model.labels)

    def alike(item: _Item) -> tuple[Any, ...]:
        return item.frame.luma.shape, item.label if item.label in labels else None

    for (shape, label), group in groupby(items, alike):
        told = replace(run, label=run.label or label)
        colorist = Colorist(model, _still_video(*shape), told, notify, NOTHING_KNOWN)
        waiting: list[_Item] = []

        def frames(run_of: Iterable[_Item] = group, queue: list[_Item] = waiting) -> Iterator[Frame]:
            for item in run_of:
                queue.append(item)
                yield item.frame

        for colored in colorist.color(frames()):
            item = waiting.pop(0)
            cb, cr = make(colored.frame.luma, colored.ab)
            item.result = exact_rgb((colored.frame.luma, cb, cr), to_rgb)
            yield item


def _still_video(height: int, width: int) -> VideoInfo:
    """A picture as a film of one frame."""
    return VideoInfo(
        index=0, codec="", width=width, height=height, pixel_format="yuvj444p", bit_depth=8, layout=_LAYOUT,
        tags=ColorTags("full", _SPACE.matrix, None, _SPACE.transfer, "center"), sample_aspect=Fraction(1),
        rotation=0, field_order="progressive", time_base=Fraction(1), average_rate=None, frame_count=None,
        duration=None,
    )  # fmt: skip


# Figures


class _Gathered:
    """All figures of the pictures that went by, and a bounded choice of them."""

    def __init__(self, options: EvaluateOptions) -> None:
        self._options = options
        self._stills, self._perceptual = Stills(), Perceptual()
        self._groups = Groups()
        self._rows = Thinned[dict[str, Any]](_ROWS)
        self._worst, self._best = (Extremes[tuple[int, Panel]](_PANELS, 0.0) for _ in range(2))
        self._between = Thinned[tuple[int, Panel]](_BETWEEN)
        self._sizes: set[tuple[int, ...]] = set()

    @property
    def count(self) -> int:
        return self._stills.count

    def add(self, item: _Item) -> None:
        assert item.result is not None
        result, truth = item.result, item.truth
        figures = self._stills.add(item.number, result, truth, more=self._perceptual.add(result, truth))
        if item.source:
            self._groups.add(item.source, figures)
        if len(self._sizes) < 2:
            self._sizes.add(truth.shape[1::-1])
        row = {"name": item.name, **{name: round(value, 4) for name, value in figures.items()}}
        if item.source:
            row["group"] = item.source
        self._rows.offer(lambda: row)
        if self._options.pictures:
            self._keep(item, row)

    def _keep(self, item: _Item, row: dict[str, Any]) -> None:
        def panel() -> tuple[int, Panel]:
            assert item.result is not None
            pictures = (grey_of(item.truth), item.result, item.truth)
            shown = tuple(jpeg(_sized(rgb, _PANEL_SIDE)) for rgb in pictures)
            return item.number, Panel(shown, ("grey", "result", "truth"), row)

        error = row["ciede2000"]
        self._worst.offer(error, item.number, panel)
        self._best.offer(-error, item.number, panel)
        self._between.offer(panel)

    def outcome(self, told: dict[str, Any], words: Notices) -> Outcome:
        options = self._options
        if self.count < LEAST:
            words(f"There are no intervals: a set needs {LEAST} pictures for them, not {self.count}.")
        figures = self._stills.figures(options.seed)
        groups = self._groups.found(options.seed)
        fid = self._perceptual.fid()
        if fid is not None:
            figures["fid"] = {"mean": fid, "low": None, "high": None, "count": self.count}
        size = min(self._sizes) if len(self._sizes) == 1 else None
        measured: dict[str, Any] = {"pictures": self.count, "short_side": options.size, "seed": options.seed}
        if size is not None:
            measured |= {"width": size[0], "height": size[1]}
        data: dict[str, Any] = {
            "format": FORMAT,
            "vidcolor": __version__,
            "kind": "pictures",
            **told,
            "measured": {**measured, "unit": "picture"},
            "figures": figures,
            "curves": self._stills.curves(),
            "left_out": dict(self._perceptual.left_out),
            "groups": groups if len(groups) > 1 else {},
            "pictures": {"every": self._rows.stride, "rows": self._rows.found},
            "notices": list(words.said),
        }
        return Outcome(data, self._gallery() if options.pictures else Gallery())

    def _gallery(self) -> Gallery:
        kept = [panel for _, _, panel in (*self._worst.found(), *self._best.found())]
        several = dict((*kept, *self._between.found))
        by_error = sorted(several.values(), key=lambda panel: -panel.facts["ciede2000"])
        return Gallery(grid=by_error)
