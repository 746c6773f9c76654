"""The page in a real browser: nothing asked for, nothing complained of, the figures those of the JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import reduce
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tests.evaluation.browser import Browser, chromium, find_chromium
from tests.evaluation.films import SIZE, plain, texture, write_film
from tests.evaluation.test_pictures import GREY, photos
from vidcolor.evaluation.figures import written
from vidcolor.evaluation.film import evaluate_pair, evaluate_result
from vidcolor.evaluation.options import EvaluateOptions
from vidcolor.evaluation.outcome import Outcome
from vidcolor.evaluation.page import page
from vidcolor.evaluation.pictures import evaluate_set

WITH_PICTURES = EvaluateOptions(pictures=True)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = find_chromium()
    if program is None:
        pytest.skip("there is no Chromium here")
    with chromium(program) as opened:
        yield opened


def film_outcome(folder: Path, *, alone: bool = False) -> Outcome:
    """Of a film of two shots, with a jump inside the first."""
    looks = texture(1, *SIZE), texture(2, *SIZE)
    result = write_film(
        folder / "a <b> & 'c'.mkv", lambda n: plain(looks[n // 36], 110 if n < 20 else 130, 150), 72
    )
    if alone:
        return evaluate_result(result, None, WITH_PICTURES)
    truth = write_film(folder / "truth.mkv", lambda n: plain(looks[n // 36], 110, 150), 72)
    return evaluate_pair(result, truth, None, WITH_PICTURES)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    folder = tmp_path_factory.mktemp("page")
    return {
        "pair": film_outcome(folder),
        "result": film_outcome(folder, alone=True),
        "pictures": evaluate_set(photos(folder / "set"), GREY, WITH_PICTURES),
    }


def looked_up(data: dict[str, Any], path: str) -> Any:
    return reduce(lambda place, key: place[key], path.split("."), data)


def said(path: str, value: Any) -> str:
    """A figure as the page should say it."""
    if path.startswith("jumps."):
        return str(value)
    return written(path.split(".")[1 if path.startswith("figures.") else 2], value)


@pytest.mark.parametrize("kind", ["pair", "result", "pictures"])
def test_the_page_in_a_browser(
    browser: Browser, outcomes: dict[str, Outcome], kind: str, tmp_path: Path
) -> None:
    outcome, path = outcomes[kind], tmp_path / "index.html"
    path.write_text(page(outcome), encoding="utf-8")
    for width, dark in ((1280, False), (390, True)):
        browser.said.clear()
        browser.requests.clear()
        browser.look(width=width, dark=dark)
        browser.open(path)
        assert browser.said == []
        outside = [url[:60] for url in browser.requests if not url.startswith(("data:", path.as_uri()))]
        assert outside == []
        assert browser.value("document.documentElement.scrollWidth") <= width
        background = browser.value("getComputedStyle(document.body).backgroundColor")
        dark_one, light_one = "rgb(22, 21, 19)", "rgb(252, 251, 248)"
        assert background == (dark_one if dark else light_one)
    assert browser.value("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
    shown = browser.value(
        "[...document.querySelectorAll('[data-value]')].map(e => [e.dataset.value, e.innerText])"
    )
    assert len(shown) >= 5
    for place, text in shown:
        assert text == said(place, looked_up(outcome.data, place)), place
    assert json.loads(browser.value("document.getElementById('data').textContent")) == outcome.data


def test_a_definition_is_one_click_away(
    browser: Browser, outcomes: dict[str, Outcome], tmp_path: Path
) -> None:
    path = tmp_path / "index.html"
    path.write_text(page(outcomes["pair"]), encoding="utf-8")
    browser.look(width=1280)
    browser.open(path)
    meaning = "document.querySelector('details p')"
    assert browser.value(f"{meaning}.checkVisibility({{contentVisibilityAuto: true}})") is False
    browser.value("document.querySelector('summary').click()")
    assert browser.value("document.querySelector('details').open") is True
    assert "Peak signal-to-noise ratio" in browser.value(f"{meaning}.innerText")


class _Addresses(HTMLParser):
    """Everything a page names that a browser would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.found += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data")]


@pytest.mark.parametrize("kind", ["pair", "result", "pictures"])
def test_the_page_needs_nothing_else(outcomes: dict[str, Outcome], kind: str) -> None:
    text = page(outcomes[kind])
    parser = _Addresses()
    parser.feed(text)
    assert all(address.startswith("data:") for address in parser.found)
    assert re.search(r"url\(|@import|https?:", text) is None
    assert {"iframe", "object", "embed"}.isdisjoint(parser.tags)
    assert "svg" in parser.tags
    assert len(text) < 8_000_000


def test_names_are_text_and_no_markup(outcomes: dict[str, Outcome]) -> None:
    text = page(outcomes["pair"])
    assert "<h1>a &lt;b&gt; &amp; &#x27;c&#x27;.mkv</h1>" in text
    assert "<b> & 'c'" not in text


def test_cuts_and_jumps_are_shown(outcomes: dict[str, Outcome]) -> None:
    text = page(outcomes["pair"])
    assert text.count('class="cut"') >= 3
    assert "<b>00:00:00.833</b>" in text  # frame 20 of 24 a second
    assert text.count("class=strip") == 2
    assert "grey · result · truth" in text
