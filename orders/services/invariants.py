"""What must be true of the books at every committed moment (contract.md §4.1), as read-only questions.

Used by tests of every level and, each minute, by the desk itself. Every answer is a list
of broken facts with their numbers; an empty list is health.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from orders.domain.chain import OPEN as CHAIN_OPEN
from orders.domain.lifecycle import OPEN, RESTING, OrderState
from orders.services.invariants_live import live_questions


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    invariant: str  # "I7" …
    subject: str
    message: str

    def __str__(self) -> str:
        return f"{self.invariant} {self.subject}: {self.message}"


def check_invariants(account_ids: Iterable[int] | None = None, *, since: datetime | None = None) -> list[Violation]:
    """Return every broken invariant of the accounts (all of them without ids).

    `since` limits the questions about single orders and fills to those that are open or were
    made after it; sums over the whole ledger are always asked.
    """
    ids = None if account_ids is None else sorted(account_ids)
    found: list[Violation] = []
    for invariant, subject, message, sql, values in (*_QUESTIONS, *live_questions(_MINE, _RECENT_ORDERS)):
        with connection.cursor() as cursor:
            cursor.execute(sql, {"ids": ids, "since": since, **_OPEN, **values})
            found += [
                Violation(invariant=invariant, subject=subject.format(*row), message=message.format(*row))
                for row in cursor.fetchall()
            ]
    return found


def ledger_sum(account_ids: Sequence[int] | None = None) -> dict[str, str]:
    """Return each asset whose entries over all books do not sum to zero; an exact ledger returns nothing."""
    with connection.cursor() as cursor:
        cursor.execute(_LEDGER_SUM, {"ids": None if account_ids is None else list(account_ids)})
        return {f"account {account} {asset}": str(total) for account, asset, total in cursor.fetchall()}


_OPEN = {"open": sorted(OPEN), "underway": sorted(CHAIN_OPEN)}
# What transactions outside the book have set aside until they end.
_HELD_CASH = """(SELECT COALESCE(SUM((c.expected->>'hold_cash')::numeric), 0) FROM orders_chainaction c
    WHERE c.account_id = a.id AND c.state = ANY(%(underway)s))"""
_HELD_SHARES = """(SELECT COALESCE(SUM((c.expected->'hold_shares'->>(p.outcome_id::text))::numeric), 0)
    FROM orders_chainaction c WHERE c.account_id = p.account_id AND c.state = ANY(%(underway)s))"""
_MINE = "(%(ids)s::bigint[] IS NULL OR {0}account_id = ANY(%(ids)s))"
_RECENT_ORDERS = (
    _MINE.format("o.") + " AND (%(since)s::timestamptz IS NULL OR o.created_at >= %(since)s OR o.state = ANY(%(open)s))"
)
_RECENT_FILLS = _MINE.format("f.") + " AND (%(since)s::timestamptz IS NULL OR f.recorded_at >= %(since)s)"

_LEDGER_SUM = f"""
SELECT account_id, asset, SUM(amount) FROM orders_ledgerentry e WHERE {_MINE.format("e.")}
GROUP BY account_id, asset HAVING SUM(amount) <> 0
"""  # noqa: S608

_QUESTIONS: tuple[tuple[str, str, str, str, dict[str, object]], ...] = (
    (
        "I1",
        "order {0}",
        "its venue id {1} is not the one its key makes",
        f"""SELECT id, venue_order_id FROM orders_order o WHERE {_RECENT_ORDERS}
        AND venue_order_id LIKE 'paper-%%' AND venue_order_id <> 'paper-' || client_key::text""",  # noqa: S608
        {},
    ),
    (
        "I7",
        "order {0}",
        "filled {1}, but its fills sum to {2} of {3} ordered",
        f"""SELECT o.id, o.filled_size, COALESCE(SUM(f.size) FILTER (WHERE NOT f.voided), 0), o.size
        FROM orders_order o LEFT JOIN orders_fill f ON f.order_id = o.id WHERE {_RECENT_ORDERS}
        GROUP BY o.id HAVING o.filled_size <> COALESCE(SUM(f.size) FILTER (WHERE NOT f.voided), 0)
            OR o.filled_size > o.size + 0.01""",  # noqa: S608
        {},
    ),
    (
        "I7",
        "fill {0}",
        "{1} ledger facts of kind fill and {2} of kind void",
        f"""SELECT f.id, COUNT(t.id) FILTER (WHERE t.kind = 'fill'), COUNT(t.id) FILTER (WHERE t.kind = 'void')
        FROM orders_fill f LEFT JOIN orders_ledgertransaction t
            ON t.account_id = f.account_id AND t.reference = 'fill:' || f.id WHERE {_RECENT_FILLS}
        GROUP BY f.id HAVING COUNT(t.id) FILTER (WHERE t.kind = 'fill') <> 1
            OR COUNT(t.id) FILTER (WHERE t.kind = 'void') <> (f.voided)::int""",  # noqa: S608
        {},
    ),
    (
        "I8",
        "account {0} outcome {1}",
        "holds {2}, its ledger entries say {3}",
        f"""WITH booked AS (SELECT account_id, split_part(asset, ':', 2)::bigint AS outcome_id, SUM(amount) AS total
            FROM orders_ledgerentry e WHERE book = 'own' AND asset LIKE 'outcome:%%' AND {_MINE.format("e.")}
            GROUP BY 1, 2),
        held AS (SELECT account_id, outcome_id, size FROM orders_position p WHERE {_MINE.format("p.")})
        SELECT COALESCE(h.account_id, b.account_id), COALESCE(h.outcome_id, b.outcome_id), COALESCE(size, 0),
            COALESCE(total, 0)
        FROM held h FULL JOIN booked b ON h.account_id = b.account_id AND h.outcome_id = b.outcome_id
        WHERE COALESCE(size, 0) <> COALESCE(total, 0)""",  # noqa: S608
        {},
    ),
    (
        "I9",
        "ledger fact {0}",
        "its entries of {1} sum to {2}",
        f"""SELECT transaction_id, asset, SUM(amount) FROM orders_ledgerentry e WHERE {_MINE.format("e.")}
        GROUP BY transaction_id, asset HAVING SUM(amount) <> 0""",  # noqa: S608
        {},
    ),
    (
        "I9",
        "account {0}",
        "has ${1} cash, its ledger says ${2}",
        """SELECT a.id, a.cash, COALESCE(SUM(e.amount), 0) FROM orders_account a LEFT JOIN orders_ledgerentry e
            ON e.account_id = a.id AND e.asset = 'usd' AND e.book = 'own'
        WHERE %(ids)s::bigint[] IS NULL OR a.id = ANY(%(ids)s)
        GROUP BY a.id HAVING a.cash <> COALESCE(SUM(e.amount), 0)""",
        {},
    ),
    (
        "I10",
        "account {0} outcome {1}",
        "promised {2} of {3} shares, open sells and transactions need {4}",
        f"""SELECT p.account_id, p.outcome_id, p.reserved_size, p.size, COALESCE(SUM(o.reserved), 0) + {_HELD_SHARES}
        FROM orders_position p LEFT JOIN orders_order o ON o.account_id = p.account_id
            AND o.outcome_id = p.outcome_id AND o.side = 'sell' AND o.state = ANY(%(open)s)
        WHERE {_MINE.format("p.")} GROUP BY p.id
        HAVING p.reserved_size <> COALESCE(SUM(o.reserved), 0) + {_HELD_SHARES}
            OR p.reserved_size > p.size""",  # noqa: S608
        _OPEN,
    ),
    (
        "I10",
        "account {0} outcome {1}",
        "has {2} settled shares of {3}",
        f"""SELECT account_id, outcome_id, confirmed_size, size FROM orders_position p
        WHERE {_MINE.format("p.")} AND confirmed_size > size""",  # noqa: S608
        {},
    ),
    (
        "I12",
        "account {0}",
        "has set aside ${1}, its open buys and transactions add up to ${2}",
        f"""SELECT a.id, a.reserved_cash, COALESCE(SUM(o.reserved), 0) + {_HELD_CASH}
        FROM orders_account a LEFT JOIN orders_order o
            ON o.account_id = a.id AND o.side = 'buy' AND o.state = ANY(%(open)s)
        WHERE %(ids)s::bigint[] IS NULL OR a.id = ANY(%(ids)s)
        GROUP BY a.id HAVING a.reserved_cash <> COALESCE(SUM(o.reserved), 0) + {_HELD_CASH}
            OR a.reserved_cash > a.cash""",  # noqa: S608
        _OPEN,
    ),
    (
        "I12",
        "order {0}",
        "is {1} and still sets aside {2}",
        f"""SELECT id, state, reserved FROM orders_order o WHERE {_MINE.format("o.")}
        AND NOT state = ANY(%(open)s) AND reserved <> 0""",  # noqa: S608
        _OPEN,
    ),
    (
        "I16",
        "order {0}",
        "is {1} and its journal has no event of it",
        f"""SELECT o.id, o.state FROM orders_order o WHERE {_RECENT_ORDERS} AND NOT EXISTS (
            SELECT 1 FROM alerts_auditevent e WHERE e.subject_kind = 'order' AND e.subject_id = o.id::text)""",  # noqa: S608
        {},
    ),
    (
        "I16",
        "fill {0}",
        "has {1} journal events",
        f"""SELECT f.id, COUNT(e.id) FROM orders_fill f LEFT JOIN alerts_auditevent e
            ON e.subject_kind = 'order' AND e.subject_id = f.order_id::text
            AND e.kind IN ('order.filled', 'order.partially_filled') AND (e.payload->>'fill_id')::bigint = f.id
        WHERE {_RECENT_FILLS} GROUP BY f.id HAVING COUNT(e.id) <> 1""",  # noqa: S608
        {},
    ),
    (
        "I6",
        "order {0}",
        "rests as {1} although it is filled",
        f"""SELECT id, state FROM orders_order o WHERE {_RECENT_ORDERS}
        AND state = ANY(%(resting)s) AND filled_size >= size""",  # noqa: S608
        {"resting": sorted(RESTING - {OrderState.MATCHED})},
    ),
)
