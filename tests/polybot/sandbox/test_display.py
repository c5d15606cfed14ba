"""The venue's book hash, on its two published vectors and on our own books."""

from __future__ import annotations

import hashlib
import json

from markets.domain.instruments import Side
from markets.domain.units import micro_from_text
from polybot.sandbox.display import TokenBook, book_hash, level_text


def levels(text: str) -> list[tuple[int, int]]:
    pairs = (pair.split() for pair in text.split(","))
    return [(micro_from_text(p, field="price"), micro_from_text(s, field="size")) for p, s in pairs]


def texts(pairs: str) -> list[str]:
    return [level_text(*pair.split()) for pair in pairs.split(",")]


def test_the_official_vector_is_reproduced() -> None:
    assert (
        book_hash(
            market="0xaabbcc",
            asset_id="100",
            timestamp="123456789",
            bids=texts("0.3 100, 0.4 100"),
            asks=texts("0.6 100, 0.7 100"),  # as the vector has them, although the wire lists asks worst first
            min_order_size="100",
            tick_size="0.01",
            neg_risk=False,
            last_trade_price="0.5",
        )
        == "0458ea5755c9f73d64a14636fa5c36ed460ec394"
    )


BIDS = "0.01 3149725.72, 0.02 70281.2, 0.03 37268.67, 0.04 171213.7, 0.05 507106.18, 0.06 219685.67, 0.07 182528.55"
ASKS = (
    "0.99 156606.14, 0.98 17512.3, 0.97 800, 0.95 1116.11, 0.94 9.37, 0.91 20, 0.9 13150, 0.89 1818.18, "
    "0.88 218.18, 0.85 1833.33, 0.8 15350, 0.75 4900, 0.71 12047.41, 0.7 10666, 0.67 9564.39, 0.65 17500, "
    "0.64 7465.28, 0.62 7708.87, 0.61 7275.64, 0.6 6250, 0.58 13398.75, 0.57 5000, 0.56 999.99, 0.53 1000, "
    "0.51 500, 0.5 2674.62, 0.49 13398.75, 0.48 3000, 0.42 5000, 0.4 103895.18, 0.39 13000.01, 0.38 441, "
    "0.37 687.5, 0.36 3499.81, 0.34 16.66, 0.32 499.99, 0.3 2270.36, 0.29 200, 0.27 1000, 0.25 2020, 0.24 450, "
    "0.23 920, 0.22 820, 0.21 2120, 0.2 8257.29, 0.19 6262.98, 0.18 1243, 0.17 10057.82, 0.16 2668.5, 0.15 4843, "
    "0.14 26283.92, 0.13 6757.23, 0.12 7341.68, 0.11 29764.37, 0.1 93315.63, 0.09 153220.41, 0.08 228198.28"
)


def test_a_live_book_of_sixty_levels_is_reproduced() -> None:
    book = TokenBook(market="", asset_id="", min_size=5_000_000, tick=10_000, neg_risk=False)
    book.replace(levels(BIDS), levels(ASKS))
    state = book.state()
    assert [level_text(p, s) for p, s in state.bids] == texts(BIDS), "our texts and order are the venue's"
    assert [level_text(p, s) for p, s in state.asks] == texts(ASKS)
    said = book_hash(
        market="0x6bd56627aa21311850825edb27e53434a0e17a4f782be0086bc07f71eee00d0d",
        asset_id="350977769852917329387037893294763093471844346281449484439085576212613048126",
        timestamp="1786604072222",
        bids=texts(BIDS),
        asks=texts(ASKS),
        min_order_size="5",
        tick_size="0.01",
        neg_risk=False,
        last_trade_price="0.920",
    )
    assert said == "ed47eb91f3c7985fac1cb18cb7c19535eddd3c0a"


def test_the_hash_is_that_of_the_served_object() -> None:
    book = TokenBook(market="0x1", asset_id="7", min_size=5_000_000, tick=1_000, neg_risk=True)
    book.replace(levels("0.301 100.5"), levels("0.6 0.01"))
    book.set_level(Side.BUY, 299_000, 1)
    book.set_level(Side.SELL, 600_000, 0)
    body = book.state().body()
    said = body["hash"]
    image = json.dumps({**body, "hash": ""}, separators=(",", ":"))
    assert said == hashlib.sha1(image.encode()).hexdigest()
    assert body["bids"] == [{"price": "0.299", "size": "0.000001"}, {"price": "0.301", "size": "100.5"}]
    assert body["asks"] == []
