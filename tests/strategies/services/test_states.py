"""Starting, pausing and stopping: runs, reasons, journal, and what happens to open orders."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from alerts.models import AuditEvent
from markets.models import Watch
from orders.models import Order
from orders.services.accounts import on_stop_set
from strategies.domain.parameters import ParameterError
from strategies.models import StrategyConfig, StrategyRun, StrategyVersion
from strategies.services import configs, states
from strategies.services.states import StateError
from tests.factories.markets import AT, market_make
from tests.factories.orders import order_make
from tests.factories.strategies import OWN, desk_make, strategy_make

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean")]


def _own(config: StrategyConfig) -> Any:
    return OWN.__class__(kind=OWN.kind, id=config.pk, label=config.name)


def test_each_start_opens_a_run_with_the_parameters_of_that_moment() -> None:
    config = strategy_make("idle")
    first = states.strategy_start(config.pk, by="ada", now=AT)
    states.strategy_stop(config.pk, by="ada", now=AT + timedelta(hours=1), reason="lunch")
    configs.parameters_change(config.pk, {"universe": {"maximum": 3}}, by="ada", now=AT)
    second = states.strategy_start(config.pk, by="ada", now=AT + timedelta(hours=2))
    runs = {run.pk: run for run in StrategyRun.objects.filter(strategy=config)}
    assert (runs[first].end_reason, runs[first].version) == ("lunch", 1)
    assert (runs[second].ended_at, runs[second].version) == (None, 2)
    assert runs[second].parameters["universe"]["maximum"] == 3


def test_starting_twice_is_refused_with_words() -> None:
    config = strategy_make("idle")
    states.strategy_start(config.pk, by="ada", now=AT)
    with pytest.raises(StateError, match="is running already"):
        states.strategy_start(config.pk, by="ada", now=AT)
    states.strategy_stop(config.pk, by="ada", now=AT)
    with pytest.raises(StateError, match="is stopped already"):
        states.strategy_stop(config.pk, by="ada", now=AT)
    with pytest.raises(StateError, match="only a running one can be paused"):
        states.strategy_pause(config.pk, by="ada", now=AT)


def test_from_running_to_observing_in_one_step_withdraws_its_orders() -> None:
    account = desk_make()
    config = strategy_make("idle", account=account)
    states.strategy_start(config.pk, by="ada", now=AT)
    order_make(account, market_make().outcomes.get(index=0), origin=_own(config))
    states.strategy_start(config.pk, by="ada", now=AT, observe=True)
    config.refresh_from_db()
    assert (config.state, StrategyRun.objects.filter(strategy=config, ended_at=None).get().mode) == (
        "observe",
        "observe",
    )
    assert Order.objects.get().cancel_requested_at is not None


@pytest.mark.parametrize(("on_stop", "cancelled"), [("cancel_all", 2), ("cancel_quotes", 1), ("leave", 0)])
def test_a_stop_does_with_orders_what_the_account_says(on_stop: str, cancelled: int) -> None:
    account = desk_make()
    on_stop_set(account_id=account.pk, on_stop=on_stop, now=AT)
    config = strategy_make("idle", account=account)
    states.strategy_start(config.pk, by="ada", now=AT)
    outcome = market_make().outcomes.get(index=0)
    order_make(account, outcome, origin=_own(config))
    order_make(account, outcome, origin=_own(config), level=-1)  # a one-shot order
    order_make(account, outcome)  # somebody else's
    assert states.strategy_stop(config.pk, by="ada", now=AT) == cancelled
    assert Order.objects.exclude(cancel_requested_at=None).count() == cancelled


def test_a_pause_ends_by_itself_when_it_was_given_an_end() -> None:
    config = strategy_make("idle")
    states.strategy_start(config.pk, by="ada", now=AT)
    states.strategy_pause(config.pk, by="ada", reason="news", now=AT, until=AT + timedelta(minutes=5))
    config.refresh_from_db()
    assert (config.state, config.state_reason, config.state_by) == ("paused", "news", "ada")
    assert states.pauses_end(now=AT + timedelta(minutes=4)) == []
    assert states.pauses_end(now=AT + timedelta(minutes=5)) == [config.pk]
    config.refresh_from_db()
    assert (config.state, config.paused_until, config.state_by) == ("running", None, "schedule")
    with pytest.raises(StateError, match="give a later time"):
        states.strategy_pause(config.pk, by="ada", now=AT, until=AT)


def test_every_switch_is_in_the_strategys_journal() -> None:
    config = strategy_make("idle")
    states.strategy_start(config.pk, by="ada", now=AT)
    states.strategy_pause(config.pk, by="bob", now=AT)
    states.strategy_start(config.pk, by="ada", now=AT)
    states.strategy_stop(config.pk, by="ada", now=AT)
    rows = AuditEvent.objects.filter(stream=f"strategy:{config.pk}").order_by("seq")
    assert [(row.kind, row.actor) for row in rows] == [
        ("strategy.created", "test"),
        ("strategy.started", "ada"),
        ("strategy.paused", "bob"),
        ("strategy.started", "ada"),
        ("strategy.stopped", "ada"),
    ]


def test_the_feed_listens_for_a_running_strategy_and_not_for_a_stopped_one() -> None:
    market = market_make()
    config = strategy_make("idle", parameters={"universe": {"markets": [market.slug]}})
    states.strategy_start(config.pk, by="ada", now=AT)
    assert Watch.objects.filter(reason=f"strategy:{config.pk}").count() == 2
    states.strategy_stop(config.pk, by="ada", now=AT)
    assert Watch.objects.count() == 0


def test_parameters_that_no_longer_fit_do_not_start() -> None:
    config = strategy_make("idle")
    StrategyConfig.objects.filter(pk=config.pk).update(parameters={"gone": 1})
    with pytest.raises(StateError, match="gone: there is no such parameter"):
        states.strategy_start(config.pk, by="ada", now=AT)


@pytest.mark.parametrize(
    ("values", "fields"),
    [
        ({"name": "Not A Slug"}, ["name"]),
        ({"interval_s": 0}, ["interval_s"]),
        ({"account_id": 10**9}, ["account_id"]),
        ({"strategy_class": "none"}, ["strategy_class"]),
        ({"parameters": {"universe": {"maximum": 0}}}, ["parameters.universe.maximum"]),
        ({"name": "", "interval_s": 0, "parameters": {"x": 1}}, ["name", "interval_s", "parameters.x"]),
    ],
)
def test_a_new_strategy_with_bad_values_is_refused_field_by_field(values: dict[str, Any], fields: list[str]) -> None:
    account = desk_make()
    good = {"name": "good", "strategy_class": "idle", "account_id": account.pk, "owner": account.owner}
    with pytest.raises(ParameterError) as caught:
        configs.strategy_create(**{**good, **values}, by="ada", now=AT)
    assert sorted(caught.value.errors) == sorted(fields)
    assert StrategyConfig.objects.count() == 0


def test_a_name_is_used_once() -> None:
    config = strategy_make("idle")
    with pytest.raises(ParameterError, match="choose another name"):
        strategy_make("idle", name=config.name)


def test_changed_parameters_make_a_version_and_equal_ones_do_not() -> None:
    config = strategy_make("market_making")
    version, changes = configs.parameters_change(config.pk, {"half_spread": "0.0100"}, by="ada", now=AT)
    assert (version, changes) == (1, ())
    version, changes = configs.parameters_change(config.pk, {"half_spread": "0.03"}, by="ada", now=AT)
    assert (version, [(c.path, c.before, c.after) for c in changes]) == (2, [("half_spread", "0.01", "0.03")])
    assert [v.by for v in StrategyVersion.objects.filter(strategy=config).order_by("version")] == ["test", "ada"]
    with pytest.raises(ParameterError):
        configs.parameters_change(config.pk, {"half_spread": "9"}, by="ada", now=AT)
    config.refresh_from_db()
    assert config.version == 2
