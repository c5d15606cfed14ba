"""Resolving universes after each catalogue sync: who is watched and why, and the feed's watch list.

Only differences are written. Of the markets that are left out, the most liquid ones keep
their reason; the rest would be thousands of rows that nobody reads.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import cast

from django.db import transaction
from django.db.models import F

from markets.domain.instruments import MarketFacts, MarketState
from markets.selectors.catalogue import facts_from_row, market_facts, market_rows
from markets.services.watch import watch_drop, watch_set
from markets.tickstore import TickstoreUnavailable, get_tickstore
from orders.domain.intents import OriginKind
from orders.selectors.portfolio import open_order_list, position_list
from strategies.domain.base import TradingParameters
from strategies.domain.parameters import ParameterError, parameters_load
from strategies.domain.universe import NO_BOOK, Candidate, Member, included_ids, universe_resolve
from strategies.library.registry import UnknownStrategy, strategy_get
from strategies.models import StrategyConfig, UniverseMember

log = logging.getLogger(__name__)
EXCLUDED_KEPT = 100
PROBED = 20  # markets without a book that are looked at, most liquid first
PROBE_FOR = timedelta(minutes=3)


def universe_resolve_all(strategy_ids: Sequence[int] | None = None, *, now: datetime) -> int:
    """Resolve the universes of the given (default: all running and observing) strategies; return how many changed."""
    active = (StrategyConfig.State.RUNNING, StrategyConfig.State.OBSERVE)
    configs = StrategyConfig.objects.order_by("pk")
    configs = configs.filter(state__in=active) if strategy_ids is None else configs.filter(pk__in=strategy_ids)
    rows = list(configs)
    if not rows:
        return 0
    facts = {market.pk: facts_from_row(market) for market in market_rows(state=MarketState.OPEN)}
    books = _spreads(facts.values())
    changed = 0
    for config in rows:
        try:
            spec = cast(
                TradingParameters, parameters_load(strategy_get(config.strategy_class).params, config.parameters)
            ).universe
        except (UnknownStrategy, ParameterError) as error:
            log.warning("universe not resolved", extra={"strategy": config.pk, "problem": str(error)[:200]})
            continue
        keep = _kept(config)
        known = facts | market_facts(keep - set(facts))
        candidates = [_candidate(item, books) for item in known.values()]
        members = universe_resolve(spec, candidates, now=now, keep=frozenset(keep))
        changed += _store(config, members, known, now=now)
    return changed


def _spreads(facts: Iterable[MarketFacts]) -> Mapping[int, tuple[int, int]]:
    """Return (mid, spread) by first outcome, for those with a two-sided book."""
    try:
        books = get_tickstore().books_get([item.outcomes[0].outcome_id for item in facts if item.outcomes])
    except TickstoreUnavailable as error:
        log.warning("no books, price filters leave everything out", extra={"problem": str(error)[:200]})
        return {}
    return {
        outcome_id: (book.mid, book.spread)
        for outcome_id, book in books.items()
        if book.mid is not None and book.spread is not None
    }


def _candidate(facts: MarketFacts, books: Mapping[int, tuple[int, int]]) -> Candidate:
    mid, spread = books.get(facts.outcomes[0].outcome_id, (None, None)) if facts.outcomes else (None, None)
    return Candidate(facts=facts, mid=mid, spread=spread, reward_rate=facts.reward_rate_per_day)


def _kept(config: StrategyConfig) -> set[int]:
    """Return the markets it watched so far in which there is still something of ours to look after."""
    watched = set(config.universe.filter(included=True).values_list("market_id", flat=True))
    if not watched:
        return set()
    held = {position.market_id for position in position_list(config.account_id).values()}
    working = {
        order.market_id
        for order in open_order_list(config.account_id)
        if order.origin.kind is OriginKind.STRATEGY and order.origin.id == config.pk
    }
    return watched & (held | working)


def _store(
    config: StrategyConfig, members: Sequence[Member], facts: Mapping[int, MarketFacts], *, now: datetime
) -> bool:
    """Write what differs, tell the feed, and say whether the watched markets changed."""
    left_out = sorted((m for m in members if not m.included), key=lambda m: -facts[m.market_id].liquidity)
    wanted = {m.market_id: m for m in [m for m in members if m.included] + left_out[:EXCLUDED_KEPT]}
    with transaction.atomic():
        present = {row.market_id: row for row in config.universe.all()}
        before = {row.market_id for row in present.values() if row.included}
        gone = [row.pk for market_id, row in present.items() if market_id not in wanted]
        if gone:
            UniverseMember.objects.filter(pk__in=gone).delete()
        new = [
            UniverseMember(strategy=config, market_id=m.market_id, included=m.included, reason=m.reason)
            for m in wanted.values()
            if m.market_id not in present
        ]
        UniverseMember.objects.bulk_create(new, ignore_conflicts=True)
        moved = []
        for market_id, member in wanted.items():
            row = present.get(market_id)
            if row is not None and (row.included, row.reason) != (member.included, member.reason):
                row.included, row.reason = member.included, member.reason
                moved.append(row)
        if moved:
            UniverseMember.objects.bulk_update(moved, ["included", "reason"])
        watched = set(included_ids(members))
        if watched != before:
            StrategyConfig.objects.filter(pk=config.pk).update(revision=F("revision") + 1)
    watch_set(
        f"strategy:{config.pk}",
        [outcome.outcome_id for market_id in watched for outcome in facts[market_id].outcomes],
    )
    _probe(config, left_out, facts, now=now)
    return watched != before


def _probe(
    config: StrategyConfig, left_out: Sequence[Member], facts: Mapping[int, MarketFacts], *, now: datetime
) -> None:
    """Have the feed look for a while at markets that only lack a book: the next resolution can then judge them."""
    unknown = [member.market_id for member in left_out if member.reason.startswith(NO_BOOK)][:PROBED]
    outcomes = [facts[market_id].outcomes[0].outcome_id for market_id in unknown]
    if outcomes:
        watch_set(f"probe:{config.pk}", outcomes, until=now.replace(second=0, microsecond=0) + PROBE_FOR)
    else:
        watch_drop(f"probe:{config.pk}")
