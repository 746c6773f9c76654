"""Films coloured from anchors, from file to file: what is decided once, what is carried, and what is not."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn

import vidcolor
from tests.clips import decode_luma, decode_pts, make_clip, packets
from tests.temporal.drawn import pan, texture
from vidcolor.color.chroma import ChromaMaker
from vidcolor.color.planes import ColorSpace
from vidcolor.errors import UsageError, VidcolorError
from vidcolor.frames import ColorFrame, Frame
from vidcolor.media.reader import VideoReader
from vidcolor.models import ColorModel, create_model
from vidcolor.models.spaces import AB_SCALE
from vidcolor.models.weights import LoadedModel
from vidcolor.pipeline.anchored import Anchored
from vidcolor.pipeline.colorist import Colorist
from vidcolor.pipeline.options import RunOptions
from vidcolor.temporal.anchors import Span, halves
from vidcolor.temporal.shots import Verdict

TINY = {"codec": "ffv1", "model": "tiny", "network_size": 32, "device": "cpu"}
GIVEN = {"codec": "ffv1", "network_size": 32, "device": "cpu"}
HEIGHT, WIDTH = 64, 96


@pytest.fixture(autouse=True)
def small_motion(monkeypatch: pytest.MonkeyPatch) -> None:
    """Motion is looked for near the size of the films here, and not at several times that."""
    monkeypatch.setattr("vidcolor.temporal.anchors._LONG_SIDE", 128)


def write_film(
    path: Path,
    pictures: Sequence[np.ndarray],
    pix_fmt: str = "yuv420p",
    rotation: int = 0,
    mirrored: bool = False,
) -> Path:
    """A lossless film of luma planes, neutral otherwise; deeper than 8 bits where the format is."""
    height, width = pictures[0].shape
    with av.open(str(path), "w") as out:
        stream = out.add_stream("ffv1" if path.suffix == ".mkv" else "libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
        if path.suffix != ".mkv":
            stream.options = {"preset": "ultrafast", "qp": "0", "threads": "1"}
        if rotation or mirrored:
            stream.set_display_rotation(rotation, hflip=mirrored)
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame(width, height, pix_fmt)
            deep = frame.format.components[0].bits - 8
            for index in range(len(frame.planes)):
                samples(frame, index)[:] = picture.astype(np.uint16) << deep if index == 0 else 128 << deep
            frame.pts, frame.time_base = number, Fraction(1, 24)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path


def samples(frame: av.VideoFrame, index: int) -> np.ndarray:
    """A plane of a frame, without padding; written through."""
    plane = frame.planes[index]
    kind = np.dtype(np.uint8 if frame.format.components[0].bits == 8 else np.uint16)
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
    return rows[:, : plane.width * kind.itemsize].view(kind)


def decode_chroma(path: Path) -> list[np.ndarray]:
    """Cb and Cr of each frame, ``(2, h, w)``."""
    with av.open(str(path)) as container:
        return [np.stack([samples(frame, n) for n in (1, 2)]) for frame in container.decode(video=0)]


def chroma_of(source: Path, target: Path, **options: Any) -> list[np.ndarray]:
    """The chroma that a run gives."""
    vidcolor.colorize(source, target, overwrite=True, **{**GIVEN, **options})
    return decode_chroma(target)


# ---- models whose colour is known -------------------------------------------------------------


class Known(ColorModel):
    """Says colours that a test knows; counts what it is asked. The parameter makes it a thing that learnt."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.calls = 0
        self.hints: list[np.ndarray | None] = []

    def ab(self, lightness: Tensor) -> Tensor:
        """``(B, 2, H, W)`` in Lab units."""
        raise NotImplementedError

    def raw(self, lightness: Tensor, hints: Tensor | None = None, condition: Tensor | None = None) -> Tensor:
        self.calls += len(lightness)
        self.hints.append(None if hints is None else hints.numpy().copy())
        return self.ab(lightness) / AB_SCALE * self.scale


