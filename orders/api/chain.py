"""Transactions outside the book, claims and allowances: read, previewed, confirmed and called off."""

from __future__ import annotations

import uuid
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.generics import GenericAPIView, ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from markets.domain.units import micro_from_decimal
from orders.api.filters import AccountFilter
from orders.api.views import accounts_of, asked
from orders.domain.chain import ChainState
from orders.models import ChainAction
from orders.selectors import claims
from orders.selectors.allowances import allowances_get
from orders.services import allowances, chain
from orders.services.chain import ChainError
from orders.services.chain_wishes import set_wish


class ChainActionSerializer(serializers.ModelSerializer):
    """One transaction. `says` is what its calls do, in words; `calls` are the exact contract calls."""

    says = serializers.SerializerMethodField()

    class Meta:
        model = ChainAction
        fields = [
            "id", "account_id", "kind", "route", "state", "state_reason", "market_id", "amount", "says", "calls",
            "transaction_hash", "attempts", "requested_by", "created_at", "sent_at", "ended_at",
        ]  # fmt: skip
        read_only_fields = fields

    def get_says(self, action: ChainAction) -> list[str]:
        return [str(line) for line in action.expected["says"]]


class ClaimSerializer(serializers.Serializer):
    market_id = serializers.IntegerField(source="market.market_id")
    question = serializers.CharField(source="market.question")
    sizes = serializers.DictField(child=serializers.DecimalField(max_digits=20, decimal_places=6))
    cost = serializers.DecimalField(max_digits=20, decimal_places=6)
    pays = serializers.DecimalField(max_digits=20, decimal_places=6, allow_null=True)
    waits_for = serializers.CharField()


class AllowanceSerializer(serializers.Serializer):
    number = serializers.IntegerField()
    token = serializers.CharField(source="grant.token")
    token_name = serializers.CharField()
    spender = serializers.CharField(source="grant.spender")
    spender_name = serializers.CharField()
    what_for = serializers.CharField(source="grant.what_for")
    says = serializers.CharField(help_text="what it may take now")
    is_enough = serializers.BooleanField()


class AllowancesSerializer(serializers.Serializer):
    at = serializers.DateTimeField(allow_null=True, help_text="when the chain was last read")
    error = serializers.CharField(allow_blank=True)
    items = AllowanceSerializer(many=True)


class ChainFilter(AccountFilter):
    state = serializers.ChoiceField(choices=[s.value for s in ChainState], required=False, default=None)


class AccountAskSerializer(serializers.Serializer):
    account = serializers.IntegerField(min_value=1)


class SetAskSerializer(AccountAskSerializer):
    market = serializers.IntegerField(min_value=1)
    kind = serializers.ChoiceField(choices=["split", "merge"])
    amount = serializers.DecimalField(max_digits=20, decimal_places=6, min_value=0)


class AllowanceAskSerializer(AccountAskSerializer):
    numbers = serializers.ListField(child=serializers.IntegerField(min_value=0), min_length=1)
    amount = serializers.DecimalField(max_digits=20, decimal_places=6, min_value=0, required=False)
    unlimited = serializers.BooleanField(default=False, help_text="instead of an amount; never the default")


def _checked(request: Request, kind: type[serializers.Serializer]) -> dict[str, Any]:
    form = kind(data=request.data)
    form.is_valid(raise_exception=True)
    accounts_of(request, form.validated_data["account"])
    return dict(form.validated_data)


def _rows(request: Request) -> QuerySet[ChainAction]:
    return claims.action_rows(list(accounts_of(request).values_list("pk", flat=True)))


@extend_schema(parameters=[ChainFilter], tags=["chain"])
class ChainActionListView(ListAPIView):
    """Transactions outside the book, newest first."""

    serializer_class = ChainActionSerializer
    queryset = ChainAction.objects.none()

    def get_queryset(self) -> QuerySet[ChainAction]:
        if getattr(self, "swagger_fake_view", False):
            return self.queryset
        query = asked(self.request, ChainFilter)
        accounts = accounts_of(self.request, query.get("account"))
        rows = claims.action_rows(list(accounts.values_list("pk", flat=True)))
        return rows.filter(state=query["state"]) if query.get("state") else rows


