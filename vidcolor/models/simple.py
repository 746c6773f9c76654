"""Models that need no training: neutral colour, and a tiny network for tests."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vidcolor.models.base import ColorModel
from vidcolor.models.spaces import AB_SCALE

__all__ = ["Grey", "Tiny"]


class Grey(ColorModel):
    """Neutral colour everywhere. Times everything but the network, and is the figure to beat."""

    def raw(self, lightness: Tensor, hints: Tensor | None = None, condition: Tensor | None = None) -> Tensor:
        return lightness.new_zeros((lightness.shape[0], 2, *lightness.shape[-2:]))


class Tiny(ColorModel):
    """Two convolutions with fixed random weights: a whole model in a few kilobytes, for tests.

    Untrained, yet its colour is far from neutral and depends on the picture, so a test that drives
    it through a film sees colour where there should be colour.
    """

    takes_hints = True

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(4, width, 3, padding=1), nn.SiLU(), nn.Conv2d(width, 2, 3, padding=1)
        )
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.5)

    def raw(self, lightness: Tensor, hints: Tensor | None = None, condition: Tensor | None = None) -> Tensor:
        if hints is None:
            hints = lightness.new_zeros((lightness.shape[0], 3, *lightness.shape[-2:]))
        picture = torch.cat((lightness / 100, hints[:, :2] / AB_SCALE * hints[:, 2:], hints[:, 2:]), 1)
        out: Tensor = 40 / AB_SCALE * torch.tanh(self.body(picture))
        return out