class ByBrightness(Known):
    """One colour for dark pictures, another for bright ones."""

    def ab(self, lightness: Tensor) -> Tensor:
        bright = (lightness.mean((1, 2, 3)) > 50).float()[:, None, None, None]
        warm, cold = (torch.tensor(c)[:, None, None] for c in ((30.0, 25.0), (-20.0, -30.0)))
        return (bright * warm + (1 - bright) * cold).expand(-1, -1, *lightness.shape[-2:])


class Nervous(Known):
    """One colour for the whole picture, which the least noise changes."""

    def ab(self, lightness: Tensor) -> Tensor:
        turn = 4000 * lightness.double().mean((1, 2, 3))
        colour = torch.stack((25 * torch.sin(turn), 25 * torch.cos(turn)), 1).float()
        return colour[..., None, None].expand(-1, -1, *lightness.shape[-2:])


class Halves(Known):
    """Red above and green below, as the film is seen; would follow hints."""

    takes_hints = True

    def ab(self, lightness: Tensor) -> Tensor:
        height, width = lightness.shape[-2:]
        red = torch.where(torch.arange(height) < height / 2, 24.0, -24.0)[:, None].expand(height, width)
        return torch.stack((red, torch.full_like(red, 10.0)))[None].expand(len(lightness), -1, -1, -1)


def give(monkeypatch: pytest.MonkeyPatch, model: ColorModel) -> ColorModel:
    monkeypatch.setattr("vidcolor.pipeline.run.resolve_model", lambda *_: LoadedModel(model, "given"))
    return model


def start_shots_at(monkeypatch: pytest.MonkeyPatch, starts: Sequence[int]) -> None:
    """Says where shots start, in place of the detector."""

    def in_shots(frames: Iterable[Frame], bit_depth: int) -> Iterator[tuple[Frame, bool]]:
        return ((frame, frame.index in starts) for frame in frames)

    class Told:
        """A detector of a film that is one part."""

        def __init__(self) -> None:
            self.count = 0

        def push(self, picture: object) -> Iterator[Verdict]:
            self.count += 1
            yield Verdict(self.count - 1, self.count - 1 in starts, fading=False)

        def finish(self) -> Iterator[Verdict]:
            return iter(())

    for module in ("coloring", "anchors", "person"):
        monkeypatch.setattr(f"vidcolor.pipeline.{module}.in_shots", in_shots)
    monkeypatch.setattr("vidcolor.pipeline.parts.ShotDetector", Told)


def noisy(count: int, seed: int = 0) -> list[np.ndarray]:
    """A still picture, neither dark nor bright, with noise of a code."""
    rng = np.random.default_rng(seed)
    still = (texture(seed, HEIGHT, WIDTH) // 2 + 64).astype(np.int16)
    return [(still + rng.integers(-1, 2, still.shape)).astype(np.uint8) for _ in range(count)]


# ---- off --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pix_fmt", "size", "rotation"),
    [("yuv420p", (64, 48), 0), ("yuv420p10le", (65, 49), 0), ("yuv444p", (64, 48), 90)],
)
def test_off_is_every_frame_by_itself(
    tmp_path: Path, pix_fmt: str, size: tuple[int, int], rotation: int
) -> None:
    source = make_clip(
        tmp_path / "a.mkv", frames=11, cuts=[6], pix_fmt=pix_fmt, size=size, rotation=rotation, codec="ffv1"
    )
    found = chroma_of(source, tmp_path / "b.mkv", model="tiny", anchor_every=None)
    with VideoReader(source) as reader:
        video = reader.video
        options = RunOptions(device="cpu", network_size=32, model="tiny")
        colorist = Colorist(create_model("tiny"), video, options, lambda sentence: None)
        space = ColorSpace.of(video.tags, height=video.height, width=video.width, bit_depth=video.bit_depth)
        make = ChromaMaker(space, video.layout, video.tags.siting)
        expected = [np.stack(make(item.frame.luma, item.ab)) for item in colorist.color(reader.frames())]
    assert len(found) == len(expected) == 11
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == other.dtype
        assert one.tobytes() == other.tobytes()


