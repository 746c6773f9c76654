"""Figures by networks that others trained: LPIPS and FID, where their weights are on the machine.

Nothing is ever downloaded. Weights are looked for in the folder that ``VIDCOLOR_EXTRACTORS`` names and in the
checkpoints folder of ``torch.hub``. The extra ``perceptual`` brings what goes with them.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file

from vidcolor.color.shown import Rgb
from vidcolor.models.extractors import find_weights

__all__ = ["LEFT_OUT_OF_FILMS", "Frechet", "Perceptual", "frechet_distance"]

LEFT_OUT_OF_FILMS = "measured on data sets only"
_ALEXNET = "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth"
_INCEPTION = "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth"
_FEATURES = 2048
_LEAST_FOR_LPIPS = 32
"""Pixels a side below which AlexNet's layers do not fit."""

Distance = Callable[[Rgb, Rgb], float]
Features = Callable[[Rgb], npt.NDArray[np.float64]]


class Perceptual:
    """LPIPS of each picture and FID of all of them, as far as the machine has them."""

    def __init__(self) -> None:
        self.left_out: dict[str, str] = {}
        """Figure -> why it is missing."""
        self._distance: Distance | None = self._or_none("lpips", load_lpips)
        features: Features | None = self._or_none("fid", load_inception)
        self._features = features
        self._results, self._truths = Frechet(), Frechet()

    def _or_none(self, name: str, load: Callable[[], Any]) -> Any:
        try:
            return load()
        except _MissingError as error:
            self.left_out[name] = str(error)
            return None

    def add(self, result: Rgb, truth: Rgb) -> dict[str, float]:
        """Takes a picture, and gives its own figures."""
        if self._features is not None:
            self._results.add(self._features(result))
            self._truths.add(self._features(truth))
        if self._distance is None or min(truth.shape[:2]) < _LEAST_FOR_LPIPS:
            return {}
        return {"lpips": self._distance(result, truth)}

    def fid(self) -> float | None:
        """Over all pictures so far; None: it is left out, or there are fewer than two."""
        if self._features is None or self._results.count < 2:
            return None
        return frechet_distance(*self._results.moments(), *self._truths.moments())


class _MissingError(Exception):
    """Something is not on this machine; says what."""


def _weights(name: str, url: str) -> Path:
    found = find_weights(name, None, url)
    if found is None:
        raise _MissingError(f"its weights, {url.rpartition('/')[2]}, are not on this machine")
    return found


def _state(path: Path) -> dict[str, torch.Tensor]:
    """Tensors of a file, by name; nothing in it is run."""
    if path.suffix == ".safetensors":
        return load_file(path)
    found: dict[str, torch.Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return found


def _package(name: str) -> Any:
    try:
        return import_module(name)
    except (ImportError, RuntimeError):
        raise _MissingError("its extra is not installed: pip install 'vidcolor[perceptual]'") from None


def load_lpips() -> Distance:
    """LPIPS with AlexNet, version 0.1.

    Raises:
        _MissingError: the package or AlexNet's weights are not there.
    """
    package = _package("lpips")
    path = _weights("alexnet", _ALEXNET)
    # pnet_rand: its own way to AlexNet's weights would download them.
    network = package.LPIPS(net="alex", version="0.1", pnet_rand=True, verbose=False).eval()
    state = _state(path)
    for part in (getattr(network.net, f"slice{n}") for n in range(1, 6)):
        for place, layer in part.named_children():
            own = {key: state[f"features.{place}.{key}"] for key in layer.state_dict()}
            layer.load_state_dict(own)

    @torch.inference_mode()
    def distance(result: Rgb, truth: Rgb) -> float:
        a, b = (torch.from_numpy(rgb).permute(2, 0, 1)[None].float() / 127.5 - 1 for rgb in (result, truth))
        return float(network(a, b))

    return distance


def load_inception() -> Features:
    """The 2048 features of FID's Inception network.

    Raises:
        _MissingError: the package or the weights are not there.
    """
    package = _package("pytorch_fid.inception")
    path = _weights("pt_inception", _INCEPTION)
    state = _state(path)
    # It loads what its own loader gives it, by this name.
    package.load_state_dict_from_url = lambda *_, **__: state
    network = package.InceptionV3([package.InceptionV3.BLOCK_INDEX_BY_DIM[_FEATURES]]).eval()

    @torch.inference_mode()
    def features(rgb: Rgb) -> npt.NDArray[np.float64]:
        picture = torch.from_numpy(rgb).permute(2, 0, 1)[None].float() / 255
        found: npt.NDArray[np.float64] = network(picture)[0].mean((2, 3))[0].double().numpy()
        return found

    return features


class Frechet:
    """Mean and covariance of features that come one by one."""

    def __init__(self) -> None:
        self.count = 0
        self._sum: Any = 0.0
        self._products: Any = 0.0

    def add(self, features: npt.NDArray[np.float64]) -> None:
        """``(N,)``, of one picture."""
        self.count += 1
        self._sum = self._sum + features
        self._products = self._products + np.outer(features, features)

    def moments(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Mean ``(N,)`` and sample covariance ``(N, N)``."""
        mean = self._sum / self.count
        return mean, (self._products - self.count * np.outer(mean, mean)) / (self.count - 1)


def frechet_distance(
    mean: npt.NDArray[np.float64],
    covariance: npt.NDArray[np.float64],
    other_mean: npt.NDArray[np.float64],
    other_covariance: npt.NDArray[np.float64],
) -> float:
    """|m₁ - m₂|² + Tr(C₁ + C₂ - 2 (C₁C₂)^½) of two Gaussians.

    The trace of the root is the sum of the roots of the eigenvalues of C₁C₂, which are those of the symmetric
    C₁^½ C₂ C₁^½.
    """
    values, vectors = np.linalg.eigh(covariance)
    root = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
    middle = np.linalg.eigvalsh(root @ other_covariance @ root)
    shared = np.sqrt(np.clip(middle, 0, None)).sum()
    apart = mean - other_mean
    return float(apart @ apart + np.trace(covariance) + np.trace(other_covariance) - 2 * shared)
