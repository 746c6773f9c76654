"""Stretches of film drawn from photographs: things of every kind passing before each other.

Colour films to learn from are few. What carrying colour has to learn, which of two anchors to believe where
things hide each other, photographs that move show as well: cut out along blobs, at speeds from still to a
tenth of the picture a frame, blurred by their motion, with a camera's noise and a codec's traces. In a rush
they are larger and faster, so that much of a frame is in neither anchor.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import cv2
import numpy as np
import numpy.typing as npt

__all__ = ["CALM", "RUSH", "Manner", "drawn"]

SIZES = ((216, 384), (288, 384))
EXPOSURE = 0.6
"""Of the time between two frames that a frame is blurred over."""
STILL = 0.4
"""Share of stretches whose camera stands still."""

Picture = npt.NDArray[np.float32]


class Manner(NamedTuple):
    """How things move; speeds in pixels a frame."""

    things: int
    """At most."""
    sizes: tuple[float, float]
    """Heights of the photographs they are cut from, in heights of the frame."""
    speed: tuple[float, float, float]
    """Mean and deviation of its logarithm, and the highest."""
    camera: tuple[float, float]
    """Mean, where the camera moves, and the highest."""
    looks: int
    """Pictures that a frame's blur is made of."""
    passing: float
    """When a thing is where it is at home: at most so far from the stretch's middle, in its lengths."""


CALM = Manner(3, (0.3, 1.3), (1.2, 1.0, 40.0), (1.5, 8.0), 3, 0.0)
RUSH = Manner(4, (0.6, 3.0), (2.6, 0.8, 90.0), (4.0, 30.0), 7, 0.5)


class _Path:
    """Where a photograph lies in each frame: an affine map, smooth in time."""

    def __init__(
        self, rng: np.random.Generator, speed: float, centre: tuple[float, float], scale: float
    ) -> None:
        self.when = 0.0
        """It is at home at that time."""
        angle = rng.uniform(0, 2 * math.pi)
        self._speed = speed * math.cos(angle), speed * math.sin(angle) * 0.6
        self._centre, self._scale = centre, scale
        restless = min(speed, 8.0) * rng.uniform(0, 1)
        self._swing = rng.normal(0, restless + 1e-6, 2), rng.uniform(0.1, 0.6), rng.uniform(0, 6)
        self._turn, self._angle = rng.normal(0, 0.004) * speed, 0.0 if speed == 0 else rng.normal(0, 0.1)
        self._grow = rng.normal(0, 0.002) * min(speed, 4.0)

    def at(self, time: float, about: tuple[float, float]) -> npt.NDArray[np.float64]:
        """``(2, 3)``: from places in the photograph, ``about`` its middle, to places in the frame."""
        time -= self.when
        scale = self._scale * math.exp(self._grow * time)
        angle = self._angle + self._turn * time
        swing, rate, phase = self._swing
        x, y = (c + v * time + s * math.sin(rate * time + phase)
                for c, v, s in zip(self._centre, self._speed, swing, strict=True))  # fmt: skip
        cos, sin = scale * math.cos(angle), scale * math.sin(angle)
        return np.array([[cos, -sin, x - cos * about[0] + sin * about[1]],
                         [sin, cos, y - sin * about[0] - cos * about[1]]])  # fmt: skip


class _Surface:
    """What a thing does to itself: it bends, and light and shade go over it; its colours stay."""

    def __init__(self, rng: np.random.Generator, restless: float) -> None:
        self._bend = rng.exponential(1.2) * restless
        self._shade = min(rng.exponential(0.12), 0.4) * restless
        self._waves = rng.uniform((0.01, 0.01, 0.05, 0), (0.06, 0.06, 0.5, 6), (3, 4))

    def at(self, picture: Picture, time: float) -> Picture:
        """``(H, W, 3 or 4)`` at a time in frames, of the same shape; a mask in the last plane only bends."""
        rows, columns = np.mgrid[: picture.shape[0], : picture.shape[1]].astype(np.float32)
        over, across, light = (
            np.sin(x * columns + y * rows + rate * time + phase).astype(np.float32)
            for x, y, rate, phase in self._waves
        )
        bent: Picture = cv2.remap(
            picture, columns + self._bend * over, rows + self._bend * across, cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REFLECT,
        )  # fmt: skip
        bent[..., :3] *= (1 + self._shade * light)[..., None]
        return bent


def _blob(rng: np.random.Generator, height: int, width: int) -> Picture:
    """A mask ``(height, width)`` in [0, 1], one to four lumps with soft edges."""
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    mask = np.zeros((height, width), np.float32)
    for _ in range(int(rng.integers(1, 5))):
        y, x = height * rng.uniform(0.3, 0.7), width * rng.uniform(0.3, 0.7)
        angle = np.arctan2(rows - y, columns - x)
        radius = min(height, width) * rng.uniform(0.1, 0.3)
        edge = radius * (
            1 + sum(rng.normal(0, 0.12) * np.cos(k * angle + rng.uniform(0, 6)) for k in (1, 2, 3, 5))
        )
        far = np.hypot((rows - y) * rng.uniform(0.5, 1), columns - x)
        mask = np.maximum(mask, np.clip((edge - far) / 1.5 + 0.5, 0, 1))
    return mask


