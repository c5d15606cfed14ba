"""The pure modules that move money, and what must notice a lie in each: its own tests first, then those that use it."""

from __future__ import annotations

_MODEL = "tests/orders/model/test_model.py::test_the_protocol_holds_under_every_fault"
_ORDERS = "tests/orders/domain"
_RISK = "tests/risk"
_VENUE = "tests/markets/venues/polymarket"
_RULES = (
    "conditions", "conduct", "counts", "exposure", "freshness", "funds", "loss", "market", "price", "review", "size",
    "state", "terms",
)  # fmt: skip
# Rules whose sentences stand in the tests of the review or of another rule.
_WITHOUT_OWN_TESTS = ("funds", "terms")


def _rule_tests(name: str) -> tuple[str, ...]:
    own = () if name in _WITHOUT_OWN_TESTS else (f"{_RISK}/rules/test_{name}.py",)
    return (*own, f"{_RISK}/rules")


TARGETS: dict[str, tuple[str, ...]] = {
    # What sends, and what it works towards.
    "orders.domain.submission": (f"{_ORDERS}/test_submission.py", _MODEL),
    "orders.domain.exactly_once": (f"{_ORDERS}/test_exactly_once.py", _MODEL),
    "orders.domain.lifecycle": (f"{_ORDERS}/test_lifecycle.py", f"{_ORDERS}/test_submission.py"),
    "orders.domain.urgency": (f"{_ORDERS}/test_urgency.py",),
    "orders.domain.plans": (f"{_ORDERS}/test_plans.py",),
    "orders.domain.plan_steps": (f"{_ORDERS}/test_plans.py",),
    "orders.domain.slices": (f"{_ORDERS}/test_plans.py",),
    "orders.domain.closing": (f"{_ORDERS}/test_closing.py", f"{_ORDERS}/test_plans.py"),
    "orders.domain.readiness": (f"{_ORDERS}/test_readiness.py",),
    # What counts.
    "orders.domain.ledger": (f"{_ORDERS}/test_ledger.py", f"{_ORDERS}/test_conversions.py"),
    "orders.domain.conversions": (f"{_ORDERS}/test_conversions.py",),
    "orders.domain.reserve": (f"{_ORDERS}/test_reserve.py",),
    "orders.domain.equity": (f"{_ORDERS}/test_equity.py",),
    "orders.domain.reconcile": (f"{_ORDERS}/test_reconcile.py",),
    # What refuses.
    **{f"risk.rules.{name}": _rule_tests(name) for name in _RULES},
    "risk.domain.exposure": (f"{_RISK}/domain/test_exposure.py", f"{_RISK}/rules"),
    "risk.domain.usage": (f"{_RISK}/domain/test_usage.py", f"{_RISK}/rules"),
    "risk.domain.losses": (f"{_RISK}/domain", f"{_RISK}/rules"),
    "risk.domain.question": (f"{_RISK}/domain/test_question.py", f"{_RISK}/rules"),
    # What signs, and what it makes of an answer.
    "markets.venues.polymarket.amounts": (f"{_VENUE}/test_amounts.py",),
    "markets.venues.polymarket.order_payload": (f"{_VENUE}/test_order_payload.py", f"{_VENUE}/test_maker.py"),
    "markets.venues.polymarket.signing": (f"{_VENUE}/test_signing.py", f"{_VENUE}/test_credentials.py"),
    "markets.venues.polymarket.wallets": (f"{_VENUE}/test_wallets.py",),
    "markets.venues.polymarket.credentials": (f"{_VENUE}/test_credentials.py",),
    "markets.venues.polymarket.responses": (f"{_VENUE}/test_responses.py",),
}
