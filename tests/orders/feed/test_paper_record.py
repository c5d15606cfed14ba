"""The record of the simulated venue: arrivals, fills and ends, each after the event that the venue had seen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from markets.services.records import Record
from orders.feed import paper_record
from tests.orders.feed import test_fills_process as kit

pytestmark = pytest.mark.django_db


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(paper_record, "VENUE", Record(tmp_path, "venue"))
    return tmp_path


def _lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for path in sorted(folder.glob("venue/*")) for line in path.read_text().splitlines()]


def test_what_happened_to_an_order_can_be_read_in_order(stream: kit.Stream, record: Path) -> None:
    account, outcome, fills = kit.account_make(), kit.outcome_make(), kit.process()
    stream.snapshot(outcome, **kit.BOOK)
    order = kit.send(account, outcome, price="0.48", size="10")
    kit.rounds(fills)
    stream.trade(outcome, kit.Side.SELL, "0.48", "104")
    kit.rounds(fills)
    assert kit.order_cancel_request(order.pk, "enough", "test", kit.now())
    kit.rounds(fills)
    start, place, fill, end = _lines(record)
    assert (start["k"], start["resting"]) == ("start", [])
    assert (place["k"], place["order"], place["state"], place["ahead"]) == ("place", order.pk, "live", 100_000_000)
    assert (fill["k"], fill["price"], fill["size"], fill["role"]) == ("fill", 480_000, 4_000_000, "maker")
    assert (end["k"], end["state"]) == ("end", "canceled")
    assert place["id"] == fill["id"] == end["id"]
    # The order came after the book and before the trade; the cancel after both.
    assert 0 <= place["after"] < end["after"] == fill["at"] * 1_000_000


def test_a_restart_says_what_rested(stream: kit.Stream, record: Path) -> None:
    account, outcome, fills = kit.account_make(), kit.outcome_make(), kit.process()
    stream.snapshot(outcome, **kit.BOOK)
    kit.send(account, outcome, price="0.48", size="10")
    kit.rounds(fills)
    kit.rounds(kit.process())
    starts = [line for line in _lines(record) if line["k"] == "start"]
    place = next(line for line in _lines(record) if line["k"] == "place")
    assert [start["resting"] for start in starts] == [[], [[place["id"], 0, 100_000_000]]]
