"""The state all parts of the exchange share: catalogue, wallets, books, orders, trades, and who listens.

Nothing is decided here. Times are Unix milliseconds, amounts millionths.
"""

from __future__ import annotations

import hashlib
import uuid
from collections import deque
from collections.abc import Callable
from typing import Any

from polybot.sandbox.accounts import Accounts, Wallet
from polybot.sandbox.catalogue import Catalogue, Event, Market
from polybot.sandbox.display import TokenBook
from polybot.sandbox.engine_rules import EngineRules
from polybot.sandbox.engines import MarketEngine
from polybot.sandbox.messages import ChainRow, ExchangeEvent, MarketEvent, OrderRecord, TradeRecord, UserEvent
from polybot.sandbox.modes import Modes

PUBLIC_TRADES = 5_000
USER_TRADES = 20_000
USER_ORDERS = 20_000


class Core:
    def __init__(self, *, seed: int, clock: Callable[[], int]) -> None:
        self.seed = seed
        self.clock = clock
        self.now = clock()
        self.boot_ms = self.now
        self.catalogue = Catalogue()
        self.accounts = Accounts()
        self.books: dict[str, TokenBook] = {}
        self.engines: dict[str, MarketEngine] = {}  # by condition id
        self.records: dict[str, OrderRecord] = {}  # users' orders in any state, oldest first
        self.open: dict[str, OrderRecord] = {}  # users' resting orders
        self.delayed: dict[str, OrderRecord] = {}  # users' marketable orders waiting out a market's delay
        self.user_trades: dict[str, TradeRecord] = {}  # oldest first
        self.public_trades: deque[TradeRecord] = deque(maxlen=PUBLIC_TRADES)
        self.chain_rows: deque[ChainRow] = deque(maxlen=PUBLIC_TRADES)  # oldest first
        self.history: dict[str, list[tuple[int, int]]] = {}  # condition -> (minute ms, price of outcome 0)
        self.listeners: list[Callable[[ExchangeEvent], None]] = []
        self.counts = {"messages": 0, "custom": 0, "orders": 0, "trades": 0, "refused": 0, "house_trades": 0}
        self.rules = EngineRules(seed)
        self.modes = Modes()
        self.dirty = False  # something users did is not in the state file yet
        self._serial = 0

    # Events out -------------------------------------------------------------------------------------

    def emit(
        self, market: str, asset_ids: tuple[str, ...], body: dict[str, Any], *, custom: bool = False, all_: bool = False
    ) -> None:
        self.counts["custom" if custom else "messages"] += 1
        if self.listeners:
            event = MarketEvent(market=market, asset_ids=asset_ids, body=body, custom=custom, broadcast=all_)
            for listener in self.listeners:
                listener(event)

    def emit_user(self, owner: str, market: str, body: dict[str, Any]) -> None:
        event = UserEvent(owner=owner, market=market, body=body)
        for listener in self.listeners:
            listener(event)

    # Identities -------------------------------------------------------------------------------------

    def house_order_id(self) -> str:
        """Return an order id no earlier run of this exchange can have used."""
        self._serial += 1
        return f"0x{self.boot_ms:016x}{self._serial:048x}"

    def trade_id(self, taker_order_id: str) -> str:
        self._serial += 1
        text = f"{taker_order_id}:{self.boot_ms}:{self._serial}"
        return str(uuid.UUID(bytes=hashlib.sha256(text.encode()).digest()[:16], version=4))

    def transaction_hash(self, text: str) -> str:
        return f"0x{hashlib.sha256(f'{self.seed}:{text}'.encode()).hexdigest()}"

    # Books and wallets ------------------------------------------------------------------------------

    def list_event(self, event: Event, markets: list[Market], engines: list[MarketEngine]) -> None:
        """Put an event's markets on offer, each with an empty book per token."""
        self.catalogue.add(event, markets)
        for market, engine in zip(markets, engines, strict=True):
            self.engines[market.condition_id] = engine
            for token_id in market.token_ids:
                book = TokenBook(
                    market=market.condition_id,
                    asset_id=token_id,
                    min_size=market.min_size,
                    tick=market.tick,
                    neg_risk=market.neg_risk,
                )
                book.updated_ms = self.now
                self.books[token_id] = book

    def forget_event(self, event: Event) -> None:
        """Drop a long-closed event from the catalogue; its trades and orders stay."""
        for market in self.catalogue.markets_of(event):
            self.engines.pop(market.condition_id, None)
            self.history.pop(market.condition_id, None)
            if not self.accounts.collateral.get(market.condition_id):
                self.accounts.collateral.pop(market.condition_id, None)
            for token_id in market.token_ids:
                self.books.pop(token_id, None)
        self.catalogue.drop(event)

    def house(self, name: str) -> Wallet:
        """Return a house trader's wallet; its address is made from its name."""
        address = f"0x{hashlib.sha256(f'house:{self.seed}:{name}'.encode()).hexdigest()[:40]}"
        return self.accounts.wallet(address, house=True)

    def record_add(self, record: OrderRecord) -> None:
        self.records[record.order_id] = record
        if len(self.records) > USER_ORDERS:
            oldest = next(k for k in self.records if k not in self.open)
            del self.records[oldest]

    def trade_add(self, trade: TradeRecord, *, of_user: bool) -> None:
        self.public_trades.append(trade)
        if of_user:
            self.user_trades[trade.trade_id] = trade
            if len(self.user_trades) > USER_TRADES:
                del self.user_trades[next(iter(self.user_trades))]
