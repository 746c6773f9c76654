"""What goes wrong in the middle of a run gets a sentence, keeps what is done, and can be gone on from."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av.error
import numpy as np
import pytest

import vidcolor
from tests.clips import make_clip
from tests.pipeline.test_parts import FFV1, SETTINGS, all_packets, journal
from vidcolor.cli import main
from vidcolor.errors import DeviceError, VidcolorError
from vidcolor.media.part_file import PartWriter
from vidcolor.media.video_encoder import VideoEncoder
from vidcolor.pipeline import parts
from vidcolor.pipeline.colorist import Colorist
from vidcolor.pipeline.options import Progress
from vidcolor.temporal import anchors

FRAMES = 60
Accident = Callable[[Path, Path], AbstractContextManager[Callable[[], None]]]
"""Of the input and the result: a context that is left when all is well again, and what happens."""


@pytest.fixture(autouse=True)
def short_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "SHORTEST", Fraction(1, 2))
    monkeypatch.setattr(parts, "LONGEST", Fraction(1))
    monkeypatch.setattr(anchors, "_LONG_SIDE", 64)


@pytest.fixture(scope="module")
def made_in_peace(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[int, Any]]:
    """A film, and the packets of its result."""
    folder = tmp_path_factory.mktemp("peace")
    source = make_clip(folder / "a.mkv", frames=FRAMES, cuts=(15, 30, 45), audio=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "SHORTEST", Fraction(1, 2))
        patch.setattr(parts, "LONGEST", Fraction(1))
        patch.setattr(anchors, "_LONG_SIDE", 64)
        vidcolor.colorize(source, folder / "b.mkv", **SETTINGS | FFV1)
    return source, all_packets(folder / "b.mkv")


@contextmanager
def disk_full(source: Path, target: Path) -> Iterator[Callable[[], None]]:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.MonkeyPatch.context() as patch:
        yield lambda: patch.setattr(PartWriter, "_store", refuse)


@contextmanager
def file_too_large(source: Path, target: Path) -> Iterator[Callable[[], None]]:
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, before[1]))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def too_large_when_joined(source: Path, target: Path) -> Iterator[Callable[[], None]]:
    """Each part may be as large as it is, and the film may not."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (3 * journal(target)["parts"][0]["size"], before[1]))

    try:
        yield limit
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def input_truncated(source: Path, target: Path) -> Iterator[Callable[[], None]]:
    data, facts = source.read_bytes(), source.stat()
    yield lambda: os.truncate(source, facts.st_size // 2)
    source.write_bytes(data)
    os.utime(source, ns=(facts.st_atime_ns, facts.st_mtime_ns))


@contextmanager
def input_vanished(source: Path, target: Path) -> Iterator[Callable[[], None]]:
    yield lambda: source.rename(source.with_name("away"))
    source.with_name("away").rename(source)


@contextmanager
def folder_deleted(source: Path, target: Path) -> Iterator[Callable[[], None]]:
    yield lambda: shutil.rmtree(target.with_name(f".{target.name}.vidcolor"))


@contextmanager
def folder_read_only(source: Path, target: Path) -> Iterator[Callable[[], None]]:
    """As chattr +i makes it, for root too."""
    replace = os.replace

    def refuse(one: Any, other: Any) -> None:
        if os.path.dirname(other) in map(str, (target.parent, target.with_name(f".{target.name}.vidcolor"))):
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
        replace(one, other)

    with pytest.MonkeyPatch.context() as patch:
        yield lambda: patch.setattr(os, "replace", refuse)


@contextmanager
def encoder_dead(source: Path, target: Path) -> Iterator[Callable[[], None]]:
    def die(*_: object) -> None:
        raise av.error.ExternalError(-542398533, "Generic error in an external library")

    with pytest.MonkeyPatch.context() as patch:
        yield lambda: patch.setattr(VideoEncoder, "encode", die)


@contextmanager
def gpu_lost(source: Path, target: Path) -> Iterator[Callable[[], None]]:
    def fail(*_: object) -> np.ndarray:
        raise RuntimeError("CUDA error: unspecified launch failure\nCUDA kernel errors might be ...")

    with pytest.MonkeyPatch.context() as patch:
        yield lambda: patch.setattr(Colorist, "_network", fail)


ACCIDENTS: list[tuple[Accident, str, bool]] = [
    (disk_full, "^The disk is full: .*b.mkv could not be finished.$", True),
    (file_too_large, "has grown larger than this disk or user may hold.$", True),
    (too_large_when_joined, "has grown larger than this disk or user may hold.$", True),
    (input_truncated, "a.mkv was changed while it was read.$", True),
    (input_vanished, "a.mkv cannot be read any more: No such file or directory.$", True),
    (folder_deleted, "vidcolor was removed while the film was made in it.$", False),
    (folder_read_only, "^The folder .* may not be written to.$", True),
    (encoder_dead, "b.mkv could not be written: Generic error in an external library.$", True),
    (gpu_lost, "cpu has failed: CUDA error: unspecified launch failure; try again, or --device cpu.$", True),
]


@pytest.mark.parametrize(("accident", "says", "keeps"), ACCIDENTS)
def test_an_accident_loses_nothing(
    tmp_path: Path,
    made_in_peace: tuple[Path, dict[int, Any]],
    accident: Accident,
    says: str,
    keeps: bool,
) -> None:
    source, target = Path(shutil.copy2(made_in_peace[0], tmp_path)), tmp_path / "b.mkv"
    said: list[str] = []
    with accident(source, target) as happen:
        done = 0

        def progress(now: Progress) -> None:
            nonlocal done
            if now.frame == 20:
                done = len(journal(target)["parts"])
                happen()

        with pytest.raises(VidcolorError, match=says) as caught:
            vidcolor.colorize(source, target, progress=progress, notify=said.append, **SETTINGS | FFV1)
        assert done == 1
        assert caught.value.exit_code == 1
        assert not target.exists()
    assert isinstance(caught.value, DeviceError) == (accident is gpu_lost)
    kept = sum(part["frames"] for part in journal(target)["parts"]) if keeps else 0
    assert kept >= (FRAMES if accident is too_large_when_joined else 15 * keeps)
    going_on = f"{kept} frames are done and kept; the same command goes on from there."
    assert (going_on in said) == keeps
    assert vidcolor.colorize(source, target, **SETTINGS | FFV1).kept == kept
    assert all_packets(target) == made_in_peace[1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mkv", "b.mkv"]


def test_the_command_line_says_it_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = make_clip(tmp_path / "a.mkv", frames=FRAMES, cuts=(15, 30, 45))

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(PartWriter, "_store", refuse)
    options = ["--model", "grey", "-c:v", "ffv1"]
    assert main(["run", str(source), "-o", str(tmp_path / "b.mkv"), *options]) == 1
    err = capsys.readouterr().err
    assert err.splitlines()[-1].startswith("vidcolor: error: The disk is full: ")
    assert "Traceback" not in err
    assert [path.name for path in tmp_path.iterdir()] == ["a.mkv"]
