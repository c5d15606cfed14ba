"""The sending benchmark measures the same request on both sides, or nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings

from markets.venues.polymarket.signing import SigningKey
from markets.venues.polymarket.wallets import SignatureType
from tests.benchmarks import sending as benchmark
from tests.benchmarks.signing import KINDS, orders


@pytest.mark.parametrize("kind", KINDS)
def test_both_sides_write_the_same_request_and_are_timed(kind: SignatureType) -> None:
    row = benchmark.compare(kind, count=5, rounds=1)
    assert row.ours_us > 0 and row.theirs_us > 0 and row.ratio == row.ours_us / row.theirs_us


def test_different_requests_are_not_timed() -> None:
    key, memory = SigningKey(benchmark.SECRET), benchmark.Memory()
    made = [benchmark.prepared(order, key) for order in orders(SignatureType.EOA, key, 2)]
    sides = [benchmark.our_side(key, SignatureType.EOA, memory), benchmark.their_side(key)]
    with benchmark._in_memory(memory):
        benchmark.check(sides, memory, made)
        made[1].theirs = replace(made[1].theirs, takerAmount="1")
        with pytest.raises(SystemExit, match="nothing was measured"):
            benchmark.check(sides, memory, made)


@pytest.mark.parametrize("words", [[], ["--durable"]])
def test_without_the_tests_the_command_says_where_to_run_it(tmp_path: object, words: list[str]) -> None:
    with override_settings(BASE_DIR=tmp_path), pytest.raises(CommandError, match="run this from a checkout"):
        call_command("benchmark_sending", *words)
