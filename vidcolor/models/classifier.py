"""What networks that classify into colour bins share."""

from __future__ import annotations

from torch import Tensor

from vidcolor.color.bins import check_decoding, decode_bins
from vidcolor.models.base import ColorModel

__all__ = ["Classifier"]


class Classifier(ColorModel):
    """Base of models whose ``raw`` gives logits ``(B, 313, h, w)`` over the bins.

    Args:
        decoding: how they become one colour; "annealed", "mode", "top" or "mean"
            (:func:`vidcolor.color.bins.decode_bins`).
        temperature: of "annealed".
        top: how many bins "top" takes.
    """

    space = "bins"
    readings = ("decoding", "temperature", "top")

    def __init__(self, decoding: str, temperature: float, top: int) -> None:
        super().__init__()
        check_decoding(decoding, temperature, top)
        self.decoding, self.temperature, self.top = decoding, temperature, top

    def to_ab(self, raw: Tensor, lightness: Tensor) -> Tensor:
        return decode_bins(raw, self.decoding, self.temperature, self.top)
