"""What the default model never trains on, which its card is measured with.

A tenth of each folder of photographs, chosen by name, and four clips of Penny & Chip; and all of
``video/demo``. :func:`lay_out` makes of the pictures a folder that ``vidcolor evaluate`` takes.
"""

from __future__ import annotations

import shutil
import zlib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import av

SHORT_SIDE = 160
"""Of the pictures, in pixels; the photographs' own."""
CLIPS = ("autumn", "reading", "splash", "tractors")
"""How the names of the Penny & Chip clips end that are only measured."""
CARTOON = "penny_and_chip"
"""Their source, beside the folders of photographs."""
KINDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("faces", ("lfw_faces/*",)),
    ("people", ("flickr8k_224/*", "street_fashion/*")),
    ("animals", ("cats_dogs/*", "pandas/*", "imagenet/n01*", "imagenet/n02[0-5]*", "imagenet/n026[0-5]*")),
    ("landscapes", tuple(f"scenes_sun/{name}__*" for name in (
        "bamboo_forest", "desert", "landscape", "rainforest", "sky"))),
    ("interiors", (
        *(f"scenes_sun/{name}__*" for name in ("airport", "auditorium", "bedroom", "kitchen")),
        *(f"houses/*_{name}.jpg" for name in ("bathroom", "bedroom", "kitchen")))),
    ("streets and buildings", (
        "scenes_sun/campus__*", "houses/*_frontal.jpg", "small_mix/urban*", "small_mix/shanghaitech_b*")),
    ("cars", ("cars/*",)),
    ("flowers", ("flowers17/*",)),
    ("cartoons", (f"{CARTOON}/*",)),
)  # fmt: skip
"""What is mostly seen, and on which pictures, as ``source/name``; the first that fits. ImageNet's classes
up to n02655020 are animals."""
REST = "other and mixed"


def held_out(name: str) -> bool:
    """Whether a photograph is among the tenth; by its name alone."""
    return zlib.crc32(name.encode()) % 10 == 0


def kind_of(source: str, name: str) -> str:
    """What a picture mostly shows.

    >>> kind_of("houses", "12_kitchen.jpg"), kind_of("imagenet", "n02814533_beach_wagon.jpg")
    ('interiors', 'other and mixed')
    """
    path = f"{source}/{name}"
    return next((kind for kind, patterns in KINDS if any(fnmatch(path, p) for p in patterns)), REST)


def clips(data: Path) -> list[Path]:
    """The clips that are only measured."""
    found = sorted((data / "video" / "train" / CARTOON).glob("*.mp4"))
    return [clip for clip in found if clip.stem.endswith(CLIPS)]


def films(data: Path) -> list[Path]:
    """All films that are only measured."""
    return [*sorted(path for path in (data / "video" / "demo").iterdir() if path.is_file()), *clips(data)]


def lay_out(data: Path, folder: Path) -> Path:
    """``folder`` with the held-out pictures as ``source/name``: links to photographs, a frame a second."""
    aside = folder.with_name(folder.name + ".part")
    shutil.rmtree(aside, ignore_errors=True)
    for source in sorted(path for path in (data / "photos").iterdir() if path.is_dir()):
        (aside / source.name).mkdir(parents=True)
        for photo in sorted(filter(lambda path: held_out(path.name), source.iterdir())):
            (aside / source.name / photo.name).symlink_to(photo.resolve())
    (aside / CARTOON).mkdir(parents=True)
    for clip in clips(data):
        for seconds, frame in frames(clip):
            frame.to_image().save(aside / CARTOON / f"{clip.stem}_{seconds:03d}.png")
    shutil.rmtree(folder, ignore_errors=True)
    return aside.rename(folder)


def frames(clip: Path) -> Iterator[tuple[int, av.VideoFrame]]:
    """The first frame of each second of a film."""
    due = 0
    with av.open(str(clip)) as container:
        for frame in container.decode(video=0):
            if frame.time is not None and frame.time >= due:
                yield due, frame
                due = int(frame.time) + 1
