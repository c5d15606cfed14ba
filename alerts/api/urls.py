"""Addresses of the journal and of alerts under /api/v1."""

from django.urls import path

from alerts.api import views

urlpatterns = [
    path("audit", views.AuditView.as_view(), name="audit"),
    path("notifications", views.NotificationListView.as_view(), name="notifications"),
    path("notifications/seen", views.NotificationSeenView.as_view(), name="notifications-seen"),
    path("alerts/deliveries", views.DeliveryListView.as_view(), name="alert-deliveries"),
    path("alerts/rules", views.RuleListView.as_view(), name="alert-rules"),
    path("alerts/rules/<int:rule_id>", views.RuleView.as_view(), name="alert-rule"),
    path("alerts/channels", views.ChannelListView.as_view(), name="alert-channels"),
    path("alerts/channels/<int:channel_id>", views.ChannelView.as_view(), name="alert-channel"),
    path("alerts/channels/<int:channel_id>/test", views.ChannelTestView.as_view(), name="alert-channel-test"),
]
