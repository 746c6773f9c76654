"""A preview: which frames are shown, what is said of them, and that they are in colour."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from tests.clips import make_clip
from tests.reels import scene, write_reel
from vidcolor.errors import InputError, OutputError, UsageError
from vidcolor.pipeline.anchors import write_anchors
from vidcolor.pipeline.options import RunOptions
from vidcolor.pipeline.preview import look
from vidcolor.pipeline.preview.make import preview
from vidcolor.pipeline.preview.sheet import LONG_SIDE
from vidcolor.pipeline.preview.sights import Sight, thinned

TINY = RunOptions(model="tiny", network_size=32, device="cpu")
CUTS = (30, 71, 90)
END = 120


def shots(cuts: Sequence[int] = CUTS, end: int = END) -> list[np.ndarray]:
    scenes = [scene(n + 1) for n in range(len(cuts) + 1)]
    return [np.roll(scenes[sum(n >= cut for cut in cuts)], n // 4, 1) for n in range(end)]


def write_film(path: Path, pictures: Sequence[np.ndarray], *, gop: int = 12, **more: Any) -> Path:
    """A grey H.264 film at 24 frames a second, key frames at even distances."""
    height, width = pictures[0].shape[:2]
    options = {"preset": "ultrafast", "crf": "12", "g": str(gop), "sc_threshold": "0", "bf": "2"}
    with av.open(str(path), "w", **more) as out:
        stream = out.add_stream("libx264", rate=24, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number, picture in enumerate(pictures):
            grey = av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format="gray")
            planes = np.vstack((grey.to_ndarray(), np.full((height // 2, width), 128, np.uint8)))
            frame = av.VideoFrame.from_ndarray(planes, "yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 24)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path


def numbers(sights: Sequence[Sight]) -> list[int]:
    """Which frames of a film of 24 frames a second they are."""
    return [round(sight.time * 24) for sight in sights]


def colour(picture: np.ndarray) -> float:
    """How far a picture is from grey."""
    return float(np.ptp(picture.astype(int), axis=2).mean())


def test_a_short_film_is_read_whole_and_its_cuts_and_anchors_are_a_runs(tmp_path: Path) -> None:
    film = write_film(tmp_path / "a.mp4", shots())
    done = preview(film, options=TINY, count=12)
    write_anchors(film, tmp_path / "anchors", TINY)
    index = json.loads((tmp_path / "anchors" / "index.json").read_text())
    anchors = {round(Fraction(entry["exact"]) * 24) for entry in index["anchors"]}
    assert done.whole
    assert done.shots == 4
    assert done.looked_at == END
    assert done.skipped == f"All {END} frames were looked at."
    starts = [sight for sight in done.sights if sight.starts_shot]
    assert numbers(starts) == [0, *CUTS]
    assert [sight.exact for sight in starts] == [True] * 4
    assert [round((sight.after or 0) * 24) for sight in starts] == [0, 29, 70, 89]
    assert {round(sight.time * 24) for sight in done.sights if sight.anchor} == anchors
    assert len(done.sights) == 12
    sheet = cv2.imread(str(tmp_path / "a.preview.png"))
    assert sheet is not None
    assert sheet.shape[1] <= 1800
    assert colour(sheet) > 1


def test_a_long_film_is_looked_at_here_and_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    film = write_film(tmp_path / "a.mp4", shots())
    monkeypatch.setattr(look, "_PIXELS", 0)
    monkeypatch.setattr(look, "_AFTER_CUT", Fraction(2))  # more than may be decoded: no cut is looked for
    done = preview(film, options=TINY, count=8)
    assert not done.whole
    assert done.shots == 4
    assert done.looked_at <= 10 + 3 * 3
    assert f"of about {END} frames were looked at, in 10 places 0.5 s apart, and show 4 shots" in done.skipped
    assert numbers(done.sights) == sorted(numbers(done.sights))
    assert all(number % 12 == 0 for number in numbers(done.sights))
    starts = [sight for sight in done.sights if sight.after is not None]
    assert len(starts) == 3
    for sight, cut in zip(starts, CUTS, strict=True):
        assert sight.after is not None
        assert sight.after * 24 < cut <= sight.time * 24
        assert sight.time - sight.after == Fraction(1, 2)
        assert not sight.exact
        assert not sight.anchor


def test_cuts_between_key_frames_are_found_where_that_is_cheap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = write_film(tmp_path / "a.mp4", shots())
    monkeypatch.setattr(look, "_PIXELS", 80 * 128 * 96)
    done = preview(film, options=TINY, count=8)
    starts = [sight for sight in done.sights if sight.after is not None]
    assert numbers(starts) == list(CUTS)
    assert [sight.exact and sight.anchor for sight in starts] == [True] * 3
    assert done.looked_at <= 10 + 3 * 3 + 80


def test_more_shots_than_pictures(tmp_path: Path) -> None:
    film = write_film(tmp_path / "a.mp4", shots(range(10, 120, 10)))
    done = preview(film, options=TINY, count=4)
    assert done.shots == 12
    assert len(done.sights) == 4
    gaps = np.diff(numbers(done.sights))
    assert gaps.min() >= 20
    assert gaps.max() <= 40


def test_models_side_by_side(tmp_path: Path) -> None:
    film = write_film(tmp_path / "a.mp4", shots((), 24))
    done = preview(film, tmp_path / "s.png", TINY, models=("grey", "tiny"), count=1)
    assert done.models == ("grey", "tiny")
    sheet = cv2.imread(str(tmp_path / "s.png"))
    assert sheet is not None
    top, left = 40, 14
    height = round(LONG_SIDE * 96 / 128)
    first = sheet[top : top + height, left : left + LONG_SIDE]
    second = sheet[top : top + height, left + LONG_SIDE + 4 : left + 2 * LONG_SIDE + 4]
    assert colour(first) == 0
    assert colour(second) > 2
    assert np.abs(first.astype(float).mean() - second.mean()) < 10


def test_given_moments(tmp_path: Path) -> None:
    film = make_clip(tmp_path / "a.mkv", pts=[0, 10, 250, 260, 4000], time_base=Fraction(1, 1000))
    times = [Fraction(t) for t in ("3.999", "0.25", "0.005", "0.255", "4")]
    done = preview(film, options=TINY, at=times)
    assert [sight.frame.time.pts for sight in done.sights] == [0, 250, 250, 260, 4000]
    with pytest.raises(
        InputError, match=r"a\.mkv ends at 00:00:0\d\.\d+, before the time asked for, 00:00:09"
    ):
        preview(film, tmp_path / "b.png", TINY, at=[Fraction(9)])
    assert not (tmp_path / "b.png").exists()


def test_the_exact_frame_at_a_moment(tmp_path: Path) -> None:
    film = write_film(tmp_path / "a.ts", shots())
    done = preview(film, options=TINY, at=[Fraction(100, 24), Fraction(31, 24)])
    assert [round(sight.time * 24, 1) for sight in done.sights] == [31, 100]


def test_without_anchors_none_is_marked(tmp_path: Path) -> None:
    film = write_film(tmp_path / "a.mp4", shots((30,), 48))
    off = RunOptions(model="tiny", network_size=32, device="cpu", anchor_every=None)
    done = preview(film, options=off, count=4)
    assert done.shots == 2
    assert not any(sight.anchor for sight in done.sights)


def test_a_part(tmp_path: Path) -> None:
    film = write_film(tmp_path / "a.mp4", shots())
    part = RunOptions(model="tiny", network_size=32, device="cpu", start=Fraction(2), end=Fraction(4))
    done = preview(film, options=part, count=30)
    assert done.looked_at == 48
    assert numbers(done.sights)[0] == 48
    assert max(numbers(done.sights)) < 96
    assert done.shots == 3


def through_a_pipe(film: Path, pipe: Path, **more: Any) -> Any:
    os.mkfifo(pipe)

    def feed() -> None:
        with suppress(BrokenPipeError):
            pipe.write_bytes(film.read_bytes())

    thread = threading.Thread(target=feed, daemon=True)
    thread.start()
    try:
        return preview(pipe, options=TINY, **more)
    finally:
        thread.join(10)


def test_a_pipe_is_read_from_its_beginning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    film = write_film(tmp_path / "a.mkv", shots())
    done = through_a_pipe(film, tmp_path / "p.mkv", output=tmp_path / "p.png", count=6)
    assert done.whole
    assert done.shots == 4
    monkeypatch.setattr(look, "frames_allowed", lambda video: 40)
    done = through_a_pipe(film, tmp_path / "q.mkv", output=tmp_path / "q.png", count=6)
    assert not done.whole
    assert done.looked_at == 40
    assert done.shots == 2
    assert done.skipped.startswith("The input cannot be sought in")
    assert "only its first 40 frames were looked at" in done.skipped


def test_a_pipe_that_stalls_does_not_hold_it_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    film = write_film(tmp_path / "a.mkv", shots())
    data, pipe, done = film.read_bytes(), tmp_path / "p.mkv", threading.Event()
    os.mkfifo(pipe)
    monkeypatch.setattr(look, "_PATIENCE_S", 1.5)

    def feed() -> None:
        with pipe.open("wb", buffering=0) as out:
            out.write(data[: 3 * len(data) // 4])
            done.wait(60)

    thread = threading.Thread(target=feed, daemon=True)
    thread.start()
    found = preview(pipe, tmp_path / "p.png", TINY, count=6)
    done.set()
    thread.join(10)
    assert not found.whole
    assert 0 < found.looked_at < END


def test_odd_films(tmp_path: Path) -> None:
    turned = make_clip(tmp_path / "t.mov", frames=6, rotation=90)
    done = preview(turned, options=TINY, count=1)
    sheet = cv2.imread(str(done.output))
    assert sheet is not None
    assert sheet.shape[0] > LONG_SIDE  # upright: it is higher than wide
    wide = make_clip(tmp_path / "w.mkv", frames=6, sar=Fraction(2))
    assert preview(wide, options=TINY, count=1).sights[0].frame.luma.shape == (96, LONG_SIDE)
    deep = make_clip(tmp_path / "d.mkv", frames=6, pix_fmt="yuv420p10le")
    done = preview(deep, options=TINY, count=2)
    assert [sight.frame.luma.dtype for sight in done.sights] == [np.uint16] * 2
    fields = make_clip(
        tmp_path / "i.mkv", frames=6, codec="mpeg2video", options={"qmax": "2"}, interlaced=True
    )
    assert "deinterlaced" in " ".join(preview(fields, options=TINY, count=2).notices)
    one = make_clip(tmp_path / "o.mkv", frames=1)
    assert len(preview(one, options=TINY).sights) == 1


def test_shots_in_colour_are_shown_as_they_are(tmp_path: Path) -> None:
    def second_is_grey(number: int, planes: list[np.ndarray]) -> None:
        if number >= 30:
            planes[1][:] = planes[2][:] = 128

    film = tmp_path / "a.mkv"
    write_reel(film, shots((30,), 60), edit=second_is_grey)
    done = preview(film, options=RunOptions(model="grey", device="cpu"), count=2)
    assert [sight.in_color for sight in done.sights] == [True, False]
    assert [sight.anchor for sight in done.sights] == [False, True]
    sheet = cv2.imread(str(done.output))
    assert sheet is not None
    pictures = [sheet[40:232, left : left + LONG_SIDE] for left in (14, 14 + LONG_SIDE + 14)]
    assert colour(pictures[0]) > 10
    assert colour(pictures[1]) == 0
    own = cv2.cvtColor(cv2.resize(shots((30,), 60)[0], (256, 192)), cv2.COLOR_RGB2BGR)
    assert np.abs(pictures[0].astype(int) - own).mean() < 6
    off = RunOptions(model="grey", device="cpu", keep_colour="off", overwrite=True)
    assert not any(sight.in_color for sight in preview(film, options=off, count=2).sights)


def test_what_is_there_is_not_overwritten(tmp_path: Path) -> None:
    film = make_clip(tmp_path / "a.mkv", frames=3)
    sheet = tmp_path / "a.preview.png"
    sheet.write_bytes(b"mine")
    with pytest.raises(OutputError, match="exists already"):
        preview(film, options=TINY)
    assert sheet.read_bytes() == b"mine"
    with pytest.raises(UsageError, match="not the name of a PNG"):
        preview(film, tmp_path / "a.jpg", TINY)
    with pytest.raises(InputError):
        preview(tmp_path / "none.mkv", tmp_path / "b.png", TINY)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mkv", "a.preview.png"]


def sight(time: int, *, starts: bool = False, anchor: bool = False) -> Any:
    class Fake:
        rank = 2 * starts + anchor

    fake: Any = Fake()
    fake.time = Fraction(time)
    return fake


def test_what_is_kept_when_there_is_too_much() -> None:
    many = [sight(n, starts=n in (0, 50)) for n in range(100)]
    assert [one.time for one in thinned(many, 4)] == [0, 25, 50, 99]
    starts = [sight(n, starts=True) for n in range(100)]
    assert [one.time for one in thinned(starts, 4)] == [12, 37, 62, 87]
    assert thinned(starts[:3], 4) == starts[:3]
