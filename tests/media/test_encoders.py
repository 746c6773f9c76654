"""The table of encoders: formats, options, containers."""

from __future__ import annotations

import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from tests.cli.test_app import source_env
from tests.clips import make_clip, packets
from vidcolor import colorize
from vidcolor.errors import UsageError
from vidcolor.frames import ChromaLayout
from vidcolor.media.encoder_options import encoder_options, repeatable
from vidcolor.media.encoders import (
    ENCODERS,
    choose_format,
    container_format,
    container_holds,
    default_encoder,
    encoder,
)
from vidcolor.media.priority import priority_kept

C420, C422, C444 = ChromaLayout(1, 1), ChromaLayout(1, 0), ChromaLayout(0, 0)
SOFTWARE = [name for name, entry in ENCODERS.items() if not entry.hardware]


@pytest.mark.parametrize("name", SOFTWARE)
@pytest.mark.parametrize("depth", [8, 10, 12])
@pytest.mark.parametrize("layout", [C420, C422, C444])
def test_every_line_of_the_table_opens(name: str, depth: int, layout: ChromaLayout) -> None:
    """Defaults and the chosen format are such that the encoder takes them."""
    form = choose_format(encoder(name), depth, layout)
    context: Any = av.CodecContext.create(name, "w")
    context.width, context.height, context.pix_fmt = 64, 64, form.name
    context.framerate = Fraction(24)
    context.options = encoder_options(encoder(name), form)
    with priority_kept():
        context.open()
    assert context.options == {}  # all of them were known
    components = av.VideoFormat(form.name, 64, 64).components
    assert components[0].bits == form.depth
    assert (components[1].height, components[1].width) == form.layout.size(64, 64)


@pytest.mark.parametrize(
    ("name", "depth", "layout", "wanted"),
    [
        ("libx264", 8, C420, "yuv420p"),
        ("libx264", 8, C444, "yuv444p"),
        ("libx264", 9, C420, "yuv420p10le"),
        ("libx264", 12, C422, "yuv422p10le"),
        ("libx264", 16, C420, "yuv420p10le"),
        ("libx265", 12, C420, "yuv420p12le"),
        ("libx265", 14, C444, "yuv444p12le"),
        ("libsvtav1", 8, C444, "yuv420p"),
        ("libsvtav1", 10, C422, "yuv420p10le"),
        ("ffv1", 9, C420, "yuv420p9le"),
        ("ffv1", 14, C422, "yuv422p14le"),
        ("ffv1", 16, C444, "yuv444p16le"),
        ("prores_ks", 8, C420, "yuv422p10le"),
        ("prores_ks", 10, C444, "yuv444p10le"),
        ("h264_nvenc", 10, C420, "yuv420p"),
        ("hevc_nvenc", 12, C420, "yuv420p10le"),
    ],
)
def test_formats(name: str, depth: int, layout: ChromaLayout, wanted: str) -> None:
    assert choose_format(encoder(name), depth, layout).name == wanted


