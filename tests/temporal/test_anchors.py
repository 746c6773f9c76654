"""Which frames become anchors, whatever the cuts, and what waits for it."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tests.clips import make_clip
from tests.temporal.drawn import as_frames, pan, spans_of, texture, window
from vidcolor.frames import Frame
from vidcolor.media.reader import VideoReader
from vidcolor.motion import FlowFinder
from vidcolor.temporal.anchors import Budget, Span, Step, carry_size, find_spans, halves, in_shots
from vidcolor.temporal.shots import ShotDetector

SIZE = (36, 48)


def layout(seed: int) -> tuple[list[np.ndarray], list[int], float]:
    """A film of shots of any length, still, slow or fast; the frames that start them; ``every``."""
    rng = np.random.default_rng(seed)
    pictures, starts = list[np.ndarray](), list[int]()
    while len(pictures) < 50:
        starts.append(len(pictures))
        count = int(rng.choice([1, 1, 2, 3, 5, 13, 40]))
        pictures += pan(int(rng.integers(1000)), count, float(rng.choice([0, 1, 6])), *SIZE)
    return pictures, starts, float(rng.choice([1, 2, 3, 4, 8, 12.5, 1000]))


def numbers(span: Span) -> list[int]:
    return [step.frame.index for step in span.steps]


def anchors(spans: list[Span]) -> list[int]:
    return [numbers(span)[0] for span in spans]


def assert_holds(
    spans: list[Span], count: int, starts: Collection[int], every: float, given: Collection[int] = ()
) -> None:
    """What is true of the spans of every film."""
    assert [number for span in spans for number in numbers(span)] == list(range(count))
    assert [numbers(span)[0] for span in spans if span.starts_shot] == sorted(starts)
    assert {*starts, *given} <= set(anchors(spans))
    for span in spans:
        assert not {*numbers(span)[1:]} & {*starts, *given}
        assert len(span.steps) <= 1.5 * every + 1
    for span, after in pairwise([*spans, None]):
        assert span is not None
        # It ends at the next anchor of its shot, or with its shot.
        assert span.closing is (None if after is None or after.starts_shot else after.steps[0])
        assert_ways(span)
    own = set(anchors(spans)) - {*given, *starts}
    assert len(own) <= count / every + 1


def assert_ways(span: Span) -> None:
    """Every frame knows the way to the anchor before it; a shot's first needs none."""
    first, *others = [*span.steps, *([] if span.closing is None else [span.closing])]
    assert (first.way is None) == span.starts_shot
    for step in others:
        assert step.way is not None
        assert step.way.places.shape == (*step.picture.shape, 2)
        for flow in (step.back, step.forth):
            assert flow is not None
            assert flow.shape == (*step.picture.shape, 2)
            assert np.isfinite(flow).all()


@pytest.mark.parametrize("seed", range(10))
def test_whatever_the_cuts(seed: int) -> None:
    pictures, starts, every = layout(seed)
    assert_holds(spans_of(pictures, starts, every), len(pictures), starts, every)


@pytest.mark.parametrize("seed", range(10, 15))
def test_whatever_the_cuts_frames_that_are_given_are_anchors(seed: int) -> None:
    pictures, starts, every = layout(seed)
    rng = np.random.default_rng(seed)
    given = {int(n) for n in rng.integers(0, len(pictures), int(rng.integers(1, 9)))}
    spans = spans_of(pictures, starts, every, sorted(given))
    assert_holds(spans, len(pictures), starts, every, given)


def test_every_frame_may_be_given() -> None:
    pictures = pan(1, 9, 1, *SIZE)
    spans = spans_of(pictures, (0, 5), 4, range(9))
    assert anchors(spans) == list(range(9))
    assert_holds(spans, 9, (0, 5), 4, range(9))


def test_no_frames_and_shots_of_one() -> None:
    assert list(find_spans([], SIZE, 8, Budget(4))) == []
    pictures = [texture(n, *SIZE) for n in range(7)]
    spans = spans_of(pictures, range(7), 4)
    assert_holds(spans, 7, range(7), 4)
    assert [numbers(span) for span in spans] == [[n] for n in range(7)]


def test_the_first_frame_starts_a_shot_even_unsaid() -> None:
    spans = list(find_spans(((f, False) for f in as_frames(pan(1, 3, 1, *SIZE))), SIZE, 8, Budget(48)))
    assert_holds(spans, 3, (0,), 48)


def test_a_calm_shot_has_an_anchor_when_it_is_time() -> None:
    """And not before: one in ``every``, or less."""
    spans = spans_of([texture(2, *SIZE)] * 100, every=10)
    assert anchors(spans) == [0, 15, 30, 45, 60, 75, 90]
    assert_holds(spans, 100, (0,), 10)


def test_every_frame_is_an_anchor_where_that_is_asked_for() -> None:
    assert anchors(spans_of([texture(2, *SIZE)] * 7, every=1)) == [0, 1, 2, 3, 4, 5, 6]


