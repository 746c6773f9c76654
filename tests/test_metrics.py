"""Figures of colour against hand-computed cases, published values and scikit-image."""

from __future__ import annotations

from collections.abc import Callable
from math import log, sqrt

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import torch
from skimage import color, data
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from vidcolor.errors import InputError
from vidcolor.metrics import (
    Cdc,
    Motion,
    MotionTracker,
    WarpError,
    accuracy_auc,
    accuracy_curve,
    cdc,
    ciede2000,
    colorfulness,
    delta_e_2000,
    optical_flow,
    picture_lab,
    psnr,
    ssim,
    visible,
    warp,
    warp_difference,
)

Picture = npt.NDArray[np.uint8]


def flat(*rgb: int, height: int = 32, width: int = 32) -> Picture:
    return np.full((height, width, len(rgb)), rgb, dtype=np.uint8)


def grey_of(picture: Picture) -> Picture:
    luma = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    return np.repeat(luma[..., None], 3, axis=-1)


def noise(seed: int, *shape: int) -> Picture:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def texture(height: int, width: int) -> Picture:
    """Smooth noise, which optical flow can follow."""
    smooth = cv2.GaussianBlur(noise(7, height, width), (0, 0), 2).astype(np.float32)
    return cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


def pairs() -> dict[str, tuple[Picture, Picture]]:
    photo = np.ascontiguousarray(data.astronaut()[40:173, 150:325])
    shaken = np.clip(photo.astype(np.int16) + noise(2, *photo.shape) % 31 - 15, 0, 255).astype(np.uint8)
    return {
        "photo and noise": (shaken, photo),
        "photo and grey": (grey_of(photo), photo),
        "photo and its blur": (cv2.GaussianBlur(photo, (0, 0), 2), photo),
        "unrelated": (noise(0, 60, 41, 3), noise(1, 60, 41, 3)),
        "noise and grey": (grey_of(noise(3, 50, 50, 3)), noise(4, 50, 50, 3)),
        "black and white": (flat(0, 0, 0), flat(255, 255, 255)),
        "bright and nearly": (flat(255, 255, 255), flat(255, 255, 254)),
    }


each_pair = pytest.mark.parametrize("name", pairs())


# One picture, or two.


@each_pair
def test_psnr_is_scikit_images(name: str) -> None:
    result, truth = pairs()[name]
    assert psnr(result, truth) == pytest.approx(peak_signal_noise_ratio(truth, result), abs=1e-9)


def test_psnr_by_hand() -> None:
    assert psnr(flat(10, 20, 30), flat(10, 20, 30)) == float("inf")
    assert psnr(flat(0), flat(255)) == 0
    # One of three channels is 6 off: the mean square is 12.
    assert psnr(flat(16, 20, 30), flat(10, 20, 30)) == pytest.approx(10 * np.log10(255**2 / 12), abs=1e-12)


def test_psnr_of_a_large_picture_does_not_overflow() -> None:
    black = np.zeros((3000, 3000, 3), np.uint8)
    assert psnr(black, np.bitwise_not(black)) == pytest.approx(0, abs=1e-9)


@each_pair
def test_ssim_is_scikit_images(name: str) -> None:
    result, truth = pairs()[name]
    expected = structural_similarity(result, truth, channel_axis=-1, data_range=255)
    assert ssim(result, truth) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("shape", [(7, 7, 3), (7, 40, 3), (38, 9, 3), (39, 9, 1), (70, 33), (71, 33)])
def test_ssim_of_any_shape_is_scikit_images(shape: tuple[int, ...]) -> None:
    result, truth = noise(5, *shape), noise(6, *shape)
    axis = -1 if len(shape) == 3 else None
    expected = structural_similarity(result, truth, channel_axis=axis, data_range=255)
    assert ssim(result, truth) == pytest.approx(expected, abs=1e-6)
    assert ssim(truth, truth) == 1


