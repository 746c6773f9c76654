"""Our own network's options."""

import pytest
import torch

from vidcolor.errors import UsageError
from vidcolor.models import create_model


def test_gain_is_on_the_colour_and_not_on_what_losses_see() -> None:
    torch.manual_seed(0)
    plain = create_model("unet", widths=[4, 8]).eval()
    torch.nn.init.normal_(plain.head.weight)
    loud = create_model("unet", widths=[4, 8], gain=1.5).eval()
    loud.load_state_dict(plain.state_dict())
    lightness = torch.rand(1, 1, 32, 32) * 100
    assert torch.equal(loud.raw(lightness), plain.raw(lightness))
    torch.testing.assert_close(loud(lightness), 1.5 * plain(lightness))
    for wrong in (0, -1, 4, True, "much"):
        with pytest.raises(UsageError, match="gain must be a number above 0 and at most 3"):
            create_model("unet", gain=wrong)
