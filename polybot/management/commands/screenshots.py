"""`manage.py screenshots`: take the README's tour pictures of a running desk, in a real browser."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser

from orders.selectors import screens as order_pages
from orders.selectors.portfolio import account_list
from polybot.identity.session_store import SessionStore
from polybot.supervisor.runtime import desk_read
from strategies.selectors import screens as strategy_pages

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


class Command(BaseCommand):
    help = "Take pictures of the running desk: cockpit, market, strategy, order. Needs Chromium and the dev packages."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--out", default=".github/tour", help="folder for the PNG files")
        parser.add_argument(
            "--url", default="", help="address of the desk; found through its data directory by default"
        )
        parser.add_argument("--browser", default="/usr/bin/chromium")
        parser.add_argument("--width", type=int, default=1280)
        parser.add_argument("--height", type=int, default=900)
        parser.add_argument("--theme", choices=["light", "dark"], default="light")
        parser.add_argument("--full", action="store_true", help="whole pages instead of the first screen")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"  # playwright's loop runs in this thread
            from playwright.sync_api import sync_playwright
        except ImportError as error:
            raise CommandError(
                "playwright is missing: run `manage.py test` once, it installs the dev packages"
            ) from error
        if not Path(options["browser"]).exists():
            raise CommandError(f"no browser at {options['browser']}: install chromium or name another with --browser")
        url = options["url"] or _desk_url()
        pages = _pages()
        out = Path(options["out"])
        out.mkdir(parents=True, exist_ok=True)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=options["browser"], args=FLAGS)
            context = browser.new_context(
                viewport={"width": options["width"], "height": options["height"]}, color_scheme=options["theme"]
            )
            context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": _session(), "url": url}])
            page = context.new_page()
            for name, path in pages.items():
                page.goto(url + path)
                page.wait_for_timeout(2500)  # the socket's first quotes
                page.screenshot(path=out / f"{name}.png", full_page=options["full"])
                self.stdout.write(f"{out / name}.png  {path}")
            browser.close()


def _desk_url() -> str:
    desk = desk_read(Path(settings.POLYBOT_DATA))
    if desk is None:
        raise CommandError("no desk runs on this data directory: start one with `up`, or name its --url")
    return str(desk["url"])


def _session() -> str:
    """Sign a member of staff in for these pictures."""
    person = get_user_model().objects.filter(is_superuser=True, is_active=True).order_by("pk").first()
    if person is None:
        raise CommandError("nobody can sign in yet: start the desk once with `up`")
    session = SessionStore()
    session[SESSION_KEY] = str(person.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[-1]
    session[HASH_SESSION_KEY] = person.get_session_auth_hash()
    session.set_expiry(300)
    session.create()
    return str(session.session_key)


def _pages() -> dict[str, str]:
    """Return the tour: the market with most of our open orders, the busiest strategy, the newest filled order."""
    accounts = account_list()
    if not accounts:
        raise CommandError("there is no account to show: `manage.py seed_demo` makes one")
    account_id = accounts[0].id
    pages = {"cockpit": "/"}
    resting = order_pages.open_orders(account_id)
    if resting:
        markets = [order.market_id for order in resting]
        pages["market"] = f"/m/{max(markets, key=markets.count)}/"
    running = [row for row in strategy_pages.strategy_rows(account_id) if row.state == "running"]
    if running:
        busiest = max(running, key=lambda row: strategy_pages.decision_rows(strategy_id=row.pk).count())
        pages["strategy"] = f"/strategies/{busiest.pk}/"
    filled = order_pages.order_rows(account_id, states=("filled",)).filter(decision_id__gt=0).first()
    if filled is not None:
        pages["order"] = f"/orders/{filled.pk}/"
    missing = {"market", "strategy", "order"} - set(pages)
    if missing:
        raise CommandError(f"nothing to show for {', '.join(sorted(missing))} yet: let the desk trade for a minute")
    return pages
