"""May an order of this account leave now, and if not, why: every condition with its number and its limit (I14).

Pure: ages are counted from the `now` that is given, all limits are seconds unless named otherwise. What is
not known refuses. Paper accounts have nothing to meet. Cancels are never asked here: they always may go.

A venue's mode is learned from its answers, so it ends by the clock: the next order asks again. After a
restart the venue takes only orders that rest for two minutes, whatever its calendar says (V13).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from markets.domain.instruments import MarketState, Side
from orders.domain.lifecycle import Environment

STREAM_LIMIT_S = 15
RECONCILED_LIMIT_S = 120
CLOCK_LIMIT_MS = 5_000
AHEAD_LIMIT_S = 5  # how far ahead of us a moment on file may be: clocks differ
CLOCK_WARNING_MS = 2_000
CLOCK_AGE_LIMIT_S = 300
PLACE_AGE_LIMIT_S = 1_800  # asked every 10 minutes: two answers may be missed
HEARTBEAT_LIMIT_S = 10  # the venue cancels everything at about this age
METADATA_LIMIT_S = 60
BOOK_MARKETABLE_LIMIT_MS = 3_000
BOOK_RESTING_LIMIT_MS = 15_000
POST_ONLY_AFTER_RESTART_S = 120


class VenueMode(StrEnum):
    """What a venue takes now."""

    NORMAL = "normal"
    RESTARTING = "restarting"  # nothing
    POST_ONLY = "post_only"
    CANCEL_ONLY = "cancel_only"
    DISABLED = "disabled"  # nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveConditions:
    """What was last known of everything that must be well before an order leaves. None: never measured.

    The market's part is there when a market was asked about, the book's when an outcome was.
    """

    account_id: int
    environment: Environment
    connection: str = "none"
    connection_note: str = ""
    stream_alive_at: datetime | None = None
    stream_note: str = ""
    reconciled_at: datetime | None = None
    clock_offset_ms: int | None = None  # the venue's minus ours
    clock_at: datetime | None = None
    blocked: bool | None = None
    country: str = ""
    blocked_at: datetime | None = None
    mode: str = ""
    mode_until: datetime | None = None
    foreign_orders: int = 0  # not acknowledged
    foreign_order: str = ""  # the first of them
    heartbeat_wanted: bool = False
    heartbeat_at: datetime | None = None
    venue_block: str = ""  # why entries are kept out, if they are
    market_block: str = ""
    has_market: bool = False
    market_state: MarketState | None = None  # None: the market is not in the catalogue
    market_synced_at: datetime | None = None
    has_book: bool = False
    book_is_live: bool = False
    book_confirmed_ms: int | None = None  # Unix milliseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One thing that must be well. `note` is empty while it is, except for a `warning`."""

    name: str
    passed: bool
    value: int | None = None
    limit: int | None = None
    unit: str = "s"  # s, ms, count, flag
    note: str = ""
    warning: bool = False


def send_obstacle(
    conditions: LiveConditions, *, side: Side, marketable: bool, now: datetime, post_only: bool | None = None
) -> str:
    """Return why an order may not leave now, or "". The first obstacle in the fixed order is the one named.

    `marketable` is whether it may trade at once; `post_only`, where it is known, decides in a venue's post-only
    mode, which refuses a limit order without that flag even far from the book.
    """
    for found in conditions_check(conditions, side=side, marketable=marketable, now=now, post_only=post_only):
        if not found.passed:
            return found.note
    return ""


def conditions_check(
    conditions: LiveConditions, *, side: Side, marketable: bool, now: datetime, post_only: bool | None = None
) -> tuple[Condition, ...]:
    """Return every condition of an order, in the fixed order; none for paper, which needs no venue."""
    if conditions.environment is Environment.PAPER:
        return ()
    rests_only = not marketable if post_only is None else post_only
    return (
        *account_check(conditions, now=now),
        _mode(conditions, rests_only=rests_only, now=now),
        *_entries_only(conditions, is_entry=side is Side.BUY),
        *_market(conditions, marketable=marketable, now=now),
    )


def account_check(conditions: LiveConditions, *, now: datetime) -> tuple[Condition, ...]:
    """Return what must be well for an order of either side in any market: account, streams, records, clock, place."""
    if conditions.environment is Environment.PAPER:
        return ()
    return tuple(_account(conditions, now))


def entries_check(conditions: LiveConditions, *, now: datetime) -> tuple[Condition, ...]:
    """Return what keeps entries out: the venue's mode, foreign orders, blocks. For pages."""
    if conditions.environment is Environment.PAPER:
        return ()
    return (_mode(conditions, rests_only=False, now=now), *_entries_only(conditions, is_entry=True))


