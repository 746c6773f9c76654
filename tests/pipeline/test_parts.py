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
from PIL import Image

import vidcolor
from tests.cli.test_app import source_env
from tests.clips import decode_luma, decode_pts, make_clip
from vidcolor.errors import InputError, OutputError
from vidcolor.frames import Frame, Timestamp
from vidcolor.media.encoders import ENCODERS, container_format, container_holds
from vidcolor.media.part_file import digest_of
from vidcolor.media.probe import probe
from vidcolor.media.reader import VideoReader
from vidcolor.models import create_model
from vidcolor.models.weights import save_weights
from vidcolor.pipeline import parts, person
from vidcolor.pipeline.options import Progress
from vidcolor.pipeline.parts import Border, Feed, starting_at
from vidcolor.pipeline.work import WorkFolder
from vidcolor.temporal import anchors

SETTINGS: dict[str, Any] = {
    "parts": True,
    "model": "tiny",
    "network_size": 32,
    "preset": "ultrafast",
    "anchor_every": 6,
}
FFV1: dict[str, Any] = {"codec": "ffv1", "preset": None}
RATE, FRAMES = 24, 96


@pytest.fixture(autouse=True)
def short_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of half a second to one; and motion is looked for in no larger pictures than the films have."""
    monkeypatch.setattr(parts, "SHORTEST", Fraction(1, 2))
    monkeypatch.setattr(parts, "LONGEST", Fraction(1))
    monkeypatch.setattr(anchors, "_LONG_SIDE", 64)


def film(path: Path, **more: Any) -> Path:
    """4 s: shots of 15 and 6 frames, then one that is parted three times."""
    given: dict[str, Any] = {
        "frames": FRAMES, "audio": 1, "subtitles": path.suffix != ".avi", "cuts": (15, 21)
    }  # fmt: skip
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
    "range": (".mp4", {}, {"start": Fraction(1, 4), "end": Fraction(7, 2)}),
    "uneven times": (
        ".mp4",
        {"pts": [n * 1001 + n % 5 * 150 for n in range(FRAMES)], "time_base": Fraction(1, 24_000)},
        {},
    ),
    "broadcast": (".ts", {"subtitles": False}, {"target": ".mkv"}),
    "interlaced": (".mkv", {"interlaced": True, "codec": "mpeg2video"}, {}),
    "fields": (".mkv", {"interlaced": "bottom"}, {"deinterlace": "off"}),
    "fields in ffv1": (".mkv", {"interlaced": True, "codec": "mpeg2video"}, {"deinterlace": "off", **FFV1}),
    "ffv1": (".mkv", {}, FFV1),
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
    for frame in (45, 75):
        stopped(source, broken, frame, **settings)
    done = journal(broken)["parts"]
    assert len(done) >= 3
    summary = vidcolor.colorize(source, broken, **(SETTINGS | settings))
    assert summary.kept >= done[-1]["until"] > 45
    assert summary.frames == len(decode_pts(whole))
    assert all_packets(broken) == all_packets(whole)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted({source.name, whole.name, broken.name})


def test_a_hint_goes_over_borders(tmp_path: Path) -> None:
    source = film(tmp_path / "a.mkv", cuts=())
    hints = tmp_path / "hints.json"
    hints.write_text(json.dumps([{"time": t, "x": 20, "y": 20, "color": "#c02020"} for t in (0.25, 1.5)]))
    settings = {"hints": str(hints)}
    vidcolor.colorize(source, tmp_path / "whole.mkv", **SETTINGS, **settings)
    for frame in (30, 55, 80):
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


@pytest.mark.parametrize("parts", [True, False])
@pytest.mark.parametrize("more", [{"codec": "libx264", "extra": (("qp", "0"),)}, FFV1])
def test_fields_stay_in_all_parts(tmp_path: Path, more: dict[str, Any], parts: bool) -> None:
    source = film(tmp_path / "a.mkv", interlaced="bottom")
    settings = SETTINGS | more | {"deinterlace": "off", "parts": parts}
    vidcolor.colorize(source, tmp_path / "b.mkv", **settings)
    found = probe(tmp_path / "b.mkv")
    assert [s.video.field_order for s in found.streams if s.video is not None] == ["bt"]
    with VideoReader(tmp_path / "b.mkv", deinterlace="off") as reader:
        assert {frame.first_field for frame in reader.frames()} == {"bottom"}
    for one, other in zip(decode_luma(source), decode_luma(tmp_path / "b.mkv"), strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize(
    ("codec", "ending"),
    [(name, ending) for name in ENCODERS for ending in (".mkv", ".mp4") if not ENCODERS[name].hardware],
)
def test_parts_of_every_encoder_can_be_joined(tmp_path: Path, codec: str, ending: str) -> None:
    if not container_holds(container_format(f"a{ending}"), codec):
        pytest.skip("the container does not hold it")
    source = film(tmp_path / "a.mkv", frames=30, cuts=(15,))
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
    source = film(tmp_path / "a.mkv", cuts=(), frames=60)
    settings = SETTINGS | FFV1
    vidcolor.colorize(source, tmp_path / "parted.mkv", **settings)
    monkeypatch.setattr(parts, "LONGEST", Fraction(100))
    vidcolor.colorize(source, tmp_path / "whole.mkv", **settings)
    parted, whole = (np.abs(np.diff(chroma_of(tmp_path / f"{n}.mkv"), axis=0)) for n in ("parted", "whole"))
    border = RATE - 1  # the step onto the frame two parts share
    assert parted[border].mean() < 1.5 * max(whole[border].mean(), np.median(whole.mean((1, 2))))


def test_other_options_begin_anew_and_say_so(tmp_path: Path) -> None:
    source, target = film(tmp_path / "a.mkv"), tmp_path / "b.mkv"
    stopped(source, target, 50)
    summary = vidcolor.colorize(source, target, **(SETTINGS | {"saturation": 0.5}))
    assert summary.kept == 0
    assert any("the option saturation is not what" in notice for notice in summary.notices)


@pytest.mark.parametrize(
    ("name", "options", "more"),
    [
        ("unet", {"widths": [8, 8]}, {"gain": 0.5}),
        ("unet", {"widths": [8, 8]}, {"shade": 50}),
        ("unet", {"widths": [8, 8]}, {"looks": 2}),
        ("light", {"widths": [4, 4, 4, 4]}, {"top": 3}),
        ("cgan", {"widths": [4, 4], "image": 32}, {"smoothing": 0}),
    ],
    ids=["gain", "shade", "looks", "top", "smoothing"],
)
def test_weights_that_say_more_than_values_begin_anew(
    tmp_path: Path, name: str, options: dict[str, Any], more: dict[str, Any]
) -> None:
    source, target, weights = film(tmp_path / "a.mkv"), tmp_path / "b.mkv", tmp_path / "w.safetensors"
    model = create_model(name, **options)
    save_weights(weights, model, name=name, options=options, version="9")
    stopped(source, target, 50, model=str(weights))
    save_weights(weights, model, name=name, options={**options, **more}, version="9")
    summary = vidcolor.colorize(source, target, **(SETTINGS | {"model": str(weights)}))
    assert summary.kept == 0
    assert any("the model is not what" in notice for notice in summary.notices)


def test_another_input_begins_anew(tmp_path: Path) -> None:
    source, target = film(tmp_path / "a.mkv"), tmp_path / "b.mkv"
    stopped(source, target, 50)
    film(source, cuts=(18, 24))
    summary = vidcolor.colorize(source, target, **SETTINGS)
    assert summary.kept == 0
    assert any("the input is not what" in notice for notice in summary.notices)


def test_restart_throws_work_away(tmp_path: Path) -> None:
    source, target = film(tmp_path / "a.mkv"), tmp_path / "b.mkv"
    stopped(source, target, 50)
    assert vidcolor.colorize(source, target, **SETTINGS, restart=True).kept == 0


def test_kept_work_is_joined_again(tmp_path: Path) -> None:
    source, target = film(tmp_path / "a.mkv"), tmp_path / "b.mkv"
    vidcolor.colorize(source, target, **SETTINGS, keep_work=True)
    before = all_packets(target)
    target.unlink()
    summary = vidcolor.colorize(source, target, **SETTINGS)
    assert summary.kept == summary.frames == FRAMES
    assert all_packets(target) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mkv", "b.mkv"]


def test_a_damaged_part_is_made_again(tmp_path: Path) -> None:
    source, target = film(tmp_path / "a.mkv"), tmp_path / "b.mkv"
    vidcolor.colorize(source, tmp_path / "whole.mkv", **SETTINGS)
    stopped(source, target, 75)
    first = tmp_path / ".b.mkv.vidcolor" / "000002.part"
    first.write_bytes(first.read_bytes()[:-1] + b"x")
    assert vidcolor.colorize(source, target, **SETTINGS).kept == 15  # the first part ends with the first shot
    assert all_packets(target) == all_packets(tmp_path / "whole.mkv")


def test_who_is_stopped_while_parts_are_looked_at_loses_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = film(tmp_path / "a.mkv"), tmp_path / "b.mkv"
    vidcolor.colorize(source, target, **SETTINGS, keep_work=True)
    before, said = all_packets(target), list[str]()
    target.unlink()

    def interrupted(path: Path) -> tuple[int, str]:
        if path.name == "000002.part":
            raise KeyboardInterrupt
        return digest_of(path)

    with monkeypatch.context() as changed:
        changed.setattr("vidcolor.pipeline.work.digest_of", interrupted)
        with pytest.raises(KeyboardInterrupt):
            vidcolor.colorize(source, target, notify=said.append, **SETTINGS)
    assert said[-1] == "15 frames are done and kept; the same command goes on from there."
    assert vidcolor.colorize(source, target, **SETTINGS).kept == FRAMES
    assert all_packets(target) == before


def test_a_run_in_one_piece_leaves_no_parts_of_an_earlier_one(tmp_path: Path) -> None:
    source, target = film(tmp_path / "a.mkv"), tmp_path / "b.mkv"
    whole = {**SETTINGS, "parts": False, "overwrite": True}
    stopped(source, target, 50)
    vidcolor.colorize(source, target, **whole)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mkv", "b.mkv"]
    vidcolor.colorize(source, target, **SETTINGS, overwrite=True, keep_work=True)
    kept = sorted(path.name for path in tmp_path.iterdir())
    vidcolor.colorize(source, target, **whole, keep_work=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == kept == [".b.mkv.vidcolor", "a.mkv", "b.mkv"]

    def other_run(_: Progress) -> None:
        if not at_it:
            at_it.append(WorkFolder(target, source))

    at_it: list[WorkFolder] = []
    vidcolor.colorize(source, target, progress=other_run, **whole)
    at_it[0].leave(keep=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == kept


def test_a_journal_in_another_order(tmp_path: Path) -> None:
    source, target = film(tmp_path / "a.mkv"), tmp_path / "b.mkv"
    vidcolor.colorize(source, target, **SETTINGS, keep_work=True)
    before, path = all_packets(target), tmp_path / ".b.mkv.vidcolor" / "journal.json"
    told = json.loads(path.read_text())
    assert len(told["parts"]) > 2
    path.write_text(json.dumps({**told, "parts": told["parts"][::-1]}))
    assert vidcolor.colorize(source, target, **SETTINGS, overwrite=True).kept == 0
    assert all_packets(target) == before


def test_two_runs_do_not_share_a_result(tmp_path: Path) -> None:
    source, target = film(tmp_path / "a.mkv"), tmp_path / "b.mkv"

    def second(done: Progress) -> None:
        if done.frame == 5:
            with pytest.raises(OutputError, match="Another run is making"):
                vidcolor.colorize(source, target, **SETTINGS)

    vidcolor.colorize(source, target, progress=second, **SETTINGS)
    assert len(decode_pts(target)) == FRAMES


def test_refused_options_leave_work_alone(tmp_path: Path) -> None:
    source, target = film(tmp_path / "a.mkv"), tmp_path / "b.mkv"
    stopped(source, target, 50)
    with pytest.raises(vidcolor.errors.UsageError):
        vidcolor.colorize(source, target, **SETTINGS, crf=99)
    assert vidcolor.colorize(source, target, **SETTINGS).kept > 0


def test_an_input_that_changes_while_it_is_read_is_an_error(tmp_path: Path) -> None:
    source, target = film(tmp_path / "a.mkv"), tmp_path / "b.mkv"
    data = source.read_bytes()

    def shorten(done: Progress) -> None:
        if done.frame == 30:
            source.write_bytes(data[:-50_000])

    with pytest.raises(InputError, match="was changed while it was read"):
        vidcolor.colorize(source, target, progress=shorten, **SETTINGS)
    assert not target.exists()


def test_a_working_folder_that_vanishes_is_an_error(tmp_path: Path) -> None:
    source, target = film(tmp_path / "a.mkv"), tmp_path / "b.mkv"
    vidcolor.colorize(source, tmp_path / "whole.mkv", **SETTINGS)

    def remove(done: Progress) -> None:
        if done.frame == 50:
            for path in (tmp_path / ".b.mkv.vidcolor").iterdir():
                path.unlink()
            (tmp_path / ".b.mkv.vidcolor").rmdir()

    with pytest.raises(OutputError, match="was removed while the film was made in it"):
        vidcolor.colorize(source, target, progress=remove, **SETTINGS)
    vidcolor.colorize(source, target, **SETTINGS)
    assert all_packets(target) == all_packets(tmp_path / "whole.mkv")


# What a person says


def hinted(path: Path, *hints: tuple[int, str]) -> dict[str, Any]:
    """Settings with hints, each at a frame and of a colour."""
    entries = [{"time": n / RATE, "x": 20, "y": 20, "color": color} for n, color in hints]
    path.write_text(json.dumps(entries))
    return SETTINGS | FFV1 | {"hints": str(path), "overwrite": True}


def stamps(target: Path) -> list[int]:
    """When each part was written, in nanoseconds."""
    found = (target.parent / f".{target.name}.vidcolor").glob("*.part")
    return [path.stat().st_mtime_ns for path in sorted(found)]


def made_anew(before: list[int], after: list[int]) -> list[int]:
    """Numbers of the parts that were written again, from 1."""
    return [n for n, (one, other) in enumerate(zip(before, after, strict=True), 1) if one != other]


RED, BLUE = "#c02020", "#2020c0"
CHANGES: dict[str, tuple[list[tuple[int, str]], list[tuple[int, str]], list[int]]] = {
    "another colour": ([(20, RED), (65, RED)], [(20, RED), (65, BLUE)], [5]),
    "another time": ([(20, RED), (65, RED)], [(20, RED), (70, RED)], [5]),
    "from shot to shot": ([(20, RED)], [(50, RED)], [2, 4]),
    "one less": ([(20, RED), (65, RED)], [(65, RED)], [2]),
    "one more": ([(20, RED)], [(20, RED), (80, BLUE)], [6]),
    "the first one": ([], [(0, BLUE)], [1]),
    "none any more": ([(20, RED), (65, RED)], [], [2, 5]),
    "nothing but their order": ([(20, RED), (65, RED)], [(65, RED), (20, RED)], []),
}


@pytest.mark.parametrize("change", CHANGES)
def test_other_hints_make_only_their_shots_anew(tmp_path: Path, change: str) -> None:
    first, then, numbers = CHANGES[change]
    source, target = film(tmp_path / "a.mkv", cuts=range(15, 90, 15)), tmp_path / "b.mkv"
    vidcolor.colorize(source, target, keep_work=True, **hinted(tmp_path / "hints.json", *first))
    before, one = stamps(target), all_packets(target)
    assert len(before) == 6
    again = hinted(tmp_path / "hints.json", *then)
    summary = vidcolor.colorize(source, target, keep_work=True, **again)
    assert made_anew(before, stamps(target)) == numbers
    assert summary.kept == FRAMES - sum(15 if n < 6 else 21 for n in numbers)
    vidcolor.colorize(source, tmp_path / "whole.mkv", **again)
    assert all_packets(target) == all_packets(tmp_path / "whole.mkv")
    assert (all_packets(target) != one) == bool(numbers)
    assert any("parts are made again" in notice for notice in summary.notices) == bool(numbers)


def test_a_hint_reaches_back_no_further_than_it_is_brought(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(person, "_LOOK_BACK", 6)
    source, target = film(tmp_path / "a.mkv", cuts=(), frames=120), tmp_path / "b.mkv"
    vidcolor.colorize(source, target, keep_work=True, **hinted(tmp_path / "hints.json", (60, RED)))
    before = stamps(target)
    assert len(before) == 5
    again = hinted(tmp_path / "hints.json", (60, BLUE))
    vidcolor.colorize(source, target, keep_work=True, **again)
    assert made_anew(before, stamps(target)) == [3, 4, 5]
    vidcolor.colorize(source, tmp_path / "whole.mkv", **again)
    assert all_packets(target) == all_packets(tmp_path / "whole.mkv")


def test_a_change_that_is_stopped_and_changed_again(tmp_path: Path) -> None:
    source, target = film(tmp_path / "a.mkv", cuts=range(15, 90, 15)), tmp_path / "b.mkv"
    hints = tmp_path / "hints.json"
    settings = hinted(hints, (20, RED), (35, RED), (50, RED))
    with pytest.raises(KeyboardInterrupt):
        vidcolor.colorize(source, target, progress=stopping_at(80), **settings)
    before = stamps(target)
    settings = hinted(hints, (20, BLUE), (35, BLUE), (50, RED))
    with pytest.raises(KeyboardInterrupt):
        vidcolor.colorize(source, target, progress=stopping_at(65), **settings)  # 45 kept, 15 of part 2
    middle = stamps(target)
    assert made_anew(before, middle) == [2]
    again = hinted(hints, (20, BLUE), (35, RED), (50, RED))
    summary = vidcolor.colorize(source, target, keep_work=True, **again)
    assert made_anew(middle, stamps(target)[: len(middle)]) == []
    assert summary.kept == 15 * len(middle)
    vidcolor.colorize(source, tmp_path / "whole.mkv", **again)
    assert all_packets(target) == all_packets(tmp_path / "whole.mkv")


def test_a_picture_that_is_painted_over_makes_its_shot_anew(tmp_path: Path) -> None:
    source, target = film(tmp_path / "a.mkv", cuts=range(15, 90, 15)), tmp_path / "b.mkv"
    folder = tmp_path / "painted"
    folder.mkdir()
    for n, name in ((20, "00-00-00.833.png"), (65, "00-00-02.708.png")):
        Image.new("RGB", (64, 48), (n, 90, 20)).save(folder / name)
    settings = SETTINGS | FFV1 | {"anchors": str(folder), "overwrite": True}
    vidcolor.colorize(source, target, keep_work=True, **settings)
    before = stamps(target)
    Image.new("RGB", (64, 48), (20, 90, 200)).save(folder / "00-00-02.708.png")
    vidcolor.colorize(source, target, keep_work=True, **settings)
    assert made_anew(before, stamps(target)) == [5]
    vidcolor.colorize(source, tmp_path / "whole.mkv", **settings)
    assert all_packets(target) == all_packets(tmp_path / "whole.mkv")


def test_what_is_said_and_what_is_damaged_are_made_anew_together(tmp_path: Path) -> None:
    source, target = film(tmp_path / "a.mkv", cuts=range(15, 90, 15)), tmp_path / "b.mkv"
    vidcolor.colorize(source, target, keep_work=True, **hinted(tmp_path / "hints.json", (20, RED)))
    work, before = tmp_path / ".b.mkv.vidcolor", stamps(target)
    (work / "000004.part").write_bytes(b"")
    (work / "000006.part").unlink()
    (work / "000001.state.npz").write_bytes(b"not one")
    again = hinted(tmp_path / "hints.json", (20, BLUE))
    summary = vidcolor.colorize(source, target, keep_work=True, **again)
    assert made_anew(before, stamps(target)) == [1, 2, 4, 6]
    assert summary.kept == 30
    vidcolor.colorize(source, tmp_path / "whole.mkv", **again)
    assert all_packets(target) == all_packets(tmp_path / "whole.mkv")


def test_a_journal_that_lies_of_borders_is_not_believed(tmp_path: Path) -> None:
    source, target = film(tmp_path / "a.mkv", cuts=range(15, 90, 15)), tmp_path / "b.mkv"
    vidcolor.colorize(source, target, keep_work=True, **hinted(tmp_path / "hints.json", (20, RED)))
    whole, before = all_packets(target), stamps(target)
    path = tmp_path / ".b.mkv.vidcolor" / "journal.json"
    told = json.loads(path.read_text())
    told["parts"][1]["border"]["pts"] += 40
    told["parts"][1]["digest"] = "0"
    path.write_text(json.dumps(told))
    vidcolor.colorize(source, target, keep_work=True, **hinted(tmp_path / "hints.json", (20, RED)))
    assert made_anew(before, stamps(target)) == [2, 3, 4, 5, 6]
    assert all_packets(target) == whole


def test_a_part_s_last_frame_is_shown_until_the_next_part_begins(tmp_path: Path) -> None:
    times = [n + 9 * (n >= 15) for n in range(30)]  # the fifteenth frame stands still for 10 others' time
    source = film(tmp_path / "a.mkv", pts=times, time_base=Fraction(1, RATE), cuts=(15,), audio=0)
    found = {}
    for color in (RED, BLUE):
        settings = hinted(tmp_path / "hints.json", (20, color))
        summary = vidcolor.colorize(source, tmp_path / "b.mkv", keep_work=True, **settings)
        assert not any("was not used" in notice for notice in summary.notices)
        found[color] = chroma_of(tmp_path / "b.mkv")
    assert len(journal(tmp_path / "b.mkv")["parts"]) == 2
    changed = np.abs(found[RED] - found[BLUE]).max(axis=(1, 2))
    assert changed[14] > 20
    assert not changed[15:].any()


# The folder


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    source, elsewhere = film(tmp_path / "a.mkv"), tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "000001.part").write_bytes(b"mine")
    (tmp_path / ".b.mkv.vidcolor").symlink_to(elsewhere)
    with pytest.raises(OutputError, match="is a link"):
        vidcolor.colorize(source, tmp_path / "b.mkv", **SETTINGS)
    assert [path.name for path in elsewhere.iterdir()] == ["000001.part"]


def test_a_file_in_its_place_is_told_of(tmp_path: Path) -> None:
    source = film(tmp_path / "a.mkv", frames=30)
    (tmp_path / ".b.mkv.vidcolor").write_text("mine")
    with pytest.raises(OutputError, match=r"b\.mkv\.vidcolor is in the way of the folder a film is made in"):
        vidcolor.colorize(source, tmp_path / "b.mkv", **SETTINGS)
    assert (tmp_path / ".b.mkv.vidcolor").read_text() == "mine"


@pytest.mark.parametrize(
    "told",
    [
        '{"parts": 5}',
        '{"parts": [5]}',
        '{"parts": [{}]}',
        '{"parts": [{"frames": Infinity}]}',
        "[]",
        "[" * 9999,
    ],
)
def test_a_journal_of_anything_is_passed_over(tmp_path: Path, told: str) -> None:
    source, target = film(tmp_path / "a.mkv", frames=30), tmp_path / "b.mkv"
    vidcolor.colorize(source, target, **SETTINGS, keep_work=True)
    path = tmp_path / ".b.mkv.vidcolor" / "journal.json"
    known = json.loads(path.read_text())
    if told.startswith("{"):
        given = json.loads(told)
        parts = given["parts"]
        if isinstance(parts, list) and isinstance(parts[0], dict):
            given["parts"] = [{**known["parts"][0], **parts[0]}] if parts[0] else parts
        told = json.dumps({**known, **given})
    path.write_text(told)
    target.unlink()
    assert vidcolor.colorize(source, target, **SETTINGS).kept == 0
    assert len(decode_pts(target)) == 30


@pytest.mark.parametrize(
    "name", ["lock", "journal.json.aside", "000001.part.aside", "000001.part", "film.mkv"]
)
def test_links_in_it_are_not_followed(tmp_path: Path, name: str) -> None:
    source, mine = film(tmp_path / "a.mkv", frames=30), tmp_path / "mine"
    mine.write_bytes(b"mine")
    work = tmp_path / ".b.mkv.vidcolor"
    work.mkdir()
    (work / name).symlink_to(mine)
    if name == "lock":
        with pytest.raises(OutputError):
            vidcolor.colorize(source, tmp_path / "b.mkv", **SETTINGS)
    else:
        vidcolor.colorize(source, tmp_path / "b.mkv", **SETTINGS)
    assert mine.read_bytes() == b"mine"


# Where parts end


def frames_of(levels: list[int]) -> Iterator[Frame]:
    """Noise of a seed each; equal seeds are one shot."""
    for index, seed in enumerate(levels):
        luma = np.random.default_rng(seed).integers(16, 235, (36, 64)).astype(np.uint8)
        yield Frame(luma, Timestamp(index, Fraction(1, RATE)), 1, index)


def borders(feed: Feed) -> tuple[list[list[int]], list[Border]]:
    """Numbers of the frames of each part, and the borders between."""
    numbers, found = [], []
    continued = False
    while True:
        numbers.append([frame.index for frame, _ in feed.part(continued)])
        if feed.border is None:
            return numbers, found
        found.append(feed.border)
        continued = feed.border.continued


def test_parts_end_with_shots_or_after_the_longest_time() -> None:
    feed = Feed(frames_of([1] * 15 + [2] * 50), 8, in_shots=True)
    numbers, found = borders(feed)
    assert numbers == [list(range(15)), list(range(15, 40)), list(range(39, 64)), list(range(63, 65))]
    assert [(b.frames, b.pts, b.continued) for b in found] == [
        (15, 15, False), (39, 39, True), (63, 63, True)
    ]  # fmt: skip


def test_parts_from_a_border_on_are_the_same() -> None:
    levels = [n // 17 for n in range(150)]
    numbers, found = borders(Feed(frames_of(levels), 8, in_shots=True))
    assert len(found) > 5
    for at, border in enumerate(found):
        left = starting_at(border, frames_of(levels))
        assert left is not None
        again, later = borders(Feed(left, 8, in_shots=True, done=border.frames))
        assert again == numbers[at + 1 :]
        assert later == found[at + 1 :]


def test_frames_that_are_not_the_same_are_seen() -> None:
    levels = [n // 17 for n in range(150)]
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
from vidcolor.temporal import anchors
parts.SHORTEST, parts.LONGEST, anchors._LONG_SIDE = Fraction(1, 2), Fraction(1), 64
from vidcolor.cli import main
sys.exit(main())
"""


