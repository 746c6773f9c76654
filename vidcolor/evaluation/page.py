"""An outcome as one page of HTML that needs nothing else: no script, no other file, no network."""

from __future__ import annotations

import base64
import json
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from vidcolor.evaluation.figures import written
from vidcolor.evaluation.outcome import Gallery, Outcome, Panel
from vidcolor.evaluation.plots import Line, plot
from vidcolor.evaluation.rows import Row, group_rows, headline, rows
from vidcolor.evaluation.steadiness import AT_CUT, INSIDE, INSIDE_FACTOR
from vidcolor.evaluation.table import left_out
from vidcolor.media.timeline import clock_text
from vidcolor.wording import counted, printable

__all__ = ["page"]

_STYLE = Path(__file__).with_name("page.css")
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_MAIN = ("psnr", "ciede2000", "stillness")
_WAYS = {"higher": "Higher is better.", "lower": "Lower is better.", "truth": "Best near the truth’s own."}
_ROWS_INSIDE = 1000
"""Pictures whose figures the page carries one by one."""


def page(outcome: Outcome) -> str:
    """The whole page."""
    data, gallery = outcome.data, outcome.gallery
    name = Path(data["input"]).name or str(data["input"])
    style = _STYLE.read_text(encoding="utf-8")
    parts = [
        _head(data, name),
        _figures(data),
        _curves(data),
        _over_time(data),
        _moments(data, gallery),
        _extremes(data, gallery),
        _strips(data, gallery),
        _grid(gallery),
        _foot(data),
    ]
    return (
        "<!doctype html>\n<html lang=en><meta charset=utf-8>"
        '<meta name=viewport content="width=device-width,initial-scale=1">'
        f'<meta http-equiv=Content-Security-Policy content="{_POLICY}">'
        f'<link rel=icon href="data:,"><title>{_text(name)} · vidcolor</title><style>{style}</style>'
        f"<main>{''.join(parts)}</main>"
        f"<script type=application/json id=data>{_embedded(data)}</script></html>\n"
    )


def _text(value: object) -> str:
    """Anything as text that cannot be taken for markup."""
    return escape(printable(str(value)))


def _embedded(data: Mapping[str, Any]) -> str:
    """The data as JSON inside of a page."""
    plain = dict(data)
    if len(plain.get("pictures", {}).get("rows", ())) > _ROWS_INSIDE:
        plain["pictures"] = {**plain["pictures"], "rows": plain["pictures"]["rows"][:_ROWS_INSIDE]}
    return json.dumps(plain).replace("<", "\\u003c")


# Summary


def _head(data: Mapping[str, Any], name: str) -> str:
    facts = "".join(f"<dt>{_text(key)}</dt><dd>{_text(value)}</dd>" for key, value in _facts(data))
    words = "".join(f"<p class=note>{_text(sentence)}</p>" for sentence in data["notices"])
    return (
        f"<header><p class=kicker>vidcolor evaluate</p><h1>{_text(name)}</h1>"
        f"<p class=lead>{_text(headline(data))}</p><dl>{facts}</dl>{words}</header>"
    )


def _facts(data: Mapping[str, Any]) -> Iterable[tuple[str, object]]:
    if "model" in data:
        yield "model", data["model"]
    if "truth" in data:
        yield "truth", data["truth"]
    measured = data["measured"]
    if data["kind"] == "pictures":
        if "part" in data:
            yield "pictures", f"{measured['pictures']} ({data['part']})"
        size = f"{measured['width']} × {measured['height']}" if "width" in measured else ""
        yield "measured at", size or f"a short side of {measured['short_side']} at most"
        return
    film = data["film"]
    yield "film", f"{film['width']} × {film['height']}, {film['rate']} frames a second"
    span = " to ".join(clock_text(data[end]) for end in ("first_seconds", "last_seconds"))
    yield "measured", f"{counted(data['frames'], 'frame')}, {span}, {counted(data['shots'], 'shot')}"
    yield "measured at", f"{measured['width']} × {measured['height']}"
    if data["kind"] != "result":
        frames = counted(measured["frames"], "frame")
        yield "beside the truth", f"{frames}, {measured['every_seconds']:g} s apart"