def test_much_that_is_new_is_not_waited_for() -> None:
    """A camera that sweeps to another place gets an anchor there, though the time has not come."""
    calm, fast = [texture(3, 48, 64)] * 12, pan(3, 12, 5, 48, 64)
    film = [*calm, *fast, *[fast[-1]] * 12]
    found = anchors(spans_of(film, every=20))
    assert any(13 <= number <= 23 for number in found)
    assert anchors(spans_of([*calm] * 3, every=20)) == [0, 30]


@pytest.mark.parametrize("every", [4, 12, 48])
def test_no_anchor_is_set_in_a_flash(every: int) -> None:
    pictures = pan(3, 60, 0.7, 72, 96)
    for number in (flashes := {6, 18, 19, 30, 48, 49}):
        pictures[number] = np.clip(pictures[number].astype(int) * 2 + 40, 0, 255).astype(np.uint8)
    assert not flashes & set(anchors(spans_of(pictures, [0], every)))


def test_a_shot_that_ends_with_much_new_has_its_last_frame_as_an_anchor() -> None:
    film = pan(4, 9, 2, 48, 64)
    spans = spans_of([*film, *[texture(5, 48, 64)] * 6], (0, 9), every=48)
    assert anchors(spans) == [0, 8, 9]
    assert_holds(spans, 15, (0, 9), 48)
    assert numbers(spans[0]) == list(range(8))
    assert spans[0].closing is spans[1].steps[0]
    # At the film's end too; and where nothing is new, it has none.
    assert anchors(spans_of(film, every=48)) == [0, 8]
    assert anchors(spans_of([texture(5, 48, 64)] * 9, every=48)) == [0]


def test_anchors_a_shot_saved_are_all_there_is_to_spend() -> None:
    """However restless a film: one in ``every`` on average, besides those that start a shot."""
    film = [window(texture(6, 48, 2000), 20 * n, 0, 48, 64) for n in range(90)]
    spans = spans_of(film, every=12)
    assert_holds(spans, 90, (0,), 12)
    assert len(spans) >= 90 // 12
    # Restless or not, a quarter of the time lies between two.
    assert min(len(span.steps) for span in spans[:-1]) >= 3


def test_anchors_that_others_set_are_spent_as_well() -> None:
    film = [window(texture(6, 48, 2000), 20 * n, 0, 48, 64) for n in range(90)]
    budget, count = Budget(12), 0
    numbered = ((frame, frame.index == 0) for frame in as_frames(film))
    for _ in find_spans(numbered, (48, 64), 8, budget):
        count += 1
        if budget.has_one:
            budget.spend()
            count += 1
    assert 90 // 12 <= count - 1 <= 90 / 12 + 1


@pytest.mark.parametrize("starts", [True, False])
def test_the_halves_of_a_span_are_those_of_a_film_with_an_anchor_there(starts: bool) -> None:
    film, first = pan(7, 60, 1, *SIZE), 0 if starts else 10
    whole = next(span for span in spans_of(film, anchors=(first, 40)) if numbers(span)[0] == first)
    middle = (first + 40) // 2
    wanted = [span for span in spans_of(film, anchors=(first, middle, 40)) if first <= numbers(span)[0] < 40]
    found = halves(whole, SIZE)
    assert [numbers(span) for span in found] == [numbers(span) for span in wanted]
    assert [span.starts_shot for span in found] == [starts, False]
    assert found[0].closing is found[1].steps[0]
    assert found[1].closing is not None
    assert found[1].closing.frame.index == 40
    for span, alike in zip(found, wanted, strict=True):
        assert_ways(span)
        for step, other in zip(span.steps, alike.steps, strict=True):
            if step.way is not None and other.way is not None:
                assert np.array_equal(step.way.places, other.way.places)


@pytest.mark.parametrize("every", [1, 4, 10])
def test_frames_wait_for_no_more_than_a_span(every: int) -> None:
    film = [*pan(7, 60, 0.5, *SIZE), *pan(8, 5, 4, *SIZE)]
    pulled = 0

    def source() -> Iterator[tuple[Frame, bool]]:
        nonlocal pulled
        for frame in as_frames(film):
            pulled += 1
            yield frame, frame.index in (0, 33, 60)

    told = 0
    for span in find_spans(source(), SIZE, 8, Budget(every)):
        assert pulled - told <= math.ceil(1.5 * every) + 2
        told += len(span.steps)
        # The next anchor, or the next shot's first frame, and nothing after it.
        assert pulled <= min(told + 2, len(film))
    assert told == len(film)


def test_frames_that_wait_take_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    film = pan(7, 60, 0.2, *SIZE)
    monkeypatch.setattr("vidcolor.temporal.anchors._MOST_BYTES", 10 * film[0].nbytes)
    assert anchors(spans_of(film, every=1000)) == list(range(0, 60, 10))


