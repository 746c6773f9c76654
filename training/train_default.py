#!/usr/bin/env python3
"""Trains the first default model, from top to bottom on one page.

    python training/train_default.py --data DATA -o first.safetensors
    python training/train_default.py --data DATA --start first.safetensors --minutes 13 --cartoons 0.5 \\
        --rarity 0.3 --rate 4e-4 --sizes 128 128 --seed 3 -o vidcolor/weights/default.safetensors

DATA holds ``photos/<source>/*.jpg`` and ``video/train/…``; ``video/demo`` is never read. A tenth of
every photo source and four Penny & Chip clips are held out and only measured. What it was trained on,
for how long, and the held-out figures go into the weights file; ``write_card.py`` makes the card of it.

The network learns ab (CIE Lab, sRGB) from lightness, now and then with a few true colours as hints.
The loss is a Huber loss in ab, weighted by a power of how rare the true colour is (after Zhang et al.
2016, eq. 4, λ = 0.5): plain regression learns that everything is slightly brown, and the full weights
learnt, within ten minutes, that everything is loud. The second stage is
calmer, and sees the cartoons more often.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import os
import platform
import queue
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vidcolor import __version__
from vidcolor.color.lab import lab_to_rgb, rgb_to_lab
from vidcolor.metrics import colorfulness, psnr
from vidcolor.models.spaces import AB_SCALE
from vidcolor.models.unet import UNet
from vidcolor.models.weights import load_weights, save_weights

SHORT_SIDE = 160
"""Pictures are kept at this short side, in pixels (the photographs' own)."""
HELD_OUT_CLIPS = ("autumn", "reading", "splash", "tractors")
"""Penny & Chip clips that are only measured."""

# Share of the samples each source gives: people, skin and landscape first, cartoons next.
PHOTO_SHARES = {
    "flickr8k_224": 0.30, "scenes_sun": 0.13, "lfw_faces": 0.09, "street_fashion": 0.06, "flowers17": 0.03,
    "cats_dogs": 0.02, "pandas": 0.005, "houses": 0.03, "cars": 0.02, "bsds500": 0.04, "imagenet": 0.02,
    "small_mix": 0.03, "coco128": 0.01,
}  # fmt: skip
VIDEO_SHARES = {"big_buck_bunny": 0.08, "penny_and_chip": 0.08, "asl_signers": 0.05, "fixed_camera": 0.005,
                "highway": 0.01}  # fmt: skip

Picture = np.ndarray
"""``(H, W, 3)`` uint8 RGB, short side ``SHORT_SIDE``."""


# ---- pictures ---------------------------------------------------------------------------------


def held_out(name: str) -> bool:
    """Whether a photograph is among the tenth that is never trained on; by its name alone."""
    return zlib.crc32(name.encode()) % 10 == 0


def shrink(picture: Picture) -> Picture:
    height, width = picture.shape[:2]
    scale = SHORT_SIDE / min(height, width)
    return cv2.resize(picture, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)


def load_photos(folder: Path, wanted: Callable[[str], bool]) -> list[Picture]:
    pictures = []
    for path in sorted(folder.iterdir()):
        if wanted(path.name) and (bgr := cv2.imread(str(path))) is not None:
            rgb = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
            pictures.append(rgb if min(rgb.shape[:2]) == SHORT_SIDE else shrink(rgb))
    return pictures


def load_frames(path: Path, every_seconds: float) -> list[Picture]:
    """Frames of a film at even distances, without those that are all black or hold no colour."""
    pictures, due = [], 0.0
    with av.open(str(path)) as container:
        container.streams.video[0].thread_type = "AUTO"
        for frame in container.decode(video=0):
            if frame.time is None or frame.time < due:
                continue
            due = frame.time + every_seconds
            picture = shrink(frame.to_ndarray(format="rgb24"))
            if colorfulness(picture) > 4 and picture.mean() > 12:
                pictures.append(picture)
    return pictures


def load_all(data: Path) -> tuple[dict[str, list[Picture]], dict[str, list[Picture]]]:
    """Training pictures and held-out pictures, by source."""
    training: dict[str, list[Picture]] = {}
    validation: dict[str, list[Picture]] = {}
    for source in PHOTO_SHARES:
        training[source] = load_photos(data / "photos" / source, lambda name: not held_out(name))
        validation[source] = load_photos(data / "photos" / source, held_out)
    films = data / "video" / "train"
    training["big_buck_bunny"] = load_frames(films / "big_buck_bunny_360p_000-300s.mp4", 0.4)
    clips = sorted((films / "penny_and_chip").glob("*.mp4"))
    test_clips = [c for c in clips if any(c.stem.endswith(name) for name in HELD_OUT_CLIPS)]
    training["penny_and_chip"] = [p for c in clips if c not in test_clips for p in load_frames(c, 0.25)]
    validation["penny_and_chip"] = [p for c in test_clips for p in load_frames(c, 1.0)]
    training["asl_signers"] = [
        p for c in sorted((films / "asl_signers").glob("*.mkv")) for p in load_frames(c, 0.25)
    ]
    training["fixed_camera"] = load_frames(films / "fixed_camera_people.mp4", 1.0)
    training["highway"] = load_frames(films / "highway02.avi", 0.5)
    return training, validation


# ---- batches ----------------------------------------------------------------------------------


def random_crop(picture: Picture, source: str, size: int, rng: np.random.Generator) -> Picture:
    height, width = picture.shape[:2]
    crop_h = int(min(height, width) * rng.uniform(0.6, 1.0))
    # flickr8k was squeezed to squares: a narrower window, widened, gives people their shape back.
    stretch = rng.uniform(1.0, 1.5) if source == "flickr8k_224" else math.exp(rng.uniform(-0.12, 0.12))
    crop_w = int(min(width, crop_h / stretch))
    top, left = rng.integers(0, height - crop_h + 1), rng.integers(0, width - crop_w + 1)
    crop = cv2.resize(
        picture[top : top + crop_h, left : left + crop_w], (size, size), interpolation=cv2.INTER_AREA
    )
    return crop[:, ::-1] if rng.random() < 0.5 else crop


def age(lightness: Tensor, rng: np.random.Generator) -> Tensor:
    """Lightness ``(B, 1, H, W)`` as other cameras, copies and exposures would have it."""
    x = (lightness / 100).clamp(0, 1)
    count = len(x)

    def draw(low: float, high: float) -> Tensor:
        return torch.from_numpy(rng.uniform(low, high, (count, 1, 1, 1)).astype(np.float32))

    x = x ** torch.exp(draw(-0.4, 0.4))
    x = (x * draw(0.8, 1.05) + draw(-0.03, 0.12)).clamp(0, 1)
    soft = F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1)
    x = torch.where(draw(0, 1) < 0.2, soft, x)
    noise = torch.from_numpy(rng.standard_normal(x.shape).astype(np.float32))
    x = x + noise * draw(0, 0.05) * (draw(0, 1) < 0.35)
    return 100 * x.clamp(0, 1)


