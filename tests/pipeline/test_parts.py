"""A run that is stopped and gone on with gives, packet for packet, the film of a run that is not."""

from __future__ import annotations

import hashlib
import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

import vidcolor
from tests.cli.test_app import source_env
from tests.clips import decode_luma, decode_pts, make_clip
from vidcolor.errors import InputError, OutputError
from vidcolor.frames import Frame, Timestamp
from vidcolor.media.encoders import ENCODERS, container_format, container_holds
from vidcolor.pipeline import parts
from vidcolor.pipeline.options import Progress
from vidcolor.pipeline.parts import Border, Feed, starting_at

SETTINGS: dict[str, Any] = {
    "parts": True,
    "model": "tiny",
    "network_size": 32,
    "preset": "ultrafast",
    "anchor_every": 12,
}
RATE = 24


@pytest.fixture(autouse=True)
def short_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "SHORTEST", Fraction(1))
    monkeypatch.setattr(parts, "LONGEST", Fraction(2))


def film(path: Path, **more: Any) -> Path:
    """8 s: shots of 1.25 and 0.5 s, then one that is parted twice."""
    given: dict[str, Any] = {"frames": 192, "audio": 1, "subtitles": path.suffix != ".avi", "cuts": (30, 42)}
    return make_clip(path, **(given | more))


def all_packets(path: Path) -> dict[int, list[tuple[Any, ...]]]:
    """Everything a file holds, by stream."""
    found: dict[int, list[tuple[Any, ...]]] = {}
    with av.open(str(path)) as container:
        for packet in container.demux():
            if packet.size:
                facts = (
                    packet.pts,
                    packet.dts,
                    packet.duration,
                    packet.is_keyframe,
                    hashlib.md5(packet).hexdigest(),
                )
                found.setdefault(packet.stream_index, []).append(facts)
    return found


def stopping_at(frame: int, kind: type[BaseException] = KeyboardInterrupt) -> Callable[[Progress], None]:
    def progress(done: Progress) -> None:
        if done.frame == frame:
            raise kind

    return progress


def stopped(source: Path, target: Path, frame: int, **settings: Any) -> None:
    with pytest.raises(KeyboardInterrupt):
        vidcolor.colorize(source, target, progress=stopping_at(frame), **(SETTINGS | settings))
    assert not target.exists()


def journal(target: Path) -> dict[str, Any]:
    return json.loads((target.parent / f".{target.name}.vidcolor" / "journal.json").read_text())


CASES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "mkv": (".mkv", {"chapters": True}, {}),
    "mp4": (".mp4", {}, {}),
    "every frame": (".mkv", {}, {"anchor_every": None}),
    "grey, no shots": (".mkv", {"pix_fmt": "gray", "codec": "ffv1"}, {"model": "grey"}),
    "in colour": (".mkv", {"colourful": True}, {}),
    "range": (".mp4", {}, {"start": Fraction(1, 2), "end": Fraction(7)}),
    "uneven times": (
        ".mp4",
        {"pts": [n * 1001 + n % 5 * 150 for n in range(192)], "time_base": Fraction(1, 24_000)},
        {},
    ),
    "broadcast": (".ts", {"subtitles": False}, {"target": ".mkv"}),
    "interlaced": (".mkv", {"interlaced": True, "codec": "mpeg2video"}, {}),
    "ffv1": (".mkv", {}, {"codec": "ffv1", "preset": None}),
    "avi": (".avi", {"codec": "mpeg4"}, {}),
}


@pytest.mark.parametrize("case", CASES)
def test_stopped_and_gone_on_with_is_the_same(tmp_path: Path, case: str) -> None:
    suffix, of_film, settings = CASES[case]
    settings = dict(settings)
    source = film(tmp_path / f"a{suffix}", **of_film)
    ending = settings.pop("target", suffix)
    whole, broken = tmp_path / f"whole{ending}", tmp_path / f"broken{ending}"
    vidcolor.colorize(source, whole, **(SETTINGS | settings))
    for frame in (90, 150):
        stopped(source, broken, frame, **settings)
    done = journal(broken)["parts"]
    assert len(done) >= 3
    summary = vidcolor.colorize(source, broken, **(SETTINGS | settings))
    assert summary.kept >= done[-1]["until"] > 90
    assert summary.frames == len(decode_pts(whole))
    assert all_packets(broken) == all_packets(whole)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted({source.name, whole.name, broken.name})


