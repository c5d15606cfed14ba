"""The REST root: `/api/v1`, its description and the routes of every app.

Each app brings its own `api/urls.py`; a write there calls one service. Errors, paging, scopes,
throttles and idempotency are settled here once for all of them.
"""

from __future__ import annotations

from typing import Any

from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularRedocView, SpectacularSwaggerView
from rest_framework.exceptions import NotFound
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from alerts.api.scope import accounts_register
from orders.selectors.portfolio import account_list
from polybot.api_doctor import DoctorView, DriftAcceptView, DriftView, ExplainView, RehearsalView
from polybot.api_health import HealthView
from polybot.api_keys import KeyListView, KeyView, MeView

app_name = "api"
# Alerts ask nobody who owns which account; this is where they are told.
accounts_register(lambda user_id: [account.id for account in account_list(owner_id=user_id)])


class SchemaView(SpectacularAPIView):
    """The OpenAPI description, as JSON and without an envelope, for programs that read it."""

    renderer_classes = [JSONRenderer]


class NowhereView(APIView):
    """Any other address under /api/v1: the envelope says so too."""

    schema = None
    permission_classes = []

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        raise NotFound("there is no such address; /api/v1/docs lists them")


urlpatterns = [
    path("health", HealthView.as_view(), name="health"),
    path("doctor", DoctorView.as_view(), name="doctor"),
    path("explain", ExplainView.as_view(), name="explain"),
    path("drift", DriftView.as_view(), name="drift"),
    path("drift/<int:drift_id>/accept", DriftAcceptView.as_view(), name="drift-accept"),
    path("risk/rehearsals", RehearsalView.as_view(), name="rehearsals"),
    path("auth/me", MeView.as_view(), name="me"),
    path("auth/keys", KeyListView.as_view(), name="keys"),
    path("auth/keys/<int:key_id>", KeyView.as_view(), name="key"),
    path("schema", SchemaView.as_view(), name="schema"),
    path("docs", SpectacularSwaggerView.as_view(url_name="api:schema"), name="docs"),
    path("redoc", SpectacularRedocView.as_view(url_name="api:schema"), name="redoc"),
    # The gate's addresses before the orders': posting to `orders` is the gate's.
    path("", include(("risk.api.urls", "risk"))),
    path("", include(("orders.api.urls", "orders"))),
    path("", include(("markets.api.urls", "markets"))),
    path("", include(("strategies.api.urls", "strategies"))),
    path("", include(("backtests.api.urls", "backtests"))),
    path("", include(("alerts.api.urls", "alerts"))),
    path("<path:rest>", NowhereView.as_view(), name="nowhere"),
]
