"""Every figure there is: its name, what it means, how it is written. The one table of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

__all__ = ["FIGURES", "Figure", "written"]


@dataclass(frozen=True, slots=True)
class Figure:
    """What is known of a figure."""

    title: str
    unit: str
    digits: int
    """After the point."""
    better: Literal["higher", "lower", "truth", ""]
    """Which way is better; "truth": near the truth's own; "": neither."""
    meaning: str
    """The definition, as a sentence or two."""
    signed: bool = False
    """Whether what is above 0 gets a plus."""

    @property
    def heading(self) -> str:
        """Its title and its unit."""
        return f"{self.title}, {self.unit}" if self.unit else self.title


FIGURES: dict[str, Figure] = {
    "psnr": Figure(
        "PSNR", "dB", 2, "higher",
        "Peak signal-to-noise ratio over R′G′B′ of 8 bits: 10 log₁₀(255² / mean squared difference). "
        "Mean over pictures of each picture’s decibels; one that is exact counts as 99.",
    ),
    "psnr_grey": Figure(
        "PSNR of grey", "dB", 2, "",
        "What the picture without any colour scores, its luma kept: what a result has to beat.",
    ),
    "gain": Figure(
        "PSNR over grey", "dB", 2, "higher",
        "PSNR less that of grey. Below 0, no colour at all would be nearer to the truth.",
        signed=True,
    ),
    "ssim": Figure(
        "SSIM", "", 3, "higher",
        "Mean structural similarity over R′, G′ and B′, uniform window of 7×7, K1 = 0.01, K2 = 0.03 "
        "(Wang et al. 2004; scikit-image’s structural_similarity). The luma being the source’s, it is "
        "high for all results.",
    ),
    "ciede2000": Figure(
        "CIEDE2000", "ΔE", 2, "lower",
        "Mean colour difference of pixels as the eye sees it (Sharma, Wu and Dalal 2005); 1 is just "
        "visible.",
    ),
    "colorfulness": Figure(
        "Colourfulness", "", 1, "truth",
        "M of Hasler and Süsstrunk (2003): 0 grey, 15 slightly, 33 moderately, 59 quite, 109 "
        "extremely colourful.",
    ),
    "colorfulness_ratio": Figure(
        "Colourfulness, of the truth’s", "", 3, "truth",
        "Mean colourfulness of the result over that of the truth; 1 is as colourful, more is not "
        "better.",
    ),
    "auc": Figure(
        "Accuracy, area", "%", 2, "higher",
        "Zhang et al. (2016), §3.1: the share of pixels whose ab is within a threshold of the "
        "truth’s, as area under the curve of thresholds from 0 to 150. A grey picture scores high: "
        "most of the world is nearly grey.",
    ),
    "auc_rebalanced": Figure(
        "Accuracy, rebalanced area", "%", 2, "higher",
        "The same with each pixel weighed by 1 over how common the bin (of 313) of its true colour is "
        "among all pixels measured here, which makes it the mean over bins of the accuracy in each: "
        "rare colours count as much as grey.",
    ),
    "lpips": Figure(
        "LPIPS", "", 4, "lower",
        "Learned perceptual distance (Zhang et al. 2018), AlexNet, version 0.1, pictures as measured.",
    ),
    "fid": Figure(
        "FID", "", 2, "lower",
        "Fréchet distance of Inception features of all results and all truths (Heusel et al. 2017); "
        "says little below some thousands of pictures.",
    ),
    "cdc": Figure(
        "CDC", "", 5, "truth",
        "Colour distribution consistency (Liu et al. 2021, as NTIRE 2023 ranks by it): Jensen–Shannon "
        "divergence of the histograms of R, G and B 1, 2 and 4 frames apart. Lower is steadier; "
        "motion and cuts alone give some, so it stands beside the truth’s own.",
    ),
    "warp_error": Figure(
        "Warp error", "×10⁻³", 3, "truth",
        "Lai et al. (2018): mean squared difference of R′G′B′ (in [0, 1]) between a frame and the one "
        "before moved to it, where both show it; motion measured on luma, cuts left out. Beside the "
        "truth’s own.",
    ),
    "stillness": Figure(
        "Flicker of colour", "codes", 3, "lower",
        "The same of Cb and Cr alone, mean absolute difference in 8-bit codes: how far colour changes "
        "where nothing but motion does. 0 is perfectly still.",
    ),
    "grey": Figure(
        "Share of grey", "%", 1, "",
        "Pixels whose Cb and Cr lie within 4 codes (of 8 bits) of neutral: hardly told from grey.",
    ),
}  # fmt: skip
"""Name, as in JSON -> what it is."""


def written(name: str, value: float | None, *, unit: bool = False) -> str:
    """A figure as people read it; a dash where there is none.

    >>> written("psnr", 24.3141, unit=True), written("auc", 0.8712), written("cdc", None)
    ('24.31 dB', '87.12', '–')
    """
    if value is None or not math.isfinite(value):
        return "–"
    figure = FIGURES[name]
    text = f"{scaled(name, value):{'+' if figure.signed else ''}.{figure.digits}f}"
    return f"{text} {figure.unit}".rstrip() if unit else text


def scaled(name: str, value: float) -> float:
    """A figure in its unit: per cent and thousandths are plain numbers in JSON."""
    return value * {"%": 100, "×10⁻³": 1000}.get(FIGURES[name].unit, 1)
