"""Order matching of one binary market by price and time, with YES and NO in one book."""

from __future__ import annotations

from enum import StrEnum


class OrderType(StrEnum):
    GTC = "GTC"
    GTD = "GTD"
    FOK = "FOK"
    FAK = "FAK"
