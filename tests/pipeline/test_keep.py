"""Film that is partly in colour: shots in colour pass sample for sample, the others are coloured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import vidcolor
from tests.clips import make_clip
from tests.reels import Planes, planes_of, scene, write_reel

LOSSLESS = {"codec": "ffv1", "model": "tiny", "network_size": 32, "device": "cpu"}
FIRST, SECOND, END = 16, 40, 60
"""A grey shot, one in colour from here, a grey one from here."""


def grey(number: int, planes: Planes) -> None:
    for plane in planes[1:]:
        plane[:] = 128 if plane.dtype == np.uint8 else 512


def grey_ends(number: int, planes: Planes) -> None:
    if not FIRST <= number < SECOND:
        grey(number, planes)


def reel() -> list[np.ndarray]:
    shots = [scene(1), scene(2), scene(3)]
    return [np.roll(shots[(n >= FIRST) + (n >= SECOND)], n // 4, 1) for n in range(END)]


def is_grey(planes: Planes) -> bool:
    return all(np.ptp(plane) == 0 for plane in planes[1:])


@pytest.mark.parametrize("every", [48, None], ids=["anchored", "each by itself"])
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv444p", "yuv420p10le", "yuv444p10le"])
def test_a_shot_in_colour_is_kept_and_the_others_are_coloured(
    tmp_path: Path, pix_fmt: str, every: int | None
) -> None:
    before = write_reel(tmp_path / "a.mkv", reel(), pix_fmt, grey_ends)
    done = vidcolor.colorize(tmp_path / "a.mkv", tmp_path / "b.mkv", anchor_every=every, **LOSSLESS)
    after = planes_of(tmp_path / "b.mkv")
    assert len(after) == END
    for number, (one, other) in enumerate(zip(before, after, strict=True)):
        assert np.array_equal(one[0], other[0])
        kept = all(np.array_equal(a, b) for a, b in zip(one[1:], other[1:], strict=True))
        assert kept == (FIRST <= number < SECOND)
    assert done.notices == (
        "1 of 3 shots was in colour already and was kept as it is;"
        " --keep-colour off colours everything anew.",
    )


def test_grey_shots_are_coloured_as_if_they_were_alone(tmp_path: Path) -> None:
    write_reel(tmp_path / "mixed.mkv", reel(), edit=grey_ends)
    write_reel(tmp_path / "first.mkv", reel()[:FIRST], edit=grey)
    for name in ("mixed", "first"):
        vidcolor.colorize(tmp_path / f"{name}.mkv", tmp_path / f"{name}-out.mkv", **LOSSLESS)
    mixed, first = planes_of(tmp_path / "mixed-out.mkv"), planes_of(tmp_path / "first-out.mkv")
    for one, other in zip(mixed, first, strict=False):
        for a, b in zip(one, other, strict=True):
            assert np.array_equal(a, b)


def test_a_change_without_a_cut_is_found_to_the_frame(tmp_path: Path) -> None:
    """A camera that goes over to infra-red, and back."""
    before = write_reel(tmp_path / "a.mkv", [scene(4)] * END, edit=grey_ends)
    vidcolor.colorize(tmp_path / "a.mkv", tmp_path / "b.mkv", **LOSSLESS)
    same = [
        np.array_equal(one[1], other[1])
        for one, other in zip(before, planes_of(tmp_path / "b.mkv"), strict=True)
    ]
    assert same == [FIRST <= number < SECOND for number in range(END)]


def test_off_colours_all_of_it(tmp_path: Path) -> None:
    write_reel(tmp_path / "a.mkv", reel(), edit=grey_ends)
    write_reel(tmp_path / "grey.mkv", reel(), edit=grey)
    one = vidcolor.colorize(tmp_path / "a.mkv", tmp_path / "b.mkv", keep_colour="off", **LOSSLESS)
    vidcolor.colorize(tmp_path / "grey.mkv", tmp_path / "c.mkv", **LOSSLESS)
    assert one.notices == ()
    for a, b in zip(planes_of(tmp_path / "b.mkv"), planes_of(tmp_path / "c.mkv"), strict=True):
        assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_a_film_in_colour_is_kept_and_that_is_said(tmp_path: Path) -> None:
    before = write_reel(tmp_path / "a.mkv", reel())
    done = vidcolor.colorize(tmp_path / "a.mkv", tmp_path / "b.mkv", **LOSSLESS)
    for one, other in zip(before, planes_of(tmp_path / "b.mkv"), strict=True):
        assert all(np.array_equal(x, y) for x, y in zip(one, other, strict=True))
    assert done.notices == (
        "The film is in colour already: nothing was coloured; --keep-colour off colours everything anew.",
    )


def tint(number: int, planes: Planes) -> None:
    light = planes[0][::2, ::2].astype(int) - 16
    planes[1][:] = 128 - light * (219 - light) // 900
    planes[2][:] = 128 + light * (219 - light) // 1100


def noise(number: int, planes: Planes) -> None:
    rng = np.random.default_rng(number)
    for plane in planes[1:]:
        plane[:] = np.clip(128 + rng.normal(0, 3, plane.shape), 0, 255)


def clock(number: int, planes: Planes) -> None:
    grey(number, planes)
    planes[1][2:5, 2:10], planes[2][2:5, 2:10] = 60, 200


@pytest.mark.parametrize("edit", [tint, noise, clock])
def test_what_is_merely_tinted_noisy_or_marked_is_coloured(tmp_path: Path, edit: object) -> None:
    before = write_reel(tmp_path / "a.mkv", reel(), edit=edit)  # type: ignore[arg-type]
    done = vidcolor.colorize(tmp_path / "a.mkv", tmp_path / "b.mkv", **LOSSLESS)
    assert done.notices == ()
    for one, other in zip(before, planes_of(tmp_path / "b.mkv"), strict=True):
        assert not np.array_equal(one[1], other[1])


@pytest.mark.parametrize(("edit", "kept"), [(tint, True), (clock, True), (noise, False), (grey, False)])
def test_on_keeps_any_colour_but_noise(tmp_path: Path, edit: object, kept: bool) -> None:
    before = write_reel(tmp_path / "a.mkv", reel(), edit=edit)  # type: ignore[arg-type]
    vidcolor.colorize(tmp_path / "a.mkv", tmp_path / "b.mkv", keep_colour="on", **LOSSLESS)
    for one, other in zip(before, planes_of(tmp_path / "b.mkv"), strict=True):
        assert np.array_equal(one[1], other[1]) == kept


def test_a_fade_from_black_belongs_to_its_shot(tmp_path: Path) -> None:
    lit = scene(5).astype(float)
    pictures = [np.uint8(lit * min(number / 20, 1)) for number in range(48)]
    before = write_reel(tmp_path / "a.mkv", pictures)
    vidcolor.colorize(tmp_path / "a.mkv", tmp_path / "b.mkv", **LOSSLESS)
    for one, other in zip(before, planes_of(tmp_path / "b.mkv"), strict=True):
        assert np.array_equal(one[1], other[1])


@pytest.mark.parametrize(("source", "target"), [("yuv444p", "yuv420p"), ("yuv420p", "yuv420p10le")])
def test_kept_chroma_is_converted_where_the_format_is_another(
    tmp_path: Path, source: str, target: str
) -> None:
    before = write_reel(tmp_path / "a.mkv", reel(), source)
    vidcolor.colorize(tmp_path / "a.mkv", tmp_path / "b.mkv", pix_fmt=target, **LOSSLESS)
    one, other = before[20], planes_of(tmp_path / "b.mkv")[20]
    if target.endswith("10le"):
        assert np.array_equal(one[1].astype(int) * 4, other[1])
    else:  # of "left" siting: on every other column, between two rows
        full = one[1].astype(float)
        across = np.pad(full, ((0, 0), (1, 1)), "edge")
        soft = (across[:, :-2] + 2 * across[:, 1:-1] + across[:, 2:]) / 4
        expected = (soft[::2, ::2] + soft[1::2, ::2]) / 2
        assert np.abs(expected - other[1]).max() <= 1


def test_a_picture_format_without_chroma_is_coloured(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mkv", pix_fmt="gray", codec="ffv1", options={})
    assert vidcolor.colorize(source, tmp_path / "b.mkv", **LOSSLESS).notices == ()
    assert not any(is_grey(planes) for planes in planes_of(tmp_path / "b.mkv"))


@pytest.mark.parametrize("pix_fmt", ["bgr0", "yuv422p", "yuva420p", "yuv410p", "yuv420p16le"])
def test_colour_of_other_formats_is_kept(tmp_path: Path, pix_fmt: str) -> None:
    source = make_clip(
        tmp_path / "a.mkv", pix_fmt=pix_fmt, codec="ffv1", options={}, colourful=True, size=(64, 48)
    )
    done = vidcolor.colorize(source, tmp_path / "b.mkv", **LOSSLESS)
    assert any("in colour already" in notice for notice in done.notices)
    for planes in planes_of(tmp_path / "b.mkv"):
        scale = 1 if planes[1].dtype == np.uint8 else 2 ** (int(planes[0].max()).bit_length() - 8)
        ramp = planes[1].astype(float).mean(0) / scale
        expected = np.linspace(60, 190, len(ramp))
        assert np.corrcoef(ramp, expected)[0, 1] > 0.95
        assert np.abs(ramp - expected).max() < 8 or pix_fmt == "bgr0"  # which holds less of the drawn colours
