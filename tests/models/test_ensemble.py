"""Networks asked together."""

from pathlib import Path
from typing import Any

import pytest
import torch

from vidcolor.errors import ModelError, UsageError
from vidcolor.models import ColorModel, create_model, save_weights
from vidcolor.models.doubt import faded
from vidcolor.models.ensemble import Ensemble
from vidcolor.training.options import ModelOptions
from vidcolor.training.state import build_model

OPTIONS: dict[str, Any] = {"members": [{"widths": [4, 8], "gain": 1.5}, {"widths": [4, 12, 8]}], "doubt": 2.0}


def ensemble(**changes: Any) -> Ensemble:
    """Two small networks that say something."""
    torch.manual_seed(3)
    model = create_model("ensemble", **(OPTIONS | changes)).eval()
    assert isinstance(model, Ensemble)
    for network in model.networks:
        torch.nn.init.normal_(network.head.weight, std=0.3)
    return model


def test_where_members_differ_their_mean_fades() -> None:
    lightness = torch.rand(1, 1, 32, 32) * 100
    model = ensemble()
    assert model.multiple == 8
    one, other = (network(lightness)[..., ::2, ::2] for network in model.networks)
    mean = (one + other) / 2
    left = faded(mean, [one, other], 2.0, 2)
    torch.testing.assert_close(model(lightness)[..., ::2, ::2], left)
    assert left.square().sum() < 0.9 * mean.square().sum()
    torch.testing.assert_close(ensemble(doubt=0)(lightness)[..., ::2, ::2], mean)


def test_what_members_agree_on_is_left_alone() -> None:
    model = ensemble(members=[{"widths": [4, 8]}, {"widths": [4, 8]}], doubt=50.0)
    model.networks[1].load_state_dict(model.networks[0].state_dict())
    lightness = torch.rand(1, 1, 32, 32) * 100
    torch.testing.assert_close(model(lightness), model.networks[0](lightness), rtol=1e-3, atol=1e-3)


def test_a_place_keeps_the_share_that_the_formula_says() -> None:
    ab = torch.full((1, 2, 8, 8), 3.0)
    # c = 18, d = (8 + 32) / 2 = 20
    assert torch.allclose(faded(ab, [ab + 2, ab - 4], 0.9, 1), ab / 2, atol=1e-4)
    assert torch.allclose(faded(ab, [ab + 2, ab - 4], 3.6, 1), ab / 9, atol=1e-4)
    assert torch.allclose(faded(ab, [ab + 2, ab - 4], 0.0, 1), ab)
    assert not faded(torch.zeros(1, 2, 8, 8), [ab], 1.0, 1).any()


def test_what_is_said_around_a_place_counts_as_much() -> None:
    """What networks agree on in the midst of what they do not know fades with it; what is far does not."""
    ab = torch.full((1, 2, 24, 80), 10.0)
    apart = ab.clone()
    apart[..., :24] = -10.0
    apart[..., 8:16, 8:16] = 10.0
    left = faded(ab, [ab, apart], 6.0, 2)
    assert left[..., 8:16, 8:16].max() < 3
    assert torch.allclose(left[..., 36:], ab[..., 36:])


def test_every_member_is_told_what_is_known() -> None:
    model = ensemble(doubt=0)
    for network in model.networks:
        torch.nn.init.normal_(network.stem.weight)
    lightness, hints = torch.rand(1, 1, 32, 32) * 100, torch.rand(1, 3, 32, 32)
    wanted = sum(network(lightness, hints) for network in model.networks) / 2
    torch.testing.assert_close(model(lightness, hints), wanted)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"members": []}, "members must be the options of one network or more"),
        ({"members": 3}, "members must be the options of one network or more"),
        ({"members": ["unet"]}, "members must be the options of one network or more"),
        ({"members": [{"gain": 9}]}, "gain must be a number above 0"),
        ({"members": [{"metadata": True}]}, "Members of an ensemble take no labels and no metadata"),
        ({"doubt": -1}, "doubt must be a number, 0 or more"),
        ({"doubt": True}, "doubt must be a number, 0 or more"),
        ({"doubt": float("nan")}, "doubt must be a number, 0 or more"),
    ],
)
def test_wrong_options_are_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        create_model("ensemble", **(OPTIONS | changes))


def test_training_goes_on_from_the_first_member_or_from_all(tmp_path: Path) -> None:
    model, file = ensemble(), tmp_path / "w.safetensors"
    save_weights(file, model, name="ensemble", options=OPTIONS, version="9")
    lightness = torch.rand(1, 1, 32, 32) * 100

    def begun(name: str, options: dict[str, Any]) -> ColorModel:
        return build_model(ModelOptions(name=name, options=options, weights=str(file))).eval()

    alone = begun("unet", {"widths": [4, 8]})
    torch.testing.assert_close(alone(lightness), model.networks[0](lightness) / 1.5)
    assert torch.equal(begun("ensemble", OPTIONS)(lightness), model(lightness))
    with pytest.raises(ModelError, match="are not of model 'unet' with these options"):
        begun("unet", {"widths": [4, 12, 8]})
