"""Pictures that give their colours: of the same camera by day, of the same things, and of others."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from vidcolor.color.lab import lightness_of_luminance, rgb_to_lab, transfer_curve
from vidcolor.color.planes import ColorSpace, luma_shares
from vidcolor.errors import InputError
from vidcolor.temporal.reference import NOTHING, SRGB, FixedCamera, Reference, merged
from vidcolor.temporal.reference.alignment import place
from vidcolor.temporal.reference.background import Background
from vidcolor.temporal.reference.picture import Reading
from vidcolor.temporal.reference.structure import chroma_of_light, fit_light, noise_of, relit

SIZE = (192, 320)


def scene(seed: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Things of many colours before a ground of one, ``(h, w, 3)`` uint8."""
    rng = np.random.default_rng(seed)
    height, width = size
    picture = np.full((height, width, 3), rng.integers(60, 200, 3), np.uint8)
    for _ in range(70):
        color = [int(value) for value in rng.integers(20, 236, 3)]
        x, y = int(rng.integers(0, width)), int(rng.integers(0, height))
        w, h = (int(value) for value in rng.integers(4, max(8, height // 4), 2))
        if rng.random() < 0.5:
            cv2.rectangle(picture, (x, y), (x + w, y + h), color, -1)
        else:
            cv2.ellipse(picture, (x, y), (w, h), float(rng.integers(0, 180)), 0, 360, color, -1)
    return cv2.GaussianBlur(picture, (0, 0), 0.8)


def lab(rgb: np.ndarray) -> np.ndarray:
    planes = torch.from_numpy(np.asarray(rgb, np.float32) / np.float32(255)).permute(2, 0, 1)
    return rgb_to_lab(planes).permute(1, 2, 0).numpy()


def lightness(rgb: np.ndarray, matrix: str = "bt709") -> np.ndarray:
    """As the film shows it: L of the neutral with the picture's luma."""
    luma = np.asarray(rgb, np.float32) @ np.array(luma_shares(matrix), np.float32)
    return np.ascontiguousarray(lab(np.dstack((luma, luma, luma)))[..., 0])


def night(
    rgb: np.ndarray, *, light: float | np.ndarray = 0.15, noise: float = 0.0, seed: int = 0
) -> np.ndarray:
    """The scene in ``light`` times the light, ``(h, w, 3)`` float in [0, 255], noise of grey added."""
    signal = rgb / np.float32(255)
    linear = np.where(signal <= 0.04045, signal / 12.92, ((signal + 0.055) / 1.055) ** 2.4)
    linear = linear * (light[..., None] if isinstance(light, np.ndarray) else light)
    signal = np.where(
        linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055
    )
    grain = np.random.default_rng(seed).normal(0, noise, rgb.shape[:2])[..., None] if noise else 0
    return np.clip(255 * signal + grain, 0, 255).astype(np.float32)


def error(hints: np.ndarray, truth: np.ndarray, where: np.ndarray | None = None) -> float:
    """Mean distance in a and b where the hints are sure."""
    where = hints[..., 2] > 0.5 if where is None else where
    return float(np.linalg.norm(hints[..., :2] - truth[..., 1:], axis=2)[where].mean())


# The same point of view


def test_a_darkened_noisy_frame_gets_the_colors_of_the_day() -> None:
    day = scene(1)
    truth = lab(night(day))
    hints = Reference(day).hints_for(lightness(night(day, noise=5)))
    assert hints.shape == (*SIZE, 3)
    assert hints.dtype == np.float32
    assert hints[..., 2].min() >= 0
    assert hints[..., 2].max() <= 1
    assert hints[..., 2].mean() > 0.85
    assert error(hints, truth) < 1
    assert float(np.linalg.norm(truth[..., 1:], axis=2).mean()) > 12


@pytest.mark.parametrize(("light", "within"), [(0.1, 0.03), (0.5, 0.02), (1.0, 0.01)])
def test_colors_keep_their_chromaticity_in_less_light(light: float, within: float) -> None:
    """SRGB's curve is no power, and deep in the dark a straight line."""
    day = scene(2)
    hints = Reference(day).hints_for(lightness(night(day, light=light)))
    truth = lab(night(day, light=light))
    inside = cv2.erode((hints[..., 2] > 0.9).astype(np.uint8), np.ones((5, 5))) > 0
    assert inside.mean() > 0.5
    ratio = (
        np.linalg.norm(hints[inside][:, :2], axis=1).sum()
        / np.linalg.norm(truth[inside][:, 1:], axis=1).sum()
    )
    assert ratio == pytest.approx(1, abs=within)


@pytest.mark.parametrize("shift", [(0.0, 0.0), (9.0, -6.0), (-21.5, 13.25)])
def test_a_shifted_picture_is_laid_where_it_belongs(shift: tuple[float, float]) -> None:
    wide = scene(3, (260, 420))
    frame = wide[30 : 30 + SIZE[0], 40 : 40 + SIZE[1]]
    move = np.array([[1, 0, shift[0] - 40], [0, 1, shift[1] - 30]], np.float32)
    day = cv2.warpAffine(wide, move, SIZE[::-1], flags=cv2.INTER_LINEAR)
    found = place(lightness(day), lightness(night(frame, noise=4)))
    assert found.holds
    corners = np.array([[[0, 0]], [[SIZE[1], 0]], [[0, SIZE[0]]], [[SIZE[1], SIZE[0]]]], np.float32)
    moved = cv2.perspectiveTransform(corners, found.matrix) - corners
    assert np.abs(moved - shift).max() < 0.75
    hints = Reference(day).hints_for(lightness(night(frame)))
    assert error(hints, lab(night(frame))) < 1.5
    if shift[0] < -10:  # what the day picture does not show has no confidence from it
        assert hints[:, :10, 2].mean() < 0.6


@pytest.mark.parametrize(("size", "most"), [((1080, 1800), 1), ((97, 150), 5.2)])
def test_the_picture_may_have_another_size_and_be_compressed(size: tuple[int, int], most: float) -> None:
    frame = scene(4)
    large = cv2.resize(frame, size[::-1], interpolation=cv2.INTER_CUBIC)
    day = cv2.imdecode(cv2.imencode(".jpg", large, [cv2.IMWRITE_JPEG_QUALITY, 60])[1], cv2.IMREAD_COLOR)
    hints = Reference(day).hints_for(lightness(night(frame, noise=3)))
    assert hints[..., 2].mean() > 0.7
    assert error(hints, lab(night(frame))) < most


def test_a_picture_of_another_shape_is_found_by_its_middle() -> None:
    frame = scene(5)
    day = scene(5)[:, 32:288]  # 4:3 of 5:3
    found = Reference(day).placed_on(lightness(night(frame)), 0.0)
    assert found.holds
    centre = found.matrix @ np.array([160, 96, 1], np.float32)
    assert np.abs(centre[:2] / centre[2] - (160, 96)).max() < 1
    assert Reference(day).hints_for(lightness(frame))[96, 40:280, 2].mean() > 0.8


def test_what_is_not_there_at_night_gives_no_color() -> None:
    frame = scene(6)
    day = frame.copy()
    cv2.rectangle(day, (120, 60), (180, 130), (250, 30, 30), -1)
    cv2.rectangle(day, (140, 80), (160, 110), (30, 250, 30), -1)
    hints = Reference(day).hints_for(lightness(night(frame, noise=3)))
    assert hints[70:120, 130:170, 2].mean() < 0.15
    outside = np.ones(SIZE, bool)
    outside[50:140, 110:190] = False
    assert hints[..., 2][outside].mean() > 0.8


def test_lamps_do_not_hide_the_place() -> None:
    frame = scene(7)
    y, x = np.mgrid[: SIZE[0], : SIZE[1]].astype(np.float32)
    light = 0.05 + 0.5 * np.exp(-((x - 90) ** 2 + (y - 70) ** 2) / (2 * 60**2))
    hints = Reference(frame).hints_for(lightness(night(frame, light=light, noise=2)))
    assert hints[..., 2].mean() > 0.6
    assert error(hints, lab(night(frame, light=light))) < 1


def test_a_sky_darker_than_the_roofs_is_the_same_place() -> None:
    day = scene(8)
    frame = 60 - 0.5 * lightness(day)
    assert place(lightness(day), frame).holds


@pytest.mark.parametrize("matrix", ["bt709", "smpte170m"])
@pytest.mark.parametrize("seed", [1, 2, 7])
def test_strong_colors_are_known_by_the_grey_they_become(seed: int, matrix: str) -> None:
    """A red's own lightness is far above that of its luma."""
    day = scene(seed)
    truth = lab(night(day))
    strength = np.linalg.norm(truth[..., 1:], axis=2)
    strong = strength > np.percentile(strength, 75)
    frame = lightness(night(day, noise=3), matrix)
    reference = Reference(day, space=replace(SRGB, matrix=matrix))
    camera = FixedCamera(reference)
    camera.feed(frame)
    for hints in (reference.hints_for(frame), camera.hints_for(frame)):
        assert hints[..., 2][strong].mean() > 0.99
        assert error(hints, truth) < 1


def test_neutrals_are_read_both_ways() -> None:
    luma = np.linspace(0, 1, 1001, dtype=np.float32)
    for transfer in ("bt709", "iec61966-2-1"):
        reading = Reading(ColorSpace("bt709", False, 10, transfer))
        np.testing.assert_allclose(reading.luma_of(reading.lightness_of(luma)), luma, atol=1e-4)
    bright = Reading(ColorSpace("bt2020nc", False, 10, "smpte2084", "bt2020")).luma_of(np.float32([100]))
    assert bright[0] == pytest.approx(0.581, abs=0.005)  # of 203 cd/m²: BT.2408, table 1


@pytest.mark.parametrize("factor", [0.02, 1.0, 3.0])
def test_lightness_in_other_light(factor: float) -> None:
    light = torch.tensor([0, 0.0005, 0.008, 0.02, 0.1, 0.3])
    before, after = (lightness_of_luminance(k * light).numpy() for k in (1, factor))
    np.testing.assert_allclose(relit(before, factor), after, atol=1e-3)


@pytest.mark.parametrize("transfer", ["iec61966-2-1", "bt709", "gamma22", "smpte2084", "arib-std-b67"])
def test_chroma_grows_with_light_as_the_curve_says(transfer: str) -> None:
    curve, reading = transfer_curve(transfer), Reading(replace(SRGB, transfer=transfer))
    signals = torch.linspace(0.15, 0.9, 40, dtype=torch.float64)
    dimmed = [curve.to_signal(0.5 * curve.to_linear(signals + step)).numpy() for step in (-1e-4, 1e-4)]
    expected = (dimmed[1] - dimmed[0]) / 2e-4
    after = reading.growth_of((dimmed[0] + dimmed[1]) / 2)
    np.testing.assert_allclose(after / reading.growth_of(signals.numpy()), expected, rtol=0.02)


def test_light_below_black_is_none() -> None:
    assert chroma_of_light(np.float32([-40, -16, 0])).min() > 0


# Pictures that show something else


@pytest.mark.parametrize("seed", [20, 21, 22])
def test_an_unrelated_picture_gives_nothing(seed: int) -> None:
    reference = Reference(scene(seed, (240, 320)), name="other.png")
    for other in (10, 11):
        hints = reference.hints_for(lightness(night(scene(other), noise=3)))
        assert hints[..., 2].mean() < NOTHING
    assert reference.share is not None
    assert reference.share < NOTHING
    camera = FixedCamera(reference)
    for n in range(6):
        camera.feed(lightness(night(scene(10), noise=5, seed=n)))
    assert not camera.found
    assert not camera.hints_for(lightness(scene(10))).any()


def test_noise_gives_nothing() -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (120, 160, 3)).astype(np.uint8)
    reference = Reference(picture)
    assert reference.hints_for(lightness(scene(9)))[..., 2].mean() < NOTHING
    grain = np.clip(50 + rng.normal(0, 20, SIZE), 0, 100).astype(np.float32)
    assert Reference(scene(9)).hints_for(grain)[..., 2].mean() < NOTHING


@pytest.mark.parametrize("level", [0.0, 50.0, 100.0])
def test_plain_pictures_give_nothing(level: float) -> None:
    plain = np.full((100, 160), level, np.float32)
    assert Reference(scene(9)).hints_for(plain)[..., 2].mean() < NOTHING
    reference = Reference(np.full((90, 150, 3), round(2.55 * level), np.uint8))
    assert reference.hints_for(lightness(scene(9)))[..., 2].mean() < NOTHING
    hints = reference.hints_for(plain)
    assert np.isfinite(hints).all()


@pytest.mark.parametrize("size", [(1, 1), (3, 40), (2, 600), (600, 2), (16, 16), (17, 33), (31, 64)])
def test_tiny_frames_and_pictures(size: tuple[int, int]) -> None:
    frame = lightness(scene(9, (64, 64)))[: size[0], : size[1]].copy()
    frame = cv2.resize(frame, size[::-1])
    thin = cv2.resize(scene(9), (600, 2))
    for picture in (scene(9), scene(9)[:1, :1], scene(9)[:20, :20], thin, thin.transpose(1, 0, 2).copy()):
        reference = Reference(picture)
        camera = FixedCamera(reference)
        for _ in range(5):
            camera.feed(frame)
        for hints in (reference.hints_for(frame), camera.hints_for(frame)):
            assert hints.shape == (*size, 3)
            assert np.isfinite(hints).all()
            assert 0 <= hints[..., 2].min() <= hints[..., 2].max() <= 1


def test_what_is_no_picture_is_refused() -> None:
    for wrong in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3))):
        with pytest.raises(InputError, match=r"day\.png must be a picture in colour"):
            Reference(wrong, name="day.png")


