"""`up --replay` on three recorded games of 138 minutes: a whole desk hears them, keeps their books and trades."""

from __future__ import annotations

import csv
import gzip
import json
import time
import urllib.request
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.end_to_end.desk import Desk
from tests.recordings import MLB

CAPTURES = sorted(MLB.glob("20250625_*.csv.gz"))
MESSAGES = 18_221  # as counted in the recordings' own README
DEPTH = 20  # levels a side that the desk shows

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(len(CAPTURES) != 3, reason="the shared recordings are not here"),
]

BOOKS = """
import json
from markets.domain.units import decimal_from_micro
from markets.models import Outcome
from markets.tickstore import get_tickstore
tokens = dict(Outcome.objects.values_list("pk", "token_id"))
views = get_tickstore().books_get(tokens)
text = lambda levels: [[str(decimal_from_micro(p)), str(decimal_from_micro(s))] for p, s in levels]
print(json.dumps({tokens[i]: [v.status, text(v.bids), text(v.asks)] for i, v in views.items()}))
"""
INVARIANTS = """
import json
from orders.services.invariants import check_invariants, ledger_sum
print(json.dumps({"broken": [str(v) for v in check_invariants()], "ledger": ledger_sum()}))
"""
TRADES = """
import json
from markets.models import TradePrint
kinds = {kind: TradePrint.objects.filter(inferred=kind == "inferred").count() for kind in ("inferred", "reported")}
print(json.dumps(kinds))
"""
FEED = """
import json
from markets.tickstore import get_tickstore
print(json.dumps(get_tickstore().feed_status_get()))
"""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("replayed")
    recordings = folder / "captures"
    recordings.mkdir()
    for path in CAPTURES:
        (recordings / path.name).symlink_to(path)
    running = Desk(folder / "desk", "--replay", str(recordings), "--speed", "200")
    try:
        running.wait_ready()
        yield running
    finally:
        if running.process.poll() is None:
            running.stop()
        running.kill()


def rebuilt() -> dict[str, tuple[dict[Decimal, Decimal], dict[Decimal, Decimal]]]:
    """The last state of every recorded book, by csv and dicts alone."""
    books: dict[str, tuple[dict[Decimal, Decimal], dict[Decimal, Decimal]]] = {}
    for path in CAPTURES:
        before: tuple[str, ...] = ()
        with gzip.open(path, "rt", newline="") as lines:
            for row in csv.DictReader(lines):
                message = (row["asset_id"], row["timestamp"], row["hash"], row["event_type"])
                if row["event_type"] == "book" and message != before:
                    books[row["asset_id"]] = ({}, {})
                before = message
                side = books[row["asset_id"]][0 if row["side"] in ("bid", "BUY") else 1]
                price, size = Decimal(row["price"]), Decimal(row["size"])
                if size:
                    side[price] = size
                else:
                    side.pop(price, None)
    return books


def best(levels: dict[Decimal, Decimal], *, highest: bool) -> list[tuple[Decimal, Decimal]]:
    return sorted(levels.items(), reverse=highest)[:DEPTH]


def printed(desk: Desk, code: str) -> Any:
    return json.loads(desk.python(code).splitlines()[-1])


def replay_status(desk: Desk) -> dict[str, Any]:
    control = json.loads((desk.data / "desk.json").read_text())["environment"]["POLYMARKET_CONTROL_URL"]
    with urllib.request.urlopen(f"{control}/stats", timeout=10) as answer:
        return dict(json.loads(answer.read())["engine"]["source"])


def test_the_whole_recording_is_played_heard_and_traded_on(desk: Desk) -> None:
    desk.wait_for(lambda: replay_status(desk)["finished"], "end of the recording", limit_s=75)
    played = replay_status(desk)
    assert (played["played"], played["refused_lines"], played["ignored_frames"]) == (MESSAGES, {}, 0)

    expected = {
        token: (best(bids, highest=True), best(asks, highest=False)) for token, (bids, asks) in rebuilt().items()
    }
    assert len(expected) == 6

    def found() -> dict[str, Any]:
        return {
            token: tuple([(Decimal(p), Decimal(s)) for p, s in side] for side in (bids, asks))
            for token, (_, bids, asks) in printed(desk, BOOKS).items()
        }

    end = time.monotonic() + 10
    while (shown := found()) != expected and time.monotonic() < end:
        time.sleep(0.5)
    assert shown == expected

    # Trades are told once each, without an id: as many rows as the exchange deduced, equal ones of one moment included.
    told = {"inferred": played["inferred_trades"], "reported": 0}
    end = time.monotonic() + 10
    while (stored := printed(desk, TRADES)) != told and time.monotonic() < end:
        time.sleep(0.5)
    assert stored == told
    feed = printed(desk, FEED)
    assert (feed["refused"], feed["rows_dropped"], feed["down"], feed["fresh"]) == (0, 0, {}, 6)
    assert feed["events"] >= MESSAGES
    desk.wait_for(lambda: desk.status()["orders"] > 0, "order of a strategy", limit_s=5)
    assert desk.status()["ledger_sum"] == "0"
    assert printed(desk, INVARIANTS) == {"broken": [], "ledger": {}}
