"""The demo exchange's life: catalogue, reproducibility, endings, money, restarts."""

from __future__ import annotations

import hashlib
import json
import random
from pathlib import Path

import pytest

from markets.domain.instruments import MarketState, Side
from markets.domain.units import ONE, text_from_micro
from markets.venues.simulated.matching import OrderType
from polybot.sandbox.exchange import Exchange
from polybot.sandbox.messages import CASH, MarketEvent, NewOrder, Refusal
from polybot.sandbox.options import ExchangeOptions
from polybot.sandbox.state import StateError
from tests.polybot.sandbox.exchange_kit import ALICE, BOB, START_MS, Desk, amounts, limit, owner_of


@pytest.mark.parametrize("seed", [1, 2, 3, 77])
def test_the_catalogue_is_large_and_varied(seed: int) -> None:
    exchange = Exchange(ExchangeOptions(seed=seed), clock=lambda: START_MS)
    events, markets = exchange.events(), exchange.markets()
    assert len(events) >= 30 and len(markets) >= 120
    assert sum(event.neg_risk_augmented for event in events) == 1
    assert sum(event.neg_risk for event in events) >= 3
    assert {m.tick for m in markets} == {1_000, 10_000}
    assert len({m.category for m in markets}) >= 9
    assert any(m.rewards for m in markets) and any(m.fee is None for m in markets)
    tokens = [token for m in markets for token in m.token_ids]
    assert len(set(tokens)) == len(tokens) and all(len(token) == 77 for token in tokens)
    assert all(int(token) < 2**256 for token in tokens)
    assert len({m.slug for m in markets}) == len({m.condition_id for m in markets}) == len(markets)
    assert all(m.description and m.question and m.end_ms > START_MS for m in markets)
    for market in markets:
        yes = exchange.book(market.token_ids[0])
        assert yes.bids and yes.asks and float(yes.bids[-1][0]) < float(yes.asks[-1][0])


