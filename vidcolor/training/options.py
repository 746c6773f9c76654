"""What a training run is told: a recipe, written in TOML, read into frozen dataclasses.

A recipe has one table a section below. Whatever it leaves out has the default that stands here; a key
that does not stand here, a value of the wrong kind, or one that makes no sense is refused with a sentence.
"""

from __future__ import annotations

import dataclasses
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from importlib.resources import files
from pathlib import Path
from types import UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from vidcolor.errors import InputError, UsageError

__all__ = [
    "DataOptions",
    "LossOptions",
    "ModelOptions",
    "OptimizerOptions",
    "QuantizeOptions",
    "Recipe",
    "RunOptions",
    "ScheduleOptions",
    "list_recipes",
    "load_recipe",
    "recipe_from",
    "recipe_to_dict",
]

T = TypeVar("T")


def number(default: T, *, least: float = -math.inf, most: float = math.inf, above: float = -math.inf) -> T:
    """A field whose value (or each of its values) must be in a range."""
    made: T = field(default=default, metadata={"least": least, "most": most, "above": above})
    return made


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOptions:
    """Which network."""

    name: str = "unet"
    """Its name in the registry (see ``vidcolor models``)."""
    options: dict[str, Any] = field(default_factory=dict)
    """What it is built with."""
    weights: str = ""
    """Weights it starts from: a file of the same model, or "default"; empty: from scratch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataOptions:
    """What is done with the pictures before the network sees them."""

    size: tuple[int, int] = number((128, 128), least=16)
    """Height and width of a sample, in pixels."""
    scale: tuple[float, float] = number((0.6, 1.0), above=0, most=1)
    """Side of the random window that becomes a sample, as a share of the largest that fits."""
    stretch: float = number(0.12, least=0, most=1)
    """Largest change of the aspect, either way, as a logarithm; 0 keeps it."""
    flip: bool = True
    """Half of the samples are mirrored."""
    grey: str = "lightness"
    """How colour becomes the grey that the network sees: one of the eight of :mod:`vidcolor.color.grey`
    (D2), or "random": any of them for each sample."""
    old_film: float = number(0.0, least=0, most=1)
    """Share of the samples that look like an old copy: orthochromatic response, contrast, blur, grain,
    vignette, compression."""
    hints: float = number(0.2, least=0, most=1)
    """Share of the samples with some true colours given; only for models that take hints."""
    motion_hints: float = number(0.0, least=0, most=1)
    """Share of the samples whose hints are the colour of another picture of the same shot, carried along
    motion (:mod:`vidcolor.training.carried`); they are other samples than those of ``hints``. Only for models
    that take hints, and for pictures that ``build-dataset`` took whole from a film, more than one a shot."""
    evenness: float = number(0.0, least=0, most=1)
    """How evenly labels are drawn: each in proportion to its pictures' number to the power 1 - evenness.
    0: as many as there are; 1: every label as often as every other (B5). Without labels nothing changes."""
    labels: bool = False
    """The network is told each picture's label (A7); its model's options get the names. Only for unet."""
    metadata: bool = False
    """The network is told when and where each picture was taken, where it says (D4). Only for unet."""
    unknown: float = number(0.3, least=0, most=1)
    """Share of the samples of which it is told nothing, so that it colours without, too."""
    test_share: float = number(0.1, above=0, most=0.9)
    """Held-out share of a plain folder of pictures; a built set knows its own."""
    memory_mb: int = number(2000, least=0)
    """Decoded pictures kept in memory, in MB; the rest is decoded each time."""
    threads: int = number(2, least=1, most=256)
    """Threads that decode and crop."""

    def __post_init__(self) -> None:
        if self.scale[0] > self.scale[1]:
            low, high = self.scale
            raise UsageError(f"'data.scale' must rise, not fall from {low:g} to {high:g}.")
        if self.hints + self.motion_hints > 1 + 1e-9:  # 0.9 + 0.1 is not always 1 in binary
            given = f"{self.hints:g} and {self.motion_hints:g}"
            raise UsageError(f"'data.hints' and 'data.motion_hints' must be at most 1 together, not {given}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class LossOptions:
    """What the network is told it did wrong; see :mod:`vidcolor.training.losses`."""

    name: str = "huber"
    """"l2", "l1", "mse", "msle", "huber" for networks that speak in colours, "srgb" for those that speak in
    ab, "cross-entropy" for bins."""
    huber_delta: float = number(0.23, above=0)
    """Where the Huber loss becomes straight, in the network's own units; 0.23 is 25 units of ab."""
    rarity: float = number(0.0, least=0, most=1)
    """Weight of a pixel: how rare its true colour is, to this power. 0: all weigh the same; 1 with
    "cross-entropy" is the papers' rebalancing (C2, E8)."""
    rarity_mix: float = number(0.5, above=0, most=1)
    """λ of C2 eq. 1: the share of the uniform distribution in the prior that rarity is read from."""
    rarity_limit: float = number(4.0, least=1)
    """Largest weight with a loss on colours; weights of bins are not cut."""
    picture_floor: float = number(0.0, least=0)
    """Above 0, the loss of a picture is the logarithm of its mean loss plus this, in the network's own
    units: as PSNR counts, so that halving a small error is worth as much as halving a large one. Only with a
    loss on colours."""
    colorful: float = number(0.0, least=0)
    """What a picture's colourfulness is worth: this, times its colourfulness (Hasler and Süsstrunk's over
    255), is taken off its loss. What errs least is paler than the truth, most where least is known; this
    asks for colour where it costs least. Only with "srgb"."""
    soft: bool = False
    """Cross-entropy against the 10 nearest bins (E6) instead of the nearest one."""
    blur: float = number(0.0, least=0)
    """σ of the Gaussian that blurs the true colours first (E9), in pixels of the network's output."""
    distribution: float = number(0.0, least=0, most=1)
    """α of C3: weight of the distance between the batch's bins and the prior; 0 leaves it out."""
    distribution_mode: Literal["sum", "product"] = "sum"
    """"sum" is α·L_dt + (1-α)·L_cl, what C's sentence says; "product" is its eq. 6 to the letter."""
    adversarial: bool = False
    """Train against a discriminator (A3)."""
    weight: float = number(1.0, above=0)
    """Factor on the loss above; λ = 100 beside the adversarial term (A eq. 4)."""
    generator: Literal["minimax", "nonsaturating"] = "minimax"
    """The generator's adversarial term: log(1 - D(G(x))) as A eq. 4, or -log D(G(x))."""
    discriminator: dict[str, Any] = field(default_factory=dict)
    """What the discriminator is built with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimizerOptions:
    """How weights follow gradients; the discriminator has another optimizer of the same kind."""

    name: Literal["adam", "adamw", "adadelta", "adadelta-nesterov", "sgd", "muon"] = "adamw"
    rate: float = number(1e-3, above=0)
    """Highest learning rate."""
    weight_decay: float = number(0.0, least=0)
    betas: tuple[float, float] = number((0.9, 0.999), least=0, most=0.999999)
    """Of Adam, and of what Muon steps as Adam does."""
    momentum: float = number(0.9, least=0, most=0.999999)
    """Of SGD, of Muon and of "adadelta-nesterov" (Nesterov's)."""
    clip: float = number(0.0, least=0)
    """Largest norm of the gradient; 0: any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleOptions:
    """How the learning rate changes."""

    name: Literal["constant", "cosine", "plateau"] = "constant"
    """"cosine" falls to 0 over the run; "plateau" falls by ``factor`` when validation stands still."""
    over: Literal["steps", "time"] = "steps"
    """What a cosine is measured by. With "time" it ends at the time limit, which then counts all
    sessions of the run together. Only runs measured by steps are the same again when they are resumed."""
    warmup: int = number(0, least=0)
    """Steps in which the rate rises from 0."""
    factor: float = number(0.5, above=0, most=0.999)
    """What the rate is multiplied by on a plateau."""
    patience: int = number(5, least=1)
    """Validations without a better loss that make a plateau."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How long, how much at once, and what is looked at meanwhile."""

    seed: int = number(1, least=0)
    """Of everything random; the same seed gives the same weights again on the same CPU."""
    batch: int = number(16, least=1)
    """Samples a step, all processes together."""
    accumulate: int = number(1, least=1)
    """Parts in which a step's samples pass through the network, to save memory. Norms see a part each."""
    epochs: float = number(10.0, above=0)
    """Passes over the training pictures; ``steps`` goes before it."""
    steps: int = number(0, least=0)
    """Steps in all; 0: by ``epochs``."""
    time_limit: float = number(0.0, least=0)
    """Minutes after which this session ends, to be resumed later; 0: none. See ``schedule.over``."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """What the network computes in; "auto" is bf16 on GPUs that have it, fp16 on others, else fp32."""
    ema: float = number(0.0, least=0, most=0.99999)
    """Decay of a moving average of the weights, which is then what is validated and kept; 0: none."""
    validate_every: int = number(0, least=0)
    """Steps between two looks at held-out pictures; 0: every epoch."""
    validation_pictures: int = number(64, least=1)
    """Held-out pictures looked at, always the same."""
    patience: int = number(0, least=0)
    """Validations without a better loss after which the run ends; 0: it does not end early."""
    keep: Literal["best", "last"] = "best"
    """Which weights go out: those with the lowest validation loss, or the last."""
    checkpoint_minutes: float = number(5.0, above=0)
    """Minutes between two checkpoints."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizeOptions:
    """How a model's network becomes int8 (:mod:`vidcolor.training.quantize`); no part of a recipe."""

    samples: int = 300
    """Samples of the pictures that are looked at."""
    seed: int = 0
    """Of their choice, and of the windows and hints in them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A whole recipe."""

    name: str = ""
    """What it is called; the file's name unless it says another."""
    summary: str = ""
    """One line, as ``vidcolor train --list-recipes`` prints it."""
    model: ModelOptions = field(default_factory=ModelOptions)
    data: DataOptions = field(default_factory=DataOptions)
    loss: LossOptions = field(default_factory=LossOptions)
    optimizer: OptimizerOptions = field(default_factory=OptimizerOptions)
    schedule: ScheduleOptions = field(default_factory=ScheduleOptions)
    run: RunOptions = field(default_factory=RunOptions)


def list_recipes() -> list[str]:
    """Names of the recipes that come with the package.

    >>> "unet" in list_recipes()
    True
    """
    folder = files("vidcolor.training") / "recipes"
    return sorted(f.name.removesuffix(".toml") for f in folder.iterdir() if f.name.endswith(".toml"))


def load_recipe(name: str, changes: Sequence[tuple[str, str]] = ()) -> Recipe:
    """The recipe of that name, or in that file, with some values changed.

    Args:
        name: one of :func:`list_recipes`, or a TOML file.
        changes: pairs such as ``("optimizer.rate", "2e-4")``; values are written as in TOML, text
            also without its quotes.

    Raises:
        UsageError: there is no such recipe, or it holds a key or a value that cannot be.
        InputError: the file cannot be read.
    """
    if name in list_recipes():
        text, where = (files("vidcolor.training") / "recipes" / f"{name}.toml").read_text("utf-8"), name
    elif name.endswith(".toml") or Path(name).is_file():
        text, where = _read(Path(name)), name
    else:
        raise UsageError(f"There is no recipe {name!r}; give {', '.join(list_recipes())}, or a TOML file.")
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"Recipe {where!r} is not TOML: {str(error).rstrip('.')}.") from error
    return recipe_from({"name": Path(name).stem, **values}, changes)


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise InputError(f"Recipe {str(path)!r} cannot be read: {why}.") from error


