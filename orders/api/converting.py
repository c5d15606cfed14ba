"""Converting No shares of a neg-risk group: previewed here, confirmed like every transaction outside the book."""

from __future__ import annotations

import uuid

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from markets.domain.units import micro_from_decimal
from orders.api.chain import ChainActionSerializer
from orders.api.views import accounts_of
from orders.services.chain import ChainError
from orders.services.chain_wishes import convert_wish


class ConvertAskSerializer(serializers.Serializer):
    account = serializers.IntegerField(min_value=1)
    markets = serializers.ListField(
        child=serializers.IntegerField(min_value=1),
        min_length=1,
        max_length=256,
        help_text="markets of one group whose No shares are given",
    )
    amount = serializers.DecimalField(
        max_digits=20, decimal_places=6, min_value=0, help_text="No shares of each of them"
    )


class ConvertPreviewView(GenericAPIView):
    """Preview turning No shares into Yes shares of every other market of the group, and the dollars this releases."""

    serializer_class = ConvertAskSerializer

    @extend_schema(tags=["chain"], request=ConvertAskSerializer, responses={201: ChainActionSerializer})
    def post(self, request: Request) -> Response:
        form = ConvertAskSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        ask = form.validated_data
        accounts_of(request, ask["account"])
        try:
            made = convert_wish(
                account_id=ask["account"],
                market_ids=ask["markets"],
                amount=micro_from_decimal(ask["amount"]),
                key=str(uuid.uuid4()),
                by=request.user.get_username(),
                now=timezone.now(),
            )
        except ChainError as error:
            raise ValidationError({"detail": str(error)}) from error
        return Response(ChainActionSerializer(made).data, status=201)