def test_odd_sizes_take_the_coarsest_chroma_that_divides_them() -> None:
    x264 = encoder("libx264")
    assert choose_format(x264, 8, C420, (64, 47)).name == "yuv422p"
    assert choose_format(x264, 10, C420, (65, 48)).name == "yuv444p10le"
    assert choose_format(encoder("ffv1"), 8, C420, (65, 47)).name == "yuv420p"
    with pytest.raises(UsageError, match="cannot encode pictures of odd size as yuv420p; it takes yuv444p"):
        choose_format(x264, 8, C420, (65, 48), "yuv420p")


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        ("gray", "gray has no room for colour; libx264 takes yuv420p, "),
        ("nv12", "nv12 is not planar YUV in 4:2:0, 4:2:2 or 4:4:4; with libx264 use one of yuv420p"),
        ("rgb24", "rgb24 is not planar YUV"),
        ("yuvj420p", "yuvj420p is deprecated; yuv420p keeps"),
        ("yuv420p12le", "libx264 cannot encode yuv420p12le; it takes"),
        ("yuv", "Unknown pixel format 'yuv'; libx264 takes"),
    ],
)
def test_formats_that_cannot_be(wanted: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        choose_format(encoder("libx264"), 8, C420, wanted=wanted)


@pytest.mark.parametrize("wanted", ["yuv411p", "yuv410p", "yuv440p", "yuv440p10le"])
def test_layouts_that_colour_is_not_made_in(wanted: str) -> None:
    """FFV1 could take them."""
    with pytest.raises(UsageError, match=f"{wanted} is not planar YUV in 4:2:0, 4:2:2 or 4:4:4; with ffv1"):
        choose_format(encoder("ffv1"), 8, C420, wanted=wanted)


def _options(name: str, **given: object) -> dict[str, str]:
    entry = encoder(name)
    return encoder_options(entry, choose_format(entry, 8, C420), **given)  # type: ignore[arg-type]


def test_crf_and_preset_are_spelt_as_the_encoder_does() -> None:
    assert _options("libx264") == {"crf": "17", "preset": "medium"}
    assert _options("libx264", crf=18.5, preset="slow") == {"crf": "18.5", "preset": "slow"}
    assert _options("libvpx-vp9", crf=30, preset="2")["cpu-used"] == "2"
    assert _options("hevc_nvenc", crf=21)["cq"] == "21"
    assert _options("prores_ks")["profile"] == "hq"
    assert _options("prores_ks", preset="lt")["profile"] == "lt"
    prores = encoder("prores_ks")
    assert encoder_options(prores, choose_format(prores, 10, C444))["profile"] == "4444"


@pytest.mark.parametrize("rate", [("b", "2M"), ("b:v", "2M"), ("qp", "0"), ("crf", "30")])
def test_a_rate_of_the_users_replaces_our_quality(rate: tuple[str, str]) -> None:
    options = _options("libx264", extra=[rate])
    assert options == {rate[0].partition(":")[0]: rate[1], "preset": "medium"}


_ENCODE = """
import hashlib, sys
import av
import numpy as np
from vidcolor.media.encoder_options import encoder_options, repeatable
from vidcolor.media.encoders import choose_format, encoder
from vidcolor.frames import ChromaLayout
width, entry = int(sys.argv[1]), encoder("libx264")
form = choose_format(entry, 8, ChromaLayout(1, 1))
digest, rng = hashlib.sha256(), np.random.default_rng(1)
with av.open("/dev/null", "w", format="null") as output:
    options = repeatable(entry, encoder_options(entry, form), width)
    stream = output.add_stream("libx264", rate=25, options=options)
    stream.width, stream.height, stream.pix_fmt = width, 64, "yuv420p"
    grain = rng.integers(0, 24, (64, width))
    rows, columns = np.mgrid[:64, :width]
    for n in range(24):
        planes = np.full((96, width), 128, np.uint8)
        planes[:64] = (2 * columns + rows + 3 * n) % 160 + 30 + np.roll(grain, 2 * n, 1)
        planes[20:28, 4 * n % (width - 8) :][:, :8] = 220
        for packet in stream.encode(av.VideoFrame.from_ndarray(planes, "yuv420p")):
            digest.update(bytes(packet))
    for packet in stream.encode(None):
        digest.update(bytes(packet))
print(digest.hexdigest())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is filled by glibc")
@pytest.mark.parametrize("width", [64, 96, 128])
def test_x264_writes_the_same_whatever_lies_in_memory(width: int) -> None:
    def digest(filling: int) -> str:
        environment = {**os.environ, "MALLOC_PERTURB_": str(filling)}
        command = [sys.executable, "-c", _ENCODE, str(width)]
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout

    assert digest(0) == digest(85) == digest(1)


def test_what_a_user_says_to_x264_comes_last() -> None:
    entry = encoder("libx264")
    said = {"x264-params": "cpu-independent=0"}
    assert repeatable(entry, said, 96) == {"x264-params": "cpu-independent=1:cpu-independent=0"}
    assert repeatable(entry, said, 1280) == said
    assert repeatable(encoder("ffv1"), {}, 96) == {}


def test_x265_is_silenced_beside_the_users_parameters() -> None:
    assert (
        _options("libx265", extra=[("x265-params", "aq-mode=3")])["x265-params"] == "log-level=none:aq-mode=3"
    )


@pytest.mark.parametrize(
    ("name", "given", "sentence"),
    [
        ("libx264", {"crf": 52}, "crf 52 is out of range; libx264 takes 0 to 51"),
        ("libvpx-vp9", {"crf": -1}, "crf -1 is out of range; libvpx-vp9 takes 0 to 63"),
        ("ffv1", {"crf": 1}, "ffv1 has no crf; leave it out"),
        ("ffv1", {"preset": "fast"}, "ffv1 has no presets; leave it out"),
        ("libsvtav1", {"preset": "medium"}, "Unknown preset 'medium'; libsvtav1 takes -1, 0, 1"),
        ("libx264", {"extra": [("tunee", "film")]}, "libx264 has no option 'tunee'; did you mean tune"),
        ("ffv1", {"extra": [("zzz", "1")]}, r"ffv1 has no option 'zzz'\."),
        ("libx264", {"extra": [("pix_fmt", "gray")]}, r"pix_fmt cannot be set by -e: use --pix-fmt\."),
        ("libx264", {"extra": [("pixel_format:v", "gray")]}, "pixel_format:v cannot be set by -e: use --pix"),
        ("libx264", {"extra": [("time_base", "1/5")]}, "time_base cannot be set by -e: the source's is kept"),
        (
            "libx264",
            {"extra": [("color_range", "2")]},
            "color_range cannot be set by -e: the source's is kept",
        ),
        ("libx264", {"extra": [("pixel_formatt", "1")]}, r"libx264 has no option 'pixel_formatt'\."),
    ],
)
def test_wrong_options(name: str, given: dict[str, object], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        _options(name, **given)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("a.mp4", "libx264"),
        ("a.MKV", "libx264"),
        ("a.mov", "libx264"),
        ("a.webm", "libvpx-vp9"),
        ("a.m4v", "libx264"),
    ],
)
def test_default_encoder(name: str, wanted: str) -> None:
    assert default_encoder(name) == wanted


@pytest.mark.parametrize(
    ("name", "depth", "wanted"),
    [
        ("a.webm", 8, "libvpx-vp9"),
        ("a.webm", 9, "libsvtav1"),
        ("a.webm", 10, "libsvtav1"),
        ("a.webm", 16, "libsvtav1"),
        ("a.mp4", 10, "libx264"),
        ("a.mkv", 12, "libx264"),
    ],
)
def test_default_encoder_for_a_depth(name: str, depth: int, wanted: str) -> None:
    assert default_encoder(name, depth) == wanted


def test_containers_are_asked_for_a_header() -> None:
    """Their tables say that they hold these."""
    assert not container_holds("mov", "libsvtav1")
    assert not container_holds("mov", "av1_nvenc")
    assert container_holds("mov", "h264_nvenc")
    assert not container_holds("mpegts", "ffv1")
    assert container_holds("mxf", "prores_ks")
    with pytest.raises(UsageError, match=r"a\.ogv: no \.ogv file can hold what our encoders make"):
        default_encoder("a.ogv")


def test_containers() -> None:
    assert container_format("x/a.MP4") == "mp4"
    assert container_holds("mov", "prores_ks")
    assert not container_holds("mp4", "prores_ks")
    assert container_holds("matroska", "ffv1")
    assert not container_holds("webm", "libx264")
    for name in ("a.xyz", "a", "a.png"):
        with pytest.raises(UsageError, match="no video container is known for"):
            container_format(name)
    with pytest.raises(UsageError, match=r"no \.gif file can hold what our encoders make"):
        default_encoder("a.gif")


def test_an_unknown_encoder() -> None:
    with pytest.raises(UsageError, match="Unknown encoder 'h264'; choose one of libx264, libx265"):
        encoder("h264")


_ON_CORES = """
import os, sys
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:int(sys.argv[1])])
from tests.clips import make_clip
from vidcolor.pipeline.run import colorize
colorize(sys.argv[2], sys.argv[3], model="grey")
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores cannot be chosen here")
def test_packets_do_not_depend_on_the_number_of_cores(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mkv", size=(128, 96), frames=40, cuts=(20,))
    for cores in (1, 2):
        command = [sys.executable, "-c", _ON_CORES, str(cores), str(source), str(tmp_path / f"{cores}.mkv")]
        subprocess.run(command, check=True, env=source_env())
    assert packets(tmp_path / "1.mkv", "video") == packets(tmp_path / "2.mkv", "video")


@pytest.mark.skipif(sys.platform != "linux", reason="only there are threads' priorities told")
class TestPriority:
    """SVT-AV1, run by root, makes a process a real-time one."""

    def policies(self) -> set[int]:
        return {os.sched_getscheduler(int(thread.name)) for thread in Path("/proc/self/task").iterdir()}

    def test_asking_what_a_container_holds_changes_none(self) -> None:
        container_holds.cache_clear()
        assert container_holds("webm", "libsvtav1")
        assert self.policies() == {os.SCHED_OTHER}

    def test_encoding_changes_none(self, tmp_path: Path) -> None:
        make_clip(tmp_path / "in.mkv", frames=6)
        seen = set[int]()
        told = colorize(
            tmp_path / "in.mkv",
            tmp_path / "out.webm",
            model="grey",
            codec="libsvtav1",
            progress=lambda _: seen.update(self.policies()),
        )
        assert told.frames == 6
        assert seen == {os.SCHED_OTHER}
