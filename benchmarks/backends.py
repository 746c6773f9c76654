#!/usr/bin/env python3
"""What computes the network: speed beside PyTorch's fp32, and what it costs in quality.

    python benchmarks/backends.py [--model default] [--data PHOTOS] [--pictures 200] [--runs 7] [--json FILE]

PyTorch as it is, `torch.compile`, OpenVINO in fp32, PyTorch and OpenVINO in bf16 if the CPU knows it, and
OpenVINO with the network in int8, which `vidcolor quantize` calibrates on photographs that are not held out
(`--int8 FILE`: one that is there already); and PyTorch with a second look (`--read looks=2`), where the model
knows one. Speed is processor time of a call with 4 pictures of 352×192,
all in turn; the ratio is the median of the turns. Quality is measured on held-out photographs
(`training/held_out.py`), their largest 4:3 window at 256×192: CIEDE2000 from what PyTorch's fp32 makes of
them, over all pixels, and PSNR from the truth.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from clips import DATA
from torch import Tensor

sys.path.append(str(Path(__file__).resolve().parents[1] / "training"))
import held_out

from vidcolor.color.lab import lab_to_rgb, rgb_to_lab
from vidcolor.datasets.sources import find_pictures
from vidcolor.metrics import delta_e_2000
from vidcolor.models import ColorModel, load_model, resolve_model
from vidcolor.pipeline.backend import Infer, infer_with
from vidcolor.pipeline.device import autocast
from vidcolor.pipeline.options import RunOptions
from vidcolor.training.augment import centre_window
from vidcolor.training.data import lab_of_codes, read_pixels
from vidcolor.training.options import QuantizeOptions
from vidcolor.training.quantize import quantize

CPU = torch.device("cpu")
TIMED = (4, 1, 192, 352)
SIDES = (192, 256)
CALIBRATED = 1000
"""Photographs that calibration draws from."""


def photographs(data: Path, *, held: bool, limit: int) -> list[Path]:
    """Of all folders below, by chance with a seed."""
    found = [path for path in find_pictures(data) if held_out.held_out(path.name) == held]
    return [found[i] for i in sorted(np.random.default_rng(0).permutation(len(found))[:limit])]


@contextmanager
def int8_of(model: str, data: Path, file: Path | None, samples: int) -> Iterator[Path]:
    """The model's file in int8, made where there is none."""
    if file is not None:
        yield file
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "photographs")
        folder.mkdir()
        for number, photo in enumerate(photographs(data, held=False, limit=CALIBRATED)):
            (folder / f"{number:05d}{photo.suffix}").symlink_to(photo.resolve())
        yield quantize(model, [folder], Path(name, "int8.safetensors"), QuantizeOptions(samples=samples))


def ways(model: ColorModel, int8: ColorModel, twice: ColorModel | None) -> dict[str, Infer]:
    """All that can be computed with here, by name; PyTorch's fp32 is the first."""
    kinds: dict[str, tuple[ColorModel, str, torch.dtype]] = {
        "torch fp32": (model, "torch", torch.float32),
        "torch.compile fp32": (model, "compile", torch.float32),
        "openvino fp32": (model, "openvino", torch.float32),
    }
    if getattr(torch.cpu, "_is_avx512_bf16_supported", bool)():  # not public, may be missing
        kinds["torch bf16"] = (model, "torch", torch.bfloat16)
        kinds["openvino bf16"] = (model, "openvino", torch.bfloat16)
    kinds["openvino int8"] = (int8, "torch", torch.float32)
    if twice is not None:
        kinds["torch fp32, two looks"] = (twice, "torch", torch.float32)
    return {name: called(*kind) for name, kind in kinds.items()}


def called(model: ColorModel, backend: str, precision: torch.dtype) -> Infer:
    """The network as a run calls it."""
    infer = infer_with(model, RunOptions(backend=backend), precision)  # type: ignore[arg-type]

    def call(lightness: Tensor, hints: Tensor | None, condition: Tensor | None) -> Tensor:
        with autocast(CPU, precision):
            return infer(lightness.contiguous(memory_format=torch.channels_last), hints, condition)

    return call


def time_all(named: dict[str, Infer], runs: int) -> dict[str, list[float]]:
    """Processor seconds of each call, turn by turn; the first turn warms up and is not counted."""
    pictures = torch.rand(TIMED, generator=torch.Generator().manual_seed(0)) * 100
    seconds: dict[str, list[float]] = {name: [] for name in named}
    for turn in range(runs + 1):
        for name, infer in named.items():
            begun = time.process_time()
            infer(pictures, None, None)
            if turn:
                seconds[name].append(time.process_time() - begun)
    return seconds


