"""The Celery application. Settings with the prefix CELERY_ are its configuration."""

from celery import Celery

app = Celery("polybot")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
