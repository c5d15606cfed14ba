"""Rate limits: buckets per signer with their headers and tiers, windows per address that delay before they refuse."""

from __future__ import annotations

import pytest

from polybot.sandbox.http_core import ApiError
from polybot.sandbox.limits import TIERS, AddressLimits, Enforcement, SignerLimits
from tests.polybot.sandbox.order_kit import Pair, place, post_body

WHO = "0x" + "11" * 20
NOW = 1_800_000_000_000


def enforced(tier: str = "Standard") -> SignerLimits:
    limits = SignerLimits()
    limits.enforcement = Enforcement.ENFORCE
    limits.tiers[WHO] = tier
    return limits


@pytest.mark.parametrize("tier", list(TIERS))
def test_a_tier_gives_its_burst_and_refills_at_its_rate(tier: str) -> None:
    limits, facts = enforced(tier), TIERS[tier]
    for kind, rate, burst in (
        ("order", facts.orders_s, facts.orders_burst),
        ("cancel", facts.cancels_s, facts.cancels_burst),
    ):
        headers = limits.take(WHO, kind, burst, NOW)
        assert (headers["poly-ratelimit-remaining"], headers["poly-ratelimit-tier"]) == ("0", tier)
        with pytest.raises(ApiError) as refused:
            limits.take(WHO, kind, 1, NOW)
        assert (refused.value.status, refused.value.headers["retry-after"]) == (429, "1")
        assert refused.value.headers["poly-ratelimit-reset"] == str(NOW // 1000 + 1)
        assert limits.take(WHO, kind, rate, NOW + 1_000)["poly-ratelimit-remaining"] == "0"


def test_a_batch_is_admitted_whole_or_not_at_all() -> None:
    limits = enforced()
    limits.take(WHO, "order", 50, NOW)
    with pytest.raises(ApiError):
        limits.take(WHO, "order", 11, NOW)
    assert limits.take(WHO, "order", 10, NOW)["poly-ratelimit-remaining"] == "0"


def test_a_batch_beyond_the_burst_can_never_be_admitted() -> None:
    with pytest.raises(ApiError) as refused:
        enforced().take(WHO, "cancel", 121, NOW)
    assert "retry-after" not in refused.value.headers


@pytest.mark.parametrize(("tier", "left"), [("Standard", "-31"), ("Platinum", "0")])
def test_a_cancel_all_may_leave_a_debt_in_the_lower_tiers(tier: str, left: str) -> None:
    limits = enforced(tier)
    burst = TIERS[tier].cancels_burst
    limits.take(WHO, "cancel", 1, NOW)
    assert limits.owe(WHO, burst + 30, NOW)["poly-ratelimit-remaining"] == left


def test_warning_mode_tells_and_refuses_nothing() -> None:
    limits = SignerLimits()
    limits.take(WHO, "order", 60, NOW)
    headers = limits.take(WHO, "order", 1, NOW)
    assert headers["poly-ratelimit-warning"] == "true"


def test_orders_and_cancels_carry_the_headers_over_http() -> None:
    pair = Pair()
    market = pair.market()
    placed = place(pair.one, market, price="0.2")
    assert placed.headers["poly-ratelimit-remaining"] == "59"
    refused = place(pair.one, market, price="0.2", size="1")
    assert (refused.status, refused.headers["poly-ratelimit-remaining"]) == (400, "58")
    batch = pair.one.ask("POST", "/orders", [post_body(pair.one, market, price="0.2") for _ in range(3)])
    assert batch.headers["poly-ratelimit-remaining"] == "55"
    canceled = pair.one.ask("DELETE", "/cancel-all")
    assert (len(canceled.json["canceled"]), canceled.headers["poly-ratelimit-remaining"]) == (4, "115")
    assert pair.one.ask("GET", "/v1/user/rate-limit-tier").json == {"tier": "Standard"}


def test_a_signer_that_orders_too_fast_is_refused_until_tokens_are_back() -> None:
    pair = Pair()
    market = pair.market()
    pair.local.control("limits", {"signers": "enforce"})
    for _ in range(4):
        assert pair.one.ask("POST", "/orders", [post_body(pair.one, market, price="0.2")] * 15).status == 200
    refused = place(pair.one, market, price="0.2")
    assert (refused.status, refused.json, refused.headers["retry-after"]) == (429, {"error": "Too Many Requests"}, "1")
    assert place(pair.two, market, price="0.2").status == 200
    pair.pass_ms(1_000)
    assert place(pair.one, market, price="0.2").status == 200
    pair.local.control("limits", {"signer": pair.one.account.address, "tier": "Gold"})
    assert place(pair.one, market, price="0.2").headers["poly-ratelimit-tier"] == "Gold"


def test_a_window_delays_first_and_refuses_when_the_wait_is_long() -> None:
    limits = AddressLimits(enforced=True, scale=0.002, patience_ms=2_000)  # POST /order: 10 in 10 s
    waits = [limits.wait_ms("a", "clob", "POST", "/order", NOW + at) for at in range(0, 9_000, 900)]
    assert waits == [0] * 10
    assert limits.wait_ms("a", "clob", "POST", "/order", NOW + 9_000) == 1_000
    assert limits.wait_ms("b", "clob", "POST", "/order", NOW + 9_000) == 0
    limits.patience_ms = 500
    assert limits.wait_ms("a", "clob", "POST", "/order", NOW + 9_000) is None
    assert limits.wait_ms("a", "control", "POST", "/limits", NOW) == 0


@pytest.mark.parametrize("html", [False, True])
def test_too_many_requests_of_an_address_are_refused_over_http(html: bool) -> None:
    local = Pair().local
    local.control("limits", {"addresses": True, "scale": 0.02, "patience_ms": 0, "html": html})
    answers = [local.ask("GET", "/ok") for _ in range(4)]
    assert [a.status for a in answers] == [200, 200, 429, 429]
    refused = answers[-1]
    if html:
        assert refused.headers["server"] == "cloudflare" and b"rate limited" in refused.raw
    else:
        assert refused.json == {"error": "Too Many Requests"}
    local.now_ms += 10_001
    assert local.ask("GET", "/ok").status == 200
