"""The fast way: the table against the exact answer, luma's edges, and the gamut of whole frames."""

import cv2
import numpy as np
import pytest
import torch

from vidcolor.color.chroma import ChromaMaker, ChromaTable, block_range, guided_fits, luma_at_chroma
from vidcolor.color.planes import ColorSpace, chroma_to_ab, chroma_to_rgb
from vidcolor.frames import ChromaLayout

L420, L422, L444 = ChromaLayout(1, 1), ChromaLayout(1, 0), ChromaLayout(0, 0)


def noise(height: int, width: int, space: ColorSpace, seed: int = 0, softness: float = 2.0) -> np.ndarray:
    """Luma codes over the whole nominal range."""
    rng = np.random.default_rng(seed)
    field = cv2.GaussianBlur(rng.random((height, width)), (0, 0), softness)
    field = (field - field.min()) / (field.max() - field.min())
    scale, offset = space.luma_scale
    return np.rint(field * scale + offset).astype(np.uint8 if space.bit_depth == 8 else np.uint16)


def signal(codes: np.ndarray, scale: float, offset: float) -> torch.Tensor:
    return (torch.from_numpy(codes.astype(np.float64)) - offset) / scale


@pytest.mark.parametrize("depth", [8, 10])
def test_table_is_near_the_exact_chroma(depth: int) -> None:
    space = ColorSpace("bt709", False, depth)
    axis = torch.linspace(0.1, 0.9, 17, dtype=torch.float64)
    rgb = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij")).reshape(3, 17, -1)
    k = space.coefficients
    scale, offset = space.luma_scale
    codes = ((k.kr * rgb[0] + k.kg * rgb[1] + k.kb * rgb[2]) * scale + offset).round()
    luma = (codes - offset) / scale
    cb, cr = (rgb[2] - luma) / k.b, (rgb[0] - luma) / k.r
    a, b = chroma_to_ab(luma, cb, cr, space)
    table = ChromaTable(space)
    places = [(x * table.coordinate_scale + table.coordinate_offset).float().numpy() for x in (a, b)]
    found = table.look_up(codes.numpy().astype(np.uint16), *places)
    error = np.abs(np.stack((found[..., 0] - cb.numpy(), found[..., 1] - cr.numpy()))) * 224
    # In 8-bit codes. The worst are colours with a channel near 0, where the curve is steepest.
    assert error.mean() < 0.2
    assert np.quantile(error, 0.99) < 2.5


@pytest.mark.parametrize("layout", [L420, L422, L444])
@pytest.mark.parametrize(
    "space",
    [ColorSpace("bt709", False, 8), ColorSpace("smpte170m", True, 8), ColorSpace("bt2020nc", False, 10)],
    ids=str,
)
def test_decoded_rgb_stays_in_gamut(space: ColorSpace, layout: ChromaLayout) -> None:
    luma = noise(91, 123, space, softness=1.0)
    rng = np.random.default_rng(1)
    ab = [rng.normal(0, 60, (23, 31)).astype(np.float32) for _ in "ab"]
    cb, cr = ChromaMaker(space, layout)(luma, ab)
    assert cb.shape == cr.shape == layout.size(91, 123)
    assert cb.dtype == luma.dtype
    spread = [
        np.repeat(np.repeat(c, 1 << layout.log2_y, 0), 1 << layout.log2_x, 1)[:91, :123] for c in (cb, cr)
    ]
    rgb = chroma_to_rgb(
        signal(luma, *space.luma_scale), *(signal(c, *space.chroma_scale) for c in spread), space
    )
    # Chroma codes are whole: at most a code's worth of R′G′B′ is left over.
    slack = 0.5 * max(space.coefficients.r, space.coefficients.b) / space.chroma_scale[0] + 1e-4
    assert rgb.min() > -slack
    assert rgb.max() < 1 + slack
    assert np.ptp(cb) > 40


@pytest.mark.parametrize(
    "space",
    [ColorSpace("bt709", False, 8), ColorSpace("bt709", True, 8), ColorSpace("bt709", False, 10)],
    ids=str,
)
def test_neutral_is_the_middle_code(space: ColorSpace) -> None:
    ab = [np.zeros((16, 24), np.float32) for _ in "ab"]
    cb, cr = ChromaMaker(space, L420)(noise(48, 64, space), ab)
    middle = 2 ** (space.bit_depth - 1)
    assert (cb == middle).all()
    assert (cr == middle).all()


