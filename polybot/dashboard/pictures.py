"""Server-made SVG: charts, bars and sparklines, with no script and no inline style.

Text inside a picture is never scaled: the plotted lines live in a stretched inner drawing,
everything readable is placed by percentages around it. Values are floats; pictures carry no money.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from polybot.dashboard.numbers import MINUS

_SPAN = 1000  # the inner drawing's own units, both ways


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One series. `points` are (x, y) with x in any unit; a None y is a gap and stays one."""

    points: Sequence[tuple[float, float | None]]
    css: str = "si"  # a stroke class of the stylesheet
    dashed: bool = False
    step: bool = False
    fill_to: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A fill: bought points up, sold points down."""

    x: float
    y: float
    bought: bool
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    prefix: str = ""
    unit: str = ""
    places: int = 2  # at most, of the labels
    tag_places: int = 2  # of the last value
    least: float = 0.0  # the smallest span drawn: a quiet line must not look like a wild one


def ticks(low: float, high: float, wanted: int) -> list[float]:
    """Return round values between the two ends, at most about `wanted` of them."""
    if high <= low or wanted < 1:
        return []
    raw = (high - low) / wanted
    magnitude = 10 ** math.floor(math.log10(raw))
    step = next((m * magnitude for m in (1, 2, 2.5, 5, 10) if m * magnitude >= raw * 0.999), 10 * magnitude)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(i * step, 9) for i in range(first, last + 1)]


def chart(
    lines: Sequence[Line],
    *,
    says: str,
    axis: Axis,
    x_form: str = "",
    marks: Sequence[Mark] = (),
    reference: float | None = None,
    tag: float | None = None,
    wanted_ticks: int = 4,
    local: bool = True,
) -> SafeString:
    """Return a line chart as HTML. `says` is the sentence that replaces the picture.

    With `x_form` ("hm" or "day") x is seconds since 1970: times stand below, in UTC until the script
    localises them; with `local` off they stay so.
    """
    xs = [x for line in lines for x, _ in line.points] + [mark.x for mark in marks]
    ys = [y for line in lines for _, y in line.points if y is not None] + [mark.y for mark in marks]
    ys += [v for v in (reference, tag) if v is not None]
    if len(xs) < 2 or not ys:
        return mark_safe("")
    x0, x1 = min(xs), max(xs)
    low, high = min(ys), max(ys)
    spare = max(0.0, axis.least - (high - low)) / 2
    margin = (high - low) * 0.08 + spare or 1.0
    low, high = low - margin, high + margin

    def px(x: float) -> float:
        return (x - x0) / ((x1 - x0) or 1) * 100

    def py(y: float) -> float:
        return (high - y) / (high - low) * 100

    grid_values = ticks(low, high, wanted_ticks)
    grid = format_html_join(
        "", '<line class="ax" x1="0" x2="100%" y1="{0}%" y2="{0}%"/>', [(f"{py(v):.2f}",) for v in grid_values]
    )
    reference_line = (
        format_html('<line class="se dash" x1="0" x2="100%" y1="{0}%" y2="{0}%"/>', f"{py(reference):.2f}")
        if reference is not None
        else ""
    )
    drawn = format_html_join("", "{}", [(_path(line, px, py),) for line in lines])
    fills = format_html_join(
        "",
        '<svg x="{}%" y="{}%" overflow="visible"><path class="{} mark" d="{}"><title>{}</title></path></svg>',
        [
            (
                f"{px(m.x):.2f}",
                f"{py(m.y):.2f}",
                "fu" if m.bought else "fd",
                "M0-5L5 4H-5z" if m.bought else "M0 5L5-4H-5z",
                m.title,
            )
            for m in marks
        ],
    )
    tag_position = py(tag) if tag is not None else None
    labels = format_html_join(
        "",
        '<text x="6" y="{}%" dy="4">{}</text>',
        [
            (f"{py(v):.2f}", _label(v, axis, grid_values))
            for v in grid_values
            if tag_position is None or abs(py(v) - tag_position) > 8
        ],
    )
    tag_drawn = (
        format_html(
            '<svg y="{}%" overflow="visible"><rect class="fi" x="2" y="-8" width="100%" height="16" rx="3"/>'
            '<text class="tag" x="6" y="4">{}</text></svg>',
            f"{tag_position:.2f}",
            f"{tag:,.{axis.tag_places}f}",
        )
        if tag is not None and tag_position is not None
        else ""
    )
    times = _times(x0, x1, x_form, local=local) if x_form else ""
    return format_html(
        '<div class="plot" role="img" aria-label="{says}">'
        '<svg class="svgc in" aria-hidden="true">{grid}{reference}'
        '<svg viewBox="0 0 {span} {span}" preserveAspectRatio="none" width="100%" height="100%">{drawn}</svg>'
        "{fills}</svg>"
        '<svg class="svgc y" aria-hidden="true">{labels}{tag}</svg>'
        '<svg class="svgc x" aria-hidden="true">{times}</svg></div>',
        says=says,
        grid=grid,
        reference=reference_line,
        span=_SPAN,
        drawn=drawn,
        fills=fills,
        labels=labels,
        tag=tag_drawn,
        times=times,
    )


_FORMS = {"hm": "%H:%M", "hms": "%H:%M:%S", "day": "%d %b"}


def _times(x0: float, x1: float, form: str, *, local: bool) -> SafeString:
    """Return five moments along the axis; fewer where two would read the same."""
    rows = []
    for i in range(5):
        at = x0 + (x1 - x0) * i / 4
        text = datetime.fromtimestamp(at, tz=UTC).strftime(_FORMS[form])
        if rows and rows[-1][-1] == text:
            continue
        anchor = "start" if i == 0 else "end" if i == 4 else "middle"
        rows.append((f"{i * 25}", anchor, int(at * 1000), form, text))
    if not local:
        plain = [(x, anchor, text) for x, anchor, _, _, text in rows]
        return format_html_join("", '<text x="{}%" y="13" text-anchor="{}">{}</text>', plain)
    return format_html_join("", '<text x="{}%" y="13" text-anchor="{}" data-ms="{}" data-form="{}">{}</text>', rows)


def time_form(span_s: float) -> str:
    """Return how a time axis of this length is written."""
    if span_s < 15 * 60:
        return "hms"
    return "hm" if span_s < 36 * 3600 else "day"


def _label(value: float, axis: Axis, values: Sequence[float]) -> str:
    step = abs(values[1] - values[0]) if len(values) > 1 else 1
    places = next((p for p in range(axis.places + 1) if abs(round(step, p) - step) < 1e-9), axis.places)
    if axis.prefix == "$" and places == 1:
        places = 2
    return f"{MINUS if value < 0 else ''}{axis.prefix}{abs(value):,.{places}f}{axis.unit}"


def _path(line: Line, px, py) -> SafeString:  # type: ignore[no-untyped-def]
    commands: list[str] = []
    filled: list[str] = []
    pen = False
    previous = 0.0
    start = 0.0
    x = 0.0
    for raw_x, raw_y in line.points:
        if raw_y is None:
            if pen and line.fill_to is not None:
                filled.append(f"L{x:.1f} {py(line.fill_to) * 10:.1f}L{start:.1f} {py(line.fill_to) * 10:.1f}Z")
            pen = False
            continue
        x, y = px(raw_x) * 10, py(raw_y) * 10
        if not pen:
            commands.append(f"M{x:.1f} {y:.1f}")
            filled.append(commands[-1])
            start = x
        else:
            segment = f"L{x:.1f} {previous:.1f}L{x:.1f} {y:.1f}" if line.step else f"L{x:.1f} {y:.1f}"
            commands.append(segment)
            filled.append(segment)
        pen, previous = True, y
    body = ""
    if line.fill_to is not None and pen:
        base = py(line.fill_to) * 10
        filled.append(f"L{x:.1f} {base:.1f}L{start:.1f} {base:.1f}Z")
        body = format_html('<path class="fn" d="{}"/>', "".join(filled))
    return format_html(
        '{}<path class="{} nofill line{}" d="{}"/>', body, line.css, " dash" if line.dashed else "", "".join(commands)
    )


def spark(values: Sequence[float | None]) -> SafeString:
    """Return a 64 × 20 sparkline, or nothing when there are fewer than two values."""
    known = [(i, v) for i, v in enumerate(values) if v is not None]
    if len(known) < 2:
        return mark_safe("")
    low, high = min(v for _, v in known), max(v for _, v in known)
    span = (high - low) or 1
    last = len(values) - 1
    points = " ".join(f"{i / last * 64:.1f},{18 - (v - low) / span * 16:.1f}" for i, v in known)
    return format_html(
        '<svg class="spark" viewBox="0 0 64 20" aria-hidden="true"><polyline points="{}"/></svg>', points
    )


def split_bar(value: float, largest: float) -> SafeString:
    """Return one cause's bar around zero, scaled by the largest cause of the list."""
    width = 0.0 if not largest else min(50.0, abs(value) / largest * 50)
    x = 50.0 if value >= 0 else 50.0 - width
    return format_html(
        '<svg viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="{}" x="{}" width="{}" height="1"/><rect class="fi" x="49.8" width=".6" height="1"/></svg>',
        "fu" if value >= 0 else "fd",
        f"{x:.1f}",
        f"{width:.1f}",
    )