def story(seed: int, step_ms: int) -> list[tuple[str, str, str]]:
    desk = Desk(seed=seed, rate=200)
    for _ in range(12_000 // step_ms):
        desk.pass_ms(step_ms)
    lines = []
    for event in desk.events:
        body = event.body
        changes = [(c["asset_id"][:6], c["price"], c["size"], c["side"]) for c in body.get("price_changes", [])]
        lines.append((body["event_type"], body.get("asset_id", ""), str(changes or body.get("bids"))))
    return lines


def test_the_same_seed_tells_the_same_story_however_time_is_cut() -> None:
    fine, coarse = story(5, 20), story(5, 300)
    assert len(fine) > 2_000
    assert fine == coarse
    assert fine != story(6, 300)


def test_the_rate_is_about_what_was_asked_for() -> None:
    desk = Desk(seed=8, rate=50)
    before = desk.exchange.status()["messages"]
    for _ in range(3_000):
        desk.pass_ms(100)
    sent = desk.exchange.status()["messages"] - before  # type: ignore[operator]
    assert 35 <= sent / 300 <= 75


def test_books_stay_mirrored_uncrossed_and_money_is_conserved_while_users_trade() -> None:
    desk = Desk(seed=11, rate=400)
    rng = random.Random(3)
    markets = [m for m in desk.exchange.markets() if m.tick == 10_000][:6]
    placed = 0
    for turn in range(1_500):
        desk.pass_ms(40)
        order = random_order(desk, rng, rng.choice(markets).token_ids[rng.randrange(2)])
        try:
            desk.place(order)
            placed += 1
        except Refusal:
            pass
        if rng.random() < 0.2:
            desk.exchange.cancel_all(owner=order.owner)
        if turn % 50 == 0:
            desk.conserved()
            mirrored(desk)
    assert placed > 400
    assert desk.exchange.status()["trades"] > 200  # type: ignore[operator]
    for who in (ALICE, BOB):
        desk.exchange.cancel_all(owner=owner_of(who))
        assert desk.exchange._core.accounts.wallet(who).reserved == {}
    for _ in range(10):
        desk.pass_ms(500)
    for who in (ALICE, BOB):
        wallet = desk.exchange._core.accounts.wallet(who)
        assert wallet.incoming == wallet.outgoing == {}, "everything has settled"
    desk.conserved()


def random_order(desk: Desk, rng: random.Random, token: str) -> NewOrder:
    who, side = rng.choice((ALICE, BOB)), rng.choice((Side.BUY, Side.SELL))
    state = desk.exchange.book(token)
    touch = state.asks if side is Side.BUY else state.bids
    price = round(float(touch[-1][0]) + rng.choice((-0.02, -0.01, 0, 0, 0.01)), 2) if touch else 0.5
    if rng.random() < 0.3 and 0 < price < 1:
        cents = round(price * 100)
        if side is Side.BUY:  # dollars to the cent, shares floored to four decimals, as the clients do
            dollars = rng.randrange(100, 3_000) * 10_000
            shares = dollars * 100 // cents // 100 * 100
        else:
            shares = rng.randrange(500, 4_000) * 10_000
            dollars = shares * cents // 100
        return amounts(who, token, side, dollars, shares, order_type=rng.choice((OrderType.FOK, OrderType.FAK)))
    return limit(who, token, side, f"{price:.2f}", text_from_micro(rng.randrange(500, 6_000) * 10_000))


def mirrored(desk: Desk) -> None:
    books = desk.exchange._core.books
    for market in desk.exchange.markets():
        yes, no = (books[token] for token in market.token_ids)
        for side in Side:
            assert {ONE - p: s for p, s in yes.levels[side].items()} == no.levels[side.opposite]
        bid, ask = yes.best(Side.BUY), yes.best(Side.SELL)
        assert bid is None or ask is None or bid < ask


def test_markets_end_pay_and_are_replaced() -> None:
    desk = Desk(seed=4, rate=100, auto_redeem_ms=20_000)
    market = min(desk.exchange.markets(), key=lambda m: m.end_ms)
    desk.exchange.split(ALICE, market.condition_id, 40 * ONE)
    orders = [limit(ALICE, token, Side.BUY, "0.01", "100") for token in market.token_ids]
    for order in orders:
        desk.place(order)
    while market.state is not MarketState.RESOLVED:
        desk.pass_ms(250)
    assert sorted(market.payouts or ()) == [0, ONE]
    told = [e.body for e in desk.events if isinstance(e, MarketEvent) and e.body["event_type"] == "market_resolved"]
    winner = (market.payouts or ()).index(ONE)
    order = orders[winner]  # nobody sells the winner for a cent
    assert ("CANCELLATION", order.order_id) in desk.told(order.owner)
    record = desk.exchange.order(order.order_id)
    assert record is not None and record.status == "CANCELED_MARKET_RESOLVED"
    assert [(t["market"], t["winning_outcome"]) for t in told] == [(market.condition_id, market.outcomes[winner])]
    with pytest.raises(Refusal, match="not yet ready"):
        desk.place(limit(ALICE, market.token_ids[0], Side.BUY, "0.01", "100"))
    assert desk.public("new_market") and len(list(desk.exchange.catalogue.open_markets())) >= 120
    assert desk.exchange.chain_balance(ALICE, CASH) <= 960 * ONE
    for _ in range(100):
        desk.pass_ms(250)
    assert 999 * ONE <= desk.exchange.chain_balance(ALICE, CASH) <= 1_000 * ONE, "the winning half was redeemed"
    assert desk.exchange.holdings(ALICE) == {}
    desk.conserved()


def test_an_event_decided_before_its_time_is_replaced_and_stays_decided() -> None:
    desk = Desk(seed=4, rate=20)
    event = next(e for e in desk.exchange.events() if e.neg_risk)
    first, *others = desk.exchange.catalogue.markets_of(event)
    desk.exchange.resolve_market(first, (ONE, 0))
    for market in others:
        desk.exchange.resolve_market(market, (0, ONE))
    for _ in range(4):
        desk.pass_ms(500)
    assert [m.payouts for m in (first, *others)] == [(ONE, 0)] + [(0, ONE)] * len(others)
    assert event.closed
    assert len(desk.public("new_market")) >= 7
    desk.conserved()


def test_the_end_of_a_market_passes_through_a_finer_tick() -> None:
    desk = Desk(seed=4, rate=100)
    for _ in range(1_500):
        desk.pass_ms(250)
    assert desk.public("tick_size_change")
    changed = {body["market"] for body in desk.public("tick_size_change")}
    assert changed & {body["market"] for body in desk.public("market_resolved")}


def test_a_restart_finds_the_same_markets_wallets_and_orders(tmp_path: Path) -> None:
    desk = Desk(seed=4, rate=100, state_dir=tmp_path)
    for _ in range(1_600):
        desk.pass_ms(250)
    market = desk.market(empty=False)
    price = text_from_micro(desk.exchange._core.books[market.token_ids[0]].best(Side.SELL) or 0)
    bought = desk.limit(ALICE, market.token_ids[0], Side.BUY, price, "60")
    resting = limit(ALICE, market.token_ids[0], Side.BUY, "0.01", "50")
    desk.place(resting)
    assert bought.trade_ids
    desk.pass_ms(500)  # saved by the timer: what follows is lost as by kill -9
    open_orders = [r.order_id for r in desk.exchange.open_orders(owner=resting.owner)]
    told = set(desk.exchange.catalogue.by_condition)
    open_before = {m.condition_id for m in desk.exchange.catalogue.open_markets()}

    again = Desk(seed=4, rate=100, state_dir=tmp_path)
    again.now = desk.now + 2_000
    again.exchange = Exchange(ExchangeOptions(seed=4, rate=100, state_dir=tmp_path), clock=lambda: again.now)
    assert set(again.exchange.catalogue.by_condition) == told
    assert {m.condition_id for m in again.exchange.catalogue.open_markets()} == open_before
    assert [r.order_id for r in again.exchange.open_orders(owner=resting.owner)] == open_orders
    assert resting.order_id in open_orders
    assert again.exchange.trades(trade_id=bought.trade_ids[0])[0].size == bought.taking
    for _ in range(30):
        again.pass_ms(250)
    assert again.exchange.trades(trade_id=bought.trade_ids[0])[0].status == "CONFIRMED"
    record = again.exchange.order(bought.order_id)
    assert record is not None and again.exchange.holdings(ALICE)[market.token_ids[0]] == record.matched
    with pytest.raises(Refusal, match="Duplicated"):
        again.place(resting)
    again.conserved()


def test_a_state_file_of_another_seed_is_not_used(tmp_path: Path) -> None:
    Desk(seed=4, state_dir=tmp_path).exchange.close()
    with pytest.raises(StateError, match="belongs to seed 4"):
        Desk(seed=5, state_dir=tmp_path)
    (tmp_path / "exchange.json").write_text("{")
    with pytest.raises(StateError, match="move it away"):
        Desk(seed=4, state_dir=tmp_path)


def test_every_hash_told_is_that_of_a_book_rebuilt_from_what_was_told() -> None:
    desk = Desk(seed=12, rate=300)
    rebuilt = {}
    for market in desk.exchange.markets():
        for token in market.token_ids:
            rebuilt[token] = desk.exchange.book(token).body()
    checked = 0
    for _ in range(400):
        desk.pass_ms(50)
    for event in desk.events:
        assert isinstance(event, MarketEvent)
        body = event.body
        if body["event_type"] == "book":
            rebuilt[body["asset_id"]] |= {k: v for k, v in body.items() if k != "event_type"}
            assert hash_of(rebuilt[body["asset_id"]]) == body["hash"]
        elif body["event_type"] == "tick_size_change":
            rebuilt[body["asset_id"]]["tick_size"] = body["new_tick_size"]
        elif body["event_type"] == "price_change":
            said = {}
            for change in body["price_changes"]:
                book = rebuilt[change["asset_id"]]
                side = "bids" if change["side"] == "BUY" else "asks"
                levels = {x["price"]: x["size"] for x in book[side]} | {change["price"]: change["size"]}
                kept = sorted((p for p in levels if levels[p] != "0"), key=float, reverse=side == "asks")
                book[side] = [{"price": p, "size": levels[p]} for p in kept]
                book["timestamp"] = body["timestamp"]
                said[change["asset_id"]] = change["hash"]
            for token, told in said.items():
                assert hash_of(rebuilt[token]) == told
                checked += 1
    assert checked > 5_000


def hash_of(book: dict[str, object]) -> str:
    body = ("bids", "asks", "min_order_size", "tick_size", "neg_risk", "last_trade_price")
    keys = ("market", "asset_id", "timestamp", "hash", *body)
    image = {key: book[key] for key in keys} | {"hash": ""}
    return hashlib.sha1(json.dumps(image, separators=(",", ":")).encode()).hexdigest()
