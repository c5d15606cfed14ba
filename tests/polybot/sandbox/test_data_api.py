"""The Data API: what settled, by whom, at which cost; nothing before it is mined."""

from __future__ import annotations

from typing import Any

import pytest
from polymarket.models.data.leaderboard import TraderLeaderboardEntry, TraderLeaderboardStanding
from polymarket.models.data.portfolio import UserPnlSeries

from markets.domain.instruments import Side
from markets.domain.units import ONE
from markets.venues.simulated.matching import OrderType
from polybot.sandbox.data_rows import Cost, Fill
from polybot.sandbox.messages import NewOrder
from tests.polybot.sandbox.app_kit import Local
from tests.polybot.sandbox.order_kit import Pair, place

ALICE = "0x" + "a1" * 20


def fill(side: Side, price: int, size: int, *, fee: int = 0, at_s: int = 1) -> Fill:
    return Fill(
        wallet=ALICE, market="0x1", token_id="7", outcome="Yes", side=side, price=price, size=size, fee=fee, at_s=at_s,
        transaction_hash="0x", taker=True,
    )  # fmt: skip


def test_average_cost_moves_on_buys_and_results_on_sells() -> None:
    cost = Cost()
    for each in (
        fill(Side.BUY, 400_000, 10 * ONE, fee=1_000),
        fill(Side.BUY, 600_000, 10 * ONE),
        fill(Side.SELL, 700_000, 5 * ONE, fee=500, at_s=9),
    ):
        cost.add(each)
    # 20 shares cost 10 dollars; 5 of them, worth 2.5, went for 3.5.
    assert (cost.size, cost.average, cost.realized, cost.fees) == (15 * ONE, 500_000, ONE, 1_500)
    assert (cost.first_s, cost.last_s) == (1, 9)


class Bought:
    """Ten dollars of a market, bought by Alice."""

    def __init__(self) -> None:
        self.local = local = Local(seed=8)
        exchange = local.app.exchange
        self.market = next(m for m in exchange.markets() if m.best_ask and 300_000 < m.best_ask < 600_000)
        exchange.wallet_open(ALICE)
        self.done = exchange.place(
            NewOrder(
                order_id="0x" + "01" * 32,
                owner="alice",
                maker=ALICE,
                token_id=self.market.token_ids[0],
                side=Side.BUY,
                maker_amount=10 * ONE,
                taker_amount=10 * ONE * ONE // 900_000 // 100 * 100,
                order_type=OrderType.FAK,
            )
        )

    def settle(self) -> None:
        self.local.now_ms += 3_000
        self.local.app.exchange.step(self.local.now_ms)

    def rows(self, path: str, **query: str) -> list[dict[str, Any]]:
        text = "&".join(f"{k}={v}" for k, v in {"user": ALICE, **query}.items())
        found = self.local.get(f"/data-api{path}?{text}")
        return list(found["data"] if isinstance(found, dict) else found)


@pytest.fixture
def bought() -> Bought:
    return Bought()


def test_a_trade_appears_once_it_is_mined(bought: Bought) -> None:
    assert bought.rows("/v2/trades") == []
    bought.settle()
    rows = bought.rows("/v2/trades")
    assert {(r["side"], r["token_id"], r["proxy_wallet"]) for r in rows} == {("BUY", bought.market.token_ids[0], ALICE)}
    assert sum(float(r["size"]) for r in rows) == pytest.approx(bought.done.taking / ONE)
    assert all(r["transaction_hash"].startswith("0x") for r in rows)


def test_a_position_shows_what_the_chain_holds_at_its_cost(bought: Bought) -> None:
    bought.settle()
    (row,) = bought.rows("/v2/positions")
    assert float(row["current_size"]) == bought.done.taking / ONE
    assert float(row["entry_cost_usdc"]) == pytest.approx(bought.done.making / ONE, abs=0.001)
    assert (row["status"], row["redeemable"], row["mergeable"]) == ("OPEN", False, False)
    assert float(bought.local.get(f"/data-api/v2/value?user={ALICE}")["data"]["value"]) == float(row["current_value"])


def test_a_resolved_position_is_redeemable_and_a_lost_one_is_found_as_such(bought: Bought) -> None:
    bought.settle()
    bought.local.control("resolve", {"market": bought.market.condition_id, "winner": 1})
    (row,) = bought.rows("/v2/positions", status="REDEEMABLE_LOST")
    assert (row["status"], row["current_value"], row["redeemable"]) == ("REDEEMABLE", "0", True)
    assert bought.rows("/v2/positions", status="OPEN") == []


