"""The ledger equals an independent oracle and the venue's wallet: a few of the campaign's streams at each run."""

from __future__ import annotations

import os

import pytest

from tests.orders.ledger import pure
from tests.orders.ledger.streams import Leg, stream_make

PURE = int(os.environ.get("LEDGER_STREAMS", "1500"))


@pytest.mark.parametrize("block", range(5))
def test_the_pure_ledger_equals_the_oracle_and_the_venue(block: int) -> None:
    for seed in range(block, PURE, 5):
        assert pure.check(seed) == "", f"stream {seed}"


def test_streams_have_in_them_what_they_should_prove() -> None:
    streams = [stream_make(seed) for seed in range(200)]
    legs = [leg for stream in streams for leg in stream.legs]
    assert any(leg.size < 10 for leg in legs)  # dust
    assert sum(leg.ends == "failed" for leg in legs) > 50
    together = [
        (a, b) for s in streams for a in s.legs for b in s.legs if a is not b and a.transaction == b.transaction
    ]
    assert any(a.trade == b.trade for a, b in together)
    assert any(a.trade != b.trade for a, b in together)
    deeds = {m.about.name for s in streams for m in s.messages if not isinstance(m.about, Leg)}
    assert len(deeds) == 10
    late = [s for s in streams if _has_failed_before_matched(s.messages)]
    assert late


def _has_failed_before_matched(messages: list[object]) -> bool:
    seen: set[object] = set()
    for message in messages:
        about, stage = message.about, message.stage  # type: ignore[attr-defined]
        if stage == "failed":
            seen.add(about)
        if stage == "matched" and about in seen:
            return True
    return False


@pytest.mark.parametrize("mutant", ["fee", "basis", "void"])
def test_the_campaign_finds_a_wrong_ledger(mutant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from orders.domain import conversions

    if mutant == "fee":
        real_fill = pure.fill_of
        monkeypatch.setattr(pure, "fill_of", lambda leg: replace(real_fill(leg), fee=0))
    elif mutant == "basis":
        real_split = conversions.split
        monkeypatch.setattr(conversions, "split", lambda outcomes, n: real_split(outcomes[::-1], n))
    else:
        monkeypatch.setattr(pure, "counted_change", lambda known, after: 0 if known else after.counted)
    assert any(pure.check(seed) for seed in range(200))
