"""A desk with rows, and callers of every kind: nobody, a viewer, an owner of accounts, staff."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from tests.factories.desk import DeskRows, desk_make


@pytest.fixture
def desk(db: None) -> DeskRows:
    return desk_make()


@pytest.fixture
def callers(desk: DeskRows) -> dict[str, APIClient]:
    found: dict[str, Any] = {"anonymous": APIClient()}
    for name in ("viewer", "owner", "staff"):
        found[name] = APIClient()
        found[name].force_login(getattr(desk, name))
    return found
