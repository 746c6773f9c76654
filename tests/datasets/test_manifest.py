"""Opening built sets and plain folders."""

from __future__ import annotations

import errno
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.datasets.films import photographs
from vidcolor.datasets.build import build_dataset
from vidcolor.datasets.manifest import Picture, open_set
from vidcolor.datasets.sources import find_sources
from vidcolor.errors import InputError
from vidcolor.frames import Metadata


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("set")
    photographs(folder / "in/cats", 6)
    photographs(folder / "in/dogs", 6, start=20)
    build_dataset([folder / "in"], folder / "set", size=32, least=1)
    return folder / "set"


def test_a_built_set(built: Path) -> None:
    found = open_set(built)
    assert (len(found.train), len(found.test)) == (10, 2)
    assert found.labels == ("cats", "dogs")
    assert found.prior is not None
    assert len(found.prior) == 313
    first = found.train[0]
    assert first == Picture(first.path, "train", "cats", Metadata(), first.source, 0)
    assert first.path.is_file()
    assert first.source.startswith("cats/")


def copy_of(built: Path, target: Path) -> Path:
    for path in built.rglob("*"):
        if path.is_file():
            (target / path.relative_to(built)).parent.mkdir(parents=True, exist_ok=True)
            (target / path.relative_to(built)).write_bytes(path.read_bytes())
    return target


def test_half_made_damaged_and_newer_sets_are_refused(built: Path, tmp_path: Path) -> None:
    half = copy_of(built, tmp_path / "half")
    (half / "dataset.json").unlink()
    with pytest.raises(InputError, match=r"half a training set: it has no dataset\.json"):
        open_set(half)
    gone = copy_of(built, tmp_path / "gone")
    next((gone / "train").iterdir()).unlink()
    with pytest.raises(InputError, match="lacks 1 of its 12 pictures"):
        open_set(gone)
    bad = copy_of(built, tmp_path / "bad")
    text = (bad / "manifest.jsonl").read_text().splitlines()
    (bad / "manifest.jsonl").write_text("\n".join([text[0], text[1][:40]]))
    with pytest.raises(InputError, match="is damaged in line 2"):
        open_set(bad)
    newer = copy_of(built, tmp_path / "newer")
    head = json.loads((newer / "dataset.json").read_text())
    (newer / "dataset.json").write_text(json.dumps({**head, "format": 99, "version": "9.1"}))
    with pytest.raises(InputError, match=r"newer vidcolor \(9\.1\)"):
        open_set(newer)
    (newer / "dataset.json").write_text("[1")
    with pytest.raises(InputError, match="cannot be read"):
        open_set(newer)
    (newer / "dataset.json").write_text("[]")
    with pytest.raises(InputError, match="is not of a training set"):
        open_set(newer)


def test_places_that_are_no_set(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        open_set(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is not a folder"):
        open_set(tmp_path / "file")
    photographs(tmp_path / "one", 1)
    with pytest.raises(InputError, match="has 1 training picture, too few"):
        open_set(tmp_path / "one")


def test_films_are_told_what_makes_a_set_of_them(tmp_path: Path) -> None:
    film = tmp_path / "season 1" / "one.mkv"
    film.parent.mkdir()
    film.write_bytes(b"not opened here")
    for given, what in ((film, "is not a folder"), (tmp_path, "has 0 training pictures")):
        with pytest.raises(InputError, match=rf"{what}.*; 'vidcolor build-dataset' makes a set of films"):
            open_set(given)
    photographs(tmp_path / "too few", 1)
    film.unlink()
    with pytest.raises(InputError, match=r"too few to train on\.$"):
        open_set(tmp_path)


def test_a_plain_folder(tmp_path: Path) -> None:
    root = photographs(tmp_path / "in", 20)
    found = open_set(root, test_share=0.25, seed=1)
    assert (len(found.train), len(found.test), found.labels, found.prior) == (15, 5, (), None)
    assert open_set(root, test_share=0.25, seed=1) == found
    assert {p.path for p in open_set(root, test_share=0.25, seed=2).test} != {p.path for p in found.test}
    assert sorted(p.source for p in (*found.train, *found.test)) == [f"{n:03}.png" for n in range(20)]
    assert len(open_set(root).test) == 2


def test_sub_folders_are_labels(tmp_path: Path) -> None:
    photographs(tmp_path / "in/a", 5)
    photographs(tmp_path / "in/b/deep", 5)
    found = open_set(tmp_path / "in", test_share=0)
    assert found.labels == ("a", "b")
    assert {(p.label, p.source.partition("/")[0]) for p in found.train} == {("a", "a"), ("b", "b")}


def test_train_and_test_folders_are_the_split(tmp_path: Path) -> None:
    photographs(tmp_path / "in/train/a", 4)
    photographs(tmp_path / "in/train/b", 4)
    photographs(tmp_path / "in/test/a", 3)
    found = open_set(tmp_path / "in")
    assert (len(found.train), len(found.test), found.labels) == (8, 3, ("a", "b"))


def test_a_list_is_the_split(tmp_path: Path) -> None:
    root = photographs(tmp_path / "in", 6)
    (tmp_path / "split.txt").write_text("000 test\n001 train\n002 train\n003 train\n")
    found = open_set(root, split_file=tmp_path / "split.txt")
    assert [p.source for p in found.test] == ["000.png"]
    assert [p.source for p in found.train] == ["001.png", "002.png", "003.png"]


def test_a_folder_in_it_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For the test's user nothing may be locked: who is root reads all."""
    for place in ("ok", "locked"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "film.mp4").write_bytes(b"")
    listed = Path.iterdir

    def iterdir(folder: Path) -> Iterator[Path]:
        if folder.name == "locked":
            raise PermissionError(errno.EACCES, "Permission denied")
        return listed(folder)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    told: list[str] = []
    locked = f"The folder {tmp_path / 'locked'} cannot be read: Permission denied"
    assert [source.name for source in find_sources([tmp_path], told.append)] == ["ok/film.mp4"]
    assert told == [f"{locked}; it is left out."]
    for inputs in ([tmp_path], [tmp_path / "locked"]):
        with pytest.raises(InputError, match=re.escape(f"{locked}.")):
            find_sources(inputs)


def test_films_of_one_name_are_told_apart(tmp_path: Path) -> None:
    for place in ("a/one", "b/one", "b/two"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "film.mp4").write_bytes(b"")
    films = [tmp_path / "a/one/film.mp4", tmp_path / "b"]
    assert [source.name for source in find_sources(films)] == ["film.mp4", "one/film.mp4", "two/film.mp4"]
    films = [tmp_path / "a/one/film.mp4", tmp_path / "b/one/film.mp4", tmp_path / "b/two/film.mp4"]
    assert [s.name for s in find_sources(films)] == ["a/one/film.mp4", "b/one/film.mp4", "two/film.mp4"]
    assert [s.name for s in find_sources([films[0], films[0]])] == ["film.mp4"]
