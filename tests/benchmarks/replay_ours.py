"""Our side of the comparison: the shared events through the whole-fill loop, the fast and the exact mode.

With a folder of stored columns on the command line it replays them once: the whole process that is timed.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from backtests.domain.fast import replay_fast
from backtests.domain.kernel import whole_fills
from backtests.domain.kernel.compiled import compiled
from backtests.domain.replay import replay_exact
from backtests.domain.request import BacktestRequest, Fees, Latency, Mode
from backtests.domain.result import BacktestResult
from markets.domain.tape import COLUMNS, LAST, Kind, Tape
from markets.domain.units import Price, Usd
from risk.domain.limits import Limits
from strategies.library.touch_maker import TouchMaker, touch_quotes
from tests.backtests.tapes import facts_make, tape_of
from tests.benchmarks.replay_workload import PARAMETERS, TOP

STEP = 1_000  # millionths
HUNDREDTH = 10_000  # of a share, in millionths
FAR = 10**15
WIDE = Limits(
    profile="wide", account_exposure=Usd(FAR), market_exposure=Usd(FAR), event_exposure=Usd(FAR),
    strategy_exposure=Usd(FAR), order_size=Usd(FAR), order_minimum=Usd(0), open_orders=10**6, open_positions=10**6,
    daily_loss=Usd(FAR), drawdown_stop_bps=10**6, drawdown_kill_bps=10**6, slippage_bps=10_000,
    orders_per_minute=10**9,
)  # fmt: skip


@dataclass(frozen=True)
class Events:
    ts: Any
    kind: Any
    side: Any
    tick: Any
    size: Any  # hundredths of a share


def events_of(path: Path) -> Events:
    with np.load(path) as stored:
        size = np.round(stored["qty"] * 100).astype(np.int64)
        return Events(stored["ts"], stored["kind"], stored["side"], stored["tick"].astype(np.int32), size)


def lanes_run(events: Events, sets: Sequence[Mapping[str, float]]) -> list[list[float]]:
    """Return position, cash, marked value, fills, looks and orders of every set, as the peer counts them."""
    count, first = len(sets), sets[0]
    lanes = np.zeros((whole_fills.ROWS, count), np.int64)
    whole_fills.lanes_clear(lanes)
    memory = np.tile(np.array([-1.0, 0.0]), (count, 1))
    numbers = np.array([[s["half"], s["skew"], s["alpha"], 100 * s["oq"], 100 * s["maxpos"], 1.0, 1.0] for s in sets])
    sizes = np.array([round(100 * s["oq"]) for s in sets], np.int64)
    clock = np.zeros(3, np.int64)
    bids, asks = np.zeros(TOP + 1, np.int64), np.zeros(TOP + 1, np.int64)
    run = compiled(whole_fills.replay, {"quote": touch_quotes})
    run(
        events.ts, events.kind, events.side, events.tick, events.size, bids, asks, clock, lanes, memory, numbers, sizes,
        int(first["step"]), int(first["fl"]), int(first["lat"]), np.zeros(2, np.int64), memory[0].copy(),
        numbers[0].copy(),
    )  # fmt: skip
    looks, bid, ask = clock.tolist()
    out = []
    for lane in range(count):
        position, cash = int(lanes[whole_fills.POSITION, lane]), int(lanes[whole_fills.CASH, lane])
        worth = cash + position * (bid + ask) / 2
        counted = [float(lanes[row, lane]) for row in (whole_fills.FILLS, whole_fills.SENT)]
        out.append([position / 100, cash / 1e5, worth / 1e5, counted[0], float(looks), counted[1]])
    return out


def columns_of_events(path: Path, count: int | None = None) -> dict[str, Any]:
    """Return the events as columns of a tape: an empty book first, then one message an event."""
    with np.load(path) as stored:
        parts = {name: stored[name][:count] for name in ("ts", "kind", "side", "tick", "qty")}
    size = np.round(parts["qty"] * 100).astype(np.int64) * HUNDREDTH
    times = np.concatenate((parts["ts"][:1], parts["ts"]))
    return {
        "received_ns": times,
        "venue_ns": times,
        "kind": np.concatenate(([Kind.CLEAR], parts["kind"])),
        "side": np.concatenate(([0], parts["side"])),
        "ticks": np.concatenate(([0], parts["tick"])),
        "size": np.concatenate(([0], size)),
        "flags": np.full(len(times), LAST),
    }


def _facts() -> Any:
    return facts_make(tick=Price(STEP), closes_at=None)


def tape_of_events(path: Path, count: int | None = None) -> Tape:
    return tape_of(columns_of_events(path, count), facts=_facts(), step=STEP)


def repeated(tape: Tape, times: int) -> Tape:
    """Return the tape so many times, one run after the other."""
    span = tape.end_ns - tape.start_ns + 10**9
    columns = {}
    for name, column in tape.columns.items():
        shift = span if name in ("received_ns", "venue_ns") else 0
        columns[name] = np.concatenate([column + np.asarray(shift * n, column.dtype) for n in range(times)])
    return replace(tape, columns=columns)


def columns_store(path: Path, cache: Path) -> Path:
    """Store the columns as the archive does, one file each, to be mapped into memory."""
    folder = cache / f"{path.stem}-columns"
    if not (folder / "flags.npy").exists():
        folder.mkdir(exist_ok=True)
        tape = tape_of_events(path)
        for name in COLUMNS:
            np.save(folder / f"{name}.npy", tape.columns[name])
    return folder


def tape_mapped(folder: Path) -> Tape:
    tape = tape_of({"received_ns": np.zeros(0)}, facts=_facts(), step=STEP)
    return replace(tape, columns={name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in COLUMNS})


def request() -> BacktestRequest:
    latency = Latency(
        feed_ms=round(PARAMETERS["fl"] / 1e6),
        order_ms=round(PARAMETERS["lat"] / 1e6),
        answer_ms=round(PARAMETERS["lat"] / 1e6),
    )
    return BacktestRequest(
        strategy="touch_maker", params={}, data=(), capital=Usd(10**12), mode=Mode.FAST,
        interval_ms=round(PARAMETERS["step"] / 1e6), latency=latency, fees=Fees.NONE,
    )  # fmt: skip


class Plain(TouchMaker):
    """The same strategy, called from Python at every tick."""

    compiles = False


def fast_run(tape: Tape, compiles: bool = True) -> BacktestResult:
    return replay_fast([tape], request(), limits=WIDE, strategy=TouchMaker() if compiles else Plain())


def exact_run(tape: Tape) -> BacktestResult:
    return replay_exact([tape], request(), limits=WIDE)


if __name__ == "__main__":
    result = replay_fast([tape_mapped(Path(sys.argv[1]))], request(), limits=WIDE)
    print(result.cash, len(result.fills), result.events)
