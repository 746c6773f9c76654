"""Models by name, and weights files; what every model keeps to is in test_contract_all.py."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from vidcolor.color.bins import decode_bins
from vidcolor.errors import ModelError, OutputError, UsageError
from vidcolor.models import (
    ColorModel,
    create_model,
    load_model,
    load_weights,
    resolve_model,
    save_weights,
)
from vidcolor.models.weights import default_weights


def pictures(size: tuple[int, int], count: int = 2) -> torch.Tensor:
    return torch.rand(count, 1, *size, generator=torch.Generator().manual_seed(1)) * 100


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


def test_answers_can_be_read_otherwise_than_in_training(tmp_path: Path) -> None:
    path = tmp_path / "light.safetensors"
    options = {"widths": [4, 4, 4, 4]}
    save_weights(path, create_model("light", **options), name="light", options=options, version="9")
    plain, lightness = resolve_model(path), pictures((32, 32))
    logits = plain.model.raw(lightness)
    for given, way in (
        ([("top", "5")], ("top", 0.38, 5)),
        ([("decoding", "annealed"), ("temperature", "0.8")], ("annealed", 0.8, 2)),
    ):
        loaded = resolve_model(path, given)
        assert torch.equal(loaded.model.infer(lightness), decode_bins(logits, *way))
        assert not torch.equal(loaded.model.infer(lightness), plain.model.infer(lightness))
    assert loaded.options == {**options, "decoding": "annealed", "temperature": 0.8}
    with pytest.raises(UsageError, match="light.safetensors is read has no option 'widths'; it can be told"):
        resolve_model(path, [("widths", "[4, 4, 4, 8]")])
    with pytest.raises(UsageError, match="How tiny is read has no option 'top'; there is no choice"):
        resolve_model("tiny", [("top", "1")])
    with pytest.raises(UsageError, match="top must be a whole number from 1 to 313, not 0"):
        resolve_model(path, [("top", "0")])


def test_unknown_names_and_options() -> None:
    with pytest.raises(
        UsageError, match="There is no model 'grau'; give one of default, unet, .*, grey, tiny"
    ):
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
    with pytest.raises(ModelError, match="cannot be built: it would be larger than what the file holds"):
        load_weights(_write(path, **ours, model="unet"))
    with pytest.raises(ModelError, match="does not fit its model: it holds an unknown tensor 'body.0.bias'"):
        load_weights(_write(path, **ours, model="grey"))


def test_a_file_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "w.safetensors"
    with pytest.raises(OutputError, match=r"w\.safetensors' cannot be written: No such file or directory"):
        save_weights(path, create_model("tiny"), name="tiny", version="9")


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_weights(path, create_model("tiny"), name="tiny", version="9")
    whole = path.read_bytes()
    for size in (4, 8, 100, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(ModelError, match="not a readable weights file"):
            load_weights(path)


# ---- damaged and hostile ----------------------------------------------------------------------


def test_a_bit_that_turned_over_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    training = {"steps": 3}
    save_weights(path, create_model("tiny"), name="tiny", training=training, version="9")
    whole = path.read_bytes()
    start = 8 + int.from_bytes(whole[:8], "little")
    kept = create_model("tiny").state_dict()
    for place in (*range(start, len(whole), 97), whole.index(b'steps\\": 3') + 9):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(ModelError, match="it is damaged: its digest is not that of what it holds"):
            load_weights(path)
    path.write_bytes(whole)
    for name, tensor in load_weights(path).model.state_dict().items():
        assert torch.equal(tensor, kept[name])


def test_the_digest_cannot_be_left_out(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    with pytest.raises(ModelError, match="it is damaged: its digest"):
        load_weights(_write(path, format="vidcolor-weights-2", model="tiny"))
    assert load_weights(_write(path, format="vidcolor-weights-1", model="tiny")).label == path.name  # older


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("tiny", {"width": 10**9}),
        ("tiny", {"width": 10**30}),
        ("tiny", {"width": -1}),
        ("unet", {"widths": [10**8, 10**8]}),
        ("unet", {"widths": [8, 16], "bottom_blocks": 10**9}),
        ("unet", {"widths": []}),
        ("unet", {"widths": "wide"}),
        ("unet", {"gain": {}}),
        ("unet", {"shade": {}}),
        ("unet", {"looks": {}}),
    ],
)
def test_a_network_that_is_larger_than_its_file_is_not_built(
    name: str, options: dict[str, object], tmp_path: Path
) -> None:
    path = _write(
        tmp_path / "w.safetensors", format="vidcolor-weights-1", model=name, options=json.dumps(options)
    )
    with pytest.raises(ModelError, match="describes a model that cannot be built: ") as caught:
        load_weights(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("words", [{"training": "[" * 100_000}, {"options": "[" * 100_000}])
def test_words_without_end(words: dict[str, str], tmp_path: Path) -> None:
    path = _write(tmp_path / "w.safetensors", **{"format": "vidcolor-weights-1", "model": "tiny", **words})
    with pytest.raises(ModelError):
        load_weights(path)


def test_weights_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    model = create_model("tiny")
    with torch.no_grad():
        next(model.parameters())[0, 0, 0, 0] = float("nan")
    save_weights(path, model, name="tiny", version="9")
    with pytest.raises(ModelError, match="tensor 'body.0.weight' holds what is no number"):
        load_weights(path)
    state = {name: tensor.to(torch.complex64) for name, tensor in create_model("tiny").state_dict().items()}
    save_file(state, path, metadata={"format": "vidcolor-weights-1", "model": "tiny"})
    with pytest.raises(ModelError, match="tensor 'body.0.weight' is of complex64"):
        load_weights(path)
