"""Addresses of browser sockets."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from django.urls import URLPattern, path

from polybot.dashboard.consumers import DeskConsumer


def websocket_urlpatterns(*, watch: Callable[[int, Iterable[int]], None] | None = None) -> list[URLPattern]:
    """Return the routes. `watch` is how an open page asks the feed to listen; consumers themselves only read."""
    return [path("ws/desk", DeskConsumer.as_asgi(watch=watch))]  # type: ignore[arg-type]
