"""``vidcolor build-dataset``: its options reach the build, its words reach people and programs."""

from __future__ import annotations

import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from tests.datasets.films import shot, write_film
from vidcolor.cli import main
from vidcolor.datasets.options import BuildOptions


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return write_film(tmp_path / "film.mkv", [*shot(1, 60), *shot(2, 60), *shot(3, 60), *shot(4, 60)])


def test_a_set_is_made_and_told_of(film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "set"
    assert main(["build-dataset", str(film), "-o", str(target), "--stride", "20", "--size", "32"]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("vidcolor: 9 pictures to train on and 3 to test with, of 1 source, 4 shots, in ")
    assert err.rstrip().endswith(f"-> {target}")
    assert len((target / "manifest.jsonl").read_text().splitlines()) == 12
    assert main(["build-dataset", str(film), "-o", str(target), "--size", "32", "-q"]) == 2
    assert "exists already; use -y to overwrite it" in capsys.readouterr().err
    assert main(["build-dataset", str(film), "-o", str(target), "--size", "32", "-y", "-q"]) == 0
    assert capsys.readouterr() == ("", "")


def test_programs_get_events(film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["build-dataset", str(film), "-o", str(tmp_path / "set"), "--size", "32", "--json", "-q"]
    assert main(arguments) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["event"] for event in events][:2] == ["start", "progress"]
    assert events[0]["every"] == "1/2"
    assert (events[1]["source"], events[1]["number"], events[1]["length"]) == ("film.mkv", 1, 9.6)
    done = events[-1]
    assert (done["event"], done["train"] + done["test"], done["shots"]) == ("done", 20, 4)


def test_what_is_left_out_is_said(film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--stride", "1", "--size", "32", "--limit", "30", "--dark", "0"]
    assert main(["build-dataset", str(film), "-o", str(tmp_path / "set"), *arguments]) == 0
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("vidcolor: left out: ")
    assert "over the limit" in said


def test_a_grey_film_ends_with_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from tests.clips import make_clip

    clip = make_clip(tmp_path / "grey.mkv", size=(96, 64), frames=60)
    assert main(["build-dataset", str(clip), "-o", str(tmp_path / "set"), "--stride", "5"]) == 1
    assert (
        capsys.readouterr().err
        == f"vidcolor: error: {clip} has no colour, so nothing can be learnt from it\n"
    )
    assert not (tmp_path / "set").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--stride", "2", "--every", "1"], "stride and every exclude each other"),
        (["--size", "tall"], "'tall' is neither a number of pixels nor 'any'"),
        (["--size", "8"], "8 is not a size from 16 on"),
        (["--size", "any", "--crops", "2"], "Several crops need a size"),
        (["--test-share", "1"], "The test share must be at least 0 and below 1"),
        (["--split", "random"], "'random' is not one of 'shot', 'film', 'leaky'"),
        (["--split-file", "nowhere.txt"], "nowhere.txt"),
    ],
)
def test_wrong_use(
    film: Path, tmp_path: Path, arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["build-dataset", str(film), "-o", str(tmp_path / "set"), *arguments]) == 2
    assert sentence in capsys.readouterr().err


def test_every_option_reaches_the_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[Any, ...]] = []

    def fake(inputs: Any, output: Any, options: BuildOptions, **_: Any) -> Any:
        seen.append((inputs, output, options))
        raise KeyboardInterrupt

    monkeypatch.setattr("vidcolor.datasets.build.build_dataset", fake)
    lists = [tmp_path / "train.txt", tmp_path / "test.txt"]
    for path in lists:
        path.write_text("a")
    lines = f"""a.mp4 b -o set -y --every 200ms --size any --resize 480 --limit 9 --seed 3 --test-share 0.1
        --split leaky --train-list {lists[0]} --test-list {lists[1]} --labels --dark 1 --flat 2
        --colourfulness 3 --duplicates 4 --fades --no-borders --deinterlace off --format png"""
    code = main(["build-dataset", *lines.split()])
    assert code == 130
    wanted = BuildOptions(
        every=Fraction(1, 5), size=None, resize=480, limit=9, seed=3, test_share=0.1, split="leaky",
        train_list=lists[0], test_list=lists[1], labels=True, dark=1, flat=2, colorfulness=3, duplicate=4,
        fades=True, borders=False, deinterlace="off", format="png", overwrite=True,
    )  # fmt: skip
    assert seen == [(("a.mp4", "b"), "set", wanted)]
    assert main(["build-dataset", "a.mp4", "-o", "set"]) == 130
    assert seen[1][2] == BuildOptions()


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from vidcolor.cli import main; main(['build-dataset', '--help']); "
        "print([m for m in ('torch', 'av', 'cv2', 'matplotlib', 'PIL', 'numpy') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.splitlines()[-1] == "[]"
    assert "leaky" in out
