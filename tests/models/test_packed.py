"""Weights in eight bits each."""

from pathlib import Path

import pytest
import torch

from vidcolor.errors import ModelError
from vidcolor.models import create_model, load_weights, save_weights
from vidcolor.models.packed import pack, unpack
from vidcolor.models.weights_file import SealedFile, seal


def test_a_weight_is_off_by_half_a_step_at_most() -> None:
    weights = torch.randn(6, 3, 3, 3, generator=torch.Generator().manual_seed(0))
    weights *= torch.logspace(-6, 3, 6).view(-1, 1, 1, 1)
    weights[2] = 0
    stored = pack("w", weights)
    assert {name: tensor.dtype for name, tensor in stored.items()} == {
        "w": torch.int8,
        "w:step": torch.float32,
    }
    again = unpack(stored)["w"]
    step = weights.abs().amax((1, 2, 3)) / 127
    assert ((again - weights).abs().amax((1, 2, 3)) <= 0.5001 * step).all()
    assert not again[2].any()
    assert torch.equal(unpack(pack("w", again))["w"], again)


@pytest.mark.parametrize("tensor", [torch.ones(4), torch.tensor(3), torch.ones(2, 2).long()])
def test_what_is_no_layers_weight_is_left_as_it_is(tensor: torch.Tensor) -> None:
    assert pack("w", tensor) == {"w": tensor}


def test_steps_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "w.safetensors"
    model = create_model("tiny")
    save_weights(file, model, name="tiny", version="9", bits=8)
    with SealedFile(file) as opened:
        tensors, words = opened.tensors(), dict(opened.words)
    words.pop("sha256")
    name = next(name for name in tensors if name.endswith(":step"))
    own = name.removesuffix(":step")
    for wrong in (
        {name: tensors[name][1:].clone()},
        {own: tensors[own].float()},
        {"none:step": tensors[name].clone()},
    ):
        file.write_bytes(seal({**tensors, **wrong}, words))
        with pytest.raises(ModelError, match="the steps of tensor '.*' do not fit it"):
            load_weights(file)
    file.write_bytes(seal({k: v for k, v in tensors.items() if k != name}, words))
    with pytest.raises(ModelError, match=f"tensor {own!r} is of int8"):
        load_weights(file)