def random_hints(ab: Tensor, rng: np.random.Generator, share: float = 0.2) -> Tensor:
    """``(B, 3, H, W)``: for some pictures a few small squares of the true colour, else nothing."""
    count, _, height, width = ab.shape
    hints = torch.zeros(count, 3, height, width)
    for i in np.flatnonzero(rng.random(count) < share):
        for _ in range(rng.geometric(0.12)):
            y, x, r = rng.integers(height), rng.integers(width), rng.integers(0, 4)
            window = (slice(max(y - r, 0), y + r + 1), slice(max(x - r, 0), x + r + 1))
            hints[i, :2, *window] = ab[i, :, *window].mean((1, 2), keepdim=True)
            hints[i, 2, *window] = 1
    return hints


def batches(
    pictures: dict[str, list[Picture]], size: int, count: int, seed: int, cartoons: float | None = None
) -> Iterator[tuple[Tensor, ...]]:
    """Endless (lightness, hints, ab): crops drawn source by source by the shares above."""
    rng = np.random.default_rng(seed)
    shares = {k: v for k, v in (PHOTO_SHARES | VIDEO_SHARES).items() if pictures[k]}
    if cartoons is not None:
        shares |= {"penny_and_chip": cartoons * 2 / 3, "big_buck_bunny": cartoons / 3}
    names, weights = list(shares), np.array(list(shares.values()))
    while True:
        drawn = rng.choice(len(names), count, p=weights / weights.sum())
        crops = [
            random_crop(pictures[s][rng.integers(len(pictures[s]))], s, size, rng)
            for s in (names[i] for i in drawn)
        ]
        rgb = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float() / 255
        lab = rgb_to_lab(rgb)
        ab = lab[:, 1:]
        yield age(lab[:, :1], rng), random_hints(ab, rng), ab


