"""A trader at a local exchange with fresh books, and a gateway between them that can fail by script."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.utils import timezone

from markets.domain.answers import AnswerKind, OrderAnswer
from markets.domain.trading import CancelAnswer, VenueOrder
from markets.models import Outcome
from markets.venues.trading import OrderGateway, Sent
from orders.domain import readiness
from orders.models import Account
from orders.services import keyholder
from tests.factories.markets import book_make
from tests.factories.strategies import books_publish
from tests.live_desk import LiveDesk, live_desk, local_exchange  # noqa: F401


def answer(kind: AnswerKind, code: str = "", **more: Any) -> OrderAnswer:
    return OrderAnswer(kind=kind, alone=more.pop("alone", kind), code=code or kind.value, **more)


@dataclass
class Line:
    """Stands before the real gateway: records every request, loses or replaces what a test says."""

    inner: OrderGateway
    sends: list[str] = field(default_factory=list)
    batches: list[list[str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    cancels: list[list[str]] = field(default_factory=list)
    refreshed: list[str] = field(default_factory=list)
    answers: list[OrderAnswer | Exception] = field(default_factory=list)  # instead of the next sends
    lose_answers: int = 0  # the next sends take effect and nothing comes back
    blind: bool = False  # reads show nothing
    broken: Exception | None = None  # reads raise
    cancel_answers: list[CancelAnswer] = field(default_factory=list)
    before_send: Callable[[], None] = lambda: None

    def send(self, body: bytes, *, order_id: str, unknown_attempts: int, deadline_ms: int) -> Sent:
        self.before_send()
        self.sends.append(order_id)
        self.bodies.append(body)
        if self.answers:
            return self._scripted(unknown_attempts)
        sent = self.inner.send(body, order_id=order_id, unknown_attempts=unknown_attempts, deadline_ms=deadline_ms)
        if self.lose_answers:
            self.lose_answers -= 1
            return Sent(
                answer=answer(AnswerKind.UNKNOWN, "timed_out"),
                first_byte_ms=sent.first_byte_ms,
                answered_ms=sent.answered_ms,
            )
        return sent

    def _scripted(self, unknown_attempts: int) -> Sent:
        said = self.answers.pop(0)
        if isinstance(said, Exception):
            raise said
        negative = (AnswerKind.REJECTED, AnswerKind.NOT_PROCESSED, AnswerKind.NOT_SENT)
        if unknown_attempts and said.alone in negative:
            said = answer(AnswerKind.UNKNOWN, said.code, alone=said.alone)
        at = int(timezone.now().timestamp() * 1000)
        return Sent(answer=said, first_byte_ms=at, answered_ms=at)

    def send_batch(self, bodies: Sequence[bytes], *, order_ids: Sequence[str], **more: Any) -> list[Sent]:
        self.batches.append(list(order_ids))
        return self.inner.send_batch(bodies, order_ids=order_ids, **more)

    def cancel(self, order_ids: Sequence[str], *, deadline_ms: int) -> CancelAnswer:
        self.cancels.append(list(order_ids))
        if self.cancel_answers:
            return self.cancel_answers.pop(0)
        return self.inner.cancel(order_ids, deadline_ms=deadline_ms)

    def order(self, order_id: str) -> VenueOrder | None:
        if self.broken:
            raise self.broken
        return None if self.blind else self.inner.order(order_id)

    def legs(self, *, since_ms: int) -> list[Any]:
        return [] if self.blind else self.inner.legs(since_ms=since_ms)

    def balances_refresh(self, token_id: str = "") -> None:
        self.refreshed.append(token_id)
        self.inner.balances_refresh(token_id)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


@dataclass
class Lines:
    """The keyholder's gateways, each behind a line of its own."""

    inner: Any
    made: dict[int, Line] = field(default_factory=dict)

    def gateway(self, account_id: int) -> Any:
        if account_id not in self.made:
            self.made[account_id] = Line(self.inner.gateway(account_id))
        return self.made[account_id]

    def forget(self, account_id: int) -> None:
        self.made.pop(account_id, None)
        self.inner.forget(account_id)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


@pytest.fixture
def desk(live_desk: LiveDesk, monkeypatch: pytest.MonkeyPatch) -> Iterator[LiveDesk]:  # noqa: F811
    """The live desk with a fresh book of every outcome, and its gateways behind lines."""
    monkeypatch.setattr(readiness, "BOOK_MARKETABLE_LIMIT_MS", 13_000)  # machines are slow
    monkeypatch.setattr(readiness, "BOOK_RESTING_LIMIT_MS", 25_000)
    at = int(timezone.now().timestamp() * 1000)
    books_publish(
        *(
            book_make(pk, venue_ms=at, received_ms=at, confirmed_ms=at)
            for pk in Outcome.objects.values_list("pk", flat=True)
        )
    )
    keyholder.install(signer=keyholder.signer(), gateways=Lines(keyholder._Held.gateways))
    yield live_desk
    keyholder.install()


@pytest.fixture
def account(desk: LiveDesk) -> Account:
    return desk.account()


@pytest.fixture
def line(desk: LiveDesk, account: Account) -> Any:
    return keyholder.gateway(account.pk)


@pytest.fixture
def outcome(desk: LiveDesk) -> Outcome:
    return next(dear_outcomes(desk))


def dear_outcomes(desk: LiveDesk) -> Iterator[Outcome]:
    """Yield one outcome a market, on whole cents, that costs much more than the few cents at which tests bid."""
    seen = set()
    for outcome in desk.outcomes(tick="0.01"):
        asks = desk.book(outcome)[1]
        if outcome.market_id not in seen and asks and asks[0][0] > 200_000:
            seen.add(outcome.market_id)
            yield outcome
