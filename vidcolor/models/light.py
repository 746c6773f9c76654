"""Paper C's light classifier (§2.2; C1): Zhang et al. 2016 with half the width, for 64×64 pictures."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from vidcolor.color.bins import BIN_COUNT
from vidcolor.models.classifier import Classifier
from vidcolor.models.layers import ConvBlock, check_counts, he_uniform, he_uniform_transposed

__all__ = ["LightClassifier"]


def _block(inputs: int, outputs: int, count: int, *, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    """``count`` convolutions with ReLUs, the last with the stride, then batch normalisation."""
    layers: list[nn.Module] = []
    for number in range(1, count + 1):
        step = stride if number == count else 1
        layers.append(ConvBlock(inputs, outputs, stride=step, dilation=dilation))
        inputs = outputs
    return nn.Sequential(*layers, nn.BatchNorm2d(outputs))


def _rise(inputs: int, outputs: int, count: int) -> nn.Sequential:
    """A transposed convolution to twice the size and ``count`` convolutions, all with ReLUs, normalised."""
    enlarge = nn.ConvTranspose2d(inputs, outputs, 4, 2, 1)
    return nn.Sequential(enlarge, nn.ReLU(inplace=True), _block(outputs, outputs, count))


class LightClassifier(Classifier):
    """313 logits a pixel at full size (C1).

    Zhang et al. 2016 have blocks of 2, 2, 3, 3, 3, 3, 3 convolutions, the fifth and sixth dilated, and come
    back from 1/8 to 1/4 of the size by one transposed block. The paper leaves out one dilated block, puts
    two transposed blocks behind, and "reduces the depth of the network outputs at each layer", by how
    much stands in its figure 1, which is not in the copy we have: by half here. The two blocks added have
    one convolution behind the transposed one, Zhang's own has two.

    Args:
        widths: channels at 1/2, 1/4, 1/8 of the size, and of the blocks that stay there; Zhang et al.
            have 64, 128, 256, 512.
        decoding: "top" is the paper's.
        temperature: of "annealed" (:func:`vidcolor.color.bins.decode_bins`).
        top: k, how many of the likeliest bins are averaged; the paper recommends 2 (C4).
    """

    multiple = 8

    def __init__(
        self,
        widths: Sequence[int] = (32, 64, 128, 256),
        decoding: str = "top",
        temperature: float = 0.38,
        top: int = 2,
    ) -> None:
        super().__init__(decoding, temperature, top)
        half, quarter, eighth, deep = check_counts("widths", widths, 4)
        self.encoder = nn.Sequential(
            _block(1, half, 2, stride=2),
            _block(half, quarter, 2, stride=2),
            _block(quarter, eighth, 3, stride=2),
            _block(eighth, deep, 3),
            _block(deep, deep, 3, dilation=2),
            _block(deep, deep, 3),
        )
        self.decoder = nn.Sequential(
            _rise(deep, eighth, 2), _rise(eighth, quarter, 1), _rise(quarter, half, 1)
        )
        self.head = nn.Conv2d(half, BIN_COUNT, 1)
        he_uniform(self)
        he_uniform_transposed(self)

    def raw(self, lightness: Tensor, hints: Tensor | None = None, condition: Tensor | None = None) -> Tensor:
        out: Tensor = self.head(self.decoder(self.encoder(lightness / 50 - 1)))
        return out
