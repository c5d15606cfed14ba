"""The signing benchmark measures the same orders on both sides, or nothing."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings
from py_clob_client_v2.signer import Signer

from markets.venues.polymarket import signing
from markets.venues.polymarket.signing import ExchangeKind, SigningKey
from markets.venues.polymarket.wallets import SignatureType
from tests.benchmarks import signing as benchmark


@pytest.mark.parametrize("kind", benchmark.KINDS)
def test_both_sides_are_timed_on_the_same_orders(kind: SignatureType) -> None:
    row = benchmark.compare(kind, count=5, rounds=1)
    assert row.ours_us > 0 and row.theirs_us > 0 and row.ratio == row.ours_us / row.theirs_us


def test_different_signatures_are_not_timed() -> None:
    exchange = signing.exchange_for(ExchangeKind.STANDARD, chain_id=137)
    key = SigningKey(random.Random(1).randbytes(32))
    other = Signer("0x" + random.Random(1).randbytes(32).hex(), 137)
    made = benchmark.orders(SignatureType.DEPOSIT_WALLET, key, 2)
    benchmark.check(made, exchange, key, other)
    with pytest.raises(SystemExit, match="nothing was measured"):
        benchmark.check(made, exchange, key, Signer("0x" + "11" * 32, 137))


def test_without_the_tests_the_command_says_where_to_run_it(tmp_path: Path) -> None:
    with (
        override_settings(BASE_DIR=tmp_path),
        pytest.raises(CommandError, match="run this from a checkout with its tests"),
    ):
        call_command("benchmark_signing")
