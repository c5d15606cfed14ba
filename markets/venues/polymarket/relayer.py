"""The relayer: what it must be asked before a batch is signed, the batch itself, and what became of it.

One request per call and no retry: what to do after a lost answer is the caller's decision. Reads raise
VenueUnavailable or ParseError; `submit` answers with a `Submitted` whatever happens. Times are Unix seconds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from urllib.parse import quote

import msgspec

from markets.venues.base import ParseError, VenueUnavailable
from markets.venues.chain import Progress, RelayFacts, Stage, SubmitKind, Submitted
from markets.venues.polymarket.connection import HttpAnswer, HttpPool, NoAnswer, NotSent
from markets.venues.polymarket.transactions import DEADLINE_S, RELAYER_KINDS
from markets.venues.polymarket.wallets import AddressError, WalletKind, address_bytes, address_text

_NONCE = re.compile(r"batch nonce\s+(\d+)\s+does not match on-chain nonce\s+(\d+)", re.IGNORECASE)
_BUSY = re.compile(r"wallet busy.*active action|wallet has in-flight action", re.IGNORECASE)
_HASH = re.compile(r"0x[0-9a-fA-F]{64}")
_STAGES = {
    "STATE_NEW": Stage.PENDING,
    "STATE_EXECUTED": Stage.PENDING,
    "STATE_MINED": Stage.PENDING,
    "STATE_CONFIRMED": Stage.CONFIRMED,
    "STATE_INVALID": Stage.FAILED,
    "STATE_FAILED": Stage.FAILED,
}
Headers = Callable[[], Mapping[str, str]]


class Relayer:
    """One relayer for one account's key. `headers` proves who asks, where the relayer wants that."""

    def __init__(self, base_url: str, *, headers: Headers = dict, pool: HttpPool | None = None) -> None:
        self._pool = pool or HttpPool(base_url)
        self._headers = headers

    def close(self) -> None:
        self._pool.close()

    def facts(self, kind: WalletKind, owner: str, *, now_s: int) -> RelayFacts:
        """Return the next nonce and, for a proxy, who will send its call."""
        if kind is WalletKind.PROXY:
            body = self._read(f"/relay-payload?address={owner}&type=PROXY")
            return RelayFacts(nonce=_nonce(body), relay=_address(body))
        return RelayFacts(nonce=self.nonce(kind, owner), deadline_s=now_s + DEADLINE_S)

    def nonce(self, kind: WalletKind, owner: str) -> int:
        return _nonce(self._read(f"/v1/account/transactions/params?address={owner}&type={RELAYER_KINDS[kind]}"))

    def submit(self, body: bytes, *, deadline_ms: int) -> Submitted:
        try:
            answer = self._pool.request("POST", "/submit", headers=self._headers(), body=body, deadline_ms=deadline_ms)
        except NotSent as error:
            return Submitted(kind=SubmitKind.NOT_SENT, said=error.code)
        except NoAnswer as error:
            return Submitted(kind=SubmitKind.UNKNOWN, said=error.code)
        return _judge(answer)

    def progress(self, reference: str) -> Progress:
        """Return what became of a submission. One that the relayer does not list is ABSENT."""
        answer = self._ask(f"/v1/account/transactions/{quote(reference, safe='')}")
        if answer.status == 404:
            return Progress(stage=Stage.ABSENT)
        if answer.status != 200:
            raise VenueUnavailable(f"the relayer answers {answer.status}")
        body = _object(answer.body)
        stage = _STAGES.get(str(body.get("state")))
        if stage is None:
            raise ParseError("state", f"{body.get('state')!r:.60} is no state that we know", source="relayer")
        return Progress(
            stage=stage, hash=_hash(body.get("transaction_hash")), said=str(body.get("error_msg") or "")[:200]
        )

    def _read(self, target: str) -> dict[str, object]:
        answer = self._ask(target)
        if answer.status != 200:
            raise VenueUnavailable(f"the relayer answers {answer.status}")
        return _object(answer.body)

    def _ask(self, target: str) -> HttpAnswer:
        try:
            return self._pool.request("GET", target, headers=self._headers())
        except NotSent as error:
            raise VenueUnavailable(f"the relayer cannot be reached: {error.code}") from None
        except NoAnswer as error:
            raise VenueUnavailable(f"the relayer did not answer: {error.code}") from None


def _judge(answer: HttpAnswer) -> Submitted:  # noqa: PLR0911 - one answer per line
    said = answer.body[:300].decode("utf-8", "replace")
    if answer.status == 200:
        try:
            body = _object(answer.body)
            reference = body["transactionID"]
            if not isinstance(reference, str) or not reference:
                raise KeyError
        except (ParseError, KeyError):
            return Submitted(kind=SubmitKind.UNKNOWN, said="accepted without a usable id")
        return Submitted(kind=SubmitKind.ACCEPTED, reference=reference[:80], hash=_hash(body.get("transactionHash")))
    if answer.status == 400:
        if (found := _NONCE.search(said)) is not None:
            asked, due = int(found[1]), int(found[2])
            kind = SubmitKind.NONCE_USED if asked < due else SubmitKind.BUSY  # ahead: earlier ones are on their way
            return Submitted(kind=kind, said=said)
        return Submitted(kind=SubmitKind.BUSY if _BUSY.search(said) else SubmitKind.REFUSED, said=said)
    if answer.status == 429:
        return Submitted(kind=SubmitKind.BUSY, said=said)
    if answer.status in (401, 403):
        return Submitted(kind=SubmitKind.BUSY, said=f"not let in ({answer.status}): a relayer key is needed")
    return Submitted(kind=SubmitKind.UNKNOWN, said=f"{answer.status}: {said}"[:300])


def _object(body: bytes) -> dict[str, object]:
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        raise ParseError("body", "is not JSON", source="relayer") from None
    if not isinstance(found, dict):
        raise ParseError("body", "is not an object", source="relayer")
    return found


def _nonce(body: Mapping[str, object]) -> int:
    text = body.get("nonce")
    if not isinstance(text, str) or not (text.isascii() and text.isdecimal()) or len(text) > 18:
        raise ParseError("nonce", f"{text!r:.60} is not a number of a transaction", source="relayer")
    return int(text)


def _address(body: Mapping[str, object]) -> str:
    try:
        return address_text(address_bytes(str(body.get("address"))))  # the relayer does not care for checksums
    except AddressError as error:
        raise ParseError("address", str(error), source="relayer") from None


def _hash(value: object) -> str:
    return value.lower() if isinstance(value, str) and _HASH.fullmatch(value) else ""
