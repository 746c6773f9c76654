"""Networks that OpenVINO computes: what they are told, what lies in their files, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.extras import need
from vidcolor.errors import ModelError, UsageError
from vidcolor.models import ColorModel, create_model, load_weights, resolve_model, save_weights
from vidcolor.models.converted import Converted, convert, import_openvino, save_converted


def small_unet(**options: object) -> ColorModel:
    """A U-Net that says something, and heeds what it is told."""
    torch.manual_seed(0)
    model = create_model("unet", widths=[8, 12], **options).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                torch.nn.init.normal_(parameter, std=0.2)
    return model


def pictures(height: int = 48, width: int = 64, count: int = 2) -> Tensor:
    return torch.rand(count, 1, height, width, generator=torch.Generator().manual_seed(1)) * 100


def test_without_the_package_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(UsageError, match=r"pip install 'vidcolor\[openvino\]'\.$"):
        convert(create_model("tiny"))


def test_nothing_is_reported_to_anybody() -> None:
    need("openvino")
    script = "import sys; from vidcolor.models.converted import import_openvino; import_openvino()"
    told = "; print(sys.modules['openvino_telemetry'])"
    found = subprocess.run([sys.executable, "-c", script + told], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["None"]


def test_what_is_known_beside_the_picture_reaches_it() -> None:
    need("openvino")
    model = small_unet(labels=["cat", "dog"], metadata=True)
    converted = convert(model)
    assert converted.labels == ("cat", "dog")
    assert converted.takes_metadata
    known = torch.rand(2, model.condition_width)
    told = converted.infer(pictures(), None, known)
    assert torch.allclose(told, model.infer(pictures(), None, known), atol=0.01)
    assert not torch.allclose(told, converted.infer(pictures()), atol=0.1)


def test_hints_of_a_network_with_gain_and_shade_come_out_as_by_torch() -> None:
    need("openvino")
    model = small_unet(gain=1.5, shade=30)
    hints = torch.tensor([60.0, 40.0, 1.0]).view(1, 3, 1, 1).repeat(2, 1, 48, 64)
    told = convert(model).infer(pictures(), hints)
    assert torch.allclose(told, model.infer(pictures(), hints), atol=0.01)


def test_two_looks_are_as_by_torch_at_every_size() -> None:
    need("openvino")
    model = small_unet(looks=2)
    converted = convert(model)
    for height, width in ((48, 64), (52, 100), (16, 20)):
        seen = pictures(height, width)
        hints = torch.rand(2, 3, height, width)
        hints[:, 2:] *= hints[:, 2:] > 0.8
        for given in (None, hints * torch.tensor([60.0, 40, 1])[:, None, None]):
            assert torch.allclose(converted.infer(seen, given), model.infer(seen, given), atol=0.01)


def test_the_same_pictures_give_the_same_colours_whatever_came_between() -> None:
    need("openvino")
    converted = convert(small_unet())
    first = converted.infer(pictures())
    kept = first.clone()
    for width in range(64, 104, 4):  # more sizes than are kept compiled
        converted.infer(pictures(width=width, count=1))
    assert torch.equal(first, kept)
    assert torch.equal(converted.infer(pictures()), kept)


def test_each_of_two_threads_gets_its_own_answer() -> None:
    """A film that was given up may still be asking when a worker begins with the next."""
    need("openvino")
    model = convert(resolve_model("default").model.eval())
    torch.manual_seed(0)
    shown = [100 * torch.rand(1, 1, 96, 128) for _ in range(2)]
    wanted = [model.infer(one) for one in shown]

    def others(number: int) -> int:
        return sum(not torch.equal(model.infer(shown[number]), wanted[number]) for _ in range(150))

    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(others, range(2))) == [0, 0]


def test_a_precision_this_cpu_has_not_is_refused() -> None:
    need("openvino")
    openvino = import_openvino()
    has = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    lacking = [name for name in ("bf16", "fp16") if name.upper() not in has]
    if not lacking:
        pytest.skip("this CPU has both")
    with pytest.raises(UsageError, match=f"no instructions for {lacking[0]}.*--precision fp32"):
        convert(create_model("tiny")).computed_in(lacking[0])


def test_a_size_that_openvino_cannot_compute_is_said() -> None:
    """Its sixth pooling has one pixel to halve, and rounds up; OpenVINO does not take that."""
    need("openvino")
    model = create_model("simple").eval()
    assert model.infer(pictures(32, 32)).isfinite().all()
    with pytest.raises(
        ModelError, match=r"OpenVINO cannot compute this network for pictures of 32x32: .+\.$"
    ):
        convert(model).infer(pictures(32, 32))


def test_a_file_holds_all_of_it(tmp_path: Path) -> None:
    need("openvino")
    converted = convert(small_unet(labels=["cat"]))
    path = tmp_path / "a.safetensors"
    options = {"widths": [8, 12], "labels": ["cat"]}
    save_converted(path, converted, name="unet", options=options, training={"seconds": 3}, version="9")
    loaded = resolve_model(path)
    assert isinstance(loaded.model, Converted)
    assert loaded.model.traits == converted.traits
    assert (loaded.name, loaded.options, loaded.training) == ("unet", options, {"seconds": 3})
    # What was read back is compiled in another order than what was just converted.
    assert torch.allclose(loaded.model.infer(pictures()), converted.infer(pictures()), atol=0.01)
    assert torch.equal(loaded.model.infer(pictures()), load_weights(path).model.infer(pictures()))
    assert [file.name for file in tmp_path.iterdir()] == ["a.safetensors"]


def test_files_of_different_networks_are_told_apart(tmp_path: Path) -> None:
    """A film's parts are gone on with only by the model that made the others, which is known by its state."""
    need("openvino")
    files = [tmp_path / f"{number}.safetensors" for number in range(2)]
    for path, model in zip(files, (create_model("tiny"), small_unet()), strict=True):
        save_converted(path, convert(model), name="any", version="9")
    states = [load_weights(path).model.state_dict()["digest"] for path in (*files, files[0])]
    assert torch.equal(states[0], states[2])
    assert not torch.equal(states[0], states[1])


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    need("openvino")
    path = tmp_path / "a.safetensors"
    save_converted(path, convert(small_unet()), name="unet", version="9")
    data = bytearray(path.read_bytes())
    for place in (len(data) // 2, len(data) - 40):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        with pytest.raises(ModelError, match="damaged"):
            load_weights(path)
    path.write_bytes(data[:-100])
    with pytest.raises(ModelError, match="not a readable weights file"):
        load_weights(path)


def test_words_that_do_not_fit_the_network_are_refused(tmp_path: Path) -> None:
    need("openvino")
    converted, path = convert(create_model("tiny")), tmp_path / "a.safetensors"
    for change in ({"takes_hints": False}, {"labels": ("a",)}, {"multiple": 0}, {"grain": True}):
        traits = type(converted.traits)(**{**_values(converted), **change})  # type: ignore[arg-type]
        save_converted(path, Converted(converted.graph, traits), name="tiny", version="9")
        with pytest.raises(ModelError, match="take"):
            load_weights(path)


def _values(model: Converted) -> dict[str, object]:
    names = ("multiple", "grain", "takes_hints", "labels", "takes_metadata", "parameters")
    return {name: getattr(model.traits, name) for name in names}


def test_a_weights_file_says_its_name_and_options(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_weights(path, create_model("tiny", width=4), name="tiny", options={"width": 4}, version="9")
    loaded = load_weights(path)
    assert (loaded.name, loaded.options) == ("tiny", {"width": 4})