def mode_now(mode: str, until: datetime | None, now: datetime) -> tuple[VenueMode, datetime | None]:
    """Return the mode that holds now and when it ends. A restart that is over leaves two minutes of post-only."""
    known = VenueMode(mode) if mode in set(VenueMode) else VenueMode.NORMAL
    if known is VenueMode.NORMAL or until is None:
        return known, None
    if now < until:
        return known, until
    quiet_until = until + timedelta(seconds=POST_ONLY_AFTER_RESTART_S)
    if known is VenueMode.RESTARTING and now < quiet_until:
        return VenueMode.POST_ONLY, quiet_until
    return VenueMode.NORMAL, None


def _account(known: LiveConditions, now: datetime) -> Iterator[Condition]:
    ready = known.connection == "ready"
    said = f": {known.connection_note}" if known.connection_note else ""
    yield Condition(
        name="connected",
        passed=ready,
        value=int(ready),
        limit=1,
        unit="flag",
        note="" if ready else f"the account is not connected to the venue ({known.connection}){said}",
    )
    yield _aged(
        "user_stream",
        known.stream_alive_at,
        STREAM_LIMIT_S,
        now,
        "the user stream showed its last sign of life {age} ago",
        never="the user stream was never connected",
        said=known.stream_note,
    )
    yield _aged(
        "reconciled",
        known.reconciled_at,
        RECONCILED_LIMIT_S,
        now,
        "the last clean reconciliation was {age} ago",
        never="the account was never reconciled",
    )
    yield _clock(known, now)
    if known.environment is Environment.LIVE:
        yield _place(known, now)
    if known.heartbeat_wanted:
        yield _aged(
            "heartbeat",
            known.heartbeat_at,
            HEARTBEAT_LIMIT_S,
            now,
            "the heartbeat was last answered {age} ago, so the venue may cancel everything",
            never="the heartbeat is wanted and was never answered",
        )


def _clock(known: LiveConditions, now: datetime) -> Condition:
    if known.clock_offset_ms is None or known.clock_at is None:
        note = "the clock was never compared with the venue's"
        return Condition(name="clock", passed=False, limit=CLOCK_LIMIT_MS, unit="ms", note=note)
    if _is_ahead(known.clock_at, now):
        return _from_ahead("clock", -_age_s(known.clock_at, now))
    age = _age_s(known.clock_at, now)
    offset = abs(known.clock_offset_ms)
    if age > CLOCK_AGE_LIMIT_S:
        note = f"the clock was last compared with the venue's {_said(age)} ago, at most {CLOCK_AGE_LIMIT_S} s"
        return Condition(name="clock", passed=False, value=offset, limit=CLOCK_LIMIT_MS, unit="ms", note=note)
    way = "behind" if known.clock_offset_ms > 0 else "ahead of"
    apart = f"our clock is {offset / 1000:.1f} s {way} the venue's"
    passed = offset <= CLOCK_LIMIT_MS
    note = "" if offset <= CLOCK_WARNING_MS else f"{apart}, at most {CLOCK_LIMIT_MS // 1000} s"
    return Condition(
        name="clock",
        passed=passed,
        value=offset,
        limit=CLOCK_LIMIT_MS,
        unit="ms",
        note=note,
        warning=passed and bool(note),
    )


def _place(known: LiveConditions, now: datetime) -> Condition:
    name, where = "place", f" ({known.country})" if known.country else ""
    if known.blocked is None or known.blocked_at is None:
        return Condition(
            name=name,
            passed=False,
            limit=0,
            unit="flag",
            note="the venue was never asked whether it lets us trade here",
        )
    if known.blocked:
        note = f"the venue does not let this place{where} trade: live trading is refused here"
        return Condition(name=name, passed=False, value=1, limit=0, unit="flag", note=note)
    age = _age_s(known.blocked_at, now)
    if age > PLACE_AGE_LIMIT_S:
        note = f"the venue was last asked {_said(age)} ago whether it lets us trade here, at most {PLACE_AGE_LIMIT_S} s"
        return Condition(name=name, passed=False, value=0, limit=0, unit="flag", note=note)
    return Condition(name=name, passed=True, value=0, limit=0, unit="flag")


def _mode(known: LiveConditions, *, rests_only: bool, now: datetime) -> Condition:
    mode, until = mode_now(known.mode, known.mode_until, now)
    passed = mode is VenueMode.NORMAL or (mode is VenueMode.POST_ONLY and rests_only)
    left = f", asked again in {max(0, -_age_s(until, now))} s" if until is not None else ""
    note = "" if passed else f"{_MODE_WORDS[mode]}{left}"
    return Condition(name="venue_mode", passed=passed, value=int(not passed), limit=0, unit="flag", note=note)


