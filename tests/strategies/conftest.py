"""Every test of strategies begins with an empty tickstore and nothing remembered in this process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.conf import settings

from markets.tickstore import get_tickstore
from strategies.services import counts, dispatch, prepared


@pytest.fixture
def clean() -> Iterator[None]:
    """Forget what the process and Redis remember of strategies."""
    _forget()
    yield
    _forget()


def _forget() -> None:
    prepared.SHELF.__init__()
    counts.COUNTS.__init__()
    get_tickstore().redis.flushdb()
    dispatch._local_second = 0
    dispatch.reads.connection(settings.STRATEGIES_REDIS_URL).flushdb()
