"""Which outcomes the feed listens to: one row per (outcome, reason). The feed looks about once a second.

Reasons in use: "strategy:<id>", "position:<account>", "order:<account>", "alert:<rule>", "page:<user>", "top".
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction

from markets.models import Outcome, Watch


@transaction.atomic
def watch_set(reason: str, outcome_ids: Iterable[int], *, until: datetime | None = None) -> int:
    """Make `outcome_ids` exactly what `reason` watches, up to `until`; returns how many. Unknown ids are left out.

    Writes only what differs, so it may be called at every tick.
    """
    wanted = set(Outcome.objects.filter(pk__in=set(outcome_ids)).values_list("pk", flat=True))
    rows = Watch.objects.filter(reason=reason)
    present = dict(rows.values_list("outcome_id", "until"))
    if gone := present.keys() - wanted:
        rows.filter(outcome_id__in=gone).delete()
    if moved := [i for i in wanted & present.keys() if present[i] != until]:
        rows.filter(outcome_id__in=moved).update(until=until)
    if new := sorted(wanted - present.keys()):
        Watch.objects.bulk_create([Watch(outcome_id=i, reason=reason, until=until) for i in new], ignore_conflicts=True)
    return len(wanted)


def watch_drop(reason: str) -> int:
    """Forget everything `reason` watched; returns how many rows went."""
    return Watch.objects.filter(reason=reason).delete()[0]


def watch_prune(now: datetime) -> int:
    """Delete rows whose time is over. The feed ignores them already."""
    return Watch.objects.filter(until__lt=now).delete()[0]
