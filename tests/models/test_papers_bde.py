"""What papers B, D and E say of their networks, read off the networks themselves."""

from __future__ import annotations

import math
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from vidcolor.color.lab import rgb_to_lab
from vidcolor.errors import ModelError, UsageError
from vidcolor.models import ColorModel, create_model, load_weights, registry, save_weights, spaces
from vidcolor.models.extractors import FOLDER_VARIABLE, KNOWN, Extractor, find_weights, import_timm
from vidcolor.models.extractors import _hub_cache as hub_cache

ROOT = Path(__file__).parents[2]
SMALL = {"extractor": "test_resnet", "extractor_size": 64}
CLASSIFIERS = ["compact-classifier", "compact-dilated", "compact-dilated-concat", "compact-vgg16"]


@pytest.fixture
def timm() -> Any:
    pytest.importorskip("huggingface_hub", reason="timm is not installed")
    if not registry.get_entry("fusion").installed:
        pytest.skip("timm is not installed")
    return import_timm()


@pytest.fixture(autouse=True)
def _nothing_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No pretrained weights on this machine, and no way to fetch any."""

    def refuse(*_: object) -> None:
        raise AssertionError("a model goes to the network")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    monkeypatch.setattr("vidcolor.models.extractors._hub_cache", lambda _: [])
    monkeypatch.setattr(socket.socket, "connect", refuse)


def convolutions(network: nn.Module) -> Iterator[nn.Conv2d]:
    return (m for m in network.modules() if isinstance(m, nn.Conv2d))


def outputs(network: nn.Module) -> list[int]:
    return [m.out_channels for m in convolutions(network)]


def strides(network: nn.Module) -> list[int]:
    return [m.stride[0] for m in convolutions(network)]


def pictures(side: int, count: int = 2) -> Tensor:
    """Smooth lightness ``(count, 1, side, side)``."""
    coarse = torch.rand(count, 1, 5, 5, generator=torch.Generator().manual_seed(3))
    return 100 * F.interpolate(coarse, (side, side), mode="bilinear")


def train_a_step(model: ColorModel, side: int = 32) -> None:
    """One plain gradient step towards something."""
    model.train()
    model.raw(pictures(side)).square().mean().backward()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.grad is not None:
                parameter -= 0.01 * parameter.grad


@pytest.mark.parametrize(
    ("name", "learnt", "frozen"),
    [
        ("fusion", 6_389_410, 55_843_464),
        ("twostream", 24_868_322, 0),
        ("compact", 932_948, 0),
        ("compact-classifier", 961_539, 0),
        ("compact-dilated", 853_927, 0),
        ("compact-dilated-concat", 832_087, 0),
        ("compact-vgg16", 2_107_513, 7_635_264),
    ],
)
def test_parameter_counts(name: str, learnt: int, frozen: int) -> None:
    model = registry.get_entry(name).outline()
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == learnt
    assert model.parameter_count == learnt + frozen


# ---- B: fusion -----------------------------------------------------------------------------------


def test_fusion_has_the_layers_of_the_table() -> None:
    model = create_model("fusion", extractor="none")
    assert outputs(model.encoder) == [64, 128, 128, 256, 256, 512, 512, 256]
    assert strides(model.encoder) == [2, 1, 2, 1, 2, 1, 1, 1]
    assert outputs(model.decoder) == [64, 64, 64, 32, 2]
    assert {c.kernel_size for part in (model.encoder, model.decoder) for c in convolutions(part)} == {(3, 3)}
    assert model.encoder(torch.zeros(1, 1, 64, 48)).shape == (1, 256, 8, 6)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in model.modules())
    raw = model.raw(pictures(64))
    assert raw.shape == (2, 2, 32, 32)  # the last of the three enlargements is the grain
    assert raw.abs().max() <= 1


def test_fusion_puts_the_embedding_at_every_place(timm: Any) -> None:
    model = create_model("fusion", **SMALL)
    fuse = next(convolutions(model.fuse))
    assert (fuse.in_channels, fuse.out_channels, fuse.kernel_size) == (256 + 1000, 256, (1, 1))
    seen: list[Tensor] = []
    model.fuse.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model.raw(pictures(48))
    said = model.extractor(pictures(48))
    assert seen[0].shape == (2, 1256, 6, 6)
    assert torch.allclose(seen[0][:, 256:], said[:, :, None, None].expand(-1, -1, 6, 6), atol=1e-4)


def test_future_work_of_paper_b_is_an_option() -> None:
    model = create_model("fusion", extractor="none", batch_norm=True, dropout=0.3)
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(norms) == 8 + 1 + 4  # after all convolutions but the last
    assert [m.p for m in model.modules() if isinstance(m, nn.Dropout2d)] == [0.3]


def test_the_extractor_sees_three_equal_channels_of_lightness(timm: Any) -> None:
    extractor = Extractor("test_resnet", size=64)
    seen: list[Tensor] = []
    extractor.network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    assert extractor(torch.full((2, 1, 40, 30), 70.0)).shape == (2, 1000)
    assert seen[0].shape == (2, 3, 64, 64)
    config = extractor.network.pretrained_cfg
    mean, std = (torch.tensor(config[key]).view(3, 1, 1) for key in ("mean", "std"))
    assert torch.allclose(seen[0] * std + mean, torch.tensor(0.7), atol=1e-5)


def test_a_random_extractor_tells_pictures_apart(timm: Any) -> None:
    said = Extractor("test_resnet")(pictures(64))
    assert torch.allclose(said.mean(1), torch.zeros(2), atol=1e-4)
    assert torch.allclose(said.std(1), torch.ones(2), atol=1e-2)
    assert (said[0] - said[1]).std() > 0.05


def test_the_extractor_is_frozen_and_its_statistics_too(timm: Any) -> None:
    model = create_model("fusion", **SMALL)
    assert model.extractor is not None
    before = {k: v.clone() for k, v in model.extractor.state_dict().items()}
    norms = [m for m in model.extractor.modules() if isinstance(m, nn.BatchNorm2d)]
    train_a_step(model)
    assert model.training
    assert norms
    assert not any(norm.training for norm in norms)
    assert all(p.grad is None for p in model.extractor.parameters())
    assert all(torch.equal(before[k], v) for k, v in model.extractor.state_dict().items())
    assert all(p.grad is not None for p in model.encoder.parameters())


def test_any_network_of_timms_is_an_extractor_and_nothing_else(timm: Any) -> None:
    assert create_model("fusion", extractor="test_efficientnet").extractor.width == 1000
    assert create_model("fusion", extractor="test_vit").extractor.size == 160
    with pytest.raises(UsageError, match="There is no extractor 'resnet-18'; give .* \\(timm has resnet18"):
        create_model("fusion", extractor="resnet-18")
    with pytest.raises(UsageError, match="There is no extractor 'hf-hub:timm/resnet18.a1_in1k'"):
        create_model("fusion", extractor="hf-hub:timm/resnet18.a1_in1k")
    with pytest.raises(UsageError, match="extractor_size must be a whole number from 32 on"):
        create_model("fusion", extractor="test_resnet", extractor_size=8)
    with pytest.raises(UsageError, match="takes pictures of 160×160 only; extractor_size cannot be 96"):
        create_model("fusion", extractor="test_vit", extractor_size=96)


@pytest.mark.slow
@pytest.mark.parametrize("name", KNOWN)
def test_what_is_known_of_the_papers_extractors_is_so(timm: Any, name: str) -> None:
    with torch.device("meta"):
        network = timm.create_model(KNOWN[name].timm_name)
    assert sum(p.numel() for p in network.parameters()) == KNOWN[name].parameters
    assert network.num_classes == 1000
    assert [k.size for k in KNOWN.values()] == [299, 224, 224]


def test_pretrained_weights_are_found_kept_and_not_needed_again(
    timm: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(5)
    source = timm.create_model("test_resnet").state_dict()
    save_file({k: v.contiguous() for k, v in source.items()}, tmp_path / "test_resnet.safetensors")
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    model = create_model("fusion", **SMALL).eval()
    assert model.pretrained
    taken = model.extractor.network.state_dict()
    assert all(torch.equal(taken[k], v) for k, v in source.items())
    assert not create_model("fusion", **SMALL, pretrained=False).pretrained
    said = model.extractor(pictures(64))
    expected = model.extractor.network((pictures(64) / 100).expand(-1, 3, -1, -1) * 2 - 1)
    assert torch.allclose(said, expected, atol=1e-4)  # as they are: the values before the softmax
    save_weights(tmp_path / "w.safetensors", model, name="fusion", options=SMALL, version="9")
    monkeypatch.delenv(FOLDER_VARIABLE)
    again = load_weights(tmp_path / "w.safetensors").model
    assert again.pretrained
    assert torch.equal(again.infer(pictures(40)), model.infer(pictures(40)))


def test_without_pretrained_weights_a_model_says_so(timm: Any) -> None:
    assert not create_model("fusion", **SMALL).pretrained
    assert not create_model("compact-vgg16").pretrained


def test_pretrained_weights_that_are_none_are_refused(
    timm: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    for name in ("test_resnet", "vgg16"):
        (tmp_path / f"{name}.pth").write_bytes(b"no weights at all")
    with pytest.raises(ModelError, match=r"test_resnet.pth' does not hold the weights of 'test_resnet': "):
        create_model("fusion", **SMALL)
    with pytest.raises(ModelError, match=r"vgg16.pth' does not hold the weights of VGG16: "):
        create_model("compact-vgg16")


def test_weights_are_looked_for_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = "https://example.org/models/net-1234.pth"
    assert find_weights("net", "timm/net", url) is None
    checkpoint = tmp_path / "torch" / "hub" / "checkpoints" / "net-1234.pth"
    cached = tmp_path / "model.safetensors"
    own = tmp_path / "net.pth"
    for found in (checkpoint, cached, own):
        found.parent.mkdir(parents=True, exist_ok=True)
        found.touch()
    assert find_weights("net", "timm/net", url) == checkpoint
    monkeypatch.setattr("vidcolor.models.extractors._hub_cache", lambda name: [cached] * (name == "timm/net"))
    assert find_weights("net", "timm/net", url) == cached
    assert find_weights("net", None, url) == checkpoint
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    assert find_weights("net", "timm/net", url) == own


def test_the_hub_cache_is_read_where_timm_writes_it(
    timm: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert hub_cache("timm/net") == []
    repository = tmp_path / "models--timm--net"
    weights = repository / "snapshots" / "0123" / "model.safetensors"
    for path, text in ((weights, ""), (repository / "refs" / "main", "0123")):
        path.parent.mkdir(parents=True)
        path.write_text(text)
    assert hub_cache("timm/net") == [weights]


def test_a_torchvision_whose_library_does_not_load_is_imported(tmp_path: Path) -> None:
    (tmp_path / "torchvision.py").write_text(
        "import torch\n"
        "for name in ('nms', 'qnms'):\n"  # as its _meta_registrations do
        "    torch.library.register_fake('torchvision::' + name)(lambda *_: None)\n"
    )
    code = "from vidcolor.models import extractors; extractors._import_torchvision(); import torchvision"
    subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(tmp_path), str(ROOT)))},
        timeout=100,
        check=True,
    )


def test_a_timm_that_fails_otherwise_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: str) -> None:
        raise RuntimeError("built for another torch")

    monkeypatch.setattr("vidcolor.models.extractors.import_module", fail)
    with pytest.raises(UsageError, match=r"timm, which cannot be imported \(built for another torch\)"):
        create_model("fusion")


def test_without_timm_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    monkeypatch.setattr("vidcolor.models.extractors._import_torchvision", lambda: None)
    with pytest.raises(UsageError, match=re.escape("pip install 'vidcolor[encoders]'")):
        create_model("fusion")
    assert create_model("fusion", extractor="none").infer(pictures(16)).shape == (2, 2, 16, 16)


# ---- D: two streams ------------------------------------------------------------------------------


def test_twostream_has_the_layers_of_the_figure() -> None:
    model = create_model("twostream")
    assert outputs(model.low) == [64, 128, 128, 256, 256, 512]
    assert strides(model.low) == [2, 1, 2, 1, 2, 1]
    assert outputs(model.whole) == [512, 512, 512, 512]
    assert strides(model.whole) == [2, 1, 2, 1]
    connected = [m for m in model.whole.modules() if isinstance(m, nn.Linear)]
    assert [m.out_features for m in connected] == [1024, 512, 256]
    assert connected[0].in_features == 512 * 4 * 4  # 112 after five strides of 2
    assert outputs(model.middle) == [512, 256]
    assert [(m.in_channels, m.out_channels) for m in convolutions(model.fuse)] == [(512, 256)]
    assert outputs(model.colour) == [128, 64, 64, 32, 2]
    assert model.raw(pictures(48)).shape == (2, 2, 24, 24)


def test_the_original_sizes_are_an_option() -> None:
    connected = create_model("twostream", global_size=224).whole.modules()
    assert next(m for m in connected if isinstance(m, nn.Linear)).in_features == 512 * 7 * 7


def test_both_streams_share_the_low_level_layers() -> None:
    model, seen = create_model("twostream", global_size=64), []
    model.low.register_forward_hook(lambda _, inputs, output: seen.append(inputs[0].shape[-2:]))
    model.raw(pictures(96))
    assert seen == [(64, 64), (96, 96)]


def test_rgb_has_three_output_streams() -> None:
    model = create_model("twostream", space="rgb", global_size=32)
    assert model.space == "rgb"
    assert outputs(model.colour) == 3 * [128, 64, 64, 32, 1]
    assert model.raw(pictures(32)).shape == (2, 3, 16, 16)
    assert create_model("twostream", global_size=32).space == "ab"


@pytest.mark.parametrize(("activation", "highest"), [("relu", math.inf), ("sigmoid", 1.0)])
def test_output_fills_the_spaces_range(activation: str, highest: float) -> None:
    torch.manual_seed(0)
    model = create_model("twostream", activation=activation, global_size=32)
    output = next(m for m in model.colour[0] if isinstance(m, nn.Conv2d))
    with torch.no_grad():
        assert model.raw(pictures(32)).abs().max() < 0.9  # it starts around the middle, neutral
        output.weight *= 1000
    raw = model.raw(pictures(32))
    assert -1 <= raw.min() < -0.99
    assert 0.99 < raw.max() <= highest
    assert model(pictures(32)).abs().max() <= 110


def test_what_is_at_one_end_of_a_picture_reaches_the_other() -> None:
    torch.manual_seed(0)
    model = create_model("twostream", global_size=32).eval()
    with torch.no_grad():
        near, far = pictures(192, 1), pictures(192, 1)
        far[..., 160:] = 0
        change = (model(far) - model(near)).abs()[..., :32]
        model.whole[-1].register_forward_hook(lambda _, __, output: output * 0)
        without = (model(far) - model(near)).abs()[..., :32]
    assert change.max() > 1e-3
    assert without.max() == 0


@pytest.mark.parametrize(
    ("name", "option", "value", "told"),
    [
        ("twostream", "space", "cbcr", "space must be ab or rgb"),
        ("twostream", "activation", "tanh", "activation must be one of relu, sigmoid"),
        ("twostream", "global_size", 100, "global_size must be a multiple of 8 from 32 on, not 100"),
        ("fusion", "dropout", 1.0, "dropout must be from 0 up to but not 1"),
        ("compact", "space", "rgb", "space must be ab or cbcr"),
        ("compact-classifier", "decoding", "best", "decoding must be one of annealed, mode, top, mean"),
        ("compact-dilated", "temperature", 0, "temperature must be"),
        ("compact-vgg16", "top", 0, "top must be"),
    ],
)
def test_impossible_values_are_refused(name: str, option: str, value: Any, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        create_model(name, **{option: value})


# ---- E: compact ----------------------------------------------------------------------------------


def test_compact_pools_enlarges_and_concatenates() -> None:
    model = create_model("compact")
    assert outputs(model.encoder) == [3, 12, 48, 48, 96, 96, 192, 192]
    assert [tap.shape[1:] for tap in model.encoder(pictures(32))] == [
        (12, 32, 32),
        (48, 16, 16),
        (96, 8, 8),
        (192, 4, 4),
    ]
    entering = [m.in_channels for m in convolutions(model.decoder.stages)]
    assert entering == [96 + 96, 96, 48 + 48, 48, 12 + 12, 24]
    assert outputs(model.head) == [2]
    assert set(strides(model)) == {1}
    assert {m.dilation for m in convolutions(model)} == {(1, 1)}
    assert model.raw(pictures(32)).shape == (2, 2, 32, 32)


def test_compact_speaks_lab_or_ycbcr() -> None:
    lightness = pictures(32)
    for space in ("ab", "cbcr"):
        model = create_model("compact", space=space)
        assert model.space == space
        nn.init.zeros_(model.head.weight)
        nn.init.constant_(model.head.bias, 0.0)
        assert model(lightness).abs().max() < 0.1  # no chroma is no colour in both
    model.head.bias.data = torch.tensor([0.3, 0.0])  # Cb up is towards blue: b falls
    assert (model(lightness)[:, 1].mean((1, 2)) < -10).all()


def test_every_colour_comes_back_from_ycbcr() -> None:
    levels = torch.tensor([0.0, 0.02, 0.3, 0.7, 1.0])
    lab = rgb_to_lab(torch.cartesian_prod(levels, levels, levels).T.reshape(1, 3, 5, 25))
    back = spaces.decode("cbcr", spaces.encode("cbcr", lab), lab[:, :1])
    assert (back - lab[:, 1:]).abs().max() < 0.05


@pytest.mark.parametrize("name", ["compact", *CLASSIFIERS])
def test_kernels_normalisation_and_starting_values(name: str) -> None:
    torch.manual_seed(0)
    model = create_model(name)
    learnt = [m for m in convolutions(model) if m.weight.requires_grad]
    assert {m.kernel_size for m in learnt} <= {(3, 3), (1, 1)}
    assert any(isinstance(m, nn.BatchNorm2d) for m in model.modules())
    for layer in learnt:  # Glorot and Bengio 2010, eq. 16
        area = layer.kernel_size[0] ** 2
        bound = math.sqrt(6 / (area * (layer.in_channels + layer.out_channels)))
        assert 0.8 * bound < layer.weight.abs().max() <= bound
        assert layer.bias is None or not layer.bias.any()


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_classifiers_choose_among_313_bins(name: str) -> None:
    model = create_model(name)
    assert model.space == "bins"
    side = 32 // model.grain
    assert model.raw(pictures(32)).shape == (2, 313, side, side)
    assert (model.decoding, model.temperature) == ("annealed", 0.38)


def test_decoding_is_an_option() -> None:
    torch.manual_seed(0)
    lightness = pictures(16)
    found = {}
    for decoding in ("annealed", "mode", "top", "mean"):
        model = create_model("compact-classifier", decoding=decoding)
        nn.init.zeros_(model.head.weight)
        model.head.bias.data = 4 * torch.randn(313, generator=torch.Generator().manual_seed(0))
        found[decoding] = model.infer(lightness)[0, :, 0, 0]
    assert (found["mode"] % 10 == 0).all()  # a bin's centre
    assert (found["top"] % 5 == 0).all()  # the mean of two
    spread = [float((found[k] - found["mode"]).norm()) for k in ("annealed", "mean")]
    assert 0 < spread[0] < spread[1]


@pytest.mark.parametrize("name", ["compact-dilated", "compact-dilated-concat"])
def test_dilated_ones_stride_and_do_not_pool(name: str) -> None:
    model = create_model(name)
    assert not any(isinstance(m, nn.MaxPool2d) for m in model.modules())
    assert outputs(model.encoder) == [3, 12, 24, 48, 48, 96, 96]
    assert strides(model.encoder) == [1, 1, 2, 1, 2, 1, 1]
    assert [m.dilation[0] for m in convolutions(model.dilated)] == [1, 3, 7, 1, 3, 7]
    assert {m.padding_mode for m in convolutions(model.dilated)} == {"replicate"}
    assert {m.padding_mode for m in convolutions(model.encoder)} == {"zeros"}
    assert model.dilated(model.encoder(pictures(64))[-1]).shape[-2:] == (16, 16)


def test_only_one_of_the_dilated_ones_concatenates() -> None:
    plain, both = create_model("compact-dilated"), create_model("compact-dilated-concat")
    assert [m.in_channels for m in convolutions(plain.decoder)] == [96, 96]
    assert [m.in_channels for m in convolutions(both.at_half)] == [48 + 48, 48]
    assert [m.in_channels for m in convolutions(both.at_full)] == [24 + 24, 48, 96]


def test_leaving_out_the_last_enlargement_changes_nothing() -> None:
    model, features = create_model("compact-dilated"), torch.rand(1, 96, 8, 8)
    enlarged = model.head(F.interpolate(features, scale_factor=2, mode="nearest"))
    assert torch.allclose(enlarged[..., ::2, ::2], model.head(features), atol=1e-5)
    assert torch.equal(enlarged[..., 1::2, 1::2], enlarged[..., ::2, ::2])


def test_vgg16_is_in_front_and_frozen() -> None:
    model = create_model("compact-vgg16")
    assert outputs(model.front) == [64, 64, 128, 128, 256, 256, 256, 512, 512, 512]
    assert [tap.shape[1:] for tap in model.front(pictures(32))] == [
        (64, 32, 32),
        (128, 16, 16),
        (256, 8, 8),
        (512, 4, 4),
    ]
    before = {k: v.clone() for k, v in model.front.state_dict().items()}
    train_a_step(model)
    assert all(p.grad is None for p in model.front.parameters())
    assert all(torch.equal(before[k], v) for k, v in model.front.state_dict().items())
    assert all(p.grad is not None for p in model.decoder.parameters())


@pytest.mark.parametrize("place", ["folder", "torch.hub"])
def test_vgg16_takes_its_published_weights(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = create_model("compact-vgg16").front.features.state_dict()
    published = {f"features.{k}": v + 1 for k, v in source.items()} | {"classifier.0.bias": torch.ones(3)}
    if place == "folder":
        monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
        save_file(published, tmp_path / "vgg16.safetensors")
    else:
        checkpoints = tmp_path / "torch" / "hub" / "checkpoints"
        checkpoints.mkdir(parents=True)
        torch.save(published, checkpoints / "vgg16-397923af.pth")
    model = create_model("compact-vgg16")
    assert model.pretrained
    assert torch.equal(model.front.features[0].weight, source["0.weight"] + 1)
    assert not model.front.features[0].weight.requires_grad
    assert not create_model("compact-vgg16", pretrained=False).pretrained
