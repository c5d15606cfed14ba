"""Claims of sandbox and live accounts: resolved markets proven, redeemed, and booked when the chain has confirmed it.

A payout is believed only from the conditional-tokens contract, whose payout vector pays the money; where a market's
shares are position ids, which that contract does not know, from the venue's order book service naming both tokens'
settled prices of a closed market, equal to the catalogue's payouts. The catalogue alone proves nothing (V16).
"""

from __future__ import annotations

import logging
from datetime import datetime
from fractions import Fraction

from django.conf import settings
from django.db import transaction

from alerts.services.journal import event_record
from markets.domain.instruments import MarketFacts, MarketState
from markets.domain.units import ONE, text_from_micro
from markets.selectors.catalogue import market_facts
from markets.venues.base import VenueError
from markets.venues.polymarket.client import PolymarketHttp
from markets.venues.polymarket.settled import settled_prices
from markets.venues.polymarket.wallets import is_position_id
from orders.domain import conversions
from orders.domain.chain import OPEN as UNDERWAY
from orders.domain.chain import ChainState
from orders.domain.conversions import PayoutVector
from orders.domain.ledger import LedgerError
from orders.domain.lifecycle import OPEN, Environment
from orders.models import Account, ChainAction, Fill, Order, Position
from orders.services.accounts import account_lock
from orders.services.chain import ChainError
from orders.services.chain_booking import chain_shares
from orders.services.chain_routes import rpc
from orders.services.chain_wishes import redeem_wishes
from orders.services.conversions import fact_book, held, is_booked
from orders.services.execution import order_cancel_request

log = logging.getLogger(__name__)

MOST_ATTEMPTS = 3  # then a person must look
_UNSETTLED = (Fill.Settlement.MATCHED, Fill.Settlement.MINED, Fill.Settlement.RETRYING)


class Waiting(Exception):
    """A claim that cannot be made yet; the message says what it waits for."""


def redemptions_apply(now: datetime) -> int:
    """Claim what resolved markets owe sandbox and live accounts; return how many claims were made or found paid."""
    made = 0
    for account_id, market_id in claims():
        facts = market_facts([market_id])[market_id]
        if facts.state is not MarketState.RESOLVED:
            continue
        try:
            made += claim(account_id, facts, now=now)
        except Waiting as wait:
            log.info("a claim waits", extra={"account": account_id, "market": market_id, "problem": str(wait)})
        except (VenueError, ChainError, LedgerError) as error:
            log.warning("a claim waits", extra={"account": account_id, "market": market_id, "problem": str(error)})
    return made


def claims(account_id: int | None = None) -> list[tuple[int, int]]:
    """Return (account, market) of every held position of the accounts that settle on a chain."""
    rows = Position.objects.filter(size__gt=0).exclude(account__environment=Environment.PAPER)
    if account_id is not None:
        rows = rows.filter(account_id=account_id)
    return sorted(set(rows.values_list("account_id", "outcome__market_id")))


def claim(account_id: int, facts: MarketFacts, *, now: datetime, by: str = "settlement") -> bool:
    """Redeem one resolved market for one account. Raises Waiting with what stands in the way."""
    outcomes = [o.outcome_id for o in facts.outcomes]
    for order_id in Order.objects.filter(
        account_id=account_id, market_id=facts.market_id, state__in=OPEN, cancel_requested_at=None
    ).values_list("pk", flat=True):
        order_cancel_request(order_id, "the market is resolved", "settlement", now)
    _nothing_in_flight(account_id, facts.market_id, outcomes)
    payouts = payouts_proven(facts)
    account = Account.objects.get(pk=account_id)
    tokens = {o.outcome_id: o.token_id for o in facts.outcomes}
    on_chain = chain_shares(account.wallet_address, list(tokens.values()))
    ours = {outcome_id: held(account_id, outcome_id) for outcome_id in outcomes}
    differing = [o for o in outcomes if on_chain[tokens[o]] != ours[o]]
    if differing and not any(on_chain[tokens[o]] for o in differing):
        # The auto-redeemer takes what it pays for as a whole; it may leave the outcome that pays nothing.
        return _paid_already(account_id, facts, payouts, {o: ours[o] for o in differing}, now=now)
    if differing:
        told = ", ".join(
            f"{text_from_micro(on_chain[tokens[o]])} there, {text_from_micro(ours[o])} here" for o in differing
        )
        raise Waiting(f"the wallet's shares differ from our books: {told}")
    attempt = ChainAction.objects.filter(
        account_id=account_id, market_id=facts.market_id, kind=ChainAction.Kind.REDEEM, state=ChainState.FAILED
    ).count()
    if attempt >= MOST_ATTEMPTS:
        raise Waiting(f"{attempt} attempts to redeem failed: a person must look")
    wishes = redeem_wishes(
        account_id=account_id, market_id=facts.market_id, payouts=payouts, by=by, now=now, attempt=attempt
    )
    return bool(wishes)


