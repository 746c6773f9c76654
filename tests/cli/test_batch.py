"""``vidcolor batch``: what its options become, what it says, and that stopping it costs little."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests.cli.test_app import source_env
from tests.clips import decode_luma, decode_pts, make_clip, packets
from vidcolor.cli import main
from vidcolor.cli.batch import command
from vidcolor.cli.batch_progress import BatchReporter
from vidcolor.pipeline.batch import loop
from vidcolor.pipeline.batch.loop import BatchOptions, Event
from vidcolor.pipeline.batch.report import Totals
from vidcolor.pipeline.options import EncoderOptions, RunOptions

Capture = pytest.CaptureFixture[str]
TINY = ("--model", "tiny", "--network-size", "32", "--device", "cpu")
posix = pytest.mark.skipif(os.name == "nt", reason="signals as POSIX has them")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[BatchOptions, RunOptions]]:
    """What the batch itself is asked; it says that one film was coloured and one failed."""
    calls: list[tuple[BatchOptions, RunOptions]] = []

    def color_films(batch: BatchOptions, options: RunOptions, tell: Callable[[Event], None]) -> Totals:
        calls.append((batch, options))
        totals = Totals({"done": 1, "kept": 0, "failed": 1}, 7, 2.0, (("b\n.mp4", "it is bad"),))
        tell(Event("found", None, {"films": 2, "kept": 0, "waiting": 2}))
        tell(Event("film", "a.mp4", {"output": "out/a.color.mp4"}))
        tell(Event("notice", "a.mp4", {"message": "So it is."}))
        done = {"frames": 7, "seconds": 1.0, "fps": 7.0, "output": "out/a.color.mp4"}
        tell(Event("done", "a.mp4", done))
        tell(Event("failed", "b\n.mp4", {"message": "it is bad", "traceback": "Traceback: here\n"}))
        tell(Event("summary", None, {"state": "finished", "totals": totals}))
        return totals

    monkeypatch.setattr(loop, "color_films", color_films)
    return calls


def test_every_field_has_an_option() -> None:
    settable = {f.name for owner in (RunOptions, EncoderOptions) for f in fields(owner)}
    assert settable - {"overwrite", "encoder"} <= {parameter.name for parameter in command.params}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("in", {}),
        ("in b.mp4", {"inputs": ("in", "b.mp4")}),
        ("in --jobs 3", {"jobs": 3}),
        ("in --device cuda:0,cuda:1", {"jobs": 2, "devices": ("cuda:0", "cuda:1")}),
        ("in --device cuda:0,cuda:1 -j 5", {"jobs": 5, "devices": ("cuda:0", "cuda:1")}),
        ("in --watch", {"watch": 10.0}),
        ("--watch in", {"watch": 10.0}),
        ("--watch 2.5 in", {"watch": 2.5}),
        ("--watch=3 in", {"watch": 3.0}),
        ("--watch -- in", {"watch": 10.0}),
        ("in -- --watch", {"inputs": ("in", "--watch")}),
        ("in --restart", {"restart": True}),
    ],
)
def test_options_of_the_batch(
    asked: list[tuple[BatchOptions, RunOptions]], arguments: str, expected: dict[str, Any]
) -> None:
    assert main(["batch", "-o", "out", *arguments.split()]) == 1
    [(batch, _)] = asked
    assert batch == BatchOptions(**{"output": Path("out"), "inputs": ("in",), **expected})


def test_options_of_the_run(asked: list[tuple[BatchOptions, RunOptions]]) -> None:
    arguments = "in -o out -y --model grey -t 2 --smooth 0 -c:v ffv1 -e level=3 --device cpu"
    assert main(["batch", *arguments.split()]) == 1
    encoder = EncoderOptions(codec="ffv1", extra=(("level", "3"),))
    options = RunOptions(model="grey", end=2, smooth=0.0, device="cpu", overwrite=True, encoder=encoder)  # type: ignore[arg-type]
    assert asked[0][1] == options


def test_a_list_of_inputs(tmp_path: Path, asked: list[tuple[BatchOptions, RunOptions]]) -> None:
    (tmp_path / "list").write_bytes(b"a.mp4\0two\nlines.mp4\0")
    assert main(["batch", "--list", str(tmp_path / "list"), "-o", "out"]) == 1
    assert (asked[0][0].inputs, asked[0][0].listed) == ((), ("a.mp4", "two\nlines.mp4"))


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ("in", 2, "Missing option"),
        ("-o out", 2, "Name files, folders or patterns"),
        ("- -o out", 2, "no film on stdin"),
        ("in -o out --watch=-1", 2, "not a number from 0.1 on"),
        ("in -o out --jobs 0", 2, "--jobs"),
        ("in -o out --to 1 -t 1", 2, "exclude each other"),
        ("--list nosuch -o out", 1, "'nosuch' cannot be read"),
    ],
)
def test_wrong_use(capsys: Capture, arguments: str, code: int, words: str) -> None:
    assert main(["batch", *arguments.split()]) == code
    err = capsys.readouterr().err
    assert words in err
    assert err.count("\n") == 1


@pytest.mark.usefixtures("asked")
class TestWhatItSays:
    def test_to_people(self, capsys: Capture) -> None:
        assert main(["batch", "in", "-o", "out"]) == 1
        out, err = capsys.readouterr()
        assert out == ""
        assert err.splitlines() == [
            "vidcolor: 2 films",
            "vidcolor: note: a.mp4: So it is.",
            "vidcolor: a.mp4: 7 frames in 1.0 s (7.0 frames/s) -> out/a.color.mp4",
            r"vidcolor: failed: b\n.mp4: it is bad",
            "  coloured          1",
            "  failed            1",
            "  frames            7",
            "  seconds         2.0",
            r"  failed: b\n.mp4: it is bad",
        ]

    def test_a_film_is_named_once(self, capsys: Capture) -> None:
        reporter = BatchReporter(bar=False, quiet=False, events=False, debug=False)
        reporter.tell(Event("failed", "a.mp4", {"message": "a.mp4 is not a media file"}))
        assert capsys.readouterr().err == "vidcolor: failed: a.mp4: is not a media file\n"

    def test_where_there_was_nothing_to_do(self, capsys: Capture) -> None:
        reporter = BatchReporter(bar=False, quiet=False, events=False, debug=False)
        reporter.tell(Event("summary", None, {"state": "failed", "totals": Totals.of([], 0, 0.1)}))
        assert capsys.readouterr().err == ""

    def test_quietly(self, capsys: Capture) -> None:
        assert main(["batch", "in", "-o", "out", "-q"]) == 1
        assert capsys.readouterr() == ("", "  failed: b\\n.mp4: it is bad\n")

    def test_with_debug(self, capsys: Capture) -> None:
        assert main(["batch", "in", "-o", "out", "--debug"]) == 1
        assert "Traceback: here\n" in capsys.readouterr().err

    def test_to_programs(self, capsys: Capture) -> None:
        assert main(["batch", "in", "-o", "out", "--json", "-q"]) == 1
        events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [e["event"] for e in events] == [
            "start", "found", "film", "notice", "done", "failed", "summary",
        ]  # fmt: skip
        assert events[4]["input"] == "a.mp4"
        assert events[-1]["films"]["failed"] == 1
        assert events[-1]["failed"] == [{"input": "b\n.mp4", "message": "it is bad"}]

    def test_with_a_bar(self, capsys: Capture) -> None:
        assert main(["batch", "in", "-o", "out", "--progress"]) == 1
        assert "film 2/2" in capsys.readouterr().err


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty files in folders, five of them bad."""
    folder = tmp_path_factory.mktemp("archive") / "in"
    for number in range(25):
        at = folder / f"year {1910 + number % 3}"
        at.mkdir(parents=True, exist_ok=True)
        ending = (".mkv", ".mp4", ".mov")[number % 3]
        make_clip(at / f"film {number:02}{ending}", frames=5 + number, audio=1)
    good = (folder / "year 1910" / "film 00.mkv").read_bytes()
    bad = {"empty.mp4": b"", "words.mkv": b"just words", "cut.mkv": good[:300], "zeros.mov": bytes(5000)}
    for name, data in bad.items():
        (folder / name).write_bytes(data)
    with av.open(str(folder / "sound.mp4"), "w") as sound:
        stream = sound.add_stream("aac", rate=48000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 48000), np.float32), format="flt", layout="mono")
        frame.sample_rate = 48000
        sound.mux([*stream.encode(frame), *stream.encode(None)])
    return folder


