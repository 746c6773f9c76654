"""The package as a whole: version, public names, what importing it costs, the documentation's examples."""

from __future__ import annotations

import doctest
import importlib
import importlib.metadata
import json
import pkgutil
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import vidcolor
from tests.clips import make_clip

ROOT = Path(__file__).parents[1]
HEAVY = {"av", "cv2", "matplotlib", "numpy", "safetensors", "scipy", "skimage", "torch", "tqdm"}


def loaded_by(code: str) -> set[str]:
    """Top-level modules a fresh Python has after running some code."""
    tail = "\nimport json, sys\nprint('\\n' + json.dumps(sorted({m.partition('.')[0] for m in sys.modules})))"
    run = subprocess.run(
        [sys.executable, "-c", code + tail], capture_output=True, text=True, check=True, timeout=120
    )
    return set(json.loads(run.stdout.splitlines()[-1]))


def run_main(*arguments: str) -> str:
    return f"from vidcolor.cli import main\nassert main({list(arguments)!r}) == 0"


def test_version_is_in_one_place() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert re.fullmatch(r"\d+\.\d+\.\d+", vidcolor.__version__)
    assert project["project"]["dynamic"] == ["version"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "vidcolor.__version__"}
    assert f"## [{vidcolor.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_installed_version_is_this_one() -> None:
    try:
        installed = importlib.metadata.version("vidcolor")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("vidcolor is not installed, only on the path")
    assert installed == vidcolor.__version__


def test_ci_runs_the_test_command_people_are_given() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    match = re.search(r'^test_command="(.+)"$', script, re.MULTILINE)
    assert match is not None
    for name in ("README.md", "CONTRIBUTING.md"):
        assert match[1] in (ROOT / name).read_text(encoding="utf-8"), name


def test_public_names_are_all_there_and_listed_once() -> None:
    assert sorted(set(vidcolor.__all__)) == vidcolor.__all__
    assert {*vidcolor._HOMES, "__version__"} == set(vidcolor.__all__)
    assert set(vidcolor.__all__) <= set(dir(vidcolor))
    for name in vidcolor.__all__:
        assert getattr(vidcolor, name) is not None


def test_public_names_have_documentation() -> None:
    for name in set(vidcolor.__all__) - {"__version__"}:
        assert (getattr(vidcolor, name).__doc__ or "").strip(), name


def test_unknown_name() -> None:
    with pytest.raises(AttributeError, match="'vidcolor' has no attribute 'colourise'"):
        vidcolor.colourise  # noqa: B018
    assert not hasattr(vidcolor, "colourise")


def test_errors_are_one_tree() -> None:
    for name in ("InputError", "OutputError", "ModelError", "UsageError"):
        assert issubclass(getattr(vidcolor, name), vidcolor.VidcolorError)


@pytest.mark.parametrize(
    "code",
    [
        "import vidcolor",
        "import vidcolor; vidcolor.VidcolorError, vidcolor.RunOptions",
        run_main("--help"),
        run_main("--version"),
        run_main("run", "--help"),
        run_main("anchors", "--help"),
        run_main("batch", "--help"),
        run_main("info", "--help"),
        run_main("build-dataset", "--help"),
        run_main("train", "--help"),
        run_main("train", "--list-recipes"),
    ],
)
def test_light_things_load_nothing_heavy(code: str) -> None:
    assert loaded_by(code) & HEAVY == set()


def test_help_loads_no_command() -> None:
    code = run_main("--help") + (
        "\nimport sys"
        "\nfrom vidcolor.cli.app import COMMANDS"
        "\nassert not [m for m, _ in COMMANDS.values() if m in sys.modules]"
    )
    assert "click" in loaded_by(code)


def test_python_m_is_the_command() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "vidcolor", "--version"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert run.stdout == f"vidcolor {vidcolor.__version__}\n"


def modules() -> list[str]:
    found = pkgutil.walk_packages(vidcolor.__path__, "vidcolor.")
    return ["vidcolor", *(m.name for m in found if not m.name.endswith("__main__"))]


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the films that documentation speaks of."""
    folder = tmp_path_factory.mktemp("documentation")
    for name in ("film.mkv", "in.mp4"):
        make_clip(folder / name, size=(640, 360), frames=6)
    return folder


@pytest.mark.parametrize("module", modules())
def test_examples_in_the_documentation(module: str, films: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(films)
    failed, _ = doctest.testmod(importlib.import_module(module), optionflags=doctest.ELLIPSIS)
    assert failed == 0


@pytest.mark.parametrize("page", ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "benchmarks/README.md"])
def test_every_link_to_a_file_leads_somewhere(page: str) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", (ROOT / page).read_text())
    assert [link for link in links if not ((ROOT / page).parent / link).exists()] == []
