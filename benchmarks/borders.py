#!/usr/bin/env python3
"""What black borders cost: colour inside them, where the network is shown what they leave and where all.

    python benchmarks/borders.py [--seconds 2] [--size 480] [--share 0.16] [--model NAME|FILE] [CLIP ...]

Colour films are made grey, get borders above and below (letterbox) or on both sides (pillarbox), and are
coloured by `vidcolor run` with its defaults. Gain: PSNR of R'G'B' over that of grey, in dB, inside.
"""

from __future__ import annotations

import argparse
import tempfile
from contextlib import nullcontext
from pathlib import Path
from unittest import mock

import av
import numpy as np
from clips import DATA
from stillness import CODEC, shrink_film

import vidcolor

WAYS = {"no borders": (0, 0), "letterbox": (1, 0), "pillarbox": (0, 1)}


def framed(truth: Path, target: Path, rows: int, columns: int) -> None:
    """The film in grey with black borders of that many rows and columns."""
    with av.open(str(truth)) as film, av.open(str(target), "w") as out:
        stream = film.streams.video[0]
        height, width = stream.height + 2 * rows, stream.width + 2 * columns
        made = out.add_stream(CODEC["codec"], rate=stream.average_rate)
        made.width, made.height, made.pix_fmt = width, height, "yuv420p"
        for number, frame in enumerate(film.decode(stream)):
            codes = np.full((height * 3 // 2, width), 128, np.uint8)
            codes[:height] = 16
            codes[rows : rows + frame.height, columns : columns + frame.width] = frame.to_ndarray()[
                : frame.height
            ]
            grey = av.VideoFrame.from_ndarray(codes, "yuv420p")
            grey.pts, grey.time_base = number, 1 / stream.average_rate
            out.mux(made.encode(grey))
        out.mux(made.encode())


def gain(result: Path, truth: Path, rows: int, columns: int) -> float:
    """Mean over frames of PSNR inside the borders over grey's, in dB."""
    gains = []
    with av.open(str(result)) as ours, av.open(str(truth)) as true:
        for frame, wanted in zip(ours.decode(video=0), true.decode(video=0), strict=True):
            height, width = wanted.height, wanted.width
            inside = frame.to_ndarray()
            inside = inside[frame.height :].reshape(2, frame.height // 2, frame.width // 2)
            inside = inside[:, rows // 2 :, columns // 2 :][:, : height // 2, : width // 2]
            luma = wanted.to_ndarray()[:height]
            grey, made = (np.vstack((luma, chroma.reshape(-1, width)))
                          for chroma in (np.full_like(inside, 128), inside))  # fmt: skip
            shown = [shown_as(codes) for codes in (grey, made)]
            errors = [np.mean((one - shown_as(wanted.to_ndarray())) ** 2) for one in shown]
            gains.append(10 * np.log10(errors[0] / errors[1]))
    return float(np.mean(gains))


def shown_as(codes: np.ndarray) -> np.ndarray:
    rgb = av.VideoFrame.from_ndarray(np.ascontiguousarray(codes), "yuv420p").to_ndarray(format="rgb24")
    return rgb.astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    demo = sorted(p for p in (DATA / "video" / "demo").iterdir() if p.suffix in (".mp4", ".avi", ".gif"))
    parser.add_argument("clips", nargs="*", type=Path, default=demo)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--size", type=int, default=480, help="long side, in pixels")
    parser.add_argument("--share", type=float, default=0.16, help="of a side that each border has beside it")
    parser.add_argument("--model", default="default")
    options = parser.parse_args()
    rows_of: dict[str, list[list[float]]] = {name: [] for name in WAYS}
    for clip in options.clips:
        with tempfile.TemporaryDirectory() as folder:
            truth, grey, made = (Path(folder) / f"{name}.mkv" for name in ("truth", "grey", "made"))
            shrink_film(clip, truth, options.seconds, options.size, grey=False)
            with av.open(str(truth)) as film:
                sides = film.streams.video[0].height, film.streams.video[0].width
            for name, along in WAYS.items():
                cut = [
                    2 * round(one * options.share * side / 2) for one, side in zip(along, sides, strict=True)
                ]
                framed(truth, grey, *cut)
                found = []
                for ways in (
                    nullcontext(),
                    mock.patch("vidcolor.pipeline.colorist.window_in", return_value=None),
                ):
                    with ways:
                        vidcolor.colorize(grey, made, model=options.model, overwrite=True, **CODEC)
                    found.append(gain(made, truth, *cut))
                rows_of[name].append(found)
                told = f"inside shown {found[0]:+6.2f} dB   all shown {found[1]:+6.2f} dB"
                print(f"{clip.name:32} {name:10}  {told}", flush=True)
    for name, rows in rows_of.items():
        inside, whole = np.mean(rows, 0)
        print(f"mean, {name:10}  inside shown {inside:+6.2f} dB   all shown {whole:+6.2f} dB")


if __name__ == "__main__":
    main()
