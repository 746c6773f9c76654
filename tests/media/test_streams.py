"""Sound, subtitles, fonts, covers, chapters and tags beside the coloured picture."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests.clips import FONT, decode_luma, decode_pts, make_clip, packets, remux
from tests.media.through import NoSeek, coloured, late_sound, packet_times, through
from vidcolor.media.containers import container_label
from vidcolor.media.encoders import container_format
from vidcolor.media.probe import probe
from vidcolor.media.reader import VideoReader
from vidcolor.media.writer import VideoWriter

QUICK: dict[str, Any] = {"preset": "ultrafast"}


def kinds(path: Path) -> list[str]:
    return [stream.kind for stream in probe(path).streams]


def copied(path: Path, kind: str) -> list[bytes]:
    return packets(path, kind)


class TestCopies:
    @pytest.mark.parametrize(
        ("source", "target", "sound"),
        [
            *(("mp4", "mp4", "aac"), ("mp4", "mov", "aac"), ("mp4", "mkv", "aac"), ("mkv", "mp4", "aac")),
            *(("mkv", "mkv", "flac"), ("mkv", "mkv", "pcm_s16le"), ("mov", "mov", "pcm_s16le")),
            *(
                ("mkv", "mp4", "libopus"),
                ("webm", "webm", "libopus"),
                ("mkv", "mkv", "ac3"),
                ("mkv", "avi", "libmp3lame"),
            ),
        ],
    )
    def test_sound_byte_for_byte(self, tmp_path: Path, source: str, target: str, sound: str) -> None:
        codec = "libvpx-vp9" if source == "webm" else "libx264"
        film = make_clip(tmp_path / f"a.{source}", codec=codec, audio=2, audio_codec=sound)
        passed = through(film, tmp_path / f"b.{target}")
        for number in (0, 1):
            assert packets(tmp_path / f"b.{target}", "audio", number) == packets(film, "audio", number)
        assert passed.notes == passed.left_out == []

    @pytest.mark.parametrize("layout", ["mono", "stereo", "5.1"])
    @pytest.mark.parametrize("ending", ["mp4", "mov"])
    @pytest.mark.parametrize("shape", ["avi", "mkv"])
    def test_samples_whose_channels_may_only_be_counted(
        self, tmp_path: Path, shape: str, ending: str, layout: str
    ) -> None:
        """AVI and Matroska say how many channels PCM has, MP4 and MOV which they are."""
        film = make_clip(tmp_path / f"a.{shape}", audio=1, audio_codec="pcm_s16le", audio_layout=layout)
        with av.open(str(film)) as container:
            only_counted = "channels" in container.streams.audio[0].layout.name
        assert only_counted == ((shape, layout) != ("avi", "5.1"))
        passed = through(film, tmp_path / f"b.{ending}", **QUICK)
        assert passed.notes == passed.left_out == []
        assert b"".join(packets(tmp_path / f"b.{ending}", "audio")) == b"".join(packets(film, "audio"))
        assert np.array_equal(_sound(tmp_path / f"b.{ending}")[0], _sound(film)[0])

    def test_all_of_the_last_packet(self, tmp_path: Path) -> None:
        """MP4 plays it for as long as it is said to last, and Matroska does not say that of ALAC."""
        film = make_clip(tmp_path / "a.mkv", audio=1, audio_codec="alac")
        through(film, tmp_path / "b.mp4", **QUICK)
        assert len(_sound(tmp_path / "b.mp4")[0]) == len(_sound(film)[0])

    @pytest.mark.parametrize("ending", ["mp4", "mov"])
    def test_times_exactly(self, tmp_path: Path, ending: str) -> None:
        film = make_clip(tmp_path / f"a.{ending}", audio=1, subtitles=True, frames=36)
        through(film, tmp_path / f"b.{ending}", **QUICK)
        for index in (1, 2):
            assert packet_times(tmp_path / f"b.{ending}", index) == packet_times(film, index)

    def test_times_to_the_sample_from_matroska_to_mp4(self, tmp_path: Path) -> None:
        film = make_clip(tmp_path / "a.mkv", audio=1, audio_codec="libopus")
        through(film, tmp_path / "b.mp4", **QUICK)
        pairs = zip(packet_times(tmp_path / "b.mp4", 1), packet_times(film, 1), strict=True)
        assert max(abs(got[0] - wanted[0]) for got, wanted in pairs) <= Fraction(1, 2 * 48000)

    def test_subtitles(self, tmp_path: Path) -> None:
        for ending in ("mkv", "mp4"):
            film = make_clip(tmp_path / f"a.{ending}", subtitles=True, frames=36)
            through(film, tmp_path / f"b.{ending}", **QUICK)
            assert packet_times(tmp_path / f"b.{ending}", 1) == packet_times(film, 1)

    def test_further_films(self, tmp_path: Path) -> None:
        film = make_clip(tmp_path / "a.mkv", videos=2, audio=1)
        through(film, tmp_path / "b.mkv", stream=0, **QUICK)
        assert packets(tmp_path / "b.mkv", "video", 1) == packets(film, "video", 1)
        np.testing.assert_array_equal(decode_luma(tmp_path / "b.mkv", 1), decode_luma(film, 1))
        assert decode_pts(tmp_path / "b.mkv", 1) == decode_pts(film, 1)

    def test_the_second_film_is_coloured_at_its_place(self, tmp_path: Path) -> None:
        film = make_clip(tmp_path / "a.mkv", videos=2, audio=1)
        passed = through(film, tmp_path / "b.mkv", stream=1, codec="ffv1")
        assert packets(tmp_path / "b.mkv", "video", 0) == packets(film, "video", 0)
        np.testing.assert_array_equal(decode_luma(tmp_path / "b.mkv", 1), passed.luma)

    def test_av1_beside_the_film(self, tmp_path: Path) -> None:
        """Its decoder has no encoder of the same name, which PyAV asks for when it copies a stream."""
        av1 = make_clip(
            tmp_path / "a.mkv", codec="libsvtav1", options={"preset": "12"}, videos=2, size=(128, 128)
        )
        through(av1, tmp_path / "b.mp4", stream=0, **QUICK)
        assert packets(tmp_path / "b.mp4", "video", 1) == packets(av1, "video", 1)
        np.testing.assert_array_equal(decode_luma(tmp_path / "b.mp4", 1), decode_luma(av1, 1))

    @pytest.mark.parametrize("target", ["mp4", "mkv"])
    def test_covers(self, tmp_path: Path, target: str) -> None:
        film = make_clip(tmp_path / "a.mp4", cover=True, audio=1)
        passed = through(film, tmp_path / f"b.{target}", **QUICK)
        found = probe(tmp_path / f"b.{target}")
        assert [s.disposition for s in found.streams if s.kind == "video"][1] == ("attached_pic",)
        assert packets(tmp_path / f"b.{target}", "video", 1) == packets(film, "video", 1)
        assert passed.left_out == []

    def test_fonts(self, tmp_path: Path) -> None:
        film = make_clip(tmp_path / "a.mkv", attachment=True, subtitles=True)
        through(film, tmp_path / "b.mkv", **QUICK)
        with av.open(str(tmp_path / "b.mkv")) as container:
            font = container.streams.attachments[0]
            assert (font.name, font.mimetype, font.data) == ("font.ttf", "application/x-truetype-font", FONT)

    def test_the_aspect_beside_fonts(self, tmp_path: Path) -> None:
        film = make_clip(tmp_path / "a.mkv", attachment=True, audio=1, sar=Fraction(16, 15), size=(90, 96))
        through(film, tmp_path / "b.mkv", codec="ffv1")
        video = probe(tmp_path / "b.mkv").streams[0].video
        assert video is not None
        assert video.sample_aspect == Fraction(16, 15)
        assert packets(tmp_path / "b.mkv", "audio") == packets(film, "audio")

    def test_the_time_code_of_a_camera(self, tmp_path: Path) -> None:
        film = tmp_path / "a.mov"
        with av.open(str(make_clip(tmp_path / "plain.mov"))) as source, av.open(str(film), "w") as out:
            stream = out.add_stream_from_template(source.streams.video[0])
            stream.metadata["timecode"] = "10:11:12:13"
            for packet in source.demux(video=0):
                if packet.size:
                    packet.stream = stream
                    out.mux(packet)
        assert "data" in kinds(film)
        passed = through(film, tmp_path / "b.mov", **QUICK)
        assert kinds(tmp_path / "b.mov") == kinds(film)
        assert probe(tmp_path / "b.mov").streams[0].tags["timecode"] == "10:11:12:13"
        assert passed.left_out == []


class TestConversions:
    def test_sound_for_webm(self, tmp_path: Path) -> None:
        film = make_clip(tmp_path / "a.mp4", frames=48, audio=1)
        passed = through(film, tmp_path / "b.webm")
        assert passed.left_out == []
        assert passed.notes == ["Audio stream 1 (aac, eng) cannot be held by WebM and is converted to Opus."]
        wave, start = _sound(tmp_path / "b.webm")
        assert abs(start) <= Fraction(1, 500)
        assert abs(len(wave) / 48000 - 2) < 0.05
        assert abs(_pitch(wave[4800:-4800]) - 440) < 2

    def test_sound_for_mp4(self, tmp_path: Path) -> None:
        film = make_clip(tmp_path / "a.avi", frames=48, audio=1, audio_codec="adpcm_ima_wav")
        passed = through(film, tmp_path / "b.mov", **QUICK)
        assert [s.codec for s in probe(tmp_path / "b.mov").streams] == ["h264", "aac"]
        assert passed.left_out == []
        assert passed.notes == [
            "Audio stream 1 (adpcm_ima_wav) cannot be held by MOV and is converted to AAC."
        ]
        wave, _ = _sound(tmp_path / "b.mov")
        assert abs(_pitch(wave[4800:-4800]) - 440) < 2

    @pytest.mark.parametrize("codec", ["flac", "alac", "pcm_s16le"])
    def test_sound_a_broadcast_has_no_type_for(self, tmp_path: Path, codec: str) -> None:
        """Its muxer takes a copy, and nobody could play it."""
        film = make_clip(tmp_path / "a.mkv", frames=48, audio=1, audio_codec=codec)
        passed = through(film, tmp_path / "b.ts", **QUICK)
        assert passed.left_out == []
        assert passed.notes == [
            f"Audio stream 1 ({codec}, eng) cannot be held by MPEG-TS and is converted to AAC."
        ]
        wave, _ = _sound(tmp_path / "b.ts")
        assert abs(_pitch(wave[4800:-4800]) - 440) < 2

    def test_a_part_of_converted_sound(self, tmp_path: Path) -> None:
        film = make_clip(tmp_path / "a.mp4", frames=48, audio=1)
        through(film, tmp_path / "b.webm", start=Fraction(1, 2), end=Fraction(3, 2))
        wave, start = _sound(tmp_path / "b.webm")
        assert abs(start) < Fraction(1, 25)
        assert abs(len(wave) / 48000 - 1) < 0.08

    @pytest.mark.parametrize(
        ("source", "target", "name"),
        [("mkv", "mp4", "mov_text"), ("mp4", "mkv", "subrip"), ("mp4", "webm", "webvtt")],
    )
    def test_text(self, tmp_path: Path, source: str, target: str, name: str) -> None:
        film = make_clip(tmp_path / f"a.{source}", frames=36, subtitles=True)
        passed = through(film, tmp_path / f"b.{target}")
        assert probe(tmp_path / f"b.{target}").streams[1].codec == name
        assert _lines(tmp_path / f"b.{target}") == [
            (0, Fraction(2, 5), "line 0"),
            (Fraction(1, 2), Fraction(2, 5), "line 1"),
            (1, Fraction(2, 5), "line 2"),
        ]
        assert passed.left_out == []
        assert len(passed.notes) == 1
        assert "is converted to" in passed.notes[0]

    @pytest.mark.parametrize("target", ["mp4", "mkv", "webm"])
    @pytest.mark.parametrize("source", ["mp4", "mkv"])
    def test_text_that_stands_where_a_part_begins_and_ends(
        self, tmp_path: Path, source: str, target: str
    ) -> None:
        film = make_clip(tmp_path / f"a.{source}", frames=36, subtitles=True)
        result = tmp_path / f"b.{target}"
        through(film, result, start=Fraction(1, 4), end=Fraction(7, 10))
        assert _lines(result) == [(0, Fraction(3, 20), "line 0"), (Fraction(1, 4), Fraction(1, 5), "line 1")]

    def test_what_cannot_be_is_left_out_and_told(self, tmp_path: Path) -> None:
        film = make_clip(tmp_path / "a.mkv", audio=1, attachment=True, videos=2)
        passed = through(film, tmp_path / "b.webm", stream=0)
        assert kinds(tmp_path / "b.webm") == ["video", "audio"]
        assert passed.left_out == ["video stream 1 (h264)", "attached files (font.ttf)"]
        assert passed.notes == [
            "Video stream 1 (h264) cannot be held by WebM and is left out.",
            "Audio stream 2 (aac, eng) cannot be held by WebM and is converted to Opus.",
            "Attached files (font.ttf) cannot be held by WebM and are left out.",
        ]

    def test_pictures_of_text(self, tmp_path: Path) -> None:
        film = tmp_path / "a.mkv"
        with av.open(str(make_clip(tmp_path / "plain.mkv"))) as source, av.open(str(film), "w") as out:
            stream = out.add_stream_from_template(source.streams.video[0])
            subtitles: Any = out.add_mux_stream("hdmv_pgs_subtitle")
            subtitles.metadata["language"] = "fre"
            for packet in source.demux(video=0):
                if packet.size:
                    packet.stream = stream
                    out.mux(packet)
        passed = through(film, tmp_path / "b.mp4", **QUICK)
        assert passed.left_out == ["subtitle stream 1 (hdmv_pgs_subtitle, fre)"]
        assert passed.notes == [
            "Subtitle stream 1 (hdmv_pgs_subtitle, fre) cannot be held by MP4 and is left out."
        ]
        assert through(film, tmp_path / "b.mkv", **QUICK).left_out == []
        assert probe(tmp_path / "b.mkv").streams[1].codec == "hdmv_pgs_subtitle"


def _sound(path: Path) -> tuple[np.ndarray, Fraction]:
    """The first sound track's samples and the time of the first."""
    with av.open(str(path)) as container:
        frames: list[Any] = list(container.decode(audio=0))
    start = frames[0].pts * frames[0].time_base
    return np.concatenate([frame.to_ndarray()[0] for frame in frames]), start


