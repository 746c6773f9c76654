"""What every model is: lightness and optional hints in, ab out, at any size."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidcolor.models import spaces
from vidcolor.models.conditions import condition_width

__all__ = ["MIN_SIDE", "ColorModel", "fitting_side"]

MIN_SIDE = 16
"""Smallest height and width a model takes, in pixels."""


def fitting_side(length: float, multiple: int) -> int:
    """The side nearest to a length that a model with that ``multiple`` takes without padding, in pixels."""
    return max(-(-MIN_SIDE // multiple), round(length / multiple)) * multiple


class ColorModel(nn.Module):
    """Base of all models.

    A family writes :meth:`raw`, and :meth:`to_ab` where its space is none of the common ones; calling the
    model checks the shapes, pads to ``multiple`` by repeating the border, and crops the answer back.
    """

    multiple = 1
    """``raw`` is given heights and widths that are multiples of this."""
    grain = 1
    """ab is the same over squares of this side, in pixels, counted from the top left."""
    takes_hints = False
    """Whether hints change the answer; a model that takes none ignores them."""
    labels: tuple[str, ...] = ()
    """What a picture can be said to be of."""
    takes_metadata = False
    """Whether it can be told when and where a picture was taken."""
    space: spaces.Space = "ab"
    """What :meth:`raw` speaks in."""
    readings: tuple[str, ...] = ()
    """Options that only say how an answer becomes colour, so that they can be others than in training."""

    def raw(self, lightness: Tensor, hints: Tensor | None = None, condition: Tensor | None = None) -> Tensor:
        """What the network itself says; training compares this with the truth.

        Args:
            lightness, hints, condition: as for :meth:`forward`, sizes multiples of ``multiple``.

        Returns:
            ``(B, C, H/grain, W/grain)`` in the model's ``space`` (see :mod:`vidcolor.models.spaces`).
        """
        raise NotImplementedError

    def to_ab(self, raw: Tensor, lightness: Tensor) -> Tensor:
        """ab in Lab units, ``(B, 2, h, w)``, of what :meth:`raw` said; ``lightness`` has its size."""
        return spaces.decode(self.space, raw, lightness)

    def ab_at_grain(self, lightness: Tensor, hints: Tensor | None, condition: Tensor | None) -> Tensor:
        """ab in Lab units, ``(B, 2, H/grain, W/grain)``; arguments as :meth:`forward`, already padded."""
        raw = self.raw(lightness, hints, condition)
        # In half precision colour arithmetic and means over bins would be off by several units of ab.
        with torch.autocast(raw.device.type, enabled=False):
            return self.to_ab(raw.float(), self.at_grain(lightness.float()))

    def predict(self, lightness: Tensor, hints: Tensor | None, condition: Tensor | None) -> Tensor:
        """Arguments and result as :meth:`forward`, sizes already padded."""
        ab = self.ab_at_grain(lightness, hints, condition)
        # Repeated, not interpolated: what enlarges it further can follow luma's edges, and would have to
        # undo a blur first.
        return F.interpolate(ab, scale_factor=self.grain, mode="nearest") if self.grain > 1 else ab

    def forward(
        self, lightness: Tensor, hints: Tensor | None = None, condition: Tensor | None = None
    ) -> Tensor:
        """Colour of pictures.

        Args:
            lightness: ``(B, 1, H, W)`` float, CIE L in [0, 100]; H and W at least 16.
            hints: ``(B, 3, H, W)`` float or None: a, b in Lab units and a confidence in [0, 1], 0
                where nothing is known.
            condition: ``(B, condition_width)`` float or None: what is known beside the picture
                (:mod:`vidcolor.models.conditions`).

        Returns:
            ``(B, 2, H, W)`` float: a and b in Lab units.

        Raises:
            ValueError: a shape is not as above.
        """
        self._check(lightness, hints, condition)
        height, width = lightness.shape[-2:]
        lightness, hints = self.padded(lightness, hints)
        return self.predict(lightness, hints, condition)[..., :height, :width]

    def padded(self, lightness: Tensor, hints: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Both as large as ``raw`` wants them, below and on the right."""
        height, width = lightness.shape[-2:]
        bottom, right = -height % self.multiple, -width % self.multiple
        if bottom or right:
            lightness = F.pad(lightness, (0, right, 0, bottom), mode="replicate")
            # Padding is no place anyone gave a colour for: hints there have no confidence.
            hints = None if hints is None else F.pad(hints, (0, right, 0, bottom))
        return lightness, hints

    def in_a_row(
        self, lightness: Tensor, hints: Tensor | None, condition: Tensor | None
    ) -> tuple[Tensor, ...]:
        """All that the model takes, for what knows no names: zeros stand for what is not known.

        Arguments as for :meth:`ab_at_grain`.
        """
        given = [lightness]
        if self.takes_hints:  # no confidence anywhere is what a model takes no hints for
            given.append(
                lightness.new_zeros((len(lightness), 3, *lightness.shape[-2:])) if hints is None else hints
            )
        if self.condition_width:
            unknown = lightness.new_zeros((len(lightness), self.condition_width))
            given.append(unknown if condition is None else condition)
        return tuple(given)

    def at_grain(self, planes: Tensor) -> Tensor:
        """Planes ``(B, C, H, W)`` at the size that ``raw`` speaks in: means over the squares of ``grain``."""
        return F.avg_pool2d(planes, self.grain) if self.grain > 1 else planes

    def _check(self, lightness: Tensor, hints: Tensor | None, condition: Tensor | None) -> None:
        if lightness.ndim != 4 or lightness.shape[1] != 1 or min(lightness.shape[-2:]) < MIN_SIDE:
            raise ValueError(
                f"lightness must be (B, 1, H, W), H and W at least {MIN_SIDE}, not {tuple(lightness.shape)}"
            )
        expected = (lightness.shape[0], 3, *lightness.shape[-2:])
        if hints is not None and tuple(hints.shape) != expected:
            raise ValueError(f"hints must be {expected} beside this lightness, not {tuple(hints.shape)}")
        known = (lightness.shape[0], self.condition_width)
        if condition is not None and tuple(condition.shape) != known:
            raise ValueError(f"condition must be {known} for this model, not {tuple(condition.shape)}")

    @property
    def condition_width(self) -> int:
        """How many values of what is known beside the picture it takes; 0: none."""
        return condition_width(self.labels, self.takes_metadata)

    @property
    def parameter_count(self) -> int:
        """Number of learnt values."""
        return sum(p.numel() for p in self.parameters())

    @torch.inference_mode()
    def infer(
        self, lightness: Tensor, hints: Tensor | None = None, condition: Tensor | None = None
    ) -> Tensor:
        """As calling the model, without gradients."""
        out: Tensor = self(lightness, hints, condition)
        return out
