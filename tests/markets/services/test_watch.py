"""Watch rows follow what each reason wants, and nothing is written when nothing changed."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from markets.domain.instruments import MarketState, Venue
from markets.selectors.watch import watch_reasons, watched_outcomes
from markets.services.watch import watch_drop, watch_prune, watch_set
from tests.factories.markets import AT, market_make, outcome_make

pytestmark = pytest.mark.django_db


def watched() -> set[int]:
    return set(watched_outcomes(Venue.POLYMARKET, now=AT))


def test_a_reason_replaces_only_its_own_rows() -> None:
    a, b, c = (outcome_make() for _ in range(3))
    watch_set("strategy:1", [a.pk, b.pk])
    watch_set("position:1", [b.pk])
    watch_set("strategy:1", [c.pk, 999_999])
    assert watched() == {b.pk, c.pk}
    assert watch_reasons(b.pk) == ["position:1"]
    assert watch_drop("position:1") == 1
    assert watched() == {c.pk}


def test_an_unchanged_wish_writes_nothing() -> None:
    ids = [outcome_make().pk, outcome_make().pk]
    watch_set("strategy:1", ids)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        watch_set("strategy:1", ids)
    assert not [q for q in queries if q["sql"].startswith(("INSERT", "UPDATE", "DELETE"))]


def test_a_watch_ends_with_its_time_or_its_market() -> None:
    page, resolved = outcome_make(), market_make(state=MarketState.RESOLVED).outcomes.get(index=0)
    watch_set("page:1", [page.pk], until=AT + timedelta(minutes=2))
    watch_set("position:1", [resolved.pk])
    assert watched() == {page.pk}
    assert set(watched_outcomes(Venue.POLYMARKET, now=AT + timedelta(minutes=3))) == set()
    assert watch_prune(AT + timedelta(minutes=3)) == 1


def test_the_background_list_is_not_urgent() -> None:
    quiet, traded = outcome_make(), outcome_make()
    watch_set("top", [quiet.pk, traded.pk])
    watch_set("strategy:1", [traded.pk])
    rows = watched_outcomes(Venue.POLYMARKET, now=AT)
    assert (rows[quiet.pk].urgent, rows[traded.pk].urgent) == (False, True)
