"""Rows of the Data API, built from what has settled: fills, positions by average cost, resolutions.

A fill is one wallet's part in a trade, in its own token, side and price. Costs exclude
fees, which are disclosed beside them. Sizes and money are millionths inside, decimal text outside.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from eth_utils.crypto import keccak

from markets.domain.instruments import Side
from markets.domain.units import ONE, text_from_micro
from polybot.sandbox.catalogue import Catalogue, Market
from polybot.sandbox.gamma_bodies import day
from polybot.sandbox.messages import TradeRecord

SETTLED = ("MINED", "CONFIRMED")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    wallet: str
    market: str
    token_id: str
    outcome: str
    side: Side
    price: int
    size: int
    fee: int
    at_s: int
    transaction_hash: str
    taker: bool


@dataclass(slots=True, kw_only=True)
class Cost:
    """What a wallet paid for a token: average cost, realised result, fees."""

    size: int = 0
    cost: int = 0
    bought: int = 0
    realized: int = 0
    fees: int = 0
    first_s: int = 0
    last_s: int = 0

    def add(self, fill: Fill) -> None:
        self.first_s = self.first_s or fill.at_s
        self.last_s = fill.at_s
        self.fees += fill.fee
        money = fill.price * fill.size // ONE
        if fill.side is Side.BUY:
            self.size += fill.size
            self.cost += money
            self.bought += fill.size
            return
        sold = min(fill.size, self.size)
        basis = self.cost * sold // self.size if self.size else 0
        self.realized += fill.price * sold // ONE - basis
        self.size -= sold
        self.cost -= basis

    @property
    def average(self) -> int:
        return self.cost * ONE // self.size if self.size else 0


def fills_of(trade: TradeRecord) -> Iterator[Fill]:
    """Yield both sides of a settled trade: the taker's fill, then each maker's."""
    if trade.status not in SETTLED:
        return
    at_s = trade.matched_ms // 1000
    # Trades among the house settle without ceremony; on a chain they would have had a hash as well.
    made = trade.transaction_hash or f"0x{keccak(trade.trade_id.encode()).hex()}"
    shared: dict[str, Any] = {"market": trade.market, "at_s": at_s, "transaction_hash": made}
    yield Fill(
        wallet=trade.maker,
        token_id=trade.token_id,
        outcome=trade.outcome,
        side=trade.side,
        price=trade.price,
        size=trade.size,
        fee=trade.fee,
        taker=True,
        **shared,
    )
    for part in trade.parts:
        yield Fill(
            wallet=part.maker,
            token_id=part.token_id,
            outcome=part.outcome,
            side=part.side,
            price=part.price,
            size=part.size,
            fee=0,
            taker=False,
            **shared,
        )


def trade_row(fill: Fill, catalogue: Catalogue) -> dict[str, Any]:
    market = catalogue.by_condition[fill.market]
    return {
        "proxy_wallet": fill.wallet,
        "token_id": fill.token_id,
        "condition_id": fill.market,
        "side": fill.side.value.upper(),
        "size": text_from_micro(fill.size),
        "price": text_from_micro(fill.price),
        "timestamp": fill.at_s,
        "transaction_hash": fill.transaction_hash,
        "title": market.question,
        "slug": market.slug,
        "icon": "",
        "event_slug": catalogue.event_of(market).slug,
        "outcome": fill.outcome,
        "outcome_index": market.index_of(fill.token_id),
        "name": "",
        "pseudonym": "",
        "bio": "",
        "profile_image": "",
    }


def activity_row(fill: Fill, catalogue: Catalogue) -> dict[str, Any]:
    return {
        **trade_row(fill, catalogue),
        "type": "TRADE",
        "usdc_size": text_from_micro(fill.price * fill.size // ONE),
        "is_combo": False,
    }


def position_row(
    market: Market, catalogue: Catalogue, *, wallet: str, token_id: str, held: int, cost: Cost, mergeable: bool
) -> dict[str, Any]:
    """Return a wallet's position in one token; `held` is what the chain says it owns now."""
    event, index = catalogue.event_of(market), market.index_of(token_id)
    resolved = market.payouts is not None
    price = market.outcome_prices[index]
    average = cost.average
    basis, value = average * held // ONE, price * held // ONE
    unrealized = value - basis
    total = cost.realized + unrealized
    return {
        "proxy_wallet": wallet,
        "token_id": token_id,
        "condition_id": market.condition_id,
        "current_size": text_from_micro(held),
        "avg_price": text_from_micro(average),
        "entry_cost_usdc": text_from_micro(basis),
        "entry_fees_usdc": text_from_micro(cost.fees),
        "total_cost_usdc": text_from_micro(basis + cost.fees),
        "current_price": text_from_micro(price),
        "current_value": text_from_micro(value),
        "total_size": text_from_micro(max(cost.bought, held)),
        "realized_pnl": text_from_micro(cost.realized),
        "unrealized_pnl": text_from_micro(unrealized),
        "total_pnl": text_from_micro(total),
        "percent_pnl": _percent(unrealized, basis),
        "percent_realized_pnl": _percent(cost.realized, basis),
        "status": "CLOSED" if not held else "REDEEMABLE" if resolved else "OPEN",
        "redeemable": resolved and held > 0,
        "mergeable": mergeable,
        "negative_risk": market.neg_risk,
        "archived": False,
        "verified": False,
        "title": market.question,
        "slug": market.slug,
        "icon": "",
        "event_slug": event.slug,
        "event_id": str(event.id),
        "outcome": market.outcomes[index],
        "outcome_index": index,
        "opposite_outcome": market.outcomes[1 - index],
        "opposite_token_id": market.token_ids[1 - index],
        "end_date": day(market.end_ms),
        "last_event_at": cost.last_s,
        "first_entry_at": cost.first_s,
    }


