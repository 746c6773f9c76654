"""What is held out: drawn in whole groups, or read from published lists."""

from __future__ import annotations

from pathlib import Path

import pytest
from scipy.io import savemat

from vidcolor.datasets.split import SplitLists, draw_order, hold_out, seeded
from vidcolor.errors import InputError


def test_whole_groups_near_the_share() -> None:
    groups = [n // 7 for n in range(700)]
    held = hold_out(groups, 0.2, seed=1)
    assert sum(held) == 140
    assert all(len({held[n] for n in range(g * 7, g * 7 + 7)}) == 1 for g in range(100))
    assert hold_out(groups, 0.2, seed=1) == held
    assert hold_out(groups, 0.2, seed=2) != held


def test_groups_of_unequal_size_fill_the_share() -> None:
    sizes = [50, 3, 20, 9, 1, 1, 8, 4, 2, 2]
    groups = [n for n, size in enumerate(sizes) for _ in range(size)]
    for seed in range(10):
        assert 18 <= sum(hold_out(groups, 0.2, seed)) <= 21


def test_something_is_held_out_and_something_left() -> None:
    assert sum(hold_out([1] * 90 + [2] * 60, 0.2, 0)) == 60
    assert hold_out([1] * 10, 0.2, 0) == [False] * 10
    assert hold_out([1, 2, 3], 0, 0) == [False] * 3
    assert hold_out([], 0.2, 0) == []
    assert not all(hold_out([1, 2], 0.99, 0))


def test_an_order_by_name_is_not_mixed_up_by_another_name() -> None:
    names = [f"{n}.png" for n in range(50)]
    order = [names[n] for n in draw_order(names, 1)]
    more = [*names, "new.png"]
    assert [name for name in (more[n] for n in draw_order(more, 1)) if name != "new.png"] == order
    assert sorted(order) == sorted(names)
    assert seeded(1, "a", "b") != seeded(1, "ab")


@pytest.mark.parametrize(
    "text",
    [
        "a/1.jpg train\nb/2.jpg test\nc d/3.jpg val\n",
        "\ufeff# a comment\ntrain\ta/1.jpg\n\ntesting\t./b/2.jpg\ntrn\tc d/3.jpg\n",
        "a/1.jpg,train\r\nb/2.jpg,test\r\nc d/3.jpg,training\r\n",
    ],
)
def test_one_file_that_names_parts(tmp_path: Path, text: str) -> None:
    path = tmp_path / "split.txt"
    path.write_text(text, encoding="utf-8")
    lists = SplitLists.read(path)
    assert [lists.part_of(name) for name in ("a/1.jpg", "b/2.jpg", "c d/3.jpg", "e.jpg")] == [
        "train", "test", "train", None,
    ]  # fmt: skip


def test_names_may_lack_folder_or_ending_or_name_a_folder(tmp_path: Path) -> None:
    train, test = tmp_path / "train.txt", tmp_path / "test.txt"
    train.write_text("7\nAaron_Eckhart\t1\nAbdullah Gul\t19\n")
    test.write_text("image_0002.jpg 0 1\nset/image_0003\nimage_0004\n")
    lists = SplitLists.read_lists(train, test)
    assert lists.part_of("Aaron_Eckhart/Aaron_Eckhart_0001.jpg") == "train"
    assert lists.part_of("lfw/Abdullah Gul/1.jpg") == "train"
    assert lists.part_of("jpg/image_0002.jpg") == "test"
    assert lists.part_of("set/image_0003.png") == "test"
    assert lists.part_of("other/image_0004.png") == "test"
    assert lists.part_of("jpg/image_0005.jpg") is None
    assert "7" in lists.parts  # not as many lines follow, so it is a name
    train.write_text("2\nA\t1\nB\t19\n")
    assert set(SplitLists.read_lists(train, None).parts) == {"A", "B"}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a.jpg train\nb.jpg\n", r"line 2: it should be NAME and train or test\."),
        ("a.jpg train\na.jpg test\n", r"a\.jpg is in both parts"),
        ("\n# nothing\n", r"is empty\."),
    ],
)
def test_files_that_are_none(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "split.txt"
    path.write_text(text)
    with pytest.raises(InputError, match=sentence):
        SplitLists.read(path)
    with pytest.raises(InputError, match="cannot be read: No such file"):
        SplitLists.read(tmp_path / "nowhere")
    path.write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(InputError, match="it is not text"):
        SplitLists.read(path)


def test_the_oxford_flowers_own_file(tmp_path: Path) -> None:
    path = tmp_path / "datasplits.mat"
    savemat(path, {"trn1": [[1, 5]], "val1": [[2]], "tst1": [[1300]], "trn2": [[1300]], "tst2": [[1]]})
    lists = SplitLists.read(path)
    parts = [lists.part_of(f"jpg/image_{n:04}.jpg") for n in (1, 2, 5, 1300, 7)]
    assert parts == ["train", "train", "train", "test", None]
    savemat(path, {"trnid": [[6765]], "valid": [[8]], "tstid": [[3]]})
    lists = SplitLists.read(path)
    assert [lists.part_of(f"image_{n:05}.jpg") for n in (6765, 8, 3)] == ["train", "train", "test"]
    assert lists.missing == []


def test_mat_files_of_something_else(tmp_path: Path) -> None:
    path = tmp_path / "split.mat"
    savemat(path, {"weights": [[1, 5]]})
    with pytest.raises(InputError, match="has not the arrays"):
        SplitLists.read(path)
    path.write_text("image_0001 train")
    with pytest.raises(InputError, match="not a MATLAB file"):
        SplitLists.read(path)
    with pytest.raises(InputError, match="No such file"):
        SplitLists.read(tmp_path / "nowhere.mat")
