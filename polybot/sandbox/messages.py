"""What goes into the local exchange and what comes out: orders, answers, refusals, records, events.

Prices, sizes and cash are integers of one millionth; times are Unix milliseconds. Event bodies are
the wire's own JSON objects (decimal strings), ready to be encoded as they are.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from markets.domain.instruments import Side
from markets.venues.simulated.matching import OrderType

CASH = "cash"  # the asset name of pUSD in balances; every other asset is a token id


class Refusal(Exception):
    """The exchange said no. `status` is the HTTP status and `text` the venue's own words.

    `extra` keys go beside the text; a `body` replaces the usual `{"error": text}` altogether.
    """

    def __init__(
        self,
        status: int,
        text: str,
        *,
        headers: dict[str, str] | None = None,
        extra: dict[str, Any] | None = None,
        body: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.headers = headers or {}
        self.body = body if body is not None else {"error": text, **(extra or {})}


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder:
    """A signed order after its signature was verified. Amounts are the signed ones, in millionths."""

    order_id: str  # 0x + 64 hex: the EIP-712 digest
    owner: str  # api key of the request
    maker: str  # address that holds the funds; any case
    token_id: str
    side: Side
    maker_amount: int  # what it gives: BUY dollars, SELL shares
    taker_amount: int  # what it wants
    order_type: OrderType
    post_only: bool = False
    expiration_s: int = 0  # Unix seconds, 0 unless GTD
    spender: str = ""  # exchange contract whose allowance is used; "" skips the allowance check
    signer: str = ""
    builder: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceResult:
    """An accepted order. `status` is live or matched; amounts are what was matched at once."""

    order_id: str
    status: str
    making: int = 0
    taking: int = 0
    trade_ids: tuple[str, ...] = ()

    def body(self) -> dict[str, Any]:
        """Return the answer of POST /order."""
        from markets.domain.units import text_from_micro

        return {
            "success": True,
            "errorMsg": "",
            "orderID": self.order_id,
            "status": self.status,
            "makingAmount": text_from_micro(self.making) if self.making else "",
            "takingAmount": text_from_micro(self.taking) if self.taking else "",
            "tradeIDs": list(self.trade_ids),
            "transactionsHashes": [],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class BookState:
    """One token's book as /book and the socket serve it: levels worst first, strings as hashed."""

    market: str
    asset_id: str
    timestamp_ms: int
    hash: str
    bids: tuple[tuple[str, str], ...]  # ascending, (price, size)
    asks: tuple[tuple[str, str], ...]  # descending
    min_order_size: str
    tick_size: str
    neg_risk: bool
    last_trade_price: str  # "" when nothing traded

    def body(self) -> dict[str, Any]:
        """Return the answer of GET /book, keys in the order that is hashed."""
        return {
            "market": self.market,
            "asset_id": self.asset_id,
            "timestamp": str(self.timestamp_ms),
            "hash": self.hash,
            "bids": [{"price": p, "size": s} for p, s in self.bids],
            "asks": [{"price": p, "size": s} for p, s in self.asks],
            "min_order_size": self.min_order_size,
            "tick_size": self.tick_size,
            "neg_risk": self.neg_risk,
            "last_trade_price": self.last_trade_price,
        }

    def event(self) -> dict[str, Any]:
        """Return the `book` event of the market channel."""
        body = self.body()
        del body["min_order_size"], body["neg_risk"]
        return {"event_type": "book", **body}


@dataclass(slots=True, kw_only=True)
class OrderRecord:
    """An order as the venue keeps it, open or done."""

    order_id: str
    owner: str
    maker: str  # lower-case address
    market: str
    token_id: str
    outcome: str
    side: Side
    price: int
    size: int  # shares; dollars for a market BUY (FOK, FAK)
    order_type: OrderType
    expiration_s: int
    created_ms: int
    matched: int = 0
    status: str = "LIVE"  # LIVE MATCHED CANCELED INVALID CANCELED_MARKET_RESOLVED ...
    trade_ids: list[str] = field(default_factory=list)
    ended_ms: int = 0  # when it left the book, 0 while it is open

    @property
    def remaining(self) -> int:
        return self.size - self.matched


@dataclass(frozen=True, slots=True, kw_only=True)
class MakerPart:
    """One resting order's part in a trade, in the maker's own token, side and price."""

    order_id: str
    owner: str
    maker: str
    token_id: str
    outcome: str
    outcome_index: int
    side: Side
    price: int
    size: int


@dataclass(slots=True, kw_only=True)
class TradeRecord:
    """One taker order's match against one or more resting orders. Top-level fields describe the taker."""

    trade_id: str
    taker_order_id: str
    owner: str
    maker: str  # the taker's funding address, lower case
    market: str
    token_id: str
    outcome: str
    side: Side
    price: int
    size: int
    fee: int  # pUSD paid by the taker
    matched_ms: int
    parts: tuple[MakerPart, ...]
    status: str = "MATCHED"  # MATCHED MINED CONFIRMED, RETRYING FAILED
    updated_ms: int = 0
    transaction_hash: str = ""
    bucket: int = 0  # which of the transactions that the match was split into
    error: str = ""  # why its settlement failed
    inferred: bool = False  # filled against a trade that a replay deduced


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainRow:
    """A transaction of a user outside the book: split, merge, conversion, redemption, transfer."""

    wallet: str
    kind: str  # as the Data API's activity names it
    market: str  # condition id
    size: int
    cash: int
    at_ms: int
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketEvent:
    """A message of the public market channel.

    Send it to every socket that watches one of `asset_ids`; `custom` ones only to sockets that asked
    for custom features; `broadcast` ones (new_market, market_resolved) to all of those.
    """

    market: str
    asset_ids: tuple[str, ...]
    body: dict[str, Any]
    custom: bool = False
    broadcast: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class UserEvent:
    """A message of the user channel, for the sockets of one API key that watch `market` (or all)."""

    owner: str
    market: str
    body: dict[str, Any]


ExchangeEvent = MarketEvent | UserEvent
