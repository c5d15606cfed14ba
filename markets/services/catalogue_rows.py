"""One page of catalogue records into rows: read what we have, compare fingerprints, write the difference in bulk."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from django.utils import timezone

from markets.domain.instruments import FeeSchedule, MarketState, Venue, fee_words
from markets.domain.units import decimal_from_micro, micro_from_decimal, text_from_micro
from markets.models import Event, Market, Outcome, Tag
from markets.venues.base import EventRecord, FactChange, MarketRecord, ParseError

_EVENT_FIELDS = [
    "slug",
    "title",
    "category",
    "neg_risk",
    "neg_risk_augmented",
    "group_size",
    "group_fee_bips",
    "closes_at",
    "fingerprint",
    "updated_at",
]
_MARKET_FIELDS = [
    "event", "venue_id", "slug", "question", "group_label", "rules_text", "resolution_source", "category", "state",
    "neg_risk", "group_id", "group_index", "tick", "minimum_size", "fee_known", "fee_rate_ppm", "fee_exponent",
    "rebate_ppm", "seconds_delay", "opened_at", "closes_at", "resolved_at", "resolution_status", "volume",
    "volume_24h", "liquidity", "reward_rate_per_day", "reward_minimum_size", "reward_maximum_spread",
    "fingerprint", "synced_at",
]  # fmt: skip


@dataclass(slots=True)
class Written:
    """What a page changed. `resolved`: (market id, question, payouts by label); `ticks`: (id, question, old, new)."""

    written: int = 0
    resolved: list[tuple[int, str, dict[str, str]]] = field(default_factory=list)
    ticks: list[tuple[int, str, str, str]] = field(default_factory=list)
    facts: list[FactChange] = field(default_factory=list)  # of open markets: fee, tick, minimum size
    refused: list[ParseError] = field(default_factory=list)


def events_write(venue: Venue, events: Sequence[EventRecord], *, now: datetime) -> Written:
    """Upsert a page. Call inside a transaction."""
    result = Written()
    rows = _events(venue, events, now, result)
    wanted = {m.condition_id: (m, rows[e.venue_id]) for e in events for m in e.markets if e.venue_id in rows}
    _markets(venue, wanted, now, result)
    return result


def fingerprint(record: object) -> str:
    return hashlib.sha256(msgspec.msgpack.encode(record, enc_hook=str)).hexdigest()


# ---- events -------------------------------------------------------------------------------


def _events(venue: Venue, records: Sequence[EventRecord], now: datetime, result: Written) -> dict[str, Event]:
    rows = {row.venue_id: row for row in Event.objects.filter(venue=venue, venue_id__in=[e.venue_id for e in records])}
    new: list[Event] = []
    changed: list[Event] = []
    retagged: list[tuple[Event, EventRecord]] = []
    for record in records:
        print_ = fingerprint(
            (record.slug, record.title, record.category, record.neg_risk, record.neg_risk_augmented,
             record.closes_at, record.tags, record.group_size, record.group_fee_bips)
        )  # fmt: skip
        row = rows.get(record.venue_id)
        if row is None:
            row = rows[record.venue_id] = Event(venue=venue, venue_id=record.venue_id)
            new.append(row)
        elif row.fingerprint == print_:
            continue
        else:
            changed.append(row)
        row.slug, row.title, row.category = record.slug, record.title, record.category
        row.neg_risk, row.neg_risk_augmented = record.neg_risk, record.neg_risk_augmented
        row.group_size, row.group_fee_bips = record.group_size, record.group_fee_bips
        row.closes_at, row.fingerprint, row.updated_at = record.closes_at, print_, now
        retagged.append((row, record))
    Event.objects.bulk_create(new)
    Event.objects.bulk_update(changed, _EVENT_FIELDS)
    _tags(venue, retagged)
    result.written += len(new) + len(changed)
    return rows


def _tags(venue: Venue, retagged: Sequence[tuple[Event, EventRecord]]) -> None:
    labels = {tag.slug: tag.label for _, record in retagged for tag in record.tags}
    if not retagged:
        return
    Tag.objects.bulk_create(
        [Tag(venue=venue, slug=s, label=label) for s, label in labels.items()], ignore_conflicts=True
    )
    ids = dict(Tag.objects.filter(venue=venue, slug__in=labels).values_list("slug", "pk"))
    link = Event.tags.through
    link.objects.filter(event_id__in=[row.pk for row, _ in retagged]).delete()
    link.objects.bulk_create(
        [link(event_id=row.pk, tag_id=ids[tag.slug]) for row, record in retagged for tag in record.tags],
        ignore_conflicts=True,
    )


# ---- markets ------------------------------------------------------------------------------


def _markets(venue: Venue, wanted: dict[str, tuple[MarketRecord, Event]], now: datetime, result: Written) -> None:
    rows = {row.condition_id: row for row in Market.objects.filter(venue=venue, condition_id__in=list(wanted))}
    new: list[tuple[Market, MarketRecord]] = []
    changed: list[tuple[Market, MarketRecord]] = []
    resolving: list[tuple[Market, MarketRecord]] = []
    taken = _tokens_taken(wanted)
    for condition_id, (record, event) in wanted.items():
        print_ = fingerprint((event.pk, record))
        row = rows.get(condition_id)
        if row is not None and row.fingerprint == print_:
            continue
        if problem := _contradiction(row, record, taken):
            result.refused.append(problem)
            continue
        if row is None:
            row = Market(venue=venue, condition_id=condition_id)
            new.append((row, record))
        else:
            changed.append((row, record))
            if row.tick != (tick := decimal_from_micro(record.tick)):
                result.ticks.append((row.pk, record.question, f"{row.tick:f}", f"{tick:f}"))
            if row.state == record.state == MarketState.OPEN:
                result.facts += _facts_changed(row, record)
        if record.state is MarketState.RESOLVED and row.state != MarketState.RESOLVED:
            resolving.append((row, record))
            row.resolved_at = timezone.now()  # when we booked it: readers follow this as a cursor
        _fill(row, record, event, print_, now)
    known = {row.pk for row, _ in changed}
    Market.objects.bulk_create([row for row, _ in new])
    Market.objects.bulk_update([row for row, _ in changed], _MARKET_FIELDS, batch_size=200)
    _outcomes(new, changed, resolving)
    result.written += len(new) + len(changed)
    for row, record in resolving:
        if row.pk in known:
            payouts = {o.label: text_from_micro(o.payout or 0) for o in record.outcomes}
            result.resolved.append((row.pk, row.question, payouts))


def _facts_changed(row: Market, record: MarketRecord) -> list[FactChange]:
    """Return what an order would be priced or judged by and is not what it was. A fee that becomes known is no news."""
    pairs = [
        ("tick", text_from_micro(micro_from_decimal(row.tick)), text_from_micro(record.tick)),
        ("minimum_size", text_from_micro(micro_from_decimal(row.minimum_size)), text_from_micro(record.minimum_size)),
    ]
    if row.fee_known:
        before = FeeSchedule(rate_ppm=row.fee_rate_ppm, exponent=row.fee_exponent)
        pairs.append(("fee", fee_words(before), fee_words(record.fee)))
    return [
        FactChange(market_id=row.pk, field=name, before=before, after=after)
        for name, before, after in pairs
        if before != after
    ]


def _contradiction(row: Market | None, record: MarketRecord, taken: dict[str, str]) -> ParseError | None:
    """Return why a record cannot be applied: identity and final payouts never change."""
    for outcome in record.outcomes:
        owner = taken.get(outcome.token_id)
        if owner != record.condition_id and (owner is not None or row is not None):
            return _refusal("clobTokenIds", f"belong to {owner or 'nobody'}, not to this market", record)
    if row is None or row.state != MarketState.RESOLVED:
        return None
    if record.state is not MarketState.RESOLVED:
        return _refusal("closed", f"was resolved and is now {record.state}", record)
    booked = dict(row.outcomes.values_list("token_id", "payout"))
    if any(booked.get(o.token_id) != decimal_from_micro(o.payout or 0) for o in record.outcomes):
        return _refusal("outcomePrices", "differ from the payouts already booked", record)
    return None


def _refusal(field_name: str, problem: str, record: MarketRecord) -> ParseError:
    return ParseError(field_name, problem, sample=f"{record.condition_id} {record.question}", source="gamma.market")


def _tokens_taken(wanted: dict[str, tuple[MarketRecord, Event]]) -> dict[str, str]:
    """Return whose each token is: by our rows, else (for new markets) by the first record that names it."""
    tokens = [outcome.token_id for record, _ in wanted.values() for outcome in record.outcomes]
    taken = dict(Outcome.objects.filter(token_id__in=tokens).values_list("token_id", "market__condition_id"))
    known = set(taken.values())
    for condition_id, (record, _) in wanted.items():
        if condition_id not in known:
            for outcome in record.outcomes:
                taken.setdefault(outcome.token_id, condition_id)
    return taken


def _fill(row: Market, record: MarketRecord, event: Event, print_: str, now: datetime) -> None:
    values: dict[str, Any] = {
        name: getattr(record, name)
        for name in (
            "venue_id", "slug", "question", "group_label", "rules_text", "resolution_source", "state", "neg_risk",
            "group_id", "group_index", "seconds_delay", "opened_at", "closes_at", "resolution_status",
        )
    }  # fmt: skip
    values.update(
        {name: _six(getattr(record, name)) for name in (
            "volume", "volume_24h", "liquidity", "reward_rate_per_day", "reward_minimum_size", "reward_maximum_spread",
        )}
    )  # fmt: skip
    for name, value in values.items():
        setattr(row, name, value)
    row.event, row.category = event, event.category
    row.tick, row.minimum_size = decimal_from_micro(record.tick), decimal_from_micro(record.minimum_size)
    row.fee_known = record.fee is not None
    row.fee_rate_ppm = record.fee.rate_ppm if record.fee else 0
    row.fee_exponent = record.fee.exponent if record.fee else 1
    row.rebate_ppm = record.fee.rebate_ppm if record.fee else 0
    row.fingerprint, row.synced_at = print_, now


def _outcomes(
    new: Sequence[tuple[Market, MarketRecord]],
    changed: Sequence[tuple[Market, MarketRecord]],
    resolving: Sequence[tuple[Market, MarketRecord]],
) -> None:
    Outcome.objects.bulk_create(
        [
            Outcome(market=row, index=o.index, label=o.label, token_id=o.token_id, payout=_payout(o.payout))
            for row, record in new
            for o in record.outcomes
        ]
    )
    final = {row.condition_id for row, _ in resolving}
    touched = {row.pk: record for row, record in changed}
    stored = list(Outcome.objects.filter(market_id__in=touched))
    moved = []
    for outcome in stored:
        record = touched[outcome.market_id]
        said = next((o for o in record.outcomes if o.token_id == outcome.token_id), None)
        if said is None:
            continue
        payout = _payout(said.payout) if record.condition_id in final else outcome.payout
        if outcome.label != said.label or outcome.payout != payout:
            outcome.label, outcome.payout = said.label, payout
            moved.append(outcome)
    Outcome.objects.bulk_update(moved, ["label", "payout"], batch_size=200)


def _payout(micro: int | None) -> Decimal | None:
    return None if micro is None else decimal_from_micro(micro)


def _six(value: Decimal) -> Decimal:
    """Statistics of the venue have more digits than money: cut to six."""
    return value.quantize(Decimal("0.000001"))
