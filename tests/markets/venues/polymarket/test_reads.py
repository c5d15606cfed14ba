"""Lists and rows, without a network: nothing is lost between pages, nothing is guessed from a row."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from markets.domain.trading import OrderWord
from markets.venues.base import ParseError, VenueUnavailable
from markets.venues.polymarket import reads

WALLET = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
OTHER = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
API_KEY = "00000000-0000-4000-8000-000000000001"
MARKET = "0x" + "11" * 32
Query = Mapping[str, str]


def order_id(number: int) -> str:
    return f"0x{number:064x}"


def order_row(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "id": order_id(number), "status": "LIVE", "owner": API_KEY, "maker_address": WALLET, "market": MARKET,
        "asset_id": "77", "side": "BUY", "original_size": "10", "size_matched": "2.5", "price": "0.52",
        "outcome": "Yes", "expiration": "0", "order_type": "GTC", "associate_trades": ["t1"],
        "created_at": 1_790_000_000, **changes,
    }  # fmt: skip


def trade_row(name: str, **changes: Any) -> dict[str, Any]:
    maker = {
        "order_id": order_id(2), "owner": "somebody", "maker_address": OTHER, "matched_amount": "10", "price": "0.52",
        "fee_rate_bps": "0", "asset_id": "77", "outcome": "Yes", "side": "SELL",
    }  # fmt: skip
    return {
        "id": name, "taker_order_id": order_id(1), "market": MARKET, "asset_id": "77", "side": "BUY", "size": "10",
        "fee_rate_bps": "0", "price": "0.52", "status": "TRADE_STATUS_MATCHED", "match_time": "1790000000",
        "last_update": "1790000001", "outcome": "Yes", "bucket_index": 0, "owner": API_KEY, "maker_address": WALLET,
        "transaction_hash": "", "trader_side": "TAKER", "maker_orders": [maker], **changes,
    }  # fmt: skip


def paged(
    rows: Callable[[int], list[dict[str, Any]]], *, size: int = 2
) -> tuple[Callable[[str, Query], bytes], list[int]]:
    """Return a list's host and the offsets that were asked for; `rows` are those at the n-th request."""
    asked: list[int] = []

    def fetch(path: str, query: Query) -> bytes:
        cursor = query["next_cursor"]
        start = 0 if cursor == reads.START_CURSOR else int(cursor)
        asked.append(start)
        now = rows(len(asked))
        end = start + size
        following = str(end) if end < len(now) else reads.END_CURSOR
        return json.dumps({"data": now[start:end], "next_cursor": following, "count": size, "limit": size}).encode()

    return fetch, asked


def test_an_order_that_moves_up_while_pages_are_read_is_not_lost() -> None:
    """The first of five leaves between the pages: the third would never be seen in one reading."""
    all_rows = [order_row(number) for number in range(1, 6)]
    fetch, asked = paged(lambda request: all_rows if request == 1 else all_rows[1:])
    found = {order.order_id for order in reads.open_orders(fetch, wallet=WALLET)}
    assert {order_id(number) for number in range(2, 6)} <= found
    assert asked.count(0) == 2


def test_one_page_is_read_once() -> None:
    fetch, asked = paged(lambda _: [order_row(1)])
    assert len(reads.open_orders(fetch, wallet=WALLET)) == 1 and asked == [0]


def test_orders_of_another_wallet_are_left_out_and_unsaid_wallets_are_not() -> None:
    rows = [order_row(1), order_row(2, maker_address=OTHER), order_row(3, maker_address=WALLET.lower())]
    fetch, _ = paged(lambda _: [*rows, order_row(4, maker_address="")], size=10)
    found = {order.order_id for order in reads.open_orders(fetch, wallet=WALLET)}
    assert found == {order_id(1), order_id(3), order_id(4)}


@pytest.mark.parametrize(
    ("status", "word", "reason"),
    [
        ("LIVE", OrderWord.LIVE, ""),
        ("ORDER_STATUS_LIVE", OrderWord.LIVE, ""),
        ("DELAYED", OrderWord.DELAYED, ""),
        ("UNMATCHED", OrderWord.LIVE, "UNMATCHED"),
        ("MATCHED", OrderWord.MATCHED, "MATCHED"),
        ("CANCELED", OrderWord.CANCELED, "CANCELED"),
        ("CANCELED_MARKET_RESOLVED", OrderWord.CANCELED, "CANCELED_MARKET_RESOLVED"),
        ("CANCELED_EXPIRED_ORDER", OrderWord.EXPIRED, "CANCELED_EXPIRED_ORDER"),
        ("INVALID", OrderWord.CANCELED, "INVALID"),
    ],
)
def test_what_the_venue_calls_an_order(status: str, word: OrderWord, reason: str) -> None:
    body = json.dumps(order_row(1, status=status)).encode()
    found = reads.read_order(body, order_id=order_id(1))
    assert found is not None and (found.word, found.reason) == (word, reason)
    assert (found.size, found.matched, found.price) == (10_000_000, 2_500_000, 520_000)


def test_a_market_buy_names_dollars_and_no_size() -> None:
    found = reads.read_order(json.dumps(order_row(1, order_type="FAK")).encode(), order_id=order_id(1))
    assert found is not None and found.size is None and found.matched is None


