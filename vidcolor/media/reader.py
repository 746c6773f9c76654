"""A film as frames of luma with their times, in one pass; the other streams' packets beside them.

>>> with VideoReader("film.mkv") as reader:
...     for frame in reader.frames():
...         print(frame.time.seconds, frame.luma.shape)  # doctest: +ELLIPSIS
0.0 (360, 640)
0.042 (360, 640)
...
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from fractions import Fraction
from inspect import GEN_RUNNING, getgeneratorstate
from itertools import islice
from types import TracebackType
from typing import Any, TypeAlias, cast

import av
import av.error
from av.container import InputContainer
from av.stream import Discard
from av.video.codeccontext import VideoCodecContext

from vidcolor.errors import InputError, UsageError
from vidcolor.frames import Frame, MediaInfo, Timestamp, VideoInfo
from vidcolor.media.choose import choose_video, encrypted
from vidcolor.media.deinterlace import Deinterlacer, Mode, Timed
from vidcolor.media.faults import Faults
from vidcolor.media.luma import Planarizer, handed_out, is_plain, luma_plane, plan_luma
from vidcolor.media.probe import describe, has_flag, rare_subsampling
from vidcolor.media.skim import Mark, Needed, Skimmer
from vidcolor.media.source import PIPE_HINT, Source, demux, is_seekable, open_input, rewind
from vidcolor.media.timeline import Clock, FrameTimes, clock_text

__all__ = ["VideoReader"]

Packet: TypeAlias = "av.Packet[Any]"

LINGER = Fraction(10)
"""Seconds read past ``end`` for streams that lie late in the file."""
SEEK_MARGINS = (Fraction(0), Fraction(5), Fraction(60))
"""Seconds before ``start`` at which a key frame is looked for, one after the other."""
SEEK_PACKETS = 1000
"""Video packets looked at to find that key frame."""
CIPHER_PACKETS = 20
"""Packets looked at for signs of encryption."""
READ_RETRIES = 20
"""Read errors in a row after which the file is taken to end there."""
UNNEEDED = 256
"""Times of frames that nobody wants, kept until frames after them have come."""
HEADER_SLACK = Fraction(1, 2)
"""Seconds by which a film may end before its header says so without a remark."""


class VideoReader:
    """An open film; a context manager.

    Times: broadcast formats (MPEG-TS and its like), whose clock starts anywhere and may jump, are put on a
    clock that starts at 0, video and other packets alike. All other formats keep their times exactly.
    """

    info: MediaInfo
    """What the file says of itself."""
    video: VideoInfo
    """The stream that is read, with bit depth, tags and start as frames are handed out."""

    def __init__(
        self,
        source: Source,
        *,
        stream: int | None = None,
        start: Fraction | None = None,
        end: Fraction | None = None,
        deinterlace: Mode = "auto",
        pictures: bool = False,
        needed: Needed | None = None,
        longest_gap: Fraction = Fraction(0),
        notify: Callable[[str], None] = lambda sentence: None,
    ) -> None:
        """Opens a film.

        Args:
            source: a path, "-" for standard input, or an open binary file.
            stream: index of the video stream in the file; None: the best one.
            start: first moment wanted, in seconds from the film's beginning.
            end: first moment not wanted any more, likewise.
            deinterlace: "auto" deinterlaces frames marked interlaced, "on" all, "off" none.
            pictures: every frame carries its picture, for ``vidcolor.media.picture``, and frame threads may
                decode: on more cores faster, but around a damaged packet good frames may be lost as well.
            needed: says which frames are wanted. Others are not handed out, and not decoded where no other
                frame is predicted from them. It is asked for each packet that has a time, in the order
                frames are shown. Interlaced films and packets without times give all frames all the same.
            longest_gap: seconds of merely welcome frames that may be missing where that spares the decoder
                work, before a key frame.
            notify: gets one sentence for each thing the user should know.

        Raises:
            InputError: the file cannot be read or holds no video that can be decoded.
            UsageError: ``stream`` is not a video stream, or the range is empty.
        """
        if end is not None and end <= (start or 0):
            raise UsageError("The range is empty: it must end later than it starts (START to END).")
        self._source, self._wanted = source, stream
        self._start, self._end = start or None, end
        self._pictures_wanted, self._needed, self._gap = pictures, needed, longest_gap
        self._notify = notify
        self._deinterlacer = Deinterlacer(deinterlace)
        self._faults = Faults()
        self._closed = self._past_end = self._skipping = False
        self._unneeded: set[int] = set()
        self._reading: Generator[Frame, None, None] | None = None
        self._open()
        self._seek()  # here, because it may open the file anew, and the writer looks at ``container``

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file; iteration, if it still goes on in another thread, must have been stopped.

        Where that thread waits inside libav for a pipe that gives nothing, the file is left open:
        closing it under the thread would crash.
        """
        self._closed = True
        if self._reading is None or getgeneratorstate(self._reading) != GEN_RUNNING:
            self._container.close()

    @property
    def container(self) -> InputContainer:
        """The open film, for the writer to take the other streams' settings from."""
        return self._container

    @property
    def offset(self) -> Fraction:
        """Seconds taken from the file's times so far; 0 but in broadcast formats."""
        return self._clock.offset if self._clock else Fraction(0)

    @property
    def begin(self) -> Fraction:
        """The film's beginning on the clock of the frames, in seconds; the range counts from it."""
        return self._limit(None)

    def frames(self, on_packet: Callable[[Packet], None] | None = None) -> Iterator[Frame]:
        """Hands out the film's frames in order, once.

        ``on_packet`` gets the packets of all other streams as they are met, on the same clock as the frames,
        from the place reading starts at; it decides itself which of them lie in the range.

        Raises:
            InputError: no frame could be decoded, or none lies in the range.
        """
        if self._reading is not None:
            raise RuntimeError("frames() reads the film once; open it again to read it again")
        self._reading = self._read(on_packet)
        return self._reading

    def _read(self, on_packet: Callable[[Packet], None] | None) -> Generator[Frame, None, None]:
        self._tell_conversions()
        index = 0
        for picture, pts, duration in self._deinterlaced(self._timed(self._decoded(on_packet))):
            if self._in_range(pts):
                yield self._frame(picture, pts, duration, index)
                index += 1
        self._finish(index)

    # Opening

    def _open(self) -> None:
        self._container: InputContainer = open_input(self._source)
        try:
            self.info = describe(self._container, self._source)
            video = handed_out(self._choose())
            self._clock = Clock(self._begin()) if has_flag(self._container, "ts_discont") else None
            self.video = replace(video, start=None if video.start is None else video.start - self.offset)
            self._prepare_decoder()
        except BaseException:
            self.close()
            raise

    def _choose(self) -> VideoInfo:
        try:
            return choose_video(self.info, self._wanted)
        except InputError as error:
            # What is encrypted may look like anything, a picture without a size for one.
            if self._looks_encrypted():
                raise InputError(encrypted(self.info)) from None
            if self.info.format.startswith("mov") and not is_seekable(self._source):
                raise InputError(f"{str(error)[:-1]}: {PIPE_HINT}.") from None
            raise

    def _looks_encrypted(self) -> bool:
        try:
            return any(map(_is_encrypted, islice(demux(self._container), CIPHER_PACKETS)))
        except av.error.FFmpegError:
            return False

    def _prepare_decoder(self) -> None:
        self._stream: Any = self._container.streams[self.video.index]
        self._context = cast(VideoCodecContext, self._stream.codec_context)
        # PyAV stops draining the decoder at the first error, and with frame threads errors come late: frames
        # after a damaged packet near the end would be lost, how many depending on the number of cores.
        # Slice threads lose none; on two cores they are as fast (248 and 270 frames a second at 720p).
        self._context.thread_type = "AUTO" if self._pictures_wanted else "SLICE"
        self._times = FrameTimes(self._frame_step())
        plan = plan_luma(self.video.pixel_format)
        self._shape = (plan.target or self.video.pixel_format, self.video.width, self.video.height)
        self._planar = Planarizer(self.video.tags)
        try:
            self._context.open(strict=False)
        except av.error.FFmpegError as error:
            raise InputError(
                f"{self.info.name}: its {self.video.codec} video cannot be decoded: {error}."
            ) from None

    def _begin(self) -> Fraction:
        """Time of the film's beginning on the file's clock, in seconds."""
        starts = [s.start for s in self.info.streams if s.kind in ("video", "audio") and s.start is not None]
        return min(starts) if starts else self.info.start or Fraction(0)

    def _frame_step(self) -> int:
        rate = self.video.average_rate
        return max(1, round(1 / (rate * self.video.time_base))) if rate else 0

    def _tell_conversions(self) -> None:
        if plan_luma(self.video.pixel_format).from_rgb:
            self._notify(
                f"Its pixel format {self.video.pixel_format} has no luma; it becomes BT.709 in limited range."
            )
        if rare := rare_subsampling(self.video.pixel_format):
            self._notify(f"Its chroma is {rare}, which is not made here; it is taken as 4:2:0.")
        if self.video.has_alpha:
            self._notify("Transparency is dropped: frames are coloured as if they were opaque.")

    # Seeking

    def _seek(self) -> None:
        """Goes to a key frame at or before ``start``; where that is impossible, reading starts at the top."""
        if self._start is None or not is_seekable(self._source):
            return
        wanted = self._begin() + self._start
        first = self._begin()
        for margin in SEEK_MARGINS:
            target = int((wanted - margin) / self.video.time_base)
            if wanted - margin <= first:
                break
            if self._lands(target, wanted) and self._seek_to(target):
                return
        self._container.close()
        rewind(self._source)
        self._open()

    def _seek_to(self, target: int) -> bool:
        try:
            self._container.seek(target, stream=self._stream, backward=True)
        except av.error.FFmpegError:
            return False
        return True

    def _lands(self, target: int, wanted: Fraction) -> bool:
        """Whether a seek to ``target`` is followed by a key frame not later than ``wanted``."""
        if not self._seek_to(target):
            return False
        try:
            for packet in islice(demux(self._container, self._stream), SEEK_PACKETS):
                if packet.is_keyframe and packet.pts is not None:
                    return bool(packet.pts * packet.time_base <= wanted)
        except av.error.FFmpegError:
            pass
        return False

    # Packets

    def _demuxed(self, everything: bool) -> Iterator[Packet]:
        """Packets as they lie in the file, over read errors as far as that is possible."""
        if not everything:
            for other in self._container.streams:
                other.discard = Discard.default if other is self._stream else Discard.all
        streams = () if everything else (self._stream,)
        failures = 0
        last: Packet | None = None
        while failures < READ_RETRIES:
            try:
                for packet in demux(self._container, *streams):
                    if failures:
                        self._faults.unreadable.add(_time(last))
                    failures = 0
                    yield packet
                    if self._closed:
                        return
                    last = packet
                return
            except av.error.FFmpegError:
                failures += 1
        self._faults.broken_off = _time(last) or Fraction(0)

    def _packets(self, everything: bool) -> Iterator[Packet]:
        """Packets on the clock of the frames, until all streams have passed ``end``."""
        if self._clock is None and self._end is None:
            yield from self._demuxed(everything)
            return
        followed = {s.index for s in self.info.streams if s.kind == "audio"} | {self.video.index}
        pending = set(followed) if everything else {self.video.index}
        for packet in self._demuxed(everything):
            if self._clock:
                self._clock.mend(packet, packet.stream_index in followed)
            yield packet
            if self._end is not None and self._all_past_end(packet, pending):
                return

    def _all_past_end(self, packet: Packet, pending: set[int]) -> bool:
        time, limit = _time(packet), self._limit(self._end)
        if self._past_end:
            pending.discard(self.video.index)
        if time is not None and time >= limit and packet.stream_index != self.video.index:
            pending.discard(packet.stream_index)
        return not pending or (time is not None and time >= limit + LINGER)

    def _limit(self, moment: Fraction | None) -> Fraction:
        """A moment of the film on the clock of the frames, in seconds."""
        begin = Fraction(0) if self._clock else self._begin()
        return begin + (moment or 0)

    # Frames

    def _decoded(self, on_packet: Callable[[Packet], None] | None) -> Iterator[av.VideoFrame]:
        self._seen, self._pictures, leading = 0, 0, True
        for packet, mark in self._marked(on_packet is not None):
            if packet.stream_index != self.video.index:
                if on_packet is not None:
                    on_packet(packet)
                continue
            self._refuse_encrypted(packet)
            leading = leading and not packet.is_keyframe
            self._faults.headless += leading and self._start is None
            self._seen += 1
            if not self._past_end and (self._needed is None or self._is_for_decoder(packet, mark)):
                yield from self._decode(packet)
        if not self._past_end and not self._closed:
            yield from self._decode(None)

    def _marked(self, everything: bool) -> Iterator[tuple[Packet, Mark]]:
        """Packets, and what is to be done with them."""
        packets = self._packets(everything)
        if self._needed is None or everything:
            return ((packet, Mark.DECODE) for packet in packets)
        return Skimmer(self._needed, self._gap / self.video.time_base).mark(packets)

    def _is_for_decoder(self, packet: Packet, mark: Mark) -> bool:
        """Has a frame that is not wanted left out: by the decoder, if none is predicted from it, or by us."""
        if self._deinterlacer.count or self.video.field_order not in ("progressive", "unknown"):
            mark = Mark.DECODE  # frames are made of their neighbours' fields too
        if mark is Mark.DROP:
            return False
        if mark is Mark.SKIP and packet.pts is not None:
            self._unneeded.add(packet.pts)
        skip = mark is Mark.SKIP
        if skip != self._skipping:  # setting it costs as much as all else here
            self._skipping = skip
            self._context.skip_frame = "NONREF" if skip else "DEFAULT"
        return True

    def _without_unneeded(self, pictures: list[av.VideoFrame]) -> list[av.VideoFrame]:
        kept = [picture for picture in pictures if picture.pts not in self._unneeded]
        if len(self._unneeded) > UNNEEDED and pictures and (last := pictures[-1].pts) is not None:
            self._unneeded = {pts for pts in self._unneeded if pts > last}
        return kept

    def _decode(self, packet: Packet | None) -> Iterator[av.VideoFrame]:
        try:
            pictures = self._context.decode(packet)
        except av.error.FFmpegError:
            if packet is not None:
                self._faults.damaged.add(_time(packet))
            return
        if not self._pictures and pictures and packet is not None and not packet.is_keyframe:
            self._faults.headless = self._headless_before(pictures[0])
        self._pictures += len(pictures)
        yield from self._without_unneeded(pictures) if self._unneeded else pictures

    def _headless_before(self, first: av.VideoFrame) -> int:
        """Packets without a key frame may give pictures all the same (intra refresh, old codecs)."""
        return self._faults.headless if first.key_frame else 0

    def _refuse_encrypted(self, packet: Packet) -> None:
        if not self._seen and _is_encrypted(packet):
            raise InputError(encrypted(self.info))

    def _timed(self, pictures: Iterator[av.VideoFrame]) -> Iterator[Timed]:
        """Gives every picture its time, and all of them the first one's size and format."""
        for picture in pictures:
            duration = max(picture.duration, 0)
            pts = self._times.next(picture.pts, duration, picture.dts)
            if picture.is_corrupt:
                self._faults.corrupt.add(pts * self.video.time_base)
            yield self._uniform(picture, pts), pts, duration

    def _uniform(self, picture: av.VideoFrame, pts: int) -> av.VideoFrame:
        name, width, height = self._shape
        try:
            picture = self._planar(picture)
            if (picture.format.name, picture.width, picture.height) == self._shape:
                return picture
            self._faults.resized.add(pts * self.video.time_base)
            return picture.reformat(width=width, height=height, format=name, interpolation="BICUBIC")
        except av.error.FFmpegError as error:
            what = f"its pixel format {picture.format.name} cannot be converted to {name}"
            raise InputError(f"{self.info.name}: {what}: {error}.") from None

    def _deinterlaced(self, items: Iterator[Timed]) -> Iterator[Timed]:
        told = False
        try:
            for item in items:
                yield from self._deinterlacer.feed(item)
                if self._deinterlacer.count and not told:
                    told = True
                    self._notify("The film is interlaced; it is deinterlaced with bwdif, frame for frame.")
            yield from self._deinterlacer.flush()
        except av.error.FFmpegError as error:
            raise InputError(f"{self.info.name}: it cannot be deinterlaced: {error}.") from None

    def _in_range(self, pts: int) -> bool:
        if self._start is None and self._end is None:
            return True
        time = pts * self.video.time_base
        if self._end is not None and time >= self._limit(self._end):
            self._past_end = True
            return False
        return self._start is None or time >= self._limit(self._start)

    def _frame(self, picture: av.VideoFrame, pts: int, duration: int, index: int) -> Frame:
        picture.pts, picture.time_base = pts, self.video.time_base
        carried = self._pictures_wanted or (
            picture.format.name == self.video.pixel_format and is_plain(self.video.pixel_format)
        )
        return Frame(
            luma=luma_plane(picture),
            time=Timestamp(pts, self.video.time_base),
            duration=duration,
            index=index,
            carrier=picture if carried else None,
        )

    # The end

    def _finish(self, handed: int) -> None:
        """Tells what was wrong; a film without a single frame is an error."""
        if self._closed:
            return
        if not self._pictures:
            raise InputError(f"No picture of {self.info.name} could be decoded: {self._why_no_picture()}.")
        if not handed:
            raise InputError(self._why_out_of_range())
        if self._faults.broken_off is None and self._ended_early():
            self._faults.broken_off = self._times.end * self.video.time_base
        self._faults.missing, self._faults.backward = self._times.missing, self._times.backward
        for moment in self._clock.jumps if self._clock else ():
            self._faults.jumps.add(moment)
        self._faults.report(self._notify)

    def _why_no_picture(self) -> str:
        if not self._seen:
            return "its video stream is empty"
        if self._faults.damaged.count:
            return f"{self._faults.damaged.count} of {self._seen} packets are damaged"
        return "it has no key frame" if self._faults.headless == self._seen else "the decoder gave none"

    def _why_out_of_range(self) -> str:
        begin = self._limit(None)
        last = clock_text(self._times.end * self.video.time_base - begin)
        if self._start is not None and self._times.end * self.video.time_base <= begin + self._start:
            return f"{self.info.name} ends at {last}, before the start asked for, {clock_text(self._start)}."
        return f"{self.info.name} has no frame in the range asked for."

    def _ended_early(self) -> bool:
        """Whether less came than the header promises."""
        video = self.video
        if self._past_end or self._start is not None:
            return False
        if video.frame_count is not None and video.frame_count.source == "from header":
            return self._seen < video.frame_count.value
        if video.duration is None or video.duration.source != "from header":
            return False
        promised = (video.start or 0) + video.duration.value - HEADER_SLACK
        return self._times.end * video.time_base < promised


def _is_encrypted(packet: Packet) -> bool:
    return packet.has_sidedata("encryption_info")


def _time(packet: Packet | None) -> Fraction | None:
    """When a packet is shown, or else decoded, in seconds; None where it does not say, or is none."""
    if packet is None:
        return None
    stamp = packet.pts if packet.pts is not None else packet.dts
    return None if stamp is None else stamp * packet.time_base
