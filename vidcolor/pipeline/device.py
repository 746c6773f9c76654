"""Where the network runs, in what precision, and with how many frames at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch

from vidcolor.errors import DeviceError, UsageError

__all__ = ["autocast", "choose_batch_size", "choose_device", "choose_precision", "is_out_of_memory", "using"]

CPU_BATCH = 4
"""Frames at once on a CPU. Fixed: the rounding of a convolution can depend on it, and a film coloured
twice on a CPU must come out the same."""
_LARGEST_BATCH = 32
"""On a GPU; more gains nothing and holds more frames back."""
_BYTES_A_PIXEL = 4 * 600
"""Memory a frame takes on a GPU, a pixel of the network's picture: activations of our U-Net, with room."""


def choose_device(wanted: str) -> torch.device:
    """The device for "auto", "cpu", "cuda", "cuda:N" or "mps".

    Raises:
        UsageError: no such device name, or the machine has none.
    """
    if wanted == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(wanted)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda", "mps"):
        raise UsageError(f"There is no device {wanted!r}; give auto, cpu, cuda, cuda:N or mps.")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        found = torch.cuda.device_count()
        raise UsageError(
            f"Device {wanted!r} is not usable: torch sees {found or 'no'} CUDA devices; try --device cpu."
        )
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise UsageError("Device 'mps' is not usable on this machine; try --device cpu.")
    return device


def choose_precision(wanted: str, device: torch.device) -> torch.dtype:
    """What to compute in: "auto" takes half precision where the hardware gains by it.

    Of CPUs those with AMX, and AMD's with AVX-512's bf16, where a call takes half the time; with that
    instruction alone other makers' took half as long again as in fp32 (``benchmarks/backends.py``), and
    without it torch emulates bf16, slower still. By the CPU's kind, not by the clock: a film coloured twice
    on a machine must come out the same.
    """
    named = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
    if wanted in named:
        return named[wanted]
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    gains = device.type == "cpu" and torch.backends.mkldnn.is_available() and _cpu_gains_by_bf16()
    return torch.bfloat16 if gains else torch.float32


def _cpu_gains_by_bf16() -> bool:
    # The first is not public, older releases lack the other; where they are missing, fp32 is the safe answer.
    if getattr(torch.cpu, "_is_amx_tile_supported", bool)():
        return True
    can: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(can.get("avx512_bf16")) and str(can.get("cpu_name", "")).startswith("AMD")


def autocast(device: torch.device, precision: torch.dtype) -> AbstractContextManager[object]:
    """The context a network is called in."""
    if precision == torch.float32:
        return nullcontext()
    return torch.autocast(device.type, dtype=precision)


def choose_batch_size(wanted: int | None, device: torch.device, pixels: int) -> int:
    """Frames a network call: what was asked for, or what fits half of a GPU's free memory."""
    if wanted is not None:
        return wanted
    if device.type != "cuda":
        return CPU_BATCH
    free, _ = torch.cuda.mem_get_info(device)
    return int(max(1, min(_LARGEST_BATCH, free // 2 // (pixels * _BYTES_A_PIXEL))))


_FAILED = ("cuda error", "cuda driver error", "cudnn error", "cublas error", "mps backend")
"""What torch's words begin with when a device fails; only newer ones have a class for it."""


@contextmanager
def using(device: torch.device) -> Iterator[None]:
    """Turns what torch raises when a GPU is lost or fails into one sentence, a DeviceError."""
    try:
        yield
    except RuntimeError as error:
        if not str(error).lower().startswith(_FAILED):
            raise
        told = str(error).splitlines()[0].rstrip(". ")
        raise DeviceError(f"{device} has failed: {told}; try again, or --device cpu.") from error


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of torch's means that memory ran out."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and ("out of memory" in text or "can't allocate memory" in text)
