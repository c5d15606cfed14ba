"""The gasless relayer, as far as a client's start-up and its batches of approvals need it.

Every wallet counts as deployed. A deposit wallet's batch is accepted when its owner signed
it; the calls take effect at once and the transaction reads as confirmed from then on.
"""

from __future__ import annotations

import uuid
from typing import Any

from eth_utils.crypto import keccak

from polybot.sandbox.chain import Chain, Reverted
from polybot.sandbox.eip712 import SignatureError, address_bytes, batch_digest, recover
from polybot.sandbox.http_core import ApiError, Request, Router
from polybot.sandbox.messages import Refusal
from polybot.sandbox.wallets import CHAIN_ID, deposit_wallets

DONE = "STATE_CONFIRMED"
FAILED = "STATE_FAILED"


class RelayerApi:
    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._nonces: dict[str, int] = {}
        self._transactions: dict[str, dict[str, str]] = {}

    def router(self) -> Router:
        router = Router("relayer")
        router.add("GET", "/deployed", lambda _: {"deployed": True})
        router.add("GET", "/v1/account/transactions/params", self.params)
        router.add("GET", "/nonce", self.params)
        router.add("GET", "/v1/account/transactions/{id}", self.transaction)
        router.add("GET", "/transaction", self.legacy_transaction)
        router.add("GET", "/relay-payload", self.params)
        router.add("POST", "/submit", self.submit)
        router.add("GET", "/ok", lambda _: "OK")
        return router

    def params(self, request: Request) -> dict[str, str]:
        address = _address(request.first("address"))
        return {"address": request.first("address"), "nonce": str(self._nonces.get(address, 0))}

    def submit(self, request: Request) -> dict[str, str]:
        """Accept a deposit wallet's creation or batch; other wallet types are refused by name."""
        body = request.json()
        if not isinstance(body, dict):
            raise ApiError(400, "Invalid payload")
        kind = body.get("type")
        if kind == "WALLET-CREATE":
            return self._record(DONE, "", str(body.get("from", "")))
        if kind != "WALLET":
            raise ApiError(400, f"relayer transactions of type {kind} are not served by this exchange")
        owner = _address(body.get("from"))
        details = body.get("depositWalletParams")
        if not isinstance(details, dict):
            raise ApiError(400, "Invalid payload")
        wallet = _address(details.get("depositWallet"))
        if wallet not in deposit_wallets(owner):
            raise ApiError(400, "the deposit wallet does not belong to the signer")
        calls, nonce = _calls(details.get("calls")), _whole(body.get("nonce"))
        deadline = _whole(details.get("deadline"))
        self._verify(body, owner=owner, wallet=wallet, nonce=nonce, deadline=deadline, calls=calls)
        if deadline < request.now_s:
            raise ApiError(400, "the batch is past its deadline")
        due = self._nonces.get(owner, 0)
        if nonce != due:
            raise ApiError(400, f"batch nonce {nonce} does not match on-chain nonce {due}")
        self._nonces[owner] = due + 1
        try:
            for target, _, data in calls:
                self._chain.execute(wallet, target, data)
        except (Refusal, Reverted) as error:
            return self._record(FAILED, str(error), owner)
        return self._record(DONE, "", owner)

    def transaction(self, request: Request) -> dict[str, str]:
        found = self._transactions.get(request.params["id"])
        if found is None:
            raise ApiError(404, "transaction not found")
        return found

    def legacy_transaction(self, request: Request) -> list[dict[str, str]]:
        found = self._transactions.get(request.first("id"))
        if found is None:
            return []
        spelled = {"transactionID": "transaction_id", "transactionHash": "transaction_hash", "state": "state"}
        return [{new: found[old] for new, old in spelled.items()}]

    def _verify(
        self, body: dict[str, Any], *, owner: str, wallet: str, nonce: int, deadline: int, calls: list[Any]
    ) -> None:
        try:
            signature = bytes.fromhex(str(body.get("signature", "")).removeprefix("0x"))
            signed = batch_digest(wallet=wallet, nonce=nonce, deadline=deadline, calls=calls, chain_id=CHAIN_ID)
            if recover(signed, signature) != owner:
                raise SignatureError("another key signed")
        except ValueError as error:
            raise ApiError(400, f"invalid signature: {error}") from None

    def _record(self, state: str, error: str, owner: str) -> dict[str, str]:
        made = str(uuid.uuid4())
        self._transactions[made] = {
            "transaction_id": made,
            "state": state,
            "transaction_hash": "0x" + keccak(made.encode() + owner.encode()).hex(),
            "error_msg": error,
        }
        return {"transactionID": made, "state": "STATE_NEW", "transactionHash": ""}


def _address(value: Any) -> str:
    try:
        return "0x" + address_bytes(str(value)).hex()
    except SignatureError:
        raise ApiError(400, "invalid address") from None


def _whole(value: Any) -> int:
    text = str(value)
    if not (text.isascii() and text.isdecimal() and len(text) <= 78):
        raise ApiError(400, "Invalid payload")
    return int(text)


def _calls(value: Any) -> list[tuple[str, int, bytes]]:
    if not isinstance(value, list) or not value:
        raise ApiError(400, "Invalid payload")
    calls = []
    for call in value:
        if not isinstance(call, dict):
            raise ApiError(400, "Invalid payload")
        try:
            data = bytes.fromhex(str(call.get("data", "")).removeprefix("0x"))
        except ValueError:
            raise ApiError(400, "Invalid payload") from None
        calls.append((_address(call.get("target")), _whole(call.get("value", 0)), data))
    return calls
