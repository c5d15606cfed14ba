"""A limit of zero is refused where it is set, because it would mean two things."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from risk.models import MUST_BE_POSITIVE, RiskProfile
from risk.services import profiles

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("name", MUST_BE_POSITIVE)
def test_zero_is_refused_with_what_to_do_instead(name: str) -> None:
    profiles.install()
    row = RiskProfile.objects.get(name="moderate")
    setattr(row, name, 0)
    with pytest.raises(ValidationError, match="to stop an account, halt it"):
        profiles.profile_save(row, by="ada")
    with pytest.raises(IntegrityError), transaction.atomic():
        RiskProfile.objects.filter(pk=row.pk).update(**{name: 0})


def test_no_floor_and_no_slippage_are_fine() -> None:
    profiles.install()
    row = RiskProfile.objects.get(name="moderate")
    row.slippage_bps, row.minimum_liquidity = 0, 0
    profiles.profile_save(row, by="ada")