# Figures


def _figures(data: Mapping[str, Any]) -> str:
    found = rows(data)
    truths = any(row.truth_path for row in found)
    head = "<th>result</th>" + "<th>truth</th>" * truths
    body = "".join(_row(row, truths) for row in found)
    unit = {"picture": "pictures", "shot": "shots"}[data["measured"]["unit"]]
    note = f"Small: 95 % interval, from 1000 resamples of {unit}." if any(r.interval for r in found) else ""
    missing = "".join(f"<p class=note>{_text(sentence)}</p>" for sentence in left_out(data))
    return (
        "<section><h2>Figures</h2><div class=scroll><table class=figures>"
        f"<thead><tr><th></th>{head}</tr></thead><tbody>{body}</tbody></table></div>"
        + (f"<p class=note>{note}</p>" if note else "")
        + missing
        + _groups(data)
        + "</section>"
    )


def _row(row: Row, truths: bool) -> str:
    figure = row.figure
    meaning = f"{figure.meaning} {_WAYS.get(figure.better, '')}".strip()
    interval = f"<small>{row.interval}</small>" if row.interval else ""
    value = f'<td><span data-value="{row.path}">{written(row.name, row.value)}</span>{interval}</td>'
    truth = ""
    if truths:
        shown = f'<span data-value="{row.truth_path}">{written(row.name, row.truth)}</span>'
        truth = f"<td class=truth>{shown if row.truth_path else ''}</td>"
    main = " class=main" if row.name in _MAIN else ""
    return (
        f"<tr{main}><th scope=row><details><summary>{_text(figure.heading)}</summary>"
        f"<p>{_text(meaning)}</p></details></th>{value}{truth}</tr>"
    )


def _groups(data: Mapping[str, Any]) -> str:
    table = group_rows(data.get("groups", {}))
    if not table:
        return ""
    head = "".join(f"<th>{_text(cell)}</th>" for cell in table[0])
    body = "".join(
        "<tr>" + "".join(f"<td>{_text(cell)}</td>" for cell in line) + "</tr>" for line in table[1:]
    )
    table_html = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f"<h3>By source</h3><div class=scroll>{table_html}</div>"


def _curves(data: Mapping[str, Any]) -> str:
    curves = data.get("curves")
    if not curves:
        return ""
    thresholds = list(range(len(curves["plain"])))
    lines = [
        Line("plain", [100 * v for v in curves["plain"]], "other"),
        Line("rebalanced", [100 * v for v in curves["rebalanced"]], "result"),
    ]
    drawn = plot(
        "Pixels within a distance in ab of the truth, %",
        thresholds,
        lines,
        ends=("0", f"{thresholds[-1]} Lab units"),
        top=100.0,
    )
    return f"<section><h2>Accuracy</h2>{drawn}</section>"


# Over time

_PLOTS: tuple[tuple[str, str, tuple[tuple[str, str, str], ...]], ...] = (
    (
        "Colour difference, ΔE",
        "CIEDE2000 of the frames beside the truth.",
        (("ciede2000", "result", "result"),),
    ),
    (
        "Colourfulness",
        "Hasler and Süsstrunk.",
        (("colorfulness", "result", "result"), ("true_colorfulness", "truth", "truth")),
    ),
    (
        "Flicker of colour, codes",
        "How far Cb and Cr change from one frame to the next where nothing but motion does.",
        (("stillness", "result", "result"), ("true_stillness", "truth", "truth")),
    ),
    ("Share of grey, %", "Pixels within 4 codes of neutral.", (("grey", "result", "result"),)),
)


