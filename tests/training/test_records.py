"""What training/ writes of what was measured: the default model's card, and results.md."""

from __future__ import annotations

import hashlib
import importlib
import json
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest

from tests.evaluation.films import SIZE, plain, texture, write_film
from tests.evaluation.test_pictures import photos
from vidcolor import __version__
from vidcolor.evaluation.options import EvaluateOptions
from vidcolor.evaluation.pictures import evaluate_set
from vidcolor.models import create_model, resolve_model
from vidcolor.models.weights import load_weights, save_weights
from vidcolor.pipeline.options import RunOptions

ROOT = Path(__file__).parents[2]
TRAINING = ROOT / "training"
CARD = ROOT / "vidcolor" / "weights" / "default.md"
SUMMARY = {
    "script": "training/train_default.py",
    "seconds": 600,
    "steps": 1200,
    "stages": [
        {"minutes": 10.0, "steps": 1200, "crops": [96, 128], "cartoons": None, "teacher": "none", "seed": 3}
    ],
    "machine": "2 CPU cores",
    "torch": "2.9.0",
    "trained_on": {"flowers17": 1200, "cars": 34},
    "noise": 0.05,
}


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(TRAINING))

    def load(name: str) -> ModuleType:
        for known in ("held_out", "evaluated", "cards", name):
            monkeypatch.delitem(sys.modules, known, raising=False)
        return importlib.import_module(name)

    return load


