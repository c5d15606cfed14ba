"""Markout: what the middle of the book says about a fill some time later.

For a fill at price p and the middle m a horizon later, s = +1 for a purchase and -1 for a sale, it is s (m - p) per
share: what the fill is worth then, before fees. Makers who are picked off see it fall as the horizon grows. It is the
negative of the realised half-spread of R. D. Huang and H. R. Stoll (Dealer versus auction markets, 1996) as the taker
sees it, and that half-spread itself as the maker does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from backtests.domain.mids import UNKNOWN, Ints
from backtests.domain.recorded import HORIZONS_S
from markets.domain.tape import BID

ROLES = ("all", "maker", "taker")


@dataclass(frozen=True, slots=True, kw_only=True)
class Markout:
    role: str
    horizon_s: int
    fills: int
    known: int  # fills whose later middle is on record; the others are left out
    per_share: float | None  # millionths of a dollar, weighted by size; None where nothing is known


def markouts_of(fills: npt.NDArray[Any], after: Ints) -> tuple[Markout, ...]:
    """Return one markout per role and horizon. `after` is `Recorded.after`."""
    found = []
    sign = np.where(fills["side"] == BID, 1, -1)
    for role in ROLES:
        ours = np.ones(len(fills), bool) if role == "all" else fills["taker"] == (role == "taker")
        for column, horizon in enumerate(HORIZONS_S):
            known = ours & (after[:, column] != UNKNOWN)
            gain = sign[known] * (after[known, column] - fills["price"][known])
            shares = fills["size"][known].astype(np.float64)
            found.append(
                Markout(
                    role=role,
                    horizon_s=horizon,
                    fills=int(ours.sum()),
                    known=int(known.sum()),
                    per_share=float((gain * shares).sum() / shares.sum()) if shares.sum() > 0 else None,
                )
            )
    return tuple(found)
