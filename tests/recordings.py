"""The shared market recordings as socket frames, and an independent rebuild of their books.

The rebuild uses json, dicts and Decimal only, and nothing of ours: two programs that agree on every
100th book are unlikely to share a mistake.
"""

from __future__ import annotations

import csv
import gzip
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
MLB = DATA / "ws_market" / "old_format_mlb_2025"
RAW = DATA / "ws_market" / "new_format"
_MESSAGE = ("asset_id", "timestamp", "hash", "event_type")  # consecutive rows equal in these are one message
_SIDES = {"bid": "BUY", "BUY": "BUY", "ask": "SELL", "SELL": "SELL"}


def raw_frames(path: Path) -> list[bytes]:
    """Return the payloads of a recording of 2026."""
    return [json.loads(line)["payloadUtf8"].encode() for line in path.read_text().splitlines()]


def flattened_frames(path: Path) -> Iterator[bytes]:
    """Yield a flattened recording of 2025 as frames of today: one per message, levels worst first."""
    with gzip.open(path, "rt", newline="") as text:
        reader = csv.reader(text)
        header = next(reader)
        rows = (dict(zip(header, row, strict=True)) for row in reader if len(row) == len(header))
        for key, group in itertools.groupby(
            rows, lambda r: (r["asset_id"], r["timestamp"], r["hash"], r["event_type"])
        ):
            yield _frame(key, list(group))


def _frame(key: tuple[str, ...], rows: list[dict[str, str]]) -> bytes:
    asset_id, timestamp, venue_hash, kind = key
    levels = [{"price": r["price"], "size": r["size"], "side": _SIDES[r["side"]]} for r in rows]
    message: dict[str, object] = {"market": "0x1", "timestamp": timestamp, "event_type": kind}
    if kind == "book":
        bids = sorted((r for r in levels if r["side"] == "BUY"), key=lambda r: Decimal(r["price"]))
        asks = sorted((r for r in levels if r["side"] == "SELL"), key=lambda r: -Decimal(r["price"]))
        message |= {"asset_id": asset_id, "hash": venue_hash, "bids": bids, "asks": asks}
    else:
        message["price_changes"] = [{"asset_id": asset_id, "hash": venue_hash, **level} for level in levels]
    return json.dumps(message).encode()


@dataclass(slots=True)
class Rebuild:
    """Books as dicts of price to size, as Decimals."""

    books: dict[str, tuple[dict[Decimal, Decimal], dict[Decimal, Decimal]]] = field(default_factory=dict)

    def apply(self, frame: bytes) -> list[str]:
        """Apply a frame; return the tokens it touched."""
        decoded = json.loads(frame)
        touched = []
        for message in decoded if isinstance(decoded, list) else [decoded]:
            if message["event_type"] == "book":
                self.books[message["asset_id"]] = (
                    {Decimal(r["price"]): Decimal(r["size"]) for r in message["bids"]},
                    {Decimal(r["price"]): Decimal(r["size"]) for r in message["asks"]},
                )
                touched.append(message["asset_id"])
            elif message["event_type"] == "price_change":
                for change in message["price_changes"]:
                    if change["asset_id"] not in self.books:
                        continue
                    side = self.books[change["asset_id"]][0 if change["side"] == "BUY" else 1]
                    if Decimal(change["size"]) == 0:
                        side.pop(Decimal(change["price"]), None)
                    else:
                        side[Decimal(change["price"])] = Decimal(change["size"])
                    touched.append(change["asset_id"])
        return touched

    def is_crossed(self, token: str) -> bool:
        bids, asks = self.books[token]
        return bool(bids and asks and max(bids) >= min(asks))
