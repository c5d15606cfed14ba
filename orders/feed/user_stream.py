"""What one account's user channel says, taken over into our books, with REST looks in between.

Two connections bring everything twice; a message is worked once. A look by REST follows every new connection,
every `LOOK_EVERY_S` seconds and every failure of ours. A look that finds a trade which the sockets should have
brought means that they are silent although they answer: both are opened anew.

Whatever fails, nothing is lost: what could not be written is found by the next look.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from queue import Empty, SimpleQueue
from typing import Any

from django.db import DatabaseError, connection

from markets.domain.trading import VenueLeg, VenueOrder
from markets.venues.base import VenueError
from markets.venues.polymarket.user_feed import first_message, read_news
from orders.domain.lifecycle import OrderState
from orders.feed.user_connection import Heard, Up, UserConnection
from orders.models import Account, Order, StreamState
from orders.services import keyholder
from orders.services.attach import venue_order_attach
from orders.services.drift_watch import events_look
from orders.services.foreign import foreign_legs_record, foreign_orders_record
from orders.services.legs import legs_ingest
from orders.services.resync import account_resync, since_of, strangers_of

log = logging.getLogger(__name__)

CONNECTIONS = 2
APART_S = 3.0  # between their beginnings
LOOK_EVERY_S = 10.0  # below the 15 s within which a silent stream must be noticed
FULL_EVERY_S = 30.0  # with all that the last clean reconciliation leaves open
WRITE_EVERY_S = 2.0
_REMEMBERED = 5_000
_RETRY_S = 1.0
_MOVABLE = (OrderState.UNKNOWN, OrderState.QUARANTINED, OrderState.DELAYED)


class AccountStream:
    """Listens for one account until `stop`. Connections, inbox and looks have a thread each."""

    def __init__(self, account: Account, *, url: Callable[[], str], clock: Callable[[], float] = time.time) -> None:
        self.account_id = account.pk
        self._wallet, self._venue = account.wallet_address, account.venue
        self._clock = clock
        self._inbox: SimpleQueue[Any] = SimpleQueue()
        self._ending, self._look_now = threading.Event(), threading.Event()
        self._seen: OrderedDict[tuple[object, ...], None] = OrderedDict()
        self._api_key = ""
        self._last_event: datetime | None = None
        self._last_look: datetime | None = None
        self._problem = ""
        self._written_at = 0.0
        self.looks = self.worked = self.repeated = self.stalls = 0
        self.connections = [
            UserConnection(
                number,
                name=str(account.pk),
                url=url,
                opening=self._opening,
                inbox=self._inbox,
                wait_s=number * APART_S,
            )
            for number in range(CONNECTIONS)
        ]
        self._threads = [
            threading.Thread(target=self._forever, args=(work,), name=f"user stream {account.pk} {what}", daemon=True)
            for work, what in ((self._hear, "books"), (self._look, "looks"))
        ]

    def start(self) -> None:
        self._look_now.set()
        for thread in (*self.connections, *self._threads):
            thread.start()

    def stop(self) -> None:
        self._ending.set()
        self._look_now.set()
        for one in self.connections:
            one.stop()

    def join(self, timeout_s: float) -> None:
        for thread in (*self.connections, *self._threads):
            if thread.is_alive():
                thread.join(timeout_s)

    # The threads --------------------------------------------------------------------------

    def _forever(self, work: Callable[[], None]) -> None:
        while not self._ending.is_set():
            try:
                work()
            except DatabaseError as error:
                self._failed(f"the database: {str(error).splitlines()[0]}")
            except Exception as error:  # a thread of a stream outlives whatever one message holds
                log.exception("a user stream could not go on", extra={"account": self.account_id})
                self._failed(type(error).__name__)
        connection.close()

    def _failed(self, problem: str) -> None:
        log.warning("a user stream starts over", extra={"account": self.account_id, "problem": problem[:200]})
        self._problem = problem[:200]
        self._seen.clear()
        connection.close()
        self._ending.wait(_RETRY_S)
        self._look_now.set()

    def _hear(self) -> None:
        """Work what the connections brought, for one turn."""
        frames: list[bytes] = []
        try:
            item = self._inbox.get(timeout=0.2)
            while True:
                if isinstance(item, Up):
                    self._look_now.set()
                elif isinstance(item, Heard):
                    frames += item.frames
                if len(frames) >= 200:
                    break
                item = self._inbox.get_nowait()
        except Empty:
            pass
        if frames:
            self._work(frames)
        if abs(self._clock() - self._written_at) >= WRITE_EVERY_S:  # a clock that is set back waits for nothing
            self._written_at = self._clock()
            self._write()

    def _work(self, frames: list[bytes]) -> None:
        news = read_news(frames, api_key=self._api_key, wallet=self._wallet)
        for problem in news.problems:
            log.warning("a message of the user stream is not understood", extra={
                "account": self.account_id, "field": problem.field, "problem": problem.problem[:200]})  # fmt: skip
        if news.problems:
            self._look_now.set()  # whatever it was, the venue's lists have it too
        legs = list({_leg_key(leg): leg for leg in news.legs if _leg_key(leg) not in self._seen}.values())
        orders = list({_order_key(o): o for o in news.orders if _order_key(o) not in self._seen}.values())
        self.repeated += len(news.legs) + len(news.orders) - len(legs) - len(orders)
        if legs or orders:
            self._book(legs, orders)
        events_look(self._venue, news.rows, now=self._now())

    def _book(self, legs: list[VenueLeg], orders: list[VenueOrder]) -> None:
        now = self._now()
        result = legs_ingest(self.account_id, legs, now=now)
        foreign_legs_record(self.account_id, strangers_of(self.account_id, result), now=now)
        self._attach(orders, now=now)
        # Only what is written is remembered: after a failure the same messages are worked again.
        for key in (*map(_leg_key, legs), *map(_order_key, orders)):
            self._seen[key] = None
        while len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        self.worked += len(legs) + len(orders)
        self._last_event = now

    def _attach(self, orders: list[VenueOrder], *, now: datetime) -> None:
        rows = Order.objects.filter(account_id=self.account_id, venue_order_id__in={o.order_id for o in orders})
        ours = {row.venue_order_id: row for row in rows}
        strangers = [order for order in orders if order.order_id not in ours]
        if strangers:
            foreign_orders_record(self.account_id, strangers, now=now)
        for order in orders:
            row = ours.get(order.order_id)
            # That an order rests is news of a lost one only: others have, or wait for, their own answer.
            if row is not None and (order.word.is_over or row.state in _MOVABLE):
                venue_order_attach(row.pk, order, now=now)

    def _look(self) -> None:
        """One look by REST, then wait for the next."""
        self._look_now.clear()
        now = self._now()
        reconciled = Account.objects.values_list("reconciled_at", flat=True).get(pk=self.account_id)
        full = self._last_look is None or self.looks % max(1, int(FULL_EVERY_S // LOOK_EVERY_S)) == 0
        since_ms = (
            since_of(self.account_id, reconciled) if full else int((now - timedelta(minutes=2)).timestamp() * 1000)
        )
        up_before = [one.sessions for one in self.connections if one.is_up]
        try:
            found = account_resync(
                self.account_id, keyholder.gateway(self.account_id), since_ms=since_ms, clock=self._now
            )
        except (VenueError, keyholder.KeyRefused) as error:
            self._problem = f"REST: {type(error).__name__}: {error}"[:200]
            log.warning("a look by REST failed", extra={"account": self.account_id, "problem": self._problem})
            self._look_now.wait(_RETRY_S * 2)
            return
        self.looks += 1
        stalled = bool(found.late) and len(up_before) > 0 and self._last_look is not None
        self._problem = f"the sockets did not bring {found.late[0]}: they are opened anew" if stalled else ""
        if stalled:
            self.stalls += 1
            log.warning("a user stream is silent", extra={"account": self.account_id, "missed": len(found.late)})
            for one in self.connections:
                one.renew()
        self._last_look = now
        self._look_now.wait(LOOK_EVERY_S)

    # Small parts --------------------------------------------------------------------------

    def _opening(self) -> str:
        keys = keyholder.credentials(self.account_id)
        connection.close()  # the connection's thread needs the database for this alone
        self._api_key = keys.api_key
        return first_message(api_key=keys.api_key, secret=keys.secret, passphrase=keys.passphrase)

    def _write(self) -> None:
        up = [one for one in self.connections if one.is_up]
        alive = max((one.alive_at for one in up), default=0.0)
        notes = [one.note for one in self.connections if one.note and not one.is_up]
        fields: dict[str, Any] = {
            "connections": len(up),
            "note": "; ".join(dict.fromkeys(filter(None, [self._problem, *notes])))[:240],
            "updated_at": self._now(),
        }
        # A stream counts as alive when what it may have missed before was looked up as well.
        if alive and self._last_look is not None:
            fields["last_alive_at"] = datetime.fromtimestamp(alive, tz=UTC)
        if self._last_event is not None:
            fields["last_event_at"] = self._last_event
        if self._last_look is not None:
            fields["last_resync_at"] = self._last_look
        StreamState.objects.update_or_create(account_id=self.account_id, defaults=fields)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), tz=UTC)


def _leg_key(leg: VenueLeg) -> tuple[object, ...]:
    return "leg", leg.trade_id, leg.order_id, leg.role, leg.stage, leg.transaction_hash, leg.size


def _order_key(order: VenueOrder) -> tuple[object, ...]:
    return "order", order.order_id, order.word, order.matched
