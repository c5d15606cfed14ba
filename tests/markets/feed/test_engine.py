"""What the engine makes of frames, probes and lost sockets, moment by moment."""

from __future__ import annotations

import json
from typing import Any

from markets.domain.events import BookSnapshot, FeedGap, GapReason, LevelChange, MarketResolved, TradePrint
from markets.domain.views import BookStatus
from markets.feed.engine import Engine
from markets.tickstore import Batch
from markets.venues.polymarket.feed import PolymarketFeed
from tests.fakes.wire import AT_MS, book, price_change, snapshot, trade, watched

S = 1_000


def engine_with(*tokens: str, **changes: Any) -> Engine:
    engine = Engine(PolymarketFeed(), epoch="1")
    engine.watch({n: watched(n, t, **changes) for n, t in enumerate(tokens, 1)}, AT_MS)
    engine.subscribed(tokens, AT_MS)
    return engine


def hear(engine: Engine, *messages: Any, at_ms: int = AT_MS) -> None:
    engine.frames([m if isinstance(m, bytes) else json.dumps(m).encode() for m in messages], at_ms * 1_000_000)


def said(engine: Engine, at_ms: int = AT_MS) -> Batch:
    engine.flush(at_ms)
    return engine.out.take_batch()


def live(*tokens: str) -> Engine:
    engine = engine_with(*tokens)
    hear(engine, [book(t) for t in tokens])
    said(engine)
    return engine


def test_a_snapshot_makes_a_book_live_and_changes_follow_in_order() -> None:
    engine = engine_with("a")
    hear(engine, [book("a")], price_change("a", "0.49", "7"), at_ms=AT_MS + 5)
    batch = said(engine)
    view = batch.books[1]
    assert (view.status, view.best_bid, view.best_ask, view.confirmed_ms) == (
        BookStatus.LIVE, 490_000, 520_000, AT_MS + 5
    )  # fmt: skip
    assert [type(e) for _, e in batch.events] == [BookSnapshot, LevelChange]
    assert {w.kind for w in batch.wakes} == {"status", "book"}


def test_a_change_before_the_snapshot_is_not_believed() -> None:
    engine = engine_with("a")
    hear(engine, price_change("a", "0.49", "7"))
    batch = said(engine)
    assert not batch.books and not batch.events
    assert batch.states[1][0] is BookStatus.MISSING


def test_tokens_nobody_watches_are_ignored() -> None:
    engine = live("a")
    hear(engine, price_change("other", "0.5", "1"), [book("third")])
    assert not said(engine)


def test_a_batch_has_each_book_once_and_every_event() -> None:
    engine = live("a")
    hear(engine, *(price_change("a", "0.49", str(n)) for n in range(1, 40)))
    batch = said(engine)
    assert len(batch.books) == 1 and len(batch.events) == 39
    assert batch.books[1].bids[0] == (490_000, 39_000_000)


def test_a_lost_socket_makes_its_books_stale_until_the_next_snapshot() -> None:
    engine = live("a", "b")
    assert engine.lost(["a"], AT_MS + S) == 1
    hear(engine, price_change("a", "0.5", "1"), price_change("b", "0.5", "1"), at_ms=AT_MS + S)
    batch = said(engine, AT_MS + S)
    assert batch.states[1][0] is BookStatus.STALE and 1 not in batch.books and 2 in batch.books
    assert [e.reason for i, e in batch.events if isinstance(e, FeedGap)] == [GapReason.RECONNECTED]
    engine.subscribed(["a"], AT_MS + 2 * S)
    hear(engine, [book("a", bid="0.3")], at_ms=AT_MS + 2 * S)
    assert said(engine).books[1].status is BookStatus.LIVE


def test_garbage_costs_nothing_but_a_probe_of_whom_it_names() -> None:
    engine = live("a", "b")
    hear(
        engine,
        b"\xff",
        b"[" * 5_000,
        b'{"event_type":"book"}',
        price_change("a", "NaN", "1"),
        b"",
        price_change("b", "0.4", "2"),
    )
    assert engine.frames_refused == 5 and len(engine.out.issues) == 5
    assert engine.tracked[1].suspect and not engine.tracked[2].suspect
    assert set(said(engine).books) == {2}


def test_a_level_no_book_can_hold_is_refused_and_doubted() -> None:
    engine = live("a")
    hear(engine, price_change("a", "0.123456", "1"))
    assert engine.out.issues[0].field == "price" and engine.tracked[1].suspect


def test_an_agreeing_probe_keeps_a_quiet_book_fresh() -> None:
    engine = live("a")
    later = AT_MS + 60 * S
    assert engine.probes_due(later) == ["a"]
    engine.probed({"a": snapshot("a")}, later, later + 30)
    assert said(engine, later).states == {1: (BookStatus.LIVE, later)}
    assert engine.probes_due(later + S) == []


