"""A trained model with its network in int8, for OpenVINO: after training, with pictures to calibrate by.

NNCF looks at what goes through the network while it colours the pictures, and chooses from that which range
of values the 256 steps of each layer cover.
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from vidcolor import __version__
from vidcolor.datasets.manifest import open_set
from vidcolor.errors import InputError, ModelError, OutputError, UsageError
from vidcolor.models import ColorModel, resolve_model
from vidcolor.models.converted import Converted, convert, import_openvino, save_converted
from vidcolor.training.data import Batches, ready
from vidcolor.training.options import DataOptions, QuantizeOptions
from vidcolor.training.pictures import Pictures

__all__ = ["default_output", "quantize"]

_DATA = DataOptions(size=(192, 256), hints=0.5, memory_mb=300)
"""What a run's network sees, about; half of the samples have colours given: ranges hold for hints too."""
_COLOUR_ARITHMETIC = r"aten::(mul|div|add|sub|mean|avg_pool2d|max_pool2d|upsample_bilinear2d)/.*"
"""What no layer does stays exact: it costs next to nothing."""


def default_output(model: str) -> Path:
    """``NAME.int8.safetensors``: beside a weights file, or in the current folder for a model's name.

    >>> default_output("default").as_posix(), default_output("models/bob.safetensors").as_posix()
    ('default.int8.safetensors', 'models/bob.int8.safetensors')
    """
    path = Path(model)
    stem = path.stem if path.suffix == ".safetensors" else path.name
    return path.with_name(f"{stem}.int8.safetensors")


def quantize(
    model: str,
    data: Sequence[Path],
    output: Path | None = None,
    options: QuantizeOptions | None = None,
    *,
    overwrite: bool = False,
    notify: Callable[[str], None] = lambda sentence: None,
) -> Path:
    """Writes a model's network in int8.

    Args:
        model: what a user calls it: "default" or a weights file.
        data: sets of ``build-dataset`` or folders of pictures, in colour. What is held out of them is not
            looked at.
        output: the file; None: :func:`default_output`.
        options: how; the defaults when None.
        overwrite: whether an older file may be replaced.
        notify: gets sentences that a person should read.

    Returns:
        The file.

    Raises:
        UsageError: OpenVINO or NNCF is not installed, or the model has nothing to quantize.
        VidcolorError: the model or the pictures cannot be used, or the file cannot be written.
    """
    options = options or QuantizeOptions()
    target = default_output(model) if output is None else output
    if target.suffix != ".safetensors":
        raise UsageError(f"{str(target)!r} is not the name of a weights file (.safetensors).")
    if target.exists() and not overwrite:
        raise OutputError(f"{str(target)!r} exists; replace it with -y.")
    if not target.parent.is_dir():
        raise OutputError(f"The folder {str(target.parent)!r} does not exist.")
    import_openvino()
    nncf = _import_nncf()
    loaded = resolve_model(model)
    if isinstance(loaded.model, Converted):
        raise UsageError(f"{model!r} is quantized already; give the weights file it was made of.")
    if not loaded.model.parameter_count:
        raise UsageError(f"Model {model!r} has no weights, so there is nothing to quantize.")
    calibration = _Calibration(loaded.model, data, options)
    notify(f"looking at {options.samples} samples of {calibration.pictures} pictures")
    plain = convert(loaded.model)
    try:
        with _silent():
            graph = nncf.quantize(
                plain.graph,
                nncf.Dataset(calibration),
                preset=nncf.QuantizationPreset.MIXED,
                subset_size=options.samples,
                ignored_scope=nncf.IgnoredScope(patterns=[_COLOUR_ARITHMETIC], validate=False),
                # CPUs without VNNI add products of bytes in 16 bits, which overflow: weights are given
                # half of their range.
                advanced_parameters=nncf.AdvancedQuantizationParameters(overflow_fix=nncf.OverflowFix.ENABLE),
            )
    except (RuntimeError, nncf.ValidationError) as error:
        why = str(error).strip().splitlines()
        raise ModelError(f"NNCF cannot quantize {model!r}: {(why or ['?'])[-1].rstrip('.')}.") from error
    made = {"bits": 8, "pictures": calibration.pictures, **asdict(options)}
    save_converted(
        target,
        Converted(graph, plain.traits),
        name=loaded.name,
        options=loaded.options,
        training={**loaded.training, "quantized": made},
        version=__version__,
    )
    return target


def _import_nncf() -> Any:
    try:
        import nncf
    except ImportError:
        raise UsageError(
            "NNCF is not installed; install it with: pip install 'vidcolor[quantize]'."
        ) from None
    return nncf


class _Calibration:
    """Samples as the network's inputs; they can be gone through again, and are the same then."""

    def __init__(self, model: ColorModel, data: Sequence[Path], options: QuantizeOptions) -> None:
        sets = tuple(open_set(path) for path in data)
        train = tuple(picture for each in sets for picture in each.train)
        if not train:
            raise InputError(f"There are no pictures in {', '.join(repr(str(path)) for path in data)}.")
        described = Pictures(sets, train, ()).described_for(model)
        self.pictures = len(train)
        self._model, self._samples = model, options.samples
        self._batches = Batches(
            train, _DATA, size=1, seed=options.seed, hints=model.takes_hints, describe=described.describe
        )

    def __iter__(self) -> Iterator[list[npt.NDArray[np.float32]]]:
        for step in range(self._samples):
            batch = ready(self._batches.at(step), torch.device("cpu"))
            lightness, hints = self._model.padded(batch.lightness, batch.hints)
            given = self._model.in_a_row(lightness, hints, batch.condition)
            yield [one.contiguous().numpy() for one in given]


@contextmanager
def _silent() -> Iterator[None]:
    """NNCF shows bars on stdout and logs what it does."""
    logger = logging.getLogger("nncf")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
