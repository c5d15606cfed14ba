"""The suite runs in two halves; one exit code speaks for both."""

from __future__ import annotations

from pathlib import Path

import pytest

from polybot.supervisor import testing


@pytest.mark.parametrize(
    ("codes", "expected"),
    [([0, 0], 0), ([0, 1], 1), ([1, 0], 1), ([5, 0], 0), ([5, 5], 5), ([5, 2], 2), ([0, 5], 0)],
)
def test_a_failure_of_either_half_fails_the_suite(codes: list[int], expected: int) -> None:
    assert testing.exit_code(codes) == expected


def test_only_a_path_that_exists_asks_for_less_than_everything(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    assert testing.names_a_path(["tests::test_one", "-x"], project=tmp_path)
    assert not testing.names_a_path(["-k", "ledger", "--durations=25"], project=tmp_path)


def test_what_runs_beside_the_rest_exists() -> None:
    project = Path(__file__).resolve().parents[3]
    assert all((project / path).is_dir() for path in testing.SLOW)
