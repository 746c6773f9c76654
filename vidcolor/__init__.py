"""Black-and-white video in, the same video in colour out.

>>> import vidcolor
>>> vidcolor.colorize("in.mp4", "out.mp4")              # doctest: +SKIP
>>> with vidcolor.open_video("in.mp4") as video:        # doctest: +SKIP
...     for frame in video.frames():
...         print(frame.time.seconds, frame.luma.shape)
>>> model = vidcolor.load_model("default")              # doctest: +SKIP

The names in ``__all__`` are imported when they are first used, so that ``import vidcolor`` (and with
it ``vidcolor --help``) loads neither torch nor PyAV.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vidcolor.errors import InputError, ModelError, OutputError, UsageError, VidcolorError
    from vidcolor.media.probe import probe
    from vidcolor.media.reader import VideoReader as open_video
    from vidcolor.models import load_model
    from vidcolor.pipeline.options import EncoderOptions, RunOptions
    from vidcolor.pipeline.run import colorize

__version__ = "0.1.0"

__all__ = [
    "EncoderOptions",
    "InputError",
    "ModelError",
    "OutputError",
    "RunOptions",
    "UsageError",
    "VidcolorError",
    "__version__",
    "colorize",
    "load_model",
    "open_video",
    "probe",
]

# Public name -> the module it lives in, and what it is called there.
_HOMES = {
    "EncoderOptions": ("vidcolor.pipeline.options", "EncoderOptions"),
    "InputError": ("vidcolor.errors", "InputError"),
    "ModelError": ("vidcolor.errors", "ModelError"),
    "OutputError": ("vidcolor.errors", "OutputError"),
    "RunOptions": ("vidcolor.pipeline.options", "RunOptions"),
    "UsageError": ("vidcolor.errors", "UsageError"),
    "VidcolorError": ("vidcolor.errors", "VidcolorError"),
    "colorize": ("vidcolor.pipeline.run", "colorize"),
    "load_model": ("vidcolor.models", "load_model"),
    "open_video": ("vidcolor.media.reader", "VideoReader"),
    "probe": ("vidcolor.media.probe", "probe"),
}


def __getattr__(name: str) -> Any:
    # Not kept in globals(): a test or a caller that replaces the function in its home sees it here too.
    if name not in _HOMES:
        raise AttributeError(f"module 'vidcolor' has no attribute {name!r}")
    from importlib import import_module

    module, attribute = _HOMES[name]
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
