"""Figures of how good colour is: of one picture, of a picture beside its truth, of a film."""

from .accuracy import accuracy_auc, accuracy_curve
from .difference import ciede2000, ciede2000_of_lab, delta_e_2000, lab_pixels, picture_lab
from .film import Cdc, Motion, MotionTracker, WarpError, cdc, optical_flow, visible, warp, warp_difference
from .pictures import colorfulness, psnr, ssim

__all__ = [
    "Cdc",
    "Motion",
    "MotionTracker",
    "WarpError",
    "accuracy_auc",
    "accuracy_curve",
    "cdc",
    "ciede2000",
    "ciede2000_of_lab",
    "colorfulness",
    "delta_e_2000",
    "lab_pixels",
    "optical_flow",
    "picture_lab",
    "psnr",
    "ssim",
    "visible",
    "warp",
    "warp_difference",
]
