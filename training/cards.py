"""Grey pictures that are drawn, to learn from beside photographs: what nothing is known of stays grey.

A network that has only seen photographs finds a scene in everything: sky in a bare road, lamplight in a game.
Shown things that are no photograph, all grey, it keeps colour for what it knows (Hendrycks et al. 2019, deep
anomaly detection with outlier exposure).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import held_out
import numpy as np
import numpy.typing as npt

__all__ = ["CARDS", "draw"]

Card = npt.NDArray[np.uint8]
Picture = npt.NDArray[np.float32]

FONTS = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_TRIPLEX,
         cv2.FONT_HERSHEY_COMPLEX, cv2.FONT_HERSHEY_SCRIPT_COMPLEX)  # fmt: skip
FIGURES = "ABCDEFGHIJKLMNOPQRSTUVWXYZ 0123456789 0123456789:!+"
CORNERS = np.array([(0, 0), (1, 0), (1, 1), (0, 1)])
SMALLEST, LARGEST = 4, 90
"""Radii of what lies in a heap, in pixels."""


def draw(kind: str, folder: Path) -> Path:
    """``folder`` with grey cards of a kind of :data:`CARDS` as ``train/KIND/NNN.png``; ``test`` has two."""
    if folder.exists():
        return folder
    count, card = CARDS[kind]
    aside = folder.with_name(folder.name + ".part")
    shutil.rmtree(aside, ignore_errors=True)
    for number in range(count):
        to = aside / ("test" if number < 2 else "train") / kind
        to.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(to / f"{number:03d}.png"), card(np.random.default_rng(number)))
    return aside.rename(folder)


def title(rng: np.random.Generator) -> Card:
    """A card, ``(160, 160 to 284)`` uint8 grey."""
    height, width = held_out.SHORT_SIDE, int(rng.integers(160, 285))
    dark, light = rng.integers(0, 90), rng.integers(150, 256)
    ground, ink = (dark, light) if rng.random() < 0.8 else (light, dark)
    slope = np.linspace(-1, 1, width)[None] * rng.uniform(-25, 25)
    slope = slope + np.linspace(-1, 1, height)[:, None] * rng.uniform(-25, 25)
    card = np.clip(ground + slope, 0, 255).astype(np.uint8)
    if rng.random() < 0.4:
        edge = int(rng.integers(4, 14))
        cv2.rectangle(card, (edge, edge), (width - edge, height - edge), float(ink), int(rng.integers(1, 4)))
    font, size = FONTS[rng.integers(len(FONTS))], rng.uniform(0.35, 1.1)
    lines = int(rng.integers(1, 1 + min(6, int(4 / size))))
    for line in range(lines):
        letters = "".join(rng.choice(list("ABCDEFGHIJKLMNOPQRSTUVWXYZ  abcdefghijklmnopqrstuvwxyz.,!'"), 24))
        text = letters[: max(int(width / (22 * size)), 2)]
        wide = cv2.getTextSize(text, font, size, 1)[0][0]
        down = int(height * (line + 1) / (lines + 1))
        thick = int(rng.integers(1, 3))
        cv2.putText(card, text, ((width - wide) // 2, down), font, size, float(ink), thick, cv2.LINE_AA)
    noise = rng.normal(0, rng.uniform(0, 8), card.shape)
    return np.clip(card + noise, 0, 255).round().astype(np.uint8)


def ground(rng: np.random.Generator) -> Card:
    """A card, ``(160, 160 to 284)`` uint8 grey: a road, a floor, a wall, with nothing on it that tells its
    colour but lines, arrows, and small things with a shadow."""
    height, width = held_out.SHORT_SIDE, int(rng.integers(160, 285))
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    card = rng.uniform(50, 225) + x * rng.uniform(-30, 30) + y * rng.uniform(-30, 30)
    for _ in range(int(rng.integers(0, 3))):  # a wall behind a floor, a kerb
        turn, far = rng.uniform(0, 2 * np.pi), rng.uniform(0.1, 0.9)
        beyond = x * np.cos(turn) + y * np.sin(turn) > far
        card = np.where(beyond, card + rng.uniform(-60, 60) + x * rng.uniform(-20, 20), card)
    blotches = rng.normal(0, 1, (6, 8)) * rng.uniform(0, 12)
    card = card + cv2.resize(blotches, (width, height), interpolation=cv2.INTER_CUBIC)
    card = np.clip(card, 0, 255).astype(np.uint8)
    size = np.array([width, height])
    towards = rng.uniform(-0.5, 1.5, 2) * size  # where lines meet
    for _ in range(int(rng.integers(0, 6))):
        begin, ink = rng.uniform(-0.1, 1.1, 2) * size, float(rng.choice([20, 60, 200, 245]))
        pieces, wide = int(rng.choice([1, 1, 5, 9])), int(rng.integers(1, 6))
        for piece in range(0, pieces, 2):
            ends = [begin + (towards - begin) * (piece + n) / pieces for n in (0, 1)]
            line = cv2.arrowedLine if rng.random() < 0.2 else cv2.line
            line(card, *(tuple(int(v) for v in end) for end in ends), ink, wide, cv2.LINE_AA)
    for _ in range(int(rng.integers(0, 4))):
        place, half = rng.uniform(0, 1, 2) * size, rng.uniform(3, 25, 2)
        for shift, ink in ((half / 3, 30.0), (0, float(rng.uniform(20, 240)))):
            low, high = (tuple(int(v) for v in place + shift + sign * half) for sign in (-1, 1))
            cv2.rectangle(card, low, high, ink, -1)
    noise = rng.normal(0, rng.uniform(0, 8), card.shape)
    if rng.random() < 0.5:
        noise = cv2.GaussianBlur(noise, (0, 0), rng.uniform(0.5, 2))
    card = np.clip(card + noise, 0, 255).round().astype(np.uint8)
    return cv2.GaussianBlur(card, (0, 0), rng.uniform(0.3, 1.5))


def scene(rng: np.random.Generator) -> Card:
    """A card, ``(160, 160 to 284)`` uint8 grey: what is drawn by a machine, under a lamp or not, with figures
    and words before it."""
    height, width = held_out.SHORT_SIDE, int(rng.integers(160, 285))
    drawn = (board, corridor, heap)[int(rng.integers(3))](rng, height, width)
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    if rng.random() < 0.6:  # a lamp
        place, wide = rng.uniform(-0.6, 0.6, 2), rng.uniform(0.3, 1.5)
        lit = np.exp(-((x - place[0]) ** 2 + (y - place[1]) ** 2) / wide)
        drawn = drawn * (rng.uniform(0, 0.6) + lit)
    card = np.clip(drawn, 0, 255).astype(np.uint8)
    for _ in range(int(rng.integers(0, 5))):
        font, size = FONTS[rng.integers(len(FONTS))], rng.uniform(0.25, 0.8)
        text = "".join(rng.choice(list(FIGURES), int(rng.integers(2, 12))))
        left, low = rng.uniform(0, 0.9, 2) * (width, height) + (0, 10)
        ink = float(rng.choice([255, 220, 150, 20]))
        cv2.putText(card, text, (int(left), int(low)), font, size, ink, 1, cv2.LINE_AA)
    noise = rng.normal(0, rng.uniform(0, 8), card.shape)
    card = np.clip(card + noise, 0, 255).round().astype(np.uint8)
    return cv2.GaussianBlur(card, (0, 0), rng.uniform(0.3, 1.5))


def board(rng: np.random.Generator, height: int, width: int) -> Picture:
    """Tiles on a ground, with a grid or without."""
    card = np.full((height, width), rng.uniform(0, 160), np.float32)
    step, line = int(rng.integers(5, 24)), float(rng.uniform(0, 200))
    left, top = (int(place) for place in rng.integers(0, step, 2))
    if rng.random() < 0.7:
        card[top::step] = line
        card[:, left::step] = line
    inks, filled = rng.uniform(0, 255, int(rng.integers(2, 6))), rng.uniform(0.02, 0.4)
    heaped = rng.random() < 0.5
    for row, v in enumerate(range(top, height, step)):
        for u in range(left, width, step):
            if rng.random() < filled * (2 * row * step / height if heaped else 1):
                card[v : v + step - 1, u : u + step - 1] = rng.choice(inks)
    return card


def corridor(rng: np.random.Generator, height: int, width: int) -> Picture:
    """Boxes and bars that run to one point, as faces or as wires."""
    size = np.array([width, height], float)
    card = np.full((height, width), rng.uniform(0, 200), np.float32)
    towards, shade = rng.uniform(0.2, 0.8, 2) * size, rng.uniform(-0.6, 0.6)
    filled = rng.random() < 0.6
    for _ in range(int(rng.integers(3, 22))):
        corner, extent = rng.uniform(-0.2, 1.1, 2) * size, rng.uniform(0.03, 0.6, 2) * size
        front = corner + CORNERS * extent
        back = front + (towards - front) * rng.uniform(0.2, 0.9)
        tone = float(rng.uniform(0, 240))
        for n in range(4):
            face = (
                np.array([front[n], front[(n + 1) % 4], back[(n + 1) % 4], back[n]]).round().astype(np.int32)
            )
            ink = float(np.clip(tone * (1 + shade * (n % 2)) + 15 * (n - 2), 0, 255))
            if filled:
                cv2.fillConvexPoly(card, face, ink, cv2.LINE_AA)
            if not filled or rng.random() < 0.4:
                edge = float(np.clip(ink + rng.uniform(-80, 120), 0, 255))
                cv2.polylines(card, [face], True, edge, 1, cv2.LINE_AA)
        if filled:
            cv2.fillConvexPoly(card, front.round().astype(np.int32), tone, cv2.LINE_AA)
    return card


def heap(rng: np.random.Generator, height: int, width: int) -> Picture:
    """Discs and boards of many sizes, one on the other (dead leaves, Lee, Mumford and Huang 2001),
    shaded, some of them striped."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    card = np.full((height, width), rng.uniform(0, 255), np.float32)
    power = rng.uniform(1.5, 3) - 1
    for _ in range(int(rng.integers(8, 90))):
        radius = SMALLEST * (1 - rng.random() * (1 - (SMALLEST / LARGEST) ** power)) ** (-1 / power)
        place = rng.uniform(0, 1, 2) * (width, height)
        turn, flat, kind = rng.uniform(0, np.pi), rng.uniform(0.2, 1), rng.integers(3)
        u = (x - place[0]) * np.cos(turn) + (y - place[1]) * np.sin(turn)
        v = ((y - place[1]) * np.cos(turn) - (x - place[0]) * np.sin(turn)) / flat
        inside = u * u + v * v < radius**2 if kind < 2 else np.maximum(abs(u), abs(v)) < radius
        tone = rng.uniform(0, 255) + rng.uniform(-40, 40) * u / radius
        if rng.random() < 0.2:
            tone = tone + rng.uniform(10, 60) * np.sign(np.sin(v * rng.uniform(0.3, 2)))
        card = np.where(inside, tone, card)
    return card.astype(np.float32)


CARDS: dict[str, tuple[int, Callable[[np.random.Generator], Card]]] = {
    "titles": (200, title),
    "grounds": (400, ground),
    "scenes": (600, scene),
}
"""How many there are of a kind, and by what they are drawn: text and titles, what shows nothing but a plain
ground, and what is no photograph."""
