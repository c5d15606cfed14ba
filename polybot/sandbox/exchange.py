"""The local exchange's engine: one object that lists markets, matches orders and tells what happened.

Single-threaded and without I/O besides its own small state file. The servers call it from one event loop:
requests call the methods below, a timer calls `step(now)` every 20 to 50 ms, and every consequence arrives
at the listeners as MarketEvent and UserEvent values, in order, before the causing call returns.
Prices, sizes and cash are millionths; times are Unix milliseconds; addresses in any case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from markets.domain.units import ONE
from markets.venues.simulated import refusals
from polybot.sandbox import history
from polybot.sandbox.accounts import MAX_ALLOWANCE, Wallet
from polybot.sandbox.announce import Announcer
from polybot.sandbox.catalogue import Catalogue, Event, Market
from polybot.sandbox.checkpoint import Checkpoint
from polybot.sandbox.core import Core
from polybot.sandbox.delays import Delays
from polybot.sandbox.engine_rules import EngineRules
from polybot.sandbox.execution import Execution
from polybot.sandbox.heartbeats import Heartbeats
from polybot.sandbox.life import Life
from polybot.sandbox.messages import (
    CASH,
    BookState,
    ChainRow,
    ExchangeEvent,
    NewOrder,
    OrderRecord,
    PlaceResult,
    Refusal,
    TradeRecord,
)
from polybot.sandbox.modes import Modes
from polybot.sandbox.options import ExchangeOptions
from polybot.sandbox.positions import Positions
from polybot.sandbox.replay import Replay
from polybot.sandbox.resolution import Resolution
from polybot.sandbox.settlement import Settlement
from polybot.sandbox.state import StateFile
from polybot.sandbox.trading import Trading

Listener = Callable[[ExchangeEvent], None]
_MINUTE_MS = 60_000


class Exchange:
    """See the module text. `clock` returns Unix milliseconds and is read once per call."""

    def __init__(self, options: ExchangeOptions, *, clock: Callable[[], int]) -> None:
        self.options = options
        self._core = core = Core(seed=options.seed, clock=clock)
        self._announcer = Announcer(core)
        self._settlement = Settlement(core, mined_ms=options.mined_ms, confirmed_ms=options.confirmed_ms)
        self._execution = Execution(core, self._announcer, self._settlement)
        self._trading = Trading(core, self._announcer, self._execution)
        self._resolution = Resolution(core, self._announcer, self._trading, auto_redeem_ms=options.auto_redeem_ms)
        self._settlement.on_shortfall = self._trading.drop_unfunded
        self.positions = Positions(core, self._trading, self._resolution)
        self.heartbeats = Heartbeats(core, self._silence)
        kind = "replay" if options.replay else "life"
        kept = (core, self._settlement, self._resolution, self._trading, self.heartbeats)
        self._state = StateFile(*kept, folder=options.state_dir, kind=kind)
        saved = self._state.read()
        self._source: Life | Replay
        if options.replay:
            self._source = Replay(core, self._announcer, self._execution, paths=options.replay, speed=options.speed)
            self._source.hold(options.replay_wait_ms)
        else:
            self._source = Life(
                core,
                self._announcer,
                self._execution,
                self._resolution,
                rate=options.rate,
                protocol_v2=options.protocol_v2,
                fair_game=options.fair_game,
            )
        self._source.start(saved.source if saved else None)
        if saved:
            self._state.restore(saved)
        self.delays = Delays(core, self._trading)
        self._source.open_books()
        history.note(core)
        self._history_minute = 0

    @property
    def catalogue(self) -> Catalogue:
        return self._core.catalogue

    # Time -------------------------------------------------------------------------------------------

    def step(self, now_ms: int) -> None:
        """Advance everything to `now_ms`: order flow or recording, settlement, expirations, resolutions, saving."""
        core = self._core
        core.now = max(core.now, now_ms)
        self._settlement.step()
        self._trading.expire()
        self.heartbeats.step()
        if core.modes.matching(core.now):
            self.delays.step()
            self._source.step()
        self._resolution.step()
        minute = core.now // _MINUTE_MS
        if minute != self._history_minute:
            self._history_minute = minute
            history.note(core)
        self._state.step(self._source)

    def close(self) -> None:
        """Save the state file. A kill -9 loses at most the last half second of users' doings."""
        self._state.save(self._source)

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with every event from now on; the answer is a function that stops it."""
        self._core.listeners.append(listener)
        return lambda: self._core.listeners.remove(listener)

    def status(self) -> dict[str, object]:
        """Figures for the control endpoint: markets, messages, orders, trades, source and what it refused."""
        core = self._core
        return {
            "seed": core.seed,
            "events": len(core.catalogue.events),
            "markets": len(core.catalogue.markets),
            "open_markets": sum(1 for _ in core.catalogue.open_markets()),
            "open_orders": len(core.open),
            "wallets": sum(1 for w in core.accounts.wallets.values() if not w.house),
            **core.counts,
            "source": self._source.status(),
        }

    # Catalogue --------------------------------------------------------------------------------------

    def events(self) -> list[Event]:
        return list(self._core.catalogue.events.values())

    def markets(self) -> list[Market]:
        return list(self._core.catalogue.markets.values())

    def market_by_condition(self, condition_id: str) -> Market | None:
        return self._core.catalogue.by_condition.get(condition_id)

    def market_by_token(self, token_id: str) -> Market | None:
        return self._core.catalogue.by_token.get(token_id)

    def new_market_body(self, market: Market) -> dict[str, Any]:
        """Return the `new_market` event of `market`."""
        return self._announcer.new_market_body(market)

    # Books ------------------------------------------------------------------------------------------

    def book(self, token_id: str) -> BookState:
        """Return the token's book, hash included. Raises Refusal 404 for an unknown token."""
        book = self._core.books.get(token_id)
        if book is None:
            raise Refusal(404, refusals.NO_BOOK)
        self._source.watched()
        return book.state()

    def last_trade(self, token_id: str) -> tuple[int, str] | None:
        """Return (price, taker side "BUY"/"SELL") of this token's last trade, None before the first."""
        market = self._core.catalogue.by_token.get(token_id)
        if market is None or market.last_trade_price is None:
            return None
        if market.index_of(token_id) == 0:
            return market.last_trade_price, market.last_trade_side
        return ONE - market.last_trade_price, "SELL" if market.last_trade_side == "BUY" else "BUY"

    def price_history(self, token_id: str, *, start_ms: int, end_ms: int, bucket_ms: int) -> list[tuple[int, int]]:
        """Return (bucket start ms, price of the token) of the time since the exchange started, oldest first."""
        return history.prices(self._core, token_id, start_ms=start_ms, end_ms=end_ms, bucket_ms=bucket_ms)

    # Orders -----------------------------------------------------------------------------------------

    def place(self, order: NewOrder) -> PlaceResult:
        """Check, match and rest an order. Raises Refusal with the venue's status and text."""
        self._tick()
        self.wallet_open(order.maker)
        return self._trading.place(order)

    def hold_ms(self, order: NewOrder) -> int:
        """Return how long the answer to this order is held: the market's taker delay when it would match now."""
        self._tick()
        market = self._core.catalogue.by_token.get(order.token_id)
        if market is None or not market.taker_delay_ms:
            return 0
        self.wallet_open(order.maker)
        return market.taker_delay_ms if self._trading.is_marketable(order) else 0

    def cancel(self, order_ids: Sequence[str], *, owner: str) -> tuple[list[str], dict[str, str]]:
        """Return (canceled ids, {id: reason} of those that could not be)."""
        self._tick()
        return self._trading.cancel(list(order_ids), owner=owner)

    def cancel_all(self, *, owner: str) -> tuple[list[str], dict[str, str]]:
        return self.cancel([r.order_id for r in self.open_orders(owner=owner)], owner=owner)

    def cancel_market(self, *, owner: str, market: str = "", asset_id: str = "") -> tuple[list[str], dict[str, str]]:
        """Cancel the owner's orders in a market (condition id), on a token, or both; at least one is given."""
        found = self.open_orders(owner=owner, market=market, asset_id=asset_id)
        return self.cancel([r.order_id for r in found], owner=owner)

    def open_orders(self, *, owner: str, order_id: str = "", market: str = "", asset_id: str = "") -> list[OrderRecord]:
        """Return the owner's open orders, oldest first."""
        return [
            r
            for r in (*self._core.open.values(), *self._core.delayed.values())
            if r.owner == owner
            and (not order_id or r.order_id == order_id)
            and (not market or r.market == market)
            and (not asset_id or r.token_id == asset_id)
        ]

    def beat(self, owner: str, heartbeat_id: str) -> str:
        """Accept a heartbeat of an API key; return the id of its next."""
        self._tick()
        return self.heartbeats.beat(owner, heartbeat_id)

    def order(self, order_id: str) -> OrderRecord | None:
        """Return an order in any state; `is_open(record)` tells whether /data/order shows it."""
        return self._core.records.get(order_id)

    def orders_of(self, owner: str) -> list[OrderRecord]:
        """Return every order of an API key in any state, oldest first."""
        return [record for record in self._core.records.values() if record.owner == owner]

    def trade(self, trade_id: str) -> TradeRecord | None:
        return self._core.user_trades.get(trade_id)

    def trade_by_hash(self, transaction_hash: str) -> TradeRecord | None:
        return next((t for t in self._core.user_trades.values() if t.transaction_hash == transaction_hash), None)

    def is_open(self, record: OrderRecord) -> bool:
        return record.order_id in self._core.open or record.order_id in self._core.delayed

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
        address = maker_address.lower()

        def wanted(trade: TradeRecord) -> bool:
            parties = ((trade.owner, trade.maker), *((p.owner, p.maker) for p in trade.parts))
            return (
                (not market or trade.market == market)
                and (not asset_id or trade.token_id == asset_id)
                and (not before_s or trade.matched_ms // 1000 < before_s)
                and (not after_s or trade.matched_ms // 1000 > after_s)
                and (not owner or any(o == owner for o, _ in parties))
                and (not address or any(m.lower() == address for _, m in parties))
            )

        known = self._core.user_trades
        if trade_id:
            return [trade for trade in (known.get(trade_id),) if trade and wanted(trade)]
        return [trade for trade in reversed(known.values()) if wanted(trade)]

    def public_trades(self, *, market: str = "", limit: int = 100, offset: int = 0) -> list[TradeRecord]:
        """Return the newest trades of everybody, house traders included (Data API)."""
        found = [t for t in reversed(self._core.public_trades) if not market or t.market == market]
        return found[offset : offset + limit]

    def chain_rows(self, address: str) -> list[ChainRow]:
        """Return a wallet's splits, merges, conversions, redemptions and transfers, oldest first."""
        return [row for row in self._core.chain_rows if row.wallet == address.lower()]

    # Money ------------------------------------------------------------------------------------------

    def wallet_open(self, address: str) -> bool:
        """Make sure the wallet exists; a new one gets the opening cash and full allowances. True when new."""
        accounts = self._core.accounts
        if address.lower() in accounts.wallets:
            return False
        accounts.fund(accounts.wallet(address), self.options.opening_cash)
        self._core.dirty = True
        return True

    def faucet(self, address: str, amount: int) -> int:
        """Give pUSD from nowhere (accounted for); return the new settled balance."""
        wallet = self._wallet(address)
        self._core.accounts.fund(wallet, amount)
        wallet.refresh(CASH)
        self._core.dirty = True
        return wallet.chain(CASH)

    def balance(self, address: str, asset: str) -> int:
        """Return the *cached* balance that /balance-allowance serves; `asset` is CASH or a token id."""
        return self._wallet(address).known(asset)

    def balance_update(self, address: str, asset: str) -> None:
        """Refresh the cache from the chain, as /balance-allowance/update does."""
        self._wallet(address).refresh(asset)

    def chain_balance(self, address: str, asset: str) -> int:
        """Return the settled balance, what balanceOf on the chain would say."""
        return self._wallet(address).chain(asset)

    def allowance(self, address: str, asset: str, spender: str) -> int:
        """Return the allowance; for tokens 0 or the maximum (approval for all). `asset` CASH or "tokens"."""
        return self._wallet(address).allowance(asset, spender)

    def allowance_set(self, address: str, asset: str, spender: str, amount: int) -> None:
        self._wallet(address).allowances[asset, spender.lower()] = min(amount, MAX_ALLOWANCE)
        self._core.dirty = True

    def holdings(self, address: str) -> dict[str, int]:
        """Return the wallet's settled token balances that are not zero."""
        wallet = self._wallet(address)
        tokens = (set(wallet.ledger) | set(wallet.outgoing)) - {CASH}
        return {token: wallet.chain(token) for token in sorted(tokens) if wallet.chain(token)}

    def split(self, address: str, condition_id: str, amount: int) -> str:
        self._tick()
        return self.positions.split(self._wallet(address), condition_id, amount)

    def merge(self, address: str, condition_id: str, amount: int) -> str:
        self._tick()
        return self.positions.merge(self._wallet(address), condition_id, amount)

    def redeem(self, address: str, condition_id: str) -> str:
        self._tick()
        return self.positions.redeem(self._wallet(address), condition_id)

    def redeem_outcome(self, address: str, condition_id: str, outcome: int, amount: int) -> str:
        self._tick()
        return self.positions.redeem_outcome(self._wallet(address), condition_id, outcome, amount)

    def convert(self, address: str, neg_risk_market_id: str, index_set: int, amount: int) -> str:
        self._tick()
        return self.positions.convert(self._wallet(address), neg_risk_market_id, index_set, amount)

    def transfer(self, address: str, receiver: str, asset: str, amount: int) -> str:
        self._tick()
        return self.positions.transfer(self._wallet(address), self._wallet(receiver), asset, amount)

    def checkpoint(self) -> Checkpoint:
        """Remember what wallets own and allow, for a transaction that may have to be undone."""
        return Checkpoint.of(self._core)

    def roll_back(self, before: Checkpoint) -> None:
        before.restore(self._core)

    def open_interest(self, condition_id: str) -> int:
        """Return the dollars behind the market's outstanding pairs."""
        return self._core.accounts.collateral.get(condition_id, 0)

    def resolve_market(self, market: Market, payouts: tuple[int, int]) -> None:
        """Resolve `market` now; the control endpoint's door."""
        self._tick()
        self._resolution.resolve(market, payouts)

    def change_tick(self, market: Market, tick: int) -> None:
        """Change the tick of `market` now and announce it; the control endpoint's door."""
        self._tick()
        self._announcer.tick(market, tick)

    def owners_of(self, address: str) -> Iterable[str]:
        """Return the API keys that have traded for this wallet."""
        return sorted(self._wallet(address).owners)

    @property
    def now_ms(self) -> int:
        self._tick()
        return self._core.now

    @property
    def modes(self) -> Modes:
        return self._core.modes

    @property
    def rules(self) -> EngineRules:
        return self._core.rules

    # Inside -----------------------------------------------------------------------------------------

    def _tick(self) -> None:
        self._core.now = max(self._core.now, self._core.clock())

    def _silence(self, owner: str) -> None:
        """Cancel everything of an API key that armed the dead-man switch and fell silent."""
        self._trading.cancel([r.order_id for r in self._core.open.values() if r.owner == owner], owner=owner)

    def _wallet(self, address: str) -> Wallet:
        self.wallet_open(address)
        return self._core.accounts.wallet(address)