def test_ssim_of_flat_pictures_by_hand() -> None:
    # No variance: what remains is the ratio of means, (2xy + C1) / (x² + y² + C1), C1 = 2.55².
    expected = (2 * 100 * 50 + 6.5025) / (100**2 + 50**2 + 6.5025)
    assert ssim(flat(100), flat(50)) == pytest.approx(expected, abs=1e-7)


def test_ssim_refuses_less_than_a_window() -> None:
    with pytest.raises(InputError, match="at least 7×7 pixels, not 20×6"):
        ssim(noise(0, 6, 20, 3), noise(1, 6, 20, 3))


@pytest.mark.parametrize(
    ("colors", "expected"),
    [
        ([(90, 90, 90), (90, 90, 90)], 0.0),
        ([(0, 0, 0), (255, 255, 255)], 0.0),
        # One colour has no spread: 0.3 · |mean (rg, yb)|, rg = 100 - 40, yb = 70 - 20.
        ([(100, 40, 20), (100, 40, 20)], 0.3 * sqrt(60**2 + 50**2)),
        # Half red, half blue: rg 255 and 0, yb 127.5 and -255; spreads are half the distances.
        (
            [(255, 0, 0), (0, 0, 255)],
            sqrt(127.5**2 + 191.25**2) + 0.3 * sqrt(127.5**2 + 63.75**2),
        ),
        # Signs matter: red against green is rg ±100, of mean 0 and spread 100, and yb 50 in both.
        ([(100, 0, 0), (0, 100, 0)], 100 + 0.3 * 50),
    ],
)
def test_colorfulness_by_hand(colors: list[tuple[int, int, int]], expected: float) -> None:
    picture = np.concatenate([flat(*rgb) for rgb in colors])
    assert colorfulness(picture) == pytest.approx(expected, abs=1e-4)


# Lab 1, Lab 2, ΔE00: table 1 of Sharma, Wu and Dalal (2005), all its pairs.
SHARMA = """
50.0000 2.6772 -79.7751 50.0000 0.0000 -82.7485 2.0425
50.0000 3.1571 -77.2803 50.0000 0.0000 -82.7485 2.8615
50.0000 2.8361 -74.0200 50.0000 0.0000 -82.7485 3.4412
50.0000 -1.3802 -84.2814 50.0000 0.0000 -82.7485 1.0000
50.0000 -1.1848 -84.8006 50.0000 0.0000 -82.7485 1.0000
50.0000 -0.9009 -85.5211 50.0000 0.0000 -82.7485 1.0000
50.0000 0.0000 0.0000 50.0000 -1.0000 2.0000 2.3669
50.0000 -1.0000 2.0000 50.0000 0.0000 0.0000 2.3669
50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0009 7.1792
50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0010 7.1792
50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0011 7.2195
50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0012 7.2195
50.0000 -0.0010 2.4900 50.0000 0.0009 -2.4900 4.8045
50.0000 -0.0010 2.4900 50.0000 0.0010 -2.4900 4.8045
50.0000 -0.0010 2.4900 50.0000 0.0011 -2.4900 4.7461
50.0000 2.5000 0.0000 50.0000 0.0000 -2.5000 4.3065
50.0000 2.5000 0.0000 73.0000 25.0000 -18.0000 27.1492
50.0000 2.5000 0.0000 61.0000 -5.0000 29.0000 22.8977
50.0000 2.5000 0.0000 56.0000 -27.0000 -3.0000 31.9030
50.0000 2.5000 0.0000 58.0000 24.0000 15.0000 19.4535
50.0000 2.5000 0.0000 50.0000 3.1736 0.5854 1.0000
50.0000 2.5000 0.0000 50.0000 3.2972 0.0000 1.0000
50.0000 2.5000 0.0000 50.0000 1.8634 0.5757 1.0000
50.0000 2.5000 0.0000 50.0000 3.2592 0.3350 1.0000
60.2574 -34.0099 36.2677 60.4626 -34.1751 39.4387 1.2644
63.0109 -31.0961 -5.8663 62.8187 -29.7946 -4.0864 1.2630
61.2901 3.7196 -5.3901 61.4292 2.2480 -4.9620 1.8731
35.0831 -44.1164 3.7933 35.0232 -40.0716 1.5901 1.8645
22.7233 20.0904 -46.6940 23.0331 14.9730 -42.5619 2.0373
36.4612 47.8580 18.3852 36.2715 50.5065 21.2231 1.4146
90.8027 -2.0831 1.4410 91.1528 -1.6435 0.0447 1.4441
90.9257 -0.5406 -0.9208 88.6381 -0.8985 -0.7239 1.5381
6.7747 -0.2908 -2.4247 5.8714 -0.0985 -2.2286 0.6377
2.0776 0.0795 -1.1350 0.9033 -0.0636 -0.5514 0.9082
"""


