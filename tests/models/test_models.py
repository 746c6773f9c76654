"""The contract of every registered model, and weights files."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from vidcolor.errors import ModelError, UsageError
from vidcolor.models import (
    ColorModel,
    create_model,
    list_models,
    load_model,
    load_weights,
    resolve_model,
    save_weights,
)
from vidcolor.models.weights import default_weights

NAMES = [entry.name for entry in list_models()]
SIZES = [(16, 16), (17, 45), (64, 48), (33, 100)]


@pytest.fixture(params=NAMES)
def model(request: pytest.FixtureRequest) -> ColorModel:
    torch.manual_seed(0)
    built = create_model(request.param).eval()
    for module in built.modules():
        # A fresh network may start at neutral; contracts are about one that says something.
        if isinstance(module, torch.nn.Conv2d) and not module.weight.any():
            torch.nn.init.normal_(module.weight, std=0.05)
    return built


def pictures(size: tuple[int, int], count: int = 2) -> torch.Tensor:
    return torch.rand(count, 1, *size, generator=torch.Generator().manual_seed(1)) * 100


@pytest.mark.parametrize("size", SIZES)
def test_any_size(model: ColorModel, size: tuple[int, int]) -> None:
    ab = model.infer(pictures(size))
    assert ab.shape == (2, 2, *size)
    assert ab.dtype == torch.float32
    assert ab.isfinite().all()


def test_ab_is_as_coarse_as_it_says(model: ColorModel) -> None:
    ab = model.infer(pictures((64, 96)))
    one_each = ab[..., :: model.grain, :: model.grain]
    assert torch.equal(one_each.repeat_interleave(model.grain, -1).repeat_interleave(model.grain, -2), ab)


def test_hints_are_taken_or_change_nothing(model: ColorModel) -> None:
    lightness = pictures((48, 64))
    hints = torch.zeros(2, 3, 48, 64)
    assert torch.equal(model.infer(lightness, hints), model.infer(lightness))
    hints[:, 0], hints[:, 2] = 60, 1
    if model.takes_hints:
        for parameter in model.parameters():
            if parameter.ndim == 4 and parameter.shape[1] == 4:
                torch.nn.init.normal_(parameter, std=0.2)
        assert not torch.equal(model.infer(lightness, hints), model.infer(lightness))
    else:
        assert torch.equal(model.infer(lightness, hints), model.infer(lightness))


def test_colour_given_without_confidence_is_not_looked_at(model: ColorModel) -> None:
    lightness = pictures((48, 64))
    hints = torch.zeros(2, 3, 48, 64)
    hints[:, :2] = 50
    assert torch.equal(model.infer(lightness, hints), model.infer(lightness))


@pytest.mark.parametrize(
    "lightness", [torch.zeros(1, 3, 32, 32), torch.zeros(1, 32, 32), torch.zeros(1, 1, 15, 32)], ids=str
)
def test_wrong_lightness_is_refused(model: ColorModel, lightness: torch.Tensor) -> None:
    with pytest.raises(ValueError, match=r"lightness must be \(B, 1, H, W\)"):
        model(lightness)


def test_wrong_hints_are_refused(model: ColorModel) -> None:
    with pytest.raises(ValueError, match="hints must be"):
        model(torch.zeros(1, 1, 32, 32), torch.zeros(1, 2, 32, 32))


def test_pictures_of_a_batch_do_not_touch_each_other(model: ColorModel) -> None:
    lightness = pictures((32, 48), 3)
    together = model.infer(lightness)
    alone = torch.cat([model.infer(one[None]) for one in lightness])
    assert torch.allclose(together, alone, atol=1e-3)


@pytest.mark.parametrize("half", [False, True])
def test_weights_round_trip(model: ColorModel, half: bool, tmp_path: Path) -> None:
    name = next(e.name for e in list_models() if type(create_model(e.name)) is type(model))
    path = tmp_path / "w.safetensors"
    save_weights(path, model, name=name, training={"seconds": 3}, version="9", half=half)
    loaded = load_weights(path)
    assert type(loaded.model) is type(model)
    assert loaded.training == {"seconds": 3}
    assert not loaded.model.training
    assert all(p.dtype == torch.float32 for p in loaded.model.parameters())
    found, wanted = loaded.model.infer(pictures((32, 32))), model.infer(pictures((32, 32)))
    assert torch.allclose(found, wanted, atol=0.5) if half else torch.equal(found, wanted)
    assert [p.name for p in tmp_path.iterdir()] == ["w.safetensors"]


def test_options_are_kept_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_weights(path, create_model("tiny", width=3), name="tiny", options={"width": 3}, version="9")
    assert load_weights(path).model.parameter_count == create_model("tiny", width=3).parameter_count


def test_the_default_model_is_in_the_package() -> None:
    assert default_weights().stat().st_size < 20_000_000
    assert default_weights().with_suffix(".md").is_file()
    loaded = resolve_model("default")
    assert loaded.label == "default"
    assert loaded.training["seconds"] > 0
    ab = loaded.model.infer(pictures((64, 96)))
    assert 1 < ab.abs().mean() < 60


def test_models_by_name_and_by_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    save_weights(path, create_model("tiny"), name="tiny", version="9")
    assert resolve_model(path).label == "mine.safetensors"
    assert isinstance(load_model("grey"), ColorModel)
    assert not load_model("grey").infer(pictures((16, 16))).any()


def test_unknown_names_and_options() -> None:
    with pytest.raises(UsageError, match="There is no model 'grau'; give one of default, unet, grey, tiny"):
        resolve_model("grau")
    with pytest.raises(UsageError, match="Model 'unet' knows nothing by itself; give a weights file of it"):
        resolve_model("unet")
    with pytest.raises(UsageError, match="There is no model 'grau'; there are: unet"):
        create_model("grau")
    with pytest.raises(UsageError, match="Model 'tiny' has no option 'depth'; its options: width"):
        create_model("tiny", depth=3)


def _write(path: Path, **metadata: str) -> Path:
    save_file(
        {k: v.contiguous() for k, v in create_model("tiny").state_dict().items()}, path, metadata=metadata
    )
    return path


def test_files_that_are_not_ours_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    with pytest.raises(ModelError, match="There is no weights file"):
        load_weights(path)
    path.write_bytes(b"")
    with pytest.raises(ModelError, match="not a readable weights file"):
        load_weights(path)
    path.write_bytes((2**40).to_bytes(8, "little") + b"{}")
    with pytest.raises(ModelError, match="not a readable weights file"):
        load_weights(path)
    torch.save({"a": torch.ones(1)}, path)
    with pytest.raises(ModelError, match="not a readable weights file"):
        load_weights(path)
    with pytest.raises(ModelError, match="not a weights file of vidcolor's"):
        load_weights(_write(path))
    ours = {"format": "vidcolor-weights-1"}
    with pytest.raises(ModelError, match="describes a model that cannot be built: There is no model 'vgg'"):
        load_weights(_write(path, **ours, model="vgg"))
    with pytest.raises(ModelError, match="cannot be built"):
        load_weights(_write(path, **ours, model="tiny", options="{"))
    with pytest.raises(ModelError, match="does not fit its model: tensor 'body.0.bias' is"):
        load_weights(_write(path, **ours, model="tiny", options=json.dumps({"width": 4})))
    with pytest.raises(ModelError, match="does not fit its model: it"):
        load_weights(_write(path, **ours, model="unet"))


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_weights(path, create_model("tiny"), name="tiny", version="9")
    whole = path.read_bytes()
    for size in (4, 8, 100, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(ModelError, match="not a readable weights file"):
            load_weights(path)
