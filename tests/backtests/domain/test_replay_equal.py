"""Short ways in a replay equal the long ones: random tapes, event by event, against the code that runs live."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from backtests.domain.clock import Rows, segments_of
from backtests.domain.fees_by_date import FREE, FeeCalendar
from backtests.domain.request import Fees, Latency
from backtests.domain.venue import Filled, VenueMarket
from backtests.domain.views import SeenMarket, Watching
from markets.domain.book import OrderBook
from markets.domain.candles import CandleBuilder
from markets.domain.events import BookSnapshot, LevelChange, TradePrint
from markets.domain.instruments import Side
from markets.domain.rings import MINUTES, SECONDS, slot_pack, slots_unpack
from markets.domain.tape import Fidelity, Kind, Tape
from markets.domain.units import ONE
from markets.domain.views import VIEW_DEPTH, BookStatus
from markets.feed.outbox import Outbox
from markets.feed.sampling import Sampler
from markets.feed.tracked import Tracked
from markets.venues.simulated.matching import OrderType
from markets.venues.simulated.paper import PaperBook, PaperOrder
from markets.venues.simulated.queue import QueueModel
from strategies.domain.view import Needs
from tests.backtests.scripts import replay, request
from tests.backtests.tapes import MS, NO, START_NS, YES, TapeMaker, facts_make, micro, shifted

CENTS = [f"0.{n:02d}" for n in range(40, 61)]


def random_tape(seed: int, *, events: int = 400, pair: bool = True, gaps: bool = True, every_ms: int = 130) -> Tape:
    """Return a market whose middle wanders, with trades at the touch, crossed moments, gaps and whole books."""
    rng = random.Random(seed)
    maker, at, middle = TapeMaker(facts_make(1)), 0, 50
    maker.book(0, bids=[("0.49", "80"), ("0.48", "20")], asks=[("0.51", "60"), ("0.52", "10")], pair=pair)
    for _ in range(events):
        at += rng.randrange(0, every_ms)
        middle = min(58, max(42, middle + rng.choice((-1, 0, 0, 0, 1))))
        outcome = rng.choice((YES, NO)) if pair else YES
        side = rng.choice((Side.BUY, Side.SELL))
        distance = rng.choice((0, 1, 1, 2, 3, 5))
        cents = middle - distance if side is Side.BUY else middle + distance
        size = rng.choice(("0", "5", "12.5", "30", "77.77"))
        roll = rng.random()
        if roll < 0.6:
            maker.level(at, YES, side, f"0.{cents:02d}", size, pair=pair)
        elif roll < 0.9:
            maker.trade(at, outcome, side, f"0.{cents if outcome == YES else 100 - cents:02d}", "7.5")
        elif roll < 0.93 and gaps:
            maker.gap(at, None if pair else YES)
        else:
            levels = [(f"0.{middle - n:02d}", str(10 * n)) for n in range(1, 5)]
            others = [(f"0.{middle + n:02d}", str(9 * n)) for n in range(1, 5)]
            maker.book(at, bids=levels, asks=others, pair=pair)
    return maker.tape()


def events_of(tape: Tape):
    """Return the tape's events as the feed would say them, with their time in ns, message by message."""
    columns = {name: column.tolist() for name, column in tape.columns.items()}
    row = 0
    while row < len(tape):
        kind, outcome = columns["kind"][row], columns["outcome"][row]
        at, price = columns["received_ns"][row], columns["ticks"][row] * tape.step
        side = Side.BUY if columns["side"][row] else Side.SELL
        token = tape.facts.outcomes[outcome].token_id
        if kind == Kind.CLEAR:
            books = [], []
            while not columns["flags"][row] & 1 and columns["kind"][row + 1] == Kind.LEVEL:
                row += 1
                books[columns["side"][row]].append((columns["ticks"][row] * tape.step, columns["size"][row]))
            asks, bids = books
            yield at, outcome, BookSnapshot(
                token_id=token,
                bids=tuple(sorted(bids, reverse=True)),
                asks=tuple(sorted(asks)),
                venue_ms=at // MS,
                received_ns=at,
            )  # fmt: skip
        elif kind == Kind.LEVEL:
            size = columns["size"][row]
            change = LevelChange(token_id=token, side=side, price=price, size=size, venue_ms=at // MS, received_ns=at)
            yield at, outcome, change
        elif kind == Kind.TRADE:
            size = columns["size"][row]
            yield at, outcome, TradePrint(
                token_id=token, side=side, price=price, size=size, venue_ms=at // MS, received_ns=at
            )  # fmt: skip
        else:
            yield at, outcome, None
        row += 1


def rows_of(tape: Tape, *, at_venue: bool, block: int = 64) -> Rows:
    return Rows(segments_of([tape], end_ns=None), at_venue=at_venue, delay_ns=0, block=block)


@pytest.mark.parametrize("model", list(QueueModel))
@pytest.mark.parametrize("seed", range(6))
def test_the_guarded_venue_fills_as_the_paper_book_does(seed: int, model: QueueModel) -> None:
    tape = random_tape(seed)
    rng = random.Random(seed)
    tokens = [outcome.token_id for outcome in tape.facts.outcomes]
    plain = [
        PaperBook(tokens[i], complement_id=tokens[1 - i], tick=10_000, minimum_size=5 * ONE, fee=FREE, model=model)
        for i in (0, 1)
    ]
    market = VenueMarket(
        tape.facts,
        rows_of(tape, at_venue=True),
        model=model,
        fees=FeeCalendar(tape.facts, request(fees=Fees.NONE)),
        fidelity=Fidelity.BOOK_AND_TRADES,
        mirrored=None,
    )
    expected: list[tuple[str, int, int]] = []
    found: list[tuple[str, int, int]] = []

    def took() -> None:
        found.extend((e.key, e.fill.price, e.fill.size) for e in market.effects if isinstance(e, Filled))
        market.effects.clear()

    ended, keys = False, iter(range(10**6))
    events = list(events_of(tape))
    for number, (at, outcome, event) in enumerate(events):
        for book in plain if isinstance(event, TradePrint) else [plain[outcome]]:
            if event is None:
                book.on_gap()
            elif isinstance(event, TradePrint):
                expected += [(f.key, f.price, f.size) for f in book.on_trade(event)]
            elif isinstance(event, BookSnapshot):
                expected += [(f.key, f.price, f.size) for f in book.on_snapshot(event)]
            elif book.known:
                expected += [(f.key, f.price, f.size) for f in book.on_change(event)]
        ended = number + 1 == len(events)
        if not ended and events[number + 1][0] == at:
            continue  # orders arrive after everything of a moment
        while market.advance(at):
            took()
        took()
        if rng.random() < 0.3:
            which, side = rng.choice((0, 1)), rng.choice((Side.BUY, Side.SELL))
            order = PaperOrder(
                key=str(next(keys)),
                side=side,
                price=micro(rng.choice(CENTS)),
                size=rng.choice((5, 20, 60)) * ONE,
                order_type=rng.choice((OrderType.GTC, OrderType.GTC, OrderType.FAK)),
            )
            if plain[which].known:
                expected += [(f.key, f.price, f.size) for f in plain[which].place(order, now_ms=at // MS).fills]
                market.place(which, order, at_ns=at)
                took()
        if rng.random() < 0.1 and plain[0].orders:
            key = rng.choice(list(plain[0].orders))
            plain[0].cancel(key)
            market.cancel(0, key, at_ns=at)
            took()
        assert found == expected
        assert [{k: (o.ahead, o.filled) for k, o in b.orders.items()} for b in plain] == [
            {k: (o.ahead, o.filled) for k, o in b.orders.items()} for b in market.books
        ]
    assert ended and len(found) > 20


@pytest.mark.parametrize("seed", range(4))
def test_what_is_seen_equals_the_feeds_books_and_samples(seed: int) -> None:
    tape = random_tape(seed, events=500, every_ms=900)
    needs = Needs(samples_1s=900, samples_1m=60)
    seen = SeenMarket(tape.facts, rows_of(tape, at_venue=False), mirrored=None, needs=needs, watching=Watching())
    out, sampler = Outbox(), Sampler()
    tracked = [Tracked(outcome=_Outcome(i), book=OrderBook(10_000), candle=CandleBuilder(i, writer=1)) for i in (0, 1)]
    rings = {1: bytearray(SECONDS.size_bytes), 60: bytearray(MINUTES.size_bytes)}
    second, looks = START_NS // 10**9, 0
    rng = random.Random(seed)
    for at, outcome, event in events_of(tape):
        while (second + 1) * 10**9 <= at:
            second += 1
            sampler.sample([tracked[0]], second * 1_000, out)
            for period, _, sample in out.batch.samples:
                shape = SECONDS if period == 1 else MINUTES
                offset = shape.offset(sample.at_ms)
                rings[period][offset : offset + 24] = slot_pack(sample)
            out.batch.samples.clear()
            if rng.random() < 0.1:
                looks += 1
                now_ns = second * 10**9 + 1
                seen.advance(now_ns - 1)
                assert seen.sampler is not None
                assert seen.sampler.seconds(now_ns) == _ring(rings[1], SECONDS, now_ns, 900)
                assert seen.sampler.minutes(now_ns) == _ring(rings[60], MINUTES, now_ns, 60)
        item = tracked[outcome]
        if isinstance(event, BookSnapshot):
            item.book.apply_snapshot(event)
            item.ready, item.status = True, BookStatus.LIVE
        elif isinstance(event, LevelChange) and item.ready:
            item.book.apply_change(event)
        elif isinstance(event, TradePrint):
            item.traded_second += event.size
            item.traded_minute += event.size
        elif event is None:
            item.ready, item.status = False, BookStatus.STALE
    seen.advance(tape.end_ns)
    for index, item in enumerate(tracked):
        view = seen.book(index, 0)
        assert view is not None
        assert (view.bids, view.asks) == (
            item.book.levels(Side.BUY, VIEW_DEPTH),
            item.book.levels(Side.SELL, VIEW_DEPTH),
        )
        assert (view.seq, view.status) == (item.book.seq, item.status)
    assert looks > 10


class _Outcome:
    """As much of a watched outcome as sampling asks for."""

    def __init__(self, outcome_id: int) -> None:
        self.outcome_id = outcome_id
        self.takes_orders = True


def _ring(raw: bytearray, shape, now_ns: int, count: int):
    return slots_unpack(bytes(raw), shape=shape, now_ms=now_ns // MS, count=count)


MAKER = {"size": "10", "maximum_position": "60", "half_spread": "1"}


@pytest.mark.parametrize("seed", range(3))
def test_one_recorded_outcome_is_as_good_as_both(seed: int) -> None:
    """Trades on the recorded outcome only: then the mirrored book knows as much as a recorded one."""
    both = random_tape(seed, gaps=False)
    columns = both.columns
    mirrored_trades = (columns["kind"] == Kind.TRADE) & (columns["outcome"] == NO)
    keep = ~mirrored_trades
    both = replace(both, columns={name: column[keep] for name, column in columns.items()})
    first = (both.columns["outcome"] == YES) | (both.columns["kind"] == Kind.RESOLVED)
    only = {name: column[first].copy() for name, column in both.columns.items()}
    only["flags"][:] |= 1
    # The whole books of the pair are one message; without the second outcome the last row of the first one ends it.
    clear = only["kind"] == Kind.CLEAR
    level = only["kind"] == Kind.LEVEL
    same = (only["received_ns"][1:] == only["received_ns"][:-1]) & level[1:] & (clear[:-1] | level[:-1])
    inside = _inside_books(clear, level, only["received_ns"])
    only["flags"][:-1][inside[1:] & same] &= 254
    one = replace(both, columns=only)
    values = {"strategy": "touch_maker", "params": MAKER, "interval_ms": 200, "latency": Latency(order_ms=20)}
    a, b = replay(both, None, **values), replay(one, None, **values)
    assert a.fills.tolist() == b.fills.tolist() and len(a.fills) > 5
    assert a.orders.tolist() == b.orders.tolist()
    assert a.cash == b.cash


def _inside_books(clear, level, received):
    """Return the rows that belong to a whole book: the levels after a CLEAR of the same moment."""
    inside = clear.copy()
    for row in range(1, len(clear)):
        inside[row] = clear[row] or (inside[row - 1] and level[row] and received[row] == received[row - 1])
    return inside


@pytest.mark.parametrize("seed", range(3))
def test_the_same_twice_is_the_same(seed: int) -> None:
    tape = random_tape(seed)
    values = {"strategy": "market_making", "params": {}, "interval_ms": 250}
    first, second = replay(tape, None, **values), replay(tape, None, **values)
    for name in ("orders", "fills", "equity", "settlements"):
        assert getattr(first, name).tobytes() == getattr(second, name).tobytes()
    assert (first.decisions, first.funnel, first.cash) == (second.decisions, second.funnel, second.cash)
    assert first.funnel.errors == 0 and first.funnel.placed > 0


@pytest.mark.parametrize("seed", range(3))
def test_the_future_changes_nothing_that_was_decided_before(seed: int) -> None:
    tape = random_tape(seed, gaps=False)
    values = {"strategy": "touch_maker", "params": MAKER, "interval_ms": 200, "latency": Latency(order_ms=20)}
    whole = replay(tape, None, **values)
    until = tape.start_ns + (tape.end_ns - tape.start_ns) // 2
    short = replay(tape.cut(0, until), None, end_ns=until, **values)
    before = [d for d in whole.decisions if d[0] < until]
    assert before and list(short.decisions) == before
    assert short.orders["decided_ns"].tolist() == [n for n in whole.orders["decided_ns"].tolist() if n < until]
    moved = replay(shifted(tape, 3_600 * 10**9), None, **values)
    assert [(at - 3_600 * 10**9, digest) for at, digest in moved.decisions] == list(whole.decisions)
    assert moved.fills["price"].tolist() == whole.fills["price"].tolist()


def test_a_recorded_stream_of_ticks_replays_to_the_same_hashes() -> None:
    tape = random_tape(1)
    values = {"strategy": "market_making", "params": {}, "interval_ms": 500}
    seen = []
    first = replay(tape, None, on_tick=seen.append, **values)
    assert {tick.trigger for tick in seen} >= {"interval", "book"} and any(not tick.new for tick in seen)
    again = []
    moments = [(tick.at_ns, tick.trigger) for tick in seen]
    second = replay(tape, None, ticks=moments, on_tick=again.append, **values)
    assert again == seen
    assert first.fills.tobytes() == second.fills.tobytes() and first.decisions == second.decisions


def test_blocks_of_any_size_give_the_same_rows() -> None:
    tape = random_tape(2)
    found = []
    for block in (1, 7, 64, 10_000):
        rows, read = rows_of(tape, at_venue=True, block=block), []
        while rows.times:
            read += list(zip(rows.times, rows.ops, rows.prices, rows.sizes, strict=True))
            rows.move(len(rows.times))
        found.append(read)
        assert rows.count == len(tape)
    assert found[0] == found[1] == found[2] == found[3]
