"""Taking the checkerboard out of flat regions without blurring colour over edges (A6)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

__all__ = ["guided_smooth"]


def guided_smooth(ab: Tensor, lightness: Tensor, radius: int, tolerance: float = 2.0) -> Tensor:
    """Colour as a locally linear function of the lightness: the guided filter of He, Sun and Tang (2013), §3.

    Where the lightness is flat it is a mean over a window, and what strided and transposed convolutions leave
    there, a pattern of a few pixels' period, is gone; where the lightness has an edge the colour keeps its
    own.

    Args:
        ab: ``(B, 2, H, W)``.
        lightness: ``(B, 1, H, W)`` in [0, 100].
        radius: of the window, in pixels; periods up to ``2 * radius + 1`` are averaged out.
        tolerance: standard deviation of the lightness up to which a window counts as flat (the root of ε in
            eq. 5).

    Returns:
        ``(B, 2, H, W)``.
    """
    if radius < 1:
        return ab

    def mean(x: Tensor) -> Tensor:
        return F.avg_pool2d(x, 2 * radius + 1, 1, radius, count_include_pad=False)

    centre, colour = mean(lightness), mean(ab)
    # Differences from the whole picture's mean first: squares of L near 100 would lose the small variances.
    level = lightness.mean((2, 3), keepdim=True)
    inner = lightness - level
    variance = (mean(inner * inner) - (centre - level) ** 2).clamp(min=0)
    covariance = mean(inner * ab) - (centre - level) * colour
    slope = covariance / (variance + tolerance**2)
    return mean(slope) * lightness + mean(colour - slope * centre)
