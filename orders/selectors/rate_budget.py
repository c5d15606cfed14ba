"""What is left of the shared rate budget, and what waits to be sent: figures for the pages and the API.

Reading takes nothing from the budget. Without Redis there are no figures and the reason instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.db.models import Count, F, Min, Q
from redis import Redis
from redis.exceptions import RedisError

from alerts.selectors.health import heartbeat_get
from markets.venues.trading_registry import rate_limits
from orders.domain import rediskeys
from orders.domain.lifecycle import OPEN, Environment, OrderState
from orders.domain.rate_figures import BucketFigure, WindowFigure, bucket_figure, window_figure, windows_of
from orders.models import Account, Order

_TIMEOUT_S = 0.25
_UNSENT = (OrderState.RESERVED, OrderState.SIGNED)
_UNKNOWN = (OrderState.UNKNOWN, OrderState.QUARANTINED)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFigure:
    """What one signing key may still send. Accounts of one key share it."""

    signer: str
    accounts: tuple[str, ...]
    order: BucketFigure
    cancel: BucketFigure


@dataclass(frozen=True, slots=True, kw_only=True)
class RateFigures:
    """One venue's budget as this desk counts it. `read_at` is None where it could not be read; `problem` says why."""

    venue: str
    read_at: datetime | None
    windows: tuple[WindowFigure, ...] = ()
    keys: tuple[KeyFigure, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What of one account has yet to reach the venue. Times are of the oldest of each."""

    account_id: int
    account: str
    prepared: int  # approved, and not sent yet
    prepared_since: datetime | None
    sending: int  # may have left us; no answer is stored yet
    sending_since: datetime | None
    unknown: int
    unknown_since: datetime | None
    cancels: int  # asked for, and the venue has not confirmed the end
    cancels_since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderLoad:
    """The trader's own queue in memory, as it last said. `refused` counts orders left to the sweep since it started."""

    at: datetime
    waiting: int
    posting: int
    answers: int
    refused: int


def rate_figures_get(account_ids: Iterable[int]) -> list[RateFigures]:
    """Return the budget of every venue that these accounts sign orders for. A paper account asks no venue."""
    accounts = Account.objects.filter(pk__in=list(account_ids)).exclude(environment=Environment.PAPER)
    found: dict[str, dict[str, list[str]]] = {}
    for venue, signer, name in (
        accounts.exclude(signer_address="").order_by("name").values_list("venue", "signer_address", "name")
    ):
        found.setdefault(venue, {}).setdefault(signer, []).append(name)
    return [_venue(venue, signers) for venue, signers in sorted(found.items())]


def waiting_get(account_ids: Iterable[int]) -> list[Waiting]:
    """Return what waits on each of the accounts that sign, those with nothing included."""
    accounts = Account.objects.filter(pk__in=list(account_ids)).exclude(environment=Environment.PAPER).order_by("name")
    cancels = Q(cancel_requested_at__isnull=False)
    states = {
        "prepared": Q(state__in=_UNSENT),
        "sending": Q(state=OrderState.SENDING),
        "unknown": Q(state__in=_UNKNOWN),
    }
    rows = (
        Order.objects.filter(account__in=accounts, state__in=OPEN)
        .values("account_id")
        .annotate(
            **{name: Count("id", filter=where) for name, where in states.items()},
            prepared_since=Min("created_at", filter=states["prepared"]),
            sending_since=Min(F("sent_at"), filter=states["sending"]),
            unknown_since=Min(F("sent_at"), filter=states["unknown"]),
            cancels=Count("id", filter=cancels),
            cancels_since=Min("cancel_requested_at", filter=cancels),
        )
    )
    by_account = {row.pop("account_id"): row for row in rows}
    nothing: dict[str, Any] = {
        f"{name}{end}": None if end else 0 for name in (*states, "cancels") for end in ("", "_since")
    }
    return [
        Waiting(account_id=account.pk, account=account.name, **by_account.get(account.pk, nothing))
        for account in accounts
    ]


def sender_load_get() -> SenderLoad | None:
    """Return what the trader last said of its senders; None while it has not."""
    beat = heartbeat_get("queue:trading")
    names = ("waiting", "posting", "answers", "refused")
    told = {name: beat.details.get(f"senders_{name}") for name in names} if beat else {}
    if beat is None or not all(isinstance(value, int) for value in told.values()):
        return None
    return SenderLoad(at=beat.at, **told)


def _venue(venue: str, signers: dict[str, list[str]]) -> RateFigures:
    limits = rate_limits(venue)
    windows = windows_of(limits)
    kinds: Sequence[rediskeys.Kind] = ("order", "cancel")
    try:
        pipe = _client(settings.ORDERS_REDIS_URL).pipeline(transaction=False)
        pipe.time()
        for window in windows:
            pipe.hgetall(rediskeys.rate_window(venue, window.name))
        for signer in signers:
            for kind in kinds:
                pipe.hgetall(rediskeys.rate_bucket(venue, signer, kind))
        (seconds, micros), *hashes = pipe.execute()
    except RedisError as error:
        return RateFigures(venue=venue, read_at=None, problem=str(error)[:200])
    now_ms = seconds * 1_000 + micros // 1_000
    counted, buckets = hashes[: len(windows)], iter(hashes[len(windows) :])
    return RateFigures(
        venue=venue,
        read_at=datetime.fromtimestamp(now_ms / 1_000, tz=UTC),
        windows=tuple(
            window_figure(window, routes, {int(k): int(v) for k, v in slots.items()}, now_ms=now_ms)
            for (window, routes), slots in zip(windows.items(), counted, strict=True)
        ),
        keys=tuple(
            KeyFigure(
                signer=signer,
                accounts=tuple(names),
                **{
                    kind: bucket_figure(
                        limits, kind, {k.decode(): float(v) for k, v in next(buckets).items()}, now_ms=now_ms
                    )
                    for kind in kinds
                },
            )
            for signer, names in signers.items()
        ),
    )


@lru_cache(maxsize=4)
def _client(url: str) -> Redis:
    return Redis.from_url(url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S)
