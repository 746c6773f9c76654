"""The networks of papers A and C are built as their texts say."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from vidcolor.color.bins import BIN_COUNT, decode_bins
from vidcolor.errors import UsageError
from vidcolor.models import ColorModel, create_model, load_weights, save_weights
from vidcolor.models.cgan import Discriminator, Generator

NAMES = ["simple", "classifier", "cgan", "light"]


def pictures(*size: int, count: int = 2) -> torch.Tensor:
    return torch.rand(count, 1, *size, generator=torch.Generator().manual_seed(0)) * 100


def layers(network: nn.Module, kind: type[nn.Module]) -> list[Any]:
    return [module for module in network.modules() if isinstance(module, kind)]


def widths(network: nn.Module, kind: type[nn.Module] = nn.Conv2d) -> list[int]:
    return [layer.out_channels for layer in layers(network, kind)]


# ---- all of them ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "space", "channels", "parameters"),
    [
        ("simple", "ab", 2, 4_366_962),
        ("classifier", "bins", 313, 154_425),
        ("cgan", "rgb", 3, 7_822_339),
        ("light", "bins", 313, 6_492_281),
    ],
)
def test_what_they_say(name: str, space: str, channels: int, parameters: int) -> None:
    model = create_model(name).eval()
    assert model.space == space
    assert model.parameter_count == parameters
    with torch.no_grad():
        assert model.raw(pictures(32, 96)).shape == (2, channels, 32, 96)
    assert model.infer(pictures(30, 50)).shape == (2, 2, 30, 50)


@pytest.mark.parametrize("name", NAMES)
def test_the_gradient_reaches_every_parameter(name: str) -> None:
    torch.manual_seed(0)
    model = create_model(name).train()
    model.raw(pictures(64, 64)).square().mean().backward()
    untouched = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert untouched == []


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("simple", {"widths": [4, 8]}),
        ("classifier", {"widths": [4, 8], "dilations": [1, 3], "decoding": "annealed", "temperature": 0.5}),
        ("cgan", {"widths": [4, 8], "slope": 0.2, "image": 480}),
        ("light", {"widths": [4, 4, 8, 8], "top": 3}),
    ],
)
def test_options_survive_a_weights_file(name: str, options: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    model = create_model(name, **options).eval()
    save_weights(path, model, name=name, options=options, version="9")
    assert torch.equal(load_weights(path).model.infer(pictures(32, 32)), model.infer(pictures(32, 32)))


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("simple", {"widths": []}, "widths must be a list of one or more whole numbers from 1"),
        ("simple", {"widths": [16, 0]}, r"whole numbers from 1, not \[16, 0\]"),
        ("simple", {"widths": 16}, "whole numbers from 1, not 16"),
        ("classifier", {"dilations": [1]}, r"dilations must be a list of 6 whole numbers from 1, not \[1\]"),
        ("classifier", {"decoding": "best"}, "decoding must be one of annealed, mode, top, mean"),
        ("classifier", {"temperature": 0}, "temperature must be more than 0"),
        ("light", {"widths": [32, 64]}, "widths must be a list of 4 whole numbers"),
        ("light", {"top": 0}, "top must be a whole number from 1 to 313"),
        ("cgan", {"image": 100}, "image must be a multiple of 32 with 5 widths, not 100"),
        ("cgan", {"slope": "steep"}, "slope must be a number, not 'steep'"),
        ("cgan", {"widths": [1.5]}, "widths must be a list"),
    ],
)
def test_impossible_options_are_refused(name: str, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        create_model(name, **options)


# ---- A1, A2 --------------------------------------------------------------------------------------


def test_simple_has_six_encoder_blocks_and_rises_back() -> None:
    model = create_model("simple")
    assert widths(model) == [16, 32, 64, 128, 256, 512]
    assert [pool.kernel_size for pool in layers(model, nn.MaxPool2d)] == [2] * 6
    rises = layers(model, nn.ConvTranspose2d)
    assert [rise.stride for rise in rises] == [(2, 2)] * 6
    assert widths(model, nn.ConvTranspose2d) == [256, 128, 64, 32, 16, 2]
    assert len(layers(model, nn.ReLU)) == 6 + 5
    assert not layers(model, nn.BatchNorm2d)


def test_simple_takes_the_papers_224() -> None:
    model = create_model("simple").eval()
    assert 224 % model.multiple == 0
    with torch.no_grad():
        ab = model.raw(pictures(224, 224, count=1))
    assert ab.shape == (1, 2, 224, 224)
    assert ab.min() < 0 < ab.max()


def test_classifier_keeps_its_size_and_sees_65_pixels() -> None:
    torch.manual_seed(0)
    model = create_model("classifier", decoding="mean")
    sizes: list[torch.Size] = []
    for conv in layers(model, nn.Conv2d):
        conv.register_forward_hook(lambda _m, _i, out: sizes.append(out.shape[-2:]))
    lightness = pictures(101, 101, count=1).requires_grad_()
    model.raw(lightness)[0, :, 50, 50].sum().backward()
    assert sizes == [(101, 101)] * 7
    assert lightness.grad is not None
    seen = lightness.grad[0, 0].nonzero()
    assert (seen.amin(0).tolist(), seen.amax(0).tolist()) == ([18, 18], [82, 82])
    assert not layers(model, nn.BatchNorm2d)
    assert len(layers(model, nn.ReLU)) == 6


def test_the_published_classifier_can_be_had() -> None:
    model = create_model("classifier", widths=[16, 32, 64], dilations=[1, 1, 1])
    assert widths(model) == [16, 32, 64, BIN_COUNT]


@pytest.mark.parametrize(
    ("name", "decoding", "top"), [("classifier", "mode", 2), ("light", "top", 2)], ids=["A2", "C1"]
)
def test_classifiers_decode_as_their_papers_do(name: str, decoding: str, top: int) -> None:
    model = create_model(name).eval()
    lightness = pictures(32, 32)
    with torch.no_grad():
        expected = decode_bins(model.raw(lightness), decoding, top=top)
    assert torch.equal(model.infer(lightness), expected)
    annealed = create_model(name, decoding="annealed").eval()
    annealed.load_state_dict(model.state_dict())
    assert not torch.equal(annealed.infer(lightness), expected)


# ---- A3 ------------------------------------------------------------------------------------------


def generator(**options: Any) -> Generator:
    model = create_model("cgan", **options)
    assert isinstance(model, Generator)
    return model


def test_generator_is_a_u_net_whose_skips_are_added() -> None:
    model = generator()
    falls, rises = layers(model, nn.Conv2d), layers(model, nn.ConvTranspose2d)
    assert widths(model) == [64, 128, 256, 512, 512]
    assert widths(model, nn.ConvTranspose2d) == [512, 256, 128, 64, 3]
    assert {layer.stride for layer in (*falls, *rises)} == {(2, 2)}
    # Put beside, each rise would take twice what the one before gives.
    assert [rise.in_channels for rise in rises[1:]] == [rise.out_channels for rise in rises[:-1]]
    # The last layer has neither.
    assert len(layers(model, nn.BatchNorm2d)) == len(layers(model, nn.LeakyReLU)) == 9


def test_generator_adds_its_mirror() -> None:
    model = generator(widths=[4, 8]).eval()
    lightness = pictures(32, 32)
    with torch.no_grad():
        first = model.down[0](lightness / 50 - 1)
        expected = torch.tanh(model.head(model.up[0](model.down[1](first)) + first))
        assert torch.allclose(model.raw(lightness), expected)


def test_generator_says_rgb_from_minus_one_to_one() -> None:
    model = generator().eval()
    with torch.no_grad():
        model.head.weight.mul_(100)
        rgb = model.raw(pictures(64, 64))
    assert rgb.min().item() == pytest.approx(-1, abs=1e-3)
    assert rgb.max().item() == pytest.approx(1, abs=1e-3)


def test_discriminator_is_the_encoder_path_and_one_logit() -> None:
    opponent = generator().opponent().eval()
    assert widths(opponent) == [64, 128, 256, 512, 512, 1]
    assert [conv.stride for conv in layers(opponent, nn.Conv2d)] == [(2, 2)] * 5 + [(1, 1)]
    assert sum(p.numel() for p in opponent.parameters()) == 3_937_345
    with torch.no_grad():
        scores = opponent(torch.rand(3, 3, 224, 224) * 200 - 100)
    assert scores.shape == (3, 1)
    assert scores.min() < 0 or scores.max() > 1  # a logit, not a probability


@pytest.mark.parametrize(("image", "side"), [(224, 7), (480, 15)])
def test_the_two_variants_weigh_every_place(image: int, side: int) -> None:
    model = generator(image=image)
    assert model.opponent().score.kernel_size == (side, side)
    assert model.state_dict().keys() == generator().state_dict().keys()


@pytest.mark.parametrize("size", [(16, 16), (64, 96), (224, 224)])
def test_discriminator_takes_any_size(size: tuple[int, int]) -> None:
    opponent = Discriminator(widths=[4, 8, 8], image=64).eval()
    with torch.no_grad():
        assert opponent(torch.rand(2, 3, *size)).shape == (2, 1)


def test_discriminators_gradient_reaches_it_and_the_picture() -> None:
    torch.manual_seed(0)
    opponent = Discriminator(widths=[8, 16], image=32)
    rgb = torch.rand(2, 3, 32, 32, requires_grad=True)
    opponent(rgb).square().sum().backward()
    assert [n for n, p in opponent.named_parameters() if p.grad is None or not p.grad.any()] == []
    assert rgb.grad is not None
    assert rgb.grad.any()


def test_discriminator_sees_grey_only_when_told_to() -> None:
    rgb, one, other = torch.rand(2, 3, 32, 32), torch.zeros(2, 1, 32, 32), torch.ones(2, 1, 32, 32)
    blind = Discriminator(widths=[4], image=32).eval()
    assert torch.equal(blind(rgb, one), blind(rgb))
    seeing = generator(widths=[4], image=32).opponent(conditional=True).eval()
    assert not torch.equal(seeing(rgb, one), seeing(rgb, other))
    with pytest.raises(ValueError, match="must be given the lightness"):
        seeing(rgb)


def test_impossible_discriminators_are_refused() -> None:
    with pytest.raises(UsageError, match="The discriminator has no option 'depth'; its options: widths"):
        generator().opponent(depth=3)
    with pytest.raises(UsageError, match="conditional must be true or false, not 'yes'"):
        generator().opponent(conditional="yes")
    with pytest.raises(UsageError, match="image must be a multiple of 32"):
        Discriminator(image=0)


# ---- C1 ------------------------------------------------------------------------------------------


def test_light_is_zhangs_network_with_less() -> None:
    model: ColorModel = create_model("light")
    deep = [256] * 9
    assert widths(model.encoder) == [32, 32, 64, 64, 128, 128, 128, *deep]  # type: ignore[arg-type]
    convolutions = layers(model, nn.Conv2d)
    # The last convolution of the first three blocks halves; one block of three is dilated, not two.
    assert [n for n, conv in enumerate(convolutions) if conv.stride == (2, 2)] == [1, 3, 6]
    assert [n for n, conv in enumerate(convolutions) if conv.dilation == (2, 2)] == [10, 11, 12]
    # Zhang's transposed block and the two added, to full size.
    assert widths(model, nn.ConvTranspose2d) == [128, 64, 32]
    assert len(layers(model, nn.BatchNorm2d)) == 6 + 3
    with torch.no_grad():
        assert model.encoder(torch.zeros(1, 1, 64, 64)).shape == (1, 256, 8, 8)  # type: ignore[operator]
