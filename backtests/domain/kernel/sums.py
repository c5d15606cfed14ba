"""Exact sums in 64 bits: rounded products and quotients whose middle does not fit into a machine word."""

from __future__ import annotations

ONE = 1_000_000


def part_down(whole: int, part: int, of: int) -> int:
    """Return whole x part // of, exactly, for 0 <= part and 0 < of below 2**60. Plain arithmetic would overflow."""
    quotient = whole // of
    rest = whole - quotient * of
    if rest < 0x7FFFFFFF and part < 0x7FFFFFFF:
        return quotient * part + rest * part // of
    shift = 30
    while of >> (61 - shift):
        shift -= 1
    digits = 0
    while part >> (shift * digits) and shift * digits < 60:
        digits += 1
    out, carry = 0, 0
    for index in range(digits - 1, -1, -1):
        digit = (part >> (shift * index)) & ((1 << shift) - 1)
        # carry and rest are below `of`, so both products stay below 2**61.
        value = (carry << shift) + rest * digit
        here = value // of
        carry = value - here * of
        out = (out << shift) + here
    return quotient * part + out


def part_up(whole: int, part: int, of: int) -> int:
    """Return whole x part / of, rounded up."""
    return -part_down(-whole, part, of)


def paid(price: int, size: int) -> int:
    """Return what a buyer pays: price times size, rounded up."""
    return -(-price * size // ONE)


def earned(price: int, size: int) -> int:
    """Return what a seller gets: price times size, rounded down."""
    return price * size // ONE


def largest(price: int, size: int, dollars: int) -> int:
    """Return the largest whole lots up to `size` that cost at most `dollars`."""
    if paid(price, size) <= dollars:
        return size
    if dollars <= 0:
        return 0
    return dollars * ONE // price // 10_000 * 10_000
