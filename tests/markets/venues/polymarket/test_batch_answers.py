"""A batch's answer is given to orders by what it names, never by place alone."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from markets.domain.answers import AnswerKind as Kind
from markets.domain.answers import OrderAnswer
from markets.venues.polymarket.batch_answers import classify_batch

IDS = [f"0x{number:064x}" for number in (0xA1, 0xB2, 0xC3)]
FOREIGN = "0x" + "ee" * 32
TOO_SMALL = "order 7 is invalid. Size (1) lower than the minimum: 5"


def accepted(order_id: str, status: str = "live") -> dict[str, Any]:
    return {
        "success": True, "errorMsg": "", "orderID": order_id, "status": status, "makingAmount": "",
        "takingAmount": "", "tradeIDs": [], "transactionsHashes": [],
    }  # fmt: skip


def refused(text: str = TOO_SMALL) -> dict[str, Any]:
    return {**accepted(""), "errorMsg": text, "status": ""}


def judged(
    legs: object, *, status: int = 200, unknown: tuple[int, ...] = (0, 0, 0), **headers: str
) -> list[OrderAnswer]:
    body = legs if isinstance(legs, bytes) else json.dumps(legs).encode()
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return classify_batch(status=status, headers=named, body=body, order_ids=IDS, unknown_attempts=unknown)


def kinds(*arguments: Any, **options: Any) -> list[Kind]:
    return [answer.kind for answer in judged(*arguments, **options)]


def test_legs_in_the_order_they_were_sent() -> None:
    assert kinds([accepted(IDS[0]), refused(), accepted(IDS[2], "matched")]) == [Kind.LIVE, Kind.REJECTED, Kind.MATCHED]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_named_legs_are_found_wherever_they_stand(order: tuple[int, ...]) -> None:
    legs = [accepted(IDS[0]), accepted(IDS[1], "matched"), accepted(IDS[2], "delayed")]
    assert kinds([legs[n] for n in order]) == [Kind.LIVE, Kind.MATCHED, Kind.DELAYED]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_one_refused_among_misplaced_ones_is_the_one_that_is_not_named(order: tuple[int, ...]) -> None:
    legs = [accepted(IDS[0]), refused(), accepted(IDS[2])]
    assert kinds([legs[n] for n in order]) == [Kind.LIVE, Kind.REJECTED, Kind.LIVE]


def test_different_refusals_of_misplaced_legs_are_not_guessed() -> None:
    legs = [refused("could not insert order"), refused(), accepted(IDS[0])]
    assert kinds(legs) == [Kind.LIVE, Kind.UNKNOWN, Kind.UNKNOWN]
    in_place = [accepted(IDS[0]), refused("could not insert order"), refused()]
    assert kinds(in_place) == [Kind.LIVE, Kind.UNKNOWN, Kind.REJECTED]


def test_a_leg_that_is_missing_is_unknown() -> None:
    assert kinds([accepted(IDS[0]), refused()]) == [Kind.LIVE, Kind.UNKNOWN, Kind.UNKNOWN]
    assert kinds([]) == [Kind.UNKNOWN] * 3
    assert [answer.code for answer in judged([])] == ["leg_missing"] * 3


def test_more_legs_than_orders_prove_only_what_they_name() -> None:
    assert kinds([accepted(IDS[0]), refused(), refused(), refused()]) == [Kind.LIVE, Kind.UNKNOWN, Kind.UNKNOWN]


def test_an_order_named_twice_is_unknown() -> None:
    assert kinds([accepted(IDS[0]), accepted(IDS[0]), refused()]) == [Kind.UNKNOWN] * 3


def test_an_order_that_we_did_not_send_stops_everything() -> None:
    found = judged([accepted(IDS[0]), accepted(FOREIGN), accepted(IDS[2])])
    assert [answer.kind for answer in found] == [Kind.LIVE, Kind.BROKEN, Kind.LIVE]
    assert found[1].said == FOREIGN


def test_every_leg_is_judged_in_the_light_of_its_own_past() -> None:
    legs = [refused(), refused(), accepted(IDS[2])]
    assert kinds(legs, unknown=(1, 0, 3)) == [Kind.UNKNOWN, Kind.REJECTED, Kind.LIVE]


@pytest.mark.parametrize(
    "body", [b"", b"[", b"null", b"{}", b"<html></html>", b'{"error":"x"}', b'[1,2,3]', b'["a",null,{}]']
)  # fmt: skip
def test_a_body_that_is_no_list_of_answers_settles_nothing(body: bytes) -> None:
    assert kinds(body) == [Kind.UNKNOWN] * 3


def test_a_list_that_was_cut_settles_nothing() -> None:
    body = json.dumps([accepted(order_id) for order_id in IDS]).encode()
    assert kinds(body, content_length=str(len(body))) == [Kind.LIVE] * 3
    assert kinds(body, content_length=str(len(body) + 1)) == [Kind.UNKNOWN] * 3


@pytest.mark.parametrize(
    ("status", "text", "kind"),
    [
        (400, "Too many orders in payload: 16, max allowed: 15", Kind.REJECTED),
        (400, "Payload exceeds the limit", Kind.REJECTED),
        (400, "Invalid order payload", Kind.REJECTED),
        (400, "not enough balance / allowance", Kind.UNKNOWN),
        (400, TOO_SMALL, Kind.UNKNOWN),
        (400, "INVALID_ORDER_DUPLICATED", Kind.UNKNOWN),
        (400, "whatever", Kind.UNKNOWN),
        (401, "Unauthorized/Invalid api key", Kind.NOT_PROCESSED),
        (403, "Trading restricted in your region", Kind.NOT_PROCESSED),
        (425, "service not ready", Kind.NOT_PROCESSED),
        (429, "Too Many Requests", Kind.NOT_PROCESSED),
        (503, "Trading is currently disabled. Check polymarket.com for updates", Kind.NOT_PROCESSED),
        (500, "could not run the execution", Kind.UNKNOWN),
        (502, "", Kind.UNKNOWN),
    ],
)
def test_a_refusal_of_the_whole_request(status: int, text: str, kind: Kind) -> None:
    assert kinds({"error": text}, status=status) == [kind] * 3
    again = kinds({"error": text}, status=status, unknown=(1, 1, 1))
    assert again == [Kind.UNKNOWN] * 3


def test_a_duplicate_that_is_named_is_only_that_one() -> None:
    found = kinds({"error": f"order {IDS[1]} is invalid. Duplicated."}, status=400)
    assert found == [Kind.UNKNOWN, Kind.EXISTING, Kind.UNKNOWN]
