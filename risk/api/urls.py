"""Addresses of the gate under /api/v1. `orders` stands here too, because only the gate creates orders."""

from django.urls import path

from risk.api import plans, views

urlpatterns = [
    path("orders", views.OrdersView.as_view(), name="orders"),
    path("orders/<int:order_id>/replace", plans.ReplaceView.as_view(), name="order-replace"),
    path("risk/flatten", plans.FlattenView.as_view(), name="flatten"),
    path("risk/verdicts", views.VerdictListView.as_view(), name="verdicts"),
    path("risk/verdicts/<int:verdict_id>", views.VerdictView.as_view(), name="verdict"),
    path("risk/limits", views.LimitsView.as_view(), name="limits"),
    path("risk/exposure", views.ExposureView.as_view(), name="exposure"),
    path("risk/halts", views.HaltListView.as_view(), name="halts"),
    path("risk/halts/<int:halt_id>/lift", views.HaltLiftView.as_view(), name="halt-lift"),
    path("risk/kill", views.KillView.as_view(), name="kill"),
    path("risk/release", views.ReleaseView.as_view(), name="release"),
]
