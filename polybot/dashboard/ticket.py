"""The manual order ticket: what a person typed, checked field by field, and what the gate would say to it.

Prices are typed in cents and sizes in shares; the core gets millionths. A preview is the gate's own
review on a picture without the account's lock: a moment later the answer may differ, so the button asks again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django import forms

from markets.domain.instruments import MarketFacts, Side
from markets.domain.units import (
    ONE,
    AmountError,
    Price,
    Shares,
    decimal_from_micro,
    micro_from_decimal,
    notional_down,
)
from markets.domain.views import BookView
from orders.domain.intents import INTENT_LEVEL, OpenOrder, OrderType, Origin, OriginKind, Placement
from orders.domain.reserve import cash_to_reserve, worst_taker_fee
from orders.selectors import portfolio as portfolios
from orders.selectors import screens as order_pages
from polybot.dashboard import words
from risk.domain.context import without
from risk.domain.verdicts import Verdict
from risk.rules.review import review
from risk.selectors import limits as risk_limits
from risk.selectors import picture

CHASE, TWAP = "chase", "twap"  # made as plans
_TYPES = [*((t.value, t.value.upper()) for t in OrderType), (CHASE, "three-step chase"), (TWAP, "slices over time")]
PREVIEW_KEY = "00000000-0000-7000-8000-000000000000"


def _words(what: str) -> dict[str, str]:
    """Return the one sentence for every way to mistype a number."""
    names = ("required", "invalid", "min_value", "max_value", "max_digits", "max_decimal_places", "max_whole_digits")
    return dict.fromkeys(names, f"type {what}")


class TermsForm(forms.Form):
    """A price in cents on the market's tick and a size in shares; `cleaned_data` holds dollars and shares."""

    price = forms.DecimalField(
        min_value=Decimal("0.0001"),
        max_value=Decimal("99.9999"),
        max_digits=8,
        error_messages=_words("a price between 0 and 100 ¢"),
    )
    size = forms.DecimalField(
        min_value=Decimal("0.01"),
        max_value=Decimal(10_000_000),
        max_digits=16,
        error_messages=_words("a size from 0.01 to 10,000,000 shares"),
    )

    def __init__(self, data: Mapping[str, Any] | None, *, market: Any, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        self.market = market

    def clean_price(self) -> Decimal:
        price = self.cleaned_data["price"] / 100
        if price % self.market.tick:
            raise forms.ValidationError(
                f"not on the tick: this market moves in steps of {(self.market.tick * 100).normalize():f} ¢"
            )
        try:
            micro_from_decimal(price, field="price")
        except AmountError as error:
            raise forms.ValidationError(str(error)) from error
        return price

    def clean_size(self) -> Decimal:
        size: Decimal = self.cleaned_data["size"]
        try:
            micro_from_decimal(size, field="size")
        except AmountError as error:
            raise forms.ValidationError(str(error)) from error
        return size


class TicketForm(TermsForm):
    """One order as typed. `placement` makes the core's value of it."""

    outcome = forms.TypedChoiceField(coerce=int, error_messages={"invalid_choice": "choose one of the two outcomes"})
    side = forms.ChoiceField(choices=[(s.value, s.value) for s in Side])
    order_type = forms.ChoiceField(choices=_TYPES, required=False)
    post_only = forms.BooleanField(required=False)
    minutes = forms.IntegerField(min_value=2, max_value=7 * 24 * 60, required=False)
    slices = forms.IntegerField(min_value=2, max_value=100, required=False)
    key = forms.UUIDField(required=False)

    def __init__(self, data: Mapping[str, Any] | None, *, market: Any, **kwargs: Any) -> None:
        super().__init__(data, market=market, **kwargs)
        self.fields["outcome"].choices = [(o.pk, o.label) for o in market.outcomes.all()]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        cleaned["order_type"] = cleaned.get("order_type") or OrderType.GTC.value
        kind = self.kind
        if cleaned["order_type"] == TWAP:
            if not (cleaned.get("minutes") and cleaned.get("slices")):
                self.add_error("slices", "slices over time need their number, and the minutes they take")
            return cleaned
        if cleaned.get("post_only") and not kind.rests:
            name = cleaned["order_type"].upper()
            self.add_error("post_only", f"{name} orders never rest, so they cannot be post only")
        if kind is OrderType.GTD and not cleaned.get("minutes"):
            self.add_error("minutes", "a GTD order needs the minutes it may live, at least 2")
        return cleaned

    @property
    def kind(self) -> OrderType:
        """The type of one order; what a plan makes takes what is there."""
        typed = self.cleaned_data.get("order_type") or OrderType.GTC.value
        return OrderType.FAK if typed in (CHASE, TWAP) else OrderType(typed)

    @property
    def parts(self) -> int:
        """How many orders of equal size the ticket asks for."""
        return self.cleaned_data.get("slices") or 1 if self.cleaned_data.get("order_type") == TWAP else 1

    def placement(
        self, *, key: str, facts: MarketFacts, book: BookView | None, origin: Origin, now: datetime
    ) -> Placement:
        cleaned = self.cleaned_data
        side, kind = Side(cleaned["side"]), self.kind
        price = Price(micro_from_decimal(cleaned["price"]))
        return Placement(
            key=key,
            market_id=facts.market_id,
            outcome_id=cleaned["outcome"],
            side=side,
            price=price,
            size=Shares(micro_from_decimal(cleaned["size"])),
            order_type=kind,
            post_only=bool(cleaned.get("post_only")) and cleaned["order_type"] != TWAP,
            origin=origin,
            created_at=now,
            expires_at=now + timedelta(minutes=cleaned["minutes"]) if kind is OrderType.GTD else None,
            level=INTENT_LEVEL,
            reason="manual",
            marketable=crosses(side, price, book),
            parts=self.parts,
        )


def crosses(side: Side, price: int, book: BookView | None) -> bool:
    """Whether an order at this price would take from the book."""
    if book is None:
        return False
    if side is Side.BUY:
        return book.best_ask is not None and price >= book.best_ask
    return book.best_bid is not None and price <= book.best_bid


def manual_origin(user: Any) -> Origin:
    return Origin(kind=OriginKind.MANUAL, id=user.pk, label=user.get_username())


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What the order would cost and what the gate says to it now."""

    cost: Decimal
    fee: Decimal
    worst: Decimal
    best: Decimal
    verdict: Verdict
    takes: bool

    @property
    def refused(self) -> bool:
        return self.verdict.refused

    @property
    def allowed(self) -> Decimal:
        return decimal_from_micro(self.verdict.allowed_size)

    @property
    def is_shrunk(self) -> bool:
        return not self.refused and self.verdict.allowed_size < self.verdict.placement.size

    @property
    def passed(self) -> int:
        return sum(check.passed for check in self.verdict.checks)

    @property
    def checks(self) -> list[dict[str, Any]]:
        return check_lines(
            {"rule": c.rule, "passed": c.passed, "value": c.value, "limit": c.limit, "unit": c.unit, "note": c.note}
            for c in self.verdict.checks
        )

    @property
    def largest(self) -> Decimal | None:
        """The largest size some rule would have allowed, when that is what refused."""
        sizes = [check.allowed_size for check in self.verdict.checks if check.allowed_size]
        return decimal_from_micro(min(sizes)) if sizes else None


def check_lines(checks: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return stored or fresh checks as rows in words: failing ones first, then the nearest to their limit."""
    lines = [
        {
            "rule": words.sentence(str(check["rule"])),
            "passed": check["passed"],
            "value": words.quantity(check.get("value"), str(check.get("unit", ""))),
            "limit": words.quantity(check.get("limit"), str(check.get("unit", ""))),
            "note": check.get("note", ""),
            "share": _share_of_limit(check),
        }
        for check in checks
    ]
    return sorted(lines, key=lambda line: (line["passed"], -line["share"]))


def _share_of_limit(check: Mapping[str, Any]) -> float:
    value, limit = check.get("value"), check.get("limit")
    if check.get("unit") == "flag" or not value or not limit:
        return 0.0
    share = float(value) / float(limit)
    return share if share <= 1 or not check["passed"] else 1 / share  # a passing value above its limit: a minimum


def preview_of(
    form: TicketForm, *, account_id: int, facts: MarketFacts, book: BookView | None, user: Any, now: datetime
) -> Preview:
    """Return cost and verdict for a valid form. Reads only."""
    placement = form.placement(key=PREVIEW_KEY, facts=facts, book=book, origin=manual_origin(user), now=now)
    return placement_preview(placement, account_id=account_id, facts=facts, book=book, now=now)


def placement_preview(
    placement: Placement,
    *,
    account_id: int,
    facts: MarketFacts,
    book: BookView | None,
    now: datetime,
    ended: Sequence[OpenOrder] = (),
) -> Preview:
    """Return cost and verdict of one placement as if the orders in `ended` were gone. Reads only."""
    portfolio = portfolios.portfolio_get(account_id, now=now)
    switch = order_pages.kill_switch()
    context = picture.context_get(
        portfolio,
        [placement],
        limits=risk_limits.limits_get(account_id),
        killed=switch.killed,
        kill_reason=switch.reason,
        now=now,
    )
    (verdict,) = review([placement], without(context, ended))
    may_take = crosses(placement.side, placement.price, book) and not placement.post_only
    fee = 0
    if may_take and facts.fee is not None:
        fee = worst_taker_fee(price=placement.price, size=placement.size, fee=facts.fee)
    if placement.side is Side.BUY:
        cost = cash_to_reserve(
            side=placement.side, price=placement.price, size=placement.size, may_take=False, fee=facts.fee
        )
        worst, best = -(cost + fee), placement.size - cost - fee
    else:
        cost = notional_down(placement.price, placement.size)
        worst, best = cost - fee - placement.size, cost - fee
    return Preview(
        cost=decimal_from_micro(cost),
        fee=decimal_from_micro(fee),
        worst=decimal_from_micro(worst),
        best=decimal_from_micro(best),
        verdict=verdict,
        takes=may_take,
    )


def start_values(market: Any, outcome_id: int, book: BookView | None, side: str) -> dict[str, Any]:
    """Return what an empty ticket begins with: the touch on the side one would take, and the smallest size."""
    price = None
    if book is not None:
        price = book.best_ask if side == Side.BUY else book.best_bid
    return {
        "outcome": outcome_id,
        "side": side,
        "price": format((Decimal(price) * 100 / ONE).normalize(), "f") if price else "",
        "size": format(market.minimum_size.normalize(), "f"),
        "order_type": OrderType.GTC.value,
        "post_only": False,
        "minutes": "",
        "slices": "",
    }
