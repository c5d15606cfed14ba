"""The rate budget on a real Redis: buckets, windows, the cancels' share, and what the venue's headers teach."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from redis import Redis

from markets.venues.polymarket.rate_limits import LIMITS
from orders.domain import rediskeys
from orders.services import rate_budget
from orders.services.rate_budget import TooCostly

SIGNER = "0xF39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
AT = 1_790_000_000_000


@pytest.fixture
def store(settings: Any) -> Iterator[Redis]:
    client = Redis.from_url(settings.ORDERS_REDIS_URL)
    client.flushdb()
    yield client
    client.flushdb()


def order(at: int = AT, *, cost: int = 1, signer: str = SIGNER) -> float:
    return rate_budget.take("polymarket", signer, "order", cost, now_ms=at)


def cancel(at: int = AT, *, cost: int = 1, route: str = "") -> float:
    return rate_budget.take("polymarket", SIGNER, "cancel", cost, route=route, now_ms=at)


def granted(take: Callable[[], float], most: int = 10_000) -> int:
    return next(number for number in itertools.count() if number == most or take() > 0)


def learn(kind: rediskeys.Kind = "order", *, status: int = 200, at: int = AT, **headers: str) -> None:
    words = {name.replace("_", "-"): text for name, text in headers.items()}
    rate_budget.learn("polymarket", SIGNER, kind, status=status, headers=words, now_ms=at)


@pytest.mark.usefixtures("store")
def test_a_new_key_may_spend_its_burst_and_then_its_rate() -> None:
    assert granted(order) == 60
    assert order() == 0.025  # forty a second
    assert order(AT + 25) == 0.0 and order(AT + 25) > 0
    assert granted(lambda: order(AT + 1_025)) == 40


@pytest.mark.usefixtures("store")
def test_a_batch_is_taken_whole_or_not_at_all() -> None:
    assert order(cost=50) == 0.0
    assert order(cost=15) == 0.125  # ten left, five short
    assert order(cost=10) == 0.0


@pytest.mark.usefixtures("store")
def test_a_batch_above_the_burst_would_wait_for_ever() -> None:
    with pytest.raises(TooCostly, match="61 orders at once"):
        order(cost=61)


@pytest.mark.usefixtures("store")
def test_cancels_have_their_own_bucket_and_keys_are_apart() -> None:
    granted(order)
    assert granted(cancel) == 120
    assert order(signer="0x" + "11" * 20) == 0.0
    assert order(signer=SIGNER.lower()) > 0  # the same key, however it is written


@pytest.mark.usefixtures("store")
def test_orders_leave_cancels_their_share_of_the_common_window() -> None:
    """Many keys behind one address: orders stop at 72 % of the CLOB's window, cancels go on to 90 %."""
    learn(poly_ratelimit_tier="Elite")
    signers = iter(f"0x{number:040x}" for number in range(10_000))
    sent = granted(lambda: rate_budget.take("polymarket", next(signers), "order", route="POST /order", now_ms=AT))
    assert sent == 4_500  # its own route is narrower
    more = granted(lambda: rate_budget.take("polymarket", next(signers), "order", 2, now_ms=AT))
    assert more == 1_800
    last = granted(lambda: rate_budget.take("polymarket", next(signers), "order", 2, now_ms=AT))
    assert last == 0
    keys = (f"0x{number:040x}" for number in range(90_000, 99_999))
    gone = granted(lambda: rate_budget.take("polymarket", next(keys), "cancel", now_ms=AT))
    assert gone == 8_100 - 6_300  # all the rest


@pytest.mark.usefixtures("store")
def test_a_window_frees_what_has_left_it() -> None:
    route = "DELETE /cancel-all"
    signers = iter(f"0x{number:040x}" for number in range(10_000))

    def everything(at: int) -> float:
        return rate_budget.take("polymarket", next(signers), "cancel", route=route, now_ms=at)

    assert granted(lambda: everything(AT)) == 225
    wait = everything(AT)
    assert 10.0 <= wait <= 10.5
    assert everything(AT + 9_999) > 0
    assert everything(AT + int(wait * 1_000)) == 0.0


@pytest.mark.usefixtures("store")
def test_the_long_window_counts_as_well() -> None:
    signers = iter(f"0x{number:040x}" for number in range(10_000))
    route, at, sent = "DELETE /cancel-all", AT, 0
    while True:
        wait = rate_budget.take("polymarket", next(signers), "cancel", route=route, now_ms=at)
        sent += not wait
        if wait > 60:
            break
        at += int(wait * 1_000)
    assert sent == 5_400  # nine tenths of 6,000, at 225 every ten seconds
    assert at < AT + 600_000


@pytest.mark.usefixtures("store")
def test_the_venues_tier_and_count_are_learnt() -> None:
    assert order() == 0.0
    learn(poly_ratelimit_tier="Bronze")
    assert granted(order) == 59  # what is there is not more, but it refills faster and higher
    assert granted(lambda: order(AT + 10_000)) == 120
    assert granted(lambda: order(AT + 11_000)) == 80
    learn(poly_ratelimit_tier="Bronze", poly_ratelimit_remaining="3", at=AT + 20_000)
    assert granted(lambda: order(AT + 20_000)) == 3
    learn(poly_ratelimit_remaining="100", at=AT + 20_000)  # never raises our own count
    assert order(AT + 20_000) > 0


