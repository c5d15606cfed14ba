"""The web process: HTTP by Django, browser sockets by Channels."""

import os

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "polybot.settings.base")
http = get_asgi_application()

# Django must be ready before anything below can be imported.
from polybot.checks import refuse_bad_configuration  # noqa: E402
from polybot.dashboard import actions, routing  # noqa: E402

refuse_bad_configuration()
# Any site may open a socket with a visitor's cookies: only pages of our own hosts may.
routes = routing.websocket_urlpatterns(watch=actions.page_watch)
sockets = AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter(routes)))
application = ProtocolTypeRouter({"http": http, "websocket": sockets})
