"""Many films: which are found, what they are called, what is done again, and what a death costs."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any

import pytest

from tests.cli.test_app import STAGE_LEFT_BEHIND
from tests.clips import decode_pts, make_clip, packets
from vidcolor.errors import InputError, ModelError, OutputError, UsageError
from vidcolor.models import create_model, resolve_model, save_weights, weights
from vidcolor.pipeline.batch import loop
from vidcolor.pipeline.batch.films import NO_FILE, Film, Stamp, find_films, names_for, read_list
from vidcolor.pipeline.batch.journal import Journal, Record
from vidcolor.pipeline.batch.loop import BatchOptions, Event, color_films
from vidcolor.pipeline.batch.settings import changed, check, digest, settings_of
from vidcolor.pipeline.batch.worker import Message, Task
from vidcolor.pipeline.batch.workers import Workers
from vidcolor.pipeline.options import EncoderOptions, RunOptions
from vidcolor.pipeline.run import colorize
from vidcolor.pipeline.work import work_folder

OPTIONS = RunOptions(model="tiny", device="cpu", network_size=32)


def touch(path: Path, text: str = "film") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


# --- which films ---


def found(*inputs: str, listed: tuple[str, ...] = (), output: str = "out") -> dict[str, str]:
    """Path -> place."""
    held = find_films(inputs, listed, Path(output))
    assert (held.barren, held.unread) == ([], {})
    return {film.path: film.place.as_posix() for film in held.films}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_folder_gives_its_films_and_keeps_their_places(here: Path) -> None:
    for name in ("b.MP4", "a.avi", "sub/deep/c.mkv", "note.txt", ".hidden.mp4", ".trash/d.mp4", "e.part.mp4"):
        touch(here / "in" / name)
    for name in ("a.color.mkv", "~f.mp4", "g.mp4.part", "h.tmp.mkv", "folder.mp4/i.mp4"):
        touch(here / "in" / name)
    assert found("in") == {
        "in/a.avi": "a.avi",
        "in/b.MP4": "b.MP4",
        "in/folder.mp4/i.mp4": "folder.mp4/i.mp4",
        "in/sub/deep/c.mkv": "sub/deep/c.mkv",
    }


def test_what_is_named_itself_is_taken_whatever_it_is_called(here: Path) -> None:
    for name in ("tape.bin", ".hidden.mp4", "a.color.mp4"):
        touch(here / name)
    names = ("tape.bin", ".hidden.mp4", "a.color.mp4", "missing.mp4")
    assert found(*names) == {name: name for name in names}


def test_patterns_place_films_below_their_fixed_beginning(here: Path) -> None:
    for name in ("x/1/a.mp4", "x/2/a.mp4", "x/2/b.txt", "x/2/c.dat", "x/2/.h.mp4", "x/2/d/e.mp4"):
        touch(here / name)
    assert found("x/*/*.mp4") == {"x/1/a.mp4": "1/a.mp4", "x/2/a.mp4": "2/a.mp4"}
    assert found("x/**/*.mp4") == {**found("x/*/*.mp4"), "x/2/d/e.mp4": "2/d/e.mp4"}
    assert found("x/2/*") == {"x/2/a.mp4": "a.mp4", "x/2/d/e.mp4": "d/e.mp4"}
    assert found("x/2/*.dat") == {"x/2/c.dat": "c.dat"}
    assert found(str(here / "x/1/?.mp4")) == {str(here / "x/1/a.mp4"): "a.mp4"}


def test_a_name_with_the_marks_of_patterns_is_a_name(here: Path) -> None:
    for name in ("[a]*?.mp4", "a.mp4"):
        touch(here / name)
    assert found("[a]*?.mp4") == {"[a]*?.mp4": "[a]*?.mp4"}
    assert found(listed=("*.mp4",)) == {"*.mp4": "*.mp4"}


def test_a_film_is_taken_once(here: Path) -> None:
    touch(here / "in/a.mp4")
    (here / "link.mp4").symlink_to("in/a.mp4")
    assert found("in", "in/a.mp4", "link.mp4", "./in/../in/*.mp4", listed=("in",)) == {"in/a.mp4": "a.mp4"}


def test_results_are_no_films(here: Path) -> None:
    for name in ("in/a.mp4", "in/out/a.mkv", "in/out/sub/b.mkv"):
        touch(here / name)
    assert found("in", "in/**/*.m*", output="in/out") == {"in/a.mp4": "a.mp4"}
    touch(here / "in/a.color.mp4")
    assert list(found("in", output="in")) == ["in/a.mp4", "in/out/a.mkv", "in/out/sub/b.mkv"]


def test_inputs_that_hold_no_film_are_told_of(here: Path) -> None:
    for name in ("in/a.mp4", "notes/a.txt", "results/a.color.mp4"):
        touch(here / name)
    (here / "[x]").mkdir()
    given = ("in", "notes", "in/*.mp4", "tpaes/*.mp4", "results", "[x]", "in/**/*.avi", "missing.mp4")
    held = find_films(given, ["notes/", "in"], Path("out"))
    assert [film.path for film in held.films] == ["in/a.mp4", "missing.mp4"]
    assert held.barren == ["notes", "tpaes/*.mp4", "results", "[x]", "in/**/*.avi", "notes/"]
    assert held.unread == {}


@pytest.fixture
def locked(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A film in a folder that cannot be read, by root neither, while a file "lock" is there."""
    touch(here / "in/a.mp4")
    touch(here / "in/locked/b.mp4")
    lock = touch(here / "lock")
    scandir = os.scandir

    def refuse(path: Any) -> Any:
        if str(path).rstrip("/").endswith("locked") and lock.exists():
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    return lock


