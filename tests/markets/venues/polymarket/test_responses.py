"""The table of contract.md 4.3, row by row, then everything that is not in it.

`POLYBOT_FUZZ_CASES=1000000` runs the large count.
"""

from __future__ import annotations

import json
import os
import random
from typing import Any

import pytest

from markets.domain.answers import ACCEPTED, AnswerKind, OrderAnswer
from markets.venues.polymarket import refusals, responses
from markets.venues.polymarket.responses import History

CASES = int(os.environ.get("POLYBOT_FUZZ_CASES", "12000"))
H = "0x" + "ab" * 32
OTHER = "0x" + "cd" * 32
AFTER_UNKNOWN = History(unknown_attempts=1)
HTML = b"<!DOCTYPE html><html><head><title>Attention Required! | Cloudflare</title></head></html>"
POST_ONLY = {
    "error": "post-only mode: only post-only orders and cancels are allowed",
    "code": "post_only_mode",
    "retry_after_seconds": 79,
}
CANCEL_ONLY = {"error": "Trading is currently cancel-only. New orders are not accepted, but cancels are allowed."}
DISABLED = {"error": "Trading is currently disabled. Check polymarket.com for updates"}


def accepted(**changes: Any) -> dict[str, Any]:
    body = {
        "success": True, "errorMsg": "", "orderID": H, "status": "live", "makingAmount": "", "takingAmount": "",
        "tradeIDs": [], "transactionsHashes": [],
    }  # fmt: skip
    return {key: value for key, value in (body | changes).items() if value is not ...}


def refused(text: str, **changes: Any) -> dict[str, Any]:
    return accepted(success=False, orderID="", status="", errorMsg=text, **changes)


def judge(
    status: int, body: object, history: History | None = None, headers: dict[str, str] | None = None
) -> OrderAnswer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return responses.classify(status=status, headers=headers or {}, body=raw, order_id=H, history=history)


# --- rows of the table ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["live", "matched", "delayed"])
def test_success_with_our_id_is_accepted(word: str) -> None:
    answer = judge(200, accepted(status=word))
    assert answer.kind == word and answer.is_accepted and answer.order_id == H and answer.drift == ()


def test_an_accepted_match_carries_amounts_and_trades() -> None:
    answer = judge(200, accepted(status="matched", makingAmount="5.2", takingAmount="10", tradeIDs=["t1", "t2"]))
    assert (answer.making, answer.taking, answer.trade_ids) == (5_200_000, 10_000_000, ("t1", "t2"))


def test_a_recorded_answer_is_accepted() -> None:
    body = (
        b'{"errorMsg":"","orderID":"0x300b6f4a853408b38846aee01695d25ff0da109a1072fea577f067fbb67bb80f",'
        b'"takingAmount":"5","makingAmount":"2.65","status":"matched","transactionsHashes":'
        b'["0x6bcdbe4482749edcac63222e6e458e92e45f0c77d513a36932a4a9f2b17cc7a5"],"success":true}\n'
    )
    ours = "0x300b6f4a853408b38846aee01695d25ff0da109a1072fea577f067fbb67bb80f"
    headers = {"Content-Length": str(len(body)), "Content-Type": "application/json", "server": "cloudflare"}
    answer = responses.classify(status=200, headers=headers, body=body, order_id=ours)
    assert (answer.kind, answer.making, answer.taking) == (AnswerKind.MATCHED, 2_650_000, 5_000_000)


def test_success_with_another_id_breaks_the_contract() -> None:
    for history in (None, AFTER_UNKNOWN):
        assert judge(200, accepted(orderID=OTHER), history).kind is AnswerKind.BROKEN


@pytest.mark.parametrize(
    "text", ["invalid signature", f"order {H} crosses the book", "not enough balance / allowance: the balance is not"]
)
def test_an_empty_id_with_a_known_reason_is_rejected(text: str) -> None:
    for body in (refused(text), refused(text) | {"success": True}, {"error": text}):
        answer = judge(200, body)
        assert answer.kind is AnswerKind.REJECTED
        assert refusals.find(text).code == answer.code  # type: ignore[union-attr]


def test_duplicated_means_an_earlier_copy_was_accepted_whatever_the_status() -> None:
    text = f"order {H} is invalid. Duplicated."
    for status in (200, 400, 409, 429, 500, 503):
        for history in (None, AFTER_UNKNOWN):
            answer = judge(status, {"error": text}, history)
            assert answer.kind is AnswerKind.EXISTING and answer.is_accepted and answer.order_id == H
    assert judge(200, refused("INVALID_ORDER_DUPLICATED")).kind is AnswerKind.EXISTING
    assert judge(400, {"error": f"order {OTHER} is invalid. Duplicated."}).kind is AnswerKind.UNKNOWN


