"""What the venue tells anybody is read strictly: an answer that is none is an error, not a guess."""

from __future__ import annotations

import pytest

from markets.venues.base import ParseError, VenueRefused, VenueUnavailable
from markets.venues.polymarket.connection import HttpPool
from markets.venues.polymarket.probe import PolymarketProbe
from tests.markets.venues.polymarket.scripted_host import Visit, scripted


class Saying:
    """A host that always answers the same."""

    def __init__(self, body: bytes, status: int = 200) -> None:
        self._answer = b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)

    def __call__(self, visit: Visit, _: int) -> None:
        while visit.request():
            visit.say(self._answer)


def probe(url: str) -> PolymarketProbe:
    return PolymarketProbe(clob=HttpPool(url), geoblock=HttpPool(f"{url}/api/geoblock"))


@pytest.mark.parametrize(
    "body", [b"1790000000", b" 1790000000\n", b'{"time":1790000000}', b'{"timestamp":"1790000000"}']
)
def test_the_clock_tells_whole_seconds_and_we_take_their_middle(body: bytes) -> None:
    with scripted(Saying(body)) as host:
        assert probe(host.url).clock_ms() == 1_790_000_000_500


@pytest.mark.parametrize(
    "body", [b"", b"soon", b"-5", b"1", b"{}", b"null", b'{"time":true}', b"1790000000000", b"1e9"]
)
def test_a_clock_that_is_none(body: bytes) -> None:
    with scripted(Saying(body)) as host, pytest.raises(ParseError):
        probe(host.url).clock_ms()


def test_the_place() -> None:
    with scripted(Saying(b'{"blocked":true,"ip":"203.0.113.42","country":"US","region":"NY"}')) as host:
        assert probe(host.url).geoblock() == (True, "US")
        assert host.requests[0].startswith(b"GET /api/geoblock HTTP/1.1")


@pytest.mark.parametrize(
    "body", [b"{}", b'{"blocked":"no"}', b'{"blocked":null}', b'{"blocked":false,"country":1}', b"[]"]
)
def test_a_place_that_is_none(body: bytes) -> None:
    with scripted(Saying(body)) as host, pytest.raises(ParseError):
        probe(host.url).geoblock()


@pytest.mark.parametrize(("body", "version"), [(b'{"version":2}', "2"), (b'{"version":"2.1"}', "2.1")])
def test_the_version(body: bytes, version: str) -> None:
    with scripted(Saying(body)) as host:
        assert probe(host.url).version() == version


@pytest.mark.parametrize("body", [b"{}", b'{"version":true}', b'{"version":""}', b'{"version":[2]}', b"2"])
def test_a_version_that_is_none(body: bytes) -> None:
    with scripted(Saying(body)) as host, pytest.raises(ParseError):
        probe(host.url).version()


@pytest.mark.parametrize(("status", "error"), [(500, VenueUnavailable), (425, VenueUnavailable), (403, VenueRefused)])
def test_a_refusal_is_told_apart_from_a_venue_that_is_away(status: int, error: type[Exception]) -> None:
    with scripted(Saying(b"no", status)) as host:
        with pytest.raises(error, match=f"status {status}"):
            probe(host.url).version()
        assert not probe(host.url).is_up()


def test_up_is_only_ok() -> None:
    with scripted(Saying(b'"OK"')) as host:
        assert probe(host.url).is_up()
    with scripted(Saying(b'"NO"')) as host:
        assert not probe(host.url).is_up()