def cap_bar(share: float) -> SafeString:
    """Return a value-of-limit bar with its tick at 80 %; amber from there on."""
    width = max(0.0, min(1.0, share)) * 100
    return format_html(
        '<svg class="bar" viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="{}" width="{}" height="1"/><rect class="cap" x="79.6" width=".8" height="1"/></svg>',
        "fw" if share >= 0.8 else "f",
        f"{width:.1f}",
    )


def share_bar(share: float, css: str = "f") -> SafeString:
    return format_html(
        '<svg class="bar" viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="{}" width="{}" height="1"/></svg>',
        css,
        f"{max(0.0, min(1.0, share)) * 100:.1f}",
    )


def stacked_bar(parts: Sequence[tuple[str, float]]) -> SafeString:
    """Return one bar of (class, share) pieces; shares add up to at most 1."""
    rects = []
    x = 0.0
    for css, part in parts:
        rects.append((css, f"{x:.2f}", f"{max(0.0, part * 100 - 0.3):.2f}"))
        x += part * 100
    return format_html(
        '<svg class="bar" viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true">{}</svg>',
        format_html_join("", '<rect class="{}" x="{}" width="{}" height="1"/>', rects),
    )


def range_dot(share: float) -> SafeString:
    """Return where a value stands between its bounds."""
    return format_html(
        '<svg class="rng" viewBox="0 0 96 16" aria-hidden="true"><line x1="4" x2="92" y1="8" y2="8"/>'
        '<line x1="4" x2="4" y1="5" y2="11"/><line x1="92" x2="92" y1="5" y2="11"/>'
        '<circle cx="{}" cy="8" r="4"/></svg>',
        f"{4 + max(0.0, min(1.0, share)) * 88:.1f}",
    )


def depth_bar(share: float, *, bid: bool) -> SafeString:
    width = max(0.0, min(1.0, share)) * 100
    return format_html(
        '<svg class="depth" viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="{}" x="{}" width="{}" height="1"/></svg>',
        "fu" if bid else "fd",
        f"{100 - width if bid else 0:.1f}",
        f"{width:.1f}",
    )


def beats(counts: Sequence[int]) -> SafeString:
    """Return a row of small squares, one per hour, marked where something failed."""
    rects = [("fd" if n else "fn", i * 9, 8 if n else 14, 8 if n else 2) for i, n in enumerate(counts)]
    return format_html(
        '<svg width="{}" height="20" aria-hidden="true">{}</svg>',
        len(counts) * 9,
        format_html_join("", '<rect class="{}" x="{}" y="{}" width="6" height="{}" rx="1"/>', rects),
    )