def test_a_known_validation_is_rejected_on_the_first_attempt_only() -> None:
    body = {"error": f"order {H} is invalid. Price (0.515) breaks minimum tick size rule: 0.01"}
    assert judge(400, body).kind is AnswerKind.REJECTED
    after = judge(400, body, AFTER_UNKNOWN)
    assert (after.kind, after.alone, after.code) == (AnswerKind.UNKNOWN, AnswerKind.REJECTED, "tick")


@pytest.mark.parametrize(
    ("status", "body", "alone"),
    [
        (400, {"error": "invalid signature"}, AnswerKind.REJECTED),
        (200, refused("invalid signature"), AnswerKind.REJECTED),
        (401, {"error": "Unauthorized/Invalid api key"}, AnswerKind.NOT_PROCESSED),
        (403, HTML, AnswerKind.NOT_PROCESSED),
        (425, {"error": "service not ready"}, AnswerKind.NOT_PROCESSED),
        (429, {"error": "Too Many Requests"}, AnswerKind.NOT_PROCESSED),
        (503, POST_ONLY, AnswerKind.NOT_PROCESSED),
        (503, CANCEL_ONLY, AnswerKind.NOT_PROCESSED),
        (503, DISABLED, AnswerKind.NOT_PROCESSED),
    ],
)
def test_no_negative_answer_settles_an_earlier_unknown_attempt(status: int, body: object, alone: AnswerKind) -> None:
    assert judge(status, body).kind is alone
    after = judge(status, body, AFTER_UNKNOWN)
    assert (after.kind, after.alone) == (AnswerKind.UNKNOWN, alone)


def test_an_acceptance_settles_an_earlier_unknown_attempt() -> None:
    assert judge(200, accepted(), AFTER_UNKNOWN).kind is AnswerKind.LIVE


