"""Permits, blocks and live conditions as the gate asks them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from markets.domain.instruments import Side
from orders.domain.lifecycle import Environment
from orders.domain.readiness import LiveConditions
from risk.domain.context import GateContext, origin_ref
from risk.domain.verdicts import Verdict
from risk.rules.review import review
from tests.factories.risk import AT, ORIGIN, context, facts, held, wanted

WELL = LiveConditions(
    account_id=1,
    environment=Environment.LIVE,
    connection="ready",
    stream_alive_at=AT,
    reconciled_at=AT,
    clock_offset_ms=0,
    clock_at=AT,
    blocked=False,
    blocked_at=AT,
)


def live(environment: Environment = Environment.LIVE, **changes: Any) -> GateContext:
    base = context(**{k: changes.pop(k) for k in ("venue_blocks", "market_blocks", "facts") if k in changes})
    permits = changes.pop("permits_missing", {origin_ref(ORIGIN): ()})
    missing = object()
    conditions = changes.pop("conditions", missing)
    if conditions is missing:
        conditions = replace(WELL, environment=environment, **changes)
    portfolio = replace(base.portfolio, environment=environment, positions={1: held(size="20", cost="10")})
    return replace(base, portfolio=portfolio, conditions=conditions, permits_missing=permits)


def verdict(made: GateContext, side: Side = Side.BUY, **values: Any) -> Verdict:
    price = "0.50" if side is Side.BUY else "0.51"
    (found,) = review([wanted(side=side, price=price, **values)], made)
    return found


def test_a_live_order_passes_when_everything_is_well_and_every_condition_is_kept() -> None:
    found = verdict(live())
    assert found.approved, found.message
    rules = [check.rule for check in found.checks]
    assert rules.index("auto_trade") < rules.index("live_permits") < rules.index("user_stream") < rules.index("lot")
    assert {"connected", "reconciled", "clock", "place", "venue_mode", "foreign_orders"} <= set(rules)


def test_paper_is_asked_none_of_it() -> None:
    rules = {check.rule for check in verdict(context()).checks}
    assert not rules & {"live_permits", "user_stream", "clock"} and {"venue_block", "market_block"} <= rules


@pytest.mark.parametrize(
    ("changes", "rule", "said"),
    [
        ({"conditions": None}, "conditions_known", "nothing is known"),
        ({"permits_missing": {}}, "live_permits", "were not read"),
        (
            {"permits_missing": {origin_ref(ORIGIN): ("strategy 1 is not permitted to trade live",)}},
            "live_permits",
            "strategy 1 is not permitted",
        ),
        ({"stream_alive_at": AT - timedelta(seconds=16)}, "user_stream", "16 s ago, at most 15 s"),
        ({"reconciled_at": AT - timedelta(seconds=121)}, "reconciled", "121 s ago, at most 120 s"),
        ({"clock_offset_ms": 5_001}, "clock", "5.0 s behind"),
        ({"blocked": True}, "place", "does not let this place"),
        ({"foreign_orders": 1}, "foreign_orders", "1 order of this wallet"),
        ({"mode": "cancel_only"}, "venue_mode", "cancels alone"),
    ],
)
def test_what_is_not_well_refuses_and_names_itself(changes: dict[str, Any], rule: str, said: str) -> None:
    found = verdict(live(**changes))
    assert found.refused and found.rule == rule and said in found.message


def test_conditions_of_another_environment_are_not_taken_for_this_one() -> None:
    found = verdict(live(Environment.SANDBOX, conditions=WELL))
    assert found.refused and found.rule == "conditions_known"


def test_a_sandbox_account_needs_conditions_and_no_permits() -> None:
    made = live(Environment.SANDBOX, permits_missing={}, blocked=None)
    assert verdict(made).approved
    assert verdict(live(Environment.SANDBOX, stream_alive_at=None)).rule == "user_stream"


@pytest.mark.parametrize("environment", list(Environment))
def test_a_block_keeps_entries_out_and_lets_exits_pass_in_every_environment(environment: Environment) -> None:
    for blocks in ({"venue_blocks": {"polymarket": "a new field: x"}}, {"market_blocks": {1: "fee went from 0 to 1"}}):
        made = live(environment, **blocks)
        bought, sold = verdict(made), verdict(made, Side.SELL)
        assert bought.refused and bought.rule in ("venue_block", "market_block")
        assert next(iter(next(iter(blocks.values())).values())) in bought.message
        assert sold.approved, sold.message


def test_facts_of_a_minute_are_enough_for_a_venue_and_more_are_not() -> None:
    for age, fine in ((60, True), (61, False)):
        known = {1: facts(synced_at=AT - timedelta(seconds=age))}
        assert verdict(live(facts=known)).approved is fine
        assert verdict(live(facts=known), Side.SELL).approved is fine
        assert verdict(context(facts=known)).approved  # paper allows three minutes
