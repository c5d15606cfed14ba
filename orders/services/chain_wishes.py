"""What may be wished for outside the book: split, merge, convert, redeem, transfers. Each names exactly its calls.

Amounts are millionths. All but redemptions begin as a preview that a person confirms (merging of complete sets may
be switched on per account). Raises ChainError, and then nothing is stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from markets.domain.instruments import MarketFacts
from markets.domain.units import text_from_micro
from markets.selectors.catalogue import facts_by_outcome, market_facts
from markets.selectors.groups import GroupUnknown, group_of
from markets.venues.polymarket import calls
from markets.venues.polymarket.calls import POSITION_MANAGER, Call, CallError
from markets.venues.polymarket.wallets import is_position_id
from orders.domain.conversions import PayoutVector
from orders.models import Account, ChainAction
from orders.services.chain import ChainError, action_create
from orders.services.conversions import held

_K = ChainAction.Kind


def set_wish(
    *, account_id: int, market_id: int, amount: int, merge: bool, key: str, by: str, now: datetime, preview: bool = True
) -> ChainAction:
    """Wish to split `amount` dollars into complete sets, or to merge as many sets."""
    facts = _market(market_id)
    if amount <= 0:
        raise ChainError(f"{text_from_micro(amount)} sets: give more than zero")
    encode = calls.merge if merge else calls.split
    try:
        call = encode(facts.condition_id, amount, neg_risk=facts.neg_risk, positions=_has_position_ids(facts))
    except CallError as error:
        raise ChainError(f"{facts.question}: {error}") from error
    outcomes = _outcomes(facts)
    return action_create(
        account_id=account_id,
        kind=_K.MERGE if merge else _K.SPLIT,
        key=f"{'merge' if merge else 'split'}:{account_id}:{key}",
        calls=[call],
        market_id=market_id,
        amount=amount,
        hold_cash=0 if merge else amount,
        hold_shares=dict.fromkeys(outcomes, amount) if merge else {},
        facts={"outcomes": outcomes},
        by=by,
        now=now,
        preview=preview,
    )


def redeem_wishes(
    *, account_id: int, market_id: int, payouts: PayoutVector, by: str, now: datetime, attempt: int
) -> list[ChainAction]:
    """Wish to redeem what the account holds of a resolved market; the same attempt again is the same rows."""
    facts = _market(market_id)
    sizes = {o: held(account_id, o) for o in _outcomes(facts)}
    made = calls.redeem(
        facts.condition_id,
        list(sizes.values()),
        neg_risk=facts.neg_risk,
        positions=_has_position_ids(facts),
    )
    if not any(sizes.values()):
        raise ChainError(f"{facts.question}: there is nothing to redeem")
    parts = [sizes] if len(made) == 1 else [{o: sizes[o]} for o in sizes if sizes[o]]
    return [
        action_create(
            account_id=account_id,
            kind=_K.REDEEM,
            key=f"redeem:{account_id}:{market_id}:{number}:{attempt}",
            calls=[call],
            market_id=market_id,
            amount=sum(part.values()),
            hold_shares=part,
            facts={
                "sizes": {str(o): size for o, size in part.items()},
                "payouts": {str(o): n for o, n in payouts.numerators.items()},
                "denominator": payouts.denominator,
            },
            by=by,
            now=now,
            preview=False,
        )
        for number, (call, part) in enumerate(zip(made, parts, strict=True))
    ]


def convert_wish(
    *, account_id: int, market_ids: Sequence[int], amount: int, key: str, by: str, now: datetime
) -> ChainAction:
    """Wish to convert `amount` No shares of each of these markets of one neg-risk group."""
    if not market_ids or amount <= 0:
        raise ChainError("a conversion needs at least one No outcome and more than zero shares")
    try:
        group = group_of(market_ids[0])
    except GroupUnknown as error:
        raise ChainError(str(error)) from error
    given = {place: no for place, (market_id, _, no) in sorted(group.places.items()) if market_id in market_ids}
    if len(given) != len(set(market_ids)):
        raise ChainError("these markets are not all of one group")
    if any(_has_position_ids(facts) for facts in market_facts(market_ids).values()):
        raise ChainError("shares of the newer token protocol cannot be converted: the adapter does not know them")
    return action_create(
        account_id=account_id,
        kind=_K.CONVERT,
        key=f"convert:{account_id}:{key}",
        calls=[calls.convert(group.group_id, list(given), amount)],
        market_id=market_ids[0],
        amount=amount,
        hold_shares=dict.fromkeys(given.values(), amount),
        facts={
            "given": list(given.values()),
            "others": [yes for place, (_, yes, _) in sorted(group.places.items()) if place not in given],
            "fee_bips": group.fee_bips,
        },
        by=by,
        now=now,
        preview=True,
    )


def transfer_wish(
    *, account_id: int, receiver: str, amount: int, key: str, by: str, now: datetime, outcome_id: int | None = None
) -> ChainAction:
    """Wish to send dollars, or shares of an outcome, to another account of the same key; nowhere else."""
    if amount <= 0:
        raise ChainError(f"{text_from_micro(amount)}: give more than zero")
    if outcome_id is None:
        call = calls.transfer(receiver, amount)
    else:
        call = _share_transfer(account_id, receiver, outcome_id, amount)
    return action_create(
        account_id=account_id,
        kind=_K.TRANSFER,
        key=f"transfer:{account_id}:{key}",
        calls=[call],
        amount=amount,
        hold_cash=amount if outcome_id is None else 0,
        hold_shares={outcome_id: amount} if outcome_id is not None else {},
        facts={"outcome": outcome_id, "receiver": receiver},
        by=by,
        now=now,
        preview=True,
    )


def _share_transfer(account_id: int, receiver: str, outcome_id: int, amount: int) -> Call:
    owner = Account.objects.values_list("wallet_address", flat=True).get(pk=account_id)
    token = facts_by_outcome([outcome_id])[outcome_id].outcome(outcome_id).token_id
    contract = POSITION_MANAGER if is_position_id(int(token)) else ""
    return calls.transfer_shares(owner, receiver, token, amount, contract=contract)


def _market(market_id: int) -> MarketFacts:
    facts = market_facts([market_id]).get(market_id)
    if facts is None or len(facts.outcomes) != 2:
        raise ChainError(f"market {market_id} is not one with two outcomes")
    return facts


def _outcomes(facts: MarketFacts) -> list[int]:
    return [o.outcome_id for o in facts.outcomes]


def _has_position_ids(facts: MarketFacts) -> bool:
    return is_position_id(int(facts.outcomes[0].token_id))