def test_delta_e_has_the_published_values() -> None:
    table = torch.tensor(
        [[float(x) for x in row.split()] for row in SHARMA.strip().splitlines()], dtype=torch.float64
    )
    first, second = table[:, :3].T[:, None], table[:, 3:6].T[:, None]
    for found in (delta_e_2000(first, second)[0], delta_e_2000(second, first)[0]):
        assert (found - table[:, 6]).abs().max() <= 5.1e-5


def test_delta_e_is_scikit_images_pixel_by_pixel() -> None:
    generator = np.random.default_rng(0)
    lab = generator.uniform((0, -100, -100), (100, 100, 100), (2, 200, 100, 3))
    found = delta_e_2000(*torch.from_numpy(lab).movedim(-1, 1))
    np.testing.assert_allclose(found.numpy(), color.deltaE_ciede2000(lab[0], lab[1]), atol=1e-9)


@each_pair
def test_ciede2000_is_scikit_images(name: str) -> None:
    result, truth = pairs()[name]
    expected = color.deltaE_ciede2000(color.rgb2lab(truth), color.rgb2lab(result)).mean()
    assert ciede2000(result, truth) == pytest.approx(expected, abs=1e-3)
    assert ciede2000(truth, truth) == 0


def test_ciede2000_of_more_pixels_than_are_taken_at_once() -> None:
    # Half black and white, half equal: what is beyond the first chunk counts too.
    result, truth = np.zeros((300, 400, 3), np.uint8), np.zeros((300, 400, 3), np.uint8)
    truth[150:] = 255
    assert ciede2000(result, truth) == pytest.approx(50, abs=1e-3)


def test_picture_lab_is_scikit_images() -> None:
    picture = noise(8, 40, 30, 3)
    found = picture_lab(picture)
    assert found.shape == (40, 30, 3)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, color.rgb2lab(picture), atol=2e-3)


@pytest.mark.parametrize("figure", [psnr, ssim, ciede2000])
def test_two_pictures_of_different_shape_are_refused(figure: Callable[[Picture, Picture], float]) -> None:
    with pytest.raises(InputError, match="one shape"):
        figure(noise(0, 20, 30, 3), noise(1, 1, 30, 3))


# Accuracy of ab.


def test_accuracy_curve_by_hand() -> None:
    truth = np.zeros((2, 2, 2))
    ab = np.array([[[0, 0], [3, 4]], [[0, 5.5], [200, 0]]])  # 0, 5, 5.5 and 200 off
    curve = accuracy_curve(ab, truth)
    assert curve.shape == (151,)
    assert curve[[0, 4, 5, 6, 150]].tolist() == [0.25, 0.25, 0.5, 0.75, 0.75]
    weighted = accuracy_curve(ab, truth, np.array([[1, 2], [3, 4]]))
    assert weighted[[0, 4, 5, 6, 150]].tolist() == pytest.approx([0.1, 0.1, 0.3, 0.6, 0.6])


