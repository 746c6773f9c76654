"""Running ahead in a thread: order, bounds, errors, and that the thread is gone afterwards."""

import threading
import time
from collections.abc import Iterator

import pytest

from vidcolor.pipeline.prefetch import closing_stage, prefetch


def threads() -> set[threading.Thread]:
    return {t for t in threading.enumerate() if t.name == "prefetch"}


def test_all_items_in_order() -> None:
    assert list(prefetch(range(1000), 3)) == list(range(1000))
    assert not threads()


def test_it_runs_ahead_but_not_further_than_it_may() -> None:
    made = []

    def items() -> Iterator[int]:
        for i in range(100):
            made.append(i)
            yield i

    ahead = prefetch(items(), 4)
    assert next(ahead) == 0
    deadline = time.monotonic() + 5
    while len(made) < 6 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.3)
    # One handed out, four waiting, one in the thread's hand.
    assert len(made) == 6
    ahead.close()


def test_an_error_comes_after_the_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield from range(3)
        raise KeyError("lost")

    found: list[int] = []
    with pytest.raises(KeyError, match="lost"):
        found.extend(prefetch(items(), 10))
    assert found == [0, 1, 2]
    assert not threads()


def test_leaving_early_closes_the_source_and_joins_the_thread() -> None:
    closed_in = []

    def items() -> Iterator[int]:
        try:
            yield from range(10**9)
        finally:
            closed_in.append(threading.current_thread().name)

    chained = prefetch(prefetch(items(), 2), 2)
    assert next(chained) == 0
    chained.close()
    assert closed_in == ["prefetch"]
    assert not threads()


def test_what_cannot_be_iterated_is_not_waited_for() -> None:
    class Broken:
        def __iter__(self) -> Iterator[int]:
            raise KeyError("first")

    stop = threading.Event()
    threading.Timer(2, stop.set).start()
    with pytest.raises(KeyError, match="first"):
        next(prefetch(Broken(), 1, stop))
    stop.set()


def test_a_negative_size_is_refused() -> None:
    with pytest.raises(ValueError, match="size must be at least 0"):
        next(prefetch([], -1))


def test_of_size_0_each_is_made_while_the_one_before_is_in_use() -> None:
    begun = [threading.Event() for _ in range(4)]

    def items() -> Iterator[int]:
        for number, event in enumerate(begun):
            event.set()
            yield number

    ahead = prefetch(items(), 0)
    for number in range(3):
        assert next(ahead) == number
        assert begun[number + 1].wait(5)
        time.sleep(0.1)
        assert not any(event.is_set() for event in begun[number + 2 :])
    assert list(ahead) == [3]
    assert not threads()


def test_a_stage_that_somebody_is_inside_of_is_closed_when_they_have_left() -> None:
    """What went wrong is raised, and no "generator already executing" in its place."""
    stop, inside, let_go = threading.Event(), threading.Event(), threading.Event()

    def stalled() -> Iterator[int]:
        inside.set()
        let_go.wait(5)
        yield 1

    stage = prefetch(stalled(), 1, stop)
    taker = threading.Thread(target=lambda: list(stage))

    def fail() -> None:
        with closing_stage(stage):
            taker.start()
            assert inside.wait(5)
            time.sleep(0.05)
            threading.Timer(0.2, stop.set).start()
            threading.Timer(0.3, let_go.set).start()
            raise KeyError("first")

    with pytest.raises(KeyError, match="first"):
        fail()
    taker.join(5)
    assert not taker.is_alive()
    assert not threads()