_MODE_WORDS = {
    VenueMode.NORMAL: "",
    VenueMode.RESTARTING: "the venue is restarting and takes no orders",
    VenueMode.POST_ONLY: "the venue takes post-only orders alone",
    VenueMode.CANCEL_ONLY: "the venue takes cancels alone",
    VenueMode.DISABLED: "the venue has trading switched off",
}


def _entries_only(known: LiveConditions, *, is_entry: bool) -> Iterator[Condition]:
    """Yield what stops purchases and lets sales pass."""
    foreign = known.foreign_orders
    note = (
        f"{foreign} order{'s' * (foreign != 1)} of this wallet not made here ({known.foreign_order}): acknowledge first"
    )
    yield Condition(
        name="foreign_orders",
        passed=not (foreign and is_entry),
        value=foreign,
        limit=0,
        unit="count",
        note=note if foreign and is_entry else "",
    )
    for name, reason in (("venue_block", known.venue_block), ("market_block", known.market_block)):
        whom = "venue" if name == "venue_block" else "market"
        yield Condition(
            name=name,
            passed=not (reason and is_entry),
            value=int(bool(reason)),
            limit=0,
            unit="flag",
            note=f"entries on this {whom} are blocked: {reason}" if reason and is_entry else "",
        )


def _market(known: LiveConditions, *, marketable: bool, now: datetime) -> Iterator[Condition]:
    if known.has_market:
        yield _aged(
            "metadata",
            known.market_synced_at,
            METADATA_LIMIT_S,
            now,
            "the market's facts are {age} old",
            never="the market is not in the catalogue",
        )
        is_open = known.market_state is MarketState.OPEN
        note = "" if is_open else f"the market is {known.market_state or 'unknown'}: it takes no orders now"
        yield Condition(name="market_open", passed=is_open, value=int(is_open), limit=1, unit="flag", note=note)
    if known.has_book:
        yield _book(known, marketable=marketable, now=now)


def _book(known: LiveConditions, *, marketable: bool, now: datetime) -> Condition:
    limit = BOOK_MARKETABLE_LIMIT_MS if marketable else BOOK_RESTING_LIMIT_MS
    if known.book_confirmed_ms is None or not known.book_is_live:
        note = "there is no book" if known.book_confirmed_ms is None else "the book's socket is in doubt"
        return Condition(name="book", passed=False, limit=limit, unit="ms", note=note)
    age = int(now.timestamp() * 1000) - known.book_confirmed_ms
    if -age > AHEAD_LIMIT_S * 1000:
        return _from_ahead("book", -age // 1000)
    age = max(0, age)
    passed = age <= limit
    note = "" if passed else f"the book was confirmed {age / 1000:.1f} s ago, at most {limit // 1000} s"
    return Condition(name="book", passed=passed, value=age, limit=limit, unit="ms", note=note)


def _aged(
    name: str, at: datetime | None, limit_s: int, now: datetime, text: str, *, never: str, said: str = ""
) -> Condition:
    more = f" ({said})" if said else ""
    if at is None:
        return Condition(name=name, passed=False, limit=limit_s, note=f"{never}{more}")
    if _is_ahead(at, now):
        return _from_ahead(name, -_age_s(at, now))
    age = max(0, _age_s(at, now))
    passed = age <= limit_s
    note = "" if passed else f"{text.format(age=_said(age))}, at most {limit_s} s{more}"
    return Condition(name=name, passed=passed, value=age, limit=limit_s, note=note)


def _is_ahead(at: datetime, now: datetime) -> bool:
    return at > now + timedelta(seconds=AHEAD_LIMIT_S)


def _from_ahead(name: str, ahead_s: int) -> Condition:
    """A moment that is yet to come says nothing about how fresh anything is: it was written by a wrong clock."""
    note = f"{name.replace('_', ' ')}: last seen {_said(ahead_s)} ahead of now, so the clock was set back"
    return Condition(name=name, passed=False, value=ahead_s, limit=AHEAD_LIMIT_S, note=note)


def _age_s(at: datetime, now: datetime) -> int:
    """Return whole seconds since `at`, a started one counting as whole: 15.2 s is more than 15."""
    return -((at - now) // timedelta(seconds=1))


def _said(seconds: int) -> str:
    return f"{seconds} s" if seconds < 600 else f"{seconds // 60} min"
