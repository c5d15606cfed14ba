from django.apps import AppConfig


class IdentityConfig(AppConfig):
    name = "polybot.identity"
    label = "identity"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from polybot.identity import journal  # noqa: F401  connects to Django's sign-in signals
