"""A person's word on colour, from file to file: painted anchors and hints are obeyed, the rest stays."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
import torch
from av.video.reformatter import Interpolation
from torch import Tensor

import vidcolor
from tests.clips import decode_luma, make_clip
from tests.pipeline.test_anchored import Known, decode_chroma, give, start_shots_at, write_film
from tests.reels import Planes, scene, write_reel
from tests.temporal.drawn import pan, square_over_ground
from vidcolor.errors import InputError, OutputError, UsageError
from vidcolor.frames import Orientation
from vidcolor.media.reader import VideoReader
from vidcolor.metrics.difference import delta_e_2000, picture_lab
from vidcolor.pipeline.anchor_folder import Film, read_folder
from vidcolor.pipeline.anchors import AnchorSummary, write_anchors
from vidcolor.pipeline.options import RunOptions
from vidcolor.pipeline.words import _settled

HEIGHT, WIDTH = 128, 192
GIVEN: dict[str, Any] = {"network_size": 64, "device": "cpu"}
RED, BLUE = (200, 40, 40), (50, 70, 190)
FILM = Path(os.environ.get("VIDCOLOR_DATA", "data")) / "video" / "demo" / "dog.mp4"


@pytest.fixture(autouse=True)
def small_motion(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vidcolor.temporal.anchors._LONG_SIDE", 192)


class Sandy(Known):
    """One colour for everything, and whatever hints say at their points."""

    takes_hints = True

    def ab(self, lightness: Tensor) -> Tensor:
        return torch.tensor([4.0, 14.0])[None, :, None, None].expand(len(lightness), 2, *lightness.shape[-2:])


@pytest.fixture
def film(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A square that moves to the right by 2.5 pixels a frame, 62 frames, one shot."""
    give(monkeypatch, Sandy())
    monkeypatch.setattr("vidcolor.pipeline.anchors.resolve_model", vidcolor.pipeline.run.resolve_model)
    start_shots_at(monkeypatch, (0,))
    return write_film(tmp_path / "a.mkv", square_over_ground(48, HEIGHT, WIDTH)[0])


def square(frame: int) -> tuple[slice, slice]:
    """Where the square of :func:`square_over_ground` is, without its border."""
    left = 10 + round(2.5 * frame)
    return slice(32 + 6, 96 - 6), slice(left + 6, min(left + 64, WIDTH) - 6)


def anchors(source: Path, folder: Path, **options: Any) -> AnchorSummary:
    return write_anchors(source, folder, RunOptions(**{**GIVEN, "anchor_every": 12, **options}))


def run(source: Path, target: Path, **options: Any) -> Path:
    chosen = {**GIVEN, "codec": "ffv1", "anchor_every": 12, "overwrite": True, **options}
    vidcolor.colorize(source, target, **chosen)
    return target


def entries(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((folder / "index.json").read_text())["anchors"]
    return found


def painted(rgb: np.ndarray, where: Any, colour: tuple[int, int, int]) -> np.ndarray:
    """A picture with another colour somewhere, and its brightness as it was (BT.601)."""
    shares = np.array([0.299, 0.587, 0.114])
    result = rgb.astype(float)
    luma = result[where] @ shares
    step = np.array(colour) - np.array(colour) @ shares
    room = np.where(
        step > 0, (255 - luma[..., None]) / np.maximum(step, 1e-6), luma[..., None] / np.maximum(-step, 1e-6)
    )
    share = np.minimum(room.min(-1), 1)
    result[where] = luma[..., None] + share[..., None] * step
    return np.rint(result).clip(0, 255).astype(np.uint8)


def read(path: Path) -> np.ndarray:
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    assert picture is not None
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def write(path: Path, rgb: np.ndarray) -> None:
    cv2.imwrite(str(path), cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))


