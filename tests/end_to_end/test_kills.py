"""`kill -9` of each child in turn while trading on paper: it returns by itself, the books stay exact."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator

import pytest

from tests.end_to_end.desk import Desk

pytestmark = pytest.mark.slow
CHILDREN = ("feed", "fills", "trader", "worker", "beat", "web", "sandbox", "valkey", "postgres")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    running = Desk(tmp_path_factory.mktemp("killed") / "desk", "--rate", "100")
    try:
        running.wait_ready()
        running.wait_for(lambda: running.status()["orders"], "paper order", limit_s=60)
        yield running
    finally:
        running.stop() if running.process.poll() is None else None
        running.kill()


@pytest.mark.parametrize("name", CHILDREN)
def test_it_returns_by_itself_and_the_desk_goes_on(desk: Desk, name: str) -> None:
    before = desk.status()
    pid = before["processes"][name]["pid"]
    assert pid
    os.kill(pid, signal.SIGKILL)

    def returned() -> bool:
        process = desk.status()["processes"][name]
        return process["state"] == "running" and process["pid"] != pid

    desk.wait_for(returned, f"new {name}", limit_s=20)

    def works() -> bool:
        """Every process runs, books are fresh, strategies tick, both queues are read."""
        now = desk.status()
        return (
            now["figures_live"]
            and all(process["state"] == "running" for process in now["processes"].values())
            and now["fresh_books"] > 0
            and now["ticks"] > before["ticks"]
            and all(now["heartbeats"].get(f"queue:{queue}", 99) < 15 for queue in ("default", "trading"))
        )

    desk.wait_for(works, f"working desk after the death of {name}", limit_s=60)
    _books_are_exact(desk)


def test_trading_went_on_and_nothing_was_done_twice(desk: Desk) -> None:
    before = desk.status()["orders"]
    desk.wait_for(lambda: desk.status()["orders"] > before, "new order after all the deaths", limit_s=90)
    desk.wait_for(lambda: desk.status()["fills"] > 0, "fill", limit_s=90)
    _books_are_exact(desk)


def _books_are_exact(desk: Desk) -> None:
    assert desk.status()["ledger_sum"] == "0"
    code = """
import json
from orders.models import Fill, Order
from orders.services.invariants import check_invariants, ledger_sum
from django.db.models import Count
twice = Order.objects.exclude(venue_order_id="").values("venue_order_id").annotate(n=Count("id")).filter(n__gt=1)
print(json.dumps({"broken": [str(v) for v in check_invariants()], "ledger": ledger_sum(), "twice": list(twice)}))
"""
    assert json.loads(desk.python(code).splitlines()[-1]) == {"broken": [], "ledger": {}, "twice": []}
