"""A sync writes what changed and nothing else, books payouts once, and leaves a record of what it did."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from alerts.models import AuditEvent
from markets.domain.instruments import MarketState, Venue
from markets.models import Event, Market, Outcome, SyncRun, VenueIssue, Watch
from markets.selectors import catalogue as reads
from markets.services import catalogue
from markets.services.watch import watch_set
from markets.venues.base import ParseError
from tests.factories.markets import AT
from tests.fakes.catalogue import FakeCatalogue, event_record_of, market_record, resolved

pytestmark = pytest.mark.django_db
POLYMARKET = Venue.POLYMARKET


def run(source: FakeCatalogue, kind: str = "full", **options: object) -> SyncRun:
    done = catalogue.sync(POLYMARKET, kind, source=source, now=AT, **options)
    assert done is not None
    return done


def test_events_markets_outcomes_and_tags_arrive() -> None:
    done = run(FakeCatalogue(event_record_of(1, market_record(1), market_record(2)), event_record_of(2)))
    assert (done.error, done.events_seen, done.markets_seen, done.rows_written) == ("", 2, 2, 4)
    market = Market.objects.get(slug="market-1")
    assert (market.tick, market.fee_rate_ppm, market.event.slug) == (Decimal("0.01"), 40_000, "event-1")
    assert list(market.outcomes.order_by("index").values_list("label", "token_id")) == [("Yes", "1000"), ("No", "1001")]
    assert set(market.event.tags.values_list("slug", flat=True)) == {"politics", "tag-1"}


def test_syncing_5000_unchanged_markets_writes_nothing() -> None:
    source = FakeCatalogue(*(event_record_of(n, *(market_record(n * 10 + k) for k in range(10))) for n in range(500)))
    assert run(source).rows_written == 5_500
    with CaptureQueriesContext(connection) as queries:
        done = run(source)
    assert (done.markets_seen, done.rows_written) == (5_000, 0)
    writes = [q["sql"] for q in queries if q["sql"].startswith(("INSERT", "UPDATE", "DELETE"))]
    assert {sql.split('"')[1] for sql in writes} <= {"markets_syncrun", "markets_watch"}
    assert len(queries) < 80  # a few reads a page of 100 events


def test_only_what_changed_is_written() -> None:
    source = FakeCatalogue(event_record_of(1, *(market_record(n) for n in range(50))))
    run(source)
    source.events = [event_record_of(1, *(market_record(n, volume=Decimal(7 if n == 3 else n)) for n in range(50)))]
    assert run(source).rows_written == 1
    assert Market.objects.get(slug="market-3").volume == 7


def test_a_resolution_books_payouts_once_and_is_journalled() -> None:
    source = FakeCatalogue(event_record_of(1, market_record(1)))
    run(source)
    source.events = [event_record_of(1, resolved(market_record(1), 0, 1_000_000))]
    run(source)
    run(source)
    (found,) = reads.resolved_since(None)
    assert sorted(found.payouts.values()) == [0, 1_000_000]
    assert AuditEvent.objects.filter(kind="market.resolved").count() == 1


def test_a_market_that_was_over_before_we_came_is_not_news() -> None:
    run(FakeCatalogue(event_record_of(1, resolved(market_record(1), 500_000, 500_000))))
    assert set(Outcome.objects.values_list("payout", flat=True)) == {Decimal("0.5")}
    assert not AuditEvent.objects.filter(kind="market.resolved").exists()


@pytest.mark.parametrize("later", [market_record(1), resolved(market_record(1), 1_000_000, 0)])
def test_booked_payouts_never_change(later: object) -> None:
    source = FakeCatalogue(event_record_of(1, resolved(market_record(1), 0, 1_000_000)))
    run(source)
    source.events = [event_record_of(1, later)]
    assert run(source).refused == 1
    assert Market.objects.get().state == MarketState.RESOLVED
    assert list(Outcome.objects.order_by("index").values_list("payout", flat=True)) == [0, 1]
    assert VenueIssue.objects.count() == 1


def test_a_token_that_changes_its_market_is_refused() -> None:
    source = FakeCatalogue(event_record_of(1, market_record(1)))
    run(source)
    thief = market_record(2, outcomes=market_record(1).outcomes)
    source.events = [event_record_of(1, market_record(1), thief)]
    assert run(source).refused == 1
    assert Market.objects.count() == 1


def test_a_new_tick_is_journalled() -> None:
    source = FakeCatalogue(event_record_of(1, market_record(1)))
    run(source)
    source.events = [event_record_of(1, market_record(1, tick=1_000))]
    run(source)
    event = AuditEvent.objects.get(kind="market.tick_changed")
    assert event.payload == {"before": "0.010000", "after": "0.001000"}


def test_what_the_parser_refused_is_counted_not_repeated() -> None:
    error = ParseError("orderMinSize", "0 is not a positive size", sample="{}", source="gamma.market")
    source = FakeCatalogue(event_record_of(1, market_record(1), refused=(error,)))
    run(source)
    run(source)
    issue = VenueIssue.objects.get()
    assert (issue.field, issue.count) == ("orderMinSize", 2)
    assert AuditEvent.objects.filter(kind="venue.issue").count() == 1


def test_a_venue_that_stops_answering_keeps_what_was_read_and_is_reported_once() -> None:
    source = FakeCatalogue(*(event_record_of(n, market_record(n)) for n in range(150)), fails_after=1)
    first = run(source)
    run(source)
    assert "refused" in first.error and Market.objects.count() == 100
    assert AuditEvent.objects.filter(kind="sync.failed").count() == 1


def test_a_full_sync_asks_for_missing_markets_and_pauses_what_is_gone() -> None:
    source = FakeCatalogue(event_record_of(1, market_record(1)), event_record_of(2, market_record(2)))
    run(source)
    source.events = source.events[:1]
    run(source)
    assert source.asked[-1] == {market_record(2).condition_id}
    assert Market.objects.get(slug="market-2").state == MarketState.PAUSED
    assert VenueIssue.objects.get().problem == "is listed nowhere any more"


def test_an_incremental_sync_asks_for_closed_and_traded_markets() -> None:
    records = [market_record(1), market_record(2), market_record(3, state=MarketState.CLOSED)]
    run(FakeCatalogue(*(event_record_of(n, record) for n, record in enumerate(records))))
    traded = Outcome.objects.filter(market__slug="market-2").first()
    assert traded is not None
    watch_set("strategy:1", [traded.pk])
    source = FakeCatalogue()
    run(source, "incremental")
    assert source.asked == [{records[1].condition_id, records[2].condition_id}]


def test_the_most_traded_markets_are_watched() -> None:
    run(FakeCatalogue(event_record_of(1, market_record(1), market_record(2, state=MarketState.PAUSED))))
    assert set(Watch.objects.filter(reason="top").values_list("outcome__market__slug", flat=True)) == {"market-1"}


def test_progress_is_told_page_by_page() -> None:
    seen: list[int] = []
    run(FakeCatalogue(*(event_record_of(n) for n in range(250))), progress=lambda counts: seen.append(counts.events))
    assert seen == [100, 200, 250]


def test_a_successful_sync_renews_the_age_of_unchanged_facts() -> None:
    source = FakeCatalogue(event_record_of(1, market_record(1)))
    run(source)
    later = AT + timedelta(minutes=5)
    catalogue.sync(POLYMARKET, "full", source=source, now=later)
    facts = reads.market_facts([Market.objects.get().pk])
    assert next(iter(facts.values())).synced_at == later
    assert Event.objects.get().updated_at == AT
