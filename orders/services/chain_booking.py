"""What a confirmed transaction means for the books: booked once, in the transaction that makes it CONFIRMED."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction

from markets.domain.units import decimal_from_micro, micro_from_decimal
from markets.selectors.catalogue import facts_by_outcome, tokens_for_outcomes
from markets.venues.polymarket.calls import CONDITIONAL_TOKENS, POSITION_MANAGER
from markets.venues.polymarket.wallets import is_position_id
from orders.domain import conversions
from orders.domain.chain import ChainState
from orders.domain.conversions import Fact, PayoutVector
from orders.domain.ledger import Position as HeldPosition
from orders.models import ChainAction, Position
from orders.selectors.rows import position_of
from orders.services.chain import action_advance, action_event, action_lock
from orders.services.chain_routes import rpc
from orders.services.conversions import fact_book
from orders.services.faults import faultpoint

_K = ChainAction.Kind


@transaction.atomic
def action_confirmed(action_id: int, *, now: datetime, transaction_hash: str = "", actor: str = "") -> bool:
    """Book what the action did and end it; False when that was done before."""
    action = action_lock(action_id)
    if action.state not in (ChainState.PENDING, ChainState.UNKNOWN):
        return False
    fields: dict[str, Any] = {"transaction_hash": transaction_hash} if transaction_hash else {}
    action_advance(action, ChainState.CONFIRMED, now=now, journal=False, **fields)  # gives back what was set aside
    realized = 0
    fact = fact_of(action)
    if fact is not None:
        outcomes = [part.outcome_id for part in fact.movements]
        realized = fact_book(
            action.account,
            fact,
            reference=f"chain:{action.pk}",
            markets={o: facts.market_id for o, facts in facts_by_outcome(outcomes).items()},
            memo="; ".join(action.expected["says"]),
            at=now,
            now=now,
        )
    faultpoint("chain.booked")
    _told(action, fact, realized, now=now, actor=actor)
    return True


@transaction.atomic
def action_judge(action_id: int, *, happened: bool, by: str, now: datetime) -> bool:
    """A person settles an unknown outcome from what the chain's explorer shows."""
    action = action_lock(action_id)
    if action.state != ChainState.UNKNOWN:
        return False
    if happened:
        return action_confirmed(action_id, now=now, transaction_hash=action.transaction_hash or "", actor=by)
    action_advance(action, ChainState.FAILED, now=now, reason="a person found that it did not happen", actor=by)
    return True


def fact_of(action: ChainAction) -> Fact | None:  # noqa: PLR0911 - one kind per line
    """Return the ledger fact of a confirmed action; None where nothing of ours moves."""
    facts, amount = action.expected, micro_from_decimal(action.amount)
    match action.kind:
        case _K.SPLIT:
            return conversions.split(facts["outcomes"], amount)
        case _K.MERGE:
            return conversions.merge(facts["outcomes"], amount)
        case _K.REDEEM:
            payouts = PayoutVector(
                numerators={int(o): int(n) for o, n in facts["payouts"].items()}, denominator=int(facts["denominator"])
            )
            return conversions.redeem({int(o): int(s) for o, s in facts["sizes"].items()}, payouts)
        case _K.CONVERT:
            given = [_position(action, outcome_id) for outcome_id in facts["given"]]
            return conversions.convert(given, facts["others"], amount, fee_bips=int(facts.get("fee_bips", 0)))
        case _K.TRANSFER if facts.get("outcome"):
            return conversions.shares_out(_position(action, int(facts["outcome"])), amount)
        case _K.TRANSFER:
            return conversions.cash_moved(-amount)
        case _:
            return None


def effects_of(action: ChainAction) -> dict[str, int]:
    """Return by how much each token of the wallet changes when the action happens; empty where none says so."""
    facts, amount = action.expected, micro_from_decimal(action.amount)
    match action.kind:
        case _K.SPLIT | _K.MERGE:
            sign = 1 if action.kind == _K.SPLIT else -1
            moves = {int(o): sign * amount for o in facts["outcomes"]}
        case _K.REDEEM:
            moves = {int(o): -int(s) for o, s in facts["sizes"].items() if int(s)}
        case _K.CONVERT:
            out = amount - amount * int(facts.get("fee_bips", 0)) // 10_000
            moves = dict.fromkeys(facts["given"], -amount) | dict.fromkeys(facts["others"], out)
        case _K.TRANSFER if facts.get("outcome"):
            moves = {int(facts["outcome"]): -amount}
        case _:
            return {}
    tokens = tokens_for_outcomes(list(moves))
    return {tokens[outcome_id]: change for outcome_id, change in moves.items()}


def balances_now(action: ChainAction) -> dict[str, int]:
    """Return what the wallet holds on the chain of every token that the action moves."""
    return chain_shares(action.account.wallet_address, list(effects_of(action)))


def chain_shares(wallet: str, token_ids: list[str]) -> dict[str, int]:
    """Return the wallet's shares on the chain, asking each token's own contract."""
    old = [token for token in token_ids if not is_position_id(int(token))]
    new = [token for token in token_ids if is_position_id(int(token))]
    node = rpc()
    return node.shares(wallet, old, contract=CONDITIONAL_TOKENS) | node.shares(wallet, new, contract=POSITION_MANAGER)


def _position(action: ChainAction, outcome_id: int) -> HeldPosition:
    row = Position.objects.filter(account_id=action.account_id, outcome_id=outcome_id).first()
    if row is None:
        return HeldPosition(outcome_id=outcome_id, market_id=0)
    return position_of(row, market_id=0)


def _told(action: ChainAction, fact: Fact | None, realized: int, *, now: datetime, actor: str) -> None:
    cash = decimal_from_micro(fact.cash) if fact else decimal_from_micro(0)
    action_event(
        action,
        now=now,
        actor=actor,
        payload={"cash": str(cash), "realized": str(decimal_from_micro(realized))},
    )
