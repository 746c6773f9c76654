"""Films evaluated: figures beside scikit-image and cases made by hand; wrong pairings; the model's way."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from skimage import color
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from tests.clips import decode_luma, make_clip
from tests.evaluation.films import SIZE, plain, rgb_of, texture, write_film
from tests.pipeline.test_colorist import video
from vidcolor.errors import InputError
from vidcolor.evaluation.film import evaluate_model, evaluate_pair, evaluate_result
from vidcolor.evaluation.options import EvaluateOptions
from vidcolor.evaluation.sample import Sampler
from vidcolor.frames import Frame, Orientation, Timestamp
from vidcolor.media.probe import probe
from vidcolor.media.reader import VideoReader
from vidcolor.pipeline.options import EncoderOptions, RunOptions
from vidcolor.pipeline.run import colorize

GREY = RunOptions(model="grey")
EVERY_FRAME = EvaluateOptions(every=Fraction(0))
STILL = texture(1, *SIZE)
WIDE = texture(2, SIZE[0], 2 * SIZE[1])
SECOND = texture(5, *SIZE)


def moving(shift: int):
    """Luma that moves to the left by whole pixels a frame."""
    return lambda n: np.ascontiguousarray(WIDE[:, shift * n : shift * n + SIZE[1]])


def test_figures_are_scikit_images(tmp_path: Path) -> None:
    truths = [plain(moving(1)(n), 110 + n, 150) for n in range(6)]
    results = [plain(moving(1)(n), 124, 130 + 2 * n) for n in range(6)]
    truth, result = write_film(tmp_path / "t.mkv", truths), write_film(tmp_path / "r.mkv", results)
    figures = evaluate_pair(result, truth, None, EVERY_FRAME).data["figures"]

    pairs = [(rgb_of(a), rgb_of(b)) for a, b in zip(results, truths, strict=True)]
    psnr = np.mean([peak_signal_noise_ratio(b, a, data_range=255) for a, b in pairs])
    ssim = np.mean([structural_similarity(b, a, channel_axis=-1, data_range=255) for a, b in pairs])
    delta = np.mean([color.deltaE_ciede2000(color.rgb2lab(b), color.rgb2lab(a)).mean() for a, b in pairs])
    assert figures["psnr"]["count"] == 6
    assert figures["psnr"]["mean"] == pytest.approx(psnr, abs=0.02)  # a code is rounded in float32 there
    assert figures["ssim"]["mean"] == pytest.approx(ssim, abs=2e-4)
    assert figures["ciede2000"]["mean"] == pytest.approx(delta, abs=0.02)
    near = [np.linalg.norm((color.rgb2lab(a) - color.rgb2lab(b))[..., 1:], axis=-1) for a, b in pairs]
    assert figures["auc"]["mean"] == pytest.approx(np.mean(np.maximum(1 - np.array(near) / 150, 0)), abs=1e-3)


def test_a_perfect_result_is_perfect(tmp_path: Path) -> None:
    film = write_film(tmp_path / "t.mkv", [plain(STILL, 100, 160)] * 30)
    data = evaluate_pair(film, film, None, EVERY_FRAME).data
    means = {name: figure["mean"] for name, figure in data["figures"].items()}
    assert means["psnr"] == 99.0
    assert means["ssim"] == pytest.approx(1)
    assert means["ciede2000"] == 0
    assert means["colorfulness_ratio"] == 1
    assert means["auc"] == means["auc_rebalanced"] == 1
    assert data["steadiness"]["result"] == data["steadiness"]["truth"]
    assert data["left_out"].keys() == {"lpips", "fid"}


def test_a_still_film_is_still_and_a_known_shift_is_none_of_colours_doing(tmp_path: Path) -> None:
    still = write_film(tmp_path / "still.mkv", [plain(STILL, 100, 160)] * 20)
    steady = evaluate_result(still).data["steadiness"]["result"]
    assert steady["cdc"] == steady["warp_error"] == steady["stillness"] == 0
    shifted = write_film(tmp_path / "shift.mkv", lambda n: plain(moving(2)(n), 100, 160), 20)
    steady = evaluate_result(shifted).data["steadiness"]["result"]
    assert steady["stillness"] == 0  # the same Cb and Cr all over
    assert 0 < steady["warp_error"] < 2e-4  # what interpolation leaves of luma
    assert steady["jumps_inside"] == 0


def test_a_grey_film(tmp_path: Path) -> None:
    film = write_film(tmp_path / "grey.mkv", [plain(STILL, 128, 128)] * 20)
    data = evaluate_result(film).data
    assert data["steadiness"]["result"]["grey"] == 1
    assert data["steadiness"]["result"]["colorfulness"] == pytest.approx(0, abs=1e-3)
    with pytest.raises(InputError, match="is in black and white: there is no true colour to compare with"):
        evaluate_model(film, RunOptions(model="grey"))


def test_a_change_of_chroma_is_counted_in_codes(tmp_path: Path) -> None:
    film = write_film(tmp_path / "f.mkv", lambda n: plain(STILL, 110 + n % 2, 150), 31)
    data = evaluate_result(film).data
    assert data["steadiness"]["result"]["stillness"] == pytest.approx(0.5)  # Cb by 1, Cr by 0
    assert data["jumps"]["inside_shots"] == 0  # too little, and not more than around


def test_jumps_are_found_where_they_are(tmp_path: Path) -> None:
    def frame(n: int):
        luma = STILL if n < 48 else SECOND
        cb, cr = (110, 150) if n < 20 else (122, 144) if n < 48 else (150, 120)
        return plain(luma, cb, cr)

    outcome = evaluate_result(write_film(tmp_path / "f.mkv", frame, 96), None, EvaluateOptions(pictures=True))
    jumps = outcome.data["jumps"]
    assert (jumps["inside_shots"], jumps["at_cuts"]) == (1, 1)
    [inside], [at_cut] = jumps["largest_inside_shots"], jumps["largest_at_cuts"]
    assert inside["seconds"] == pytest.approx(20 / 24, abs=1e-3)
    assert inside["codes"] == pytest.approx((12 + 6) / 2, abs=0.01)
    assert at_cut["seconds"] == pytest.approx(2)
    assert at_cut["codes"] == pytest.approx(np.hypot(28, 24), abs=0.01)
    assert outcome.data["cuts"]["seconds"] == [2.0]
    assert [len(panel.pictures) for panel in outcome.gallery.jumps] == [2, 2]
    assert [strip.facts["frames"] for strip in outcome.gallery.strips] == [48, 48]


@pytest.mark.parametrize("place", [1, 6, 20, 25, 26, 38, 39])
def test_a_jump_is_found_wherever_it_is_in_a_shot(tmp_path: Path, place: int) -> None:
    film = write_film(tmp_path / "f.mkv", lambda n: plain(STILL, 110 if n < place else 130, 150), 40)
    [jump] = evaluate_result(film).data["jumps"]["largest_inside_shots"]
    assert jump["seconds"] == pytest.approx(place / 24, abs=1e-3)


def test_the_models_way_is_that_of_run(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "c.mkv", size=(160, 96), frames=30, colourful=True, cuts=(16,))
    run = RunOptions(model="default", keep_colour="off")
    coloured = tmp_path / "r.mkv"
    colorize(clip, coloured, run, codec="ffv1")
    by_model = evaluate_model(clip, run, EVERY_FRAME).data
    by_hand = evaluate_pair(coloured, clip, None, EVERY_FRAME).data
    assert by_model["frames"] == by_hand["frames"] == 30
    assert by_model["cuts"] == by_hand["cuts"]
    for name, figure in by_hand["figures"].items():
        assert by_model["figures"][name]["mean"] == pytest.approx(figure["mean"], rel=1e-9), name
    assert by_model["steadiness"] == by_hand["steadiness"]
    assert by_model["model"] == "default"


def test_intervals_are_over_shots(tmp_path: Path) -> None:
    looks = [texture(n, *SIZE) for n in range(6)]
    truth = write_film(tmp_path / "t.mkv", lambda n: plain(looks[n // 24], 110, 150), 144)
    result = write_film(tmp_path / "r.mkv", lambda n: plain(looks[n // 24], 110, 150 - n // 24), 144)
    psnr = evaluate_pair(result, truth).data["figures"]["ciede2000"]
    assert psnr["low"] < psnr["mean"] < psnr["high"]
    data = evaluate_pair(result, truth, RunOptions(end=Fraction(2))).data
    assert data["figures"]["ciede2000"]["low"] is None
    assert data["notices"] == ["There are no intervals: they are over shots, and a film needs 5, not 2."]


# Wrong pairings


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    return write_film(tmp_path / "truth.mkv", lambda n: plain(moving(1)(n), 110, 150), 48)


def test_sizes_that_differ(tmp_path: Path, truth: Path) -> None:
    small = write_film(tmp_path / "small.mkv", [plain(texture(0, 48, 64), 110, 150)] * 48)
    with pytest.raises(InputError, match="small.mkv is 64x48 and .*truth.mkv 160x96: only films of one size"):
        evaluate_pair(small, truth)


@pytest.mark.parametrize("result", [Orientation(), Orientation(2), Orientation(1, True)])
@pytest.mark.parametrize("truth", [Orientation(0, True), Orientation(2), Orientation(3)])
def test_films_are_compared_as_they_are_seen(tmp_path: Path, truth: Orientation, result: Orientation) -> None:
    """Another tool may have turned the pictures themselves, and left no word of it."""
    colors = [(moving(1)(n), texture(7, *SIZE) // 2 + 60, texture(8, *SIZE) // 2 + 60) for n in range(6)]
    ones = write_film(tmp_path / "one.mkv", colors, orientation=result)
    others = write_film(tmp_path / "other.mkv", colors, orientation=truth)
    data = evaluate_pair(ones, others, None, EVERY_FRAME).data
    assert data["figures"]["psnr"]["mean"] > 55  # measured at the size it is stored in: all but rounding
    assert not any("hardly show the same" in notice for notice in data["notices"])


def test_mirror_images_are_not_alike(tmp_path: Path) -> None:
    """Though their samples are."""
    mirrored = Orientation(0, True)
    seen = [plain(moving(1)(n), 110, 150) for n in range(6)]
    flipped = [tuple(plane[:, ::-1] for plane in planes) for planes in seen]
    one = write_film(tmp_path / "one.mkv", flipped)
    other = write_film(tmp_path / "other.mkv", seen, orientation=mirrored)
    assert np.array_equal(decode_luma(one)[0], decode_luma(other)[0])
    data = evaluate_pair(one, other, None, EVERY_FRAME).data
    assert data["figures"]["psnr"]["mean"] < 30


def test_lengths_that_differ(tmp_path: Path, truth: Path) -> None:
    short = write_film(tmp_path / "short.mkv", lambda n: plain(moving(1)(n), 110, 150), 24)
    match = r"short.mkv lasts 00:00:01.000 and .*truth.mkv 00:00:02.000; give -t 1.000"
    with pytest.raises(InputError, match=match):
        evaluate_pair(short, truth)
    assert evaluate_pair(short, truth, RunOptions(end=Fraction(1))).data["frames"] == 24


def test_a_frame_too_few_is_said(tmp_path: Path, truth: Path) -> None:
    short = write_film(tmp_path / "short.mkv", lambda n: plain(moving(1)(n), 110, 150), 47)
    data = evaluate_pair(short, truth).data
    assert data["frames"] == 47
    assert "1 frame of the two films without a partner at its time: left out." in data["notices"]


def test_sound_that_begins_before_the_picture_moves_no_frame(tmp_path: Path) -> None:
    """Matroska keeps what the sound's decoder needs first before 0, MP4 has an edit list for it."""
    truth = make_clip(tmp_path / "truth.mp4", rate=30, frames=30, audio=1, colourful=True)
    kept = RunOptions(keep_colour="on", encoder=EncoderOptions(codec="ffv1"))
    result = colorize(truth, tmp_path / "result.mkv", kept).output
    assert (probe(truth).start, probe(result).start) == (0, Fraction(-21, 1000))
    for one, other in ((result, truth), (truth, result)):
        data = evaluate_pair(one, other).data
        assert (data["frames"], data["figures"]["psnr"]["mean"]) == (30, 99.0)
        assert data["notices"] == ["There are no intervals: they are over shots, and a film needs 5, not 1."]


