"""Recorded data in a real browser: fits a phone, works without JavaScript, and shows strips in both themes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings

from markets.domain.tape import Fidelity
from markets.services.archive import tape_save
from tests.browser.conftest import Site
from tests.markets.services.archive.tapes import DAY, FACTS, ROWS, START_NS, tape_of

SHOTS = os.environ.get("POLYBOT_SHOTS", "")
HOUR = 3_600


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[None]:
    before = django_settings.ARCHIVE_DIR
    django_settings.ARCHIVE_DIR = tmp_path
    for number in range(4):
        long = [(n * 4 * HOUR + row[0], *row[1:]) for n in range(1 + number) for row in ROWS]
        facts = replace(
            FACTS, condition_id=f"0x{number}", question=f"Will it rain more than {number} inches in London?"
        )
        gaps = ((START_NS + HOUR * 10**9, START_NS + 3 * HOUR * 10**9),) if number else ()
        tape = tape_of(long, facts=facts, gaps=gaps, fidelity=list(Fidelity)[number])  # type: ignore[arg-type]
        tape_save(tape, market=f"polymarket.rain-{number}", day=DAY, notes=("minimum size 5 is assumed",))
    yield
    django_settings.ARCHIVE_DIR = before


@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (1280, "dark"), (360, "light"), (360, "dark")])
def test_recorded_data_fits_and_is_drawn(site: Site, tab_open: Any, archive: None, width: int, theme: str) -> None:
    tab = tab_open(width=width, height=800, theme=theme)
    tab.page.goto(f"{site.url}/data/archive/")
    tab.page.wait_for_load_state("networkidle")
    wide = tab.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    if SHOTS:
        Path(SHOTS).mkdir(parents=True, exist_ok=True)
        tab.page.screenshot(path=f"{SHOTS}/archive-{width}-{theme}.png", full_page=True)
    assert wide <= 0 and tab.problems == []
    assert tab.page.locator("svg.strip").count() == 4 and tab.page.locator("svg.strip rect.fw").count() == 3
    box = tab.page.locator("svg.strip").first.bounding_box()
    assert box and box["width"] >= 100 and box["height"] >= 6