def _pitch(wave: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(wave * np.hanning(len(wave))))
    return float(np.argmax(spectrum)) * 48000 / len(wave)


def _lines(path: Path) -> list[Any]:
    lines = []
    with av.open(str(path)) as container:
        packet: Any
        for packet in container.demux(subtitles=0):
            decoded: Any = packet.decode() if packet.size else ()
            for line in decoded:
                text = line.dialogue.decode()
                lines.append((packet.pts * packet.time_base, packet.duration * packet.time_base, text))
    return [line for line in lines if line[2]]


class TestDescriptions:
    @pytest.mark.parametrize("ending", ["mp4", "mov", "mkv"])
    def test_languages_titles_and_marks(self, tmp_path: Path, ending: str) -> None:
        plain = make_clip(tmp_path / "plain.mkv", audio=2)
        film = tmp_path / "a.mkv"
        with av.open(str(plain)) as source, av.open(str(film), "w") as out:
            streams = [out.add_stream_from_template(s) for s in source.streams]
            for number, (stream, old) in enumerate(zip(streams, source.streams, strict=True)):
                stream.metadata.update(old.metadata)
                stream.disposition = av.stream.Disposition(number == 2)  # 1 is "default"
            for packet in source.demux():
                if packet.size:
                    packet.stream = streams[packet.stream_index]
                    out.mux(packet)
        through(film, tmp_path / f"b.{ending}", **QUICK)
        sound = probe(tmp_path / f"b.{ending}").streams[1:]
        german = "ger" if ending == "mov" else "deu"  # MOV numbers languages by a list of Apple's
        assert [s.language for s in sound] == ["eng", german]
        assert [s.tags.get("title") or s.tags.get("name") for s in sound] == ["track 0", "track 1"]
        assert ["default" in s.disposition for s in sound] == [False, True]

    @pytest.mark.parametrize("ending", ["mp4", "mov", "mkv", "webm"])
    @pytest.mark.parametrize("shape", ["mp4", "mkv"])
    def test_chapters(self, tmp_path: Path, shape: str, ending: str) -> None:
        film = make_clip(tmp_path / f"a.{shape}", chapters=True, frames=48)
        passed = through(film, tmp_path / f"b.{ending}")
        got: list[Any] = [(c.start, c.end, c.tags["title"]) for c in probe(tmp_path / f"b.{ending}").chapters]
        assert got == [(0, 1, "one"), (1, 2, "two")]
        assert passed.left_out == []

    def test_chapters_without_a_place(self, tmp_path: Path) -> None:
        film = make_clip(tmp_path / "a.mkv", chapters=True)
        passed = through(film, tmp_path / "b.avi")
        assert passed.left_out == ["chapters"]
        assert passed.notes == ["Chapters cannot be held by AVI and are left out."]

    @pytest.mark.parametrize("shape", ["mp4", "mov"])
    def test_chapters_from_a_pipe(self, tmp_path: Path, shape: str) -> None:
        """Read from there, their track looks like subtitles; those that there are stay."""
        film = make_clip(
            tmp_path / f"a.{shape}",
            chapters=True,
            frames=48,
            subtitles=True,
            container_options={"movflags": "faststart"},
        )
        through(NoSeek(film), tmp_path / "b.mp4", **QUICK)
        assert kinds(tmp_path / "b.mp4") == ["video", "subtitle", "data"]
        assert [c.start for c in probe(tmp_path / "b.mp4").chapters] == [0, 1]

    @pytest.mark.parametrize("ending", ["mp4", "mov", "mkv", "webm"])
    @pytest.mark.parametrize("shape", ["mp4", "mkv"])
    def test_tags(self, tmp_path: Path, shape: str, ending: str) -> None:
        own = {"title": "A film", "date": "1950", "comment": "Shot in Rome"}
        film = make_clip(tmp_path / f"a.{shape}", tags=own)
        through(film, tmp_path / f"b.{ending}", tags={"comment": "Coloured"})
        got = {key.lower(): value for key, value in probe(tmp_path / f"b.{ending}").tags.items()}
        assert {key: got[key] for key in own} == {**own, "comment": "Shot in Rome; Coloured"}
        assert ("major_brand" in got) == (ending in ("mp4", "mov"))

    def test_tags_of_ones_own(self, tmp_path: Path) -> None:
        film = make_clip(tmp_path / "a.mkv", tags={"FOO": "bar"})
        through(film, tmp_path / "b.mkv", tags={"VIDCOLOR": "0.1"})
        assert {"FOO": "bar", "VIDCOLOR": "0.1"}.items() <= probe(tmp_path / "b.mkv").tags.items()
        through(film, tmp_path / "b.mp4", tags={"vidcolor": "0.1"})
        assert probe(tmp_path / "b.mp4").tags["comment"] == "vidcolor: 0.1"  # MP4 has no other place
        through(tmp_path / "b.mp4", tmp_path / "c.mp4", tags={"vidcolor": "0.1"})
        assert probe(tmp_path / "c.mp4").tags["comment"] == "vidcolor: 0.1"

    @pytest.mark.parametrize(
        ("ending", "lost"),
        [("mp4", "MOOD, FOO"), ("avi", "MOOD, FOO"), ("ts", "title, MOOD, FOO"), ("mkv", "")],
    )
    def test_tags_without_a_place(self, tmp_path: Path, ending: str, lost: str) -> None:
        own = {"title": "A film", "MOOD": "dark", "FOO": "bar", "software": "Some editor"}
        film = make_clip(tmp_path / "a.mkv", tags=own)
        passed = through(film, tmp_path / f"b.{ending}", tags={"comment": "Coloured"})
        assert passed.left_out == ([f"film tags ({lost})"] if lost else [])
        label = container_label(container_format(f"b.{ending}"))
        told = [f"Film tags ({lost}) cannot be held by {label} and are left out."] if lost else []
        assert passed.notes == told
        held = {key.lower() for key in probe(tmp_path / f"b.{ending}").tags}
        assert {key for key in own if key.lower() not in held} - {"software"} == set(
            filter(None, lost.split(", "))
        )

    def test_no_moment_is_no_loss(self, tmp_path: Path) -> None:
        """A creation time that says nothing, as encoders write it who know none."""
        film = make_clip(tmp_path / "a.mkv", tags={"creation_time": "1970-01-01T00:00:00.000000Z"})
        assert through(film, tmp_path / "b.mp4", **QUICK).left_out == []
        known = make_clip(tmp_path / "c.mkv", tags={"creation_time": "1977-05-25T12:00:00.000000Z"})
        assert through(known, tmp_path / "d.mp4", **QUICK).left_out == []
        assert probe(tmp_path / "d.mp4").tags["creation_time"] == "1977-05-25T12:00:00.000000Z"
        assert through(known, tmp_path / "d.avi").left_out == ["film tags (creation_time)"]

    @pytest.mark.parametrize("ending", ["mov", "mkv"])
    def test_a_time_code_is_not_kept_where_it_would_be_false(self, tmp_path: Path, ending: str) -> None:
        film = make_clip(tmp_path / "a.mov", frames=48, tags={"timecode": "01:00:00:00"})
        assert through(film, tmp_path / f"b.{ending}").left_out == []
        passed = through(film, tmp_path / f"c.{ending}", start=Fraction(1))
        assert passed.notes == ["Time codes are left out: the film begins at another one."]
        for name, kept in (("b", True), ("c", False)):
            found = probe(tmp_path / f"{name}.{ending}")
            tags = [found.tags, *(stream.tags for stream in found.streams)]
            assert any("timecode" in {key.lower() for key in each} for each in tags) == kept

    def test_a_long_chapter(self, tmp_path: Path) -> None:
        """MP4 counts chapters in 31 bits of the unit that makes delays exact."""
        film = make_clip(tmp_path / "a.mp4", frames=2)
        with VideoReader(film) as reader:
            source: Any = reader.container
            hours = [
                {"id": 0, "start": 0, "end": 3 * 3600, "time_base": Fraction(1), "metadata": {"title": "all"}}
            ]
            source.set_chapters(hours)
            with VideoWriter(tmp_path / "b.mp4", source, reader.video, **QUICK) as writer:
                for frame in reader.frames():
                    writer.write(coloured(frame, writer))
        assert [c.end for c in probe(tmp_path / "b.mp4").chapters] == [3 * 3600]


