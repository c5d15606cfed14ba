"""The events that backtesters are compared on: one market in ticks of a tenth of a cent, one trade in twelve events.

A depth change every 10 ms on average, exponential distances from the best price, a slow pull back to the middle.
`events_make` draws them from a seed. Columns: ts (ns), kind (0 depth, 1 trade), side (1 bid or buyer), tick, qty
(shares, two decimals). After a trade the level it ate from follows at the same time.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

START_NS = 1_760_000_000_000_000_000
TOP = 1_000
PARAMETERS = {"step": 100_000_000, "fl": 5_000_000, "lat": 20_000_000, "half": 1.0, "skew": 0.5, "alpha": 0.02,
              "oq": 10.0, "maxpos": 200.0}  # fmt: skip


def parameter_sets(count: int) -> list[dict[str, float]]:
    """Return `count` sets spread over half spread, skew and smoothing."""
    grid = [
        {**PARAMETERS, "half": half, "skew": skew, "alpha": alpha}
        for half in (0.5, 1.0, 1.5, 2.0, 3.0)
        for skew in (0.0, 0.25, 0.5, 1.0)
        for alpha in (0.005, 0.02, 0.05, 0.1, 0.3)
    ]
    return [grid[index * len(grid) // count] for index in range(count)]


def events_make(count: int, seed: int = 42) -> dict[str, np.ndarray]:
    import numba

    columns = numba.njit(_draw)(count, seed)
    return dict(zip(("ts", "kind", "side", "tick", "qty"), columns, strict=True))


def events_load(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as stored:
        return {name: stored[name] for name in ("ts", "kind", "side", "tick", "qty")}


def _draw(count: int, seed: int) -> tuple[Any, Any, Any, Any, Any]:  # noqa: PLR0912 - compiled as one
    np.random.seed(seed)
    ts, kind = np.empty(count, np.int64), np.zeros(count, np.uint8)
    side, tick = np.empty(count, np.uint8), np.empty(count, np.int16)
    qty = np.empty(count, np.float64)
    book = np.zeros((2, TOP + 1))  # asks, bids
    best = [502, 498]
    at, now, pull = 0, START_NS, 0.0
    for away in range(40):
        for which in range(2):
            price = best[which] + (away if which == 0 else -away)
            book[which, price] = np.floor(np.random.exponential(300.0) * 100 + 100) / 100
            if at < count:
                ts[at], side[at], tick[at], qty[at] = now, which, price, book[which, price]
                at += 1
    while at < count - 1:
        now += np.int64(np.random.exponential(10.0) * 1e6) + 1_000
        pull = 0.999 * pull + 0.02 * np.random.normal() - 0.00002 * ((best[0] + best[1]) / 2 - 500)
        up = np.random.random() < 0.5 + 0.3 * np.tanh(pull)
        if np.random.random() < 0.08:
            which = 0 if up else 1  # a buyer eats asks
            price, there = best[which], book[which, best[which]]
            size = min(there, np.floor(np.random.exponential(60.0) * 100 + 100) / 100)
            ts[at], kind[at], side[at], tick[at], qty[at] = now, 1, 1 - which, price, size
            at += 1
            left = np.round((there - size) * 100) / 100
        else:
            which = 1 if up else 0
            adds = np.random.random() < 0.52
            inside = adds and best[0] - best[1] > 1 and np.random.random() < 0.6
            away = -1 if inside else int(np.random.exponential(6.0))
            price = best[which] + (away if which == 0 else -away)
            if price < 1 or price > TOP - 1:
                continue
            there = book[which, price]
            if adds:
                left = np.floor((there + np.random.exponential(150.0)) * 100 + 100) / 100
            else:
                left = 0.0 if np.random.random() < 0.35 else np.floor(there * np.random.random() * 100) / 100
            if left == there:
                continue
        if left == 0.0 and np.count_nonzero(book[which, max(0, price - 60) : price + 61]) <= 1:
            left = 200.0  # neither side runs empty
        book[which, price] = left
        ts[at], side[at], tick[at], qty[at] = now, which, price, left
        at += 1
        if which == 1:
            best[1] = max(best[1], price) if left > 0 else best[1]
            while best[1] > 1 and book[1, best[1]] == 0.0:
                best[1] -= 1
        else:
            best[0] = min(best[0], price) if left > 0 else best[0]
            while best[0] < TOP - 1 and book[0, best[0]] == 0.0:
                best[0] += 1
    return ts[:at], kind[:at], side[:at], tick[:at], qty[:at]
