"""The command's own arithmetic, and that no module of an area is forgotten or gone."""

from __future__ import annotations

import pytest

from tests.coverage.__main__ import ENOUGH, Taken, area_row, area_taken, modules_read, percent
from tests.coverage.areas import AREAS, PROJECT, Area

WANTED = {"executor", "lifecycle", "ledger", "gate", "reconcile", "signer"}


def test_the_six_areas_name_modules_and_tests_that_are_there() -> None:
    assert set(AREAS) == WANTED
    for name, area in AREAS.items():
        assert area.files(), name
        assert [test for test in area.tests if not (PROJECT / test).exists()] == []


def test_a_module_that_is_gone_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        Area("x", ("orders.domain.nothing",), ()).files()


@pytest.mark.parametrize("package", ["orders/services/submission", "risk/rules", "risk/domain"])
def test_every_module_of_these_packages_is_measured(package: str) -> None:
    measured = {path for area in AREAS.values() for path in area.files()}
    assert {p for p in (PROJECT / package).glob("*.py") if p.name != "__init__.py"} <= measured


def test_modules_that_sign_book_reconcile_or_gate_are_measured() -> None:
    measured = {str(path.relative_to(PROJECT)) for area in AREAS.values() for path in area.files()}
    assert measured >= {
        "orders/services/execution.py", "orders/services/fills.py", "orders/services/states.py",
        "orders/services/reconciliation_live.py", "orders/services/signer.py", "orders/domain/ledger.py",
        "orders/domain/lifecycle.py", "risk/services/gate.py", "markets/venues/polymarket/signing.py",
    }  # fmt: skip


def taken(branches: int, of: int, *, lines: int = 100) -> Taken:
    return Taken(module="m", statements=100, statements_run=lines, branches=of, branches_taken=branches)


def test_an_area_is_all_its_modules_together_and_not_the_mean_of_their_shares() -> None:
    small, large = taken(0, 1), taken(99, 99)
    assert area_taken([small, large]) == (100.0, 99.0)
    assert (percent(0, 0), percent(1, 8)) == (100.0, 12.5)


@pytest.mark.parametrize(
    ("branches", "lines", "enough"), [(950, 100, True), (949, 100, False), (1_000, 94, False), (950, 95, True)]
)
def test_too_few_branches_or_lines_are_told(branches: int, lines: int, enough: bool) -> None:
    row = area_row("gate", [taken(branches, 1_000, lines=lines)], took_s=3.2)
    assert row.endswith(ENOUGH) is enough
    assert f"{branches} of 1000" in row


def test_what_is_missing_is_named_once() -> None:
    summary = {"num_statements": 9, "covered_lines": 8, "num_branches": 4, "covered_branches": 2}
    told = {"summary": summary, "missing_lines": [7], "missing_branches": [[3, -1], [5, 7]]}
    (module,) = modules_read({"files": {"orders/domain/keys.py": told}})
    assert (module.module, module.branches_taken, module.missing) == ("orders.domain.keys", 2, ("7", "3->end"))
