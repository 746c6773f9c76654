#!/usr/bin/env python3
"""How far a person's word is obeyed on real footage: painted anchors and hints.

    python benchmarks/obedience.py [--strips FOLDER] [--model NAME|FILE] [--anchor-every N] [OBJECT ...]

One object of each film, outlined by eye at one frame, is given another colour: once on the frame's picture as
`vidcolor anchors` writes it, given back with `--anchors`, and once with a few `--hints`. The colour is looked
for at that frame, and 24 frames before and after at points of the object, found there and back from frame to
frame by optical flow (pyramidal Lucas-Kanade). CIEDE2000, of a and b alone: light changes on the way.

    at frame       paint: mean over the pixels it changed, at the network's size; hints: over their discs,
                   from what their colour is at each pixel's brightness: of its hue, no stronger than can be
                   shown
    asked          hints: from the very colour, whether it can be shown there or not
    before, after  mean and median, the share of points below 6, and how many points there are
    hints          at points inside of their discs; "hints, all": anywhere on the object
    plain          how far a run without a word is from the colour wanted, at the frame

A point counts as long as the film's own colour there is what it was: what is found elsewhere has left the
object.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command does, before torch is loaded

import av
import cv2
import numpy as np
import torch
from av.video.reformatter import ColorRange, Colorspace, Interpolation
from clips import DATA

import vidcolor
from vidcolor.color.lab import lab_to_rgb, rgb_to_lab
from vidcolor.color.planes import ColorSpace, ab_in_gamut, ab_to_chroma, chroma_to_rgb
from vidcolor.metrics.difference import delta_e_2000, picture_lab
from vidcolor.pipeline.anchors import write_anchors
from vidcolor.pipeline.options import RunOptions

AWAY = 24
"""Frames from the one that is spoken of to those looked at."""
LIMIT = 6.0
NETWORK = RunOptions().network_size


class Thing(NamedTuple):
    """An object, and what is said of it."""

    film: str
    frame: int
    """That is spoken of."""
    part: tuple[int, int]
    """First frame that is coloured, and the one after the last."""
    color: tuple[int, int, int]
    """R, G, B that it is painted with; its brightness stays."""
    radius: float
    """Of hints, in pixels."""
    hints: tuple[tuple[int, int], ...]
    outline: tuple[tuple[int, int], ...]
    """x and y in pixels."""


THINGS = {
    "trousers": Thing(
        "dog.mp4",
        72,
        (24, 126),
        (170, 50, 50),
        8,
        ((278, 325), (345, 380), (262, 480)),
        (
            *((258, 283), (275, 290), (297, 301), (300, 311), (298, 340), (310, 343), (315, 320)),
            *((320, 318), (330, 324), (340, 328), (350, 352), (362, 375), (372, 400), (376, 428)),
            *((380, 440), (384, 495), (383, 502), (356, 503), (354, 495), (350, 455), (347, 430)),
            *((337, 410), (325, 390), (312, 378), (307, 370), (303, 385), (298, 400), (297, 420)),
            *((294, 437), (285, 452), (278, 475), (272, 500), (267, 518), (255, 521), (237, 514)),
            *((245, 480), (250, 452), (258, 430), (261, 408), (259, 380), (256, 350), (250, 345)),
            (250, 305),
        ),
    ),
    "sign": Thing(
        "bikes.mp4",
        106,
        (76, 137),
        (50, 90, 190),
        5,
        ((268, 85), (255, 80), (280, 95)),
        ((229, 63), (284, 66), (290, 72), (288, 100), (283, 109), (258, 107), (250, 98), (240, 78)),
    ),
    "bollard": Thing(
        "bikes.mp4",
        212,
        (187, 242),
        (190, 120, 30),
        8,
        ((242, 125), (244, 190), (245, 240)),
        (
            *((216, 124), (222, 110), (235, 101), (250, 100), (262, 107), (268, 122), (265, 140)),
            *((262, 150), (275, 153), (278, 158), (272, 163), (268, 166), (270, 170), (272, 271)),
            *((219, 271), (217, 170), (216, 163), (209, 160), (211, 155), (224, 150), (222, 143)),
        ),
    ),
    "jacket": Thing(
        "carphone.mp4",
        60,
        (0, 120),
        (120, 30, 110),
        4,
        ((140, 95), (135, 125), (160, 115)),
        (
            *((107, 86), (122, 82), (147, 78), (152, 82), (164, 97), (176, 100), (176, 144)),
            *((121, 144), (114, 122), (111, 113), (116, 108), (114, 104), (108, 97)),
        ),
    ),
    "mug": Thing(
        "coffee.mp4",
        48,
        (0, 102),
        (60, 150, 60),
        12,
        ((800, 450), (860, 470), (820, 520)),
        (
            *((748, 388), (755, 376), (775, 368), (800, 364), (830, 363), (860, 366), (885, 373)),
            *((900, 384), (902, 395), (900, 440), (893, 490), (886, 535), (860, 548), (825, 554)),
            *((790, 549), (762, 533), (757, 500), (753, 440)),
        ),
    ),
    "bunny": Thing(
        "big_buck_bunny_720p_5s.mp4",
        60,
        (12, 114),
        (190, 110, 60),
        16,
        ((450, 260), (480, 350), (400, 450), (560, 430)),
        (
            *((280, 135), (300, 140), (340, 145), (397, 150), (408, 175), (430, 195), (460, 210)),
            *((500, 213), (530, 208), (548, 190), (552, 170), (558, 205), (570, 235), (585, 285)),
            *((600, 340), (607, 385), (609, 420), (605, 455), (597, 500), (580, 540), (560, 570)),
            *((530, 580), (500, 560), (450, 557), (405, 588), (395, 590), (360, 570), (335, 550)),
            *((330, 500), (325, 450), (321, 400), (335, 360), (345, 300), (348, 260), (330, 235)),
            *((300, 215), (262, 190), (262, 150)),
        ),
    ),
    "cardigan": Thing(
        "../train/fixed_camera_people.mp4",
        96,
        (60, 150),
        (40, 110, 150),
        8,
        ((450, 160), (420, 240), (470, 250)),
        (
            *((398, 98), (415, 97), (425, 115), (452, 125), (475, 118), (490, 98), (500, 103)),
            *((507, 135), (510, 165), (508, 185), (495, 190), (488, 170), (492, 205), (498, 250)),
            *((495, 312), (488, 308), (480, 300), (470, 310), (460, 318), (440, 306), (415, 308)),
            *((410, 298), (395, 290), (388, 275), (395, 240), (402, 190), (400, 180), (385, 175)),
            *((384, 155), (392, 125), (395, 105)),
        ),
    ),
}


class Looked(NamedTuple):
    """Frames of a film that are looked at, by their numbers in it."""

    rgb: dict[int, np.ndarray]
    luma: dict[int, np.ndarray]
    times: dict[int, Fraction]
    """In seconds from the film's beginning, of all frames."""


