"""Addresses of the strategy stage under /api/v1."""

from django.urls import path

from strategies.api import views

urlpatterns = [
    path("strategies", views.StrategyListView.as_view(), name="strategies"),
    path("strategy-classes", views.StrategyClassListView.as_view(), name="strategy-classes"),
    path("strategies/<int:strategy_id>", views.StrategyView.as_view(), name="strategy"),
    path("strategies/<int:strategy_id>/start", views.StartView.as_view(), name="strategy-start"),
    path("strategies/<int:strategy_id>/stop", views.StopView.as_view(), name="strategy-stop"),
    path("strategies/<int:strategy_id>/pause", views.PauseView.as_view(), name="strategy-pause"),
    path("strategies/<int:strategy_id>/toggle", views.ToggleView.as_view(), name="strategy-toggle"),
    path("strategies/<int:strategy_id>/parameters", views.ParametersView.as_view(), name="strategy-parameters"),
    path("strategies/<int:strategy_id>/versions", views.VersionListView.as_view(), name="strategy-versions"),
    path("strategies/<int:strategy_id>/runs", views.RunListView.as_view(), name="strategy-runs"),
    path("strategies/<int:strategy_id>/decisions", views.DecisionListView.as_view(), name="strategy-decisions"),
    path("strategies/<int:strategy_id>/universe", views.UniverseView.as_view(), name="strategy-universe"),
    path("strategies/<int:strategy_id>/performance", views.PerformanceView.as_view(), name="strategy-performance"),
]
