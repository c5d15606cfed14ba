"""What answers of the relayer and of a node mean: only a certain refusal is one, everything odd is unknown."""

from __future__ import annotations

import json

import pytest

from markets.venues.base import ParseError, VenueUnavailable
from markets.venues.chain import Stage, SubmitKind
from markets.venues.polymarket.connection import HttpAnswer, NoAnswer, NotSent
from markets.venues.polymarket.relayer import Relayer
from markets.venues.polymarket.rpc import Rpc

HASH = "0x" + "ab" * 32


class Pool:
    """Answers from a list; an exception in it is raised."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)

    def request(self, *_: object, **__: object) -> HttpAnswer:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        status, body = answer if isinstance(answer, tuple) else (200, answer)  # type: ignore[misc]
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return HttpAnswer(status, {}, raw, 0, 0)

    def close(self) -> None: ...


NONCE = "batch nonce {} does not match on-chain nonce {}"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ({"transactionID": "t", "state": "STATE_NEW", "transactionHash": ""}, SubmitKind.ACCEPTED),
        ({"state": "STATE_NEW"}, SubmitKind.UNKNOWN),
        (b"<html>", SubmitKind.UNKNOWN),
        ((400, {"error": "wallet busy: another active action is in progress"}), SubmitKind.BUSY),
        ((400, {"error": NONCE.format(3, 4)}), SubmitKind.NONCE_USED),
        ((400, {"error": NONCE.format(5, 4)}), SubmitKind.BUSY),
        ((400, {"error": "invalid signature: another key signed"}), SubmitKind.REFUSED),
        ((429, {}), SubmitKind.BUSY),
        ((401, {}), SubmitKind.BUSY),
        ((500, {}), SubmitKind.UNKNOWN),
        ((302, b""), SubmitKind.UNKNOWN),
        (NotSent("connect_failed"), SubmitKind.NOT_SENT),
        (NoAnswer("timeout", first_byte_ms=1), SubmitKind.UNKNOWN),
    ],
)
def test_an_answer_to_a_batch(answer: object, kind: SubmitKind) -> None:
    assert Relayer("http://x", pool=Pool(answer)).submit(b"{}", deadline_ms=1).kind is kind  # type: ignore[arg-type]


def test_what_became_of_a_batch() -> None:
    pool = Pool({"state": "STATE_MINED"}, {"state": "STATE_CONFIRMED", "transaction_hash": HASH}, (404, {}),
                {"state": "STATE_INVALID", "error_msg": "no"}, {"state": "STATE_ODD"}, (503, {}))  # fmt: skip
    relayer = Relayer("http://x", pool=pool)  # type: ignore[arg-type]
    assert relayer.progress("t").stage is Stage.PENDING
    assert (found := relayer.progress("t")).stage is Stage.CONFIRMED and found.hash == HASH
    assert relayer.progress("t").stage is Stage.ABSENT
    assert (failed := relayer.progress("t")).stage is Stage.FAILED and failed.said == "no"
    with pytest.raises(ParseError, match="no state that we know"):
        relayer.progress("t")
    with pytest.raises(VenueUnavailable):
        relayer.progress("t")


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ({"result": HASH}, SubmitKind.ACCEPTED),
        ({"error": {"code": -32000, "message": "already known"}}, SubmitKind.EXISTING),
        ({"error": {"code": -32000, "message": "nonce too low"}}, SubmitKind.NONCE_USED),
        ({"error": {"code": -32000, "message": "replacement transaction underpriced"}}, SubmitKind.BUSY),
        ({"error": {"code": -32000, "message": "insufficient funds for gas"}}, SubmitKind.REFUSED),
        ({"error": {"code": -1, "message": "odd"}}, SubmitKind.UNKNOWN),
        ((502, b"<html>"), SubmitKind.UNKNOWN),
        (NotSent("dns_failed"), SubmitKind.NOT_SENT),
        (NoAnswer("reset", first_byte_ms=1), SubmitKind.UNKNOWN),
    ],
)
def test_an_answer_to_a_broadcast(answer: object, kind: SubmitKind) -> None:
    assert Rpc("http://x", pool=Pool(answer)).broadcast(b"\x02", deadline_ms=1).kind is kind  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("blocks", "status", "stage"),
    [("0x65", "0x1", Stage.PENDING), ("0x69", "0x1", Stage.CONFIRMED), ("0x69", "0x0", Stage.FAILED)],
)
def test_a_receipt_is_believed_when_it_is_deep_enough(blocks: str, status: str, stage: Stage) -> None:
    receipt = {"transactionHash": HASH, "blockNumber": "0x64", "status": status}
    pool = Pool({"result": receipt}, {"result": blocks})
    assert Rpc("http://x", pool=pool).progress(HASH, confirmations=5).stage is stage  # type: ignore[arg-type]


def test_a_transaction_that_left_the_chain_is_pending_or_absent_again() -> None:
    pool = Pool({"result": None}, {"result": {"hash": HASH}}, {"result": None}, {"result": None})
    rpc = Rpc("http://x", pool=pool)  # type: ignore[arg-type]
    assert rpc.progress(HASH).stage is Stage.PENDING
    assert rpc.progress(HASH).stage is Stage.ABSENT
    other = {"transactionHash": "0x" + "00" * 32, "blockNumber": "0x1", "status": "0x1"}
    with pytest.raises(ParseError):
        Rpc("http://x", pool=Pool({"result": other})).progress(HASH)  # type: ignore[arg-type]