def test_flat_colour_comes_out_as_it_went_in() -> None:
    space = ColorSpace("bt709", False, 8)
    luma = np.full((64, 96), 120, np.uint8)
    ab = [np.full((16, 24), value, np.float32) for value in (25.0, -18.0)]
    cb, cr = ChromaMaker(space, L420)(luma, ab)
    a, b = chroma_to_ab(
        *(
            signal(p, *s)
            for p, s in (
                (luma[::2, ::2], space.luma_scale),
                (cb, space.chroma_scale),
                (cr, space.chroma_scale),
            )
        ),
        space,
    )
    assert (a - 25).abs().max() < 0.6
    assert (b + 18).abs().max() < 0.6


def test_colour_follows_lumas_edge() -> None:
    """A red half and a blue half, made small, are told apart again at luma's edge, inside a small pixel."""
    space = ColorSpace("bt709", False, 8)
    luma = np.full((96, 128), 80, np.uint8)
    luma[:, 67:] = 150
    large = np.where(luma < 100, 40.0, -30.0).astype(np.float32)
    a = cv2.resize(large, (32, 24), interpolation=cv2.INTER_AREA)
    _, cr = ChromaMaker(space, L444)(luma, [a, np.zeros_like(a)])
    step = np.abs(np.diff(cr[48].astype(int)))
    assert step.argmax() == 66
    # Plain enlargement would spread it over four samples.
    assert step[66] > 0.6 * (int(cr[48, 0]) - int(cr[48, -1]))


def test_a_fit_keeps_what_does_not_change_and_follows_what_goes_with_the_guide() -> None:
    guide = np.random.default_rng(0).random((20, 30)).astype(np.float32)
    fine = cv2.resize(guide, (120, 80))
    flat, along = guided_fits(
        [np.full((20, 30), 3.5, np.float32), 2 * guide - 1], guide, radius=2, epsilon=1e-6
    )
    assert flat.enlarged(80, 120).of(fine) == pytest.approx(3.5, abs=1e-4)
    assert along.enlarged(80, 120).of(fine) == pytest.approx(2 * fine - 1, abs=1e-3)


@pytest.mark.parametrize(
    ("layout", "siting", "expected"),
    [
        # A ramp of 4 a column and 8 a row tells where a sample was taken.
        (L420, "left", (4 * 2 * 5 + 8 * (2 * 3 + 0.5))),
        (L420, None, (4 * 2 * 5 + 8 * (2 * 3 + 0.5))),
        (L420, "center", (4 * (2 * 5 + 0.5) + 8 * (2 * 3 + 0.5))),
        (L420, "topleft", (4 * 2 * 5 + 8 * 2 * 3)),
        (L420, "bottom", (4 * (2 * 5 + 0.5) + 8 * (2 * 3 + 1))),
        (L422, "left", (4 * 2 * 5 + 8 * 3)),
        (L444, "left", (4 * 5 + 8 * 3)),
    ],
)
def test_luma_is_taken_where_chroma_lies(layout: ChromaLayout, siting: str | None, expected: float) -> None:
    rows, columns = np.mgrid[:12, :20]
    luma = (columns * 4 + rows * 8).astype(np.uint16)
    assert luma_at_chroma(luma, layout, siting)[3, 5] == pytest.approx(expected, abs=0.51)


@pytest.mark.parametrize("shape", [(7, 9), (8, 9), (7, 8), (1, 1), (2, 1)])
@pytest.mark.parametrize("layout", [L420, L422, L444])
@pytest.mark.parametrize("siting", ["left", "center", "topleft"])
def test_odd_sizes(shape: tuple[int, int], layout: ChromaLayout, siting: str) -> None:
    luma = np.arange(shape[0] * shape[1], dtype=np.uint8).reshape(shape)
    assert luma_at_chroma(luma, layout, siting).shape == layout.size(*shape)
    low, high = block_range(luma, layout)
    assert low.shape == high.shape == layout.size(*shape)
    assert low[0, 0] == 0
    assert high[-1, -1] == luma[-1, -1]


@pytest.mark.parametrize("width", [100, 123])
def test_wide_rows_are_looked_up_in_pieces(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    space = ColorSpace("bt709", False, 8)
    luma, rng = noise(40, width, space), np.random.default_rng(2)
    ab = [rng.normal(0, 20, (10, width // 4)).astype(np.float32) for _ in "ab"]
    make = ChromaMaker(space, L444)
    whole = make(luma, ab)
    monkeypatch.setattr("vidcolor.color.chroma.LONGEST_MOVED", 50)
    np.testing.assert_array_equal(make(luma, ab), whole)
