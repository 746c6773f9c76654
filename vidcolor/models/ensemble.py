"""Networks that learnt by themselves and are asked together: what they agree on is more often right."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from vidcolor.errors import UsageError
from vidcolor.models.base import ColorModel
from vidcolor.models.doubt import faded
from vidcolor.models.spaces import AB_SCALE
from vidcolor.models.unet import UNet

__all__ = ["Ensemble"]


class Ensemble(ColorModel):
    """The mean of what several U-Nets say, fading where they differ.

    Networks that begin and are fed differently err differently on what none of them knows (Lakshminarayanan
    et al. 2017, deep ensembles), so their difference tells how far a colour is to be believed.

    Args:
        members: the options of each, see :class:`~vidcolor.models.unet.UNet`; none with labels or metadata.
        doubt: how far their colour fades where they differ, see :func:`vidcolor.models.doubt.faded`; 0: not.

    Raises:
        UsageError: a value is none of these.
    """

    grain = UNet.grain
    takes_hints = True

    def __init__(self, members: Sequence[Mapping[str, Any]] = ({}, {}), doubt: float = 6.0) -> None:
        super().__init__()
        listed = isinstance(members, Sequence) and all(isinstance(one, Mapping) for one in members)
        if not listed or not members:
            raise UsageError(f"members must be the options of one network or more, not {members!r}.")
        if isinstance(doubt, bool) or not isinstance(doubt, int | float) or not 0 <= doubt < math.inf:
            raise UsageError(f"doubt must be a number, 0 or more, not {doubt!r}.")
        self.doubt = float(doubt)
        networks = [UNet(**options) for options in members]
        if any(network.condition_width for network in networks):
            raise UsageError("Members of an ensemble take no labels and no metadata.")
        self.members = nn.ModuleList(networks)
        self.multiple = max(network.multiple for network in networks)

    @property
    def networks(self) -> list[UNet]:
        """Its members; training goes on from the first where one network is wanted."""
        return [network for network in self.members if isinstance(network, UNet)]

    def raw(self, lightness: Tensor, hints: Tensor | None = None, condition: Tensor | None = None) -> Tensor:
        said = [member.ab_at_grain(lightness, hints, None) for member in self.networks]
        with torch.autocast(lightness.device.type, enabled=False):
            mean = torch.stack(said).mean(0)
            return faded(mean, said, self.doubt, self.grain) / AB_SCALE
