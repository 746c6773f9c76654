"""The pictures of a run: one or several sets, what is held out of them, and how common each colour is."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vidcolor.color.bins import prior_of, smooth_prior
from vidcolor.datasets.manifest import Picture, PictureSet, open_set
from vidcolor.errors import InputError, UsageError
from vidcolor.models import ColorModel, create_model
from vidcolor.models.conditions import condition_vector
from vidcolor.training.data import lab_of_codes, read_pixels
from vidcolor.training.neighbours import neighbours_of
from vidcolor.training.options import Recipe

__all__ = ["Describe", "Pictures", "open_pictures"]

Describe: TypeAlias = Callable[[Picture], npt.NDArray[np.float32]]
"""What is known of a picture, as the vector a model takes beside it."""

_COUNTED = 400
"""Pictures that a prior is counted from where no set brings one along."""
_COUNTED_SIDE = 96


@dataclass(frozen=True, slots=True)
class Pictures:
    """What there is to learn from and to look at."""

    sets: tuple[PictureSet, ...]
    train: tuple[Picture, ...]
    test: tuple[Picture, ...]
    describe: Describe | None = None
    """None for a model that takes nothing beside the picture."""
    neighbours: tuple[tuple[int, ...], ...] = ()
    """For each of ``train`` those that colour can be carried from; empty where none is to be carried."""

    @property
    def labels(self) -> tuple[str, ...]:
        """All labels of all sets, sorted."""
        return tuple(sorted({label for each in self.sets for label in each.labels}))

    def conditioned(self, recipe: Recipe) -> Recipe:
        """The recipe with the labels in its model's options where its network is to be told them.

        Raises:
            UsageError: the pictures have no labels, or the network takes nothing beside the picture.
        """
        if not (recipe.data.labels or recipe.data.metadata):
            return recipe
        if recipe.data.labels and not self.labels:
            raise UsageError(
                "'data.labels' is for pictures with labels: folders of a name each, one a class."
            )
        more: dict[str, object] = {"labels": list(self.labels)} if recipe.data.labels else {}
        if recipe.data.metadata:
            more["metadata"] = True
        model = replace(recipe.model, options={**recipe.model.options, **more})
        try:
            create_model(model.name, **model.options)
        except UsageError as error:
            raise UsageError(f"{str(error)[:-1]}; 'data.labels' and 'data.metadata' are for unet.") from None
        return replace(recipe, model=model)

    def described_for(self, model: ColorModel) -> Pictures:
        """The same pictures with how each is described to the model."""
        if not model.condition_width:
            return self

        def describe(picture: Picture) -> npt.NDArray[np.float32]:
            known = asdict(picture.metadata)
            return condition_vector(model.labels, model.takes_metadata, label=picture.label, **known)

        return replace(self, describe=describe)

    def with_neighbours(self) -> Pictures:
        """The same pictures with which of them lie beside each other in a shot."""
        return replace(self, neighbours=neighbours_of(self.sets))

    @property
    def digest(self) -> str:
        """The same for the same pictures in the same order, wherever they lie.

        Built sets number their pictures, so names alone say little: their sizes in bytes are in it.
        """
        every = (*self.train, *self.test)
        names = "\n".join(f"{p.path.parent.name}/{p.path.name} {p.label} {_bytes_of(p.path)}" for p in every)
        return hashlib.sha256(names.encode("utf-8", "surrogateescape")).hexdigest()[:16]

    def prior(self, device: torch.device) -> Tensor:
        """``(313,)``: how common each bin is in the training pictures, smoothed: p̃ of C eq. 1."""
        known = [each.prior for each in self.sets]
        if len(known) == 1 and known[0] is not None:
            return smooth_prior(torch.tensor(known[0], dtype=torch.float32)).to(device)
        chosen = np.random.default_rng(0).permutation(len(self.train))[:_COUNTED]
        return smooth_prior(prior_of(self._ab(int(i)) for i in chosen)).to(device)

    def _ab(self, index: int) -> Tensor:
        rgb = read_pixels(self.train[index].path, _COUNTED_SIDE)
        return lab_of_codes(torch.from_numpy(rgb).permute(2, 0, 1)[None])[:, 1:]


def _bytes_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1  # gone since; whoever reads it says so


def open_pictures(recipe: Recipe, data: Sequence[Path]) -> Pictures:
    """The pictures of all sets together.

    Raises:
        InputError: one of them is no set, or together they are too few.
    """
    # What is held out of a plain folder must not change with the seed of a run.
    sets = tuple(open_set(path, test_share=recipe.data.test_share) for path in data)
    train = tuple(picture for each in sets for picture in each.train)
    test = tuple(picture for each in sets for picture in each.test)
    if len(train) < 2 or not test:
        where = ", ".join(repr(str(path)) for path in data)
        raise InputError(
            f"There are too few pictures in {where}: {len(train)} to learn from and {len(test)} held out; "
            "at least 2 and 1 are needed."
        )
    return Pictures(sets, train, test)
