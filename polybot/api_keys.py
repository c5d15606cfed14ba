"""Who the caller is, and the caller's API keys."""

from __future__ import annotations

from typing import Any

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from polybot.api_access import scopes_of
from polybot.identity import keys, selectors
from polybot.identity.models import ApiKey


class KeySerializer(serializers.ModelSerializer[ApiKey]):
    class Meta:
        model = ApiKey
        fields = ["id", "name", "prefix", "scopes", "created_at", "last_used_at", "revoked_at"]


class KeyRequestSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=80)
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=selectors.SCOPES), allow_empty=False)


class KeyCreatedSerializer(KeySerializer):
    secret = serializers.CharField(help_text="shown this once; store it now")

    class Meta(KeySerializer.Meta):
        fields = [*KeySerializer.Meta.fields, "secret"]


class MeSerializer(serializers.Serializer[Any]):
    username = serializers.CharField()
    is_staff = serializers.BooleanField()
    scopes = serializers.ListField(child=serializers.CharField())


class MeView(APIView):
    @extend_schema(responses=MeSerializer)
    def get(self, request: Request) -> Response:
        """The person behind this request and what it may do."""
        return Response(
            {
                "username": request.user.get_username(),
                "is_staff": request.user.is_staff,
                "scopes": sorted(scopes_of(request.user, request.auth)),
            }
        )


class OwnScopesOnly(APIView):
    """Keys are made by people: a key may list keys but never make or end one, or it could outgrow its scopes."""

    required_scope = "read"

    def check_permissions(self, request: Request) -> None:
        super().check_permissions(request)
        if request.method != "GET" and isinstance(request.auth, ApiKey):
            self.permission_denied(request, message="API keys are made and revoked by a signed-in person")


class KeyListView(OwnScopesOnly):
    @extend_schema(responses=KeySerializer(many=True))
    def get(self, request: Request) -> Response:
        """The caller's keys, without their secrets."""
        return Response(KeySerializer(selectors.key_rows(request.user), many=True).data)

    @extend_schema(request=KeyRequestSerializer, responses={201: KeyCreatedSerializer})
    def post(self, request: Request) -> Response:
        """Make a key. Its secret is in this answer and nowhere else."""
        form = KeyRequestSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        try:
            key, secret = keys.key_create(request.user, **form.validated_data)
        except keys.KeyRefused as error:
            raise serializers.ValidationError({"scopes": [str(error)]}) from error
        return Response({**KeySerializer(key).data, "secret": secret}, status=201)


class KeyView(OwnScopesOnly):
    @extend_schema(request=None, responses=KeySerializer)
    def delete(self, request: Request, key_id: int) -> Response:
        """End a key at once."""
        try:
            key = keys.key_revoke(key_id, by=request.user)
        except ApiKey.DoesNotExist as error:
            raise Http404 from error
        return Response(KeySerializer(key).data)
