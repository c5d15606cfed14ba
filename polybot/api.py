"""The REST root: `/api/v1`, its description and the routes of every app.

Each app brings its own `api/urls.py`; a write there calls one service. Errors, paging, scopes,
throttles and idempotency are settled here once for all of them.
"""

from __future__ import annotations

from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularRedocView, SpectacularSwaggerView

from polybot.api_health import HealthView
from polybot.api_keys import KeyListView, KeyView, MeView

app_name = "api"


class SchemaView(SpectacularAPIView):
    """The OpenAPI description itself is not wrapped in an envelope."""

    throttle_classes = []


urlpatterns = [
    path("health", HealthView.as_view(), name="health"),
    path("auth/me", MeView.as_view(), name="me"),
    path("auth/keys", KeyListView.as_view(), name="keys"),
    path("auth/keys/<int:key_id>", KeyView.as_view(), name="key"),
    path("", include("markets.api.urls")),
    path("", include("risk.api.urls")),  # before orders: `POST orders` is the gate's
    path("", include("orders.api.urls")),
    path("", include("alerts.api.urls")),
    path("schema", SchemaView.as_view(), name="schema"),
    path("docs", SpectacularSwaggerView.as_view(url_name="api:schema"), name="docs"),
    path("redoc", SpectacularRedocView.as_view(url_name="api:schema"), name="redoc"),
]
