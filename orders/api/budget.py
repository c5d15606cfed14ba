"""How much may still be asked of the venues, and what waits to be sent."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from orders.api.filters import AccountFilter
from orders.api.views import accounts_of, asked
from orders.selectors import rate_budget


class WindowSerializer(serializers.Serializer):
    """One of the venue's windows per internet address. A kind of request that never counts in it has null."""

    name = serializers.CharField()
    routes = serializers.ListField(child=serializers.CharField(), help_text="the requests that count in it")
    requests = serializers.IntegerField(help_text="what the venue allows in `seconds`")
    seconds = serializers.IntegerField()
    used = serializers.IntegerField(help_text="requests of this desk that still count")
    left_for_orders = serializers.IntegerField(allow_null=True)
    left_for_cancels = serializers.IntegerField(allow_null=True)
    reserve = serializers.IntegerField(help_text="what orders can never take: it is kept for cancels")
    counted_ms = serializers.IntegerField(allow_null=True, help_text="Unix time of the last count")


class BucketSerializer(serializers.Serializer):
    """What one key may still send of a kind; less than nothing is owed."""

    left = serializers.FloatField()
    per_s = serializers.IntegerField()
    burst = serializers.IntegerField()
    tier = serializers.CharField()
    told = serializers.BooleanField(help_text="the venue named the tier; false: the lowest is assumed")
    counted_ms = serializers.IntegerField(allow_null=True, help_text="Unix time; null: never used")
    paused_ms = serializers.IntegerField(help_text="how long the venue asked to wait, from `read_at`")


class KeySerializer(serializers.Serializer):
    signer = serializers.CharField()
    accounts = serializers.ListField(child=serializers.CharField())
    order = BucketSerializer()
    cancel = BucketSerializer()


class RateFiguresSerializer(serializers.Serializer):
    venue = serializers.CharField()
    read_at = serializers.DateTimeField(allow_null=True, help_text="null: it could not be read, `problem` says why")
    windows = WindowSerializer(many=True)
    keys = KeySerializer(many=True)
    problem = serializers.CharField()


class WaitingSerializer(serializers.Serializer):
    """What of one account has yet to reach the venue; each time is of the oldest."""

    account_id = serializers.IntegerField()
    account = serializers.CharField()
    prepared = serializers.IntegerField(help_text="approved, and not sent yet")
    prepared_since = serializers.DateTimeField(allow_null=True)
    sending = serializers.IntegerField(help_text="may have left us; no answer is stored yet")
    sending_since = serializers.DateTimeField(allow_null=True)
    unknown = serializers.IntegerField()
    unknown_since = serializers.DateTimeField(allow_null=True)
    cancels = serializers.IntegerField(help_text="asked for, and the venue has not confirmed the end")
    cancels_since = serializers.DateTimeField(allow_null=True)


class SenderLoadSerializer(serializers.Serializer):
    """The trader's queue in memory as of `at`."""

    at = serializers.DateTimeField()
    waiting = serializers.IntegerField()
    posting = serializers.IntegerField()
    answers = serializers.IntegerField()
    refused = serializers.IntegerField(help_text="orders left to the sweep since the trader started")


class BudgetSerializer(serializers.Serializer):
    venues = RateFiguresSerializer(many=True)
    waiting = WaitingSerializer(many=True)
    senders = SenderLoadSerializer(allow_null=True)


@extend_schema(parameters=[AccountFilter], tags=["orders"], responses=BudgetSerializer)
class RateBudgetView(APIView):
    """The shared rate budget per venue, window and signing key, and the orders and cancels that wait."""

    def get(self, request: Request) -> Response:
        ids = list(accounts_of(request, asked(request, AccountFilter).get("account")).values_list("pk", flat=True))
        body = {
            "venues": rate_budget.rate_figures_get(ids),
            "waiting": rate_budget.waiting_get(ids),
            "senders": rate_budget.sender_load_get(),
        }
        return Response(BudgetSerializer(body).data)
