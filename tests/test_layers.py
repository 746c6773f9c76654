"""The house stands: imports point down, PyAV stays in media, only the command line prints or exits."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "vidcolor"

# Unit -> its level. A unit is a module or a package directly under vidcolor. Imports point to a lower
# level; units on one level do not know each other.
LEVELS = {
    "errors": 0,
    "weights": 0,
    "frames": 0,
    "limits": 0,
    "wording": 0,
    "color": 1,
    "files": 1,
    "media": 1,
    "motion": 1,
    "metrics": 2,
    "models": 2,
    "temporal": 2,
    "datasets": 3,
    "pipeline": 3,
    "evaluation": 4,
    "training": 4,
    "cli": 5,
    "__main__": 6,
}
# The root hands out everybody's names, lazily; of the root itself only this may be used inside.
FROM_ROOT = {"__version__"}
SPEAKERS = {"cli", "__main__"}
FORBIDDEN_CALLS = {"print", "input", "exit", "quit", "breakpoint", "SystemExit"}
FORBIDDEN_ATTRIBUTES = {
    ("sys", "exit"),
    ("sys", "stdout"),
    ("sys", "stderr"),
    ("os", "_exit"),
    ("os", "abort"),
}


@dataclass(frozen=True)
class Import:
    """One imported name, absolute, and where."""

    name: str
    line: int


def violations(package: Path) -> list[str]:
    """Everything in a source tree that breaks a rule, one sentence each."""
    found = []
    for path in sorted(package.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        unit = _unit(package, path)
        for problem, line in (*_bad_imports(package, path, tree, unit), *_bad_speech(tree, unit)):
            found.append(f"{path.relative_to(package).as_posix()}:{line}: {problem}")
    return found


def _unit(package: Path, path: Path) -> str:
    first = path.relative_to(package).parts[0]
    return first.removesuffix(".py")


def _imports(package: Path, path: Path, tree: ast.AST) -> Iterator[Import]:
    """All imports, those inside functions and under TYPE_CHECKING too; relative ones made absolute."""
    parents = [package.name, *path.relative_to(package).parts[:-1]]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            above = parents[: len(parents) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                yield Import(f"{base}.{alias.name}", node.lineno)


def _bad_imports(package: Path, path: Path, tree: ast.AST, unit: str) -> Iterator[tuple[str, int]]:
    if unit != "__init__" and unit not in LEVELS:
        yield f"{unit!r} has no level in tests/test_layers.py", 1
        return
    for imported in _imports(package, path, tree):
        root, _, rest = imported.name.partition(".")
        if root == "av" and unit != "media":
            yield "only vidcolor.media knows PyAV", imported.line
        if root != package.name or unit == "__init__":
            continue
        other = rest.partition(".")[0]
        if other not in LEVELS and other not in FROM_ROOT:
            yield f"{imported.name} is not the name's home", imported.line
        elif other in LEVELS and other != unit and LEVELS[other] >= LEVELS[unit]:
            yield f"{unit} (level {LEVELS[unit]}) imports {other} (level {LEVELS[other]})", imported.line


def _bad_speech(tree: ast.AST, unit: str) -> Iterator[tuple[str, int]]:
    if unit in SPEAKERS:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in FORBIDDEN_CALLS:
            yield f"{node.id} belongs in vidcolor.cli", node.lineno
        elif (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and (node.value.id, node.attr) in FORBIDDEN_ATTRIBUTES
        ):
            yield f"{node.value.id}.{node.attr} belongs in vidcolor.cli", node.lineno


def test_the_package_keeps_its_layers() -> None:
    assert violations(PACKAGE) == []


def test_every_module_is_looked_at() -> None:
    units = {_unit(PACKAGE, path) for path in PACKAGE.rglob("*.py")}
    assert {"cli", "color", "errors", "frames", "media", "models", "pipeline"} <= units


@pytest.mark.parametrize(
    ("where", "source", "problem"),
    [
        ("color/a.py", "from vidcolor.models import load_model", "color (level 1) imports models (level 2)"),
        (
            "color/a.py",
            "from vidcolor.media.reader import VideoReader",
            "color (level 1) imports media (level 1)",
        ),
        ("color/a.py", "import vidcolor.cli.app", "color (level 1) imports cli (level 5)"),
        ("color/a.py", "from vidcolor import media", "color (level 1) imports media (level 1)"),
        (
            "color/a.py",
            "def f():\n    from vidcolor.media import probe",
            "color (level 1) imports media (level 1)",
        ),
        ("color/a.py", "from ..media import probe", "color (level 1) imports media (level 1)"),
        ("color/deep/a.py", "from ...media import probe", "color (level 1) imports media (level 1)"),
        ("errors.py", "from . import frames", "errors (level 0) imports frames (level 0)"),
        ("pipeline/a.py", "from vidcolor import colorize", "vidcolor.colorize is not the name's home"),
        ("pipeline/a.py", "import av", "only vidcolor.media knows PyAV"),
        ("cli/a.py", "from av.container import open", "only vidcolor.media knows PyAV"),
        ("pipeline/a.py", "print('done')", "print belongs in vidcolor.cli"),
        ("pipeline/a.py", "import sys\nsys.exit(1)", "sys.exit belongs in vidcolor.cli"),
        ("pipeline/a.py", "raise SystemExit(2)", "SystemExit belongs in vidcolor.cli"),
        ("pipeline/a.py", "import sys\nprintout = sys.stderr.write", "sys.stderr belongs in vidcolor.cli"),
        ("attic/a.py", "", "'attic' has no level in tests/test_layers.py"),
    ],
)
def test_a_broken_rule_is_found(tmp_path: Path, where: str, source: str, problem: str) -> None:
    path = tmp_path / "vidcolor" / where
    path.parent.mkdir(parents=True)
    path.write_text(source)
    found = violations(tmp_path / "vidcolor")
    assert len(found) == 1
    assert found[0].startswith(f"{where}:")
    assert found[0].endswith(problem)


@pytest.mark.parametrize(
    ("where", "source"),
    [
        ("__init__.py", "def __getattr__(name):\n    from vidcolor.cli import main"),
        ("cli/a.py", "import sys\nprint(1)\nsys.exit(0)"),
        (
            "media/a.py",
            "import av\nfrom vidcolor import __version__\nfrom .names import X\nfrom ..frames import Frame",
        ),
        (
            "pipeline/a.py",
            "from vidcolor.media.reader import VideoReader\nfrom vidcolor.color.planes import f",
        ),
    ],
)
def test_what_is_allowed_passes(tmp_path: Path, where: str, source: str) -> None:
    path = tmp_path / "vidcolor" / where
    path.parent.mkdir(parents=True)
    path.write_text(source)
    assert violations(tmp_path / "vidcolor") == []
