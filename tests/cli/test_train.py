"""``vidcolor train``: what it is told, what it says, how it ends; and its weights colour a film."""

from __future__ import annotations

import json
import math
import os
import signal
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import pytest
import torch
import tqdm

from tests.clips import make_clip
from tests.datasets.films import shot, write_film
from tests.training.sets import make_pictures
from vidcolor.cli import main
from vidcolor.cli.train import OF_FILMS
from vidcolor.cli.train_progress import TrainReporter
from vidcolor.datasets.manifest import open_set
from vidcolor.models import load_weights
from vidcolor.training import folder
from vidcolor.training.loop import Progress
from vidcolor.training.options import list_recipes, load_recipe

Capture = pytest.CaptureFixture[str]

SMALL = [
    *("--recipe", "unet", "--device", "cpu", "--steps", "6", "--set", "model.options.widths=[4, 8]"),
    *("--set", "data.size=[16, 16]", "--set", "run.batch=4", "--set", "data.test_share=0.3"),
]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(folder, "draw_curves", lambda path, rows, title: None)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    return make_pictures(tmp_path / "pictures", 14)


def train(pictures: Path, output: Path, *more: str) -> int:
    return main(["train", *SMALL, "--data", str(pictures), "-o", str(output), *more])


def test_from_pictures_to_a_film_in_color(pictures: Path, tmp_path: Path, capsys: Capture) -> None:
    output = tmp_path / "mine.safetensors"
    assert train(pictures, output, "--seed", "7") == 0
    err = capsys.readouterr().err
    assert "vidcolor: trained 6 steps, " in err
    assert " dB on held-out pictures (" in err
    summary = load_weights(output).training
    assert (summary["steps"], summary["recipe"]["run"]["seed"]) == (6, 7)
    make_clip(tmp_path / "film.mkv", size=(64, 48), frames=5)
    film, result = str(tmp_path / "film.mkv"), tmp_path / "color.mkv"
    assert main(["run", film, "-o", str(result), "--model", str(output), "--network-size", "32"]) == 0
    assert result.stat().st_size > 0


def test_the_thin_script_is_the_command() -> None:
    script = Path(__file__).parents[2] / "training" / "train.py"
    assert 'main(["train", *sys.argv[1:]])' in script.read_text()