def recipe_from(values: Mapping[str, Any], changes: Sequence[tuple[str, str]] = ()) -> Recipe:
    """A recipe from plain values, as TOML or a checkpoint holds them.

    >>> recipe_from({}, [("run.batch", "4")]).run.batch
    4
    """
    merged = {key: dict(value) if isinstance(value, Mapping) else value for key, value in values.items()}
    for key, text in changes:
        _put(merged, key, _toml_value(text))
    return _build(Recipe, merged, "")


def _put(values: dict[str, Any], key: str, value: Any) -> None:
    *path, last = key.split(".")
    for part in path:
        inner = values.setdefault(part, {})
        if not isinstance(inner, dict):
            raise UsageError(f"{key!r} is no key of a recipe: {part!r} holds a value.")
        values[part] = values = dict(inner)
    values[last] = value


def _toml_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, KeyError):
        return text


def recipe_to_dict(recipe: Recipe) -> dict[str, Any]:
    """The same as plain JSON values; :func:`recipe_from` reads it again."""
    plain: dict[str, Any] = _plain(dataclasses.asdict(recipe))
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, tuple | list) else value


def _build(cls: type[T], values: Mapping[str, Any], where: str) -> T:
    """A dataclass from plain values, each checked against its field."""
    hints = get_type_hints(cls)
    known = {f.name: f for f in fields(cls)}  # type: ignore[arg-type]
    built: dict[str, Any] = {}
    for name, value in values.items():
        path = f"{where}{name}"
        if name not in known:
            place = f"[{where.rstrip('.')}]" if where else "a recipe"
            raise UsageError(f"There is no key {path!r}; {place} takes {', '.join(known)}.")
        if dataclasses.is_dataclass(hints[name]):
            if not isinstance(value, Mapping):
                raise UsageError(f"{path!r} must be a table, [{path}], not {value!r}.")
            built[name] = _build(hints[name], value, f"{path}.")
        else:
            built[name] = _typed(path, hints[name], value)
            _check_range(path, built[name], known[name].metadata)
    return cls(**built)


_WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text", dict: "a table"}


def _typed(path: str, hint: Any, value: Any) -> Any:
    """The value as its field wants it."""
    if get_origin(hint) is Literal:
        if value in get_args(hint):
            return value
        raise UsageError(f"{path!r} must be one of {', '.join(get_args(hint))}, not {value!r}.")
    if get_origin(hint) is tuple:
        kinds = get_args(hint)
        if isinstance(value, list | tuple) and len(value) == len(kinds):
            return tuple(_typed(path, kind, item) for kind, item in zip(kinds, value, strict=True))
        raise UsageError(f"{path!r} must be a list of {len(kinds)} numbers, not {value!r}.")
    kind = get_origin(hint) or hint
    assert not isinstance(kind, UnionType)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise UsageError(f"{path!r} must be {_WORDS[kind]}, not {value!r}.")
    return value


def _check_range(path: str, value: Any, limits: Mapping[str, float]) -> None:
    for item in value if isinstance(value, tuple) else (value,):
        if not isinstance(item, int | float) or isinstance(item, bool):
            continue
        least, most, above = (limits.get(k, d) for k, d in _ANY.items())
        if not math.isfinite(item) or item < least or item > most or item <= above:
            low = f"above {above:g}" if above > -math.inf else f"at least {least:g}"
            high = "" if most == math.inf else f" and at most {most:g}"
            raise UsageError(f"{path!r} must be {low}{high}, not {item:g}.")


_ANY = {"least": -math.inf, "most": math.inf, "above": -math.inf}
