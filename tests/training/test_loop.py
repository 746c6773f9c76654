"""Runs: resuming, ending, what they leave behind, and how they fail."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training.sets import ADVERSARIAL, make_film_set, make_pictures, recipe
from vidcolor.datasets.manifest import open_set
from vidcolor.errors import InputError, ModelError, OutputError, UsageError
from vidcolor.models import create_model, load_weights, save_weights
from vidcolor.training import checkpoint, held_out, loop
from vidcolor.training.checkpoint import load_checkpoint
from vidcolor.training.loop import Outcome, Progress, recipe_of_run, train
from vidcolor.training.options import Recipe
from vidcolor.training.step import Learner


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_pictures(tmp_path_factory.mktemp("pictures"), 14)


@pytest.fixture(autouse=True)
def no_curves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes longer than these runs; test_report looks at what is drawn."""
    monkeypatch.setattr("vidcolor.training.folder.draw_curves", lambda path, rows, title: None)


def stop_after(step: int) -> dict[str, Any]:
    """Arguments that stop a run from outside after a step."""
    stop = threading.Event()

    def progress(now: Progress) -> None:
        if now.step == step:
            stop.set()

    return {"stop": stop, "progress": progress}


def run(made: Recipe, pictures: Path, output: Path, **more: Any) -> Outcome:
    return train(made, [pictures], output, device="cpu", **more)


def state_of(output: Path) -> dict[str, Any]:
    """A checkpoint's state without its times."""
    state: dict[str, Any] = load_checkpoint(output.with_suffix(".training") / "checkpoint.safetensors")[
        "state"
    ]
    del state["seconds"]
    for row in state["rows"]:
        del row["seconds"]
    return state


def assert_equal(one: Any, other: Any) -> None:
    """Bit for bit, all the way down."""
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_equal(one[key], other[key])
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            assert_equal(a, b)
    else:
        assert one == other


# ---- resuming ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "made",
    [
        recipe(),
        recipe(ADVERSARIAL),
        recipe(schedule__name="plateau", schedule__patience=1, optimizer__name="sgd", run__ema=0.0),
        recipe(optimizer__name="adadelta", data__evenness=1.0, run__accumulate=2),
        recipe(optimizer__name="adadelta-nesterov", optimizer__rate=1.0),
    ],
    ids=["plain", "adversarial", "plateau", "adadelta", "adadelta-nesterov"],
)
def test_stopped_and_resumed_equals_never_stopped(made: Recipe, pictures: Path, tmp_path: Path) -> None:
    assert_resumes_exactly(made, pictures, tmp_path)


def test_runs_with_carried_colour_are_resumed_exactly_too(tmp_path: Path) -> None:
    film = make_film_set(tmp_path, test_share=0.3)
    made, said = recipe(data__motion_hints=0.7, data__size=[32, 32]), list[str]()
    assert_resumes_exactly(made, film, tmp_path)
    run(made, film, tmp_path / "again.safetensors", notify=said.append)
    assert said == []
    run(recipe(data__size=[32, 32]), film, tmp_path / "without.safetensors")
    weights = [load_weights(tmp_path / f"{name}.safetensors") for name in ("whole", "again", "without")]
    whole, again, without = (loaded.model.state_dict()["stem.weight"] for loaded in weights)
    assert torch.equal(whole, again)
    assert not torch.equal(whole, without)


def test_sets_that_no_colour_can_be_carried_in_are_told_of(pictures: Path, tmp_path: Path) -> None:
    said: list[str] = []
    run(recipe(data__motion_hints=0.5), pictures, tmp_path / "out.safetensors", notify=said.append)
    (sentence,) = said
    assert "'data.motion_hints' does nothing here" in sentence


def assert_resumes_exactly(made: Recipe, pictures: Path, tmp_path: Path) -> None:
    whole, parted = tmp_path / "whole.safetensors", tmp_path / "parted.safetensors"
    assert run(made, pictures, whole).reason == "finished"
    for step in (4, 5):  # in the middle between two looks at held-out pictures, and again
        outcome = run(made, pictures, parted, resume=step > 4, **stop_after(step))
        assert (outcome.reason, outcome.step, outcome.output) == ("stopped", step, None)
        assert not parted.exists()
    assert run(made, pictures, parted, resume=True).step == 8
    assert_equal(state_of(whole), state_of(parted))
    one, other = load_weights(whole), load_weights(parted)
    assert_equal(one.model.state_dict(), other.model.state_dict())
    assert one.training["held_out"] == other.training["held_out"]