def legs(*rows: dict[str, Any], size: int = 10) -> list[Any]:
    fetch, _ = paged(lambda _: list(rows), size=size)
    return reads.legs(fetch, wallet=WALLET, api_key=API_KEY, since_ms=1_790_000_000_999)


def test_the_question_is_by_wallet_and_time_and_by_no_asset() -> None:
    asked: list[Query] = []

    def fetch(path: str, query: Query) -> bytes:
        asked.append(query)
        return b'{"data":[],"next_cursor":"LTE="}'

    assert reads.legs(fetch, wallet=WALLET, api_key=API_KEY, since_ms=1_790_000_000_999) == []
    assert asked == [{"maker_address": WALLET, "after": "1789999999", "next_cursor": "MA=="}]


def test_the_same_trade_on_two_pages_is_one_leg_with_its_last_word() -> None:
    found = legs(trade_row("t1"), trade_row("t2"), trade_row("t1", status="TRADE_STATUS_MINED"), size=2)
    assert [(leg.trade_id, leg.stage.value) for leg in found] == [("t1", "mined"), ("t2", "matched")]


def test_our_other_wallet_of_the_same_key_is_not_us() -> None:
    """Both sides are ours, of two wallets: each account reads its own side only."""
    row = trade_row("t1")
    row["maker_orders"][0]["owner"] = API_KEY
    (leg,) = legs(row)
    assert leg.order_id == order_id(1)
    mirrored = trade_row("t2", maker_address=OTHER)
    mirrored["maker_orders"][0] |= {"owner": API_KEY, "maker_address": WALLET}
    (leg,) = legs(mirrored)
    assert leg.order_id == order_id(2) and leg.role.value == "maker"


def test_a_trade_in_which_we_are_not_found_raises() -> None:
    with pytest.raises(ParseError, match="names us as its taker"):
        legs(trade_row("t1", owner="somebody", maker_address=OTHER))


def positions_host(pages: list[dict[str, Any]]) -> Callable[[str, Query], bytes]:
    def fetch(path: str, query: Query) -> bytes:
        assert path == "/v2/positions" and query["user"] == WALLET
        return json.dumps(pages[int(query.get("cursor", "0"))]).encode()

    return fetch


def test_positions_are_read_to_their_end() -> None:
    first = {
        "data": [{"token_id": "1", "current_size": "1.5"}, {"token_id": "2", "current_size": "0"}],
        "pagination": {"has_more": True, "next_cursor": "1"},
    }
    last = {"data": [{"token_id": "3", "current_size": "2"}], "pagination": {"has_more": False, "next_cursor": None}}
    assert reads.positions(positions_host([first, last]), wallet=WALLET) == {"1": 1_500_000, "3": 2_000_000}
    endless = {"data": [], "pagination": {"has_more": True, "next_cursor": "0"}}
    with pytest.raises(VenueUnavailable, match="do not come to an end"):
        reads.positions(positions_host([endless]), wallet=WALLET)


def test_a_list_that_never_ends_is_given_up() -> None:
    count = iter(range(10**9))

    def fetch(path: str, query: Query) -> bytes:
        return json.dumps({"data": [], "next_cursor": f"c{next(count)}"}).encode()

    with pytest.raises(VenueUnavailable):
        list(reads.pages_of(fetch, "/data/orders", {}))
    assert next(count) == reads.MOST_PAGES


def test_balances_are_whole_millionths() -> None:
    cash, allowances = reads.read_balance(b'{"balance":"1000000001","allowances":{"0xAB":"5"}}')
    assert (cash, allowances) == (1_000_000_001, {"0xab": 5})


@pytest.mark.parametrize("reader", ["order", "balance", "orders", "trades", "positions"])
def test_damaged_answers_raise_and_never_crash(reader: str) -> None:
    rng = random.Random(reader)
    rows = {
        "order": order_row(1), "balance": {"balance": "5", "allowances": {"0xAB": "5"}},
        "orders": {"data": [order_row(1)], "next_cursor": "LTE="},
        "trades": {"data": [trade_row("t1")], "next_cursor": "LTE="},
        "positions": {"data": [{"token_id": "1", "current_size": "1"}], "pagination": {"has_more": False}},
    }  # fmt: skip
    whole = json.dumps(rows[reader]).encode()
    read: dict[str, Callable[[bytes], object]] = {
        "order": lambda body: reads.read_order(body, order_id=order_id(1)),
        "balance": reads.read_balance,
        "orders": lambda body: reads.open_orders(lambda p, q: body, wallet=WALLET),
        "trades": lambda body: reads.legs(lambda p, q: body, wallet=WALLET, api_key=API_KEY, since_ms=0),
        "positions": lambda body: reads.positions(lambda p, q: body, wallet=WALLET),
    }
    refused = 0
    for _ in range(1_500):
        data = bytearray(whole)
        for _ in range(rng.randint(1, 3)):
            place = rng.randrange(len(data))
            data[place : place + rng.randrange(3)] = rng.randbytes(rng.randrange(3))
        try:
            read[reader](bytes(data))
        except (ParseError, VenueUnavailable):
            refused += 1
    assert refused > 300