def test_busy_answers_say_how_long_to_wait() -> None:
    assert judge(503, POST_ONLY).retry_after_s == 79
    assert judge(425, HTML, headers={"Retry-After": "5"}).retry_after_s == 5
    assert judge(429, b"", headers={"retry-after": "999999"}).retry_after_s == 600
    assert judge(429, {"error": "x", "retry_after_seconds": -1}).retry_after_s is None
    assert judge(429, {"error": "x", "retry_after_seconds": 10**400}).retry_after_s == 600
    assert judge(425, b"", headers={"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}).retry_after_s is None


def test_who_is_refused_entry_halts() -> None:
    for status in (401, 403):
        for body in (HTML, b"", {"error": "Trading restricted in your region"}):
            for history in (None, AFTER_UNKNOWN):
                assert judge(status, body, history).halts_account
    assert judge(403, {"error": "Trading restricted in your region"}).code == "region"
    assert not judge(400, {"error": "invalid signature"}).halts_account


@pytest.mark.parametrize("status", [500, 502, 504, 520, 524])
@pytest.mark.parametrize(
    "body",
    [
        {"error": "could not run the execution"}, {"error": "could not insert order"},
        {"error": "order timed out"}, {"error": "invalid signature"}, {"error": "there are no matching orders"}, HTML,
    ],
)  # fmt: skip
def test_a_failing_venue_proves_nothing(status: int, body: object) -> None:
    assert judge(status, body).kind is AnswerKind.UNKNOWN


def test_silence_is_unknown_once_a_byte_may_have_left() -> None:
    assert responses.classify_silence(sent=True, code="read_timeout").kind is AnswerKind.UNKNOWN
    assert responses.classify_silence(sent=False, code="refused").kind is AnswerKind.NOT_SENT
    after = responses.classify_silence(sent=False, code="refused", history=AFTER_UNKNOWN)
    assert (after.kind, after.alone) == (AnswerKind.UNKNOWN, AnswerKind.NOT_SENT)


# --- what is in no row ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "empty_body"),
        (b"{}", "no_reason"),
        (b"null", "not_an_object"),
        (b"[]", "not_an_object"),
        (b'"live"', "not_an_object"),
        (HTML, "html"),
        (b"\xff\xfe\x00", "not_json"),
        (json.dumps(accepted()).encode()[:-20], "not_json"),
        (b"[" * 200_000, "not_json"),
        (b'{"success":true,"success":true}', "not_json"),
        (b'{"success":NaN}', "not_json"),
        (b'{"n":' + b"9" * 5_000 + b"}", "not_json"),
        (b" " * 1_000_001, "body_too_large"),
        (accepted(success="true"), "type_of_success"),
        (accepted(success=1), "type_of_success"),
        (accepted(orderID=5), "type_of_orderID"),
        (accepted(orderID=None), "type_of_orderID"),
        (accepted(orderID="0x12"), "type_of_orderID"),
        (accepted(status=None), "type_of_status"),
        (accepted(errorMsg=None), "type_of_errorMsg"),
        (accepted(makingAmount=5.2), "type_of_makingAmount"),
        (accepted(makingAmount="NaN"), "type_of_makingAmount"),
        (accepted(takingAmount="-1"), "type_of_takingAmount"),
        (accepted(takingAmount="1e3"), "type_of_takingAmount"),
        (accepted(tradeIDs="t1"), "type_of_tradeIDs"),
        (accepted(tradeIDs=[1]), "type_of_tradeIDs"),
        (accepted(transactionsHashes={"a": "b"}), "type_of_transactionsHashes"),
        (accepted(status="unmatched"), "status_unclear"),
        (accepted(status=""), "status_unclear"),
        (accepted(status="LIVE_SOON"), "status_unclear"),
        (accepted(errorMsg="but"), "status_unclear"),
        (accepted(orderID=""), "contradiction"),
        (accepted(orderID="", status=""), "no_reason"),
        (accepted(orderID="", status="", errorMsg="never heard of"), "unknown_reason"),
        (accepted(success=False), "contradiction"),
        (refused("never heard of"), "unknown_reason"),
        (refused(""), "no_reason"),
        (refused("invalid signature", error="invalid side"), "two_messages"),
        (refused("invalid signature") | {"orderID": OTHER}, "other_order"),
        (refused("invalid signature") | {"status": "matched"}, "contradiction"),
        (refused("invalid signature") | {"tradeIDs": ["t1"]}, "contradiction"),
        (refused(f"order {OTHER} crosses the book"), "crosses"),
        (refused("could not insert order"), "not_inserted"),
        (refused("order match delayed due to market conditions"), "delayed"),
    ],
)
def test_a_200_that_the_table_does_not_name_is_unknown(body: object, code: str) -> None:
    answer = judge(200, body)
    assert (answer.kind, answer.code) == (AnswerKind.UNKNOWN, code)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"error": "never heard of"}),
        (400, {"error": ["invalid signature"]}),
        (400, "invalid signature"),
        (400, HTML),
        (400, b""),
        (400, {"error": "service not ready"}),
        (400, {"error": "invalid signature", "orderID": OTHER}),
        (400, {"error": "invalid signature", "tradeIDs": ["t1"]}),
        (400, {"error": f"order {OTHER} is invalid. Size (1) lower than the minimum: 5"}),
        (404, {"error": "page not found"}),
        (409, {"error": "invalid signature"}),
        (422, {"error": "invalid signature"}),
        (408, {"error": "invalid signature"}),
        (503, {"error": "Service Unavailable"}),
        (503, HTML),
        (503, {"error": "invalid signature"}),
        (201, accepted()),
        (202, accepted()),
        (204, b""),
        (301, b""),
        (400, accepted()),
        (503, accepted()),
        (0, b""),
        (999, accepted()),
    ],
)
def test_any_other_answer_is_unknown(status: int, body: object) -> None:
    assert judge(status, body).kind is AnswerKind.UNKNOWN


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [(500, {"error": "nobody knows this"}, "status_500"), (500, b"", "empty_body"), (502, HTML, "html")],
)
def test_what_settles_nothing_says_why(status: int, body: object, code: str) -> None:
    answer = judge(status, body)
    assert (answer.kind, answer.code) == (AnswerKind.UNKNOWN, code)


def test_a_busy_status_that_claims_success_contradicts_itself() -> None:
    for status in (401, 403, 425, 429):
        answer = judge(status, accepted())
        assert (answer.kind, answer.code) == (AnswerKind.UNKNOWN, "contradiction")


def test_a_short_body_is_a_cut_body() -> None:
    body = json.dumps(accepted()).encode()
    assert judge(200, body, headers={"Content-Length": str(len(body))}).kind is AnswerKind.LIVE
    assert judge(200, body, headers={"Content-Length": str(len(body) + 1)}).code == "truncated"
    packed = {"Content-Length": "12", "Content-Encoding": "gzip"}
    assert judge(200, body, headers=packed).kind is AnswerKind.LIVE


def test_new_and_missing_fields_are_named_as_drift() -> None:
    assert judge(200, accepted(queuePosition=5)).drift == ("queuePosition",)
    assert judge(200, accepted(makingAmount=...)).drift == ("-makingAmount",)
    assert judge(200, accepted(tradeIDs=..., transactionsHashes=None)).drift == ()
    assert judge(200, accepted(**{"n" * 61: 1})).drift == ("n" * 60,)


def test_what_the_venue_said_can_be_stored() -> None:
    said = judge(200, refused("a\x00b\nc\ud800" + "x" * 1_000)).said
    assert said.startswith("a b c x") and len(said) <= 300
    said.encode()


# --- batches ----------------------------------------------------------------------------------------------------------


