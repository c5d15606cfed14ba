"""Trades without books: pages of the Data API, and fills as the chain recorded them.

Each trade is a TRADE row and a point of the price series of both outcomes, one minus the other. Pages come newest first
and overlap: a trade counts as often as the page with the most of it says. What a page says twice happened twice.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

import msgspec

from markets.domain.instruments import MarketFacts
from markets.domain.tape import ASK, BID, Fidelity
from markets.domain.units import ONE, complement
from markets.selectors.archive.files import ArchiveError
from markets.selectors.archive.manifest import market_key
from markets.services.archive.drafts import Draft
from markets.services.archive.importers.base import ImportJob
from markets.services.archive.invented import facts_invented
from markets.services.archive.sources import Source

_FILLS = {"timestamp", "block_number", "log_index", "condition_id", "price", "token_amount", "side"}
_MARKETS = {"condition_id", "token1", "token2", "answer1", "answer2", "outcome_prices"}
_SIDES = {"BUY": BID, "SELL": ASK}
_S = 10**9
_EARLIEST, _LATEST = 1_500_000_000, 4_000_000_000
_pages = msgspec.json.Decoder(Any, float_hook=Decimal)
_V1 = {"condition": "conditionId", "token": "asset", "ref": "transactionHash", "wallet": "proxyWallet",
       "index": "outcomeIndex", "event": "eventSlug"}  # fmt: skip
_V2 = {"condition": "condition_id", "token": "token_id", "ref": "transaction_hash", "wallet": "proxy_wallet",
       "index": "outcome_index", "event": "event_slug"}  # fmt: skip


class _Trade(NamedTuple):
    at_s: int
    token: str
    side: int
    price: int
    size: int
    ref: str
    wallet: str


class DataApiTrades:
    kind = "trades"
    about = "pages of trades of the Data API, as JSON (prices only)"

    def claims(self, source: Source) -> bool:
        head = source.head[:4_000]
        return (
            source.is_json
            and all(word in head for word in (b'"side"', b'"price"', b'"timestamp"', b'"size"'))
            and (b'"conditionId"' in head or b'"condition_id"' in head)
        )

    def beside(self, source: Source) -> bool:
        return False

    def read(self, sources: Sequence[Source], job: ImportJob) -> None:
        trades: dict[str, Counter[_Trade]] = defaultdict(Counter)
        order: dict[str, dict[_Trade, None]] = defaultdict(dict)
        said: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for source in sources:
            page: dict[str, Counter[_Trade]] = defaultdict(Counter)
            for number, row in reversed(list(enumerate(_page(source), 1))):
                job.row(source.name)
                _take(row, f"{source.name}, entry {number}", page, said, job)
            for condition, counted in page.items():
                repeated = sum((trades[condition] & counted).values())
                if repeated:
                    job.report.refused["on an earlier page already"] += repeated
                trades[condition] |= counted
                order[condition].update(dict.fromkeys(counted))
        known = job.known(list(trades)) if trades else {}
        markets = 0
        for condition, counted in trades.items():
            facts, tokens = _facts(condition, said[condition], known.get(condition))
            if not job.wants(facts.slug, condition) or job.is_full(markets):
                job.report.ignored += sum(counted.values())
                continue
            markets += 1
            draft = Draft(
                job.spool, market=market_key(job.prefix, facts.slug, condition), facts=facts,
                fidelity=Fidelity.PRICES, source="trades of the Data API", sources=[s.name for s in sources],
            )  # fmt: skip
            for trade in sorted(order[condition], key=lambda trade: trade.at_s):
                for _ in range(counted[trade]):
                    _write(draft, tokens.index(trade.token), trade)
            job.report.kept += sum(counted.values())
            wallets = {trade.wallet for trade in counted}
            if len(wallets) == 1 and sum(counted.values()) > 1:
                draft.notes.append("all trades are one wallet's: this is not the market's whole tape")
            job.save(draft)


class ChainFills:
    kind = "fills"
    about = "fills from the chain in Parquet, with a table of markets beside (prices only)"

    def claims(self, source: Source) -> bool:
        return source.is_parquet and set(source.columns) >= _FILLS

    def beside(self, source: Source) -> bool:
        return source.is_parquet and set(source.columns) >= _MARKETS

    def read(self, sources: Sequence[Source], job: ImportJob) -> None:
        fills = [source for source in sources if self.claims(source)]
        tables = {source.path for source in sources if self.beside(source)}
        tables |= {
            path for source in fills for path in source.path.parent.glob("*.parquet") if self.beside(Source(path))
        }
        about = {
            str(row["condition_id"]): row for path in sorted(tables)
            for batch in Source(path).parquet().iter_batches() for row in batch.to_pylist()
        }  # fmt: skip
        rows: dict[str, list[tuple[int, int, str, _Trade]]] = defaultdict(list)
        for source in fills:
            number = 0
            for batch in source.parquet().iter_batches(batch_size=16_384):
                for row in batch.to_pylist():
                    number += 1
                    job.row(source.name)
                    try:
                        condition, entry = _fill(row)
                    except (ValueError, TypeError, ArithmeticError) as error:
                        job.report.refuse(f"{source.name}, row {number}", error)
                        continue
                    rows[condition].append(entry)
        markets = 0
        for condition, entries in rows.items():
            facts, payouts, known_s = _chain_market(condition, about.get(condition, {}))
            if not job.wants(facts.slug, condition) or job.is_full(markets):
                job.report.ignored += len(entries)
                continue
            markets += 1
            _write_fills(facts, payouts, known_s, entries, [s.name for s in fills], job)


def _write_fills(  # noqa: PLR0917 - one market's fills and what is known of it
    facts: MarketFacts,
    payouts: tuple[int, ...],
    known_s: int,
    entries: list[tuple[int, int, str, _Trade]],
    names: list[str],
    job: ImportJob,
) -> None:
    draft = Draft(
        job.spool, market=market_key(job.prefix, facts.slug, facts.condition_id), facts=facts,
        fidelity=Fidelity.PRICES, source="fills from the chain", sources=names,
    )  # fmt: skip
    before: tuple[int, int, str] | None = None
    for *place, trade in sorted(entries):
        if tuple(place) == before:
            job.report.refuse(trade.ref, "the same log entry twice")
            continue
        before = (place[0], place[1], place[2])
        _write(draft, 0, trade)
        job.report.kept += 1
    draft.notes.append("prices are the first outcome's; sides are as the source gives them")
    if payouts:
        at_ns = max(known_s * _S, draft.last_ns)
        draft.resolved(payouts, venue_ns=at_ns, received_ns=at_ns)
        draft.notes.append("the result is a closed market's final price, dated by when the source last looked")
    job.save(draft)


def _write(draft: Draft, outcome: int, trade: _Trade) -> None:
    ns = trade.at_s * _S
    draft.trade(outcome, trade.side, trade.price, trade.size, venue_ns=ns, received_ns=ns)
    other = complement(trade.price)
    draft.price((trade.price, other) if outcome == 0 else (other, trade.price), venue_ns=ns, received_ns=ns)


def _page(source: Source) -> Iterator[Any]:
    with source.open() as file:
        try:
            found = _pages.decode(file.read())
        except (msgspec.DecodeError, OSError, EOFError, RecursionError, ArithmeticError) as error:
            raise ArchiveError(f"{source.path} is no page of trades: {error}") from None
    if isinstance(found, dict):
        found = next((found[name] for name in ("data", "trades") if isinstance(found.get(name), list)), None)
    if not isinstance(found, list):
        raise ArchiveError(f"{source.path} is no page of trades: there is no list in it")
    yield from found


def _take(
    row: Any,
    where: str,
    page: dict[str, Counter[_Trade]],
    said: dict[str, list[Mapping[str, Any]]],
    job: ImportJob,
) -> None:
    try:
        names = _V1 if "conditionId" in row else _V2
        condition, token = str(row[names["condition"]]), str(row[names["token"]])
        at_s = int(row["timestamp"])
        if not _EARLIEST <= at_s <= _LATEST:
            raise ValueError(f"timestamp {at_s} is not a time in seconds")
        trade = _Trade(
            at_s=at_s, token=token, side=_SIDES[row["side"]], price=_price(row["price"]), size=_size(row["size"]),
            ref=str(row.get(names["ref"]) or ""), wallet=str(row.get(names["wallet"]) or ""),
        )  # fmt: skip
    except KeyError as error:
        job.report.refuse(where, f"has no usable {error}")
        return
    except (ValueError, TypeError, ArithmeticError) as error:
        job.report.refuse(where, error)
        return
    page[condition][trade] += 1
    index = row.get(names["index"])
    if all(known["token"] != token for known in said[condition]):
        said[condition].append(
            {"token": token, "index": index, "label": row.get("outcome"), "slug": row.get("slug"),
             "title": row.get("title"), "event": row.get(names["event"])}
        )  # fmt: skip


def _facts(
    condition: str, said: Sequence[Mapping[str, Any]], known: MarketFacts | None
) -> tuple[MarketFacts, list[str]]:
    """Return a market's facts and its tokens by outcome."""
    if known is not None:
        return known, [outcome.token_id for outcome in known.outcomes]
    tokens, labels = ["", ""], ["", ""]
    for number, entry in enumerate(said[:2]):
        index = entry["index"] if entry["index"] in (0, 1) else number
        index = 1 - index if tokens[index] else index
        tokens[index], labels[index] = str(entry["token"]), str(entry["label"] or "")
    tokens = [token or f"{condition}:{index}" for index, token in enumerate(tokens)]
    labels = [label or ("not traded" if any(labels) else f"outcome {n + 1}") for n, label in enumerate(labels)]
    first = said[0]
    facts = facts_invented(
        condition_id=condition, slug=str(first["slug"] or ""), question=str(first["title"] or ""), labels=labels,
        tokens=tokens, event=str(first["event"] or ""),
    )  # fmt: skip
    return facts, tokens


