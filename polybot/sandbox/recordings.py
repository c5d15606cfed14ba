"""Reads recorded market data of three kinds into one stream of messages, and counts what it cannot read.

Kinds, told apart by content, plain or gzipped:
  frames   JSONL of {"receivedAt": ISO time, "payloadUtf8": frame} with the venue's own frames of 2026; also
           {"t": ISO time, "dir": "recv", "data": frame} of a whole session;
  desk     what our recorder writes: the frames kind with a first line {"format": "polybot-recording", "version": 1,
           "markets": [{"condition_id", "slug", "question", "outcomes": [2], "token_ids": [2], "tick", "minimum_size",
           "neg_risk", "category"}]} that saves replay from inventing those facts;
  flat     CSV of 2025, one row per level (event_type book) or change (price_change); a message is a run of rows with
           equal asset_id, timestamp, hash and event_type. Columns go by name, sides by bid/ask or BUY/SELL.
Prices and sizes become millionths, times Unix milliseconds. A line that cannot be read is refused with a reason,
never guessed; the other lines of its message stand.
"""

from __future__ import annotations

import csv
import gzip
import itertools
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from markets.domain.events import Level
from markets.domain.instruments import Side
from markets.domain.units import ONE, AmountError, micro_from_text

FORMAT = "polybot-recording"
_SIDES = {"bid": Side.BUY, "BUY": Side.BUY, "ask": Side.SELL, "SELL": Side.SELL}
_EXAMPLES = 5
_SUFFIXES = (".jsonl", ".jsonl.gz", ".csv", ".csv.gz")


class RecordingError(ValueError):
    """A file is no recording we know, or holds nothing to replay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedBook:
    token_id: str
    market: str
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    last_trade: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedChange:
    token_id: str
    side: Side
    price: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedChanges:
    market: str
    changes: tuple[RecordedChange, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedTrade:
    token_id: str
    market: str
    side: Side
    price: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedTick:
    token_id: str
    market: str
    tick: int


Message = RecordedBook | RecordedChanges | RecordedTrade | RecordedTick
Timed = tuple[int, Message]  # (ms, message)


@dataclass(slots=True)
class Refused:
    """What could not be read: how many lines, and the first few with their reasons."""

    lines: int = 0
    ignored: int = 0  # readable frames that carry no book data
    examples: list[str] = field(default_factory=list)

    def add(self, where: str, reason: object) -> None:
        self.lines += 1
        if len(self.examples) < _EXAMPLES:
            self.examples.append(f"{where}: {reason}")


@dataclass(slots=True)
class Recording:
    """One file. `messages()` may be read several times; `refused` describes the latest reading."""

    path: Path
    refused: Refused = field(default_factory=Refused)
    header: dict[str, Any] = field(default_factory=dict)  # desk kind only
    names: dict[str, str] = field(default_factory=dict)  # token -> outcome name, where the rows say it
    slug: str = ""

    def messages(self) -> Iterator[Timed]:
        self.refused = Refused()
        with _open(self.path) as lines:
            first = next(iter(lines), "")
            rest = itertools.chain([first], lines)
            if first.lstrip().startswith("{"):
                yield from self._frames(rest)
            else:
                yield from self._rows(rest)

    # JSONL ------------------------------------------------------------------------------------------

    def _frames(self, lines: Iterable[str]) -> Iterator[Timed]:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                outer = json.loads(line)
                if number == 1 and isinstance(outer, dict) and outer.get("format") == FORMAT:
                    self.header = outer
                    continue
                if "payloadUtf8" in outer:
                    at, text = outer["receivedAt"], outer["payloadUtf8"]
                elif outer["dir"] == "recv":
                    at, text = outer["t"], outer["data"]
                else:
                    continue
                ms = int(datetime.fromisoformat(at).timestamp() * 1000)
                if text.strip() in ("PONG", "PING", ""):
                    continue
                frame = json.loads(text)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                self.refused.add(f"{self.path.name}:{number}", error)
                continue
            for body in frame if isinstance(frame, list) else [frame]:
                try:
                    message = _message(body)
                except (ValueError, KeyError, TypeError, AttributeError) as error:
                    self.refused.add(f"{self.path.name}:{number}", error)
                    continue
                if message is None:
                    self.refused.ignored += 1
                else:
                    yield ms, message

    # CSV --------------------------------------------------------------------------------------------

    def _rows(self, lines: Iterable[str]) -> Iterator[Timed]:
        reader = csv.reader(lines)
        columns = next(reader, [])
        missing = {"asset_id", "event_type", "price", "side", "size", "hash", "timestamp"} - set(columns)
        if missing:
            raise RecordingError(f"{self.path.name} is no recording: no column {', '.join(sorted(missing))}")
        key: tuple[str, ...] = ()
        group: list[tuple[Side, int, int]] = []
        market = ""
        for row in reader:
            try:
                if len(row) != len(columns):
                    raise ValueError(f"{len(row)} fields, expected {len(columns)}")
                cells = dict(zip(columns, row, strict=True))
                level = _level_of(cells)
                row_key = (cells["asset_id"], cells["timestamp"], cells["hash"], cells["event_type"])
                int(row_key[1])
                if row_key[3] not in ("book", "price_change") or not row_key[0].isdecimal():
                    raise ValueError(f"event_type {row_key[3]!r:.30} of asset {row_key[0]!r:.30}")
            except ValueError as error:
                self.refused.add(f"{self.path.name}:{reader.line_num}", error)
                continue
            if row_key != key:
                if group:
                    yield _grouped(key, market, group)
                key, group = row_key, []
                market = cells.get("market") or cells.get("market_id") or ""
                self.slug = self.slug or cells.get("market_slug", "")
                if cells.get("outcome_name"):
                    self.names[row_key[0]] = cells["outcome_name"]
            group.append(level)
        if group:
            yield _grouped(key, market, group)


def find(paths: Iterable[Path]) -> list[Recording]:
    """Return the recordings that the paths name; folders are searched, metadata files are not recordings."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(p for p in path.rglob("*") if p.name.endswith(_SUFFIXES) and "metadata" not in p.name)
        elif path.exists():
            found.append(path)
        else:
            raise RecordingError(f"{path} does not exist; give a file or a folder of recordings")
    if not found:
        raise RecordingError(f"no recording (*.jsonl, *.csv, plain or .gz) in {', '.join(map(str, paths))}")
    return [Recording(path) for path in found]