def test_the_legs_of_a_batch_are_judged_one_by_one() -> None:
    legs = responses.read_legs(json.dumps([accepted(), refused("invalid signature") | {"success": True}, 5]).encode())
    assert legs is not None
    kinds = [responses.classify_leg(leg, order_id=H).kind for leg in legs]
    assert kinds == [AnswerKind.LIVE, AnswerKind.REJECTED, AnswerKind.UNKNOWN]
    assert responses.classify_leg(legs[1], order_id=H, history=AFTER_UNKNOWN).kind is AnswerKind.UNKNOWN
    for body in (b"{}", b"[", HTML, b""):
        assert responses.read_legs(body) is None


# --- any bytes at all -------------------------------------------------------------------------------------------------

FIELDS = [*accepted(), "error", "code", "retry_after_seconds", "other"]
TEXTS = [
    "", "invalid signature", "Invalid Signature.", f"order {H} is invalid. Duplicated.", "could not insert order",
    f"order {OTHER} crosses the book", "not enough balance", "service not ready", POST_ONLY["error"], H, OTHER,
    "live", "matched", "delayed", "unmatched", "1.5", "-1", "\ud800", "\x00",
]  # fmt: skip
STATUSES = [200, 200, 200, 400, 401, 403, 404, 425, 429, 500, 502, 503, 504, 201, 0, 999]


def random_value(rng: random.Random, depth: int = 0) -> Any:
    choice = rng.randrange(9 if depth < 3 else 7)
    if choice < 3:
        return rng.choice(TEXTS)
    if choice == 7:
        return [random_value(rng, depth + 1) for _ in range(rng.randrange(3))]
    if choice == 8:
        return {rng.choice(FIELDS): random_value(rng, depth + 1) for _ in range(rng.randrange(3))}
    return (None, True, False, rng.choice((0, -1, 2**70, 1e308, float("nan"))))[choice - 3]


def random_body(rng: random.Random) -> bytes:
    start: dict[str, Any] = rng.choice(
        (
            accepted(orderID=rng.choice((H, H, OTHER)), status=rng.choice(("live", "matched", "delayed"))),
            refused(rng.choice(TEXTS)),
            {"error": rng.choice(TEXTS)},
            {},
        )
    )
    for _ in range(rng.randrange(4)):
        start[rng.choice(FIELDS)] = random_value(rng)
    for _ in range(rng.randrange(2)):
        start.pop(rng.choice(FIELDS), None)
    body = json.dumps(start if rng.random() < 0.95 else random_value(rng)).encode()
    damage = rng.randrange(8)
    if damage == 0:
        return body[: rng.randrange(len(body) + 1)]
    if damage == 1:
        at = rng.randrange(len(body))
        return body[:at] + rng.randbytes(rng.randrange(1, 4)) + body[at + 1 :]
    return HTML if damage == 2 and rng.random() < 0.2 else body


def test_any_bytes_are_exactly_one_class_and_never_an_error() -> None:
    rng = random.Random(314)
    seen = dict.fromkeys(AnswerKind, 0)
    for _ in range(CASES):
        status, body, unknown = rng.choice(STATUSES), random_body(rng), rng.random() < 0.3
        headers = {"Retry-After": str(rng.choice(("5", "", "x", "²", -1)))} if rng.random() < 0.2 else {}
        answer = judge(status, body, History(unknown_attempts=int(unknown)), headers)
        seen[answer.kind] += 1
        answer.said.encode()
        if answer.kind is AnswerKind.REJECTED:
            entry = refusals.find(answer.said)
            assert not unknown and status in (200, 400, 404), (status, body)
            assert entry is not None and entry.means is AnswerKind.REJECTED and entry.code == answer.code
        if answer.kind is AnswerKind.NOT_PROCESSED:
            assert not unknown and status in (200, 401, 403, 425, 429, 503), (status, body)
        if answer.kind in ACCEPTED:
            assert answer.order_id == H and H.encode() in body.lower()
            assert status == 200 or answer.kind is AnswerKind.EXISTING, (status, body)
        if answer.kind is AnswerKind.BROKEN:
            assert status == 200 and json.loads(body)["orderID"].lower() != H
    reached = {kind for kind, count in seen.items() if count}
    assert reached == set(AnswerKind) - {AnswerKind.NOT_SENT}


def test_a_reason_outside_the_catalogue_never_lets_an_order_go() -> None:
    """Texts made from known ones by small changes: an entry must match whole or not at all."""
    rng = random.Random(315)
    known = [text for text in TEXTS if len(text) > 10]
    for _ in range(CASES // 4):
        text = rng.choice(known)
        at = rng.randrange(len(text) + 1)
        text = text[:at] + rng.choice(("", "x", "not ", "\n", "?")) + text[at + rng.randrange(3) :]
        if refusals.find(text) is None:
            for status, body in ((200, refused(text)), (400, {"error": text}), (404, {"error": text})):
                assert judge(status, body).kind is AnswerKind.UNKNOWN
