"""Settlement that goes wrong: what is told, what comes back, and that no dollar or share is made or lost."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from polybot.sandbox.catalogue import Market
from polybot.sandbox.messages import UserEvent
from tests.polybot.sandbox.app_kit import Trader
from tests.polybot.sandbox.order_kit import Pair, place

M = 1_000_000


@pytest.fixture
def pair() -> Pair:
    return Pair()


def fault(pair: Pair, kind: str, **more: Any) -> None:
    pair.local.control("faults", {"scope": "engine", "kind": kind, **more})


def told(pair: Pair, trader: Trader) -> list[tuple[str, str, str]]:
    """Collect (trade id, status, hash) that the trader's key is told from now on."""
    found: list[tuple[str, str, str]] = []

    def note(event: Any) -> None:
        if isinstance(event, UserEvent) and event.owner == trader.creds["apiKey"]:
            body = event.body
            if body["event_type"] == "trade":
                found.append((body["id"], body["status"], body["transaction_hash"]))

    pair.local.app.exchange.listen(note)
    return found


def trade(pair: Pair, market: Market, *, size: str = "10") -> list[str]:
    """Let one taker meet one maker, both buying, so that a pair is minted; return the trade ids."""
    assert place(pair.two, market, price="0.4", size=size, outcome=1).json["status"] == "live"
    answer = place(pair.one, market, price="0.6", size=size).json
    assert answer["status"] == "matched"
    ids: list[str] = answer["tradeIDs"]
    return ids


def walk(pair: Pair, seconds: int = 8) -> None:
    for _ in range(seconds * 10):
        pair.pass_ms(100)


def balanced(pair: Pair) -> None:
    exchange = pair.local.app.exchange
    accounts = exchange._core.accounts
    assert accounts.total_cash() + sum(accounts.collateral.values()) == accounts.funded
    for market in exchange.markets():
        yes, no = (accounts.total_shares(token) for token in market.token_ids)
        assert market.payouts is not None or yes == no == accounts.collateral[market.condition_id]
    for wallet in accounts.wallets.values():
        assert all(amount >= 0 for amount in wallet.ledger.values()), wallet.address
        assert not wallet.incoming and not wallet.outgoing, wallet.address


@pytest.mark.parametrize(
    ("kind", "statuses", "kept"),
    [
        (None, ["MATCHED", "MINED", "CONFIRMED"], True),
        ("retrying", ["MATCHED", "RETRYING", "MINED", "CONFIRMED"], True),
        ("failed", ["MATCHED", "RETRYING", "FAILED"], False),
        ("failed_after_mined", ["MATCHED", "MINED", "RETRYING", "FAILED"], False),
        ("confirmed_after_failed", ["MATCHED", "FAILED", "MINED", "CONFIRMED"], True),
        ("reorg", ["MATCHED", "MINED", "MINED", "CONFIRMED"], True),
    ],
)
@pytest.mark.parametrize("viewer", ["one", "two"], ids=["taker", "maker"])
def test_each_fate_is_told_in_order_and_moves_what_it_says(
    pair: Pair, kind: str | None, statuses: list[str], kept: bool, viewer: str
) -> None:
    market, trader = pair.market(), getattr(pair, viewer)
    if kind:
        fault(pair, kind, times=1)
    heard = told(pair, trader)
    before = pair.local.app.exchange.chain_balance(trader.account.address, "cash")
    trade(pair, market)
    walk(pair)
    assert [status for _, status, _ in heard] == statuses
    outcome = 0 if viewer == "one" else 1
    assert pair.position(trader, market, outcome=outcome) == (10 * M if kept else 0)
    after = pair.local.app.exchange.chain_balance(trader.account.address, "cash")
    assert (after == before) is not kept
    balanced(pair)
    if kind == "reorg":
        assert len({made for _, status, made in heard if status in ("MINED", "CONFIRMED")}) == 2
    (row,) = trader.ask("GET", "/data/trades").json["data"]
    assert (row["status"], row["err_msg"]) == (
        f"TRADE_STATUS_{statuses[-1]}",
        None if kept else "transaction reverted",
    )


