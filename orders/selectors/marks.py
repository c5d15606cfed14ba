"""Latest prices for valuation. Without Redis there are none, and positions count at cost."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from markets.tickstore import TickstoreUnavailable, get_tickstore
from orders.domain.equity import HasPrices

log = logging.getLogger(__name__)


def marks_read(outcome_ids: Sequence[int]) -> Mapping[int, HasPrices]:
    if not outcome_ids:
        return {}
    try:
        return get_tickstore().marks_get(list(outcome_ids))
    except TickstoreUnavailable as error:
        log.warning("no marks, positions are valued at cost", extra={"problem": str(error)[:200]})
        return {}
