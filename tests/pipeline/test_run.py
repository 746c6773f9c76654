"""A film from file to coloured file, decoded again and compared."""

import gc
import os
import threading
import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from torch import Tensor

import vidcolor
from tests.clips import decode_luma, decode_pts, make_clip, packets
from vidcolor.errors import InputError, ModelError, OutputError, UsageError
from vidcolor.models import ColorModel
from vidcolor.models.simple import Tiny
from vidcolor.pipeline.opening import understood
from vidcolor.pipeline.options import Progress

LOSSLESS = {"codec": "ffv1", "model": "tiny", "network_size": 32, "device": "cpu"}


def chroma_spread(path: Path) -> float:
    """Standard deviation of the chroma samples of a whole film, in codes."""
    with av.open(str(path)) as container:
        planes = [
            frame.reformat(format="yuv444p").to_ndarray()[1:].astype(float)
            for frame in container.decode(video=0)
        ]
    return float(np.std(planes))


FORMATS = [
    ("yuv420p", "libx264", "limited"),
    ("yuv420p", "libx264", "full"),
    ("yuv422p", "libx264", "limited"),
    ("yuv444p", "libx264", "limited"),
    ("yuv420p10le", "libx264", "limited"),
    ("gray", "ffv1", "full"),
    ("gray10le", "ffv1", "limited"),
]


@pytest.mark.parametrize("size", [(64, 48), (65, 49)], ids=["even", "odd"])
@pytest.mark.parametrize(("pix_fmt", "codec", "range_"), FORMATS, ids=lambda v: str(v))
def test_luma_is_the_sources(
    tmp_path: Path, pix_fmt: str, codec: str, range_: str, size: tuple[int, int]
) -> None:
    if size[0] % 2 and codec == "libx264" and pix_fmt != "yuv444p":
        codec = "ffv1"  # x264 takes no odd sizes with subsampled chroma
    source = make_clip(
        tmp_path / "a.mkv",
        pix_fmt=pix_fmt,
        codec=codec,
        size=size,
        frames=6,
        color=(range_, "bt709", "bt709", "bt709"),
    )
    summary = vidcolor.colorize(source, tmp_path / "b.mkv", **LOSSLESS)
    before, after = decode_luma(source), decode_luma(tmp_path / "b.mkv")
    assert summary.frames == len(before) == len(after) == 6
    for one, other in zip(before, after, strict=True):
        assert np.array_equal(one, other)
    assert chroma_spread(tmp_path / "b.mkv") > 2


@pytest.mark.parametrize("container", ["mp4", "mov", "mkv"])
def test_times_and_other_streams(tmp_path: Path, container: str) -> None:
    source = make_clip(
        tmp_path / f"a.{container}", frames=20, audio=1, subtitles=True, chapters=True,
        pts=[i * 1001 + (i % 3) * 100 for i in range(20)], time_base=Fraction(1, 30_000),
        tags={"title": "A film"},
    )  # fmt: skip
    result = tmp_path / f"b.{container}"
    vidcolor.colorize(source, result, model="tiny", network_size=32, preset="ultrafast")
    assert decode_pts(result) == decode_pts(source)
    for kind in ("audio", "subtitles"):
        assert packets(result, kind) == packets(source, kind)
    with av.open(str(result)) as container_:
        assert container_.metadata["title"] == "A film"
        assert "vidcolor" in " ".join(container_.metadata.values())
        assert len(container_.chapters()) == 2


