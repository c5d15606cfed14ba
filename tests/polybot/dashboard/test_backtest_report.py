"""The page, the file and the comparison of backtest reports: what they say, how large they are, what they refuse."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from django.template.loader import render_to_string
from django.test import Client, RequestFactory
from django.urls import reverse

from backtests.domain.report import report_of
from backtests.domain.request import QueueAssumption
from backtests.models import BacktestRun
from markets.domain.units import ONE
from polybot.dashboard.report_export import report_html
from polybot.dashboard.report_page import report_shown
from tests.backtests.reports import CAPITAL, fill_row, large_make, request_make, result_make

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def large() -> dict[str, Any]:
    result, tapes = large_make()
    names = [replace(m, question=f"<b>Will</b> & number {i} win?") for i, m in enumerate(result.markets)]
    bands = {"neutral": result, "optimistic": replace(result, cash=result.cash + ONE, rebates=ONE)}
    report = report_of(
        request_make(capital=result.capital), replace(result, markets=tuple(names)), bands=bands, tapes=tapes
    )
    return json.loads(json.dumps(report))


def empty_report(**request: Any) -> dict[str, Any]:
    return json.loads(json.dumps(report_of(request_make(**request), result_make(), bands={}, tapes=())))


def run_make(report: dict[str, Any] | None, name: str = "maker", **more: Any) -> BacktestRun:
    values: dict[str, Any] = {
        "name": name, "by": "ann", "strategy": "touch_maker", "mode": "exact", "seed": 7,
        "request": json.loads(json.dumps(request_make().as_json(), default=str)), "request_digest": "ab" * 32,
        "limits": {}, "state": "done", "created_at": NOW, "started_at": NOW, "ended_at": NOW + timedelta(seconds=9),
        "progress": 1.0, "report": report, "events": 1_000_000, "fills": 10_000,
    }  # fmt: skip
    return BacktestRun.objects.create(**{**values, **more})


class Tags(HTMLParser):
    """Checks that elements nest, and collects what a browser would fetch."""

    VOID = {"meta", "link", "input", "br", "img", "rect", "path", "line", "circle", "polyline"}

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.fetched += [v for k in ("src", "href", "data", "srcset", "action") if (v := found.get(k)) and v[0] != "#"]
        assert "style" not in found and not any(k.startswith("on") for k in found)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


def rendered(report: dict[str, Any], query: str = "") -> str:
    context = report_shown(report, RequestFactory().get(f"/{query}"))
    return render_to_string("dashboard/_backtest_report.html", context)


def test_the_report_reads_without_script_and_nests(large: dict[str, Any]) -> None:
    html = rendered(large)
    tags = Tags()
    tags.feed(html)
    assert tags.open == []
    assert "<script" not in html and "&lt;b&gt;Will&lt;/b&gt; &amp; number" in html
    for words in ("Made", "Data fidelity 77", "33 % of the fills", "Where the profit came from", "Markout", "Bands"):
        assert words in html
    assert html.count("<polyline") + html.count('class="si nofill line"') >= 2


def test_the_page_of_a_million_events_and_ten_thousand_fills_is_small(large: dict[str, Any], staff: Client) -> None:
    row = run_make(large)
    response = staff.get(reverse("desk:backtest", args=[row.pk]))
    assert response.status_code == 200
    assert len(response.content) <= 300_000
    page = response.content.decode()
    # A third mode beside paper and live: the account in the menu has nothing to do with it.
    assert '<html lang="en" data-mode="replay"' in page and "<title>[BACKTEST] " in page
    assert "Quotes come from" not in page
    assert page.index("<td>Pessimistic") < page.index("<td>Neutral") < page.index("<td>Optimistic")


def test_times_of_a_report_stay_in_utc(large: dict[str, Any]) -> None:
    # The script turns `data-form` times into the viewer's zone; a report has none of them.
    assert "data-form" not in rendered(large)


def test_another_outcome_and_another_page_of_trades_are_links(large: dict[str, Any]) -> None:
    assert large["prices"][2]["market"] != large["prices"][0]["market"]
    html = rendered(large, "?price=2&tr-page=3&tr-sort=-size")
    assert re.search(r'href="\?price=2#price" aria-current="true"', html)
    assert "101–150 of 200" in html
    first = large["outcomes"][str(large["prices"][2]["market"])][0]
    assert f"Price of {first}".replace("<b>", "&lt;b&gt;").split("&")[0] in html


@pytest.mark.parametrize("query", ["?price=999", "?price=-1", "?price=x", "?tr-page=0", "?bm-sort=nonsense"])
def test_odd_addresses_show_the_first_page(large: dict[str, Any], query: str) -> None:
    assert "Price with orders and fills" in rendered(large, query)


def test_a_run_without_a_trade_has_a_page_too() -> None:
    html = rendered(empty_report())
    assert "It says nothing" in html and "It did not trade." in html and "Nothing was traded." in html
    assert "less than two days of data" in html
    tags = Tags()
    tags.feed(html)
    assert tags.open == []


def test_low_fidelity_and_problems_are_said_above_everything() -> None:
    result = result_make([fill_row(1, price=45, size=10)], problems=("the book <was> crossed",), gaps=((0, 0, 9**30),))
    report = report_of(request_make(), result, bands={}, tapes=())
    html = rendered(json.loads(json.dumps(report)))
    assert html.index("Low fidelity.") < html.index("Equity and drawdown")
    assert "the book &lt;was&gt; crossed" in html


def test_the_file_needs_nothing_else(large: dict[str, Any], staff: Client) -> None:
    row = run_make(large, name="<i>my</i> run", notes="why\nnot", tags=["first"])
    row.refresh_from_db()
    response = staff.get(reverse("desk:backtest_export", args=[row.pk]))
    assert response["Content-Disposition"] == f'attachment; filename="backtest-{row.pk}.html"'
    html = response.content.decode()
    assert html == report_html(row)
    tags = Tags()
    tags.feed(html)
    assert tags.open == [] and tags.fetched == []
    assert "<script" not in html and "url(" not in html and "@import" not in html
    assert "&lt;i&gt;my&lt;/i&gt; run" in html and "why\nnot" in html
    assert html.count('class="plot"') >= 3 + len(large["prices"])  # every price picture is inside


def test_what_has_no_report_cannot_be_exported(staff: Client) -> None:
    assert staff.get(reverse("desk:backtest_export", args=[run_make(None).pk])).status_code == 404
    assert staff.get(reverse("desk:backtest_export", args=[99_999])).status_code == 404


def compare(client: Client, *runs: Any) -> str:
    query = "&".join(f"run={run}" for run in runs)
    response = client.get(f"{reverse('desk:backtest_compare')}?{query}")
    assert response.status_code == 200
    return response.content.decode()


def test_runs_on_the_same_data_stand_side_by_side(staff: Client) -> None:
    one = run_make(empty_report(), name="careful")
    other = run_make(empty_report(queue=QueueAssumption.NEUTRAL, params={"spread": "0.05"}), name="hopeful")
    html = compare(staff, one.pk, other.pk)
    assert "Different data" not in html
    assert re.search(r'<td>spread</td><td class="words differs">0\.02</td><td class="words differs">0\.05</td>', html)
    assert html.count('class="words differs"') == 4  # the queue and one parameter, in two runs
    assert "Win rate" in html and "careful" in html and "hopeful" in html


def test_runs_on_other_data_are_told_apart_first(large: dict[str, Any], staff: Client) -> None:
    one, other, third = run_make(large, "large"), run_make(empty_report(), "small"), run_make(large, "again")
    html = compare(staff, one.pk, other.pk, third.pk)
    assert html.index("Different data: these figures do not compare.") < html.index('id="c-f"')
    assert "large and again; small alone" in html


def test_a_comparison_has_at_most_four_runs_and_names_what_it_leaves_out(staff: Client) -> None:
    runs = [run_make(empty_report(), f"run {i}").pk for i in range(5)]
    queued = run_make(None, "unfinished", state="queued", ended_at=None, started_at=None)
    assert "Only the first 4 are shown." in compare(staff, *runs)
    html = compare(staff, runs[0], runs[1], queued.pk, 99_999)
    assert "has no report" in html and "1 of the runs does not exist." in html
    for nothing in ((), (runs[0],), ("x",), (queued.pk, runs[0])):
        assert "Choose at least two runs that have a report." in compare(staff, *nothing)


def test_a_comparison_of_a_run_with_itself_is_one_run(staff: Client) -> None:
    run = run_make(empty_report())
    assert "Choose at least two" in compare(staff, run.pk, run.pk)


def test_capital_is_compared_as_an_assumption(staff: Client) -> None:
    one, other = run_make(empty_report()), run_make(empty_report(capital=CAPITAL * 2))
    assert "$2,000" in compare(staff, one.pk, other.pk)
