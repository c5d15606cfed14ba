"""The local exchange's engine: one object that lists markets, matches orders and tells what happened.

Single-threaded and without I/O besides its own small state file. The servers call it from one event loop:
requests call the methods below, a timer calls `step(now)` every 20 to 50 ms, and every consequence arrives
at the listeners as MarketEvent and UserEvent values, in order, before the causing call returns.
Prices, sizes and cash are millionths; times are Unix milliseconds; addresses in any case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from polybot.sandbox.catalogue import Catalogue, Event, Market
from polybot.sandbox.messages import BookState, ExchangeEvent, NewOrder, OrderRecord, PlaceResult, TradeRecord

Listener = Callable[[ExchangeEvent], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeOptions:
    seed: int = 1
    rate: float = 50.0  # market-channel messages per second that life aims at, all markets together
    state_dir: Path | None = None  # None: nothing is kept
    replay: tuple[Path, ...] = ()  # recordings (files or folders) instead of life
    speed: float = 1.0
    opening_cash: int = 1_000_000_000  # pUSD a new wallet is given on first use (1,000 dollars)
    mined_ms: int = 800  # MATCHED to MINED
    confirmed_ms: int = 2_000  # MATCHED to CONFIRMED


class Exchange:
    """See the module text. `clock` returns Unix milliseconds and is read once per call."""

    catalogue: Catalogue

    def __init__(self, options: ExchangeOptions, *, clock: Callable[[], int]) -> None:
        raise NotImplementedError

    # Time -------------------------------------------------------------------------------------------

    def step(self, now_ms: int) -> None:
        """Advance everything to `now_ms`: order flow or recording, settlement, expirations, resolutions, saving."""
        raise NotImplementedError

    def close(self) -> None:
        """Save the state file. A kill -9 loses at most the last second of users' doings."""
        raise NotImplementedError

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with every event from now on; the answer is a function that stops it."""
        raise NotImplementedError

    def status(self) -> dict[str, object]:
        """Figures for the control endpoint: markets, messages, orders, trades, replay position, refused lines."""
        raise NotImplementedError

    # Catalogue --------------------------------------------------------------------------------------

    def events(self) -> list[Event]:
        raise NotImplementedError

    def markets(self) -> list[Market]:
        raise NotImplementedError

    def market_by_condition(self, condition_id: str) -> Market | None:
        raise NotImplementedError

    def market_by_token(self, token_id: str) -> Market | None:
        raise NotImplementedError

    def new_market_body(self, market: Market) -> dict[str, object]:
        """Return the `new_market` event of `market`."""
        raise NotImplementedError

    # Books ------------------------------------------------------------------------------------------

    def book(self, token_id: str) -> BookState:
        """Return the token's book, hash included. Raises Refusal 404 for an unknown token."""
        raise NotImplementedError

    def last_trade(self, token_id: str) -> tuple[int, str] | None:
        """Return (price, taker side "BUY"/"SELL") of this token's last trade, None before the first."""
        raise NotImplementedError

    def price_history(self, token_id: str, *, start_ms: int, end_ms: int, bucket_ms: int) -> list[tuple[int, int]]:
        """Return (bucket start ms, price of the token) of the time since the exchange started, oldest first."""
        raise NotImplementedError

    # Orders -----------------------------------------------------------------------------------------

    def place(self, order: NewOrder) -> PlaceResult:
        """Check, match and rest an order. Raises Refusal with the venue's status and text."""
        raise NotImplementedError

    def cancel(self, order_ids: Sequence[str], *, owner: str) -> tuple[list[str], dict[str, str]]:
        """Return (canceled ids, {id: reason} of those that could not be)."""
        raise NotImplementedError

    def cancel_all(self, *, owner: str) -> tuple[list[str], dict[str, str]]:
        raise NotImplementedError

    def cancel_market(self, *, owner: str, market: str = "", asset_id: str = "") -> tuple[list[str], dict[str, str]]:
        """Cancel the owner's orders in a market (condition id), on a token, or both; at least one is given."""
        raise NotImplementedError

    def open_orders(self, *, owner: str, order_id: str = "", market: str = "", asset_id: str = "") -> list[OrderRecord]:
        """Return the owner's open orders, oldest first."""
        raise NotImplementedError

    def order(self, order_id: str) -> OrderRecord | None:
        """Return an order in any state; `is_open(record)` tells whether /data/order shows it."""
        raise NotImplementedError

    def is_open(self, record: OrderRecord) -> bool:
        raise NotImplementedError

    def trades(
        self,
        *,
        owner: str = "",
        maker_address: str = "",
        trade_id: str = "",
        market: str = "",
        asset_id: str = "",
        before_s: int = 0,
        after_s: int = 0,
    ) -> list[TradeRecord]:
        """Return users' trades, newest first; `asset_id` filters on the taker's asset, as the venue does."""
        raise NotImplementedError

    def public_trades(self, *, market: str = "", limit: int = 100, offset: int = 0) -> list[TradeRecord]:
        """Return the newest trades of everybody, house traders included (Data API)."""
        raise NotImplementedError

    # Money ------------------------------------------------------------------------------------------

    def wallet_open(self, address: str) -> bool:
        """Make sure the wallet exists; a new one gets the opening cash and full allowances. True when new."""
        raise NotImplementedError

    def faucet(self, address: str, amount: int) -> int:
        """Give pUSD from nowhere (accounted for); return the new settled balance."""
        raise NotImplementedError

    def balance(self, address: str, asset: str) -> int:
        """Return the *cached* balance that /balance-allowance serves; `asset` is CASH or a token id."""
        raise NotImplementedError

    def balance_update(self, address: str, asset: str) -> None:
        """Refresh the cache from the chain, as /balance-allowance/update does."""
        raise NotImplementedError

    def chain_balance(self, address: str, asset: str) -> int:
        """Return the settled balance, what balanceOf on the chain would say."""
        raise NotImplementedError

    def allowance(self, address: str, asset: str, spender: str) -> int:
        """Return the allowance; for tokens 0 or the maximum (approval for all). `asset` CASH or "tokens"."""
        raise NotImplementedError

    def allowance_set(self, address: str, asset: str, spender: str, amount: int) -> None:
        raise NotImplementedError

    def holdings(self, address: str) -> dict[str, int]:
        """Return the wallet's settled token balances that are not zero."""
        raise NotImplementedError

    def split(self, address: str, condition_id: str, amount: int) -> str:
        """Turn `amount` dollars into that many shares of both outcomes; return a transaction hash."""
        raise NotImplementedError

    def merge(self, address: str, condition_id: str, amount: int) -> str:
        """The inverse of `split`. Raises Refusal 400 when a balance is too small."""
        raise NotImplementedError

    def redeem(self, address: str, condition_id: str) -> str:
        """Turn the shares of a resolved market into its payout; return a transaction hash."""
        raise NotImplementedError

    def owners_of(self, address: str) -> Iterable[str]:
        """Return the API keys that have traded for this wallet."""
        raise NotImplementedError