# The same things from elsewhere


def test_a_part_seen_from_elsewhere_gives_its_colors() -> None:
    thing, ground = scene(30, (300, 300)), scene(31)
    small = cv2.resize(thing, (150, 150), interpolation=cv2.INTER_AREA)
    frame = scene(32)
    frame[20:170, 140:290] = small
    day = cv2.resize(ground, (480, 320))
    turn = cv2.getRotationMatrix2D((150, 150), 12, 0.8)
    turned = cv2.warpAffine(
        thing, turn, (300, 300), borderMode=cv2.BORDER_TRANSPARENT, dst=day[10:310, 20:320]
    )
    day[10:310, 20:320] = turned
    hints = Reference(day).hints_for(lightness(night(frame, light=0.6)))
    inside = hints[40:150, 160:270]
    assert inside[..., 2].mean() > 0.6
    assert error(inside, lab(night(frame, light=0.6))[40:150, 160:270]) < 5
    assert hints[:, :110, 2].mean() < 0.1


def test_what_looks_alike_gives_its_colors() -> None:
    rng = np.random.default_rng(3)
    day, frame = (
        np.full((192, 256, 3), (90, 150, 90), np.uint8),
        np.full((192, 256, 3), (90, 150, 90), np.uint8),
    )
    for picture in (day, frame):  # houses with red roofs, each elsewhere
        for n in range(5):
            x, y = 8 + 50 * n, int(rng.integers(30, 150))
            cv2.rectangle(picture, (x, y), (x + 34, y + 30), (220, 215, 200), -1)
            cv2.fillPoly(picture, [np.array([[x - 4, y], [x + 38, y], [x + 17, y - 22]])], (170, 50, 40))
            cv2.rectangle(picture, (x + 6, y + 12), (x + 14, y + 28), (60, 60, 120), -1)
    frame = np.roll(frame, 23, 1)
    hints = Reference(day).hints_for(lightness(frame))
    assert hints[..., 2].mean() > 0.2
    roofs = (frame == (170, 50, 40)).all(2) & (hints[..., 2] > 0.5)
    assert roofs.sum() > 200
    assert error(hints, lab(frame)) < 6
    assert hints[..., 0][roofs].mean() > 25