def test_a_part_of_a_film(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mkv", frames=48, audio=1)
    summary = vidcolor.colorize(
        source, tmp_path / "b.mkv", start=Fraction(1, 2), end=Fraction(3, 2), **LOSSLESS
    )
    assert summary.frames == 24
    before, after = decode_luma(source), decode_luma(tmp_path / "b.mkv")
    assert np.array_equal(before[12], after[0])
    assert np.array_equal(before[35], after[-1])
    assert decode_pts(tmp_path / "b.mkv")[0] == 0


def test_a_part_of_a_film_that_begins_late(tmp_path: Path) -> None:
    """``--ss`` counts from the film's beginning, which is not always 0 of its clock."""
    times = [5000 + round(i * 1000 / 24) for i in range(48)]
    source = make_clip(tmp_path / "a.mkv", frames=48, pts=times, time_base=Fraction(1, 1000))
    vidcolor.colorize(source, tmp_path / "b.mkv", start=1, **LOSSLESS)
    before, after = decode_luma(source), decode_luma(tmp_path / "b.mkv")
    assert len(after) == 24
    assert np.array_equal(before[24], after[0])
    assert decode_pts(tmp_path / "b.mkv")[0] == 0


def test_progress_is_told_frame_by_frame(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mp4", frames=9)
    told: list[Progress] = []
    vidcolor.colorize(source, tmp_path / "b.mkv", progress=told.append, **LOSSLESS)
    assert [p.frame for p in told] == list(range(1, 10))
    assert {p.total for p in told} == {9}


class Faint(Tiny):
    """Runs out of memory on its first batches."""

    def __init__(self) -> None:
        super().__init__()
        self.left = 2

    def raw(self, lightness: Tensor, hints: Tensor | None = None, condition: Tensor | None = None) -> Tensor:
        if len(lightness) > 1 and self.left:
            self.left -= 1
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return super().raw(lightness, hints, condition)


def _give(monkeypatch: pytest.MonkeyPatch, model: ColorModel) -> None:
    from vidcolor.models.weights import LoadedModel

    monkeypatch.setattr("vidcolor.pipeline.run.resolve_model", lambda *_: LoadedModel(model, "given"))


def test_no_frame_is_lost_on_out_of_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = make_clip(tmp_path / "a.mkv", frames=17)
    plain = tmp_path / "plain.mkv"
    vidcolor.colorize(source, plain, anchor_every=None, batch_size=1, **LOSSLESS)
    _give(monkeypatch, Faint())
    notices: list[str] = []
    each = {"anchor_every": None, "batch_size": 8}
    summary = vidcolor.colorize(source, tmp_path / "b.mkv", notify=notices.append, **each, **LOSSLESS)
    assert summary.frames == 17
    assert len(notices) == 2
    assert decode_pts(tmp_path / "b.mkv") == decode_pts(source)
    for one, other in zip(decode_luma(source), decode_luma(tmp_path / "b.mkv"), strict=True):
        assert np.array_equal(one, other)


def test_a_pipe_that_gives_nothing_more_can_be_interrupted(tmp_path: Path) -> None:
    film = make_clip(tmp_path / "a.ts", frames=120).read_bytes()
    pipe = tmp_path / "pipe.ts"
    os.mkfifo(pipe)
    let_go = threading.Event()

    def feed() -> None:
        with pipe.open("wb") as end:
            end.write(film[: len(film) * 3 // 4])
            end.flush()
            let_go.wait(60)

    feeder = threading.Thread(target=feed)
    feeder.start()

    def interrupt(progress: Progress) -> None:
        if progress.frame == 3:
            raise KeyboardInterrupt

    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        vidcolor.colorize(pipe, tmp_path / "b.mkv", progress=interrupt, **LOSSLESS)
    # Well before the pipe would have let it go.
    assert time.monotonic() - begun < 40
    assert {p.name for p in tmp_path.iterdir()} == {"a.ts", "pipe.ts"}
    let_go.set()
    feeder.join()


class Broken(ColorModel):
    def raw(self, lightness: Tensor, hints: Tensor | None = None, condition: Tensor | None = None) -> Tensor:
        raise ValueError("broken on purpose")


def test_nothing_is_left_after_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = make_clip(tmp_path / "a.mkv", frames=30)
    _give(monkeypatch, Broken())
    with pytest.raises(ValueError, match="broken on purpose"):
        vidcolor.colorize(source, tmp_path / "b.mkv")
    assert [p.name for p in tmp_path.iterdir()] == ["a.mkv"]


def test_no_thread_outlives_an_interruption(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mkv", frames=200)

    def interrupt(progress: Progress) -> None:
        if progress.frame == 5:
            raise KeyboardInterrupt

    # The exception, and with it every frame of the call, is still held when the threads are counted.
    with pytest.raises(KeyboardInterrupt) as held:
        vidcolor.colorize(source, tmp_path / "b.mkv", progress=interrupt, **LOSSLESS)
    assert held.value.__traceback__ is not None
    assert not [thread for thread in threading.enumerate() if thread.name == "prefetch"]
    assert [p.name for p in tmp_path.iterdir()] == ["a.mkv"]


def test_the_same_film_twice_is_the_same_file(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mp4", frames=20, audio=1)
    for name in ("b.mp4", "c.mp4"):
        vidcolor.colorize(
            source, tmp_path / name, model="tiny", network_size=32, preset="ultrafast", device="cpu"
        )
    assert packets(tmp_path / "b.mp4", "video") == packets(tmp_path / "c.mp4", "video")


def test_the_output_is_named_after_the_input(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mp4", frames=3)
    assert vidcolor.colorize(source, model="grey").output == tmp_path / "a.color.mp4"
    assert (tmp_path / "a.color.mp4").is_file()


def test_bad_requests(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mp4", frames=3)
    result = tmp_path / "b.mp4"
    text = tmp_path / "text.mp4"
    text.write_text("no film")
    for kind, arguments in [
        (InputError, {"source": tmp_path / "none.mp4"}),
        (InputError, {"source": tmp_path}),
        (InputError, {"source": text}),
        (InputError, {"source": source, "start": Fraction(100)}),
        (UsageError, {"source": source, "output": source, "overwrite": True}),
        (UsageError, {"source": source, "output": source}),  # -y would be no way out
        (UsageError, {"source": source, "model": "nobody"}),
        (ModelError, {"source": source, "model": text}),
        (UsageError, {"source": source, "codec": "libx999"}),
        (UsageError, {"source": source, "output": tmp_path / "b.xyz"}),
        (UsageError, {"source": source, "colour": 3}),
        (UsageError, {"source": source, "device": "tpu"}),
        (OutputError, {"source": source, "output": tmp_path / "no" / "b.mp4"}),
        (OutputError, {"source": source, "output": text}),
    ]:
        with pytest.raises(kind):
            vidcolor.colorize(**{"output": result, "model": "grey", **arguments})  # type: ignore[arg-type]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mp4", "text.mp4"]


def test_a_matrix_that_colour_cannot_be_made_in(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mkv", frames=3)
    info = vidcolor.probe(source).streams[0].video
    assert info is not None
    odd = replace(info, tags=replace(info.tags, matrix="ictcp"))
    notices: list[str] = []
    assert understood(odd, notices.append).tags.matrix == "smpte170m"
    assert notices == ["Colour cannot be made in the file's matrix, ictcp; the result is smpte170m."]
    assert understood(info, notices.append) is info


def test_no_frame_waits_for_the_garbage_collector(tmp_path: Path) -> None:
    # Pictures in reference cycles are freed when Python next looks for cycles, which it does by the number
    # of objects and not by their size: memory would rise with the film's length.
    source = make_clip(tmp_path / "a.mp4", frames=60)
    left: list[object] = []

    def watch(at: Progress) -> None:
        if at.frame == 10:
            gc.collect()
            gc.set_debug(gc.DEBUG_SAVEALL)
        if at.frame == 50:
            gc.collect()
            gc.set_debug(0)
            left.extend(gc.garbage)
            gc.garbage.clear()

    gc.disable()
    try:
        vidcolor.colorize(source, tmp_path / "out.mp4", model="grey", progress=watch)
    finally:
        gc.set_debug(0)
        gc.enable()
    assert not [kind for kind in map(type, left) if kind.__module__.startswith(("av.", "vidcolor.", "numpy"))]


@pytest.mark.parametrize(
    ("start", "end", "frames"), [(None, None, 100), (6, None, 75), (None, 7, 50), (5, 6, 25), (None, 20, 100)]
)
def test_how_many_frames_there_will_be_where_pictures_begin_late(
    tmp_path: Path, start: int | None, end: int | None, frames: int
) -> None:
    late = [5000 + 40 * n for n in range(100)]
    source = make_clip(tmp_path / "a.mp4", pts=late, time_base=Fraction(1, 1000), rate=25, audio=1)
    said: list[Progress] = []
    wanted = {"start": start, "end": end}
    done = vidcolor.colorize(source, tmp_path / "b.mkv", model="grey", progress=said.append, **wanted)
    assert done.frames == said[0].total == frames