EXACT = Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT


def look(path: Path, thing: Thing, space: ColorSpace, first: int = 0) -> Looked:
    """``space``: what its codes mean; ``first``: number of the frame that the file begins with."""
    matrix = Colorspace.ITU709 if space.matrix == "bt709" else Colorspace.ITU601
    rgb, luma, times = {}, {}, {}
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        for number, frame in enumerate(container.decode(stream), first):
            assert frame.pts is not None
            times[number] = (frame.pts - (stream.start_time or 0)) * stream.time_base
            away = abs(number - thing.frame)
            if away <= AWAY:
                luma[number] = frame.to_ndarray(format="yuv420p")[: frame.height]
            if away <= AWAY and away % (AWAY // 2) == 0:
                rgb[number] = frame.to_ndarray(
                    format="rgb24",
                    src_colorspace=matrix,
                    dst_color_range=ColorRange.JPEG,
                    interpolation=EXACT,
                )
            if number > thing.part[1]:
                break
    return Looked(rgb, luma, times)


# ---- what is said --------------------------------------------------------------------------------


def inside(thing: Thing, shape: Sequence[int]) -> np.ndarray:
    """The object, ``(H, W)`` uint8, 0 or 1."""
    mask: Any = cv2.fillPoly(np.zeros(shape[:2], np.uint8), [np.array(thing.outline)], 1)
    return mask


def discs(thing: Thing, shape: Sequence[int]) -> np.ndarray:
    """Where hints are, as :func:`inside`."""
    mask: Any = np.zeros(shape[:2], np.uint8)
    for point in thing.hints:
        cv2.circle(mask, point, round(thing.radius), 1, -1)
    return mask


def space_of(film: Path) -> ColorSpace:
    with vidcolor.open_video(film) as reader:
        video = reader.video
    return ColorSpace.of(video.tags, height=video.height, width=video.width, bit_depth=video.bit_depth)


def luma_shares(space: ColorSpace) -> np.ndarray:
    """Of R, G and B in the film's luma."""
    return np.array([space.coefficients.kr, space.coefficients.kg, space.coefficients.kb])


def painted(
    rgb: np.ndarray, where: np.ndarray, color: tuple[int, int, int], shares: np.ndarray
) -> np.ndarray:
    """A picture with another colour somewhere, and its luma as it was."""
    result = rgb.astype(float)
    luma = result[where] @ shares
    step = np.array(color) - np.array(color) @ shares
    room = np.where(
        step > 0, (255 - luma[..., None]) / np.maximum(step, 1e-6), luma[..., None] / np.maximum(-step, 1e-6)
    )
    result[where] = luma[..., None] + np.minimum(room.min(-1), 1)[..., None] * step
    return np.rint(result).clip(0, 255).astype(np.uint8)


def paint(
    film: Path, space: ColorSpace, folder: Path, thing: Thing, time: Fraction, chosen: dict[str, Any]
) -> tuple[Any, Any]:
    """The frame's picture before and after it was painted on; the folder holds the latter."""
    dot = folder.with_suffix(".json")  # in a corner: it makes the frame an anchor
    dot.write_text(json.dumps([{"time": float(time), "x": 0, "y": 0, "radius": 1, "color": "grey"}]))
    write_anchors(film, folder, RunOptions(**chosen, hints=str(dot)))
    entries = json.loads((folder / "index.json").read_text())["anchors"]
    path = folder / next(e["file"] for e in entries if Fraction(e["exact"]) == time)
    before = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    after = painted(before, inside(thing, before.shape) > 0, thing.color, luma_shares(space))
    cv2.imwrite(str(path), cv2.cvtColor(after, cv2.COLOR_RGB2BGR))
    return before, after


def hint(path: Path, thing: Thing, time: Fraction, color: np.ndarray) -> None:
    """``color``: R, G, B in codes."""
    said = {"time": float(time), "radius": thing.radius, "color": [round(float(c), 2) for c in color]}
    path.write_text(json.dumps([{**said, "x": x, "y": y} for x, y in thing.hints]))


# ---- how far it is obeyed ------------------------------------------------------------------------


def differences(one: np.ndarray, other: np.ndarray, *, light: bool = False) -> np.ndarray:
    """CIEDE2000 of Lab values ``(N, 3)``; without light: of a and b alone."""
    if not light:
        one = np.concatenate((other[:, :1], one[:, 1:]), 1)
    labs = (torch.from_numpy(lab.T[:, :, None].copy()) for lab in (one, other))
    return delta_e_2000(*labs).numpy().ravel()


def at_frame(before: np.ndarray, after: np.ndarray, result: np.ndarray) -> float:
    """Of the pixels that were painted, at the network's size."""
    scale = min(1.0, NETWORK / min(after.shape[:2]))
    size = round(after.shape[1] * scale), round(after.shape[0] * scale)
    was, said, found = (
        picture_lab(cv2.resize(picture, size, interpolation=cv2.INTER_AREA)).reshape(-1, 3)
        for picture in (before, after, result)
    )
    changed = differences(was, said, light=True) > 5
    return float(differences(found, said, light=True)[changed].mean())


def codes_of(lab: np.ndarray) -> np.ndarray:
    """R, G, B in codes of one colour in sRGB."""
    rgb = lab_to_rgb(torch.from_numpy(lab.astype(float))[:, None, None], transfer="iec61966-2-1")
    return 255 * rgb.clamp(0, 1).numpy().ravel()


def shown(color: np.ndarray, luma: np.ndarray, space: ColorSpace) -> np.ndarray:
    """Lab ``(N, 3)`` of what a colour, R, G, B in codes, is at luma codes ``(N,)``."""
    signal = torch.from_numpy(color / 255)[:, None, None]
    _, a, b = rgb_to_lab(signal, transfer=space.transfer, primaries=space.primaries)
    scale, offset = space.luma_scale
    codes, where = np.unique(luma, return_inverse=True)
    y = ((torch.from_numpy(codes.astype(float)) - offset) / scale).clamp(0, 1)[:, None]
    ab = ab_in_gamut(y, a.expand_as(y), b.expand_as(y), space)
    rgb = 255 * chroma_to_rgb(y, *ab_to_chroma(y, *ab, space), space).clamp(0, 1)
    lab: np.ndarray = picture_lab(np.rint(rgb.permute(1, 2, 0).numpy()).astype(np.uint8))[:, 0]
    return lab[where]


def tracked(luma: Sequence[np.ndarray], points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where points ``(N, 1, 2)`` of the first picture are in the last one, ``(N, 2)``, and which are found
    there and back again."""
    found, kept = points, np.ones(len(points), bool)
    for one, other in pairwise(luma):
        there, _, _ = cv2.calcOpticalFlowPyrLK(one, other, found, None)
        back, _, _ = cv2.calcOpticalFlowPyrLK(other, one, there, None)
        kept &= np.abs(back - found).max((1, 2)) < 0.5
        found = there
    height, width = luma[0].shape
    places = found[:, 0]
    kept &= ((places >= 2) & (places < (width - 2, height - 2))).all(1)
    return places, kept


def colors_at(rgb: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Lab, ``(N, 3)``, of 5x5 pixels about each place."""
    x, y = np.rint(places).astype(int).T
    lab: np.ndarray = cv2.blur(picture_lab(rgb), (5, 5))[y, x]
    return lab


class Followed(NamedTuple):
    """Points of the object in another frame."""

    begin: np.ndarray
    """``(N, 2)``: at the frame spoken of."""
    end: np.ndarray

    @classmethod
    def to(cls, truth: Looked, thing: Thing, number: int, points: np.ndarray) -> Followed:
        step = 1 if number > thing.frame else -1
        luma = [truth.luma[n] for n in range(thing.frame, number + step, step)]
        places, kept = tracked(luma, points)
        begin, end = points[kept, 0], places[kept]
        own = colors_at(truth.rgb[thing.frame], begin), colors_at(truth.rgb[number], end)
        same = differences(*own) < LIMIT
        return cls(begin[same], end[same])


def points_in(luma: np.ndarray, mask: np.ndarray, least: float) -> np.ndarray:
    found: Any = cv2.goodFeaturesToTrack(luma, 300, least, 5, mask=mask)
    return np.zeros((0, 1, 2), np.float32) if found is None else found


def described(found: np.ndarray) -> str:
    if not len(found):
        return f"{'no points':>24}"
    return f"{found.mean():6.1f}{np.median(found):6.1f}{100 * (found < LIMIT).mean():6.0f} %{len(found):5}"


class Row(NamedTuple):
    word: str
    frame: float
    asked: float | None
    before: np.ndarray
    after: np.ndarray

    def __str__(self) -> str:
        asked = f"{'':6}" if self.asked is None else f"{self.asked:6.1f}"
        return f"{self.word:12}{self.frame:6.1f}{asked}   {described(self.before)}   {described(self.after)}"


def measure(thing: Thing, chosen: dict[str, Any], strips: Path | None, name: str) -> Iterator[Row]:
    film = (DATA / "video" / "demo" / thing.film).resolve()
    space = space_of(film)
    truth = look(film, thing, space)
    time, (first, stop) = truth.times[thing.frame], thing.part
    assert {thing.frame - AWAY, thing.frame + AWAY} <= set(range(first, stop))
    chosen = {**chosen, "start": truth.times[first], "end": truth.times.get(stop)}
    luma = truth.luma[thing.frame]
    mask, near = inside(thing, luma.shape), discs(thing, luma.shape)
    rim = 2 * (min(luma.shape) // 160) + 1
    mask = cv2.erode(mask, np.ones((rim, rim), np.uint8))
    ways = {
        where: [Followed.to(truth, thing, thing.frame + by, points) for by in (-AWAY, AWAY)]
        for where, points in (("all", points_in(luma, mask, 0.005)), ("near", points_in(luma, near, 0.001)))
    }
    with tempfile.TemporaryDirectory() as place:
        folder, hints = Path(place) / "anchors", Path(place) / "hints.json"
        before, after = paint(film, space, folder, thing, time, chosen)
        color = picture_lab(after)[mask > 0].mean(0)
        asked = codes_of(color)
        hint(hints, thing, time, asked)
        results = {}
        for word, said in (("paint", {"anchors": str(folder)}), ("hints", {"hints": str(hints)})):
            target = Path(place) / f"{word}.mkv"
            vidcolor.colorize(film, target, codec="ffv1", **chosen, **said)
            results[word] = look(target, thing, space, first)
            assert all(np.array_equal(results[word].luma[n], truth.luma[n]) for n in truth.luma)
    if strips is not None:
        for word, result in results.items():
            write_strip(strips / f"{name}-{word}.png", truth, result)

    wanted, here = cv2.blur(picture_lab(after), (5, 5)), results["paint"].rgb
    yield Row(
        "paint",
        at_frame(before, after, here[thing.frame]),
        None,
        *(
            differences(colors_at(here[thing.frame + by], way.end), wanted_at(wanted, way.begin))
            for by, way in zip((-AWAY, AWAY), ways["all"], strict=True)
        ),
    )
    here = results["hints"].rgb
    for word, where, pixels in (("hints", "near", near), ("hints, all", "all", mask)):
        lab = picture_lab(here[thing.frame])[pixels > 0]
        yield Row(
            word,
            float(differences(lab, shown(asked, luma[pixels > 0], space), light=True).mean()),
            float(differences(lab, np.broadcast_to(color, lab.shape)).mean()),
            *(
                differences(
                    colors_at(here[thing.frame + by], way.end), np.broadcast_to(color, (len(way.end), 3))
                )
                for by, way in zip((-AWAY, AWAY), ways[where], strict=True)
            ),
        )
    was = picture_lab(before)[mask > 0]
    none = np.zeros(0)
    yield Row("plain", float(differences(was, picture_lab(after)[mask > 0]).mean()), None, none, none)


def wanted_at(blurred: np.ndarray, places: np.ndarray) -> np.ndarray:
    x, y = np.rint(places).astype(int).T
    found: np.ndarray = blurred[y, x]
    return found


def write_strip(path: Path, truth: Looked, result: Looked) -> None:
    """Frames 24 and 12 before, the one spoken of, 12 and 24 after: the film's own above the result."""
    rows = []
    for looked in (truth, result):
        pictures = [looked.rgb[number] for number in sorted(looked.rgb)]
        scale = 400 / pictures[0].shape[1]
        rows.append(
            np.hstack(
                [cv2.resize(p, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) for p in pictures]
            )
        )
    cv2.imwrite(str(path), cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("things", nargs="*", metavar="OBJECT", help=f"of {', '.join(THINGS)}")
    parser.add_argument("--strips", type=Path, help="folder for pictures of what was looked at")
    parser.add_argument("--model", default="default")
    parser.add_argument("--anchor-every", type=int, default=RunOptions().anchor_every)
    options = parser.parse_args()
    if unknown := set(options.things) - set(THINGS):
        parser.error(f"no object is called {sorted(unknown)[0]!r}; there are {', '.join(THINGS)}")
    if options.strips is not None:
        options.strips.mkdir(parents=True, exist_ok=True)
    chosen = {
        "model": options.model,
        "anchor_every": options.anchor_every,
        "device": "cpu",
        "keep_colour": "off",
    }
    columns = "  mean  med.   < 6  points"
    print(f"{'':22}at frame asked {f'{AWAY} frames before':>24}{f'{AWAY} frames after':>28}")
    print(f"{'':37}{columns}  {columns}")
    for name in options.things or THINGS:
        for number, row in enumerate(measure(THINGS[name], chosen, options.strips, name)):
            print(f"{'' if number else name:12}{row}", flush=True)


if __name__ == "__main__":
    main()
