"""RGB of decoded frames, against the matrices that the rest of vidcolor uses."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from tests.clips import _plane, make_clip
from tests.pipeline.test_anchored import write_film
from vidcolor.datasets.frames import FilmPictures
from vidcolor.datasets.options import BuildOptions
from vidcolor.frames import Frame
from vidcolor.media.picture import upright_size
from vidcolor.media.reader import VideoReader

WHOLE = BuildOptions(size=None, borders=False)


def rgb_of(clip: Path, number: int = 0) -> np.ndarray:
    with VideoReader(clip, pictures=True) as reader:
        frames: list[Frame] = list(reader.frames())
        make = FilmPictures(clip, reader.video, WHOLE)
        (picture,) = make(frames[number], [(0, 0, *make.size)])
    return picture


def expected(clip: Path, matrix: str, full: bool, bits: int = 8) -> np.ndarray:
    """R′G′B′ of the first frame from its 4:4:4 planes, by H.273 §8.3, 0 to 255."""
    with av.open(str(clip)) as container:
        frame = next(container.decode(video=0))
        luma, cb, cr = (_plane(frame, n).astype(float) / 2 ** (bits - 8) for n in range(3))
    kr, kb = {"bt709": (0.2126, 0.0722), "smpte170m": (0.299, 0.114), "bt2020nc": (0.2627, 0.0593)}[matrix]
    y = luma / 255 if full else (luma - 16) / 219
    cb, cr = ((cb - 128) / (255 if full else 224), (cr - 128) / (255 if full else 224))
    red, blue = y + 2 * (1 - kr) * cr, y + 2 * (1 - kb) * cb
    green = (y - kr * red - kb * blue) / (1 - kr - kb)
    return np.clip(np.stack((red, green, blue), -1) * 255, 0, 255)


@pytest.mark.parametrize(
    ("tags", "pix_fmt", "matrix", "full"),
    [
        (("limited", "bt709", "bt709", "bt709"), "yuv444p", "bt709", False),
        (("limited", "smpte170m", "bt709", "bt709"), "yuv444p", "smpte170m", False),
        (("full", "bt709", "bt709", "bt709"), "yuv444p", "bt709", True),
        ((None, None, None, None), "yuv444p", "smpte170m", False),
        (("limited", "bt709", "bt709", "bt709"), "yuv444p10le", "bt709", False),
    ],
)
def test_the_films_matrix_and_range_are_used(
    tmp_path: Path, tags: tuple[str | None, ...], pix_fmt: str, matrix: str, full: bool
) -> None:
    clip = make_clip(
        tmp_path / "a.mkv", frames=2, codec="ffv1", pix_fmt=pix_fmt, colourful=True, color=tags, options={}
    )  # type: ignore[arg-type]
    bits = 10 if "10" in pix_fmt else 8
    assert np.abs(rgb_of(clip) - expected(clip, matrix, full, bits)).max() <= 2


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p", "bgr0", "yuva420p", "yuv420p10le"])
def test_every_kind_of_pixels_gives_the_same_picture(tmp_path: Path, pix_fmt: str) -> None:
    tags = ("limited", "smpte170m", "bt709", "bt709") if pix_fmt.startswith("yuv") else None
    made = {
        name: make_clip(
            tmp_path / f"{name}.mkv",
            frames=2,
            codec="ffv1",
            pix_fmt=name,
            colourful=True,
            color=tags if name == pix_fmt else ("limited", "smpte170m", "bt709", "bt709"),
            options={},
        )
        for name in {pix_fmt, "yuv444p"}
    }
    reference = rgb_of(made["yuv444p"]).astype(int)
    difference = np.abs(rgb_of(made[pix_fmt]).astype(int) - reference)
    assert difference.mean() < 6
    assert np.median(difference) <= 3


def test_a_turned_film_is_seen_upright(tmp_path: Path) -> None:
    options = {"size": (64, 48), "frames": 2, "colourful": True}
    plain = make_clip(tmp_path / "a.mp4", **options)  # type: ignore[arg-type]
    upright = rgb_of(plain)
    for degrees, mirrored in ((90, False), (180, False), (270, False), (0, True), (90, True)):
        name = f"{degrees}-{mirrored}.mp4"
        turned = make_clip(tmp_path / name, rotation=degrees, mirrored=mirrored, **options)  # type: ignore[arg-type]
        picture = rgb_of(turned)
        assert picture.shape[:2] == ((64, 48) if degrees % 180 else (48, 64))
        seen = np.rot90(upright, degrees // 90)
        assert np.abs(picture.astype(int) - (seen[:, ::-1] if mirrored else seen)).max() <= 1


def test_borders_of_a_mirrored_film_are_cut_where_they_are_seen(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    stored = np.full((96, 160), 16, np.uint8)
    stored[20:, 40:] = cv2.resize(rng.integers(60, 220, (10, 15), np.uint8), (120, 76))
    clip = write_film(tmp_path / "a.mkv", [stored] * 12, mirrored=True)
    with VideoReader(clip, pictures=True) as reader:
        frame = next(reader.frames())
        make = FilmPictures(clip, reader.video, BuildOptions(size=None, resize=None))
        (picture,) = make(frame, [(0, 0, *make.size)])
        x, y, width, height = make.place((0, 0, *make.size))
    seen = ((stored[:, ::-1].astype(float) - 16) / 219 * 255)[y : y + height, x : x + width]
    assert (width, height) == (pytest.approx(118, abs=4), pytest.approx(74, abs=4))
    assert x < 4
    assert np.abs(picture[..., 1] - seen).mean() < 2


def test_samples_become_square(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.mp4", size=(64, 48), frames=2, sar=Fraction(2), colourful=True)
    with VideoReader(clip) as reader:
        assert upright_size(reader.video) == (128, 48)
    assert rgb_of(clip).shape == (48, 128, 3)


def test_a_wide_gamut_film_is_shown_as_srgb(tmp_path: Path) -> None:
    tags = ("limited", "bt2020nc", "bt2020", "smpte2084")
    clip = make_clip(
        tmp_path / "a.mkv", frames=1, codec="ffv1", pix_fmt="yuv444p10le", color=tags, options={}
    )
    picture = rgb_of(clip).astype(int)
    assert np.ptp(picture, axis=-1).max() <= 1  # neutral stays neutral
    code = expected(clip, "bt2020nc", False, 10)[..., 0] / 255
    # PQ's 0.58 is graphics white (BT.2408): what is above is clipped.
    assert (picture[code > 0.6] == 255).all()
    below = picture[..., 0][(code > 0.49) & (code < 0.51)]
    assert below.size
    assert np.abs(below - 180).max() < 20  # 92 of 203 cd/m², as sRGB


def test_parts_are_cut_where_they_lie(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.mp4", size=(64, 48), frames=2, colourful=True)
    with VideoReader(clip, pictures=True) as reader:
        frame = next(iter(reader.frames()))
        make = FilmPictures(clip, reader.video, WHOLE)
        whole, part = make(frame, [(0, 0, 64, 48), (10, 20, 30, 16)])
        assert np.array_equal(part, whole[20:36, 10:40])
        assert make.place((10, 20, 30, 16)) == (10, 20, 30, 16)
