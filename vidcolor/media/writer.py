"""Coloured frames into a file, the source's other streams beside them.

>>> with VideoWriter("out.mkv", container, video) as writer:  # doctest: +SKIP
...     for frame in frames:
...         writer.write(frame)

Everything that can be refused is refused when the writer is made. The file is made under a temporary name in
the same folder and gets its own when all is well; after an exception nothing is left of it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any

import av
from av.container import InputContainer, OutputContainer

from vidcolor.errors import OutputError, UsageError
from vidcolor.frames import ChromaLayout, ColorFrame, ColorTags, Orientation, VideoInfo
from vidcolor.media.containers import MATROSKA_FAMILY, MOV_FAMILY
from vidcolor.media.encoder_options import encoder_options, with_hdr
from vidcolor.media.encoders import (
    ENCODERS,
    Encoder,
    choose_format,
    container_format,
    container_holds,
    default_encoder,
    encoder,
    holds_fields,
)
from vidcolor.media.fields import first_field
from vidcolor.media.matroska import set_sample_aspect
from vidcolor.media.muxer import muxer_options
from vidcolor.media.part_file import PartWriter, blank_container
from vidcolor.media.source import Packet
from vidcolor.media.streams import StreamCopier
from vidcolor.media.target import Target, refuse_own_source, same_file, writing
from vidcolor.media.timeline import Cut
from vidcolor.media.video_encoder import VideoEncoder

__all__ = ["ENCODERS", "VideoWriter", "default_encoder", "same_file"]


class VideoWriter:
    """A file being written; a context manager that finishes it, or removes it after an exception."""

    bit_depth: int
    """Bits of the samples ``write`` wants Cb and Cr in."""
    layout: ChromaLayout
    """Size of the Cb and Cr planes ``write`` wants."""
    tags: ColorTags
    """Range and matrix Cb and Cr must be made in; what the file will say of itself."""
    left_out: list[str]
    """Streams that could not be brought along, in a few words each; what is converted is not among them."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        source: InputContainer | None,
        video: VideoInfo,
        *,
        codec: str | None = None,
        crf: float | None = None,
        preset: str | None = None,
        pix_fmt: str | None = None,
        extra: Iterable[tuple[str, str]] = (),
        tags: Mapping[str, str] | None = None,
        overwrite: bool = False,
        start: Fraction | None = None,
        end: Fraction | None = None,
        begin: Fraction = Fraction(0),
        folder: Path | None = None,
        notify: Callable[[str], None] = lambda sentence: None,
        last_word: Callable[[Path], bool] | None = None,
    ) -> None:
        """Opens the encoder and writes the file's header.

        Args:
            path: the file to make; its ending says the container.
            source: the open film, whose other streams, chapters and tags are brought along; None: nothing is.
            video: the stream that is coloured, as the reader hands it out.
            codec: name of an encoder, one of ``ENCODERS``; None: the one that suits the container.
            crf: the encoder's constant quality; None: ours.
            preset: the encoder's own word for how hard it tries; None: ours.
            pix_fmt: pixel format of the result; None: the source's depth and layout where the encoder can.
            extra: further options of the encoder, applied last.
            tags: added to the film's own tags; a comment is added to the one there is.
            overwrite: whether a file of that name is replaced.
            start: first moment wanted, in seconds from the film's beginning; it becomes 0 of the result.
            end: first moment not wanted any more, likewise.
            begin: the film's beginning on the clock of the frames, in seconds, as the reader says it.
            folder: where the temporary file is made, on the same disk; None: beside the result.
            notify: gets one sentence for each thing the user should know.
            last_word: asked of the finished file before it takes its name: whether it may replace what has
                that name by then; None: as ``overwrite`` says.

        Raises:
            UsageError: an option is unknown or does not fit the others.
            OutputError: the file exists already, or its place cannot be written to.
        """
        self._notify, self._last_word = notify, last_word
        self._video = video
        self._container_name = container_format(path)
        self._entry = self._choose_encoder(path, codec)
        self._form = choose_format(
            *(self._entry, video.bit_depth, video.layout, (video.width, video.height), pix_fmt)
        )
        self._interlaced = first_field(video.field_order) is not None
        if self._interlaced and not holds_fields(self._entry, self._form, video.height):
            self._video = replace(video, field_order="progressive")
        self.bit_depth, self.layout = self._form.depth, self._form.layout
        self.tags = replace(video.tags, matrix=None) if video.tags.matrix == "gbr" else video.tags
        given = dict(extra)
        options = encoder_options(self._entry, self._form, crf=crf, preset=preset, extra=given.items())
        options = with_hdr(self._entry, options, video.hdr)
        if source is not None:
            refuse_own_source(path, source)
        self._target = Target(path, overwrite=overwrite, folder=folder)
        self._options, self._given = options, given
        self._appended: int | None = None
        self._cut = Cut.between(start, end, begin=begin)
        self._lock = Lock()
        self._open(source, options, given, dict(tags or {}))
        self._tell_changes(pix_fmt)

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            self.abort()

    @property
    def path(self) -> Path:
        """Where the result will be."""
        return self._target.final

    def write(self, frame: ColorFrame) -> None:
        """Encodes a frame; frames come in the order of their times.

        ``frame.cb`` and ``frame.cr`` are ``layout.size(H, W)`` planes of ``bit_depth`` bits, uint8 or uint16;
        the luma is of the source's depth and is brought to the result's where they differ.

        Raises:
            OutputError: the file cannot be written on.
        """
        picture = self._encoder.paint(frame)
        with writing(self._target.final):
            packets = self._encoder.encode(picture)
        self._mux(packets)

    @property
    def time_base(self) -> Fraction:
        """Seconds; what the coloured stream's times are counted in."""
        return self._encoder.time_base

    @property
    def shift(self) -> Fraction:
        """Taken from every time of the source, in seconds."""
        return self._cut.shift

    @property
    def facts(self) -> dict[str, Any]:
        """What decides how pictures are encoded, as plain values."""
        return {
            "container": self._container_name,
            "encoder": self._entry.name,
            "options": self._options,
            "format": self._form.name,
            "time_base": str(self.time_base),
            "field_order": self._video.field_order,  # FFV1's header does not say it
            "header": self._encoder.header.hex(),
        }

    def part(self, path: Path, after: int | None) -> PartWriter:
        """A part of this film, encoded by itself, to be given to :meth:`append` later.

        Args:
            path: the part's file.
            after: time of the frame before the part's first, in units of ``time_base``.

        Raises:
            OutputError: it cannot be made.
        """
        container = blank_container(self._container_name)
        encoder = VideoEncoder(
            *(container, self._entry, self._form, self._video, self.tags),
            options=self._options,
            shift=self._cut.shift,
            after=after,
            notify=self._notify,
        )
        encoder.open(self._given)
        if encoder.header != self._encoder.header:
            raise OutputError(f"{self._entry.name} starts no two films alike; its parts cannot be joined.")
        return PartWriter(path, self._target.final, container, encoder)

    def append(self, packet: Packet) -> None:
        """Takes the next packet of the parts, in place of frames.

        Raises:
            OutputError: the file cannot be written on.
        """
        assert packet.dts is not None
        assert packet.pts is not None
        if self._appended is not None and packet.dts <= self._appended:
            # With uneven times the last packets of a part may be decoded later than the next part begins.
            packet.dts = min(self._appended + 1, packet.pts)
        self._appended = packet.dts
        packet.time_base, packet.stream = self._encoder.time_base, self._encoder.stream
        self._mux([packet])

    def copy(self, packet: Packet) -> None:
        """Takes a packet of another stream of the source, from any thread; its stream may be one left out.

        Raises:
            OutputError: the file cannot be written on.
        """
        with self._lock, writing(self._target.final):
            if self._container is not None:
                self._copier.copy(packet)

    def close(self) -> None:
        """Finishes the file and moves it to its name.

        Raises:
            OutputError: the file could not be finished (nothing is left of it then), or its name was taken
                meanwhile (the result is kept under another, which the message names).
        """
        if self._container is None:
            return
        try:
            if self._appended is None:
                with writing(self._target.final):
                    packets = self._encoder.encode(None)
                self._mux(packets)
            with self._lock, writing(self._target.final):
                self._copier.finish()
                self._end_container()
                self._mend_aspect()
            if self._last_word is not None:
                self._target.overwrite = self._last_word(self._target.temporary)
        except BaseException:
            self.abort()
            raise
        self._target.commit()

    def abort(self) -> None:
        """Gives up: removes what was written."""
        with self._lock:
            # libav wants to finish the file before it lets go of it; what that raises no longer matters.
            with suppress(Exception):
                self._end_container()
            self._target.discard()

    # Opening

    def _choose_encoder(self, path: str | os.PathLike[str], codec: str | None) -> Encoder:
        entry = encoder(codec or default_encoder(path, self._video.bit_depth))
        if not container_holds(self._container_name, entry.name):
            able = ", ".join(name for name in ENCODERS if container_holds(self._container_name, name))
            what = f"A {Path(path).suffix} file cannot hold what {entry.name} makes"
            raise UsageError(f"{what}; it takes {able or 'none of our encoders'}.")
        return entry

    def _open(
        self,
        source: InputContainer | None,
        options: dict[str, str],
        extra: dict[str, str],
        tags: dict[str, str],
    ) -> None:
        self._container: OutputContainer | None = None
        try:
            with writing(self._target.final):
                self._container = av.open(f"file:{self._target.temporary}", "w", format=self._container_name)
                self._copier = StreamCopier(
                    source, self._container, self._video.index, cut=self._cut, notify=self._notify
                )
                self._copier.add_streams(lambda: self._add_video(options))
                self.left_out = self._copier.left_out
                self._encoder.open(extra)
                self._copier.describe(tags)
                self._container.container_options.update(
                    muxer_options(self._container_name, self._encoder.time_base, self._copier)
                )
                self._container.start_encoding()
        except BaseException:
            self.abort()
            raise

    def _add_video(self, options: dict[str, str]) -> Any:
        assert self._container is not None
        self._encoder = VideoEncoder(
            *(self._container, self._entry, self._form, self._video, self.tags),
            options=options,
            shift=self._cut.shift,
            notify=self._notify,
        )
        # Matroska counts tracks from 1, and attached files are none.
        self._track_number = sum(s.type != "attachment" for s in self._container.streams)
        return self._encoder.stream

    def _tell_changes(self, wanted: str | None) -> None:
        video, form, name = self._video, self._form, self._entry.name
        if form.depth < video.bit_depth:
            none = f"{name} has no {video.bit_depth}-bit format here"
            why = none if wanted is None else f"The film has {video.bit_depth} bits, {form.name} has not"
            self._notify(f"{why}: luma is rounded to {form.depth} bits.")
        elif form.depth > video.bit_depth:
            self._notify(
                f"The result has {form.depth} bits instead of {video.bit_depth}; every luma value is kept."
            )
        if form.layout != video.layout and wanted is None:
            odd = "for odd sizes " if self._entry.whole_chroma and (video.width | video.height) % 2 else ""
            self._notify(
                f"{name} has no format {odd}with the source's chroma size: the result is {form.name}."
            )
        if video.orientation != Orientation() and self._container_name not in (*MATROSKA_FAMILY, *MOV_FAMILY):
            self._notify(
                f"{self._target.final.suffix} files cannot say that pictures are to be turned or mirrored: "
                "the result is shown as it is stored (.mkv and .mp4 can)."
            )
        if video.hdr is not None and self._entry.hdr is None:
            able = ", ".join(entry.name for entry in ENCODERS.values() if entry.hdr is not None)
            self._notify(f"{name} cannot be told the film's HDR10 metadata: it is lost ({able} can).")
        if self._interlaced:
            self._tell_fields()
        kept = self._entry.range_in_stream or self._container_name == "matroska"
        if self.tags.range == "full" and not kept:
            self._notify(
                f"{self._target.final.suffix} files cannot say that {self._entry.codec} is full range; "
                "players may show the result too contrasty (.mkv can)."
            )

    def _tell_fields(self) -> None:
        name, fields = self._entry.name, self._entry.fields
        if first_field(self._video.field_order) is None:
            self._notify(
                f"{name} cannot say that pictures are interlaced{'' if fields is None else ' in this size'}: "
                "the film's stay so, but the result says that it is progressive."
            )
        elif fields is not None and not fields.shown:
            self._notify(f"{name} codes interlaced pictures whole; most players show them as progressive.")

    # Writing

    def _mux(self, packets: Iterable[Packet]) -> None:
        with self._lock, writing(self._target.final):
            if self._container is None:
                raise OutputError(f"{self._target.final} was given up.")
            for packet in packets:
                self._container.mux_one(packet)

    def _end_container(self) -> None:
        container, self._container = self._container, None
        if container is not None:
            container.close()

    def _mend_aspect(self) -> None:
        # PyAV does not hand the aspect to the muxer, and Matroska's takes it from nowhere else.
        video = self._video
        if self._container_name not in MATROSKA_FAMILY or video.sample_aspect == 1:
            return
        place, size = self._target.temporary, (video.width, video.height)
        if not set_sample_aspect(place, self._track_number, *size, video.sample_aspect):
            self._notify(
                "The aspect of the samples could not be stored; tell the player to stretch the picture."
            )
