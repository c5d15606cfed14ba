"""What only a real connection shows: answers cut short, requests that outlive theirs, held and delayed ones."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.local_exchange import running_exchange


@pytest.fixture(scope="module")
def urls() -> Iterator[dict[str, str]]:
    with running_exchange("--seed", "5", "--rate", "0") as found:
        yield found


def control(urls: dict[str, str], call: str, **body: Any) -> None:
    assert httpx.post(f"{urls['control']}/{call}", json=body, timeout=5).status_code == 200


@pytest.mark.parametrize("kind", ["truncated", "reset"])
def test_a_cut_answer_ends_with_the_connection(urls: dict[str, str], kind: str) -> None:
    control(urls, "faults", kind=kind, path="/time", times=1)
    begun = time.monotonic()
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(f"{urls['clob']}/time", timeout=5)
    assert time.monotonic() - begun < 2
    assert httpx.get(f"{urls['clob']}/time", timeout=5).status_code == 200


def test_a_hanging_request_outlasts_its_client(urls: dict[str, str]) -> None:
    control(urls, "faults", kind="hang", path="/ok", latency_ms=1_000, times=1)
    with pytest.raises(httpx.ReadTimeout):
        httpx.get(f"{urls['clob']}/ok", timeout=0.2)
    assert httpx.get(f"{urls['clob']}/ok", timeout=5).text == '"OK"'


def test_an_address_in_excess_is_delayed_before_it_is_refused(urls: dict[str, str]) -> None:
    control(urls, "limits", addresses=True, scale=0.04, patience_ms=60_000)  # /ok: 4 in 10 s
    try:
        # On a busy machine a place of the window may be taken, or free again, by the time of a request.
        with pytest.raises(httpx.ReadTimeout):
            for _ in range(12):
                assert httpx.get(f"{urls['clob']}/ok", timeout=1).status_code == 200
        control(urls, "limits", patience_ms=0)
        # How many of the window's four places are free by now depends on how long the wait took; five never are.
        answers = [httpx.get(f"{urls['clob']}/ok", timeout=5).status_code for _ in range(5)]
        assert set(answers) <= {200, 429} and answers == sorted(answers) and answers[-1] == 429
    finally:
        control(urls, "limits", addresses=False)