# A fixed camera


def film(frames: int = 24, **options: float) -> tuple[np.ndarray, list[np.ndarray], list[np.ndarray]]:
    """The day picture, the night's frames with something that crosses them, and where that is."""
    day = scene(40)
    pictures, masks = [], []
    for n in range(frames):
        frame, mask = day.copy(), np.zeros(SIZE, np.uint8)
        at = (14 * n - 30, 60)
        for target, color in ((frame, (200, 180, 40)), (mask, 1)):
            cv2.rectangle(target, at, (at[0] + 40, at[1] + 50), color, -1)
        for row in range(5):  # of two tones, so that some of it always differs from what it covers
            spot = (at[0] + 20 * (row % 2), at[1] + 10 * row)
            cv2.rectangle(frame, spot, (spot[0] + 20, spot[1] + 10), (20, 20, 60), -1)
        pictures.append(night(frame, seed=n, **options))
        masks.append(mask > 0)
    return day, pictures, masks


def test_what_stands_is_colored_and_what_moves_is_not() -> None:
    day, pictures, masks = film(noise=6)
    camera = FixedCamera(Reference(day))
    for picture in pictures:
        camera.feed(lightness(picture))
    assert camera.found
    truth = lab(night(day))
    for n in (8, 15, 20):
        hints = camera.hints_for(lightness(pictures[n]))
        inside = cv2.erode(masks[n].astype(np.uint8), np.ones((5, 5))) > 0
        around = cv2.dilate(masks[n].astype(np.uint8), np.ones((21, 21))) == 0
        assert hints[..., 2][inside].mean() < 0.1
        assert hints[..., 2][around].mean() > 0.9
        assert error(hints, truth, around & (hints[..., 2] > 0.5)) < 1.5
    assert camera.reference.share > 0.8


