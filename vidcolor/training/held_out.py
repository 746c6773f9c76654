"""How good a network is on pictures it never learns from, always the same ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from vidcolor.color.lab import lab_to_rgb
from vidcolor.color.planes import luma_shares
from vidcolor.metrics import colorfulness, psnr
from vidcolor.models import ColorModel, spaces
from vidcolor.pipeline.device import autocast
from vidcolor.training.augment import Pixels, centre_window
from vidcolor.training.data import Batch, Ready, read_pixels, ready
from vidcolor.training.losses import Objective, discriminator_loss
from vidcolor.training.options import Recipe
from vidcolor.training.pictures import Pictures

__all__ = ["FIGURES", "HeldOut", "Look", "raw_of"]

FIGURES = ("val_loss", "val_discriminator", "psnr", "grey_psnr", "colorfulness", "true_colorfulness")
"""What :meth:`HeldOut.measure` finds: losses, dB, M of Hasler and Süsstrunk; means over pictures."""

_LARGEST_BATCH = 16
_BEST_DB = 99.0
"""A picture that comes back exactly counts as this: a mean with infinity in it says nothing."""
_SHARES = luma_shares("smpte170m")
"""Of R, G, B in luma (BT.601)."""


def raw_of(model: ColorModel, ready: Ready) -> Tensor:
    """What the model says of a batch of any size: padded to its ``multiple`` and cut back, as when called."""
    height, width = ready.lightness.shape[-2:]
    lightness, hints = model.padded(ready.lightness, ready.hints if model.takes_hints else None)
    raw = model.raw(lightness.contiguous(memory_format=torch.channels_last), hints, ready.condition)
    return raw[..., : height // model.grain, : width // model.grain]


@dataclass(frozen=True, slots=True)
class Look:
    """A few held-out pictures as the network colours them now."""

    grey: list[Pixels]
    """``(H, W)`` uint8 each."""
    truth: list[Pixels]
    """``(H, W, 3)`` uint8 RGB each."""
    result: list[Pixels]


class HeldOut:
    """A fixed choice of held-out pictures, decoded once.

    Args:
        pictures: of the run.
        recipe: of the run: how large a sample is, how many to look at.
        device, precision: where and in what the network computes.
    """

    def __init__(
        self, pictures: Pictures, recipe: Recipe, device: torch.device, precision: torch.dtype
    ) -> None:
        options, describe = recipe.data, pictures.describe
        order = np.random.default_rng(0).permutation(len(pictures.test))
        chosen = [pictures.test[i] for i in order[: recipe.run.validation_pictures]]
        shortest = 2 * max(options.size)
        self._pixels = [centre_window(read_pixels(p.path, shortest), options.size) for p in chosen]
        self._conditions = [describe(p) for p in chosen] if describe else None
        # A run that sees all greys is looked at with the one that films are read with.
        self._grey = "lightness" if options.grey == "random" else options.grey
        self._at_once = min(max(recipe.run.batch // recipe.run.accumulate, 1), _LARGEST_BATCH)
        self._device = device
        self._precision = precision

    def __len__(self) -> int:
        return len(self._pixels)

    @torch.inference_mode()
    def measure(
        self, model: ColorModel, objective: Objective, discriminator: torch.nn.Module | None = None
    ) -> dict[str, float]:
        """The figures of a model, by the names of :data:`FIGURES`; in evaluation mode, whatever it was in."""
        rows: list[list[float]] = []
        losses: list[list[float]] = []
        with _evaluating(model, discriminator):
            for pixels, batch in self._batches():
                raw, result = self._answer(model, batch)
                lab = model.at_grain(batch.lab)
                opposed = _opposed(discriminator, raw, lab, batch.lightness)
                losses += [[objective(raw.float(), lab).item(), opposed]] * len(pixels)
                rows += [_compare(found, true) for found, true in zip(result, pixels, strict=True)]
        return dict(zip(FIGURES, np.mean(np.hstack([losses, rows]), 0).tolist(), strict=True))

    @torch.inference_mode()
    def look(self, model: ColorModel, count: int) -> Look:
        """The first of the pictures as the model colours them."""
        found = Look([], [], [])
        with _evaluating(model, None):
            for pixels, batch in self._batches(count):
                found.result.extend(self._answer(model, batch)[1])
                found.truth.extend(pixels)
                zero = torch.zeros_like(batch.lab[:, 1:])
                found.grey.extend(_codes(lab_to_rgb(torch.cat((batch.lightness, zero), 1)))[..., 0])
        return found

    def _batches(self, count: int | None = None) -> Iterator[tuple[list[Pixels], Ready]]:
        chosen = self._pixels[:count]
        for start in range(0, len(chosen), self._at_once):
            pixels = chosen[start : start + self._at_once]
            rgb = torch.from_numpy(np.stack(pixels))
            known = self._conditions and np.stack(self._conditions[start : start + self._at_once])
            condition = None if known is None else torch.from_numpy(known)
            greys = (self._grey,) * len(pixels)
            batch = Batch(rgb, torch.empty(0), greys, ((),) * len(pixels), condition)
            yield pixels, ready(batch, self._device)

    def _answer(self, model: ColorModel, batch: Ready) -> tuple[Tensor, npt.NDArray[np.uint8]]:
        """What the network says, and the pictures ``(B, H, W, 3)`` it makes, the truth's luma kept."""
        with autocast(self._device, self._precision):
            raw = raw_of(model, batch)
        ab = model.to_ab(raw.float(), model.at_grain(batch.lightness))
        ab = F.interpolate(ab, size=batch.lab.shape[-2:], mode="bilinear", align_corners=False)
        result = lab_to_rgb(torch.cat((batch.lab[:, :1], ab), 1)).clamp(0, 1)
        # The same step in R, G and B changes luma by it and leaves Cb and Cr: what a player shows.
        return raw, _codes(result + _luma(lab_to_rgb(batch.lab)) - _luma(result))


def _opposed(discriminator: torch.nn.Module | None, fake: Tensor, lab: Tensor, lightness: Tensor) -> float:
    """The discriminator's loss; 0 without one."""
    if discriminator is None:
        return 0.0
    seen = lightness / 50 - 1
    real = discriminator(spaces.encode("rgb", lab), seen)
    return discriminator_loss(real, discriminator(fake.float(), seen)).item()


def _compare(result: Pixels, truth: Pixels) -> list[float]:
    """PSNR of the result and of grey, colourfulness of the result and of the truth."""
    luma = truth.astype(np.float32) @ np.array(_SHARES, np.float32)
    grey = np.repeat(np.rint(luma).astype(np.uint8)[..., None], 3, 2)
    decibels = [min(psnr(picture, truth), _BEST_DB) for picture in (result, grey)]
    return [*decibels, colorfulness(result), colorfulness(truth)]


def _luma(rgb: Tensor) -> Tensor:
    return (rgb * torch.tensor(_SHARES, device=rgb.device)[:, None, None]).sum(1, keepdim=True)


def _codes(rgb: Tensor) -> npt.NDArray[np.uint8]:
    return (255 * rgb.clamp(0, 1)).round().byte().permute(0, 2, 3, 1).cpu().numpy()


class _evaluating:
    """Networks in evaluation mode for a while."""

    def __init__(self, *networks: torch.nn.Module | None) -> None:
        self._before = [(network, network.training) for network in networks if network is not None]

    def __enter__(self) -> None:
        for network, _ in self._before:
            network.eval()

    def __exit__(self, *_: object) -> None:
        for network, training in self._before:
            network.train(training)
