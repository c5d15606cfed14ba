"""A difference stops entries, names its field, and lets go when a person accepts it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.conf import settings

from alerts.models import AuditEvent
from markets.domain.drift import Difference, DriftKind
from markets.domain.instruments import FeeSchedule, Venue
from markets.models import Block, Drift, Market
from markets.selectors.drift import blocked_get
from markets.services import catalogue, drift
from markets.services.drift import DriftError
from markets.services.history import ticks_record
from markets.tickstore import Batch, TickstoreWriter
from markets.venues.base import CataloguePage, Drifted, FactChange
from tests.factories.markets import AT, book_make, market_make
from tests.fakes.catalogue import FakeCatalogue, event_record_of, market_record

pytestmark = pytest.mark.django_db
P = "polymarket"
ANSWER = {
    "success": True, "errorMsg": "", "orderID": "0x1", "status": "live", "makingAmount": "", "takingAmount": "",
}  # fmt: skip


@pytest.fixture(autouse=True)
def nothing_noted() -> None:
    drift._noted.clear()
    drift._uncounted.clear()


def test_an_answer_as_declared_is_no_drift() -> None:
    assert drift.drift_check(P, "rest.order_answer", ANSWER, now=AT) == 0
    assert not Drift.objects.exists() and blocked_get(P).venue == ""


def test_an_unknown_field_blocks_the_venue_and_alerts_naming_it() -> None:
    assert drift.drift_check(P, "rest.order_answer", ANSWER | {"feeTier": "gold"}, now=AT) == 1
    row = Drift.objects.get()
    assert (row.kind, row.source, row.field, row.sample) == (
        "unknown_field",
        "rest.order_answer",
        "feeTier",
        "text gold",
    )
    assert "feeTier" in blocked_get(P).venue
    event = AuditEvent.objects.get(kind="venue.drift")
    assert event.severity == "critical" and "feeTier" in event.message


@pytest.mark.parametrize(
    ("observed", "kind", "field"),
    [
        ({k: v for k, v in ANSWER.items() if k != "status"}, "missing_field", "status"),
        (ANSWER | {"orderID": 5}, "retyped_field", "orderID"),
    ],
)
def test_missing_and_retyped_fields_block_too(observed: object, kind: str, field: str) -> None:
    drift.drift_check(P, "rest.order_answer", observed, now=AT)
    assert list(Drift.objects.values_list("kind", "field")) == [(kind, field)]
    assert field in blocked_get(P).venue


def test_the_same_difference_is_one_row_and_one_alert() -> None:
    for seconds in (0, 1, 40):
        drift.drift_check(P, "rest.balance", {"balance": "1", "new": 1}, now=AT + timedelta(seconds=seconds))
    assert Drift.objects.get().count == 3  # written twice: what came in between was counted in memory
    assert AuditEvent.objects.filter(kind="venue.drift").count() == 1
    assert Block.objects.count() == 1


def test_a_person_accepts_it_and_it_never_blocks_again() -> None:
    drift.drift_note(P, "rest.balance", "new", "unknown_field", now=AT)
    row = Drift.objects.get()
    assert drift.drift_accept(row.pk, by="ada", now=AT, reason="announced")
    assert blocked_get(P).venue == ""
    assert not drift.drift_note(P, "rest.balance", "new", "unknown_field", now=AT + timedelta(days=9))
    assert blocked_get(P).venue == "" and Drift.objects.get().count == 2
    assert AuditEvent.objects.get(kind="venue.drift_accepted").actor == "ada"
    with pytest.raises(DriftError, match="accepted by ada already"):
        drift.drift_accept(row.pk, by="bob", now=AT)


def test_the_block_stands_until_the_last_difference_is_accepted() -> None:
    drift.drift_note(P, "rest.balance", "a", "unknown_field", now=AT)
    drift.drift_note(P, "rest.balance", "b", "unknown_field", now=AT)
    first, second = Drift.objects.order_by("pk")
    assert not drift.drift_accept(first.pk, by="ada", now=AT) and blocked_get(P).venue
    assert drift.drift_accept(second.pk, by="ada", now=AT) and not blocked_get(P).venue


def test_a_changed_fact_blocks_its_market_alone() -> None:
    market, other = market_make(), market_make()
    change = FactChange(market_id=market.pk, field="fee", before="rate 0.04, exponent 1", after="rate 0.07, exponent 1")
    assert drift.facts_note(P, [change], source="gamma.market", now=AT) == 1
    assert (
        blocked_get(P, market.pk).market
        == "fee went from rate 0.04, exponent 1 to rate 0.07, exponent 1 (gamma.market)"
    )
    assert blocked_get(P, other.pk).market == "" and blocked_get(P).venue == ""


def test_another_change_of_an_accepted_fact_blocks_again() -> None:
    market = market_make()
    for after in ("0.07", "0.08"):
        change = FactChange(market_id=market.pk, field="fee", before="0.04", after=after)
        drift.facts_note(P, [change], source="gamma.market", now=AT)
        drift.drift_accept(Drift.objects.get(accepted_at=None).pk, by="ada", now=AT)
    assert Drift.objects.count() == 2 and blocked_get(P, market.pk).market == ""


def test_a_fee_that_changed_everywhere_is_accepted_at_once() -> None:
    for _ in range(3):
        change = FactChange(market_id=market_make().pk, field="fee", before="0.04", after="0.07")
        drift.facts_note(P, [change], source="gamma.market", now=AT)
    assert drift.drift_accept_alike(Drift.objects.first().pk, by="ada", now=AT) == 3
    assert not Block.objects.filter(lifted_at=None).exists()


def test_a_sync_notes_changed_facts_of_open_markets() -> None:
    source = FakeCatalogue(event_record_of(1, market_record(1), market_record(2), market_record(3, fee=None)))
    catalogue.sync(Venue.POLYMARKET, "full", source=source, now=AT)
    assert not Drift.objects.exists()
    changed = [
        market_record(1, fee=FeeSchedule(rate_ppm=70_000, rebate_ppm=1)),
        market_record(2, minimum_size=15_000_000),
        market_record(3),  # its fee became known: no news
    ]
    source.events = [event_record_of(1, *changed)]
    catalogue.sync(Venue.POLYMARKET, "full", source=source, now=AT)
    slugs = dict(Market.objects.values_list("slug", "pk"))
    rows = set(Drift.objects.values_list("market_id", "field", "before", "after"))
    assert rows == {
        (slugs["market-1"], "fee", "rate 0.04, exponent 1", "rate 0.07, exponent 1"),
        (slugs["market-2"], "minimum_size", "5", "15"),
    }


def test_a_sync_notes_what_the_catalogue_page_found() -> None:
    class Drifting(FakeCatalogue):
        def open_events(self):  # type: ignore[no-untyped-def]
            for page in super().open_events():
                found = Drifted(
                    source="gamma.market",
                    difference=Difference(kind=DriftKind.UNKNOWN_FIELD, field="haircut", sample="number 2"),
                    condition_id="0x1",
                )
                yield CataloguePage(events=page.events, drifted=(found, found))

    catalogue.sync(Venue.POLYMARKET, "full", source=Drifting(event_record_of(1, market_record(1))), now=AT)
    assert list(Drift.objects.values_list("field", "market_id", "count")) == [("haircut", None, 1)]


def test_what_one_market_lacks_blocks_that_market_and_what_many_lack_the_venue() -> None:
    lacking = Difference(kind=DriftKind.MISSING_FIELD, field="slug")
    market = market_make()
    drift.drifted_note(P, [Drifted(source="x", difference=lacking, condition_id=market.condition_id)], now=AT)
    assert blocked_get(P, market.pk).market and not blocked_get(P).venue
    many = [Drifted(source="y", difference=lacking, condition_id=f"0x{n}") for n in range(drift.MOST_MARKETS + 1)]
    drift.drifted_note(P, many, now=AT)
    assert "y no longer has the field slug" in blocked_get(P).venue


def test_a_changed_tick_lets_go_when_book_and_catalogue_agree() -> None:
    market = market_make()
    outcome = market.outcomes.get(index=0)
    ticks_record([(market.pk, 1_000)])
    row = Drift.objects.get()
    assert (row.field, row.before, row.after) == ("tick", "0.01", "0.001")
    writer = TickstoreWriter(settings.TICKSTORE_URL)
    late = row.first_at + timedelta(seconds=61)
    writer.publish(Batch(books={outcome.pk: book_make(outcome.pk, tick=10_000)}))
    assert drift.ticks_settle(late) == 0  # the book still has the old one
    writer.publish(Batch(books={outcome.pk: book_make(outcome.pk, tick=1_000)}))
    assert drift.ticks_settle(row.first_at + timedelta(seconds=30)) == 0  # too early
    assert drift.ticks_settle(late) == 1
    assert blocked_get(P, market.pk).market == ""
    assert Market.objects.get(pk=market.pk).tick == Decimal("0.001")


def test_a_block_by_hand_needs_a_reason_and_is_lifted_by_hand() -> None:
    with pytest.raises(DriftError, match="needs a reason"):
        drift.block_create(P, None, " ", by="ada", now=AT)
    assert drift.block_create(P, None, "maintenance", by="ada", now=AT)
    assert not drift.block_create(P, None, "again", by="ada", now=AT)
    assert "maintenance (ada)" in blocked_get(P).venue
    assert drift.block_lift(Block.objects.get().pk, by="ada", now=AT) and not blocked_get(P).venue
    drift.drift_note(P, "rest.balance", "a", "unknown_field", now=AT)
    with pytest.raises(DriftError, match="differences are accepted"):
        drift.block_lift(Block.objects.get(lifted_at=None).pk, by="ada", now=AT)


def test_garbage_does_not_fill_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drift, "MOST_OPEN", 3)
    for n in range(10):
        drift.drift_note(P, "rest.balance", f"x{n}", "unknown_field", now=AT)
    assert Drift.objects.count() == 3
