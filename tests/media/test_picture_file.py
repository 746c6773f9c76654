"""Picture files whose end is missing are told from whole ones, whatever kind of JPEG they are."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.reels import scene
from vidcolor.errors import InputError
from vidcolor.media.picture_file import is_cut_short, read_picture_file

KINDS: dict[str, dict[str, Any]] = {
    "plain": {"format": "JPEG"},
    "progressive": {"format": "JPEG", "progressive": True},
    "with restarts": {"format": "JPEG", "restart_marker_rows": 1},
    "with a comment like an end": {"format": "JPEG", "comment": b"\xff\xd9 \xff\xda"},
    "png": {"format": "PNG"},
}


def encoded(kind: str) -> bytes:
    given, data = dict(KINDS[kind]), io.BytesIO()
    if kind != "png":
        small = io.BytesIO()
        Image.fromarray(scene(2)).resize((32, 24)).save(small, "JPEG")
        exif = Image.Exif()
        exif[0x010E] = "a picture with a picture"
        given["exif"] = exif.tobytes() + small.getvalue()  # thumbnails end too
    Image.fromarray(scene(1)).save(data, **given)
    return data.getvalue()


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_cut_short_is_seen(kind: str) -> None:
    whole = encoded(kind)
    assert not is_cut_short(whole)
    assert not is_cut_short(whole + b"what some cameras write after it")
    for length in (len(whole) - 1, len(whole) - 2, len(whole) // 2, len(whole) // 3, 200, 20, 8):
        assert is_cut_short(whole[:length])


def test_other_files_are_not_judged() -> None:
    for ending in (".tiff", ".webp", ".bmp"):
        done, data = cv2.imencode(ending, scene(1))
        assert done
        assert not is_cut_short(data.tobytes())
    assert not is_cut_short(b"")
    assert not is_cut_short(b"no picture")


def test_a_file_is_read_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(encoded("plain"))
    assert np.array_equal(
        cv2.imdecode(np.frombuffer(read_picture_file(path), np.uint8), 1), cv2.imread(str(path))
    )
    path.write_bytes(encoded("plain")[:-50])
    with pytest.raises(InputError, match=r"The picture '.*a\.jpg' is cut short"):
        read_picture_file(path, "The picture ")
    with pytest.raises(InputError, match=r"none\.jpg' cannot be read: No such file"):
        read_picture_file(tmp_path / "none.jpg")
