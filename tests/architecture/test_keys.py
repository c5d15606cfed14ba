"""What can sign is loaded by the trader alone: shown in processes of their own, by what they have imported (I17)."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from polybot.settings.env import PROJECT

ABLE_TO_SIGN = (
    "coincurve",
    "orders.services.signer",
    "orders.services.connecting",
    "orders.services.gateways",
    "markets.venues.polymarket.signing",
    "markets.venues.polymarket.credentials",
    "markets.venues.polymarket.gateway",
    "markets.venues.polymarket.transactions",
)
START = """
import json, os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "polybot.settings.test"
import django
django.setup()
{loads}
print(json.dumps(sorted(sys.modules)))
"""
# What each process loads before it does its work, and every module it could be asked to load by a request or a job.
WEB = """
import polybot.asgi
from django.urls import get_resolver
def walk(resolver):
    for pattern in resolver.url_patterns:
        walk(pattern) if hasattr(pattern, "url_patterns") else pattern.callback
walk(get_resolver())
from django.contrib import admin
admin.autodiscover()
"""
WORKER = """
from polybot.celery import app
app.loader.import_default_modules()
app.finalize()
assert "orders.tasks.submit_order" in app.tasks
"""
PROCESSES = {
    "web": WEB,
    "worker": WORKER,
    "beat": "import polybot.management.commands.run_beat, polybot.beat, polybot.schedule",
    "feed": "import markets.management.commands.run_feed, markets.feed.listener",
}


def modules_of(loads: str) -> set[str]:
    code = START.format(loads=loads)
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr[-2000:]
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("process", sorted(PROCESSES))
def test_no_process_but_the_trader_loads_what_can_sign(process: str) -> None:
    loaded = modules_of(PROCESSES[process])
    assert [name for name in ABLE_TO_SIGN if name in loaded] == []


def test_the_look_would_see_it() -> None:
    assert "orders.services.signer" in modules_of("import orders.services.connecting")
