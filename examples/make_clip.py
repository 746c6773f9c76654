"""Makes a short black-and-white film with sound, out of photographs that come with scikit-image.

    python examples/make_clip.py [-o clip.mp4] [--colour truth.mp4] [--seconds 7]

Four shots with a slow pan and zoom and a chord each, 640x360 at 24 frames a second. Needs no download.
With ``--colour`` it also writes the same film in its true colours, to compare a result with.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import numpy.typing as npt
import skimage.data

WIDTH, HEIGHT, RATE = 640, 360, 24
SAMPLE_RATE = 48_000

# Photograph; the window at the shot's beginning and at its end, as centre x, centre y and width in
# shares of the photograph; the shot's chord in Hz, which changes with the picture so that one can
# hear whether sound and picture still belong together.
SHOTS = (
    ("rocket", (0.50, 0.66, 0.70), (0.50, 0.34, 0.92), (220.00, 277.18, 329.63)),
    ("coffee", (0.50, 0.50, 0.98), (0.56, 0.50, 0.70), (196.00, 246.94, 293.66)),
    ("chelsea", (0.44, 0.42, 0.98), (0.54, 0.44, 0.80), (174.61, 220.00, 261.63)),
    ("astronaut", (0.46, 0.62, 0.90), (0.44, 0.30, 0.72), (220.00, 261.63, 329.63)),
)

Picture = npt.NDArray[np.float32]
Plane = npt.NDArray[np.uint8]


def main() -> None:
    parser = argparse.ArgumentParser(description="Makes a short black-and-white film with sound.")
    parser.add_argument("-o", "--output", type=Path, default=Path("clip.mp4"))
    parser.add_argument("--colour", type=Path, help="also write the film in its true colours here")
    parser.add_argument("--seconds", type=float, default=7.0, help="length of the film (default: 7)")
    options = parser.parse_args()
    frames_per_shot = max(1, round(options.seconds * RATE / len(SHOTS)))
    write_film(options.output, frames_per_shot, colour=False)
    if options.colour:
        write_film(options.colour, frames_per_shot, colour=True)


def write_film(path: Path, frames_per_shot: int, *, colour: bool) -> None:
    """Encodes the shots, with their sound, as H.264 and AAC."""
    with av.open(str(path), "w") as film:
        video = film.add_stream("libx264", rate=RATE, options={"crf": "16", "preset": "fast"})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        video.time_base = video.codec_context.time_base = Fraction(1, RATE)
        tag(video.codec_context)
        audio = film.add_stream("aac", rate=SAMPLE_RATE, layout="stereo")
        for shot in range(len(SHOTS)):
            for number, (y, cb, cr) in enumerate(shot_frames(shot, frames_per_shot)):
                if not colour:
                    cb, cr = np.full_like(cb, 128), np.full_like(cr, 128)
                frame = tagged_frame(y, cb, cr)
                frame.pts, frame.time_base = shot * frames_per_shot + number, Fraction(1, RATE)
                film.mux(video.encode(frame))
            film.mux(audio.encode(shot_sound(shot, frames_per_shot)))
        film.mux(video.encode())
        film.mux(audio.encode())


def shot_frames(shot: int, count: int) -> Iterator[tuple[Plane, Plane, Plane]]:
    """Y', Cb and Cr of a window that glides over the shot's photograph."""
    name, first, last, _ = SHOTS[shot]
    photograph: npt.NDArray[Any] = getattr(skimage.data, name)()[..., :3]
    for number in range(count):
        share = number / max(1, count - 1)
        share = share * share * (3 - 2 * share)  # starts and stops softly
        x, y, width = ((1 - share) * np.array(first) + share * np.array(last)).tolist()
        yield to_ycbcr(window(photograph, x, y, width))


def window(photograph: npt.NDArray[Any], x: float, y: float, width: float) -> Picture:
    """RGB in [0, 1], HEIGHT x WIDTH, of the part of a photograph around (x, y)."""
    full_height, full_width = photograph.shape[:2]
    # Never over the photograph's edge, whatever its shape.
    scale = min(width * full_width, full_height * WIDTH / HEIGHT) / WIDTH
    half_x, half_y = WIDTH * scale / 2, HEIGHT * scale / 2
    centre_x = min(max(x * full_width, half_x), full_width - half_x)
    centre_y = min(max(y * full_height, half_y), full_height - half_y)
    # Maps a pixel of the frame to a place on the photograph; pixels have their centres at .5.
    matrix = np.array(
        [
            [scale, 0, centre_x - half_x + (scale - 1) / 2],
            [0, scale, centre_y - half_y + (scale - 1) / 2],
        ]
    )
    picture = cv2.warpAffine(
        photograph.astype(np.float32) / 255,
        matrix,
        (WIDTH, HEIGHT),
        flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    return np.clip(picture, 0, 1).astype(np.float32)


def to_ycbcr(rgb: Picture) -> tuple[Plane, Plane, Plane]:
    """Limited-range BT.709, 4:2:0 (ITU-R BT.709-6, items 3.2 to 3.5)."""
    luma = rgb @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    small = cv2.resize(rgb, (WIDTH // 2, HEIGHT // 2), interpolation=cv2.INTER_AREA)
    small_luma = small @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    cb = (small[..., 2] - small_luma) / 1.8556
    cr = (small[..., 0] - small_luma) / 1.5748
    return coded(16 + 219 * luma), coded(128 + 224 * cb), coded(128 + 224 * cr)


def coded(values: Picture) -> Plane:
    return np.round(values).astype(np.uint8)


def tag(holder: av.VideoFrame | av.VideoCodecContext) -> None:
    """Says what the samples mean."""
    holder.colorspace = holder.color_primaries = holder.color_trc = 1  # H.273: 1 is BT.709 in all three
    holder.color_range = 1  # limited


def tagged_frame(y: Plane, cb: Plane, cr: Plane) -> av.VideoFrame:
    """One frame for the encoder."""
    frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
    for plane, samples in zip(frame.planes, (y, cb, cr), strict=True):
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
        rows[:, : plane.width] = samples
    tag(frame)
    return frame


def shot_sound(shot: int, frames: int) -> av.AudioFrame:
    """The shot's chord, faded in and out, as long as its frames."""
    count = frames * SAMPLE_RATE // RATE
    seconds = np.arange(count) / SAMPLE_RATE
    tones = sum(np.sin(2 * np.pi * hertz * seconds) for hertz in SHOTS[shot][3])
    fade = np.minimum(1, np.minimum(seconds, seconds[::-1]) / 0.15)
    wave = (0.06 * tones * fade).astype(np.float32)
    frame = av.AudioFrame.from_ndarray(np.stack((wave, wave)), format="fltp", layout="stereo")
    frame.sample_rate = SAMPLE_RATE
    frame.pts, frame.time_base = shot * count, Fraction(1, SAMPLE_RATE)
    return frame


if __name__ == "__main__":
    main()
