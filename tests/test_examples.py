"""Every script in examples/ runs and does what it says."""

from __future__ import annotations

import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
TESTED = {"colorize_api.py", "contact_sheet.py", "frames_by_hand.py", "make_clip.py"}
SECONDS = 2
RATE = 24


def run_example(name: str, *arguments: str, cwd: Path) -> str:
    run = subprocess.run(
        [sys.executable, str(ROOT / "examples" / name), *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("examples")
    run_example(
        "make_clip.py", "-o", "clip.mp4", "--colour", "truth.mp4", "--seconds", str(SECONDS), cwd=path
    )
    return path


def planes(path: Path) -> list[list[np.ndarray]]:
    """Y', Cb and Cr of every frame."""
    with av.open(str(path)) as film:
        frames = [frame.to_ndarray() for frame in film.decode(video=0)]
    height = frames[0].shape[0] * 2 // 3
    return [
        np.split(frame.ravel(), [frame.shape[1] * height, frame.shape[1] * height * 5 // 4])
        for frame in frames
    ]


def test_every_example_is_tested() -> None:
    assert {path.name for path in (ROOT / "examples").glob("*.py")} == TESTED


def test_the_clip_is_grey_with_sound_and_tags(folder: Path) -> None:
    with av.open(str(folder / "clip.mp4")) as film:
        video, audio = film.streams.video[0], film.streams.audio[0]
        context = video.codec_context
        assert (context.width, context.height, context.pix_fmt) == (640, 360, "yuv420p")
        assert (context.colorspace, context.color_primaries, context.color_trc, context.color_range) == (
            1,
            1,
            1,
            1,
        )
        assert audio.codec_context.name == "aac"
        assert video.duration is not None
        assert audio.duration is not None
        assert video.duration * video.time_base == SECONDS
        assert abs(audio.duration * audio.time_base - SECONDS) < Fraction(1, 20)
        times = [frame.pts * frame.time_base for frame in film.decode(video)]
    assert times == [Fraction(n, RATE) for n in range(SECONDS * RATE)]
    assert {
        int(c) for _, cb, cr in planes(folder / "clip.mp4") for c in (*np.unique(cb), *np.unique(cr))
    } == {128}


def test_the_clip_has_three_cuts(folder: Path) -> None:
    luma = np.stack([y for y, _, _ in planes(folder / "clip.mp4")]).astype(float)
    change = np.abs(np.diff(luma, axis=0)).mean(axis=1)
    shot = SECONDS * RATE // 4
    assert sorted(np.argsort(change)[-3:] + 1) == [shot, 2 * shot, 3 * shot]


def test_the_sound_is_heard(folder: Path) -> None:
    with av.open(str(folder / "clip.mp4")) as film:
        wave = np.concatenate([frame.to_ndarray()[0] for frame in film.decode(audio=0)])
    assert 0.1 < np.abs(wave).max() < 0.5


def test_the_truth_has_the_clips_luma_and_its_own_colours(folder: Path) -> None:
    grey, colour = planes(folder / "clip.mp4"), planes(folder / "truth.mp4")
    assert len(grey) == len(colour)
    for (y, _, _), (true_y, cb, cr) in zip(grey[::8], colour[::8], strict=True):
        assert np.abs(y.astype(int) - true_y).mean() < 2  # both went through the encoder
        assert np.hypot(cb.astype(float) - 128, cr.astype(float) - 128).mean() > 4


def test_colorize_api(folder: Path) -> None:
    out = run_example("colorize_api.py", "clip.mp4", "api.mp4", "--model", "tiny", cwd=folder)
    assert f"{SECONDS * RATE} frames in" in out
    result = planes(folder / "api.mp4")
    assert len(result) == SECONDS * RATE
    assert np.std(np.concatenate([cb for _, cb, _ in result])) > 1


def test_colorize_api_says_what_is_wrong(folder: Path) -> None:
    run = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "colorize_api.py"), "nowhere.mp4", "api2.mp4"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 1
    assert run.stderr.startswith("could not colour nowhere.mp4: ")
    assert not (folder / "api2.mp4").exists()


def test_frames_by_hand(folder: Path) -> None:
    out = run_example("frames_by_hand.py", "clip.mp4", "sheet.png", "--model", "tiny", cwd=folder)
    assert out == "2 frames, grey and coloured: sheet.png\n"
    sheet = cv2.imread(str(folder / "sheet.png")).astype(int)
    assert sheet.shape == (2 * 180, 640, 3)
    grey, colour = sheet[:, :320], sheet[:, 320:]
    assert np.ptp(grey, axis=2).max() == 0
    assert np.ptp(colour, axis=2).mean() > 5
    # Luma is the grey picture's: R'G'B' differ by their roundings alone.
    luma = colour @ np.array([0.0722, 0.7152, 0.2126])
    assert np.abs(luma - grey[..., 0]).max() <= 1


def test_contact_sheet(folder: Path) -> None:
    arguments = ("truth.mp4", "clip.mp4", "-o", "sheet3.png", "--frames", "3", "--width", "160")
    assert run_example("contact_sheet.py", *arguments, cwd=folder) == "sheet3.png: 480x270\n"
    grey, found, truth = np.split(cv2.imread(str(folder / "sheet3.png")).astype(int), 3, axis=1)
    assert np.ptp(grey, axis=2).max() == 0
    assert np.ptp(found, axis=2).mean() < 3
    assert np.ptp(truth, axis=2).mean() > 20
