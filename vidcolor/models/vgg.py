"""The front of VGG16 (Simonyan and Zisserman 2015), frozen: features of a picture, for paper E."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from vidcolor.errors import ModelError
from vidcolor.models.extractors import find_weights
from vidcolor.models.layers import he_uniform

__all__ = ["VGG16Front"]

_NAME = "vgg16"
_REPOSITORY = "timm/vgg16.tv_in1k"
_URL = "https://download.pytorch.org/models/vgg16-397923af.pth"
"""Where its weights were published; only the file's name is used. Nothing is downloaded."""

_LAYERS = (64, 64, "pool", 128, 128, "pool", 256, 256, 256, "pool", 512, 512, 512)
"""Configuration D of the article's table 1, up to conv4_3."""

_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)
"""Of ImageNet's pictures, which its published weights expect taken off and divided by."""


class VGG16Front(nn.Module):
    """The first ten of VGG16's thirteen convolutions: what the last of each block gives.

    Args:
        pretrained: take pretrained weights where they are on this machine (see
            :mod:`vidcolor.models.extractors` for where; timm is not needed); else they are random.

    It learns nothing, and its tensors are part of the state dict, so a weights file rebuilds it exactly.
    """

    widths = (64, 128, 256, 512)
    found: Tensor
    mean: Tensor
    std: Tensor

    def __init__(self, pretrained: bool = True) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 3
        for layer in _LAYERS:
            if isinstance(layer, str):
                layers.append(nn.MaxPool2d(2))
            else:
                layers += [nn.Conv2d(inputs, layer, 3, padding=1), nn.ReLU()]
                inputs = layer
        # Numbered as in torchvision's and timm's files, whose names are "features.0.weight" and so on.
        self.features = nn.Sequential(*layers)
        he_uniform(self.features)
        meta = self.features[0].weight.is_meta
        weights = find_weights(_NAME, _REPOSITORY, _URL) if pretrained and not meta else None
        if weights is not None:
            self._load(weights)
        self.register_buffer("found", torch.tensor(weights is not None))
        self.register_buffer("mean", torch.tensor(_MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(_STD).view(3, 1, 1), persistent=False)
        self.requires_grad_(False)

    @property
    def pretrained(self) -> bool:
        """Whether its weights come from pretraining; kept in weights files."""
        return bool(self.found)

    def forward(self, lightness: Tensor) -> list[Tensor]:
        """Features at 1, 1/2, 1/4 and 1/8 of the picture's size.

        Args:
            lightness: ``(B, 1, H, W)`` float, CIE L in [0, 100]; H and W multiples of 8.

        Returns:
            Four of ``(B, widths[i], H / 2**i, W / 2**i)``, after the ReLU.
        """
        taps = []
        with torch.no_grad():
            x = (lightness.expand(-1, 3, -1, -1) / 100 - self.mean) / self.std
            for layer in self.features:
                if isinstance(layer, nn.MaxPool2d):
                    taps.append(x)
                x = layer(x)
        return [*taps, x]

    def _load(self, path: Path) -> None:
        try:
            if path.suffix == ".safetensors":
                stored = load_file(path)
            else:
                stored = torch.load(path, map_location="cpu", weights_only=True)
            names = self.features.state_dict().keys()
            self.features.load_state_dict({name: stored[f"features.{name}"] for name in names})
        # A damaged file can end in almost any exception of the unpickler's.
        except Exception as error:
            told = str(error).partition("\n")[0].rstrip(".")
            raise ModelError(f"{str(path)!r} does not hold the weights of VGG16: {told}.") from error
