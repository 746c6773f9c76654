"""Damaged weights files and checkpoints: loaded as they were, or refused with a sentence; nothing else."""

from __future__ import annotations

import argparse
import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mutations import KINDS, mutate
from watched import watched

__all__ = ["add_options", "run"]

_EQUAL, _REFUSED, _OTHER = 0, 1, 2
_VERDICTS = {_EQUAL: "as it was", _REFUSED: "refused", _OTHER: "loaded, but another"}


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--first", type=int, default=0, help="number of the first mutation")
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=60, help="limit for each")
    parser.add_argument("--mebibytes", type=int, default=1024, help="limit for each")
    parser.add_argument("--keep", type=Path, help="folder for files that failed")


def run(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Loads the damaged files; returns what came out, for JSON."""
    files = dict(_files(folder))
    names = list(files)
    contents = {name: path.read_bytes() for name, (path, _) in files.items()}
    references = {name: load(path) for name, (path, load) in files.items()}
    kinds = [*KINDS, "digits"]
    cases = []
    for index in range(options.first, options.first + options.count):
        rng = random.Random(f"{options.seed}:{index}")
        name, kind = names[index % len(names)], kinds[(index + index // len(names)) % len(kinds)]
        data, other = contents[name], contents[rng.choice(names)]
        changed = _digits(data, rng) if kind == "digits" else mutate(data, kind, rng, other)
        path = folder / f"{index}-{name}.safetensors"
        path.write_bytes(changed)
        load, reference = files[name][1], references[name]
        result = watched(
            lambda: _verdict(load, path, reference),  # noqa: B023  # called before the next one
            folder,
            seconds=options.seconds,
            mebibytes=options.mebibytes,
        )
        problems = _problems(result.code, result.signal, result.timed_out, result.err)
        said = _VERDICTS.get(result.code if result.code is not None else -1, "crashed")
        cases.append({
            "index": index, "file": name, "kind": kind, "verdict": said, "peak": result.peak,
            "seconds": round(result.seconds, 2), "said": result.err.strip(), "problems": problems,
        })  # fmt: skip
        if problems:
            print(f"{index} {name} {kind}: {problems} {result.err[-300:]}", flush=True)
            if options.keep:
                options.keep.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, options.keep / path.name)
        path.unlink()
    return _report(cases, names, options)


def _files(folder: Path) -> Iterator[tuple[str, tuple[Path, Callable[[Path], Any]]]]:
    """The files that are damaged, and what loads each."""
    from vidcolor import __version__
    from vidcolor.models import create_model, save_weights
    from vidcolor.models.weights import default_weights, load_weights

    def weights(path: Path) -> Any:
        loaded = load_weights(path)
        return {
            "state": dict(loaded.model.state_dict()),
            "kind": type(loaded.model),
            "training": loaded.training,
        }

    for name, model, options, training in (
        ("tiny", create_model("tiny"), {}, {"steps": 3}),
        ("unet", create_model("unet", widths=[4, 8]), {"widths": [4, 8]}, {"loss": 0.25}),
    ):
        path = folder / f"{name}.safetensors"
        save_weights(path, model, name=name, options=options, training=training, version=__version__)
        yield name, (path, weights)
    path = folder / "default.safetensors"
    _seal_again(default_weights(), path)
    yield "default", (path, weights)
    path = folder / "checkpoint.safetensors"
    _make_checkpoint(path)
    from vidcolor.training.checkpoint import load_checkpoint

    yield "checkpoint", (path, load_checkpoint)


def _seal_again(source: Path, target: Path) -> None:
    """A weights file as it is written today."""
    import json

    from vidcolor.models import save_weights
    from vidcolor.models.weights import load_weights
    from vidcolor.models.weights_file import SealedFile

    with SealedFile(source) as file:
        words = file.words
    save_weights(
        target,
        load_weights(source).model,
        name=words["model"],
        options=json.loads(words["options"]),
        training=json.loads(words["training"]),
        version=words["vidcolor"],
        bits=16,
    )


def _make_checkpoint(path: Path) -> None:
    """Of a small network after one step."""
    import torch

    from vidcolor.training.checkpoint import save_checkpoint
    from vidcolor.training.distributed import Group
    from vidcolor.training.options import recipe_from
    from vidcolor.training.state import State

    recipe = recipe_from({"model": {"name": "unet", "options": {"widths": [4, 8]}}})
    state = State(recipe, device=torch.device("cpu"), precision=torch.float32, group=Group())
    loss = state.model(torch.full((1, 1, 16, 16), 50.0)).abs().sum() + sum(
        p.abs().sum() for p in state.model.parameters()
    )
    loss.backward()
    state.optimizers[0].step()
    state.rows = [{"step": 1, "loss": 0.5}]
    save_checkpoint(path, recipe=recipe, pictures="a digest", state=state.state_dict())


def _digits(data: bytes, rng: random.Random) -> bytes:
    """One to three digits of the header are others: shapes, places, options."""
    end = 8 + int.from_bytes(data[:8], "little")
    places = [place for place in range(8, end) if data[place : place + 1].isdigit()]
    changed = bytearray(data)
    for place in rng.sample(places, rng.randint(1, 3)):
        changed[place] = rng.choice(b"0123456789")
    return bytes(changed)


def _verdict(load: Callable[[Path], Any], path: Path, reference: Any) -> int:
    """In the child: loads a file and says what came of it; anything unforeseen becomes a traceback."""
    import sys

    from vidcolor.errors import ModelError

    try:
        found = load(path)
    except ModelError as error:
        sys.stderr.write(f"{error}\n")
        return _REFUSED
    return _EQUAL if _equal(found, reference) else _OTHER


def _equal(one: Any, other: Any) -> bool:
    import torch

    if isinstance(one, torch.Tensor):
        return (
            isinstance(other, torch.Tensor)
            and one.dtype == other.dtype
            and one.shape == other.shape
            and one.reshape(-1).view(torch.uint8).equal(other.reshape(-1).view(torch.uint8))
        )
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_equal(one[k], other[k]) for k in one)
    if isinstance(one, list | tuple):
        return (
            type(one) is type(other)
            and len(one) == len(other)
            and all(_equal(a, b) for a, b in zip(one, other, strict=True))
        )
    return bool(one == other)


def _problems(code: int | None, signal: str | None, timed_out: bool, err: str) -> list[str]:
    if timed_out:
        return ["took too long"]
    if signal:
        return [f"killed by {signal}"]
    if code not in (_EQUAL, _REFUSED):
        return [_VERDICTS.get(code if code is not None else -1, "something else than a refusal")]
    if code == _REFUSED and err.count("\n") != 1:
        return ["more than a sentence"]
    return []


def _report(cases: list[dict[str, Any]], names: list[str], options: argparse.Namespace) -> dict[str, Any]:
    print("\n| file | damaged | as it was | refused | wrong | longest, s | most memory, MiB |")
    print("|---|---|---|---|---|---|---|")
    for name in [*names, "all"]:
        rows = [c for c in cases if name in ("all", c["file"])]
        if not rows:
            continue
        count = Counter("wrong" if c["problems"] else c["verdict"] for c in rows)
        slowest, largest = max(c["seconds"] for c in rows), max(c["peak"] for c in rows)
        print(f"| {name} | {len(rows)} | {count['as it was']} | {count['refused']} | {count['wrong']} "
              f"| {slowest:.1f} | {largest} |")  # fmt: skip
    wrong = sum(1 for c in cases if c["problems"])
    print(f"\n{len(cases)} files, {wrong} wrong; seed {options.seed}")
    return {"seed": options.seed, "files": len(cases), "wrong": wrong, "cases": cases}
