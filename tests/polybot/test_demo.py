from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model

from orders.selectors.portfolio import account_list, portfolio_get
from orders.services.desk_keys import keys_prepare, paths_under
from polybot import demo
from strategies.domain.parameters import parameters_load
from strategies.library.registry import strategy_get

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize("plan", demo.PLANS, ids=lambda plan: plan.name)
def test_its_parameters_are_valid(plan: demo.Plan) -> None:
    parameters_load(strategy_get(plan.strategy_class).params, plan.parameters)


@pytest.mark.django_db
def test_an_empty_installation_gets_two_accounts_running_strategies_and_drafts(tmp_path: Path) -> None:
    get_user_model().objects.create_superuser("admin", password="long enough to pass")
    keys_prepare(paths_under(tmp_path), now=NOW)
    words = "demo: $1,000 on paper and $1,000 of play money, 3 strategies running, 2 drafts"
    assert demo.seed(now=NOW) == words
    paper, signed = account_list()
    portfolio = portfolio_get(paper.id)
    assert (portfolio.environment, portfolio.cash) == ("paper", 1_000_000_000)
    # Its money is read from the exchange when the trader connects it; nothing is made up before.
    assert (signed.environment, portfolio_get(signed.id).cash) == ("sandbox", 0)
    assert "no demo was made" in demo.seed(now=NOW)
    assert len(account_list()) == 2


@pytest.mark.django_db
def test_without_a_person_nothing_is_made() -> None:
    assert "create a user" in demo.seed(now=NOW)
    assert not account_list()
