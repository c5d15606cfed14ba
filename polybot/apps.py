from django.apps import AppConfig


class PolybotConfig(AppConfig):
    name = "polybot"

    def ready(self) -> None:
        # Tasks are shared_task functions; they need our Celery app to be the current one in every process.
        from polybot import celery, checks  # noqa: F401