def resolution_row(market: Market) -> dict[str, Any]:
    payouts = market.payouts
    unset = "69"
    return {
        "question_id": market.question_id,
        "condition_id": market.condition_id,
        "status": "resolved" if payouts else "posed",
        "extended_review": False,
        "expected_settlement_time": None,
        "settlement_time_basis": None,
        "was_disputed": False,
        "new_version_q": False,
        "proposed_price": text_from_micro(payouts[0]) if payouts else unset,
        "reproposed_price": unset,
        "price": text_from_micro(payouts[0]) if payouts else unset,
        "transaction_hash": "",
        "log_index": "",
        "last_update_timestamp": (market.closed_ms or market.created_ms) // 1000,
        "market_type": "INCREMENTAL_NEGRISK" if market.neg_risk else "BINARY",
        "payouts": [str(p) for p in payouts] if payouts else None,
        "resolution_source": "reported" if payouts else None,
        "reporter": "UMA_OO" if payouts else None,
        "was_arbitrated": False,
        "resolved_block": None,
        "resolved_at": None,
    }


def token_row(token_id: str, market: Market, catalogue: Catalogue) -> dict[str, Any]:
    event, index = catalogue.event_of(market), market.index_of(token_id)
    return {
        "token_id": token_id,
        "condition_id": market.condition_id,
        "structural_condition_id": None,
        "module": "v1_ctf",
        "outcome_index": index,
        "clob_index": index,
        "outcome": market.outcomes[index],
        "opposite_token_id": market.token_ids[1 - index],
        "resolved": market.payouts is not None,
        "final_price": text_from_micro(market.payouts[index]) if market.payouts else None,
        "title": market.question,
        "market_slug": market.slug,
        "closed": market.payouts is not None,
        "neg_risk": market.neg_risk,
        "neg_risk_market_id": event.neg_risk_market_id if market.neg_risk and event.neg_risk_market_id else None,
        "question_index": None,
        "event_id": event.id,
        "event_slug": event.slug,
    }


def _percent(part: int, whole: int) -> str:
    return text_from_micro(part * 100 * ONE // whole) if whole else "0"
