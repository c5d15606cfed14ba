"""Both official clients trade against the local exchange, their packages untouched.

py-clob-client-v2 is pointed at it by its host argument; polymarket-client by an environment
made with its own constructor. The exchange runs as a separate process with a fixed seed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import py_clob_client_v2 as v2
import pytest
from eth_account import Account
from polymarket import PublicClient, SecureClient
from polymarket._internal.environment import PRODUCTION_CONFIG
from polymarket.environments import Environment
from polymarket.errors import RequestRejectedError
from py_clob_client_v2.exceptions import PolyApiException

from tests.end_to_end.official_kit import KEYS, get, pick, post, taken, until, v2_client

POST_ONLY = "invalid post-only order: order crosses book"


# py-clob-client-v2 ------------------------------------------------------------------------------------


def test_v2_reads_the_public_side(urls: dict[str, str]) -> None:
    client = v2.ClobClient(urls["clob"], 137)
    market = pick(urls, neg_risk=False)
    assert client.get_ok() == "OK"
    assert abs(client.get_server_time() - time.time()) < 5
    assert client.get_version() == 2
    book = client.get_order_book(market.token_id)
    assert client.get_tick_size(market.token_id) == "0.01"
    assert client.get_neg_risk(market.token_id) is False
    assert book["market"] == market.condition_id
    assert Decimal(client.get_midpoint(market.token_id)["mid"]) > 0
    assert [m["condition_id"] for m in client.get_markets()["data"]].count(market.condition_id) == 1
    info = client.get_clob_market_info(market.condition_id)
    assert market.token_id in {token["t"] for token in info["t"]}


def test_v2_computes_the_hash_that_the_book_states(urls: dict[str, str]) -> None:
    client = v2.ClobClient(urls["clob"], 137)
    raw = client.get_order_book(pick(urls, neg_risk=False).token_id)
    fields = {**raw, "bids": [v2.clob_types.OrderSummary(**x) for x in raw["bids"]]}
    fields["asks"] = [v2.clob_types.OrderSummary(**x) for x in raw["asks"]]
    summary = v2.clob_types.OrderBookSummary(**fields)
    assert client.get_order_book_hash(summary) == raw["hash"]


@pytest.mark.parametrize("deposit", [False, True], ids=["eoa", "deposit-wallet"])
@pytest.mark.parametrize("neg_risk", [False, True], ids=["binary", "neg-risk"])
def test_v2_order_rests_shows_and_is_cancelled(urls: dict[str, str], deposit: bool, neg_risk: bool) -> None:
    client, market = v2_client(urls, deposit=deposit), pick(urls, neg_risk=neg_risk)
    price = float(market.tick * 2)
    placed = client.create_and_post_order(v2.OrderArgs(token_id=market.token_id, price=price, size=10, side="BUY"))
    assert (placed["success"], placed["status"]) == (True, "live")
    (shown,) = client.get_open_orders(v2.OpenOrderParams(market=market.condition_id))
    assert (shown["id"], shown["status"], shown["original_size"]) == (placed["orderID"], "LIVE", "10")
    assert client.get_order(placed["orderID"])["id"] == placed["orderID"]
    canceled = client.cancel_order(v2.OrderPayload(orderID=placed["orderID"]))
    assert canceled == {"canceled": [placed["orderID"]], "not_canceled": {}}
    assert client.get_open_orders() == []
    again = client.cancel_order(v2.OrderPayload(orderID=placed["orderID"]))
    assert again["not_canceled"] == {placed["orderID"]: "Order not found or already canceled"}


@pytest.mark.parametrize("deposit", [False, True], ids=["eoa", "deposit-wallet"])
def test_v2_market_orders_fill_and_settle(urls: dict[str, str], deposit: bool) -> None:
    client, market = v2_client(urls, deposit=deposit), pick(urls, neg_risk=False)
    cash = v2.BalanceAllowanceParams(asset_type="COLLATERAL")
    before = int(client.get_balance_allowance(cash)["balance"])
    assert before == 1_000_000_000
    worst = float(market.ask + market.tick * 5)  # room for this client's rounding
    bought = taken(
        lambda: client.create_and_post_market_order(
            v2.MarketOrderArgs(token_id=market.token_id, amount=10, side="BUY", price=worst, order_type="FAK"),
            order_type="FAK",
        )
    )
    assert bought["status"] == "matched"
    assert bought["transactionsHashes"] and all(h.startswith("0x") for h in bought["transactionsHashes"])
    trades = until(
        lambda: client.get_trades(v2.TradeParams(market=market.condition_id)),
        lambda found: {t["status"] for t in found} == {"TRADE_STATUS_CONFIRMED"},
    )
    assert {t["id"] for t in trades} == set(bought["tradeIDs"])
    assert sum(Decimal(t["size"]) for t in trades) == Decimal(bought["takingAmount"])
    client.update_balance_allowance(cash)
    shares = v2.BalanceAllowanceParams(asset_type="CONDITIONAL", token_id=market.token_id)
    client.update_balance_allowance(shares)
    spent = before - int(client.get_balance_allowance(cash)["balance"])
    held = int(client.get_balance_allowance(shares)["balance"])
    assert Decimal(held).scaleb(-6) == Decimal(bought["takingAmount"])
    assert Decimal(bought["makingAmount"]).scaleb(6) <= spent <= 11_000_000
    size = int(held / 10_000) / 100
    sold = taken(
        lambda: client.create_and_post_market_order(
            v2.MarketOrderArgs(token_id=market.token_id, amount=size, side="SELL", order_type="FOK"), order_type="FOK"
        )
    )
    assert (sold["status"], Decimal(sold["makingAmount"])) == ("matched", Decimal(str(size)))


def test_v2_refusals_come_in_the_venues_words(urls: dict[str, str]) -> None:
    client, market = v2_client(urls), pick(urls, neg_risk=False)

    def refusal(call: Callable[[], Any]) -> tuple[int, str]:
        with pytest.raises(PolyApiException) as caught:
            call()
        return caught.value.status_code, caught.value.error_msg["error"]

    def order(price: Decimal, size: float, side: str = "BUY") -> Any:
        return client.create_order(v2.OrderArgs(token_id=market.token_id, price=float(price), size=size, side=side))

    crossing = order(market.ask + market.tick * 3, 10)
    assert refusal(lambda: client.post_order(crossing, "GTC", post_only=True)) == (400, POST_ONLY)
    small = order(market.tick, 1)
    assert "lower than the minimum: 5" in refusal(lambda: client.post_order(small))[1]
    rich = order(market.tick * 20, 100_000)
    assert "not enough balance / allowance" in refusal(lambda: client.post_order(rich))[1]
    resting = order(market.tick, 10)
    client.post_order(resting)
    assert refusal(lambda: client.post_order(resting))[1].endswith("is invalid. Duplicated.")
    fok = v2.MarketOrderArgs(token_id=market.token_id, amount=5, side="BUY", price=float(market.tick), order_type="FOK")
    killed = client.create_market_order(fok)
    assert refusal(lambda: client.post_order(killed, "FOK")) == (
        400,
        "order couldn't be fully filled. FOK orders are fully filled or killed.",
    )
    other = v2_client(urls)
    assert "has to be the address of the API KEY" in refusal(lambda: other.post_order(order(market.tick, 20)))[1]
    forged = client.create_order(v2.OrderArgs(token_id=market.token_id, price=float(market.tick), size=30, side="BUY"))
    forged.signature = forged.signature[:-4] + ("00" if forged.signature[-4:-2] != "00" else "11") + "1b"
    assert refusal(lambda: client.post_order(forged)) == (400, "invalid signature")
    client.cancel_all()


def test_v2_batch_answers_leg_by_leg_and_at_most_fifteen(urls: dict[str, str]) -> None:
    client, market = v2_client(urls), pick(urls, neg_risk=True)

    def legs(count: int, size: float = 5) -> list[Any]:
        return [
            v2.PostOrdersV2Args(
                order=client.create_order(
                    v2.OrderArgs(token_id=market.token_id, price=0.02, size=size + n, side="BUY")
                ),
                orderType="GTC",
            )
            for n in range(count)
        ]

    answers = client.post_orders([*legs(2), *legs(1, size=1)])
    assert [a["status"] for a in answers] == ["live", "live", ""]
    assert "lower than the minimum" in answers[2]["errorMsg"]
    assert answers[2]["orderID"] == ""
    with pytest.raises(PolyApiException, match="Too many orders in payload: 16, max allowed: 15"):
        client.post_orders(legs(16))
    canceled = client.cancel_market_orders(v2.OrderMarketCancelParams(market=market.condition_id))
    assert sorted(canceled["canceled"]) == sorted(a["orderID"] for a in answers[:2])


def test_v2_gtd_needs_three_minutes(urls: dict[str, str]) -> None:
    client, market = v2_client(urls), pick(urls, neg_risk=False)
    now = int(time.time())

    def expiring(seconds: int) -> Any:
        args = v2.OrderArgs(token_id=market.token_id, price=0.02, size=10, side="BUY", expiration=now + seconds)
        return client.post_order(client.create_order(args), "GTD")

    with pytest.raises(PolyApiException, match="invalid expiration"):
        expiring(120)
    assert expiring(300)["status"] == "live"
    assert client.get_open_orders()[0]["expiration"] == str(now + 300)


# polymarket-client ------------------------------------------------------------------------------------


@pytest.mark.parametrize("wallet", ["deposit", "eoa"])
def test_unified_client_trades_and_settles(urls: dict[str, str], environment: Environment, wallet: str) -> None:
    key = next(KEYS)
    address = Account.from_key(key).address if wallet == "eoa" else None
    market = pick(urls, neg_risk=False)
    with SecureClient.create(private_key=key, wallet=address, environment=environment) as client:
        assert client.get_balance_allowance(asset_type="COLLATERAL").balance == 1_000_000_000
        assert client.get_trading_approvals_state().is_fully_approved
        assert client.get_closed_only_mode() is False
        book = client.get_order_book(asset_id=market.token_id)
        assert book.bids[-1].price < book.asks[-1].price
        resting = client.place_limit_order(asset_id=market.token_id, price=market.tick, size=10, side="BUY")
        assert resting.ok and resting.status == "live"
        assert [o.id for o in client.list_open_orders().iter_items()] == [resting.order_id]
        assert client.cancel_order(order_id=resting.order_id).canceled == (resting.order_id,)
        filled = taken(lambda: client.place_market_order(asset_id=market.token_id, side="BUY", amount=10))
        assert filled.ok and filled.status == "matched"
        hashes = client.wait_for_order_fill_settlement(filled, timeout_s=10)
        assert hashes
        trades = [t for t in client.list_account_trades().iter_items() if t.id in filled.trade_ids]
        assert {t.status for t in trades} == {"CONFIRMED"}
        positions = list(client.list_positions().iter_items())
        assert [(p.asset_id, p.current_size) for p in positions] == [(market.token_id, filled.taking_amount)]
        assert client.get_portfolio_value().value > 0
        assert {t.asset_id for t in client.list_trades().iter_items()} == {market.token_id}
        assert {a.type for a in client.list_activity().iter_items()} == {"TRADE"}
        sold = taken(
            lambda: client.place_market_order(
                asset_id=market.token_id,
                side="SELL",
                shares=filled.taking_amount.quantize(Decimal("0.01"), "ROUND_DOWN"),
            )
        )
        assert sold.ok and sold.status == "matched"
        assert {n.type for n in client.get_notifications()} >= {1, 2}


def test_unified_client_hears_refusals_as_it_expects(urls: dict[str, str], environment: Environment) -> None:
    market = pick(urls, neg_risk=True)
    with SecureClient.create(private_key=next(KEYS), environment=environment) as client:
        with pytest.raises(RequestRejectedError) as crossing:
            client.place_limit_order(
                asset_id=market.token_id, price=market.ask + 3 * market.tick, size=10, side="BUY", post_only=True
            )
        assert (crossing.value.status, POST_ONLY in str(crossing.value)) == (400, True)
        with pytest.raises(RequestRejectedError, match="not enough balance"):
            client.place_limit_order(asset_id=market.token_id, price=market.tick, size=1_000_000, side="BUY")


def test_unified_client_approves_what_was_revoked_and_splits_and_merges(
    urls: dict[str, str], environment: Environment
) -> None:
    key, market = next(KEYS), pick(urls, neg_risk=False)
    owner = Account.from_key(key).address
    with SecureClient.create(private_key=key, wallet=owner, environment=environment) as client:
        exchange = PRODUCTION_CONFIG.standard_exchange
        post(f"{urls['control']}/allowance", {"address": owner, "spender": exchange, "amount": "0"})
        assert not client.get_trading_approvals_state().is_fully_approved
        client.setup_trading_approvals()
        assert client.get_trading_approvals_state().is_fully_approved
        client.split_position(condition_id=market.condition_id, amount=5_000_000).wait()
        held = post_wallet(urls, owner)
        assert sorted(held["holdings"].values()) == ["5", "5"]
        assert held["cash"] == "995"
        client.merge_positions(condition_id=market.condition_id, amount=5_000_000).wait()
        assert post_wallet(urls, owner) == {"cash": "1000", "holdings": {}}


def post_wallet(urls: dict[str, str], address: str) -> Any:
    return get(f"{urls['control']}/wallet/{address}")


def test_unified_client_parses_every_market_and_event(environment: Environment, urls: dict[str, str]) -> None:
    with PublicClient(environment=environment) as client:
        markets = [
            m for closed in (False, True) for m in client.list_markets(closed=closed, page_size=100).iter_items()
        ]
        events = [e for closed in (False, True) for e in client.list_events(closed=closed, page_size=7).iter_items()]
        status = get(f"{urls['control']}/stats")["engine"]
        assert len(markets) >= 120 and len(markets) == len({m.id for m in markets})
        assert len(events) >= 30
        assert abs(status["markets"] - len(markets)) <= 8  # one may be listed or dropped in between
        assert sum(len(e.markets) for e in events) >= 120
        assert all(len({m.outcomes.yes.token_id, m.outcomes.no.token_id}) == 2 for m in markets)
        assert any(e.trading.neg_risk_augmented for e in events)
        one = client.get_market(id=markets[0].id)
        assert client.get_market(slug=str(one.slug)).id == one.id
        assert client.get_event(id=events[0].id).slug == events[0].slug
        assert [t.slug for t in client.list_tags().iter_items()]
        assert client.search(q=str(events[0].title).split()[0]).first_page().items


def test_unified_client_reads_the_data_api(urls: dict[str, str], environment: Environment) -> None:
    market = pick(urls, neg_risk=False)
    with PublicClient(environment=environment) as client:
        trades = client.list_trades(page_size=50).first_page().items
        assert trades and all(t.size > 0 and 0 < t.price < 1 for t in trades)
        (resolution,) = client.get_resolutions(condition_ids=[market.condition_id])
        assert (resolution.status, resolution.payouts) == ("posed", None)
        yes, no = client.get_token_references(condition_ids=[market.condition_id])
        assert (yes.asset_id, yes.opposite_asset_id) == (market.token_id, no.asset_id)
        assert client.list_price_history(asset_id=market.token_id, interval="1h").first_page() is not None
        assert client.list_market_holders(condition_ids=market.condition_id).first_page().items
        assert client.get_open_interests(condition_ids=[market.condition_id])[0].value >= 0