def start(folder: Path, *more: str) -> subprocess.Popen[bytes]:
    arguments = ["batch", "in", "-o", str(folder / "out"), *TINY, "--json", *more]
    return subprocess.Popen(
        [sys.executable, "-m", "vidcolor", *arguments],
        cwd=folder,
        env=source_env(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,  # so that a signal can be sent to it and its workers, as a terminal does
        preexec_fn=lambda: [signal.signal(n, signal.SIG_DFL) for n in (signal.SIGINT, signal.SIGTERM)],
    )


def until(process: subprocess.Popen[bytes], kind: str, times: int) -> None:
    """Reads events until there were so many of a kind."""
    assert process.stdout is not None
    for line in iter(process.stdout.readline, b""):
        times -= json.loads(line)["event"] == kind
        if times == 0:
            return
    pytest.fail("the batch ended early")


def made(out: Path) -> dict[str, int]:
    """Each result and when it was made."""
    return {p.relative_to(out).as_posix(): p.stat().st_mtime_ns for p in out.rglob("[!.]*.color.*")}


@posix
@pytest.mark.slow
def test_thirty_films_five_of_them_bad_killed_and_started_again(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "in").symlink_to(archive)
    with start(tmp_path, "--jobs", "2") as process:
        until(process, "done", 8)
        process.kill()  # its workers are not told
    before = made(tmp_path / "out")
    assert len(before) >= 8
    with start(tmp_path, "--jobs", "2") as process:
        out, err = process.communicate(timeout=600)
    assert process.returncode == 1
    events = [json.loads(line) for line in out.splitlines()]
    # A film may have been finished, and not been written down.
    kept = next(e["kept"] for e in events if e["event"] == "found")
    assert len(before) - 2 <= kept <= len(before)
    bad = {f"in/{name}" for name in ("empty.mp4", "words.mkv", "cut.mkv", "zeros.mov", "sound.mp4")}
    assert {e["input"] for e in events if e["event"] == "failed"} == bad
    assert all(f"failed: {name}: " in err.decode() for name in bad)
    after = made(tmp_path / "out")
    assert len(after) == 25
    assert sum(after[name] == when for name, when in before.items()) >= kept
    for film in archive.rglob("film *"):
        result = tmp_path / "out" / film.parent.name / f"{film.stem}.color{film.suffix}"
        assert decode_pts(result) == decode_pts(film)
        assert packets(result, "audio") == packets(film, "audio")
        for one, other in zip(decode_luma(film), decode_luma(result), strict=True):
            assert np.abs(one.astype(int) - other).mean() < 3
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["films"] == {"done": 25 - kept, "kept": kept, "failed": 5, "running": 0, "waiting": 0}
    assert {r["input"] for r in report["results"] if r["state"] == "failed"} == bad

    with start(tmp_path) as process:  # nothing good is done again
        out, _ = process.communicate(timeout=600)
    assert process.returncode == 1
    assert json.loads(out.splitlines()[-1])["films"]["kept"] == 25
    assert made(tmp_path / "out") == after
    assert [p.name for p in (tmp_path / "out").rglob(".*")] == [".vidcolor-batch.jsonl"]


@posix
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopping_leaves_nothing_half_made_and_goes_on(tmp_path: Path, number: int, code: int) -> None:
    (tmp_path / "in").mkdir()
    make_clip(tmp_path / "in" / "a.mkv", frames=6)
    make_clip(tmp_path / "in" / "b.mkv", size=(640, 360), frames=72)
    with start(tmp_path, "--preset", "slower") as process:
        until(process, "done", 1)
        until(process, "progress", 1)
        if number == signal.SIGINT:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        _, err = process.communicate(timeout=120)
    assert process.returncode == code
    assert b"the same command goes on from here" in err
    assert b"Traceback" not in err
    out = tmp_path / "out"
    assert sorted(p.name for p in out.iterdir()) == [".vidcolor-batch.jsonl", "a.color.mkv", "report.json"]
    report = json.loads((out / "report.json").read_text())
    assert report["state"] == "stopped"
    assert [r["state"] for r in report["results"]] == ["done", "running"]
    before = made(out)
    with start(tmp_path, "--preset", "slower", "-q") as process:
        stdout, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (0, b"")
    assert json.loads(stdout.splitlines()[-1])["films"]["kept"] == 1
    assert made(out)["a.color.mkv"] == before["a.color.mkv"]
    assert len(decode_pts(out / "b.color.mkv")) == 72


@posix
def test_a_watched_folder_is_coloured_as_it_fills(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    whole = make_clip(tmp_path / "whole.mp4", frames=8).read_bytes()
    (tmp_path / "in" / "early.mp4").write_bytes(whole)
    with start(tmp_path, "--watch", "0.3") as process:
        until(process, "done", 1)
        with (tmp_path / "in" / "late.mp4").open("wb") as late:
            for place in range(0, len(whole), 1 + len(whole) // 10):
                late.write(whole[place : place + 1 + len(whole) // 10])
                late.flush()
                time.sleep(0.1)
        until(process, "done", 1)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"failed" not in err
    assert sorted(made(tmp_path / "out")) == ["early.color.mp4", "late.color.mp4"]
