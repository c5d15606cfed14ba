"""Which venue's trading side is made of what. Hosts come from settings; the simulated venue needs none of it.

An account of environment `sandbox` never reaches the venue's real hosts, and credentials never travel
unencrypted to a host that is not this machine or its private network.
"""

from __future__ import annotations

import ipaddress
from functools import cache, lru_cache
from urllib.parse import urlsplit

from django.conf import settings

from markets.domain.instruments import Venue
from markets.venues.polymarket.connection import HttpPool
from markets.venues.polymarket.probe import PolymarketProbe
from markets.venues.polymarket.rate_limits import LIMITS
from markets.venues.rates import RateLimits
from markets.venues.trading import Authorise, Heard, Look, OrderGateway, OrderMaker, VenueProbe, WalletFacts

SANDBOX, LIVE = "sandbox", "live"
_REAL_HOSTS = ("polymarket.com",)
_GEOBLOCK = "https://polymarket.com/api/geoblock"  # one page for all, on no API host
_RATES: dict[Venue, RateLimits] = {Venue.POLYMARKET: LIMITS}


class NotForThisHost(ValueError):
    """This account may not be opened at the hosts that the settings name; the message says which and why."""


def order_maker(venue: Venue | str) -> OrderMaker:
    """Return the venue's maker. It is pure and shared."""
    return _makers()[Venue(venue)]


@cache
def _makers() -> dict[Venue, OrderMaker]:
    # What makes and sends orders can sign: only a process that asks for it loads it.
    from markets.venues.polymarket.maker import PolymarketMaker

    return {Venue.POLYMARKET: PolymarketMaker()}


def rate_limits(venue: Venue | str) -> RateLimits:
    return _RATES[Venue(venue)]


def gateway_open(
    venue: Venue | str,
    environment: str,
    wallet: WalletFacts,
    authorise: Authorise,
    *,
    heard: Heard | None = None,
    look: Look | None = None,
) -> OrderGateway:
    """Return a gateway for one account with connections of its own; the caller keeps it and closes it.

    `heard` is told of every answer to an order or cancel: the rate budget learns from it. `look` is shown
    all that is read of the account: the drift sentinel compares it.
    Raises NotForThisHost, KeyError for a venue without a trading side, PayloadError for unknown wallet facts.
    """
    from markets.venues.polymarket.gateway import PolymarketGateway

    _RATES[Venue(venue)]  # the only venue with a trading side so far; another one raises here
    clob, data = settings.POLYMARKET["clob"], settings.POLYMARKET["data"]
    check_host(clob, environment)
    check_host(data, environment)
    return PolymarketGateway(wallet, authorise, clob=HttpPool(clob), data=HttpPool(data), heard=heard, look=look)


def probe(venue: Venue | str) -> VenueProbe:
    """Return what asks the venue for its clock, its version, and whether it lets this place trade."""
    _RATES[Venue(venue)]
    control = settings.POLYMARKET.get("control")  # the local exchange answers for itself
    return _probe(settings.POLYMARKET["clob"], f"{control}/geoblock" if control else _GEOBLOCK)


@lru_cache(maxsize=8)
def _probe(clob: str, geoblock: str) -> VenueProbe:
    """Return the one probe of these hosts: its connections are kept."""
    return PolymarketProbe(clob=HttpPool(clob, overall_s=5.0), geoblock=HttpPool(geoblock, overall_s=5.0))


def check_host(url: str, environment: str) -> None:
    """Raise NotForThisHost where an account of this environment must not go to `url`."""
    parts = urlsplit(url)
    name = (parts.hostname or "").lower().rstrip(".")
    if environment not in (SANDBOX, LIVE):
        raise NotForThisHost(f"an account of environment {environment!r:.20} has no trading gateway")
    is_real = any(name == real or name.endswith("." + real) for real in _REAL_HOSTS)
    if environment == SANDBOX and is_real:
        raise NotForThisHost(f"a sandbox account must not reach {name}: point the settings at the local exchange")
    if parts.scheme != "https" and not is_private(name):
        raise NotForThisHost(f"{name}: credentials go over https only, except to a private address")


def is_private(name: str) -> bool:
    """Whether a host is this machine, a private address, or a name without a dot (a service beside us)."""
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return name == "localhost" or "." not in name
    return address.is_private or address.is_loopback
