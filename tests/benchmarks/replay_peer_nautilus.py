"""nautilus_trader on the shared events, in a virtual environment of its own: PATH EVENTS ROUNDS, prints one JSON line.

Level-2 deltas and trades of a binary option, the same decision on a timer. Its matching has no queue position, so
fills differ by design; only its speed is compared. Making its objects is not counted, running its engine is.
"""

from __future__ import annotations

import json
import math
import statistics
import sys
import time
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig  # type: ignore[import-not-found]
from nautilus_trader.backtest.models import FillModel, LatencyModel  # type: ignore[import-not-found]
from nautilus_trader.config import LoggingConfig, RiskEngineConfig, StrategyConfig  # type: ignore[import-not-found]
from nautilus_trader.model.currencies import USDC  # type: ignore[import-not-found]
from nautilus_trader.model.data import BookOrder, OrderBookDelta, TradeTick  # type: ignore[import-not-found]
from nautilus_trader.model.enums import (  # type: ignore[import-not-found]
    AccountType,
    AggressorSide,
    AssetClass,
    BookAction,
    BookType,
    OmsType,
    OrderSide,
    RecordFlag,
    TimeInForce,
)  # fmt: skip
from nautilus_trader.model.identifiers import InstrumentId, Symbol, TradeId, TraderId, Venue  # type: ignore[import-not-found]
from nautilus_trader.model.instruments import BinaryOption  # type: ignore[import-not-found]
from nautilus_trader.model.objects import Money, Price, Quantity  # type: ignore[import-not-found]
from nautilus_trader.trading.strategy import Strategy  # type: ignore[import-not-found]

FEED_NS, ORDER_NS = 5_000_000, 20_000_000
TOKEN = InstrumentId.from_str("YES.POLYMARKET")
INSTRUMENT = BinaryOption(
    instrument_id=TOKEN, raw_symbol=Symbol("YES"), outcome="Yes", description="-", asset_class=AssetClass.ALTERNATIVE,
    currency=USDC, price_precision=3, price_increment=Price.from_str("0.001"), size_precision=2,
    size_increment=Quantity.from_str("0.01"), activation_ns=0, expiration_ns=2**62, max_quantity=None,
    min_quantity=None, maker_fee=Decimal(0), taker_fee=Decimal(0), ts_event=0, ts_init=0,
)  # fmt: skip


class Settings(StrategyConfig, frozen=True):  # type: ignore[misc]
    half: float = 1.0
    skew: float = 0.5
    alpha: float = 0.02
    size: float = 10.0
    cap: float = 200.0


class Maker(Strategy):  # type: ignore[misc]
    def on_start(self) -> None:
        self.subscribe_order_book_deltas(TOKEN, BookType.L2_MBP)
        self.average, self.looks, self.sent = -1.0, 0, 0
        self.resting: dict[Any, Any] = {OrderSide.BUY: None, OrderSide.SELL: None}
        self.size = Quantity(self.config.size, 2)
        self.clock.set_timer("look", pd.Timedelta(milliseconds=100), callback=self.look)

    def on_order_book_deltas(self, deltas: Any) -> None:
        return None

    def look(self, event: Any) -> None:
        self.looks += 1
        book, settings = self.cache.order_book(TOKEN), self.config
        best_bid, best_ask = book.best_bid_price(), book.best_ask_price()
        if best_bid is None or best_ask is None:
            return
        bid, ask = round(float(best_bid) * 1000), round(float(best_ask) * 1000)
        held = float(self.portfolio.net_position(TOKEN))
        middle = (bid + ask) * 0.5
        self.average = middle if self.average < 0 else self.average + settings.alpha * (middle - self.average)
        lean = settings.skew * held / settings.size
        lower = min(bid, math.floor(self.average - settings.half - lean))
        upper = max(ask, math.ceil(self.average + settings.half - lean))
        self.want(OrderSide.BUY, 0 if held >= settings.cap or lower < 1 else lower)
        self.want(OrderSide.SELL, 0 if held <= -settings.cap or upper > 999 else upper)

    def want(self, side: Any, tick: int) -> None:
        known = self.resting[side]
        if known is not None and not known[0].is_closed:
            if known[1] == tick:
                return
            if not known[0].is_pending_cancel:
                self.cancel_order(known[0])
        self.resting[side] = None
        if tick:
            order = self.order_factory.limit(
                TOKEN, side, self.size, Price(tick / 1000, 3), time_in_force=TimeInForce.GTC, post_only=True
            )
            self.submit_order(order)
            self.sent += 1
            self.resting[side] = (order, tick)


def objects(path: str, count: int) -> list[Any]:
    with np.load(path) as stored:
        rows = zip(*(stored[name][:count].tolist() for name in ("ts", "kind", "side", "tick", "qty")), strict=True)
        out = []
        for number, (ts, kind, side, tick, qty) in enumerate(rows):
            price, size = Price(tick / 1000, 3), Quantity(qty, 2)
            if kind:
                taker = AggressorSide.BUYER if side else AggressorSide.SELLER
                out.append(TradeTick(TOKEN, price, size, taker, TradeId(str(number)), ts, ts + FEED_NS))
            else:
                order = BookOrder(OrderSide.BUY if side else OrderSide.SELL, price, size, 0)
                action = BookAction.UPDATE if qty > 0 else BookAction.DELETE
                out.append(OrderBookDelta(TOKEN, action, order, RecordFlag.F_LAST, 0, ts, ts + FEED_NS))
    return out


def run(data: list[Any]) -> tuple[float, int]:
    engine = BacktestEngine(
        BacktestEngineConfig(
            trader_id=TraderId("T-001"), logging=LoggingConfig(bypass_logging=True),
            risk_engine=RiskEngineConfig(bypass=True), run_analysis=False,
        )
    )  # fmt: skip
    engine.add_venue(
        venue=Venue("POLYMARKET"), oms_type=OmsType.NETTING, account_type=AccountType.MARGIN, base_currency=USDC,
        starting_balances=[Money(1_000_000, USDC)], book_type=BookType.L2_MBP,
        fill_model=FillModel(prob_fill_on_limit=0.5, random_seed=1),
        latency_model=LatencyModel(base_latency_nanos=ORDER_NS), trade_execution=True, bar_execution=False,
    )  # fmt: skip
    engine.add_instrument(INSTRUMENT)
    maker = Maker(Settings())
    engine.add_strategy(maker)
    engine.add_data(data, sort=False)
    began = time.perf_counter()
    engine.run()
    took = time.perf_counter() - began
    engine.dispose()
    return took, maker.looks


def main() -> None:
    data = objects(sys.argv[1], int(sys.argv[2]))
    rounds = [run(data) for _ in range(int(sys.argv[3]))]
    print(json.dumps({"seconds": statistics.median(took for took, _ in rounds), "looks": rounds[0][1]}))


if __name__ == "__main__":
    main()
