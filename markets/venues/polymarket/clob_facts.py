"""The CLOB's own facts of one market (`GET /clob-markets/{condition id}`): what an order is judged by.

Gamma tells the story of a market and lags; this says whether orders are taken now, at which tick and fee.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from markets.domain.drift import differences
from markets.domain.instruments import FeeSchedule
from markets.domain.units import ONE
from markets.venues.base import Drifted, ParseError, TradedFacts
from markets.venues.polymarket.client import PolymarketHttp
from markets.venues.polymarket.fees import FREE
from markets.venues.polymarket.shapes import SHAPES

SOURCE = "rest.clob_market"
_decoder = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)


class PolymarketFacts:
    """Implements `FactsSource`."""

    def __init__(self, http: PolymarketHttp) -> None:
        self._http = http

    def facts_get(self, condition_id: str) -> TradedFacts:
        return read_facts(self._http.get(f"/clob-markets/{condition_id}"), condition_id)


def read_facts(body: bytes, condition_id: str) -> TradedFacts:
    """Return what the answer says. Raises ParseError for what cannot be read, and for another market."""
    try:
        values = _decoder.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeError, ArithmeticError) as error:
        raise ParseError(
            "body", str(error)[:200], sample=body[:500].decode("utf-8", "replace"), source=SOURCE
        ) from None
    named = values.get("c")
    if isinstance(named, str) and named.lower() != condition_id.lower():
        raise ParseError("c", f"answers for {named[:70]!r}", source=SOURCE)
    accepting = values.get("ao")
    if not isinstance(accepting, bool):
        raise ParseError("ao", f"{accepting!r:.40} is not true or false", source=SOURCE)
    found = differences(values, SHAPES[SOURCE])
    return TradedFacts(
        condition_id=condition_id,
        tick=_micro(values, "mts", highest=ONE),
        minimum_size=_micro(values, "mos", highest=10**9 * ONE),
        neg_risk=values.get("nr") is True,
        accepting=accepting,
        fee=_fee(values.get("fd")),
        token_ids=_tokens(values.get("t")),
        drifted=tuple(Drifted(source=SOURCE, difference=one, condition_id=condition_id) for one in found),
    )


def _fee(value: object) -> FeeSchedule:
    if value is None:
        return FREE
    if not isinstance(value, dict):
        raise ParseError("fd", f"{value!r:.40} is not an object", source=SOURCE)
    exponent = value.get("e")
    if isinstance(exponent, bool) or not isinstance(exponent, int) or not 1 <= exponent <= 4:
        raise ParseError("fd.e", f"{exponent!r:.40} is not a whole number from 1 to 4", source=SOURCE)
    return FeeSchedule(rate_ppm=_micro(value, "r", highest=ONE, lowest=0, where="fd."), exponent=exponent)


def _tokens(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ParseError("t", f"{value!r:.40} is not a list", source=SOURCE)
    found = [row.get("t") if isinstance(row, dict) else None for row in value]
    if not all(isinstance(token, str) for token in found):
        raise ParseError("t", "does not name its tokens", source=SOURCE)
    return tuple(str(token) for token in found)


def _micro(values: dict[str, Any], name: str, *, highest: int, lowest: int = 1, where: str = "") -> int:
    value = values.get(name)
    if isinstance(value, str) and value.isascii() and value.replace(".", "", 1).isdecimal():
        value = Decimal(value)
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ParseError(f"{where}{name}", f"{value!r:.40} is not a number", source=SOURCE)
    scaled = Decimal(value) * ONE
    if not scaled.is_finite() or scaled != int(scaled) or not lowest <= scaled <= highest:
        raise ParseError(f"{where}{name}", f"{value!r:.40} is out of range", source=SOURCE)
    return int(scaled)
