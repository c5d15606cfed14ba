"""Which modules make up each area, and whose tests must take their branches.

An area is measured by its own tests alone: a branch that only a desk of six processes happens to take is one
that nobody looks at.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
_LIVE = "tests/orders/services"
_PURE = "tests/orders/domain"
_VENUE = "tests/markets/venues/polymarket"


@dataclass(frozen=True, slots=True)
class Area:
    """Modules and packages by dotted name; tests by path."""

    about: str
    modules: tuple[str, ...]
    tests: tuple[str, ...]
    without: str = ""  # tests that take long under coverage and take no branch of their own: part of their names

    def files(self) -> list[Path]:
        """Return the area's source files. Raises FileNotFoundError for a module that is not there any more."""
        found: list[Path] = []
        for name in self.modules:
            place = PROJECT / Path(*name.split("."))
            inside = sorted(path for path in place.glob("*.py") if path.name != "__init__.py")
            found += inside or [place.with_suffix(".py")]
        for path in found:
            if not path.is_file():
                raise FileNotFoundError(path)
        return found


def _in(package: str, names: str) -> tuple[str, ...]:
    return tuple(f"{package}.{name}" for name in names.split())


def _tests(folder: str, names: str) -> tuple[str, ...]:
    return tuple(f"{folder}/test_{name}.py" for name in names.split())


AREAS: dict[str, Area] = {
    "executor": Area(
        "from an approved order to its last answer: claims, requests, cancels, unknown outcomes, plans",
        (
            "orders.services.submission",
            *_in("orders.services", "execution submission_rows sweep kill plans children envelopes plan_states"),
            *_in("orders.domain", "submission exactly_once urgency plans plan_steps slices chase baskets closing"),
            *_in("orders.domain", "replacing readiness"),
        ),
        (
            f"{_LIVE}/submission",
            *_tests(_LIVE, "execution sweep races plans_live plan_children plan_threads"),
            *_tests(_PURE, "submission exactly_once urgency plans closing readiness"),
            *_tests("tests/risk/services", "plans unwinding"),
        ),
    ),
    "lifecycle": Area(
        "an order's states: which steps exist, who makes them, what a venue's word changes",
        (
            *_in("orders.domain", "lifecycle reserve intents"),
            *_in("orders.services", "states attach placement conflicts"),
        ),
        (
            *_tests(_PURE, "lifecycle reserve submission"),
            *_tests(_LIVE, "execution placement sweep legs fills failed_trades attach resync impossible_fills"),
            f"{_LIVE}/submission/test_cancels.py",
        ),
    ),
    "ledger": Area(
        "what trades, conversions and settlements do to cash, shares and the double entries",
        (
            *_in("orders.domain", "ledger conversions equity"),
            *_in("orders.services", "fills legs books conversions chain_booking settlement pnl"),
        ),
        (
            *_tests(_PURE, "ledger conversions equity"),
            *_tests(_LIVE, "fills impossible_fills legs failed_trades converting settlement redemption pnl races"),
            *_tests(_LIVE, "chain_send redemption_evidence"),
            "tests/orders/ledger",
        ),
    ),
    "gate": Area(
        "what refuses: every rule, the review, the verdict and the one door to a new order or plan",
        ("risk.rules", "risk.domain", *_in("risk.services", "gate verdicts plans manual halts")),
        (
            "tests/risk/rules",
            "tests/risk/domain",
            *_tests("tests/risk/services", "gate gate_trouble plans halts flatten watch"),
        ),
    ),
    "reconcile": Area(
        "our books against the venue's: what is compared, repaired, told, and what halts",
        (
            *_in("orders.domain", "reconcile open_items"),
            *_in(
                "orders.services", "reconciliation reconciliation_live reconciliation_runs resync foreign differences"
            ),
            *_in("orders.services", "venue_books venue_payments"),
            "orders.selectors.open_items",
        ),
        (
            f"{_PURE}/test_reconcile.py",
            *_tests(
                _LIVE, "reconciliation reconciliation_live foreign venue_payments failed_trades resync differences"
            ),
        ),
    ),
    "signer": Area(
        "keys and what they sign: caps, the allow-list, amounts, hashes, the body that leaves",
        (
            *_in("orders.services", "signer chain_signer keyholder secrets sealing permits"),
            *_in("orders.domain", "private_keys"),
            *_in("markets.venues.polymarket", "signing amounts order_payload maker wallets credentials"),
            *_in("markets.venues.polymarket", "transactions calls call_permits"),
        ),
        (
            *_tests(_LIVE, "signer chain_signer keyholder sealing secrets permits"),
            f"{_PURE}/test_private_keys.py",
            *_tests(_VENUE, "signing amounts order_payload maker wallets credentials transactions calls"),
        ),
        without="test_orders_equal_both_official_clients_byte_for_byte",
    ),
}
