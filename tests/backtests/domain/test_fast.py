"""The fast mode: equal to the exact one on random worlds, and refusing what it does not carry."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from backtests.domain.fast import replay_fast
from backtests.domain.kernel.sums import largest, paid, part_down, part_up
from backtests.domain.replay import replay_exact
from backtests.domain.request import BacktestRequest, Fees, Latency, Mode, RequestError
from markets.domain.instruments import Side
from markets.domain.tape import Fidelity
from markets.domain.units import ONE, Usd
from strategies.library.touch_maker import TouchMaker
from tests.backtests.fast_worlds import differences, limits_make, world_make
from tests.backtests.tapes import MS, START_NS, YES, TapeMaker

WORLDS, MESSAGES = 60, 110


@pytest.mark.parametrize("first", range(0, WORLDS, 10))
def test_both_modes_give_the_same_orders_fills_cash_and_positions(first: int) -> None:
    fills = 0
    for seed in range(first, first + 10):
        tapes, request, limits = world_make(seed, messages=MESSAGES)
        exact = replay_exact(tapes, request, limits=limits)
        assert differences(replay_fast(tapes, request, limits=limits, oracle=True), exact) == [], f"seed {seed}"
        fills += len(exact.fills)
    assert fills > 0


def _story() -> TapeMaker:
    maker = TapeMaker().book(0, bids=[("0.48", "100")], asks=[("0.52", "100")])
    maker.book(1_000, bids=[("0.48", "100")], asks=[("0.52", "100")])
    # 100 stand before us at 0.48; 104 are sold there, so 4 of our 10 trade, and later the rest.
    maker.trade(3_000, YES, Side.SELL, "0.48", "104").level(3_000, YES, Side.BUY, "0.48", "0")
    maker.level(4_000, YES, Side.BUY, "0.48", "50").trade(5_000, YES, Side.SELL, "0.47", "30")
    return maker.level(20_000, YES, Side.BUY, "0.40", "50")


def _request(**values: Any) -> BacktestRequest:
    fields: dict[str, Any] = {
        "strategy": "touch_maker",
        "params": {"half_spread": "0", "inventory_skew": "0"},
        "data": (),
        "mode": Mode.FAST,
        "latency": Latency(order_ms=100, answer_ms=0),
        "fees": Fees.MARKET,
    }
    return BacktestRequest(**{**fields, **values})


def _limits() -> Any:
    import random

    return replace(
        limits_make(random.Random(1)), order_size=Usd(100 * ONE), market_exposure=Usd(500 * ONE),
        event_exposure=Usd(500 * ONE), strategy_exposure=Usd(500 * ONE), account_exposure=Usd(500 * ONE),
        daily_loss=Usd(100 * ONE), open_orders=30, open_positions=10, orders_per_minute=120,
        drawdown_stop_bps=1_000, drawdown_kill_bps=2_000,
    )  # fmt: skip


def test_a_trade_eats_the_queue_first_and_fills_in_part() -> None:
    result = replay_fast([_story().tape()], _request(), limits=_limits(), oracle=True)
    fills = [((int(f["at_ns"]) - START_NS) // MS, int(f["price"]), int(f["size"])) for f in result.fills]
    # The bids are gone at the next look, so the rest of 6 is taken off. A second later a new order of 10 joins 50
    # others at 0.48, and fills whole when 30 trade below it.
    assert fills == [(3_000, 480_000, 4_000_000), (5_000, 480_000, 10_000_000)]
    assert result.cash == 1_000 * ONE - 480_000 * 14
    assert [(h.outcome, h.size) for h in result.holdings] == [(YES, 14 * ONE)]


def test_a_strategy_that_stays_in_python_is_asked_at_its_ticks() -> None:
    class Counting(TouchMaker):
        asked = 0

        @property
        def quote(self) -> Any:
            inner = TouchMaker().quote

            def counted(*values: Any) -> None:
                Counting.asked += 1
                inner(*values)

            return counted

    tapes = [_story().tape()]
    counted = replay_fast(tapes, _request(), limits=_limits(), strategy=Counting(), oracle=True)
    assert differences(counted, replay_exact(tapes, _request(), limits=_limits())) == []
    # The bids are gone for a second after the trade: nobody is asked then.
    assert Counting.asked == counted.funnel.ticks - counted.funnel.gates["one_sided"]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"strategy": "market_making", "params": {}}, "market_making"),
        ({"strategy": "nobody"}, "nobody"),
        ({"rebates": True}, "rebates"),
        ({"params": {"exits": {"stop_loss": "0.05"}}}, "exits"),
        ({"params": {"maximum_book_age_s": 1}}, "1800 ms"),
        ({"params": {"half_spread": "-1"}}, "half_spread"),
    ],
)
def test_what_the_fast_mode_does_not_carry_is_refused_by_name(values: dict[str, Any], words: str) -> None:
    with pytest.raises(RequestError, match=words):
        replay_fast([_story().tape()], _request(**values), limits=_limits(), oracle=True)


def test_prices_without_a_book_are_refused() -> None:
    tape = TapeMaker().price(0, YES, "0.50").tape(Fidelity.PRICES)
    with pytest.raises(RequestError, match="price series"):
        replay_fast([tape], _request(), limits=_limits(), oracle=True)


def test_a_run_that_is_stopped_is_partial_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backtests.domain.fast.STEP_ROWS", 3)
    result = replay_fast([_story().tape()], _request(), limits=_limits(), progress=lambda _: False, oracle=True)
    assert result.stopped == "stopped on request"
    assert 0 < result.events < len(_story().tape())


def test_rounded_parts_are_exact_where_a_machine_word_is_too_small() -> None:
    for whole in (0, 7, 10**12 + 3, 5 * 10**14 + 1):
        for of in (1, 3, 10**6, 10**11 + 7, 3 * 10**12 + 1):
            for part in (0, 1, of // 3, of):
                assert part_down(whole, part, of) == whole * part // of
                assert part_up(whole, part, of) == -(-whole * part // of)
    assert largest(333_000, 9 * ONE, 1 * ONE) == 3_000_000
    assert paid(333_000, 3_000_000) <= ONE < paid(333_000, 3_010_000)


def test_other_processes_never_load_the_compiler() -> None:
    lines = (
        "import os, sys; os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'polybot.settings.test')",
        "import django; django.setup()",
        "import polybot.celery, polybot.asgi, backtests.domain.fast, strategies.library.registry",
        "import strategies.tasks, markets.feed.listener",
        "print('numba' in sys.modules)",
    )
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
