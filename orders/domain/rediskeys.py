"""The names of everything that orders keep in Redis database 4, in one table. Losing all of it loses no order.

rate:<venue>:bucket:<signer>:<kind>  hash: tokens and refill of one signing key, kind is order or cancel
rate:<venue>:window:<window>         hash: requests of this address, counted in slots of time
"""

from __future__ import annotations

from typing import Literal

Kind = Literal["order", "cancel"]


def rate_bucket(venue: str, signer: str, kind: Kind) -> str:
    return f"rate:{venue}:bucket:{signer.lower()}:{kind}"


def rate_window(venue: str, window: str) -> str:
    return f"rate:{venue}:window:{window}"