def test_what_has_stood_for_long_and_leaves_uncovers_its_place() -> None:
    day = scene(41)
    covered = day.copy()
    cv2.circle(covered, (160, 90), 40, (230, 60, 60), -1)
    camera = FixedCamera(Reference(day))
    for n in range(30):
        camera.feed(lightness(night(covered, noise=3, seed=n)))
    assert camera.hints_for(lightness(night(covered, noise=3)))[75:105, 145:175, 2].mean() < 0.1
    assert camera.hints_for(lightness(night(day, noise=3)))[75:105, 145:175, 2].mean() > 0.5


def test_a_camera_that_sways() -> None:
    day = scene(42)
    camera = FixedCamera(Reference(day))
    for n in range(20):
        camera.feed(lightness(night(day, noise=4, seed=n)))
    moved = cv2.warpAffine(
        night(day, noise=4), np.array([[1, 0, 1.5], [0, 1, -2.25]], np.float32), SIZE[::-1]
    )
    hints = camera.hints_for(lightness(moved))
    truth = cv2.warpAffine(lab(night(day)), np.array([[1, 0, 1.5], [0, 1, -2.25]], np.float32), SIZE[::-1])
    middle = (slice(10, -10), slice(10, -10))
    assert hints[middle][..., 2].mean() > 0.85
    assert error(hints[middle], truth[middle]) < 1


