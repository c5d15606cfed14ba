"""The page of recorded data: what is there, what is known of each day, and what is damaged."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from markets.domain.tape import Fidelity
from markets.services.archive import tape_save
from polybot.dashboard.views.archive import strip
from tests.factories.desk import DeskRows
from tests.markets.services.archive.tapes import DAY, FACTS, START_NS, tape_of

URL = "/data/archive/"


@pytest.fixture
def folder(tmp_path: Path, settings: Any) -> Path:
    settings.ARCHIVE_DIR = tmp_path
    gap = (START_NS + 2 * 10**9, START_NS + 4 * 10**9)
    tape_save(tape_of(gaps=(gap,)), market="polymarket.rain", day=DAY, notes=("sizes are assumed",))
    other = replace(FACTS, condition_id="0xdef", question="Will it <snow>?", slug="snow", event_slug="winter")
    tape_save(
        tape_of(facts=other, fidelity=Fidelity.TOP_OF_BOOK), market="polymarket.snow", day=DAY, payouts=(0, 1_000_000)
    )
    return tmp_path


def page(client: Client, query: str = "") -> str:
    answer = client.get(URL + query)
    assert answer.status_code == 200
    return answer.content.decode()


def test_tapes_stand_with_their_day_and_their_notes(folder: Path, staff: Client) -> None:
    body = page(staff)
    assert reverse("desk:archive") == URL and f'href="{URL}"' in page(staff) + staff.get("/data/").content.decode()
    assert "Will it rain?" in body and "Will it &lt;snow&gt;?" in body and "sizes are assumed" in body
    assert "No, later" in body and "1 gap" in body and "<script" not in body.split("<main", 1)[1].split("</main>")[0]


def test_tapes_are_found_by_word_day_and_fidelity(folder: Path, staff: Client) -> None:
    assert "polymarket.snow" not in page(staff, "?q=RAIN")
    assert "No tape matches" in page(staff, "?day=2026-07-12")
    found = page(staff, "?fidelity=top+of+book").split("<tbody>")[1]
    assert "snow" in found and "rain" not in found
    rows = list(csv.DictReader(io.StringIO(staff.get(URL + "?csv=all").content.decode())))
    assert {row["Key"] for row in rows} == {"polymarket.rain", "polymarket.snow"} and len(rows[0]["SHA-256"]) == 64


def test_an_empty_archive_says_how_it_fills(desk: DeskRows, staff: Client) -> None:
    assert "manage.py import_data" in page(staff)


def test_damage_is_told(folder: Path, staff: Client) -> None:
    (folder / DAY / "polymarket.bad.json").write_text("{")
    assert "1 damaged manifest" in page(staff) and "polymarket.bad.json" in page(staff)


def test_a_strip_draws_known_stretches_and_gaps(folder: Path) -> None:
    from markets.selectors.archive import tape_info

    info = replace(
        tape_info("polymarket.rain", DAY),
        end_ns=START_NS + 12 * 3_600 * 10**9,
        gaps=((START_NS + 3 * 3_600 * 10**9, START_NS + 6 * 3_600 * 10**9),),
    )
    drawn = str(strip(info))
    assert drawn.count("<rect") == 3 and 'class="fw" x="360" y="5" width="360"' in drawn
    assert 'x="720" y="0" width="720"' in drawn
    assert "<rect" not in str(strip(replace(info, rows=0)))