def test_time_limit_ends_a_session_and_resuming_goes_on(pictures: Path, tmp_path: Path) -> None:
    whole, parted = tmp_path / "whole.safetensors", tmp_path / "parted.safetensors"
    run(recipe(), pictures, whole)
    outcome = run(recipe(run__time_limit=1e-9), pictures, parted)
    assert (outcome.reason, outcome.step) == ("time limit", 0)
    assert load_weights(parted).training["steps"] == 0  # weights are there all the same
    outcome = run(recipe(), pictures, parted, resume=True)
    assert (outcome.reason, outcome.step) == ("finished", 8)
    assert_equal(state_of(whole), state_of(parted))


def test_a_look_at_the_end_of_a_session_is_not_remembered(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that is made longer gives the weights that it would have given at once."""
    measure, losses = held_out.HeldOut.measure, list[float]()

    def told(*given: Any) -> dict[str, float]:
        return {**measure(*given), "val_loss": losses.pop(0)}

    monkeypatch.setattr(held_out.HeldOut, "measure", told)
    whole, parted = tmp_path / "whole.safetensors", tmp_path / "parted.safetensors"
    losses += [3, 4, 5]  # after steps 3, 6 and 8
    run(recipe(schedule__name="constant"), pictures, whole)
    losses += [3, 1, 4, 5]  # and after 5, where the first session ends
    first = run(recipe(schedule__name="constant", run__steps=5), pictures, parted)
    assert first.step == load_weights(parted).training["steps"] == 5
    last = load_weights(tmp_path / "parted.training" / "last.safetensors")
    assert_equal(load_weights(parted).model.state_dict(), last.model.state_dict())
    run(recipe(schedule__name="constant"), pictures, parted, resume=True)
    assert losses == []
    assert load_weights(parted).training["steps"] == load_weights(whole).training["steps"] == 3
    assert_equal(load_weights(parted).model.state_dict(), load_weights(whole).model.state_dict())
    assert_equal(state_of(whole), state_of(parted))


def test_a_schedule_by_time_ends_with_the_time(pictures: Path, tmp_path: Path) -> None:
    made = recipe(schedule__over="time", run__time_limit=0.02, run__steps=0)
    output = tmp_path / "out.safetensors"
    outcome = run(made, pictures, output)
    assert outcome.reason == "finished"
    assert outcome.seconds >= 1.2
    assert 0 <= state_of(output)["rows"][-1]["rate"] < 3e-3
    # Its time is up in all sessions together.
    assert run(made, pictures, output, resume=True).step == outcome.step
    with pytest.raises(UsageError, match="'schedule.over' is time, which needs a time limit"):
        run(recipe(schedule__over="time"), pictures, tmp_path / "other.safetensors")


def test_a_run_can_be_made_longer(pictures: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.safetensors"
    run(recipe(), pictures, output)
    longer = recipe_of_run(output, [("run.steps", "10")])
    assert longer == recipe(run__steps=10)
    assert run(longer, pictures, output, resume=True).step == 10


def test_a_checkpoint_from_before_an_option_was_there(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "out.safetensors"
    run(recipe(), pictures, output, **stop_after(1))
    path = output.with_suffix(".training") / "checkpoint.safetensors"
    whole = load_checkpoint(path)
    with monkeypatch.context() as patched:
        patched.setattr(checkpoint, "recipe_to_dict", lambda made: made)
        del whole["recipe"]["data"]["motion_hints"]
        checkpoint.save_checkpoint(path, **whole)
    with pytest.raises(ModelError, match="its data.motion_hints is 0.0, not 0.5"):
        run(recipe(data__motion_hints=0.5), pictures, output, resume=True)
    assert run(recipe_of_run(output), pictures, output, resume=True).step == 8


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"model__name": "tiny", "model__options": {}}, "its model.name is 'unet', not 'tiny'"),
        ({"model__options": {"widths": [4, 6]}}, r"its model.options is .*\[4, 8\].*, not .*\[4, 6\].*"),
        ({"run__batch": 2}, "its run.batch is 4, not 2"),
        ({"run__seed": 2}, "its run.seed is 1, not 2"),
    ],
)
def test_a_checkpoint_of_another_run(
    changes: dict[str, Any], sentence: str, pictures: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out.safetensors"
    run(recipe(), pictures, output, **stop_after(1))
    with pytest.raises(ModelError, match=f"is of another run: {sentence}; resume with its own recipe"):
        run(recipe(**changes), pictures, output, resume=True)


def test_a_checkpoint_of_pictures_that_have_the_same_names(tmp_path: Path) -> None:
    """As all sets have that build-dataset makes."""
    output, own, others = (tmp_path / name for name in ("out.safetensors", "a/set", "b/set"))
    make_pictures(own, 14)
    make_pictures(others, 14, size=(30, 26))
    assert [p.path.name for p in open_set(own).train] == [p.path.name for p in open_set(others).train]
    run(recipe(), own, output, **stop_after(1))
    with pytest.raises(ModelError, match="was trained on other pictures than these"):
        run(recipe(), others, output, resume=True)
    own.parent.rename(tmp_path / "elsewhere")
    assert run(recipe(), tmp_path / "elsewhere" / "set", output, resume=True).step == 8


def test_a_checkpoint_of_other_pictures(pictures: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.safetensors"
    run(recipe(), pictures, output, **stop_after(1))
    with pytest.raises(ModelError, match="was trained on other pictures than these"):
        run(recipe(), make_pictures(tmp_path / "others", 9), output, resume=True)


@pytest.mark.parametrize("damage", ["cut", "text", "weights", "pickle", "gone"])
def test_a_checkpoint_that_is_none(damage: str, pictures: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.safetensors"
    run(recipe(), pictures, output, **stop_after(1))
    path = tmp_path / "out.training" / "checkpoint.safetensors"
    whole = path.read_bytes()
    match damage:
        case "cut":
            path.write_bytes(whole[: len(whole) // 2])
        case "text":
            path.write_text("a checkpoint")
        case "weights":
            save_weights(path, create_model("tiny"), name="tiny", version="0")
        case "pickle":
            torch.save({"format": "vidcolor-checkpoint-1", "call": run}, path)  # code must not come in
        case "gone":
            path.unlink()
    expected = (
        "There is no checkpoint" if damage == "gone" else "is damaged or no checkpoint|is no checkpoint of"
    )
    with pytest.raises(ModelError, match=expected):
        run(recipe(), pictures, output, resume=True)


# ---- learning ---------------------------------------------------------------------------------


def test_parts_of_a_batch_add_up_to_the_whole(pictures: Path, tmp_path: Path) -> None:
    # A network without batch normalisation, and a loss whose gradient is no sign.
    plain = {"model__name": "tiny", "model__options": {}, "loss__name": "mse", "optimizer__name": "sgd"}
    for parts in (1, 2, 4):
        run(recipe(**plain, run__accumulate=parts), pictures, tmp_path / f"{parts}.safetensors")
    whole, *others = (load_weights(tmp_path / f"{n}.safetensors").model.state_dict() for n in (1, 2, 4))
    for other in others:
        for name, tensor in whole.items():
            torch.testing.assert_close(other[name], tensor, atol=1e-6, rtol=1e-5)


def test_a_network_learns_its_pictures(pictures: Path, tmp_path: Path) -> None:
    made = recipe(
        data__old_film=0.0,
        data__grey="lightness",
        run__steps=50,
        run__validate_every=25,
        optimizer__rate=1e-2,
    )
    outcome = run(made, pictures, tmp_path / "out.safetensors")
    assert outcome.held_out["psnr"] > outcome.held_out["grey_psnr"] + 1


def test_it_starts_from_weights(pictures: Path, tmp_path: Path) -> None:
    model = create_model("unet", widths=[4, 8])
    with torch.no_grad():
        model.get_parameter("head.bias").fill_(0.25)
    options = {"widths": [4, 8]}
    save_weights(tmp_path / "start.safetensors", model, name="unet", options=options, version="0")
    start = str(tmp_path / "start.safetensors")
    run(recipe(model__weights=start, run__time_limit=1e-9), pictures, tmp_path / "out.safetensors")
    loaded = load_weights(tmp_path / "out.safetensors")
    assert_equal(loaded.model.state_dict(), model.state_dict())
    assert loaded.training["recipe"]["model"]["weights"] == "start.safetensors"
    with pytest.raises(ModelError, match="are not of model 'unet' with these options"):
        run(
            recipe(model__weights=start, model__options={"widths": [4, 6]}),
            pictures,
            tmp_path / "b.safetensors",
        )


def test_the_average_is_what_goes_out(pictures: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.safetensors"
    run(recipe(run__keep="last"), pictures, output)
    state = state_of(output)
    assert_equal(dict(load_weights(output).model.state_dict()), dict(state["average"]))
    assert not torch.equal(state["average"]["head.bias"], state["networks"][0]["head.bias"])


# ---- ending -----------------------------------------------------------------------------------


def scripted(monkeypatch: pytest.MonkeyPatch, losses: list[float]) -> None:
    """Validation losses as written here instead of measured."""
    measure = held_out.HeldOut.measure
    left = iter(losses)

    def measured(self: Any, *arguments: Any) -> dict[str, float]:
        return measure(self, *arguments) | {"val_loss": next(left)}

    monkeypatch.setattr(held_out.HeldOut, "measure", measured)


def test_it_ends_on_a_plateau_and_keeps_the_best(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted(monkeypatch, [3.0, 1.0, 2.0, 1.5, 1.2, 0.1])
    made = recipe(run__steps=100, run__validate_every=2, run__patience=3, schedule__name="constant")
    outcome = run(made, pictures, tmp_path / "out.safetensors")
    assert (outcome.reason, outcome.step) == ("plateau", 10)
    assert outcome.held_out["val_loss"] == 1.0
    best = load_weights(tmp_path / "out.safetensors")
    assert (best.training["steps"], best.training["held_out"]["val_loss"]) == (4, 1.0)
    last = load_weights(tmp_path / "out.training" / "last.safetensors")
    assert last.training["steps"] == 10
    assert not torch.equal(best.model.get_parameter("head.bias"), last.model.get_parameter("head.bias"))


def test_the_rate_falls_on_a_plateau(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scripted(monkeypatch, [1.0, 2.0, 2.0, 2.0, 0.5, 0.6])
    made = recipe(
        run__steps=12, run__validate_every=2, schedule__name="plateau", schedule__patience=2,
        schedule__factor=0.1, schedule__warmup=0, optimizer__rate=1e-2,
    )  # fmt: skip
    run(made, pictures, tmp_path / "out.safetensors")
    rates = [row["rate"] for row in state_of(tmp_path / "out.safetensors")["rows"]]
    assert rates == pytest.approx([1e-2, 1e-2, 1e-2, 1e-3, 1e-3, 1e-3])


@pytest.mark.parametrize("saved", [False, True])
def test_a_loss_that_is_no_number_ends_it(
    saved: bool, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learn, steps = Learner.learn, iter(range(100))

    def learned(self: Learner, batch: Any) -> torch.Tensor:
        return learn(self, batch) * (float("nan") if next(steps) == 5 else 1)

    monkeypatch.setattr(Learner, "learn", learned)
    minutes = 1e-9 if saved else 5.0
    advice = (
        r"the last good checkpoint is '.*checkpoint\.safetensors'; go on"
        if saved
        else "there is no checkpoint yet"
    )
    with pytest.raises(ModelError, match=f"Training broke down at step 6: the loss is nan; {advice}"):
        run(recipe(run__checkpoint_minutes=minutes), pictures, tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()
    if saved:
        assert state_of(tmp_path / "out.safetensors")["step"] == 5


def test_broken_weights_are_not_saved(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop.State, "is_finite", lambda self: False)
    with pytest.raises(ModelError, match="at step 8: a weight is no longer a number"):
        run(recipe(), pictures, tmp_path / "out.safetensors")
    assert not (tmp_path / "out.training" / "checkpoint.safetensors").exists()


# ---- files ------------------------------------------------------------------------------------


def test_older_runs_are_not_replaced_unasked(pictures: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.safetensors"
    run(recipe(), pictures, output)
    with pytest.raises(OutputError, match="holds a run; go on with --resume, or start over with -y"):
        run(recipe(), pictures, output)
    old = tmp_path / "out.training" / "samples" / "999999.png"
    old.write_bytes(b"old")
    run(recipe(), pictures, output, overwrite=True)
    assert not old.exists()
    alone = tmp_path / "alone.safetensors"
    alone.write_bytes(b"weights")
    with pytest.raises(OutputError, match=r"alone\.safetensors' exists; replace it with -y"):
        run(recipe(), pictures, alone)
    assert alone.read_bytes() == b"weights"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"run__accumulate": 3}, "'run.batch' of 4 cannot be shared evenly by 1 process.* a multiple of 3"),
        (
            {"loss__distribution": 0.4, "run__accumulate": 2},
            "'run.accumulate' does not go with 'loss.distribution', which is of the whole batch",
        ),
        ({"model__name": "nett"}, "There is no model 'nett'"),
        ({"model__options": {"width": 3}}, "Model 'unet' has no option 'width'; its options: widths"),
        ({"model__name": "grey", "model__options": {}}, "Model 'grey' has nothing to learn"),
        ({"loss__name": "cross-entropy"}, "does not fit a network that speaks in ab"),
        ({"loss__adversarial": True}, "'loss.adversarial' is for models with a discriminator, such as cgan"),
    ],
)
def test_a_recipe_that_cannot_be_leaves_nothing_behind(
    changes: dict[str, Any], sentence: str, pictures: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=sentence):
        run(recipe(**changes), pictures, tmp_path / "out.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_too_few_pictures(tmp_path: Path) -> None:
    one = make_pictures(tmp_path / "one", 1)
    with pytest.raises(InputError, match="too few"):
        run(recipe(), one, tmp_path / "out.safetensors")
    two = make_pictures(tmp_path / "two", 2)
    with pytest.raises(InputError, match="2 to learn from and 0 held out; at least 2 and 1 are needed"):
        run(recipe(data__test_share=0.1), two, tmp_path / "out.safetensors")
    assert {p.name for p in tmp_path.iterdir()} == {"one", "two"}


def test_an_output_that_cannot_be_written(pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="there is no such folder"):
        run(recipe(), pictures, tmp_path / "not" / "there.safetensors")
    with pytest.raises(UsageError, match=r"Weights go into a \.safetensors file"):
        run(recipe(), pictures, tmp_path / "out.pt")
    assert not list(tmp_path.iterdir())


def full_when(name: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """A disk that is full when files of that name are put into place."""
    replace = Path.replace

    def replaced(self: Path, target: Any) -> Path:
        if Path(target).name == name:
            raise OSError(errno.ENOSPC, "No space left on device", str(self))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", replaced)
    return monkeypatch.undo


@pytest.mark.parametrize(
    "name", ["checkpoint.safetensors", "best.safetensors", "metrics.csv", "out.safetensors"]
)
def test_a_full_disk_is_one_sentence(
    name: str, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "out.safetensors"
    full_when(name, monkeypatch)
    with pytest.raises(OutputError, match=f"{name}' cannot be written: No space left on device"):
        run(recipe(), pictures, output)
    assert not [p for p in tmp_path.rglob("*") if ".part" in p.name]
    assert not output.exists()


def test_a_checkpoint_that_stops_half_way_leaves_the_last_one(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resource = pytest.importorskip("resource")
    output = tmp_path / "out.safetensors"
    made = recipe(run__validate_every=100)
    run(made, pictures, output, **stop_after(2))
    before = (tmp_path / "out.training" / "checkpoint.safetensors").read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, hard))
    try:
        with pytest.raises(OutputError, match=r"checkpoint\.safetensors' cannot be written: File too large"):
            run(made, pictures, output, resume=True, **stop_after(3))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (tmp_path / "out.training" / "checkpoint.safetensors").read_bytes() == before
    assert run(made, pictures, output, resume=True).step == 8
