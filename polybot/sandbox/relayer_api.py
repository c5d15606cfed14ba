"""The gasless relayer: batches of contract calls that a proxy, a Safe or a deposit wallet signed.

Every wallet counts as deployed. A batch takes effect as a whole or not at all, at once unless a fault slows the
relayer down; its transaction then reads as new, executed, mined and confirmed. Times are Unix milliseconds.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from eth_utils.crypto import keccak

from polybot.sandbox.auth import KeyRing
from polybot.sandbox.chain import Chain, Reverted
from polybot.sandbox.eip712 import SignatureError, address_bytes, batch_digest, recover
from polybot.sandbox.engine_rules import EngineFault
from polybot.sandbox.exchange import Exchange
from polybot.sandbox.http_core import ApiError, Request, Router
from polybot.sandbox.messages import Refusal
from polybot.sandbox.relayed import (
    BadCall,
    Call,
    proxy_calls,
    proxy_digest,
    safe_calls,
    safe_digest,
    safe_signature,
)
from polybot.sandbox.standing import Standing
from polybot.sandbox.wallets import (
    CHAIN_ID,
    PROXY_FACTORY,
    RELAY,
    RELAY_HUB,
    deposit_wallets,
    proxy_wallet,
    safe_wallet,
)

NEW, EXECUTED, MINED, DONE, FAILED = (f"STATE_{s}" for s in ("NEW", "EXECUTED", "MINED", "CONFIRMED", "FAILED"))
BUSY = "wallet busy: another active action is in progress"
LONGEST_METADATA = 500


@dataclass(slots=True, kw_only=True)
class _Transaction:
    made: str
    hash: str
    submitted_ms: int
    lag_ms: int
    error: str

    def state(self, now_ms: int) -> str:
        passed = now_ms - self.submitted_ms
        if passed < self.lag_ms:  # thirds of the way: submitted, executed, mined
            return (NEW, EXECUTED, MINED)[min(2, 3 * max(0, passed) // self.lag_ms)]
        return FAILED if self.error else DONE

    def body(self, now_ms: int) -> dict[str, str]:
        state = self.state(now_ms)
        return {
            "transaction_id": self.made,
            "state": state,
            "transaction_hash": "" if state == NEW else self.hash,
            "error_msg": self.error if state == FAILED else "",
        }


class RelayerApi:
    def __init__(self, chain: Chain, exchange: Exchange, keys: KeyRing, standing: Standing) -> None:
        self._chain = chain
        self._exchange = exchange
        self._keys = keys
        self._standing = standing
        self._nonces: dict[tuple[str, str], int] = {}  # (signer, wallet type)
        self._transactions: dict[str, _Transaction] = {}

    def router(self) -> Router:
        router = Router("relayer")
        router.add("GET", "/deployed", lambda _: {"deployed": True})
        router.add("GET", "/v1/account/transactions/params", self.params)
        router.add("GET", "/nonce", self.params)
        router.add("GET", "/v1/account/transactions/{id}", self.transaction)
        router.add("GET", "/transaction", self.legacy_transaction)
        router.add("GET", "/relay-payload", self.relay_payload)
        router.add("POST", "/submit", self.submit)
        router.add("GET", "/ok", lambda _: "OK")
        return router

    def params(self, request: Request) -> dict[str, str]:
        address = address_of(request.first("address"))
        nonce = self._nonces.get((address, request.first("type", "WALLET")), 0)
        return {"address": request.first("address"), "nonce": str(nonce)}

    def relay_payload(self, request: Request) -> dict[str, str]:
        """Return the relay that will send a proxy's call, and the signer's next nonce."""
        address = address_of(request.first("address"))
        return {"address": RELAY, "nonce": str(self._nonces.get((address, "PROXY"), 0))}

    def submit(self, request: Request) -> dict[str, str]:
        """Accept a wallet's creation or its signed batch."""
        self._keys.check_relayer(request, required=self._standing.relayer_auth)
        body = request.json()
        if not isinstance(body, dict):
            raise ApiError(400, "Invalid payload")
        if len(str(body.get("metadata") or "")) > LONGEST_METADATA:
            raise ApiError(400, f"metadata must be at most {LONGEST_METADATA} characters")
        kind = str(body.get("type"))
        owner = address_of(body.get("from"))
        if kind in ("WALLET-CREATE", "SAFE-CREATE"):
            return self.record(owner, "")
        readers = {"WALLET": self._deposit, "SAFE": self._safe, "PROXY": self._proxy}
        if kind not in readers:
            raise ApiError(400, f"unknown transaction type {kind}")
        nonce = whole_of(body.get("nonce"))
        wallet, calls = readers[kind](body, owner, nonce, request)
        rules, now = self._exchange.rules, self._exchange.now_ms
        self.nonce_take(owner, kind, nonce)
        error = ""
        if rules.strike(EngineFault.RELAY_FAILED, now) is not None:
            error = "execution reverted"
        else:
            try:
                self._chain.execute_all(wallet, calls)
            except (Refusal, Reverted) as refusal:
                error = str(refusal)
        return self.record(owner, error, lag_ms=rules.lag(EngineFault.RELAY_SLOW, now))

    def nonce_take(self, owner: str, kind: str, nonce: int) -> None:
        """Use up the nonce of a signed batch, which must be the next one of its signer and wallet type."""
        due = self._nonces.get((owner, kind), 0)
        if nonce != due:
            raise ApiError(400, f"batch nonce {nonce} does not match on-chain nonce {due}")
        if self._exchange.rules.strike(EngineFault.RELAY_BUSY, self._exchange.now_ms) is not None:
            raise ApiError(400, BUSY)
        self._nonces[owner, kind] = due + 1

    def transaction(self, request: Request) -> dict[str, str]:
        found = self._transactions.get(request.params["id"])
        if found is None:
            raise ApiError(404, "transaction not found")
        return found.body(self._exchange.now_ms)

    def legacy_transaction(self, request: Request) -> list[dict[str, str]]:
        found = self._transactions.get(request.first("id"))
        if found is None:
            return []
        spelled = {"transactionID": "transaction_id", "transactionHash": "transaction_hash", "state": "state"}
        body = found.body(self._exchange.now_ms)
        return [{new: body[old] for new, old in spelled.items()}]

    # The three kinds of wallet ----------------------------------------------------------------------

    def _deposit(self, body: dict[str, Any], owner: str, nonce: int, request: Request) -> tuple[str, list[Call]]:
        details = body.get("depositWalletParams")
        if not isinstance(details, dict):
            raise ApiError(400, "Invalid payload")
        wallet = address_of(details.get("depositWallet"))
        if wallet not in deposit_wallets(owner):
            raise ApiError(400, "the deposit wallet does not belong to the signer")
        calls, deadline = _calls(details.get("calls")), whole_of(details.get("deadline"))
        signed = batch_digest(wallet=wallet, nonce=nonce, deadline=deadline, calls=calls, chain_id=CHAIN_ID)
        _verify(signed, hex_of(body.get("signature")), owner)
        if deadline < request.now_s:
            raise ApiError(400, "the batch is past its deadline")
        return wallet, calls

    def _safe(self, body: dict[str, Any], owner: str, nonce: int, request: Request) -> tuple[str, list[Call]]:
        wallet, to, data = address_of(body.get("proxyWallet")), address_of(body.get("to")), hex_of(body.get("data"))
        if wallet != safe_wallet(owner):
            raise ApiError(400, "the Safe does not belong to the signer")
        operation = whole_of(_params(body).get("operation"))
        signed = safe_digest(safe=wallet, to=to, data=data, operation=operation, nonce=nonce, chain_id=CHAIN_ID)
        try:
            plain = safe_signature(hex_of(body.get("signature")))
        except SignatureError as error:
            raise ApiError(400, f"invalid signature: {error}") from None
        _verify(signed, plain, owner)
        return wallet, _unpacked(lambda: safe_calls(to, data, operation))

    def _proxy(self, body: dict[str, Any], owner: str, nonce: int, request: Request) -> tuple[str, list[Call]]:
        wallet, to, data = address_of(body.get("proxyWallet")), address_of(body.get("to")), hex_of(body.get("data"))
        if wallet != proxy_wallet(owner):
            raise ApiError(400, "the proxy does not belong to the signer")
        details = _params(body)
        hub, relay = address_of(details.get("relayHub")), address_of(details.get("relay"))
        if (to, hub, relay) != (PROXY_FACTORY.lower(), RELAY_HUB.lower(), RELAY.lower()):
            raise ApiError(400, "unknown proxy factory, relay hub or relay")
        signed = proxy_digest(
            owner=owner,
            factory=to,
            data=data,
            fee=whole_of(details.get("relayerFee")),
            gas_price=whole_of(details.get("gasPrice")),
            gas_limit=whole_of(details.get("gasLimit")),
            nonce=nonce,
            hub=hub,
            relay=relay,
        )
        _verify(signed, hex_of(body.get("signature")), owner)
        return wallet, _unpacked(lambda: proxy_calls(data))

    def record(self, owner: str, error: str, *, lag_ms: int = 0) -> dict[str, str]:
        made = str(uuid.uuid4())
        self._transactions[made] = _Transaction(
            made=made,
            hash="0x" + keccak(made.encode() + owner.encode()).hex(),
            submitted_ms=self._exchange.now_ms,
            lag_ms=lag_ms,
            error=error,
        )
        return {"transactionID": made, "state": NEW, "transactionHash": ""}


