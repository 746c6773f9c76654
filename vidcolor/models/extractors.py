"""Frozen networks that say what a picture shows, for the fusion network of paper B (§3).

They come from ``timm`` (the optional extra ``encoders``), with their pretrained weights where these are on
the machine already. Nothing is ever downloaded. Looked for, in this order, are

1. ``NAME.safetensors``, ``NAME.pth`` or ``NAME.bin`` (timm's name) in the folder that the environment
   variable ``VIDCOLOR_EXTRACTORS`` names,
2. the Hugging Face cache, where timm keeps what it has downloaded,
3. the checkpoints folder of ``torch.hub``.

Without them the network keeps random weights, and says so (:attr:`Extractor.pretrained`).
"""

from __future__ import annotations

import difflib
import os
import sys
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidcolor.errors import ModelError, UsageError

__all__ = ["FOLDER_VARIABLE", "KNOWN", "Extractor", "Known", "find_weights", "import_timm"]

FOLDER_VARIABLE = "VIDCOLOR_EXTRACTORS"
"""The environment variable that names a folder with pretrained weights."""


@dataclass(frozen=True, slots=True)
class Known:
    """An extractor of the paper."""

    timm_name: str
    size: int
    """Side of the square picture it sees, in pixels."""
    parameters: int
    """How many values it has; asking timm takes seconds."""


KNOWN = {
    "inception_resnet_v2": Known("inception_resnet_v2", 299, 55_843_464),
    # The weights "pretrained on ImageNet for 1000 classes" of §3 a; timm's "seresnet152" has none.
    "se_resnet_152": Known("legacy_seresnet152", 224, 66_821_848),
    # §3 b gives it 224, though it was made for 600. timm's "efficientnet_b7" has no weights.
    "efficientnet_b7": Known("tf_efficientnet_b7", 224, 66_347_960),
}
"""Short name -> which network of timm's it is; every other name of timm's works as well."""

_SETTLING_CELLS = (3, 24, 8, 48)
"""How many patches of noise a side the pictures have that a random network is settled with."""


class Extractor(nn.Module):
    """Lightness to what a classifier says before its softmax. Frozen: no gradient, nothing ever updates.

    Args:
        name: a name of :data:`KNOWN`, or any of timm's.
        size: side of the square picture the network sees, in pixels; None: its own.
        pretrained: take pretrained weights where they are on the machine; False: always random ones.

    Its tensors, random or not, are part of the state dict, so a weights file rebuilds it exactly on a
    machine without its pretrained weights.
    """

    found: Tensor
    mean: Tensor
    std: Tensor

    def __init__(self, name: str, size: int | None = None, pretrained: bool = True) -> None:
        super().__init__()
        _check_size(size)
        known = KNOWN.get(name)
        found = None
        if known and _on_meta():
            # Where only shapes and counts are wanted nothing is computed: timm, which takes longer to
            # import than everything else together, is left alone.
            self.network: Any = nn.ParameterList([torch.empty(known.parameters)])
            self.width, self.size = 1000, known.size
        else:
            timm_name = known.timm_name if known else _checked(name)
            found = _weights_of(timm_name) if pretrained and not _on_meta() else None
            self.network = _build(timm_name, found)
            self.width = int(self.network.num_classes or self.network.num_features)
            self.size = _size(self.network, known, size)
            if found is None and not _on_meta():
                _settle(self.network, self.size)
        # Of the pictures its weights know; 0.5 brings [0, 1] to [-1, 1] where nobody says.
        config = getattr(self.network, "pretrained_cfg", {})
        for key in ("mean", "std"):
            values = config.get(key) or (0.5, 0.5, 0.5)
            self.register_buffer(key, torch.tensor(values).view(3, 1, 1))
        self.register_buffer("found", torch.tensor(found is not None))
        self.requires_grad_(False)
        self.train(False)

    @property
    def pretrained(self) -> bool:
        """Whether its weights come from pretraining; kept in weights files."""
        return bool(self.found)

    def train(self, mode: bool = True) -> Extractor:
        """Stays in evaluation mode, whatever is asked: its batch normalisation must not move."""
        super().train(False)
        return self

    def forward(self, lightness: Tensor) -> Tensor:
        """What it sees.

        Args:
            lightness: ``(B, 1, H, W)`` float, CIE L in [0, 100].

        Returns:
            ``(B, width)`` float: the values before the softmax, 1000 for the paper's three; those of a
            random network brought to mean 0 and variance 1 over each picture's.
        """
        with torch.no_grad(), _no_half(lightness.device.type):
            square = (self.size, self.size)
            small = F.interpolate(lightness / 100, square, mode="bilinear", antialias=True)
            said: Tensor = self.network((small.expand(-1, 3, -1, -1) - self.mean) / self.std)
            # What a deep random network says grows by orders of magnitude from one picture to the next.
            return torch.where(self.found, said, F.layer_norm(said, said.shape[1:]))


def _no_half(device: str) -> AbstractContextManager[object]:
    """Full precision where float16 was chosen, whose range a deep random network leaves."""
    if torch.is_autocast_enabled(device) and torch.get_autocast_dtype(device) == torch.float16:
        return torch.autocast(device, enabled=False)
    return nullcontext()


