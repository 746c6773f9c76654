"""Networks: lightness, and hints where there are any, to ab."""

from vidcolor.models.base import ColorModel
from vidcolor.models.registry import ModelEntry, create_model, list_models
from vidcolor.models.weights import load_model, load_weights, resolve_model, save_weights

__all__ = [
    "ColorModel",
    "ModelEntry",
    "create_model",
    "list_models",
    "load_model",
    "load_weights",
    "resolve_model",
    "save_weights",
]
