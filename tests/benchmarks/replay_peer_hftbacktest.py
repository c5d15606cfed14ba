"""hftbacktest on the shared events, in a virtual environment of its own: one line of JSON in, one out.

{"load": PATH} · {"run": PARAMETERS, "engine": "roi" or "hash"} · {"sweep": [PARAMETERS, ...]} · nothing: the end.
With a path on the command line it loads, runs once and ends: that is the whole process that is timed.
"""

from __future__ import annotations

import json
import math
import sys
import time
from typing import Any

import numpy as np
from hftbacktest import (  # type: ignore[import-not-found]
    BUY,
    BUY_EVENT,
    DEPTH_EVENT,
    EXCH_EVENT,
    GTX,
    LIMIT,
    LOCAL_EVENT,
    SELL_EVENT,
    TRADE_EVENT,
    BacktestAsset,
    HashMapMarketDepthBacktest,
    ROIVectorMarketDepthBacktest,
)  # fmt: skip
from hftbacktest.types import event_dtype  # type: ignore[import-not-found]
from numba import njit


def converted(path: str, feed_ns: int) -> Any:
    with np.load(path) as events:
        out = np.zeros(len(events["ts"]), event_dtype)
        kind = np.where(events["kind"] == 1, TRADE_EVENT, DEPTH_EVENT).astype(np.uint64)
        side = np.where(events["side"] == 1, np.uint64(BUY_EVENT), np.uint64(SELL_EVENT))
        out["ev"] = kind | side | np.uint64(EXCH_EVENT) | np.uint64(LOCAL_EVENT)
        out["exch_ts"], out["local_ts"] = events["ts"], events["ts"] + feed_ns
        out["px"], out["qty"] = events["tick"] / 1000.0, events["qty"]
    return out


@njit(cache=True)  # type: ignore[untyped-decorator]
def make_market(  # noqa: PLR0917 - numba compiles it and calls it by position
    engine: Any, step: int, half: float, skew: float, alpha: float, size: float, cap: float
) -> Any:
    average, number, sent, looks = -1.0, 1, 0, 0
    while engine.elapse(step) == 0:
        looks += 1
        engine.clear_inactive_orders(0)
        depth = engine.depth(0)
        bid, ask = depth.best_bid_tick, depth.best_ask_tick
        if bid <= 0 or ask >= 1000:
            continue
        held = engine.position(0)
        middle = (bid + ask) * 0.5
        average = middle if average < 0 else average + alpha * (middle - average)
        lean = skew * held / size
        lower = min(bid, math.floor(average - half - lean))
        upper = max(ask, math.ceil(average + half - lean))
        if held >= cap or lower < 1:
            lower = -1
        if held <= -cap or upper > 999:
            upper = -1
        has_bid, has_ask = False, False
        orders = engine.orders(0).values()
        while orders.has_next():
            order = orders.get()
            wanted = lower if order.side == BUY else upper
            if order.price_tick == wanted:
                if order.side == BUY:
                    has_bid = True
                else:
                    has_ask = True
            elif order.cancellable:
                engine.cancel(0, order.order_id, False)
        if not has_bid and lower > 0:
            engine.submit_buy_order(0, number, lower * 0.001, size, GTX, LIMIT, False)
            number += 1
            sent += 1
        if not has_ask and upper > 0:
            engine.submit_sell_order(0, number, upper * 0.001, size, GTX, LIMIT, False)
            number += 1
            sent += 1
    return looks, sent


def run(data: Any, p: dict[str, Any], engine: str) -> list[float]:
    """Return position, cash, marked value, fills, looks and orders."""
    asset = (
        BacktestAsset().data([data]).linear_asset(1.0).constant_order_latency(p["lat"], p["lat"])
        .risk_adverse_queue_model().no_partial_fill_exchange().trading_value_fee_model(0.0, 0.0)
        .tick_size(0.001).lot_size(0.01).last_trades_capacity(0)
    )  # fmt: skip
    if engine == "roi":
        made = ROIVectorMarketDepthBacktest([asset.roi_lb(0.0).roi_ub(1.0)])
    else:
        made = HashMapMarketDepthBacktest([asset])
    looks, sent = make_market(made, p["step"], p["half"], p["skew"], p["alpha"], p["oq"], p["maxpos"])
    state, depth = made.state_values(0), made.depth(0)
    middle = (depth.best_bid_tick + depth.best_ask_tick) / 2000
    out = [state.position, state.balance, state.balance + state.position * middle, state.num_trades, looks, sent]
    made.close()
    return [float(value) for value in out]


def main() -> None:
    first = json.loads(sys.argv[2]) if len(sys.argv) > 2 else None
    if first is not None:
        print(json.dumps(run(converted(sys.argv[1], first["fl"]), first, "roi")))
        return
    data: Any = None
    for line in sys.stdin:
        asked = json.loads(line)
        began = time.perf_counter()
        answer: Any = None
        if "load" in asked:
            data = converted(asked["load"], asked["fl"])
        elif "run" in asked:
            answer = run(data, asked["run"], asked["engine"])
        else:
            answer = [run(data, one, "roi") for one in asked["sweep"]]
        print(json.dumps({"answer": answer, "seconds": time.perf_counter() - began}), flush=True)


if __name__ == "__main__":
    main()
