"""Every page answers, says what it should, and shows nobody more than they may see."""

from __future__ import annotations

import csv
import io
import re
from typing import Any

import pytest
from django.test import Client
from django.urls import get_resolver, reverse

from alerts.services.health import heartbeat_record
from orders.domain.lifecycle import Environment
from polybot.dashboard import urls
from polybot.dashboard.frame import ACCOUNT_COOKIE
from tests.factories.desk import DeskRows, people_make
from tests.factories.orders import venue_account_make

LISTS = ["cockpit", "markets", "orders", "positions", "strategies", "why", "risk", "release", "reconcile"]
LISTS += ["alerts", "audit"]
SENDERS = ("waiting", "posting", "answers", "refused")
MACHINE = ["data", "system", "settings", "accounts", "doctor", "backtests", "backtest_new"]


def page_urls(desk: DeskRows) -> list[str]:
    """Every address that answers a GET, with rows behind it."""
    found = [reverse(f"desk:{name}") for name in LISTS + MACHINE]
    found += [reverse("desk:market", args=[market.pk]) for market in desk.group]
    found += [reverse(f"desk:{page}", args=[o.pk]) for o in desk.orders.values() for page in ("order", "replace")]
    found.append(reverse("desk:strategy", args=[desk.strategy.pk]))
    found.append(reverse("desk:decision", args=[desk.decision.pk]))
    found.append(reverse("desk:verdict", args=[desk.verdict.pk]))
    found.append(reverse("desk:event", args=[desk.event_id]))
    return found


def test_every_page_answers_with_rows(desk: DeskRows, staff: Client, owner: Client) -> None:
    for url in page_urls(desk):
        for client in (staff, owner):
            assert client.get(url).status_code == 200, url


def test_every_page_answers_on_an_empty_desk(db: None) -> None:
    admin, _, viewer = people_make()
    for person in (admin, viewer):
        client = Client()
        client.force_login(person)
        for name in LISTS + MACHINE:
            assert client.get(reverse(f"desk:{name}")).status_code == 200, name


def test_every_page_wants_a_sign_in(desk: DeskRows) -> None:
    for url in page_urls(desk):
        answer = Client().get(url)
        assert answer.status_code == 302 and answer["Location"].startswith("/login/"), url


def test_a_page_about_one_order_wears_the_colours_of_its_account(desk: DeskRows, staff: Client) -> None:
    other = venue_account_make(Environment.SANDBOX, owner=desk.account.owner)
    staff.cookies[ACCOUNT_COOKIE] = str(other.pk)
    assert "[SANDBOX] " in staff.get(reverse("desk:orders")).content.decode()
    for name, pk in (("order", desk.orders["open"].pk), ("strategy", desk.strategy.pk), ("decision", desk.decision.pk)):
        page = staff.get(reverse(f"desk:{name}", args=[pk])).content.decode()
        assert "[PAPER] " in page and "[SANDBOX] " not in page, name


def test_every_change_is_a_post(desk: DeskRows, staff: Client) -> None:
    arguments = {"market_id": desk.market.pk, "order_id": desk.orders["open"].pk, "strategy_id": desk.strategy.pk}
    arguments |= {"halt_id": desk.halt.pk, "key_id": 1, "version": 1, "decision_id": 1, "verdict_id": 1, "event_id": 1}
    arguments |= {"drift_id": 1, "account_id": desk.account.pk, "plan_id": 1, "action_id": 1}
    arguments |= {"run_id": 1, "search_id": 1}
    actions = [p for p in urls.urlpatterns if not str(p.pattern).endswith("/") and str(p.pattern)]
    assert len(actions) > 15
    for pattern in actions:
        needed = {name: arguments[name] for name in pattern.pattern.converters}
        assert staff.get(reverse(f"desk:{pattern.name}", kwargs=needed)).status_code == 405, pattern.name


