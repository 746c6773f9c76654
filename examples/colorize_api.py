"""Colours a film from Python, with progress.

python examples/colorize_api.py clip.mp4 clip.color.mp4 [--model NAME|FILE]
"""

from __future__ import annotations

import argparse

import vidcolor


def main() -> None:
    parser = argparse.ArgumentParser(description="Colours a film from Python.")
    parser.add_argument("source")
    parser.add_argument("output")
    parser.add_argument("--model", default="default")
    arguments = parser.parse_args()

    # Everything `vidcolor run` can be told is a field of vidcolor.RunOptions, and a keyword here.
    try:
        summary = vidcolor.colorize(
            arguments.source,
            arguments.output,
            model=arguments.model,
            overwrite=True,
            notify=print,
            progress=lambda p: print(f"\rframe {p.frame}/{p.total or '?'}, {p.fps:.1f} a second", end=""),
        )
    except vidcolor.VidcolorError as error:
        raise SystemExit(f"could not colour {arguments.source}: {error}") from error
    print(f"\n{summary.frames} frames in {summary.seconds:.1f} s: {summary.output}")


if __name__ == "__main__":
    main()