def test_rates_that_differ(tmp_path: Path, truth: Path) -> None:
    fast = write_film(tmp_path / "fast.mkv", lambda n: plain(moving(1)(n), 110, 150), 60, rate=30)
    with pytest.raises(InputError, match=r"do not go together: .* \(30 and 24 frames a second\)"):
        evaluate_pair(fast, truth)


def test_films_that_show_something_else(tmp_path: Path, truth: Path) -> None:
    other = write_film(tmp_path / "other.mkv", [plain(texture(9, *SIZE), 110, 150)] * 48)
    notices = " ".join(evaluate_pair(other, truth).data["notices"])
    assert f"{other} and {truth} hardly show the same: their luma correlates by" in notices


def test_a_matrix_whose_colours_cannot_be_read(tmp_path: Path) -> None:
    tags = "limited", "ictcp", "bt2020", "smpte2084"
    odd = make_clip(tmp_path / "odd.mkv", frames=3, colourful=True, color=tags)
    film = make_clip(tmp_path / "film.mkv", frames=3, colourful=True)
    asked: list[Callable[[], object]] = [
        lambda: evaluate_model(odd, GREY),
        lambda: evaluate_pair(odd, film),
        lambda: evaluate_pair(film, odd),
        lambda: evaluate_result(odd),
    ]
    for ask in asked:
        with pytest.raises(InputError, match=r"odd\.mkv is in the matrix ictcp, in which its colours cannot"):
            ask()


