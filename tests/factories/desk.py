"""A desk with something on every page: account, markets, books, orders in every state, a strategy with decisions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.utils import timezone

from alerts.domain.events import Severity
from alerts.models import AlertChannel
from alerts.services import health, journal
from markets.domain.events import TradePrint
from markets.domain.instruments import Side
from markets.domain.views import Sample
from markets.models import Candle, Market, SyncRun, VenueIssue
from markets.tickstore import Batch, TickstoreWriter
from orders.domain.intents import Origin, OriginKind
from orders.models import Account, ExecutionPlan, Order, PaperOrder, PlanLeg
from orders.services.fills import fill_record
from orders.services.paper import paper_sync
from orders.services.pnl import snapshot_create
from risk.models import Halt, RiskVerdict
from risk.services import profiles
from strategies.models import Decision, GateCount, StrategyConfig, StrategyRun, UniverseMember
from strategies.services import configs
from tests.factories.markets import book_make, event_make, market_make
from tests.factories.orders import account_make, order_make, paper_order, paper_trade, sent_order

__all__ = ["DeskRows", "desk_make", "fill_record"]
STRATEGY = "quotes-near-the-fair-value"
PASSWORD = "correct horse battery"


@dataclass
class DeskRows:
    staff: Any
    owner: Any
    viewer: Any
    account: Account
    market: Market
    group: list[Market]
    strategy: StrategyConfig
    orders: dict[str, Order]
    decision: Decision
    verdict: RiskVerdict
    event_id: int
    halt: Halt
    plan: ExecutionPlan


def _plan_make(order: Order, *, now: datetime) -> ExecutionPlan:
    """Write a chase that made `order` and still has some to go."""
    row = ExecutionPlan.objects.create(
        key="01939d3e-0000-7000-8000-0000000000aa",
        account_id=order.account_id,
        kind="chase",
        state="done",
        state_reason="filled 60 of 80",
        max_cost=50,
        committed=37,
        max_loss=50,
        expires_at=now + timedelta(minutes=1),
        ended_at=now,
        origin_kind=order.origin_kind,
        origin_id=order.origin_id,
        origin_label=order.origin_label,
        verdict_id=order.verdict_id,
        reason="entry at z 2.10",
        created_at=order.created_at,
    )
    leg = PlanLeg.objects.create(
        plan=row,
        market_id=order.market_id,
        outcome_id=order.outcome_id,
        side=order.side,
        size=order.size + 20,
        worst_price=order.price,
        ordered=order.filled_size,
        filled=order.filled_size,
    )
    Order.objects.filter(pk=order.pk).update(plan=row, plan_leg=leg)
    return row


def people_make() -> tuple[Any, Any, Any]:
    """Return staff, an owner of accounts, and somebody who owns none."""
    user = get_user_model()
    staff = user.objects.create_superuser("admin", password=PASSWORD)
    owner = user.objects.create_user("owner", password=PASSWORD)
    viewer = user.objects.create_user("viewer", password=PASSWORD)
    return staff, owner, viewer


def desk_make(*, now: datetime | None = None) -> DeskRows:
    """Write the rows, and the books and samples behind them into the tickstore of the test."""
    now = now or timezone.now()
    staff, owner, viewer = people_make()
    account = account_make("1000", name="Paper 1", owner=owner)
    profiles.install()
    profiles.profile_assign(account.pk, "conservative", by="test")
    event = event_make(
        title="Fed decision in December 2026 after the extraordinary session", neg_risk=True, slug="fed-december"
    )
    group = [
        market_make(
            event=event,
            neg_risk=True,
            question=f"Fed decision in December: {label}?",
            group_label=label,
            rules_text='Resolves to "Yes" if the rate moves so.\n\nAn <b>emergency</b> move does not count.',
            volume_24h=Decimal("1420000"),
            closes_at=now + timedelta(days=19),
            opened_at=now - timedelta(days=20),
            synced_at=now,
        )
        for label in ("25 bps decrease", "No change", "25+ bps increase")
    ]
    market_make(question="Bitcoin above $120k on 31 December?", state="resolved", resolved_at=now, synced_at=now)
    market = group[0]
    _books_make(group, now)
    strategy = configs.strategy_create(
        name=STRATEGY, strategy_class="market_making", account_id=account.pk, owner=owner, by="owner", now=now
    )
    StrategyConfig.objects.filter(pk=strategy.pk).update(
        state="running", ticked_at=now, last_outcome="quotes right, nothing to change"
    )
    strategy.refresh_from_db()
    decision, verdict = _decision_make(strategy, account, market, now)
    orders = _orders_make(account, market, strategy, decision, now=now)
    plan = _plan_make(orders["filled"], now=now)
    snapshot_create(account.pk, now - timedelta(minutes=2))
    snapshot_create(account.pk, now - timedelta(minutes=1))
    for name in ("process:feed", "process:fills", "queue:default", "queue:trading", "queue:backtests"):
        health.heartbeat_record(name, details={"messages_per_s": 51.2, "watched": 6})
    SyncRun.objects.create(
        venue="polymarket", kind="full", started_at=now, finished_at=now, events_seen=1, markets_seen=4, rows_written=4
    )
    VenueIssue.objects.create(
        venue="polymarket",
        source="gamma.market",
        field="feeSchedule",
        problem="unknown shape",
        sample="<script>",
        first_at=now,
        last_at=now,
    )
    AlertChannel.objects.create(transport="browser", label="this desk", minimum_severity=Severity.INFO)
    halt = Halt.objects.create(
        account_id=account.pk,
        kind="reduce_only",
        cause="manual",
        reason="a look first",
        by="owner",
        created_at=now - timedelta(hours=1),
        lifted_at=now,
        lifted_by="owner",
    )
    event_id = journal.event_record_alone(
        "order.filled",
        "bought 60 shares at 0.61",
        subject_kind="order",
        subject_id=orders["filled"].pk,
        subject_label="Fed decision in December",
        actor="fills",
        account_id=account.pk,
        payload={"side": "buy"},
    )
    account.refresh_from_db()
    return DeskRows(
        staff=staff,
        owner=owner,
        viewer=viewer,
        account=account,
        market=market,
        group=group,
        strategy=strategy,
        orders=orders,
        decision=decision,
        verdict=verdict,
        event_id=event_id,
        halt=halt,
        plan=plan,
    )


def _books_make(group: list[Market], now: datetime) -> None:
    at_ms = int(now.timestamp() * 1000)
    writer = TickstoreWriter(settings.TICKSTORE_URL)
    writer.redis.flushdb()
    writer.epoch_open(at_ms)
    batch = Batch()
    for index, market in enumerate(group):
        bid = (610_000, 360_000, 20_000)[index]
        yes, no = market.outcomes.order_by("index")
        for outcome, best in ((yes, bid), (no, 1_000_000 - bid - 10_000)):
            bids = tuple((best - i * 10_000, (2_615 + 700 * i) * 1_000_000) for i in range(12) if best > i * 10_000)
            asks = tuple((best + 10_000 * (i + 1), (1_840 + 500 * i) * 1_000_000) for i in range(12))
            batch.books[outcome.pk] = book_make(
                outcome.pk,
                bids=bids,
                asks=tuple(level for level in asks if level[0] < 1_000_000),
                confirmed_ms=at_ms,
                received_ms=at_ms,
                venue_ms=at_ms,
            )
            for second in range(1, 240, 3):
                mid = best + 5_000 + (second % 7 - 3) * 2_500
                sample = Sample(at_ms=at_ms - second * 1000, mid=mid, microprice=mid, traded=0)
                batch.samples.append((1, outcome.pk, sample))
            Candle.objects.bulk_create(
                Candle(
                    outcome=outcome,
                    opens_at=now.replace(second=0, microsecond=0) - timedelta(minutes=minute),
                    open=Decimal("0.6"),
                    high=Decimal("0.62"),
                    low=Decimal("0.58"),
                    close=Decimal("0.60") + Decimal(minute % 9) / 500,
                    volume=Decimal(100),
                    trades=3,
                )
                for minute in range(1, 180)
            )
        for i in range(20):
            trade = TradePrint(
                token_id=yes.token_id,
                side=Side.BUY if i % 3 else Side.SELL,
                price=bid,
                size=45_000_000 * (i + 1),
                venue_ms=at_ms - i * 4000,
                received_ns=at_ms * 1_000_000,
            )
            batch.trades.append((yes.pk, trade))
    writer.publish(batch)
    writer.feed_status_set({"at_ms": at_ms, "messages_per_s": 51.2, "watched": 6, "fresh": 6, "shards": []})


def _decision_make(
    strategy: StrategyConfig, account: Account, market: Market, now: datetime
) -> tuple[Decision, RiskVerdict]:
    yes = market.outcomes.get(index=0)
    run = StrategyRun.objects.create(
        strategy=strategy,
        mode="running",
        version=1,
        parameters=strategy.parameters,
        started_at=now,
        started_by="owner",
        ticks=1200,
        unchanged=1180,
    )
    decision = Decision.objects.create(
        strategy=strategy, run=run, at=now, version=1, trigger="book", books={str(yes.pk): 1}, account_version=3,
        wanted_hash="a" * 64, wanted=[{"side": "buy"}], outcome="bid 61 ¢, 10 shares", took_us=420,
        trace=[
            {"outcome_id": yes.pk, "gate": "edge", "passed": True, "value": "0.9", "threshold": "0.8", "unit": "c"},
            {"outcome_id": yes.pk, "gate": "book_age", "passed": False, "value": "4200", "threshold": "3000",
             "unit": "ms", "note": "the book is stale"},
        ],
    )  # fmt: skip
    GateCount.objects.create(
        strategy=strategy, hour=now.replace(minute=0, second=0, microsecond=0), gate="edge", count=90
    )
    UniverseMember.objects.create(strategy=strategy, market_id=market.pk, included=True, reason="tag fed")
    checks = [
        {"rule": "kill_switch", "passed": True, "value": 0, "limit": 0, "unit": "flag", "note": ""},
        {"rule": "order_size", "passed": False, "value": 91_500_000, "limit": 75_000_000, "unit": "usd",
         "note": "an order may cost $75.00", "allowed_size": 120_000_000},
    ]  # fmt: skip
    verdict = RiskVerdict.objects.create(
        client_key="01938a5e-7c1b-7d20-8000-000000000001",
        account_id=account.pk,
        environment="paper",
        at=now,
        last_at=now,
        decision="refused",
        rule="order_size",
        message="order size $91.50, limit $75.00",
        market_id=market.pk,
        outcome_id=yes.pk,
        side="buy",
        price=Decimal("0.61"),
        asked_size=150,
        allowed_size=0,
        origin_kind="strategy",
        origin_id=strategy.pk,
        origin_label=STRATEGY,
        decision_id=decision.pk,
        checks=checks,
        repeats=4,
    )
    return decision, verdict


def _orders_make(
    account: Account, market: Market, strategy: StrategyConfig, decision: Decision, *, now: datetime
) -> dict[str, Order]:
    yes = market.outcomes.get(index=0)
    origin = Origin(kind=OriginKind.STRATEGY, id=strategy.pk, label=strategy.name, decision_id=decision.pk)
    made: dict[str, Order] = {}
    for name, price in (("filled", "0.61"), ("open", "0.60"), ("unknown", "0.59"), ("canceled", "0.58")):
        order = sent_order(account, yes, now=now, price=price, size="60", origin=origin)
        if name == "unknown":
            Order.objects.filter(pk=order.pk).update(state="unknown", state_reason="no answer in 10 s")
        elif name == "canceled":
            paper_order(order, state=PaperOrder.State.CANCELED, reason="cancelled")
        else:
            held = paper_order(order)
            PaperOrder.objects.filter(pk=held.pk).update(queue_ahead=Decimal(1940))
        if name == "filled":
            paper_trade(order, "60")
            paper_order(order, state=PaperOrder.State.FILLED, filled="60")
        if name != "unknown":
            paper_sync(order.venue_order_id, now=now)
        made[name] = Order.objects.get(pk=order.pk)
    made["reserved"] = order_make(account, yes, now=now, price="0.57", size="10", origin=origin)
    return made
