"""What the venue pays into a wallet by itself: rewards and rebates, booked once each when its activity lists them.

Deposits and withdrawals move the owner's own money: they are not booked here but named as the cause of a cash
difference, which a person then books. Nothing from before the account's opening entry counts: that entry already
holds what was there.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import transaction

from markets.domain.units import Usd, text_from_micro
from markets.venues.polymarket.activity import CashRow, Payment, cash_rows
from markets.venues.polymarket.client import PolymarketHttp
from orders.domain.conversions import Fact
from orders.domain.ledger import REWARDS
from orders.models import Account, LedgerTransaction
from orders.services.account_events import account_event
from orders.services.accounts import account_lock
from orders.services.conversions import fact_book, is_booked

LATE = timedelta(days=1)  # the data service lags; what it listed late is still found
KINDS = {
    Payment.REWARD: "reward",
    Payment.YIELD: "reward",
    Payment.REFERRAL_REWARD: "reward",
    Payment.MAKER_REBATE: "rebate",
    Payment.TAKER_REBATE: "rebate",
}


def payments_read(account: Account) -> list[CashRow]:
    """Return what came and left since the last clean reconciliation, and a day before. Raises VenueError."""
    since = (account.reconciled_at or account.created_at) - LATE
    first = int(opened_at(account).timestamp()) + 1
    http = PolymarketHttp(settings.POLYMARKET["data"])
    try:
        return cash_rows(http.get, wallet=account.wallet_address, since_s=max(first, int(since.timestamp())))
    finally:
        http.close()


def opened_at(account: Account) -> datetime:
    """Return when the balance that the books begin with was read."""
    opening = LedgerTransaction.objects.filter(account=account, kind="opening").order_by("pk").first()
    return opening.at if opening else account.created_at


def payments_book(account_id: int, rows: Sequence[CashRow], *, now: datetime) -> int:
    """Book the rewards and rebates among `rows` that are not booked yet; return how many."""
    return sum(_book(account_id, row, now=now) for row in rows if row.kind in KINDS and row.amount)


@transaction.atomic
def _book(account_id: int, row: CashRow, *, now: datetime) -> bool:
    account = account_lock(account_id)
    reference = f"activity:{row.row_id}"
    if is_booked(account_id, reference):
        return False
    said = f"{row.kind.lower().replace('_', ' ')} of ${text_from_micro(row.amount)}"
    fact_book(
        account,
        Fact(kind=KINDS[row.kind], book=REWARDS, cash=Usd(row.amount), movements=()),
        reference=reference,
        markets={},
        memo=f"{said} paid by the venue, {row.transaction_hash}",
        at=datetime.fromtimestamp(row.at_s, UTC),
        now=now,
    )
    account_event(
        account,
        "cash.paid",
        f"{account.name}: the venue paid a {said}",
        payload={
            "kind": KINDS[row.kind],
            "amount": text_from_micro(row.amount),
            "environment": account.environment,
            "transaction_hash": row.transaction_hash,
            "condition_id": row.condition_id,
        },
        now=now,
    )
    return True


def moved_cause(rows: Sequence[CashRow], *, difference: int, since: datetime | None) -> str:
    """Return the deposit or withdrawal since then that is exactly a cash difference, in words; "" where none is."""
    for row in reversed(rows):
        change = {Payment.DEPOSIT: row.amount, Payment.WITHDRAWAL: -row.amount}.get(row.kind)
        if change == difference and (since is None or row.at_s >= int(since.timestamp())):
            return f"a {row.kind.lower()} of ${text_from_micro(row.amount)} is in the venue's activity: book it?"
    return ""