@pytest.mark.usefixtures("locked")
@pytest.mark.parametrize("given", ["in", "in/**/*.mp4", "in/*/*.mp4", "in/**", "i*", "in/locked/*.mp4"])
def test_a_folder_that_cannot_be_read_is_told_of(given: str) -> None:
    held = find_films([given, "in/a.mp4"], [], Path("out"))
    assert [film.path for film in held.films] == ["in/a.mp4"]
    assert (held.unread, held.barren) == ({"in/locked": "Permission denied"}, [])
    assert find_films([given, "in/a.mp4"], [], Path("in/locked")).unread.keys() <= {"in/locked"}


def test_lists_hold_any_name() -> None:
    assert read_list(b"a b.mp4\n\n#c.mp4\n  d.mp4\r\ncaf\xe9.mp4") == [
        "a b.mp4", "#c.mp4", "  d.mp4", os.fsdecode(b"caf\xe9.mp4"),
    ]  # fmt: skip
    assert read_list(b"two\nlines.mp4\0b.mp4\0") == ["two\nlines.mp4", "b.mp4"]
    assert read_list(b"") == []


def test_names_end_as_results_do() -> None:
    names = names_for(Film("x", "/x", PurePath("sub/a.avi")), None)
    assert [next(names) for _ in range(3)] == [
        "sub/a.color.mkv", "sub/a.avi.color.mkv", "sub/a.avi-2.color.mkv",
    ]  # fmt: skip
    assert next(names_for(Film("x", "/x", PurePath("a.webm")), "libx264")) == "a.color.mkv"
    with pytest.raises(InputError, match="names no file"):
        next(names_for(Film("..", "/", PurePath("..")), None))


# --- what is remembered ---


def record(output: str = "a.mkv", **changes: Any) -> Record:
    plain = Record(output, "/in/a.avi", Stamp(5, 7), "d1", "done", {"frames": 3})
    return replace(plain, **changes)


def test_a_journal_comes_back(tmp_path: Path) -> None:
    odd = record(os.fsdecode(b"caf\xe9\n.mkv"), state="failed", facts={"message": "so"}, result=Stamp(1, 2))
    with Journal(tmp_path) as journal:
        journal.know("d1", {"crf": 20})
        for one in (record(state="started"), record(), odd):
            journal.add(one)
    with Journal(tmp_path) as journal:
        assert journal.records == {"a.mkv": record(), odd.output: odd}
        assert journal.done == {"a.mkv": record()}
        journal.add(record(state="failed"))
    with Journal(tmp_path) as journal:
        assert journal.records["a.mkv"] == record(state="failed")
        assert journal.done == {"a.mkv": record()}
        assert journal.settings == {"d1": {"crf": 20}}


@pytest.mark.parametrize("cut", [1, 10, 60])
def test_a_line_cut_short_costs_only_itself(tmp_path: Path, cut: int) -> None:
    with Journal(tmp_path) as journal:
        journal.add(record())
        journal.add(record("b.mkv"))
    path = tmp_path / ".vidcolor-batch.jsonl"
    path.write_bytes(path.read_bytes()[: -cut - 1])
    with Journal(tmp_path) as journal:
        assert list(journal.records) == ["a.mkv"]
        journal.add(record("c.mkv"))
    with Journal(tmp_path) as journal:
        assert list(journal.records) == ["a.mkv", "c.mkv"]


@pytest.mark.parametrize(
    "line", ["[]", "3", "null", '{"digest": 1}', '{"output": 1}', "\xff", '{"stamp": 3}']
)
def test_lines_that_are_none_are_passed_over(tmp_path: Path, line: str) -> None:
    (tmp_path / ".vidcolor-batch.jsonl").write_text(line + "\n", encoding="latin-1")
    with Journal(tmp_path) as journal:
        assert journal.records == {}


@pytest.mark.skipif(os.name == "nt", reason="folders are locked on POSIX")
def test_one_batch_a_folder(tmp_path: Path) -> None:
    refused = pytest.raises(OutputError, match="Another batch is at work")
    with Journal(tmp_path), refused, Journal(tmp_path):
        pass
    with Journal(tmp_path):
        pass


def test_settings_are_what_alters_the_picture(tmp_path: Path) -> None:
    plain = settings_of(OPTIONS)
    assert settings_of(replace(OPTIONS, device="cuda:1", batch_size=2, overwrite=True)) == plain
    other = settings_of(replace(OPTIONS, saturation=2.0, encoder=EncoderOptions(crf=9.0)))
    assert changed(plain, other) == ["encoder.crf", "saturation"]
    assert digest(other) != digest(plain) == digest(json.loads(json.dumps(plain)))
    picture = touch(tmp_path / "a.png", "one")
    before = settings_of(replace(OPTIONS, reference=(str(picture),)))
    picture.write_text("two")
    assert changed(before, settings_of(replace(OPTIONS, reference=(str(picture),)))) == ["files"]
    weights = touch(tmp_path / "a.safetensors", "one")
    before = settings_of(replace(OPTIONS, model=str(weights)))
    weights.write_text("two")
    assert changed(before, settings_of(replace(OPTIONS, model=str(weights)))) == ["weights"]