@pytest.mark.usefixtures("store")
def test_a_429_stops_its_kind_for_as_long_as_the_venue_says() -> None:
    learn(status=429, retry_after="3")
    assert order() == 3.0
    assert cancel() == 0.0
    assert order(AT + 2_999) > 0
    assert order(AT + 3_000) == 0.0
    learn(status=429, at=AT + 10_000)  # no word: a second
    assert order(AT + 10_000) == 1.0


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("text", ["", "soon", "-", "1e9", "9" * 40, "٣"])
def test_headers_that_make_no_sense_teach_nothing(text: str) -> None:
    learn(poly_ratelimit_remaining=text, poly_ratelimit_tier=text)
    assert granted(order) == 60


@pytest.mark.usefixtures("store")
def test_cancelling_everything_is_owed_afterwards() -> None:
    assert cancel(route="DELETE /cancel-all") == 0.0
    rate_budget.owe("polymarket", SIGNER, 199, now_ms=AT)
    assert cancel() == 1.013  # eighty below nothing, one needed, eighty a second
    assert order() == 0.0


def test_a_clock_set_back_gives_nothing_away(store: Redis) -> None:
    granted(order)
    assert order(AT - 3_600_000) > 0
    assert 0.0 < order(AT - 3_600_000) <= 1.0


def test_workers_together_get_no_more_than_one(store: Redis) -> None:
    taken: list[int] = []

    def worker() -> None:
        taken.append(sum(order() == 0.0 for _ in range(50)))

    threads = [threading.Thread(target=worker) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(taken) == 60


def test_without_redis_cancels_go_and_orders_wait(settings: Any) -> None:
    settings.ORDERS_REDIS_URL = "redis://127.0.0.1:1/4"
    assert order() == rate_budget.BLIND_WAIT_S
    assert cancel() == 0.0
    learn(poly_ratelimit_remaining="3")
    rate_budget.owe("polymarket", SIGNER, 5)


def test_a_redis_that_hangs_costs_its_timeout_once_and_is_asked_again_later(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = settings.ORDERS_REDIS_URL
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.ORDERS_REDIS_URL = f"redis://127.0.0.1:{silent.getsockname()[1]}/4"
        began = time.monotonic()
        assert cancel() == 0.0
        assert 0.2 < time.monotonic() - began < 1.0
        began = time.monotonic()
        assert [cancel() for _ in range(50)] == [0.0] * 50 and order() == rate_budget.BLIND_WAIT_S
        assert time.monotonic() - began < 0.2
    url = settings.ORDERS_REDIS_URL
    settings.ORDERS_REDIS_URL = right
    monkeypatch.setitem(rate_budget._blind_until, right, time.monotonic() - 0.01)
    assert rate_budget._blind_until[url] > time.monotonic()
    assert order(signer="0x" + "22" * 20) == 0.0


def test_the_servers_own_clock_is_used_without_another(store: Redis) -> None:
    for _ in range(60):
        rate_budget.take("polymarket", SIGNER, "order")
    assert 0 <= rate_budget.take("polymarket", SIGNER, "order", 40) <= 1.0


def test_a_gateway_tells_only_what_is_new(store: Redis) -> None:
    heard = rate_budget.learner("polymarket", SIGNER)
    bucket = rediskeys.rate_bucket("polymarket", SIGNER, "order")
    heard("order", 200, {})
    assert not store.exists(bucket)
    heard("order", 200, {"poly-ratelimit-tier": "Gold", "poly-ratelimit-remaining": "590"})
    assert store.hget(bucket, "r") == b"400"
    store.delete(bucket)
    heard("order", 200, {"poly-ratelimit-tier": "Gold", "poly-ratelimit-remaining": "580"})
    assert not store.exists(bucket)
    heard("cancel", 429, {"retry-after": "2"})
    assert store.exists(rediskeys.rate_bucket("polymarket", SIGNER, "cancel"))


def test_every_key_is_in_the_table_and_ends_by_itself(store: Redis) -> None:
    order()
    cancel(cost=2)
    learn(status=429, retry_after="3")
    known = ("rate:polymarket:bucket:", "rate:polymarket:window:")
    keys = [key.decode() for key in store.keys("*")]
    assert keys and all(key.startswith(known) for key in keys)
    assert all(prefix.split("<")[0] in (rediskeys.__doc__ or "") for prefix in ("rate:<venue>:bucket", "rate:<venue>"))
    assert all(store.ttl(key) > 0 for key in keys)


def test_the_table_of_limits_is_the_venues() -> None:
    tiers = {t.name: (t.order.per_s, t.order.burst, t.cancel.per_s, t.cancel.burst) for t in LIMITS.tiers.values()}
    assert tiers["standard"] == (40, 60, 80, 120) and tiers["elite"] == (600, 900, 1_200, 1_800)
    windows = {(route, w.seconds): w.requests for route, many in LIMITS.windows.items() for w in many if not w.shared}
    assert windows["POST /order", 10] == 5_000 and windows["POST /orders", 600] == 21_000
    assert windows["DELETE /orders", 600] == 15_000 and windows["DELETE /cancel-all", 10] == 250
