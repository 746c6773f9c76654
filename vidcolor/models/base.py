"""What every model is: lightness and optional hints in, ab out, at any size."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["MIN_SIDE", "ColorModel"]

MIN_SIDE = 16
"""Smallest height and width a model takes, in pixels."""


class ColorModel(nn.Module):
    """Base of all models.

    A family writes :meth:`predict`; calling the model checks the shapes, pads to ``multiple`` by
    repeating the border, and crops the answer back.
    """

    multiple = 1
    """``predict`` is given heights and widths that are multiples of this."""
    grain = 1
    """ab is the same over squares of this side, in pixels, counted from the top left."""
    takes_hints = False
    """Whether hints change the answer; a model that takes none ignores them."""

    def predict(self, lightness: Tensor, hints: Tensor | None) -> Tensor:
        """The network itself: arguments and result as :meth:`forward`, sizes already padded."""
        raise NotImplementedError

    def forward(self, lightness: Tensor, hints: Tensor | None = None) -> Tensor:
        """Colour of pictures.

        Args:
            lightness: ``(B, 1, H, W)`` float, CIE L in [0, 100]; H and W at least 16.
            hints: ``(B, 3, H, W)`` float or None: a, b in Lab units and a confidence in [0, 1], 0
                where nothing is known.

        Returns:
            ``(B, 2, H, W)`` float: a and b in Lab units.

        Raises:
            ValueError: a shape is not as above.
        """
        self._check(lightness, hints)
        height, width = lightness.shape[-2:]
        bottom, right = -height % self.multiple, -width % self.multiple
        if bottom or right:
            lightness = F.pad(lightness, (0, right, 0, bottom), mode="replicate")
            # Padding is no place anyone gave a colour for: hints there have no confidence.
            hints = None if hints is None else F.pad(hints, (0, right, 0, bottom))
        return self.predict(lightness, hints)[..., :height, :width]

    @staticmethod
    def _check(lightness: Tensor, hints: Tensor | None) -> None:
        if lightness.ndim != 4 or lightness.shape[1] != 1 or min(lightness.shape[-2:]) < MIN_SIDE:
            raise ValueError(
                f"lightness must be (B, 1, H, W), H and W at least {MIN_SIDE}, not {tuple(lightness.shape)}"
            )
        expected = (lightness.shape[0], 3, *lightness.shape[-2:])
        if hints is not None and tuple(hints.shape) != expected:
            raise ValueError(f"hints must be {expected} beside this lightness, not {tuple(hints.shape)}")

    @property
    def parameter_count(self) -> int:
        """Number of learnt values."""
        return sum(p.numel() for p in self.parameters())

    @torch.inference_mode()
    def infer(self, lightness: Tensor, hints: Tensor | None = None) -> Tensor:
        """As calling the model, without gradients."""
        out: Tensor = self(lightness, hints)
        return out