def test_a_silent_stall_is_found_and_only_that_market_is_marked() -> None:
    engine = live("a", "b")
    now = AT_MS + 2 * S
    moved = snapshot("a", bid="0.40", at_ms=now)
    for _ in range(3):
        hear(engine, price_change("b", "0.47", "3", at_ms=now), at_ms=now)
        engine.probes_due(now)
        engine.probed({"a": moved}, now, now + 20)
        now += 2 * S
        if engine.tracked[1].status is BookStatus.STALE:
            break
    assert now - AT_MS <= 15 * S
    batch = said(engine, now)
    assert (engine.tracked[1].status, engine.tracked[2].status) == (BookStatus.STALE, BookStatus.LIVE)
    assert [(i, e.reason) for i, e in batch.events if isinstance(e, FeedGap)] == [(1, GapReason.STALLED)]
    assert engine.out.take_renewals() == ["a"]
    assert [n.kind for n in engine.out.notices] == ["feed.stale"]
    hear(engine, [book("a", bid="0.40", at_ms=now)], at_ms=now)
    assert engine.tracked[1].status is BookStatus.LIVE
    assert [n.kind for n in engine.out.notices] == ["feed.stale", "feed.recovered"]


def test_an_answer_ahead_of_the_socket_is_not_a_stall() -> None:
    engine = live("a")
    for n in range(1, 8):
        now = AT_MS + n * 2 * S
        size = str(n)
        engine.probed({"a": snapshot("a", bids=[{"price": "0.48", "size": size}], at_ms=now)}, now, now + 10)
        hear(engine, book("a", bids=[{"price": "0.48", "size": size}], at_ms=now), at_ms=now + 20)
    assert engine.tracked[1].status is BookStatus.LIVE


def test_a_book_that_differs_at_the_same_moment_is_thrown_away() -> None:
    engine = live("a")
    wrong = snapshot("a", bid="0.47")  # the same venue time as ours
    for n in range(3):
        engine.probed({"a": wrong}, AT_MS + (n + 1) * 2 * S, AT_MS + (n + 1) * 2 * S)
    gaps = [e.reason for _, e in said(engine).events if isinstance(e, FeedGap)]
    assert gaps == [GapReason.HASH_MISMATCH]


def test_without_a_socket_books_are_polled_and_say_so() -> None:
    engine = live("a")
    engine.lost(["a"], AT_MS)
    engine.probed({"a": snapshot("a", bid="0.45")}, AT_MS + S, AT_MS + S)
    assert engine.tracked[1].status is BookStatus.STALE  # a reconnect usually takes less
    engine.probed({"a": snapshot("a", bid="0.45")}, AT_MS + 7 * S, AT_MS + 7 * S)
    view = said(engine).books[1]
    assert (view.status, view.best_bid) == (BookStatus.POLLED, 450_000)
    engine.subscribed(["a"], AT_MS + 9 * S)
    hear(engine, [book("a")], at_ms=AT_MS + 9 * S)
    assert engine.tracked[1].status is BookStatus.LIVE


def test_a_socket_that_never_sends_the_snapshot_is_asked_again_ever_more_slowly() -> None:
    engine = engine_with("a")
    asked = []
    for second in range(6, 120, 2):
        engine.probed({"a": snapshot("a")}, AT_MS + second * S, AT_MS + second * S)
        if engine.out.take_renewals():
            asked.append(second)
    assert 3 <= len(asked) <= 5 and engine.tracked[1].status is BookStatus.POLLED


def test_contradicting_best_prices_ask_for_a_probe() -> None:
    engine = live("a")
    change = price_change("a", "0.40", "3")
    change["price_changes"][0].update(best_bid="0.50", best_ask="0.52")
    hear(engine, change)
    engine.checks(AT_MS + S)
    assert engine.tracked[1].suspect


def test_the_same_print_twice_counts_once_and_equal_prints_count_twice() -> None:
    engine = live("a")
    hear(engine, trade("a", "0.5", "3", ref="0x9"), trade("a", "0.5", "3", ref="0x9"))
    hear(engine, trade("a", "0.5", "4"), trade("a", "0.5", "4"))
    batch = said(engine)
    assert [e.size for _, e in batch.events if isinstance(e, TradePrint)] == [3_000_000, 4_000_000, 4_000_000]
    assert batch.books[1].last_trade_price == 500_000


