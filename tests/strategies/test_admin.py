"""The admin's strategy forms: real inputs, errors at the field, changes through services."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from alerts.models import AuditEvent
from orders.services.kill import kill_install
from strategies.models import StrategyConfig, StrategyVersion
from tests.factories.strategies import desk_make, strategy_make

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean")]
LIST = "/admin/strategies/strategyconfig/"


@pytest.fixture
def chief() -> Client:
    client = Client()
    client.force_login(get_user_model().objects.create_superuser(username="chief", password="long enough word"))
    kill_install()
    return client


def _posted(page: Any) -> dict[str, str]:
    """Return what a browser would send if nothing was changed."""
    form = page.context["adminform"].form
    found: dict[str, str] = {}
    for name, field in form.fields.items():
        value = form.get_initial_for_field(field, name)
        if value is True:
            found[name] = "on"
        elif value is not None and value is not False:
            found[name] = str(value)
    for formset in page.context["inline_admin_formsets"]:
        prefix = formset.formset.prefix
        found |= {f"{prefix}-TOTAL_FORMS": "0", f"{prefix}-INITIAL_FORMS": "0"}
    return found


def test_a_new_strategy_becomes_a_draft_with_its_defaults(chief: Client) -> None:
    account = desk_make()
    answer = chief.post(
        f"{LIST}add/",
        {
            "name": "made-here",
            "strategy_class": "market_making",
            "account_id": account.pk,
            "interval_s": 5,
            "priority": 0,
        },
    )
    row = StrategyConfig.objects.get(name="made-here")
    assert answer.url == f"{LIST}{row.pk}/change/"
    assert (row.state, row.version, row.parameters["half_spread"]) == ("draft", 1, "0.01")


def test_every_parameter_is_an_input_with_its_bounds_and_help(chief: Client) -> None:
    row = strategy_make("market_making")
    page = chief.get(f"{LIST}{row.pk}/change/").content.decode()
    assert 'name="parameter:half_spread"' in page
    assert 'min="0.001"' in page
    assert "Distance of the first quote from fair value. From 0.001 to 0.2." in page
    assert 'name="parameter:universe.maximum"' in page


def test_a_changed_parameter_becomes_a_version_with_a_journal_row(chief: Client) -> None:
    row = strategy_make("market_making")
    values = _posted(chief.get(f"{LIST}{row.pk}/change/"))
    answer = chief.post(f"{LIST}{row.pk}/change/", {**values, "parameter:half_spread": "0.02"})
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    row.refresh_from_db()
    assert (row.version, row.parameters["half_spread"]) == (2, "0.02")
    event = AuditEvent.objects.get(kind="strategy.parameters")
    assert (event.actor, event.message) == ("chief", f"{row.name}: version 2: Half spread 0.01 → 0.02")


def test_saving_an_unchanged_form_makes_no_version(chief: Client) -> None:
    row = strategy_make("mean_reversion", parameters={"universe": {"tags": ["sports", "crypto"]}})
    values = _posted(chief.get(f"{LIST}{row.pk}/change/"))
    assert chief.post(f"{LIST}{row.pk}/change/", values).status_code == 302
    assert StrategyVersion.objects.filter(strategy=row).count() == 1


@pytest.mark.parametrize(("field", "value"), [("half_spread", "0.5"), ("half_spread", "NaN"), ("levels", "1.5")])
def test_a_bad_value_is_refused_at_its_field(chief: Client, field: str, value: str) -> None:
    row = strategy_make("market_making")
    values = _posted(chief.get(f"{LIST}{row.pk}/change/"))
    answer = chief.post(f"{LIST}{row.pk}/change/", {**values, f"parameter:{field}": value})
    assert answer.status_code == 200
    assert f"parameter:{field}" in answer.context["adminform"].form.errors
    row.refresh_from_db()
    assert row.version == 1


def test_start_and_stop_are_actions_that_use_the_services(chief: Client) -> None:
    row = strategy_make("idle", account=desk_make())
    chief.post(LIST, {"action": "start", "_selected_action": [row.pk]})
    row.refresh_from_db()
    assert (row.state, row.state_by) == ("running", "chief")
    chief.post(LIST, {"action": "stop", "_selected_action": [row.pk]})
    row.refresh_from_db()
    assert row.state == "stopped"
    kinds = list(AuditEvent.objects.filter(subject_kind="strategy").order_by("seq").values_list("kind", flat=True))
    assert kinds == ["strategy.created", "strategy.started", "strategy.stopped"]
