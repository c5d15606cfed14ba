"""System checks of the data stage: addresses that cannot work are refused at start, by name."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

_SCHEMES = {"clob": ("http", "https"), "gamma": ("http", "https"), "ws_market": ("ws", "wss")}


@register()
def check_venue_addresses(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Return an error for each address of the venue that has the wrong form."""
    found: list[CheckMessage] = []
    for name, schemes in _SCHEMES.items():
        address = settings.POLYMARKET.get(name, "")
        parts = urlsplit(address)
        if parts.scheme not in schemes or not parts.netloc:
            found.append(
                Error(
                    f"POLYMARKET_{name.upper()}_URL is {address!r}",
                    hint=f"Set it to an address that begins with {schemes[-1]}://.",
                    id="markets.E001",
                )
            )
    return found
