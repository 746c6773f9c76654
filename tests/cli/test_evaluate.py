"""``vidcolor evaluate`` on the command line."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.evaluation.films import SIZE, plain, texture, write_film
from tests.evaluation.test_pictures import photos
from vidcolor.cli import main
from vidcolor.models import create_model, save_weights

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("films")
    luma = texture(3, *SIZE)
    return (
        write_film(folder / "result.mkv", [plain(luma, 118, 140)] * 24),
        write_film(folder / "truth.mkv", [plain(luma, 110, 150)] * 24),
    )


def test_a_result_beside_its_truth(films: tuple[Path, Path], tmp_path: Path, capsys: Capture) -> None:
    result, truth = map(str, films)
    output, report = tmp_path / "figures.json", tmp_path / "report"
    told = ["--truth", truth, "-o", str(output), "--report", str(report)]
    assert main(["evaluate", result, *told]) == 0
    out, err = capsys.readouterr()
    data = json.loads(output.read_text())
    assert data["kind"] == "pair"
    assert f"{data['figures']['psnr']['mean']:.2f}" in out
    assert "Flicker of colour, codes" in out
    assert "SSIM" in out
    assert f"written: {output}" in err
    assert [path.name for path in report.iterdir()] == ["index.html"]
    assert "<!doctype html>" in (report / "index.html").read_text()


def test_a_report_that_fails_leaves_no_empty_folder(
    films: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (tmp_path / "there").mkdir()
    monkeypatch.setattr(Path, "write_bytes", refuse)
    for name in ("report", "there"):
        assert main(["evaluate", str(films[0]), "--report", str(tmp_path / name)]) == 1
        assert "The disk is full: " in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_nothing_is_overwritten_without_being_asked(
    films: tuple[Path, Path], tmp_path: Path, capsys: Capture
) -> None:
    result = str(films[0])
    output = tmp_path / "figures.json"
    output.write_text("mine")
    assert main(["evaluate", result, "-o", str(output)]) == 1
    assert "exists; give -y to overwrite it" in capsys.readouterr().err
    assert output.read_text() == "mine"
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "index.html").write_text("mine")
    (tmp_path / "report" / "other.txt").write_text("mine")
    assert main(["evaluate", result, "--report", str(tmp_path / "report")]) == 1
    assert main(["evaluate", result, "--report", str(tmp_path / "report"), "-o", str(output), "-y"]) == 0
    assert json.loads(output.read_text())["kind"] == "result"
    assert (tmp_path / "report" / "other.txt").read_text() == "mine"


def test_what_appears_meanwhile_is_left_alone_and_the_figures_are_shown(
    films: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    from vidcolor.evaluation import film

    output, measured = tmp_path / "figures.json", film.evaluate_result

    def late(*given: Any, **told: Any) -> Any:
        outcome = measured(*given, **told)
        output.write_text("mine")
        return outcome

    monkeypatch.setattr(film, "evaluate_result", late)
    assert main(["evaluate", str(films[0]), "-o", str(output)]) == 1
    said = capsys.readouterr()
    assert "Colourfulness" in said.out
    assert "has appeared meanwhile" in said.err
    assert "written:" not in said.err
    assert output.read_text() == "mine"
    assert json.loads((tmp_path / "figures-1.json").read_text())["kind"] == "result"


def test_an_input_is_never_written_over(films: tuple[Path, Path], capsys: Capture) -> None:
    result, truth = films
    assert main(["evaluate", str(result), "--truth", str(truth), "-o", str(truth), "-y"]) == 2
    assert "is an input; name another file" in capsys.readouterr().err


def test_json_on_stdout(films: tuple[Path, Path], capsys: Capture) -> None:
    assert main(["evaluate", str(films[0]), "--json"]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert events[-1]["event"] == "done"
    assert events[-1]["steadiness"]["result"]["stillness"] == 0


def test_a_model_on_pictures(tmp_path: Path, capsys: Capture) -> None:
    folder = photos(tmp_path / "set")
    assert main(["evaluate", str(folder), "--model", "grey", "--limit", "6", "-q"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("6 pictures: ")
    assert "95 %" in out
    assert err == ""
    card = tmp_path / "card.md"
    assert main(["evaluate", str(folder), "--model", "grey", "-o", str(card), "-q"]) == 0
    text = card.read_text()
    assert text.startswith(f"# grey on {folder}\n")
    assert "| PSNR, dB | " in text
    assert "- **SSIM**: Mean structural similarity" in text


def test_a_model_read_in_several_ways(tmp_path: Path, capsys: Capture) -> None:
    folder, weights = photos(tmp_path / "set"), tmp_path / "light.safetensors"
    options = {"widths": [4, 4, 4, 4]}
    save_weights(weights, create_model("light", **options), name="light", options=options, version="9")
    found = []
    for given in ([], ["--read", "top=2"], ["--read", "top=5"]):
        asked = ["evaluate", str(folder), "--model", str(weights), "--network-size", "32", *given]
        assert main([*asked, "--json"]) == 0
        data = json.loads(capsys.readouterr().out.splitlines()[-1])
        assert data["coloured"]["read"] == given[1:]
        found.append(data["figures"]["psnr"]["mean"])
    assert found[0] == found[1] != found[2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--truth", "TRUTH", "--model", "grey"], "Give one of them"),
        (["--read", "top=2"], "--read is a model's; give --model to measure one"),
        (["--saturation", "2"], "--saturation is a model's; give --model to measure one"),
        (["--truth", "FOLDER"], "must both be films, or both folders of pictures"),
        (["--ss", "5", "--to", "2"], "--to must be later than --ss"),
        (["-o", "page.html"], "--report DIR writes a page"),
        (["--size", "3"], "--size"),
    ],
)
def test_wrong_use(
    films: tuple[Path, Path], tmp_path: Path, capsys: Capture, arguments: list[str], message: str
) -> None:
    places = {"TRUTH": str(films[1]), "FOLDER": str(tmp_path)}
    assert main(["evaluate", str(films[0]), *(places.get(word, word) for word in arguments)]) == 2
    assert message in capsys.readouterr().err


def test_a_films_option_on_a_folder(tmp_path: Path, capsys: Capture) -> None:
    assert main(["evaluate", str(tmp_path), "--ss", "1"]) == 2
    assert "--ss is a film's; INPUT is a folder of pictures" in capsys.readouterr().err


def test_what_does_not_go_together_fails_with_one_sentence(
    films: tuple[Path, Path], tmp_path: Path, capsys: Capture
) -> None:
    small = write_film(tmp_path / "small.mkv", [plain(texture(0, 48, 64), 110, 150)] * 24)
    output = tmp_path / "figures.json"
    assert main(["evaluate", str(small), "--truth", str(films[1]), "-o", str(output)]) == 1
    err = capsys.readouterr().err.splitlines()
    assert len(err) == 1
    assert "only films of one size can be compared" in err[0]
    assert not output.exists()


def test_what_is_not_there(tmp_path: Path, capsys: Capture) -> None:
    assert main(["evaluate", str(tmp_path / "none.mp4")]) == 1
    assert main(["evaluate", str(tmp_path / "none.mp4"), "--truth", str(tmp_path)]) == 1


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom vidcolor.cli import main\nmain(['evaluate', '--help'])\n"
        "print([n for n in ('torch', 'av', 'cv2', 'numpy') if n in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert "vidcolor evaluate result.mp4 --truth colour.mp4" in done.stdout
