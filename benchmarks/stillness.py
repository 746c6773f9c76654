#!/usr/bin/env python3
"""How still the colour of whole runs is: anchored beside every frame by itself.

    python benchmarks/stillness.py [--seconds 4] [--size 640] [--model NAME|FILE] [--read KEY=VALUE]
        [--smooth S] [CLIP ...]

Colour films are made grey and coloured again by `vidcolor run`, once with its defaults and once with
`--anchor-every off`. CDC (as the NTIRE 2023 challenge ranks by it) beside the truth's own, at best equal;
warp error of chroma alone, in codes, along motion measured on the luma; colourfulness (Hasler and Süsstrunk).

The least: the warp error of colour that follows that very motion. The anchored colours of one frame of every
second are moved along it, each time from that frame; of pixels that can be followed so far, beside what the
two runs have on the same pixels. It is the measure's own: moving colour by parts of a pixel changes it. In
whole codes: the same, rounded to 8 bits at the film's own size, as a film of 8 bits has to be.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
from clips import DATA

import vidcolor
from vidcolor.color.resize import shrink
from vidcolor.evaluation.film import evaluate_pair
from vidcolor.metrics import Motion, MotionTracker
from vidcolor.motion import follow, grid, scaled, warp
from vidcolor.pipeline.options import RunOptions

CODEC = {"codec": "ffv1"}
MOTION_SIDE = 192
"""As the evaluation has it."""


def shrink_film(source: Path, target: Path, seconds: float, long_side: int, *, grey: bool) -> None:
    """The film's beginning as H.264 4:2:0, at most so large; grey: chroma neutral."""
    with av.open(str(source)) as film, av.open(str(target), "w") as out:
        stream = film.streams.video[0]
        scale = min(1.0, long_side / max(stream.width, stream.height))
        width, height = (2 * round(side * scale / 2) for side in (stream.width, stream.height))
        made = out.add_stream("libx264", rate=stream.average_rate, options={"crf": "8", "preset": "veryfast"})
        made.width, made.height, made.pix_fmt = width, height, "yuv420p"
        for number, frame in enumerate(film.decode(stream)):
            if number >= seconds * stream.average_rate:
                break
            planes = frame.reformat(width, height, "yuv420p").to_ndarray()
            if grey:
                planes[height:] = 128
            small = av.VideoFrame.from_ndarray(planes, "yuv420p")
            small.pts, small.time_base = number, 1 / stream.average_rate
            out.mux(made.encode(small))
        out.mux(made.encode())


def rate_of(path: Path) -> float:
    with av.open(str(path)) as film:
        return float(film.streams.video[0].average_rate or 25)


def planes_of(path: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Y′ of each frame as the evaluation measures it, ``(h, w)``, and Cb and Cr as the film has them,
    ``(H / 2, W / 2, 2)`` uint8."""
    found = []
    with av.open(str(path)) as film:
        for frame in film.decode(video=0):
            height, width = frame.height, frame.width
            scale = min(1.0, MOTION_SIDE / max(height, width))
            codes = frame.to_ndarray()  # planar 4:2:0
            chroma = codes[height:].reshape(2, height // 2, width // 2)
            luma = shrink(codes[:height], max(round(height * scale), 1), max(round(width * scale), 1))
            found.append((luma, np.dstack(list(chroma))))
    return found


def as_measured(chroma: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Cb and Cr, ``(h, w, 2)`` float32 codes, as the evaluation measures them."""
    return np.dstack([shrink(plane.astype(np.float32), *size) for plane in np.moveaxis(chroma, 2, 0)])


def chroma_error(chroma: np.ndarray, before: np.ndarray, motion: Motion, where: np.ndarray) -> float:
    """Mean difference in codes, as the warp error's, over some pixels."""
    return float(np.abs(chroma - warp(before, follow(motion.flow)))[where].mean())


def least_error(films: Sequence[Path], again: int) -> list[float]:
    """Warp error of chroma of the last film's colour moved along the measured motion, of the same in whole
    codes, and of each film on the same pixels; the motion starts anew every ``again`` frames."""
    planes = [planes_of(path) for path in films]
    tracker, sums = MotionTracker(), []
    height, width = size = planes[0][0][0].shape
    before: list[np.ndarray] = []
    for number, pictures in enumerate(zip(*planes, strict=True)):
        chroma = [as_measured(whole, size) for _, whole in pictures]
        motion = tracker.add(pictures[0][0].astype(np.uint8))
        if motion is None or number % again == 0:
            start, large = chroma[-1], pictures[-1][1].astype(np.float32)
            places, sure = grid(height, width).copy(), np.ones((height, width), np.float32)
            moved = [start, start]
        else:
            at = follow(motion.flow)
            places, sure = warp(places, at), warp(sure, at, outside=0.0) * motion.visible
            codes = np.rint(warp(large, scaled(places, *large.shape[:2])))
            last, moved = moved, [warp(start, places), as_measured(codes, size)]
            if (where := sure > 0.99).any():
                pairs = zip((*moved, *chroma), (*last, *before), strict=True)
                sums.append([chroma_error(*pair, motion, where) for pair in pairs])
        before = chroma
    return [float(mean) for mean in np.mean(sums, axis=0)] if sums else [float("nan")] * (2 + len(films))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    demo = sorted(p for p in (DATA / "video" / "demo").iterdir() if p.suffix in (".mp4", ".avi", ".gif"))
    parser.add_argument("clips", nargs="*", type=Path, default=demo)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--size", type=int, default=640, help="long side, in pixels")
    parser.add_argument("--model", default="default")
    parser.add_argument("--read", default=[], action="append", type=lambda text: tuple(text.split("=", 1)))
    parser.add_argument("--smooth", type=float, default=RunOptions().smooth)
    options = parser.parse_args()
    for clip in options.clips:
        with tempfile.TemporaryDirectory() as folder:
            paths = {name: Path(folder) / f"{name}.mkv" for name in ("truth", "grey", "frames", "anchored")}
            for name in ("truth", "grey"):
                shrink_film(clip, paths[name], options.seconds, options.size, grey=name == "grey")
            by = {"model": options.model, "read": tuple(options.read), **CODEC}
            vidcolor.colorize(paths["grey"], paths["frames"], anchor_every=None, **by)
            vidcolor.colorize(paths["grey"], paths["anchored"], smooth=options.smooth, **by)
            both = [
                evaluate_pair(paths[n], paths["truth"]).data["steadiness"] for n in ("frames", "anchored")
            ]
            again = round(rate_of(paths["truth"]))
            least = least_error([paths["frames"], paths["anchored"]], again)
        frames, anchored, truth = both[0]["result"], both[1]["result"], both[1]["truth"]
        print(
            f"{clip.name:32} CDC over the truth's: frames {frames['cdc'] / truth['cdc']:5.2f}"
            f"  anchored {anchored['cdc'] / truth['cdc']:5.2f}"
            f"   chroma warp error: truth {truth['stillness']:5.3f}"
            f"  frames {frames['stillness']:5.3f}  anchored {anchored['stillness']:5.3f}"
            f" ({anchored['stillness'] / max(frames['stillness'], 1e-9):.3f})   colourfulness:"
            f" frames {frames['colorfulness']:5.1f}  anchored {anchored['colorfulness']:5.1f}"
            f" ({anchored['colorfulness'] / max(frames['colorfulness'], 1e-9):.3f})"
            f"   followed pixels: least {least[0]:5.3f}  in whole codes {least[1]:5.3f}"
            f"  frames {least[2]:5.3f}  anchored {least[3]:5.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
