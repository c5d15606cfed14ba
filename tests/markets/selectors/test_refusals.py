"""Every known refusal has a cause and a fix in plain words."""

from __future__ import annotations

import pytest

from markets.selectors.refusals import refusal_explain
from markets.venues.polymarket.refusals import CATALOGUE


def test_there_are_at_least_forty_and_each_says_why_and_what_to_do() -> None:
    assert len(CATALOGUE) >= 40
    for entry in CATALOGUE:
        assert len(entry.cause) > 15 and entry.cause.endswith("."), entry.code
        assert len(entry.remedy) >= 10 and entry.remedy.endswith("."), entry.code
    assert len({entry.code for entry in CATALOGUE}) >= 40


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("not enough balance / allowance", "balance"),
        ("Trading restricted in your region", "region"),
        ("the venue refused it: INVALID_POST_ONLY_ORDER", "crosses"),
    ],
)
def test_a_text_is_explained_wherever_it_stands(text: str, code: str) -> None:
    found = refusal_explain(text)
    assert found is not None and found.code.startswith(code)


@pytest.mark.parametrize("text", ["", "something new", "x" * 5_000])
def test_an_unknown_text_means_nothing(text: str) -> None:
    assert refusal_explain(text) is None
    assert refusal_explain(text, venue="kalshi") is None