def _on_meta() -> bool:
    return torch.empty(0).device.type == "meta"


def _check_size(size: int | None) -> None:
    if size is not None and (type(size) is not int or size < 32):
        raise UsageError(f"extractor_size must be a whole number from 32 on, or left out, not {size!r}.")


def _size(network: Any, known: Known | None, wanted: int | None) -> int:
    """Side of the picture the network is given."""
    config = network.pretrained_cfg
    own = int(config["input_size"][-1])
    size = wanted or (known.size if known else own)
    if config.get("fixed_input_size") and size != own:
        raise UsageError(
            f"This extractor takes pictures of {own}×{own} only; extractor_size cannot be {size}."
        )
    return size


def _checked(name: str) -> str:
    """A name that timm knows. Only plain ones: it would download what is behind "hf-hub:…"."""
    timm = import_timm()
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), 3)
        hint = f" (timm has {', '.join(near)})" if near else ""
        raise UsageError(
            f"There is no extractor {name!r}; give one of {', '.join(KNOWN)}, none, "
            f"or the name of one of timm's networks{hint}."
        )
    return name


def import_timm() -> Any:
    """The module timm.

    Raises:
        UsageError: it is not installed.
    """
    try:
        with torch.device("cpu"):  # constants of theirs must not end up on whatever device is set here
            _import_torchvision()
            return import_module("timm")
    except (ImportError, RuntimeError) as error:  # the latter where it does not fit this torch
        raise UsageError(
            f"Extractors come from timm, which cannot be imported ({error}); "
            "install the extra with: pip install 'vidcolor[encoders]'."
        ) from error


_schemas: list[Any] = []
"""Keeps the operators of :func:`_define_operators` defined: they go with the object."""


def _import_torchvision() -> None:
    """Imports torchvision, which timm needs, also where its compiled operators do not load.

    The wheel on PyPI is built for a torch with CUDA. Beside a CPU-only torch its library does not load, and
    its import ends in "operator torchvision::nms does not exist", because it describes operators that
    nobody defined. Defining their schemas, without any code, is enough: no network here calls them.
    """
    try:
        import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
        for name in [n for n in sys.modules if n.partition(".")[0] == "torchvision"]:
            del sys.modules[name]  # half imported
        _define_operators()
        import_module("torchvision")


def _define_operators() -> None:
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _schemas.append(library)


def _weights_of(timm_name: str) -> Path | None:
    """The file with the pretrained weights of a network of timm's; None where there is none."""
    config = import_timm().get_pretrained_cfg(timm_name)
    return find_weights(timm_name, config.hf_hub_id, config.url) if config else None


def find_weights(name: str, repository: str | None, url: str | None) -> Path | None:
    """A file with pretrained weights on this machine; see the module's docstring for where it looks.

    Args:
        name: timm's name of the network.
        repository: its repository on the Hugging Face hub, as timm gives it.
        url: where its file was published.
    """
    folder = os.environ.get(FOLDER_VARIABLE)
    places = [Path(folder) / f"{name}{end}" for end in (".safetensors", ".pth", ".bin")] if folder else []
    if repository:
        places += _hub_cache(repository)
    if url:
        places.append(Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2])
    return next((place for place in places if place.is_file()), None)


def _hub_cache(repository: str) -> list[Path]:
    try:
        hub = import_module("huggingface_hub")
    except ImportError:
        return []
    names = ("model.safetensors", "pytorch_model.bin")
    found = [hub.try_to_load_from_cache(repository, name) for name in names]
    return [Path(place) for place in found if isinstance(place, str)]


def _build(timm_name: str, weights: Path | None) -> Any:
    """The network, with the weights where a file is given.

    Raises:
        ModelError: the file cannot be used.
    """
    create = import_timm().create_model
    if weights is None:
        return create(timm_name)
    try:
        return create(timm_name, pretrained=True, pretrained_cfg_overlay={"file": str(weights)})
    # A damaged file can end in almost any exception of the unpickler's.
    except Exception as error:
        told = str(error).partition("\n")[0].rstrip(".")
        raise ModelError(f"{str(weights)!r} does not hold the weights of {timm_name!r}: {told}.") from error


def _settle(network: nn.Module, size: int) -> None:
    """Sets the statistics of a random network's batch normalisation from noise, once.

    Fresh ones (mean 0, variance 1) fit no random weights: what Inception-ResNet-v2 says then hardly depends
    on the picture, one part in a thousand.
    """
    norms = [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    network.eval()
    for norm in norms:
        norm.momentum = None  # the mean over all batches, of which there is one
        norm.train()
    with torch.no_grad():
        network(_noise(size))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def _noise(size: int) -> Tensor:
    """Pictures ``(N, 3, size, size)`` about in [-2, 2], of details of several sizes, dark to bright."""
    generator = torch.Generator().manual_seed(0)
    pictures = [
        F.interpolate(torch.rand(1, 1, cells, cells, generator=generator), (size, size), mode="bicubic")
        for cells in _SETTLING_CELLS
    ]
    brightness = torch.linspace(-1, 1, len(pictures)).view(-1, 1, 1, 1)
    return (torch.cat(pictures) * 2 - 1 + brightness).expand(-1, 3, -1, -1)
