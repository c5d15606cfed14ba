"""Views, parameters and configured strategies, in as few words as a test needs. Amounts as people write them."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings

from markets.domain.instruments import MarketFacts, Side
from markets.domain.units import Price, Shares
from markets.domain.views import BookView, Sample
from markets.models import Market
from markets.tickstore import Batch, TickstoreWriter
from orders.domain.intents import OpenOrder, Origin, OriginKind
from orders.domain.keys import new_key
from orders.domain.ledger import Position
from strategies.domain.base import Strategy
from strategies.domain.view import MarketView
from tests.factories import risk as risk_values
from tests.factories.markets import AT, book_make, market_make
from tests.factories.orders import account_make, micro, open_order

_numbers = itertools.count(1)
YES, NO = 1, 2  # the outcomes of market 1
OWN = Origin(kind=OriginKind.STRATEGY, id=7, label="own")
NOW_MS = int(AT.timestamp() * 1000)


def facts(**values: Any) -> MarketFacts:
    return risk_values.facts(1, **values)


def book(bid: str | None, ask: str | None, *, size: str = "100", outcome_id: int = YES, **values: Any) -> BookView:
    """Return a live book of YES with one level a side, confirmed at AT."""
    amount = micro(size)
    return book_make(
        outcome_id,
        bids=((micro(bid), amount),) if bid else (),
        asks=((micro(ask), amount),) if ask else (),
        **values,
    )


def mirror(view: BookView, outcome_id: int = NO) -> BookView:
    """Return the book of the other outcome: a bid at p is an ask at 1 - p."""
    return book_make(
        outcome_id,
        bids=tuple((1_000_000 - price, size) for price, size in view.asks),
        asks=tuple((1_000_000 - price, size) for price, size in view.bids),
        confirmed_ms=view.confirmed_ms,
        status=view.status,
    )


def samples(mids: Sequence[str], *, until_ms: int = NOW_MS, period_ms: int = 1000) -> tuple[Sample, ...]:
    """Return ring samples of these mids, the last one at `until_ms`."""
    start = until_ms - (len(mids) - 1) * period_ms
    return tuple(
        Sample(at_ms=start + index * period_ms, mid=micro(mid), microprice=micro(mid)) for index, mid in enumerate(mids)
    )


def holding(outcome_id: int, size: str, *, reserved: str = "0") -> Position:
    return Position(
        outcome_id=outcome_id,
        market_id=1,
        size=Shares(micro(size)),
        confirmed=Shares(micro(size)),
        reserved=Shares(micro(reserved)),
    )


def view(
    strategy: Strategy,
    yes_book: BookView | None,
    *,
    params: dict[str, Any] | None = None,
    positions: Iterable[Position] = (),
    orders: Iterable[OpenOrder] = (),
    now: datetime = AT,
    market: MarketFacts | None = None,
    **values: Any,
) -> MarketView:
    """Return what `strategy` would see of market 1; the book of NO mirrors that of YES."""
    books = {} if yes_book is None else {YES: yes_book, NO: mirror(yes_book)}
    return MarketView(
        now=now,
        now_ms=int(now.timestamp() * 1000),
        markets={1: market or facts()},
        books=books,
        positions={position.outcome_id: position for position in positions},
        open_orders=tuple(orders),
        params=strategy.params.model_validate(params or {}),
        **values,
    )


def resting(order_id: int, side: Side, price: str, size: str = "20", **values: Any) -> OpenOrder:
    return open_order(order_id, side, price, size, **{"origin": OWN, **values})


_bits = random.Random(11)


def key(now: datetime) -> str:
    return new_key(now=now, bits=_bits)


def price(text: str) -> Price:
    return Price(micro(text))


# Rows -----------------------------------------------------------------------------------


def strategy_make(
    strategy_class: str = "idle",
    *,
    account: Any = None,
    parameters: dict[str, Any] | None = None,
    now: datetime = AT,
    **values: Any,
) -> Any:
    """Store a draft on an account (a new one with $1,000 by default)."""
    from strategies.services.configs import strategy_create

    account = account or account_make()
    return strategy_create(
        name=values.pop("name", f"strategy-{next(_numbers)}"),
        strategy_class=strategy_class,
        account_id=account.pk,
        owner=account.owner,
        parameters=parameters,
        by="test",
        now=now,
        **values,
    )


def desk_make(*, profile: str = "conservative") -> Any:
    """Return an account with $1,000 that the gate lets trade."""
    from orders.services.kill import kill_install
    from risk.services import profiles

    account = account_make()
    profiles.install()
    kill_install()
    profiles.profile_assign(account.pk, profile, by="test", now=AT)
    return account


def live_market(*, now: datetime, **values: Any) -> Market:
    """Return an open market that was synced just now and closes in ten days."""
    return market_make(synced_at=now, closes_at=now + timedelta(days=10), **values)


def books_publish(*views: BookView, samples_of: dict[int, tuple[Sample, ...]] | None = None) -> None:
    """Put books (and one-second samples by outcome) into the tickstore as the feed would."""
    writer = TickstoreWriter(settings.TICKSTORE_URL)
    writer.epoch_open(int(datetime.now(UTC).timestamp() * 1000))
    batch = Batch()
    batch.books = {one.outcome_id: one for one in views}
    batch.samples = [(1, outcome, one) for outcome, ring in (samples_of or {}).items() for one in ring]
    writer.publish(batch)


def pair_publish(market: Market, bid: str, ask: str, *, now: datetime, size: str = "500", **more: Any) -> None:
    """Publish a fresh book for YES and its mirror for NO."""
    yes, no = (outcome.pk for outcome in market.outcomes.order_by("index"))
    now_ms = int(now.timestamp() * 1000)
    amount = micro(size)
    one = book_make(
        yes,
        bids=((micro(bid), amount),),
        asks=((micro(ask), amount),),
        venue_ms=now_ms,
        received_ms=now_ms,
        confirmed_ms=now_ms,
        **more,
    )
    books_publish(one, mirror(one, no))
