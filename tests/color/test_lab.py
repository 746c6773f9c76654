"""Lab against scikit-image, and tone curves against their standards' own numbers."""

import numpy as np
import pytest
import torch
from skimage import color as reference

from vidcolor.color.lab import (
    PRIMARIES,
    lab_to_rgb,
    lightness_of_luminance,
    luminance_of_lightness,
    rgb_to_lab,
    transfer_curve,
)

CURVES = ["bt709", "iec61966-2-1", "bt470m", "bt470bg", "linear", "smpte2084", "arib-std-b67", None]


def grid(steps: int = 17) -> torch.Tensor:
    axis = torch.linspace(0, 1, steps, dtype=torch.float64)
    return torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij")).reshape(3, steps, -1)


def test_lab_is_scikit_images() -> None:
    rgb = grid()
    ours = rgb_to_lab(rgb).permute(1, 2, 0).numpy()
    theirs = reference.rgb2lab(rgb.permute(1, 2, 0).numpy())
    # Its white and matrix are rounded to four to six digits: neutrals there are off by 0.01.
    assert np.abs(ours - theirs).max() < 0.03


def test_there_and_back() -> None:
    rgb = grid()
    for transfer in CURVES:
        for primaries in PRIMARIES:
            lab = rgb_to_lab(rgb, transfer=transfer, primaries=primaries)
            back = lab_to_rgb(lab, transfer=transfer, primaries=primaries)
            assert (back - rgb).abs().max() < 1e-5, (transfer, primaries)


@pytest.mark.parametrize("primaries", PRIMARIES)
def test_neutrals_have_no_colour(primaries: str) -> None:
    ramp = torch.linspace(0, 1, 256, dtype=torch.float64).expand(3, 1, 256)
    lab = rgb_to_lab(ramp, primaries=primaries)
    assert lab[1:].abs().max() < 1e-10
    assert lab[0, 0, 0] == pytest.approx(0, abs=1e-10)
    assert lab[0, 0, -1] == pytest.approx(100)


@pytest.mark.parametrize(
    ("name", "signal", "light"),
    [
        ("bt709", 0.5, 0.5**2.4),  # BT.1886, black at 0
        (None, 0.5, 0.5**2.4),
        ("iec61966-2-1", 0.5, 0.21404114),  # IEC 61966-2-1
        ("iec61966-2-1", 0.02, 0.02 / 12.92),
        ("smpte2084", 0.5080784, 100 / 203),  # BT.2408: 100 cd/m² is 50.8 %
        ("smpte2084", 0.5806888, 1.0),  # and graphics white, 203 cd/m², 58.1 %
        ("arib-std-b67", 0.75, 1.0),  # BT.2408: graphics white is 75 %
        ("linear", 0.25, 0.25),
    ],
)
def test_curves_give_their_standards_numbers(name: str | None, signal: float, light: float) -> None:
    curve = transfer_curve(name)
    given = torch.tensor(signal, dtype=torch.float64)
    assert curve.to_linear(given).item() == pytest.approx(light, rel=2e-4)
    assert curve.to_signal(curve.to_linear(given)).item() == pytest.approx(signal, rel=1e-6)


@pytest.mark.parametrize("name", CURVES)
def test_curves_are_odd_and_rise(name: str | None) -> None:
    curve = transfer_curve(name)
    signal = torch.linspace(-1, 1, 501, dtype=torch.float64)
    light = curve.to_linear(signal)
    assert (light.diff() > 0).all()
    assert torch.allclose(light, -light.flip(0))


def test_lightness_and_luminance_are_inverse() -> None:
    lightness = torch.linspace(0, 100, 201, dtype=torch.float64)
    assert torch.allclose(lightness_of_luminance(luminance_of_lightness(lightness)), lightness)
    assert luminance_of_lightness(torch.tensor(50.0, dtype=torch.float64)).item() == pytest.approx(0.18418652)
