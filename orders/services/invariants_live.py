"""What must be true besides, of accounts that send to a venue (contract.md §4.1: I1, I2, I5, I10, I11, I13, I16).

Questions for `orders.services.invariants`, in its form: (number, subject, message, SQL, values). They read our
tables alone; what the venue itself says is compared by reconciliation and, in tests, by `tests.faults.truth`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from markets.venues.base import ParseError
from markets.venues.trading_registry import order_maker
from orders.domain.lifecycle import OrderState
from orders.models import OrderSubmission

Question = tuple[str, str, str, str, dict[str, object]]
S = OrderState
_MAYBE_SENT = sorted({S.SENDING, S.LIVE, S.MATCHED, S.DELAYED, S.UNKNOWN, S.QUARANTINED, S.FILLED, S.EXPIRED})
_UNRESOLVED = sorted({S.UNKNOWN, S.QUARANTINED})
# A claim may hold the switch for this long before a kill that was asked for meanwhile commits.
_KILL_WAITS = "5 seconds"


def live_questions(mine: str, recent_orders: str) -> tuple[Question, ...]:
    """Return the questions, given the SQL that limits orders `o` to the accounts and the time asked about."""
    return (
        (
            "I1",
            "order {0}",
            "is known to the venue as {1}, its signed request is {2}",
            f"""SELECT o.id, o.venue_order_id, s.order_hash FROM orders_ordersubmission s
            JOIN orders_order o ON o.id = s.order_id WHERE {recent_orders}
            AND o.venue_order_id IS DISTINCT FROM s.order_hash""",  # noqa: S608
            {},
        ),
        (
            "I2",
            "order {0}",
            "is {1} and no signed request is stored that could have been sent",
            f"""SELECT o.id, o.state FROM orders_order o JOIN orders_account a ON a.id = o.account_id
            LEFT JOIN orders_ordersubmission s ON s.order_id = o.id WHERE {recent_orders}
            AND a.environment <> 'paper' AND (o.state = ANY(%(maybe_sent)s) OR o.sent_at IS NOT NULL)
            AND (s.order_id IS NULL OR s.body = '')""",  # noqa: S608
            {"maybe_sent": _MAYBE_SENT},
        ),
        (
            "I2",
            "order {0}",
            "sent a byte at {1}, before its request was stored at {2}",
            f"""SELECT o.id, t.first_byte_at, s.signed_at FROM orders_sendattempt t
            JOIN orders_order o ON o.id = t.order_id LEFT JOIN orders_ordersubmission s ON s.order_id = o.id
            WHERE {recent_orders} AND t.kind = 'post' AND t.first_byte_at IS NOT NULL
            AND (s.signed_at IS NULL OR t.first_byte_at < date_trunc('milliseconds', s.signed_at)
                OR t.number > s.attempt)""",  # noqa: S608
            {},
        ),
        (
            "I5",
            "order {0}",
            "has an unknown outcome, {1} of {2} filled, and sets aside only {3}",
            # A trade that failed to settle counts as matched at the venue: only the rest can still trade.
            f"""SELECT o.id, told.size, o.size, o.reserved FROM orders_order o CROSS JOIN LATERAL (
                SELECT COALESCE(SUM(f.size), 0) AS size FROM orders_fill f WHERE f.order_id = o.id
            ) told WHERE {recent_orders}
            AND o.state = ANY(%(unresolved)s) AND o.reserved < CASE WHEN o.side = 'sell' THEN o.size - told.size
                ELSE TRUNC(o.price * (o.size - told.size), 6) END""",  # noqa: S608
            {"unresolved": _UNRESOLVED},
        ),
        (
            "I5",
            "order {0}",
            "was sent at {1} although order {2} of the same wish had an unknown outcome",
            f"""SELECT n.id, n.sent_at, o.id FROM orders_order o
            JOIN orders_ordersubmission s ON s.order_id = o.id AND s.unknown_since_ms IS NOT NULL
            JOIN orders_order n ON n.account_id = o.account_id AND n.origin_kind = o.origin_kind
                AND n.origin_id = o.origin_id AND n.outcome_id = o.outcome_id AND n.side = o.side AND n.id > o.id
            WHERE {recent_orders} AND o.state = ANY(%(unresolved)s)
            AND n.sent_at >= to_timestamp((s.unknown_since_ms + 1) / 1000.0)""",  # noqa: S608
            {"unresolved": _UNRESOLVED},
        ),
        (
            "I11",
            "order {0}",
            "of a {1} account has {2}",
            f"""SELECT o.id, a.environment, found.what FROM orders_order o
            JOIN orders_account a ON a.id = o.account_id
            CROSS JOIN LATERAL (
                SELECT 'a paper id' AS what WHERE a.environment <> 'paper' AND o.venue_order_id LIKE 'paper-%%'
                UNION ALL SELECT 'a signed request' FROM orders_ordersubmission s
                    WHERE s.order_id = o.id AND a.environment = 'paper'
                UNION ALL SELECT 'an order at the simulated venue' FROM orders_paperorder p
                    WHERE p.venue_order_id = o.venue_order_id AND a.environment <> 'paper'
                UNION ALL SELECT 'a fill of another account or outcome' FROM orders_fill f WHERE f.order_id = o.id
                    AND (f.account_id <> o.account_id OR f.outcome_id <> o.outcome_id OR f.side <> o.side)
                UNION ALL SELECT 'a plan of another account' FROM orders_executionplan p
                    WHERE p.id = o.plan_id AND p.account_id <> o.account_id
                UNION ALL SELECT 'a predecessor of another account' FROM orders_order r
                    WHERE r.id = o.replaces_id AND r.account_id <> o.account_id
            ) found WHERE {recent_orders}""",  # noqa: S608
            {},
        ),
        (
            "I11",
            "ledger fact {0}",
            "of account {1} has an entry of account {2}",
            f"""SELECT t.id, t.account_id, e.account_id FROM orders_ledgerentry e
            JOIN orders_ledgertransaction t ON t.id = e.transaction_id
            WHERE {mine.format("e.")} AND e.account_id <> t.account_id""",  # noqa: S608
            {},
        ),
        (
            "I13",
            "order {0}",
            "was submitted by event {1}, after the kill of event {2}",
            f"""SELECT o.id, e.id, k.id FROM orders_killswitch w
            CROSS JOIN LATERAL (SELECT MAX(id) AS id FROM alerts_auditevent WHERE kind = 'risk.killed') k
            JOIN alerts_auditevent e ON e.kind = 'order.submitted' AND e.id > k.id
            JOIN orders_order o ON o.id::text = e.subject_id AND e.subject_kind = 'order'
            WHERE w.killed AND {recent_orders}""",  # noqa: S608
            {},
        ),
        (
            "I13",
            "order {0}",
            "was claimed again at {1}, after the kill of {2}",
            f"""SELECT o.id, t.claimed_at, w.at FROM orders_killswitch w
            JOIN orders_sendattempt t ON t.kind = 'post' AND t.claimed_at > w.at + INTERVAL '{_KILL_WAITS}'
            JOIN orders_order o ON o.id = t.order_id WHERE w.killed AND {recent_orders}""",  # noqa: S608
            {},
        ),
        (
            "I16",
            "order {0}",
            "is {1}, and no event of the journal says that it became so",
            f"""SELECT o.id, o.state FROM orders_order o WHERE {recent_orders}
            AND o.state NOT IN ('new', 'reserved')
            AND EXISTS (SELECT 1 FROM orders_ordersubmission s WHERE s.order_id = o.id)
            AND NOT EXISTS (SELECT 1 FROM alerts_auditevent e WHERE e.subject_kind = 'order'
                AND e.subject_id = o.id::text AND (e.payload->>'after' = o.state OR e.kind = 'order.fill_voided'))""",  # noqa: S608
            {},
        ),
        (
            "I16",
            "order {0}",
            "was told to become {1} by {2} events, one after the other",
            f"""SELECT o.id, e.payload->>'after', COUNT(*) FROM orders_order o
            JOIN alerts_auditevent e ON e.subject_kind = 'order' AND e.subject_id = o.id::text
            WHERE {recent_orders} AND e.payload->>'after' IN ('abandoned', 'rejected', 'expired', 'quarantined')
            GROUP BY o.id, e.payload->>'after' HAVING COUNT(*) > 1""",  # noqa: S608
            {},
        ),
    )


def changed_requests(account_ids: Sequence[int] | None = None, *, since: datetime | None = None) -> Iterable[str]:
    """Yield each order whose stored request has not the id it is stored under (I1). Recomputes every hash."""
    rows = OrderSubmission.objects.select_related("order__account").exclude(body="")
    if account_ids is not None:
        rows = rows.filter(order__account_id__in=account_ids)
    if since is not None:
        rows = rows.filter(order__created_at__gte=since)
    for row in rows.iterator():
        try:
            found = order_maker(row.order.account.venue).id_of(
                row.body.encode(), exchange=row.exchange, chain_id=row.chain_id
            )
        except (ParseError, ValueError) as error:
            found = f"none: {str(error)[:80]}"
        if found != row.order_hash:
            yield f"order {row.pk}: its stored request has the id {found}, it is stored under {row.order_hash}"