def outcome_names(path: Path) -> dict[str, str]:
    """Return token -> outcome name from a 2025 metadata file beside the recording, if there is one."""
    stem = path.name.split("_polymarket-market-events")[0]
    beside = path.with_name(f"{stem}_market-metadata.csv")
    if not beside.exists():
        return {}
    with beside.open(newline="") as lines:
        return {row["asset_id"]: row["outcome_name"] for row in csv.DictReader(lines) if row.get("outcome_name")}


def _open(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", errors="replace", newline="")
    return path.open(encoding="utf-8", errors="replace", newline="")


def _grouped(key: tuple[str, ...], market: str, group: list[tuple[Side, int, int]]) -> Timed:
    token_id, timestamp, _, kind = key
    if kind == "book":
        return int(timestamp), RecordedBook(
            token_id=token_id,
            market=market,
            bids=tuple((p, s) for side, p, s in group if side is Side.BUY and s > 0),
            asks=tuple((p, s) for side, p, s in group if side is Side.SELL and s > 0),
        )
    changes = tuple(RecordedChange(token_id=token_id, side=side, price=p, size=s) for side, p, s in group)
    return int(timestamp), RecordedChanges(market=market, changes=changes)


def _level_of(cells: dict[str, Any]) -> tuple[Side, int, int]:
    side = _SIDES.get(cells["side"])
    if side is None:
        raise ValueError(f"side {cells['side']!r:.30}")
    return side, _price(cells["price"]), _size(cells["size"])


def _price(text: Any) -> int:
    price = micro_from_text(text, field="price")
    if not 0 < price < ONE:
        raise AmountError(f"price: {text} is not between 0 and 1")
    return price


def _size(text: Any) -> int:
    size = micro_from_text(text, field="size")
    if size < 0:
        raise AmountError(f"size: {text} is negative")
    return size


def _token(value: Any) -> str:
    if not isinstance(value, str) or not value.isdecimal():
        raise ValueError(f"asset_id {value!r:.40} is no token id")
    return value


def _message(body: Any) -> Message | None:
    """Return what a frame's object says, None when it is none of our kinds. Raises ValueError or KeyError."""
    kind = body["event_type"]
    if kind == "book":
        last = body.get("last_trade_price")
        return RecordedBook(
            token_id=_token(body["asset_id"]),
            market=str(body["market"]),
            bids=tuple((_price(x["price"]), _size(x["size"])) for x in body["bids"]),
            asks=tuple((_price(x["price"]), _size(x["size"])) for x in body["asks"]),
            last_trade=_price(last) if last else None,
        )
    if kind == "price_change":
        entries = body.get("price_changes") or [{**c, "asset_id": body["asset_id"]} for c in body["changes"]]
        changes = tuple(
            RecordedChange(
                token_id=_token(entry["asset_id"]),
                side=_SIDES[entry["side"]],
                price=_price(entry["price"]),
                size=_size(entry["size"]),
            )
            for entry in entries
        )
        return RecordedChanges(market=str(body["market"]), changes=changes)
    if kind == "last_trade_price":
        return RecordedTrade(
            token_id=_token(body["asset_id"]),
            market=str(body["market"]),
            side=_SIDES[body["side"]],
            price=_price(body["price"]),
            size=_size(body["size"]),
        )
    if kind == "tick_size_change":
        tick = _price(body["new_tick_size"])
        return RecordedTick(token_id=_token(body["asset_id"]), market=str(body["market"]), tick=tick)
    return None