@extend_schema(tags=["chain"], responses=ChainActionSerializer)
class ChainActionView(APIView):
    """One transaction."""

    def get(self, request: Request, action_id: int) -> Response:
        action = _rows(request).filter(pk=action_id).first()
        if action is None:
            raise NotFound(f"there is no transaction {action_id} for you")
        return Response(ChainActionSerializer(action).data)


class _Step(APIView):
    def _mine(self, request: Request, action_id: int) -> None:
        if not _rows(request).filter(pk=action_id).exists():
            raise NotFound(f"there is no transaction {action_id} for you")

    def _answer(self, request: Request, action_id: int) -> Response:
        return Response(ChainActionSerializer(_rows(request).get(pk=action_id)).data)


class ChainConfirmView(_Step):
    """Agree to a preview: the trader signs and sends exactly what it shows."""

    @extend_schema(tags=["chain"], request=None, responses=ChainActionSerializer)
    def post(self, request: Request, action_id: int) -> Response:
        self._mine(request, action_id)
        try:
            chain.action_confirm(action_id, by=request.user.get_username(), now=timezone.now())
        except ChainError as error:
            raise ValidationError({"detail": str(error)}) from error
        return self._answer(request, action_id)


class ChainCancelView(_Step):
    """Call off what is not signed yet."""

    @extend_schema(tags=["chain"], request=None, responses=ChainActionSerializer)
    def post(self, request: Request, action_id: int) -> Response:
        self._mine(request, action_id)
        chain.action_cancel(action_id, by=request.user.get_username(), now=timezone.now())
        return self._answer(request, action_id)


class SetPreviewView(GenericAPIView):
    """Preview a split or merge of complete sets; it happens when it is confirmed."""

    serializer_class = SetAskSerializer

    @extend_schema(tags=["chain"], request=SetAskSerializer, responses={201: ChainActionSerializer})
    def post(self, request: Request) -> Response:
        ask = _checked(request, SetAskSerializer)
        try:
            made = set_wish(
                account_id=ask["account"],
                market_id=ask["market"],
                amount=micro_from_decimal(ask["amount"]),
                merge=ask["kind"] == "merge",
                key=str(uuid.uuid4()),
                by=request.user.get_username(),
                now=timezone.now(),
            )
        except ChainError as error:
            raise ValidationError({"detail": str(error)}) from error
        return Response(ChainActionSerializer(made).data, status=201)


@extend_schema(parameters=[AccountFilter], tags=["chain"], responses=ClaimSerializer(many=True))
class ClaimListView(APIView):
    """What resolved markets owe an account."""

    def get(self, request: Request) -> Response:
        account_ids = accounts_of(request, asked(request, AccountFilter).get("account")).values_list("pk", flat=True)
        found = [claim for account_id in account_ids for claim in claims.claims_get(account_id)]
        return Response(ClaimSerializer(found, many=True).data)


class AllowancesView(APIView):
    """What the venue's contracts may take from a wallet, as the chain last said."""

    @extend_schema(tags=["chain"], responses=AllowancesSerializer)
    def get(self, request: Request, account_id: int) -> Response:
        accounts_of(request, account_id)
        return Response(AllowancesSerializer(allowances_get(account_id)).data)


class AllowancePreviewView(GenericAPIView):
    """Preview grants of a named amount."""

    serializer_class = AllowanceAskSerializer

    @extend_schema(tags=["chain"], request=AllowanceAskSerializer, responses={201: ChainActionSerializer(many=True)})
    def post(self, request: Request) -> Response:
        ask = _checked(request, AllowanceAskSerializer)
        if ask["unlimited"] == ("amount" in ask):
            raise ValidationError({"amount": "name an amount, or say unlimited: exactly one of them"})
        try:
            made = allowances.allowances_preview(
                account_id=ask["account"],
                numbers=ask["numbers"],
                amount=None if ask["unlimited"] else micro_from_decimal(ask["amount"]),
                key=str(uuid.uuid4()),
                by=request.user.get_username(),
                now=timezone.now(),
            )
        except ChainError as error:
            raise ValidationError({"detail": str(error)}) from error
        return Response(ChainActionSerializer(made, many=True).data, status=201)
