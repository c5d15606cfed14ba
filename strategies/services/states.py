"""Starting, observing, pausing and stopping strategies. Each start opens a StrategyRun, each end closes it.

Lock order: the strategy's row, then (inside the order services) account and orders. A tick
holds the same row while it places orders, so a stop sees every order the last tick made.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from alerts.domain.events import Severity
from markets.services.watch import watch_drop
from orders.domain.intents import OriginKind
from orders.selectors.portfolio import account_get
from orders.services.execution import cancel_origin
from strategies.domain.parameters import ParameterError, parameters_load
from strategies.library.registry import UnknownStrategy, strategy_get
from strategies.models import StrategyConfig, StrategyRun
from strategies.services import universe
from strategies.services.configs import config_event

State = StrategyConfig.State
ACTIVE = (State.RUNNING, State.OBSERVE)


class StateError(ValueError):
    """The strategy cannot do that now; the message says what to do."""


def strategy_start(strategy_id: int, *, by: str, now: datetime, observe: bool = False) -> int:
    """Start the strategy and return its run. Raises StateError when it runs already in that mode."""
    state = State.OBSERVE if observe else State.RUNNING
    with transaction.atomic():
        config = _locked(strategy_id)
        if config.state == state:
            raise StateError(f"{config.name} is {state.label.lower()} already")
        try:
            parameters_load(strategy_get(config.strategy_class).params, config.parameters)
        except (UnknownStrategy, ParameterError) as error:
            raise StateError(f"{config.name} cannot start: {error}") from None
        _run_close(config, reason=f"restarted as {state.label.lower()}", now=now)
        withdrawn = _withdraw(config, by=by, now=now) if state is State.OBSERVE else 0
        _enter(config, state, reason="", by=by)
        run = StrategyRun.objects.create(
            strategy=config,
            mode=state,
            version=config.version,
            parameters=config.parameters,
            started_at=now,
            started_by=by,
        )
        words = "observing: decisions and verdicts are recorded, nothing is sent" if observe else "started"
        config_event(
            config,
            "strategy.started",
            f"{config.name}: {words}",
            by=by,
            now=now,
            payload={"mode": str(state), "run": run.pk, "version": config.version, "cancelled": withdrawn},
        )
    universe.universe_resolve_all([strategy_id], now=now)
    return run.pk


def strategy_stop(strategy_id: int, *, by: str, now: datetime, reason: str = "") -> int:
    """Stop the strategy as its account says (`on_stop`) and return how many orders were asked to cancel."""
    return _end(strategy_id, State.STOPPED, "strategy.stopped", by=by, now=now, reason=reason or "stopped by hand")


def strategy_pause(strategy_id: int, *, by: str, now: datetime, reason: str = "", until: datetime | None = None) -> int:
    """Pause the strategy, for ever or `until` a time; return how many orders were asked to cancel."""
    if until is not None and until <= now:
        raise StateError(f"the pause would end at {until:%H:%M:%S} UTC, which is over: give a later time")
    return _end(
        strategy_id, State.PAUSED, "strategy.paused", by=by, now=now, reason=reason or "paused by hand", until=until
    )


def strategy_fail(strategy_id: int, *, now: datetime, reason: str) -> int:
    """Take a strategy that keeps raising errors out of service."""
    return _end(
        strategy_id,
        State.ERROR,
        "strategy.paused",
        by="desk",
        now=now,
        reason=reason,
        severity=Severity.CRITICAL,
    )


def pauses_end(*, now: datetime) -> list[int]:
    """Start again what was paused until now; return their ids."""
    due = list(StrategyConfig.objects.filter(state=State.PAUSED, paused_until__lte=now).values_list("pk", flat=True))
    for strategy_id in due:
        strategy_start(strategy_id, by="schedule", now=now)
    return due


def _end(
    strategy_id: int,
    state: StrategyConfig.State,
    kind: str,
    *,
    by: str,
    now: datetime,
    reason: str,
    until: datetime | None = None,
    severity: Severity = Severity.INFO,
) -> int:
    with transaction.atomic():
        config = _locked(strategy_id)
        if config.state == state and state is not State.PAUSED:
            raise StateError(f"{config.name} is {state.label.lower()} already")
        if config.state not in ACTIVE and state in (State.PAUSED, State.ERROR) and config.state != state:
            raise StateError(f"{config.name} is {config.get_state_display().lower()}: only a running one can be paused")
        _run_close(config, reason=reason, now=now)
        cancelled = _withdraw(config, by=by, now=now)
        _enter(config, state, reason=reason, by=by, until=until)
        if state is State.STOPPED:
            watch_drop(f"strategy:{config.pk}")
        orders = "1 order" if cancelled == 1 else f"{cancelled} orders"
        config_event(
            config,
            kind,
            f"{config.name}: {reason}; {orders} asked to cancel",
            by=by,
            now=now,
            severity=severity,
            payload={"cancelled": cancelled, "until": until.isoformat() if until else None},
        )
    return cancelled


def _locked(strategy_id: int) -> StrategyConfig:
    return StrategyConfig.objects.select_for_update(no_key=True).get(pk=strategy_id)


def _enter(
    config: StrategyConfig, state: StrategyConfig.State, *, reason: str, by: str, until: datetime | None = None
) -> None:
    config.state = state
    config.state_reason = reason[:240]
    config.state_by = by[:120]
    config.paused_until = until
    config.consecutive_errors = 0
    config.revision += 1
    config.save(update_fields=["state", "state_reason", "state_by", "paused_until", "consecutive_errors", "revision"])


def _run_close(config: StrategyConfig, *, reason: str, now: datetime) -> None:
    StrategyRun.objects.filter(strategy=config, ended_at__isnull=True).update(ended_at=now, end_reason=reason[:240])


def _withdraw(config: StrategyConfig, *, by: str, now: datetime) -> int:
    """Ask for the cancels that the account's `on_stop` wants; return how many."""
    on_stop = account_get(config.account_id).on_stop
    if on_stop == "leave":
        return 0
    return cancel_origin(
        config.account_id,
        origin_kind=OriginKind.STRATEGY,
        origin_id=config.pk,
        reason="strategy stopped",
        by=by,
        now=now,
        quotes_only=on_stop == "cancel_quotes",
    )