def payouts_proven(facts: MarketFacts) -> PayoutVector:
    """Return what each outcome pays. Raises Waiting while nothing proves it."""
    outcomes = facts.outcomes
    if len(outcomes) != 2:
        raise Waiting(f"market {facts.market_id} has {len(outcomes)} outcomes: only two are understood")
    if not is_position_id(int(outcomes[0].token_id)):
        numerators, denominator = rpc().payout(facts.condition_id)
        if not denominator:
            raise Waiting("the chain does not know the result yet")
        return PayoutVector(
            numerators={o.outcome_id: n for o, n in zip(outcomes, numerators, strict=True)}, denominator=denominator
        )
    prices = settled_prices(PolymarketHttp(settings.POLYMARKET["clob"]), facts.condition_id)
    told = [prices.get(o.token_id) for o in outcomes]
    if None in told or facts.state is not MarketState.RESOLVED or [o.payout for o in outcomes] != told:
        raise Waiting("the venue's book service and its catalogue do not name the same settled prices yet")
    shares = [Fraction(int(price or 0), ONE) for price in told]
    bottom = max(share.denominator for share in shares)
    return PayoutVector(
        numerators={o.outcome_id: int(s * bottom) for o, s in zip(outcomes, shares, strict=True)}, denominator=bottom
    )


def _nothing_in_flight(account_id: int, market_id: int, outcomes: list[int]) -> None:
    if Order.objects.filter(account_id=account_id, market_id=market_id, state__in=OPEN).exists():
        raise Waiting("orders of this market have not ended yet")
    if Fill.objects.filter(
        account_id=account_id, outcome_id__in=outcomes, voided=False, settlement__in=_UNSETTLED
    ).exists():
        raise Waiting("fills of this market have not settled yet")
    if ChainAction.objects.filter(account_id=account_id, market_id=market_id, state__in=UNDERWAY).exists():
        raise Waiting("a transaction of this market is underway")


@transaction.atomic
def _paid_already(
    account_id: int, facts: MarketFacts, payouts: PayoutVector, ours: dict[int, int], *, now: datetime
) -> bool:
    """Book what the venue's auto-redeemer has paid: the shares are gone from the wallet of a resolved market."""
    account = account_lock(account_id)
    reference = f"resolution:{facts.market_id}"
    number = 0
    while is_booked(account_id, reference):  # shares that came after a first payout are another fact
        number += 1
        reference = f"resolution:{facts.market_id}:{number}"
    if {o: held(account_id, o) for o in ours} != ours:
        return False
    _nothing_in_flight(account_id, facts.market_id, list(ours))
    fact = conversions.redeem(ours, payouts)
    realized = fact_book(
        account,
        fact,
        reference=reference,
        markets=dict.fromkeys(ours, facts.market_id),
        memo=f"{facts.question}: paid by the venue's auto-redeemer",
        at=now,
        now=now,
    )
    event_record(
        "position.settled",
        f"{facts.question}: paid ${text_from_micro(fact.cash)} by the venue's auto-redeemer, "
        f"profit ${text_from_micro(realized)}",
        stream=f"account:{account_id}",
        account_id=account_id,
        subject_kind="market",
        subject_id=str(facts.market_id),
        subject_label=facts.question,
        payload={
            "market_id": facts.market_id,
            "environment": account.environment,
            "paid": text_from_micro(fact.cash),
            "realized": text_from_micro(realized),
            "holdings": {str(o): text_from_micro(size) for o, size in ours.items()},
        },
        now=now,
    )
    return True
