"""A video stream's packets to pictures, over damaged ones, and without those nobody wants."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, cast

import av
import av.error
from av.video.codeccontext import VideoCodecContext

from vidcolor.errors import InputError
from vidcolor.limits import decoder_limit
from vidcolor.media.faults import Faults
from vidcolor.media.skim import Mark
from vidcolor.media.source import Packet
from vidcolor.media.timeline import packet_time

__all__ = ["VideoDecoder"]

UNNEEDED = 256
"""Times of frames that nobody wants, kept until frames after them have come."""


class VideoDecoder:
    """The decoder of one stream."""

    packets: int
    """How many it was given."""
    pictures: int
    """How many it made, the unwanted ones among them."""

    def __init__(
        self,
        stream: Any,
        faults: Faults,
        *,
        name: str,
        frame_threads: bool,
        from_top: bool,
        max_pixels: int,
    ) -> None:
        """Opens the decoder.

        Args:
            stream: of an open container.
            faults: gets what cannot be decoded.
            name: how messages call the film.
            frame_threads: on more cores faster, but around a damaged packet good frames may be lost.
            from_top: whether packets come from the film's beginning, and those before the first key frame
                count as faults.
            max_pixels: of the largest picture that is handed out.

        Raises:
            InputError: the stream cannot be decoded.
        """
        self._faults = faults
        self._leading = from_top
        self._skipping = False
        self._unneeded: set[int] = set()
        self.packets = self.pictures = 0
        self._aspect = Fraction(1)
        self._context = cast(VideoCodecContext, stream.codec_context)
        # PyAV stops draining the decoder at the first error, and with frame threads errors come late: frames
        # after a damaged packet near the end would be lost, how many depending on the number of cores.
        # Slice threads lose none; on two cores they are as fast (248 and 270 frames a second at 720p).
        self._context.thread_type = "AUTO" if frame_threads else "SLICE"
        # The size may change in the middle of a film; what is far too large is not even allocated.
        self._max_pixels = max_pixels
        limit = {"max_pixels": str(decoder_limit(max_pixels))}
        self._context.options = {**self._context.options, **limit}
        try:
            self._context.open(strict=False)
        except av.error.FFmpegError as error:
            codec = self._context.codec.canonical_name
            raise InputError(f"{name}: its {codec} video cannot be decoded: {error}.") from None

    def decode(self, packet: Packet, mark: Mark) -> list[av.VideoFrame]:
        """Takes the next packet, with what is to be done with it; returns the pictures that are ready."""
        self.packets += 1
        self._leading = self._leading and not packet.is_keyframe
        self._faults.headless += self._leading
        if mark is Mark.DROP:
            return []
        self._skip(packet, mark is Mark.SKIP)
        return self._pictures_of(packet)

    def flush(self) -> list[av.VideoFrame]:
        """The pictures the decoder still holds."""
        return self._pictures_of(None)

    def _skip(self, packet: Packet, skip: bool) -> None:
        """Has a frame that is not wanted left out: by the decoder, if none is predicted from it, or by us."""
        if skip and packet.pts is not None:
            self._unneeded.add(packet.pts)
        if skip != self._skipping:  # setting it costs as much as all else here
            self._skipping = skip
            self._context.skip_frame = "NONREF" if skip else "DEFAULT"

    def _pictures_of(self, packet: Packet | None) -> list[av.VideoFrame]:
        try:
            pictures = self._context.decode(packet)
        except av.error.FFmpegError:
            if packet is not None:
                self._faults.damaged.add(packet_time(packet))
            return []
        self._watch_aspect(packet)
        # Packets without a key frame may give pictures all the same (intra refresh, old codecs).
        before_key = self._leading or not self.pictures
        if (
            before_key
            and pictures
            and packet is not None
            and not packet.is_keyframe
            and not pictures[0].key_frame
        ):
            self._leading, self._faults.headless = False, 0
        pictures = [picture for picture in pictures if not self._is_oversized(picture)]
        self.pictures += len(pictures)
        return self._without_unneeded(pictures) if self._unneeded else pictures

    def _watch_aspect(self, packet: Packet | None) -> None:
        """Notes where the samples' aspect changes: PyAV's pictures do not have it, the decoder does."""
        aspect = self._context.sample_aspect_ratio or Fraction(1)
        if self.pictures and packet is not None and aspect != self._aspect:
            self._faults.reshaped.add(packet_time(packet))
        self._aspect = aspect

    def _is_oversized(self, picture: av.VideoFrame) -> bool:
        if picture.width * picture.height <= self._max_pixels:
            return False
        pts, base = picture.pts, picture.time_base
        self._faults.oversized.add(None if pts is None or base is None else pts * base)
        return True

    def _without_unneeded(self, pictures: list[av.VideoFrame]) -> list[av.VideoFrame]:
        kept = [picture for picture in pictures if picture.pts not in self._unneeded]
        if len(self._unneeded) > UNNEEDED and pictures and (last := pictures[-1].pts) is not None:
            self._unneeded = {pts for pts in self._unneeded if pts > last}
        return kept
