"""Every page at desk and phone width, light and dark: nothing overflows, nothing complains, the policy holds."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import Site

SHOTS = os.environ.get("POLYBOT_SHOTS", "")


def addresses(site: Site) -> dict[str, str]:
    desk = site.desk
    pages = {
        name.replace("/", "-"): f"/{name}/"
        for name in (
            "markets",
            "orders",
            "positions",
            "strategies",
            "why",
            "risk",
            "alerts",
            "audit",
            "data",
            "system",
            "settings",
            "doctor",
            "backtests",
            "backtests/new",
        )
    }
    return {
        "cockpit": "/",
        **pages,
        "market": f"/m/{desk.market.pk}/",
        "order": f"/orders/{desk.orders['filled'].pk}/",
        "strategy": f"/strategies/{desk.strategy.pk}/",
        "decision": f"/decisions/{desk.decision.pk}/",
        "verdict": f"/why/verdicts/{desk.verdict.pk}/",
        "event": f"/audit/{desk.event_id}/",
        "release": "/risk/release/",
        "plan": f"/plans/{desk.plan.pk}/",
        "flatten": "/flatten/",
        "replace": f"/orders/{desk.orders['open'].pk}/replace/?price=59&size=50",
    }


@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (1280, "dark"), (360, "light"), (360, "dark")])
def test_no_page_overflows_or_complains(site: Site, tab_open: Any, width: int, theme: str) -> None:
    tab = tab_open(width=width, height=800, theme=theme)
    for name, path in addresses(site).items():
        tab.page.goto(site.url + path)
        tab.page.wait_for_load_state("networkidle")
        wide = tab.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if SHOTS:
            Path(SHOTS).mkdir(parents=True, exist_ok=True)
            tab.page.screenshot(path=f"{SHOTS}/{name}-{width}-{theme}.png", full_page=True)
        assert wide <= 0, f"{name} is {wide} px too wide at {width}"
        assert tab.problems == [], name


def test_the_sign_in_page_fits_and_tells_nothing(site: Site, tab_open: Any) -> None:
    for width, theme in ((1280, "light"), (360, "dark")):
        tab = tab_open(width=width, theme=theme, user=None)
        tab.page.goto(site.url + "/orders/")
        assert tab.page.title() == "Sign in · polybot"
        if SHOTS:
            tab.page.screenshot(path=f"{SHOTS}/login-{width}-{theme}.png")
        text = tab.page.inner_text("body")
        assert "Paper 1" not in text and "0.1" not in text
        assert tab.problems == []
