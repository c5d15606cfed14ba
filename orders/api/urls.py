"""Addresses of the execution stage under /api/v1."""

from django.urls import path

from orders.api import views

urlpatterns = [
    path("orders", views.OrderListView.as_view(), name="orders"),
    path("orders/cancel-all", views.CancelAllView.as_view(), name="orders-cancel-all"),
    path("orders/<int:order_id>", views.OrderView.as_view(), name="order"),
    path("orders/<int:order_id>/cancel", views.OrderCancelView.as_view(), name="order-cancel"),
    path("fills", views.FillListView.as_view(), name="fills"),
    path("positions", views.PositionListView.as_view(), name="positions"),
    path("portfolio", views.PortfolioView.as_view(), name="portfolio"),
    path("portfolio/history", views.PortfolioHistoryView.as_view(), name="portfolio-history"),
]
