"""What every registered model keeps to, whatever it is. A model that is registered is tested here."""

from __future__ import annotations

import copy
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import vidcolor
from tests.clips import decode_luma, decode_pts, make_clip
from tests.extras import need
from vidcolor.color.bins import nearest_bin
from vidcolor.models import ColorModel, create_model, list_models, load_weights, save_weights, spaces
from vidcolor.models.converted import convert

EXTRACTOR = "test_resnet" if importlib.util.find_spec("timm") else "none"
OPTIONS: dict[str, dict[str, Any]] = {
    # What makes a large model small and its answer smooth; one that is not here is built as it is.
    "light": {"decoding": "mean"},  # its own takes the likeliest bins: a rounding can choose others
    "fusion": {"extractor": EXTRACTOR, "extractor_size": 32, "pretrained": False},
    "twostream": {"global_size": 32},
    "compact-vgg16": {"pretrained": False},
}
SIZES = [(16, 16), (17, 33), (40, 24)]
CHANNELS = {"ab": 2, "cbcr": 2, "rgb": 3, "bins": 313}


@dataclass(frozen=True)
class Case:
    """A model under test, built once; what changes it must work on a copy."""

    name: str
    options: dict[str, Any]
    model: ColorModel
    file: Path
    """The model's weights file."""


SUMMARY = {"seconds": 3}