def killed(source: Path, target: Path, number: int, wait: float) -> tuple[int, str]:
    """The exit status and the last words of a run that got a signal some time after its first frame."""
    options = ["--model", "tiny", "--network-size", "32", "--anchor-every", "6", "-c:v", "ffv1", "--json"]
    command = [sys.executable, "-c", _RUN, "run", str(source), "-o", str(target), *options]
    with subprocess.Popen(
        command, env=source_env(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:  # fmt: skip
        assert process.stdout is not None
        while '"progress"' not in process.stdout.readline():
            assert process.poll() is None
        time.sleep(wait)
        process.send_signal(number)
        return process.wait(120), "" if process.stderr is None else process.stderr.read()


@pytest.mark.skipif(sys.platform == "win32", reason="pipes as POSIX has them")
def test_a_reader_that_goes_away_loses_nothing(tmp_path: Path) -> None:
    source, target = (
        film(tmp_path / "a.mkv", frames=8 * FRAMES, cuts=range(15, 8 * FRAMES, 15)),
        tmp_path / "b.mkv",
    )
    options = ["--model", "tiny", "--network-size", "32", "-c:v", "ffv1", "--json"]
    command = [sys.executable, "-c", _RUN, "run", str(source), "-o", str(target), *options]
    with subprocess.Popen(
        command, env=source_env(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        while '"progress"' not in process.stdout.readline():
            assert process.poll() is None
        process.stdout.close()
        words = process.stderr.read()
        assert process.wait(120) == 1
    assert "vidcolor: error: Nobody reads stdout any more, where --json writes" in words
    assert "Traceback" not in words
    assert "are done and kept; the same command goes on from there" in words
    assert not target.exists()
    assert journal(target)["parts"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals as POSIX has them")
@pytest.mark.parametrize(
    ("number", "kills", "code"), [(signal.SIGKILL, 3, -9), (signal.SIGTERM, 1, 143), (signal.SIGINT, 1, 130)]
)
def test_killed_again_and_again(tmp_path: Path, number: int, kills: int, code: int) -> None:
    source = film(tmp_path / "a.mkv", frames=2 * FRAMES)
    whole, target = tmp_path / "whole.mkv", tmp_path / "b.mkv"
    begun = time.perf_counter()
    vidcolor.colorize(source, whole, **SETTINGS | FFV1)
    lasts = time.perf_counter() - begun
    draw = random.Random(number)
    done = times = 0
    for _ in range(kills):
        status, words = killed(source, target, number, draw.uniform(0, lasts / 2))
        if target.exists():
            break
        assert status == code, words
        times += 1
        if (tmp_path / ".b.mkv.vidcolor" / "journal.json").exists():
            entries = journal(target)["parts"]
            assert len(entries) >= done
            done = len(entries)
        if done and number != signal.SIGKILL:
            assert "are done and kept; the same command goes on from there" in words
    assert times > 0
    summary = vidcolor.colorize(source, target, overwrite=target.exists(), **SETTINGS | FFV1)
    assert summary.kept > 0 or not done
    assert all_packets(target) == all_packets(whole)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mkv", "b.mkv", "whole.mkv"]
