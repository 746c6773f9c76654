"""Our own network's options."""

import pytest
import torch

from vidcolor.errors import UsageError
from vidcolor.models import create_model


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
