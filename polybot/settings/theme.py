"""The admin's theme and menu: the same stages in the same order as the desk, and the way back to it."""

from __future__ import annotations

from typing import Any

from django.templatetags.static import static
from django.urls import reverse_lazy


def _link(title: str, icon: str, model: str) -> dict[str, Any]:
    app, name = model.split(".")
    return {"title": title, "icon": icon, "link": reverse_lazy(f"admin:{app}_{name}_changelist")}


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "polybot",
    "SITE_HEADER": "polybot",
    "SITE_SUBHEADER": "configuration",
    "SITE_URL": "/",
    "SITE_SYMBOL": "bar_chart",
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("desk/favicon-replay.svg")},
    ],
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "SIDEBAR": {
        "show_search": True,
        "show_all_applications": True,
        "navigation": [
            {"items": [{"title": "Dashboard", "icon": "space_dashboard", "link": reverse_lazy("desk:cockpit")}]},
            {
                "title": "Data",
                "separator": True,
                "items": [
                    _link("Markets", "storefront", "markets.market"),
                    _link("Events", "event", "markets.event"),
                    _link("Watched outcomes", "visibility", "markets.watch"),
                    _link("Sync runs", "sync", "markets.syncrun"),
                    _link("Venue issues", "report", "markets.venueissue"),
                ],
            },
            {
                "title": "Strategy",
                "separator": True,
                "items": [
                    _link("Strategies", "account_tree", "strategies.strategyconfig"),
                    _link("Decisions", "psychology", "strategies.decision"),
                    _link("Backtests", "history", "backtests.backtestrun"),
                ],
            },
            {
                "title": "Risk",
                "separator": True,
                "items": [
                    _link("Profiles", "tune", "risk.riskprofile"),
                    _link("Account limits", "shield", "risk.accountlimits"),
                    _link("Strategy limits", "shield_person", "risk.originlimits"),
                    _link("Verdicts", "gavel", "risk.riskverdict"),
                    _link("Halts", "block", "risk.halt"),
                ],
            },
            {
                "title": "Execution",
                "separator": True,
                "items": [
                    _link("Accounts", "account_balance", "orders.account"),
                    _link("Sealed secrets", "lock", "orders.secret"),
                    _link("Permits for real money", "verified_user", "orders.livepermit"),
                    _link("Orders", "list_alt", "orders.order"),
                    _link("Fills", "done_all", "orders.fill"),
                    _link("Positions", "pie_chart", "orders.position"),
                    _link("Ledger", "menu_book", "orders.ledgertransaction"),
                    _link("Reconciliations", "balance", "orders.reconcilerun"),
                ],
            },
            {
                "title": "Alerts and audit",
                "separator": True,
                "items": [
                    _link("Rules", "rule", "alerts.alertrule"),
                    _link("Channels", "send", "alerts.alertchannel"),
                    _link("Deliveries", "outgoing_mail", "alerts.delivery"),
                    _link("Audit journal", "history_edu", "alerts.auditevent"),
                ],
            },
            {
                "title": "Machine",
                "separator": True,
                "items": [
                    _link("Schedule", "schedule", "django_celery_beat.periodictask"),
                    _link("Job runs", "task", "alerts.jobrun"),
                    _link("Heartbeats", "monitor_heart", "alerts.heartbeat"),
                    _link("People", "group", "identity.user"),
                    _link("API keys", "key", "identity.apikey"),
                    _link("Refused sign-ins", "lock_clock", "axes.accessattempt"),
                ],
            },
        ],
    },
}
