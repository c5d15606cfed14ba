"""A real Chromium against the real web process in a thread: pages by Django, sockets by Channels.

Skipped where /usr/bin/chromium (or POLYBOT_CHROMIUM) is absent. Set POLYBOT_SHOTS to a folder to keep pictures.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from django.conf import settings as django_settings
from django.test import Client

from tests.factories.desk import DeskRows, desk_make

CHROMIUM = os.environ.get("POLYBOT_CHROMIUM", "/usr/bin/chromium")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    missing = pytest.mark.skip(reason=f"no browser at {CHROMIUM}: install chromium, or set POLYBOT_CHROMIUM")
    for item in items:
        if "tests/browser" in str(item.path):
            item.add_marker(pytest.mark.browser)
            if not Path(CHROMIUM).exists():
                item.add_marker(missing)


@dataclass
class Site:
    """The desk as a browser sees it."""

    url: str
    desk: DeskRows
    problems: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A browser for one module: while it is open, its loop holds this thread and no other test could run one."""
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"  # playwright runs a loop in this thread
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def site(transactional_db: None, settings: Any) -> Iterator[Site]:
    """Serve the ASGI application on a free port with a desk full of rows."""
    settings.WHITENOISE_USE_FINDERS = True
    settings.WHITENOISE_AUTOREFRESH = True
    from channels.routing import ProtocolTypeRouter
    from django.core.asgi import get_asgi_application

    from polybot.asgi import application

    fresh = ProtocolTypeRouter({**application.application_mapping, "http": get_asgi_application()})
    desk = desk_make()
    server = uvicorn.Server(uvicorn.Config(fresh, host="127.0.0.1", port=0, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 10
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield Site(url=f"http://127.0.0.1:{port}", desk=desk)
    server.should_exit = True
    thread.join(timeout=10)


def cookie_of(user: Any) -> str:
    client = Client()
    client.force_login(user)
    return client.cookies[django_settings.SESSION_COOKIE_NAME].value


@dataclass
class Tab:
    """A page that collects what the browser complains about."""

    page: Any
    context: Any
    problems: list[str]


@pytest.fixture
def tab_open(chromium: Any, site: Site) -> Iterator[Any]:
    """Open tabs signed in as a person: tab_open(width=1280, theme="dark", user=…)."""
    contexts = []

    def opened(
        *, width: int = 1280, height: int = 800, theme: str = "light", user: Any = "staff", scripts: bool = True
    ) -> Tab:
        context = chromium.new_context(
            viewport={"width": width, "height": height},
            color_scheme=theme,
            java_script_enabled=scripts,
            timezone_id="Europe/Berlin",
            locale="en-GB",
            reduced_motion="reduce",
        )
        contexts.append(context)
        if user is not None:
            person = getattr(site.desk, user)
            context.add_cookies([{"name": "sessionid", "value": cookie_of(person), "url": site.url}])
        page = context.new_page()
        problems: list[str] = []
        page.on(
            "console",
            lambda m: problems.append(f"console {m.type}: {m.text}") if m.type in ("error", "warning") else None,
        )
        page.on("pageerror", lambda error: problems.append(f"script: {error}"))
        page.on("response", lambda r: problems.append(f"{r.status} {r.url}") if r.status >= 400 else None)
        return Tab(page=page, context=context, problems=problems)

    yield opened
    for context in contexts:
        context.close()
