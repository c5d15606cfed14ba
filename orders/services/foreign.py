"""Orders of our wallet that we did not make (I4): recorded as the venue tells them, entries held until a person looks.

Another program may use the same key, or somebody who should not have it. What holds entries back is the row
itself, as long as nobody acknowledged it (`orders.selectors.conditions`); exits and cancels stay possible.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from alerts.domain.events import Severity
from alerts.services.journal import event_record
from markets.domain.trading import VenueLeg, VenueOrder
from markets.domain.units import text_from_micro
from markets.selectors.catalogue import outcome_ids_for_tokens, outcome_labels
from orders.models import Account, ExternalOrder, Order

_SHOWN = {  # what a stranger looks like to a person
    "word": lambda order: str(order.word),
    "side": lambda order: str(order.side),
    "price": lambda order: text_from_micro(order.price),
    "size": lambda order: "" if order.size is None else text_from_micro(order.size),
    "matched": lambda order: "" if order.matched is None else text_from_micro(order.matched),
    "order_type": lambda order: order.order_type,
    "token_id": lambda order: order.token_id,
    "condition_id": lambda order: order.condition_id,
}


class ForeignError(ValueError):
    """An acknowledgement that is not possible as asked; the message says why."""


def foreign_orders_record(account_id: int, orders: Iterable[VenueOrder], *, now: datetime) -> int:
    """Record orders that the venue lists and we do not know; return how many are new. Ours are left out."""
    told = {order.order_id.lower(): order for order in orders}
    facts = {
        order_id: {name: say(order) for name, say in _SHOWN.items()}
        for order_id, order in told.items()
        if order_id not in _ours(told)
    }
    return _record(account_id, facts, states={k: str(v.word) for k, v in told.items()}, now=now)


def foreign_legs_record(account_id: int, legs: Mapping[str, VenueLeg], *, now: datetime) -> int:
    """Record orders that we only know by what they traded; return how many are new."""
    ours = _ours(legs)
    facts = {
        order_id.lower(): {
            "side": str(leg.side),
            "price": text_from_micro(leg.price),
            "matched": text_from_micro(leg.size),
            "token_id": leg.token_id,
            "condition_id": leg.condition_id,
            "trade_id": leg.trade_id,
        }
        for order_id, leg in legs.items()
        if order_id.lower() not in ours
    }
    return _record(account_id, facts, states=dict.fromkeys(facts, "traded"), now=now)


@transaction.atomic
def foreign_acknowledge(external_id: int, *, by: str, reason: str, now: datetime) -> bool:
    """Note that a person knows the order; return whether nobody had before. Raises ForeignError without a reason."""
    if not reason.strip():
        raise ForeignError("say whose order it is: entries go on after this")
    row = ExternalOrder.objects.select_for_update().filter(pk=external_id).first()
    if row is None:
        raise ForeignError(f"there is no foreign order {external_id}")
    if row.acknowledged_at is not None:
        return False
    row.acknowledged_at, row.acknowledged_by = now, by[:120]
    row.facts = {**row.facts, "acknowledged_because": reason.strip()[:240]}
    row.save(update_fields=["acknowledged_at", "acknowledged_by", "facts"])
    _event(row, "order.foreign_acknowledged", f"was acknowledged: {reason.strip()}", Severity.INFO, actor=by, now=now)
    return True


def _ours(order_ids: Iterable[str]) -> set[str]:
    """Return those that an account of ours signed: they are on file before their first byte leaves."""
    wanted = [order_id.lower() for order_id in order_ids]
    return set(Order.objects.filter(venue_order_id__in=wanted).values_list("venue_order_id", flat=True))


@transaction.atomic
def _record(account_id: int, facts: Mapping[str, dict[str, Any]], *, states: Mapping[str, str], now: datetime) -> int:
    new = 0
    for order_id, told in sorted(facts.items()):
        row, created = ExternalOrder.objects.get_or_create(
            account_id=account_id,
            venue_order_id=order_id,
            defaults={"facts": told, "state": states[order_id][:12], "first_seen_at": now, "last_seen_at": now},
        )
        if created:
            new += 1
            _event(row, "order.foreign", "was not made by this desk: entries wait", Severity.CRITICAL, now=now)
        elif row.last_seen_at < now:
            row.facts, row.state, row.last_seen_at = {**row.facts, **told}, states[order_id][:12], now
            row.save(update_fields=["facts", "state", "last_seen_at"])
    return new


def _event(row: ExternalOrder, kind: str, said: str, severity: Severity, *, now: datetime, actor: str = "") -> None:
    told = row.facts
    outcome_id = outcome_ids_for_tokens([told.get("token_id", "")]).get(told.get("token_id", ""))
    where = outcome_labels([outcome_id])[outcome_id] if outcome_id else f"token {told.get('token_id', '?')}"
    what = f"{told.get('side', '')} {told.get('size') or told.get('matched', '')} at {told.get('price', '')} of {where}"
    event_record(
        kind,
        f"order {row.venue_order_id[:14]}… ({what}) {said}",
        severity=severity,
        stream=f"account:{row.account_id}",
        account_id=row.account_id,
        subject_kind="external_order",
        subject_id=str(row.pk),
        subject_label=Account.objects.values_list("name", flat=True).get(pk=row.account_id),
        actor=actor,
        payload={"venue_order_id": row.venue_order_id, "facts": told},
        now=now,
    )
