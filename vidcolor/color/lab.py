"""CIE Lab and the tone curves and primaries that lead to it.

Every function takes and gives torch tensors of any float dtype, on any device, colour along
dimension -3 (``(..., 3, H, W)``) unless it says otherwise. Lab is D65 with the 2° observer
(CIE 15:2004, §8.2.1). Values out of gamut pass through: tone curves continue as odd functions below
0 and as they are above 1, so that every map here can be inverted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

__all__ = [
    "DEFAULT_PRIMARIES",
    "lab_to_rgb",
    "lightness_of_luminance",
    "luminance_of_lightness",
    "rgb_to_lab",
    "rgb_to_xyz_matrix",
    "transfer_curve",
    "xyz_to_lab",
]

DEFAULT_PRIMARIES = "bt709"

_D65 = (0.3127, 0.3290)
_SRGB_PRIMARIES = ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060))
_NTSC_PRIMARIES = ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070))

PRIMARIES: dict[str, tuple[tuple[float, float], ...]] = {
    # ITU-T H.273, table 2; chromaticities of red, green and blue. Those with another white than D65
    # (bt470m, film, smpte431) are not here and are read as bt709.
    "bt709": _SRGB_PRIMARIES,
    "bt470bg": ((0.64, 0.33), (0.29, 0.60), (0.15, 0.06)),
    "smpte170m": _NTSC_PRIMARIES,
    "smpte240m": _NTSC_PRIMARIES,
    "bt2020": ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    "smpte432": ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
}


@dataclass(frozen=True, slots=True)
class TransferCurve:
    """How signal values become light: ``to_linear`` is the display's EOTF, ``to_signal`` its inverse.

    Signal 1 is nominal white and gives light 1 (for the two HDR curves, light 1 is the graphics
    white of BT.2408, 203 cd/m²).
    """

    to_linear: Callable[[Tensor], Tensor]
    to_signal: Callable[[Tensor], Tensor]


def _odd(function: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    return lambda x: torch.copysign(function(x.abs()), x)


def _power(gamma: float) -> TransferCurve:
    return TransferCurve(_odd(lambda x: x.pow(gamma)), _odd(lambda x: x.pow(1 / gamma)))


def _srgb() -> TransferCurve:
    # IEC 61966-2-1.
    def to_linear(x: Tensor) -> Tensor:
        return torch.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055).clamp_min(0).pow(2.4))

    def to_signal(x: Tensor) -> Tensor:
        return torch.where(x <= 0.0031308, x * 12.92, 1.055 * x.clamp_min(0).pow(1 / 2.4) - 0.055)

    return TransferCurve(_odd(to_linear), _odd(to_signal))


def _pq() -> TransferCurve:
    # SMPTE ST 2084, with light relative to 203 cd/m² (BT.2408 §2).
    m1, m2 = 2610 / 16384, 2523 / 4096 * 128
    c1, c2, c3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
    peak = 10000 / 203

    def to_linear(x: Tensor) -> Tensor:
        p = x.clamp(max=1).pow(1 / m2)
        return ((p - c1).clamp_min(0) / (c2 - c3 * p)).pow(1 / m1) * peak

    def to_signal(x: Tensor) -> Tensor:
        y = (x / peak).pow(m1)
        # The curve starts at c1^m2, not at 0; taking that off keeps black at 0.
        return (((c1 + c2 * y) / (1 + c3 * y)).pow(m2) - c1**m2) / (1 - c1**m2)

    return TransferCurve(_odd(to_linear), _odd(to_signal))


def _hlg() -> TransferCurve:
    # BT.2100 table 5, the inverse OETF with the 1.2 system gamma taken channel by channel, scaled so
    # that 75 % signal, HLG's graphics white, is light 1.
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    gamma = 1.2
    white = ((torch.tensor((0.75 - c) / a, dtype=torch.float64).exp() + b) / 12).item() ** gamma

    def to_linear(x: Tensor) -> Tensor:
        scene = torch.where(x <= 0.5, x * x / 3, (((x - c) / a).exp() + b) / 12)
        return scene.pow(gamma) / white

    def to_signal(x: Tensor) -> Tensor:
        scene = (x * white).pow(1 / gamma)
        return torch.where(
            scene <= 1 / 12, (3 * scene).sqrt(), a * (12 * scene - b).clamp_min(1e-9).log() + c
        )

    return TransferCurve(_odd(to_linear), _odd(to_signal))


@cache
def transfer_curve(name: str | None) -> TransferCurve:
    """The curve for a transfer name of H.273 table 3; BT.1886 (a 2.4 power) when None or unknown.

    The camera curves of BT.709, BT.601 and BT.2020 are all shown on a BT.1886 display, so what they
    stand for as seen is its power function.
    """
    match name:
        case "iec61966-2-1":
            return _srgb()
        case "bt470m" | "gamma22":
            return _power(2.2)
        case "bt470bg" | "gamma28":
            return _power(2.8)
        case "linear":
            return _power(1.0)
        case "smpte2084":
            return _pq()
        case "arib-std-b67":
            return _hlg()
        case _:
            return _power(2.4)


@cache
def rgb_to_xyz_matrix(primaries: str | None = None) -> Tensor:
    """``(3, 3)`` float64: linear RGB to XYZ *relative to white*, so that (1, 1, 1) gives (1, 1, 1).

    Lab only ever needs X/Xn, Y/Yn, Z/Zn; dividing by the white here makes neutrals exact.
    """
    corners = PRIMARIES.get(primaries or DEFAULT_PRIMARIES, PRIMARIES[DEFAULT_PRIMARIES])
    columns = torch.tensor([[x / y, 1.0, (1 - x - y) / y] for x, y in corners], dtype=torch.float64).T
    x, y = _D65
    white = torch.tensor([x / y, 1.0, (1 - x - y) / y], dtype=torch.float64)
    scale = torch.linalg.solve(columns, white)
    return columns * scale / white[:, None]


# CIE 15:2004 eq. 8.6: f(t) is a cube root above (6/29)³ and its tangent below.
_DELTA = 6 / 29


def _f(t: Tensor) -> Tensor:
    return torch.where(t > _DELTA**3, t.clamp_min(1e-12).pow(1 / 3), t / (3 * _DELTA**2) + 4 / 29)


def _f_inverse(u: Tensor) -> Tensor:
    return torch.where(u > _DELTA, u * u * u, 3 * _DELTA**2 * (u - 4 / 29))


def lightness_of_luminance(luminance: Tensor) -> Tensor:
    """L (0 to 100) of relative luminance Y/Yn (0 to 1), any shape."""
    return 116 * _f(luminance) - 16


def luminance_of_lightness(lightness: Tensor) -> Tensor:
    """Relative luminance Y/Yn of L, any shape."""
    return _f_inverse((lightness + 16) / 116)


def _mix(matrix: Tensor, planes: Tensor) -> Tensor:
    return torch.einsum("ij,...jhw->...ihw", matrix.to(planes), planes)


def xyz_to_lab(xyz: Tensor) -> Tensor:
    """Lab of XYZ relative to white: ``(..., 3, H, W)`` to the same."""
    fx, fy, fz = _f(xyz).unbind(-3)
    return torch.stack((116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)), -3)


def rgb_to_lab(rgb: Tensor, *, transfer: str | None = "iec61966-2-1", primaries: str | None = None) -> Tensor:
    """Lab of R′G′B′ signal values in [0, 1]; sRGB unless told otherwise.

    ``(..., 3, H, W)`` to ``(..., 3, H, W)``: L in [0, 100], a and b about -110 to 110.

    >>> rgb_to_lab(torch.ones(3, 1, 1)).flatten().round().tolist()
    [100.0, 0.0, 0.0]
    """
    return xyz_to_lab(_mix(rgb_to_xyz_matrix(primaries), transfer_curve(transfer).to_linear(rgb)))


def lab_to_linear_rgb(lab: Tensor, *, primaries: str | None = None) -> Tensor:
    """Linear RGB of Lab, both ``(..., 3, H, W)``; outside [0, 1] where Lab is out of gamut."""
    lightness, a, b = lab.unbind(-3)
    fy = (lightness + 16) / 116
    xyz = _f_inverse(torch.stack((fy + a / 500, fy, fy - b / 200), -3))
    return _mix(torch.linalg.inv(rgb_to_xyz_matrix(primaries)), xyz)


def lab_to_rgb(lab: Tensor, *, transfer: str | None = "iec61966-2-1", primaries: str | None = None) -> Tensor:
    """R′G′B′ signal values of Lab; the inverse of :func:`rgb_to_lab`, not clipped."""
    return transfer_curve(transfer).to_signal(lab_to_linear_rgb(lab, primaries=primaries))