@pytest.fixture(scope="module", params=[entry.name for entry in list_models()])
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    torch.manual_seed(0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    options = OPTIONS.get(request.param, {})
    model = create_model(request.param, **options)
    for module in model.modules():
        # A fresh network may start at neutral; contracts are about one that says something.
        if isinstance(module, torch.nn.Conv2d) and not module.weight.any():
            torch.nn.init.normal_(module.weight, std=0.05)
    with torch.no_grad():
        model.train().raw(lab_pictures(64, 2)[:, :1])  # batch normalisation gets to know pictures
    file = tmp_path_factory.mktemp("weights") / "w.safetensors"
    save_weights(file, model, name=request.param, options=options, training=SUMMARY, version="9")
    yield Case(request.param, options, model.eval(), file)
    file.unlink()
    torch.set_num_threads(threads)


def lightness(size: tuple[int, int], count: int = 2) -> Tensor:
    return torch.rand(count, 1, *size, generator=torch.Generator().manual_seed(1)) * 100


def lab_pictures(side: int, count: int) -> Tensor:
    """Smooth Lab pictures ``(count, 3, side, side)``, all of whose colours sRGB has."""
    coarse = torch.rand(count, 3, 4, 4, generator=torch.Generator().manual_seed(2))
    wave = F.interpolate(coarse, (side, side), mode="bilinear")
    return torch.cat((30 + 50 * wave[:, :1], 60 * wave[:, 1:] - 30), 1)


def hints_of(size: tuple[int, int], confidence: float) -> Tensor:
    """Red everywhere, for two pictures."""
    return torch.tensor([60.0, 40.0, confidence]).view(1, 3, 1, 1).repeat(2, 1, *size)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_any_size(case: Case, size: tuple[int, int]) -> None:
    ab = case.model.infer(lightness(size))
    assert ab.shape == (2, 2, *size)
    assert ab.dtype == torch.float32
    assert ab.isfinite().all()
    assert ab.abs().max() <= 300  # Lab units, and in the order of colours there are


def test_raw_speaks_in_the_space_it_names(case: Case) -> None:
    model, side = case.model, 64
    assert side % model.multiple == 0
    raw = model.raw(lightness((side, side)))
    assert raw.shape == (2, CHANNELS[model.space], side // model.grain, side // model.grain)


def test_colour_is_as_coarse_as_the_model_says(case: Case) -> None:
    model = case.model
    ab = model.infer(lightness((64, 96)))
    one_each = ab[..., :: model.grain, :: model.grain]
    assert torch.equal(one_each.repeat_interleave(model.grain, -1).repeat_interleave(model.grain, -2), ab)


def test_pictures_of_a_batch_do_not_touch_each_other(case: Case) -> None:
    pictures = lightness((33, 48))
    alone = torch.cat([case.model.infer(one[None]) for one in pictures])
    assert torch.allclose(case.model.infer(pictures), alone, atol=1e-2)


def test_what_it_said_in_half_precision_becomes_colour_in_full(case: Case) -> None:
    grey = lightness((64, 64))  # no padding for any model
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        found, raw = case.model.predict(grey, None, None), case.model.raw(grey)
    exact = case.model.to_ab(raw.float(), case.model.at_grain(grey))
    exact = F.interpolate(exact, scale_factor=case.model.grain, mode="nearest")
    assert found.dtype == torch.float32
    assert torch.equal(found, exact)


def test_hints_are_taken_or_change_nothing(case: Case) -> None:
    model, pictures = copy.deepcopy(case.model), lightness((48, 64))
    without = model.infer(pictures)
    assert torch.equal(model.infer(pictures, torch.zeros(2, 3, 48, 64)), without)
    if model.takes_hints:
        for parameter in model.parameters():  # a first layer may start blind to hints
            if parameter.ndim == 4 and parameter.shape[1] == 4:
                torch.nn.init.normal_(parameter, std=0.2)
        without = model.infer(pictures)
    assert torch.equal(model.infer(pictures, hints_of((48, 64), 1.0)), without) != model.takes_hints


def test_a_colour_given_without_confidence_is_not_looked_at(case: Case) -> None:
    pictures = lightness((48, 64))
    assert torch.equal(case.model.infer(pictures, hints_of((48, 64), 0.0)), case.model.infer(pictures))


@pytest.mark.parametrize("shape", [(1, 3, 32, 32), (1, 32, 32), (1, 1, 15, 32)], ids=str)
def test_wrong_lightness_is_refused(case: Case, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"lightness must be \(B, 1, H, W\)"):
        case.model(torch.zeros(shape))


def test_wrong_hints_are_refused(case: Case) -> None:
    with pytest.raises(ValueError, match="hints must be"):
        case.model(torch.zeros(1, 1, 32, 32), torch.zeros(1, 2, 32, 32))


def test_a_weights_file_rebuilds_the_model(case: Case) -> None:
    loaded = load_weights(case.file)
    assert type(loaded.model) is type(case.model)
    assert loaded.training == SUMMARY
    assert not loaded.model.training
    assert torch.equal(loaded.model.infer(lightness((40, 24))), case.model.infer(lightness((40, 24))))
    assert [p.name for p in case.file.parent.iterdir()] == [case.file.name]


@pytest.mark.parametrize(("bits", "share"), [(16, 0.7), (8, 0.5)])
def test_a_smaller_file_says_nearly_the_same(case: Case, tmp_path: Path, bits: int, share: float) -> None:
    path = tmp_path / "small.safetensors"
    save_weights(path, case.model, name=case.name, options=case.options, version="9", bits=bits)
    loaded = load_weights(path)
    assert all(p.dtype == torch.float32 for p in loaded.model.parameters())
    found, wanted = loaded.model.infer(lightness((40, 24))), case.model.infer(lightness((40, 24)))
    # In eight bits what takes the likeliest of 313 colours may take another one here and there.
    assert torch.allclose(found, wanted, atol=1) if bits == 16 else (found - wanted).abs().mean() < 2
    assert path.stat().st_size < share * case.file.stat().st_size or not case.model.parameter_count


def loss_of(model: ColorModel, lab: Tensor) -> Tensor:
    """How far the model is from these pictures, in its own space."""
    raw = model.raw(lab[:, :1])
    target = spaces.encode(model.space, F.avg_pool2d(lab, model.grain))
    return F.cross_entropy(raw, nearest_bin(target)) if model.space == "bins" else F.mse_loss(raw, target)


def test_one_step_lowers_the_loss_and_moves_only_what_learns(case: Case) -> None:
    model, lab = copy.deepcopy(case.model).train(), lab_pictures(64, 2)
    if not model.parameter_count:
        pytest.skip("nothing to learn")
    frozen = {k: v.clone() for k, v in model.named_parameters() if not v.requires_grad}
    learnt = [p for p in model.parameters() if p.requires_grad]
    loss = loss_of(model, lab)
    loss.backward()
    steepness = sum(float(p.grad.square().sum()) for p in learnt if p.grad is not None)
    assert steepness > 0
    # As long a step as should take 1 % off, were the loss a plane.
    with torch.no_grad():
        for p in learnt:
            p -= 0.01 * loss.item() / steepness * (0 if p.grad is None else p.grad)
        assert loss_of(model, lab) < loss
    assert all(torch.equal(frozen[k], v) for k, v in model.named_parameters() if k in frozen)
    assert all(v.grad is None for k, v in model.named_parameters() if k in frozen)


@pytest.mark.parametrize("size", [(64, 96), (70, 131)], ids=str)
def test_openvino_says_the_same(case: Case, size: tuple[int, int]) -> None:
    need("openvino")
    model, converted = case.model, convert(case.model)
    for given in (None, hints_of(size, 1.0), hints_of(size, 0.0)):
        wanted = model.infer(lightness(size), given)
        assert torch.allclose(converted.infer(lightness(size), given), wanted, atol=0.01)
        assert wanted.abs().max() > 0.1 or not model.parameter_count
    assert (converted.multiple, converted.grain) == (model.multiple, model.grain)
    assert converted.parameter_count == model.parameter_count


def test_a_film_is_coloured_with_its_file(case: Case, tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mkv", frames=3, size=(64, 48))
    options = vidcolor.RunOptions(
        model=str(case.file), network_size=32, device="cpu", encoder=vidcolor.EncoderOptions(codec="ffv1")
    )
    result = tmp_path / "b.mkv"
    assert vidcolor.colorize(source, result, options).frames == 3
    assert decode_pts(result) == decode_pts(source)
    assert all(np.array_equal(*pair) for pair in zip(decode_luma(result), decode_luma(source), strict=True))
    assert (chroma_spread(result) > 0) == (case.name != "grey")


def chroma_spread(path: Path) -> float:
    """Standard deviation of a film's chroma samples, in codes."""
    with av.open(str(path)) as container:
        planes = [f.reformat(format="yuv444p").to_ndarray() for f in container.decode(video=0)]
    return float(np.std([p.reshape(3, -1)[1:] for p in planes]))
