"""An account at a local exchange, for tests of the gateway. A module brings the exchange itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from tests.markets.venues.polymarket.gateway_kit import Desk, Market, desk, healed, markets


@pytest.fixture(scope="module")
def ours(exchange: Mapping[str, str]) -> Desk:
    return desk(exchange)


@pytest.fixture(scope="module")
def market(exchange: Mapping[str, str]) -> Market:
    return markets(exchange)[0]


@pytest.fixture
def urls(exchange: Mapping[str, str]) -> Iterator[Mapping[str, str]]:
    yield exchange
    healed(exchange)
