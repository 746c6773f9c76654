"""Packages that not every installation has."""

from importlib.util import find_spec

import pytest


def need(*names: str) -> None:
    """Skips a test where one of them is missing.

    ``pytest.importorskip`` would import them, and OpenVINO is to be imported by vidcolor only: see
    :func:`vidcolor.models.converted.import_openvino`.
    """
    for name in names:
        if find_spec(name) is None:
            pytest.skip(f"{name} is not installed")
