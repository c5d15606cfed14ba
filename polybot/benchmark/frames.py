"""Frames to measure with: a recording's, or made up by a seed in the venue's own layout and proportions."""

from __future__ import annotations

import json
import random
from pathlib import Path

_MARKET = "0x" + "2aaeb40a" * 8


def frames_from(path: Path) -> list[bytes]:
    """Return the frames of a recording: JSON lines with the frame's text under `payloadUtf8`, or bare frames."""
    frames = []
    for line in path.read_text().splitlines():
        decoded = json.loads(line)
        text = decoded.get("payloadUtf8") if isinstance(decoded, dict) else None
        frames.append((text if isinstance(text, str) else line).encode())
    return frames


def frames_made(count: int, *, markets: int = 20, seed: int = 1) -> list[bytes]:
    """Return `count` frames after one snapshot per token. Each change speaks of both tokens, as the venue's do.

    Sizes repeat as in the recordings: about one in five was not seen before.
    """
    rng = random.Random(seed)  # noqa: S311 - a benchmark wants the same numbers every time
    tokens = [(str(10**76 + 2 * n), str(10**76 + 2 * n + 1)) for n in range(markets)]
    sizes = [f"{rng.randrange(500, 500_000) / 100:g}" for _ in range(max(50, count // 5))]
    frames = [_snapshot(token, rng, sizes) for pair in tokens for token in pair]
    for n in range(count):
        frames.append(_change(tokens[rng.randrange(markets)], rng, sizes, 1_790_000_000_000 + n * 7))
    return frames


def _cents(cents: int) -> str:
    return f"{cents / 100:g}"


def _snapshot(token: str, rng: random.Random, sizes: list[str]) -> bytes:
    bids = [{"price": _cents(c), "size": rng.choice(sizes)} for c in range(20, 48)]
    asks = [{"price": _cents(c), "size": rng.choice(sizes)} for c in range(80, 52, -1)]
    message = {"market": _MARKET, "asset_id": token, "timestamp": "1790000000000", "hash": "", "bids": bids,
               "asks": asks, "tick_size": "0.01", "event_type": "book", "last_trade_price": ""}  # fmt: skip
    return json.dumps(message, separators=(",", ":")).encode()


def _change(pair: tuple[str, str], rng: random.Random, sizes: list[str], at_ms: int) -> bytes:
    cents, is_bid = rng.randrange(20, 48), rng.random() < 0.5
    cents = cents if is_bid else 100 - cents
    size = "0" if rng.random() < 0.17 else rng.choice(sizes)
    side, other = ("BUY", "SELL") if is_bid else ("SELL", "BUY")
    said = {"size": size, "hash": "c8dc1ac1" * 5, "best_bid": "0.47", "best_ask": "0.53"}
    entries = [
        {"asset_id": token, "price": _cents(c), "side": s, **said}
        for token, c, s in ((pair[0], cents, side), (pair[1], 100 - cents, other))
    ]
    message = {"market": _MARKET, "price_changes": entries, "timestamp": str(at_ms), "event_type": "price_change"}
    return json.dumps(message).encode()
