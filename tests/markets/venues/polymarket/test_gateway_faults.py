"""Every fault of the local exchange comes back as the right kind of answer, and never as a guess."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from markets.domain.answers import AnswerKind as Kind
from markets.venues.base import VenueUnavailable
from tests.local_exchange import running_exchange
from tests.markets.venues.polymarket.gateway_kit import (
    Desk,
    Market,
    call,
    crossing,
    desk,
    fault,
    healed,
    markets,
    now_ms,
    soon,
    terms,
    until,
)


@pytest.fixture(scope="module")
def exchange() -> Iterator[Mapping[str, str]]:
    with running_exchange("--seed", "11") as found:
        yield found


def exists(ours: Desk, order_id: str) -> bool:
    return ours.gateway.order(order_id) is not None


Broken = dict[str, Any]


def rule(kind: str, **more: Any) -> Broken:
    return {"kind": kind, "service": "clob", "times": 1, **more}


ORDER = {"method": "POST", "path": "/order"}
NOTHING, ANYWAY = "before", "after"  # whether the request takes effect although its answer is lost


UNKNOWN_ANSWERS = [
    (rule("status", status=500), "internal"),
    (rule("status", status=502), ""),
    (rule("status", status=504), ""),
    (rule("status", status=503, body='{"error":"sorry"}'), ""),
    (rule("status", status=400, body='{"error":"the moon is wrong"}'), ""),
    (rule("status", status=500, body='{"error":"could not run the execution"}'), "not_run"),
    (rule("status", status=500, body='{"error":"could not insert order"}'), "not_inserted"),
    (rule("status", status=408), ""),
    (rule("status", status=409), ""),
    (rule("malformed"), "not_json"),
    (rule("empty"), "empty_body"),
    (rule("truncated"), "truncated"),
    (rule("reset"), ""),
    (rule("hang", latency_ms=900), "timeout"),
]


@pytest.mark.parametrize(("broken", "code"), UNKNOWN_ANSWERS)
@pytest.mark.parametrize("when", [NOTHING, ANYWAY])
@pytest.mark.usefixtures("urls")
def test_what_settles_nothing_is_unknown(ours: Desk, market: Market, broken: Broken, code: str, when: str) -> None:
    fault(ours.urls, **broken, **ORDER, when=when)
    unsigned, body = ours.prepare(terms(market))
    began = time.monotonic()
    sent = ours.resend(unsigned.order_id, body, within_ms=500)
    assert time.monotonic() - began < 1.2
    assert sent.answer.kind is Kind.UNKNOWN and sent.first_byte_ms is not None, sent
    assert not code or sent.answer.code == code, sent
    # Cut answers are the true one, cut; the others take effect as their rule says.
    happened = when == ANYWAY or broken["kind"] in ("truncated", "reset")
    until(lambda: exists(ours, unsigned.order_id), lambda found: found is happened)
    healed(ours.urls)
    # The same bytes again end in exactly one order, whatever became of the first copy.
    again = ours.resend(unsigned.order_id, body, unknown_attempts=1)
    assert again.answer.kind is (Kind.EXISTING if happened else Kind.LIVE), again
    assert len([o for o in ours.gateway.open_orders() if o.order_id == unsigned.order_id]) == 1
    ours.gateway.cancel_everything(deadline_ms=soon())


@pytest.mark.parametrize(
    ("broken", "pause"),
    [
        (rule("status", status=425), None),
        (rule("status", status=425, retry_after=7), 7.0),
        (rule("status", status=429, retry_after=3), 3.0),
        (rule("status", status=429), None),
        (rule("html"), None),
        (rule("status", status=401), None),
        (rule("status", status=403), None),
    ],
)
@pytest.mark.parametrize("unknown_attempts", [0, 1])
@pytest.mark.usefixtures("urls")
def test_what_was_not_processed_is_that_only_while_nothing_is_unknown(
    ours: Desk, market: Market, broken: Broken, pause: float | None, unknown_attempts: int
) -> None:
    fault(ours.urls, **broken, **ORDER)
    order_id, sent = ours.send(terms(market), unknown_attempts=unknown_attempts)
    assert sent.answer.alone is Kind.NOT_PROCESSED, sent
    assert sent.answer.kind is (Kind.UNKNOWN if unknown_attempts else Kind.NOT_PROCESSED)
    halts = broken["kind"] == "html" or broken.get("status") in (401, 403)
    assert sent.answer.halts_account is halts
    assert pause is None or sent.answer.retry_after_s == pause
    assert not exists(ours, order_id)


@pytest.mark.parametrize("mode", ["restarting", "post_only", "cancel_only", "disabled"])
def test_the_engines_modes(urls: Mapping[str, str], ours: Desk, market: Market, mode: str) -> None:
    resting_id, _ = ours.send(terms(market))
    call(f"{urls['control']}/mode", {"mode": mode, "seconds": 60})
    order_id, sent = ours.send(terms(market))
    assert sent.answer.kind is Kind.NOT_PROCESSED, sent
    assert not sent.answer.halts_account
    if mode == "post_only":
        quote_id, quoted = ours.send(terms(market, post_only=True))
        assert quoted.answer.kind is Kind.LIVE, quoted
        assert ours.gateway.cancel([quote_id], deadline_ms=soon()).canceled == {quote_id}
    answer = ours.gateway.cancel([resting_id], deadline_ms=soon())
    if mode in ("post_only", "cancel_only"):
        assert answer.canceled == {resting_id}
    else:
        assert not answer.canceled and answer.code, answer
    healed(urls)
    assert not exists(ours, order_id)
    ours.gateway.cancel_everything(deadline_ms=soon())


def test_a_request_that_arrives_after_it_was_given_up(urls: Mapping[str, str], ours: Desk, market: Market) -> None:
    fault(urls, **rule("late", latency_ms=200, effect_ms=1_500), **ORDER)
    unsigned, body = ours.prepare(terms(market))
    sent = ours.resend(unsigned.order_id, body)
    assert sent.answer.kind is Kind.UNKNOWN
    assert not exists(ours, unsigned.order_id)
    assert until(lambda: exists(ours, unsigned.order_id), bool)


def test_a_delayed_answer_is_waited_for(urls: Mapping[str, str], ours: Desk, market: Market) -> None:
    fault(urls, **rule("latency", latency_ms=300), **ORDER)
    began = now_ms()
    _, sent = ours.send(terms(market))
    assert sent.answer.kind is Kind.LIVE and sent.answered_ms - began >= 300


def test_an_exchange_that_is_not_there_gets_nothing(ours: Desk, market: Market) -> None:
    away = desk(ours.urls, key=ours.key)
    away.gateway._clob = type(away.gateway._clob)("http://127.0.0.1:9")
    _, sent = away.send(terms(market))
    assert (sent.answer.kind, sent.answer.code, sent.first_byte_ms) == (Kind.NOT_SENT, "connect_failed", None)
    _, again = away.send(terms(market), unknown_attempts=1)
    assert again.answer.kind is Kind.UNKNOWN
    answer = away.gateway.cancel_everything(deadline_ms=soon())
    assert not answer.unknown and answer.code == "connect_failed"
    with pytest.raises(VenueUnavailable, match="connect_failed"):
        away.gateway.open_orders()


def test_nothing_is_sent_after_the_deadline(urls: Mapping[str, str], ours: Desk, market: Market) -> None:
    order_id, sent = ours.send(terms(market), within_ms=-1)
    assert (sent.answer.kind, sent.answer.code) == (Kind.NOT_SENT, "too_late")
    assert not exists(ours, order_id)


def test_a_game_market_holds_the_order_and_another_holds_the_answer(
    urls: Mapping[str, str], ours: Desk, exchange: Mapping[str, str]
) -> None:
    other = markets(exchange)[1]
    call(f"{urls['control']}/market", {"market": other.condition_id, "seconds_delay": 1})
    order_id, sent = ours.send(crossing(other))
    assert sent.answer.kind is Kind.DELAYED and sent.answer.order_id == order_id, sent
    found = until(lambda: ours.gateway.legs(since_ms=now_ms() - 10_000), bool)
    assert order_id in {leg.order_id for leg in found}
    call(f"{urls['control']}/market", {"market": other.condition_id, "seconds_delay": 0, "taker_delay_ms": 300})
    _, held = ours.send(crossing(other))
    assert held.answer.kind is Kind.MATCHED and held.answered_ms - (held.first_byte_ms or 0) >= 300


@pytest.mark.parametrize(
    ("broken", "kinds"),
    [
        (rule("status", status=500), {Kind.UNKNOWN}),
        (rule("malformed"), {Kind.UNKNOWN}),
        (rule("truncated"), {Kind.UNKNOWN}),
        (rule("reset"), {Kind.UNKNOWN}),
        (rule("hang", latency_ms=3_000), {Kind.UNKNOWN}),
        (rule("status", status=200, body="[]"), {Kind.UNKNOWN}),
        (rule("status", status=200, body="{}"), {Kind.UNKNOWN}),
        (rule("status", status=400, body='{"error":"not enough balance / allowance"}'), {Kind.UNKNOWN}),
        (rule("status", status=400, body='{"error":"Too many orders in payload: 3, max allowed: 2"}'), {Kind.REJECTED}),
        (rule("status", status=425), {Kind.NOT_PROCESSED}),
        (rule("status", status=429), {Kind.NOT_PROCESSED}),
        (rule("html"), {Kind.NOT_PROCESSED}),
    ],
)
def test_a_whole_batch_that_goes_wrong(
    urls: Mapping[str, str], ours: Desk, market: Market, broken: Broken, kinds: set[Kind]
) -> None:
    fault(urls, **broken, method="POST", path="/orders")
    made = [ours.prepare(terms(market)) for _ in range(3)]
    sent = ours.gateway.send_batch(
        [body for _, body in made],
        order_ids=[unsigned.order_id for unsigned, _ in made],
        unknown_attempts=[0, 0, 0],
        deadline_ms=now_ms() + 600,
    )
    assert {each.answer.kind for each in sent} == kinds, sent
    ours.gateway.cancel_everything(deadline_ms=soon())


@pytest.mark.parametrize(
    ("broken", "unknown"),
    [
        (rule("status", status=500), True),
        (rule("status", status=503, body='{"error":"sorry"}'), True),
        (rule("malformed"), True),
        (rule("empty"), True),
        (rule("truncated"), True),
        (rule("reset"), True),
        (rule("hang", latency_ms=3_000), True),
        (rule("status", status=200, body='{"canceled":"all","not_canceled":{}}'), True),
        (rule("status", status=200, body='{"not_canceled":{}}'), True),
        (rule("status", status=425), False),
        (rule("status", status=429, retry_after=2), False),
        (rule("html"), False),
    ],
)
@pytest.mark.parametrize("path", ["/order", "/cancel-all"])
@pytest.mark.usefixtures("urls")
def test_a_cancel_that_goes_wrong(ours: Desk, market: Market, broken: Broken, unknown: bool, path: str) -> None:
    order_id, _ = ours.send(terms(market))
    fault(ours.urls, **broken, method="DELETE", path=path)
    deadline = now_ms() + 600
    if path == "/order":
        answer = ours.gateway.cancel([order_id], deadline_ms=deadline)
    else:
        answer = ours.gateway.cancel_everything(deadline_ms=deadline)
    assert answer.unknown is unknown and not answer.canceled and not answer.refused, answer
    assert answer.code
    healed(ours.urls)
    ours.gateway.cancel_everything(deadline_ms=soon())


def test_a_bucket_that_is_empty_is_a_429_with_a_pause(
    urls: Mapping[str, str], exchange: Mapping[str, str], market: Market
) -> None:
    told: list[int] = []
    ours = desk(exchange, heard=lambda kind, status, headers: told.append(status))
    call(f"{urls['control']}/limits", {"signers": "enforce"})
    try:
        sents = []
        for _ in range(10):
            made = [ours.prepare(terms(market, size=5_000_000)) for _ in range(15)]
            bodies, ids = [body for _, body in made], [unsigned.order_id for unsigned, _ in made]
            sents += ours.gateway.send_batch(bodies, order_ids=ids, unknown_attempts=[0] * 15, deadline_ms=soon())
    finally:
        call(f"{urls['control']}/limits", {"signers": "warning"})
    refused = [sent for sent in sents if sent.answer.kind is Kind.NOT_PROCESSED]
    assert refused and all(s.answer.retry_after_s and s.answer.code == "rate_limited" for s in refused)
    assert 429 in told
    ours.gateway.cancel_everything(deadline_ms=soon())
