"""Training sets made of small films and pictures, looked at picture by picture."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.clips import make_clip
from tests.datasets.films import Rgb, photographs, scene, shot, write_film, write_picture
from vidcolor.datasets import collect
from vidcolor.datasets.build import build_dataset
from vidcolor.datasets.manifest import open_set
from vidcolor.datasets.options import BuildSummary
from vidcolor.errors import InputError, OutputError, UsageError

SMALL = {"size": 32, "resize": 40, "least": 1}


def lines(root: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (root / "manifest.jsonl").read_text().splitlines()]


def head(root: Path) -> dict[str, Any]:
    return json.loads((root / "dataset.json").read_text())


def tree(root: Path) -> dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def build(tmp_path: Path, *inputs: Path, name: str = "set", **options: Any) -> tuple[Path, BuildSummary]:
    summary = build_dataset(list(inputs), tmp_path / name, **{**SMALL, **options})
    return tmp_path / name, summary


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Four shots of 40, 30, 20 and 10 frames."""
    frames = [*shot(1, 40), *shot(2, 30), *shot(3, 20), *shot(4, 10)]
    return write_film(tmp_path / "film.mkv", frames)


# What is taken


def test_every_nth_frame_is_taken_with_its_time_and_shot(tmp_path: Path, film: Path) -> None:
    root, summary = build(tmp_path, film, stride=4)
    found = lines(root)
    assert [entry["pts"] for entry in found] == [160 * n for n in range(25)]
    assert [entry["shot"] for entry in found] == [0] * 10 + [1] * 8 + [2] * 5 + [3] * 2
    assert {entry["time_base"] for entry in found} == {"1/1000"}
    assert found[3]["seconds"] == 0.48
    assert {entry["source"] for entry in found} == {"film.mkv"}
    assert (summary.train + summary.test, summary.shots, summary.left_out) == (25, 4, {})
    assert all((root / entry["file"]).parent.name == entry["split"] for entry in found)
    assert [Path(entry["file"]).name for entry in found] == [f"{n:06}.jpg" for n in range(25)]


def test_frames_are_taken_by_time_in_a_film_of_uneven_rate(tmp_path: Path) -> None:
    pts = [0, 40, 80, 500, 520, 990, 1010, 1900, 2600, 2640]
    film = write_film(tmp_path / "vfr.mkv", [scene(n) for n in range(10)], pts=pts)
    root, _ = build(tmp_path, film, every=Fraction(1, 2), fades=True)
    assert [entry["pts"] for entry in lines(root)] == [0, 500, 1010, 1900, 2600]


def test_half_a_second_is_the_default(tmp_path: Path, film: Path) -> None:
    root, _ = build(tmp_path, film)
    assert [entry["pts"] for entry in lines(root)] == [0, 520, 1000, 1520, 2000, 2520, 3000, 3520]
    assert head(root)["settings"]["every"] == "1/2"


