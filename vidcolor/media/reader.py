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
from types import TracebackType

import av
import av.error
from av.container import InputContainer

from vidcolor.errors import InputError, UsageError
from vidcolor.frames import FirstField, Frame, MediaInfo, Timestamp, VideoInfo
from vidcolor.limits import MAX_PIXELS
from vidcolor.media.containers import RATE_ONLY
from vidcolor.media.deinterlace import Deinterlacer, Mode, Timed
from vidcolor.media.demuxer import Demuxer
from vidcolor.media.encryption import encrypted, is_encrypted
from vidcolor.media.faults import Faults
from vidcolor.media.fields import FieldReader, first_field
from vidcolor.media.luma import Planarizer, handed_out, is_plain, luma_plane, plan_luma
from vidcolor.media.own_chroma import own_chroma
from vidcolor.media.side_data import unkept
from vidcolor.media.skim import Mark, Needed, Skimmer
from vidcolor.media.source import Packet, Source, is_file
from vidcolor.media.subsampling import rare_subsampling
from vidcolor.media.timeline import FrameTimes, clock_text
from vidcolor.media.video_decoder import VideoDecoder

__all__ = ["VideoReader"]

_FULL, _SILENT = 2, 2
"""A picture's word for full range, and for a matrix that it does not name (H.273)."""
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
    """The stream that is read, with bit depth, tags, field order and start as frames are handed out."""

    def __init__(
        self,
        source: Source,
        *,
        stream: int | None = None,
        start: Fraction | None = None,
        end: Fraction | None = None,
        deinterlace: Mode = "auto",
        pictures: bool = False,
        chroma: bool = False,
        max_pixels: int = MAX_PIXELS,
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
            chroma: frames bring their own chroma along, where it is not neutral.
            max_pixels: of the largest picture that is read.
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
        self._start, self._end = start or None, end
        self._pictures_wanted, self._needed, self._gap = pictures, needed, longest_gap
        self._chroma_wanted = chroma
        self._notify = notify
        self._deinterlacer = Deinterlacer(deinterlace)
        self._fields = FieldReader()
        self._faults = Faults()
        self._said: tuple[bool, int] | None = None
        self._closed, self._named = False, is_file(source)
        self._reading: Generator[Frame, None, None] | None = None
        self._max_pixels = max_pixels
        self._demuxer = Demuxer(
            source,
            stream=stream,
            start=self._start,
            end=end,
            max_pixels=max_pixels,
            faults=self._faults,
        )
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise

    def _prepare(self) -> None:
        self.info, self.video = self._demuxer.info, handed_out(self._demuxer.video)
        if self._deinterlacer.mode != "off":
            self.video = replace(self.video, field_order="progressive")
        self._decoder = VideoDecoder(
            *(self._demuxer.stream, self._faults),
            name=self.info.name,
            frame_threads=self._pictures_wanted,
            from_top=self._start is None,
            max_pixels=self._max_pixels,
        )
        self._times = FrameTimes(_frame_step(self.video))
        plan = plan_luma(self.video.pixel_format)
        self._shape = (plan.target or self.video.pixel_format, self.video.width, self.video.height)
        self._planar = Planarizer(self.video.tags)

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
            self._demuxer.close()

    @property
    def container(self) -> InputContainer:
        """The open film, for the writer to take the other streams' settings from."""
        return self._demuxer.container

    @property
    def offset(self) -> Fraction:
        """Seconds taken from the file's times so far; 0 but in broadcast formats."""
        return self._demuxer.offset

    @property
    def begin(self) -> Fraction:
        """The film's beginning on the clock of the frames, in seconds; the range counts from it."""
        return self._demuxer.begin

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

    def _tell_conversions(self) -> None:
        if plan_luma(self.video.pixel_format).from_rgb:
            self._notify(
                f"Its pixel format {self.video.pixel_format} has no luma; it becomes BT.709 in limited range."
            )
        if rare := rare_subsampling(self.video.pixel_format):
            self._notify(f"Its chroma is {rare}, which is not made here; it is taken as 4:2:0.")
        if self.video.has_alpha:
            self._notify("Transparency is dropped: frames are taken for opaque.")

    # Pictures

    def _decoded(self, on_packet: Callable[[Packet], None] | None) -> Iterator[av.VideoFrame]:
        for packet, mark in self._marked(everything=on_packet is not None):
            if packet.stream_index == self.video.index:
                self._refuse_encrypted(packet)
                yield from self._decoder.decode(packet, self._due(mark))
            elif on_packet is not None:
                on_packet(packet)
            if self._closed:
                return
        if not self._demuxer.video_done:
            yield from self._decoder.flush()

    def _marked(self, *, everything: bool) -> Iterator[tuple[Packet, Mark]]:
        """Packets, and what may be done with them."""
        packets = self._demuxer.packets(everything=everything)
        if self._needed is None or everything:
            return ((packet, Mark.DECODE) for packet in packets)
        return Skimmer(self._needed, self._gap / self.video.time_base).mark(packets)

    def _due(self, mark: Mark) -> Mark:
        """What is done with a packet."""
        if self._demuxer.video_done:
            return Mark.DROP
        if self._deinterlacer.count or first_field(self._demuxer.video.field_order) is not None:
            return Mark.DECODE  # frames are made of their neighbours' fields too
        return mark

    def _refuse_encrypted(self, packet: Packet) -> None:
        if not self._decoder.packets and is_encrypted(packet):
            raise InputError(encrypted(self.info))

    def _timed(self, pictures: Iterator[av.VideoFrame]) -> Iterator[Timed]:
        """Gives every picture its time, and all of them the first one's size and format."""
        for picture in pictures:
            duration = max(picture.duration, 0)
            pts = self._times.next(picture.pts, duration, picture.dts)
            if picture.is_corrupt:
                self._faults.corrupt.add(pts * self.video.time_base)
            self._compare(picture, pts)
            yield self._uniform(picture, pts), pts, duration

    def _compare(self, picture: av.VideoFrame, pts: int) -> None:
        """Notes what the first picture brings along that is lost, and what later ones say otherwise."""
        said = picture.color_range == _FULL, picture.colorspace
        if self._said is None:
            self._said = said
            for sentence in unkept(picture, self.video, named=self._named):
                self._notify(sentence)
        elif said[0] != self._said[0] or (said != self._said and _SILENT not in (said[1], self._said[1])):
            self._faults.retagged.add(pts * self.video.time_base)

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
        if self._end is not None and time >= self.begin + self._end:
            self._demuxer.video_done = True
            return False
        return self._start is None or time >= self.begin + self._start

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
            chroma=own_chroma(picture) if self._chroma_wanted else None,
            first_field=self._first_field(picture, pts),
        )

    def _first_field(self, picture: av.VideoFrame, pts: int) -> FirstField | None:
        """Noted where the header did not foretell that there are fields: then it is too late to say so."""
        if self._deinterlacer.mode != "off":
            return None
        first = self._fields(picture)
        if first is not None and first_field(self.video.field_order) is None:
            self._faults.interlaced.add(pts * self.video.time_base)
        return first

    # The end

    def _finish(self, handed: int) -> None:
        """Tells what was wrong; a film without a single frame is an error."""
        if self._closed:
            return
        if not self._decoder.pictures:
            raise InputError(f"No picture of {self.info.name} could be decoded: {self._why_no_picture()}.")
        if not handed:
            raise InputError(self._why_out_of_range())
        if self._faults.broken_off is None and self._ended_early():
            self._faults.broken_off = self._times.end * self.video.time_base
        self._faults.missing = self._times.missing
        if self.info.format not in RATE_ONLY:  # which holds no times: libav guesses them
            self._faults.backward = self._times.backward
        for moment in self._demuxer.jumps:
            self._faults.jumps.add(moment)
        self._faults.report(self._notify)

    def _why_no_picture(self) -> str:
        packets = self._decoder.packets
        if not packets:
            return "its video stream is empty"
        if self._faults.oversized.count:
            return "they are larger than --max-pixels allows"
        if self._faults.damaged.count:
            return f"{self._faults.damaged.count} of {packets} packets are damaged"
        return "it has no key frame" if self._faults.headless == packets else "the decoder gave none"

    def _why_out_of_range(self) -> str:
        end = self._times.end * self.video.time_base - self.begin
        last = clock_text(end)
        if self._start is not None and end <= self._start:
            return f"{self.info.name} ends at {last}, before the start asked for, {clock_text(self._start)}."
        return f"{self.info.name} has no frame in the range asked for."

    def _ended_early(self) -> bool:
        """Whether less came than the header promises."""
        video = self.video
        if self._demuxer.video_done or self._start is not None:
            return False
        counted = self.info.format not in RATE_ONLY  # which counts the places of dropped frames, too
        if counted and video.frame_count is not None and video.frame_count.source == "from header":
            return self._decoder.packets < video.frame_count.value
        if video.duration is None or video.duration.source != "from header":
            return False
        promised = (video.start or 0) + video.duration.value - HEADER_SLACK
        return self._times.end * video.time_base < promised


def _frame_step(video: VideoInfo) -> int:
    """Length of a frame of the average rate, in units of the time base; 0 where there is none."""
    return max(1, round(1 / (video.average_rate * video.time_base))) if video.average_rate else 0