def test_accuracy_auc_by_hand() -> None:
    truth = np.zeros((4, 2), np.float32)
    ab = np.array([[0, 0], [0, -75], [150, 0], [0, 999]], np.float32)
    assert accuracy_auc(truth, truth) == 1
    assert accuracy_auc(ab, truth) == pytest.approx((1 + 0.5 + 0 + 0) / 4)
    assert accuracy_auc(ab, truth, np.array([1, 7, 1, 1])) == pytest.approx((1 + 3.5) / 10)


def test_accuracy_auc_is_the_area_under_the_curve() -> None:
    generator = np.random.default_rng(1)
    truth, ab = generator.normal(0, 40, (2, 50, 60, 2))
    weights = generator.uniform(0, 1, (50, 60))
    # By trapezoids: a pixel comes in along the step to the next whole threshold.
    for chosen in (None, weights):
        curve = accuracy_curve(ab, truth, chosen)
        area = (curve[1:] + curve[:-1]).mean() / 2
        assert accuracy_auc(ab, truth, chosen) == pytest.approx(area, abs=5e-4)


def test_equal_weights_are_no_weights() -> None:
    truth, ab = np.random.default_rng(2).normal(0, 30, (2, 20, 20, 2))
    assert accuracy_auc(ab, truth, np.full((20, 20), 3.0)) == pytest.approx(accuracy_auc(ab, truth))


@pytest.mark.parametrize("weights", [np.zeros(4), np.array([1, 1, 1, -1]), np.ones((2, 2)), np.ones(3)])
def test_impossible_weights_are_refused(weights: npt.NDArray[np.float64]) -> None:
    with pytest.raises(InputError, match=r"weights must be one number ≥ 0 a pixel, \(4,\)"):
        accuracy_auc(np.zeros((4, 2)), np.zeros((4, 2)), weights)


# Colour distribution consistency.


def test_cdc_of_a_still_film_is_nothing() -> None:
    assert cdc([noise(0, 20, 20, 3)] * 7) == 0


def test_cdc_of_two_alternating_colours_by_hand() -> None:
    # Red differs wholly every odd step, ln 2, at distance 1; at 2 and 4 the colours are the same again.
    # Green and blue never differ: a third of a third of ln 2.
    film = [flat(200 * (n % 2), 50, 60) for n in range(9)]
    assert cdc(film) == pytest.approx(log(2) / 9, abs=1e-12)


def test_cdc_of_half_a_change_by_hand() -> None:
    # One step from all 0 to half 0, half 255, in all channels, between frames 3 and 4 of 5.
    film = [flat(0, 0, 0)] * 3 + [np.concatenate([flat(0, 0, 0), flat(255, 255, 255)])] * 2
    # From (1, 0) and (1/2, 1/2), the mean is (3/4, 1/4).
    change = (log(4 / 3) + 0.5 * log(2 / 3) + 0.5 * log(2)) / 2
    # It lies between 1 of the 4 pairs at distance 1, 2 of the 3 at 2, and the only one at 4.
    assert cdc(film) == pytest.approx(change * (1 / 4 + 2 / 3 + 1) / 3, abs=1e-12)


def test_cdc_weighs_histograms_not_places() -> None:
    picture = noise(1, 24, 24, 3)
    assert cdc([picture, picture[::-1], np.ascontiguousarray(picture[:, ::-1])]) == 0


def test_cdc_of_a_short_film_uses_the_distances_it_has() -> None:
    assert np.isnan(cdc([]))
    assert np.isnan(cdc([flat(1, 2, 3)]))
    assert cdc([flat(0, 0, 0), flat(9, 9, 9)]) == pytest.approx(log(2), abs=1e-12)
    # Distance 1: both pairs differ. Distance 2: the same.
    assert cdc([flat(0, 0, 0), flat(9, 9, 9), flat(0, 0, 0)]) == pytest.approx(log(2) / 2, abs=1e-12)


