"""When and where a film was taken, from its tags."""

from __future__ import annotations

import re
from datetime import datetime

from vidcolor.frames import NOTHING_KNOWN, MediaInfo, Metadata

__all__ = ["clock_metadata", "film_metadata"]

_CAMERA_DATES = ("com.apple.quicktime.creationdate", "date_recorded")
_PLACES = ("com.apple.quicktime.location.iso6709", "location", "location-eng")
_ISO_6709 = re.compile(r"([+-]\d{2}(?:\.\d+)?)([+-]\d{3}(?:\.\d+)?)")
_CLOCK = re.compile(r"(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}:\d{2})")


def film_metadata(info: MediaInfo, seconds: float = 0.0) -> Metadata:
    """When and where a frame was filmed, as far as the film's tags say it.

    ``creation_time`` counts only beside a place, which cameras write: encoders write when they encoded.

    Args:
        info: of the film.
        seconds: the frame's time in the film.
    """
    tags = {name.lower(): value for name, value in info.tags.items()}  # Matroska writes them large
    place = next((tags[name] for name in _PLACES if name in tags), None)
    dates = [*_CAMERA_DATES, *(["creation_time"] if place else [])]
    date = next((tags[name] for name in dates if name in tags), None)
    found = _CLOCK.match(date or "")
    known = clock_metadata(" ".join(found.groups()), "%Y-%m-%d %H:%M:%S") if found else NOTHING_KNOWN
    if known.hour is not None:
        known = Metadata(round((known.hour + seconds / 3600) % 24, 3), known.month)
    where = _ISO_6709.match(place or "")
    latitude, longitude = map(float, where.groups()) if where else (None, None)
    return Metadata(known.hour, known.month, latitude, longitude)


def clock_metadata(text: str, form: str) -> Metadata:
    """Hour and month of a date, given strptime's pattern; nothing where it is none."""
    try:
        taken = datetime.strptime(text.strip().rstrip("\0"), form)
    except ValueError:
        return NOTHING_KNOWN
    hour = taken.hour + taken.minute / 60
    return Metadata(round(hour, 3), round(taken.month + (taken.day - 1) / 31, 3))