def test_prints_without_a_hash_that_come_again_after_a_reconnect_count_once() -> None:
    engine = live("a")
    hear(engine, trade("a", "0.5", "4"), trade("a", "0.5", "4"))
    engine.lost(["a"], AT_MS + S)
    engine.subscribed(["a"], AT_MS + 2 * S)
    hear(engine, [book("a")], *(trade("a", "0.5", "4") for _ in range(3)), at_ms=AT_MS + 2 * S)
    assert [t.occurrence for _, t in engine.out.trades] == [0, 1, 2]  # the third is new: it was heard twice before
    assert [e.occurrence for _, e in said(engine).events if isinstance(e, TradePrint)] == [0, 1, 2]


def test_what_a_replay_deduced_is_marked() -> None:
    engine = live("a")
    hear(engine, {**trade("a", "0.5", "4"), "inferred": True}, trade("a", "0.5", "5"))
    assert [t.inferred for _, t in engine.out.trades] == [True, False]


def test_a_minute_is_handed_over_whole_whatever_interrupts_it() -> None:
    engine = live("a")
    start = AT_MS - AT_MS % 60_000 + 60_000
    hear(engine, trade("a", "0.5", "3"), at_ms=start + S)
    engine.lost(["a"], start + 2 * S)
    engine.subscribed(["a"], start + 3 * S)
    hear(engine, [book("a")], trade("a", "0.5", "4"), at_ms=start + 4 * S)
    said(engine, start + 4 * S)
    engine.out.candles.clear()
    engine.sample(start + 63 * S)
    hear(engine, trade("a", "0.5", "5"), at_ms=start + 59 * S)  # too late for its minute: it counts for the next
    engine.stop(start + 64 * S)
    assert [(c.opens_ms, c.volume, c.trades) for c in engine.out.candles] == [
        (start, 7_000_000, 2), (start + 60 * S, 5_000_000, 1)
    ]  # fmt: skip


def test_an_outcome_taken_up_again_within_the_minute_is_another_writer() -> None:
    engine = live("a")
    hear(engine, trade("a", "0.5", "3"))
    engine.watch({}, AT_MS + S)
    engine.watch({1: watched(1, "a")}, AT_MS + 2 * S)
    hear(engine, trade("a", "0.5", "4"), at_ms=AT_MS + 3 * S)
    engine.stop(AT_MS + 4 * S)
    first, second = engine.out.candles
    assert first.opens_ms == second.opens_ms and first.writer < second.writer


def test_a_tick_change_is_taken_at_once_and_doubted() -> None:
    engine = live("a")
    hear(engine, {"event_type": "tick_size_change", "market": "0x1", "asset_id": "a", "old_tick_size": "0.01",
                  "new_tick_size": "0.001", "timestamp": str(AT_MS)})  # fmt: skip
    assert said(engine).books[1].tick == 1_000
    assert engine.tracked[1].suspect and engine.out.ticks == [(1, 1_000)]


def test_a_resolution_reaches_both_outcomes() -> None:
    engine = live("a", "b")
    hear(engine, {"event_type": "market_resolved", "market": "0x1", "winning_asset_id": "a", "timestamp": str(AT_MS)})
    assert [i for i, e in said(engine).events if isinstance(e, MarketResolved)] == [1, 2]


def test_a_closed_market_shows_closed_and_reopens() -> None:
    engine = live("a")
    engine.watch({1: watched(1, "a", takes_orders=False)}, AT_MS)
    assert said(engine).books[1].status is BookStatus.CLOSED
    engine.watch({1: watched(1, "a")}, AT_MS)
    assert said(engine).books[1].status is BookStatus.LIVE


def test_what_is_no_longer_watched_is_gone() -> None:
    engine = live("a", "b")
    engine.watch({2: watched(2, "b")}, AT_MS)
    assert said(engine).gone == [1]


def test_samples_and_candles_follow_the_clock() -> None:
    engine = live("a")
    start = AT_MS - AT_MS % 60_000 + 60_000
    engine.sample(start)
    engine.out.take_batch()
    hear(engine, trade("a", "0.5", "3"), price_change("a", "0.50", "7"), at_ms=start + 500)
    engine.flush(start + 500)
    engine.sample(start + S)
    (second,) = engine.out.take_batch().samples
    assert (second[0], second[2].at_ms, second[2].mid, second[2].traded) == (1, start, 510_000, 3_000_000)
    engine.sample(start + 2 * S)
    assert not engine.out.take_batch().samples  # nothing moved
    engine.out.candles.clear()
    engine.sample(start + 63 * S)
    (candle,) = engine.out.candles
    assert (candle.opens_ms, candle.close, candle.volume, candle.trades) == (start, 510_000, 3_000_000, 1)
    assert {period for period, _, _ in engine.out.take_batch().samples} == {1, 60}


def test_a_new_epoch_says_everything_again() -> None:
    engine = live("a")
    engine.republish(AT_MS + S, epoch="2")
    batch = said(engine, AT_MS + S)
    assert batch.books[1].epoch == "2"
    assert [type(e) for _, e in batch.events] == [BookSnapshot]


