"""What films are called. Imports nothing, so that folders can be searched before PyAV is there."""

from __future__ import annotations

__all__ = ["FILMS"]

FILMS = frozenset(
    {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".m2ts", ".mts", ".vob", ".wmv",
     ".flv", ".ogv", ".mxf", ".3gp", ".gif", ".nut", ".y4m", ".dv", ".asf", ".divx"}
)  # fmt: skip
"""Endings of films looked for in folders; a film that is named itself may be called anything."""