def test_cdc_streams() -> None:
    film = [noise(n, 12, 12, 3) for n in range(12)]
    growing = Cdc()
    for count, frame in enumerate(film, 1):
        growing.add(frame)
        if count > 1:
            assert growing.value == cdc(film[:count])
    assert len(growing._past) == 4


# Warp error.


def shifted(dx: int, dy: int, height: int = 48, width: int = 64) -> tuple[Picture, Picture, Motion]:
    """A colour picture, the same moved by (dx, dy), and the motion between them."""
    wide = noise(3, height + 20, width + 20, 3)
    before = wide[10 : 10 + height, 10 : 10 + width]
    frame = wide[10 - dy : 10 - dy + height, 10 - dx : 10 - dx + width]
    flow = np.full((height, width, 2), (-dx, -dy), np.float32)
    return frame, before, Motion(flow, visible(flow, -flow))


@pytest.mark.parametrize(("dx", "dy"), [(0, 0), (5, 0), (0, -3), (-7, 4)])
def test_a_known_motion_by_whole_pixels_leaves_nothing(dx: int, dy: int) -> None:
    frame, before, motion = shifted(dx, dy)
    assert warp_difference(frame, before, motion) == (0, 0)
    # What came from outside is left out, and only that.
    expected = np.zeros(motion.visible.shape, bool)
    expected[max(dy, 0) : 48 + min(dy, 0), max(dx, 0) : 64 + min(dx, 0)] = True
    assert (motion.visible == expected).all()


def test_a_known_change_of_colour_is_the_error() -> None:
    frame, before, motion = shifted(4, 2)
    before = before // 2
    frame = frame // 2 + np.array([51, 0, 102], np.uint8)
    squared, absolute = warp_difference(frame, before, motion)
    assert squared == pytest.approx((0.2**2 + 0.4**2) / 3, abs=1e-7)
    assert absolute == pytest.approx((0.2 + 0.4) / 3, abs=1e-7)


def test_only_visible_pixels_count() -> None:
    before, frame = flat(0, 0, 0), flat(0, 0, 0)
    frame[:8] = 255
    seen = np.ones((32, 32), bool)
    motion = Motion(np.zeros((32, 32, 2), np.float32), seen)
    assert warp_difference(frame, before, motion) == pytest.approx((0.25, 0.25))
    seen[:4] = False
    assert warp_difference(frame, before, motion) == pytest.approx((4 / 28, 4 / 28))
    seen[:] = False
    assert np.isnan(warp_difference(frame, before, motion)).all()


def test_warp_looks_where_the_flow_points() -> None:
    before = np.arange(40, dtype=np.float32).reshape(1, 40).repeat(20, axis=0)
    flow = np.zeros((20, 40, 2), np.float32)
    flow[..., 0] = 2.5
    assert (warp(before, flow)[:, :37] == before[:, :37] + 2.5).all()
    flow[...] = (0, -3)
    assert (warp(before.T.copy()[:20], flow[:, :20])[3:] == before.T[:17, :20]).all()


def test_flows_that_contradict_each_other_hide_the_pixel() -> None:
    backward = np.zeros((30, 30, 2), np.float32)
    forward = np.zeros((30, 30, 2), np.float32)
    forward[10:20, 10:20] = (1, 0)  # 1 > 0.01 + 0.5
    forward[22:25, 22:25] = (0.7, 0)  # 0.49 < 0.0049 + 0.5
    seen = visible(backward, forward)
    assert not seen[10:20, 10:20].any()
    assert seen.sum() == 900 - 100


def test_motion_boundaries_are_hidden() -> None:
    backward = np.zeros((20, 30, 2), np.float32)
    backward[:, 10:20] = (-2, 0)
    forward = np.zeros((20, 30, 2), np.float32)
    forward[:, 8:18] = (2, 0)
    seen = visible(backward, forward)
    # Step 2 between columns 9 and 10, and 19 and 20; columns 8 and 9 are covered from both sides.
    assert [x for x in range(30) if not seen[:, x].any()] == [8, 9, 19]
    assert seen.all(axis=0).sum() == 27


