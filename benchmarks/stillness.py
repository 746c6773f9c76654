#!/usr/bin/env python3
"""How still the colour of whole runs is: anchored beside every frame by itself.

    python benchmarks/stillness.py [--seconds 4] [--size 640] [--model NAME|FILE] [--smooth S] [CLIP ...]

Colour films are made grey and coloured again by `vidcolor run`, once with its defaults and once with
`--anchor-every off`. CDC (as the NTIRE 2023 challenge ranks by it) beside the truth's own, at best equal;
warp error of chroma alone, in codes, along motion measured on the luma; colourfulness (Hasler and Süsstrunk).
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import av
from clips import DATA

import vidcolor
from vidcolor.evaluation.film import evaluate_pair
from vidcolor.pipeline.options import RunOptions

CODEC = {"codec": "ffv1"}


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


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    demo = sorted(p for p in (DATA / "video" / "demo").iterdir() if p.suffix in (".mp4", ".avi", ".gif"))
    parser.add_argument("clips", nargs="*", type=Path, default=demo)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--size", type=int, default=640, help="long side, in pixels")
    parser.add_argument("--model", default="default")
    parser.add_argument("--smooth", type=float, default=RunOptions().smooth)
    options = parser.parse_args()
    for clip in options.clips:
        with tempfile.TemporaryDirectory() as folder:
            paths = {name: Path(folder) / f"{name}.mkv" for name in ("truth", "grey", "frames", "anchored")}
            for name in ("truth", "grey"):
                shrink_film(clip, paths[name], options.seconds, options.size, grey=name == "grey")
            vidcolor.colorize(paths["grey"], paths["frames"], model=options.model, anchor_every=None, **CODEC)
            anchored_in = {"model": options.model, "smooth": options.smooth, **CODEC}
            vidcolor.colorize(paths["grey"], paths["anchored"], **anchored_in)
            both = [
                evaluate_pair(paths[n], paths["truth"]).data["steadiness"] for n in ("frames", "anchored")
            ]
        frames, anchored, truth = both[0]["result"], both[1]["result"], both[1]["truth"]
        print(
            f"{clip.name:32} CDC over the truth's: frames {frames['cdc'] / truth['cdc']:5.2f}"
            f"  anchored {anchored['cdc'] / truth['cdc']:5.2f}"
            f"   chroma warp error: truth {truth['stillness']:5.3f}"
            f"  frames {frames['stillness']:5.3f}  anchored {anchored['stillness']:5.3f}"
            f" ({anchored['stillness'] / max(frames['stillness'], 1e-9):.2f})   colourfulness:"
            f" frames {frames['colorfulness']:5.1f}  anchored {anchored['colorfulness']:5.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
