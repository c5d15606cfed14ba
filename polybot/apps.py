from django.apps import AppConfig
from django.conf import settings


class PolybotConfig(AppConfig):
    name = "polybot"

    def ready(self) -> None:
        # Tasks are shared_task functions; they need our Celery app to be the current one in every process.
        from polybot import celery, checks  # noqa: F401

        if settings.POLYBOT_ROLE == "fills":  # the trader takes its keys when its worker starts
            from polybot import roles

            roles.install("fills")