def test_after_a_stop_nothing_looks_alive() -> None:
    engine = live("a")
    engine.stop(AT_MS + S)
    assert said(engine).states[1][0] is BookStatus.STALE


# ---- over days -------------------------------------------------------------------------------------


def test_a_failed_reconnect_does_not_spoil_what_rest_gave() -> None:
    engine = live("a")
    engine.lost(["a"], AT_MS)
    engine.probed({"a": snapshot("a", bid="0.45")}, AT_MS + 7 * S, AT_MS + 7 * S)
    said(engine)
    assert engine.lost(["a"], AT_MS + 8 * S) == 0  # the next attempt failed too
    assert engine.tracked[1].status is BookStatus.POLLED and not said(engine).events
    engine.probed({"a": snapshot("a", bid="0.44")}, AT_MS + 9 * S, AT_MS + 9 * S)
    assert said(engine).books[1].best_bid == 440_000


def test_a_book_is_not_asked_for_while_its_snapshot_is_under_way() -> None:
    engine = engine_with("a")
    assert engine.probes_due(AT_MS + 5 * S) == []
    assert engine.probes_due(AT_MS + 5 * S + 1) == ["a"]


def test_a_clock_set_back_leaves_no_book_fresh_by_its_old_time() -> None:
    engine = live("a")
    hear(engine, price_change("a", "0.49", "7"), at_ms=AT_MS + 3_600 * S)
    engine.probes_due(AT_MS + 3_600 * S)
    said(engine)
    back = AT_MS + 60 * S
    assert engine.probes_due(back) == ["a"]
    agreed = snapshot("a", bids=[{"price": p, "size": s} for p, s in (("0.01", "50"), ("0.48", "10"), ("0.49", "7"))])
    engine.probed({"a": agreed}, back, back + 20)
    assert said(engine, back).books[1].confirmed_ms == back
    assert engine.probes_due(back + S) == []


def test_a_stall_is_found_after_the_clock_was_set_back() -> None:
    engine = live("a")
    hear(engine, price_change("a", "0.49", "7"), at_ms=AT_MS + 3_600 * S)
    for second in range(2, 12, 2):
        now = AT_MS + second * S
        engine.probed({"a": snapshot("a", bid="0.40", at_ms=now)}, now, now + 20)
    assert engine.tracked[1].status is not BookStatus.LIVE


def test_a_decided_market_is_closed_before_the_catalogue_knows() -> None:
    engine = live("a", "b")
    hear(engine, {"event_type": "market_resolved", "market": "0x1", "winning_asset_id": "a", "timestamp": str(AT_MS)})
    batch = said(engine)
    assert {batch.books[n].status for n in (1, 2)} == {BookStatus.CLOSED}
    hear(engine, price_change("a", "0.49", "7"))
    assert said(engine).books[1].status is BookStatus.CLOSED


def test_every_quiet_book_gets_its_turn_to_be_checked() -> None:
    names = [f"t{n}" for n in range(25)]
    engine = live(*names)
    for n in range(1, 4):
        hear(engine, *(price_change(t, "0.49", str(n)) for t in names[:10]), at_ms=AT_MS + n * S)
        engine.checks(AT_MS + n * S + 400)
    assert not any(engine.tracked[n].unchecked for n in range(11, 26))


def test_nothing_is_remembered_of_outcomes_that_went() -> None:
    engine = live("a")
    engine.probed({"a": snapshot("a", bid="0.40", at_ms=AT_MS + 2 * S)}, AT_MS + 2 * S, AT_MS + 2 * S)
    engine.probed({"a": snapshot("a", bid="0.40", at_ms=AT_MS + 2 * S)}, AT_MS + 4 * S, AT_MS + 4 * S)
    assert engine.out._reported == {1}
    engine.watch({}, AT_MS + 5 * S)
    assert not engine.out._reported and not engine._by_token and not engine._by_condition and not engine._dirty


def test_trades_of_a_slot_without_a_price_are_no_later_slots() -> None:
    engine = engine_with("a")
    start = AT_MS - AT_MS % 60_000 + 60_000
    hear(engine, [book("a", asks=[])], trade("a", "0.5", "3"), at_ms=start)
    for second in (0, 1, 2, 61):
        engine.sample(start + second * S)
    hear(engine, [book("a")], trade("a", "0.5", "4"), at_ms=start + 62 * S)
    engine.out.take_batch()
    engine.sample(start + 63 * S)
    (sample,) = engine.out.take_batch().samples
    assert sample[2].traded == 4_000_000
    engine.sample(start + 121 * S)
    assert [s.traded for period, _, s in engine.out.take_batch().samples if period == 60] == [4_000_000]