def test_a_person_sees_only_their_own_account(desk: DeskRows, viewer: Client) -> None:
    for name, pk in (("order", desk.orders["open"].pk), ("strategy", desk.strategy.pk), ("decision", desk.decision.pk)):
        assert viewer.get(reverse(f"desk:{name}", args=[pk])).status_code == 404
    assert viewer.get(reverse("desk:verdict", args=[desk.verdict.pk])).status_code == 404
    assert viewer.get(reverse("desk:event", args=[desk.event_id])).status_code == 404
    assert desk.strategy.name not in viewer.get(reverse("desk:audit")).content.decode()
    assert "Paper 1" not in viewer.get(reverse("desk:system")).content.decode()


def test_no_page_holds_inline_script_or_style(desk: DeskRows, staff: Client) -> None:
    for url in page_urls(desk):
        page = staff.get(url).content.decode()
        assert not re.search(r"<script(?![^>]*\bsrc=)", page), url
        assert not re.search(r"\sstyle=|<style|\son[a-z]+=|javascript:", page), url


def test_venue_text_is_never_html(desk: DeskRows, staff: Client) -> None:
    page = staff.get(reverse("desk:market", args=[desk.market.pk])).content.decode()
    assert "&lt;b&gt;emergency&lt;/b&gt;" in page and "<b>emergency</b>" not in page
    assert "<script>" not in staff.get(reverse("desk:data")).content.decode()


def test_no_link_is_dead(desk: DeskRows, staff: Client) -> None:
    """Every link of every page leads to a page that answers."""
    seen: set[str] = set()
    for url in page_urls(desk):
        page = staff.get(url).content.decode()
        links = {href.replace("&amp;", "&") for href in re.findall(r'<a [^>]*href="([^"]+)"', page)}
        assert not [href for href in links if href in ("#", "")], url
        seen |= {href if href.startswith("/") else url + href for href in links if not href.startswith("#")}
    # Sorting, pages and CSV have their own tests below.
    targets = sorted({href.partition("#")[0] for href in seen if not re.search(r"[?&](\w+-)?(sort|page|csv)=", href)})
    assert len(targets) > 40
    for href in targets:
        assert staff.get(href, follow=True).status_code == 200, href


def test_each_fragment_link_has_its_target(desk: DeskRows, staff: Client) -> None:
    for url in page_urls(desk):
        page = staff.get(url).content.decode()
        for name in re.findall(r'href="#([^"]+)"', page):
            assert f'id="{name}"' in page, (url, name)


@pytest.mark.parametrize(
    ("path", "heading"),
    [
        ("/?csv=po", "Market,Outcome,Size sh"),
        ("/?csv=or", "Market,Side,Price ¢"),
        ("/?csv=st", "Strategy,State"),
        ("/markets/?csv=all", "Market,State,Bid ¢"),
        ("/orders/?csv=all", "Market,Side,Price ¢"),
        ("/positions/?csv=po", "Market,Outcome,Size sh"),
        ("/positions/?csv=cl", "Market,Outcome,Paid out ¢"),
        ("/strategies/?csv=all", "Strategy,Class"),
        ("/why/?csv=ve", "Time,Market,Side"),
        ("/why/?csv=de", "Strategy,Time,Woken by"),
        ("/risk/?csv=ha", "Since,Kind"),
        ("/alerts/?csv=ev", "Time,Kind"),
        ("/alerts/?csv=de", "Time,Event"),
        ("/audit/?csv=all", "Time,Kind"),
        ("/data/?csv=sy", "Started,Kind"),
        ("/data/?csv=is", "Last seen,Source"),
        ("/system/?csv=all", "Process,Does"),
        ("/settings/?csv=ke", "Name,Begins with"),
        ("/backtests/?csv=all", "Backtest,State,Strategy"),
    ],
)
def test_every_table_downloads_as_csv(desk: DeskRows, staff: Client, path: str, heading: str) -> None:
    answer = staff.get(path)
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    text = answer.content.decode()
    assert text.startswith(heading)
    assert all(
        len(row) == len(heading_row)
        for heading_row in [next(csv.reader(io.StringIO(text)))]
        for row in csv.reader(io.StringIO(text))
    )


