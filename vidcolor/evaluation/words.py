"""What an evaluation tells beside its figures."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Words"]


class Words:
    """Notices, each once; called with a sentence."""

    def __init__(self, notify: Callable[[str], None] | None) -> None:
        self._notify = notify
        self.said: list[str] = []
        """All of them, in order."""

    def __call__(self, sentence: str) -> None:
        if sentence not in self.said:
            self.said.append(sentence)
            if self._notify is not None:
                self._notify(sentence)
