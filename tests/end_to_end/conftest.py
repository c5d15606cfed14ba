"""One local exchange for all journeys of the official clients, and the way to point them at it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from polymarket.environments import Environment

from tests.end_to_end.official_kit import environment_of
from tests.local_exchange import running_exchange


@pytest.fixture(scope="session")
def urls() -> Iterator[dict[str, str]]:
    with running_exchange("--seed", os.environ.get("POLYBOT_TEST_SEED", "11"), "--rate", "40") as found:
        yield found


@pytest.fixture(scope="session")
def environment(urls: dict[str, str]) -> Environment:
    return environment_of(urls)
