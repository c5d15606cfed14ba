"""One local exchange for all journeys of the official clients, and the way to point them at it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace

import pytest
from polymarket._internal.environment import PRODUCTION_CONFIG, create_environment
from polymarket.environments import Environment

from tests.local_exchange import running_exchange


@pytest.fixture(scope="session")
def urls() -> Iterator[dict[str, str]]:
    with running_exchange("--seed", os.environ.get("POLYBOT_TEST_SEED", "11"), "--rate", "40") as found:
        yield found


@pytest.fixture(scope="session")
def environment(urls: dict[str, str]) -> Environment:
    config = replace(
        PRODUCTION_CONFIG,
        clob_url=urls["clob"],
        clob_market_ws_url=urls["ws_market"],
        clob_user_ws_url=urls["ws_user"],
        relayer_url=urls["relayer"],
        gamma_url=urls["gamma"],
        data_url=urls["data"],
        rpc_url=urls["rpc"],
    )
    return create_environment(name="local", config=config)
