"""JSON-RPC of the chain: contract reads, gas, broadcasting a stored transaction, and its receipt.

One request per call and no retry. Reads raise VenueUnavailable, ParseError or Reverted; `broadcast` answers with a
`Submitted` whatever happens, because a raw transaction may be sent again without risk. Gas prices are in wei.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import msgspec

from markets.venues.base import ParseError, VenueUnavailable
from markets.venues.chain import GasFacts, Progress, Stage, SubmitKind, Submitted
from markets.venues.polymarket import calls
from markets.venues.polymarket.calls import Call, Grant
from markets.venues.polymarket.connection import HttpPool, NoAnswer, NotSent

CONFIRMATIONS = 5  # blocks on top of a receipt before it is believed; the chain reorganises less than that
_GAS_MARGIN_PCT = 30
_HIGHEST_FEE = 2_000_000_000_000  # 2,000 gwei: a node that asks for more is not believed
_HEX = re.compile(r"0x[0-9a-fA-F]*")
_KNOWN = re.compile(r"already known|known transaction|already imported", re.IGNORECASE)
_NONCE = re.compile(r"nonce too low", re.IGNORECASE)
_LATER = re.compile(r"underpriced|txpool is full|fee cap|rate limit|too many|timeout", re.IGNORECASE)
_NEVER = re.compile(r"insufficient funds|invalid chain id|invalid sender|intrinsic gas|only replay", re.IGNORECASE)


class Reverted(RuntimeError):
    """The contract would refuse this call; the text is the node's."""


