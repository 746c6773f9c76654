"""Which anchor to believe, pixel by pixel: a small network that mixes what both have carried to a frame.

Its inputs are what plain propagation weighs by hand (how well a pixel was followed, photometric agreement,
distance), and it starts as that: with its last layer at zero it changes nothing. It works at a small
size, and says how far to go by what is seen at a finer one. Where neither is to be believed, the colours of
the surroundings are taken.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidcolor.temporal.surroundings import around, around_alike
from vidcolor.temporal.track import PHOTOMETRIC

__all__ = ["BlendNet", "Carried", "Mixture", "load_blend", "mix"]

CHROMA_SCALE = 32.0
"""Chroma, in 8-bit codes from neutral, that the network sees as 1."""
LOGIT_SCALE = 4.0
_GATE_SCALE, _WIDEST_GATE = 2.0, 4.0
_TRACE_SCALE = 12.0
_DIFFERENCE_LIMIT = 64.0
_INPUTS = 17
_OUTPUTS = 6
"""Logits of the first anchor's share, and of what is kept of the mixture; how far these two go by the traces,
and by what is seen pixel by pixel; how strong the surroundings' colour is taken, and of which
surroundings."""
_GRAIN = 2
"""Pixels a side that are one to the network."""
_STRONG = 4.0
"""Logit of the surroundings' strength that the network starts from."""
_CALMEST = 0.5
"""Strength that is left at least: what comes into a picture must not look grey."""
_TRACE_SHARE, _TRACE_KEPT = 0.5, 0.25
"""Powers of the trace that weigh one anchor against the other, and both against the surroundings."""
_GONE, _GONE_SOFTLY = -16.0, 1.5
"""Trace from which down, and over which width, a thing is gone from an anchor."""
_UNLIKE, _LEAST_KEPT = 8.0, 6.0
"""Difference in codes, a mean of both anchors', by whose square over this one's less is kept of what is gone
from both; and by how much at most. Logits."""
_NEAREST = 1e-6
_DOUBTFUL = 0.01
"""Weight at which plain propagation takes half of the surroundings' colour."""


@dataclass(slots=True)
class Carried:
    """What one anchor has carried to frames; a batch ``(B, …)`` float32, at two sizes."""

    chroma: Tensor
    """``(B, 2, h, w)``: Cb and Cr in 8-bit codes from neutral."""
    traced: Tensor
    """``(B, 1, h, w)``: natural logarithm of how well the way there was traced, at most 0; that of
    :data:`~vidcolor.temporal.track.LOST` everywhere: there is no such anchor."""
    difference: Tensor
    """``(B, 1, h, w)``: the anchor's luma less the frame's, 8-bit codes."""
    finely: Tensor
    """The same at the fine size, ``(B, 1, H, W)``."""

    @property
    def trust(self) -> Tensor:
        """Of the way there, ``(B, 1, h, w)`` in [0, 1], not forgiven."""
        return self.traced.exp()

    @property
    def belief(self) -> Tensor:
        """Trust in the way and in what it leads to, ``(B, 1, h, w)`` in [0, 1]."""
        return self.trust * torch.exp(-_apart(self.difference))

    @property
    def alike(self) -> Tensor:
        """How alike both are, ``(B, 1, H, W)``, a logarithm. What differs much is not all the more unlike:
        light and shade go over things."""
        return -torch.log1p(_apart(self.finely))


def _apart(difference: Tensor) -> Tensor:
    return (difference * difference).mul_(1 / PHOTOMETRIC**2)


def _enlarged(planes: Tensor, like: Tensor) -> Tensor:
    if planes.shape[-2:] == like.shape[-2:]:
        return planes
    return F.interpolate(planes, size=like.shape[-2:], mode="bilinear", align_corners=False)


@dataclass(slots=True)
class Mixture:
    """How to mix."""

    share: Tensor
    """``(B, 1, H, W)`` in [0, 1]: of the anchor before; the anchor after has the rest."""
    kept: Tensor
    """``(B, 1, H, W)`` in [0, 1]: of that mixture; the surroundings have the rest."""
    around: Tensor
    """``(B, 2, h, w)``: what is believed of the surroundings, Cb and Cr in 8-bit codes from neutral."""

    def of(self, before: Tensor, after: Tensor) -> Tensor:
        """The mixture of chroma ``(B, 2, H, W)``."""
        around = _enlarged(self.around, before)
        return around + self.kept * (after + self.share * (before - after) - around)


