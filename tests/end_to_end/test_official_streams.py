"""polymarket-client's sockets against the local exchange: every event is typed, none is dropped in silence."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import urllib.request

import py_clob_client_v2 as v2
import websockets
from polymarket import AsyncPublicClient, AsyncSecureClient
from polymarket.environments import Environment
from polymarket.streams import MarketSpec, UserSpec

from tests.end_to_end.official_kit import KEYS, get, pick, post, v2_client


class _Drops(logging.Handler):
    """Collects what the client says about events that it could not read."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if "dropped" in record.getMessage() or "malformed" in record.getMessage():
            self.messages.append(record.getMessage())


def test_unified_client_streams_deliver_typed_events_without_drops(
    urls: dict[str, str], environment: Environment
) -> None:
    asyncio.run(_streams(urls, environment))


async def _streams(urls: dict[str, str], environment: Environment) -> None:
    drops = _Drops()
    logger = logging.Logger("streams", logging.DEBUG)
    logger.addHandler(drops)
    market = pick(urls, neg_risk=False)
    client = await AsyncSecureClient.create(private_key=next(KEYS), environment=environment, logger=logger)
    async with client:
        user = await client.subscribe(UserSpec())
        book = await client.subscribe(MarketSpec(asset_ids=[market.token_id], custom_feature_enabled=True))
        await asyncio.sleep(0.5)  # no snapshot tells when the user subscription stands
        filled = await client.place_market_order(asset_id=market.token_id, side="BUY", amount=5)
        assert filled.ok
        kinds: set[str] = set()
        states: list[str] = []
        async with asyncio.timeout(15):
            async for event in user:
                if event.type == "order":
                    kinds.add(event.payload.order_event_type)
                elif event.payload.id in filled.trade_ids:
                    states.append(event.payload.status)
                if states.count("CONFIRMED") == len(filled.trade_ids):
                    break
        assert kinds >= {"PLACEMENT", "UPDATE"}
        assert list(dict.fromkeys(states)) == ["MATCHED", "MINED", "CONFIRMED"]
        seen: set[str] = set()
        async with asyncio.timeout(15):
            async for heard in book:
                assert heard.payload.market == market.condition_id
                seen.add(heard.type)
                if {"book", "last_trade_price"} <= seen:
                    break
        assert (user.dropped, book.dropped, drops.messages) == (0, 0, [])


def test_every_market_event_of_a_busy_minute_is_readable(urls: dict[str, str], environment: Environment) -> None:
    asyncio.run(_busy(urls, environment))


async def _busy(urls: dict[str, str], environment: Environment) -> None:
    drops = _Drops()
    logger = logging.Logger("streams", logging.DEBUG)
    logger.addHandler(drops)
    pages = (get(f"{urls['gamma']}/markets?limit=100&offset={offset}") for offset in (0, 100))
    tokens = [token for page in pages for market in page for token in json.loads(market["clobTokenIds"])]
    market = pick(urls, neg_risk=False)
    async with AsyncPublicClient(environment=environment, logger=logger) as client:
        stream = await client.subscribe(MarketSpec(asset_ids=tokens, custom_feature_enabled=True))
        seen: set[str] = set()
        wanted = {"book", "price_change", "last_trade_price", "best_bid_ask", "tick_size_change", "market_resolved"}
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(20):
                async for event in stream:
                    if not seen:  # the first snapshot: from here on everything is heard
                        post(f"{urls['control']}/tick", {"market": market.condition_id, "tick": "0.001"})
                        post(f"{urls['control']}/resolve", {"market": market.condition_id, "winner": 1})
                    seen.add(event.type)
                    if wanted <= seen:
                        break
        assert wanted <= seen
        assert (stream.dropped, drops.messages) == (0, [])
    assert get(f"{urls['gamma']}/markets?closed=true&condition_ids={market.condition_id}")[0]["outcomePrices"] == (
        '["0", "1"]'
    )


def test_a_maker_hears_its_fill_in_its_own_terms(urls: dict[str, str]) -> None:
    """Two keys trade with each other: one rests a bid for YES, the other buys NO at the complement."""
    maker, taker = v2_client(urls), v2_client(urls)
    market = pick(urls, neg_risk=False, spread=2)
    yes, no = market.token_ids
    price = float(market.bid + market.tick)  # the new best bid, so nobody stands before it
    resting = maker.create_and_post_order(v2.OrderArgs(token_id=yes, price=price, size=20, side="BUY"), post_only=True)
    crossing = v2.OrderArgs(token_id=no, price=round(1 - price, 2), size=20, side="BUY")
    done = taker.post_order(taker.create_order(crossing), "FAK")
    assert done["status"] == "matched"
    (mine,) = [t for t in maker.get_trades() if t["id"] in done["tradeIDs"]]
    assert (mine["trader_side"], mine["asset_id"], mine["side"]) == ("MAKER", no, "BUY")
    (part,) = [p for p in mine["maker_orders"] if p["order_id"] == resting["orderID"]]
    assert (part["asset_id"], part["side"], float(part["price"]), part["matched_amount"]) == (yes, "BUY", price, "20")
    assert {t["trader_side"] for t in taker.get_trades()} == {"TAKER"}


def test_a_stalled_asset_is_silent_while_others_and_pongs_go_on(urls: dict[str, str]) -> None:
    asyncio.run(_stalled(urls))


async def _stalled(urls: dict[str, str]) -> None:
    quiet, busy = pick(urls, neg_risk=False), pick(urls, neg_risk=True)
    async with websockets.connect(urls["ws_market"]) as socket:
        await socket.send(json.dumps({"type": "market", "assets_ids": [*quiet.token_ids, *busy.token_ids]}))
        assert len(json.loads(await socket.recv())) == 4
        rule = {"scope": "socket", "kind": "stall", "asset_ids": list(quiet.token_ids), "seconds": 60}
        added = await asyncio.to_thread(post, f"{urls['control']}/faults", rule)
        for market in (quiet, busy):  # a change of tick is news for both
            await asyncio.to_thread(post, f"{urls['control']}/tick", {"market": market.condition_id, "tick": "0.001"})
        await socket.send("PING")
        heard: list[str] = []
        while "PONG" not in heard:
            heard.append(str(await asyncio.wait_for(socket.recv(), 5)))
        assert any(busy.condition_id in frame for frame in heard)
        assert not any(quiet.condition_id in frame for frame in heard)
        request = urllib.request.Request(f"{urls['control']}/faults/{added['id']}", method="DELETE")
        await asyncio.to_thread(urllib.request.urlopen, request)


def test_the_client_returns_by_itself_after_a_disconnection(urls: dict[str, str], environment: Environment) -> None:
    asyncio.run(_disconnected(urls, environment))


async def _disconnected(urls: dict[str, str], environment: Environment) -> None:
    market = pick(urls, neg_risk=False)
    async with AsyncPublicClient(environment=environment) as client:
        stream = await client.subscribe(MarketSpec(asset_ids=list(market.token_ids)))
        books = 0
        async with asyncio.timeout(20):
            async for event in stream:
                books += event.type == "book"
                if books == 2:  # both tokens of the first snapshot
                    closed = await asyncio.to_thread(post, f"{urls['control']}/disconnect", {"channel": "market"})
                    assert closed["closed"]["market"] >= 1
                if books >= 4:
                    break
