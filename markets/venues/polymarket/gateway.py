"""One Polymarket account over HTTP: implements `OrderGateway`. Nothing here retries, polls or guesses.

What an order's answer means is decided in `responses`, `batch_answers` and `cancel_answers`; what rows mean
in `reads`. This file makes requests, and tells apart a request that never left from one without an answer.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from markets.domain.answers import OrderAnswer
from markets.domain.trading import CancelAnswer, VenueBalances, VenueLeg, VenueOrder
from markets.venues.base import ParseError, RateLimited, VenueRefused, VenueUnavailable
from markets.venues.polymarket import batch_answers, cancel_answers, order_payload, reads, responses
from markets.venues.polymarket.connection import HttpAnswer, HttpPool, NoAnswer, NotSent
from markets.venues.polymarket.maker import account_of
from markets.venues.polymarket.responses import History
from markets.venues.polymarket.wallets import is_position_id
from markets.venues.trading import Authorise, Heard, HeartbeatRefused, Look, Sent, WalletFacts

# Ids in one request. The venue takes a thousand, but never more than a signing key's bucket holds: 120 at least.
MOST_CANCELS = 100
MOST_READ = 8_000_000
log = logging.getLogger("markets.polymarket")
_LATER = frozenset({408, 425, 500, 502, 503, 504, 520, 521, 522, 523, 524})


@dataclass(frozen=True, slots=True)
class _Silence:
    sent: bool
    code: str
    first_byte_ms: int | None


class PolymarketGateway:
    """Implements `OrderGateway`. Safe to share between threads."""

    def __init__(
        self,
        wallet: WalletFacts,
        authorise: Authorise,
        *,
        clob: HttpPool,
        data: HttpPool,
        heard: Heard | None = None,
        look: Look | None = None,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._wallet = wallet
        self._authorise = authorise
        self._clob, self._data = clob, data
        self._heard = heard
        self._look = look
        self._now_ms = now_ms
        self._signature_type = str(account_of(wallet).signature_type.value)

    # --- orders -------------------------------------------------------------------------------------------------------

    def send(self, body: bytes, *, order_id: str, unknown_attempts: int, deadline_ms: int) -> Sent:
        history = History(unknown_attempts)
        got = self._ask("POST", order_payload.PATH, body, deadline_ms=deadline_ms, kind="order")
        if isinstance(got, _Silence):
            silent = responses.classify_silence(sent=got.sent, code=got.code, history=history)
            return self._sent(silent, got)
        answer = responses.classify(
            status=got.status, headers=got.headers, body=got.body, order_id=order_id, history=history
        )
        return self._sent(answer, got)

    def send_batch(
        self, bodies: Sequence[bytes], *, order_ids: Sequence[str], unknown_attempts: Sequence[int], deadline_ms: int
    ) -> list[Sent]:
        if not len(bodies) == len(order_ids) == len(unknown_attempts):
            raise ValueError("a batch needs an id and a history for every body")
        body = order_payload.build_batch(list(bodies))
        got = self._ask("POST", order_payload.BATCH_PATH, body, deadline_ms=deadline_ms, kind="order")
        if isinstance(got, _Silence):
            return [
                self._sent(responses.classify_silence(sent=got.sent, code=got.code, history=History(n)), got)
                for n in unknown_attempts
            ]
        answers = batch_answers.classify_batch(
            status=got.status,
            headers=got.headers,
            body=got.body,
            order_ids=order_ids,
            unknown_attempts=unknown_attempts,
        )
        return [self._sent(answer, got) for answer in answers]

    # --- cancels ------------------------------------------------------------------------------------------------------

    def cancel(self, order_ids: Sequence[str], *, deadline_ms: int) -> CancelAnswer:
        ids = list(dict.fromkeys(order_id.lower() for order_id in order_ids))
        if len(ids) == 1:
            return self._cancel(order_payload.PATH, order_payload.cancel_body(ids[0]), deadline_ms, asked=ids)
        answers = []
        for start in range(0, len(ids), MOST_CANCELS):
            part = ids[start : start + MOST_CANCELS]
            body = json.dumps(part, separators=(",", ":")).encode()
            answers.append(self._cancel(order_payload.BATCH_PATH, body, deadline_ms, asked=part))
        return cancel_answers.merged(answers) if answers else CancelAnswer()

    def cancel_market(self, condition_id: str, *, token_id: str = "", deadline_ms: int) -> CancelAnswer:
        words = {"market": condition_id, "asset_id": token_id}
        body = json.dumps({name: word for name, word in words.items() if word}, separators=(",", ":")).encode()
        return self._cancel("/cancel-market-orders", body, deadline_ms, asked=None)

    def cancel_everything(self, *, deadline_ms: int) -> CancelAnswer:
        """Cancel all that the API key has, of whichever of its wallets."""
        return self._cancel("/cancel-all", b"", deadline_ms, asked=None)

    def _cancel(self, path: str, body: bytes, deadline_ms: int, *, asked: list[str] | None) -> CancelAnswer:
        got = self._ask("DELETE", path, body, deadline_ms=deadline_ms, kind="cancel")
        if isinstance(got, _Silence):
            return CancelAnswer(unknown=got.sent, code=got.code)
        if got.status == 200 and self._look is not None and (row := cancel_answers.whole_object(got.headers, got.body)):
            self._show("rest.cancel_answer", row)
        return cancel_answers.read_cancel(status=got.status, headers=got.headers, body=got.body, asked=asked)

    # --- reads --------------------------------------------------------------------------------------------------------

    def order(self, order_id: str) -> VenueOrder | None:
        path = f"/data/order/{quote(order_id.lower(), safe='')}"
        answer = self._read("GET", path)
        if answer.status == 404:
            return None
        return reads.read_order(_body_of(answer, path), order_id=order_id, look=self._show)

    def open_orders(self) -> list[VenueOrder]:
        return reads.open_orders(self._fetch, wallet=self._wallet.wallet_address, look=self._show)

    def legs(self, *, since_ms: int) -> list[VenueLeg]:
        wallet = self._wallet
        return reads.legs(
            self._fetch, wallet=wallet.wallet_address, api_key=wallet.api_key, since_ms=since_ms, look=self._show
        )

    def balances(self, token_ids: Sequence[str] = ()) -> VenueBalances:
        path = "/balance-allowance"
        cash, allowances = reads.read_balance(self._fetch(path, self._asset("")), look=self._show)
        of_shares = {
            token: reads.read_balance(self._fetch(path, self._asset(token)), look=self._show) for token in token_ids
        }
        return VenueBalances(
            cash=cash,
            allowances=allowances,
            shares={token: found[0] for token, found in of_shares.items()},
            share_allowances={token: found[1] for token, found in of_shares.items()},
        )

    def balances_refresh(self, token_id: str = "") -> None:
        self._fetch("/balance-allowance/update", self._asset(token_id))

    def positions(self) -> Mapping[str, int]:
        return reads.positions(self._fetch_data, wallet=self._wallet.wallet_address)

    def heartbeat(self, previous_id: str) -> str:
        """Return the id to name next. Raises HeartbeatRefused with the id that the venue expected instead."""
        body = json.dumps({"heartbeat_id": previous_id}, separators=(",", ":")).encode()
        answer = self._read("POST", "/v1/heartbeats", body=body)
        if answer.status == 400:
            row = reads.decoded(answer.body, source="rest.heartbeat")
            expected = row.get("heartbeat_id") if isinstance(row, dict) else None
            if isinstance(expected, str):
                raise HeartbeatRefused("the venue expects another heartbeat id", expected_id=expected)
        row = reads.decoded(_body_of(answer, "/v1/heartbeats"), source="rest.heartbeat")
        following = row.get("heartbeat_id") if isinstance(row, dict) else None
        if not isinstance(following, str) or not following:
            raise ParseError("heartbeat_id", "is missing or not text", source="rest.heartbeat")
        return following

    def warm(self, count: int = 1) -> int:
        """Open connections ahead, so that the next order need not; return how many wait."""
        return self._clob.warm(count)

    def close(self) -> None:
        self._clob.close()
        self._data.close()

    # --- requests -----------------------------------------------------------------------------------------------------

    def _ask(self, method: str, path: str, body: bytes, *, deadline_ms: int, kind: str) -> HttpAnswer | _Silence:
        """Return the answer to a request that changes something, or what is known without one."""
        try:
            headers = self._authorise(method, path, body)
        except Exception:
            # Not chained and not named: what the credentials say of themselves stays with them.
            return _Silence(sent=False, code="no_credentials", first_byte_ms=None)
        try:
            answer = self._clob.request(method, path, headers=headers, body=body, deadline_ms=deadline_ms)
        except NotSent as error:
            return _Silence(sent=False, code=error.code, first_byte_ms=None)
        except NoAnswer as error:
            return _Silence(sent=True, code=error.code, first_byte_ms=error.first_byte_ms)
        self._tell(kind, answer)
        return answer

    def _tell(self, kind: str, answer: HttpAnswer) -> None:
        if self._heard is None:
            return
        try:
            self._heard(kind, answer.status, answer.headers)
        except Exception:
            # Whoever listens must never cost us the answer itself.
            log.exception("a listener of answers failed", extra={"kind": kind, "status": answer.status})

    def _show(self, source: str, row: object) -> None:
        if self._look is None:
            return
        try:
            self._look(source, row)
        except Exception:
            # Whoever looks on must never cost us what was read.
            log.exception("whoever looks at what is read failed", extra={"source": source})

    def _sent(self, answer: OrderAnswer, got: HttpAnswer | _Silence) -> Sent:
        answered_ms = got.answered_ms if isinstance(got, HttpAnswer) else self._now_ms()
        return Sent(answer=answer, first_byte_ms=got.first_byte_ms, answered_ms=answered_ms)

    def _asset(self, token_id: str) -> dict[str, str]:
        if not token_id:
            return {"asset_type": "COLLATERAL", "signature_type": self._signature_type}
        kind = "CONDITIONAL-V2" if is_position_id(int(token_id)) else "CONDITIONAL"
        return {"asset_type": kind, "token_id": token_id, "signature_type": self._signature_type}

    def _fetch(self, path: str, query: Mapping[str, str]) -> bytes:
        return _body_of(self._read("GET", path, query=query), path)

    def _fetch_data(self, path: str, query: Mapping[str, str]) -> bytes:
        target = f"{path}?{urlencode(query)}"
        return _body_of(_answered(self._data, "GET", target, {}, b""), path)

    def _read(self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: bytes = b"") -> HttpAnswer:
        headers = self._authorise(method, path, body)
        return _answered(self._clob, method, f"{path}?{urlencode(query)}" if query else path, headers, body)


def _answered(pool: HttpPool, method: str, target: str, headers: Mapping[str, str], body: bytes) -> HttpAnswer:
    try:
        return pool.request(method, target, headers=headers, body=body, most_bytes=MOST_READ)
    except (NotSent, NoAnswer) as error:
        raise VenueUnavailable(f"{method} {target.partition('?')[0]}: {error.code}") from None


def _body_of(answer: HttpAnswer, path: str) -> bytes:
    """Return a 200 body. Raises RateLimited, VenueUnavailable or VenueRefused with the venue's words."""
    if answer.status == 200:
        return answer.body
    said = answer.body[:200].decode("utf-8", "replace").replace("\n", " ")
    message = f"{path}: status {answer.status}: {said}"
    if answer.status == 429:
        text = answer.headers.get("retry-after", "")
        pause = min(float(text[:6]), 600.0) if text.isascii() and text.isdecimal() else 1.0
        raise RateLimited(message, retry_after_s=pause)
    if answer.status in _LATER:
        raise VenueUnavailable(message)
    raise VenueRefused(message)