def test_a_hint_goes_over_borders(tmp_path: Path) -> None:
    source = film(tmp_path / "a.mkv", cuts=())
    hints = tmp_path / "hints.json"
    hints.write_text(json.dumps([{"time": t, "x": 20, "y": 20, "color": "#c02020"} for t in (0.5, 3)]))
    settings = {"hints": str(hints)}
    vidcolor.colorize(source, tmp_path / "whole.mkv", **SETTINGS, **settings)
    for frame in (60, 110, 160):
        stopped(source, tmp_path / "b.mkv", frame, **settings)
    vidcolor.colorize(source, tmp_path / "b.mkv", **SETTINGS, **settings)
    assert all_packets(tmp_path / "b.mkv") == all_packets(tmp_path / "whole.mkv")


def test_parts_change_neither_luma_nor_times(tmp_path: Path) -> None:
    source = film(tmp_path / "a.mp4")
    settings = SETTINGS | {"codec": "libx264", "extra": (("qp", "0"),)}
    vidcolor.colorize(source, tmp_path / "b.mp4", **settings)
    assert decode_pts(tmp_path / "b.mp4") == decode_pts(source)
    for one, other in zip(decode_luma(source), decode_luma(tmp_path / "b.mp4"), strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize(
    ("codec", "ending"),
    [(name, ending) for name in ENCODERS for ending in (".mkv", ".mp4") if not ENCODERS[name].hardware],
)
def test_parts_of_every_encoder_can_be_joined(tmp_path: Path, codec: str, ending: str) -> None:
    if not container_holds(container_format(f"a{ending}"), codec):
        pytest.skip("the container does not hold it")
    source = film(tmp_path / "a.mkv", frames=60, cuts=(30,))
    target = tmp_path / f"b{ending}"
    settings = SETTINGS | {"preset": None, "codec": codec, "model": "grey", "keep_work": True}
    vidcolor.colorize(source, target, **settings)
    assert len(journal(target)["parts"]) == 2
    assert decode_pts(target) == decode_pts(source)


def chroma_of(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        planes = [frame.to_ndarray(format="yuv420p")[48:] for frame in container.decode(video=0)]
    return np.stack(planes).astype(float)


def test_colour_goes_on_over_a_border_inside_a_shot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = film(tmp_path / "a.mkv", cuts=(), frames=120)
    settings = SETTINGS | {"codec": "ffv1", "preset": None}
    vidcolor.colorize(source, tmp_path / "parted.mkv", **settings)
    monkeypatch.setattr(parts, "LONGEST", Fraction(100))
    vidcolor.colorize(source, tmp_path / "whole.mkv", **settings)
    parted, whole = (np.abs(np.diff(chroma_of(tmp_path / f"{n}.mkv"), axis=0)) for n in ("parted", "whole"))
    border = 2 * RATE - 1  # the step onto the frame two parts share
    assert parted[border].mean() < 1.5 * max(whole[border].mean(), np.median(whole.mean((1, 2))))


def test_other_options_begin_anew_and_say_so(tmp_path: Path) -> None:
    source, target = film(tmp_path / "a.mkv"), tmp_path / "b.mkv"
    stopped(source, target, 100)
    summary = vidcolor.colorize(source, target, **(SETTINGS | {"saturation": 0.5}))
    assert summary.kept == 0
    assert any("the option saturation is not what" in notice for notice in summary.notices)


def test_another_input_begins_anew(tmp_path: Path) -> None:
    source, target = film(tmp_path / "a.mkv"), tmp_path / "b.mkv"
    stopped(source, target, 100)
    film(source, cuts=(35, 42))
    summary = vidcolor.colorize(source, target, **SETTINGS)
    assert summary.kept == 0
    assert any("the input is not what" in notice for notice in summary.notices)


def test_restart_throws_work_away(tmp_path: Path) -> None:
    source, target = film(tmp_path / "a.mkv"), tmp_path / "b.mkv"
    stopped(source, target, 100)
    assert vidcolor.colorize(source, target, **SETTINGS, restart=True).kept == 0


def test_kept_work_is_joined_again(tmp_path: Path) -> None:
    source, target = film(tmp_path / "a.mkv"), tmp_path / "b.mkv"
    vidcolor.colorize(source, target, **SETTINGS, keep_work=True)
    before = all_packets(target)
    target.unlink()
    summary = vidcolor.colorize(source, target, **SETTINGS)
    assert summary.kept == summary.frames == 192
    assert all_packets(target) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mkv", "b.mkv"]


def test_a_damaged_part_is_made_again(tmp_path: Path) -> None:
    source, target = film(tmp_path / "a.mkv"), tmp_path / "b.mkv"
    vidcolor.colorize(source, tmp_path / "whole.mkv", **SETTINGS)
    stopped(source, target, 150)
    first = tmp_path / ".b.mkv.vidcolor" / "000002.part"
    first.write_bytes(first.read_bytes()[:-1] + b"x")
    assert vidcolor.colorize(source, target, **SETTINGS).kept == 30  # the first part ends with the first shot
    assert all_packets(target) == all_packets(tmp_path / "whole.mkv")


def test_two_runs_do_not_share_a_result(tmp_path: Path) -> None:
    source, target = film(tmp_path / "a.mkv"), tmp_path / "b.mkv"

    def second(done: Progress) -> None:
        if done.frame == 5:
            with pytest.raises(OutputError, match="Another run is making"):
                vidcolor.colorize(source, target, **SETTINGS)

    vidcolor.colorize(source, target, progress=second, **SETTINGS)
    assert len(decode_pts(target)) == 192


def test_refused_options_leave_work_alone(tmp_path: Path) -> None:
    source, target = film(tmp_path / "a.mkv"), tmp_path / "b.mkv"
    stopped(source, target, 100)
    with pytest.raises(vidcolor.errors.UsageError):
        vidcolor.colorize(source, target, **SETTINGS, crf=99)
    assert vidcolor.colorize(source, target, **SETTINGS).kept > 0


def test_an_input_that_changes_while_it_is_read_is_an_error(tmp_path: Path) -> None:
    source, target = film(tmp_path / "a.mkv"), tmp_path / "b.mkv"
    data = source.read_bytes()

    def shorten(done: Progress) -> None:
        if done.frame == 60:
            source.write_bytes(data[:-50_000])

    with pytest.raises(InputError, match="was changed while it was read"):
        vidcolor.colorize(source, target, progress=shorten, **SETTINGS)
    assert not target.exists()


def test_a_working_folder_that_vanishes_is_an_error(tmp_path: Path) -> None:
    source, target = film(tmp_path / "a.mkv"), tmp_path / "b.mkv"
    vidcolor.colorize(source, tmp_path / "whole.mkv", **SETTINGS)

    def remove(done: Progress) -> None:
        if done.frame == 100:
            for path in (tmp_path / ".b.mkv.vidcolor").iterdir():
                path.unlink()
            (tmp_path / ".b.mkv.vidcolor").rmdir()

    with pytest.raises(OutputError, match="No such file"):
        vidcolor.colorize(source, target, progress=remove, **SETTINGS)
    vidcolor.colorize(source, target, **SETTINGS)
    assert all_packets(target) == all_packets(tmp_path / "whole.mkv")


# Where parts end


def frames_of(levels: list[int]) -> Iterator[Frame]:
    """Noise of a seed each; equal seeds are one shot."""
    for index, seed in enumerate(levels):
        luma = np.random.default_rng(seed).integers(16, 235, (36, 64)).astype(np.uint8)
        yield Frame(luma, Timestamp(index, Fraction(1, RATE)), 1, index)


def borders(feed: Feed, *, may_split: bool = True) -> tuple[list[list[int]], list[Border]]:
    """Numbers of the frames of each part, and the borders between."""
    numbers, found = [], []
    continued = False
    while True:
        numbers.append([frame.index for frame, _ in feed.part(continued, lambda: may_split)])
        if feed.border is None:
            return numbers, found
        found.append(feed.border)
        continued = feed.border.continued


def test_parts_end_with_shots_or_after_the_longest_time() -> None:
    feed = Feed(frames_of([1] * 30 + [2] * 100), 8, in_shots=True)
    numbers, found = borders(feed)
    assert numbers == [list(range(30)), list(range(30, 79)), list(range(78, 127)), list(range(126, 130))]
    assert [(b.frames, b.pts, b.continued) for b in found] == [
        (30, 30, False), (78, 78, True), (126, 126, True)
    ]  # fmt: skip


def test_where_a_shot_must_not_be_parted_it_is_not() -> None:
    numbers, _ = borders(Feed(frames_of([1] * 30 + [2] * 100), 8, in_shots=True), may_split=False)
    assert numbers == [list(range(30)), list(range(30, 130))]


def test_parts_from_a_border_on_are_the_same() -> None:
    levels = [n // 17 for n in range(300)]
    numbers, found = borders(Feed(frames_of(levels), 8, in_shots=True))
    assert len(found) > 5
    for at, border in enumerate(found):
        left = starting_at(border, frames_of(levels))
        assert left is not None
        again, later = borders(Feed(left, 8, in_shots=True, done=border.frames))
        assert again == numbers[at + 1 :]
        assert later == found[at + 1 :]


def test_frames_that_are_not_the_same_are_seen() -> None:
    levels = [n // 17 for n in range(300)]
    border = borders(Feed(frames_of(levels), 8, in_shots=True))[1][1]
    changed = list(levels)
    changed[border.frames + 3] += 1
    assert starting_at(border, frames_of(changed)) is None
    assert starting_at(border, list(frames_of(levels))[border.frames + 1 :]) is None


# Killed

_RUN = """
import sys
from fractions import Fraction
from vidcolor.pipeline import parts
parts.SHORTEST, parts.LONGEST = Fraction(1), Fraction(2)
from vidcolor.cli import main
sys.exit(main())
"""


def command_line(source: Path, target: Path) -> list[str]:
    options = [
        "--model",
        "tiny",
        "--network-size",
        "32",
        "--anchor-every",
        "12",
        "-c:v",
        "ffv1",
        "--json",
        "--parts",
    ]
    return [sys.executable, "-c", _RUN, "run", str(source), "-o", str(target), *options]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals as POSIX has them")
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGKILL, -9), (signal.SIGTERM, 143), (signal.SIGINT, 130)]
)
def test_killed_again_and_again(tmp_path: Path, number: int, code: int) -> None:
    source = film(tmp_path / "a.mkv", size=(96, 64))
    whole, target = tmp_path / "whole.mkv", tmp_path / "b.mkv"
    subprocess.run(command_line(source, whole), env=source_env(), check=True, capture_output=True)
    draw = random.Random(number)
    kills, done = 0, 0
    while not target.exists():
        with subprocess.Popen(
            command_line(source, target), env=source_env(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        ) as process:  # fmt: skip
            assert process.stdout is not None
            if kills < 4:
                process.stdout.readline()  # it has started
                time.sleep(draw.uniform(0, 3))
                process.send_signal(number)
            _, err = process.communicate(timeout=120)
        if process.returncode != 0:
            assert process.returncode == code, err
            kills += 1
            if (tmp_path / ".b.mkv.vidcolor" / "journal.json").exists():
                entries = journal(target)["parts"]
                assert len(entries) >= done
                done = len(entries)
    assert kills > 0
    assert all_packets(target) == all_packets(whole)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mkv", "b.mkv", "whole.mkv"]