def shown(ab: Tensor, lab: Tensor, grain: int) -> Tensor:
    """``(B, 3, H, W)`` in [0, 1]: R'G'B' of the pictures with that colour, as screens show it."""
    whole = F.interpolate(
        ab[..., ::grain, ::grain], size=lab.shape[-2:], mode="bilinear", align_corners=False
    )
    return lab_to_rgb(torch.cat((lab[:, :1], whole), 1)).clamp(0, 1)


def psnr(rgb: Tensor, truth: Tensor) -> float:
    return -10 * float((rgb - truth).square().mean().clamp_min(1e-9).log10())


def measure(named: dict[str, Infer], grain: int, paths: list[Path]) -> dict[str, dict[str, float]]:
    """What each makes of the pictures; "grey" beside them."""
    errors: dict[str, list[Tensor]] = {name: [] for name in named}
    ratios: dict[str, list[float]] = {name: [] for name in (*named, "grey")}
    for path in paths:
        pixels = centre_window(read_pixels(path, max(SIDES)), SIDES)
        lab = lab_of_codes(torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None])
        truth = lab_to_rgb(lab).clamp(0, 1)
        ratios["grey"].append(psnr(shown(torch.zeros_like(lab[:, 1:]), lab, 1), truth))
        first: Tensor | None = None
        for name, infer in named.items():
            rgb = shown(infer(lab[:, :1].contiguous(), None, None), lab, grain)
            ratios[name].append(psnr(rgb, truth))
            said = rgb_to_lab(rgb)
            first = said if first is None else first
            errors[name].append(delta_e_2000(first, said).flatten().half())
    found = {name: {"psnr": statistics.mean(values)} for name, values in ratios.items()}
    for name, parts in errors.items():
        every = torch.cat(parts).float().numpy()
        found[name] |= {"delta_e": float(every.mean()), "delta_e_95": float(np.percentile(every, 95))}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="default")
    parser.add_argument("--data", type=Path, default=DATA / "photos", help="folders of photographs")
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--samples", type=int, default=QuantizeOptions().samples)
    parser.add_argument(
        "--int8", type=Path, metavar="FILE", help="what 'vidcolor quantize' made of the model"
    )
    parser.add_argument("--without", nargs="*", default=[], metavar="NAME", help="leave these out")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    paths = photographs(options.data, held=True, limit=options.pictures)
    if not paths:
        parser.error(f"{options.data} holds no held-out photographs")
    print(f"{options.model}; {os.cpu_count()} cores {platform.machine()}, {torch.get_num_threads()} threads")
    model = load_model(options.model).to(memory_format=torch.channels_last).eval()
    twice = None
    if "looks" in model.readings:
        twice = resolve_model(options.model, [("looks", "2")]).model.to(memory_format=torch.channels_last)
    with int8_of(options.model, options.data, options.int8, options.samples) as file:
        named = ways(model, load_model(file), twice)
    named = {name: infer for name, infer in named.items() if name not in options.without}
    seconds = time_all(named, options.runs)
    found = measure(named, model.grain, paths)
    base = next(iter(named))
    print(f"{len(paths)} photographs; grey {found['grey']['psnr']:.2f} dB")
    print(f"{'':22}{'CPU s':>8}{'ratio':>7}{'(least to most)':>19}{'ΔE':>7}{'95 %':>7}{'PSNR':>8}")
    for name, values in seconds.items():
        shares = [a / b for a, b in zip(values, seconds[base], strict=True)]
        row = found[name] | {"seconds": statistics.median(values), "ratio": statistics.median(shares),
                             "least": min(shares), "most": max(shares)}  # fmt: skip
        found[name] = row
        spread = f"({row['least']:.2f} to {row['most']:.2f})"
        print(
            f"{name:22}{row['seconds']:8.3f}{row['ratio']:7.2f}{spread:>19}{row['delta_e']:7.3f}"
            f"{row['delta_e_95']:7.3f}{row['psnr']:8.2f}"
        )
    if options.json:
        facts = {"model": options.model, "pictures": len(paths), "samples": options.samples}
        options.json.write_text(json.dumps({**facts, "ways": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
