"""The routes of session keys: the owner's signed authorisation and revocation through the relayer, and the list.

An authorisation is a batch of one call that the deposit wallet makes to itself; it needs a builder's key. The same
`Idempotency-Key` again gives the same answer and changes nothing.
"""

from __future__ import annotations

from typing import Any

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from polybot.sandbox.auth import ApiKey, KeyRing
from polybot.sandbox.http_core import ApiError, Request, Router
from polybot.sandbox.relayer_api import RelayerApi, address_of, hex_of, signed_by, whole_of
from polybot.sandbox.sessions import ALL, LONGEST_S, Grant, Sessions
from polybot.sandbox.wallets import CHAIN_ID, deposit_wallets

AUTHORIZE = keccak(b"authorizeSessionSigner(address,uint256)")[:4]
REVOKE = keccak(b"revokeSessionSigner(address)")[:4]


class SessionApi:
    def __init__(self, relayer: RelayerApi, sessions: Sessions, keys: KeyRing) -> None:
        self._relayer = relayer
        self._sessions = sessions
        self._keys = keys
        self._answers: dict[tuple[str, str], dict[str, Any]] = {}

    def add_to_relayer(self, router: Router) -> None:
        router.add("POST", "/v1/session-signers/authorizations", self.authorize)
        router.add("POST", "/v1/session-signers/revocations", self.revoke)

    def add_to_clob(self, router: Router) -> None:
        router.add("GET", "/v1/user/session-signers", self.listed)

    def authorize(self, request: Request) -> dict[str, Any]:
        if not request.headers.get("poly_builder_api_key"):
            raise ApiError(401, "invalid authorization")
        body = self._body(request)
        if known := self._known(request, "authorize"):
            return known
        until, scopes = whole_of(body.get("validUntil")), body.get("scopes")
        if not isinstance(scopes, list) or not scopes or not all(isinstance(s, str) and s for s in scopes):
            raise ApiError(400, "scopes must be a non-empty array")
        if ALL in scopes and len(scopes) > 1:
            raise ApiError(400, "scope ALL cannot be combined with another scope")
        if not request.now_s < until <= request.now_s + LONGEST_S:
            raise ApiError(400, "validUntil must lie within the next 180 days")
        signer = address_of(body.get("sessionSignerAddress"))
        data = AUTHORIZE + encode(["address", "uint256"], [signer, until])
        wallet, made = self._carry_out(body, data, request)
        self._sessions.grant(Grant(wallet=wallet, signer=signer, scopes=tuple(scopes), valid_until_s=until))
        answer = {"status": "REGISTERED", "transactionId": made, "transactionHash": ""}
        return self._remember(request, "authorize", answer)

    def revoke(self, request: Request) -> dict[str, Any]:
        body = self._body(request)
        if known := self._known(request, "revoke"):
            return known
        signer = address_of(body.get("sessionSignerAddress"))
        wallet, made = self._carry_out(body, REVOKE + encode(["address"], [signer]), request)
        self._sessions.revoke(wallet, signer)
        return self._remember(request, "revoke", {"status": "FENCED", "fenced": True, "transactionId": made})

    def listed(self, request: Request) -> dict[str, Any]:
        key = self._keys.require(request)
        wallet = self._granting_wallet(key, request.now_s)
        grants = self._sessions.of_wallet(wallet, now_s=request.now_s)
        return {
            "wallet": wallet,
            "signers": [
                {"address": g.signer, "scopes": list(g.scopes), "valid_until": g.valid_until_s} for g in grants
            ],
        }

    def _granting_wallet(self, key: ApiKey, now_s: float) -> str:
        """Return the owner's deposit wallet that has session keys; the current form when none has."""
        wallets = deposit_wallets(key.address)
        return next((w for w in wallets if self._sessions.of_wallet(w, now_s=now_s)), wallets[0])

    def _body(self, request: Request) -> dict[str, Any]:
        self._keys.check_relayer(request, required=False)
        body = request.json()
        if not isinstance(body, dict):
            raise ApiError(400, "Invalid payload")
        return body

    def _carry_out(self, body: dict[str, Any], data: bytes, request: Request) -> tuple[str, str]:
        """Check the owner's signature over the one call and note the transaction; return (wallet, its id)."""
        wallet, nonce, deadline = (
            address_of(body.get("walletAddress")),
            whole_of(body.get("nonce")),
            body.get("deadline"),
        )
        owner = signed_by(
            wallet=wallet,
            nonce=nonce,
            deadline=whole_of(deadline),
            calls=[(wallet, 0, data)],
            signature=hex_of(body.get("signature")),
            chain_id=CHAIN_ID,
        )
        if wallet not in deposit_wallets(owner):
            raise ApiError(400, "the deposit wallet does not belong to the signer")
        if whole_of(deadline) < request.now_s:
            raise ApiError(400, "the batch is past its deadline")
        self._relayer.nonce_take(owner, "WALLET", nonce)
        return wallet, self._relayer.record(owner, "")["transactionID"]

    def _known(self, request: Request, route: str) -> dict[str, Any] | None:
        given = request.headers.get("idempotency-key", "")
        return self._answers.get((route, given)) if given else None

    def _remember(self, request: Request, route: str, answer: dict[str, Any]) -> dict[str, Any]:
        given = request.headers.get("idempotency-key", "")
        if given:
            self._answers[route, given] = answer
        return answer