def test_nothing_is_pulled_before_it_is_asked_for() -> None:
    def source() -> Iterator[tuple[Frame, bool]]:
        raise AssertionError("too early")
        yield

    find_spans(source(), SIZE, 8, Budget(4))
    in_shots((frame for frame, _ in source()), 8)


def test_motion_leads_from_a_frame_to_the_one_before_and_back() -> None:
    film = pan(9, 4, 3, 64, 96)
    first, *others = (step for span in spans_of(film) for step in span.steps)
    assert first.back is None
    assert first.forth is None
    for number, step in enumerate(others, 1):
        assert step.back is not None
        assert step.forth is not None
        assert step.way is not None
        inner = np.s_[16:-16, 20:-20]
        assert np.abs(step.back[inner] - (3, 0)).max() < 0.3
        assert np.abs(step.forth[inner] - (-3, 0)).max() < 0.3
        assert np.median(step.way.places[30, 20:-20, 0] - np.arange(20, 76)) == pytest.approx(
            3 * number, abs=0.2
        )


def test_deep_luma_is_seen_as_eight_bits() -> None:
    film = pan(9, 3, 2, 96, 128)
    deep = [picture.astype(np.uint16) << 2 for picture in film]
    for size in ((96, 128), (36, 48), (120, 160)):
        (one,), (other,) = spans_of(film, size=size), spans_of(deep, bit_depth=10, size=size)
        for a, b in zip(one.steps, other.steps, strict=True):
            assert a.picture.shape == size
            assert a.picture.dtype == b.picture.dtype == np.uint8
            assert np.abs(a.picture.astype(int) - b.picture).max() <= 1


def test_frames_are_handed_on_as_they_are() -> None:
    film = pan(10, 6, 1, *SIZE)
    frames = as_frames(film)
    for frame in frames:
        frame.luma.setflags(write=False)
    steps: list[Step] = []
    for span in find_spans(((frame, frame.index == 0) for frame in frames), SIZE, 8, Budget(4)):
        steps += span.steps
    assert all(step.frame is frame for step, frame in zip(steps, frames, strict=True))


@pytest.mark.parametrize(
    ("film", "expected"),
    [
        ((720, 1280), (135, 240)),
        ((1280, 720), (240, 135)),
        ((480, 640), (180, 240)),
        ((16, 10_000), (32, 240)),
        ((10_000, 16), (240, 32)),
        ((1, 1), (32, 32)),
        ((90, 160), (90, 160)),
    ],
)
def test_size_of_the_pictures_that_motion_is_looked_for_in(
    film: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert carry_size(*film) == expected


def test_shots_of_a_film(tmp_path: Path) -> None:
    cuts = [30, 62, 80]
    clip = make_clip(tmp_path / "cuts.mkv", size=(128, 96), frames=110, cuts=cuts)
    with VideoReader(clip) as reader:
        found = list(in_shots(reader.frames(), 8))
    assert [frame.index for frame, _ in found] == list(range(110))
    assert [frame.index for frame, starts in found if starts] == [0, *cuts]


@pytest.mark.parametrize("count", [0, 1, 2, 23, 24, 25, 60])
def test_shots_come_a_second_of_frames_late_and_whole(count: int) -> None:
    pulled = 0

    def source() -> Iterator[Frame]:
        nonlocal pulled
        for frame in as_frames(pan(11, count, 1, *SIZE)):
            pulled += 1
            yield frame

    late, told = ShotDetector().lookahead, 0
    for frame, starts in in_shots(source(), 8):
        assert frame.index == told
        assert starts == (told == 0)
        told += 1
        assert pulled <= told + late
    assert told == count


def test_shots_of_deep_luma() -> None:
    film = [*pan(12, 30, 0.5, 72, 128), *pan(13, 30, 0.5, 72, 128)]
    deep = as_frames([picture.astype(np.uint16) << 2 for picture in film])
    assert [frame.index for frame, starts in in_shots(deep, 10) if starts] == [0, 30]


def test_after_a_restless_frame_motion_is_looked_for_more_carefully() -> None:
    """Only there: it takes three times as long."""
    size = 96, 144
    film = pan(1, 5, 1.0, *size)
    thing = texture(2, 60, 144)
    for number, picture in enumerate(film[2:], 1):  # comes in from below, 20 pixels a frame
        picture[96 - 20 * number :] = thing[: 20 * number]
    steps = [step for span in spans_of(film) for step in span.steps]
    light, careful = FlowFinder(*size), FlowFinder(*size, "medium")
    taken = []
    for before, step in pairwise(steps):
        assert step.back is not None
        by = [np.array_equal(step.back, find(step.picture, before.picture)) for find in (light, careful)]
        assert sum(by) == 1
        taken.append("light" if by[0] else "careful")
    # The thing is seen to be new in frame 2; of 3 and 4 more is known.
    assert taken == ["light", "light", "careful", "careful"]
