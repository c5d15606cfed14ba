# ruff: noqa: E501
"""Replays: what is served equals an independent rebuild, and what was invented says so."""

from __future__ import annotations

import csv
import gzip
import itertools
import json
import os
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from markets.domain.instruments import Side
from polybot.sandbox import replay as replay_module
from polybot.sandbox.exchange import Exchange
from polybot.sandbox.messages import MarketEvent, Refusal
from polybot.sandbox.options import ExchangeOptions
from polybot.sandbox.recordings import RecordingError
from tests.polybot.sandbox.exchange_kit import ALICE, limit, owner_of

ROOT = Path(__file__).resolve().parents[3]
SHARED = Path(os.environ.get("POLYBOT_SHARED_DATA", ROOT.parent / "shared" / "data")) / "ws_market"
FILES = sorted((SHARED / "old_format_mlb_2025").glob("*.csv.gz")) if SHARED.exists() else []
YES, NO = "1" * 77, "2" * 77
S = 1_000_000

Book = dict[str, dict[Decimal, Decimal]]  # "bids"/"asks" -> price -> size


class Player:
    """An exchange on a recording, played one message at a time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *paths: Path, speed: float = 1e9) -> None:
        monkeypatch.setattr(replay_module, "MESSAGES_PER_STEP", 1)
        self.now = 1_790_000_000_000
        self.exchange = Exchange(ExchangeOptions(replay=paths, speed=speed, replay_wait_ms=0), clock=lambda: self.now)
        self.bodies: list[dict[str, Any]] = []
        self.exchange.listen(lambda e: self.bodies.append(e.body) if isinstance(e, MarketEvent) else None)

    @property
    def source(self) -> dict[str, Any]:
        return self.exchange.status()["source"]  # type: ignore[return-value]

    def pass_ms(self, passed: int = 1) -> None:
        self.now += passed
        self.exchange.step(self.now)

    def play(self, count: int) -> None:
        for _ in range(count):
            self.pass_ms()

    def book(self, token: str) -> Book:
        state = self.exchange.book(token)
        return {
            "bids": {Decimal(p): Decimal(s) for p, s in state.bids},
            "asks": {Decimal(p): Decimal(s) for p, s in state.asks},
        }

    def kinds(self) -> list[str]:
        return [body["event_type"] for body in self.bodies if body["event_type"] != "best_bid_ask"]


def rebuilt(path: Path) -> Iterator[tuple[str, Book]]:
    """Rebuild a 2025 capture with csv and dicts only; yield (token, its book) after every message."""
    books: dict[str, Book] = defaultdict(lambda: {"bids": {}, "asks": {}})
    with gzip.open(path, "rt", newline="") as lines:
        reader = csv.reader(lines)
        names = next(reader)
        rows = [dict(zip(names, row, strict=True)) for row in reader if len(row) == len(names)]
    keyed = itertools.groupby(rows, key=lambda r: (r["asset_id"], r["timestamp"], r["hash"], r["event_type"]))
    for (token, _, _, kind), group in keyed:
        if kind == "book":
            books[token] = {"bids": {}, "asks": {}}
        for row in group:
            levels = books[token]["bids" if row["side"] in ("bid", "BUY") else "asks"]
            price, size = Decimal(row["price"]), Decimal(row["size"])
            if size:
                levels[price] = size
            else:
                levels.pop(price, None)
        yield token, books[token]


@pytest.mark.skipif(not FILES, reason="no shared recordings here")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name[:32])
def test_the_served_book_equals_an_independent_rebuild_after_every_message(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    player = Player(monkeypatch, path)
    every = 1 if "20250625" in path.name else 20
    count = 0
    for count, (token, book) in enumerate(rebuilt(path), 1):
        player.pass_ms(11_000)
        if count % every == 0:
            assert player.book(token) == book, f"message {count}"
    assert player.source["played"] == count
    assert player.source["finished"] is True
    recorded = [k for k in player.kinds() if k in ("book", "price_change")]
    ticks = 2 * player.kinds().count("tick_size_change") // 2
    assert len(recorded) - ticks == count, "no message is lost, none is added but the books after a tick change"


@pytest.mark.skipif(not FILES, reason="no shared recordings here")
def test_three_games_run_on_one_clock() -> None:
    now = [1_790_000_000_000]
    paths = tuple(p for p in FILES if "20250625" in p.name)
    exchange = Exchange(ExchangeOptions(replay=paths, speed=1e9, replay_wait_ms=0), clock=lambda: now[0])
    while not exchange.status()["source"]["finished"]:  # type: ignore[index]
        now[0] += 50
        exchange.step(now[0])
    assert exchange.status()["source"]["played"] == 18_221  # type: ignore[index]
    assert sorted(m.slug for m in exchange.markets()) == [
        "mlb-chc-stl-2025-06-25",
        "mlb-sea-min-2025-06-25",
        "mlb-tb-kc-2025-06-25",
    ]
    assert {m.category.value for m in exchange.markets()} == {"sports"}


def test_the_recorded_frames_of_2026_are_played_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    path = SHARED / "new_format" / "market-ws-frames-h1-run-8.first11.jsonl"
    if not path.exists():
        pytest.skip("no shared recordings here")
    player = Player(monkeypatch, path)
    books: dict[str, Book] = {}
    for line in path.read_text().splitlines():
        frame = json.loads(json.loads(line)["payloadUtf8"])
        for body in frame if isinstance(frame, list) else [frame]:
            player.pass_ms(11_000)
            if body["event_type"] == "book":
                books[body["asset_id"]] = {
                    side: {Decimal(x["price"]): Decimal(x["size"]) for x in body[side]} for side in ("bids", "asks")
                }
            for change in body.get("price_changes", []):
                levels = books[change["asset_id"]]["bids" if change["side"] == "BUY" else "asks"]
                levels[Decimal(change["price"])] = Decimal(change["size"])
                levels = {p: s for p, s in levels.items() if s}
            for token, book in books.items():
                want = {side: {p: s for p, s in levels.items() if s} for side, levels in book.items()}
                assert player.book(token) == want
    assert player.kinds().count("price_change") == 10


# Made-up recordings ---------------------------------------------------------------------------------


def flat(path: Path, rows: list[str], header: str = "") -> Path:
    head = header or "market_slug,asset_id,market_id,event_type,price,side,size,hash,timestamp"
    with gzip.open(path, "wt") as out:
        out.write("\n".join([head, *rows]) + "\n")
    return path


def small(folder: Path) -> Path:
    """Both tokens' books, then a fall of YES's best bid, told for both tokens as the venue did."""
    return flat(
        folder / "20250101_nba-aaa-bbb-2025-01-01_events.csv.gz",
        [
            f"nba-aaa-bbb-2025-01-01,{YES},,book,0.5,bid,100,h1,1000",
            f"nba-aaa-bbb-2025-01-01,{YES},,book,0.4,bid,50,h1,1000",
            f"nba-aaa-bbb-2025-01-01,{YES},,book,0.52,ask,80,h1,1000",
            f"nba-aaa-bbb-2025-01-01,{NO},,book,0.5,ask,100,h2,1000",
            f"nba-aaa-bbb-2025-01-01,{NO},,book,0.48,bid,80,h2,1000",
            f"nba-aaa-bbb-2025-01-01,{YES},,price_change,0.5,bid,30,h3,2000",
            f"nba-aaa-bbb-2025-01-01,{NO},,price_change,0.5,ask,30,h4,2000",
            f"nba-aaa-bbb-2025-01-01,{YES},,price_change,0.4,bid,10,h5,3000",
            f"nba-aaa-bbb-2025-01-01,{YES},,price_change,0.515,ask,7,h6,99000",
            f"nba-aaa-bbb-2025-01-01,{YES},,book,0.4,bid,10,h7,99500",
            f"nba-aaa-bbb-2025-01-01,{YES},,book,0.515,ask,7,h7,99500",
            f"nba-aaa-bbb-2025-01-01,{YES},,book,0.52,ask,80,h7,99500",
        ],
    )


def test_a_fall_at_the_touch_is_told_as_an_inferred_trade(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    player = Player(monkeypatch, small(tmp_path))
    player.play(5)
    trades = [b for b in player.bodies if b["event_type"] == "last_trade_price"]
    assert [(t["asset_id"], t["side"], t["price"], t["size"], t["inferred"]) for t in trades] == [
        (YES, "SELL", "0.5", "70", True)
    ], "once, not again for the mirrored token, and not for the deeper level"
    assert player.kinds()[2:4] == ["last_trade_price", "price_change"], "the trade comes before its effect"


def test_a_best_level_gone_from_a_snapshot_is_an_inferred_trade(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    player = Player(monkeypatch, small(tmp_path))
    player.play(5)
    player.pass_ms(11_000)
    player.bodies.clear()
    player.play(1)
    trades = [(t["price"], t["size"]) for t in player.bodies if t["event_type"] == "last_trade_price"]
    assert trades == [("0.5", "30")]


def test_a_long_silence_is_cut_to_ten_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    player = Player(monkeypatch, small(tmp_path), speed=2.0)
    for _ in range(8):
        player.pass_ms(500)
    assert player.source["played"] == 5
    player.now += 2_400
    player.pass_ms(0)
    assert player.source["played"] == 5
    player.pass_ms(200)
    assert player.source["played"] == 6
    assert player.source["cut_s"] == 86


def test_a_price_between_ticks_makes_the_tick_finer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    player = Player(monkeypatch, small(tmp_path))
    player.play(5)
    player.pass_ms(11_000)
    ticks = [b for b in player.bodies if b["event_type"] == "tick_size_change"]
    assert [(t["old_tick_size"], t["new_tick_size"]) for t in ticks] == [("0.01", "0.001")] * 2


def test_users_take_what_is_shown_and_rest_in_its_queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    player = Player(monkeypatch, small(tmp_path))
    exchange = player.exchange
    with pytest.raises(Refusal, match="not yet ready"):
        exchange.place(limit(ALICE, YES, Side.BUY, "0.50", "20"))
    player.play(2)
    taken = exchange.place(limit(ALICE, YES, Side.BUY, "0.52", "20"))
    assert (taken.status, taken.making) == ("matched", 10_400_000)
    assert player.bodies[-1]["event_type"] == "last_trade_price"
    assert player.book(YES)["asks"] == {Decimal("0.52"): Decimal(80)}, "the recording is shown as it was"
    rested = exchange.place(limit(ALICE, YES, Side.BUY, "0.50", "20"))
    assert rested.status == "live"
    player.play(2)  # 70 of the 100 before us trade
    assert len(exchange.open_orders(owner=owner_of(ALICE))) == 1
    player.play(1)
    player.pass_ms(11_000)
    player.play(1)  # the remaining 30 trade, then the level is gone: we were next but nothing was left for us
    assert [r.matched for r in exchange.open_orders(owner=owner_of(ALICE))] == [0]
    player.pass_ms(5_000)
    assert exchange.holdings(ALICE) == {YES: 20 * S}
    accounts = exchange._core.accounts
    assert accounts.total_cash() + sum(accounts.collateral.values()) == accounts.funded


def test_a_trade_beyond_the_queue_fills_a_resting_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    player = Player(monkeypatch, small(tmp_path))
    player.play(2)
    order = limit(ALICE, YES, Side.BUY, "0.51", "20")  # alone at the touch
    player.exchange.place(order)
    player.play(1)  # 70 trade at 0.50, through our price
    record = player.exchange.order(order.order_id)
    assert record is not None and (record.matched, record.status) == (20 * S, "MATCHED")
    (trade,) = player.exchange.trades(owner=order.owner)
    assert trade.inferred and trade.parts[0].order_id == order.order_id
    assert trade.price == 510_000


def test_a_restart_goes_on_where_the_replay_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = small(tmp_path)
    options = ExchangeOptions(replay=(path,), speed=1.0, state_dir=tmp_path / "state", replay_wait_ms=0)
    monkeypatch.setattr(replay_module, "MESSAGES_PER_STEP", 2)
    now = 1_790_000_000_000
    first = Exchange(options, clock=lambda: now)
    first.step(now)
    order = limit(ALICE, YES, Side.BUY, "0.45", "20")
    first.place(order)
    first.step(now + 600)
    again = Exchange(options, clock=lambda: now + 700)
    assert again.status()["source"]["played"] == 2  # type: ignore[index]
    assert again.book(YES).bids == first.book(YES).bids
    assert [r.order_id for r in again.open_orders(owner=order.owner)] == [order.order_id]
    again.step(now + 1_800)
    assert again.status()["source"]["played"] == 4  # type: ignore[index]


def test_a_replay_waits_for_its_first_watcher(tmp_path: Path) -> None:
    now = [1_790_000_000_000]
    options = ExchangeOptions(replay=(small(tmp_path),), replay_wait_ms=5_000)
    for look, begins in ((True, 1_000), (False, 5_000)):
        now[0] += 100_000
        started = now[0]
        exchange = Exchange(options, clock=lambda: now[0])
        while not exchange.status()["source"]["played"]:  # type: ignore[index]
            now[0] += 100
            if look and now[0] - started == 1_000:
                exchange.book(YES)
            exchange.step(now[0])
        assert begins <= now[0] - started <= begins + 100


def test_bad_lines_are_counted_and_named_and_the_rest_is_played(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = f"slug,{YES},,price_change,{{price}},bid,{{size}},h{{n}},{{at}}"
    bad = [("0.5", "x"), ("NaN", "5"), ("1.5", "5"), ("0.5", "-1"), ("0.5", "5,6")]
    rows = [
        row.format(price=p, size=s, n=n, at=1000 + n) for n, (p, s) in enumerate([("0.4", "10"), *bad, ("0.3", "7")])
    ]
    player = Player(monkeypatch, flat(tmp_path / "one.csv.gz", rows))
    player.play(4)
    assert player.source["played"] == 2
    assert player.source["refused_lines"] == {"one.csv.gz": 5}
    assert "one.csv.gz:3: size: 'x' is not a plain decimal number" in player.source["refused_examples"]
    assert player.book(YES)["bids"] == {Decimal("0.4"): 10, Decimal("0.3"): 7}


def test_a_token_recorded_alone_gets_a_mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        f"s,{YES},,book,0.4,bid,10,h,1000",
        f"s,{YES},,book,0.45,ask,5,h,1000",
        f"s,{YES},,price_change,0.41,bid,3,i,1100",
    ]
    player = Player(monkeypatch, flat(tmp_path / "one.csv.gz", rows))
    player.play(3)
    (market,) = player.exchange.markets()
    assert player.book(market.token_ids[1]) == {
        "bids": {Decimal("0.55"): 5},
        "asks": {Decimal("0.6"): 10, Decimal("0.59"): 3},
    }
    assert len(market.token_ids[1]) == 77
    assert "made up for the replay" in market.description


def desk_file(path: Path, frames: list[tuple[str, dict[str, Any]]], **facts: Any) -> Path:
    market = {"condition_id": "0x" + "ab" * 32, "slug": "rain-tomorrow", "question": "Will it rain?", "outcomes": ["Wet", "Dry"], "token_ids": [YES, NO], "tick": "0.001", "minimum_size": "15", "neg_risk": True, "category": "weather"}  # fmt: skip
    lines = [json.dumps({"format": "polybot-recording", "version": 1, "markets": [market | facts]})]
    lines += [json.dumps({"receivedAt": at, "payloadUtf8": json.dumps(frame)}) for at, frame in frames]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_our_own_recordings_carry_their_facts_and_their_trades(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    common = {"market": "0x" + "ab" * 32, "asset_id": YES}
    book = {
        "event_type": "book",
        **common,
        "bids": [{"price": "0.4", "size": "9"}],
        "asks": [],
        "last_trade_price": "0.39",
    }
    fall = {"event_type": "price_change", "market": common["market"], "price_changes": [{"asset_id": YES, "price": "0.4", "size": "4", "side": "BUY"}]}  # fmt: skip
    trade = {"event_type": "last_trade_price", **common, "price": "0.4", "size": "5", "side": "SELL"}
    first = desk_file(
        tmp_path / "a.jsonl", [("2026-10-01T00:00:00Z", book), ("2026-10-01T00:00:01Z", {"event_type": "new_market"})]
    )
    second = desk_file(tmp_path / "b.jsonl", [("2026-10-01T00:00:02Z", trade), ("2026-10-01T00:00:03Z", fall)])
    player = Player(monkeypatch, tmp_path)
    player.play(4)
    assert first.exists() and second.exists()
    (market,) = player.exchange.markets()
    assert (market.slug, market.question, market.outcomes, market.tick, market.min_size, market.neg_risk) == (
        "rain-tomorrow",
        "Will it rain?",
        ("Wet", "Dry"),
        1_000,
        15 * S,
        True,
    )
    assert market.category.value == "weather"
    assert player.kinds() == ["book", "last_trade_price", "price_change"]
    assert "inferred" not in player.bodies[-2] or player.bodies[-2]["event_type"] != "last_trade_price"
    assert player.source["ignored_frames"] == 1


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.csv", "a,b,c\n1,2,3\n", "no column asset_id"),
        ("a.jsonl", "{}\n", "holds no readable market message"),
        ("a.txt", "", "no recording"),
    ],
)
def test_what_is_no_recording_is_refused_with_a_reason(tmp_path: Path, name: str, text: str, words: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(RecordingError, match=words):
        Exchange(ExchangeOptions(replay=(tmp_path,)), clock=lambda: 0)
    with pytest.raises(RecordingError, match="does not exist"):
        Exchange(ExchangeOptions(replay=(tmp_path / "none",)), clock=lambda: 0)
