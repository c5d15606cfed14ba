"""What a person does in the browser, from signing in to seeing their own order rest, on a desk that moves."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from alerts.services import journal
from markets.tickstore import Batch, TickstoreWriter
from orders.models import Order
from orders.services.paper import paper_sync
from tests.browser.conftest import Site
from tests.factories.desk import PASSWORD
from tests.factories.markets import book_make
from tests.factories.orders import paper_order


@pytest.fixture
def moving(site: Site) -> Iterator[None]:
    """A feed that moves every book of the group five times a second."""
    stop = threading.Event()
    ids = [market.outcomes.get(index=0).pk for market in site.desk.group]

    def feed() -> None:
        writer = TickstoreWriter(settings.TICKSTORE_URL)
        writer.epoch_open(int(timezone.now().timestamp() * 1000) + 60_000)
        step = 0
        while not stop.wait(0.2):
            step += 1
            now_ms = int(timezone.now().timestamp() * 1000)
            batch = Batch()
            for base, outcome_id in zip((600_000, 350_000, 20_000), ids, strict=True):
                bid = base + step % 5 * 10_000
                batch.books[outcome_id] = book_make(
                    outcome_id, confirmed_ms=now_ms, received_ms=now_ms, seq=step,
                    bids=tuple((bid - i * 10_000, (50 + step + i) * 1_000_000) for i in range(2)),
                    asks=tuple((bid + (i + 1) * 10_000, (70 + step + i) * 1_000_000) for i in range(2)),
                )  # fmt: skip
            writer.publish(batch)

    thread = threading.Thread(target=feed, daemon=True)
    thread.start()
    yield
    stop.set()
    thread.join(timeout=5)


def test_a_person_signs_in_and_finds_their_way_by_keyboard(site: Site, tab_open: Any) -> None:
    tab = tab_open(user=None)
    page = tab.page
    page.goto(site.url + "/orders/")
    page.fill("#id_username", "owner")
    page.fill("#id_password", "wrong")
    page.click("button.pri")
    page.wait_for_selector("#pe")
    assert "User name or password is wrong" in page.inner_text("#pe")
    page.fill("#id_password", PASSWORD)
    page.press("#id_password", "Enter")
    page.wait_for_url(site.url + "/orders/")
    page.keyboard.press("g")
    page.keyboard.press("m")
    page.wait_for_url(site.url + "/markets/")
    page.keyboard.press("/")
    page.keyboard.type("Fed")
    page.keyboard.press("Enter")
    page.wait_for_url("**/markets/?q=Fed")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/m/*/")
    page.keyboard.press("Shift+K")
    assert page.is_visible("#stop") and "Cancels 3 open orders" in page.inner_text("#stop")
    page.keyboard.press("Escape")
    assert not page.is_visible("#stop")
    page.keyboard.press("t")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert [p for p in tab.problems if "401" not in p] == []


def test_the_ladder_and_the_quotes_move_without_a_reload(site: Site, tab_open: Any, moving: None) -> None:
    tab = tab_open(user="owner")
    page = tab.page
    page.goto(f"{site.url}/m/{site.desk.market.pk}/")
    ladder, mid = set(), set()
    for _ in range(20):
        page.wait_for_timeout(200)
        ladder.add(page.inner_text("table.ladder tr[data-side='bid'] td.p"))
        mid.add(page.inner_text(".q .px [data-f='mid']"))
    assert len(ladder) >= 4 and len(mid) >= 4
    assert "stale" not in (page.get_attribute("#book .age", "class") or "")
    page.goto(f"{site.url}/markets/")
    bids = set()
    for _ in range(15):
        page.wait_for_timeout(200)
        bids.add(page.inner_text("tbody tr td[data-f='bid']"))
    assert len(bids) >= 3
    assert tab.problems == []


def test_our_own_order_shows_on_the_ladder_with_its_queue(site: Site, tab_open: Any) -> None:
    page = tab_open(user="owner").page
    page.goto(f"{site.url}/m/{site.desk.market.pk}/")
    page.wait_for_timeout(600)  # after the socket's first message the script has drawn it
    row = page.locator("tr[data-side='bid']", has_text="60").first
    assert "60" in row.locator("td").first.inner_text() and "q 1,940" in row.locator("td").first.inner_text()


def test_a_manual_order_is_previewed_placed_and_seen(site: Site, tab_open: Any, moving: None) -> None:
    tab = tab_open(user="owner")
    page = tab.page
    page.goto(f"{site.url}/m/{site.desk.group[1].pk}/")
    page.fill("#px", "30")
    page.fill("#sz", "500")
    page.wait_for_selector("#preview .why")
    assert "The gate allows less" in page.inner_text("#preview")
    page.fill("#sz", "10")
    page.wait_for_selector("#preview >> text=$3.00")
    page.click("text=Place PAPER order")
    page.wait_for_url("**/orders/*/")
    assert "passed the gate" in page.inner_text("#messages")
    order = Order.objects.get(origin_kind="manual")
    assert f"Orders / {order.pk}" in page.inner_text("main")
    page.goto(f"{site.url}/orders/")
    state = page.locator("tbody tr", has_text="owner").first
    paper_order(order)
    paper_sync(order.venue_order_id, now=timezone.now())
    state.locator("td", has_text="open").wait_for(timeout=8000)
    assert tab.problems == []


def test_news_reaches_an_open_page(site: Site, tab_open: Any) -> None:
    tab = tab_open(user="owner")
    page = tab.page
    page.goto(site.url + "/")
    page.wait_for_timeout(1500)
    journal.event_record_alone("risk.halted", "a test was here", account_id=site.desk.account.pk)
    page.wait_for_selector("#events >> text=a test was here", timeout=8000)
    assert tab.problems == []


def test_every_page_reads_fully_without_scripts(site: Site, tab_open: Any) -> None:
    tab = tab_open(user="owner", scripts=False)
    page = tab.page
    page.goto(f"{site.url}/m/{site.desk.market.pk}/")
    text = page.inner_text("main")
    assert "spread 1 ¢ · mid 61.5 ¢" in text and "BUY" in text and "Resolves to" in text
    page.fill("#sz", "7")
    page.click("text=Preview")
    assert "Worst case" in page.inner_text("#preview")
    page.goto(site.url + "/")
    assert "$1,000" in page.inner_text("#equity") and page.locator("#equity svg").count() > 3
    page.click("button.kill")
    assert page.is_visible("#stop")
    page.click("#stop >> text=Cancel 3 orders")
    assert "asked to cancel" in page.inner_text("#messages")


def test_a_signed_out_session_ends_the_page(site: Site, tab_open: Any) -> None:
    from django.contrib.sessions.models import Session

    tab = tab_open(user="owner")
    tab.page.goto(site.url + "/")
    tab.page.wait_for_timeout(500)
    Session.objects.all().delete()
    tab.page.wait_for_url("**/login/**", timeout=12000)
