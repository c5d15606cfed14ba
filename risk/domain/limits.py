"""Limits: how much the gate may allow. Dollars in millionths, ratios in basis points, times as named.

An account has one profile. A strategy's own limits only tighten it: `tightened` takes
the smaller of each pair, so a looser override has no effect.
"""

from __future__ import annotations

from dataclasses import dataclass

from markets.domain.units import Usd

_NOTHING = Usd(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one account may do. The defaults are the gate's, the rest comes from the profile."""

    profile: str
    account_exposure: Usd
    market_exposure: Usd
    event_exposure: Usd
    strategy_exposure: Usd
    order_size: Usd  # dollars at most in one order
    order_minimum: Usd  # dollars at least in one order that adds to a position
    open_orders: int
    open_positions: int
    daily_loss: Usd
    drawdown_stop_bps: int
    drawdown_kill_bps: int
    slippage_bps: int
    kelly_fraction_bps: int = 2_500
    orders_per_minute: int = 60
    minimum_seconds_to_close: int = 900
    minimum_liquidity: Usd = _NOTHING  # dollars resting in a market before it is entered; 0: any
    minimum_volume_24h: Usd = _NOTHING  # dollars traded within a day; 0: any
    # Books: confirmed at most so long ago (design.md §3).
    book_age_marketable_ms: int = 3_000
    book_age_resting_ms: int = 15_000
    # The catalogue is synced each minute, so I14's 60 s would refuse every other order on
    # paper: two syncs may be missed. Accounts that send to a venue allow 60 s whatever this says.
    metadata_age_s: int = 180
    duplicate_window_ms: int = 2_000  # the same one-shot order again within this time is a mistake


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginLimits:
    """Tighter limits of one strategy. None: the account's profile decides alone."""

    exposure: Usd | None = None
    order_size: Usd | None = None
    open_orders: int | None = None
    daily_loss: Usd | None = None


NO_OVERRIDE = OriginLimits()


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginCaps:
    """The limits that hold for one strategy: its overrides and the profile, whichever is smaller."""

    exposure: Usd
    order_size: Usd
    open_orders: int
    daily_loss: Usd


def tightened(limits: Limits, override: OriginLimits = NO_OVERRIDE) -> OriginCaps:
    return OriginCaps(
        exposure=Usd(_smaller(limits.strategy_exposure, override.exposure)),
        order_size=Usd(_smaller(limits.order_size, override.order_size)),
        open_orders=_smaller(limits.open_orders, override.open_orders),
        daily_loss=Usd(_smaller(limits.daily_loss, override.daily_loss)),
    )


def _smaller(limit: int, override: int | None) -> int:
    return limit if override is None else min(limit, override)
