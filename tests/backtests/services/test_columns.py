from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backtests.domain.result import BacktestResult
from backtests.services import columns
from tests.backtests.replays import result_make
from tests.backtests.tapes import TapeMaker


@pytest.fixture
def result() -> BacktestResult:
    return result_make([TapeMaker().book(0, bids=[("0.40", "100")], asks=[("0.42", "100")]).tape()])


def same(one: BacktestResult, other: BacktestResult) -> bool:
    plain = {"orders": None, "fills": None, "equity": None, "settlements": None, "forecasts": None}
    arrays = all(np.array_equal(getattr(one, name), getattr(other, name)) for name in list(plain)[:4])
    return arrays and replace(one, **plain) == replace(other, **plain)


def test_what_is_stored_comes_back_as_it_was(backtest_folder: Path, result: BacktestResult) -> None:
    columns.result_save(7, result)
    columns.result_save(7, replace(result, fees=1), band="neutral")
    assert same(columns.result_load(7), result)
    assert columns.result_load(7).orders.dtype == result.orders.dtype
    assert columns.result_load(7, band="neutral").fees == 1
    assert {path.name for path in columns.folder_of(7).iterdir()} == {"result.npz", "result.neutral.npz"}


@pytest.mark.parametrize(
    "change", [{"cash": 1}, {"problems": ("crossed book",)}, {"funnel": None}, {"fills": None}], ids=str
)
def test_the_digest_sees_every_part(result: BacktestResult, change: dict[str, Any]) -> None:
    if "funnel" in change:
        change = {"funnel": replace(result.funnel, ticks=5)}
    if "fills" in change:
        fills = result.fills.copy()
        fills["mid"] += 1
        change = {"fills": fills}
    assert columns.result_digest(replace(result, **change)) != columns.result_digest(result)
    assert columns.result_digest(replace(result)) == columns.result_digest(result)


def test_files_that_are_missing_or_damaged_are_named(backtest_folder: Path, result: BacktestResult) -> None:
    with pytest.raises(columns.ColumnsMissing, match=r"result.npz of backtest 8"):
        columns.result_load(8)
    columns.result_save(8, result)
    path = columns.folder_of(8) / "result.npz"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(columns.ColumnsMissing, match=r"result.npz of backtest 8"):
        columns.result_load(8)
    columns.files_delete(8)
    assert not columns.folder_of(8).exists()
