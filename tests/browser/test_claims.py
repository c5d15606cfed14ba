"""The claims page in a browser: a split from form to confirmation without scripts, at phone width, and no overflow."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from markets.domain.instruments import MarketState
from markets.models import Market
from orders.models import ChainAction
from orders.services.allowances import allowances_check
from orders.services.chain_wishes import set_wish
from tests.live_desk import LiveDesk
from tests.orders.services.test_chain_send import finish, wanted

pytestmark = pytest.mark.django_db(transaction=True)
SHOTS = os.environ.get("POLYBOT_SHOTS", "")


def test_a_split_is_asked_read_and_confirmed_on_a_phone_without_scripts(
    live_desk: LiveDesk, site: Any, tab_open: Any
) -> None:
    account = live_desk.account("safe", owner=site.desk.staff, name="play money")
    exchange = "0xE111180000d2663C0091e4f400237545B87B996B"
    live_desk.exchange.control(
        "allowance", address=account.wallet_address, asset="cash", spender=exchange, amount="250"
    )
    allowances_check(account.pk, now=timezone.now())
    outcome, decided = live_desk.outcome(3), live_desk.outcome(6).market
    assert finish(wanted(live_desk, account, outcome.market_id)).state == "confirmed"
    assert finish(wanted(live_desk, account, decided.pk, "7.5")).state == "confirmed"
    for one in decided.outcomes.all():
        one.payout = 1 if one.index == 0 else 0
        one.save()
    Market.objects.filter(pk=decided.pk).update(state=MarketState.RESOLVED)
    set_wish(account_id=account.pk, market_id=outcome.market_id, amount=5_000_000, merge=True, key="shown", by="ada",
             now=timezone.now())  # fmt: skip
    wanted(live_desk, account, outcome.market_id, "2")
    for width, theme, scripts in ((390, "light", False), (1280, "light", True), (1280, "dark", True)):
        tab = tab_open(width=width, theme=theme, scripts=scripts)
        tab.context.add_cookies([{"name": "desk-account", "value": str(account.pk), "url": site.url}])
        tab.page.goto(f"{site.url}/claims/")
        assert tab.page.locator("h1").inner_text() == "Claims"
        wide = tab.page.evaluate("document.documentElement.scrollWidth") if scripts else width
        assert wide <= width
        if SHOTS:
            tab.page.screenshot(path=str(Path(SHOTS) / f"claims-{width}-{theme}.png"), full_page=True)
        assert tab.problems == []
    phone = tab_open(width=390, scripts=False)
    phone.context.add_cookies([{"name": "desk-account", "value": str(account.pk), "url": site.url}])
    phone.page.goto(f"{site.url}/claims/")
    phone.page.get_by_role("button", name="Confirm").click()
    assert "exactly what was shown" in phone.page.locator("#messages").inner_text()
    assert ChainAction.objects.get(key__endswith=":shown").state == "wanted"