class BlendNet(nn.Module):
    """Works at half of its input's size, with two levels below; any size."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        middle, low = 2 * width, 3 * width
        self.stem = nn.Conv2d(_INPUTS, width, _GRAIN, _GRAIN)
        self.fine = _conv(width, width)
        self.down = _conv(width, middle, 2)
        self.middle = _conv(middle, middle)
        self.down_again = _conv(middle, low, 2)
        self.low = nn.ModuleList(_conv(low, low) for _ in range(2))
        self.lift = nn.Conv2d(low, middle, 1)
        self.up = _conv(middle, middle)
        self.lift_again = nn.Conv2d(middle, width, 1)
        self.up_again = _conv(width, width)
        self.head = nn.Conv2d(width, _OUTPUTS * _GRAIN**2, 1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """``(B, 17, h, w)`` of :func:`_features` to ``(B, 6, h, w)``."""
        height, width = x.shape[-2:]
        if height % _GRAIN or width % _GRAIN:
            x = F.pad(x, (0, width % _GRAIN, 0, height % _GRAIN), mode="replicate")
        x = self.stem(x.contiguous(memory_format=torch.channels_last))
        x = F.pad(x, (0, -x.shape[-1] % 4, 0, -x.shape[-2] % 4), mode="replicate")
        x = x.contiguous(memory_format=torch.channels_last).relu_()
        fine = (x + self.fine(x)).relu_()
        middle = self.down(fine).relu_()
        middle = (middle + self.middle(middle)).relu_()
        low = self.down_again(middle).relu_()
        low = (low + self.low[1](self.low[0](low).relu_())).relu_()
        middle = (middle + F.interpolate(self.lift(low), scale_factor=2, mode="nearest")).relu_()
        middle = (middle + self.up(middle)).relu_()
        fine = (fine + F.interpolate(self.lift_again(middle), scale_factor=2, mode="nearest")).relu_()
        fine = (fine + self.up_again(fine)).relu_()
        return F.pixel_shuffle(self.head(fine).contiguous(), _GRAIN)[..., :height, :width]


def _conv(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride, padding=1)


def mix(net: BlendNet | None, luma: Tensor, before: Carried, after: Carried, far: Tensor) -> Mixture:
    """How to mix what two anchors have carried.

    Args:
        net: None: as plain propagation does.
        luma: of the frames, ``(B, 1, h, w)`` in 8-bit codes.
        before, after: from the anchors around; one may have no trust anywhere.
        far: ``(B, 1, 1, 1)`` in [0, 1]: how far the frame is on the way from one to the other.
    """
    alike, other_alike = before.alike, after.alike
    near = torch.log((1 - far + _NEAREST) / (far + _NEAREST))
    leaning = _TRACE_SHARE * (before.traced - after.traced)
    beliefs = before.belief, after.belief
    believed = before.chroma * beliefs[0] + after.chroma * beliefs[1], beliefs[0] + beliefs[1]
    nearby, alike_nearby = around(*believed), around_alike(luma, *believed)
    if net is None:
        said = luma.new_zeros(luma.shape[0], _OUTPUTS, *luma.shape[-2:])
    else:
        said = net(_features(luma, before, after, beliefs, far, nearby, alike_nearby)).float()
    more, keep, by_trace, by_sight, strength, which = said.split(1, 1)
    by_trace, by_sight = _gate(by_trace), _gate(by_sight)
    traced = _TRACE_KEPT * torch.maximum(before.traced, after.traced) - math.log(_DOUBTFUL)
    # Distance is not gated: where both say the same, colour goes evenly from one anchor to the other.
    more = torch.addcmul(LOGIT_SCALE * more, leaning, by_trace) + near
    keep = torch.addcmul(LOGIT_SCALE * keep, traced, by_trace) - _gone(before, after)
    more, keep, by_sight = (_enlarged(x, alike) for x in (more, keep, by_sight))
    difference = alike - other_alike
    share = torch.sigmoid(torch.addcmul(more, by_sight, difference))
    kept = torch.sigmoid(torch.addcmul(keep, by_sight, torch.addcmul(other_alike, share, difference)))
    strength = torch.sigmoid(_STRONG + LOGIT_SCALE * strength) * (1 + math.exp(-_STRONG))
    nearby = torch.lerp(nearby, alike_nearby, torch.sigmoid(LOGIT_SCALE * which))
    return Mixture(share, kept, nearby * strength.clamp(_CALMEST, 1))


def _gone(before: Carried, after: Carried) -> Tensor:
    """By how much less is kept of what both anchors lost many times and do not look like, a logit. In films
    to learn from there is too little of that to learn it."""
    gone = torch.sigmoid((_GONE - torch.maximum(before.traced, after.traced)) / _GONE_SOFTLY)
    unlike = (before.difference.abs() + after.difference.abs()).square_().mul_(1 / (2 * _UNLIKE) ** 2)
    return gone * unlike.clamp_max_(_LEAST_KEPT)


def _gate(said: Tensor) -> Tensor:
    """How far to go by something, from 0; 1 where nothing is said."""
    return _WIDEST_GATE * torch.sigmoid(_GATE_SCALE * said - math.log(_WIDEST_GATE - 1))


def _features(
    luma: Tensor,
    before: Carried,
    after: Carried,
    beliefs: tuple[Tensor, Tensor],
    far: Tensor,
    nearby: Tensor,
    alike_nearby: Tensor,
) -> Tensor:
    differences = [c.difference.clamp(-_DIFFERENCE_LIMIT, _DIFFERENCE_LIMIT) / 32 for c in (before, after)]
    return torch.cat(
        (
            luma / 128 - 1, before.chroma / CHROMA_SCALE, after.chroma / CHROMA_SCALE, *beliefs,
            *differences, far.expand_as(luma), before.trust - after.trust, nearby / CHROMA_SCALE,
            *(1 + c.traced / _TRACE_SCALE for c in (before, after)), alike_nearby / CHROMA_SCALE,
        ), 1,
    )  # fmt: skip


@lru_cache(maxsize=1)
def load_blend() -> BlendNet:
    """The network that comes with the package."""
    from safetensors.torch import load_file

    state = load_file(Path(__file__).parents[1] / "weights" / "blend.safetensors")
    net = BlendNet(state["stem.weight"].shape[0])
    net.load_state_dict(state)
    return net.to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
