# ruff: noqa: F811 (fixtures are imported by name)
"""User streams against the local exchange: whatever the sockets do, the books end up the venue's."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import DatabaseError
from django.utils import timezone

from markets.domain.instruments import Side
from orders.domain.lifecycle import OrderState
from orders.feed import user_stream
from orders.feed.user_stream import AccountStream
from orders.feed.user_streams import UserStreams
from orders.models import Account, ExternalOrder, Fill, Order, StreamState
from orders.services import legs, resync
from orders.services.invariants import check_invariants
from tests.live_desk import LiveDesk, live_desk, local_exchange  # noqa: F401
from tests.orders.services.venue_kit import send, until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user_stream, "APART_S", 0.1)
    monkeypatch.setattr(user_stream, "WRITE_EVERY_S", 0.1)


@pytest.fixture
def streams() -> Iterator[list[AccountStream]]:
    started: list[AccountStream] = []
    yield started
    for stream in started:
        stream.stop()
    for stream in started:
        stream.join(5)


def listening(account: Account, streams: list[AccountStream], *, looks: bool = True) -> AccountStream:
    """Start the account's stream and wait for both connections; without `looks` only the sockets work."""
    stream = AccountStream(account, url=lambda: str(django_settings.POLYMARKET["ws_user"]))
    streams.append(stream)
    stream.start()
    until(lambda: all(one.is_up for one in stream.connections) and stream.looks)
    if not looks:
        stream._look = lambda: stream._ending.wait(0.1)  # type: ignore[method-assign, assignment, return-value]
        until(lambda: stream._look_now.set() or stream.looks >= 1)
    return stream


def buy(desk: LiveDesk, account: Account, number: int, *, size: str = "10", **values: Any) -> Order:
    outcome = desk.outcome(number)
    ask = desk.book(outcome)[1][0][0]
    price = f"{Decimal(ask) / 1_000_000:f}"
    order, _ = send(desk, account, outcome, Side.BUY, price, size, **{"answered": OrderState.MATCHED, **values})
    return order


def stages(account: Account) -> list[str]:
    return list(Fill.objects.filter(account=account).values_list("settlement", flat=True))