class TestFaults:
    def test_times_that_go_back_are_mended(self, tmp_path: Path) -> None:
        plain = make_clip(tmp_path / "plain.mkv", audio=1, audio_codec="libopus", frames=24)

        def jump(packet: Any, number: int) -> Any:
            if packet.stream.type == "audio" and number == 20:
                packet.pts, packet.dts = packet.pts - 60, packet.dts - 60
            return packet

        with VideoReader(plain) as reader:
            notes: list[str] = []
            with VideoWriter(
                tmp_path / "b.mp4", reader.container, reader.video, notify=notes.append
            ) as writer:
                seen = iter(range(1000))

                def copy(packet: Any) -> None:
                    writer.copy(jump(packet, next(seen)))

                for frame in reader.frames(copy):
                    writer.write(coloured(frame, writer))
        assert notes == ["Times of audio stream 1 (opus, eng) go back in the source and were mended."]
        assert packets(tmp_path / "b.mp4", "audio") == packets(plain, "audio")
        times = [time for time, _ in packet_times(tmp_path / "b.mp4", 1)]
        assert times == sorted(set(times))

    def test_packets_without_times(self, tmp_path: Path) -> None:
        plain = make_clip(tmp_path / "plain.mp4", audio=1, frames=24, videos=2)
        with (
            VideoReader(plain, stream=0) as reader,
            VideoWriter(tmp_path / "b.mp4", reader.container, reader.video) as writer,
        ):

            def copy(packet: Any) -> None:
                packet.dts = None
                writer.copy(packet)

            for frame in reader.frames(copy):
                writer.write(coloured(frame, writer))
        assert packets(tmp_path / "b.mp4", "audio") == packets(plain, "audio")
        assert decode_pts(tmp_path / "b.mp4", 1) == decode_pts(plain, 1)

    def test_damaged_sound_that_is_converted(self, tmp_path: Path) -> None:
        plain = make_clip(tmp_path / "plain.mkv", audio=1, audio_codec="ac3", frames=24)
        film = remux(
            plain,
            tmp_path / "a.mkv",
            lambda packet, number: b"\xff" * 40 if packet.stream.type == "audio" and number == 5 else packet,
        )
        passed = through(film, tmp_path / "b.webm")
        assert "Parts of audio stream 1 (ac3) could not be decoded and are missing." in passed.notes
        assert len(_sound(tmp_path / "b.webm")[0]) > 0.8 * 48000

    def test_broadcast(self, tmp_path: Path) -> None:
        film = make_clip(tmp_path / "a.ts", audio=1, audio_codec="mp2", frames=24, rate=25)
        passed = through(film, tmp_path / "b.mp4", **QUICK)
        assert decode_pts(tmp_path / "b.mp4") == passed.times
        assert packets(tmp_path / "b.mp4", "audio") == packets(film, "audio")
        with VideoReader(film) as reader:
            offset = reader.offset
        assert packet_times(tmp_path / "b.mp4", 1)[0][0] == packet_times(film, 1)[0][0] - offset

    def test_sound_that_comes_late(self, tmp_path: Path) -> None:
        film = late_sound(tmp_path / "a.ts")
        passed = through(film, tmp_path / "b.mp4", **QUICK)
        assert passed.notes == passed.left_out == []
        # MP4 has no use for the 7 bytes in front (ADTS), which say in every packet what the codec is.
        assert packets(tmp_path / "b.mp4", "audio") == [p[7:] for p in packets(film, "audio")]
        times = [time for time, _ in packet_times(tmp_path / "b.mp4", 1)]
        assert abs(times[0]) < Fraction(1, 10)
        assert abs(times[-1] - 40) < Fraction(1, 10)

    def test_sound_that_is_not_found(self, tmp_path: Path) -> None:
        film = late_sound(tmp_path / "a.ts")
        passed = through(NoSeek(film), tmp_path / "b.mp4", **QUICK)
        assert passed.left_out == ["audio stream 1 (aac, eng)"]
        assert passed.notes == [
            "Audio stream 1 (aac, eng) is left out: its channels and sample rate could not be found."
        ]

    def test_without_a_source(self, tmp_path: Path) -> None:
        """Parts of a film are made without its other streams."""
        film = make_clip(tmp_path / "a.mkv", audio=1)
        with (
            VideoReader(film) as reader,
            VideoWriter(tmp_path / "b.mp4", None, reader.video, tags={"title": "part"}) as writer,
        ):
            for frame in reader.frames(writer.copy):
                writer.write(coloured(frame, writer))
        assert kinds(tmp_path / "b.mp4") == ["video"]
        assert probe(tmp_path / "b.mp4").tags["title"] == "part"