class Rpc:
    def __init__(self, base_url: str, *, pool: HttpPool | None = None) -> None:
        self._pool = pool or HttpPool(base_url)
        self._serial = 0

    def close(self) -> None:
        self._pool.close()

    # Reads ----------------------------------------------------------------------------------------------

    def cash(self, owner: str) -> int:
        return calls.one_word(self.call(calls.read_cash(owner)))

    def shares(self, owner: str, token_ids: Sequence[str], *, contract: str = "") -> dict[str, int]:
        if not token_ids:
            return {}
        answer = self.call(calls.read_shares(owner, token_ids, contract=contract))
        return dict(zip(token_ids, calls.list_of(answer, len(token_ids)), strict=True))

    def grants(self, owner: str, grants: Sequence[Grant]) -> list[int]:
        """Return what each contract may take; for shares 1 or 0."""
        return [calls.one_word(self.call(calls.read_grant(owner, grant))) for grant in grants]

    def payout(self, condition_id: str) -> tuple[tuple[int, int], int]:
        """Return the numerators of both outcomes and the denominator, which is zero until the market is resolved."""
        denominator = calls.one_word(self.call(calls.read_payout(condition_id)))
        if not denominator:
            return (0, 0), 0
        first, second = (calls.one_word(self.call(calls.read_payout(condition_id, i))) for i in (0, 1))
        return (first, second), denominator

    def call(self, call: Call) -> bytes:
        found = self._result("eth_call", [{"to": call.to, "data": "0x" + call.data.hex()}, "latest"])
        if not isinstance(found, str) or not _HEX.fullmatch(found) or len(found) % 2:
            raise ParseError("result", "is not hexadecimal", source="rpc.eth_call")
        return bytes.fromhex(found[2:])

    def gas(self, call: Call, *, sender: str) -> GasFacts:
        """Return what `call` needs, with room. Raises Reverted when the contract would refuse it now."""
        estimate = self._number("eth_estimateGas", [{"from": sender, "to": call.to, "data": "0x" + call.data.hex()}])
        tip = self._number("eth_maxPriorityFeePerGas", [])
        block = self._result("eth_getBlockByNumber", ["latest", False])
        base = _number(block.get("baseFeePerGas") if isinstance(block, dict) else None, "baseFeePerGas")
        fee = 2 * base + tip
        if fee > _HIGHEST_FEE:
            raise ParseError("baseFeePerGas", f"{base} wei and {tip} on top are no price to pay", source="rpc")
        return GasFacts(
            nonce=self.nonce(sender, pending=True),
            gas=estimate + estimate * _GAS_MARGIN_PCT // 100,
            max_fee=fee,
            priority_fee=tip,
        )

    def nonce(self, sender: str, *, pending: bool = False) -> int:
        return self._number("eth_getTransactionCount", [sender, "pending" if pending else "latest"])

    def progress(self, transaction_hash: str, *, confirmations: int = CONFIRMATIONS) -> Progress:
        """Return what became of a transaction; a receipt that is not deep enough yet may still be taken back."""
        receipt = self._result("eth_getTransactionReceipt", [transaction_hash])
        if receipt is None:
            known = self._result("eth_getTransactionByHash", [transaction_hash])
            return Progress(stage=Stage.PENDING if known else Stage.ABSENT, hash=transaction_hash)
        if not isinstance(receipt, dict) or str(receipt.get("transactionHash")).lower() != transaction_hash.lower():
            raise ParseError("transactionHash", "is not the one that was asked for", source="rpc.receipt")
        mined, status = _number(receipt.get("blockNumber"), "blockNumber"), receipt.get("status")
        if status not in ("0x0", "0x1"):
            raise ParseError("status", f"{status!r:.20} is neither done nor failed", source="rpc.receipt")
        depth = self._number("eth_blockNumber", []) - mined
        if depth < confirmations:
            return Progress(
                stage=Stage.PENDING, hash=transaction_hash, said=f"{max(0, depth)} of {confirmations} blocks"
            )
        stage = Stage.CONFIRMED if status == "0x1" else Stage.FAILED
        return Progress(stage=stage, hash=transaction_hash, said="" if status == "0x1" else "the contract refused it")

    # Writing --------------------------------------------------------------------------------------------

    def broadcast(self, raw: bytes, *, deadline_ms: int) -> Submitted:
        try:
            answer = self._post("eth_sendRawTransaction", ["0x" + raw.hex()], deadline_ms=deadline_ms)
        except NotSent as error:
            return Submitted(kind=SubmitKind.NOT_SENT, said=error.code)
        except (NoAnswer, VenueUnavailable, ParseError) as error:
            return Submitted(kind=SubmitKind.UNKNOWN, said=str(error)[:200])
        if (problem := answer.get("error")) is None:
            return Submitted(kind=SubmitKind.ACCEPTED, hash=str(answer.get("result", "")).lower())
        said = _said(problem)
        for words, kind in (
            (_KNOWN, SubmitKind.EXISTING),
            (_NONCE, SubmitKind.NONCE_USED),
            (_LATER, SubmitKind.BUSY),
            (_NEVER, SubmitKind.REFUSED),
        ):
            if words.search(said):
                return Submitted(kind=kind, said=said)
        return Submitted(kind=SubmitKind.UNKNOWN, said=said)

    # Inside ---------------------------------------------------------------------------------------------

    def _number(self, method: str, params: list[Any]) -> int:
        return _number(self._result(method, params), method)

    def _result(self, method: str, params: list[Any]) -> Any:
        try:
            answer = self._post(method, params)
        except NotSent as error:
            raise VenueUnavailable(f"the chain's node cannot be reached: {error.code}") from None
        except NoAnswer as error:
            raise VenueUnavailable(f"the chain's node did not answer: {error.code}") from None
        if (problem := answer.get("error")) is not None:
            if isinstance(problem, dict) and (problem.get("code") == 3 or "revert" in str(problem.get("message"))):
                raise Reverted(_said(problem))
            raise VenueUnavailable(f"{method}: {_said(problem)}")
        return answer.get("result")

    def _post(self, method: str, params: list[Any], *, deadline_ms: int | None = None) -> dict[str, Any]:
        self._serial += 1
        body = json.dumps({"jsonrpc": "2.0", "id": self._serial, "method": method, "params": params}).encode()
        answer = self._pool.request("POST", "/", body=body, deadline_ms=deadline_ms)
        if answer.status != 200:
            raise VenueUnavailable(f"{method}: the chain's node answers {answer.status}")
        try:
            found = msgspec.json.decode(answer.body)
        except (msgspec.DecodeError, RecursionError):
            raise ParseError("body", "is not JSON", source="rpc") from None
        if not isinstance(found, dict):
            raise ParseError("body", "is not an object", source="rpc")
        return found


def _number(value: object, field: str) -> int:
    if not isinstance(value, str) or not _HEX.fullmatch(value) or not 3 <= len(value) <= 66:
        raise ParseError(field, f"{value!r:.60} is not a number", source="rpc")
    return int(value, 16)


def _said(problem: object) -> str:
    text = problem.get("message") if isinstance(problem, dict) else problem
    return str(text)[:200]
