"""A model in int8: near the one it was made of, the same when made again, and what is refused."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from tests.extras import need
from tests.models.test_converted import small_unet
from vidcolor.cli import main
from vidcolor.models import create_model, load_weights, save_weights
from vidcolor.models.converted import Converted
from vidcolor.models.unet import UNet
from vidcolor.training.data import lab_of_codes, read_pixels


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weights file."""
    path = tmp_path_factory.mktemp("model") / "small.safetensors"
    options = {"widths": [8, 12], "labels": ["a", "b"]}
    save_weights(
        path,
        small_unet(labels=["a", "b"]),
        name="unet",
        options=options,
        training={"seconds": 3},
        version="9",
    )
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of smooth pictures in colour, of two labels."""
    folder, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    for number in range(12):
        coarse = rng.integers(0, 256, (5, 6, 3), dtype=np.uint8)
        path = folder / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        assert cv2.imwrite(str(path), cv2.resize(coarse, (96, 80), interpolation=cv2.INTER_CUBIC))
    return folder


def test_int8_is_near_and_the_same_when_made_again(
    model: Path, data: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    need("nncf", "openvino")
    assert main(["quantize", str(model), "-d", str(data), "--samples", "8"]) == 0
    out, err = capfd.readouterr()
    assert out == ""
    assert err.splitlines()[-1].endswith("small.int8.safetensors")
    file = model.with_name("small.int8.safetensors")
    loaded, plain = load_weights(file), load_weights(model).model
    assert isinstance(loaded.model, Converted)
    types = {str(op.get_output_element_type(0)) for op in loaded.model.graph.get_ops()}
    assert any("int8" in kind for kind in types)
    assert (loaded.name, loaded.options) == ("unet", {"widths": [8, 12], "labels": ["a", "b"]})
    assert loaded.training["seconds"] == 3
    assert loaded.training["quantized"]["samples"] == 8
    known = torch.tensor([[1.0, 0.0]] * 2)
    pixels = read_pixels(data / "a" / "0.png", 80)
    shown = lab_of_codes(torch.from_numpy(pixels).permute(2, 0, 1)[None].repeat(2, 1, 1, 1))[:, :1]
    for condition in (None, known):
        wanted, found = plain.infer(shown, None, condition), loaded.model.infer(shown, None, condition)
        # Drawn weights in eight channels: errors do not average out as in a network that has learnt.
        assert 0 < (found - wanted).abs().mean() < 0.2 * wanted.std()
    assert main(["quantize", str(model), "-d", str(data), "--samples", "8"]) == 1  # it is there
    assert "exists; replace it with -y" in capfd.readouterr().err
    assert main(["quantize", str(model), "-d", str(data), "--samples", "8", "-y"]) == 0
    assert torch.equal(load_weights(file).model.infer(shown), loaded.model.infer(shown))


def test_gain_shade_and_looks_hold_in_eight_bits(data: Path, tmp_path: Path) -> None:
    need("nncf", "openvino")
    torch.manual_seed(4)
    file, options = tmp_path / "calm.safetensors", {"widths": [8, 12], "gain": 0.5, "shade": 30, "looks": 2}
    model = create_model("unet", **options)
    assert isinstance(model, UNet)
    torch.nn.init.normal_(model.head.weight, std=0.2)
    save_weights(file, model, name="unet", options=options, version="9")
    assert main(["quantize", str(file), "-d", str(data), "--samples", "8"]) == 0
    small = load_weights(file.with_name("calm.int8.safetensors")).model
    grey = torch.cat([torch.full((1, 1, 48, 64), level) for level in (0.0, 3.0, 50.0, 100.0)])
    found, wanted = small.infer(grey), load_weights(file).model.infer(grey)
    assert wanted[1:].abs().amax((1, 2, 3)).min() > 0.1
    assert found[0].abs().max() == wanted[0].abs().max() == 0
    for one, other in zip(found[1:], wanted[1:], strict=True):
        assert (one - other).abs().max() < 0.3 * other.abs().max()


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["grey"], 2, "'grey' has no weights, so there is nothing to quantize"),
        (["{model}", "-o", "a.xml"], 2, "'a.xml' is not the name of a weights file"),
        (["nothing"], 2, "There is no model 'nothing'"),
        (["{model}", "-o", "no/such/a.safetensors"], 1, "The folder 'no/such' does not exist"),
    ],
)
def test_what_cannot_be_quantized(
    model: Path, data: Path, capfd: pytest.CaptureFixture[str], arguments: list[str], code: int, sentence: str
) -> None:
    need("nncf", "openvino")
    given = [argument.format(model=model) for argument in arguments]
    assert main(["quantize", *given, "-d", str(data)]) == code
    assert sentence in capfd.readouterr().err


@pytest.mark.parametrize("package", ["openvino", "nncf"])
def test_without_the_packages_one_sentence_says_what_to_install(
    model: Path, data: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    if package == "nncf":
        need("openvino")
    monkeypatch.setitem(sys.modules, package, None)
    assert main(["quantize", str(model), "-d", str(data), "-o", str(data / "a.safetensors")]) == 2
    extra = {"openvino": "openvino", "nncf": "quantize"}[package]
    assert f"pip install 'vidcolor[{extra}]'" in capfd.readouterr().err
