"""What computes the network: the same film by torch, torch.compile and OpenVINO, and what is refused."""

from __future__ import annotations

import shutil
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import vidcolor
from tests.clips import decode_luma, decode_pts, make_clip
from tests.extras import need
from tests.models.test_contract_all import chroma_spread
from tests.models.test_converted import pictures
from vidcolor.errors import ModelError, UsageError
from vidcolor.models import ColorModel, create_model
from vidcolor.models.converted import convert, save_converted
from vidcolor.pipeline.backend import backend_device, infer_with
from vidcolor.pipeline.batch.settings import check
from vidcolor.pipeline.options import EncoderOptions, RunOptions


def coloured(source: Path, result: Path, **options: object) -> list[np.ndarray]:
    """Cb and Cr of each frame, in codes."""
    chosen = {"model": "tiny", "network_size": 32, "device": "cpu", **options}
    vidcolor.colorize(source, result, RunOptions(encoder=EncoderOptions(codec="ffv1"), **chosen))  # type: ignore[arg-type]
    import av

    with av.open(str(result)) as container:
        return [f.reformat(format="yuv444p").to_ndarray() for f in container.decode(video=0)]


@pytest.mark.parametrize("every", [None, 3])
def test_openvino_colours_a_film_as_torch_does(tmp_path: Path, every: int | None) -> None:
    need("openvino")
    source = make_clip(tmp_path / "a.mkv", frames=6, size=(64, 48))
    one = coloured(source, tmp_path / "torch.mkv", anchor_every=every)
    other = coloured(source, tmp_path / "openvino.mkv", anchor_every=every, backend="openvino")
    assert np.abs(np.stack(one).astype(int) - np.stack(other)).max() <= 1
    assert chroma_spread(tmp_path / "openvino.mkv") > 1
    assert decode_pts(tmp_path / "openvino.mkv") == decode_pts(source)
    for pair in zip(decode_luma(source), decode_luma(tmp_path / "openvino.mkv"), strict=True):
        assert np.array_equal(*pair)
    again = coloured(source, tmp_path / "again.mkv", anchor_every=every, backend="openvino")
    assert np.array_equal(np.stack(again), np.stack(other))


def test_a_file_for_openvino_is_a_model_like_any_other(tmp_path: Path) -> None:
    need("openvino")
    source, file = make_clip(tmp_path / "a.mkv", frames=3, size=(64, 48)), tmp_path / "tiny.safetensors"
    save_converted(file, convert(create_model("tiny")), name="tiny", version="9")
    one = coloured(source, tmp_path / "b.mkv", backend="openvino")
    other = coloured(source, tmp_path / "c.mkv", model=str(file))
    assert np.abs(np.stack(one).astype(int) - np.stack(other)).max() <= 1
    with pytest.raises(UsageError, match="leave out --backend compile"):
        coloured(source, tmp_path / "d.mkv", model=str(file), backend="compile")


def test_openvino_is_for_the_cpu() -> None:
    need("openvino")
    model = create_model("tiny")
    assert backend_device(model, RunOptions(backend="openvino")) == torch.device("cpu")
    with pytest.raises(UsageError, match="on the CPU, not on 'cuda'; give --device cpu"):
        backend_device(model, RunOptions(backend="openvino", device="cuda"))


def test_a_batch_finds_before_its_first_film_that_openvino_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(UsageError, match="OpenVINO is not installed"):
        check(RunOptions(model="tiny", backend="openvino"), ["auto"])


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_a_compiled_network_says_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    model = create_model("tiny").eval()
    infer = infer_with(model, RunOptions(backend="compile"), torch.float32)
    wanted = model.infer(pictures())
    assert torch.allclose(infer(pictures(), None, None), wanted, atol=1e-3)
    assert list(tmp_path.rglob("*.so"))  # it was


def test_films_of_many_sizes_are_compiled_in_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    plainly = partial(torch.compile, backend="eager")  # as far as code is made of it, which takes long
    monkeypatch.setattr(torch, "compile", plainly)
    model = create_model("tiny").eval()
    infer = infer_with(model, RunOptions(backend="compile"), torch.float32)
    for width in range(32, 44):
        shown = pictures(width=width)
        assert torch.allclose(infer(shown, None, None), model.infer(shown), atol=1e-3)


class Broken(ColorModel):
    """Does what cannot be compiled."""

    def raw(self, lightness: Tensor, hints: Tensor | None = None, condition: Tensor | None = None) -> Tensor:
        torch._dynamo.graph_break()
        return lightness.expand(-1, 2, -1, -1)


def test_what_cannot_be_compiled_is_said_and_not_computed_otherwise() -> None:
    infer = infer_with(Broken().eval(), RunOptions(backend="compile"), torch.float32)
    with pytest.raises(
        ModelError, match=r"torch\.compile cannot make this network \(.+\); try --backend torch"
    ):
        infer(pictures(), None, None)
