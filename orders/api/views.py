"""Reads and cancels. New orders are posted to `risk/api`, because only the gate creates them.

A person sees the accounts they own; staff see all. What one may not see answers as if it did not exist.
"""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import F, QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.generics import GenericAPIView, ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from alerts.selectors.screens import event_rows
from markets.domain.units import decimal_from_micro
from orders.api import serializers
from orders.api.filters import STATES_OF, AccountFilter, FillFilter, HistoryFilter, OrderFilter
from orders.domain.equity import mark_price
from orders.domain.lifecycle import ApiStatus
from orders.models import Account, Fill, Order, PnlSnapshot, Position
from orders.selectors import pages
from orders.selectors.marks import marks_read
from orders.selectors.portfolio import portfolio_get
from orders.services import execution


def accounts_of(request: Request, account_id: int | None = None) -> QuerySet[Account]:
    """Return the caller's accounts, or the one asked for. Raises NotFound for one they may not see."""
    rows = pages.accounts_visible(user_id=request.user.pk or 0, is_staff=bool(request.user.is_staff))
    if account_id is None:
        return rows
    if not rows.filter(pk=account_id).exists():
        raise NotFound(f"there is no account {account_id} for you")
    return rows.filter(pk=account_id)


def asked(request: Request, kind: type[AccountFilter]) -> dict[str, Any]:
    """Return the checked query. Raises ValidationError that names the field."""
    form = kind(data=request.query_params)
    form.is_valid(raise_exception=True)
    return dict(form.validated_data)


@extend_schema(parameters=[OrderFilter], tags=["orders"])
class OrderListView(ListAPIView):
    """Orders, newest first."""

    serializer_class = serializers.OrderSerializer
    queryset = Order.objects.none()

    def get_queryset(self) -> QuerySet[Order]:
        if getattr(self, "swagger_fake_view", False):
            return self.queryset
        query = asked(self.request, OrderFilter)
        rows = Order.objects.filter(account__in=accounts_of(self.request, query.get("account")))
        if status := query.get("status"):
            rows = rows.filter(state__in=STATES_OF[ApiStatus(status)])
            if status == ApiStatus.OPEN:
                rows = rows.filter(filled_size=0)
            elif status == ApiStatus.PARTIAL:
                rows = rows.filter(filled_size__gt=0)
        exact = {
            "state": "state",
            "market": "market_id",
            "outcome": "outcome_id",
            "origin_kind": "origin_kind",
            "origin_id": "origin_id",
            "since": "created_at__gte",
        }
        rows = rows.filter(**{column: query[name] for name, column in exact.items() if name in query})
        return rows.select_related("account", "market", "outcome").order_by("-id")


class OrderView(APIView):
    """One order with its fills, ledger entries and journal."""

    @extend_schema(responses=serializers.OrderStorySerializer, tags=["orders"])
    def get(self, request: Request, order_id: int) -> Response:
        story = _story(request, order_id)
        events = event_rows(account_ids=[story.order.account_id], subject=("order", str(order_id))).order_by("seq")
        body = {
            "order": story.order,
            "fills": story.fills,
            "ledger": story.facts,
            "fees": story.fees,
            "realized": story.realized,
            "events": list(events[:200]),
        }
        return Response(serializers.OrderStorySerializer(body).data)


class OrderCancelView(GenericAPIView):
    """Ask for the end of one order. The answer comes from the venue: read the order again."""

    serializer_class = serializers.CancelSerializer
    required_scope: ClassVar[str] = "trade"

    @extend_schema(responses=serializers.CancelResultSerializer, tags=["orders"])
    def post(self, request: Request, order_id: int) -> Response:
        story = _story(request, order_id)
        form = self.get_serializer(data=request.data)
        form.is_valid(raise_exception=True)
        done = execution.order_cancel_request(
            story.order.pk, form.validated_data["reason"], str(request.user), timezone.now()
        )
        return Response({"requested": int(done)}, status=202)


class CancelAllView(GenericAPIView):
    """Ask for the end of every open order of one account."""

    serializer_class = serializers.CancelAllSerializer
    required_scope: ClassVar[str] = "trade"

    @extend_schema(responses=serializers.CancelResultSerializer, tags=["orders"])
    def post(self, request: Request) -> Response:
        form = self.get_serializer(data=request.data)
        form.is_valid(raise_exception=True)
        account = accounts_of(request, form.validated_data["account"]).get()
        count = execution.cancel_all(account.pk, form.validated_data["reason"], str(request.user), timezone.now())
        return Response({"requested": count}, status=202)


