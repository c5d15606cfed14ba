"""A paper run and its replay are the same run: every decision and every fill, hash by hash."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from backtests.domain.paper_record import PaperRecord, RecordError, records_read
from backtests.domain.parity import Parity, parity_check
from backtests.domain.request import BacktestRequest, DataRef, Fees
from backtests.models import ParityRun
from backtests.services import parity
from markets.domain.tape import Tape
from markets.domain.units import Usd, micro_from_decimal
from markets.selectors.catalogue import market_facts
from orders.models import Account, Fill, Order
from risk.selectors.limits import limits_get
from strategies.domain.parameters import parameters_load
from strategies.library.registry import strategy_get
from strategies.models import StrategyRun
from tests.backtests.paper_run import PaperRun, paper_run
from tests.strategies.conftest import clean  # noqa: F401

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean")]

MAKER = {
    "half_spread": "0.005",
    "minimum_edge": "0",
    "size": "20",
    "volatility_factor": "0",
    "lowest_price": "0.02",
    "highest_price": "0.98",
}


def _lines(folder: Path, name: str) -> Iterator[dict[str, Any]]:
    for path in sorted((folder / name).glob("*.jsonl")):
        yield from (json.loads(line) for line in path.read_text().splitlines())


def _record(run: PaperRun) -> PaperRecord:
    run_id = StrategyRun.objects.get(strategy=run.strategy).pk
    return records_read(_lines(run.folder, "ticks"), _lines(run.folder, "venue"), run_id=run_id)


def _tapes(run: PaperRun, archive_folder: Path) -> list[Tape]:
    """Import the frames as any recording; the facts are the desk's."""
    from datetime import UTC, datetime

    from markets.selectors import archive
    from markets.services.archive.importing import data_import

    path = archive_folder / "frames.jsonl"
    with path.open("w") as file:
        for received_ns, frame in run.frames:
            at = datetime.fromtimestamp(received_ns // 10**9, tz=UTC).strftime("%Y-%m-%dT%H:%M:%S")
            line = {"receivedAt": f"{at}.{received_ns % 10**9:09d}+00:00", "payloadUtf8": frame.decode()}
            file.write(json.dumps(line) + "\n")
    data_import([path])
    facts = market_facts({row.pk for row in run.markets})
    by_condition = {one.condition_id: one for one in facts.values()}
    tapes = [archive.tape_open(info.market, info.day) for info in archive.tapes_list()]
    found = [replace(tape, facts=by_condition[tape.facts.condition_id]) for tape in tapes]
    return sorted(found, key=lambda tape: (tape.facts.market_id, tape.start_ns))


def _compare(run: PaperRun, record: PaperRecord, tapes: list[Tape]) -> Parity:
    strategy = strategy_get(run.strategy.strategy_class)
    account = Account.objects.get(pk=run.strategy.account_id)
    request = BacktestRequest(
        strategy=strategy.name,
        params=run.strategy.parameters,
        data=(DataRef(market="-", day="-"),),
        capital=Usd(micro_from_decimal(account.opening_cash)),
        fees=Fees.MARKET,
        bands=False,
    )
    limits = limits_get(account.pk)
    assert limits is not None
    params = parameters_load(strategy.params, run.strategy.parameters)
    return parity_check(record, tapes, request, strategy, params, limits=limits)  # type: ignore[arg-type]


def test_a_paper_run_is_repeated_decision_by_decision_and_fill_by_fill(
    tmp_path: Path, backtest_folder: Path, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    run = paper_run(tmp_path / "records", monkeypatch, ticks=16, strategy="market_making", parameters=MAKER)
    record, tapes = _record(run), _tapes(run, backtest_folder)
    assert len(record.ticks) >= 10 and Order.objects.count() >= 4
    assert sum(order.filled for order in record.orders.values()) == sum(
        micro_from_decimal(fill.size) for fill in Fill.objects.all()
    )
    found = _compare(run, record, tapes)
    assert found.difference is None, found.difference
    assert found.holds and found.ticks == len(record.ticks)
    assert len(found.orders) == Order.objects.count()

    # One tick that saw less, or one fill that was not so, is found.
    late = next(number for number, tick in enumerate(record.ticks) if tick.made and number)
    assert late
    order = next(order for order in record.orders.values() if order.fills)
    price, size, fee, role = order.fills[0]
    order.fills[0] = (price, size + 10_000, fee, role)
    assert not _compare(run, record, tapes).holds
    order.fills[0] = (price, size, fee, role)
    ticks = list(record.ticks)
    ticks[late] = replace(ticks[late], digest="0" * 64)
    broken = _compare(run, replace(record, ticks=tuple(ticks)), tapes)
    assert broken.difference is not None and broken.difference.what == "a decision"
    assert broken.difference.at_ns == ticks[late].at_ns

    _pages_show_it(run, settings, monkeypatch)


def _pages_show_it(run: PaperRun, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same comparison as a job, asked for and read on pages."""
    settings.DECISION_RECORD_DIR = run.folder
    monkeypatch.setattr("polybot.dashboard.parity_actions.parity_soon", lambda parity_id: None)
    run_id = StrategyRun.objects.get(strategy=run.strategy).pk
    account = Account.objects.get(pk=run.strategy.account_id)
    client = Client()
    client.force_login(account.owner)
    page = client.get(reverse("desk:parities")).content.decode()
    assert run.strategy.name in page and "Compare" in page
    assert client.post(reverse("desk:parity_start"), {"run": "999"}).url == reverse("desk:parities")
    answer = client.post(reverse("desk:parity_start"), {"run": str(run_id)})
    row = ParityRun.objects.get()
    assert answer.url == reverse("desk:parity", args=[row.pk])
    assert "after the backtests that wait" in client.get(answer.url).content.decode()
    assert parity.parity_work(row.pk) and not parity.parity_work(row.pk)
    row.refresh_from_db()
    assert (row.state, row.error, row.holds) == ("done", "", True)
    assert len(row.result["orders"]) == Order.objects.count()
    page = client.get(answer.url).content.decode()
    assert "Identical." in page and "Backtest filled" in page
    assert row.result["decisions"][0] in page
    assert client.get(reverse("desk:parity", args=[999])).status_code == 404

    settings.DECISION_RECORD_DIR = None
    refused = parity.parity_ask(run_id, by="test", now=row.created_at)
    parity.parity_work(refused)
    assert "switched off" in ParityRun.objects.get(pk=refused).error
    with pytest.raises(parity.ParityRefused):
        parity.parity_ask(10**6, by="test", now=row.created_at)


def test_a_record_without_the_run_is_refused() -> None:
    with pytest.raises(RecordError, match="no tick of this run"):
        records_read([{"k": "tick", "run": 2, "pid": 1, "at": 1, "why": "interval", "hash": "x"}], [], run_id=1)
