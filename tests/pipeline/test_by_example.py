"""Colour by example, through whole runs: the same camera by day, other pictures, and what is refused."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

import vidcolor
from tests.reels import Planes, planes_of, scene, write_reel
from vidcolor.errors import InputError
from vidcolor.frames import ChromaLayout, ColorTags, VideoInfo
from vidcolor.pipeline.anchors import write_anchors
from vidcolor.pipeline.by_example import read_reference
from vidcolor.pipeline.options import RunOptions
from vidcolor.temporal.reference import SRGB

SIZE = (192, 256)
SMALL = {"codec": "ffv1", "network_size": 192, "device": "cpu"}
FRAMES = 28
SRGB_WORDS = SRGB.transfer, SRGB.primaries, SRGB.matrix


def grey(number: int, planes: Planes) -> None:
    for plane in planes[1:]:
        plane[:] = 128


def night(number: int, planes: Planes) -> None:
    """Half as bright, with noise, and without colour."""
    light = 16 + (planes[0].astype(float) - 16) / 2
    light += np.random.default_rng(number).normal(0, 4, light.shape)
    planes[0][:] = np.clip(np.rint(light), 0, 255)
    grey(number, planes)


def crossing() -> tuple[list[np.ndarray], list[np.ndarray]]:
    """A place that something crosses, and where that is not."""
    day = scene(7, SIZE)
    pictures, still = [], []
    for number in range(FRAMES):
        picture, mask = day.copy(), np.zeros(SIZE, np.uint8)
        left = 8 * number - 20
        for target, color in ((picture, (200, 180, 40)), (mask, 1)):
            cv2.rectangle(target, (left, 80), (left + 30, 120), color, -1)
        pictures.append(picture)
        still.append(cv2.dilate(mask, np.ones((15, 15))) == 0)
    return pictures, still


def save(path: Path, rgb: np.ndarray) -> str:
    cv2.imwrite(str(path), cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
    return str(path)


def chroma_error(
    found: list[Planes], truth: list[Planes], still: list[np.ndarray], share: float
) -> np.ndarray:
    """Mean squared error of chroma where nothing moves, for each frame; the truth's is ``share`` of it."""
    errors = []
    for one, other, mask in zip(found, truth, still, strict=True):
        left = [
            a.astype(float) - 128 - share * (b.astype(float) - 128)
            for a, b in zip(one[1:], other[1:], strict=True)
        ]
        errors.append(np.mean([plane[mask[::2, ::2]] ** 2 for plane in left]))
    return np.array(errors)


@pytest.mark.parametrize("every", [12, None], ids=["anchored", "each by itself"])
def test_a_fixed_cameras_day_gives_its_nights_colours_in_every_frame(
    tmp_path: Path, every: int | None
) -> None:
    pictures, still = crossing()
    day = save(tmp_path / "day.png", scene(7, SIZE))
    truth = write_reel(tmp_path / "day.mkv", pictures)
    dark = write_reel(tmp_path / "a.mkv", pictures, edit=night)
    vidcolor.colorize(tmp_path / "a.mkv", tmp_path / "auto.mkv", anchor_every=every, **SMALL)
    told = vidcolor.colorize(
        tmp_path / "a.mkv", tmp_path / "told.mkv", reference=day, anchor_every=every, **SMALL
    )
    assert told.notices == ()
    found = planes_of(tmp_path / "told.mkv")
    assert all(np.array_equal(a[0], b[0]) for a, b in zip(found, dark, strict=True))
    # In half the luma, colour of the same hue and saturation has half the chroma.
    auto = chroma_error(planes_of(tmp_path / "auto.mkv"), truth, still, 0.5)
    errors = chroma_error(found, truth, still, 0.5)
    assert 10 * np.log10(auto.mean() / errors.mean()) > 6
    assert errors.max() < auto.mean() / 2  # in frames between anchors too


def test_what_a_person_says_counts_more_than_a_picture_at_all_anchors(tmp_path: Path) -> None:
    place = scene(7, SIZE)
    cv2.rectangle(place, (100, 60), (150, 110), (200, 40, 40), -1)
    write_reel(tmp_path / "a.mkv", [place] * 26, edit=grey)
    hints = tmp_path / "hints.json"
    hints.write_text('[{"time": 0, "x": 125, "y": 85, "radius": 12, "color": "#2828c8"}]')
    told = {"hints": hints, "reference": save(tmp_path / "day.png", place), "model": "grey"}
    vidcolor.colorize(tmp_path / "a.mkv", tmp_path / "b.mkv", anchor_every=12, **told, **SMALL)
    for planes in planes_of(tmp_path / "b.mkv"):
        assert planes[1][40:44, 60:64].mean() > 180  # blue; the picture says 112
        assert planes[1][5:40, 5:40].std() > 5  # and the picture is heard where nobody else speaks


