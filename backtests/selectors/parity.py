"""What pages read of comparisons between runs and their replays."""

from __future__ import annotations

from collections.abc import Iterable

from backtests.models import ParityRun


def parity_rows(account_ids: Iterable[int], *, most: int = 30) -> list[ParityRun]:
    return list(ParityRun.objects.filter(account_id__in=list(account_ids)).defer("result")[:most])


def parity_get(parity_id: int, *, account_ids: Iterable[int]) -> ParityRun | None:
    return ParityRun.objects.filter(pk=parity_id, account_id__in=list(account_ids)).first()