def test_off_asks_the_network_of_every_frame_and_a_default_run_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_film(tmp_path / "a.mkv", noisy(30))
    for every, most in ((None, 30), (48, 2), (6, 6)):
        model = give(monkeypatch, Nervous())
        vidcolor.colorize(source, tmp_path / "b.mkv", overwrite=True, anchor_every=every, **GIVEN)
        assert isinstance(model, Nervous)
        assert model.calls == most if every is None else 1 <= model.calls <= most


def test_ahead_in_threads_or_one_span_after_the_other_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make_clip(tmp_path / "a.mkv", size=(128, 96), frames=40, cuts=[9, 10, 29])
    asked: list[bool] = []
    color = Anchored.color

    def noted(self: Anchored, shots: Any, *, ahead: bool = False) -> Iterator[ColorFrame]:
        asked.append(ahead)
        return color(self, shots, ahead=ahead)

    def one_after_the_other(self: Anchored, shots: Any, *, ahead: bool = False) -> Iterator[ColorFrame]:
        return color(self, shots)

    monkeypatch.setattr(Anchored, "color", noted)
    ahead = chroma_of(source, tmp_path / "b.mkv", model="tiny", anchor_every=6)
    assert asked
    assert all(asked)
    monkeypatch.setattr(Anchored, "color", one_after_the_other)
    found = chroma_of(source, tmp_path / "c.mkv", model="tiny", anchor_every=6)
    assert len(found) == 40
    for one, other in zip(found, ahead, strict=True):
        assert one.tobytes() == other.tobytes()
    assert np.ptp(np.array(found)) > 3


@pytest.mark.parametrize("every", [0, -3])
def test_a_count_below_one_is_refused(tmp_path: Path, every: int) -> None:
    source = make_clip(tmp_path / "a.mkv", frames=3)
    with pytest.raises(UsageError, match=f"anchor_every must be 1 or more, or None, not {every}"):
        vidcolor.colorize(source, tmp_path / "b.mkv", anchor_every=every, **TINY)
    assert [p.name for p in tmp_path.iterdir()] == ["a.mkv"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"network_size": 15}, "network_size must be 16 or more, not 15"),
        ({"saturation": -0.5}, "saturation must be a number from 0 on, not -0.5"),
        ({"saturation": math.nan}, "saturation must be a number from 0 on, not nan"),
        ({"saturation": math.inf}, "saturation must be a number from 0 on, not inf"),
        ({"batch_size": 0}, "batch_size must be 1 or more, or None, not 0"),
        ({"smooth": 1.5}, "smooth must be from 0 to 1, not 1.5"),
    ],
)
def test_what_the_command_line_refuses_is_refused_from_python(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        RunOptions(**options)


# ---- what stays -------------------------------------------------------------------------------


@pytest.mark.parametrize("long_side", [128, pytest.param(384, marks=pytest.mark.slow)])
def test_the_same_film_twice_is_the_same_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, long_side: int
) -> None:
    monkeypatch.setattr("vidcolor.temporal.anchors._LONG_SIDE", long_side)
    source = make_clip(tmp_path / "a.mkv", size=(128, 96), frames=30, cuts=[16], audio=1)
    for name in ("b.mkv", "c.mkv"):
        vidcolor.colorize(source, tmp_path / name, anchor_every=8, **TINY)  # type: ignore[arg-type]
    first, second = (packets(tmp_path / name, "video") for name in ("b.mkv", "c.mkv"))
    assert len(first) == 30
    assert first == second


