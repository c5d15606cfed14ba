"""What could be converted, and what a previewed split, merge or conversion would change. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from markets.domain.units import decimal_from_micro, micro_from_decimal, text_from_micro
from markets.selectors.catalogue import facts_by_outcome, market_facts
from markets.selectors.groups import GroupUnknown, group_of
from markets.venues.polymarket.wallets import is_position_id
from orders.domain.conversions import converted
from orders.models import Account, ChainAction, Position

_K = ChainAction.Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Convertible:
    """A neg-risk event with No shares that are settled and unpromised. `problem` says why they cannot be converted."""

    event_id: int
    free: dict[int, Decimal]  # by No outcome
    markets: dict[int, int]  # market of each No outcome
    questions: int = 0  # of the whole group
    fee_bips: int = 0
    problem: str = ""

    @property
    def others(self) -> int:
        """How many questions would give Yes shares if every listed one were given."""
        return self.questions - len(self.free)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moves:
    """What a transaction changes when the chain confirms it, and why it could not be wanted now."""

    cash: Decimal
    shares: dict[int, Decimal]  # by outcome; less than nothing: given
    lacks: str


def convertibles_get(account_id: int) -> list[Convertible]:
    """Return the events whose No shares the account holds, those first that can be converted."""
    rows = Position.objects.filter(
        account_id=account_id, confirmed_size__gt=0, outcome__index=1, outcome__market__neg_risk=True
    ).select_related("outcome")
    free = {row.outcome_id: row.confirmed_size - row.reserved_size for row in rows}
    markets = {row.outcome_id: row.outcome.market_id for row in rows if free[row.outcome_id] > 0}
    facts = market_facts(markets.values())
    events: dict[int, list[int]] = {}
    for outcome_id, market_id in markets.items():
        events.setdefault(facts[market_id].event_id, []).append(outcome_id)
    found = []
    for event_id, outcomes in events.items():
        ours = {o: markets[o] for o in outcomes}
        questions, fee_bips, problem = 0, 0, ""
        try:
            group = group_of(ours[outcomes[0]])
            questions, fee_bips = len(group.places), group.fee_bips
        except GroupUnknown as error:
            problem = str(error)
        if any(is_position_id(int(facts[m].outcomes[0].token_id)) for m in ours.values()):
            problem = "shares of the newer token protocol cannot be converted: the adapter does not know them"
        found.append(
            Convertible(
                event_id=event_id,
                free={o: free[o] for o in outcomes},
                markets=ours,
                questions=questions,
                fee_bips=fee_bips,
                problem=problem,
            )
        )
    return sorted(found, key=lambda one: (bool(one.problem), one.event_id))


def moves_of(action: ChainAction) -> Moves | None:
    """Return what a split, merge or conversion changes; None for other kinds."""
    amount, facts = action.amount, action.expected
    if action.kind in (_K.SPLIT, _K.MERGE):
        sign = 1 if action.kind == _K.SPLIT else -1
        return Moves(cash=-sign * amount, shares=dict.fromkeys(facts["outcomes"], sign * amount), lacks=_lacks(action))
    if action.kind == _K.CONVERT:
        out, dollars = converted(micro_from_decimal(amount), len(facts["given"]), fee_bips=facts["fee_bips"])
        given = dict.fromkeys(facts["given"], -amount)
        return Moves(
            cash=decimal_from_micro(dollars),
            shares=given | dict.fromkeys(facts["others"], decimal_from_micro(out)),
            lacks=_lacks(action),
        )
    return None


def _lacks(action: ChainAction) -> str:
    """Return why what the action uses could not be set aside now; nothing where it could."""
    account = Account.objects.get(pk=action.account_id)
    cash = Decimal(action.expected["hold_cash"])
    if cash > (free := account.cash - account.reserved_cash):
        return f"it takes ${_plain(cash)}, and ${_plain(free)} are free"
    shares = {int(outcome): Decimal(size) for outcome, size in action.expected["hold_shares"].items()}
    rows = Position.objects.filter(account=account, outcome_id__in=shares)
    has = {row.outcome_id: row.confirmed_size - row.reserved_size for row in rows}
    for outcome, size in shares.items():
        if size > (left := has.get(outcome, Decimal(0))):
            facts = facts_by_outcome([outcome])[outcome]
            name = f"{facts.question} {facts.outcome(outcome).label}"
            return f"it takes {_plain(size)} settled shares of {name}, and {_plain(left)} are free"
    return ""


def _plain(size: Decimal) -> str:
    return text_from_micro(micro_from_decimal(size))
