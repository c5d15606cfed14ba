"""What the venue's contracts may take from a wallet, as last read from the chain: what is there, what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from markets.domain.units import micro_from_decimal, text_from_micro
from markets.venues.polymarket.calls import GRANTS, NAMES, UNLIMITED, Grant
from orders.models import Account, AllowanceCheck


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """One grant. `amount` is None where it was not read; `is_enough` compares it with the account's dollars."""

    number: int
    grant: Grant
    amount: int | None
    is_enough: bool

    @property
    def token_name(self) -> str:
        return NAMES[self.grant.token]

    @property
    def spender_name(self) -> str:
        return NAMES[self.grant.spender]

    @property
    def says(self) -> str:
        if self.amount is None:
            return "not read yet"
        if self.grant.is_operator:
            return "every share" if self.amount else "nothing"
        # A token may count an unlimited grant down: half the range is unlimited to anybody.
        return "unlimited" if self.amount >= UNLIMITED // 2 else f"${text_from_micro(self.amount)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowances:
    items: tuple[Allowance, ...]
    at: datetime | None
    error: str

    @property
    def missing(self) -> tuple[Allowance, ...]:
        return tuple(item for item in self.items if item.amount is not None and not item.is_enough)


def allowances_get(account_id: int) -> Allowances:
    """Return every grant that trading, redeeming and merging need, with what the chain last said of it."""
    account = Account.objects.get(pk=account_id)
    check = AllowanceCheck.objects.filter(account_id=account_id).first()
    known = {(f["token"], f["spender"]): int(f["amount"]) for f in (check.found if check else [])}
    cash = micro_from_decimal(account.cash)
    return Allowances(
        items=tuple(_allowance(n, grant, known.get((grant.token, grant.spender)), cash) for n, grant in _grants()),
        at=check.at if check else None,
        error=check.error if check else "",
    )


def _grants() -> Sequence[tuple[int, Grant]]:
    return list(enumerate(GRANTS))


def _allowance(number: int, grant: Grant, amount: int | None, cash: int) -> Allowance:
    enough = amount is not None and amount > 0 and (grant.is_operator or amount >= cash)
    return Allowance(number=number, grant=grant, amount=amount, is_enough=enough)