FILMS: dict[str, dict[str, Any]] = {
    "vfr": {"pts": [n * 40 + (n % 3) * 7 for n in range(26)], "time_base": Fraction(1, 1000)},
    "odd": {"size": (65, 49), "codec": "ffv1"},
    "tall strip": {"size": (16, 256), "codec": "ffv1"},
    "strip": {"size": (256, 16), "codec": "ffv1"},
    "10 bit": {"pix_fmt": "yuv420p10le", "size": (66, 50)},
    "4:4:4": {"pix_fmt": "yuv444p"},
    "4:2:2 10 bit": {"pix_fmt": "yuv422p10le", "codec": "ffv1"},
    "grey": {"pix_fmt": "gray", "codec": "ffv1"},
    "full range": {"color": ("full", "bt709", "bt709", "bt709")},
    "rotated": {"rotation": 90},
    "half turned": {"rotation": 180},
    "mirrored": {"mirrored": True},
}


@pytest.mark.parametrize(("film", "every"), [("vfr", 48), *((film, 5) for film in FILMS)])
def test_frames_times_and_luma_are_the_sources(tmp_path: Path, film: str, every: int) -> None:
    source = make_clip(tmp_path / "a.mkv", **{"frames": 26, "cuts": [15], **FILMS[film]})
    summary = vidcolor.colorize(source, tmp_path / "b.mkv", anchor_every=every, **TINY)  # type: ignore[arg-type]
    before, after = decode_luma(source), decode_luma(tmp_path / "b.mkv")
    assert summary.frames == len(before) == len(after) == 26
    for one, other in zip(before, after, strict=True):
        assert one.dtype == other.dtype
        assert np.array_equal(one, other)
    assert decode_pts(tmp_path / "b.mkv") == decode_pts(source)
    chroma = decode_chroma(tmp_path / "b.mkv")
    assert all(np.ptp(planes) > 4 for planes in chroma)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_films_of_a_few_frames(tmp_path: Path, count: int) -> None:
    source = make_clip(tmp_path / "a.mkv", frames=count)
    assert vidcolor.colorize(source, tmp_path / "b.mkv", **TINY).frames == count  # type: ignore[arg-type]
    for one, other in zip(decode_luma(source), decode_luma(tmp_path / "b.mkv"), strict=True):
        assert np.array_equal(one, other)
    assert decode_pts(tmp_path / "b.mkv") == decode_pts(source)
    if count < 3:  # the last of three is an anchor as well, and has a say in the first one's colour
        single = chroma_of(source, tmp_path / "c.mkv", model="tiny", anchor_every=None)
        assert np.abs(decode_chroma(tmp_path / "b.mkv")[0].astype(int) - single[0]).max() <= 2


@pytest.mark.parametrize("starts", [range(6), (0, 1, 2, 5), (0, 5), (0, 4), (0, 2, 4)], ids=str)
def test_shots_with_one_anchor_begin_with_the_networks_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, starts: Sequence[int]
) -> None:
    start_shots_at(monkeypatch, starts)
    source = make_clip(tmp_path / "a.mkv", frames=6)
    found = chroma_of(source, tmp_path / "b.mkv", model="tiny")
    alone = chroma_of(source, tmp_path / "c.mkv", model="tiny", anchor_every=None)
    assert len(found) == 6
    for start, end in pairwise((*starts, 6)):
        if end - start < 3:  # longer ones may end with an anchor
            # Held in its own gamut again, which rounding may change by a code or two.
            assert np.abs(found[start].astype(int) - alone[start]).max() <= 2


