"""Colours a few frames of a film step by step and shows them beside the grey ones.

    python examples/frames_by_hand.py clip.mp4 sheet.png [--model NAME|FILE] [--every 24]

The same steps as ``vidcolor.colorize`` takes for every frame, written out for a still picture: luma to
lightness, a small copy of it to the model, the model's ab to the picture's size, and luma with ab to
RGB, so that luma stays what it was.
"""

from __future__ import annotations

import argparse
from itertools import islice
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch

import vidcolor
from vidcolor.color.planes import ColorSpace, ab_to_chroma, chroma_to_rgb

NETWORK_SIDE = 192
SHEET_WIDTH = 320
ROWS = 8

Image = npt.NDArray[Any]


def main() -> None:
    parser = argparse.ArgumentParser(description="Colours a few frames of a film step by step.")
    parser.add_argument("source")
    parser.add_argument("sheet", help="the PNG to write")
    parser.add_argument("--model", default="default")
    parser.add_argument("--every", type=int, default=24, help="take every n-th frame (default: 24)")
    arguments = parser.parse_args()

    model = vidcolor.load_model(arguments.model)
    with vidcolor.open_video(arguments.source) as film:
        video = film.video
        space = ColorSpace.of(video.tags, height=video.height, width=video.width, bit_depth=video.bit_depth)
        frames = islice(film.frames(), arguments.every // 2, None, arguments.every)
        rows = [side_by_side(frame.luma, model, space) for frame in islice(frames, ROWS)]
    if not rows or not cv2.imwrite(arguments.sheet, np.vstack(rows)[..., ::-1]):  # OpenCV writes BGR
        raise SystemExit(f"could not write {arguments.sheet}")
    print(f"{len(rows)} frames, grey and coloured: {arguments.sheet}")


def side_by_side(luma: Image, model: Any, space: ColorSpace) -> Image:
    """The grey and the coloured picture, ``(H, 2 * SHEET_WIDTH, 3)`` uint8 RGB."""
    small = resized(luma, width=SHEET_WIDTH)
    ab = predict_ab(space.lightness_table[small], model)
    scale, offset = space.luma_scale
    y = torch.from_numpy(((small - offset) / scale).clip(0, 1))
    a, b = torch.from_numpy(ab).double()
    cb, cr = ab_to_chroma(y, a, b, space)
    return np.hstack([to_rgb(y, cb * 0, cr * 0, space), to_rgb(y, cb, cr, space)])


def predict_ab(lightness: Image, model: Any) -> Image:
    """a and b, ``(2, H, W)`` float32 in Lab units, of lightness ``(H, W)`` in [0, 100]."""
    height, width = lightness.shape
    factor = NETWORK_SIDE / min(height, width)
    copy = cv2.resize(
        lightness, (round(width * factor), round(height * factor)), interpolation=cv2.INTER_AREA
    )
    ab = model.infer(torch.from_numpy(copy)[None, None])[0].numpy()
    return np.stack([cv2.resize(plane, (width, height)) for plane in ab])


def to_rgb(y: torch.Tensor, cb: torch.Tensor, cr: torch.Tensor, space: ColorSpace) -> Image:
    rgb = chroma_to_rgb(y, cb, cr, space).permute(1, 2, 0)
    return (rgb.clamp(0, 1) * 255).round().to(torch.uint8).numpy()


def resized(luma: Image, *, width: int) -> Image:
    height = round(luma.shape[0] * width / luma.shape[1])
    return cv2.resize(luma, (width, height), interpolation=cv2.INTER_AREA)


if __name__ == "__main__":
    main()
