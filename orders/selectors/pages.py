"""What pages and the API read of one order's life and of where today's profit came from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import Q, QuerySet, Sum

from orders.domain.equity import day_start
from orders.domain.lifecycle import OrderState
from orders.models import Account, Fill, LedgerEntry, LedgerTransaction, Order, PaperOrder
from orders.selectors.portfolio import portfolio_get

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderStory:
    """One order with everything that hangs on it here. Verdict and decision are ids of higher stages."""

    order: Order
    fills: list[Fill]
    facts: list[LedgerTransaction]  # with their entries
    verdict_id: int
    decision_id: int
    venue: PaperOrder | None  # what the simulated venue holds of it

    @property
    def realized(self) -> Decimal:
        return sum((fact.realized for fact in self.facts), _ZERO)

    @property
    def fees(self) -> Decimal:
        return sum((fill.fee for fill in self.fills if not fill.voided), _ZERO)

    @property
    def average_price(self) -> Decimal | None:
        kept = [fill for fill in self.fills if not fill.voided]
        size = sum((fill.size for fill in kept), _ZERO)
        return sum((fill.price * fill.size for fill in kept), _ZERO) / size if size else None


@dataclass(frozen=True, slots=True, kw_only=True)
class DayProfit:
    """Today's change of equity since midnight UTC, by cause, from the ledger; the parts add up to `total`."""

    trading: Decimal  # sells against average cost
    settlement: Decimal  # payouts against average cost
    fees: Decimal  # negative
    rebates: Decimal
    open_positions: Decimal  # what is still held moved in value
    total: Decimal


def accounts_visible(*, user_id: int, is_staff: bool) -> QuerySet[Account]:
    """Return the accounts a person may see: their own, or all for staff."""
    rows = Account.objects.order_by("id")
    return rows if is_staff else rows.filter(owner_id=user_id)


def order_story(order_id: int, *, account_ids: Iterable[int]) -> OrderStory | None:
    """Return an order's parts, or None when it is not on one of these accounts."""
    order = (
        Order.objects.filter(pk=order_id, account_id__in=list(account_ids))
        .select_related("account", "market", "outcome", "replaces")
        .first()
    )
    if order is None:
        return None
    fills = list(Fill.objects.filter(order=order).order_by("id"))
    references = [f"fill:{fill.pk}" for fill in fills]
    facts = LedgerTransaction.objects.filter(account_id=order.account_id, reference__in=references)
    return OrderStory(
        order=order,
        fills=fills,
        facts=list(facts.prefetch_related("entries").order_by("id")),
        verdict_id=order.verdict_id,
        decision_id=order.decision_id,
        venue=PaperOrder.objects.filter(pk=order.venue_order_id).first(),
    )


def market_fills(market_id: int, *, account_ids: Iterable[int], limit: int = 200) -> list[Fill]:
    """Return our newest fills in both outcomes of a market."""
    rows = Fill.objects.filter(outcome__market_id=market_id, account_id__in=list(account_ids), voided=False)
    return list(rows.select_related("order", "outcome").order_by("-id")[:limit])


def day_profit(account_id: int, *, now: datetime) -> DayProfit:
    """Return where today's profit or loss of one account came from."""
    midnight = day_start(now)
    booked = LedgerTransaction.objects.filter(account_id=account_id, at__gte=midnight).aggregate(
        trading=Sum("realized", filter=Q(kind__in=("fill", "void")), default=_ZERO),
        settlement=Sum("realized", filter=Q(kind="redeem"), default=_ZERO),
    )
    moved = LedgerEntry.objects.filter(account_id=account_id, transaction__at__gte=midnight).aggregate(
        fees=Sum("amount", filter=Q(book="fees"), default=_ZERO),
        rebates=Sum("amount", filter=Q(book="rewards"), default=_ZERO),
    )
    total = Decimal(portfolio_get(account_id, now=now).day_profit).scaleb(-6)
    known = booked["trading"] + booked["settlement"] - moved["fees"] - moved["rebates"]
    return DayProfit(
        trading=booked["trading"],
        settlement=booked["settlement"],
        fees=-moved["fees"],
        rebates=-moved["rebates"],
        open_positions=total - known,
        total=total,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderBrief:
    """Where an order stands now, and the words that came with it."""

    state: OrderState
    reason: str


def order_brief(order_id: int) -> OrderBrief:
    state, reason = Order.objects.values_list("state", "state_reason").get(pk=order_id)
    return OrderBrief(state=OrderState(state), reason=reason)
