"""Exact chroma: the round trip, the gamut, and codes of every kind of file."""

import numpy as np
import pytest
import torch

from vidcolor.color.lab import rgb_to_lab
from vidcolor.color.planes import (
    MATRICES,
    ColorSpace,
    ab_in_gamut,
    ab_to_chroma,
    chroma_to_ab,
    chroma_to_rgb,
    fit_gamut,
)
from vidcolor.frames import ColorTags

SPACES = [
    ColorSpace(matrix, full, depth)
    for matrix in ("smpte170m", "bt709", "bt2020nc")
    for full in (False, True)
    for depth in (8, 10)
]


def in_gamut_codes(space: ColorSpace) -> tuple[torch.Tensor, ...]:
    """Y′, Cb, Cr of whole codes, normalised, spread over all colours whose R′G′B′ lies in [0, 1]."""
    axis = torch.linspace(0, 1, 21, dtype=torch.float64)
    rgb = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij")).reshape(3, 21, -1)
    k = space.coefficients
    luma = k.kr * rgb[0] + k.kg * rgb[1] + k.kb * rgb[2]
    planes = []
    for plane, (scale, offset) in (
        (luma, space.luma_scale),
        ((rgb[2] - luma) / k.b, space.chroma_scale),
        ((rgb[0] - luma) / k.r, space.chroma_scale),
    ):
        planes.append(((plane * scale + offset).round() - offset) / scale)
    decoded = chroma_to_rgb(*planes, space)
    inside = ((decoded >= 0) & (decoded <= 1)).all(0)
    return tuple(plane[inside][None] for plane in planes)


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_round_trip_is_within_one_code(space: ColorSpace) -> None:
    luma, cb, cr = in_gamut_codes(space)
    assert luma.numel() > 4000
    a, b = chroma_to_ab(luma, cb, cr, space)
    found_cb, found_cr = ab_to_chroma(luma, a, b, space)
    scale, _ = space.chroma_scale
    assert (found_cb - cb).abs().max() * scale < 1
    assert (found_cr - cr).abs().max() * scale < 1


@pytest.mark.parametrize("space", SPACES[::3], ids=str)
def test_colour_out_of_gamut_keeps_luma_and_hue_direction(space: ColorSpace) -> None:
    generator = torch.Generator().manual_seed(3)
    luma = torch.rand(1, 2000, generator=generator, dtype=torch.float64)
    a, b = (torch.rand(2, 1, 2000, generator=generator, dtype=torch.float64) - 0.5) * 220
    cb, cr = ab_to_chroma(luma, a, b, space)
    rgb = chroma_to_rgb(luma, cb, cr, space)
    assert rgb.min() >= -1e-9
    assert rgb.max() <= 1 + 1e-9
    k = space.coefficients
    assert torch.allclose(k.kr * rgb[0] + k.kg * rgb[1] + k.kb * rgb[2], luma)
    strong = (a.abs() + b.abs()) > 60
    assert (torch.hypot(cb, cr)[strong & (luma > 0.1) & (luma < 0.9)] > 0.01).all()


def test_fit_gamut_looks_at_both_ends() -> None:
    space = ColorSpace("bt709", False, 8)
    cb, cr = torch.zeros(1, 1), torch.full((1, 1), 0.3)
    one = torch.ones(1, 1)
    for dark, bright in ((0.05, 0.5), (0.5, 0.95), (0.0, 0.5), (0.5, 1.0)):
        fitted = fit_gamut(dark * one, bright * one, cb, cr, space)
        for luma in (dark, bright):
            rgb = chroma_to_rgb(luma * one, *fitted, space)
            assert rgb.min() >= -1e-6
            assert rgb.max() <= 1 + 1e-6
    kept = fit_gamut(0.4 * one, 0.5 * one, cb, 0.1 * one, space)
    assert kept[1].item() == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("full", "depth", "black", "white", "middle"),
    [(False, 8, 16, 235, 128), (True, 8, 0, 255, 128), (False, 10, 64, 940, 512), (True, 10, 0, 1023, 512)],
)
def test_codes_are_h273s(full: bool, depth: int, black: int, white: int, middle: int) -> None:
    space = ColorSpace("bt709", full, depth)
    table = space.lightness_table
    assert table.shape == (2**depth,)
    assert table[black] == pytest.approx(0, abs=1e-4)
    assert table[white] == pytest.approx(100, abs=1e-3)
    assert (np.diff(table) >= 0).all()
    assert table[0] == 0
    assert table[-1] == pytest.approx(100, abs=1e-3)
    assert space.chroma_scale[1] == middle


def test_lightness_is_that_of_the_neutral() -> None:
    space = ColorSpace("bt709", False, 8, transfer="iec61966-2-1")
    signal = (np.arange(16, 236) - 16) / 219
    rgb = torch.from_numpy(signal).expand(3, 1, -1)
    assert np.allclose(space.lightness_table[16:236], rgb_to_lab(rgb)[0, 0].numpy(), atol=1e-3)


@pytest.mark.parametrize(
    ("tags", "size", "matrix", "full"),
    [
        (ColorTags(), (480, 640), "smpte170m", False),
        (ColorTags(), (576, 720), "smpte170m", False),
        (ColorTags(), (720, 1280), "bt709", False),
        (ColorTags(matrix="bt470bg", range="full"), (1080, 1920), "bt470bg", True),
        (ColorTags(matrix="ictcp"), (1080, 1920), "bt709", False),
    ],
)
def test_untagged_films_are_read_as_players_do(
    tags: ColorTags, size: tuple[int, int], matrix: str, full: bool
) -> None:
    space = ColorSpace.of(tags, height=size[0], width=size[1], bit_depth=8)
    assert (space.matrix, space.full_range) == (matrix, full)


def test_every_matrix_sums_to_one() -> None:
    for kr, kb in MATRICES.values():
        assert 0 < kb < kr < 1 - kr - kb


def test_ab_is_brought_into_gamut_along_its_hue() -> None:
    luma = torch.linspace(0, 1, 33, dtype=torch.float64)[:, None].expand(-1, 24)
    turns = torch.linspace(0, 2 * torch.pi, 25, dtype=torch.float64)[:-1].expand(33, -1)
    wanted = 50 * turns.cos(), 50 * turns.sin()
    for matrix in ("bt709", "smpte170m"):
        space = ColorSpace(matrix, False, 8)
        found = ab_in_gamut(luma, *wanted, space)
        strength = torch.hypot(*found)
        torch.testing.assert_close(found[0] * wanted[1], found[1] * wanted[0])
        assert (strength <= 50 + 1e-9).all()
        # They can be shown, and nothing stronger can, but for what a film's chroma scaled to fit loses too.
        shown = chroma_to_ab(luma, *ab_to_chroma(luma, *found, space), space)
        assert torch.hypot(shown[0] - found[0], shown[1] - found[1]).max() < 0.02
        more = [plane * (strength + 0.5) / 50 for plane in wanted]
        over = chroma_to_ab(luma, *ab_to_chroma(luma, *more, space), space)
        weak = strength < 49.5
        assert weak.any()
        assert (torch.hypot(over[0] - more[0], over[1] - more[1])[weak] > 0.02).all()
