"""What an empty sandbox installation is given to begin with: an account, limits, strategies, alert rules.

Everything is made through the apps' services, in one transaction, and only while no account
exists: whoever changes or removes a part of it is never overruled by the next start.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction

from markets.domain.units import Usd
from markets.venues.polymarket.wallets import WalletKind
from orders.domain.lifecycle import Environment
from orders.domain.private_keys import key_new
from orders.domain.wallet_entry import wallet_entry
from orders.selectors.portfolio import account_list
from orders.services.accounts import account_open
from orders.services.pnl import snapshot_create
from risk.services import profiles
from strategies.services.configs import strategy_create
from strategies.services.states import strategy_start

ACCOUNT, SIGNED_ACCOUNT = "Paper", "Sandbox"
CASH = Usd(1_000_000_000)  # $1,000, in each of them
PROFILE = "conservative"
BY = "demo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One strategy of the demo. Sizes stay far below the conservative profile, so limits rarely bind."""

    name: str
    strategy_class: str
    interval_s: int
    running: bool
    signed: bool = False  # trades on the account that signs its orders and sends them to the local exchange
    parameters: dict[str, Any] = field(default_factory=dict)


PLANS: tuple[Plan, ...] = (
    Plan(
        name="quotes-near-fair-value",
        strategy_class="market_making",
        interval_s=5,
        running=True,
        parameters={
            "half_spread": "0.005",
            "minimum_edge": "0.001",
            "size": "10",
            "maximum_inventory": "40",
            "inventory_skew": "0.01",
            "volatility_factor": "0.5",
            "maximum_widening": "0.02",
            "lowest_price": "0.1",
            "highest_price": "0.9",
            # Both outcomes of two markets are four of the profile's five open positions.
            "universe": {"maximum": 2, "closes_after_h": "1", "skip_augmented": True},
        },
    ),
    Plan(
        name="back-to-the-mean",
        strategy_class="mean_reversion",
        interval_s=2,
        running=True,
        parameters={
            "window": 60,
            "minimum_samples": 20,
            "entry_z": "1.5",
            "exit_z": "0.3",
            "minimum_deviation": "0.001",
            "minimum_edge": "0.002",
            "size": "10",
            "maximum_holding_s": 300,
            "cooldown_s": 20,
            "universe": {"maximum": 12, "closes_after_h": "1"},
        },
    ),
    Plan(
        name="signed-quotes",
        strategy_class="market_making",
        interval_s=5,
        running=True,
        signed=True,
        parameters={
            "half_spread": "0.01",
            "minimum_edge": "0.001",
            "size": "10",
            "maximum_inventory": "30",
            "inventory_skew": "0.01",
            "lowest_price": "0.15",
            "highest_price": "0.85",
            "universe": {"maximum": 1, "closes_after_h": "1", "skip_augmented": True},
        },
    ),
    Plan(
        name="wide-quotes-in-rewards",
        strategy_class="market_making",
        interval_s=10,
        running=False,
        parameters={
            "half_spread": "0.02",
            "size": "50",
            "stay_in_reward_band": True,
            "universe": {"maximum": 3, "reward_eligible": True},
        },
    ),
    Plan(
        name="slow-reversion",
        strategy_class="mean_reversion",
        interval_s=60,
        running=False,
        parameters={"period": "1m", "window": 240, "maximum_holding_s": 14_400, "universe": {"maximum": 10}},
    ),
)


@transaction.atomic
def seed(*, now: datetime) -> str:
    """Make the demo where there is nothing yet; return what was done, in words."""
    profiles.install()
    if account_list():
        return "accounts exist already: no demo was made"
    owner = get_user_model().objects.filter(is_superuser=True).order_by("pk").first()
    if owner is None:
        return "there is nobody to own the demo: create a user, then run manage.py seed_demo"
    accounts = {False: account_open(name=ACCOUNT, owner=owner, cash=CASH, now=now)}
    snapshot_create(accounts[False].pk, now)  # the equity curve begins here
    # Its own key and wallet at the local exchange: the path of real money, with play money.
    wallet = wallet_entry(key_new(), kind=WalletKind.DEPOSIT_BEACON)
    accounts[True] = account_open(
        name=SIGNED_ACCOUNT,
        owner=owner,
        environment=Environment.SANDBOX,
        cash=CASH,
        wallet=wallet,
        by=BY,
        now=now,
    )
    for account in accounts.values():
        profiles.profile_assign(account.pk, PROFILE, by=BY, now=now)
    for plan in PLANS:
        config = strategy_create(
            name=plan.name,
            strategy_class=plan.strategy_class,
            account_id=accounts[plan.signed].pk,
            owner=owner,
            parameters=plan.parameters,
            interval_s=plan.interval_s,
            by=BY,
            now=now,
        )
        if plan.running:
            strategy_start(config.pk, by=BY, now=now)
    running = sum(plan.running for plan in PLANS)
    drafts = len(PLANS) - running
    return f"demo: $1,000 on paper and $1,000 of play money, {running} strategies running, {drafts} drafts"
