"""An account with the conservative profile, a market, and books that are always fresh."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from markets.domain.views import BookView
from markets.models import Outcome
from orders.models import Account
from orders.services import kill
from risk.selectors import picture
from risk.services import profiles
from tests.factories.markets import book_make, outcome_make
from tests.factories.orders import account_make


class Books:
    """Stands in for the tickstore: a fresh book for every outcome, unless one is set or all are gone."""

    def __init__(self) -> None:
        self.set: dict[int, BookView | None] = {}
        self.gone = False

    def read(self, outcome_ids: Iterable[int]) -> dict[int, BookView]:
        if self.gone:
            return {}
        found = {i: self.set.get(i, book_make(i)) for i in outcome_ids}
        return {i: book for i, book in found.items() if book is not None}


@pytest.fixture
def books(monkeypatch: pytest.MonkeyPatch) -> Books:
    fake = Books()
    monkeypatch.setattr(picture, "books_read", fake.read)
    return fake


@pytest.fixture
def account(db: None) -> Account:
    kill.kill_install()
    profiles.install()
    made = account_make("1000")
    profiles.profile_assign(made.pk, "conservative")
    return made


@pytest.fixture
def outcome(db: None) -> Outcome:
    return outcome_make(fee_rate_ppm=0)
