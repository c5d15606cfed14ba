from __future__ import annotations

import csv
import io
from dataclasses import replace

from backtests.services.trades import trades_csv
from tests.backtests.replays import result_make
from tests.backtests.tapes import TapeMaker, facts_make


def test_each_fill_is_a_line_of_plain_decimals() -> None:
    facts = facts_make(1, question='=HYPERLINK("x")')
    result = result_make([TapeMaker(facts).book(0, bids=[("0.40", "100")], asks=[("0.42", "100")]).tape()])
    (row,) = csv.DictReader(io.StringIO(trades_csv(result)))
    assert row == {
        "time": "2026-10-01T12:00:00.000000005Z", "market": "thing-1", "question": "'=HYPERLINK(\"x\")",
        "outcome": "Yes", "side": "buy", "price": "0.4", "size": "10", "fee": "0.012345", "cash": "-4.012345",
        "realized": "0", "mid": "0.41", "liquidity": "taker", "order": "1", "inferred": "no",
    }  # fmt: skip
    fills = result.fills.copy()
    fills["mid"], fills["side"], fills["taker"], fills["inferred"] = -1, 0, 0, 1
    (row,) = csv.DictReader(io.StringIO(trades_csv(replace(result, fills=fills))))
    assert [row[name] for name in ("mid", "side", "liquidity", "inferred")] == ["", "sell", "maker", "yes"]
