"""Orders, strategies and events as the lists show them: names, words and shapes beside the stored rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.urls import reverse

from orders.domain.intents import OrderType, OriginKind
from orders.domain.lifecycle import OPEN, OrderState
from polybot.dashboard import words
from polybot.dashboard.places import Place, place_of


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderLine:
    row: Any
    place: Place
    word: str
    shape: str
    css: str
    kind: str  # "GTC post"
    queue: Decimal | None
    fee: Decimal
    origin_href: str
    is_open: bool
    may_cancel: bool

    @property
    def remaining(self) -> Decimal:
        return self.row.size - self.row.filled_size

    @property
    def may_replace(self) -> bool:
        """Whether it rests, so that other terms make sense; the page says what else may stand in the way."""
        return self.may_cancel and OrderType(self.row.order_type).rests and self.row.state == OrderState.LIVE


def order_lines(rows: Iterable[Any], queues: Mapping[int, Decimal] | None = None) -> list[OrderLine]:
    return [order_line(row, (queues or {}).get(row.pk)) for row in rows]


def order_line(row: Any, queue: Decimal | None = None) -> OrderLine:
    word, shape, css = words.ORDER_STATES[row.state]
    is_open = OrderState(row.state) in OPEN
    if is_open and row.filled_size and row.state == OrderState.LIVE:
        word, shape = "partly filled", "half"
    if is_open and row.cancel_requested_at is not None:
        word = "canceling"
    href = reverse("desk:strategy", args=[row.origin_id]) if row.origin_kind == OriginKind.STRATEGY else ""
    return OrderLine(
        row=row,
        place=place_of(row.market, row.outcome),
        word=word,
        shape=shape,
        css=css,
        kind=f"{row.order_type.upper()}{' post' if row.post_only else ''}",
        queue=queue,
        fee=getattr(row, "fee_paid", Decimal(0)),
        origin_href=href,
        is_open=is_open,
        may_cancel=is_open and row.cancel_requested_at is None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyLine:
    row: Any
    word: str
    shape: str
    href: str
    title: str
    decisions: int = 0


def strategy_lines(
    rows: Iterable[Any], titles: Mapping[str, str], decisions: Mapping[int, int] | None = None
) -> list[StrategyLine]:
    lines = []
    for row in rows:
        word, shape = words.STRATEGY_STATES[row.state]
        lines.append(
            StrategyLine(
                row=row,
                word=word,
                shape=shape,
                href=reverse("desk:strategy", args=[row.pk]),
                title=titles.get(row.strategy_class, row.strategy_class),
                decisions=(decisions or {}).get(row.pk, 0),
            )
        )
    return lines


@dataclass(frozen=True, slots=True, kw_only=True)
class EventLine:
    row: Any
    shape: str
    href: str
    at: datetime


def event_lines(rows: Iterable[Any]) -> list[EventLine]:
    return [
        EventLine(
            row=row, shape=words.event_shape(row.kind, row.severity, row.payload), href=event_href(row), at=row.at
        )
        for row in rows
    ]


_PAGES = {"order": "desk:order", "strategy": "desk:strategy", "market": "desk:market"}


def event_href(row: Any) -> str:
    """Return where an event leads: to its subject when it has a page, to its journal entry otherwise."""
    name = _PAGES.get(row.subject_kind)
    if name and row.subject_id.isdecimal() and len(row.subject_id) < 19:
        return reverse(name, args=[int(row.subject_id)])
    return reverse("desk:event", args=[row.pk])
