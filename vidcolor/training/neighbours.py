"""Which pictures of a set lie beside each other in a shot: what colour can be carried from."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

from vidcolor.datasets.manifest import DATASET, MANIFEST, PictureSet

__all__ = ["NEAREST", "neighbours_of"]

NEAREST = 8
"""Neighbours a picture has at most: those nearest in time."""

_Shown: TypeAlias = tuple[int, int]
"""Time of a frame, as pts of its film, and number of its picture."""


def neighbours_of(sets: Sequence[PictureSet]) -> tuple[tuple[int, ...], ...]:
    """For each training picture of all sets, in order, the numbers of its neighbours, the nearest first.

    Neighbours are training pictures of other frames of the same shot, of the same part of the frame.
    Pictures that are no frames of a film have none, and plain folders have no such pictures.
    """
    shots: dict[Hashable, list[_Shown]] = defaultdict(list)
    count = 0
    for number, each in enumerate(sets):
        frames = dict(_frames(each.root))
        for picture in each.train:
            if picture.path in frames:
                pts, crop = frames[picture.path]
                shots[number, picture.source, picture.shot, crop].append((pts, count))
            count += 1
    found: list[tuple[int, ...]] = [()] * count
    for shot in shots.values():
        shot.sort()
        for place, (_, index) in enumerate(shot):
            found[index] = _nearest(shot, place)
    return tuple(found)


def _frames(root: Path) -> Iterator[tuple[Path, tuple[int, tuple[int, ...]]]]:
    """Of each picture of a built set that is of a film: its frame's pts, and its part of the frame."""
    if not (root / DATASET).exists():
        return
    for line in (root / MANIFEST).read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        if entry.get("pts") is not None and entry.get("crop") is not None:
            yield root / entry["file"], (entry["pts"], tuple(entry["crop"]))


def _nearest(shot: Sequence[_Shown], place: int) -> tuple[int, ...]:
    """Of the frames of a shot, in the order of time, those nearest to one of them; it is none of them."""
    now, _ = shot[place]
    around = shot[max(place - NEAREST, 0) : place + NEAREST + 1]
    near = sorted((abs(pts - now), pts, index) for pts, index in around if pts != now)
    return tuple(index for _, _, index in near[:NEAREST])
