"""Resolutions on paper: what a decided market pays for the shares held, once per account and market.

Sandbox and live accounts are paid by the chain: see `redemption`.
"""

from __future__ import annotations

import logging
from datetime import datetime

from django.db import transaction
from django.db.models import F

from alerts.services.journal import event_record
from markets.domain.instruments import MarketFacts, MarketState
from markets.domain.units import ONE, Price, Shares, decimal_from_micro, text_from_micro
from markets.selectors.catalogue import market_facts
from orders.domain.ledger import entries_for_resolution, position_resolved
from orders.domain.lifecycle import OPEN, Environment
from orders.models import Account, LedgerTransaction, Order, Position
from orders.selectors.portfolio import traded_markets
from orders.selectors.rows import position_of
from orders.services.accounts import account_lock
from orders.services.books import transaction_record
from orders.services.execution import order_cancel_request
from orders.services.faults import faultpoint

log = logging.getLogger(__name__)


class SettlementError(ValueError):
    """A market whose result is not proven: nothing is paid on a guess (V16)."""


def resolutions_apply(now: datetime) -> int:
    """Settle every decided market in which an account holds shares or has orders; return the payouts booked."""
    paid = 0
    for market_id, market in market_facts(sorted(traded_markets())).items():
        if market.state is not MarketState.RESOLVED:
            continue
        try:
            paid += resolution_apply(market_id, now=now, facts=market)
        except SettlementError as error:
            log.warning("a payout waits", extra={"market": market_id, "problem": str(error)})
    return paid


def resolution_apply(market_id: int, *, now: datetime, facts: MarketFacts | None = None) -> int:
    """Cancel the market's open orders and pay out its positions; return how many accounts were paid now.

    An account whose orders still rest is paid by a later call, when the venue has confirmed
    their end: a fill that is on its way must be in the position that is paid. Raises
    SettlementError unless both outcomes have a payout and the payouts add up to one dollar.
    """
    facts = facts or market_facts([market_id])[market_id]
    payouts = payouts_of(facts)
    for order_id in Order.objects.filter(market_id=market_id, state__in=OPEN, cancel_requested_at=None).values_list(
        "pk", flat=True
    ):
        order_cancel_request(order_id, "the market is resolved", "settlement", now)
    accounts = (
        Position.objects.filter(outcome_id__in=payouts, size__gt=0, account__environment=Environment.PAPER)
        .order_by("account_id")
        .values_list("account_id", flat=True)
        .distinct()
    )
    return sum(_pay(account_id, facts, payouts, now=now) for account_id in list(accounts))


def payouts_of(facts: MarketFacts) -> dict[int, Price]:
    """Return dollars per share by outcome. Raises SettlementError when the evidence is incomplete."""
    if facts.state is not MarketState.RESOLVED:
        raise SettlementError(f"market {facts.market_id} is {facts.state}, not resolved")
    payouts = {o.outcome_id: o.payout for o in facts.outcomes}
    known = {outcome_id: payout for outcome_id, payout in payouts.items() if payout is not None}
    if len(known) != len(payouts) or sum(known.values()) != ONE:
        told = ", ".join(f"{o.label} {'?' if o.payout is None else text_from_micro(o.payout)}" for o in facts.outcomes)
        raise SettlementError(f"market {facts.market_id} has no complete payouts ({told}): wait for the next sync")
    return known


@transaction.atomic
def _pay(account_id: int, facts: MarketFacts, payouts: dict[int, Price], *, now: datetime) -> bool:
    account = account_lock(account_id)
    reference = f"resolution:{facts.market_id}"
    if Order.objects.filter(account_id=account_id, market_id=facts.market_id, state__in=OPEN).exists():
        return False
    if LedgerTransaction.objects.filter(account_id=account_id, kind="redeem", reference=reference).exists():
        return False
    rows = list(Position.objects.filter(account_id=account_id, outcome_id__in=payouts, size__gt=0))
    holdings: dict[int, Shares] = {}
    realized = 0
    for row in rows:
        before = position_of(row, market_id=facts.market_id)
        after = position_resolved(before, payout=payouts[row.outcome_id])
        holdings[row.outcome_id] = before.size
        realized += after.realized - before.realized
        row.size = row.confirmed_size = row.reserved_size = row.cost = decimal_from_micro(0)
        row.realized, row.updated_at = decimal_from_micro(after.realized), now
        row.save(update_fields=["size", "confirmed_size", "reserved_size", "cost", "realized", "updated_at"])
    entries = entries_for_resolution(holdings, payouts)
    paid = sum(e.amount for e in entries if e.asset == "usd" and e.book == "own")
    Account.objects.filter(pk=account_id).update(cash=F("cash") + decimal_from_micro(paid))
    faultpoint("settlement.moved")
    transaction_record(
        account_id=account_id,
        kind="redeem",
        reference=reference,
        entries=entries,
        at=now,
        memo=facts.question,
        realized=realized,
    )
    held = ", ".join(
        f"{text_from_micro(holdings[o.outcome_id])} {o.label} at {text_from_micro(payouts[o.outcome_id])}"
        for o in facts.outcomes
        if o.outcome_id in holdings
    )
    event_record(
        "position.settled",
        f"{facts.question}: {held} paid ${text_from_micro(paid)}, profit ${text_from_micro(realized)}",
        stream=f"account:{account_id}",
        account_id=account_id,
        subject_kind="market",
        subject_id=str(facts.market_id),
        subject_label=facts.question,
        payload={
            "market_id": facts.market_id,
            "environment": account.environment,
            "paid": text_from_micro(paid),
            "realized": text_from_micro(realized),
            "payouts": {str(k): text_from_micro(v) for k, v in payouts.items()},
            "holdings": {str(k): text_from_micro(v) for k, v in holdings.items()},
        },
        now=now,
    )
    return True
