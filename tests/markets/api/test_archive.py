"""The archive's list as programs read it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from markets.services.archive import tape_save
from tests.markets.services.archive.tapes import DAY, START_NS, tape_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(tmp_path: Path, settings: Any) -> Client:
    settings.ARCHIVE_DIR = tmp_path
    tape_save(tape_of(gaps=((START_NS, START_NS + 10**9),)), market="polymarket.rain", day=DAY, payouts=(500_000,) * 2)
    tape_save(tape_of(), market="polymarket.snow", day=DAY)
    client = Client()
    client.force_login(get_user_model().objects.create_user("reader", password="x" * 12))
    return client


def get(client: Client, query: str = "") -> Any:
    return client.get(f"/api/v1/archive/tapes{query}").json()


def test_tapes_are_listed_with_digest_gaps_and_payouts(client: Client) -> None:
    body = get(client, "?market=polymarket.rain")
    (row,) = body["data"]
    assert body["meta"]["total"] == 1 and (row["market"], row["day"], len(row["digest"])) == (
        "polymarket.rain",
        DAY,
        64,
    )
    assert row["gaps"] == [{"start": f"{DAY}T00:00:00+00:00", "end": f"{DAY}T00:00:01+00:00"}]
    assert row["payouts"] == ["0.5", "0.5"] and row["start"] == f"{DAY}T00:00:00+00:00" and row["rows"] == 5
    assert row["fidelity"] == "book and trades" and not row["resolved"]


def test_tapes_are_filtered_and_a_wrong_word_is_named(client: Client) -> None:
    assert [row["market"] for row in get(client, "?q=SNOW")["data"]] == ["polymarket.snow"]
    assert get(client, "?day=2026-07-12")["data"] == []
    assert len(get(client, "?fidelity=book+and+trades&limit=1")["data"]) == 1
    assert "fidelity" in str(get(client, "?fidelity=perfect")["error"])


def test_nobody_reads_it_without_signing_in(client: Client) -> None:
    assert Client().get("/api/v1/archive/tapes").status_code in (401, 403)
