"""From a book in the tickstore to rows: decision, verdicts, orders; and nothing at all when nothing changed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from alerts.models import AuditEvent
from markets.domain.instruments import Side
from markets.domain.units import Price, Shares
from markets.tickstore import TickstoreUnavailable
from orders.domain.intents import Quote
from orders.models import Account, Order
from orders.services.accounts import auto_trade_set
from orders.services.paper import paper_sync
from risk.models import RiskVerdict
from strategies.domain.base import Base, Decision, OwnFill, TradingParameters, WakeKind
from strategies.domain.view import MarketView
from strategies.library.registry import STRATEGIES
from strategies.models import Decision as Decision_
from strategies.models import StrategyConfig, StrategyRun, StrategyState
from strategies.services import configs, prepared, states
from strategies.services.counts import COUNTS
from strategies.services.runner import tick
from tests.factories.orders import paper_order, paper_trade
from tests.factories.strategies import desk_make, live_market, micro, pair_publish, strategy_make

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean")]

MAKER = {"half_spread": "0.02", "volatility_factor": "0", "inventory_skew": "0", "fair_value": "mid"}


def _running(strategy_class: str = "market_making", **values: Any) -> tuple[StrategyConfig, Any, datetime]:
    now = timezone.now()
    account = desk_make()
    market = live_market(now=now)
    pair_publish(market, "0.48", "0.52", now=now)
    values.setdefault("parameters", MAKER if strategy_class == "market_making" else {})
    config = strategy_make(strategy_class, account=account, now=now, **values)
    states.strategy_start(config.pk, by="test", now=now)
    return config, market, now


def test_a_book_becomes_a_decision_verdicts_and_submitted_orders() -> None:
    config, market, now = _running()
    report = tick([config.pk], now=now, trigger=WakeKind.BOOK)
    assert (report.ticked, report.decided, report.failed) == (1, 1, 0)
    decision = Decision_.objects.get(strategy=config)
    assert decision.trigger == "book"
    assert [(w["side"], w["price"], w["size"]) for w in decision.wanted] == [
        ("buy", "0.48", "20"),
        ("buy", "0.48", "20"),
    ]
    orders = list(Order.objects.order_by("id"))
    yes, no = market.outcomes.order_by("index")
    assert [(o.outcome_id, o.side, str(o.price)) for o in orders] == [
        (yes.pk, "buy", "0.480000"),
        (no.pk, "buy", "0.480000"),  # not held, so the ask at 0.52 is a bid for NO at 0.48
    ]
    assert {o.state for o in orders} == {"sending"}
    assert {o.decision_id for o in orders} == {decision.pk}
    assert {o.origin_run_id for o in orders} == {StrategyRun.objects.get(strategy=config).pk}
    assert RiskVerdict.objects.filter(decision="approved", decision_id=decision.pk).count() == 2
    assert decision.outcome == "2 placed"


def test_a_repeated_tick_places_nothing_and_writes_nothing() -> None:
    config, _, now = _running()
    tick([config.pk], now=now)
    before = (Order.objects.count(), RiskVerdict.objects.count(), Decision_.objects.count(), AuditEvent.objects.count())
    with CaptureQueriesContext(
        connection,
    ) as queries:
        report = tick([config.pk], now=now + timedelta(seconds=1))
    assert (report.ticked, report.unchanged, report.decided) == (1, 1, 0)
    assert _writes(queries) == []
    assert before == (
        Order.objects.count(), RiskVerdict.objects.count(), Decision_.objects.count(), AuditEvent.objects.count()
    )  # fmt: skip
    COUNTS.flush(now)
    run = StrategyRun.objects.get(strategy=config)
    assert (run.ticks, run.unchanged) == (2, 1)
    config.refresh_from_db()
    assert config.last_outcome == "2 quotes rest"


class Probe(Base):
    """A strategy that does what a test tells it to."""

    name, title, description, params = "probe", "Probe", "", TradingParameters

    def __init__(self) -> None:
        self.decisions: list[Decision] = []
        self.seen: list[MarketView] = []
        self.fills: list[OwnFill] = []
        self.error: Exception | None = None

    def decide(self, view: MarketView) -> Decision:
        self.seen.append(view)
        if self.error is not None:
            raise self.error
        return self.decisions.pop(0) if len(self.decisions) > 1 else (self.decisions or [Decision()])[0]

    def on_fill(self, state: Mapping[str, Any], fill: OwnFill) -> Mapping[str, Any]:
        self.fills.append(fill)
        return {**state, "bought": int(state.get("bought", 0)) + fill.size}


@pytest.fixture
def probe(monkeypatch: pytest.MonkeyPatch) -> Probe:
    one = Probe()
    monkeypatch.setitem(STRATEGIES, "probe", one)
    return one


def _quote(outcome_id: int, price: str = "0.48", size: str = "10", side: Side = Side.BUY) -> Quote:
    return Quote(outcome_id=outcome_id, side=side, price=Price(micro(price)), size=Shares(micro(size)))


def _yes(market: Any) -> int:
    return int(market.outcomes.get(index=0).pk)


def test_one_that_raises_harms_nobody_else_and_is_taken_out_after_five_errors(probe: Probe) -> None:
    config, _market, now = _running("probe")
    other = strategy_make("idle", account=_account(config), now=now)
    states.strategy_start(other.pk, by="test", now=now)
    probe.error = ZeroDivisionError("spread of nothing")
    for second in range(4):
        report = tick([config.pk, other.pk], now=now + timedelta(seconds=second))
        assert (report.failed, report.ticked) == (1, 1)
    config.refresh_from_db()
    assert (config.state, config.consecutive_errors) == ("running", 4)
    tick([config.pk, other.pk], now=now + timedelta(seconds=5))
    config.refresh_from_db()
    assert config.state == "error"
    assert config.state_reason.startswith("5 errors in a row, the last: ZeroDivisionError in decide line")
    errors = AuditEvent.objects.filter(kind="strategy.error", subject_id=config.pk)
    assert errors.count() == 5
    assert errors.first().severity == "critical"
    assert AuditEvent.objects.filter(kind="strategy.paused", subject_id=config.pk).count() == 1
    assert tick([config.pk, other.pk], now=now + timedelta(seconds=6)).failed == 0


def test_a_good_tick_ends_a_row_of_errors(probe: Probe) -> None:
    config, _, now = _running("probe")
    probe.error = ValueError("once")
    tick([config.pk], now=now)
    probe.error = None
    tick([config.pk], now=now + timedelta(seconds=1))
    config.refresh_from_db()
    assert (config.state, config.consecutive_errors) == ("running", 0)


def test_what_the_gate_refused_is_not_asked_again_every_second(probe: Probe) -> None:
    config, market, now = _running("probe")
    probe.decisions = [Decision(quotes=(_quote(_yes(market), price="0.485"),))]  # not on the tick of 0.01
    tick([config.pk], now=now)
    verdict = RiskVerdict.objects.get(origin_id=config.pk)
    assert (verdict.decision, verdict.rule) == ("refused", "price_tick")
    assert Decision_.objects.get(strategy=config).outcome.startswith("1 refused by price_tick: price 0.485")
    with CaptureQueriesContext(connection) as queries:
        tick([config.pk], now=now + timedelta(seconds=4))
    assert _writes(queries) == []
    tick([config.pk], now=now + timedelta(seconds=6))  # after five seconds it is asked again, then after ten
    verdict.refresh_from_db()
    assert verdict.repeats == 1
    tick([config.pk], now=now + timedelta(seconds=15))
    verdict.refresh_from_db()
    assert (verdict.repeats, Decision_.objects.filter(strategy=config).count()) == (1, 1)


def test_an_order_that_the_gate_shrank_is_left_where_it_is(probe: Probe) -> None:
    config, market, now = _running("probe")
    probe.decisions = [Decision(quotes=(_quote(_yes(market), size="100"),))]  # $48, and an order may cost $25
    tick([config.pk], now=now)
    order = Order.objects.get()
    assert (str(order.size), RiskVerdict.objects.get().decision) == ("52.080000", "shrunk")
    report = tick([config.pk], now=now + timedelta(seconds=30))
    assert (report.unchanged, Order.objects.count()) == (1, 1)


def test_observing_records_decisions_and_verdicts_and_sends_nothing() -> None:
    config, _, now = _running()
    states.strategy_start(config.pk, by="test", now=now, observe=True)
    tick([config.pk], now=now)
    assert set(RiskVerdict.objects.values_list("decision", flat=True)) == {"observed"}
    assert (Order.objects.count(), Decision_.objects.get(strategy=config).outcome) == (0, "2 allowed, not placed")
    with CaptureQueriesContext(connection) as queries:
        tick([config.pk], now=now + timedelta(seconds=9))
    assert _writes(queries) == []


@pytest.mark.parametrize("mode", ["monitor", "scrape", "backtest"])
def test_a_desk_that_may_not_send_only_observes(settings: Any, mode: str) -> None:
    config, _, now = _running()
    settings.POLYBOT_MODE = mode
    tick([config.pk], now=now)
    assert (Order.objects.count(), RiskVerdict.objects.filter(decision="observed").count()) == (0, 2)


def test_an_account_without_automatic_trading_sends_nothing() -> None:
    config, _, now = _running()
    auto_trade_set(account_id=config.account_id, on=False, by="test", now=now)
    tick([config.pk], now=now)
    assert Order.objects.count() == 0
    assert set(RiskVerdict.objects.values_list("decision", flat=True)) == {"refused"}


def test_a_stop_cancels_what_the_last_tick_placed_and_says_how_many() -> None:
    config, _, now = _running()
    tick([config.pk], now=now)
    assert states.strategy_stop(config.pk, by="ada", now=now) == 2
    assert tick([config.pk], now=now + timedelta(seconds=1)).ticked == 0
    assert Order.objects.filter(cancel_requested_at=None).count() == 0
    event = AuditEvent.objects.get(kind="strategy.stopped")
    assert event.message == f"{config.name}: stopped by hand; 2 orders asked to cancel"


def test_a_tick_that_began_before_the_stop_places_nothing_after_it(probe: Probe, monkeypatch: Any) -> None:
    config, market, now = _running("probe")
    tick([config.pk], now=now)
    probe.decisions = [Decision(quotes=(_quote(_yes(market)),))]
    load = prepared.SHELF.load

    def load_then_stop(*args: Any, **more: Any) -> Any:
        items = load(*args, **more)
        states.strategy_stop(config.pk, by="ada", now=now)
        return items

    monkeypatch.setattr(prepared.SHELF, "load", load_then_stop)
    tick([config.pk], now=now + timedelta(seconds=1))
    assert Order.objects.count() == 0


def test_new_parameters_are_in_force_at_the_next_tick() -> None:
    config, _market, now = _running()
    tick([config.pk], now=now)
    configs.parameters_change(config.pk, {**MAKER, "half_spread": "0.05"}, by="ada", now=now)
    tick([config.pk], now=now + timedelta(seconds=1))
    latest = Decision_.objects.filter(strategy=config).latest("pk")
    assert (latest.version, [w["price"] for w in latest.wanted]) == (2, ["0.45", "0.45"])


def test_a_fill_is_told_once_and_remembered_over_a_restart(probe: Probe) -> None:
    config, market, now = _running("probe")
    probe.decisions = [Decision(quotes=(_quote(_yes(market)),))]
    tick([config.pk], now=now)
    order = Order.objects.get()
    paper_order(order, filled="4")
    paper_trade(order, "4", "0.48")
    paper_sync(order.venue_order_id, now=now)
    tick([config.pk], now=now + timedelta(seconds=1))
    assert [fill.size for fill in probe.fills] == [4_000_000]
    assert probe.seen[-1].held(_yes(market)) == 4_000_000
    assert StrategyState.objects.get(strategy=config).state == {"bought": 4_000_000}
    prepared.SHELF.__init__()  # type: ignore[misc] - the process is started again
    tick([config.pk], now=now + timedelta(seconds=2))
    assert len(probe.fills) == 1
    assert probe.seen[-1].state == {"bought": 4_000_000}


def test_state_is_saved_only_when_it_changed(probe: Probe) -> None:
    config, _, now = _running("probe")
    probe.decisions = [Decision(state={"seen": 1}), Decision(state={"seen": 1}), Decision()]
    for second in range(3):
        tick([config.pk], now=now + timedelta(seconds=second))
    row = StrategyState.objects.get(strategy=config)
    assert (row.state, row.version) == ({"seen": 1}, 1)


@pytest.mark.parametrize("state", [{"x": float("nan")}, {"x": object()}, {"x": "y" * 300_000}])
def test_a_state_that_cannot_be_stored_is_the_strategys_error(probe: Probe, state: dict[str, Any]) -> None:
    config, _, now = _running("probe")
    probe.decisions = [Decision(state=state)]
    assert tick([config.pk], now=now).failed == 1
    assert StrategyState.objects.count() == 0


def test_without_redis_nothing_is_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    config, _, now = _running()

    class Gone:
        def books_get(self, ids: Any) -> Any:
            raise TickstoreUnavailable("redis did not answer")

    report = tick([config.pk], now=now, tickstore=Gone())  # type: ignore[arg-type]
    assert (report.ticked, report.problem) == (0, "redis did not answer")
    assert Order.objects.count() == 0


def test_a_view_holds_the_strategys_own_universe_only(probe: Probe) -> None:
    config, _market, now = _running("probe", parameters={"universe": {"markets": ["market-none"]}})
    tick([config.pk], now=now)
    assert (dict(probe.seen[0].markets), dict(probe.seen[0].books)) == ({}, {})


def test_many_strategies_share_one_look() -> None:
    config, _, now = _running("idle")
    more = [strategy_make("idle", account=_account(config), now=now) for _ in range(30)]
    for one in more:
        states.strategy_start(one.pk, by="test", now=now)
    ids = [config.pk, *(one.pk for one in more)]
    tick(ids, now=now)
    with CaptureQueriesContext(connection) as few:
        tick(ids[:2], now=now + timedelta(seconds=1))
    with CaptureQueriesContext(connection) as many:
        report = tick(ids, now=now + timedelta(seconds=2))
    assert (report.ticked, len(many)) == (31, len(few))
    assert len(many) <= 8


def _account(config: StrategyConfig) -> Account:
    return Account.objects.get(pk=config.account_id)


def _writes(queries: CaptureQueriesContext) -> list[str]:
    return [q["sql"] for q in queries if q["sql"].split()[0] in ("INSERT", "UPDATE", "DELETE")]