def weights_file(path: Path, training: dict[str, Any], seed: int = 0) -> Path:
    import torch

    torch.manual_seed(seed)
    save_weights(path, create_model("tiny"), name="tiny", options={}, training=training,
                 version=__version__)  # fmt: skip
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Photographs of two sources, of which some are held out, and a film."""
    for source, count in (("cars", 24), ("houses", 24)):
        made = photos(tmp_path / "data" / "photos" / source, count)
        for path in sorted(made.iterdir()):
            path.rename(made / f"{path.stem}_kitchen.jpg")
    demo, clips = (
        tmp_path / "data" / "video" / "demo",
        tmp_path / "data" / "video" / "train" / "penny_and_chip",
    )
    look = texture(1, *SIZE)
    for folder, name, frames in ((demo, "demo.mkv", 6), (clips, "a_splash.mp4", 25), (clips, "a_dog.mp4", 3)):
        folder.mkdir(parents=True, exist_ok=True)
        made = write_film(folder / f"{name}.mkv", lambda n: plain(look, 100, 160), frames)
        made.rename(folder / name)
    return tmp_path / "data"


def test_nothing_is_learnt_that_is_measured(script: Any, data: Path, tmp_path: Path) -> None:
    trained, held_out = script("train_default"), script("held_out")
    learnt = trained.lay_out(data, tmp_path / "pictures")
    measured = held_out.lay_out(data, tmp_path / "held_out")

    def names(folder: Path, source: str) -> set[str]:
        return {path.name for path in (folder / source).iterdir()}

    for source in ("cars", "houses"):
        one, other = names(learnt / "train", source), names(measured, source)
        assert one
        assert other == names(learnt / "test", source)
        assert one | other == names(data / "photos", source)
        assert not one & other
    assert {name[:5] for name in names(learnt / "train", "penny_and_chip")} == {"a_dog"}
    numbered = [f"{n:05d}.jpg" for n in range(2000)]
    assert 150 < sum(map(held_out.held_out, numbered)) < 250


def test_cards_are_grey_and_always_the_same(
    script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cards = script("cards")
    assert set(cards.CARDS) == {"titles", "grounds", "scenes"}
    for kind, (_, card) in cards.CARDS.items():
        monkeypatch.setitem(cards.CARDS, kind, (8, card))
        folder = cards.draw(kind, tmp_path / kind)
        drawn = {path.stem: cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in folder.rglob("*.png")}
        assert sorted(drawn) == [f"{n:03d}" for n in range(8)]
        assert len(list((folder / "test" / kind).iterdir())) == 2
        for name, picture in drawn.items():
            assert picture.ndim == 2
            assert picture.shape[0] == 160 <= picture.shape[1] < 285
            assert np.array_equal(picture, card(np.random.default_rng(int(name))))
        assert np.mean([picture.std() for picture in drawn.values()]) > 5


def test_the_model_is_the_mean_of_its_last_runs(script: Any, tmp_path: Path) -> None:
    import torch

    train_default = script("train_default")
    written, networks = [], []
    for seed in range(3):
        torch.manual_seed(seed)
        networks.append(create_model("unet", widths=[4, 8]))
        torch.nn.init.normal_(networks[-1].head.weight)
        written.append(tmp_path / f"{seed}.safetensors")
        save_weights(written[-1], networks[-1], name="unet", options={"widths": [4, 8]}, version=__version__)
    train_default.write_mean(written, tmp_path / "mean.safetensors", {"seconds": 3})
    found = load_weights(tmp_path / "mean.safetensors")
    assert found.options == {"widths": [4, 8], "shade": train_default.SHADE}
    assert found.training == {"seconds": 3, "parameters": networks[0].parameter_count}
    states = [network.state_dict() for network in networks]
    for name, value in found.model.state_dict().items():
        mean = torch.stack([state[name].double() for state in states]).mean(0)
        assert (value - mean).abs().max() <= 0.01 * mean.abs().max()  # eight bits a weight
    seeds = [stage.seed for stage in train_default.STAGES]
    assert seeds == sorted(seeds, key=lambda seed: seed is not None)
    assert len({stage.name for stage in train_default.STAGES}) == len(seeds)


@pytest.mark.slow
def test_every_stage_of_the_default_model_in_a_step_each(
    script: Any,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    train_default = script("train_default")
    for kind, (_, card) in train_default.cards.CARDS.items():
        monkeypatch.setitem(train_default.cards.CARDS, kind, (8, card))
    weights, work = tmp_path / "w.safetensors", tmp_path / "work"
    asked = [
        "train_default.py",
        "--data",
        str(data),
        "--work",
        str(work),
        "--share",
        "1e-5",
        "-o",
        str(weights),
    ]
    monkeypatch.setattr(sys, "argv", asked)
    train_default.main()
    told = load_weights(weights).training
    stages = len(train_default.STAGES)
    assert [stage["steps"] for stage in told["stages"]] == [1] * stages
    assert told["trained_on"]["cars"] + told["trained_on"]["houses"] > 30
    assert len(list(work.glob("default*.safetensors"))) == stages
    monkeypatch.setattr(sys, "argv", [*asked, "--after", str(weights)])
    with pytest.raises(SystemExit):
        train_default.main()
    assert "these weights have had the last stage" in capsys.readouterr().err


def test_held_out_pictures_as_a_folder(script: Any, data: Path, tmp_path: Path) -> None:
    held_out = script("held_out")
    folder = held_out.lay_out(data, tmp_path / "held_out")
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*.*")}
    wanted = {
        f"{path.parent.name}/{path.name}"
        for path in (data / "photos").rglob("*.jpg")
        if held_out.held_out(path.name)
    }
    assert len(wanted) >= 2
    assert found == wanted | {"penny_and_chip/a_splash_000.png", "penny_and_chip/a_splash_001.png"}
    for name in wanted:
        assert (folder / name).read_bytes() == (data / "photos" / name).read_bytes()
    frame = cv2.imread(str(folder / "penny_and_chip" / "a_splash_000.png"))
    assert frame.shape == (*SIZE, 3)
    assert np.ptp(frame[..., 2].astype(int) - frame[..., 0]) < 120
    assert {held_out.kind_of(*name.split("/")) for name in found} == {"cars", "interiors", "cartoons"}


@pytest.mark.slow
def test_from_weights_to_card(
    script: Any,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_card = script("write_card")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    weights = weights_file(tmp_path / "small.safetensors", SUMMARY)
    kept, picture, work = tmp_path / "kept.json", tmp_path / "docs" / "a.jpg", tmp_path / "work"
    common = ["--figures", str(kept), "--picture", str(picture)]

    def run(*arguments: str) -> str:
        monkeypatch.setattr("sys.argv", ["write_card.py", *arguments])
        write_card.main()
        return (tmp_path / "small.md").read_text(encoding="utf-8")

    text = run(str(weights), *common, "--data", str(data), "--work", str(work))
    figures = json.loads(kept.read_text())
    measured = evaluate_set(work / "held_out", RunOptions(model=str(weights)), EvaluateOptions(size=160)).data
    assert figures["pictures"]["figures"] == measured["figures"]
    assert figures["pictures"]["kinds"].keys() == {"cars", "interiors", "cartoons"}
    for source, told in figures["pictures"]["sources"].items():
        mean = measured["groups"][source]["figures"]["psnr"]["mean"]
        assert told["figures"]["psnr"]["mean"] == pytest.approx(mean, abs=1e-4)
    assert figures["films"].keys() == {"demo.mkv", "a_splash.mp4"}
    assert f"{measured['figures']['psnr']['mean']:.2f}" in text
    assert "| a_splash.mp4 | 25 |" in text
    assert cv2.imread(str(picture)).shape[0] == 450
    assert "](docs/a.jpg)" in text
    assert str(tmp_path) not in kept.read_text() + text

    # Nothing is measured again: neither for the same weights nor without --data.
    before = {path: path.stat().st_mtime_ns for path in work.rglob("*.json")}
    assert run(str(weights), *common, "--data", str(data), "--work", str(work)) == text
    assert before == {path: path.stat().st_mtime_ns for path in work.rglob("*.json")}
    assert run(str(weights), *common) == text
    weights_file(weights, SUMMARY, seed=1)
    with pytest.raises(SystemExit):
        run(str(weights), *common)
    assert "is of other weights" in capsys.readouterr().err


def test_a_summary_is_told_as_far_as_it_goes(script: Any) -> None:
    write_card = script("write_card")
    lines = "\n".join(write_card.training_lines(SUMMARY))
    assert lines == (
        "- `training/train_default.py`, 10 minutes, 1,200 steps, in these stages:\n"
        "  - 10 minutes, 1,200 steps: crops of 96 then 128 pixels, teacher none, seed 3\n"
        "- On 2 CPU cores, torch 2.9.0.\n"
        "- noise: 0.05"
    )
    assert write_card.trained_on(SUMMARY).startswith("Trained on 1,234 pictures:")
    assert "| flowers17 | 1,200 |" in write_card.trained_on(SUMMARY)
    assert write_card.training_lines({}) == []
    assert "does not say" in write_card.trained_on({})


def test_the_card_is_what_was_measured(script: Any) -> None:
    kept = TRAINING / "default.json"
    if not kept.exists():
        pytest.skip("the card is still of the time before its figures were kept")
    figures = json.loads(kept.read_text(encoding="utf-8"))
    weights = CARD.with_suffix(".safetensors")
    assert figures["weights"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert figures["limit"] is None
    template = (TRAINING / "default_card.md").read_text(encoding="utf-8")
    training = resolve_model(weights).training
    text = script("write_card").card(template, training, figures, "../../docs/default-model.jpg")
    assert CARD.read_text(encoding="utf-8") == text
    assert (ROOT / "docs" / "default-model.jpg").exists()


def test_results_are_what_was_measured(script: Any) -> None:
    results = script("results")
    kept_text = (TRAINING / "results.json").read_text(encoding="utf-8")
    kept = json.loads(kept_text)
    assert results.kept(kept) == kept_text
    experiments = tomllib.loads((TRAINING / "experiments.toml").read_text(encoding="utf-8"))
    assert (TRAINING / "results.md").read_text(encoding="utf-8") == results.page(kept, experiments)


def test_an_experiment_is_told(script: Any) -> None:
    results = script("results")
    told = {
        "question": "More of it?",
        "command": "python training/train_default.py",
        "minutes": 30,
        "machine": "1 CPU core",
        "answer": "No.",
        "figures": [
            {"variant": "less", "psnr": 22.345, "colorfulness_ratio": 0.5},
            {"variant": "more", "psnr": 22.0, "steps": 1234},
        ],
    }
    assert results.experiment(told) == (
        "### More of it?\n\n"
        "30 minutes on 1 CPU core: `python training/train_default.py`\n\n"
        "| variant | PSNR, dB | Colourfulness, of the truth’s | steps |\n"
        "|---|---:|---:|---:|\n"
        "| less | 22.34 | 0.500 | – |\n"
        "| more | 22.00 | – | 1,234 |\n\n"
        "**No.**"
    )
    with pytest.raises(ValueError, match="lacks answer"):
        results.experiment({key: value for key, value in told.items() if key != "answer"})


def test_rows_of_another_budget_go(script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = script("results")
    figures = {"psnr": {"mean": 20.0}}
    old = {
        "minutes": 1.5,
        "machine": "another",
        "subjects": {"penny": {"unet": {}}, "episode": {"default": {}}},
    }
    monkeypatch.setattr(results, "run", lambda *_: {"figures": figures})
    arguments = ["--work", str(tmp_path), "--minutes", "3", "--systems", "a1-simple", "--subjects", "penny"]
    monkeypatch.setattr("sys.argv", ["results.py", *arguments])
    kept = tmp_path / "results.json"
    kept.write_text(results.kept(old))
    monkeypatch.setattr(results, "page", lambda found, _: json.dumps(found["subjects"]))
    monkeypatch.setattr(
        "sys.argv", ["results.py", *arguments, "--results", str(kept), "-o", str(tmp_path / "results.md")]
    )
    results.main()
    found = json.loads(kept.read_text())
    assert found["minutes"] == 3
    assert found["subjects"] == {"penny": {"a1-simple": {"figures": figures}}, "episode": {"default": {}}}
