"""A colorizer that only says what it was asked, so that the command line can be tested by itself."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from vidcolor.pipeline.options import Progress, RunOptions, Summary


@dataclass
class FakeColorize:
    """Stands in for ``vidcolor.pipeline.run.colorize``."""

    steps: int = 3
    total: int | None = 3
    left_out: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    error: BaseException | None = None
    calls: list[tuple[Any, Path, RunOptions]] = field(default_factory=list)

    def __call__(
        self,
        source: Any,
        output: Path,
        options: RunOptions | None = None,
        *,
        notify: Callable[[str], None],
        progress: Callable[[Progress], None],
    ) -> Summary:
        assert options is not None
        self.calls.append((source, output, options))
        for frame in range(1, self.steps + 1):
            progress(Progress(frame, self.total, frame / 10))
            if frame == 1:
                for notice in self.notices:
                    notify(notice)
        if self.error is not None:
            raise self.error
        return Summary(output, self.steps, 2.0, self.left_out, self.notices, options.model, "cpu")

    @property
    def options(self) -> RunOptions:
        """Of the one call there was."""
        assert len(self.calls) == 1
        return self.calls[0][2]

    @property
    def output(self) -> Path:
        assert len(self.calls) == 1
        return self.calls[0][1]


@pytest.fixture
def colorize(monkeypatch: pytest.MonkeyPatch) -> FakeColorize:
    fake = FakeColorize()
    module = ModuleType("vidcolor.pipeline.run")
    module.colorize = fake  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "vidcolor.pipeline.run", module)
    return fake


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """A file that exists; nobody opens it."""
    path = tmp_path / "film.mp4"
    path.write_bytes(b"not opened here")
    return path
