"""The stage with the network: sizes, rotation, batches, and memory that runs out."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import Tensor

from vidcolor.errors import UsageError, VidcolorError
from vidcolor.frames import ChromaLayout, ColorTags, Frame, Orientation, Timestamp, VideoInfo
from vidcolor.models import ColorModel, create_model
from vidcolor.models.spaces import AB_SCALE
from vidcolor.pipeline.colorist import Colorist, network_size
from vidcolor.pipeline.device import choose_batch_size, choose_device, choose_precision, is_out_of_memory
from vidcolor.pipeline.options import RunOptions


def video(
    width: int = 64,
    height: int = 48,
    *,
    rotation: int = 0,
    mirrored: bool = False,
    aspect: Fraction = Fraction(1),
    depth: int = 8,
) -> VideoInfo:
    return VideoInfo(
        index=0, codec="h264", width=width, height=height, pixel_format="yuv420p", bit_depth=depth,
        layout=ChromaLayout(1, 1), tags=ColorTags(), sample_aspect=aspect, rotation=rotation,
        field_order="progressive", time_base=Fraction(1, 24), average_rate=Fraction(24),
        frame_count=None, duration=None, mirrored=mirrored,
    )  # fmt: skip


def frames(count: int, width: int = 64, height: int = 48) -> list[Frame]:
    ramp = np.linspace(16, 235, width * height).reshape(height, width)
    return [
        Frame(np.roll(ramp, i, 1).astype(np.uint8), Timestamp(i, Fraction(1, 24)), 1, i) for i in range(count)
    ]


def colorist(
    model: ColorModel, info: VideoInfo, notices: list[str] | None = None, **options: object
) -> Colorist:
    options = {"device": "cpu", "network_size": 48, **options}
    said = notices if notices is not None else []
    return Colorist(model, info, RunOptions(**options), said.append)  # type: ignore[arg-type]


class Hungry(ColorModel):
    """Runs out of memory with more than ``limit`` pictures at once; says L of the corner as colour."""

    def __init__(self, limit: int, error: Exception) -> None:
        super().__init__()
        self.limit, self.error = limit, error
        self.calls: list[int] = []

    def raw(self, lightness: Tensor, hints: Tensor | None = None, condition: Tensor | None = None) -> Tensor:
        self.calls.append(len(lightness))
        if len(lightness) > self.limit:
            raise self.error
        return lightness[:, :, :1, :1].expand(-1, 2, *lightness.shape[-2:]) / AB_SCALE


class Echo(ColorModel):
    """Says what it is told, and elsewhere 10 and -20."""

    takes_hints = True

    def raw(self, lightness: Tensor, hints: Tensor | None = None, condition: Tensor | None = None) -> Tensor:
        own = torch.tensor([10.0, -20.0]).view(1, 2, 1, 1).expand(-1, 2, *lightness.shape[-2:])
        return (own if hints is None else torch.where(hints[:, 2:] > 0, hints[:, :2], own)) / AB_SCALE


def test_saturation_is_for_the_networks_own_colours_and_not_for_what_it_is_told() -> None:
    stage = colorist(Echo(), video(), saturation=1.5)
    hints = np.zeros((3, 48, 64), np.float32)
    hints[:, :, :32] = np.array((30.0, 12.0, 1.0))[:, None, None]
    for found, told, own in zip(stage.told(frames(1)[0], hints), (30, 12), (15, -30), strict=True):
        np.testing.assert_allclose(found[:, :32], told, rtol=1e-5)
        np.testing.assert_allclose(found[:, 32:], own, rtol=1e-5)


OUT_OF_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory."),
    RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory"),
    MemoryError(),
]


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=lambda e: type(e).__name__)
def test_no_frame_is_lost_when_memory_runs_out(error: Exception) -> None:
    model, notices = Hungry(2, error), []
    shown = frames(11)
    found = list(colorist(model, video(), notices, batch_size=8).color(shown))
    assert [item.frame for item in found] == shown
    table = colorist(model, video()).lightness_of
    for item in found:
        assert item.ab[0][0, 0] == pytest.approx(table[item.frame.luma[:1, :1]].item(), abs=3)
    assert model.calls[:3] == [8, 4, 2]
    assert set(model.calls[3:]) <= {1, 2}
    assert notices == [
        "Memory ran out on cpu; it goes on with 4 frames at once.",
        "Memory ran out on cpu; it goes on with 2 frames at once.",
    ]


def test_too_little_memory_for_one_picture_is_said() -> None:
    with pytest.raises(
        VidcolorError, match="Not enough memory on cpu for one picture of 64x48; give a smaller"
    ):
        list(colorist(Hungry(0, OUT_OF_MEMORY[0]), video(), batch_size=4).color(frames(4)))


def test_other_errors_of_the_network_come_through() -> None:
    with pytest.raises(RuntimeError, match="shapes"):
        list(colorist(Hungry(0, RuntimeError("shapes do not match")), video()).color(frames(4)))


def test_batches_of_any_size_give_the_same_colour() -> None:
    shown = frames(7)
    one, four = (list(colorist(create_model("tiny"), video(), batch_size=n).color(shown)) for n in (1, 4))
    for a, b in zip(one, four, strict=True):
        assert np.allclose(a.ab[0], b.ab[0], atol=1e-3)


def test_saturation_is_a_factor() -> None:
    shown = frames(2)
    full, half = (
        list(colorist(create_model("tiny"), video(), saturation=s).color(shown)) for s in (1.0, 0.5)
    )
    assert np.allclose(full[1].ab[1] * 0.5, half[1].ab[1], atol=1e-4)
    assert np.ptp(full[1].ab[1]) > 1


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_the_network_sees_the_film_upright(rotation: int, mirrored: bool) -> None:
    """A film stored on its side gives the colour of the upright one, turned."""
    upright = frames(1, 96, 64)[0]
    way = Orientation(rotation // 90, mirrored)
    stored = Frame(np.ascontiguousarray(way.stored(upright.luma)), upright.time, 1, 0)
    height, width = stored.luma.shape
    info = video(width, height, rotation=rotation, mirrored=mirrored)
    straight = next(iter(colorist(create_model("tiny"), video(96, 64), network_size=64).color([upright])))
    turned = next(iter(colorist(create_model("tiny"), info, network_size=64).color([stored])))
    assert turned.ab[0].shape == stored.luma.shape
    assert np.allclose(way.upright(turned.ab[0]), straight.ab[0], atol=1e-3)


@pytest.mark.parametrize(
    ("width", "height", "aspect", "multiple", "expected"),
    [
        (1280, 720, Fraction(1), 32, (192, 352)),
        (720, 1280, Fraction(1), 32, (352, 192)),
        (640, 480, Fraction(1), 1, (192, 256)),
        (720, 576, Fraction(64, 45), 1, (192, 341)),
        (1, 1, Fraction(1), 32, (192, 192)),
        (10_000, 16, Fraction(1), 32, (192, 1152)),
        (16, 10_000, Fraction(1), 32, (1152, 192)),
    ],
)
def test_network_size(
    width: int, height: int, aspect: Fraction, multiple: int, expected: tuple[int, int]
) -> None:
    assert network_size(video(width, height, aspect=aspect), 192, multiple) == expected


@pytest.mark.parametrize(
    ("name", "amx", "bf16", "precision"),
    [
        ("Intel(R) Xeon(R)", True, True, torch.bfloat16),
        ("Intel(R) Xeon(R)", False, True, torch.float32),
        ("AMD EPYC", False, True, torch.bfloat16),
        ("AMD EPYC", False, False, torch.float32),
    ],
)
def test_a_cpu_computes_in_bf16_only_where_it_gains_by_it(
    monkeypatch: pytest.MonkeyPatch, name: str, amx: bool, bf16: bool, precision: torch.dtype
) -> None:
    can = {"cpu_name": name, "avx512_bf16": bf16}
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: can, raising=False)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    assert choose_precision("auto", torch.device("cpu")) == precision


def test_a_torch_that_does_not_know_its_cpu_computes_in_fp32(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_is_amx_tile_supported", "get_capabilities"):
        monkeypatch.delattr(torch.cpu, name, raising=False)
    assert choose_precision("auto", torch.device("cpu")) == torch.float32


def test_ten_bit_frames_are_the_same_picture() -> None:
    eight = frames(1)[0]
    ten = Frame(eight.luma.astype(np.uint16) << 2, eight.time, 1, 0)
    a = next(iter(colorist(create_model("tiny"), video()).color([eight])))
    b = next(iter(colorist(create_model("tiny"), video(depth=10)).color([ten])))
    assert np.allclose(a.ab[0], b.ab[0], atol=0.3)


def test_devices() -> None:
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device("auto").type in ("cpu", "cuda", "mps")
    for name in ("cuda:99", "tpu", "meta", "xpu"):
        with pytest.raises(UsageError, match=name):
            choose_device(name)
    assert choose_precision("fp32", torch.device("cuda")) == torch.float32
    assert choose_precision("fp16", torch.device("cpu")) == torch.float16
    assert choose_batch_size(7, torch.device("cpu"), 100) == 7
    assert choose_batch_size(None, torch.device("cpu"), 100) > 0
    assert is_out_of_memory(torch.OutOfMemoryError("x"))
    assert not is_out_of_memory(RuntimeError("x"))
    assert not is_out_of_memory(ValueError("out of memory"))
