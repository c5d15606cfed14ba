"""The fills process dies at every named step; what it left behind is finished once, never twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from decimal import Decimal
from urllib.parse import quote

import pytest
from django.conf import settings
from django.db import connection, connections

from markets.domain.instruments import Side
from markets.models import Outcome
from markets.tickstore import get_tickstore
from orders.domain.intents import OrderType
from orders.feed.fills_process import FillsProcess
from orders.models import Account, Fill, Order, PaperTrade
from orders.services.execution import order_submit
from orders.services.invariants import check_invariants, ledger_sum
from orders.services.reconciliation import reconcile
from orders.services.sweep import orders_sweep
from tests.factories.markets import outcome_make
from tests.factories.orders import account_make, order_make
from tests.orders.feed.conftest import Stream

pytestmark = pytest.mark.django_db(transaction=True)

POINTS = [
    "paper.before_commit",
    "paper.accepted",
    "paper.traded",
    "paper.written",
    "paper.committed",
    "fill.inserted",
    "fill.moved",
    "fill.ledger",
    "fill.journaled",
    "paper.booked",
    "paper.attached",
]


def now() -> datetime:
    return datetime.now(UTC)


def rounds(fills: FillsProcess, count: int = 3) -> None:
    for _ in range(count):
        if fills._memory is not None:
            fills._memory.polled_at = 0.0
        fills.step(block_ms=None)


def market_life(stream: Stream, outcome: Outcome, fills: FillsProcess) -> None:
    """Everything that happens in the story: two orders arrive, then two trades hit the resting one."""
    rounds(fills)
    stream.trade(outcome, Side.SELL, "0.48", "104")
    rounds(fills, 1)
    stream.trade(outcome, Side.SELL, "0.48", "6")
    rounds(fills, 1)


def run_and_die(point: str, stream: Stream, outcome: Outcome) -> int:
    """Live through the story in a child that dies at `point`; return its exit status."""
    connections.close_all()
    child = os.fork()
    if child == 0:
        os.environ["POLYBOT_FAULTS"] = point
        try:
            market_life(stream, outcome, FillsProcess(get_tickstore(), latency_ms=0))
        finally:
            os._exit(0)
    return os.waitpid(child, 0)[1]


@pytest.mark.parametrize("hit", [1, 3])
@pytest.mark.parametrize("point", POINTS)
def test_after_a_kill_at_any_step_every_fill_is_booked_once(stream: Stream, point: str, hit: int) -> None:
    account, outcome = account_make("1000"), outcome_make(fee_rate_ppm=40_000)
    stream.snapshot(outcome, bids=[("0.48", "100"), ("0.47", "200")], asks=[("0.52", "100"), ("0.53", "200")])
    taker = order_make(account, outcome, now=now(), price="0.53", size="150", order_type=OrderType.FAK)
    maker = order_make(account, outcome, now=now(), price="0.48", size="10", post_only=True)
    for order in (taker, maker):
        assert order_submit(order.pk, now())

    status = run_and_die(f"{point}:{hit}", stream, outcome)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL, f"{point}:{hit} was never passed"

    stream.resume()
    again = FillsProcess(get_tickstore(), latency_ms=0)
    rounds(again)
    for size in ("104", "6")[trades_told() :]:  # what the market did not come to say before the kill
        stream.trade(outcome, Side.SELL, "0.48", size)
        rounds(again, 1)
    orders_sweep(now())

    assert check_invariants() == []
    assert ledger_sum() == {}
    booked = list(Fill.objects.order_by("price", "size").values_list("order_id", "price", "size"))
    assert booked == [
        (maker.pk, Decimal("0.48"), 4),
        (maker.pk, Decimal("0.48"), 6),
        (taker.pk, Decimal("0.52"), 100),
        (taker.pk, Decimal("0.53"), 50),
    ]
    assert set(Order.objects.values_list("state", flat=True)) == {"filled"}
    assert PaperTrade.objects.filter(ingested=False).count() == 0
    # 1000 - 52 - 26.5 - 4.8 and the fees 0.9984 + 0.4982
    assert Account.objects.get(pk=account.pk).cash == Decimal("915.2034")
    assert reconcile(account.pk, now()).clean


def trades_told() -> int:
    store = get_tickstore()
    return sum(len(events) for _, events in store.stream_read("0-0").entries) - 1  # less the snapshot


def child_environment() -> dict[str, str]:
    database = settings.DATABASES["default"]
    url = f"postgres://{database['USER']}@/{quote(str(database['NAME']))}?host={database['HOST']}"
    if database["PORT"]:
        url += f"&port={database['PORT']}"
    return {**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "polybot.settings.test"}


def wait_for(what: str, answer: object, *, timeout_s: float = 20.0) -> None:
    assert callable(answer)
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if answer():
            return
        time.sleep(0.05)
    raise AssertionError(f"{what} did not happen within {timeout_s:.0f} s")


@pytest.mark.skipif(bool(os.environ.get("POLYBOT_TEST_PASSWORDED_DB")), reason="needs a passwordless database")
def test_the_command_fills_orders_survives_a_kill_and_drains_on_sigterm(stream: Stream) -> None:
    """`manage.py run_fills` as the supervisor runs it: killed hard, started again, stopped gently."""
    account, outcome = account_make("1000"), outcome_make()
    stream.snapshot(outcome, bids=[("0.48", "100")], asks=[("0.52", "100")])
    command = [sys.executable, "manage.py", "run_fills", "--latency-ms", "0"]

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(command, cwd=settings.BASE_DIR, env=child_environment())

    def state_of(order: Order) -> str:
        return Order.objects.values_list("state", flat=True).get(pk=order.pk)

    def filled(order: Order) -> bool:
        return state_of(order) == "filled"

    first = start()
    second = None
    try:
        order = order_make(account, outcome, now=now(), price="0.48", size="10")
        assert order_submit(order.pk, now())
        wait_for("the order resting", lambda: state_of(order) == "live")
        first.kill()
        first.wait(10)
        stream.trade(outcome, Side.SELL, "0.48", "110")  # nobody listens now
        second = start()
        wait_for("the missed trade filling the order", lambda: filled(order))
        third = order_make(account, outcome, now=now(), price="0.52", size="10")
        assert order_submit(third.pk, now())
        started = time.monotonic()
        wait_for("the marketable order filling", lambda: filled(third))
        assert time.monotonic() - started < 2
        second.terminate()
        assert second.wait(10) == 0
    finally:
        for process in (first, second):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait(10)
    assert check_invariants() == []
    connection.close()
