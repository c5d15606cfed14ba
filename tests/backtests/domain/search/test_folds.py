"""Splits of time: tests follow their training, cover the end without holes, and nothing overlaps."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtests.domain.search.folds import FoldError, Span, holdout_split, walk_forward


def test_the_holdout_is_the_end() -> None:
    searched, held = holdout_split(Span(1_000, 2_000), share_ppm=250_000)
    assert (searched, held) == (Span(1_000, 1_750), Span(1_750, 2_000))
    for share in (0, 1_000_000):
        with pytest.raises(FoldError):
            holdout_split(Span(0, 100), share_ppm=share)
    with pytest.raises(FoldError, match="too short"):
        holdout_split(Span(0, 1), share_ppm=100_000)


def test_rolling_and_anchored_folds() -> None:
    rolling = walk_forward(Span(0, 1_000), folds=3, train_share_ppm=700_000)
    assert [(f.train.start_ns, f.train.end_ns, f.test.start_ns, f.test.end_ns) for f in rolling] == [
        (0, 439, 439, 626),
        (187, 626, 626, 813),
        (374, 813, 813, 1_000),
    ]
    anchored = walk_forward(Span(0, 1_000), folds=3, train_share_ppm=700_000, anchored=True, embargo_ns=10)
    assert [f.train for f in anchored] == [Span(0, 429), Span(0, 616), Span(0, 803)]
    assert [f.test for f in anchored] == [f.test for f in rolling]


@given(
    start=st.integers(0, 10**18),
    length=st.integers(10**6, 10**15),
    folds=st.integers(1, 20),
    share=st.integers(100_000, 900_000),
    anchored=st.booleans(),
    embargo=st.integers(0, 1_000),
)
def test_nothing_is_trained_on_what_it_is_tested_on(
    start: int, length: int, folds: int, share: int, *, anchored: bool, embargo: int
) -> None:
    span = Span(start, start + length)
    made = walk_forward(span, folds=folds, train_share_ppm=share, anchored=anchored, embargo_ns=embargo)
    assert len(made) == folds and made[-1].test.end_ns == span.end_ns
    for fold in made:
        assert span.start_ns <= fold.train.start_ns < fold.train.end_ns == fold.test.start_ns - embargo
    for earlier, later in pairwise(made):
        assert earlier.test.end_ns == later.test.start_ns


@pytest.mark.parametrize("wrong", [{"folds": 0}, {"train_share_ppm": 0}, {"embargo_ns": -1}, {"folds": 2_000}])
def test_spans_that_cannot_be_split(wrong: dict[str, int]) -> None:
    with pytest.raises(FoldError):
        walk_forward(Span(0, 1_000), **({"folds": 2} | wrong))  # type: ignore[arg-type]
