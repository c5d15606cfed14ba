"""Complete sets become dollars again by themselves, on accounts where a person switched that on."""

from __future__ import annotations

import logging
from collections import defaultdict
from datetime import datetime

from django.db import transaction

from markets.domain.instruments import MarketState
from markets.domain.units import ONE, micro_from_decimal
from markets.selectors.catalogue import market_facts
from orders.domain.chain import OPEN as UNDERWAY
from orders.domain.conversions import complete_sets
from orders.domain.lifecycle import Environment
from orders.models import Account, ChainAction, Position
from orders.services.account_events import account_event
from orders.services.accounts import account_lock
from orders.services.chain import ChainError
from orders.services.chain_wishes import set_wish

log = logging.getLogger(__name__)
LEAST = ONE  # sets worth a transaction


@transaction.atomic
def merge_sets_set(*, account_id: int, on: bool, by: str, now: datetime) -> bool:
    """Switch merging of complete sets on or off; return whether that changed anything."""
    account = account_lock(account_id)
    if account.merge_sets == on:
        return False
    account.merge_sets = on
    account.save(update_fields=["merge_sets"])
    account_event(
        account,
        "account.merge_sets",
        f"{account.name}: complete sets are {'merged by themselves' if on else 'left alone'}",
        now=now,
        by=by,
        payload={"on": on},
    )
    return True


def merges_apply(now: datetime) -> int:
    """Wish to merge what is settled, unpromised and complete; return how many wishes were made."""
    made = 0
    accounts = Account.objects.filter(merge_sets=True, connection="ready").exclude(environment=Environment.PAPER)
    for account_id in accounts.values_list("pk", flat=True):
        for market_id, sets in sets_free(account_id).items():
            if sets < LEAST or _underway(account_id, market_id):
                continue
            number = ChainAction.objects.filter(account_id=account_id, market_id=market_id, kind="merge").count()
            try:
                set_wish(
                    account_id=account_id,
                    market_id=market_id,
                    amount=sets,
                    merge=True,
                    key=f"{market_id}:auto:{number}",
                    by="merging",
                    now=now,
                    preview=False,
                )
                made += 1
            except ChainError as error:
                log.info("a merge waits", extra={"account": account_id, "market": market_id, "problem": str(error)})
    return made


def sets_free(account_id: int) -> dict[int, int]:
    """Return how many sets could be merged now, by open market with two outcomes."""
    free: dict[int, dict[int, int]] = defaultdict(dict)
    rows = Position.objects.filter(account_id=account_id, confirmed_size__gt=0)
    for outcome_id, market_id, settled, promised in rows.values_list(
        "outcome_id", "outcome__market_id", "confirmed_size", "reserved_size"
    ):
        free[market_id][outcome_id] = micro_from_decimal(settled) - micro_from_decimal(promised)
    open_markets = {pk: f for pk, f in market_facts(free).items() if f.state is MarketState.OPEN}
    return {
        pk: sets
        for pk, facts in open_markets.items()
        if len(facts.outcomes) == 2 and (sets := complete_sets(free[pk].get(o.outcome_id, 0) for o in facts.outcomes))
    }


def _underway(account_id: int, market_id: int) -> bool:
    return ChainAction.objects.filter(account_id=account_id, market_id=market_id, state__in=UNDERWAY).exists()
