"""Frames, quotes, settled markets, trades, fills and price series come into the archive as their sources have them."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.core.management import CommandError, call_command

from markets.domain.tape import Fidelity, Kind, Tape
from markets.domain.units import ONE, text_from_micro
from markets.selectors.archive.series import series_list, series_value_at
from markets.selectors.archive.settlements import settlements_compare
from markets.services.archive import ArchiveError, tape_open, tapes_list
from markets.services.archive.importing import data_import
from markets.services.archive.report import ImportReport
from markets.venues.polymarket.parse import book_hash
from tests.fakes.wire import book, price_change, trade
from tests.recordings import DATA

AT = datetime(2026, 7, 11, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, settings: Any) -> Path:
    settings.ARCHIVE_DIR = tmp_path / "archive"
    return tmp_path


def load(*paths: Path, **words: Any) -> ImportReport:
    (report,) = data_import(list(paths), **words)
    return report


def kinds(tape: Tape) -> list[Kind]:
    return [Kind(kind) for kind in tape.columns["kind"]]


def micros(tape: Tape) -> list[int]:
    return [int(ticks) * tape.step for ticks in tape.columns["ticks"]]


# ---- frames ------------------------------------------------------------------------------------------


def line(second: float, *frames: Any) -> str:
    text = json.dumps(frames[0] if len(frames) == 1 else list(frames))
    return json.dumps({"receivedAt": (AT + timedelta(seconds=second)).isoformat(), "payloadUtf8": text})


def test_frames_become_a_tape_with_both_tokens(folder: Path) -> None:
    resolved = {
        "event_type": "market_resolved",
        "market": "0x1",
        "winning_asset_id": "22",
        "timestamp": "1790000000000",
    }
    path = folder / "frames.jsonl"
    path.write_text(
        "\n".join([
            line(0, book("11"), book("22")),
            line(1, price_change("11", "0.49", "7")),
            line(2, trade("22", "0.52", "3")),
            "no json at all",
            json.dumps({"receivedAt": AT.isoformat(), "payloadUtf8": "PONG"}),
            line(-120, price_change("11", "0.48", "7")),
            line(3, resolved),
        ])
    )  # fmt: skip
    report = load(path)
    assert report.kept == 4 and sum(report.refused.values()) == 2 and report.ignored == 1
    assert any("received 122 s before" in reason for reason in report.refused)
    (info,) = tapes_list()
    assert info.fidelity is Fidelity.BOOK_AND_TRADES and info.resolved and info.payouts == (0, ONE)
    tape = tape_open(info.market, info.day)
    assert [k for k in kinds(tape) if k is not Kind.LEVEL] == [Kind.CLEAR] * 2 + [Kind.TRADE] + [Kind.RESOLVED] * 2
    assert tape.columns["venue_ns"][0] == 1_790_000_000_000 * 10**6 and tape.facts.outcomes[0].token_id == "11"
    assert load(path, markets=["0x9*"]).tapes == []


@pytest.mark.skipif(not DATA.is_dir(), reason="the shared recordings are not here")
def test_a_tape_of_real_frames_has_the_books_that_the_venue_hashed(folder: Path) -> None:
    path = DATA / "ws_market" / "new_format" / "market-ws-frames-h1-run-8.first11.jsonl"
    load(path)
    (info,) = tapes_list()
    tape = tape_open(info.market, info.day)
    batches: dict[tuple[str, str], tuple[str, int]] = {}
    for text in path.read_text().splitlines():
        outer = json.loads(text)
        at = datetime.fromisoformat(outer["receivedAt"])
        ns = int(at.timestamp() * 1_000) * 10**6
        frame = json.loads(outer["payloadUtf8"])
        for part in frame if isinstance(frame, list) else []:
            batches[part["asset_id"], part["hash"]] = (part["timestamp"], ns)
        for row in [] if isinstance(frame, list) else frame.get("price_changes", []):
            batches[row["asset_id"], row["hash"]] = (frame["timestamp"], ns)
    right = 0
    for (token, said), (stamp, ns) in batches.items():
        outcome = next(o.index for o in tape.facts.outcomes if o.token_id == token)
        asks, bids = book_at(tape, outcome, ns)
        levels = ([(p, s) for p, s in sorted(bids.items(), reverse=True)], sorted(asks.items()))
        right += book_hash(info.condition_id, token, stamp, *levels, "5", text_from_micro(info.tick), False, "") == said
    assert right >= 6, f"{right} of {len(batches)} books are the venue's"


def book_at(tape: Tape, outcome: int, ns: int) -> tuple[dict[int, int], dict[int, int]]:
    """Rebuild (asks, bids) from rows received up to a time."""
    sides: tuple[dict[int, int], dict[int, int]] = ({}, {})
    columns = {name: column.tolist() for name, column in tape.columns.items()}
    for row, at in enumerate(columns["received_ns"]):
        if at > ns or columns["outcome"][row] != outcome:
            continue
        if columns["kind"][row] == Kind.CLEAR:
            sides = ({}, {})
        elif columns["kind"][row] == Kind.LEVEL:
            side, price = sides[columns["side"][row]], columns["ticks"][row] * tape.step
            side[price] = columns["size"][row]
            if not side[price]:
                del side[price]
    return sides


# ---- polled quotes -----------------------------------------------------------------------------------


def quotes(folder: Path, rows: list[tuple[float, str, float | None, float | None]]) -> Path:
    at, slugs, bids, asks = zip(*((AT.replace(tzinfo=None) + timedelta(minutes=m), *r) for m, *r in rows), strict=True)
    table = {"ts": pa.array(at, pa.timestamp("us")), "slug": slugs, "category": ["sports"] * len(slugs)}
    path = folder / "quotes.parquet"
    pq.write_table(pa.table({**table, "bid": pa.array(bids, pa.float64()), "ask": pa.array(asks, pa.float64())}), path)
    return path


def test_quotes_become_mirrored_books_of_one_level(folder: Path) -> None:
    rows = [(0, "a", 0.4, 0.43), (2, "a", 0.4, 0.43), (4, "a", None, 0.43), (4, "a", 0.1, 0.2), (120, "a", 0.5, 0.43)]
    path = quotes(folder, [*rows, (0, "b", 0.1, 0.2), (2, "b", 1.5, 0.2)])
    pq.write_table(pa.table({"slug": ["a", "b"], "y": [1, 0], "source": ["api", "convergence"]}), folder / "l.parquet")
    names = {"slug": ["a"], "question": ["Will A win?"], "last_ts": [AT.replace(tzinfo=None) + timedelta(minutes=120)]}
    pq.write_table(pa.table(names), folder / "m.parquet")
    report = load(path)
    assert report.read == 7 and report.kept == 5 and sum(report.refused.values()) == 2
    first, second = tapes_list()
    assert (first.market, first.question, first.payouts) == ("polymarket_us.a", "Will A win?", (ONE, 0))
    assert second.payouts == (), "guessed labels are not results"
    assert first.resolved and first.fidelity is Fidelity.TOP_OF_BOOK and len(first.gaps) == 1
    assert any("100 shares are assumed" in note for note in first.notes)
    assert any("leave a book crossed" in note for note in first.notes)
    tape = tape_open(first.market, first.day)
    assert kinds(tape)[:8] == [Kind.CLEAR, Kind.LEVEL, Kind.LEVEL] * 2 + [Kind.LEVEL] * 2
    assert micros(tape)[:6] == [0, 400_000, 430_000, 0, 570_000, 600_000]


def test_many_markets_must_be_chosen_and_the_liveliest_come_first(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from markets.services.archive.importers import quotes as module

    monkeypatch.setattr(module, "_CHOOSE_ABOVE", 1)
    path = quotes(folder, [(0, "a", 0.4, 0.5), (2, "a", 0.4, 0.5), (0, "b", 0.4, 0.5), (2, "b", 0.41, 0.5)])
    with pytest.raises(ArchiveError, match="2 markets; choose with --markets"):
        load(path)
    assert [info.market for info in load(path, limit=1).tapes] == ["polymarket_us.b"]
    assert [info.market for info in load(path, markets=["A"]).tapes] == ["polymarket_us.a"]
    with pytest.raises(ArchiveError, match="none of 2 markets is one of zz"):
        load(path, markets=["zz"])


# ---- crypto markets and their feed -------------------------------------------------------------------


def updown(folder: Path, *, strike: str, outcome: list[str], end_s: int) -> None:
    raw = {
        "id": "1", "conditionId": "0x1", "slug": f"btc-{end_s}", "question": "Up?", "enableOrderBook": True,
        "outcomes": '["Up", "Down"]', "clobTokenIds": '["1", "2"]', "closed": True, "orderPriceMinTickSize": 0.01,
        "orderMinSize": 5, "outcomePrices": json.dumps(outcome), "umaResolutionStatus": "resolved",
        "closedTime": "2026-07-11 12:10:00+00", "feesEnabled": False,
    }  # fmt: skip
    market = {
        "slug": f"btc-{end_s}", "asset": "btc", "condition_id": "0x1", "token_ids": ["1", "2"], "start_sec": 1,
        "end_sec": end_s, "resolved": True, "outcome_prices": outcome, "strike_value": strike, "raw": raw,
    }  # fmt: skip
    with (folder / "markets.jsonl").open("a") as file:
        file.write(json.dumps(market) + "\n")


def test_results_are_compared_with_the_feed_that_decides_them(folder: Path) -> None:
    start = int(AT.timestamp())
    updown(folder, strike="65000000000000000000001", outcome=["0", "1"], end_s=start + 1)
    updown(folder, strike="65000000000000000000000", outcome=["1", "0"], end_s=start + 2)
    updown(folder, strike="65000000000000000000000", outcome=["0", "1"], end_s=start + 3)
    updown(folder, strike="", outcome=["1", "0"], end_s=start + 2)
    updown(folder, strike="1", outcome=["0.4", "0.6"], end_s=start + 4)
    feed = ["feed_ts_ms,value,full_accuracy_value,server_ts_ms,recv_ms"]
    feed += [
        f"{(start + s) * 1000},65000,65000000000000000000000,{start}000,{start + 9 - s}000" for s in (0, 1, 2, 2, 5)
    ]
    (folder / "BTCUSD-prices.csv").write_text("\n".join([*feed, "x,1,2,3,4"]))
    report = load(folder / "markets.jsonl", folder / "BTCUSD-prices.csv")
    assert sum(report.refused.values()) == 3, "a result that is not final, a tick twice, a line that is none"
    assert series_list()[0].rows == 4 and series_value_at("btcusd", start * 10**9) == 65_000 * 10**18
    found = {s.market.rsplit("-", 1)[1]: s for s in settlements_compare(tapes_list())}
    assert found[str(start + 1)].agrees is True and found[str(start + 3)].reason == "the feed has no tick at the end"
    info = next(i for i in tapes_list() if i.market.endswith(str(start + 1)))
    assert info.resolved and info.payouts == (0, ONE) and info.extra["series"] == "btcusd"
    assert tape_open(info.market, info.day).facts.outcomes[1].label == "Down"


# ---- trades and prices -------------------------------------------------------------------------------


def api_trade(second: int, *, index: int = 0, price: float = 0.4, **changes: Any) -> dict[str, Any]:
    return {
        "proxyWallet": "0xw", "side": "BUY", "asset": f"{index + 1}", "conditionId": "0xc", "size": 20, "price": price,
        "timestamp": int(AT.timestamp()) + second, "title": "Up?", "slug": "up", "eventSlug": "ups",
        "outcome": ("Up", "Down")[index], "outcomeIndex": index, "transactionHash": "0xt", **changes,
    }  # fmt: skip


def test_pages_of_trades_overlap_and_say_twice_what_happened_twice(folder: Path) -> None:
    first = [api_trade(3, index=1, price=0.7), api_trade(2), api_trade(2), api_trade(1, price=1.2)]
    second = [api_trade(2), api_trade(2), api_trade(0, price=0.3), api_trade(0, side="HOLD")]
    for name, page in (("0.json.gz", first), ("1.json.gz", second)):
        (folder / name).write_bytes(gzip.compress(json.dumps(page).encode()))
    report = load(folder / "0.json.gz", folder / "1.json.gz")
    assert report.kept == 4 and report.refused["on an earlier page already"] == 2
    (info,) = tapes_list()
    assert info.outcomes == ("Up", "Down") and info.trades == 4 and info.fidelity is Fidelity.PRICES
    assert any("one wallet's" in note for note in info.notes)
    tape = tape_open(info.market, info.day)
    assert kinds(tape)[:3] == [Kind.TRADE, Kind.PRICE, Kind.PRICE] and micros(tape)[:3] == [300_000, 300_000, 700_000]
    assert micros(tape)[-3:] == [700_000, 300_000, 700_000], "one minus the other outcome's price"


def test_fills_of_the_chain_stand_in_its_order_with_the_final_result(folder: Path) -> None:
    start = int(AT.timestamp())
    fill = {"timestamp": start, "block_number": 2, "transaction_hash": "0xa", "log_index": 1, "condition_id": "0xc"}
    fill |= {"price": 1 - 0.34, "token_amount": 2.5, "side": "BUY"}
    rows = [fill, {**fill, "block_number": 1, "price": 0.5}, dict(fill), {**fill, "log_index": 2, "side": "SWAP"}]
    pq.write_table(pa.Table.from_pylist(rows), folder / "quant.parquet")
    market = {"condition_id": "0xc", "slug": "den-min", "question": "Den?", "token1": "1", "token2": "2"}
    market |= {"answer1": "Den", "answer2": "Min", "closed": 1, "outcome_prices": "['0.0005', '0.9995']"}
    market |= {"event_slug": "e", "end_date": AT, "updated_at": AT + timedelta(hours=1), "neg_risk": 0}
    pq.write_table(pa.Table.from_pylist([market]), folder / "markets.parquet")
    report = load(folder / "quant.parquet", folder / "markets.parquet")
    assert report.kept == 2 and sum(report.refused.values()) == 2
    (info,) = tapes_list()
    assert info.payouts == (0, ONE) and info.outcomes == ("Den", "Min") and info.resolved
    tape = tape_open(info.market, info.day)
    trades = [micro for kind, micro in zip(kinds(tape), micros(tape), strict=True) if kind is Kind.TRADE]
    assert trades == [500_000, 660_000]


def test_a_closing_price_is_known_when_its_day_ends_and_missing_days_stay_missing(folder: Path) -> None:
    days = [*range(1, 8), 28]
    lines = [f"2026-06-{day:02} 00:00:00,77,9,0.1,0.9,0.1,{Decimal(day) / 100},Rosen,x" for day in days]
    head = "trade_dt,token_id,event_id,open_price,high_price,low_price,close_price,question,insert_time"
    (folder / "daily.csv").write_text("\n".join([head, *lines, "soon,77,9,1,1,1,0.5,Rosen,x", lines[0]]))
    report = load(folder / "daily.csv")
    assert report.kept == 8 and sum(report.refused.values()) == 2
    found = tapes_list()
    assert [info.day for info in found] == [f"2026-06-{day:02}" for day in days] and found[0].question == "Rosen"
    tape = tape_open(found[0].market, "2026-06-01")
    assert micros(tape) == [10_000, 990_000] and tape.start_ns % (86_400 * 10**9) == 86_400 * 10**9 - 1
    assert Kind.GAP in kinds(tape_open(found[0].market, "2026-06-07"))


def test_a_price_history_is_stored_under_its_files_name(folder: Path) -> None:
    start = int(AT.timestamp())
    points = [{"t": start, "p": 0.5}, {"t": start + 60, "p": 0.51}, {"t": start + 60, "p": 0.6}, {"t": "x", "p": 1}]
    (folder / "rain-tomorrow.json").write_text(json.dumps({"history": points}))
    report = load(folder / "rain-tomorrow.json")
    assert report.kept == 2 and sum(report.refused.values()) == 2
    (info,) = tapes_list()
    assert info.market == "polymarket.rain-tomorrow" and info.rows == 4


# ---- commands ----------------------------------------------------------------------------------------


def test_commands_import_and_draw(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CommandError, match="nothing is recorded"):
        call_command("data")
    path = quotes(folder, [(0, "a", 0.4, 0.43), (300, "a", 0.4, 0.44), (302, "a", 0.4, 0.45)])
    call_command("import_data", str(path), markets="a")
    assert "3 rows read, 3 kept, 0 refused" in capsys.readouterr().out
    call_command("data", market="A")
    out = capsys.readouterr().out
    assert "polymarket_us.a" in out and "░" in out and "1 tapes of 1 markets" in out
    with pytest.raises(CommandError, match="does not exist"):
        call_command("import_data", str(folder / "nowhere"))


def test_an_interrupted_import_leaves_no_half_tape(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from markets.services.archive.importers import quotes as module

    path = quotes(folder, [(0, "a", 0.4, 0.43), (0, "b", 0.4, 0.43)])
    whole = module._write

    def interrupted(*args: Any, **words: Any) -> None:
        if words["key"] == "b":
            raise KeyboardInterrupt
        whole(*args, **words)

    monkeypatch.setattr(module, "_write", interrupted)
    with pytest.raises(SystemExit) as ended:
        call_command("import_data", str(path))
    assert ended.value.code == 130
    assert [info.market for info in tapes_list()] == ["polymarket_us.a"]
    assert not list((folder / "archive").glob("tmp*"))


def test_a_recording_of_very_many_markets_is_known_by_the_beginning_of_its_header() -> None:
    from pathlib import Path
    from types import SimpleNamespace

    from markets.services.archive.importers.raw_frames import RawFrames

    head = (
        b'{"format":"polybot-recording","version":1,"startedAt":"2026-10-01T12:00:00+00:00","markets":[' + b" " * 70_000
    )
    assert RawFrames().claims(SimpleNamespace(head=head[:65_536], path=Path("x")))  # type: ignore[arg-type]
    assert not RawFrames().claims(SimpleNamespace(head=b'{"format":"other"', path=Path("x")))  # type: ignore[arg-type]
