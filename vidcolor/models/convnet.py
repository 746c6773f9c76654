"""Paper A's two plain networks: one that says the colour, one that chooses among 313.

The text gives no widths and its drawings (figs. 3, 5) are not in the copy we have. Kernels of 3×3 and
widths that start at 16 and double are those of the program that the author published with the paper.
Transposed convolutions have 4×4 here, so that every pixel is a sum of as many products.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from vidcolor.color.bins import BIN_COUNT
from vidcolor.models.base import ColorModel
from vidcolor.models.classifier import Classifier
from vidcolor.models.layers import ConvBlock, check_counts, he_uniform, he_uniform_transposed

__all__ = ["ClassifierConvNet", "SimpleConvNet"]


class SimpleConvNet(ColorModel):
    """Encoder and decoder, squared error on ab (paper A, §2.1; A1).

    Six encoder blocks of convolution, ReLU and max-pooling. The paper speaks of "only 1 decoder block" of
    one transposed convolution and a ReLU, and of transposed convolutions that double the size "at each
    step" back to the input's: one a halving closes the sizes, so the decoder mirrors the encoder. Its
    last layer has no ReLU: behind one no colour could be green or blue. The paper's 224 pixels halve to 7
    and no further; the last pooling rounds up, and what the decoder says beyond the picture is cut off.

    Args:
        widths: channels behind each encoder block.
    """

    def __init__(self, widths: Sequence[int] = (16, 32, 64, 128, 256, 512)) -> None:
        super().__init__()
        widths = check_counts("widths", widths)
        self.multiple = 2 ** (len(widths) - 1)
        self.encoder = nn.Sequential(
            *(
                nn.Sequential(ConvBlock(inner, outer), nn.MaxPool2d(2, ceil_mode=True))
                for inner, outer in pairwise((1, *widths))
            )
        )
        rising = widths[::-1]
        self.decoder = nn.Sequential(
            *(
                nn.Sequential(nn.ConvTranspose2d(outer, inner, 4, 2, 1), nn.ReLU(inplace=True))
                for outer, inner in pairwise(rising)
            )
        )
        self.head = nn.ConvTranspose2d(rising[-1], 2, 4, 2, 1)
        he_uniform(self)
        he_uniform_transposed(self)
        with torch.no_grad():
            self.head.weight.mul_(0.1)  # starts near neutral: ab is far below 1 in most pictures

    def raw(self, lightness: Tensor, hints: Tensor | None = None, condition: Tensor | None = None) -> Tensor:
        height, width = lightness.shape[-2:]
        out: Tensor = self.head(self.decoder(self.encoder(lightness / 50 - 1)))
        return out[..., :height, :width]


class ClassifierConvNet(Classifier):
    """Convolutions and ReLUs at the picture's full size, 313 logits a pixel (paper A, §2.2; A2).

    The paper keeps height and width through all layers "according to" Zhang et al. 2016, who do so by
    dilation. We read it so: six blocks, as many as the simple network's encoder has, whose dilations double.
    A pixel's colour is then read from 65×65 around it, not from 13×13. The published program stops at
    three: ``widths=[16, 32, 64], dilations=[1, 1, 1]``.

    Its memory is the known trouble (§3.3): at 224×224 and a batch of 8 the logits alone are
    8 · 313 · 224² · 4 bytes = 0.5 GB, their gradient as much again.

    Args:
        widths: channels behind each block.
        dilations: of each block's convolution, as many.
        decoding: "mode" is what the paper does: "I convert the predicted labels back to ab" (§3.3).
        temperature, top: of the other decodings (:func:`vidcolor.color.bins.decode_bins`).
    """

    def __init__(
        self,
        widths: Sequence[int] = (16, 32, 64, 64, 64, 64),
        dilations: Sequence[int] = (1, 1, 2, 4, 8, 16),
        decoding: str = "mode",
        temperature: float = 0.38,
        top: int = 2,
    ) -> None:
        super().__init__(decoding, temperature, top)
        widths = check_counts("widths", widths)
        dilations = check_counts("dilations", dilations, len(widths))
        self.body = nn.Sequential(
            *(
                ConvBlock(inputs, outputs, dilation=dilation)
                for (inputs, outputs), dilation in zip(pairwise((1, *widths)), dilations, strict=True)
            )
        )
        self.head = nn.Conv2d(widths[-1], BIN_COUNT, 1)
        he_uniform(self)

    def raw(self, lightness: Tensor, hints: Tensor | None = None, condition: Tensor | None = None) -> Tensor:
        out: Tensor = self.head(self.body(lightness / 50 - 1))
        return out
