"""What the claims page and API show: what resolved markets owe, sets that could be merged, and every transaction."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from django.db.models import QuerySet

from markets.domain.instruments import MarketFacts, MarketState
from markets.domain.units import decimal_from_micro, micro_from_decimal, notional_down
from markets.selectors.catalogue import market_facts
from orders.domain.chain import ENDED, UNDERWAY, ChainState
from orders.models import Account, ChainAction, Position
from orders.selectors.rows import position_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What one resolved market owes. `pays` is None while the catalogue does not name every payout."""

    market: MarketFacts
    sizes: dict[str, Decimal]  # by outcome label
    cost: Decimal
    pays: Decimal | None
    action: ChainAction | None

    @property
    def waits_for(self) -> str:
        if self.action is not None:
            return f"{self.action.kind} is {self.action.state}"
        return "the trader claims it once the chain names the payout and nothing of this market is in flight"


@dataclass(frozen=True, slots=True, kw_only=True)
class SetRow:
    """Complete sets of one open market: as many shares of both outcomes, settled and unpromised."""

    market: MarketFacts
    sets: Decimal


def settles_on_chain(account: Account) -> bool:
    return account.environment != "paper"


def action_rows(account_ids: list[int]) -> QuerySet[ChainAction]:
    return ChainAction.objects.filter(account_id__in=account_ids).select_related("market", "account").order_by("-pk")


def previews(account_id: int) -> list[ChainAction]:
    return list(action_rows([account_id]).filter(state=ChainState.PREVIEW))


def underway(account_id: int) -> list[ChainAction]:
    return list(action_rows([account_id]).filter(state__in=[*UNDERWAY, ChainState.WANTED]))


def ended(account_id: int) -> QuerySet[ChainAction]:
    return action_rows([account_id]).filter(state__in=ENDED)


def claims_get(account_id: int) -> list[Claim]:
    """Return what is held of resolved markets, the dearest first."""
    held: dict[int, list[Position]] = {}
    for row in Position.objects.filter(account_id=account_id, size__gt=0).select_related("outcome"):
        held.setdefault(row.outcome.market_id, []).append(row)
    latest = {
        action.market_id: action
        for action in ChainAction.objects.filter(account_id=account_id, kind="redeem", market_id__in=held).order_by(
            "pk"
        )
    }
    found = [
        _claim(facts, held[market_id], latest.get(market_id))
        for market_id, facts in market_facts(held).items()
        if facts.state is MarketState.RESOLVED
    ]
    return sorted(found, key=lambda claim: -(claim.pays or Decimal(0)))


def _claim(facts: MarketFacts, rows: list[Position], action: ChainAction | None) -> Claim:
    sizes, cost, pays = {}, Decimal(0), 0
    known = True
    for row in rows:
        outcome = facts.outcome(row.outcome_id)
        sizes[outcome.label] = row.size
        cost += row.cost
        if outcome.payout is None:
            known = False
        else:
            pays += notional_down(outcome.payout, position_of(row, market_id=facts.market_id).size)
    return Claim(market=facts, sizes=sizes, cost=cost, pays=decimal_from_micro(pays) if known else None, action=action)


def sets_get(account_id: int) -> list[SetRow]:
    """Return complete sets of open markets that are settled and unpromised."""
    free: dict[int, dict[int, int]] = {}
    for row in Position.objects.filter(account_id=account_id, confirmed_size__gt=0).select_related("outcome"):
        unpromised = micro_from_decimal(row.confirmed_size - row.reserved_size)
        free.setdefault(row.outcome.market_id, {})[row.outcome_id] = unpromised
    rows = []
    for market_id, facts in market_facts(free).items():
        sizes = [free[market_id].get(o.outcome_id, 0) for o in facts.outcomes]
        if facts.state is MarketState.OPEN and len(sizes) == 2 and min(sizes) > 0:
            rows.append(SetRow(market=facts, sets=decimal_from_micro(min(sizes))))
    return sorted(rows, key=lambda row: -row.sets)
