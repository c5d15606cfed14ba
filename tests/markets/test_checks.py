"""An address that cannot work is an error before anything starts."""

from __future__ import annotations

from typing import Any

from django.conf import settings as django_settings

from markets.checks import check_venue_addresses


def test_good_addresses_pass_and_bad_ones_are_named(settings: Any) -> None:
    settings.POLYMARKET = {
        **django_settings.POLYMARKET,
        "clob": "http://127.0.0.1:1",
        "gamma": "https://g",
        "ws_market": "ws://x/ws",
    }
    assert check_venue_addresses(None) == []
    settings.POLYMARKET = {**settings.POLYMARKET, "ws_market": "https://x", "gamma": "nowhere"}
    found = check_venue_addresses(None)
    assert [error.id for error in found] == ["markets.E001"] * 2
    assert "POLYMARKET_GAMMA_URL" in found[0].msg and "wss://" in (found[1].hint or "")