@pytest.mark.parametrize(
    ("changes", "kind", "words"),
    [
        ({"model": "nosuch"}, UsageError, "no model 'nosuch'"),
        ({"model": "nosuch.safetensors"}, ModelError, "no weights file"),
        ({"encoder": EncoderOptions(codec="nosuch")}, UsageError, "Unknown encoder"),
        ({"encoder": EncoderOptions(codec="libx264", crf=99.0)}, UsageError, "crf 99 is out of range"),
        ({"encoder": EncoderOptions(codec="ffv1", preset="slow")}, UsageError, "no presets"),
        ({"reference": ("nosuch.png",)}, InputError, "no file 'nosuch.png'"),
        ({"anchors": "folder"}, UsageError, "Anchors belong to one film"),
    ],
)
def test_what_would_fail_every_film_is_found_first(
    tmp_path: Path, changes: dict[str, Any], kind: type[Exception], words: str
) -> None:
    batch = BatchOptions(output=tmp_path / "out", inputs=(str(tmp_path),))
    with pytest.raises(kind, match=words):
        color_films(batch, replace(OPTIONS, **changes), lambda event: None)
    assert not (tmp_path / "out").exists()


def test_a_device_that_is_none_is_found_first() -> None:
    check(OPTIONS, ["cpu"])
    with pytest.raises(UsageError, match="no device 'tricorder'"):
        check(OPTIONS, ["cpu", "tricorder"])


def test_a_worker_loads_its_model_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve_model("tiny").model is not resolve_model("tiny").model
    for name in ("wanted", "loaded", "key"):  # put back afterwards
        monkeypatch.setattr(weights._Kept, name, getattr(weights._Kept, name))
    weights.keep_models()
    first = resolve_model("tiny").model
    assert resolve_model("tiny").model is first
    path = tmp_path / "a.safetensors"
    save_weights(path, create_model("tiny"), name="tiny", version="0")
    loaded = resolve_model(path).model
    assert loaded is not first
    assert resolve_model(path).model is loaded
    os.utime(path, ns=(0, 0))
    assert resolve_model(path).model is not loaded


# --- what is done, and done again: with workers that only pretend ---


class Pretended:
    """Workers that write the film's text into its result; a film that says "bad" fails."""

    tasks: list[Task] = []  # noqa: RUF012
    before_done: Callable[[Task], None] = staticmethod(lambda task: None)

    def __init__(self, jobs: int, devices: Any, last_word: Callable[[Any, Stamp], bool]) -> None:
        self._jobs: list[tuple[Any, Task]] = []
        self._last_word = last_word

    @classmethod
    def __class_getitem__(cls, _: Any) -> type[Pretended]:
        return cls

    def __enter__(self) -> Pretended:
        return self

    def __exit__(self, *_: object) -> None: ...

    @property
    def busy(self) -> int:
        return len(self._jobs)

    @property
    def free(self) -> bool:
        return not self._jobs

    def give(self, job: Any, task: Task) -> None:
        self._jobs.append((job, task))
        self.tasks.append(task)

    def listen(self, timeout_s: float | None) -> Iterator[tuple[Any, Message]]:
        for job, task in self._jobs:
            self.before_done(task)
            text = Path(task.source).read_text()
            made = Path(task.output).with_name(".made")
            made.write_text(text)
            if text == "bad" or not self._last_word(job, Stamp.of(made) or NO_FILE):
                yield job, Message("failed", {"message": f"it is {text}"})
            else:
                made.rename(task.output)
                facts = {"frames": 2, "kept": 0, "seconds": 1.0, "fps": 2.0, "output": task.output}
                yield job, Message("done", facts)
        self._jobs = []


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch) -> type[Pretended]:
    monkeypatch.setattr(loop, "Workers", Pretended)
    monkeypatch.setattr(Pretended, "tasks", [])
    return Pretended


class Run:
    """A batch over ``in`` to ``out``, and what it did."""

    def __init__(self, *inputs: str, options: RunOptions = OPTIONS, **batch: Any) -> None:
        self.events: list[Event] = []
        Pretended.tasks.clear()
        given = {"inputs": inputs or ("in",), "output": Path("out"), **batch}
        self.totals = color_films(BatchOptions(**given), options, self.events.append)
        out = given["output"]
        self.made = [Path(task.output).relative_to(out).as_posix() for task in Pretended.tasks]
        self.counts = {state: count for state, count in self.totals.counts.items() if count}
        self.notices = [(e.source, e.facts["message"]) for e in self.events if e.kind == "notice"]
        self.report = json.loads((out / "report.json").read_text())


def stopped(owner: type, name: str) -> None:
    """A batch that ends where a method is called."""

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, stop)
        with pytest.raises(KeyboardInterrupt):
            Run()


