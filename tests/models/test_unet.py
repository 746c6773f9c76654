"""Our own network's options."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from vidcolor.errors import UsageError
from vidcolor.models import create_model, resolve_model, save_weights
from vidcolor.models.spaces import AB_SCALE


def test_gain_is_on_the_networks_own_colour_and_neither_on_what_losses_see_nor_on_what_it_is_told() -> None:
    torch.manual_seed(0)
    plain = create_model("unet", widths=[4, 8]).eval()
    torch.nn.init.normal_(plain.head.weight)
    loud = create_model("unet", widths=[4, 8], gain=2.0).eval()
    loud.load_state_dict(plain.state_dict())
    lightness = torch.rand(1, 1, 32, 32) * 100
    assert torch.equal(loud.raw(lightness), plain.raw(lightness))
    torch.testing.assert_close(loud(lightness), 2 * plain(lightness))
    torch.nn.init.normal_(plain.stem.weight)
    loud.load_state_dict(plain.state_dict())
    hints = torch.cat((torch.rand(1, 2, 32, 32) * 60 - 30, torch.ones(1, 1, 32, 32)), 1)
    torch.testing.assert_close(loud(lightness, hints * torch.tensor([2, 2, 1])[:, None, None]),
                               2 * plain(lightness, hints))  # fmt: skip
    for wrong in (0, -1, 4, True, "much"):
        with pytest.raises(UsageError, match="gain must be a number above 0 and at most 3"):
            create_model("unet", gain=wrong)


@pytest.mark.parametrize("gain", [0.5, 1.7, 3.0])
def test_what_it_is_told_comes_out_of_the_gain_as_it_was_told(
    monkeypatch: pytest.MonkeyPatch, gain: float
) -> None:
    """A network that says again what it is told shows it."""
    model = create_model("unet", widths=[4, 8], gain=gain).eval()
    heard: list[torch.Tensor] = []

    def raw(lightness: torch.Tensor, hints: torch.Tensor, condition: None = None) -> torch.Tensor:
        heard.append(model.at_grain(hints[:, :2]))
        return heard[-1] / AB_SCALE

    monkeypatch.setattr(model, "raw", raw)
    told = torch.tensor([[0.5, -0.2], [8, 3], [-20, 15], [60, -70], [0, 0]]).T[None, :, :, None]
    told = told.repeat_interleave(16, 2).repeat_interleave(80, 3)
    hints = torch.cat((told, torch.ones_like(told[:, :1])), 1)
    shown = model(torch.full_like(told[:, :1], 60.0), hints)
    assert (heard[0] - model.at_grain(told)).abs().max() > 0.5
    assert ((shown - told).norm(dim=1) <= 1e-4 * told.norm(dim=1) + 1e-4).all()


def test_in_the_shade_colour_fades_to_none_at_black() -> None:
    torch.manual_seed(0)
    plain = create_model("unet", widths=[4, 8]).eval()
    torch.nn.init.normal_(plain.head.weight)
    shaded = create_model("unet", widths=[4, 8], shade=40.0).eval()
    shaded.load_state_dict(plain.state_dict())
    squares = torch.rand(1, 1, 16, 16) * 100
    lightness = squares.repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert torch.equal(shaded.raw(lightness), plain.raw(lightness))
    said, wanted = shaded(lightness), plain(lightness)
    assert torch.equal(said[(lightness >= 40).expand_as(said)], wanted[(lightness >= 40).expand_as(said)])
    torch.testing.assert_close(said, wanted * (lightness / 40).clamp(max=1))
    assert shaded(torch.zeros(1, 1, 32, 32)).abs().max() == 0
    assert plain(torch.zeros(1, 1, 32, 32)).abs().max() > 0
    for wrong in (-1, 101, True, "much"):
        with pytest.raises(UsageError, match="shade must be a lightness from 0 to 100"):
            create_model("unet", shade=wrong)


def test_what_it_is_told_in_the_shade_comes_out_as_it_was_told() -> None:
    torch.manual_seed(0)
    plain = create_model("unet", widths=[4, 8]).eval()
    for weight in (plain.head.weight, plain.stem.weight):
        torch.nn.init.normal_(weight)
    shaded = create_model("unet", widths=[4, 8], shade=40.0, gain=2.0).eval()
    shaded.load_state_dict(plain.state_dict())
    hints = torch.cat((torch.rand(1, 2, 32, 32) * 60 - 30, torch.ones(1, 1, 32, 32)), 1)
    # A third of a gain of two is left at a third of the shade's lightness, and below no more is made good.
    for level, told, left in ((20.0, 1.0, 1.0), (40 / 3, 2 / 3, 2 / 3), (4.0, 2 / 3, 0.2), (80.0, 2.0, 2.0)):
        lightness = torch.full((1, 1, 32, 32), level)
        wanted = left * plain(lightness, torch.cat((hints[:, :2] / told, hints[:, 2:]), 1))
        torch.testing.assert_close(shaded(lightness, hints), wanted)


def test_two_looks_are_the_mean_of_one_here_and_one_from_further_away() -> None:
    torch.manual_seed(0)
    once = create_model("unet", widths=[4, 8]).eval()
    torch.nn.init.normal_(once.head.weight)
    twice = create_model("unet", widths=[4, 8], looks=2, shade=40.0, gain=2.0).eval()
    shaded = create_model("unet", widths=[4, 8], shade=40.0, gain=2.0).eval()
    for model in (twice, shaded):
        model.load_state_dict(once.state_dict())
    lightness = torch.rand(1, 1, 48, 72) * 100
    assert torch.equal(twice.raw(lightness), once.raw(lightness))
    far = F.interpolate(lightness, (32, 48), mode="bilinear")
    told = [
        F.interpolate(shaded.ab_at_grain(seen, None, None), (24, 36), mode="bilinear")
        for seen in (lightness, far)
    ]
    assert (told[0] - told[1]).abs().max() > 1
    torch.testing.assert_close(twice.ab_at_grain(lightness, None, None), (told[0] + told[1]) / 2)
    for wrong in (0, 3, 1.5, True, "often", [2]):
        with pytest.raises(UsageError, match="looks must be 1 or 2"):
            create_model("unet", looks=wrong)


@pytest.mark.parametrize("side", [16, 20, 36, 100, 132])
def test_two_looks_take_any_size(side: int) -> None:
    model = create_model("unet", widths=[4, 8], looks=2).eval()
    assert model(torch.rand(1, 1, side, 64) * 100, torch.rand(1, 3, side, 64)).shape == (1, 2, side, 64)


def test_every_hint_is_heard_at_both_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    model = create_model("unet", widths=[4, 8], looks=2).eval()
    heard: list[torch.Tensor] = []

    def raw(lightness: torch.Tensor, hints: torch.Tensor, condition: None = None) -> torch.Tensor:
        heard.append(hints)
        return model.at_grain(hints[:, :2])

    monkeypatch.setattr(model, "raw", raw)
    for row in range(24):
        heard.clear()
        hints = torch.zeros(1, 3, 24, 36)
        hints[0, :, row, 35 - row] = torch.tensor([40.0, -30.0, 0.7])
        model(torch.full((1, 1, 24, 36), 60.0), hints)
        near, far = heard
        assert torch.equal(near, hints)
        assert far.shape == (1, 3, 16, 24)
        assert far[0, 2].max() == pytest.approx(0.7)
        assert (far[0, 2] > 0).sum() <= 9
        said = far[0, :2, far[0, 2] > 0]
        torch.testing.assert_close(said, torch.tensor([[40.0], [-30.0]]).expand_as(said))


def test_a_second_look_can_be_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "w.safetensors"
    save_weights(
        file, create_model("unet", widths=[4, 8]), name="unet", options={"widths": [4, 8]}, version="9"
    )
    once, twice = (resolve_model(file, [("looks", looks)]) for looks in "12")
    assert twice.options == {"widths": [4, 8], "looks": 2}
    for name, value in once.model.state_dict().items():
        assert torch.equal(value, twice.model.state_dict()[name])
    with pytest.raises(UsageError, match="looks must be 1 or 2"):
        resolve_model(file, [("looks", "3")])
