"""Pictures of a backtest's report: server-made SVG without a script. Values are floats; the tables carry the money.

Times on these axes are UTC and stay so: a report reads the same for everybody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from polybot.dashboard.numbers import MINUS
from polybot.dashboard.pictures import Axis, Line, Mark, chart, time_form

_PITCH = 20  # of a day in the calendar, px
_MOST_WEEKS = 54


def equity_picture(report: Mapping[str, Any]) -> SafeString:
    """Return equity in dollars; the other queue assumptions dashed."""
    start, curve = report["start"], report["equity"]
    ends = f"Equity from ${curve['equity'][0]:,.0f} to ${curve['equity'][-1]:,.0f}"
    lines = [
        Line(points=_points(start, band["t"], band["equity"]), css="se", dashed=True)
        for band in report["bands"]["curves"].values()
    ]
    lines.append(Line(points=_points(start, curve["t"], curve["equity"])))
    return chart(
        lines,
        says=ends,
        axis=Axis(prefix="$", least=curve["equity"][0] * 0.002, tag_places=0 if curve["equity"][-1] >= 10_000 else 2),
        tag=curve["equity"][-1],
        x_form=_form(curve["t"]),
        local=False,
    )


def drawdown_picture(report: Mapping[str, Any]) -> SafeString:
    curve = report["equity"]
    deepest = min(curve["drawdown"])
    return chart(
        [Line(points=_points(report["start"], curve["t"], curve["drawdown"]), css="sd", fill_to=0.0)],
        says=f"Deepest drawdown {-deepest:.2f} %",
        axis=Axis(unit=" %", least=0.1),
        wanted_ticks=3,
        x_form=_form(curve["t"]),
        local=False,
    )


def allocation_picture(report: Mapping[str, Any]) -> SafeString:
    found = report["allocation"]
    return chart(
        [Line(points=_points(report["start"], found["t"], found["invested"]), css="se", fill_to=0.0, step=True)],
        says=f"Share of equity invested, at most {max(found['invested']):.1f} %",
        axis=Axis(unit=" %", least=1.0),
        wanted_ticks=3,
        x_form=_form(found["t"]),
        local=False,
    )


def price_picture(start: int, price: Mapping[str, Any], name: str) -> SafeString:
    """Return the middle of one outcome with our fills, and our unfilled orders as dashes at their price."""
    lines = []
    for bid, css in ((1, "su"), (0, "sd")):
        orders = price["orders"]
        rows = [i for i, side in enumerate(orders["bid"]) if side == bid]
        points: list[tuple[float, float | None]] = []
        for i in rows:
            at, until, cents = start + orders["from"][i], start + orders["to"][i], orders["price"][i]
            points += [(at, cents), (until, cents), (until, None)]
        if points:
            lines.append(Line(points=points, css=css, dashed=True))
    if "t" in price:
        lines.append(Line(points=_points(start, price["t"], price["mid"]), step=True))
    fills = price["fills"]
    marks = [
        Mark(
            x=start + at,
            y=cents,
            bought=bool(bought),
            title=f"{'bought' if bought else 'sold'} {size:,.6g} sh at {cents:g} ¢, {moment(start + at)}",
        )
        for at, cents, size, bought in zip(fills["t"], fills["price"], fills["size"], fills["bought"], strict=True)
    ]
    span = [mark.x for mark in marks] + [x for line in lines for x, _ in line.points]
    return chart(
        lines,
        says=f"Price of {name} with {len(marks)} of {fills['of']} fills",
        axis=Axis(unit=" ¢", least=2.0),
        marks=marks,
        x_form=time_form(max(span) - min(span)) if span else "",
        local=False,
    )


def held_picture(start: int, price: Mapping[str, Any]) -> SafeString:
    if "t" not in price:
        return mark_safe("")
    return chart(
        [Line(points=_points(start, price["t"], price["held"]), css="se", fill_to=0.0, step=True)],
        says=f"Shares held, at most {max(price['held']):,.6g}",
        axis=Axis(unit=" sh", places=0, least=1.0),
        wanted_ticks=2,
        x_form=_form(price["t"]),
        local=False,
    )


def overlay_picture(curves: Sequence[tuple[int, Mapping[str, Any]]]) -> SafeString:
    """Return up to four equity curves as percent of their capital; ink, dashed ink, grey, dashed grey."""
    styles = (("si", False), ("si", True), ("se", False), ("se", True))
    lines = []
    for (start, curve), (css, dashed) in zip(curves, styles, strict=False):
        first = curve["equity"][0] or 1.0
        gains = [(value / first - 1) * 100 for value in curve["equity"]]
        lines.append(Line(points=_points(start, curve["t"], gains), css=css, dashed=dashed))
    xs = [x for line in lines for x, _ in line.points]
    return chart(
        lines,
        says=f"Return of {len(lines)} backtests over time",
        axis=Axis(unit=" %", least=0.1),
        reference=0.0,
        x_form=time_form(max(xs) - min(xs)) if xs else "",
        local=False,
    )


def ring(score: int) -> SafeString:
    """Return the fidelity score in a ring; the shape of its arc says what the colour says."""
    css = "su" if score >= 75 else "se" if score >= 50 else "sd"
    return format_html(
        '<svg viewBox="0 0 72 72" role="img" aria-label="Data fidelity {score} of 100">'
        '<circle class="nofill sn" cx="36" cy="36" r="31" stroke-width="7"/>'
        '<circle class="nofill {css}" cx="36" cy="36" r="31" stroke-width="7" pathLength="100" '
        'stroke-dasharray="{score} 100" transform="rotate(-90 36 36)"/>'
        '<text x="36" y="44" text-anchor="middle">{score}</text></svg>',
        score=score,
        css=css,
    )


def waterfall(amounts: Sequence[float]) -> list[SafeString]:
    """Return one bar per amount, each beginning where the one before ended; the last is their sum, from zero."""
    edges = [0.0]
    for amount in amounts[:-1]:
        edges.append(edges[-1] + amount)
    low, high = min(*edges, 0.0, amounts[-1]), max(*edges, 0.0, amounts[-1])
    span = (high - low) or 1.0

    def at(value: float) -> float:
        return 2 + (value - low) / span * 96

    bars = []
    for number, amount in enumerate(amounts):
        is_sum = number == len(amounts) - 1
        start = 0.0 if is_sum else edges[number]
        end = amount if is_sum else edges[number] + amount
        css = "fi" if is_sum else "fu" if amount >= 0 else "fd"
        left, width = at(min(start, end)), abs(end - start) / span * 96
        bars.append(
            format_html(
                '<svg viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true">'
                '<rect class="fe" x="{}" width=".4" height="1"/><rect class="{}" x="{}" width="{}" height="1"/></svg>',
                f"{at(0.0) - 0.2:.2f}",
                css,
                f"{left:.2f}",
                f"{width:.2f}",
            )
        )
    return bars


def calibration_picture(bins: Sequence[Mapping[str, Any]]) -> SafeString:
    """Return price across, share that came true up, with 95 % whiskers; on the line the market was right."""
    left, right, top, bottom = 34.0, 178.0, 12.0, 162.0

    def x(share: float) -> float:
        return left + share * (right - left)

    def y(share: float) -> float:
        return bottom - share * (bottom - top)

    grid = format_html_join(
        "",
        '<line class="ax" x1="{}" x2="{}" y1="{}" y2="{}"/><text x="28" y="{}" text-anchor="end">{}</text>'
        '<text x="{}" y="178" text-anchor="middle">{}</text>',
        [
            (left, right, f"{y(v):.1f}", f"{y(v):.1f}", f"{y(v) + 4:.1f}", int(v * 100), f"{x(v):.1f}", int(v * 100))
            for v in (0.0, 0.25, 0.5, 0.75, 1.0)
        ],
    )
    largest = max((one["count"] for one in bins), default=1)
    dots = format_html_join(
        "",
        '<line class="se" x1="{0}" x2="{0}" y1="{1}" y2="{2}"/><circle class="fi" cx="{0}" cy="{3}" r="{4}">'
        "<title>{5}</title></circle>",
        [
            (
                f"{x(one['price']):.1f}",
                f"{y(one['interval'][1]):.1f}",
                f"{y(one['interval'][0]):.1f}",
                f"{y(one['came_true']):.1f}",
                f"{2.5 + 2.5 * (one['count'] / largest) ** 0.5:.1f}",
                f"bought at {one['price'] * 100:.1f} ¢ on average: paid {one['came_true'] * 100:.1f} ¢,"
                f" {one['count']} fills of {one['outcomes']} outcomes",
            )
            for one in bins
        ],
    )
    return format_html(
        '<svg class="svgc" width="188" height="188" viewBox="0 0 188 188" role="img" '
        'aria-label="Price paid for by the market against how often it came true">{}'
        '<line class="z" x1="{}" y1="{}" x2="{}" y2="{}" stroke-dasharray="4 3"/>{}</svg>',
        grid,
        left,
        bottom,
        right,
        top,
        dots,
    )


def bars(values: Sequence[float], titles: Sequence[str], *, says: str) -> SafeString:
    """Return bars up and down from zero, a title on each."""
    low, high = min(*values, 0.0), max(*values, 0.0)
    span = (high - low) or 1.0
    width = 100 / max(1, len(values))
    rects = [
        (
            "fu" if value >= 0 else "fd",
            f"{i * width + width * 0.12:.2f}",
            f"{(high - max(value, 0.0)) / span * 100:.2f}",
            f"{width * 0.76:.2f}",
            f"{max(abs(value) / span * 100, 0.4):.2f}",
            title,
        )
        for i, (value, title) in enumerate(zip(values, titles, strict=True))
    ]
    return format_html(
        '<svg class="bars" viewBox="0 0 100 100" preserveAspectRatio="none" role="img" aria-label="{}">{}'
        '<rect class="fe" x="0" y="{}" width="100" height=".6"/></svg>',
        says,
        format_html_join("", '<rect class="{}" x="{}" y="{}" width="{}" height="{}"><title>{}</title></rect>', rects),
        f"{high / span * 100:.2f}",
    )


def histogram_picture(found: Mapping[str, Any] | None, *, unit: str, says: str) -> SafeString:
    """Return counts as bars, gains and losses in their colours, ends of the range below."""
    if found is None:
        return mark_safe("")
    edges, counts = found["edges"], found["counts"]
    largest = max(counts) or 1
    width = 100 / len(counts)
    rects = [
        (
            "fu" if (edges[i] + edges[i + 1]) / 2 >= 0 else "fd",
            f"{i * width + width * 0.06:.2f}",
            f"{100 - count / largest * 100:.2f}",
            f"{width * 0.88:.2f}",
            f"{count / largest * 100:.2f}",
            f"{signed(edges[i])} to {signed(edges[i + 1])} {unit}: {count:,}",
        )
        for i, count in enumerate(counts)
        if count
    ]
    return format_html(
        '<div class="histo"><svg class="bars" viewBox="0 0 100 100" preserveAspectRatio="none" role="img" '
        'aria-label="{}">{}</svg><p><span>{} {unit}</span><span>{} {unit}</span></p></div>',
        says,
        format_html_join("", '<rect class="{}" x="{}" y="{}" width="{}" height="{}"><title>{}</title></rect>', rects),
        signed(edges[0]),
        signed(edges[-1]),
        unit=unit,
    )


def calendar(days: Mapping[str, Any]) -> SafeString:
    """Return one square per day, weeks across: filled for a gain, hollow for a loss, its size the amount."""
    if not days["day"]:
        return mark_safe("")
    last = days["day"][-1]
    shown = [(d, p) for d, p in zip(days["day"], days["profit"], strict=True) if d > last - 7 * _MOST_WEEKS]
    largest = max(abs(profit) for _, profit in shown) or 1.0
    # 1970-01-01 was a Thursday: day + 3 counts from a Monday.
    first_week = (shown[0][0] + 3) // 7
    weeks = (last + 3) // 7 - first_week + 1
    squares, months = [], []
    for day, profit in shown:
        week, weekday = (day + 3) // 7 - first_week, (day + 3) % 7
        at = datetime.fromtimestamp(day * 86_400, tz=UTC)
        size = 4 + 10 * (abs(profit) / largest) ** 0.5 if profit else 2.0
        x, y = 44 + week * _PITCH + 7 - size / 2, 22 + weekday * _PITCH + 7 - size / 2
        css = "nofill sd" if profit < 0 else "fu" if profit > 0 else "fe"
        squares.append((css, f"{x:.1f}", f"{y:.1f}", f"{size:.1f}", f"{at.day} {at:%b %Y}: {signed(profit)} $"))
        if not months or months[-1][1] != f"{at:%b}":
            months.append((44 + week * _PITCH, f"{at:%b}"))
    labels = [months[0], *(b for a, b in pairwise(months) if b[0] - a[0] >= 2 * _PITCH)]
    width = 44 + weeks * _PITCH
    return format_html(
        '<svg class="svgc" width="{w}" height="166" viewBox="0 0 {w} 166" role="img" aria-label="Profit by day">'
        "{squares}{names}{months}</svg>",
        w=width,
        squares=format_html_join(
            "",
            '<rect class="{0}" x="{1}" y="{2}" width="{3}" height="{3}" rx="1.5" stroke-width="1.5">'
            "<title>{4}</title></rect>",
            squares,
        ),
        names=format_html_join(
            "",
            '<text x="0" y="{}">{}</text>',
            [(22 + i * _PITCH + 11, name) for i, name in ((0, "Mon"), (2, "Wed"), (4, "Fri"), (6, "Sun"))],
        ),
        months=format_html_join("", '<text x="{}" y="11">{}</text>', labels),
    )


def moment(seconds: float) -> str:
    """Return a moment as `12 Sep 14:03:10`, UTC."""
    at = datetime.fromtimestamp(seconds, tz=UTC)
    return f"{at.day} {at:%b %H:%M:%S}"


def signed(value: float) -> str:
    return f"{MINUS if value < 0 else '+' if value > 0 else ''}{abs(value):,.2f}"


def _points(start: int, t: Sequence[float], values: Sequence[float | None]) -> list[tuple[float, float | None]]:
    return [(start + at, value) for at, value in zip(t, values, strict=True)]


def _form(t: Sequence[float]) -> str:
    return time_form(t[-1] - t[0]) if len(t) > 1 else ""
