"""Addresses of the execution stage under /api/v1."""

from django.urls import path

from orders.api import accounts, budget, chain, converting, plans, reconciliation, views

urlpatterns = [
    path("orders", views.OrderListView.as_view(), name="orders"),
    path("orders/cancel-all", views.CancelAllView.as_view(), name="orders-cancel-all"),
    path("orders/<int:order_id>", views.OrderView.as_view(), name="order"),
    path("orders/<int:order_id>/cancel", views.OrderCancelView.as_view(), name="order-cancel"),
    path("orders/cancel-market", plans.CancelMarketView.as_view(), name="orders-cancel-market"),
    path("plans", plans.PlanListView.as_view(), name="plans"),
    path("plans/<int:plan_id>", plans.PlanView.as_view(), name="plan"),
    path("plans/<int:plan_id>/cancel", plans.PlanCancelView.as_view(), name="plan-cancel"),
    path("rate-budget", budget.RateBudgetView.as_view(), name="rate-budget"),
    path("heartbeat", plans.HeartbeatView.as_view(), name="heartbeat"),
    path("chain/actions", chain.ChainActionListView.as_view(), name="chain-actions"),
    path("chain/actions/<int:action_id>", chain.ChainActionView.as_view(), name="chain-action"),
    path("chain/actions/<int:action_id>/confirm", chain.ChainConfirmView.as_view(), name="chain-confirm"),
    path("chain/actions/<int:action_id>/cancel", chain.ChainCancelView.as_view(), name="chain-cancel"),
    path("chain/sets", chain.SetPreviewView.as_view(), name="chain-sets"),
    path("chain/conversions", converting.ConvertPreviewView.as_view(), name="chain-conversions"),
    path("chain/claims", chain.ClaimListView.as_view(), name="chain-claims"),
    path("chain/allowances", chain.AllowancePreviewView.as_view(), name="chain-allowances-preview"),
    path("chain/allowances/<int:account_id>", chain.AllowancesView.as_view(), name="chain-allowances"),
    path("accounts", accounts.AccountListView.as_view(), name="accounts"),
    path("accounts/<int:account_id>/connect", accounts.AccountConnectView.as_view(), name="account-connect"),
    path("reconciliations", reconciliation.RunListView.as_view(), name="reconciliations"),
    path("differences", reconciliation.DifferenceListView.as_view(), name="differences"),
    path(
        "differences/<int:difference_id>/settle",
        reconciliation.DifferenceSettleView.as_view(),
        name="difference-settle",
    ),
    path("external-orders", reconciliation.ExternalOrderListView.as_view(), name="external-orders"),
    path(
        "external-orders/<int:external_id>/acknowledge",
        reconciliation.ExternalOrderAcknowledgeView.as_view(),
        name="external-order-acknowledge",
    ),
    path("fills", views.FillListView.as_view(), name="fills"),
    path("positions", views.PositionListView.as_view(), name="positions"),
    path("portfolio", views.PortfolioView.as_view(), name="portfolio"),
    path("portfolio/history", views.PortfolioHistoryView.as_view(), name="portfolio-history"),
]
