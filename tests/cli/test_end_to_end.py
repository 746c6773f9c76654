"""The real command on real films: what comes out, and that a failure leaves nothing behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from tests.cli.test_app import source_env
from tests.clips import decode_luma, decode_pts, make_clip, packets
from vidcolor.cli import main

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "film.mkv"
    return make_clip(path, frames=24, audio=1, subtitles=True)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def test_a_film_is_coloured(film: Path, out: Path, capsys: Capture) -> None:
    result = out / "film.mkv"
    assert main(["run", str(film), "-o", str(result), "--model", "tiny", "-c:v", "ffv1", "--json"]) == 0
    stdout, err = capsys.readouterr()
    done = json.loads(stdout.splitlines()[-1])
    assert (done["event"], done["frames"], done["output"], done["model"]) == ("done", 24, str(result), "tiny")
    assert err.startswith("vidcolor: 24 frames in ")
    assert [p.name for p in out.iterdir()] == ["film.mkv"]
    for before, after in zip(decode_luma(film), decode_luma(result), strict=True):
        np.testing.assert_array_equal(after, before)
    assert decode_pts(result) == decode_pts(film)
    assert packets(result, "audio") == packets(film, "audio")
    assert packets(result, "subtitles") == packets(film, "subtitles")
    with av.open(str(result)) as container:
        first = next(container.decode(video=0)).to_ndarray(format="yuv444p")
    assert first[1:].std() > 1


def test_a_part_of_it_from_a_pipe_into_another_container(film: Path, out: Path) -> None:
    arguments = ["run", "-", "-o", str(out / "a.mp4"), "--model", "grey", "--ss", "0.25", "-t", "0.5", "-q"]
    with subprocess.Popen(["cat", str(film)], stdout=subprocess.PIPE) as pipe:
        run = subprocess.run(
            [sys.executable, "-m", "vidcolor", *arguments],
            stdin=pipe.stdout,
            env=source_env(),
            capture_output=True,
            timeout=120,
            check=False,
        )
    assert (run.returncode, run.stdout, run.stderr) == (0, b"", b"")
    assert len(decode_pts(out / "a.mp4")) == 12


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory, film: Path) -> Path:
    """A folder of things that are no films."""
    folder = tmp_path_factory.mktemp("bad")
    (folder / "folder").mkdir()
    (folder / "empty.mp4").touch()
    (folder / "words.mp4").write_text("just words, and not a film")
    (folder / "head.mkv").write_bytes(film.read_bytes()[:300])
    with av.open(str(film)) as source, av.open(str(folder / "sound.mka"), "w") as sound:
        stream = sound.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(source.streams.audio[0]):
            if packet.size:
                packet.stream = stream
                sound.mux(packet)
    shutil.copy(film, folder / "film.mkv")
    return folder


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ("nowhere.mp4", 1),
        ("folder", 1),
        ("empty.mp4", 1),
        ("words.mp4", 1),
        ("head.mkv", 1),
        ("sound.mka", 1),
        ("film.mkv --model words.mp4", 1),
        ("film.mkv --model nosuch", 2),
        ("film.mkv -c:v nosuch", 2),
        ("film.mkv --pix-fmt nosuch", 2),
        ("film.mkv --preset nosuch", 2),
        ("film.mkv --crf 99", 2),
        ("film.mkv -e nosuch=1", 2),
        ("film.mkv --stream 1", 2),
        ("film.mkv --device tricorder", 2),
        ("film.mkv --ss 100", 1),
    ],
)
def test_bad_input_gets_one_sentence_and_leaves_nothing(
    bad: Path, out: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch, arguments: str, code: int
) -> None:
    monkeypatch.chdir(bad)
    model = () if "--model" in arguments else ("--model", "grey")
    assert main(["run", *arguments.split(), *model, "-o", str(out / "a.mkv")]) == code
    stdout, err = capsys.readouterr()
    assert stdout == ""
    assert err.startswith("vidcolor: error: ")
    assert "internal error" not in err
    assert err.count("\n") == 1
    assert list(out.iterdir()) == []


@pytest.mark.parametrize(
    ("output", "code"),
    [("film.xyz", 2), ("film", 2), ("nowhere/film.mkv", 1), ("../film.mkv", 2), ("locked/film.mkv", 1)],
)
def test_bad_output(
    film: Path, out: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch, output: str, code: int
) -> None:
    if output.startswith("locked") and os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    source = shutil.copy(film, out.parent / "film.mkv")
    (out / "locked").mkdir(mode=0o555)
    monkeypatch.chdir(out)
    assert main(["run", str(source), "-o", output, "--model", "grey", "-y"]) == code
    err = capsys.readouterr().err
    assert err.startswith("vidcolor: error: ")
    assert err.count("\n") == 1
    assert [p.name for p in out.iterdir()] == ["locked"]
    assert source.read_bytes() == film.read_bytes()


@pytest.mark.skipif(os.name == "nt", reason="signals as POSIX has them")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_run_leaves_nothing(tmp_path: Path, out: Path, number: int, code: int) -> None:
    film = make_clip(tmp_path / "long.mkv", size=(640, 360), frames=240)
    arguments = [
        "run",
        str(film),
        "-o",
        str(out / "a.mp4"),
        "--model",
        "tiny",
        "--preset",
        "slower",
        "--json",
    ]
    with subprocess.Popen(
        [sys.executable, "-m", "vidcolor", *arguments],
        env=source_env(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # Under nohup, or in the background of a script, the tests themselves ignore these signals.
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),
    ) as process:
        assert process.stdout is not None
        events = iter(process.stdout.readline, b"")
        assert any(json.loads(line)["event"] == "progress" for line in events)
        assert list(out.iterdir()) != []  # it is being made, under another name
        assert not (out / "a.mp4").exists()
        process.send_signal(number)
        process.communicate(timeout=60)
    assert process.returncode == code
    assert list(out.iterdir()) == []