def test_a_part_of_a_film(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mkv", frames=48, cuts=[30])
    summary = vidcolor.colorize(
        source,
        tmp_path / "b.mkv",
        start=Fraction(1, 2),
        end=Fraction(3, 2),
        anchor_every=6,
        **TINY,  # type: ignore[arg-type]
    )
    assert summary.frames == 24
    before, after = decode_luma(source), decode_luma(tmp_path / "b.mkv")
    for one, other in zip(before[12:36], after, strict=True):
        assert np.array_equal(one, other)


def test_a_film_from_a_pipe_is_that_from_a_file(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.ts", size=(96, 64), frames=60, cuts=[31])
    pipe = tmp_path / "pipe.ts"
    os.mkfifo(pipe)

    def feed() -> None:
        with pipe.open("wb") as end:
            end.write(source.read_bytes())

    feeder = threading.Thread(target=feed)
    feeder.start()
    through = chroma_of(pipe, tmp_path / "b.mkv", model="tiny", anchor_every=10)
    feeder.join()
    direct = chroma_of(source, tmp_path / "c.mkv", model="tiny", anchor_every=10)
    assert len(through) == 60
    assert all(np.array_equal(a, b) for a, b in zip(through, direct, strict=True))


@pytest.mark.parametrize(("name", "options"), [("simple", {}), ("cgan", {"widths": [4, 8], "image": 16})])
def test_a_model_that_takes_no_hints_is_one_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, options: dict[str, Any]
) -> None:
    torch.manual_seed(0)
    model = give(monkeypatch, create_model(name, **options))
    assert not model.takes_hints
    source = make_clip(tmp_path / "a.mkv", frames=12)
    found = chroma_of(source, tmp_path / "b.mkv", anchor_every=4, network_size=16)
    assert len(found) == 12
    for one, other in zip(decode_luma(source), decode_luma(tmp_path / "b.mkv"), strict=True):
        assert np.array_equal(one, other)


def test_no_saturation_is_grey(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mkv", frames=14, cuts=[8])
    for planes in chroma_of(source, tmp_path / "b.mkv", model="tiny", anchor_every=3, saturation=0):
        assert (planes == 128).all()


def test_ten_bits_made_eight_have_the_colours_of_eight(tmp_path: Path) -> None:
    film = pan(5, 14, 1.5, HEIGHT, WIDTH)
    eight = chroma_of(write_film(tmp_path / "a.mkv", film), tmp_path / "b.mkv", model="tiny", anchor_every=5)
    deep = write_film(tmp_path / "c.mkv", film, "yuv420p10le")
    ten = chroma_of(deep, tmp_path / "d.mkv", model="tiny", anchor_every=5)
    less = chroma_of(deep, tmp_path / "e.mkv", model="tiny", anchor_every=5, pix_fmt="yuv420p")
    assert less[0].dtype == np.uint8
    assert ten[0].dtype == np.uint16
    for a, b, c in zip(eight, ten, less, strict=True):
        assert np.abs(a - b / 4).mean() < 1
        assert np.abs(a.astype(float) - c).mean() < 1


# ---- shots ------------------------------------------------------------------------------------


def test_no_colour_is_carried_over_a_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dark and bright shots in turn, of two colours: each frame has its own shot's, at the cuts above all."""
    lengths = (16, 21, 9, 30, 14)

    def drawn(seeds: Sequence[int]) -> list[np.ndarray]:
        film = list[np.ndarray]()
        for number, (length, seed) in enumerate(zip(lengths, seeds, strict=True)):
            dark = pan(seed, length, 0.7, HEIGHT, WIDTH)
            film += [(p // 2 + 110 if number % 2 else p // 2 + 5).astype(np.uint8) for p in dark]
        return film

    bright = [number % 2 == 1 for number, length in enumerate(lengths) for _ in range(length)]
    film = drawn(range(5))
    give(monkeypatch, ByBrightness())
    source = write_film(tmp_path / "a.mkv", film)
    alone = chroma_of(source, tmp_path / "b.mkv", anchor_every=None)
    found = chroma_of(source, tmp_path / "c.mkv", anchor_every=10)
    for one, own, is_bright in zip(found, alone, bright, strict=True):
        # Warm: less blue than grey, more red.
        assert (one[0].mean() < 128) == (one[1].mean() > 128) == is_bright
        assert np.abs(one.mean((1, 2)) - own.mean((1, 2))).max() < 2
    # And it is all the same to a shot what is before and after it.
    source = write_film(tmp_path / "d.mkv", drawn((0, 11, 2, 13, 4)))
    beside_others = chroma_of(source, tmp_path / "e.mkv", anchor_every=10)
    for one, other, is_bright in zip(found, beside_others, bright, strict=True):
        assert is_bright or one.tobytes() == other.tobytes()


def test_what_the_network_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once for each anchor; of the others' colour it is not told."""
    film = [*noisy(14, 1), *noisy(14, 2)]
    start_shots_at(monkeypatch, (0, 14))
    model = give(monkeypatch, Halves())
    chroma_of(write_film(tmp_path / "a.mkv", film), tmp_path / "b.mkv", anchor_every=6)
    assert isinstance(model, Halves)
    assert model.hints == [None] * 4


# ---- stillness --------------------------------------------------------------------------------


def flicker(chroma: list[np.ndarray]) -> float:
    """Mean change of a sample from frame to frame, in codes."""
    return float(np.abs(np.diff(np.array(chroma, np.float32), axis=0)).mean())


def test_a_still_shot_keeps_its_colour_where_the_network_flickers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    give(monkeypatch, Nervous())
    source = write_film(tmp_path / "a.mkv", noisy(40))
    alone = chroma_of(source, tmp_path / "b.mkv", anchor_every=None)
    found = chroma_of(source, tmp_path / "c.mkv")
    assert flicker(alone) > 5
    first = found[0].astype(int)
    for planes in found:
        assert np.abs(planes - first).max() <= 1
    # And it is a colour.
    assert np.abs(first - 128).mean() > 5


def test_what_moves_by_parts_of_a_pixel_keeps_more_of_its_codes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    give(monkeypatch, ByBrightness())
    wide = texture(3, 4 * HEIGHT, 4 * WIDTH) // 2 + 64
    moved = [np.float32([[0.25, 0, 0], [0, 0.25, -0.1 * n]]) for n in range(20)]
    film = [cv2.warpAffine(wide, move, (WIDTH, HEIGHT), flags=cv2.INTER_AREA) for move in moved]
    source = write_film(tmp_path / "a.mkv", film)
    found = chroma_of(source, tmp_path / "b.mkv", smooth=1)
    plain = chroma_of(source, tmp_path / "c.mkv", smooth=0)
    assert flicker(plain) > 0.05
    assert flicker(found) < 0.7 * flicker(plain)
    # They are the same colours.
    for one, other in zip(found, plain, strict=True):
        assert np.abs(one.astype(int) - other).mean() < 1


@pytest.mark.parametrize("smooth", [0.0, 0.5])
def test_grain_of_what_the_network_says_is_smoothed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, smooth: float
) -> None:
    give(monkeypatch, ByBrightness())
    grainy = (texture(5, HEIGHT, WIDTH).astype(int) // 16 + 110).astype(np.uint8)
    source = write_film(tmp_path / "a.mkv", [grainy])
    alone = chroma_of(source, tmp_path / "b.mkv", anchor_every=None)[0].astype(int)
    found = chroma_of(source, tmp_path / "c.mkv", smooth=smooth)[0].astype(int)
    steps = [np.abs(np.diff(planes, axis=2)).mean() for planes in (alone, found)]
    assert steps[0] > 0.1
    if smooth:
        assert steps[1] < 0.85 * steps[0]
    else:
        assert np.array_equal(found, alone)


def test_anchors_of_a_still_shot_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is the mean of those before it, though the network says something else every time."""
    give(monkeypatch, Nervous())
    source = write_film(tmp_path / "a.mkv", noisy(40))
    alone = chroma_of(source, tmp_path / "b.mkv", anchor_every=None)
    found = chroma_of(source, tmp_path / "c.mkv", anchor_every=8)
    assert flicker(found) < 0.12 * flicker(alone)
    steps = np.abs(np.diff([planes.mean((1, 2)) for planes in found], axis=0))
    assert steps.max() < 2.5


class Startled(Known):
    """Says green of the first picture it is asked of, and grey ever after."""

    def ab(self, lightness: Tensor) -> Tensor:
        chroma = torch.tensor((-50.0, 50.0) if self.calls == 1 else (0.0, 0.0))[:, None, None]
        return chroma.expand(len(lightness), -1, *lightness.shape[-2:])


def test_an_accident_at_a_shots_first_frame_fades(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_film(tmp_path / "a.mkv", noisy(60))

    def loudness(every: int) -> list[float]:
        give(monkeypatch, Startled())
        found = chroma_of(source, tmp_path / "b.mkv", anchor_every=every)
        return [float(np.hypot(*(planes.mean((1, 2)) - 128))) for planes in found]

    alone = loudness(200)  # nobody says otherwise
    assert min(alone) > 0.95 * max(alone) > 20
    found = loudness(10)
    # From the first frame on less than half, as the first two opinions differ; then a mean of more and more.
    assert 0 < found[0] < 0.5 * alone[0]
    assert found[50] < 0.5 * found[10]
    assert max(np.diff(found)) < 0.5


class Twofold(Known):
    """Says green of the picture the first time, and red ever after."""

    def ab(self, lightness: Tensor) -> Tensor:
        chroma = torch.tensor((-30.0, 20.0) if self.calls == 1 else (30.0, 20.0))[:, None, None]
        return chroma.expand(len(lightness), -1, *lightness.shape[-2:])


@pytest.mark.parametrize(("model", "more"), [(ByBrightness, 0), (Twofold, 1)], ids=["sure", "undecided"])
def test_where_two_opinions_are_unlike_a_third_is_asked_for(
    model: type[Known], more: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, as far as the time saved allows it; besides, of 80 frames every 30th is an anchor."""
    source = write_film(tmp_path / "a.mkv", noisy(80))
    asked = give(monkeypatch, model())
    chroma_of(source, tmp_path / "b.mkv", anchor_every=20)
    assert isinstance(asked, Known)
    assert asked.calls == 3 + more


def test_a_hint_does_not_move_the_anchors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it does not touch stays as it was."""
    source, hints = write_film(tmp_path / "a.mkv", noisy(80)), tmp_path / "hints.json"
    hints.write_text('[{"time": 0, "x": 8, "y": 8, "radius": 3, "color": {"a": 60, "b": -40}}]')
    parted = list[int]()

    def noted(span: Span, size: tuple[int, int]) -> tuple[Span, Span]:
        parted.append(span.steps[0].frame.index)
        return halves(span, size)

    monkeypatch.setattr("vidcolor.pipeline.anchored.halves", noted)
    give(monkeypatch, Nervous())
    chroma_of(source, tmp_path / "b.mkv", anchor_every=20)
    alone = parted.copy()
    assert alone
    parted.clear()
    chroma_of(source, tmp_path / "b.mkv", anchor_every=20, hints=hints)
    assert parted == alone


def test_anchors_that_agree_lose_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    give(monkeypatch, ByBrightness())
    source = write_film(tmp_path / "a.mkv", noisy(60))
    alone = chroma_of(source, tmp_path / "b.mkv", anchor_every=None)
    found = chroma_of(source, tmp_path / "c.mkv", anchor_every=10)
    for one, own in zip(found, alone, strict=True):
        assert np.abs(one.astype(int) - own).mean() < 1


def test_colour_goes_with_what_moves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The network's colour stays in its place on the screen; carried, it goes with the picture."""
    give(monkeypatch, Halves())
    wide = texture(9, 2 * HEIGHT, WIDTH) // 2 + 64
    film = [np.ascontiguousarray(wide[10 + n : 10 + n + HEIGHT]) for n in range(14)]
    found = chroma_of(write_film(tmp_path / "a.mkv", film), tmp_path / "b.mkv")
    red = [planes[1].mean(1) for planes in found]
    # Rows above the border, which is at 16 of 32 at first and is none but a slope of some rows.
    above = [float(((rows - rows.min()) / np.ptp(rows)).sum()) for rows in red]
    assert above[0] == pytest.approx(16, abs=3)
    # One row up a frame, half a row of chroma.
    assert np.diff(above) == pytest.approx(-0.5, abs=0.2)
    assert np.diff(above).mean() == pytest.approx(-0.5, abs=0.08)


# ---- orientation ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rotation", "saturation", "pix_fmt"),
    [
        (0, 1.0, "yuv420p"),
        (90, 1.0, "yuv420p"),
        (180, 0.5, "yuv420p"),
        (270, 1.0, "yuv420p10le"),
        (0, 0.5, "yuv420p10le"),
    ],
)
def test_the_film_is_coloured_as_it_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rotation: int, saturation: float, pix_fmt: str
) -> None:
    """Red above, at anchors and between them, whichever way it is stored."""
    seen = texture(4, HEIGHT, WIDTH) // 2 + 64
    stored = np.ascontiguousarray(np.rot90(seen, -rotation // 90))
    source = write_film(tmp_path / "a.mkv", [stored] * 12, pix_fmt, rotation)
    give(monkeypatch, Halves())
    for planes in chroma_of(source, tmp_path / "b.mkv", anchor_every=6, saturation=saturation):
        red = np.rot90(planes[1].astype(float), rotation // 90)
        unit = 4 if pix_fmt.endswith("10le") else 1
        assert red[:12].mean() > (128 + 8 * saturation) * unit
        assert red[-12:].mean() < (128 - 8 * saturation) * unit


# ---- what goes wrong --------------------------------------------------------------------------


class Failing(Known):
    """Fails at the given call."""

    def __init__(self, at: int, error: Exception) -> None:
        super().__init__()
        self.at, self.error = at, error

    def ab(self, lightness: Tensor) -> Tensor:
        if self.calls >= self.at:
            raise self.error
        return torch.full_like(lightness, 20.0).expand(-1, 2, -1, -1)


@pytest.mark.parametrize("at", [1, 3])
def test_an_error_of_the_network_comes_through_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    source = write_film(tmp_path / "a.mkv", noisy(40))
    give(monkeypatch, Failing(at, ValueError("broken on purpose")))
    with pytest.raises(ValueError, match="broken on purpose"):
        vidcolor.colorize(source, tmp_path / "b.mkv", anchor_every=6, **GIVEN)
    assert [p.name for p in tmp_path.iterdir()] == ["a.mkv"]
    assert not [thread for thread in threading.enumerate() if thread.name == "prefetch"]


@pytest.mark.parametrize("at", [1, 2])
def test_too_little_memory_for_one_picture_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    source = write_film(tmp_path / "a.mkv", noisy(20))
    give(monkeypatch, Failing(at, torch.OutOfMemoryError("CUDA out of memory.")))
    with pytest.raises(VidcolorError, match="Not enough memory on cpu for one picture of 48x32"):
        vidcolor.colorize(source, tmp_path / "b.mkv", anchor_every=6, **GIVEN)
    assert [p.name for p in tmp_path.iterdir()] == ["a.mkv"]


# ---- sizes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(32780, 16), (16, 32780)])
def test_chroma_too_long_to_be_carried(tmp_path: Path, size: tuple[int, int]) -> None:
    source = make_clip(tmp_path / "a.mkv", size=size, frames=2, pix_fmt="yuv444p", codec="ffv1")
    sentence = f"Chroma of {size[0]}x{size[1]} cannot be carried from anchors, only of 32766 a side"
    with pytest.raises(UsageError, match=sentence):
        vidcolor.colorize(source, tmp_path / "b.mkv", **TINY)
    assert [p.name for p in tmp_path.iterdir()] == ["a.mkv"]
    # The ways out that it names.
    for number, options in enumerate(({"anchor_every": None}, {"pix_fmt": "yuv420p"})):
        vidcolor.colorize(source, tmp_path / f"{number}.mkv", **TINY, **options)
        assert np.std(decode_chroma(tmp_path / f"{number}.mkv")[0]) > 0