def test_to_ask_changes_nothing_and_answers_are_always_the_same() -> None:
    day, pictures, _ = film(frames=10, noise=6)
    answers = []
    for ask_often in (False, True):
        camera = FixedCamera(Reference(day))
        for picture in pictures:
            camera.feed(lightness(picture))
            if ask_often:
                camera.hints_for(lightness(picture))
        answers.append(camera.hints_for(lightness(pictures[4])))
        answers.append(camera.hints_for(lightness(pictures[4])))
    assert all(np.array_equal(answers[0], answer) for answer in answers[1:])
    reference, frame = Reference(day), lightness(pictures[4])
    first = reference.hints_for(frame)
    assert np.array_equal(first, reference.hints_for(frame))
    assert np.array_equal(first, Reference(day).hints_for(frame))


def test_a_new_shot_begins_anew() -> None:
    day, pictures, _ = film(frames=6)
    camera = FixedCamera(Reference(day))
    assert not camera.found
    assert not camera.hints_for(lightness(pictures[0])).any()
    camera.feed(lightness(pictures[0]))
    assert camera.found
    camera.restart()
    assert not camera.found
    camera.feed(lightness(pictures[1]))
    assert camera.found
    half = cv2.resize(lightness(pictures[1]), (160, 96), interpolation=cv2.INTER_AREA)
    assert not camera.hints_for(half).any()  # of a size that was not fed
    camera.feed(half)
    assert camera.hints_for(half)[..., 2].mean() > 0.7


