"""Addresses of the desk's pages. Pages read; every POST ends in `actions`, or sets a cookie of this browser."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path

from polybot.dashboard import (
    account_actions,
    actions,
    backtest_actions,
    claim_actions,
    doctor_actions,
    own_actions,
    parity_actions,
    plan_actions,
    reconcile_actions,
    search_actions,
)
from polybot.dashboard.frame import desk_of
from polybot.dashboard.views import (
    accounts,
    archive,
    backtest_reports,
    backtests,
    choices,
    claims,
    cockpit,
    doctor,
    machine,
    market,
    markets,
    orders,
    parity,
    plans,
    positions,
    reconcile,
    replacing,
    safety,
    searches,
    strategies,
)
from polybot.dashboard.views import why as why_pages

app_name = "desk"


def _page(route: str, view: Callable[..., HttpResponse], name: str) -> URLPattern:
    @wraps(view)
    def framed(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if any("\x00" in text for sent in (request.GET, request.POST) for _, texts in sent.lists() for text in texts):
            raise BadRequest("a NUL character is no text: no database holds one")
        desk_of(request)  # made first: it notes the version that this page will show
        return view(request, *args, **kwargs)

    guarded: Any = login_required(framed)
    return path(route, guarded, name=name)


urlpatterns = [
    _page("", cockpit.cockpit, "cockpit"),
    _page("markets/", markets.markets, "markets"),
    _page("m/<int:market_id>/", market.market, "market"),
    _page("m/<int:market_id>/preview", market.order_preview, "order_preview"),
    _page("m/<int:market_id>/order", actions.order_place, "order_place"),
    _page("m/<int:market_id>/watch", actions.watch_market, "watch"),
    _page("orders/", orders.orders, "orders"),
    _page("orders/<int:order_id>/", orders.order, "order"),
    _page("orders/<int:order_id>/cancel", actions.order_cancel, "order_cancel"),
    _page("orders/<int:order_id>/replace/", replacing.replace, "replace"),
    _page("orders/<int:order_id>/replace/now", plan_actions.order_replace, "order_replace"),
    _page("orders/cancel-all", actions.cancel_all, "cancel_all"),
    _page("plans/<int:plan_id>/", plans.plan, "plan"),
    _page("plans/<int:plan_id>/cancel", plan_actions.plan_cancel, "plan_cancel"),
    _page("flatten/", plans.flatten, "flatten"),
    _page("flatten/now", plan_actions.flatten, "flatten_now"),
    _page("m/<int:market_id>/cancel", plan_actions.market_cancel, "market_cancel"),
    _page("positions/", positions.positions, "positions"),
    _page("claims/", claims.claims, "claims"),
    _page("claims/sets", claim_actions.set_preview, "set_preview"),
    _page("claims/conversions", claim_actions.convert_preview, "convert_preview"),
    _page("claims/merging", claim_actions.merge_sets, "merge_sets"),
    _page("claims/allowances", claim_actions.allowance_preview, "allowance_preview"),
    _page("claims/allowances/read", claim_actions.allowances_read, "allowances_read"),
    _page("claims/<int:action_id>/confirm", claim_actions.chain_confirm, "chain_confirm"),
    _page("claims/<int:action_id>/cancel", claim_actions.chain_cancel, "chain_cancel"),
    _page("claims/<int:action_id>/judge", claim_actions.chain_judge, "chain_judge"),
    _page("strategies/", strategies.strategies, "strategies"),
    _page("strategies/new", actions.strategy_create, "strategy_create"),
    _page("strategies/<int:strategy_id>/", strategies.strategy, "strategy"),
    _page("strategies/<int:strategy_id>/switch", actions.strategy_switch, "strategy_switch"),
    _page("strategies/<int:strategy_id>/parameters", actions.strategy_parameters, "strategy_parameters"),
    _page("strategies/<int:strategy_id>/versions/<int:version>", actions.strategy_version, "strategy_version"),
    _page("decisions/<int:decision_id>/", strategies.decision, "decision"),
    _page("backtests/", backtests.backtests, "backtests"),
    _page("backtests/new/", backtests.backtest_new, "backtest_new"),
    _page("backtests/start", backtest_actions.backtest_start, "backtest_start"),
    _page("backtests/compare/", backtest_reports.backtest_compare, "backtest_compare"),
    _page("backtests/<int:run_id>/", backtests.backtest, "backtest"),
    _page("backtests/<int:run_id>/export/", backtest_reports.backtest_export, "backtest_export"),
    _page("backtests/<int:run_id>/trades/", backtests.backtest_trades, "backtest_trades"),
    _page("backtests/<int:run_id>/cancel", backtest_actions.backtest_cancel, "backtest_cancel"),
    _page("backtests/<int:run_id>/rerun", backtest_actions.backtest_rerun, "backtest_rerun"),
    _page("backtests/<int:run_id>/edit", backtest_actions.backtest_edit, "backtest_edit"),
    _page("backtests/<int:run_id>/search/", searches.search_new, "search_new"),
    _page("backtests/<int:run_id>/search/start", search_actions.search_start, "search_start"),
    _page("backtests/parity/", parity.parity_list, "parities"),
    _page("backtests/parity/start", parity_actions.parity_start, "parity_start"),
    _page("backtests/parity/<int:parity_id>/", parity.parity, "parity"),
    _page("backtests/searches/", searches.search_list, "searches"),
    _page("backtests/searches/<int:search_id>/", searches.search, "search"),
    _page("backtests/searches/<int:search_id>/cancel", search_actions.search_cancel, "search_cancel"),
    _page("why/", why_pages.why, "why"),
    _page("why/verdicts/<int:verdict_id>/", why_pages.verdict, "verdict"),
    _page("risk/", safety.risk, "risk"),
    _page("risk/release/", safety.release, "release"),
    _page("risk/stop-entries", actions.stop_entries, "stop_entries"),
    _page("risk/kill", actions.kill, "kill"),
    _page("risk/kill/release", actions.kill_release, "kill_release"),
    _page("risk/halts/<int:halt_id>/lift", actions.halt_lift, "halt_lift"),
    _page("doctor/", doctor.doctor, "doctor"),
    _page("doctor/examine", doctor_actions.examine, "doctor_examine"),
    _page("doctor/drift/<int:drift_id>/accept", doctor_actions.drift_accept, "drift_accept"),
    _page("doctor/rehearse", doctor_actions.rehearse, "kill_rehearse"),
    _page("reconcile/", reconcile.reconcile, "reconcile"),
    _page("reconcile/difference", reconcile_actions.difference_settle, "difference_settle"),
    _page("reconcile/foreign", reconcile_actions.foreign_known, "foreign_known"),
    _page("alerts/", safety.alerts, "alerts"),
    _page("alerts/test", actions.alert_test, "alert_test"),
    _page("audit/", safety.audit, "audit"),
    _page("audit/<int:event_id>/", safety.event, "event"),
    _page("data/", machine.data, "data"),
    _page("data/archive/", archive.archive, "archive"),
    _page("system/", machine.system, "system"),
    _page("accounts/", accounts.accounts, "accounts"),
    _page("accounts/new", account_actions.account_new, "account_new"),
    _page("accounts/<int:account_id>/connect", account_actions.account_connect, "account_connect"),
    _page("accounts/<int:account_id>/relayer-key", account_actions.relayer_key_new, "relayer_key_new"),
    _page("accounts/<int:account_id>/heartbeat", account_actions.heartbeat_switch, "heartbeat_switch"),
    _page("accounts/permits/new", account_actions.permit_new, "permit_new"),
    _page("accounts/permits/revoke", account_actions.permit_end, "permit_end"),
    _page("settings/", machine.settings, "settings"),
    _page("settings/password", own_actions.password_change, "password_change"),
    _page("settings/keys/new", own_actions.key_create, "key_create"),
    _page("settings/keys/<int:key_id>/revoke", own_actions.key_revoke, "key_revoke"),
    _page("account", choices.account, "account"),
    path("theme", choices.theme, name="theme"),
]