@pytest.mark.parametrize(("step", "hidden"), [(0.04, []), (0.05, [9])])  # 0.0016 and 0.0025 about 0.002
def test_a_boundary_of_slow_motion_is_hidden_from_its_threshold_on(step: float, hidden: list[int]) -> None:
    backward = np.zeros((20, 30, 2), np.float32)
    backward[:, 10:] = (0, step)
    seen = visible(backward, -backward)[:-1]  # the last row came from below the picture
    assert [x for x in range(30) if not seen[:, x].any()] == hidden


def test_optical_flow_finds_a_shift() -> None:
    wide = texture(120, 150)
    before, luma = wide[10:106, 10:138], wide[12:108, 5:133]  # moved right by 5 and up by 2
    flow = optical_flow(luma, before)
    assert flow.shape == (96, 128, 2)
    inner = flow[16:-16, 16:-16]
    assert np.median(inner.reshape(-1, 2), axis=0) == pytest.approx((-5, 2), abs=0.05)


def test_optical_flow_refuses_what_opencv_cannot_take() -> None:
    with pytest.raises(InputError, match="at least 16×16 pixels, not 40×15"):
        optical_flow(noise(0, 15, 40), noise(1, 15, 40))
    assert np.isfinite(optical_flow(noise(0, 16, 300), noise(1, 16, 300))).all()


def test_warp_error_of_a_still_film_is_nothing() -> None:
    tracker, error = MotionTracker(), WarpError()
    frame = noise(5, 40, 50, 3)
    for _ in range(4):
        error.add(frame, tracker.add(frame[..., 1].copy()))
    assert error.squared == 0
    assert error.absolute == 0


def test_warp_error_of_flicker_on_a_moving_film() -> None:
    wide = texture(120, 170)
    tracker, steady, flickering = MotionTracker(), WarpError(), WarpError()
    for n in range(5):
        luma = wide[10:106, 10 + 4 * n : 138 + 4 * n].copy()
        half = np.repeat(luma[..., None] // 2, 3, axis=-1)
        motion = tracker.add(luma)
        steady.add(half, motion)
        flickering.add(half + np.array([0, 0, 51 * (n % 2)], np.uint8), motion)
    assert steady.squared < 1e-4
    assert steady.absolute < 0.005
    # Blue goes up and down by a fifth: 0.04 in one of three channels.
    assert flickering.squared == pytest.approx(0.04 / 3, rel=0.02)
    assert flickering.absolute == pytest.approx(0.2 / 3, rel=0.05)


def test_warp_error_is_the_mean_over_pairs_and_knows_cuts() -> None:
    still = Motion(np.zeros((32, 32, 2), np.float32), np.ones((32, 32), bool))
    hidden = Motion(still.flow, ~still.visible)
    error = WarpError()
    assert np.isnan(error.squared)
    assert np.isnan(error.absolute)
    for value, motion in [(0, None), (51, still), (255, None), (204, hidden), (102, still)]:
        error.add(flat(value), motion)
    # Steps of 0.2 and 0.4 count; the cut and the pair with nothing visible do not.
    assert error.absolute == pytest.approx(0.3, abs=1e-7)
    assert error.squared == pytest.approx((0.04 + 0.16) / 2, abs=1e-7)


def test_a_cut_has_no_motion() -> None:
    tracker = MotionTracker()
    assert tracker.add(noise(0, 32, 32)) is None
    assert tracker.add(noise(1, 32, 32)) is not None
    tracker.cut()
    assert tracker.add(noise(2, 32, 32)) is None
    with pytest.raises(InputError, match="one shape"):
        tracker.add(noise(3, 40, 32))
