"""The declared shapes fit what was recorded of the venue and what the local exchange sends."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from markets.domain.drift import differences
from markets.venues.polymarket.shapes import SHAPES
from tests.local_exchange import running_exchange
from tests.recordings import DATA, RAW, raw_frames

USER = Path(__file__).resolve().parents[3] / "recordings" / "polymarket" / "user_channel"


def said(observed: object, source: str) -> list[str]:
    return [f"{one.kind} {one.field} {one.sample}" for one in differences(observed, SHAPES[source])]


@pytest.mark.parametrize("path", sorted(USER.glob("*.json")), ids=lambda path: path.stem)
def test_user_messages_of_the_record_fit(path: Path) -> None:
    message = json.loads(path.read_text())
    assert said(message, f"ws_user.{message['event_type']}") == []


@pytest.mark.skipif(not RAW.is_dir(), reason="the shared recordings are not here")
def test_market_frames_of_the_record_fit() -> None:
    looked = 0
    for path in RAW.glob("market-ws-frames-*.jsonl"):
        for frame in raw_frames(path)[:2_000]:
            value = json.loads(frame)
            for message in value if isinstance(value, list) else [value]:
                assert said(message, f"ws.{message['event_type']}") == []
                looked += 1
    assert looked


@pytest.mark.skipif(not RAW.is_dir(), reason="the shared recordings are not here")
def test_a_session_with_position_ids_fits() -> None:
    lines = [json.loads(line) for line in (RAW / "ws-market-v2-session.jsonl").read_text().splitlines()]
    frames = [json.loads(line["data"]) for line in lines if line["dir"] == "recv" and line["data"][:1] in "[{"]
    messages = [m for frame in frames for m in (frame if isinstance(frame, list) else [frame])]
    assert messages
    assert [line for m in messages for line in said(m, f"ws.{m['event_type']}")] == []


def gamma_markets() -> Iterator[dict[str, Any]]:
    def walk(value: object) -> Iterator[dict[str, Any]]:
        if isinstance(value, dict):
            if "conditionId" in value and "clobTokenIds" in value:
                yield value
            for inside in value.values():
                yield from walk(inside)
        elif isinstance(value, list):
            for inside in value:
                yield from walk(inside)

    for path in sorted((DATA / "gamma").glob("*.json*")):
        text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        yield from walk(json.loads(text))


@pytest.mark.skipif(not (DATA / "gamma").is_dir(), reason="the shared recordings are not here")
def test_gamma_markets_of_the_record_fit() -> None:
    markets = list(gamma_markets())
    assert len(markets) > 50
    assert [line for market in markets for line in said(market, "gamma.market")] == []


@pytest.mark.slow
def test_everything_public_that_the_local_exchange_says_fits() -> None:
    import httpx

    with running_exchange("--seed", "3", "--protocol-v2") as urls, httpx.Client(trust_env=False) as http:
        events = http.get(f"{urls['gamma']}/events?limit=50").json()
        markets = [market for event in events for market in event["markets"]]
        assert [line for market in markets for line in said(market, "gamma.market")] == []
        for market in markets[:20]:
            facts = http.get(f"{urls['clob']}/clob-markets/{market['conditionId']}").json()
            assert said(facts, "rest.clob_market") == []
            token = facts["t"][0]["t"]
            assert said(http.get(f"{urls['clob']}/book?token_id={token}").json(), "rest.book") == []
