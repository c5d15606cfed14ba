"""From an approved row to the bytes that will be sent, and from stored bytes back to the same order.

Everything here happens in memory, outside any transaction: the same row always makes the same bytes, so a
crash before they are stored costs nothing. Only a process with a signer can run it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markets.domain.instruments import Side
from markets.domain.units import micro_from_decimal
from markets.selectors.trading import OutcomeTerms
from markets.venues.base import ParseError
from markets.venues.trading import OrderMaker, OrderTerms
from orders.domain.lifecycle import OrderState
from orders.models import Account, Order, OrderSubmission
from orders.services import keyholder
from orders.services.faults import faultpoint
from orders.services.submission_rows import milliseconds, submissions_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """One order's bytes. `stored` is False for bytes that only this process has seen."""

    order_id: int
    order_hash: str
    body: bytes
    exchange: str
    chain_id: int
    salt: int
    timestamp_ms: int
    tick: int
    stored: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NotReady:
    """Why there are no bytes. `tampered`: the stored ones are not the order's own, which stops everything."""

    order_id: int
    reason: str
    tampered: bool = False


def make_ready(
    account: Account, orders: Sequence[Order], facts: Mapping[int, OutcomeTerms]
) -> dict[int, Ready | NotReady]:
    """Return the bytes of each order, stored or made now, or why there are none. Raises NotInThisProcess."""
    signer = keyholder.signer()
    maker = maker_of(account.venue)
    stored = submissions_of(order.pk for order in orders if order.state == OrderState.SIGNED)
    faultpoint("send.loaded")
    return {
        order.pk: read_back(stored[order.pk], maker)
        if order.pk in stored
        else _sign(order, facts, maker=maker, signer=signer)
        for order in orders
    }


def maker_of(venue: str) -> OrderMaker:
    # Signing code is loaded by processes that sign, not by every one that may ask for an order (I17).
    from markets.venues.trading_registry import order_maker

    return order_maker(venue)


def read_back(row: OrderSubmission, maker: OrderMaker) -> Ready | NotReady:
    """Return the stored bytes after recomputing their id: bytes with another id are never sent (I1)."""
    body = row.body.encode()
    try:
        found = maker.id_of(body, exchange=row.exchange, chain_id=row.chain_id)
    except (ParseError, ValueError) as error:
        found = f"none ({str(error)[:80]})"
    if found != row.order_hash:
        reason = f"the stored request has the id {found}, the order {row.order_hash}"
        return NotReady(order_id=row.pk, reason=reason, tampered=True)
    return Ready(
        order_id=row.pk,
        order_hash=row.order_hash,
        body=body,
        exchange=row.exchange,
        chain_id=row.chain_id,
        salt=row.salt,
        timestamp_ms=row.timestamp_ms,
        tick=micro_from_decimal(row.tick),
        stored=True,
    )


def terms_of(order: Order, facts: OutcomeTerms) -> OrderTerms:
    """Return what decides the order's bytes: nothing but the row and the market's identity and tick."""
    return OrderTerms(
        client_key=str(order.client_key),
        created_ms=milliseconds(order.created_at),
        condition_id=facts.condition_id,
        token_id=facts.token_id,
        neg_risk=facts.neg_risk,
        tick=facts.tick,
        side=Side(order.side),
        price=micro_from_decimal(order.price),
        size=micro_from_decimal(order.size),
        order_type=order.order_type,
        post_only=order.post_only,
        expires_at_ms=None if order.expires_at is None else milliseconds(order.expires_at),
    )


def _sign(
    order: Order, known: Mapping[int, OutcomeTerms], *, maker: OrderMaker, signer: keyholder.Signer
) -> Ready | NotReady:
    facts = known.get(order.outcome_id)
    if facts is None:
        return NotReady(order_id=order.pk, reason=f"outcome {order.outcome_id} is not in the catalogue")
    terms = terms_of(order, facts)
    try:
        unsigned = signer.prepare(order.account_id, terms, maker=maker)
        faultpoint("send.prepared")
        signature = signer.sign(order.account_id, unsigned)
        body = maker.body(unsigned, signature, terms, signer.wallet(order.account_id))
    except keyholder.KeyRefused as error:
        return NotReady(order_id=order.pk, reason=f"the signer refuses: {error}")
    except ValueError as error:  # amounts or fields that the venue would refuse
        return NotReady(order_id=order.pk, reason=f"it cannot be made: {error}")
    faultpoint("send.signed")
    return Ready(
        order_id=order.pk,
        order_hash=unsigned.order_id,
        body=body,
        exchange=unsigned.exchange,
        chain_id=unsigned.chain_id,
        salt=unsigned.salt,
        timestamp_ms=unsigned.timestamp_ms,
        tick=facts.tick,
    )