def signed_by(*, wallet: str, nonce: int, deadline: int, calls: list[Call], signature: bytes, chain_id: int) -> str:
    """Return the key that signed this batch of a deposit wallet."""
    try:
        digest = batch_digest(wallet=wallet, nonce=nonce, deadline=deadline, calls=calls, chain_id=chain_id)
        return recover(digest, signature)
    except SignatureError as error:
        raise ApiError(400, f"invalid signature: {error}") from None


def _verify(signed: bytes, signature: bytes, owner: str) -> None:
    try:
        if recover(signed, signature) != owner:
            raise SignatureError("another key signed")
    except SignatureError as error:
        raise ApiError(400, f"invalid signature: {error}") from None


def _unpacked(read: Any) -> list[Call]:
    try:
        calls: list[Call] = read()
    except BadCall as error:
        raise ApiError(400, str(error)) from None
    return calls


def _params(body: dict[str, Any]) -> dict[str, Any]:
    details = body.get("signatureParams")
    if not isinstance(details, dict):
        raise ApiError(400, "Invalid payload")
    return details


def address_of(value: Any) -> str:
    try:
        return "0x" + address_bytes(str(value)).hex()
    except SignatureError:
        raise ApiError(400, "invalid address") from None


def whole_of(value: Any) -> int:
    text = str(value)
    if not (text.isascii() and text.isdecimal() and len(text) <= 78) or int(text) >= 1 << 256:
        raise ApiError(400, "Invalid payload")
    return int(text)


def hex_of(value: Any) -> bytes:
    try:
        return bytes.fromhex(str(value or "").removeprefix("0x"))
    except ValueError:
        raise ApiError(400, "Invalid payload") from None


def _calls(value: Any) -> list[Call]:
    if not isinstance(value, list) or not value:
        raise ApiError(400, "Invalid payload")
    calls = []
    for call in value:
        if not isinstance(call, dict):
            raise ApiError(400, "Invalid payload")
        calls.append((address_of(call.get("target")), whole_of(call.get("value", 0)), hex_of(call.get("data"))))
    return calls
