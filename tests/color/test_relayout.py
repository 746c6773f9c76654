"""Chroma planes of one layout and depth in another."""

import numpy as np
import pytest

from vidcolor.color.planes import ColorSpace
from vidcolor.color.relayout import relayout
from vidcolor.frames import ChromaLayout

LIMITED, DEEP = ColorSpace("bt709", False, 8), ColorSpace("bt709", False, 10)
SIZE = (49, 65)
LAYOUTS = [ChromaLayout(1, 1), ChromaLayout(1, 0), ChromaLayout(0, 0)]


@pytest.mark.parametrize("siting", [None, "left", "center", "topleft", "bottom"])
@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_there_and_back_a_ramp_stays_where_it_was(layout: ChromaLayout, siting: str | None) -> None:
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    ramp = (60 + x + y).astype(np.uint8)
    small = relayout(ramp, SIZE, layout, siting, LIMITED, LIMITED)
    assert small.shape == layout.size(*SIZE)
    back = relayout(small, SIZE, ChromaLayout(0, 0), siting, LIMITED, LIMITED)
    assert np.abs(back.astype(int) - ramp)[3:-3, 3:-3].max() <= 1


def test_the_same_layout_and_depth_is_the_plane_itself() -> None:
    plane = np.arange(64, dtype=np.uint8).reshape(8, 8)
    assert relayout(plane, (16, 15), ChromaLayout(1, 1), None, LIMITED, LIMITED) is plane


def test_depths_keep_neutral_and_scale() -> None:
    codes = np.array([[16, 128, 240]], np.uint8)
    deep = relayout(codes, (1, 3), ChromaLayout(0, 0), None, LIMITED, DEEP)
    assert deep.dtype == np.uint16
    assert deep.tolist() == [[64, 512, 960]]
    assert relayout(deep, (1, 3), ChromaLayout(0, 0), None, DEEP, LIMITED).tolist() == codes.tolist()
    full, deep_full = ColorSpace("bt709", True, 8), ColorSpace("bt709", True, 10)
    ends = np.array([[0, 128, 255]], np.uint8)
    # H.273 eq. 27: 512 - 128/255·1023 = -1.5 is below the first code.
    assert relayout(ends, (1, 3), ChromaLayout(0, 0), None, full, deep_full).tolist() == [[0, 512, 1021]]


def test_rare_layouts_become_one_of_ours() -> None:
    quarter = np.full((48, 16), 90, np.uint8)
    found = relayout(quarter, (48, 64), ChromaLayout(1, 1), None, LIMITED, LIMITED)
    assert found.shape == (24, 32)
    assert (found == 90).all()


@pytest.mark.parametrize(("siting", "offset"), [("left", 0.0), ("center", 1.5)])
def test_every_fourth_sample_lies_where_its_siting_says(siting: str, offset: float) -> None:
    """4:1:1, as DV of 525 lines has it, becomes 4:2:0."""
    few = np.tile(np.arange(16, dtype=np.uint8) * 8 + 40, (8, 1))  # two codes for each column of luma
    found = relayout(few, (8, 64), ChromaLayout(1, 1), siting, LIMITED, LIMITED)
    at = np.arange(32) * 2 + offset / 3
    expected = 40 + 2 * (at - offset)
    assert np.abs(found[1, 2:-2] - expected[2:-2]).max() <= 1