@extend_schema(parameters=[FillFilter], tags=["orders"])
class FillListView(ListAPIView):
    """Fills, newest first; one that failed to settle is marked `voided`."""

    serializer_class = serializers.FillSerializer
    queryset = Fill.objects.none()

    def get_queryset(self) -> QuerySet[Fill]:
        if getattr(self, "swagger_fake_view", False):
            return self.queryset
        query = asked(self.request, FillFilter)
        rows = Fill.objects.filter(account__in=accounts_of(self.request, query.get("account")))
        exact = {"market": "outcome__market_id", "order": "order_id", "since": "venue_at__gte"}
        return rows.filter(**{c: query[n] for n, c in exact.items() if n in query}).order_by("-id")


@extend_schema(parameters=[AccountFilter], tags=["positions"])
class PositionListView(ListAPIView):
    """What is held now, with its latest mark."""

    serializer_class = serializers.PositionSerializer
    queryset = Position.objects.none()

    def get_queryset(self) -> QuerySet[Position]:
        if getattr(self, "swagger_fake_view", False):
            return self.queryset
        query = asked(self.request, AccountFilter)
        accounts = accounts_of(self.request, query.get("account"))
        rows = Position.objects.filter(account__in=accounts, size__gt=0)
        return rows.select_related("outcome", "outcome__market").order_by("account_id", "id")

    def paginate_queryset(self, queryset: Any) -> Any:
        page = super().paginate_queryset(queryset)
        rows = list(queryset) if page is None else page
        marks = marks_read([row.outcome_id for row in rows])
        for row in rows:
            price = mark_price(marks.get(row.outcome_id))
            row.mark = None if price is None else decimal_from_micro(price)
            row.average_cost = round(row.cost / row.size, 6)
            row.value = row.cost if row.mark is None else round(row.mark * row.size, 6)
            row.unrealized = row.value - row.cost
        return rows


class PortfolioView(APIView):
    """Cash, positions and equity per account. Accounts are never added up: environments must not mix."""

    @extend_schema(parameters=[AccountFilter], responses=serializers.PortfolioSerializer(many=True), tags=["portfolio"])
    def get(self, request: Request) -> Response:
        query = asked(request, AccountFilter)
        now = timezone.now()
        return Response([_portfolio(row, now=now) for row in accounts_of(request, query.get("account"))])


@extend_schema(parameters=[HistoryFilter], tags=["portfolio"])
class PortfolioHistoryView(ListAPIView):
    """Equity per minute of one account, newest first. Without `account`, the caller's first."""

    serializer_class = serializers.EquityPointSerializer
    queryset = PnlSnapshot.objects.none()

    def get_queryset(self) -> QuerySet[PnlSnapshot]:
        if getattr(self, "swagger_fake_view", False):
            return self.queryset
        query = asked(self.request, HistoryFilter)
        account = accounts_of(self.request, query.get("account")).first()
        rows = PnlSnapshot.objects.filter(account=account)
        if since := query.get("since"):
            rows = rows.filter(at__gte=since)
        return rows.order_by(F("at").desc())


def _story(request: Request, order_id: int) -> pages.OrderStory:
    ids = accounts_of(request).values_list("pk", flat=True)
    story = pages.order_story(order_id, account_ids=ids)
    if story is None:
        raise NotFound(f"there is no order {order_id} for you")
    return story


def _portfolio(account: Account, *, now: Any) -> dict[str, Any]:
    portfolio = portfolio_get(account.pk, now=now)
    amounts = {
        name: str(decimal_from_micro(getattr(portfolio, name)))
        for name in (
            "cash",
            "reserved_cash",
            "free_cash",
            "positions_value",
            "equity",
            "peak_equity",
            "day_start_equity",
            "day_profit",
            "unrealized",
        )
    }
    return {
        "account": serializers.AccountSerializer(account).data,
        **amounts,
        "unmarked": portfolio.unmarked,
        "open_orders": len(portfolio.open_orders),
        "positions": len(portfolio.positions),
    }