def test_recipes_are_listed(capsys: Capture) -> None:
    assert main(["train", "--list-recipes"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list_recipes()
    assert main(["train", "--list-recipes", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["recipes"]
    assert {"name": "a1-simple", "summary": "A1: simple ConvNet, L2 on ab"} in told


@pytest.mark.parametrize(
    ("more", "code", "sentence"),
    [
        (["--set", "run.bach=3"], 2, "There is no key 'run.bach'; [run] takes seed, batch,"),
        (["--set", "optimizer.rate=-1"], 2, "'optimizer.rate' must be above 0, not -1"),
        (["--set", "optimizer.rate"], 2, "'optimizer.rate' is not KEY=VALUE"),
        (["--recipe", "unett"], 2, "There is no recipe 'unett'; give a1-simple"),
        (["--data", "gone"], 1, "gone does not exist; a training set is a folder"),
        (["--time-limit", "soon"], 2, "'soon' is not a duration; write 90s, 55m, 8h or HH:MM:SS"),
        (["--resume"], 1, "There is no checkpoint"),
        (["--device", "abacus"], 2, "There is no device 'abacus'"),
    ],
)
def test_what_is_wrong_is_one_sentence(
    more: list[str], code: int, sentence: str, pictures: Path, tmp_path: Path, capsys: Capture
) -> None:
    assert train(pictures, tmp_path / "out.safetensors", *more) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("vidcolor: error: ")
    assert sentence in err
    assert err.count("\n") == 1
    assert {p.name for p in tmp_path.iterdir()} == {"pictures"}


def test_what_is_missing_is_said(pictures: Path, capsys: Capture) -> None:
    assert main(["train", "-r", "unet", "-o", "out.safetensors"]) == 2
    assert "Nothing to train without a film or --data" in capsys.readouterr().err
    assert main(["train", "-r", "unet", "-d", str(pictures)]) == 2
    assert "Nothing to train without --output" in capsys.readouterr().err
    assert main(["train", "-d", str(pictures), "-o", "out.safetensors"]) == 2
    assert "Give a --recipe" in capsys.readouterr().err


@pytest.fixture
def signals_as_usual() -> Iterator[None]:
    """A run in the background of a script ignores Ctrl-C, and so would the run that is tested."""
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in usual.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("signals_as_usual")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_and_resumed_by_its_own_recipe(
    number: signal.Signals,
    code: int,
    pictures: Path,
    tmp_path: Path,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole, parted = tmp_path / "whole.safetensors", tmp_path / "parted.safetensors"
    assert train(pictures, whole) == 0
    told = TrainReporter.progress

    def progress(self: TrainReporter, now: Progress) -> None:
        told(self, now)
        if now.step == 2:
            os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    with monkeypatch.context() as patch:
        patch.setattr(TrainReporter, "progress", progress)
        assert train(pictures, parted) == code
    assert signal.getsignal(number) == before
    err = capsys.readouterr().err
    assert "ending after this step, with a checkpoint; once more to end now" in err
    assert "stopped, go on with --resume: 2 steps" in err
    assert not parted.exists()
    assert main(["train", "--resume", "--device", "cpu", "-d", str(pictures), "-o", str(parted)]) == 0
    one, other = (load_weights(path).model.state_dict() for path in (whole, parted))
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_events_for_programs(pictures: Path, tmp_path: Path, capsys: Capture) -> None:
    output = tmp_path / "out.safetensors"
    assert train(pictures, output, "--json", "--quiet") == 0
    out, err = capsys.readouterr()
    assert err == ""
    events = [json.loads(line) for line in out.splitlines()]
    assert events[0]["event"] == "progress"
    assert (events[0]["step"], events[0]["steps"]) == (1, 6)
    assert events[-1]["event"] == "done"
    assert (events[-1]["reason"], events[-1]["output"]) == ("finished", str(output))
    assert events[-1]["held_out"]["psnr"] > 5


def test_a_bar_by_steps_and_by_time(
    pictures: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Every step is drawn: on a fast machine six take less time than a bar waits between two looks.
    monkeypatch.setattr("tqdm.tqdm", partial(tqdm.tqdm, mininterval=0))
    assert train(pictures, tmp_path / "a.safetensors", "--progress") == 0
    err = capsys.readouterr().err
    assert "step 0/6" in err
    assert "loss 0." in err
    by_time = ["--set", "schedule.over=time", "--time-limit", "1s", "--steps", "3", "--progress"]
    assert train(pictures, tmp_path / "b.safetensors", *by_time) == 0
    err = capsys.readouterr().err
    assert "0% |" in err
    assert "3 steps" in err


def test_the_time_limit_is_in_minutes_hours_or_a_clock(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[float] = []

    def spy(recipe: Any, *_: Any, **__: Any) -> None:
        seen.append(recipe.run.time_limit)
        raise KeyboardInterrupt

    monkeypatch.setattr("vidcolor.training.loop.train", spy)
    for text in ("55m", "8h", "90s", "0:30:00"):
        assert train(pictures, tmp_path / "out.safetensors", "--time-limit", text) == 130
    assert seen == [55, 480, 1.5, 30]


# ---- of films -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def episode(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve shots of two seconds at five frames a second."""
    pictures = [picture for seed in range(12) for picture in shot(seed, 10)]
    return write_film(tmp_path_factory.mktemp("films") / "episode.mkv", pictures, rate=5)


def train_films(films: Sequence[Path], output: Path, *more: str) -> int:
    return main(["train", *map(str, films), *SMALL, "-o", str(output), *more])


def test_one_command_from_an_episode_to_a_model(episode: Path, tmp_path: Path, capsys: Capture) -> None:
    output = tmp_path / "bob.safetensors"
    # The recipe of its own, only sooner done.
    sooner = ["--steps", "2", "--set", "run.batch=2", "--set", "data.size=[32, 48]", "--device", "cpu"]
    assert main(["train", str(episode), "-o", str(output), *sooner]) == 0
    err = capsys.readouterr().err
    assert err.index(f"-> {tmp_path / 'bob.training' / 'set'}") < err.index("trained 2 steps")
    assert load_weights(output).training["recipe"]["summary"] == load_recipe(OF_FILMS).summary
    made = open_set(tmp_path / "bob.training" / "set")
    assert len(made.train) > len(made.test) > 0
    # Just so large that the smallest window of a sample is not enlarged, were the film of 4:3.
    whole = cv2.imread(str(made.train[0].path))
    short_side = math.ceil(48 * 3 / 4 / 0.6)
    assert whole.shape[:2] == (short_side, round(short_side * 96 / 64))


def test_a_run_of_films_goes_on_with_its_set(
    episode: Path, pictures: Path, tmp_path: Path, capsys: Capture
) -> None:
    whole, parted = tmp_path / "whole.safetensors", tmp_path / "parted.safetensors"
    level = ("--set", 'schedule.name="constant"')
    assert train_films([episode], whole, *level) == 0
    assert train_films([episode], parted, *level, "--steps", "3") == 0
    made = (tmp_path / "parted.training" / "set" / "dataset.json").stat().st_mtime_ns
    capsys.readouterr()
    assert train_films([pictures], parted, "--resume") == 2
    assert "is of other films; go on without naming any" in capsys.readouterr().err
    more = ["--resume", "--steps", "6", "--device", "cpu", "-o", str(parted)]
    assert main(["train", *more]) == 0
    assert main(["train", str(episode), *more]) == 0
    assert (tmp_path / "parted.training" / "set" / "dataset.json").stat().st_mtime_ns == made
    one, other = (load_weights(path).model.state_dict() for path in (whole, parted))
    assert all(torch.equal(one[key], other[key]) for key in one)
    # Begun anew of something else, nothing is left of them.
    assert train(pictures, parted, "-y") == 0
    assert not (tmp_path / "parted.training" / "set").exists()
    capsys.readouterr()
    assert main(["train", "--resume", "-o", str(parted)]) == 2
    assert "Nothing to go on with without --data" in capsys.readouterr().err
    assert train_films([episode], parted, "--resume") == 1
    assert "holds no set of films" in capsys.readouterr().err


def test_films_beside_pictures_and_sets_as_they_are(
    episode: Path, pictures: Path, tmp_path: Path, capsys: Capture
) -> None:
    folder = tmp_path / "set"
    assert main(["build-dataset", str(episode), "-o", str(folder), "--size", "32"]) == 0
    assert train_films([folder], tmp_path / "a.safetensors") == 0
    assert not (tmp_path / "a.training" / "set").exists()
    assert train_films([episode], tmp_path / "b.safetensors", "--data", str(pictures), "--json") == 0
    events = [json.loads(line)["event"] for line in capsys.readouterr().out.splitlines()]
    assert "done" not in events[:-1]
    assert events.index("set-done") < events.index("progress")
    assert events[-1] == "done"
    assert load_weights(tmp_path / "b.safetensors").training["pictures"]["sets"] == ["pictures", "set"]


def test_what_is_wrong_with_films_is_said_before_and_leaves_nothing(
    episode: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    grey = make_clip(tmp_path / "grey.mkv", size=(64, 48), frames=40, pix_fmt="gray")
    output = tmp_path / "out.safetensors"
    before = set(tmp_path.iterdir())
    cases = [
        ([grey], (), 1, "has no colour, so nothing can be learnt"),
        ([tmp_path / "gone.mp4"], (), 1, "gone.mp4 does not exist"),
        ([episode], ("--device", "abacus"), 2, "There is no device 'abacus'"),
        ([episode], ("--recipe", "unett"), 2, "There is no recipe 'unett'"),
        ([episode], ("--resume",), 1, "holds no set of films"),
    ]
    for films, more, code, sentence in cases:
        assert train_films(films, output, *more) == code
        err = capsys.readouterr().err
        assert sentence in err
        assert err.count("\n") == 1
        assert set(tmp_path.iterdir()) == before
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert train_films([episode], output) == 2
    assert "Several processes train on sets" in capsys.readouterr().err


def test_an_older_run_is_not_replaced_unasked(episode: Path, tmp_path: Path, capsys: Capture) -> None:
    output = tmp_path / "out.safetensors"
    assert train_films([episode], output) == 0
    kept = (tmp_path / "out.training" / "set" / "dataset.json").stat().st_mtime_ns
    assert train_films([episode], output) == 1
    assert "holds a run; go on with --resume, or start over with -y" in capsys.readouterr().err
    assert (tmp_path / "out.training" / "set" / "dataset.json").stat().st_mtime_ns == kept
    assert train_films([episode], output, "-y") == 0
    assert (tmp_path / "out.training" / "set" / "dataset.json").stat().st_mtime_ns > kept


@pytest.mark.parametrize("named", ["as it is", "absolute", "its training part"])
def test_a_set_in_the_folder_of_the_run_is_never_lost(
    named: str, episode: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("out.training").mkdir()
    folder = Path("out.training", "set")
    assert main(["build-dataset", str(episode), "-o", str(folder), "--size", "32"]) == 0
    before = sorted(path.name for path in folder.rglob("*"))
    data = {"as it is": folder, "absolute": folder.resolve(), "its training part": folder / "train"}[named]
    assert train(data, Path("out.safetensors")) == 0
    assert train(data, Path("out.safetensors"), "-y") == 0
    # A set of films would take its place.
    capsys.readouterr()
    assert train_films([episode], Path("out.safetensors"), "-y", "--data", str(data)) == 2
    assert "would be replaced by the films' set" in capsys.readouterr().err
    assert sorted(path.name for path in folder.rglob("*")) == before
    if named != "its training part":
        more = ("--resume", "--steps", "8", "--device", "cpu", "-o", "out.safetensors")
        assert main(["train", "--data", str(data), *more]) == 0


def test_what_is_wrong_with_data_is_said_before_films_are_read(
    episode: Path, tmp_path: Path, capsys: Capture
) -> None:
    output = tmp_path / "out.safetensors"
    assert train_films([episode], output, "--data", str(tmp_path / "nothere")) == 1
    assert "nothere does not exist" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_what_a_killed_process_left_of_a_set_goes(episode: Path, tmp_path: Path) -> None:
    left = tmp_path / "out.training" / ".set.12345.part"
    left.mkdir(parents=True)
    (left / "000001.jpg").touch()
    assert train_films([episode], tmp_path / "out.safetensors") == 0
    assert not left.exists()
