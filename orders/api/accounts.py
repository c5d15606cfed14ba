"""Accounts and their wallets, read; and a wish to connect one again. No secret can be read or written here."""

from __future__ import annotations

import contextlib
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from kombu.exceptions import OperationalError
from rest_framework import serializers
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.generics import GenericAPIView, ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from orders.api.views import accounts_of
from orders.models import Account
from orders.selectors.permits import permits_missing
from orders.services.accounts import AccountError
from orders.services.connection_asks import connection_ask


class WalletSerializer(serializers.ModelSerializer):
    """One account: where its money is and how far it is connected. Keys are sealed and have no address here."""

    secrets = serializers.SerializerMethodField()
    missing_permits = serializers.SerializerMethodField()

    class Meta:
        model = Account
        fields = [
            "id",
            "name",
            "venue",
            "environment",
            "connection",
            "connection_note",
            "wallet_address",
            "signer_address",
            "wallet_kind",
            "trading_state",
            "reconciled_at",
            "secrets",
            "missing_permits",
        ]
        read_only_fields = fields

    def get_secrets(self, account: Account) -> list[str]:
        """Which kinds of secret are kept sealed."""
        return sorted(account.secrets.filter(retired_at=None).values_list("kind", flat=True))

    def get_missing_permits(self, account: Account) -> list[str]:
        """What stands between the account and real money, in words."""
        return permits_missing(account.pk, None)


@extend_schema(tags=["accounts"])
class AccountListView(ListAPIView):
    """The accounts you may see."""

    serializer_class = WalletSerializer
    queryset = Account.objects.none()

    def get_queryset(self) -> QuerySet[Account]:
        return self.queryset if getattr(self, "swagger_fake_view", False) else accounts_of(self.request).order_by("id")


@extend_schema(tags=["accounts"], request=None)
class AccountConnectView(GenericAPIView):
    """Ask the trader to connect an account again; the list says how it went."""

    serializer_class = WalletSerializer
    queryset = Account.objects.none()

    def post(self, request: Request, account_id: int, **_: Any) -> Response:
        from orders.tasks import connect_account

        account = accounts_of(request, account_id).first()
        if account is None:
            raise NotFound(f"there is no account {account_id} for you")
        try:
            connection_ask(account.pk, by=str(request.user))
        except AccountError as error:
            raise ValidationError({"account": str(error)}) from error
        with contextlib.suppress(OperationalError):  # the trader looks every 10 s by itself
            connect_account.delay(account.pk)
        account.refresh_from_db()
        return Response(WalletSerializer(account).data, status=202)
