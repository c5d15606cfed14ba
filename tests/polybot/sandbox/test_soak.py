"""Two traders doing anything at all while a seeded schedule of every fault runs: nothing is ever made or lost."""

from __future__ import annotations

import logging
import random

import pytest

from polybot.sandbox.catalogue import Market
from tests.polybot.sandbox.app_kit import Trader
from tests.polybot.sandbox.order_kit import Pair, place, wallet_for

M = 1_000_000


def act(pair: Pair, trader: Trader, market: Market, rng: random.Random) -> None:
    exchange = pair.local.app.exchange
    kind, outcome = rng.choice((0, 1, 2, 3)), rng.randrange(2)
    wallet = wallet_for(trader.account.address, kind)
    chance = rng.random()
    if chance < 0.6:
        words = {"price": f"0.{rng.randrange(30, 70)}", "size": str(rng.randrange(5, 40)), "outcome": outcome}
        side = rng.choice(("BUY", "BUY", "SELL"))
        style = rng.choice(("GTC", "GTC", "FAK", "FOK"))
        if style != "GTC":
            words["dollars"] = str(rng.randrange(2, 20))
            words["size"] = str(int(words["dollars"]) * 2)
        place(trader, market, side=side, kind=kind, order_type=style, **words)
    elif chance < 0.8:
        trader.ask("DELETE", "/cancel-all" if rng.random() < 0.05 else "/order", {"orderID": "0x1"})
    elif chance < 0.9:
        exchange.wallet_open(wallet)
        if exchange.chain_balance(wallet, "cash") > 20 * M:
            exchange.split(wallet, market.condition_id, rng.randrange(1, 10) * M)
    else:
        trader.ask("GET", "/data/trades")
        if rng.random() < 0.1:
            trader.ask("POST", "/v1/heartbeats", {"heartbeat_id": ""})


@pytest.mark.parametrize("seed", range(3))
def test_every_fault_leaves_the_books_balanced(seed: int, caplog: pytest.LogCaptureFixture) -> None:
    rng = random.Random(seed)
    pair = Pair(seed=seed + 1)
    markets = [pair.market(), pair.market(neg_risk=True)]
    pair.local.control("market", {"market": markets[1].condition_id, "seconds_delay": 2})
    names = [n for n in pair.local.get("/control/catalogue")["faults"] if "slow" not in n and "lost" not in n]
    pair.local.control("schedule", {"seed": seed, "faults": names, "duration_s": 500, "every_s": 4})
    with caplog.at_level(logging.ERROR, logger="polybot.sandbox"):
        for _ in range(600):
            act(pair, rng.choice((pair.one, pair.two)), rng.choice(markets), rng)
            pair.pass_ms(rng.randrange(100, 1_600))
    pair.local.ask("DELETE", "/control/schedule")
    pair.local.ask("DELETE", "/control/faults")
    pair.local.control("mode", {"mode": "normal"})
    for _ in range(120):
        pair.pass_ms(1_000)
    for trader in (pair.one, pair.two):
        trader.ask("DELETE", "/cancel-all")
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
    exchange = pair.local.app.exchange
    accounts = exchange._core.accounts
    assert accounts.total_cash() + sum(accounts.collateral.values()) == accounts.funded
    for market in exchange.markets():
        yes, no = (accounts.total_shares(token) for token in market.token_ids)
        assert yes == no == accounts.collateral.get(market.condition_id, 0)
    for wallet in accounts.wallets.values():
        assert all(amount >= 0 for amount in wallet.ledger.values())
        assert not wallet.house or not wallet.reserved
        assert not wallet.incoming and not wallet.outgoing and not wallet.reserved, wallet
    fates = [t.status for t in exchange._core.user_trades.values()]
    assert len(fates) >= 20 and set(fates) == {"CONFIRMED", "FAILED"}, fates