def _over_time(data: Mapping[str, Any]) -> str:
    trace = data.get("trace")
    if not trace or len(trace["seconds"]) < 2:
        return ""
    cuts, seconds = data["cuts"]["seconds"], trace["seconds"]
    ends = clock_text(seconds[0]), clock_text(seconds[-1])
    drawn = []
    for title, note, names in _PLOTS:
        factor = 100 if "%" in title else 1
        lines = [
            Line(label, [None if v is None else factor * v for v in trace[name]], kind)
            for name, label, kind in names
            if name in trace
        ]
        if not lines:
            continue
        if names[0][0] == "ciede2000":
            lines = [Line(line.label, _joined(line.values, seconds, cuts), line.kind) for line in lines]
        top = 100.0 if factor == 100 else None
        drawn.append(plot(title, seconds, lines, marks=cuts, ends=ends, top=top, note=note))
    said = "<p class=note>Dashed: cuts.</p>" if cuts else ""
    return f"<section><h2>Over time</h2>{said}{''.join(drawn)}</section>"


def _joined(
    values: Sequence[float | None], seconds: Sequence[float], cuts: Sequence[float]
) -> list[float | None]:
    """Values between which there are gaps, since not every frame has one, as steps from one to the next; none
    goes on over a cut."""
    found: list[float | None] = []
    last: float | None = None
    shot = 0
    for value, second in zip(values, seconds, strict=True):
        now = bisect_right(cuts, second)
        if value is not None or now != shot:
            last = value
        shot = now
        found.append(last)
    return found


def _moments(data: Mapping[str, Any], gallery: Gallery) -> str:
    jumps = data.get("jumps")
    if not jumps:
        return ""
    beside = ""
    if truth := data["steadiness"].get("truth"):
        inside, at_cuts = truth["jumps_inside"], truth["jumps_at_cuts"]
        beside = f" The truth has {inside} and {at_cuts}: what truly changes at once."
    said = (
        f'<b data-value="jumps.inside_shots">{jumps["inside_shots"]}</b> inside shots: Cb and Cr change '
        f"along motion by more than {INSIDE:g} codes, and {INSIDE_FACTOR:g} times as much as around. "
        f'<b data-value="jumps.at_cuts">{jumps["at_cuts"]}</b> at cuts: the mean colour of the picture '
        f"changes by more than {AT_CUT:g} codes, which is wrong only where the scene is the same.{beside}"
    )
    lists = ""
    for name, title, text in (
        ("largest_inside_shots", "Inside shots", "times around it"),
        ("largest_at_cuts", "At cuts", ""),
    ):
        if jumps[name]:
            lists += f"<h3>{title}</h3>" + _jump_panels(jumps[name], gallery, text)
    return f"<section><h2>Where colour jumps</h2><p>{said}</p>{lists}</section>"


def _jump_panels(jumps: list[dict[str, Any]], gallery: Gallery, inside: str) -> str:
    shown = {(panel.facts["seconds"], panel.facts["codes"]): panel for panel in gallery.jumps}
    panels = []
    for jump in jumps:
        facts = [f"<b>{clock_text(jump['seconds'])}</b>", f"{jump['codes']:.1f} codes"]
        if jump["around"] is not None:
            around = (
                f"{jump['around']:.2f} around it" if inside else f"luma {100 * jump['around']:.0f} % alike"
            )
            facts.append(around)
        panel = shown.get((jump["seconds"], jump["codes"]))
        panels.append(_panel(panel, facts))
    return f"<div class='panels jumps'>{''.join(panels)}</div>"


# Pictures


def _panel(panel: Panel | None, facts: Iterable[str]) -> str:
    pictures = ""
    if panel is not None and panel.pictures:
        pictures = "".join(
            f'<img src="{_source(data)}" alt="{_text(label)}" title="{_text(label)}">'
            for data, label in zip(panel.pictures, panel.labels, strict=True)
        )
        pictures = f"<div class=pictures>{pictures}</div>"
    said = " ".join(f"<span>{fact}</span>" for fact in facts)
    return f"<figure class=panel>{pictures}<figcaption>{said}</figcaption></figure>"