def test_a_partial_failure_splits_the_match_into_two_transactions(pair: Pair) -> None:
    market = pair.market()
    fault(pair, "partial", times=1)
    ids = trade(pair, market, size="11")
    walk(pair)
    rows = {row["id"]: row for row in pair.one.ask("GET", "/data/trades").json["data"]}
    assert sorted((rows[i]["bucket_index"], rows[i]["size"], rows[i]["status"][13:]) for i in ids) == [
        (0, "5.5", "CONFIRMED"),
        (1, "5.5", "FAILED"),
    ]
    assert pair.position(pair.one, market) == 5_500_000
    balanced(pair)


def test_a_failed_sale_to_a_house_trader_gives_the_shares_back(pair: Pair) -> None:
    busy = Pair()
    exchange = busy.local.app.exchange
    market = next(m for m in exchange.markets() if m.tick == 10_000 and 300_000 < (m.best_bid or 0) < 700_000)
    exchange.split(busy.one.account.address, market.condition_id, 50 * M)
    fault(busy, "failed", times=1)
    price = str(Decimal(market.best_bid or 0) / M)
    sold = place(busy.one, market, side="SELL", price=price, size="5").json
    assert sold["status"] == "matched"
    walk(busy)
    assert busy.position(busy.one, market) == 50 * M
    assert exchange.chain_balance(busy.one.account.address, "cash") == 950 * M
    balanced(busy)


def test_orders_that_lived_off_a_failed_trade_fall_away(pair: Pair) -> None:
    market = pair.market()
    fault(pair, "failed_after_mined", times=1)
    trade(pair, market)
    pair.pass_ms(900)  # mined: the shares can be offered now
    assert place(pair.one, market, side="SELL", price="0.9", size="10").json["status"] == "live"
    walk(pair)
    assert pair.one.ask("GET", "/data/orders").json["data"] == []
    balanced(pair)


def test_what_was_sold_on_can_no_longer_fail(pair: Pair) -> None:
    market = pair.market()
    fault(pair, "failed_after_mined", times=1)
    trade(pair, market)
    pair.pass_ms(900)
    place(pair.two, market, price="0.3", size="10")
    assert place(pair.one, market, side="SELL", price="0.3", size="10").json["status"] == "matched"
    walk(pair)
    assert {row["status"] for row in pair.one.ask("GET", "/data/trades").json["data"]} == {"TRADE_STATUS_CONFIRMED"}
    balanced(pair)


def test_slow_settlement_is_slow(pair: Pair) -> None:
    fault(pair, "slow_settlement", latency_ms=20_000, times=1)
    trade(pair, pair.market())
    pair.pass_ms(15_000)
    assert pair.one.ask("GET", "/data/trades").json["data"][0]["status"] == "TRADE_STATUS_MATCHED"
    walk(pair, 10)
    assert pair.one.ask("GET", "/data/trades").json["data"][0]["status"] == "TRADE_STATUS_CONFIRMED"


def test_a_stale_cache_is_refreshed_by_update_only(pair: Pair) -> None:
    market = pair.market()
    path = f"/balance-allowance?asset_type=CONDITIONAL&token_id={market.token_ids[0]}&signature_type=0"
    assert pair.one.ask("GET", path).json["balance"] == "0"
    fault(pair, "stale_balance", seconds=60)
    trade(pair, market)
    walk(pair)
    assert pair.one.ask("GET", path).json["balance"] == "0"
    assert "not enough balance" in place(pair.one, market, side="SELL", price="0.9").json["error"]
    assert pair.one.ask("GET", path.replace("allowance?", "allowance/update?")).json == "OK"
    assert pair.one.ask("GET", path).json["balance"] == "10000000"
    assert place(pair.one, market, side="SELL", price="0.9").json["status"] == "live"


def test_a_phantom_reservation_outlives_its_order(pair: Pair) -> None:
    market = pair.market()
    fault(pair, "phantom_reservation", latency_ms=5_000, times=1)
    order_id = place(pair.one, market, price="0.5", size="1900").json["orderID"]
    assert pair.one.ask("DELETE", "/order", {"orderID": order_id}).json["canceled"] == [order_id]
    refused = place(pair.one, market, price="0.5", size="1900").json["error"]
    assert "sum of active orders: 950000000" in refused
    pair.pass_ms(5_100)
    assert place(pair.one, market, price="0.5", size="1900").json["status"] == "live"


def test_a_failed_fill_is_a_notification_of_its_own(pair: Pair) -> None:
    fault(pair, "failed", times=1)
    trade(pair, pair.market())
    walk(pair)
    assert 8 in {notice["type"] for notice in pair.one.ask("GET", "/notifications").json}
