"""A first hint or painted anchor makes only the parts anew that it reaches, whatever else speaks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

import vidcolor
from tests.pipeline.test_parts import (
    BLUE,
    FFV1,
    RATE,
    RED,
    SETTINGS,
    all_packets,
    film,
    hinted,
    journal,
    made_anew,
    short_parts,
    stamps,
    stopped,
)
from tests.reels import Planes, planes_of, scene, write_reel
from vidcolor.pipeline.anchors import write_anchors
from vidcolor.pipeline.options import RunOptions

__all__ = ["short_parts"]

CHOSEN = SETTINGS | FFV1 | {"overwrite": True, "keep_work": True, "device": "cpu"}
FRAMES, SHOT = 90, 15


def grey(number: int, planes: Planes) -> None:
    for plane in planes[1:]:
        plane[:] = 128


def same_camera(folder: Path) -> dict[str, Any]:
    """The first shot is seen by day in a picture."""
    pictures = [np.roll(scene(n // SHOT), n % SHOT, 1) for n in range(FRAMES)]
    write_reel(folder / "a.mkv", pictures, edit=grey)
    cv2.imwrite(str(folder / "day.png"), scene(0)[..., ::-1])
    return {"reference": (str(folder / "day.png"),)}


def partly_in_colour(folder: Path) -> dict[str, Any]:
    """Its first shot is."""
    pictures = [scene(n // SHOT % 3) for n in range(FRAMES)]
    write_reel(folder / "a.mkv", pictures, edit=lambda n, planes: grey(n, planes) if n >= SHOT else None)
    return {}


@pytest.mark.parametrize("kind", [same_camera, partly_in_colour])
def test_the_first_hint_beside_pictures(tmp_path: Path, kind: Callable[[Path], dict[str, Any]]) -> None:
    more, target = kind(tmp_path), tmp_path / "b.mkv"
    vidcolor.colorize(tmp_path / "a.mkv", target, **CHOSEN, **more)
    before, one = stamps(target), all_packets(target)
    assert len(before) == 6
    settings = CHOSEN | hinted(tmp_path / "hints.json", (50, RED)) | more
    summary = vidcolor.colorize(tmp_path / "a.mkv", target, **settings)
    assert made_anew(before, stamps(target)) == [4]
    assert summary.kept == FRAMES - SHOT
    vidcolor.colorize(tmp_path / "a.mkv", tmp_path / "whole.mkv", **settings)
    assert all_packets(target) == all_packets(tmp_path / "whole.mkv") != one
    # And back again.
    vidcolor.colorize(tmp_path / "a.mkv", target, **CHOSEN, **more)
    assert all_packets(target) == one


def test_where_nobody_speaks_the_picture_is_laid_over_every_frame(tmp_path: Path) -> None:
    write_reel(tmp_path / "a.mkv", [scene(n // SHOT % 2) for n in range(4 * SHOT)], edit=grey)
    cv2.imwrite(str(tmp_path / "day.png"), scene(0)[..., ::-1])
    settings = CHOSEN | {"reference": (str(tmp_path / "day.png"),), "model": "grey"}
    vidcolor.colorize(tmp_path / "a.mkv", tmp_path / "plain.mkv", **settings)
    told = hinted(tmp_path / "h.json", (20, BLUE)) | settings
    vidcolor.colorize(tmp_path / "a.mkv", tmp_path / "b.mkv", **told)
    plain, spoken = planes_of(tmp_path / "plain.mkv"), planes_of(tmp_path / "b.mkv")
    same = [all(map(np.array_equal, one, other)) for one, other in zip(plain, spoken, strict=True)]
    assert same[:SHOT] == [True] * SHOT
    assert not any(same[20 : 2 * SHOT])
    assert same[2 * SHOT :] == [True] * (2 * SHOT)


def test_a_long_shot_of_a_fixed_camera_is_made_in_parts(tmp_path: Path) -> None:
    write_reel(tmp_path / "a.mkv", [scene(0)] * FRAMES, edit=noisy)
    cv2.imwrite(str(tmp_path / "day.png"), scene(0)[..., ::-1])
    settings = {**FFV1, "reference": (str(tmp_path / "day.png"),), "device": "cpu", "network_size": 64}
    vidcolor.colorize(tmp_path / "a.mkv", tmp_path / "whole.mkv", **SETTINGS | settings)
    for frame in (35, 60):
        stopped(tmp_path / "a.mkv", tmp_path / "b.mkv", frame, **settings)
    done = journal(tmp_path / "b.mkv")["parts"]
    assert [part["border"]["continued"] for part in done] == [True, True]
    vidcolor.colorize(tmp_path / "a.mkv", tmp_path / "b.mkv", **SETTINGS | settings)
    assert all_packets(tmp_path / "b.mkv") == all_packets(tmp_path / "whole.mkv")
    chroma = np.array([planes[1].astype(float) for planes in planes_of(tmp_path / "whole.mkv")])
    steps = np.abs(np.diff(chroma, axis=0)).mean(axis=(1, 2))
    border = done[0]["until"]
    assert steps[border - 1] < 1.5 * np.median(steps[10:])  # the step over it


def noisy(number: int, planes: Planes) -> None:
    light = 16 + (planes[0].astype(float) - 16) / 2
    light += np.random.default_rng(number).normal(0, 4, light.shape)
    planes[0][:] = np.clip(np.rint(light), 0, 255)
    grey(number, planes)


def test_the_first_painted_anchor_of_a_folder(tmp_path: Path) -> None:
    source, target = film(tmp_path / "a.mkv", cuts=range(15, 90, 15)), tmp_path / "b.mkv"
    chosen = {name: CHOSEN[name] for name in ("model", "network_size", "anchor_every", "device")}
    write_anchors(source, tmp_path / "d", RunOptions(**chosen))
    index = json.loads((tmp_path / "d" / "index.json").read_text())
    assert len([entry for entry in index["anchors"] if entry["starts_shot"]]) == 6
    vidcolor.colorize(source, target, **CHOSEN)  # as if there were no folder
    before = stamps(target)
    assert len(before) == 6
    settings = CHOSEN | {"anchors": str(tmp_path / "d")}
    vidcolor.colorize(source, target, **settings)
    assert made_anew(before, stamps(target)) == []
    painted = next(entry for entry in index["anchors"] if entry["time"] >= 30 / RATE)
    Image.new("RGB", (64, 48), (20, 90, 200)).save(tmp_path / "d" / painted["file"])
    vidcolor.colorize(source, target, **settings)
    assert made_anew(before, stamps(target)) == [3]
    vidcolor.colorize(source, tmp_path / "whole.mkv", **settings)
    assert all_packets(target) == all_packets(tmp_path / "whole.mkv")
    # Another one; what the index says of a shot that nobody speaks of does not matter, of the others it does.
    between, last = stamps(target), index["anchors"][-1]
    path = tmp_path / "d" / "index.json"
    path.write_text(json.dumps(index | {"anchors": index["anchors"][:-1]}))
    (tmp_path / "d" / last["file"]).unlink()
    vidcolor.colorize(source, target, **settings)
    assert made_anew(between, stamps(target)) == []
    left = [entry for entry in index["anchors"] if not 31 / RATE <= entry["time"] < 44 / RATE]
    assert len(left) < len(index["anchors"])
    path.write_text(json.dumps(index | {"anchors": left}))
    for entry in index["anchors"]:
        if entry not in left:
            (tmp_path / "d" / entry["file"]).unlink()
    (tmp_path / "d" / last["file"]).unlink(missing_ok=True)
    vidcolor.colorize(source, target, **settings)
    assert made_anew(between, stamps(target)) == [3]