def ahead(items: Iterator[tuple[Tensor, ...]], size: int = 3) -> Iterator[tuple[Tensor, ...]]:
    """The same items, made in a thread while the network works; ends with the process."""
    waiting: queue.Queue[tuple[Tensor, ...]] = queue.Queue(size)

    def fill() -> None:
        for item in items:
            waiting.put(item)

    threading.Thread(target=fill, daemon=True).start()
    while True:
        yield waiting.get()


# ---- loss -------------------------------------------------------------------------------------


class RareColours:
    """Weight of a true colour: ((1-λ)p̃ + λ/Q)^-power, mean 1 over the training set."""

    BIN, HALF = 10, 12

    def __init__(self, ab: Tensor, power: float, mix: float = 0.5) -> None:
        bins = 2 * self.HALF
        counts = torch.zeros(bins * bins).index_add_(
            0, self._index(ab).flatten(), torch.ones(ab[:, 0].numel())
        )
        smooth = cv2.GaussianBlur(counts.view(bins, bins).numpy(), (0, 0), 0.8)
        prior = torch.from_numpy(smooth).flatten() / smooth.sum()
        used = (prior > 1e-6).sum()
        weight = ((1 - mix) * prior + mix / used) ** -power
        self.table = (weight / (weight * prior).sum()).clamp(max=4)

    def _index(self, ab: Tensor) -> Tensor:
        cell = (ab / self.BIN + self.HALF).floor().clamp(0, 2 * self.HALF - 1).long()
        return cell[:, 0] * 2 * self.HALF + cell[:, 1]

    def __call__(self, ab: Tensor) -> Tensor:
        return self.table[self._index(ab)].unsqueeze(1)


def loss_of(model: UNet, batch: tuple[Tensor, ...], rare: RareColours) -> Tensor:
    lightness, hints, ab = batch
    found = AB_SCALE * model.raw(lightness.contiguous(memory_format=torch.channels_last), hints)
    truth = F.avg_pool2d(ab, 2)
    return (F.huber_loss(found, truth, reduction="none", delta=25.0) * rare(truth)).mean() / 25


# ---- figures ----------------------------------------------------------------------------------


@torch.inference_mode()
def measure(model: UNet, pictures: list[Picture]) -> dict[str, float]:
    """Means over pictures: PSNR of result and of grey (dB, luma kept), colourfulness beside truth's."""
    model.eval()
    rows = []
    for picture in pictures:
        lab = rgb_to_lab(torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float() / 255)
        grains = model(lab[:, :1])[..., :: model.grain, :: model.grain]
        ab = F.interpolate(grains, size=lab.shape[-2:], mode="bilinear", align_corners=False)
        found = torch.cat((lab[:, :1], ab), 1)
        result, grey = (to_picture(x) for x in (found, lab * torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1)))
        rows.append((psnr(result, picture), psnr(grey, picture), colorfulness(result), colorfulness(picture)))
    result_db, grey_db, colour, true_colour = np.mean(rows, 0).tolist()
    model.train()
    return {"psnr": round(result_db, 2), "grey_psnr": round(grey_db, 2), "colorfulness": round(colour, 1),
            "true_colorfulness": round(true_colour, 1), "pictures": len(rows)}  # fmt: skip


def to_picture(lab: Tensor) -> Picture:
    rgb = lab_to_rgb(lab)[0].clamp(0, 1).permute(1, 2, 0)
    return (rgb * 255).round().byte().numpy()


# ---- training ---------------------------------------------------------------------------------