def test_so_many_of_each_shot(tmp_path: Path, film: Path) -> None:
    root, _ = build(tmp_path, film, per_shot=2)
    found = defaultdict(list)
    for entry in lines(root):
        found[entry["shot"]].append(entry["pts"] // 40)
    assert {shot: len(frames) for shot, frames in found.items()} == {0: 2, 1: 2, 2: 2, 3: 2}
    for start, length, frames in zip((0, 40, 70, 90), (40, 30, 20, 10), found.values(), strict=True):
        places = [(frame - start) / length for frame in frames]
        assert places == pytest.approx([0.25, 0.75], abs=0.2)


def test_a_film_with_predicted_frames_gives_the_same_frames(tmp_path: Path) -> None:
    options = {"preset": "veryfast", "qp": "0", "bf": "3", "g": "12", "sc_threshold": "0", "threads": "1"}
    clip = make_clip(tmp_path / "a.mp4", size=(96, 64), frames=96, options=options, colourful=True)
    root, _ = build(tmp_path, clip, stride=8, size=None, resize=None, format="png", duplicate=0)
    found = lines(root)
    assert [round(entry["seconds"] * 24) for entry in found] == list(range(0, 96, 8))
    every, _ = build(
        tmp_path, clip, stride=1, size=None, resize=None, format="png", name="every", duplicate=0
    )
    by_time = {entry["pts"]: entry["file"] for entry in lines(every)}
    for entry in found:
        assert (root / entry["file"]).read_bytes() == (every / by_time[entry["pts"]]).read_bytes()


def test_whole_pictures_keep_their_size_and_their_pixels(tmp_path: Path) -> None:
    pictures = [scene(n, (97, 63)) for n in range(12)]
    film = write_film(tmp_path / "odd.mkv", pictures, rate=2)
    root, _ = build(tmp_path, film, stride=1, size=None, resize=None, format="png", fades=True)
    found = lines(root)
    assert [entry["crop"] for entry in found] == [[0, 0, 97, 63]] * 12
    for entry, picture in zip(found, pictures, strict=True):
        rgb = cv2.cvtColor(cv2.imread(str(root / entry["file"])), cv2.COLOR_BGR2RGB)
        assert rgb.shape == (63, 97, 3)
        assert np.abs(rgb.astype(int) - picture).max() <= 4  # R′G′B′ to limited Y′CbCr and back


def test_the_short_side_is_resized_and_crops_lie_where_the_manifest_says(tmp_path: Path) -> None:
    film = write_film(tmp_path / "a.mkv", [scene(n, (192, 128)) for n in range(10)], rate=2)
    root, _ = build(tmp_path, film, stride=1, crops=3, size=32, resize=64, format="png", fades=True)
    found = lines(root)
    assert len(found) == 30
    assert len({tuple(entry["crop"]) for entry in found}) > 15
    assert len({entry["file"] for entry in found}) == 30
    for entry in found:
        x, y, width, height = entry["crop"]
        assert (width, height) == (64, 64)
        assert 0 <= x <= 128
        assert 0 <= y <= 64
        truth = scene(entry["pts"] // 500, (192, 128))[y : y + 64, x : x + 64]
        shown = cv2.cvtColor(cv2.imread(str(root / entry["file"])), cv2.COLOR_BGR2RGB)
        assert (
            np.abs(shown - cv2.resize(truth, (32, 32), interpolation=cv2.INTER_AREA).astype(int)).mean() < 4
        )


def test_a_film_smaller_than_the_crop_is_enlarged_and_told(tmp_path: Path, film: Path) -> None:
    told: list[str] = []
    root, summary = build(tmp_path, film, stride=10, size=128, resize=None, notify=told.append)
    assert cv2.imread(str(root / lines(root)[0]["file"])).shape == (128, 128, 3)
    assert told == ["film.mkv is smaller than 128; its pictures are enlarged."]
    assert summary.notices == tuple(told)


def test_a_turned_film_gives_upright_pictures(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.mp4", size=(64, 48), frames=12, colourful=True, rotation=90)
    root, _ = build(tmp_path, clip, stride=4, size=None, resize=None, duplicate=0)
    assert cv2.imread(str(root / lines(root)[0]["file"])).shape == (64, 48, 3)


# What is left out


def test_what_teaches_nothing_is_left_out_and_counted(tmp_path: Path) -> None:
    black, grey = np.zeros((64, 96, 3), np.uint8), np.full((64, 96, 3), 120, np.uint8)
    faded = cv2.cvtColor(cv2.cvtColor(scene(7), cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    pictures = [
        *[scene(1), scene(2), scene(1), scene(3), black, grey, faded],
        *[scene(n) for n in range(10, 20)],
    ]
    film = write_film(tmp_path / "a.mkv", pictures, rate=2)
    root, summary = build(tmp_path, film, stride=1, fades=True)
    assert summary.left_out == {"duplicate": 1, "dark": 1, "flat": 1, "colourless": 1}
    assert head(root)["left_out"] == {"colourless": 1, "dark": 1, "duplicate": 1, "flat": 1}
    assert [entry["pts"] // 500 for entry in lines(root)] == [0, 1, 3, *range(7, 17)]
    everything, _ = build(
        tmp_path, film, name="all", stride=1, fades=True, dark=0, flat=0, colorfulness=0, tint=0, duplicate=0
    )
    assert len(lines(everything)) == len(pictures)


def test_pictures_of_one_tint_are_left_out(tmp_path: Path) -> None:
    folder = photographs(tmp_path / "in", 10)
    for number in range(3):
        luma = cv2.cvtColor(scene(50 + number, (80, 60)), cv2.COLOR_RGB2GRAY)[..., None] / 255
        toned = 255 * luma ** np.array([0.8, 1.0, 1.4])
        write_picture(folder / f"toned{number}.png", toned.astype(np.uint8))
    root, summary = build(tmp_path, folder)
    assert summary.left_out == {"colourless": 3}
    assert len(lines(root)) == 10
    kept, _ = build(tmp_path, folder, name="kept", tint=0)
    assert len(lines(kept)) == 13
    assert min(entry["colorfulness"] for entry in lines(kept)[10:]) > 15


def test_fades_and_dissolves_are_left_out(tmp_path: Path) -> None:
    before, after = shot(1, 60, step=0), shot(2, 60, step=0)
    mixed = [cv2.addWeighted(before[0], 1 - n / 25, after[0], n / 25, 0) for n in range(1, 25)]
    film = write_film(tmp_path / "a.mkv", [*before, *mixed, *after])
    root, summary = build(tmp_path, film, stride=4, duplicate=0)
    taken = {entry["pts"] // 40 for entry in lines(root)}
    assert summary.left_out["fading"] >= 5
    assert not taken & {64, 68, 72, 76, 80}
    assert {0, 40, 100, 140} <= taken
    assert {entry["shot"] for entry in lines(root)} == {0, 1}
    kept, more = build(tmp_path, film, name="kept", stride=4, duplicate=0, fades=True)
    assert more.left_out == {}
    assert len(lines(kept)) == 36


def test_black_borders_are_cut(tmp_path: Path) -> None:
    def boxed(picture: Rgb) -> Rgb:
        framed = np.zeros((96, 160, 3), np.uint8)
        framed[16:-16, 20:-20] = picture
        return framed

    pictures = [boxed(p) for p in (*shot(1, 40, (120, 64)), *shot(2, 40, (120, 64)))]
    pictures[30] = np.zeros_like(pictures[0])  # a black frame does not make the borders wider
    film = write_film(tmp_path / "a.mkv", pictures)
    root, _ = build(tmp_path, film, stride=4, size=None, resize=None, format="png")
    facts = head(root)["sources"]["films"]["a.mkv"]
    assert facts["borders"] == {"top": 18, "bottom": 18, "left": 22, "right": 22}
    assert {tuple(entry["crop"]) for entry in lines(root)} == {(22, 18, 116, 60)}
    picture = cv2.imread(str(root / lines(root)[0]["file"]))
    assert picture.shape == (60, 116, 3)
    assert picture.max(axis=2).min() > 0 or picture.mean() > 60
    whole, _ = build(tmp_path, film, name="whole", stride=4, size=None, borders=False)
    assert "borders" not in head(whole)["sources"]["films"]["a.mkv"]


# What is held out


def test_no_shot_is_on_both_sides_and_the_share_is_exact(tmp_path: Path) -> None:
    frames = [picture for seed in range(10) for picture in shot(seed, 20)]
    film = write_film(tmp_path / "a.mkv", frames)
    root, summary = build(tmp_path, film, stride=4, test_share=0.2)
    sides: dict[int, set[str]] = defaultdict(set)
    for entry in lines(root):
        sides[entry["shot"]].add(entry["split"])
    assert set(map(len, sides.values())) == {1}
    assert (summary.train, summary.test) == (40, 10)
    other, _ = build(tmp_path, film, name="other", stride=4, test_share=0.2, seed=3)
    held = [{e["shot"] for e in lines(at) if e["split"] == "test"} for at in (root, other)]
    assert held[0] != held[1]


def test_the_papers_random_split_tears_shots_apart(tmp_path: Path, film: Path) -> None:
    root, summary = build(tmp_path, film, stride=2, split="leaky", test_share=0.4)
    assert summary.test == 20
    sides = Counter((entry["shot"], entry["split"]) for entry in lines(root))
    assert sides[0, "train"]
    assert sides[0, "test"]
    assert head(root)["settings"]["split"] == "leaky"


def test_whole_films_are_held_out(tmp_path: Path) -> None:
    folder = tmp_path / "films"
    folder.mkdir()
    for number in range(5):
        write_film(folder / f"{number}.mkv", [*shot(2 * number, 12), *shot(2 * number + 1, 12)])
    root, summary = build(tmp_path, folder, stride=4, split="film")
    sides: dict[str, set[str]] = defaultdict(set)
    for entry in lines(root):
        sides[entry["source"]].add(entry["split"])
    assert sorted(sides) == [f"{n}.mkv" for n in range(5)]
    assert sorted(map(len, sides.values())) == [1] * 5
    assert (summary.train, summary.test, summary.sources) == (24, 6, 5)


def test_one_shot_holds_nothing_out_and_says_so(tmp_path: Path) -> None:
    film = write_film(tmp_path / "a.mkv", shot(1, 40))
    _, summary = build(tmp_path, film, stride=4)
    assert summary.test == 0
    assert summary.notices == ("There is only one shot, so nothing is held out.",)


# Pictures


def test_a_folder_of_pictures_with_classes(tmp_path: Path) -> None:
    photographs(tmp_path / "in/cats", 10)
    photographs(tmp_path / "in/dogs", 20, start=100)
    (tmp_path / "in/dogs/readme.txt").write_text("not a picture")
    (tmp_path / "in/dogs/broken.jpg").write_bytes(b"not a picture either")
    done, data = cv2.imencode(".jpg", np.random.default_rng(3).integers(0, 256, (96, 96, 3)).astype(np.uint8))
    assert done
    (tmp_path / "in/dogs/cut.jpg").write_bytes(data.tobytes()[:-100])
    told: list[str] = []
    root, summary = build(tmp_path, tmp_path / "in", notify=told.append)
    assert head(root)["labels"] == {"cats": {"train": 8, "test": 2}, "dogs": {"train": 16, "test": 4}}
    assert summary.labels == ("cats", "dogs")
    assert summary.left_out == {"unreadable": 2}
    assert len(told) == 2
    assert "broken.jpg is not a picture" in told[0]
    assert "cut.jpg' is cut short" in told[1]
    assert {entry["source"] for entry in lines(root)} >= {"cats/003.png", "dogs/119.png"}
    opened = open_set(root)
    assert opened.labels == ("cats", "dogs")
    assert (len(opened.train), len(opened.test)) == (24, 6)
    unlabelled, _ = build(tmp_path, tmp_path / "in", name="plain", labels=False)
    assert head(unlabelled)["labels"] == {}


def test_a_published_split_is_kept(tmp_path: Path) -> None:
    folder = photographs(tmp_path / "in", 12)
    (tmp_path / "train.txt").write_text("".join(f"{n:03}.png 5\n" for n in range(8)))
    (tmp_path / "test.txt").write_text("008\n009\n")
    root, summary = build(
        tmp_path, folder, train_list=tmp_path / "train.txt", test_list=tmp_path / "test.txt", seed=4
    )
    assert [entry["split"] for entry in lines(root)] == ["train"] * 8 + ["test"] * 2
    assert summary.left_out == {"unlisted": 2}
    settings = head(root)["settings"]
    assert (settings["split"], settings["train_list"]) == ("given", "train.txt")
    (tmp_path / "split.txt").write_text(
        "".join(f"{n:03}.png {'test' if n < 3 else 'train'}\n" for n in range(12))
    )
    one, _ = build(tmp_path, folder, name="one", split_file=tmp_path / "split.txt")
    assert [entry["split"] for entry in lines(one)] == ["test"] * 3 + ["train"] * 9


def test_names_of_a_published_split_that_are_not_there_are_told(tmp_path: Path) -> None:
    folder = photographs(tmp_path / "in", 10)
    names = "".join(f"{n:03}.png train\n" for n in range(10))
    (tmp_path / "split.txt").write_text(names + "elsewhere/1.png test\n011 test\n")
    _, summary = build(tmp_path, folder, split_file=tmp_path / "split.txt")
    assert summary.notices == ("2 names of the split not found, such as 'elsewhere/1.png'.",)


def test_exif_is_read_and_obeyed(tmp_path: Path) -> None:
    from PIL import Image

    folder = photographs(tmp_path / "in", 12)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise
    exif.get_ifd(0x8769)[0x9003] = "2021:07:16 18:30:00"
    gps = exif.get_ifd(0x8825)
    gps[1], gps[2], gps[3], gps[4] = "S", (33.0, 51.0, 36.0), "E", (151.0, 12.0, 0.0)
    Image.fromarray(scene(50, (80, 60))).save(folder / "photo.jpg", exif=exif, quality=95)
    root, _ = build(tmp_path, folder, size=None, resize=None)
    (entry,) = [entry for entry in lines(root) if entry["source"] == "photo.jpg"]
    known = entry["metadata"]
    assert known == {
        "hour": 18.5,
        "month": pytest.approx(7 + 15 / 31, abs=1e-3),
        "latitude": -33.86,
        "longitude": 151.2,
    }
    assert entry["crop"] == [0, 0, 60, 80]
    assert cv2.imread(str(root / entry["file"])).shape == (80, 60, 3)
    unknown = {"hour": None, "month": None, "latitude": None, "longitude": None}
    assert [e["metadata"] for e in lines(root) if e["source"] != "photo.jpg"] == [unknown] * 12


def test_a_films_own_date_and_place_are_read(tmp_path: Path) -> None:
    tags = {
        "com.apple.quicktime.creationdate": "2020-03-01T23:59:00+0100",
        "com.apple.quicktime.location.ISO6709": "+48.8577+002.2950+035.1/",
    }
    film = write_film(tmp_path / "a.mkv", [scene(n) for n in range(12)], rate=1, tags=tags)
    root, _ = build(tmp_path, film, every=Fraction(1), fades=True)
    known = [entry["metadata"] for entry in lines(root)]
    assert known[0] == {"hour": 23.983, "month": 3.0, "latitude": 48.8577, "longitude": 2.295}
    plain = write_film(
        tmp_path / "b.mkv", [scene(n) for n in range(12)], rate=1, tags={"creation_time": "2020-03-01"}
    )
    other, _ = build(tmp_path, plain, name="b", every=Fraction(1), fades=True)
    assert lines(other)[0]["metadata"]["hour"] is None  # when it was encoded, most likely


def test_large_pictures_are_brought_to_size(tmp_path: Path) -> None:
    folder = photographs(tmp_path / "in", 12, size=(1000, 700))
    write_picture(folder / "tiny.png", scene(99, (20, 24)))
    root, _ = build(tmp_path, folder, size=32, resize=40)
    assert {cv2.imread(str(root / entry["file"])).shape for entry in lines(root)} == {(32, 32, 3)}
    (wide,) = {tuple(entry["crop"][2:]) for entry in lines(root) if entry["source"] != "tiny.png"}
    assert wide[0] == pytest.approx(32 * 700 / 40, abs=2)


def test_films_and_pictures_together(tmp_path: Path, film: Path) -> None:
    folder = photographs(tmp_path / "in", 5, start=30)
    root, summary = build(tmp_path, film, folder, stride=10)
    assert summary.sources == 6
    assert {entry["pts"] is None for entry in lines(root)} == {True, False}
    assert head(root)["sources"]["files"] == 5


# The set as a whole


def test_the_same_again_is_the_same_byte_for_byte(tmp_path: Path, film: Path) -> None:
    photographs(tmp_path / "in", 8, start=40)
    options: dict[str, Any] = {"stride": 3, "crops": 2, "limit": 40}
    first, _ = build(tmp_path, film, tmp_path / "in", **options)
    again, _ = build(tmp_path, film, tmp_path / "in", name="again", **options)
    assert tree(first) == tree(again)
    other, _ = build(tmp_path, film, tmp_path / "in", name="other", seed=1, **options)
    assert [e["crop"] for e in lines(first)] != [e["crop"] for e in lines(other)]
    assert str(tmp_path) not in (first / "dataset.json").read_text() + (first / "manifest.jsonl").read_text()


def test_a_limit_draws_from_everything(tmp_path: Path, film: Path) -> None:
    whole, _ = build(tmp_path, film, stride=1, name="whole", duplicate=0)
    root, summary = build(tmp_path, film, stride=1, limit=20, duplicate=0)
    assert summary.train + summary.test == 20
    assert summary.left_out == {"limit": 80}
    assert len({entry["shot"] for entry in lines(root)}) >= 3
    assert len([*root.glob("train/*"), *root.glob("test/*")]) == 20
    assert {entry["pts"] for entry in lines(root)} < {entry["pts"] for entry in lines(whole)}
    assert [Path(entry["file"]).stem for entry in lines(root)] == [f"{n:06}" for n in range(20)]


def test_the_prior_is_of_the_training_pictures(tmp_path: Path) -> None:
    import torch

    from vidcolor.color.bins import nearest_bin
    from vidcolor.color.lab import rgb_to_lab

    colours = [(220, 42, 42), (42, 62, 202)]
    folder = tmp_path / "in"
    for number in range(12):
        picture = np.full((60, 80, 3), colours[0], np.uint8)
        picture[:, 40 + number :] = colours[1]
        write_picture(folder / f"{number:03}.png", picture)
    root, _ = build(tmp_path, folder, size=None, resize=None, duplicate=0, test_share=0, format="png")
    prior = head(root)["prior"]
    assert len(prior) == 313
    assert sum(prior) == pytest.approx(1, abs=1e-6)
    rgb = torch.tensor(colours).float().T.reshape(1, 3, 1, 2) / 255
    red, blue = nearest_bin(rgb_to_lab(rgb)[:, 1:]).flatten().tolist()
    assert prior[red] == pytest.approx(45.5 / 80, abs=0.05)
    assert prior[blue] == pytest.approx(1 - 45.5 / 80, abs=0.05)


def test_there_are_pictures_to_look_at(tmp_path: Path, film: Path) -> None:
    root, _ = build(tmp_path, film, stride=4)
    assert sorted(p.name for p in root.iterdir()) == [
        "colour-histogram.png", "contact-sheet.png", "dataset.json", "manifest.jsonl", "test", "train",
    ]  # fmt: skip
    sheet = cv2.imread(str(root / "contact-sheet.png"))
    assert sheet.std() > 20
    assert sheet.shape[1] > 8 * 128
    assert cv2.imread(str(root / "colour-histogram.png")).std() > 20


def test_progress_is_told(tmp_path: Path, film: Path) -> None:
    steps: list[Any] = []
    build(tmp_path, film, stride=4, progress=steps.append)
    assert [step.seconds for step in steps] == [pytest.approx(0.16 * n) for n in range(25)]
    assert {(step.source, step.number, step.sources, step.length) for step in steps} == {
        ("film.mkv", 1, 1, 4.0)
    }


# What goes wrong


def nothing_is_left(tmp_path: Path) -> bool:
    return not [p for p in tmp_path.iterdir() if "set" in p.name]


def test_a_grey_film_is_refused(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "grey.mkv", size=(96, 64), frames=40)
    with pytest.raises(InputError, match=r"grey\.mkv has no colour"):
        build(tmp_path, clip, stride=4)
    flat = make_clip(
        tmp_path / "flat.mkv", size=(96, 64), frames=10, codec="ffv1", pix_fmt="gray", options={}
    )
    with pytest.raises(InputError, match=r"flat\.mkv has no colour: its pixels are gray"):
        build(tmp_path, flat, stride=4)
    assert nothing_is_left(tmp_path)


def test_a_film_that_cannot_be_read_is_refused_or_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "films"
    folder.mkdir()
    write_film(folder / "good.mkv", [*shot(1, 30), *shot(2, 30)])
    make_clip(folder / "grey.mkv", size=(96, 64), frames=40)
    (folder / "bad.mp4").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"bad\.mp4 is not a media file"):
        build(tmp_path, folder / "bad.mp4")
    root, summary = build(tmp_path, folder, stride=4)
    assert summary.left_out["unreadable"] == 2
    assert {entry["source"] for entry in lines(root)} == {"good.mkv"}
    assert [("bad.mp4" in notice, "grey.mkv" in notice) for notice in summary.notices] == [
        (True, False),
        (False, True),
    ]


def test_too_few_pictures_are_refused(tmp_path: Path, film: Path) -> None:
    with pytest.raises(InputError, match=r"^Only 2 pictures could be made; a set needs 10\.$"):
        build(tmp_path, film, stride=50, least=10)
    dark = write_film(tmp_path / "dark.mkv", [np.zeros((64, 96, 3), np.uint8)] * 20)
    with pytest.raises(InputError, match=r"^No picture could be made \(left out: 5 black or nearly so\)"):
        build(tmp_path, dark, stride=4)
    assert nothing_is_left(tmp_path)


def test_inputs_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        build(tmp_path, tmp_path / "nowhere.mp4")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds neither films nor pictures"):
        build(tmp_path, tmp_path / "empty")


def test_an_existing_set_is_only_replaced_when_asked(tmp_path: Path, film: Path) -> None:
    root, _ = build(tmp_path, film, stride=4)
    before = tree(root)
    with pytest.raises(UsageError, match="set exists already; use -y to overwrite it"):
        build(tmp_path, film, stride=10)
    assert tree(root) == before
    build(tmp_path, film, stride=10, overwrite=True)
    assert len(lines(root)) == 10
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_a_folder_of_something_else_is_never_replaced(tmp_path: Path, film: Path) -> None:
    (tmp_path / "set").mkdir()
    build(tmp_path, film, stride=4)  # an empty folder is no loss
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/diary.txt").write_text("dear diary")
    with pytest.raises(UsageError, match="something else than a training set"):
        build(tmp_path, film, name="mine", overwrite=True)
    assert (tmp_path / "mine/diary.txt").read_text() == "dear diary"
    with pytest.raises(UsageError, match=r"film\.mkv is a file; a training set is a folder"):
        build(tmp_path, film, name="film.mkv", overwrite=True)
    with pytest.raises(OutputError, match="does not exist"):
        build(tmp_path, film, name="no/where")


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("after", [3, 26])
def test_a_build_that_breaks_off_leaves_nothing(
    tmp_path: Path, film: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, after: int
) -> None:
    """While pictures are written, and while the rest is."""
    written = []

    def failing(path: Path, data: bytes) -> None:
        written.append(path)
        if len(written) > after:
            raise error
        path.write_bytes(data)

    monkeypatch.setattr(collect, "write_file", failing)
    monkeypatch.setattr("vidcolor.datasets.finish.write_file", failing)
    expected = KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else OutputError
    with pytest.raises(expected) as raised:
        build(tmp_path, film, stride=4)
    if isinstance(error, OSError):
        assert str(raised.value) == f"The disk is full: {tmp_path / 'set'} could not be finished."
    assert nothing_is_left(tmp_path)


def test_a_set_made_before_is_not_read_as_input(tmp_path: Path) -> None:
    folder = photographs(tmp_path / "in", 12)
    build_dataset([folder], folder / "set", **SMALL)
    again = build_dataset([folder], folder / "again", **SMALL)
    assert again.sources == 12


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"stride": 2, "per_shot": 3}, "stride and per-shot exclude each other"),
        ({"stride": 0}, "stride must be at least 1, not 0"),
        ({"every": Fraction(0)}, "every must be longer than 0 seconds"),
        ({"test_share": 1.0}, "must be at least 0 and below 1, not 1"),
        ({"size": 64, "resize": 32}, "Crops of 64 do not fit pictures resized to 32"),
        ({"size": None, "crops": 2}, "Several crops need a size"),
        ({"split_file": Path("a"), "test_list": Path("b")}, "exclude each other"),
    ],
)
def test_options_that_make_no_sense(tmp_path: Path, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        build_dataset([tmp_path], tmp_path / "set", **options)