def test_the_same_run_gives_the_same_film(tmp_path: Path) -> None:
    pictures, _ = crossing()
    day = save(tmp_path / "day.png", scene(7, SIZE))
    write_reel(tmp_path / "a.mkv", pictures[:14], edit=night)
    for name in ("b", "c"):
        vidcolor.colorize(tmp_path / "a.mkv", tmp_path / f"{name}.mkv", reference=[day], **SMALL)
    for one, other in zip(planes_of(tmp_path / "b.mkv"), planes_of(tmp_path / "c.mkv"), strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_cut_ends_what_was_learnt_of_a_place(tmp_path: Path) -> None:
    place, other = scene(7, SIZE), scene(8, SIZE)
    write_reel(tmp_path / "a.mkv", [place] * 14 + [other] * 14, edit=grey)
    write_reel(tmp_path / "other.mkv", [other] * 14, edit=grey)
    day = save(tmp_path / "day.png", place)
    told = {"reference": day, "anchor_every": None, "model": "grey", **SMALL}
    vidcolor.colorize(tmp_path / "a.mkv", tmp_path / "b.mkv", **told)
    found = planes_of(tmp_path / "b.mkv")
    assert min(np.ptp(planes[1]) for planes in found[:14]) > 40
    assert max(np.ptp(planes[1]) for planes in found[14:]) < 12


def test_a_picture_that_matches_nothing_is_named(tmp_path: Path) -> None:
    write_reel(tmp_path / "a.mkv", [scene(9, SIZE)] * 8, edit=grey)
    other = save(tmp_path / "elsewhere.png", scene(21, (240, 320)))
    done = vidcolor.colorize(tmp_path / "a.mkv", tmp_path / "b.mkv", reference=other, **SMALL)
    vidcolor.colorize(tmp_path / "a.mkv", tmp_path / "c.mkv", **SMALL)
    assert len(done.notices) == 1
    assert done.notices[0].startswith("elsewhere.png matches nothing in the film")
    for one, plain in zip(planes_of(tmp_path / "b.mkv"), planes_of(tmp_path / "c.mkv"), strict=True):
        assert np.abs(one[1].astype(int) - plain[1]).mean() < 1


def test_what_cannot_serve_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    write_reel(tmp_path / "a.mkv", [scene(9)] * 2, edit=grey)
    text = tmp_path / "text.png"
    text.write_text("no picture")
    plain = save(tmp_path / "grey.png", np.repeat(scene(9)[..., :1], 3, 2))
    save(tmp_path / "whole.jpg", scene(9))
    cut = tmp_path / "cut.jpg"
    cut.write_bytes((tmp_path / "whole.jpg").read_bytes()[:-100])
    for path, problem in (
        (tmp_path / "none.png", "cannot be read"),
        (tmp_path, "cannot be read"),
        (text, "is no picture"),
        (cut, "The reference '.*cut.jpg' is cut short"),
        (plain, "is grey"),
    ):
        with pytest.raises(InputError, match=problem):
            vidcolor.colorize(tmp_path / "a.mkv", tmp_path / "b.mkv", reference=path, **SMALL)
        assert not (tmp_path / "b.mkv").exists()


def video(**tags: str) -> VideoInfo:
    return VideoInfo(
        0, "h264", 64, 48, "yuv420p", 8, ChromaLayout(1, 1), ColorTags(**tags), Fraction(1), 0, "progressive",
        Fraction(1, 24), None, None, None,
    )  # fmt: skip


def test_pictures_are_turned_and_brought_to_srgb_as_they_say(tmp_path: Path) -> None:
    rgb = scene(1)
    turned = Image.fromarray(np.ascontiguousarray(np.rot90(rgb)))
    exif = turned.getexif()
    exif[0x112] = 6
    plain = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()  # fits no picture of R, G, B
    wide = Image.fromarray(rgb)
    turned.save(tmp_path / "turned.png", exif=exif, icc_profile=plain)
    assert np.array_equal(read_reference(str(tmp_path / "turned.png"), video(), 10**6).rgb, rgb)
    # sRGB's own profile under another name, with red and blue changed for each other.
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile = profile.replace(b"s\0R\0G\0B", b"x\0R\0G\0B")
    red, blue = profile.index(b"rXYZ"), profile.index(b"bXYZ")
    profile[red : red + 4], profile[blue : blue + 4] = b"bXYZ", b"rXYZ"
    wide.save(tmp_path / "wide.png", icc_profile=bytes(profile))
    found = read_reference(str(tmp_path / "wide.png"), video(), 10**6).rgb
    assert np.abs(found[..., ::-1].astype(int) - rgb).max() <= 3


@pytest.mark.parametrize(
    ("tags", "transfer", "primaries", "matrix"),
    [
        ({"matrix": "smpte170m", "transfer": "gamma22"}, "gamma22", None, "smpte170m"),
        ({}, None, None, "smpte170m"),
        ({"matrix": "bt2020nc", "transfer": "smpte2084", "primaries": "bt2020"}, *SRGB_WORDS),
        ({"matrix": "bt709", "transfer": "arib-std-b67"}, *SRGB_WORDS),
        ({"matrix": "bt2020nc", "primaries": "bt2020"}, *SRGB_WORDS),
    ],
)
def test_pictures_are_read_as_the_films_codes_where_these_are_like_them(
    tmp_path: Path, tags: dict[str, str], transfer: str | None, primaries: str | None, matrix: str
) -> None:
    reference = read_reference(save(tmp_path / "a.png", scene(1)), video(**tags), 10**6)
    space = reference.reading.space
    assert (space.transfer, space.primaries, space.matrix) == (transfer, primaries, matrix)


def test_a_picture_larger_than_allowed_is_refused(tmp_path: Path) -> None:
    path, pixels = save(tmp_path / "a.png", scene(1)), 96 * 128
    assert read_reference(path, video(), pixels).rgb.shape == (96, 128, 3)
    with pytest.raises(InputError, match="is 128x96, more than --max-pixels"):
        read_reference(path, video(), pixels - 1)


def test_a_picture_nobody_asked_is_not_said_to_match_nothing(tmp_path: Path) -> None:
    write_reel(tmp_path / "a.mkv", [scene(7, SIZE)] * 10)
    day = save(tmp_path / "day.png", scene(8, SIZE))
    done = vidcolor.colorize(tmp_path / "a.mkv", tmp_path / "b.mkv", reference=day, **SMALL)
    assert [notice.partition(":")[0] for notice in done.notices] == ["The film is in colour already"]


def test_each_picture_is_asked_whatever_others_show(tmp_path: Path) -> None:
    place = scene(7, SIZE)
    write_reel(tmp_path / "a.mkv", [place] * 2, edit=grey)
    pictures = [save(tmp_path / "day.png", place), save(tmp_path / "part.png", place[20:180, 30:220])]
    done = vidcolor.colorize(
        tmp_path / "a.mkv", tmp_path / "b.mkv", reference=pictures, anchor_every=None, **SMALL
    )
    assert done.notices == ()


def mean_chroma(planes: Planes) -> float:
    return float(np.abs(planes[1].astype(float) - 128).mean())


def test_a_shot_whose_colour_fades_gives_what_it_had_before(tmp_path: Path) -> None:
    def fading(number: int, planes: Planes) -> None:
        for plane in planes[1:]:
            plane[:] = np.rint(128 + (plane.astype(float) - 128) * np.clip((30 - number) / 8, 0, 1))

    truth = write_reel(tmp_path / "day.mkv", [scene(7, SIZE)])
    write_reel(tmp_path / "a.mkv", [scene(7, SIZE)] * 48, edit=fading)
    vidcolor.colorize(tmp_path / "a.mkv", tmp_path / "b.mkv", model="grey", **SMALL)
    found = planes_of(tmp_path / "b.mkv")
    assert mean_chroma(found[-1]) > 0.8 * mean_chroma(truth[0])
    # What anchors are written with is what the run makes.
    write_anchors(
        tmp_path / "a.mkv", tmp_path / "d", RunOptions(model="grey", network_size=192, device="cpu")
    )
    last = cv2.imread(str(sorted((tmp_path / "d").glob("*.png"))[-2]))
    assert last is not None
    assert float(np.ptp(last, axis=2).mean()) > 20


def test_a_films_own_colour_is_an_example_to_its_grey_shots(tmp_path: Path) -> None:
    def later(number: int, planes: Planes) -> None:
        if number >= 12:
            night(number, planes)

    truth = write_reel(tmp_path / "day.mkv", [scene(7, SIZE)] * FRAMES)
    write_reel(tmp_path / "a.mkv", [scene(7, SIZE)] * FRAMES, edit=later)
    write_reel(tmp_path / "alone.mkv", [scene(7, SIZE)] * (FRAMES - 12), edit=night)
    for name in ("a", "alone"):
        vidcolor.colorize(tmp_path / f"{name}.mkv", tmp_path / f"{name}-out.mkv", **SMALL)
    still = [np.ones(SIZE, bool)] * (FRAMES - 12)
    own = chroma_error(planes_of(tmp_path / "a-out.mkv")[12:], truth[12:], still, 0.5)
    alone = chroma_error(planes_of(tmp_path / "alone-out.mkv"), truth[12:], still, 0.5)
    assert own.mean() < alone.mean() / 4


def test_pictures_are_turned_as_the_film_is(tmp_path: Path) -> None:
    turned = scene(7, SIZE)
    upright = np.ascontiguousarray(np.rot90(turned))
    write_reel(tmp_path / "plain.mkv", [turned] * 8, edit=grey)
    with av.open(str(tmp_path / "plain.mkv")) as source, av.open(str(tmp_path / "a.mov"), "w") as out:
        stream = out.add_stream("mpeg4", rate=24, options={"qmin": "1", "qmax": "1"})
        stream.width, stream.height, stream.pix_fmt = SIZE[1], SIZE[0], "yuv420p"
        stream.set_display_rotation(90)
        for frame in source.decode(video=0):
            frame.pict_type = 0
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    day = save(tmp_path / "day.png", upright)
    vidcolor.colorize(tmp_path / "a.mov", tmp_path / "b.mkv", reference=day, model="grey", **SMALL)
    found = planes_of(tmp_path / "b.mkv")[4]
    truth = write_reel(tmp_path / "truth.mkv", [turned])[0]
    for one, other in zip(found[1:], truth[1:], strict=True):
        assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.9
