"""A desk with something on every page, and browsers signed in as each kind of person."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.factories.desk import DeskRows, desk_make


@pytest.fixture
def desk(db: None) -> DeskRows:
    return desk_make()


@pytest.fixture
def staff(desk: DeskRows) -> Client:
    client = Client()
    client.force_login(desk.staff)
    return client


@pytest.fixture
def owner(desk: DeskRows) -> Client:
    client = Client()
    client.force_login(desk.owner)
    return client


@pytest.fixture
def viewer(desk: DeskRows) -> Client:
    client = Client()
    client.force_login(desk.viewer)
    return client
