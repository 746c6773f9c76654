"""The fusion network of paper B: an encoder, a frozen extractor, a fusion layer and a decoder."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vidcolor.errors import UsageError
from vidcolor.models.base import ColorModel
from vidcolor.models.extractors import Extractor
from vidcolor.models.layers import ConvBlock, convolutions, he_uniform, upsample

__all__ = ["Fusion"]

_ENCODER = ((64, 2), (128, 1), (128, 2), (256, 1), (256, 2), (512, 1), (512, 1), (256, 1))
"""Channels and stride of the encoder's layers (§2.1, table)."""


class Fusion(ColorModel):
    """Lightness to ab, with what an image classifier says of the whole picture (paper B, §2.1).

    Args:
        extractor: "inception_resnet_v2", "se_resnet_152", "efficientnet_b7" (§3 a, b), any other network of
            timm's, or "none" for the encoder and decoder alone.
        extractor_size: side of the square copy of the picture that the extractor sees, in pixels; None:
            299 for Inception-ResNet-v2, 224 for the other two, timm's own for the rest.
        pretrained: take the extractor's pretrained weights where they are on this machine.
        batch_norm: normalise after each convolution (§5.2 names it as future work).
        dropout: share of the fused features left out in training (regularisation, §5.2).

    How the text is read where it is unclear (§2.1):

    - the encoder gives 256 channels, as the table and the sum 1001 + 256 = 1257 say, not 512;
    - the strides of 2×2 printed for the decoder would undo its upsampling: they are 1;
    - after the 1×1 convolution the table goes on with 64 channels (the original has 128): 64 here;
    - the last layer is a tanh, as in the original; ab is ±110 there (±128 in the original);
    - the last upsampling repeats each value 2×2, so the model has a ``grain`` of 2 and does not do it;
    - starting values are not named: He's, without which a network this deep hardly learns.
    """

    multiple = 8
    grain = 2

    def __init__(
        self,
        extractor: str = "inception_resnet_v2",
        extractor_size: int | None = None,
        pretrained: bool = True,
        batch_norm: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if not 0 <= dropout < 1:
            raise UsageError(f"dropout must be from 0 up to but not 1, not {dropout!r}.")
        self.encoder = convolutions(1, _ENCODER, batch_norm)
        output = nn.Conv2d(32, 2, 3, padding=1)
        self.decoder = nn.Sequential(
            ConvBlock(256, 64, batch_norm=batch_norm),
            upsample(),
            ConvBlock(64, 64, batch_norm=batch_norm),
            ConvBlock(64, 64, batch_norm=batch_norm),
            upsample(),
            ConvBlock(64, 32, batch_norm=batch_norm),
            output,
            nn.Tanh(),
        )
        self.extractor = None if extractor == "none" else Extractor(extractor, extractor_size, pretrained)
        width = self.extractor.width if self.extractor else 0
        self.fuse = nn.Sequential(
            ConvBlock(256 + width, 256, kernel=1, batch_norm=batch_norm), nn.Dropout2d(dropout)
        )
        for part in (self.encoder, self.fuse, self.decoder):
            he_uniform(part)
        # A tanh that starts far out starts with saturated colours and hardly any gradient.
        nn.init.xavier_uniform_(output.weight, gain=0.1)

    @property
    def pretrained(self) -> bool:
        """Whether the extractor's weights come from pretraining."""
        return self.extractor is not None and self.extractor.pretrained

    def raw(self, lightness: Tensor, hints: Tensor | None = None, condition: Tensor | None = None) -> Tensor:
        features = self.encoder(lightness / 50 - 1)
        if self.extractor is not None:
            said = self.extractor(lightness).to(features.dtype)[:, :, None, None]
            features = torch.cat((features, said.expand(-1, -1, *features.shape[-2:])), 1)
        out: Tensor = self.decoder(self.fuse(features))
        return out