def _fill(row: Mapping[str, Any]) -> tuple[str, tuple[int, int, str, _Trade]]:
    side = _SIDES.get(str(row["side"]))
    if side is None:
        raise ValueError(f"side {row['side']!r:.20} is unknown")
    reference = str(row.get("transaction_hash") or "")
    trade = _Trade(
        at_s=int(row["timestamp"]), token="", side=side, price=_price(row["price"]), size=_size(row["token_amount"]),
        ref=reference, wallet="",
    )  # fmt: skip
    return str(row["condition_id"]), (int(row["block_number"]), int(row["log_index"]), reference, trade)


def _chain_market(condition: str, row: Mapping[str, Any]) -> tuple[MarketFacts, tuple[int, ...], int]:
    """Return a market's facts, its payouts if it is closed at 0 and 1, and when that was looked up."""
    facts = facts_invented(
        condition_id=condition, slug=str(row.get("slug") or ""), question=str(row.get("question") or ""),
        labels=[str(row[name]) for name in ("answer1", "answer2") if row.get(name)],
        tokens=[str(row[name]) for name in ("token1", "token2") if row.get(name)],
        event=str(row.get("event_slug") or ""), neg_risk=bool(row.get("neg_risk")),
        closes_at=row["end_date"] if isinstance(row.get("end_date"), datetime) else None,
    )  # fmt: skip
    try:
        prices = [Decimal(text.strip(" '\"")) for text in str(row.get("outcome_prices") or "").strip("[]").split(",")]
    except InvalidOperation:
        prices = []
    at = row.get("updated_at")
    if not row.get("closed") or len(prices) != 2 or not isinstance(at, datetime):
        return facts, (), 0
    if sorted(round(price, 2) for price in prices) != [0, 1]:
        return facts, (), 0
    return facts, tuple(ONE * round(price) for price in prices), int(at.timestamp())


def _price(value: Any) -> int:
    price = round(Decimal(value) * ONE)  # sources computed 1 - p in floating point: its noise is below a millionth
    if not 0 < price < ONE:
        raise ValueError(f"price {value} is not between 0 and 1")
    return price


def _size(value: Any) -> int:
    size = round(Decimal(value) * ONE)
    if not 0 < size < 10**15:
        raise ValueError(f"size {value} is not the size of a trade")
    return size
