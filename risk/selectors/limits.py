"""Limits as the core's values."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from alerts.selectors.statements import Select
from markets.domain.units import Usd, micro_from_decimal
from orders.domain.intents import OriginKind
from risk.domain.context import OriginRef
from risk.domain.limits import Limits, OriginLimits
from risk.models import OriginLimits as OriginLimitsRow
from risk.models import RiskProfile

_PROFILE = Select(RiskProfile, "WHERE id = (SELECT profile_id FROM risk_accountlimits WHERE account_id = %s)")
_OVERRIDES = Select(
    OriginLimitsRow, "WHERE (origin_kind, origin_id) IN (SELECT * FROM unnest(%s::text[], %s::bigint[]))"
)


def limits_get(account_id: int) -> Limits | None:
    """Return the account's limits, or None when it has no profile: then the gate refuses everything."""
    row = _PROFILE.first(account_id)
    return None if row is None else limits_from_row(row)


def limits_from_row(row: RiskProfile) -> Limits:
    return Limits(
        profile=row.name,
        account_exposure=_usd(row.account_exposure),
        market_exposure=_usd(row.market_exposure),
        event_exposure=_usd(row.event_exposure),
        strategy_exposure=_usd(row.strategy_exposure),
        order_size=_usd(row.order_size),
        order_minimum=_usd(row.order_minimum),
        open_orders=row.open_orders,
        open_positions=row.open_positions,
        daily_loss=_usd(row.daily_loss),
        drawdown_stop_bps=row.drawdown_stop_bps,
        drawdown_kill_bps=row.drawdown_kill_bps,
        slippage_bps=row.slippage_bps,
        kelly_fraction_bps=row.kelly_fraction_bps,
        orders_per_minute=row.orders_per_minute,
        minimum_seconds_to_close=row.minimum_seconds_to_close,
        metadata_age_s=row.metadata_age_s,
        minimum_liquidity=_usd(row.minimum_liquidity),
        minimum_volume_24h=_usd(row.minimum_volume_24h),
    )


def origin_limits_get(origins: Iterable[OriginRef]) -> dict[OriginRef, OriginLimits]:
    """Return the overrides of those of `origins` that have some."""
    wanted = list(origins)
    if not wanted:
        return {}
    kinds, ids = [str(kind) for kind, _ in wanted], [origin_id for _, origin_id in wanted]
    return {
        (OriginKind(row.origin_kind), row.origin_id): OriginLimits(
            exposure=None if row.exposure is None else _usd(row.exposure),
            order_size=None if row.order_size is None else _usd(row.order_size),
            open_orders=row.open_orders,
            daily_loss=None if row.daily_loss is None else _usd(row.daily_loss),
        )
        for row in _OVERRIDES.rows(kinds, ids)
    }


def _usd(value: Decimal) -> Usd:
    return Usd(micro_from_decimal(value))
