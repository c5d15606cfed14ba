from django.apps import AppConfig


class BacktestsConfig(AppConfig):
    name = "backtests"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from pathlib import Path

        from django.conf import settings

        from backtests import checks  # noqa: F401 - imported for its registration
        from backtests.domain.kernel.compiled import folder_set

        folder_set(Path(settings.POLYBOT_DATA) / "kernels")
