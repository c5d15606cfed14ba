"""Verdict rows: every decision of the gate with all its numbers.

A refusal (or an observed wish) that only repeats the last one of its origin, outcome and side
is counted on that row for a minute instead of being stored and reported again.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import F

from alerts.domain.events import Severity
from alerts.services.journal import event_record
from alerts.services.statements import rows_insert, rows_update
from markets.domain.units import Shares, decimal_from_micro, text_from_micro
from risk.domain.verdicts import Check, Decision, Verdict
from risk.models import RiskVerdict

REPEAT_WINDOW = timedelta(minutes=1)

_Subject = tuple[str, int, int, str, int]  # origin kind, origin id, outcome, side, level
_Said = tuple[str, str, Decimal, Decimal]  # decision, rule, price, asked size


@dataclass(kw_only=True)
class VerdictBook:
    """The verdicts of one transaction. Approvals are stored at once (an order needs their id), the rest at `flush`."""

    account_id: int
    environment: str
    by: str = ""
    _pending: list[tuple[Verdict, datetime]] = field(default_factory=list)

    def approved(self, verdict: Verdict, *, now: datetime) -> int:
        row = self._row(verdict, now)
        rows_insert([row])
        return row.pk

    def placed(self, verdict_id: int, order_id: int) -> None:
        rows_update(RiskVerdict, {"order_id": order_id}, pk=verdict_id)

    def withdrawn(self, verdict_id: int, verdict: Verdict, *, reason: str) -> Verdict:
        """Turn a stored approval into a refusal, because the money could not be set aside."""
        check = Check(rule="reservation", passed=False, note=reason)
        refused = replace(
            verdict,
            decision=Decision.REFUSED,
            allowed_size=Shares(0),
            rule="reservation",
            message=reason,
            checks=(*verdict.checks, check),
        )
        RiskVerdict.objects.filter(pk=verdict_id).update(
            decision=Decision.REFUSED,
            allowed_size=0,
            rule="reservation",
            message=reason[:300],
            checks=[check_json(c) for c in refused.checks],
        )
        return refused

    def keep(self, verdict: Verdict, *, now: datetime) -> None:
        self._pending.append((verdict, now))

    def flush(self) -> None:
        """Store what was refused or observed, count what only repeats, report what is new. Call it last."""
        if not self._pending:
            return
        last = self._last_said()
        fresh: list[RiskVerdict] = []
        repeated: dict[int, datetime] = {}
        for verdict, now in self._pending:
            row = self._row(verdict, now)
            known = last.get(_subject(row))
            if known is not None and _said(known) == _said(row) and now - known.at < REPEAT_WINDOW:
                if known.pk is not None:
                    repeated[known.pk] = now
                continue
            last[_subject(row)] = row
            fresh.append(row)
        if repeated:
            RiskVerdict.objects.filter(pk__in=repeated).update(repeats=F("repeats") + 1, last_at=max(repeated.values()))
        RiskVerdict.objects.bulk_create(fresh)
        for row in fresh:
            if row.decision == Decision.REFUSED:
                self._report(row)
        self._pending.clear()

    def _last_said(self) -> dict[_Subject, RiskVerdict]:
        """Return the latest verdict of each subject within the window, so that only neighbours are merged."""
        since = min(now for _, now in self._pending) - REPEAT_WINDOW
        origins = {(v.placement.origin.kind, v.placement.origin.id) for v, _ in self._pending}
        rows = RiskVerdict.objects.filter(
            account_id=self.account_id,
            origin_kind__in=[kind for kind, _ in origins],
            origin_id__in=[origin_id for _, origin_id in origins],
            at__gt=since,
            outcome_id__in={v.placement.outcome_id for v, _ in self._pending},
        ).order_by("id")
        return {_subject(row): row for row in rows}

    def _row(self, verdict: Verdict, now: datetime) -> RiskVerdict:
        placement, origin = verdict.placement, verdict.placement.origin
        return RiskVerdict(
            client_key=placement.key,
            account_id=self.account_id,
            environment=self.environment,
            at=now,
            last_at=now,
            decision=verdict.decision,
            rule=verdict.rule,
            message=verdict.message[:300],
            market_id=placement.market_id,
            outcome_id=placement.outcome_id,
            side=placement.side,
            level=placement.level,
            price=decimal_from_micro(placement.price),
            asked_size=decimal_from_micro(placement.size),
            allowed_size=decimal_from_micro(verdict.allowed_size),
            origin_kind=origin.kind,
            origin_id=origin.id,
            origin_label=origin.label[:120],
            decision_id=origin.decision_id,
            by=self.by[:120],
            checks=[check_json(check) for check in verdict.checks],
        )

    def _report(self, row: RiskVerdict) -> None:
        price, size = text_from_micro(int(row.price * 1_000_000)), text_from_micro(int(row.asked_size * 1_000_000))
        event_record(
            "order.refused",
            f"{row.side} {size} at {price} for {row.origin_label} was refused: {row.message}",
            severity=Severity.INFO,
            stream=f"account:{row.account_id}",
            account_id=row.account_id,
            subject_kind="verdict",
            subject_id=row.pk,
            subject_label=f"{row.side} {size} at {price}",
            actor=row.by or row.origin_label,
            payload={
                "rule": row.rule,
                "environment": row.environment,
                "market_id": row.market_id,
                "outcome_id": row.outcome_id,
                "price": price,
                "size": size,
                "origin_kind": row.origin_kind,
                "origin_id": row.origin_id,
            },
            now=row.at,
        )


def check_json(check: Check) -> dict[str, Any]:
    """Return a check as it is stored: numbers are millionths (of dollars, shares, prices) or as the unit says."""
    return {
        "rule": check.rule,
        "passed": check.passed,
        "value": check.value,
        "limit": check.limit,
        "unit": check.unit,
        "note": check.note,
        "allowed_size": check.allowed_size,
    }


def _subject(row: RiskVerdict) -> _Subject:
    return (str(row.origin_kind), row.origin_id, row.outcome_id, str(row.side), row.level)


def _said(row: RiskVerdict) -> _Said:
    return (str(row.decision), row.rule, row.price, row.asked_size)