def test_no_moment_in_common(tmp_path: Path, truth: Path) -> None:
    with pytest.raises(InputError, match="ends at"):
        evaluate_pair(truth, truth, RunOptions(start=Fraction(10)))


def test_what_is_kept_does_not_grow_with_the_film(tmp_path: Path) -> None:
    luma = [STILL, SECOND]
    film = write_film(tmp_path / "f.mkv", lambda n: plain(luma[n // 20 % 2], 110 + n % 3, 150), 1200)
    outcome = evaluate_result(film, None, EvaluateOptions(pictures=True))
    assert outcome.data["shots"] == 60
    assert len(outcome.data["trace"]["seconds"]) <= 600
    gallery = outcome.gallery
    assert len(gallery.worst) <= 6
    assert len(gallery.best) <= 6
    assert len(gallery.strips) <= 64
    assert len(gallery.jumps) <= 24


@pytest.mark.parametrize("way", ["model", "pair", "result"])
def test_an_interrupt_goes_through_and_ends_the_threads(tmp_path: Path, way: str) -> None:
    film = write_film(tmp_path / "f.mkv", lambda n: plain(STILL, 100, 150 + n % 8), 120)
    asked: dict[str, Callable[..., object]] = {
        "model": lambda **told: evaluate_model(film, GREY, EVERY_FRAME, **told),
        "pair": lambda **told: evaluate_pair(film, film, None, EVERY_FRAME, **told),
        "result": lambda **told: evaluate_result(film, None, EVERY_FRAME, **told),
    }
    seen = []

    def interrupt(progress: object) -> None:
        seen.append(progress)
        raise KeyboardInterrupt

    before = set(threading.enumerate())
    with pytest.raises(KeyboardInterrupt):
        asked[way](progress=interrupt)
    assert len(seen) == 1
    for thread in set(threading.enumerate()) - before:
        thread.join(60)
        assert not thread.is_alive(), thread.name


def test_films_that_were_left_are_not_said_to_end(
    tmp_path: Path, truth: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A truth that is slow to decode, interrupted while its next frame is waited for."""
    result = make_clip(tmp_path / "r.mkv", size=SIZE[::-1], frames=48, colourful=True)
    notices: list[str] = []
    decode = VideoReader._frame

    def slowly(self: VideoReader, *given: Any) -> Frame:
        if self.info.name == str(truth):
            time.sleep(0.35)
        return decode(self, *given)

    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(VideoReader, "_frame", slowly)
    with pytest.raises(KeyboardInterrupt):
        evaluate_pair(result, truth, notify=notices.append, progress=interrupt)
    assert not notices


def test_short_films_without_a_moment_in_common(tmp_path: Path) -> None:
    one, two = (write_film(tmp_path / f"{n}.mkv", [plain(STILL, 100, 160)] * n, rate=1) for n in (1, 2))
    late = RunOptions(start=Fraction(1))
    with pytest.raises(InputError, match=r"1\.mkv|2\.mkv"):
        evaluate_pair(one, two, late)


def test_chroma_of_ten_bits_is_measured_as_that_of_eight_and_not_rounded() -> None:
    """Shrunk codes lie between the film's own."""
    rng = np.random.default_rng(0)
    chroma = [rng.integers(100, 160, (96, 192)).astype(np.uint8) for _ in range(2)]
    luma = np.full((192, 384), 120, np.uint8)
    found = []
    for depth in (8, 10):
        info = video(384, 192, depth=depth)
        deep = [(plane.astype(np.uint16) << depth - 8) if depth > 8 else plane for plane in (luma, *chroma)]
        frame = Frame(deep[0], Timestamp(0, Fraction(1, 24)), 1, 0)
        found.append(Sampler(info, 192).result(frame, 0.0, deep[1:]).result.chroma)
    eight, ten = found
    assert eight.dtype == np.float32
    assert eight.shape == (96, 192, 2)
    assert np.allclose(eight, ten)
    assert np.allclose(eight[..., 0], chroma[0])
    small = Sampler(video(800, 400), 400).result(
        Frame(np.full((400, 800), 120, np.uint8), Timestamp(0, Fraction(1, 24)), 1, 0),
        0.0,
        [rng.integers(100, 160, (200, 400)).astype(np.uint8) for _ in range(2)],
    )
    assert (small.result.chroma % 1 != 0).mean() > 0.5
