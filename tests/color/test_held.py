"""Chroma of one frame, held inside the gamut of another's luma."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from vidcolor.color.chroma import ChromaMaker, block_range
from vidcolor.color.planes import ColorSpace, chroma_to_rgb
from vidcolor.frames import ChromaLayout

L420, L422, L444 = ChromaLayout(1, 1), ChromaLayout(1, 0), ChromaLayout(0, 0)
SPACES = [
    ColorSpace("bt709", False, 8), ColorSpace("smpte170m", True, 8), ColorSpace("bt2020nc", False, 10),
    ColorSpace("bt709", True, 10),
]  # fmt: skip
every_space = pytest.mark.parametrize(
    "space", SPACES, ids=lambda s: f"{s.matrix} {s.full_range} {s.bit_depth}"
)
every_layout = pytest.mark.parametrize("layout", [L420, L422, L444], ids=["420", "422", "444"])


def sample(space: ColorSpace) -> type:
    return np.uint8 if space.bit_depth == 8 else np.uint16


def noise(height: int, width: int, space: ColorSpace, seed: int = 0) -> np.ndarray:
    """Luma codes over the whole nominal range."""
    field = cv2.GaussianBlur(np.random.default_rng(seed).random((height, width)), (0, 0), 1.0)
    field = (field - field.min()) / (field.max() - field.min())
    scale, offset = space.luma_scale
    return np.rint(field * scale + offset).astype(sample(space))


def chroma_noise(size: tuple[int, int], space: ColorSpace, share: float, seed: int = 1) -> np.ndarray:
    """Cb and Cr codes ``(h, w, 2)``, a ``share`` of all there are, around neutral."""
    scale, offset = space.chroma_scale
    drawn = np.random.default_rng(seed).uniform(-0.5, 0.5, (*size, 2))
    codes = np.rint(drawn * share * scale + offset)
    return np.clip(codes, 0, 2**space.bit_depth - 1).astype(sample(space))


def spread(plane: np.ndarray, layout: ChromaLayout, shape: tuple[int, ...]) -> np.ndarray:
    """Each chroma sample at every luma sample it is shared by."""
    rows = np.repeat(np.repeat(plane, 1 << layout.log2_y, 0), 1 << layout.log2_x, 1)
    return rows[: shape[0], : shape[1]]


def decoded(luma: np.ndarray, planes: tuple[np.ndarray, np.ndarray], maker: ChromaMaker) -> torch.Tensor:
    """R′G′B′ of a frame, each sample with the chroma of its own block."""

    def signal(codes: np.ndarray, scale: float, offset: float) -> torch.Tensor:
        return (torch.from_numpy(codes.astype(np.float64)) - offset) / scale

    wide = (signal(spread(p, maker.layout, luma.shape), *maker.output.chroma_scale) for p in planes)
    return chroma_to_rgb(signal(luma, *maker.space.luma_scale), *wide, maker.space)


@every_space
@every_layout
def test_what_is_in_gamut_comes_back_unchanged(space: ColorSpace, layout: ChromaLayout) -> None:
    scale, offset = space.luma_scale
    middle = np.full((60, 90), round(0.5 * scale + offset), sample(space))
    middle += np.random.default_rng(0).integers(0, 9, middle.shape).astype(middle.dtype)
    chroma = chroma_noise(layout.size(60, 90), space, 0.35)
    cb, cr = ChromaMaker(space, layout).held(middle, chroma)
    assert np.array_equal(cb, chroma[..., 0])
    assert np.array_equal(cr, chroma[..., 1])
    assert np.ptp(cb) > 60
    assert cb.dtype == cr.dtype == sample(space)


@every_space
@every_layout
def test_decoded_rgb_does_not_clip(space: ColorSpace, layout: ChromaLayout) -> None:
    luma, maker = noise(61, 91, space), ChromaMaker(space, layout)
    chroma = chroma_noise(layout.size(61, 91), space, 1.0)
    planes = maker.held(luma, chroma)
    rgb = decoded(luma, planes, maker)
    # Chroma codes are whole: at most a code's worth of R′G′B′ is left over.
    slack = 0.5 * max(space.coefficients.r, space.coefficients.b) / space.chroma_scale[0] + 1e-4
    assert rgb.min() > -slack
    assert rgb.max() < 1 + slack
    # It would have, as it was given.
    before = decoded(luma, (chroma[..., 0], chroma[..., 1]), maker)
    assert ((before < 0) | (before > 1)).float().mean() > 0.1


@every_space
def test_what_is_beyond_is_scaled_towards_neutral_and_no_further_than_it_must(space: ColorSpace) -> None:
    luma, maker = noise(61, 91, space), ChromaMaker(space, L420)
    chroma = chroma_noise(L420.size(61, 91), space, 1.0)
    neutral = space.chroma_scale[1]
    given = chroma.astype(float) - neutral
    found = np.dstack(maker.held(luma, chroma)).astype(float) - neutral
    far, kept = np.hypot(*given.transpose(2, 0, 1)), np.hypot(*found.transpose(2, 0, 1))
    assert (kept <= far + 1).all()
    # The same hue: nothing beside the line to neutral but what rounding leaves.
    beside = np.abs(given[..., 0] * found[..., 1] - given[..., 1] * found[..., 0]) / np.maximum(far, 1)
    assert beside.max() <= 1
    # Where something was taken away, one more step out would clip.
    low, high = (plane.astype(float) for plane in block_range(luma, L420))
    changed = kept < far - 2
    assert changed.mean() > 0.2
    scale, offset = space.luma_scale
    out = (found + given / np.maximum(far, 1)[..., None] * 2) / space.chroma_scale[0]
    k = space.coefficients
    moved = np.stack((k.r * out[..., 1], -k.gb * out[..., 0] - k.gr * out[..., 1], k.b * out[..., 0]))
    beyond = (moved.max(0) + (high - offset) / scale > 1) | (moved.min(0) + (low - offset) / scale < 0)
    assert beyond[changed].all()


@every_space
def test_neutral_stays_neutral_and_black_and_white_become_it(space: ColorSpace) -> None:
    scale, offset = space.luma_scale
    maker, size = ChromaMaker(space, L420), L420.size(32, 48)
    neutral = chroma_noise(size, space, 0.0)
    for plane in maker.held(noise(32, 48, space), neutral):
        assert (plane == 2 ** (space.bit_depth - 1)).all()
    for level in (0, 1):
        luma = np.full((32, 48), round(level * scale + offset), sample(space))
        for plane in maker.held(luma, chroma_noise(size, space, 1.0)):
            assert (plane == 2 ** (space.bit_depth - 1)).all()


def test_luma_beyond_black_and_white_has_no_colour() -> None:
    space = ColorSpace("bt709", False, 8)
    luma = np.array([[0, 5, 15], [236, 250, 255]], np.uint8).repeat(2, 0).repeat(2, 1)
    for plane in ChromaMaker(space, L420).held(luma, np.full((2, 3, 2), (60, 220), np.uint8)):
        assert (plane == 128).all()


@pytest.mark.parametrize("share", [0.4, 1.0])
@every_space
def test_held_again_it_is_the_same(space: ColorSpace, share: float) -> None:
    luma, maker = noise(48, 64, space), ChromaMaker(space, L420)
    once = np.dstack(maker.held(luma, chroma_noise(L420.size(48, 64), space, share)))
    again = np.dstack(maker.held(luma, once))
    assert np.abs(again.astype(int) - once).max() <= 1


def test_what_was_made_for_a_frame_is_in_its_gamut() -> None:
    space = ColorSpace("bt709", False, 8)
    luma, maker = noise(96, 128, space), ChromaMaker(space, L420)
    ab = [np.random.default_rng(n).normal(0, 30, (24, 32)).astype(np.float32) for n in range(2)]
    made = np.dstack(maker(luma, ab))
    # Where there is next to no room, rounding the one plane takes it from the other too.
    change = np.abs(np.dstack(maker.held(luma, made)).astype(int) - made)
    assert change.max() <= 2
    assert (change > 1).mean() < 0.01
    assert (change > 0).mean() < 0.2


@pytest.mark.parametrize(("luma_depth", "chroma_depth"), [(8, 10), (10, 8)])
def test_chroma_of_another_depth(luma_depth: int, chroma_depth: int) -> None:
    space = ColorSpace("bt709", False, luma_depth)
    maker = ChromaMaker(space, L420, output_depth=chroma_depth)
    luma = noise(48, 64, space)
    chroma = chroma_noise(L420.size(48, 64), maker.output, 1.0)
    planes = maker.held(luma, chroma)
    assert planes[0].dtype == sample(maker.output)
    rgb = decoded(luma, planes, maker)
    slack = 0.5 * max(space.coefficients.r, space.coefficients.b) / maker.output.chroma_scale[0] + 1e-4
    assert rgb.min() > -slack
    assert rgb.max() < 1 + slack
    # As at the luma's own depth, but for rounding.
    unit = 2.0 ** (luma_depth - chroma_depth)
    own = np.rint((chroma.astype(float) - maker.output.chroma_scale[1]) * unit + space.chroma_scale[1])
    same = ChromaMaker(space, L420).held(luma, own.astype(sample(space)))
    for a, b in zip(planes, same, strict=True):
        assert np.abs(a * unit - b).max() <= 2 * max(1, unit)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (7, 9), (513, 301)], ids=str)
@every_layout
def test_any_size_and_every_strip(shape: tuple[int, int], layout: ChromaLayout) -> None:
    """Rows are worked on in strips; a sample's answer is its own block's alone."""
    space = SPACES[0]
    luma, maker = (
        noise(max(2, shape[0]), max(2, shape[1]), space)[: shape[0], : shape[1]],
        ChromaMaker(space, layout),
    )
    chroma = chroma_noise(layout.size(*shape), space, 1.0)
    whole = np.dstack(maker.held(luma, chroma))
    assert whole.shape == chroma.shape
    rows = 2 << layout.log2_y
    for top in range(0, shape[0], rows):
        part = np.dstack(maker.held(luma[top : top + rows], chroma[top >> layout.log2_y :][:2]))
        assert np.array_equal(part, whole[top >> layout.log2_y :][:2])
        if top > 40:
            break


def test_what_is_given_is_left_as_it_is() -> None:
    space = SPACES[0]
    luma, chroma = noise(48, 64, space), chroma_noise((24, 32), space, 1.0)
    kept = luma.copy(), chroma.copy()
    luma.setflags(write=False)
    chroma.setflags(write=False)
    first = ChromaMaker(space, L420).held(luma, chroma)
    assert np.array_equal(luma, kept[0])
    assert np.array_equal(chroma, kept[1])
    # A view with other strides says the same.
    wide = np.zeros((24, 40, 3), np.uint8)
    wide[:, 4:36, 1:] = chroma
    for a, b in zip(first, ChromaMaker(space, L420).held(luma, wide[:, 4:36, 1:]), strict=True):
        assert np.array_equal(a, b)


def wanted_in(space: ColorSpace, size: tuple[int, int], count: int) -> list[np.ndarray]:
    """Chroma of frames, ``(h, w, 2)`` float32 codes: rising slowly, with a tremble of a tenth of a code."""
    rng = np.random.default_rng(3)
    ground = 2.0 ** (space.bit_depth - 1) + cv2.GaussianBlur(rng.uniform(-9, 9, (*size, 2)), (0, 0), 2.0)
    return [(ground + n / 60 + rng.normal(0, 0.1, (*size, 2))).astype(np.float32) for n in range(count)]


def held_one_after_the_other(
    maker: ChromaMaker, luma: np.ndarray, wanted: list[np.ndarray], slack: float
) -> list[np.ndarray]:
    found: list[np.ndarray] = []
    for chroma in wanted:
        before = (found[-1][..., 0], found[-1][..., 1]) if found else None
        found.append(np.dstack(maker.held(luma, chroma, before, slack)))
    return found


def middling(space: ColorSpace, height: int, width: int) -> np.ndarray:
    """Luma that leaves much room for colour."""
    scale, offset = space.luma_scale
    return np.full((height, width), round(0.5 * scale + offset), sample(space))


@every_space
@every_layout
def test_what_trembles_between_two_codes_stays(space: ColorSpace, layout: ChromaLayout) -> None:
    maker, luma = ChromaMaker(space, layout), middling(space, 200, 300)
    wanted = wanted_in(space, layout.size(200, 300), 30)
    rounded = [np.dstack(maker.held(luma, chroma)) for chroma in wanted]
    found = held_one_after_the_other(maker, luma, wanted, 0.25)
    assert found[0].dtype == sample(space)
    assert np.array_equal(found[0], rounded[0])

    def changes(film: list[np.ndarray]) -> float:
        return float((np.diff(np.array(film, int), axis=0) != 0).mean())

    assert changes(found) < 0.5 * changes(rounded)
    for codes, chroma in zip(found, wanted, strict=True):
        assert np.abs(codes - chroma).max() < 0.76
    assert any(np.abs(codes - chroma).max() > 0.7 for codes, chroma in zip(found, wanted, strict=True))


@every_space
def test_no_slack_is_rounding_and_a_change_is_followed(space: ColorSpace) -> None:
    maker, luma = ChromaMaker(space, L420), middling(space, 40, 60)
    neutral = 2.0 ** (space.bit_depth - 1)
    first = np.full((20, 30, 2), neutral, np.float32)
    near, far = first + np.float32(0.6), first + np.float32(1.4)
    before = maker.held(luma, first)
    for slack, expected in ((0.0, 1), (0.25, 0), (0.5, 0)):
        assert (np.dstack(maker.held(luma, near, before, slack)) - neutral == expected).all()
        assert (np.dstack(maker.held(luma, far, before, slack)) - neutral == 1).all()
    wanted = wanted_in(space, (20, 30), 8)
    plainly = [np.dstack(maker.held(luma, chroma)) for chroma in wanted]
    assert np.array_equal(held_one_after_the_other(maker, luma, wanted, 0.0), plainly)


@every_space
def test_what_stays_is_in_gamut_but_for_rounding_and_slack(space: ColorSpace) -> None:
    """A code of the frame before may be too much for this one's luma."""
    maker, chroma = ChromaMaker(space, L420), chroma_noise(L420.size(61, 91), space, 1.0)
    bright, dark = noise(61, 91, space), noise(61, 91, space, 2)
    planes = maker.held(dark, chroma, maker.held(bright, chroma), 0.5)
    rgb = decoded(dark, planes, maker)
    slack = max(space.coefficients.r, space.coefficients.b) / space.chroma_scale[0] + 1e-4
    assert rgb.min() > -slack
    assert rgb.max() < 1 + slack
