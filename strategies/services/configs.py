"""Strategies as rows: created, and given other parameters. Starting and stopping is in `states`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from alerts.services.journal import event_record
from orders.selectors.portfolio import account_list
from strategies.domain.parameters import Difference, ParameterError, difference, parameters_dump, parameters_load
from strategies.library.registry import UnknownStrategy, strategy_get
from strategies.models import StrategyConfig, StrategyVersion

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,79}")


def strategy_create(
    *,
    name: str,
    strategy_class: str,
    account_id: int,
    owner: Any,
    parameters: Mapping[str, Any] | None = None,
    interval_s: int = 5,
    priority: int = 0,
    by: str,
    now: datetime,
) -> StrategyConfig:
    """Store a draft with version 1 of its parameters. Raises ParameterError that names every bad field."""
    problems = _basic_problems(name, account_id, interval_s)
    try:
        schema = strategy_get(strategy_class).params
    except UnknownStrategy as error:
        raise ParameterError({**problems, "strategy_class": str(error)}) from None
    try:
        stored = parameters_dump(parameters_load(schema, parameters or {}))
    except ParameterError as error:
        raise ParameterError({**problems, **_prefixed(error.errors)}) from None
    if problems:
        raise ParameterError(problems)
    with transaction.atomic():
        if StrategyConfig.objects.filter(name=name).exists():
            raise ParameterError({"name": f"there is a strategy named {name} already: choose another name"})
        config = StrategyConfig.objects.create(
            name=name,
            strategy_class=strategy_class,
            account_id=account_id,
            owner=owner,
            parameters=stored,
            interval_s=interval_s,
            priority=priority,
            state_by=by,
        )
        StrategyVersion.objects.create(strategy=config, version=1, parameters=stored, by=by, at=now)
        config_event(config, "strategy.created", f"{name}: created as a draft", by=by, now=now)
    return config


def parameters_change(
    strategy_id: int, parameters: Mapping[str, Any], *, by: str, now: datetime
) -> tuple[int, tuple[Difference, ...]]:
    """Store a new version and return (version, what changed); nothing is stored when nothing changed.

    The running strategy uses it from its next tick on.
    """
    with transaction.atomic():
        config = StrategyConfig.objects.select_for_update(no_key=True).get(pk=strategy_id)
        schema = strategy_get(config.strategy_class).params
        stored = parameters_dump(parameters_load(schema, parameters))
        changes = difference(schema, config.parameters, stored)
        if not changes:
            return config.version, ()
        config.parameters = stored
        config.version += 1
        config.revision += 1
        config.save(update_fields=["parameters", "version", "revision"])
        StrategyVersion.objects.create(strategy=config, version=config.version, parameters=stored, by=by, at=now)
        words = ", ".join(f"{change.title} {change.before} → {change.after}" for change in changes)
        config_event(
            config,
            "strategy.parameters",
            f"{config.name}: version {config.version}: {words}",
            by=by,
            now=now,
            payload={
                "version": config.version,
                "changes": [{"path": c.path, "before": c.before, "after": c.after} for c in changes],
            },
        )
    return config.version, changes


@transaction.atomic
def settings_change(
    strategy_id: int, *, interval_s: int | None = None, priority: int | None = None, by: str, now: datetime
) -> bool:
    """Change how often a strategy ticks or how it ranks; return whether that changed anything."""
    config = StrategyConfig.objects.select_for_update(no_key=True).get(pk=strategy_id)
    if interval_s is not None and not 1 <= interval_s <= 86_400:
        raise ParameterError({"interval_s": "give whole seconds from 1 to 86400"})
    before = (config.interval_s, config.priority)
    config.interval_s = config.interval_s if interval_s is None else interval_s
    config.priority = config.priority if priority is None else priority
    if (config.interval_s, config.priority) == before:
        return False
    config.revision += 1
    config.save(update_fields=["interval_s", "priority", "revision"])
    config_event(
        config,
        "strategy.settings",
        f"{config.name}: every {config.interval_s} s, priority {config.priority}",
        by=by,
        now=now,
    )
    return True


def config_event(config: StrategyConfig, kind: str, message: str, *, by: str, now: datetime, **fields: Any) -> int:
    """Append one event about a strategy to its own stream."""
    return event_record(
        kind,
        message,
        stream=f"strategy:{config.pk}",
        account_id=config.account_id,
        subject_kind="strategy",
        subject_id=config.pk,
        subject_label=config.name,
        actor=by,
        now=now,
        **fields,
    )


def _basic_problems(name: str, account_id: int, interval_s: int) -> dict[str, str]:
    problems: dict[str, str] = {}
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        problems["name"] = "use lower-case letters, digits, - and _, 80 at most"
    if not 1 <= interval_s <= 86_400:
        problems["interval_s"] = "give whole seconds from 1 to 86400"
    if account_id not in {account.id for account in account_list()}:
        problems["account_id"] = f"there is no account {account_id}"
    return problems


def _prefixed(errors: Mapping[str, str]) -> dict[str, str]:
    return {f"parameters.{path}" if path != "parameters" else path: problem for path, problem in errors.items()}