def test_what_was_learnt_is_handed_on() -> None:
    day, pictures, _ = film(frames=60, noise=6)
    camera = FixedCamera(Reference(day))
    assert camera.state() == {}
    for picture in pictures[:50]:
        camera.feed(lightness(picture))
    state = camera.state()
    assert sum(plane.nbytes for plane in state.values()) < 2.1 * 4 * SIZE[0] * SIZE[1]
    other = FixedCamera(Reference(day))
    other.restore(state)
    assert other.found
    frame = lightness(pictures[50])
    assert np.abs(other.hints_for(frame) - camera.hints_for(frame)).max() < 0.05
    for picture in pictures[50:]:
        for one in (camera, other):
            one.feed(lightness(picture))
    first, second = (one.hints_for(frame) for one in (camera, other))
    assert np.abs(first - second)[..., 2].mean() < 0.01
    assert np.abs(first - second)[..., :2].mean() < 0.3
    again = FixedCamera(Reference(day))
    again.restore({})
    assert not again.found


def test_the_background_is_a_median_in_bounded_memory() -> None:
    rng = np.random.default_rng(0)
    still = lightness(scene(43))
    background = Background()
    for n in range(400):
        frame = still + rng.normal(0, 3, SIZE).astype(np.float32)
        if n % 60 < 16:
            frame[40:80, 40:90] = 95
        background.feed(frame)
    assert np.abs(background.picture - still).mean() < 0.75
    assert background.usual_noise == pytest.approx(3, rel=0.15)
    assert len(background._means) == len(background._unrests) == 9
    frame = still.copy()
    frame[120:140, 200:240] += 15
    standing = background.standing(frame)
    assert standing[124:136, 204:236].max() < 0.05
    assert standing[:100].mean() > 0.95


def test_the_light_is_fitted_in_spite_of_what_is_not_there() -> None:
    day = lightness(scene(44))
    y, x = np.mgrid[: SIZE[0], : SIZE[1]] / np.float32(SIZE[1])
    frame = ((0.3 + 0.2 * x) * day + 4 * y).astype(np.float32)
    truth = frame.copy()
    frame[50:90, 100:150] = 70
    lit = fit_light(day, frame, np.ones_like(day)).lit
    assert np.abs(lit - truth).mean() < 0.8
    assert noise_of(np.random.default_rng(0).normal(50, 4, SIZE).astype(np.float32)) == pytest.approx(
        4, rel=0.05
    )


def test_the_surest_hint_is_taken() -> None:
    shape = (4, 5)
    sure = np.dstack([np.full(shape, value, np.float32) for value in (20, -10, 0.9)])
    unsure = np.dstack([np.full(shape, value, np.float32) for value in (-60, 60, 0.1)])
    both = merged([sure, unsure])
    assert both.shape == (*shape, 3)
    np.testing.assert_allclose(both[0, 0], (20, -10, 0.9), atol=0.05)
    np.testing.assert_array_equal(merged([sure]), sure)
    nothing = merged([0 * sure, 0 * unsure])
    assert not nothing[..., 2].any()
    assert np.isfinite(nothing).all()