def test_every_sortable_head_sorts_both_ways(desk: DeskRows, staff: Client) -> None:
    for url in [
        "/",
        "/markets/",
        "/orders/",
        "/positions/",
        "/strategies/",
        "/why/",
        "/risk/",
        "/alerts/",
        "/audit/",
        "/data/",
        "/system/",
        "/settings/",
        reverse("desk:strategy", args=[desk.strategy.pk]),
    ]:
        page = staff.get(url).content.decode()
        for href in set(re.findall(r'<th [^>]*><a href="([^"]+sort=[^"]+)"', page)):
            sorted_page = staff.get(url + href.replace("&amp;", "&"))
            assert sorted_page.status_code == 200, (url, href)
            assert 'aria-sort="' in sorted_page.content.decode(), (url, href)


def test_nonsense_in_the_address_is_ignored(desk: DeskRows, staff: Client) -> None:
    nonsense = "?sort=nothing&page=-3&state=x&strategy=%01&gate=%27&range=9&outcome=z&severity=zz&hours=x&q=%25"
    for url in page_urls(desk):
        assert staff.get(url + nonsense).status_code == 200, url
    assert staff.get("/orders/?page=99999999999").status_code == 200


def test_the_menu_leads_everywhere_and_marks_where_one_is(desk: DeskRows, staff: Client) -> None:
    page = staff.get("/orders/").content.decode()
    assert 'data-go="r" aria-current="page"' in page
    resolver = get_resolver()
    for href in re.findall(r'<a href="([^"]+)" data-go="', page):
        assert resolver.resolve(href).url_name


def test_the_data_page_tells_what_may_still_be_asked(desk: DeskRows, owner: Client) -> None:
    page = owner.get(reverse("desk:data")).content.decode()
    assert "No account of yours signs orders." in page and 'id="windows"' not in page
    signer = "0x" + "cd" * 20
    venue_account_make(Environment.SANDBOX, owner=desk.account.owner, name="Play", signer_address=signer)
    page = owner.get(reverse("desk:data")).content.decode()
    assert signer in page and "every request of the order API" in page and "On its way to the venue" in page
    assert "The trader has not said how much its senders hold" in page
    heartbeat_record("queue:trading", details={f"senders_{name}": 4 for name in SENDERS})
    page = owner.get(reverse("desk:data")).content.decode()
    assert "4 wait for a claim, 4 at the venue, 4 answers to store, 4 left to the sweep" in page
    table = owner.get(reverse("desk:data"), {"csv": "rk"}).content.decode()
    assert table.splitlines()[1].startswith(f"{signer},Play,orders,60,60,40,standard")


def test_text_that_no_database_holds_is_a_bad_request(desk: DeskRows, staff: Client) -> None:
    for name in ("markets", "orders", "audit"):
        assert staff.get(reverse(f"desk:{name}"), {"q": "a\x00b"}).status_code == 400, name
    assert staff.post(reverse("desk:strategy_create"), {"name": "a\x00b"}).status_code == 400


def test_a_stranger_sees_no_signing_key(desk: DeskRows, viewer: Client) -> None:
    signer = "0x" + "cd" * 20
    venue_account_make(Environment.SANDBOX, owner=desk.account.owner, signer_address=signer)
    assert signer not in viewer.get(reverse("desk:data")).content.decode()


def test_a_budget_that_cannot_be_read_says_what_happens_meanwhile(desk: DeskRows, owner: Client, settings: Any) -> None:
    venue_account_make(Environment.SANDBOX, owner=desk.account.owner, signer_address="0x" + "cd" * 20)
    settings.ORDERS_REDIS_URL = "redis://127.0.0.1:1/4"
    page = owner.get(reverse("desk:data")).content.decode()
    assert "The count could not be read." in page and "cancels go, and orders wait" in page
