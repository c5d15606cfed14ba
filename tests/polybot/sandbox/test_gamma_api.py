"""The metadata API: pages that neither repeat nor lose, filters, orders, and Gamma's own spelling."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.polybot.sandbox.app_kit import Local


@pytest.fixture(scope="module")
def local() -> Local:
    return Local()


def pages(local: Local, path: str, name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = local.get(f"/gamma-api/{path}{f'&after_cursor={cursor}' if cursor else ''}")
        rows += page[name]
        if "next_cursor" not in page:
            return rows
        cursor = page["next_cursor"]


@pytest.mark.parametrize("order", ["", "&order=volumeNum&ascending=false", "&order=endDate", "&order=question"])
def test_keyset_pages_hold_every_open_market_once(local: Local, order: str) -> None:
    rows = pages(local, f"markets/keyset?limit=7{order}", "markets")
    assert len(rows) >= 120
    assert len({row["id"] for row in rows}) == len(rows)


def test_a_page_holds_a_hundred_rows_at_most_and_twenty_by_default(local: Local) -> None:
    assert len(local.get("/gamma-api/markets/keyset?limit=5000")["markets"]) == 100
    assert len(local.get("/gamma-api/markets/keyset")["markets"]) == 20


def test_a_market_is_spelled_as_gamma_spells_it(local: Local) -> None:
    market = local.get("/gamma-api/markets?limit=1")[0]
    assert [len(json.loads(market[k])) for k in ("outcomes", "outcomePrices", "clobTokenIds")] == [2, 2, 2]
    assert isinstance(market["id"], str)
    assert isinstance(market["volume"], str) and isinstance(market["volumeNum"], int | float)
    assert market["enableOrderBook"] and market["active"] and market["acceptingOrders"] and not market["closed"]
    assert market["events"][0]["id"] and "markets" not in market["events"][0]


def test_an_event_carries_its_markets_unless_they_are_not_wanted(local: Local) -> None:
    event = local.get("/gamma-api/events/keyset?limit=1")["events"][0]
    assert event["markets"] and "events" not in event["markets"][0]
    bare = local.get(f"/gamma-api/events?id={event['id']}&include_markets=false")[0]
    assert "markets" not in bare


def test_markets_are_found_by_any_of_their_ids(local: Local) -> None:
    first, second = local.get("/gamma-api/markets?limit=2")
    token = json.loads(second["clobTokenIds"])[1]
    for query, wanted in [
        (f"id={first['id']}&id={second['id']}", {first["id"], second["id"]}),
        (f"condition_ids={first['conditionId']}", {first["id"]}),
        (f"clob_token_ids={token}", {second["id"]}),
        (f"slug={first['slug']}", {first["id"]}),
    ]:
        assert {m["id"] for m in local.get(f"/gamma-api/markets?{query}")} == wanted
    assert local.get(f"/gamma-api/markets/{first['id']}")["slug"] == first["slug"]
    assert local.get(f"/gamma-api/markets/slug/{first['slug']}")["id"] == first["id"]


def test_protocol_two_markets_are_a_list_of_none(local: Local) -> None:
    assert local.get("/gamma-api/markets?version=v2") == []


def test_a_resolved_market_leaves_the_open_list_and_names_its_payouts() -> None:
    local = Local(seed=2)
    market = local.get("/gamma-api/markets?limit=1")[0]
    local.control("resolve", {"market": market["conditionId"], "winner": "split"})
    assert local.get(f"/gamma-api/markets?condition_ids={market['conditionId']}") == []
    (closed,) = local.get(f"/gamma-api/markets?closed=true&condition_ids={market['conditionId']}")
    assert (closed["outcomePrices"], closed["umaResolutionStatus"], closed["closed"]) == (
        '["0.5", "0.5"]',
        "resolved",
        True,
    )
    assert closed["acceptingOrders"] is False


@pytest.mark.parametrize("query", ["order=colour", "after_cursor=zzz", "volume_num_min=much", "end_date_min=soon"])
def test_a_filter_that_makes_no_sense_is_a_validation_error(local: Local, query: str) -> None:
    answer = local.ask("GET", f"/gamma-api/markets/keyset?{query}")
    assert (answer.status, answer.json["type"]) == (422, "validation error")


def test_a_rows_place_is_kept_while_others_change() -> None:
    local = Local(seed=3)
    first = local.get("/gamma-api/markets/keyset?limit=50&order=id")
    local.control("resolve", {"market": first["markets"][0]["conditionId"], "winner": 0})
    second = local.get(f"/gamma-api/markets/keyset?limit=50&order=id&after_cursor={first['next_cursor']}")
    assert {m["id"] for m in first["markets"]}.isdisjoint(m["id"] for m in second["markets"])
    assert int(second["markets"][0]["id"]) > int(first["markets"][-1]["id"])


def test_unknown_things_are_not_found(local: Local) -> None:
    for path in ("markets/0", "events/x", "markets/slug/none", "tags/0", "nowhere"):
        assert local.ask("GET", f"/gamma-api/{path}").status == 404


def test_search_wants_every_word(local: Local) -> None:
    event = local.get("/gamma-api/events?limit=1")[0]
    words = "%20".join(event["title"].split()[:3])
    assert event["id"] in {
        e["id"] for e in local.get(f"/gamma-api/public-search?q={words}&limit_per_type=50")["events"]
    }
    assert local.get("/gamma-api/public-search?q=zzzz")["pagination"] == {"hasMore": False, "totalResults": 0}
