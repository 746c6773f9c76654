"""The five networks that paper E compares: small, from scratch or behind VGG16, by regression or by bins.

Their drawings (figs. 9–13) are not in the text that we have. The widths and the order of the layers are
those of the program that the authors published with it (AutoColorizer, ``Colorizer.py``); the paper says
the rest: §III-B for kernels, padding, activations, batch normalisation and starting values, §III-D and
table II for what sets the five apart.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vidcolor.color.bins import BIN_COUNT
from vidcolor.errors import UsageError
from vidcolor.models.base import ColorModel
from vidcolor.models.classifier import Classifier
from vidcolor.models.layers import ConvBlock, glorot_uniform, upsample
from vidcolor.models.vgg import VGG16Front

__all__ = ["Compact", "CompactClassifier", "CompactDilated", "CompactDilatedConcat", "CompactVGG16"]


def _stage(inputs: int, widths: Sequence[int], *, stride: int = 1, batch_norm: bool = True) -> nn.Sequential:
    """3×3 convolutions with ReLUs; the last has the stride and is normalised over the batch."""
    blocks = []
    for number, outputs in enumerate(widths, 1):
        last = number == len(widths)
        step = stride if last else 1
        blocks.append(ConvBlock(inputs, outputs, stride=step, batch_norm=batch_norm and last))
        inputs = outputs
    return nn.Sequential(*blocks)


def _dilated(inputs: int, width: int) -> nn.Sequential:
    """Three convolutions with dilations 1, 3 and 7: "each layer consists of 3" (§III-B 2).

    Their padding is "symmetric valued" (§III-B). A mirror needs more rows than it gives, which pictures of
    16 pixels do not have at a quarter of their size; the border's values are repeated instead.
    """
    return nn.Sequential(
        ConvBlock(inputs, width, padding="replicate"),
        ConvBlock(width, width, dilation=3, padding="replicate"),
        ConvBlock(width, width, dilation=7, batch_norm=True, padding="replicate"),
    )


class _Encoder(nn.Module):
    """Feature extraction by max-pooling; gives what stands at 1, 1/2, 1/4 and 1/8 of the size."""

    widths = (12, 48, 96, 192)

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            (
                _stage(1, (3, 12)),
                _stage(12, (48, 48)),
                _stage(48, (96, 96)),
                # At the bottom it is the 1×1 convolution after these that is normalised.
                _stage(96, (192, 192), batch_norm=False),
            )
        )
        self.pool = nn.MaxPool2d(2)

    def forward(self, lightness: Tensor) -> list[Tensor]:
        x = lightness / 50 - 1
        taps: list[Tensor] = []
        for stage in self.stages:
            x = stage(self.pool(x) if taps else x)
            taps.append(x)
        return taps


class _Decoder(nn.Module):
    """Reconstruction: three times enlarge, put what the encoder had there beside it, convolve (§III-B 2)."""

    def __init__(self, taps: Sequence[int], bottom: int, widths: Sequence[Sequence[int]]) -> None:
        super().__init__()
        self.bottom = ConvBlock(taps[-1], bottom, kernel=1, batch_norm=True)
        self.up = upsample()
        self.stages = nn.ModuleList()
        inputs = bottom
        for tap, layers in zip(reversed(taps[:-1]), widths, strict=True):
            # What is enlarged next is normalised before; the last stage is not enlarged.
            self.stages.append(_stage(inputs + tap, layers, batch_norm=layers is not widths[-1]))
            inputs = layers[-1]

    def forward(self, taps: Sequence[Tensor]) -> Tensor:
        x = self.bottom(taps[-1])
        for stage, tap in zip(self.stages, reversed(taps[:-1]), strict=True):
            x = stage(torch.cat((tap, self.up(x)), 1))
        return x


class Compact(ColorModel):
    """Regression to two feature maps, max-pooling, concatenation, from scratch (E1; §III-D 1).

    Args:
        space: "ab" (CIE Lab) or "cbcr" (YCbCr); the paper has both (table II).
    """

    multiple = 8

    def __init__(self, space: str = "ab") -> None:
        super().__init__()
        if space not in ("ab", "cbcr"):
            raise UsageError(f"space must be ab or cbcr for this model, not {space!r}.")
        self.space = "ab" if space == "ab" else "cbcr"
        self.encoder = _Encoder()
        self.decoder = _Decoder(_Encoder.widths, 96, ((96, 48), (48, 12), (24, 24)))
        self.head = nn.Conv2d(24, 2, 3, padding=1)
        glorot_uniform(self)

    def raw(self, lightness: Tensor, hints: Tensor | None = None, condition: Tensor | None = None) -> Tensor:
        out: Tensor = self.head(self.decoder(self.encoder(lightness)))
        return out


class CompactClassifier(Classifier):
    """The compact network with a classification output (E2; §III-D 2).

    Args:
        decoding: how logits become a colour: the annealed mean (§III-B 3, eq. 3), "mode", "top" or "mean".
        temperature: of the annealed mean. Table II leaves it empty; 0.38 is that of Zhang et al. 2016.
        top: how many bins "top" takes.
    """

    multiple = 8

    def __init__(self, decoding: str = "annealed", temperature: float = 0.38, top: int = 2) -> None:
        super().__init__(decoding, temperature, top)
        self.encoder = _Encoder()
        self.decoder = _Decoder(_Encoder.widths, 96, ((96, 48), (48, 12), (24, 64)))
        self.head = nn.Conv2d(64, BIN_COUNT, 1)
        glorot_uniform(self)

    def raw(self, lightness: Tensor, hints: Tensor | None = None, condition: Tensor | None = None) -> Tensor:
        out: Tensor = self.head(self.decoder(self.encoder(lightness)))
        return out


class _Strided(nn.Module):
    """Feature extraction by strides; gives what stands at 1/2 and at 1/4 of the size, and the last of it."""

    def __init__(self) -> None:
        super().__init__()
        self.to_half = _stage(1, (3, 12, 24), stride=2)
        self.to_quarter = _stage(24, (48, 48), stride=2)
        self.last = _stage(48, (96, 96))

    def forward(self, lightness: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        half = self.to_half(lightness / 50 - 1)
        quarter = self.to_quarter(half)
        return half, quarter, self.last(quarter)


class CompactDilated(Classifier):
    """Strides instead of pooling, dilated convolutions, no concatenation (E3; §III-D 3).

    Its last two layers, an enlargement that repeats each value 2×2 and a 1×1 convolution, can change
    places: the model has a ``grain`` of 2 and leaves the enlargement out.

    Args:
        decoding, temperature, top: as for :class:`CompactClassifier`.
    """

    multiple = 4
    grain = 2

    def __init__(self, decoding: str = "annealed", temperature: float = 0.38, top: int = 2) -> None:
        super().__init__(decoding, temperature, top)
        self.encoder = _Strided()
        self.dilated = nn.Sequential(_dilated(96, 96), _dilated(96, 96))
        self.decoder = nn.Sequential(upsample(), _stage(96, (96, 96)))
        self.head = nn.Conv2d(96, BIN_COUNT, 1)
        glorot_uniform(self)

    def raw(self, lightness: Tensor, hints: Tensor | None = None, condition: Tensor | None = None) -> Tensor:
        _, _, features = self.encoder(lightness)
        out: Tensor = self.head(self.decoder(self.dilated(features)))
        return out


class CompactDilatedConcat(Classifier):
    """As the dilated one, with what the encoder had beside it at 1/4 and 1/2 of the size (E4; §III-D 4).

    Args:
        decoding, temperature, top: as for :class:`CompactClassifier`.
    """

    multiple = 4

    def __init__(self, decoding: str = "annealed", temperature: float = 0.38, top: int = 2) -> None:
        super().__init__(decoding, temperature, top)
        self.encoder = _Strided()
        self.dilated = nn.Sequential(_dilated(96, 96), _dilated(96, 48))
        self.up = upsample()
        self.at_half = _stage(48 + 48, (48, 24))
        self.at_full = _stage(24 + 24, (48, 96, 192), batch_norm=False)
        self.head = nn.Conv2d(192, BIN_COUNT, 1)
        glorot_uniform(self)

    def raw(self, lightness: Tensor, hints: Tensor | None = None, condition: Tensor | None = None) -> Tensor:
        half, quarter, features = self.encoder(lightness)
        x = self.at_half(self.up(torch.cat((self.dilated(features), quarter), 1)))
        out: Tensor = self.head(self.at_full(self.up(torch.cat((x, half), 1))))
        return out


class CompactVGG16(Classifier):
    """The compact classifier behind a frozen VGG16 front end (E5; §III-D 5).

    Args:
        decoding, temperature, top: as for :class:`CompactClassifier`.
        pretrained: take VGG16's weights where they are on this machine; else they are random.

    Of VGG16's five blocks it uses four, as the compact classifier has four: pictures are small. What goes
    across to the reconstruction is normalised on its own there; VGG16 itself goes on without.
    """

    multiple = 8

    def __init__(
        self,
        decoding: str = "annealed",
        temperature: float = 0.38,
        top: int = 2,
        pretrained: bool = True,
    ) -> None:
        super().__init__(decoding, temperature, top)
        widths = VGG16Front.widths
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for width in widths[:-1])
        self.decoder = _Decoder(widths, 256, ((256, 128), (128, 64), (64, 64)))
        self.head = nn.Conv2d(64, BIN_COUNT, 1)
        glorot_uniform(self)
        self.front = VGG16Front(pretrained)

    @property
    def pretrained(self) -> bool:
        """Whether VGG16's weights come from pretraining."""
        return self.front.pretrained

    def raw(self, lightness: Tensor, hints: Tensor | None = None, condition: Tensor | None = None) -> Tensor:
        *across, bottom = self.front(lightness)
        across = [norm(tap) for norm, tap in zip(self.norms, across, strict=True)]
        out: Tensor = self.head(self.decoder([*across, bottom]))
        return out