def test_fills_arrive_over_two_connections_and_are_booked_once(
    live_desk: LiveDesk, streams: list[AccountStream], quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(user_stream, "LOOK_EVERY_S", 60.0)
    account = live_desk.account(well=False)
    stream = listening(account, streams)
    looks = stream.looks
    buy(live_desk, account, 10, answered=None)  # before its own answer is stored
    until(lambda: stages(account) == ["confirmed"])
    until(lambda: stream.repeated >= 3)
    assert stream.looks - looks <= 1  # the second connection's beginning, at most: the sockets brought it
    assert Order.objects.get(account=account).state == OrderState.FILLED
    state = until(lambda: StreamState.objects.filter(account=account, connections=2).first())
    assert state.last_event_at and state.last_alive_at and state.last_resync_at
    assert check_invariants([account.pk]) == []


@pytest.mark.parametrize("fault", ["duplicate", "reorder", "corrupt", "drop"])
def test_a_bad_socket_changes_nothing_in_the_end(
    live_desk: LiveDesk, streams: list[AccountStream], quick: None, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setattr(user_stream, "LOOK_EVERY_S", 1.0)
    account = live_desk.account()
    listening(account, streams)
    live_desk.exchange.control("faults", scope="socket", kind=fault, channel="user", probability=0.7)
    for number in (11, 12):
        buy(live_desk, account, number)
    until(lambda: stages(account) == ["confirmed", "confirmed"], seconds=15)
    assert set(Order.objects.filter(account=account).values_list("state", flat=True)) == {"filled"}
    assert check_invariants([account.pk]) == []


def test_a_stream_that_answers_pings_and_nothing_else_is_noticed_and_opened_anew(
    live_desk: LiveDesk, streams: list[AccountStream], quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(user_stream, "LOOK_EVERY_S", 2.5)
    monkeypatch.setattr(resync, "LATE", timedelta(seconds=1))
    account = live_desk.account()
    stream = listening(account, streams)
    outcome = live_desk.outcome(13)
    live_desk.exchange.control(
        "faults", scope="socket", kind="stall", channel="user", asset_ids=[outcome.token_id], seconds=60
    )
    before = [one.sessions for one in stream.connections]
    buy(live_desk, account, 13)
    until(lambda: stream.stalls, seconds=20)
    until(lambda: stages(account) in (["confirmed"], ["mined"], ["matched"]))
    until(lambda: all(one.sessions > was for one, was in zip(stream.connections, before, strict=True)))


def test_after_a_cut_both_come_back_and_what_was_missed_is_read(
    live_desk: LiveDesk, streams: list[AccountStream], quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(user_stream, "LOOK_EVERY_S", 60.0)
    account = live_desk.account()
    stream = listening(account, streams)
    sessions = sum(one.sessions for one in stream.connections)
    live_desk.exchange.control("disconnect", channel="user", code=1012)
    buy(live_desk, account, 14)
    until(lambda: sum(one.sessions for one in stream.connections) >= sessions + 2)
    until(lambda: stages(account) == ["confirmed"])


def test_a_database_that_fails_once_costs_nothing(
    live_desk: LiveDesk, streams: list[AccountStream], quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(user_stream, "LOOK_EVERY_S", 60.0)
    account = live_desk.account()
    listening(account, streams)
    fails = [True, True]

    def ingest(*args: Any, **values: Any) -> Any:
        if fails:
            fails.pop()
            raise DatabaseError("the server closed the connection")
        return legs.legs_ingest(*args, **values)

    monkeypatch.setattr(user_stream, "legs_ingest", ingest)
    buy(live_desk, account, 15)
    until(lambda: stages(account) == ["confirmed"])
    assert not fails


def test_a_foreign_order_of_the_same_key_is_told_within_a_moment(
    live_desk: LiveDesk, streams: list[AccountStream], quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(user_stream, "LOOK_EVERY_S", 60.0)
    account = live_desk.account()
    listening(account, streams)
    order_id, _ = live_desk.post_foreign(account, live_desk.outcome(16))
    assert until(lambda: ExternalOrder.objects.filter(account=account).first()).venue_order_id == order_id


def test_a_cancel_by_the_venue_ends_the_order(
    live_desk: LiveDesk, streams: list[AccountStream], quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(user_stream, "LOOK_EVERY_S", 60.0)
    account = live_desk.account()
    listening(account, streams)
    order, _ = send(live_desk, account, live_desk.outcome(17))
    live_desk.gateway(account).cancel_everything(deadline_ms=2**62)
    until(lambda: Order.objects.filter(pk=order.pk, state="canceled").exists())


def test_accounts_are_picked_up_and_dropped_while_it_runs(live_desk: LiveDesk, quick: None) -> None:
    streams = UserStreams()
    try:
        streams.turn()
        assert not streams.streams
        account = live_desk.account()
        streams.turn()
        streams.turn()
        assert set(streams.streams) == {account.pk}
        stream = streams.streams[account.pk][1]
        until(lambda: stream.connections[0].is_up)
        Account.objects.filter(pk=account.pk).update(connection="connecting")
        streams.turn()
        assert not streams.streams
        until(lambda: not any(thread.is_alive() for thread in stream.connections))
    finally:
        for account_id in list(streams.streams):
            streams._drop(account_id)


def test_keys_that_the_venue_refuses_leave_a_note_and_no_sign_of_life(
    live_desk: LiveDesk, streams: list[AccountStream], quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = live_desk.account()
    StreamState.objects.all().delete()
    monkeypatch.setattr(user_stream, "first_message", lambda **_: '{"type":"user","auth":{"apiKey":"x"}}')
    stream = AccountStream(account, url=lambda: str(django_settings.POLYMARKET["ws_user"]))
    streams.append(stream)
    stream.start()
    state = until(lambda: StreamState.objects.filter(account=account).exclude(note="").first())
    until(lambda: "closed the connection" in StreamState.objects.get(account=account).note)
    assert (state.connections, state.last_alive_at) == (0, None)
    assert state.updated_at <= timezone.now()