@pytest.mark.usefixtures("pretended")
class TestDoneAndAgain:
    def test_what_is_done_is_kept_and_what_failed_is_tried_again(self, here: Path) -> None:
        for name in ("a.mp4", "sub/a.mp4"):
            touch(here / "in" / name)
        touch(here / "in/bad.mp4", "bad")
        first = Run()
        assert first.counts == {"done": 2, "failed": 1}
        assert first.totals.failed == (("in/bad.mp4", "it is bad"),)
        assert first.report["state"] == "finished"
        assert [(r["output"], r["state"]) for r in first.report["results"]] == [
            ("out/a.color.mp4", "done"),
            ("out/bad.color.mp4", "failed"),
            ("out/sub/a.color.mp4", "done"),
        ]
        second = Run()
        assert second.made == ["bad.color.mp4"]
        assert second.counts == {"kept": 2, "failed": 1}
        assert second.report["results"][0]["frames"] == 2
        touch(here / "in/bad.mp4", "good now")
        assert Run().counts == {"kept": 2, "done": 1}
        assert (here / "out/bad.color.mp4").read_text() == "good now"

    def test_a_film_that_changed_is_done_again_and_said(self, here: Path) -> None:
        film = touch(here / "in/a.mp4")
        Run()
        touch(film, "another")
        again = Run()
        assert again.made == ["a.color.mp4"]
        assert again.notices == [("in/a.mp4", "It is coloured again: the film has changed.")]
        assert (here / "out/a.color.mp4").read_text() == "another"
        os.utime(film, ns=(0, 0))
        assert Run().made == ["a.color.mp4"]
        assert Run().made == []

    def test_other_options_do_all_again_and_are_named(self, here: Path) -> None:
        touch(here / "in/a.webm")
        Run()
        assert Run(options=replace(OPTIONS, batch_size=1)).made == []
        again = Run(options=replace(OPTIONS, saturation=0.5))
        assert again.notices == [("in/a.webm", "It is coloured again: other options (saturation).")]
        assert again.made == ["a.color.webm"]
        # WebM cannot hold what is asked for now.
        assert Run(options=replace(OPTIONS, encoder=EncoderOptions(codec="libx264"))).made == ["a.color.mkv"]

    def test_a_result_that_is_gone_is_made_again(self, here: Path) -> None:
        touch(here / "in/a.mp4")
        Run()
        (here / "out/a.color.mp4").unlink()
        again = Run()
        assert (again.made, len(again.notices)) == (["a.color.mp4"], 1)

    def test_restart_does_all_again(self, here: Path) -> None:
        touch(here / "in/a.mp4")
        Run()
        assert Run(restart=True).made == ["a.color.mp4"]

    def test_what_was_begun_and_not_finished_is_done_again(self, here: Path) -> None:
        film = touch(here / "in/a.mp4")
        Run()
        left = touch(here / "out/.a.color.part-12ab.mp4")
        other = touch(here / "out/.ab.color.part-12ab.mp4")
        with Journal(here / "out") as journal:
            done = journal.records["a.color.mp4"]
            journal.add(replace(done, state="started", source=os.path.realpath(film)))
        assert Run().made == ["a.color.mp4"]
        assert not left.exists()
        assert other.exists()

    def test_a_file_nobody_knows_of_is_left_alone(self, here: Path) -> None:
        touch(here / "in/a.mp4")
        own = touch(here / "out/a.color.mp4", "precious")
        for _ in range(2):
            run = Run()
            assert run.made == []
            assert "no batch made it; give -y" in run.totals.failed[0][1]
            assert own.read_text() == "precious"
        assert Run(options=replace(OPTIONS, overwrite=True)).made == ["a.color.mp4"]

    def test_a_film_made_by_hand_after_a_failure_is_left_alone(self, here: Path) -> None:
        touch(here / "in/a.mp4", "bad")
        Run()
        own = touch(here / "out/a.color.mp4", "by hand")
        assert "no batch made it" in Run().totals.failed[0][1]
        assert own.read_text() == "by hand"

    def test_a_result_survives_a_failure_and_stays_ours(self, here: Path) -> None:
        film = touch(here / "in/a.mp4", "good")
        Run()
        touch(film, "bad")
        assert Run().counts == {"failed": 1}
        assert (here / "out/a.color.mp4").read_text() == "good"
        touch(film, "good again")
        assert Run().made == ["a.color.mp4"]

    @pytest.mark.parametrize("restart", [False, True])
    def test_a_film_put_where_a_result_was_is_left_alone(self, here: Path, restart: bool) -> None:
        touch(here / "in/a.mp4")
        Run()
        own = touch(here / "out/a.color.mp4", "by hand")
        assert Run().counts == {"kept": 1}
        other = replace(OPTIONS, saturation=0.5)
        for _ in range(2):
            run = Run(options=other, restart=restart)
            words = "out/a.color.mp4 is not the file that a batch made; give -y to overwrite it"
            assert run.totals.failed == (("in/a.mp4", words),)
            assert (run.made, run.notices, own.read_text()) == ([], [], "by hand")
        assert Run(options=replace(other, overwrite=True)).made == ["a.color.mp4"]
        assert Run(options=OPTIONS).made == ["a.color.mp4"]

    def test_a_film_put_there_after_a_stop_is_left_alone(self, here: Path) -> None:
        touch(here / "in/a.mp4")
        stopped(Pretended, "before_done")
        own = touch(here / "out/a.color.mp4", "by hand")
        assert "no batch made it" in Run().totals.failed[0][1]
        assert own.read_text() == "by hand"

    def test_a_result_that_was_there_before_a_stop_stays_ours(self, here: Path) -> None:
        film = touch(here / "in/a.mp4")
        Run()
        touch(film, "another")
        stopped(Pretended, "before_done")
        assert Run().made == ["a.color.mp4"]
        assert (here / "out/a.color.mp4").read_text() == "another"

    def test_a_film_put_there_meanwhile_is_left_alone(
        self, here: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        touch(here / "in/a.mp4")
        by_hand = staticmethod(lambda task: touch(here / "out/a.color.mp4", "by hand"))
        with monkeypatch.context() as patch:
            patch.setattr(Pretended, "before_done", by_hand)
            assert Run().counts == {"failed": 1}
        assert "no batch made it" in Run().totals.failed[0][1]
        assert (here / "out/a.color.mp4").read_text() == "by hand"

    def test_a_film_put_there_before_it_is_taken_down_is_nobodys_but_its_makers(
        self, here: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        film, take = touch(here / "in/a.mp4"), loop._Batch._take

        def late(batch: Any, job: Any, message: Message) -> None:
            touch(here / "out/a.color.mp4", "by hand")
            take(batch, job, message)

        with monkeypatch.context() as patch:
            patch.setattr(loop._Batch, "_take", late)
            Run()
        touch(film, "changed")
        assert "is not the file that a batch made" in Run().totals.failed[0][1]
        assert (here / "out/a.color.mp4").read_text() == "by hand"

    def test_a_result_whose_batch_died_before_it_said_so_is_ours(self, here: Path) -> None:
        touch(here / "in/a.mp4")
        stopped(loop._Batch, "_take")
        assert (here / "out/a.color.mp4").exists()
        assert Run().made == ["a.color.mp4"]

    def test_a_journal_of_an_earlier_vidcolor_says_whose_a_result_is(self, here: Path) -> None:
        touch(here / "in/a.mp4")
        Run()
        path = here / "out/.vidcolor-batch.jsonl"
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        old = [{n: v for n, v in line.items() if n != "result"} for line in lines]
        path.write_text("".join(json.dumps({**line, "ours": True}) + "\n" for line in old))
        assert Run().counts == {"kept": 1}
        assert Run(options=replace(OPTIONS, saturation=0.5)).made == ["a.color.mp4"]

    def test_a_result_that_other_options_failed_to_replace_is_kept(self, here: Path) -> None:
        film = touch(here / "in/a.mp4", "good")
        when = film.stat().st_mtime_ns
        Run()
        touch(film, "bad")
        assert Run(options=replace(OPTIONS, saturation=0.5)).counts == {"failed": 1}
        touch(film, "good")
        os.utime(film, ns=(when, when))
        assert Run().counts == {"kept": 1}
        assert Run(restart=True).made == ["a.color.mp4"]

    @pytest.mark.parametrize("text", ['{"my": "accounts"}', "", '{"vidcolor": "films to colour"}'])
    def test_a_report_that_no_batch_wrote_is_left_alone(self, here: Path, text: str) -> None:
        touch(here / "in/a.mp4")
        own = touch(here / "out/report.json", text)
        with pytest.raises(OutputError, match=r"out/report\.json exists, and no batch wrote it; give -y"):
            Run()
        assert (own.read_text(), list((here / "out").iterdir())) == (text, [own])
        assert Run(options=replace(OPTIONS, overwrite=True)).counts == {"done": 1}
        assert Run().counts == {"kept": 1}

    def test_a_folder_named_as_the_report_is_found_first(self, here: Path) -> None:
        touch(here / "in/a.mp4")
        (here / "out/report.json").mkdir(parents=True)
        with pytest.raises(OutputError, match="no batch wrote it"):
            Run()
        assert Pretended.tasks == []

    @pytest.mark.parametrize("watch", [None, 0.01])
    def test_while_it_runs_the_report_says_so(
        self, here: Path, monkeypatch: pytest.MonkeyPatch, watch: float | None
    ) -> None:
        for name in ("a.mp4", "b.mp4"):
            touch(here / "in" / name)
        Run()
        touch(here / "in/b.mp4", "another")
        seen: list[dict[str, Any]] = []

        def look(task: Task) -> None:
            seen.append(json.loads((here / "out/report.json").read_text()))
            raise KeyboardInterrupt

        monkeypatch.setattr(Pretended, "before_done", staticmethod(look))
        with pytest.raises(KeyboardInterrupt):
            Run(watch=watch)
        assert seen[0]["state"] == "running"
        assert [r["state"] for r in seen[0]["results"]] == ["kept", "waiting"]
        assert json.loads((here / "out/report.json").read_text())["state"] == "stopped"

    def test_names_that_clash_are_told_apart_and_stay(self, here: Path) -> None:
        for name in ("x/a.avi", "x/a.flv", "y/a.avi", "y/A.AVI"):
            touch(here / name)
        assert sorted(Run("x", "y").made) == [
            "A.AVI.color.mkv",
            "a.avi-2.color.mkv",
            "a.color.mkv",
            "a.flv.color.mkv",
        ]
        (here / "y/a.avi").write_text("changed")
        results = {r["input"]: r["output"] for r in Run("x", "y").report["results"]}
        again = Run("y", "x")
        assert again.counts == {"kept": 4}
        assert {r["input"]: r["output"] for r in again.report["results"]} == results

    def test_names_as_long_as_can_be(self, here: Path) -> None:
        for end in "ab":
            touch(here / "in" / f"{'ü' * 125}{end}.mkv")
        made = Run().made
        assert len(set(made)) == 2
        assert all(250 < len(os.fsencode(name)) <= 255 and name.endswith(".color.mkv") for name in made)
        assert len({work_folder(here / "out" / name) for name in made}) == 2
        assert all(len(os.fsencode(work_folder(here / name).name)) <= 255 for name in made)
        assert Run().counts == {"kept": 2}

    def test_an_input_never_gives_its_place_away(self, here: Path) -> None:
        touch(here / "a.avi")
        named = touch(here / "a.color.mkv", "an input")
        run = Run("a.avi", "a.color.mkv", output=Path("."), options=replace(OPTIONS, overwrite=True))
        assert named.read_text() == "an input"
        assert run.counts == {"done": 2}

    def test_a_folder_that_moved_is_still_done(self, here: Path) -> None:
        touch(here / "in/sub/a.mp4")
        Run()
        (here / "in").rename(here / "moved")
        assert Run("moved").counts == {"kept": 1}

    def test_what_is_missing_fails_and_the_rest_goes_on(self, here: Path) -> None:
        touch(here / "a.mp4")
        run = Run("missing.mp4", "a.mp4")
        assert run.totals.failed == (("missing.mp4", "there is no such file"),)
        assert run.made == ["a.color.mp4"]

    def test_inputs_without_films_are_told_of(self, here: Path) -> None:
        touch(here / "a.mp4")
        (here / "in").mkdir()
        run = Run("a.mp4", "in", "tpaes/*.mp4")
        words = ["in holds no films.", "tpaes/*.mp4 holds no films."]
        assert run.notices == [(None, sentence) for sentence in words]
        assert run.report["notices"] == words
        assert run.counts == {"done": 1}

    @pytest.mark.usefixtures("locked")
    @pytest.mark.parametrize("given", ["in", "in/locked", "in/**/*.mp4"])
    def test_a_folder_that_cannot_be_read_is_a_failure(self, given: str) -> None:
        run = Run(given)
        assert run.totals.failed == (("in/locked", "the folder cannot be read: Permission denied"),)
        assert run.counts == {"failed": 1} | ({} if given == "in/locked" else {"done": 1})
        assert run.report["results"][0] == {
            "input": "in/locked",
            "output": None,
            "state": "failed",
            "message": "the folder cannot be read: Permission denied",
        }
        assert run.notices == []

    def test_watching_tells_once_of_what_is_not_there_yet(
        self, here: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (here / "in").mkdir()
        events: list[Event] = []
        reports: list[Any] = []
        look = loop._Batch._look

        def step(batch: Any) -> None:
            path = here / "out/report.json"
            reports.append(json.loads(path.read_text()) if path.exists() else None)
            if len(reports) == 3:
                touch(here / "in/a.mp4")
                touch(here / "tapes/b.mp4")
            if len(reports) == 8:
                raise KeyboardInterrupt
            look(batch)

        monkeypatch.setattr(loop._Batch, "_look", step)
        batch = BatchOptions(output=Path("out"), inputs=("in", "tapes", "c*"), watch=0.01)
        with pytest.raises(KeyboardInterrupt):
            color_films(batch, OPTIONS, events.append)
        words = ["in holds no films yet.", "c* holds no films yet.", "tapes is not there yet."]
        assert [e.facts["message"] for e in events if e.kind == "notice"] == words
        assert reports[1]["notices"] == words
        assert reports[7]["notices"] == ["c* holds no films yet."]
        assert [r["state"] for r in reports[7]["results"]] == ["done", "done"]

    def test_watching_looks_again_whether_a_folder_can_be_read(
        self, locked: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        reports: list[Any] = []
        look = loop._Batch._look

        def step(batch: Any) -> None:
            path = Path("out/report.json")
            reports.append(json.loads(path.read_text()) if path.exists() else None)
            if len(reports) == 4:
                locked.unlink()
            if len(reports) == 9:
                raise KeyboardInterrupt
            look(batch)

        monkeypatch.setattr(loop._Batch, "_look", step)
        with pytest.raises(KeyboardInterrupt):
            Run(watch=0.01)
        assert [r["state"] for r in reports[3]["results"]] == ["failed", "done"]
        assert {r["input"]: r["state"] for r in reports[8]["results"]} == {
            "in/a.mp4": "done",
            "in/locked/b.mp4": "done",
        }

    def test_no_film_at_all_is_an_error(self, here: Path) -> None:
        (here / "in").mkdir()
        with pytest.raises(InputError, match="hold no films"):
            Run()
        assert json.loads((here / "out/report.json").read_text())["state"] == "failed"

    def test_a_film_that_changes_meanwhile_is_told_of(
        self, here: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        film = touch(here / "in/a.mp4")
        grow = staticmethod(lambda task: touch(film, "longer than before"))
        with monkeypatch.context() as patch:
            patch.setattr(Pretended, "before_done", grow)
            assert "changed while it was coloured" in Run().notices[0][1]
        assert Run().made == ["a.color.mp4"]
        assert Run().made == []

    def test_watching_leaves_alone_what_still_grows(
        self, here: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (here / "in").mkdir()
        looks = 0
        look = loop._Batch._look
        made: dict[int, list[str]] = {}

        def step(batch: Any) -> None:
            nonlocal looks
            looks += 1
            made[looks] = [Path(task.source).name for task in Pretended.tasks]
            if looks == 1:
                touch(here / "in/empty.mp4", "")
                touch(here / "in/whole.mp4")
            if looks <= 4:
                touch(here / "in/growing.mp4", "x" * looks)
            if looks == 8:
                touch(here / "in/whole.mp4", "replaced")
            if looks == 12:
                raise KeyboardInterrupt
            look(batch)

        monkeypatch.setattr(loop._Batch, "_look", step)
        with pytest.raises(KeyboardInterrupt):
            Run(watch=0.01)
        whole, growing = "whole.mp4", "growing.mp4"
        assert made[2] == []
        assert made[3] == made[5] == [whole]
        assert made[6] == made[9] == [whole, growing]
        assert made[10] == made[12] == [whole, growing, whole]
        report = json.loads((here / "out/report.json").read_text())
        assert report["state"] == "stopped"
        assert report["frames"] == 2 * 3
        assert {r["input"]: r["state"] for r in report["results"]} == {
            "in/whole.mp4": "done",
            "in/growing.mp4": "done",
        }

    def test_watching_takes_a_name_that_has_become_free(
        self, here: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        touch(here / "in/a.mp4")
        own = touch(here / "out/a.color.mp4", "by hand")
        states: list[list[str]] = []
        look = loop._Batch._look

        def step(batch: Any) -> None:
            states.append([entry.state for entry in batch.entries.values()])
            if len(states) == 6:
                own.unlink()
            if len(states) == 10:
                raise KeyboardInterrupt
            look(batch)

        monkeypatch.setattr(loop._Batch, "_look", step)
        with pytest.raises(KeyboardInterrupt):
            Run(watch=0.01)
        assert (states[5], states[9]) == (["failed"], ["done"])
        assert own.read_text() != "by hand"

    @pytest.mark.parametrize("folder", [False, True])
    def test_watching_makes_again_a_result_that_was_removed(
        self, here: Path, monkeypatch: pytest.MonkeyPatch, folder: bool
    ) -> None:
        touch(here / "in/a.mp4")
        looks = 0
        look = loop._Batch._look

        def step(batch: Any) -> None:
            nonlocal looks
            looks += 1
            if looks == 5 and folder:  # as when its disk is taken away
                (here / "out").rename(here / "away")
            elif looks == 5:
                (here / "out/a.color.mp4").unlink()
            if looks == 10 and folder:
                (here / "away").rename(here / "out")
            if looks == 10:
                raise KeyboardInterrupt
            look(batch)

        monkeypatch.setattr(loop._Batch, "_look", step)
        with pytest.raises(KeyboardInterrupt):
            Run(watch=0.01)
        assert (here / "out/a.color.mp4").exists()
        assert len(Pretended.tasks) == (1 if folder else 2)


# --- real processes ---


def until_over(workers: Workers[str]) -> list[tuple[str, Message]]:
    said = []
    while workers.busy:
        said += [(job, m) for job, m in workers.listen(60) if m.kind in ("done", "failed")]
    return said


@pytest.mark.skipif(os.name == "nt", reason="signals as POSIX has them")
def test_a_worker_that_dies_costs_its_film_and_is_replaced(tmp_path: Path) -> None:
    film = make_clip(tmp_path / "a.mkv", size=(320, 180), frames=400)
    short = make_clip(tmp_path / "b.mkv", frames=6)
    with Workers[str](1, ["cpu"]) as workers:
        workers.give("a", Task(str(film), str(tmp_path / "a.color.mkv"), OPTIONS))
        next(workers.listen(60))
        assert not workers.free
        first = workers._slots[0]
        assert first is not None
        assert first.process.pid is not None
        os.kill(first.process.pid, signal.SIGKILL)
        [(job, message)] = until_over(workers)
        assert (job, message.kind) == ("a", "failed")
        assert "ended by SIGKILL" in message.facts["message"]
        workers.give("b", Task(str(short), str(tmp_path / "b.color.mkv"), OPTIONS))
        [(job, message)] = until_over(workers)
        assert (job, message.kind, message.facts["frames"]) == ("b", "done", 6)
        second = workers._slots[0]
        assert second is not None
        # It goes on with a film that fails, and with the next.
        for name, kind in (("missing.mkv", "failed"), ("b.mkv", "done")):
            task = Task(str(tmp_path / name), str(tmp_path / "c.mkv"), replace(OPTIONS, overwrite=True))
            workers.give("c", task)
            assert [m.kind for _, m in until_over(workers)] == [kind]
        assert workers._slots[0] is second
    assert not second.process.is_alive()


@pytest.mark.skipif(os.name == "nt", reason="signals as POSIX has them")
@pytest.mark.parametrize(
    ("rate", "kept"), [(2, True), (24, False)], ids=["in its second part", "in its first"]
)
def test_a_film_that_kills_its_worker_leaves_only_what_is_done(here: Path, rate: int, kept: bool) -> None:
    (here / "in").mkdir()
    source = make_clip(
        here / "in/a.mkv", size=(640, 360), frames=200, rate=rate, pix_fmt="gray", codec="ffv1"
    )  # parts last 10 s
    touch(here / "in/junk.mkv", "no film")
    options = replace(OPTIONS, model="grey", encoder=EncoderOptions(codec="ffv1"))
    batch = BatchOptions(output=Path("out"), inputs=("in",))
    told: list[Event] = []

    def kill(event: Event) -> None:
        told.append(event)
        if event.kind == "progress" and event.facts["frame"] > 25:
            for child in multiprocessing.active_children():
                child.kill()

    totals = color_films(batch, options, kill)
    assert [Path(name).name for name, _ in totals.failed] == ["a.mkv", "junk.mkv"]
    why = totals.failed[0][1]
    assert "ended by SIGKILL" in why
    work = here / "out/.a.color.mkv.vidcolor"
    assert work.is_dir() == kept
    assert (f"frames are done and kept in {work.resolve()}" in why) == kept
    assert not list((here / "out").glob(".junk*"))
    told.clear()
    assert color_films(batch, options, told.append).counts["done"] == 1
    notices = [event.facts["message"] for event in told if event.kind == "notice"]
    assert any("done by an earlier run" in notice for notice in notices) == kept
    assert len(decode_pts(here / "out/a.color.mkv")) == len(decode_pts(source)) == 200
    assert sorted(path.name for path in (here / "out").iterdir()) == [
        ".vidcolor-batch.jsonl", "a.color.mkv", "report.json"
    ]  # fmt: skip


def test_after_what_nobody_foresaw_the_next_film_gets_a_new_worker(tmp_path: Path) -> None:
    film = make_clip(tmp_path / "a.mkv", frames=6)
    with Workers[str](1, ["cpu"]) as workers:
        for name, kind in (
            ("x" * 300, "failed"),
            ("b.mkv", "done"),
            ("y" * 300, "failed"),
            ("c.mkv", "done"),
        ):
            workers.give(name, Task(str(film), str(tmp_path / name), OPTIONS))
            [(job, message)] = until_over(workers)
            assert (job, message.kind) == (name, kind), message
            if kind == "failed":
                assert "File name too long" in message.facts["message"]


# A worker that is left with a stage that does not end.
LEFT_BEHIND = f"""
{STAGE_LEFT_BEHIND}
import multiprocessing
from vidcolor.pipeline.batch.worker import serve
ours, theirs = multiprocessing.Pipe()
ours.close()
serve(theirs, 0, None)
"""


@pytest.mark.skipif(os.name == "nt", reason="signals as POSIX has them")
def test_a_worker_with_a_stage_left_behind_does_not_abort() -> None:
    run = subprocess.run([sys.executable, "-c", LEFT_BEHIND], capture_output=True, text=True, timeout=50)
    assert run.returncode == -signal.SIGTERM
    assert run.stdout + run.stderr == ""


@pytest.mark.parametrize("parts", [True, False])
def test_a_finished_film_takes_its_name_only_where_it_may(tmp_path: Path, parts: bool) -> None:
    film = make_clip(tmp_path / "a.mkv", frames=6)
    target = touch(tmp_path / "out/a.color.mkv", "by hand")
    asked: list[tuple[str, Stamp]] = []

    def last_word(job: str, finished: Stamp) -> bool:
        asked.append((job, finished))
        return job == "second"

    options = replace(OPTIONS, overwrite=True, parts=parts)
    with Workers[str](1, ["cpu"], last_word) as workers:
        workers.give("first", Task(str(film), str(target), options))
        [(_, message)] = until_over(workers)
        assert "has appeared meanwhile and was left alone" in message.facts["message"]
        assert target.read_text() == "by hand"
        assert len(decode_pts(tmp_path / "out/a.color-1.mkv")) == 6
        workers.give("second", Task(str(film), str(target), options))
        assert [m.kind for _, m in until_over(workers)] == ["done"]
    assert [job for job, _ in asked] == ["first", "second"]
    assert asked[1][1] == Stamp.of(target)


@pytest.mark.parametrize("codec", ["ffv1", "libx264"])
def test_two_jobs_make_what_one_run_makes(tmp_path: Path, codec: str) -> None:
    (tmp_path / "in").mkdir()
    films = [make_clip(tmp_path / "in" / f"{n}.mkv", frames=10 + n, audio=1) for n in range(4)]
    lossless = replace(OPTIONS, encoder=EncoderOptions(codec=codec))
    batch = BatchOptions(output=tmp_path / "out", inputs=(str(tmp_path / "in"),), jobs=2, devices=("cpu",))
    totals = color_films(batch, lossless, lambda event: None)
    assert totals.counts["done"] == len(films) == 4
    assert totals.frames == sum(len(decode_pts(film)) for film in films)
    for film in films:
        alone = tmp_path / f"{film.stem}.color.mkv"
        colorize(film, alone, lossless)
        for kind in ("video", "audio"):
            assert packets(tmp_path / "out" / alone.name, kind) == packets(alone, kind)


def test_a_film_goes_on_where_a_batch_was_stopped(here: Path) -> None:
    """With what an interrupted run of the same film left: a batch makes its films as such runs do."""
    for folder in ("in", "out"):
        (here / folder).mkdir()
    source = make_clip(here / "in/a.mkv", frames=48, rate=2, pix_fmt="gray", codec="ffv1")  # parts last 10 s
    options = replace(OPTIONS, model="grey", encoder=EncoderOptions(codec="ffv1"))

    def stop(done: Any) -> None:
        if done.frame == 30:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        colorize(source, "out/a.color.mkv", options, progress=stop)
    told: list[Event] = []
    batch = BatchOptions(output=Path("out"), inputs=("in",))
    totals = color_films(batch, options, told.append)
    assert totals.frames == 48 - 20
    notices = [event.facts["message"] for event in told if event.kind == "notice"]
    assert notices == ["20 frames were done by an earlier run; it goes on from there."]
    assert len(decode_pts(here / "out/a.color.mkv")) == 48
    assert sorted(path.name for path in (here / "out").iterdir()) == [
        ".vidcolor-batch.jsonl", "a.color.mkv", "report.json"
    ]  # fmt: skip
