"""`kill -9` of each child in turn while trading on paper: it returns by itself, the books stay exact."""

from __future__ import annotations

import json
import os
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.end_to_end.desk import Desk

pytestmark = pytest.mark.slow
# Whose sign of life, given after the death, shows that the desk works again.
SIGNS: dict[str, tuple[str, ...]] = {
    "web": (),
    "feed": ("process:feed",),
    "sandbox": ("process:feed",),
    "fills": ("process:fills",),
    "trader": ("queue:trading",),
    "worker": ("queue:default",),
    "beat": ("queue:default", "queue:trading"),
    "backtests": ("queue:backtests",),
    "valkey": ("queue:default", "queue:trading", "process:feed"),
    "postgres": ("queue:default", "queue:trading", "process:feed", "process:fills"),
}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    running = Desk(tmp_path_factory.mktemp("killed") / "desk", "--rate", "100")
    try:
        running.wait_ready()
        running.wait_for(lambda: running.status()["orders"], "paper order", limit_s=60)
        yield running
    finally:
        if running.process.poll() is None:
            running.stop()
        running.kill()


@pytest.mark.parametrize("name", SIGNS)
def test_it_returns_by_itself(desk: Desk, name: str) -> None:
    pid = desk.status()["processes"][name]["pid"]
    assert pid
    os.kill(pid, signal.SIGKILL)
    died = time.monotonic()

    def returned() -> bool:
        process = desk.status()["processes"][name]
        return process["state"] == "running" and process["pid"] != pid

    desk.wait_for(returned, f"new {name}", limit_s=45)

    missing = ["everything"]

    def works() -> bool:
        now = desk.status()
        missing[:] = [
            *(() if now["figures_live"] else ("figures",)),
            *(() if now["fresh_books"] > 0 else ("fresh books",)),
            *(f"process {other}" for other, process in now["processes"].items() if process["state"] != "running"),
            *(sign for sign in SIGNS[name] if now["heartbeats"].get(sign, 1e9) >= time.monotonic() - died),
            *(() if _web_answers(desk) else ("web",)),
        ]
        return not missing

    try:
        desk.wait_for(works, f"working desk after the death of {name}", limit_s=150)
    except AssertionError as error:
        raise AssertionError(f"{name} died, and still missing: {missing}") from error
    assert desk.status()["ledger_sum"] == "0"


def test_trading_goes_on_and_nothing_was_done_twice(desk: Desk) -> None:
    before = desk.status()
    desk.wait_for(lambda: desk.status()["ticks"] > before["ticks"], "tick after all the deaths", limit_s=120)
    desk.wait_for(lambda: desk.status()["orders"] > before["orders"], "order after all the deaths", limit_s=90)
    desk.wait_for(lambda: desk.status()["fills"] > 0, "fill", limit_s=90)
    code = """
import json
from django.db.models import Count
from orders.models import Order
from orders.services.invariants import check_invariants, ledger_sum
twice = Order.objects.exclude(venue_order_id="").values("venue_order_id").annotate(n=Count("id")).filter(n__gt=1)
print(json.dumps({"broken": [str(v) for v in check_invariants()], "ledger": ledger_sum(), "twice": list(twice)}))
"""
    assert _printed(desk, code) == {"broken": [], "ledger": {}, "twice": []}


def test_every_death_is_in_the_journal(desk: Desk) -> None:
    code = """
import json
from alerts.selectors.screens import event_rows
print(json.dumps(sorted({row.subject_id for row in event_rows(account_ids=None, kind="process.exit")})))
"""
    desk.wait_for(lambda: _printed(desk, code) == sorted(SIGNS), "journal row of each death", limit_s=40)


def _printed(desk: Desk, code: str) -> Any:
    return json.loads(desk.python(code).splitlines()[-1])


def _web_answers(desk: Desk) -> bool:
    try:
        with urllib.request.urlopen(f"{desk.url}/login/", timeout=5) as answer:
            return int(answer.status) == 200
    except (OSError, urllib.error.URLError):
        return False
