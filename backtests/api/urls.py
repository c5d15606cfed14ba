"""Addresses of backtests under /api/v1."""

from django.urls import path

from backtests.api import views

urlpatterns = [
    path("backtests", views.BacktestListView.as_view(), name="backtests"),
    path("backtests/options", views.BacktestOptionsView.as_view(), name="backtest-options"),
    path("backtests/<int:run_id>", views.BacktestView.as_view(), name="backtest"),
    path("backtests/<int:run_id>/cancel", views.BacktestCancelView.as_view(), name="backtest-cancel"),
    path("backtests/<int:run_id>/rerun", views.BacktestRerunView.as_view(), name="backtest-rerun"),
    path("backtests/<int:run_id>/report", views.BacktestReportView.as_view(), name="backtest-report"),
    path("backtests/<int:run_id>/trades.csv", views.BacktestTradesView.as_view(), name="backtest-trades"),
]
