"""Our orders and trades as a venue tells them, in words that every venue shares.

Prices, sizes and dollars are millionths; times are Unix milliseconds. None always means
that the venue did not say: it is never a zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from markets.domain.instruments import Side


class TradeStage(StrEnum):
    """How far a trade's settlement has come. FAILED takes the fill back."""

    MATCHED = "matched"
    MINED = "mined"
    RETRYING = "retrying"
    CONFIRMED = "confirmed"
    FAILED = "failed"


class OrderWord(StrEnum):
    """What a venue says an order is now."""

    LIVE = "live"
    MATCHED = "matched"  # completely
    DELAYED = "delayed"
    CANCELED = "canceled"  # whoever did it; `reason` has the venue's words
    EXPIRED = "expired"

    @property
    def is_over(self) -> bool:
        return self in (OrderWord.MATCHED, OrderWord.CANCELED, OrderWord.EXPIRED)


class Role(StrEnum):
    MAKER = "maker"
    TAKER = "taker"


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueOrder:
    """One order as the venue has it. `size` is None where it names dollars instead (a market buy)."""

    order_id: str
    word: OrderWord
    reason: str
    condition_id: str
    token_id: str
    side: Side
    price: int
    size: int | None
    matched: int | None
    order_type: str  # GTC, GTD, FOK, FAK
    expires_at_ms: int | None
    created_ms: int | None
    trade_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueLeg:
    """Our own part in one trade, in our order's token, side and price. Its identity is (trade, order, role).

    `fee_rate_bps` is what the venue wrote on the trade; the fee is computed from the market's schedule.
    `dollars` is what changed hands without the fee, to the millionth, as all parts of the trade make it.
    """

    trade_id: str
    order_id: str
    role: Role
    condition_id: str
    token_id: str
    side: Side
    price: int
    size: int
    stage: TradeStage
    fee_rate_bps: int | None
    matched_ms: int
    updated_ms: int | None
    transaction_hash: str = ""
    side_is_inferred: bool = False
    dollars: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelAnswer:
    """What a cancel request came to. `refused` maps order ids to the venue's reason; the rest is unknown.

    A refusal such as "already canceled or matched" is not an end of the order either: its state must be read.
    """

    canceled: frozenset[str] = frozenset()
    refused: Mapping[str, str] = field(default_factory=dict)
    unknown: bool = False  # no usable answer: some or all may have been cancelled
    code: str = ""
    said: str = ""
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueBalances:
    """What the venue says a wallet has, as far as it was asked. Shares by token id; allowances by spender."""

    cash: int
    allowances: Mapping[str, int] = field(default_factory=dict)  # of cash, by contract address
    shares: Mapping[str, int] = field(default_factory=dict)
    share_allowances: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