def test_trades_of_a_market_long_forgotten_are_left_out(bought: Bought) -> None:
    bought.settle()
    core = bought.local.app.exchange._core
    core.forget_event(core.catalogue.event_of(bought.market))
    assert (bought.rows("/v2/trades"), bought.rows("/v2/positions"), bought.rows("/v2/activity")) == ([], [], [])


def test_both_versions_tell_the_same(bought: Bought) -> None:
    bought.settle()
    new, old = bought.rows("/v2/positions"), bought.rows("/positions")
    assert [(p["asset"], p["size"]) for p in old] == [(p["token_id"], float(p["current_size"])) for p in new]
    assert [t["transactionHash"] for t in bought.rows("/trades")] == [
        t["transaction_hash"] for t in bought.rows("/v2/trades")
    ]


def test_pages_say_exactly_whether_more_follows(bought: Bought) -> None:
    first = bought.local.get("/data-api/v2/trades?limit=1000")
    seen: list[str] = []
    cursor = ""
    for _ in range(200):
        page = bought.local.get(f"/data-api/v2/trades?limit=3{f'&cursor={cursor}' if cursor else ''}")
        seen += [row["transaction_hash"] for row in page["data"]]
        assert page["pagination"]["has_more"] is (page["pagination"]["next_cursor"] is not None)
        if not page["pagination"]["has_more"]:
            break
        cursor = page["pagination"]["next_cursor"]
    assert seen == [row["transaction_hash"] for row in first["data"]]


def test_open_interest_is_the_collateral_behind_the_pairs(bought: Bought) -> None:
    condition = bought.market.condition_id
    (before,) = bought.local.get(f"/data-api/v2/oi?condition_id={condition}")["data"]
    bought.local.app.exchange.split(ALICE, condition, 7 * ONE)
    (after,) = bought.local.get(f"/data-api/v2/oi?condition_id={condition}")["data"]
    assert float(after["value"]) - float(before["value"]) == pytest.approx(7)


@pytest.mark.parametrize(
    "path",
    ["/v2/positions", "/v2/activity", "/v2/resolutions", "/v2/holders", "/v2/trades?cursor=zz", "/v2/value?user=me"],
)
def test_a_request_that_lacks_its_subject_is_refused(path: str) -> None:
    assert Local().ask("GET", f"/data-api{path}").status == 400


def test_wallet_reports_answer_in_the_official_clients_shapes() -> None:
    pair = Pair()
    market = pair.market()
    place(pair.two, market, price="0.4", size="20", outcome=1)
    place(pair.one, market, price="0.6", size="20")
    pair.settle()
    place(pair.two, market, price="0.7", size="10")
    place(pair.one, market, side="SELL", price="0.7", size="10")
    pair.settle()
    wallet = pair.one.account.address.lower()
    series = pair.local.get(f"/data-api/v2/user-pnl?user={wallet}&fidelity=1h")["data"]
    (point,) = UserPnlSeries.parse_response(series).points
    assert (point.trade_count, point.realized_pnl, point.volume) == (2, 1, 30)
    rows = pair.local.get("/data-api/v2/leaderboard?sort_by=VOLUME")["data"]
    assert [TraderLeaderboardEntry.parse_response(row).rank for row in rows] == [1, 2]
    standing = pair.local.get(f"/data-api/v2/leaderboard?user={wallet}")["data"]
    assert TraderLeaderboardStanding.parse_response(standing).pnl_rank == 1
    assert pair.local.get(f"/data-api/v2/leaderboard?user={'0x' + '77' * 20}")["data"] is None
    snapshot = pair.local.ask("GET", f"/data-api/v1/accounting/snapshot?user={wallet}")
    assert snapshot.headers["content-type"].startswith("text/csv") and len(snapshot.raw.splitlines()) == 3
    for path in ("biggest-winners", "builders/leaderboard", "builders/volume"):
        assert pair.local.get(f"/data-api/v2/{path}")["data"] == []
    refused = pair.local.ask("GET", f"/data-api/v2/activity?user={wallet}&type=DREAM")
    assert (refused.status, "DREAM" in refused.json["error"]) == (400, True)
