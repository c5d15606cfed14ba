"""From the loop's tables to the result that both modes share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from backtests.domain.kernel import layout as at
from backtests.domain.kernel.tables import Ints, Tables
from backtests.domain.request import BacktestRequest
from backtests.domain.result import EQUITY, FILL, ORDER, SETTLEMENT, BacktestResult, Funnel, Holding, OrderEnd
from markets.domain.instruments import MarketFacts
from markets.domain.tape import Fidelity, Tape


def result_of(
    tables: Tables,
    *,
    groups: Sequence[Sequence[Tape]],
    facts: Sequence[MarketFacts],
    request: BacktestRequest,
    span: tuple[int, int],
    gaps: Sequence[Sequence[tuple[int, int]]],
    stopped: str,
) -> BacktestResult:
    world = tables.world
    return BacktestResult(
        markets=tuple(facts),
        fidelity=tuple(max((tape.fidelity for tape in parts), key=list(Fidelity).index) for parts in groups),
        capital=int(request.capital),
        start_ns=span[0],
        end_ns=span[1],
        orders=_orders(tables),
        fills=_fills(tables),
        equity=_equity(tables),
        settlements=_settlements(tables),
        holdings=_holdings(tables),
        cash=int(world[at.W_CASH]),
        fees=int(world[at.W_FEES]),
        rebates=0,
        funnel=_funnel(tables),
        events=int(world[at.W_EVENTS]),
        gaps=tuple((one, *gap) for one, found in enumerate(gaps) for gap in found),
        forecasts=None,
        stopped=stopped,
    )


def _orders(tables: Tables) -> np.ndarray:
    rows = tables.orders[: int(tables.world[at.W_ORDERS])]
    out = np.zeros(len(rows), ORDER)
    out["id"] = np.arange(1, len(rows) + 1)
    for name, column in (
        ("decided_ns", at.O_DECIDED),
        ("arrived_ns", at.O_ARRIVED),
        ("ended_ns", at.O_ENDED),
        ("price", at.O_PRICE),
        ("size", at.O_SIZE),
        ("filled", at.O_FILLED),
        ("market", at.O_MARKET),
        ("side", at.O_SIDE),
        ("level", at.O_LEVEL),
    ):
        out[name] = rows[:, column]
    out["outcome"] = rows[:, at.O_BOOK] % 2
    state = rows[:, at.O_STATE]
    out["state"] = np.where(state == at.ON_ITS_WAY, int(OrderEnd.OPEN), state)
    return out


def _fills(tables: Tables) -> np.ndarray:
    rows = tables.fills[: int(tables.world[at.W_FILLS])]
    out = np.zeros(len(rows), FILL)
    orders = tables.orders[rows[:, at.F_ORDER]]
    out["order"] = rows[:, at.F_ORDER] + 1
    for name, column in (
        ("at_ns", at.F_AT),
        ("price", at.F_PRICE),
        ("size", at.F_SIZE),
        ("cash", at.F_CASH),
        ("realized", at.F_REALIZED),
        ("mid", at.F_MID),
        ("inferred", at.F_INFERRED),
    ):
        out[name] = rows[:, column]
    out["market"] = orders[:, at.O_MARKET]
    out["outcome"] = orders[:, at.O_BOOK] % 2
    out["side"] = orders[:, at.O_SIDE]
    return out


def _equity(tables: Tables) -> np.ndarray:
    rows = tables.equity[: int(tables.world[at.W_EQUITY])]
    return _named(rows, EQUITY, ("at_ns", "cash", "positions", "exposure", "fees", "rebates"))


def _settlements(tables: Tables) -> np.ndarray:
    rows = tables.settled[: int(tables.world[at.W_SETTLED])]
    out = np.zeros(len(rows), SETTLEMENT)
    out["market"], out["outcome"] = rows[:, at.S_BOOK] // 2, rows[:, at.S_BOOK] % 2
    for name, column in (("at_ns", at.S_AT), ("size", at.S_SIZE), ("payout", at.S_PAYOUT)):
        out[name] = rows[:, column]
    out["cash"], out["realized"] = rows[:, at.S_CASH], rows[:, at.S_REALIZED]
    return out


def _named(rows: Ints, kind: np.dtype, names: Sequence[str]) -> np.ndarray:
    out = np.zeros(len(rows), kind)
    for column, name in enumerate(names):
        out[name] = rows[:, column]
    return out


def _holdings(tables: Tables) -> tuple[Holding, ...]:
    found = []
    for which, row in enumerate(tables.position.tolist()):
        if not row[at.P_SIZE]:
            continue
        book, step = tables.book[which], int(tables.market[which // 2, at.M_STEP])
        bid = int(book[at.B_SEEN_BID])
        found.append(
            Holding(
                market=which // 2,
                outcome=which % 2,
                size=row[at.P_SIZE],
                cost=row[at.P_COST],
                realized=row[at.P_REALIZED],
                fees=0,
                mark=bid * step if bid >= 0 and book[at.B_SEEN] != at.ABSENT else None,
            )
        )
    return tuple(found)


def _funnel(tables: Tables) -> Funnel:
    world, counts = tables.world.tolist(), tables.counts.tolist()
    return Funnel(
        ticks=world[at.W_TICKS],
        unchanged=world[at.W_UNCHANGED],
        decisions=world[at.W_DECISIONS],
        wanted=counts[at.C_WANTED],
        refused={rule: counts[at.C_REFUSED + i] for i, rule in enumerate(at.RULES) if counts[at.C_REFUSED + i]},
        shrunk={rule: counts[at.C_SHRUNK + i] for i, rule in enumerate(at.RULES) if counts[at.C_SHRUNK + i]},
        rejected={
            reason: counts[at.C_REJECTED + i] for i, reason in enumerate(at.REJECTIONS) if counts[at.C_REJECTED + i]
        },
        gates={gate: counts[at.C_GATES + i] for i, gate in enumerate(at.GATES) if counts[at.C_GATES + i]},
        placed=world[at.W_PLACED],
        canceled=world[at.W_CANCELED],
        fills=world[at.W_FILLS],
    )