def _source(picture: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(picture).decode('ascii')}"


def _extremes(data: Mapping[str, Any], gallery: Gallery) -> str:
    if not gallery.worst:
        return ""
    compared = data["kind"] != "result"
    titles = (
        ("Worst frames", "Best frames") if compared else ("Least colourful frames", "Most colourful frames")
    )
    kind = "panels" if compared else "panels jumps"
    order = "<p class=note>grey · result · truth</p>" if compared else ""
    parts = []
    for title, panels in zip(titles, (gallery.worst, gallery.best), strict=True):
        shown = "".join(_panel(panel, _frame_facts(panel.facts, compared)) for panel in panels)
        parts.append(f"<section><h2>{title}</h2>{order}<div class='{kind}'>{shown}</div></section>")
    return "".join(parts)


def _frame_facts(facts: Mapping[str, Any], compared: bool) -> list[str]:
    when = f"<b>{clock_text(facts['seconds'])}</b>"
    if not compared:
        return [when, f"colourfulness {facts['colorfulness']:.1f}", f"grey {100 * facts['grey']:.0f} %"]
    return [
        when,
        f"ΔE {facts['ciede2000']:.2f}",
        f"{facts['psnr']:.2f} dB",
        f"over grey {facts['gain']:+.2f} dB",
    ]


def _strips(data: Mapping[str, Any], gallery: Gallery) -> str:
    if not gallery.strips:
        return ""
    shots = data["shots"]
    note = gallery.strips[0].labels[0]
    if len(gallery.strips) < shots:
        note += f"; {len(gallery.strips)} of {shots} shots, evenly chosen"
    strips = "".join(_strip(panel) for panel in gallery.strips)
    return f"<section><h2>Shots</h2><p class=note>{_text(note)}</p>{strips}</section>"


def _strip(panel: Panel) -> str:
    facts = panel.facts
    lines = [f"<b>{clock_text(facts['start'])}</b>", counted(facts["frames"], "frame")]
    if "ciede2000" in facts:
        lines.append(f"ΔE {facts['ciede2000']:.2f}, {facts['psnr']:.2f} dB")
    lines.append(f"colourfulness {facts['colorfulness']:.1f}")
    if "stillness" in facts:
        lines.append(f"flicker {facts['stillness']:.2f} codes")
    said = "".join(f"<span>{line}</span>" for line in lines)
    return (
        f"<div class=strip><div class=facts>{said}</div>"
        f'<img src="{_source(panel.pictures[0])}" alt="frames of the shot"></div>'
    )


def _grid(gallery: Gallery) -> str:
    if not gallery.grid:
        return ""
    shown = "".join(_panel(panel, _picture_facts(panel.facts)) for panel in gallery.grid)
    return (
        "<section><h2>Pictures, the worst first</h2><p class=note>grey · result · truth, sorted by colour "
        f"difference; {len(gallery.grid)} of them.</p><div class='panels grid'>{shown}</div></section>"
    )


def _picture_facts(facts: Mapping[str, Any]) -> list[str]:
    return [f"<b>ΔE {facts['ciede2000']:.2f}</b>", f"{facts['psnr']:.2f} dB", _text(facts["name"])]


def _foot(data: Mapping[str, Any]) -> str:
    colored = data.get("coloured")
    told = ""
    if colored:
        pairs = [f"{key} {value}" for key, value in colored.items() if value not in (None, [], "")]
        told = f"<p>Coloured with {_text(', '.join(pairs))}.</p>"
    return (
        f"<footer><p>Made by vidcolor {_text(data['vidcolor'])} evaluate; seed {data['measured']['seed']}. "
        f"All figures are in this page as JSON, in the element <code>#data</code>.</p>{told}</footer>"
    )
