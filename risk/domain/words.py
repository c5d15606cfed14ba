"""Numbers as the gate's messages print them."""

from __future__ import annotations

from markets.domain.units import ONE, text_from_micro


def usd(micro: int) -> str:
    """Return dollars with cents, and with more digits only where there are some: $25.00, $0.0525."""
    sign, amount = ("-", -micro) if micro < 0 else ("", micro)
    whole, fraction = divmod(amount, ONE)
    digits = f"{fraction:06d}".rstrip("0")
    return f"{sign}${whole:,}.{digits:0<2}"


def shares(micro: int) -> str:
    return f"{text_from_micro(micro)} shares"


def price(micro: int) -> str:
    return text_from_micro(micro)


def percent(bps: int) -> str:
    return f"{text_from_micro(bps * 10_000)} %"