def decode_rgb(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def differences(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """CIEDE2000 of two pictures ``(H, W, 3)``, pixel by pixel."""
    labs = [torch.from_numpy(picture_lab(np.ascontiguousarray(p))).permute(2, 0, 1) for p in (one, other)]
    return delta_e_2000(*labs).numpy()


def decode_exactly(path: Path) -> list[np.ndarray]:
    """Frames of a film in BT.601 of limited range as RGB ``(H, W, 3)`` uint8: swscale enlarges chroma, but
    the RGB it makes is rounded down, which alone is a difference of 0.8."""
    to_rgb = np.float32([[1, 0, 1.402], [1, -0.114 * 1.772 / 0.587, -0.299 * 1.402 / 0.587], [1, 1.772, 0]])
    how = Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.BITEXACT
    found = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            codes = frame.reformat(format="yuv444p", interpolation=how).to_ndarray().transpose(1, 2, 0)
            signal = (codes - np.float32([16, 128, 128])) / np.float32([219, 224, 224])
            found.append(np.rint(255 * (signal @ to_rgb.T).clip(0, 1)).astype(np.uint8))
    return found


def smaller(rgb: np.ndarray, factor: int = 2) -> np.ndarray:
    """At the network's size."""
    height, width = (side // factor for side in rgb.shape[:2])
    return cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA)


# ---- the folder -------------------------------------------------------------------------------


def test_what_is_in_the_folder(film: Path, tmp_path: Path) -> None:
    summary = anchors(film, tmp_path / "d")
    index = json.loads((tmp_path / "d" / "index.json").read_text())
    found = index["anchors"]
    assert summary.anchors == len(found) >= 3
    assert summary.frames == 48
    assert index["film"] | {"rate": ""} == {
        "name": "a.mkv",
        "bytes": film.stat().st_size,
        "stream": 0,
        "width": WIDTH,
        "height": HEIGHT,
        "rotation": 0,
        "time_base": "1/1000",
        "rate": "",
        "mirrored": False,
    }
    assert index["anchor_every"] == 12
    assert [e["starts_shot"] for e in found] == [True] + [False] * (len(found) - 1)
    names = [e["file"] for e in found]
    assert names == sorted(names)
    assert names[0] == "00-00-00.000.png"
    times = [round(n / 24, 3) for n in range(48)]
    for entry in found:
        assert Fraction(entry["exact"]) == Fraction(entry["pts"], 1000)
        assert min(abs(entry["time"] - t) for t in times) < 1e-3
        assert read(tmp_path / "d" / entry["file"]).shape == (HEIGHT, WIDTH, 3)
    assert {p.name for p in (tmp_path / "d").iterdir()} == {
        *names,
        "index.json",
        "contact-sheet.png",
        "originals",
    }
    assert read(tmp_path / "d" / "contact-sheet.png").shape[1] > 192
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_anchors_look_as_the_run_does(film: Path, tmp_path: Path) -> None:
    anchors(film, tmp_path / "d")
    result = decode_exactly(run(film, tmp_path / "b.mkv"))
    for entry in entries(tmp_path / "d"):
        number = round(entry["time"] * 24)
        assert differences(read(tmp_path / "d" / entry["file"]), result[number]).mean() < 0.8


def test_a_film_of_a_foreign_matrix_has_the_runs_anchors(tmp_path: Path) -> None:
    """Its own chroma means other colours, so that it is coloured anew."""
    tags = ("limited", "ictcp", None, None)
    source = make_clip(
        tmp_path / "a.mkv", size=(192, 128), frames=26, codec="ffv1", color=tags, colourful=True
    )
    summary = anchors(source, tmp_path / "d", model="tiny")
    assert summary.notices == ("Colour cannot be made in the file's matrix, ictcp; the result is smpte170m.",)
    result = decode_exactly(run(source, tmp_path / "b.mkv", model="tiny"))
    found = entries(tmp_path / "d")
    assert len(found) >= 2
    for entry in found:
        number = round(entry["time"] * 24)
        assert differences(read(tmp_path / "d" / entry["file"]), result[number]).mean() < 0.8


@pytest.mark.parametrize(
    ("rotation", "mirrored"), [(90, False), (180, False), (270, False), (0, True), (90, True)]
)
def test_pictures_are_upright_and_read_back_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rotation: int, mirrored: bool
) -> None:
    seen = pan(3, 6, 0.5, 96, 64)
    way = Orientation(rotation // 90, mirrored)
    stored = [np.ascontiguousarray(way.stored(picture)) for picture in seen]
    source = write_film(tmp_path / "a.mp4", stored, rotation=rotation, mirrored=mirrored)
    anchors(source, tmp_path / "d", model="tiny")
    path = tmp_path / "d" / "00-00-00.000.png"
    picture = read(path)
    assert picture.shape[:2] == (96, 64)
    assert np.abs(picture[..., 1].astype(int) - seen[0]).mean() < 10
    write(path, painted(picture, (slice(0, 24), slice(0, 32)), RED))
    found = decode_chroma(run(source, tmp_path / "b.mkv", model="tiny", anchors=tmp_path / "d"))
    red = way.upright(found[0][1]).astype(int)
    assert red[:10, :14].mean() > red[-10:, :14].mean() + 20
    assert red[:10, :14].mean() > red[:10, -14:].mean() + 10


def test_an_untouched_folder_changes_nothing(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mkv", size=(192, 128), frames=50, cuts=[30], codec="ffv1")
    anchors(source, tmp_path / "d", model="tiny")
    plain = decode_chroma(run(source, tmp_path / "b.mkv", model="tiny"))
    told = decode_chroma(run(source, tmp_path / "c.mkv", model="tiny", anchors=tmp_path / "d"))
    assert all(np.array_equal(one, other) for one, other in zip(plain, told, strict=True))


# ---- obedience --------------------------------------------------------------------------------


@pytest.mark.parametrize("which", [0, 1, 2, -1])
def test_a_painted_anchor_is_obeyed_at_its_frame_and_around(film: Path, tmp_path: Path, which: int) -> None:
    anchors(film, tmp_path / "d")
    entry = entries(tmp_path / "d")[which]
    number = round(entry["time"] * 24)
    path = tmp_path / "d" / entry["file"]
    before = read(path)
    after = painted(before, square(number), RED)
    write(path, after)
    result = decode_rgb(run(film, tmp_path / "b.mkv", anchors=tmp_path / "d"))
    changed = differences(smaller(before), smaller(after)) > 5
    assert changed.mean() > 0.05
    assert differences(smaller(result[number]), smaller(after))[changed].mean() < 2
    looked_at = 0
    for other in (number - 24, number - 12, number + 12, number + 24):
        if 0 <= other < len(result):
            rows, columns = square(other)
            there = square(number)[1].start, columns.start
            width = min(columns.stop - columns.start, square(number)[1].stop - there[0]) - 4
            one = result[other][rows, there[1] : there[1] + width]
            expected = after[rows, there[0] : there[0] + width]
            assert differences(one, expected).mean() < 6
            looked_at += 1
    assert looked_at >= 2
    for one, two in zip(decode_luma(film), decode_luma(tmp_path / "b.mkv"), strict=True):
        assert np.array_equal(one, two)


@pytest.mark.parametrize("left", [b"", b"x", None])
def test_an_original_that_is_damaged_is_done_without(film: Path, tmp_path: Path, left: bytes | None) -> None:
    """A picture is then obeyed as a whole, where else only what was changed is."""
    anchors(film, tmp_path / "d")
    entry = entries(tmp_path / "d")[1]
    path = tmp_path / "d" / entry["file"]
    write(path, painted(read(path), square(round(entry["time"] * 24)), RED))
    before = decode_rgb(run(film, tmp_path / "b.mkv", anchors=tmp_path / "d"))
    original = tmp_path / "d" / "originals" / entry["file"]
    if left is None:
        original.unlink()
    else:
        original.write_bytes(left)
    after = decode_rgb(run(film, tmp_path / "b.mkv", anchors=tmp_path / "d"))
    number = round(entry["time"] * 24)
    where = square(number)
    assert differences(after[number][where], before[number][where]).mean() < 2


def test_two_painted_anchors_are_both_obeyed(film: Path, tmp_path: Path) -> None:
    anchors(film, tmp_path / "d")
    found = entries(tmp_path / "d")
    expected = {}
    for entry, colour in ((found[0], BLUE), (found[-1], RED)):
        number, path = round(entry["time"] * 24), tmp_path / "d" / entry["file"]
        expected[number] = painted(read(path), square(number), colour)
        write(path, expected[number])
    result = decode_rgb(run(film, tmp_path / "b.mkv", anchors=tmp_path / "d"))
    for number, picture in expected.items():
        assert differences(smaller(result[number]), smaller(picture))[square_of_half(number)].mean() < 2


def square_of_half(number: int) -> tuple[slice, slice]:
    rows, columns = square(number)
    return slice(rows.start // 2 + 1, rows.stop // 2 - 1), slice(
        columns.start // 2 + 1, columns.stop // 2 - 1
    )


def test_a_hint_is_obeyed_at_its_point_and_around(film: Path, tmp_path: Path) -> None:
    rows, columns = square(24)
    y, x = (rows.start + rows.stop) // 2, (columns.start + columns.stop) // 2
    hints = tmp_path / "hints.json"
    hints.write_text(json.dumps([{"time": "0:01", "x": x, "y": y, "radius": 6, "color": {"a": 40, "b": 20}}]))
    result = decode_rgb(run(film, tmp_path / "b.mkv", hints=hints))
    plain = decode_rgb(run(film, tmp_path / "c.mkv"))
    for number, most in ((24, 2), (0, 6), (12, 6), (36, 6), (47, 6)):
        moved = x + round(2.5 * (number - 24))
        window = (slice(y - 4, y + 5), slice(moved - 4, moved + 5))
        if moved > WIDTH - 8:
            continue
        ab = picture_lab(result[number])[window][..., 1:].mean((0, 1))
        before = picture_lab(plain[number])[window][..., 1:].mean((0, 1))
        lab = np.stack([[60, *ab], [60, 40, 20]]).astype(np.float32)
        one, other = (torch.from_numpy(v)[:, None, None] for v in lab)
        assert float(delta_e_2000(other, one)) < most
        assert np.hypot(*(ab - before)) > 15
    # Far from the square nothing has changed.
    assert np.abs(result[24][:24, 150:].astype(int) - plain[24][:24, 150:]).max() <= 2


def test_a_hint_belongs_to_the_picture_that_is_shown_then(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every frame is shown for two seconds, and Matroska does not say so."""
    with av.open(str(film)) as old, av.open(str(tmp_path / "slow.mkv"), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        for number, packet in enumerate(p for p in old.demux(video=0) if p.pts is not None):
            if number == 6:
                break
            packet.stream, packet.duration = stream, 0
            packet.pts = packet.dts = round(2 * number / packet.time_base)
            new.mux(packet)
    hints = tmp_path / "hints.json"
    hints.write_text('[{"time": 5, "x": 60, "y": 64, "radius": 6, "color": {"a": 40, "b": 20}}]')
    notices: list[str] = []
    result = decode_rgb(run(tmp_path / "slow.mkv", tmp_path / "b.mkv", hints=hints, notify=notices.append))
    assert len(result) == 6
    assert not [notice for notice in notices if "was not used" in notice]
    assert picture_lab(result[2])[62:67, 58:63, 1].mean() > 35


def test_many_hints_at_one_frame_are_all_obeyed(film: Path, tmp_path: Path) -> None:
    places = [(60 + 20 * (n % 5), 40 + 16 * (n // 5)) for n in range(20)]
    colour = {"a": 40, "b": 20}
    said = [{"time": 1, "x": x, "y": y, "radius": 3, "color": colour} for x, y in places]
    hints = tmp_path / "hints.json"
    hints.write_text(json.dumps(said))
    result = picture_lab(decode_rgb(run(film, tmp_path / "b.mkv", hints=hints))[24])
    for x, y in places:
        assert result[y - 1 : y + 2, x - 1 : x + 2, 1].mean() > 25


def test_a_model_that_takes_no_hints_obeys_them(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Sandy()
    model.takes_hints = False  # type: ignore[misc]
    give(monkeypatch, model)
    hints = tmp_path / "hints.json"
    hints.write_text('[{"time": 0.5, "x": 70, "y": 64, "color": "#c02020"}]')
    result = decode_rgb(run(film, tmp_path / "b.mkv", hints=hints))
    a, b = picture_lab(result[12])[62:67, 68:73, 1:].mean((0, 1))
    assert a > 35
    assert b > 15
    assert all(hint is None for hint in model.hints)


@pytest.mark.parametrize("piped", [False, True])
def test_no_picture_is_coloured_twice(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piped: bool
) -> None:
    """Neither where a hint asks what the network says by itself, nor where its frame was read ahead."""
    pictures: list[tuple[bytes, bool]] = []

    class Noting(Sandy):
        def raw(
            self, lightness: Tensor, hints: Tensor | None = None, condition: Tensor | None = None
        ) -> Tensor:
            pictures.extend((picture.numpy().tobytes(), hints is not None) for picture in lightness)
            return super().raw(lightness, hints, condition)

    give(monkeypatch, Noting())
    said = [{"time": time, "x": 60, "y": 64, "color": "red"} for time in (0, 0.75, 1.5)]
    (tmp_path / "hints.json").write_text(json.dumps(said))
    source = film
    if piped:
        source = tmp_path / "pipe.mkv"
        os.mkfifo(source)
        feeder = threading.Thread(target=lambda: source.write_bytes(film.read_bytes()))
        feeder.start()
    run(source, tmp_path / "b.mkv", hints=tmp_path / "hints.json")
    if piped:
        feeder.join()
    plain = [picture for picture, told in pictures if not told]
    assert len(plain) >= 4
    assert len(set(plain)) == len(plain)
    assert len(pictures) - len(plain) == len(said)


def test_no_anchor_comes_between_a_word_and_what_it_is_brought_back_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Much comes into the picture before the word; an anchor there would have the network's colour."""
    give(monkeypatch, Sandy())
    monkeypatch.setattr("vidcolor.pipeline.anchors.resolve_model", vidcolor.pipeline.run.resolve_model)
    start_shots_at(monkeypatch, (0,))
    source = write_film(tmp_path / "a.mkv", pan(7, 24, 6.0, HEIGHT, WIDTH))
    hints = tmp_path / "hints.json"
    hints.write_text('[{"time": 0.8334, "x": 60, "y": 64, "color": "#c02020"}]')
    found = {}
    for name, said in (("plain", {}), ("told", {"hints": hints})):
        anchors(source, tmp_path / name, anchor_every=24, **said)
        found[name] = [round(24 * entry["time"]) for entry in entries(tmp_path / name)]
    assert any(0 < number < 20 for number in found["plain"])
    assert [number for number in found["told"] if number <= 20] == [0, 20]


def test_nothing_said_goes_over_a_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three shots; the one in the middle is painted all over, the others stay exactly what they are."""
    shots = [pan(seed, 20, 1.0, HEIGHT, WIDTH) for seed in (1, 2, 3)]
    source = write_film(tmp_path / "a.mkv", [picture for shot in shots for picture in shot])
    give(monkeypatch, Sandy())
    monkeypatch.setattr("vidcolor.pipeline.anchors.resolve_model", vidcolor.pipeline.run.resolve_model)
    anchors(source, tmp_path / "d", anchor_every=6)
    middle = [e for e in entries(tmp_path / "d") if e["shot"] == 2]
    assert len(middle) >= 2
    plain = decode_chroma(run(source, tmp_path / "b.mkv", anchor_every=6))
    path = tmp_path / "d" / middle[1]["file"]
    write(path, painted(read(path), (slice(None), slice(None)), BLUE))
    told = decode_chroma(run(source, tmp_path / "c.mkv", anchor_every=6, anchors=tmp_path / "d"))
    same = [np.array_equal(one, other) for one, other in zip(plain, told, strict=True)]
    assert same == [True] * 20 + [False] * 20 + [True] * 20
    for number in range(20, 40):
        assert told[number][0].mean() > plain[number][0].mean() + 15


def test_ten_bits_are_painted_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    give(monkeypatch, Sandy())
    monkeypatch.setattr("vidcolor.pipeline.anchors.resolve_model", vidcolor.pipeline.run.resolve_model)
    source = write_film(tmp_path / "a.mkv", pan(4, 14, 1.0, HEIGHT, WIDTH), "yuv420p10le")
    anchors(source, tmp_path / "d")
    path = tmp_path / "d" / "00-00-00.000.png"
    after = painted(read(path), (slice(30, 90), slice(40, 120)), RED)
    write(path, after)
    result = decode_rgb(run(source, tmp_path / "b.mkv", anchors=tmp_path / "d"))
    assert differences(smaller(result[0]), smaller(after))[17:43, 22:58].mean() < 2


def test_a_pipe_carries_forwards_only_and_says_so(film: Path, tmp_path: Path) -> None:
    anchors(film, tmp_path / "d")
    entry = entries(tmp_path / "d")[1]
    number = round(entry["time"] * 24)
    write(tmp_path / "d" / entry["file"], painted(read(tmp_path / "d" / entry["file"]), square(number), RED))
    pipe = tmp_path / "pipe.mkv"
    os.mkfifo(pipe)
    feeder = threading.Thread(target=lambda: pipe.write_bytes(film.read_bytes()))
    feeder.start()
    notices: list[str] = []
    chosen = {**GIVEN, "codec": "ffv1", "anchor_every": 12}
    vidcolor.colorize(pipe, tmp_path / "b.mkv", anchors=tmp_path / "d", notify=notices.append, **chosen)
    feeder.join()
    assert any("read only once" in notice for notice in notices)
    result = decode_rgb(tmp_path / "b.mkv")
    red = [picture_lab(picture)[square(n)][..., 1].mean() for n, picture in enumerate(result)]
    assert red[0] < 10
    assert red[number] > 30
    assert red[min(number + 12, 47)] > 25


# ---- what editors hand back -------------------------------------------------------------------


def as_16_bits(path: Path, rgb: np.ndarray) -> Path:
    cv2.imwrite(str(path), cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR).astype(np.uint16) * 257)
    return path


def with_alpha(path: Path, rgb: np.ndarray) -> Path:
    cv2.imwrite(str(path), cv2.cvtColor(rgb, cv2.COLOR_RGB2BGRA))
    return path


def with_profile(path: Path, rgb: np.ndarray) -> Path:
    from PIL import Image, ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(rgb).save(path, icc_profile=profile)
    return path


def as_tiff(path: Path, rgb: np.ndarray) -> Path:
    path.unlink()
    write(path.with_suffix(".tif"), rgb)
    return path.with_suffix(".tif")


def as_jpeg(path: Path, rgb: np.ndarray) -> Path:
    from PIL import Image

    Image.fromarray(rgb).save(path.with_suffix(".JPG"), quality=95, subsampling=0)
    return path.with_suffix(".JPG")


def with_palette(path: Path, rgb: np.ndarray) -> Path:
    from PIL import Image

    Image.fromarray(rgb).quantize(255).save(path)
    return path


@pytest.mark.parametrize("save", [as_16_bits, with_alpha, with_profile, as_tiff, as_jpeg, with_palette])
def test_what_editors_save_is_read(
    film: Path, tmp_path: Path, save: Callable[[Path, np.ndarray], Path]
) -> None:
    anchors(film, tmp_path / "d")
    path = tmp_path / "d" / "00-00-00.000.png"
    after = painted(read(path), square(0), RED)
    save(path, after)
    result = decode_rgb(run(film, tmp_path / "b.mkv", anchors=tmp_path / "d", end=Fraction(1, 4)))
    found = differences(smaller(result[0]), smaller(after))
    assert found[square_of_half(0)].mean() < (4 if save is with_palette else 2)


def test_a_grey_picture_makes_grey(film: Path, tmp_path: Path) -> None:
    anchors(film, tmp_path / "d")
    path = tmp_path / "d" / "00-00-00.000.png"
    cv2.imwrite(str(path), cv2.cvtColor(read(path), cv2.COLOR_RGB2GRAY))
    found = decode_chroma(run(film, tmp_path / "b.mkv", anchors=tmp_path / "d", end=Fraction(1, 4)))
    assert np.abs(found[0].astype(int) - 128).max() <= 1


def test_what_is_transparent_says_nothing(film: Path, tmp_path: Path) -> None:
    anchors(film, tmp_path / "d")
    plain = decode_chroma(run(film, tmp_path / "b.mkv", end=Fraction(1, 4)))
    path = tmp_path / "d" / "00-00-00.000.png"
    layer = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    layer[40:80, 20:60] = (40, 40, 200, 255)
    cv2.imwrite(str(path), layer)
    found = decode_chroma(run(film, tmp_path / "c.mkv", anchors=tmp_path / "d", end=Fraction(1, 4)))
    assert np.array_equal(found[0][:, 50:], plain[0][:, 50:])
    assert found[0][1][25:35, 15:25].mean() > 150


def test_pictures_without_an_index_go_by_their_names(film: Path, tmp_path: Path) -> None:
    anchors(film, tmp_path / "d")
    (tmp_path / "e").mkdir()
    entry = entries(tmp_path / "d")[1]
    number = round(entry["time"] * 24)
    after = painted(read(tmp_path / "d" / entry["file"]), square(number), RED)
    write(tmp_path / "e" / entry["file"], after)
    result = decode_rgb(run(film, tmp_path / "b.mkv", anchors=tmp_path / "e"))
    assert differences(smaller(result[number]), smaller(after)).mean() < 2


# ---- refusals ---------------------------------------------------------------------------------


def resized(folder: Path) -> None:
    write(folder / "00-00-00.000.png", np.zeros((10, 20, 3), np.uint8))


def misnamed(folder: Path) -> None:
    shutil.copy(folder / "00-00-00.000.png", folder / "00-00-00.000 copy.png")


def damaged(folder: Path) -> None:
    path = folder / "00-00-00.000.png"
    path.write_bytes(path.read_bytes()[:400])


def cut_short(folder: Path) -> None:
    path = as_jpeg(folder / "00-00-00.000.png", read(folder / "00-00-00.000.png"))
    path.write_bytes(path.read_bytes()[:-100])
    (folder / "00-00-00.000.png").unlink()


def no_picture(folder: Path) -> None:
    (folder / "00-00-00.000.png").write_text("hello")


def another_film(folder: Path) -> None:
    index = json.loads((folder / "index.json").read_text())
    index["film"].update(name="other.mp4", bytes=5)
    (folder / "index.json").write_text(json.dumps(index))


def mirrored_film(folder: Path) -> None:
    index = json.loads((folder / "index.json").read_text())
    index["film"]["mirrored"] = True
    (folder / "index.json").write_text(json.dumps(index))


def broken_index(folder: Path) -> None:
    (folder / "index.json").write_text('{"format": 1, "anchors": [{"file": "../x.png"}]}')


def endless_index(folder: Path) -> None:
    index = json.loads((folder / "index.json").read_text())
    (folder / "index.json").write_text(json.dumps({**index, "end": "1e99999999"}))


def no_json(folder: Path) -> None:
    (folder / "index.json").write_text("{")


def twice(folder: Path) -> None:
    for name in ("00-00-00.000.png", "00-00-00.000.tif"):
        write(folder / name, np.full((HEIGHT, WIDTH, 3), 90, np.uint8))


def unnamed(folder: Path) -> None:
    (folder / "index.json").unlink()
    (folder / "00-00-00.000.png").rename(folder / "shirt.png")


def empty(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def late(folder: Path) -> None:
    (folder / "index.json").unlink()
    (folder / "00-00-00.000.png").rename(folder / "00-10-00.000.png")


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (resized, "00-00-00.000.png is 20x10; an anchor of this film is 192x128"),
        (misnamed, "00-00-00.000 copy.png is not the name of an anchor in index.json"),
        (damaged, "00-00-00.000.png cannot be read as a picture"),
        (cut_short, "00-00-00.000.JPG' is cut short"),
        (no_picture, "00-00-00.000.png cannot be read as a picture"),
        (another_film, "holds the anchors of another film, other.mp4: its bytes is 5, not"),
        (mirrored_film, "one of the two is mirrored"),
        (broken_index, "index.json is damaged"),
        (endless_index, "index.json is damaged"),
        (no_json, "index.json is damaged"),
        (twice, "are pictures of the same anchor"),
        (unnamed, "shirt.png is not named by a time"),
        (empty, "holds neither an index.json nor pictures"),
        (late, "00-10-00.000.png is at 00:10:00.000; the film ends at"),
        (shutil.rmtree, "is not a folder of anchors"),
    ],
)
def test_a_folder_that_cannot_be_obeyed(
    film: Path, tmp_path: Path, spoil: Callable[[Path], object], sentence: str
) -> None:
    anchors(film, tmp_path / "d")
    spoil(tmp_path / "d")
    with pytest.raises(InputError, match=sentence):
        run(film, tmp_path / "b.mkv", anchors=tmp_path / "d")
    assert not [p for p in tmp_path.iterdir() if p.suffix == ".mkv" and p != film]


def test_files_that_are_no_pictures_do_not_matter(film: Path, tmp_path: Path) -> None:
    anchors(film, tmp_path / "d")
    for name in ("shirt.xcf", "Thumbs.db", ".00-00-00.000.png.swp", "notes.txt"):
        (tmp_path / "d" / name).write_text("whatever")
    run(film, tmp_path / "b.mkv", anchors=tmp_path / "d", end=Fraction(1, 4))


@pytest.mark.parametrize(("every", "told"), [(12, False), (6, True), (24, True)])
def test_another_distance_of_anchors_is_told_of(film: Path, tmp_path: Path, every: int, told: bool) -> None:
    anchors(film, tmp_path / "d", end=Fraction(1, 4))
    notices: list[str] = []
    chosen = {"end": Fraction(1, 4), "anchor_every": every, "notify": notices.append}
    run(film, tmp_path / "b.mkv", anchors=tmp_path / "d", **chosen)
    sentence = (
        f"{tmp_path / 'd'} was written with --anchor-every 12, not {every};"
        " what was not painted may look otherwise than in it."
    )
    assert (sentence in notices) == told
    assert any("--anchor-every" in notice for notice in notices) == told


def test_pictures_that_nobody_painted_are_told_of(film: Path, tmp_path: Path) -> None:
    anchors(film, tmp_path / "d", end=Fraction(1, 4))
    notices: list[str] = []
    run(film, tmp_path / "b.mkv", anchors=tmp_path / "d", end=Fraction(1, 4), notify=notices.append)
    assert any("has been painted on" in notice for notice in notices)


def test_a_film_in_colour_has_no_anchors(film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vidcolor.pipeline.anchors.Anchored.anchors", lambda *_: iter(()))
    with pytest.raises(InputError, match="no anchor to write"):
        anchors(film, tmp_path / "d", end=Fraction(1, 4))
    assert not (tmp_path / "d").exists()


def test_a_folder_is_written_over_only_when_asked(film: Path, tmp_path: Path) -> None:
    anchors(film, tmp_path / "d", end=Fraction(1, 4))
    with pytest.raises(OutputError, match="holds anchors already; -y overwrites them, painted ones too"):
        anchors(film, tmp_path / "d", end=Fraction(1, 4))
    anchors(film, tmp_path / "d", end=Fraction(1, 4), overwrite=True)
    as_jpeg(tmp_path / "d" / "00-00-00.000.png", read(tmp_path / "d" / "00-00-00.000.png"))
    (tmp_path / "d" / "00-00-00.000.png").unlink()
    anchors(film, tmp_path / "d", end=Fraction(1, 4), overwrite=True)
    assert not (tmp_path / "d" / "00-00-00.000.JPG").exists()
    (tmp_path / "d" / "00-00-00.000.xcf").write_text("work of hours")
    with pytest.raises(OutputError, match="also holds '00-00-00.000.xcf', which would be lost"):
        anchors(film, tmp_path / "d", end=Fraction(1, 4), overwrite=True)
    (tmp_path / "d" / "00-00-00.000.xcf").unlink()
    (tmp_path / "d" / "shirt.xcf").write_text("work of hours")
    with pytest.raises(OutputError, match="also holds 'shirt.xcf', which would be lost"):
        anchors(film, tmp_path / "d", end=Fraction(1, 4), overwrite=True)
    (tmp_path / "d" / "shirt.xcf").unlink()
    another_film(tmp_path / "d")
    with pytest.raises(UsageError, match="holds the anchors of another film, other.mp4"):
        anchors(film, tmp_path / "d", end=Fraction(1, 4), overwrite=True)
    (tmp_path / "d" / "index.json").unlink()
    with pytest.raises(UsageError, match="something else than anchors"):
        anchors(film, tmp_path / "d", overwrite=True)
    with pytest.raises(UsageError, match="is a file; anchors are written to a folder"):
        anchors(film, film)
    with pytest.raises(UsageError, match="no anchors where every frame is coloured by itself"):
        anchors(film, tmp_path / "e", anchor_every=None)


def test_an_error_leaves_nothing(film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OutputError("broken on purpose")

    monkeypatch.setattr("vidcolor.pipeline.anchor_folder._contact_sheet", fail)
    with pytest.raises(OutputError, match="broken on purpose"):
        anchors(film, tmp_path / "d")
    assert [p.name for p in tmp_path.iterdir()] == ["a.mkv"]


def test_words_need_carried_colour() -> None:
    for name in ("anchors", "hints"):
        with pytest.raises(UsageError, match=f"{name} need colour that is carried"):
            RunOptions(**{name: "x", "anchor_every": None})


@pytest.mark.parametrize("time", [700, "0:11:40"])
def test_a_hint_after_the_film_is_refused(film: Path, tmp_path: Path, time: object) -> None:
    hints = tmp_path / "hints.json"
    hints.write_text(json.dumps([{"time": time, "x": 1, "y": 1, "color": "red"}]))
    with pytest.raises(InputError, match="hint 1 is at 00:11:40.000; the film ends at 00:00:02"):
        run(film, tmp_path / "b.mkv", hints=hints)


def test_what_lies_outside_of_the_range_is_told(film: Path, tmp_path: Path) -> None:
    hints = tmp_path / "hints.json"
    hints.write_text('[{"time": 1.5, "x": 1, "y": 1, "color": "red"}]')
    notices: list[str] = []
    plain = decode_chroma(run(film, tmp_path / "b.mkv", end=Fraction(1, 2)))
    found = decode_chroma(
        run(film, tmp_path / "c.mkv", end=Fraction(1, 2), hints=hints, notify=notices.append)
    )
    assert notices == ["1 of the colours given lies outside of the range asked for."]
    assert all(np.array_equal(a, b) for a, b in zip(plain, found, strict=True))


# ---- real footage -----------------------------------------------------------------------------

TROUSERS = [
    *((250, 285), (330, 290), (350, 340), (385, 500), (355, 505), (330, 420)),
    *((275, 520), (235, 525), (262, 420)),
]
"""Of the woman in dog.mp4 at its 72nd frame, in pixels."""


def tracked(grey: list[np.ndarray], points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where points of the first picture are in the last one, and which are found there and back again."""
    found, kept = points, np.ones(len(points), bool)
    for one, other in pairwise(grey):
        there, _, _ = cv2.calcOpticalFlowPyrLK(one, other, found, None)
        back, _, _ = cv2.calcOpticalFlowPyrLK(other, one, there, None)
        kept &= np.abs(back - found).max((1, 2)) < 0.5
        found = there
    return found[:, 0], kept


@pytest.mark.slow
@pytest.mark.skipif(not FILM.exists(), reason="no real footage here")
def test_trousers_in_real_footage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # motion at its own size
    chosen = {"device": "cpu", "keep_colour": "off", "end": Fraction(10, 3)}
    (tmp_path / "d").mkdir()
    write_anchors(FILM, tmp_path / "d", RunOptions(**chosen))  # type: ignore[arg-type]
    path = tmp_path / "d" / "00-00-02.402.png"
    mask = cv2.fillPoly(np.zeros((720, 1280), np.uint8), [np.array(TROUSERS)], 1).astype(bool)
    before = read(path)
    after = painted(before, mask, (40, 70, 160))
    write(path, after)
    vidcolor.colorize(FILM, tmp_path / "b.mkv", codec="ffv1", anchors=tmp_path / "d", **chosen)  # type: ignore[arg-type]
    result, film = decode_rgb(tmp_path / "b.mkv"), decode_luma(FILM)
    changed = differences(smaller(before, 4), smaller(after, 4)) > 5
    assert differences(smaller(result[72], 4), smaller(after, 4))[changed].mean() < 2
    inside = cv2.erode(mask.astype(np.uint8), np.ones((9, 9), np.uint8))
    points = cv2.goodFeaturesToTrack(film[72], 300, 0.005, 5, mask=inside)
    wanted = cv2.blur(picture_lab(after), (5, 5))
    for number in (48, 96):
        step = 1 if number > 72 else -1
        places, kept = tracked(film[72 : number + step : step], points)
        assert kept.sum() > 20
        labs = [
            picture[np.rint(p[:, 1]).astype(int), np.rint(p[:, 0]).astype(int)]
            for picture, p in (
                (wanted, points[kept, 0]),
                (cv2.blur(picture_lab(result[number]), (5, 5)), places[kept]),
            )
        ]
        labs[1][:, 0] = labs[0][:, 0]  # light changes on the way; only colour is asked about
        one, other = (torch.from_numpy(np.ascontiguousarray(lab.T[:, :, None])) for lab in labs)
        assert float(delta_e_2000(one, other).median()) < 6


def test_a_folder_of_a_film_that_begins_in_colour_says_where_anchors_are(tmp_path: Path) -> None:
    """What is in colour has none; the folder is of all the film nevertheless."""
    begins_grey = 40

    def edit(number: int, planes: Planes) -> None:
        if number >= begins_grey:
            for plane in planes[1:]:
                plane[:] = 128

    film = [np.roll(scene(1 + (n >= begins_grey)), n // 4, 1) for n in range(80)]
    write_reel(tmp_path / "a.mkv", film, edit=edit)
    folder = tmp_path / "d"
    options = RunOptions(model="tiny", network_size=32, device="cpu", anchor_every=12)
    write_anchors(tmp_path / "a.mkv", folder, options)
    first = entries(folder)[0]
    assert first["time"] > 1
    picture = read(folder / first["file"])
    write(folder / first["file"], painted(picture, np.s_[:], RED))
    with VideoReader(tmp_path / "a.mkv") as reader:
        division = read_folder(folder, Film.of(reader.info, reader.video), reader.video)[1]
    assert division is not None
    assert (division.start, division.shots[0]) == (0, Fraction(first["exact"]))
    assert _settled(division, options) is division
    # Of a part of the film it says nothing about what comes before.
    write_anchors(tmp_path / "a.mkv", tmp_path / "e", replace(options, start=Fraction(2)))
    with VideoReader(tmp_path / "a.mkv") as reader:
        later = read_folder(tmp_path / "e", Film.of(reader.info, reader.video), reader.video)[1]
    assert later is not None
    assert later.start == 2
    assert _settled(later, options) is None
    # An older folder does not say; its first shot is what is known.
    index = json.loads((folder / "index.json").read_text())
    del index["start"]
    (folder / "index.json").write_text(json.dumps(index))
    with VideoReader(tmp_path / "a.mkv") as reader:
        older = read_folder(folder, Film.of(reader.info, reader.video), reader.video)[1]
    assert older is not None
    assert older.start == division.shots[0]