def average_into(average: UNet, model: UNet, decay: float) -> None:
    """Exponential moving average of the weights; steadier than the last ones."""
    with torch.no_grad():
        for slow, fast in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
            if slow.dtype.is_floating_point:
                slow.lerp_(fast, 1 - decay)
            else:
                slow.copy_(fast)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("VIDCOLOR_DATA", "../shared/data")))
    parser.add_argument("--minutes", type=float, default=44)
    parser.add_argument(
        "--sizes", type=int, nargs=2, default=(96, 128), help="side of a crop in each half, pixels"
    )
    parser.add_argument("--batches", type=int, nargs=2, default=(16, 16), help="crops a step in each half")
    parser.add_argument("--rate", type=float, default=6e-4, help="highest learning rate")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-o", "--output", type=Path, default=Path("vidcolor/weights/default.safetensors"))
    parser.add_argument("--rarity", type=float, default=0.5, help="power of a colour's rarity in the loss")
    parser.add_argument(
        "--cartoons", type=float, help="share of samples, of 1 for all else, that cartoons get"
    )
    parser.add_argument("--start", type=Path, help="go on from these weights")
    parser.add_argument("--measure", action="store_true", help="only measure the output again, as it is")
    options = parser.parse_args()
    if options.measure:
        measure_again(options.output, load_all(options.data)[1])
        return

    torch.manual_seed(options.seed)
    started = time.monotonic()
    training, validation = load_all(options.data)
    print(
        {k: len(v) for k, v in training.items()}, f"loaded in {time.monotonic() - started:.0f} s", flush=True
    )
    # Small pictures first: twice the samples in the same time while there is everything to learn.
    small, large = (
        ahead(batches(training, size, count, options.seed + half, options.cartoons))
        for half, (size, count) in enumerate(zip(options.sizes, options.batches, strict=True))
    )
    rare = RareColours(torch.cat([next(small)[2] for _ in range(30)]), options.rarity)

    settings: dict[str, object] = {}
    model = UNet(**settings).to(memory_format=torch.channels_last).train()
    before: dict[str, Any] = {}
    if options.start:
        loaded = load_weights(options.start)
        model.load_state_dict(loaded.model.state_dict())
        before = loaded.training
    average = copy.deepcopy(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=options.rate, weight_decay=0.01, fused=True)
    rng = np.random.default_rng(0)
    watched = {k: [v[i] for i in rng.permutation(len(v))[:12]] for k, v in validation.items()}

    # The schedule follows the clock, not the step, so that the budget is what it says.
    begun, step, looked, running = time.monotonic(), 0, 0.0, 0.0
    while (elapsed := time.monotonic() - begun) < 60 * options.minutes:
        done = elapsed / (60 * options.minutes)
        rate = options.rate * min(1, (step + 1) / 100) * (0.5 + 0.5 * math.cos(math.pi * done))
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss = loss_of(model, next(small if done < 0.5 else large), rare)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 50.0)
        optimizer.step()
        step += 1
        average_into(average, model, min(0.998, 1 - 10 / (step + 10)))
        running = loss.item() if step == 1 else 0.98 * running + 0.02 * loss.item()
        if elapsed - looked > 240:
            looked = elapsed
            figures = measure(average, [p for v in watched.values() for p in v])
            print(f"{elapsed / 60:5.1f} min  step {step}  loss {running:.4f}  {figures}", flush=True)
            save(options.output, average, settings, {"unfinished": True})

    stage = {
        "minutes": options.minutes, "steps": step,
        "batches": list(options.batches), "crops": list(options.sizes),
        "rate": options.rate, "rarity": options.rarity, "cartoons": options.cartoons, "seed": options.seed,
    }  # fmt: skip
    held = {source: measure(average, pictures) for source, pictures in validation.items() if pictures}
    summary = {
        "script": "training/train_default.py", "stages": [*before.get("stages", []), stage],
        "seconds": round(60 * options.minutes) + before.get("seconds", 0),
        "steps": step + before.get("steps", 0),
        "machine": f"{os.cpu_count()} CPU cores, {platform.machine()}",
        "torch": torch.__version__.split("+")[0], "parameters": average.parameter_count,
        "trained_on": {k: len(v) for k, v in training.items()}, "held_out": held,
    }  # fmt: skip
    save(options.output, average, settings, summary)
    print(json.dumps(summary, indent=2))


def measure_again(path: Path, validation: dict[str, list[Picture]]) -> None:
    """Puts fresh held-out figures into a weights file's summary."""
    loaded = load_weights(path)
    assert isinstance(loaded.model, UNet)
    held = {source: measure(loaded.model, pictures) for source, pictures in validation.items() if pictures}
    print(json.dumps(held, indent=2))
    save(path, loaded.model.eval(), {}, {**loaded.training, "held_out": held})


def save(path: Path, model: UNet, settings: dict[str, object], summary: dict[str, object]) -> None:
    save_weights(path, model, name="unet", options=settings, training=summary, version=__version__, half=True)


if __name__ == "__main__":
    main()