def drawn(
    photographs: Sequence[Path], rng: np.random.Generator, count: int, manner: Manner = CALM
) -> list[npt.NDArray[np.uint8]]:
    """Frames ``(h, w, 3)`` as Y, Cr, Cb, ``count`` of them, of photographs taken at random."""
    height, width = SIZES[int(rng.integers(len(SIZES)))]
    middle = count / 2

    def photograph() -> Picture:
        picture = cv2.imread(str(photographs[int(rng.integers(len(photographs)))])).astype(np.float32)
        # Enlarged photographs are smoother than films: cloth and grass have a grain of their own.
        grain = rng.normal(0, rng.exponential(0.05), picture.shape[:2]).astype(np.float32)
        return picture * (1 + cv2.blur(grain, (2, 1)))[..., None]

    ground = photograph()
    cover = 1.25 * max(height / ground.shape[0], width / ground.shape[1])
    mean, highest = manner.camera
    camera = 0.0 if rng.random() < STILL else float(min(rng.exponential(mean), highest))
    layers = [(ground, _Path(rng, camera, (width / 2, height / 2), cover), _Surface(rng, 0.1))]
    for _ in range(int(rng.integers(1, manner.things + 1))):
        thing = photograph()
        mask = _blob(rng, *thing.shape[:2])
        size = rng.uniform(*manner.sizes) * height / thing.shape[0]
        speed = float(min(rng.lognormal(*manner.speed[:2]), manner.speed[2]))
        home = width * rng.uniform(0, 1), height * rng.uniform(0.1, 1)
        path = _Path(rng, speed, home, size)
        if manner.passing:
            path.when = rng.uniform(-manner.passing, manner.passing) * count
        layers.append((np.dstack((thing * mask[..., None], mask)), path, _Surface(rng, 1.0)))
    wavers = rng.normal(0, 0.02) if rng.random() < 0.3 else 0.0
    noise, coarse = rng.uniform(0, 4) * (rng.random() < 0.7), rng.uniform(0, 1) * (rng.random() < 0.5)
    frames = []
    for number in range(count):
        seen = np.zeros((height, width, 3), np.float32)
        bent = [(surface.at(picture, number), path) for picture, path, surface in layers]
        for look in range(manner.looks):
            time = number - middle + EXPOSURE * look / manner.looks
            seen += _shown(bent, time, height, width) / manner.looks
        seen *= 1 + wavers * math.sin(number * 0.7)
        ycc = cv2.cvtColor(np.clip(seen, 0, 255).astype(np.uint8), cv2.COLOR_BGR2YCrCb).astype(np.float32)
        ycc[..., 0] += rng.normal(0, 1, ycc.shape[:2]) * noise
        ycc[..., 1:] += rng.normal(0, 1, (*ycc.shape[:2], 2)) * coarse
        frames.append(np.clip(np.rint(ycc), 0, 255).astype(np.uint8))
    return _encoded(frames, int(rng.integers(16, 32))) if rng.random() < 0.8 else frames


def _shown(
    layers: Sequence[tuple[Picture, _Path]], time: float, height: int, width: int
) -> npt.NDArray[np.float32]:
    (ground, camera), *things = layers
    middle = ground.shape[1] / 2, ground.shape[0] / 2
    canvas = cv2.warpAffine(ground, camera.at(time, middle), (width, height), borderMode=cv2.BORDER_REFLECT)
    for thing, path in things:
        at = path.at(time, (thing.shape[1] / 2, thing.shape[0] / 2))
        moved = cv2.warpAffine(thing, at, (width, height))
        canvas = canvas * (1 - moved[..., 3:]) + moved[..., :3]
    return canvas


def _encoded(frames: Sequence[npt.NDArray[np.uint8]], crf: int) -> list[npt.NDArray[np.uint8]]:
    """Through H.264 and back: a codec lets colour stand still where little moves."""
    height, width = frames[0].shape[:2]
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as container:
        stream = container.add_stream(
            "libx264", Fraction(24), {"crf": str(crf), "preset": "veryfast", "threads": "1"}
        )
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for picture in frames:
            container.mux(stream.encode(_frame(picture)))
        container.mux(stream.encode(None))
    file.seek(0)
    found = []
    with av.open(file) as container:
        for frame in container.decode(video=0):
            planes = frame.reformat(format="yuv444p").to_ndarray()
            found.append(np.ascontiguousarray(planes[[0, 2, 1]].transpose(1, 2, 0)))
    return found


def _frame(picture: npt.NDArray[np.uint8]) -> av.VideoFrame:
    planes = np.ascontiguousarray(picture[..., [0, 2, 1]].transpose(2, 0, 1))
    return av.VideoFrame.from_ndarray(planes, format="yuv444p").reformat(format="yuv420p")
